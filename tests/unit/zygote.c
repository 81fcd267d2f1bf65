#include "worker/zygote_private.h"

#include "zygote_support.h"

/* ---- Preparing --------------------------------------------------------------------------------
 */

Test(zygote, preparing_answers_with_a_status_and_a_text)
{
    struct zygote *zygote = create(run_pause, NULL);
    cr_assert(eq(int, zygote_prepare(zygote, "ok", 2, NULL), STATUS_OK));
    cr_assert(eq(int, zygote_prepare(zygote, "bad", 3, NULL), STATUS_OK));
    cr_assert(eq(int, zygote_prepare(zygote, NULL, 0, NULL), STATUS_OK));
    struct zygote_event event = next_event(zygote);
    cr_expect(eq(int, event.kind, ZYGOTE_PREPARED));
    cr_expect(eq(int, event.status, STATUS_OK));
    event = next_event(zygote);
    cr_expect(eq(int, event.kind, ZYGOTE_PREPARED));
    cr_expect(eq(int, event.status, STATUS_NOT_FOUND));
    cr_expect(eq(str, event.error.text, "3 bytes, last 100"));
    event = next_event(zygote);
    cr_expect(eq(str, event.error.text, "0 bytes, last 0"));
    zygote_destroy(zygote);
}

Test(zygote, the_longest_request_arrives_and_a_longer_one_is_refused)
{
    struct zygote *zygote = create(run_pause, NULL);
    struct error err = {.text = ""};
    static char request[ZYGOTE_REQUEST_SIZE_MAX + 1];
    request[ZYGOTE_MESSAGE_SIZE_MAX - 1] = 7;
    request[ZYGOTE_REQUEST_SIZE_MAX - 1] = 8;
    cr_assert(eq(int, zygote_prepare(zygote, request, sizeof(request), &err), STATUS_LIMIT));
    cr_expect(ne(str, err.text, ""));
    cr_assert(eq(int, zygote_prepare(zygote, request, ZYGOTE_MESSAGE_SIZE_MAX, &err), STATUS_OK));
    struct zygote_event event = next_event(zygote);
    cr_expect(eq(str, event.error.text, "131072 bytes, last 7"));
    cr_assert(eq(int, zygote_prepare(zygote, request, ZYGOTE_REQUEST_SIZE_MAX, &err), STATUS_OK));
    event = next_event(zygote);
    cr_expect(eq(str, event.error.text, "67108864 bytes, last 8"));
    zygote_destroy(zygote);
}

Test(zygote, a_job_that_hangs_while_it_loads_does_not_hold_up_the_end)
{
    struct board *board = board_create();
    struct zygote *zygote = create(run_pause, board);
    const pid_t executor = fork_one(zygote, 1, NULL, 0);
    cr_assert(eq(int, zygote_prepare(zygote, "hang", 4, NULL), STATUS_OK));
    wait_for_pid(&board->pids[0]);
    const uint64_t begin_us = clock_us();
    zygote_destroy(zygote);
    cr_expect(lt(u64, clock_us() - begin_us, 1000000));
    cr_expect(is_gone(board->pids[0]));
    cr_expect(is_gone(executor));
}

Test(zygote, requests_in_plenty_to_a_zygote_that_is_busy_are_refused_in_the_end)
{
    struct board *board = board_create();
    struct zygote *zygote = create(run_pause, board);
    static char request[ZYGOTE_MESSAGE_SIZE_MAX];
    cr_assert(eq(int, zygote_prepare(zygote, "hang", 4, NULL), STATUS_OK));
    enum status status = STATUS_OK;
    for (int i = 0; i < 100 && status == STATUS_OK; i++) {
        status = zygote_prepare(zygote, request, sizeof(request), NULL);
    }
    cr_expect(eq(int, status, STATUS_LIMIT));
    zygote_destroy(zygote);
}

/* Goal: neither side waits for the other to read. Method: far more answers than a socket holds,
 * none of them taken until all requests are out. */
Test(zygote, answers_that_are_not_taken_hold_up_nothing)
{
    enum { COUNT = 5000 };
    struct zygote *zygote = create(run_pause, NULL);
    for (int i = 0; i < COUNT; i++) {
        cr_assert(eq(int, zygote_prepare(zygote, "ok", 2, NULL), STATUS_OK));
    }
    for (int i = 0; i < COUNT; i++) {
        cr_assert(eq(int, next_event(zygote).status, STATUS_OK));
    }
    zygote_destroy(zygote);
}

/* ---- Executors --------------------------------------------------------------------------------
 */

/* Adds one to what it reads from the pipe, into the memory, and rings the bell. */
static int run_with_fds(void *context, uint32_t slot, const int *fds, size_t fd_count)
{
    (void)slot;
    (void)context;
    int number = 0;
    int *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fds[1], 0);
    if (fd_count != 3 || memory == MAP_FAILED || read(fds[0], &number, sizeof(number)) < 0) {
        return 1;
    }
    *memory = number + 1;
    return eventfd_write(fds[2], 5);
}

Test(zygote, an_executor_gets_its_descriptors_in_their_order)
{
    struct zygote *zygote = create(run_with_fds, NULL);
    int ends[2];
    cr_assert(eq(int, pipe2(ends, O_CLOEXEC), 0));
    const int fds[] = {ends[0], memfd_create("memory", MFD_CLOEXEC), eventfd(0, EFD_CLOEXEC)};
    cr_assert(eq(int, ftruncate(fds[1], 4096), 0));
    const int *memory = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fds[1], 0);

    const pid_t pid = fork_one(zygote, 77, fds, 3);
    const int number = 41;
    cr_assert(eq(int, (int)write(ends[1], &number, sizeof(number)), sizeof(number)));
    eventfd_t value = 0;
    cr_assert(eq(int, eventfd_read(fds[2], &value), 0));
    cr_expect(eq(u64, value, 5));
    cr_expect(eq(int, *memory, 42));
    cr_expect(eq(int, ended(zygote, 77, pid).wait_status, 0));
    zygote_destroy(zygote);
}

static int run_count_fds(void *context, uint32_t slot, const int *fds, size_t fd_count)
{
    (void)slot;
    (void)fds, (void)fd_count;
    struct board *board = context;
    struct stat null;
    struct stat own;
    board->numbers[0] = count_fds();
    stat("/dev/null", &null);
    for (int fd = 0; fd < 3; fd++) {
        board->numbers[1] += fstat(fd, &own) == 0 && own.st_rdev == null.st_rdev;
    }
    return 0;
}

Test(zygote, an_executor_holds_nothing_but_its_descriptors_and_the_null_device)
{
    struct board *board = board_create();
    const int loose[] = {dup(1), dup(1), dup(1)}; /* not closed on exec, nor on fork */
    struct zygote *zygote = create(run_count_fds, board);
    const int fds[] = {eventfd(0, EFD_CLOEXEC), loose[0], eventfd(0, EFD_CLOEXEC)};
    const pid_t pid = fork_one(zygote, 1, fds, 3);
    cr_expect(eq(int, ended(zygote, 1, pid).wait_status, 0));
    cr_expect(eq(int, board->numbers[0], 6));
    cr_expect(eq(int, board->numbers[1], 3));
    zygote_destroy(zygote);
}

Test(zygote, the_rank_and_the_zygote_keep_no_descriptor)
{
    const int fd = eventfd(0, EFD_CLOEXEC);
    const int before = count_fds();
    struct zygote *zygote = create(run_pause, NULL);
    cr_expect(eq(int, count_fds(), before + 3));
    const int fds[] = {fd, fd, fd, fd, fd, fd, fd, fd};
    for (uint64_t id = 0; id < 100; id++) {
        const pid_t pid = fork_one(zygote, id, fds, ZYGOTE_FD_COUNT_MAX);
        cr_expect(eq(int, count_fds_of(parent_of(pid)), 5)); /* 0 to 2, the socket, the signals */
        cr_assert(eq(int, zygote_signal(zygote, id, SIGKILL, NULL), STATUS_OK));
        ended(zygote, id, pid);
    }
    cr_expect(eq(int, count_fds(), before + 3));
    zygote_destroy(zygote);
    cr_expect(eq(int, count_fds(), before));
}

/* Ends in the way that the context says: by a signal, or by this exit status from 1000 on. */
static int run_end(void *context, uint32_t slot, const int *fds, size_t fd_count)
{
    (void)slot;
    (void)fds, (void)fd_count;
    const struct board *board = context;
    const int way = board->numbers[0];
    if (way < 1000) {
        raise(way);
    }
    return way - 1000;
}

static int end_in_this_way(struct zygote *zygote, struct board *board, int way)
{
    board->numbers[0] = way;
    const pid_t pid = fork_one(zygote, (uint64_t)way << 40, NULL, 0);
    struct zygote_event event = ended(zygote, (uint64_t)way << 40, pid);
    cr_expect(not(event.was_signalled));
    return event.wait_status;
}

Test(zygote, how_an_executor_ended_comes_back)
{
    struct board *board = board_create();
    struct zygote *zygote = create(run_end, board);
    int status = end_in_this_way(zygote, board, 1000);
    cr_expect(exited_with(status, 0));
    status = end_in_this_way(zygote, board, 1042);
    cr_expect(exited_with(status, 42));
    const int signals[] = {SIGSEGV, SIGKILL, SIGABRT, SIGTERM, SIGPIPE, SIGUSR1, SIGINT, SIGHUP};
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
        status = end_in_this_way(zygote, board, signals[i]);
        cr_expect(killed_by(status, signals[i]), "signal %d: %x", signals[i], (unsigned)status);
    }
    zygote_destroy(zygote);
}

Test(zygote, a_number_that_lives_is_refused_and_can_be_used_again_after_its_end)
{
    struct zygote *zygote = create(run_pause, NULL);
    const pid_t pid = fork_one(zygote, 5, NULL, 0);
    cr_assert(eq(int, zygote_fork(zygote, 5, 0, NULL, 0, NULL), STATUS_OK));
    struct zygote_event event = next_event(zygote);
    cr_expect(eq(int, event.kind, ZYGOTE_FORKED));
    cr_expect(eq(int, event.status, STATUS_EXISTS));
    cr_expect(ne(str, event.error.text, ""));
    cr_assert(eq(int, zygote_signal(zygote, 5, SIGKILL, NULL), STATUS_OK));
    ended(zygote, 5, pid);
    fork_one(zygote, 5, NULL, 0);
    zygote_destroy(zygote);
}

/* ---- Describing -------------------------------------------------------------------------------
 */

/* Answers with the request, and prints it; "crash", "child", "stop" and "fail" do what they
 * say, and "cut" becomes another program. */
static enum status describe(void *context, const void *request, size_t size, int answer,
                            struct error *err)
{
    (void)context;
    const bool has_child = size == 5 && memcmp(request, "child", 5) == 0;
    if (has_child && fork() == 0) {
        pause();
        _exit(0);
    }
    if (has_child || (size == 5 && memcmp(request, "crash", 5) == 0)) {
        raise(SIGSEGV);
    }
    if (size == 3 && memcmp(request, "cut", 3) == 0) {
        (void)execlp("sleep", "sleep", "1000", (char *)NULL);
    }
    if (size == 4 && memcmp(request, "stop", 4) == 0) {
        raise(SIGSTOP);
    }
    if (size == 4 && memcmp(request, "fail", 4) == 0) {
        return error_set(err, STATUS_NOT_FOUND, "no such job");
    }
    printf("%.*s", (int)size, (const char *)request);
    return write(answer, request, size) == (ssize_t)size ? STATUS_OK : STATUS_IO;
}

struct description {
    struct zygote *zygote;
    int answer;
    int prints[2];
};

static struct description ask(const char *request)
{
    struct error err = {.text = ""};
    const struct zygote_duties duties = {
        .describe = describe, .prepare = prepare, .run = run_nothing};
    struct description d = {.answer = memfd_create("answer", MFD_CLOEXEC)};
    cr_assert(eq(int, pipe(d.prints), 0));
    cr_assert(eq(int, zygote_create(&duties, &d.zygote, &err), STATUS_OK), "%s", err.text);
    cr_assert(eq(int,
                 zygote_describe(d.zygote, request, strlen(request), d.answer, d.prints[1], &err),
                 STATUS_OK),
              "%s", err.text);
    (void)close(d.prints[1]);
    return d;
}

static void forget(struct description *d)
{
    zygote_destroy(d->zygote);
    (void)close(d->answer);
    (void)close(d->prints[0]);
}

Test(zygote, a_description_comes_back_with_what_was_printed)
{
    char text[16] = "";
    struct description d = ask("job");
    struct zygote_event event = next_event(d.zygote);
    cr_assert(eq(int, event.kind, ZYGOTE_DESCRIBED));
    cr_expect(eq(int, event.status, STATUS_OK), "%s", event.error.text);
    cr_expect(eq(int, (int)pread(d.answer, text, sizeof(text), 0), 3));
    cr_expect(eq(int, memcmp(text, "job", 3), 0));
    cr_expect(eq(int, (int)read(d.prints[0], text, sizeof(text)), 3));
    cr_expect(eq(int, (int)read(d.prints[0], text, sizeof(text)), 0), "the pipe is still held");
    forget(&d);
}

Test(zygote, what_cannot_be_described_says_why_and_the_zygote_goes_on)
{
    struct description d = ask("fail");
    struct zygote_event event = next_event(d.zygote);
    cr_assert(eq(int, event.kind, ZYGOTE_DESCRIBED));
    cr_expect(eq(int, event.status, STATUS_NOT_FOUND));
    cr_expect(strcmp(event.error.text, "no such job") == 0);
    cr_assert(eq(int, zygote_prepare(d.zygote, "ok", 2, NULL), STATUS_OK));
    cr_expect(eq(int, next_event(d.zygote).status, STATUS_OK));
    forget(&d);
}

static void wait_until_gone(struct zygote *zygote)
{
    struct zygote_event event;
    bool is_event;
    struct pollfd fd = {.fd = zygote_descriptor(zygote), .events = POLLIN};
    cr_assert(eq(int, poll(&fd, 1, EVENT_WAIT_MS), 1), "nothing tells that it is gone");
    cr_assert(eq(int, zygote_take_event(zygote, &event, &is_event, NULL), STATUS_IO));
}

Test(zygote, how_a_zygote_crashed_is_told)
{
    struct description d = ask("crash");
    wait_until_gone(d.zygote);
    cr_expect(killed_by(zygote_end_status(d.zygote), SIGSEGV));
    forget(&d);
}

/* What it has forked holds its end of the socket open. */
Test(zygote, a_crash_is_noticed_though_children_live_and_they_are_ended)
{
    char text[16];
    struct description d = ask("child");
    wait_until_gone(d.zygote);
    cr_expect(killed_by(zygote_end_status(d.zygote), SIGSEGV));
    cr_expect(eq(int, (int)read(d.prints[0], text, sizeof(text)), 0)); /* the child held it */
    forget(&d);
}

Test(zygote, one_that_closes_its_socket_and_lives_on_is_killed)
{
    struct description d = ask("cut");
    wait_until_gone(d.zygote);
    cr_expect(eq(int, zygote_end_status(d.zygote), -1));
    forget(&d);
}

/* The zygote, being the only one. */
static pid_t child_of_this_process(void)
{
    int pid = 0;
    FILE *file = fopen("/proc/thread-self/children", "r");
    cr_assert(file != NULL);
    cr_assert(eq(int, fscanf(file, "%d", &pid), 1));
    (void)fclose(file);
    return pid;
}

Test(zygote, one_that_is_stopped_does_not_hold_up_the_end)
{
    struct description d = ask("stop");
    const pid_t pid = child_of_this_process();
    siginfo_t info;
    cr_assert(eq(int, waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOWAIT), 0));
    forget(&d);
    cr_expect(is_gone(pid));
}
