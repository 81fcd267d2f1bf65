#include "worker/zygote.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/clock.h"

#define EVENT_WAIT_MS 10000
#define GONE_WAIT_MS 5000
#define FORK_COUNT 200

/* What the processes tell the test: a page that all of them share. */
struct board {
    _Atomic pid_t pids[4];
    _Atomic int numbers[4];
};

static struct board *board_create(void)
{
    struct board *board =
        mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert(ne(ptr, board, MAP_FAILED));
    return board;
}

/* Succeeds on "ok", never returns on "hang", fails on the rest. */
static enum status prepare(void *context, const void *request, size_t size, struct error *err)
{
    struct board *board = context;
    if (board != NULL) {
        board->pids[0] = getpid();
    }
    if (size == 4 && memcmp(request, "hang", 4) == 0) {
        pause();
    }
    if (size == 2 && memcmp(request, "ok", 2) == 0) {
        return STATUS_OK;
    }
    return error_set(err, STATUS_NOT_FOUND, "%zu bytes, last %u", size,
                     size > 0 ? ((const unsigned char *)request)[size - 1] : 0u);
}

static struct zygote *create(int (*run)(void *, uint32_t, const int *, size_t), void *context)
{
    struct zygote *zygote = NULL;
    struct error err = {.text = ""};
    const struct zygote_duties duties = {.prepare = prepare, .run = run, .context = context};
    cr_assert(eq(int, zygote_create(&duties, &zygote, &err), STATUS_OK), "%s", err.text);
    return zygote;
}

static struct zygote_event next_event(struct zygote *zygote)
{
    struct zygote_event event;
    struct error err = {.text = ""};
    bool is_event = false;
    struct pollfd fd = {.fd = zygote_descriptor(zygote), .events = POLLIN};
    while (!is_event) {
        cr_assert(eq(int, poll(&fd, 1, EVENT_WAIT_MS), 1), "no event");
        cr_assert(eq(int, zygote_take_event(zygote, &event, &is_event, &err), STATUS_OK), "%s",
                  err.text);
    }
    return event;
}

static pid_t fork_one(struct zygote *zygote, uint64_t id, const int *fds, size_t fd_count)
{
    cr_assert(eq(int, zygote_fork(zygote, id, 0, fds, fd_count, NULL), STATUS_OK));
    struct zygote_event event = next_event(zygote);
    cr_assert(eq(int, event.kind, ZYGOTE_FORKED));
    cr_assert(eq(int, event.status, STATUS_OK), "%s", event.error.text);
    cr_assert(eq(u64, event.executor, id));
    return event.pid;
}

static struct zygote_event ended(struct zygote *zygote, uint64_t id, pid_t pid)
{
    struct zygote_event event = next_event(zygote);
    cr_assert(eq(int, event.kind, ZYGOTE_ENDED));
    cr_assert(eq(u64, event.executor, id));
    cr_assert(eq(int, event.pid, pid));
    return event;
}

static bool exited_with(int wait_status, int code)
{
    return WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == code;
}

static bool killed_by(int wait_status, int number)
{
    return WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == number;
}

/* A process that has ended, and that nobody has reaped yet, is gone. */
static bool is_gone(pid_t pid)
{
    char path[64];
    char line[512] = "";
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return true;
    }
    const bool is_read = fgets(line, sizeof(line), file) != NULL;
    fclose(file);
    const char *name_end = strrchr(line, ')');
    return !is_read || name_end == NULL || name_end[2] == 'Z' || name_end[2] == 'X';
}

static uint64_t gone_after_ms(pid_t pid)
{
    cr_assert(gt(int, pid, 1));
    const uint64_t begin_us = clock_us();
    while (!is_gone(pid) && clock_us() - begin_us < GONE_WAIT_MS * 1000ull) {
        usleep(500);
    }
    cr_assert(is_gone(pid), "process %d lives", (int)pid);
    return (clock_us() - begin_us) / 1000;
}

static void wait_for_pid(_Atomic pid_t *pid)
{
    for (int i = 0; i < 5000 && *pid == 0; i++) {
        usleep(1000);
    }
    cr_assert(ne(int, *pid, 0));
}

static int count_fds_of(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    DIR *folder = opendir(path);
    cr_assert(ne(ptr, folder, NULL));
    int count = 0;
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        count += entry->d_name[0] != '.';
    }
    closedir(folder);
    return count;
}

static int count_fds(void)
{
    return count_fds_of(getpid()) - 1; /* its own */
}

static pid_t parent_of(pid_t pid)
{
    char path[64];
    char line[512] = "";
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    cr_assert(ne(ptr, file, NULL));
    cr_assert(ne(ptr, fgets(line, sizeof(line), file), NULL));
    fclose(file);
    return (pid_t)strtol(strrchr(line, ')') + 4, NULL, 10);
}

static int run_pause(void *context, uint32_t slot, const int *fds, size_t fd_count)
{
    (void)slot;
    (void)context, (void)fds, (void)fd_count;
    for (;;) {
        pause();
    }
    return 0;
}

static int run_nothing(void *context, uint32_t slot, const int *fds, size_t fd_count)
{
    (void)slot;
    (void)context, (void)fds, (void)fd_count;
    return 0;
}

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
    request[ZYGOTE_REQUEST_SIZE_MAX - 1] = 7;
    cr_assert(eq(int, zygote_prepare(zygote, request, sizeof(request), &err), STATUS_LIMIT));
    cr_expect(ne(str, err.text, ""));
    cr_assert(eq(int, zygote_prepare(zygote, request, ZYGOTE_REQUEST_SIZE_MAX, &err), STATUS_OK));
    struct zygote_event event = next_event(zygote);
    cr_expect(eq(str, event.error.text, "65536 bytes, last 7"));
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
    static char request[ZYGOTE_REQUEST_SIZE_MAX];
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

/* ---- Signals and what an executor leaves behind -----------------------------------------------
 */

/* A child and a grandchild in its own group, which ignore what can be ignored. */
static int run_family(void *context, uint32_t slot, const int *fds, size_t fd_count)
{
    (void)slot;
    struct board *board = context;
    if (fork() == 0) {
        signal(SIGTERM, SIG_IGN);
        if (fork() == 0) {
            board->pids[1] = getpid();
            run_pause(NULL, slot, fds, fd_count);
        }
        board->pids[0] = getpid();
        run_pause(NULL, slot, fds, fd_count);
    }
    return run_pause(NULL, slot, fds, fd_count);
}

Test(zygote, a_signal_reaches_the_whole_group)
{
    struct board *board = board_create();
    struct zygote *zygote = create(run_family, board);
    const pid_t pid = fork_one(zygote, 3, NULL, 0);
    wait_for_pid(&board->pids[0]);
    wait_for_pid(&board->pids[1]);
    cr_assert(eq(int, zygote_signal(zygote, 3, SIGKILL, NULL), STATUS_OK));
    struct zygote_event event = ended(zygote, 3, pid);
    cr_expect(killed_by(event.wait_status, SIGKILL));
    cr_expect(event.was_signalled);
    cr_expect(lt(u64, gone_after_ms(board->pids[0]), 1000));
    cr_expect(lt(u64, gone_after_ms(board->pids[1]), 1000));
    zygote_destroy(zygote);
}

Test(zygote, a_group_ends_with_its_executor)
{
    struct board *board = board_create();
    struct zygote *zygote = create(run_family, board);
    const pid_t pid = fork_one(zygote, 3, NULL, 0);
    wait_for_pid(&board->pids[0]);
    wait_for_pid(&board->pids[1]);
    cr_assert(eq(int, zygote_signal(zygote, 3, SIGTERM, NULL), STATUS_OK));
    struct zygote_event event = ended(zygote, 3, pid);
    cr_expect(killed_by(event.wait_status, SIGTERM));
    cr_expect(not(event.was_signalled));
    cr_expect(lt(u64, gone_after_ms(board->pids[0]), 1000));
    cr_expect(lt(u64, gone_after_ms(board->pids[1]), 1000));
    zygote_destroy(zygote);
}

Test(zygote, a_signal_that_is_sent_at_once_is_not_lost)
{
    struct zygote *zygote = create(run_pause, NULL);
    for (uint64_t id = 0; id < 100; id++) {
        cr_assert(eq(int, zygote_fork(zygote, id, 0, NULL, 0, NULL), STATUS_OK));
        cr_assert(eq(int, zygote_signal(zygote, id, SIGTERM, NULL), STATUS_OK));
        cr_assert(eq(int, next_event(zygote).kind, ZYGOTE_FORKED));
        struct zygote_event event = next_event(zygote);
        cr_expect(killed_by(event.wait_status, SIGTERM));
    }
    zygote_destroy(zygote);
}

Test(zygote, a_signal_to_an_executor_that_has_ended_is_nothing)
{
    struct zygote *zygote = create(run_nothing, NULL);
    const pid_t pid = fork_one(zygote, 1, NULL, 0);
    usleep(20000);
    cr_assert(eq(int, zygote_signal(zygote, 1, SIGKILL, NULL), STATUS_OK));
    cr_assert(eq(int, zygote_signal(zygote, 2, SIGKILL, NULL), STATUS_OK));
    struct zygote_event event = ended(zygote, 1, pid);
    cr_expect(eq(int, event.wait_status, 0));
    cr_expect(not(event.was_signalled));
    zygote_destroy(zygote);
}

/* A daemon of three generations, each a session of its own: the first ends at once, so that the
 * second is an orphan. The executor ends when told by its descriptor, or by a signal. */
static int run_daemon(void *context, uint32_t slot, const int *fds, size_t fd_count)
{
    (void)slot;
    struct board *board = context;
    if (fork() == 0) {
        setsid();
        if (fork() != 0) {
            _exit(0);
        }
        setsid();
        if (fork() == 0) {
            setsid();
            board->pids[1] = getpid();
            run_pause(NULL, 0, NULL, 0);
        }
        board->pids[0] = getpid();
        run_pause(NULL, 0, NULL, 0);
    }
    if (fd_count == 0) {
        return run_pause(NULL, 0, NULL, 0);
    }
    eventfd_t value;
    return eventfd_read(fds[0], &value);
}

Test(zygote, daemons_of_an_executor_end_with_it)
{
    struct board *board = board_create();
    struct zygote *zygote = create(run_daemon, board);
    const int bell = eventfd(0, EFD_CLOEXEC);
    const pid_t pid = fork_one(zygote, 1, &bell, 1);
    wait_for_pid(&board->pids[0]);
    wait_for_pid(&board->pids[1]);
    eventfd_write(bell, 1);
    ended(zygote, 1, pid);
    cr_expect(lt(u64, gone_after_ms(board->pids[0]), 1000));
    cr_expect(lt(u64, gone_after_ms(board->pids[1]), 1000));
    zygote_destroy(zygote);
}

/* The end of one executor must not take what another has started. */
Test(zygote, daemons_of_an_executor_that_lives_are_left_alone)
{
    struct board *board = board_create();
    struct zygote *zygote = create(run_daemon, board);
    const pid_t pid = fork_one(zygote, 1, NULL, 0);
    wait_for_pid(&board->pids[0]);
    wait_for_pid(&board->pids[1]);
    const pid_t first = board->pids[0];
    const pid_t second = board->pids[1];
    const int bell = eventfd(1, EFD_CLOEXEC);
    for (uint64_t id = 2; id < 10; id++) {
        ended(zygote, id, fork_one(zygote, id, &bell, 1));
        eventfd_write(bell, 1);
    }
    usleep(100000);
    cr_expect(not(is_gone(first)));
    cr_expect(not(is_gone(second)));
    cr_expect(not(is_gone(pid)));
    zygote_destroy(zygote);
    cr_expect(is_gone(first));
    cr_expect(is_gone(second));
    cr_expect(is_gone(pid));
}

Test(zygote, all_have_gone_when_destroy_returns)
{
    enum { COUNT = 20 };
    struct board *board = board_create();
    struct zygote *zygote = create(run_family, board);
    pid_t pids[COUNT];
    for (uint64_t id = 0; id < COUNT; id++) {
        pids[id] = fork_one(zygote, id, NULL, 0);
    }
    wait_for_pid(&board->pids[1]);
    cr_assert(eq(int, zygote_prepare(zygote, "ok", 2, NULL), STATUS_OK)); /* never taken */
    zygote_destroy(zygote);
    for (int i = 0; i < COUNT; i++) {
        cr_expect(eq(int, kill(pids[i], 0), -1)); /* reaped, too */
    }
    cr_expect(is_gone(board->pids[0]));
    cr_expect(is_gone(board->pids[1]));
}

/* ---- When the rank or the zygote dies ---------------------------------------------------------
 */

/* A rank in a group of its own, with an executor that has a daemon and one that is stopped. */
static pid_t start_rank(struct board *board)
{
    const pid_t rank = fork();
    if (rank != 0) {
        setpgid(rank, rank);
        return rank;
    }
    setpgid(0, 0);
    struct zygote *zygote = create(run_daemon, board);
    board->pids[2] = fork_one(zygote, 1, NULL, 0);
    cr_assert(eq(int, zygote_signal(zygote, 1, SIGCONT, NULL), STATUS_OK));
    const pid_t stopped = fork_one(zygote, 2, NULL, 0);
    cr_assert(eq(int, zygote_signal(zygote, 2, SIGSTOP, NULL), STATUS_OK));
    board->pids[3] = stopped;
    for (;;) {
        pause();
    }
}

static pid_t wait_for_rank(struct board *board)
{
    for (int i = 0; i < 4; i++) {
        wait_for_pid(&board->pids[i]);
    }
    return parent_of(board->pids[2]);
}

Test(zygote, nothing_outlives_a_rank_that_is_killed)
{
    struct board *board = board_create();
    const pid_t rank = start_rank(board);
    const pid_t zygote = wait_for_rank(board);
    cr_assert(ne(int, zygote, rank));
    kill(rank, SIGKILL);
    waitpid(rank, NULL, 0);
    uint64_t sum_ms = gone_after_ms(zygote);
    for (int i = 0; i < 4; i++) {
        sum_ms += gone_after_ms(board->pids[i]);
    }
    cr_expect(lt(u64, sum_ms, 1000));
}

Test(zygote, a_signal_to_the_group_of_the_rank_does_not_reach_the_zygote)
{
    struct board *board = board_create();
    const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
    struct zygote *zygote = create(run_daemon, board);
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
        signal(signals[i], SIG_IGN);
    }
    setpgid(0, 0);
    const pid_t pid = fork_one(zygote, 1, NULL, 0);
    const pid_t zygote_pid = parent_of(pid);
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
        kill(-getpgrp(), signals[i]);
        kill(zygote_pid, signals[i]); /* not even one that is meant for it */
    }
    usleep(50000);
    cr_expect(not(is_gone(pid)));
    cr_expect(ne(int, getpgid(zygote_pid), getpgrp()));
    cr_expect(ne(int, getsid(zygote_pid), getsid(0)));
    cr_expect(eq(int, getpgid(pid), pid));
    cr_assert(eq(int, zygote_prepare(zygote, "ok", 2, NULL), STATUS_OK));
    cr_expect(eq(int, next_event(zygote).kind, ZYGOTE_PREPARED));
    zygote_destroy(zygote);
}

Test(zygote, a_zygote_that_is_killed_takes_its_executors_along_and_every_call_fails)
{
    struct zygote *zygote = create(run_pause, NULL);
    const pid_t pid = fork_one(zygote, 1, NULL, 0);
    kill(parent_of(pid), SIGKILL);
    cr_expect(lt(u64, gone_after_ms(pid), 1000));

    struct zygote_event event;
    bool is_event = true;
    struct error err = {.text = ""};
    for (int i = 0; i < 2; i++) {
        cr_expect(eq(int, zygote_take_event(zygote, &event, &is_event, &err), STATUS_IO));
        cr_expect(not(is_event));
        cr_expect(ne(str, err.text, ""));
        cr_expect(eq(int, zygote_fork(zygote, 2, 0, NULL, 0, NULL), STATUS_IO));
        cr_expect(eq(int, zygote_signal(zygote, 1, SIGTERM, NULL), STATUS_IO));
        cr_expect(eq(int, zygote_prepare(zygote, "ok", 2, NULL), STATUS_IO));
    }
    zygote_destroy(zygote);
    zygote_destroy(NULL);
}

/* ---- Speed ------------------------------------------------------------------------------------
 */

static int run_crash_on_bell(void *context, uint32_t slot, const int *fds, size_t fd_count)
{
    (void)slot;
    (void)context, (void)fd_count;
    eventfd_t value;
    eventfd_write(fds[0], 1);
    eventfd_read(fds[1], &value);
    return raise(SIGSEGV);
}

static int compare_times(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* From the crash to the first sign of life of the executor that replaces it. */
Test(zygote, an_executor_that_crashed_is_soon_replaced)
{
    struct zygote *zygote = create(run_crash_on_bell, NULL);
    const int fds[] = {eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC)};
    uint64_t times_us[FORK_COUNT];
    eventfd_t value;
    pid_t pid = fork_one(zygote, 0, fds, 2);
    eventfd_read(fds[0], &value);
    for (uint64_t i = 0; i < FORK_COUNT; i++) {
        const uint64_t begin_us = clock_us();
        eventfd_write(fds[1], 1);
        const int status = ended(zygote, i, pid).wait_status;
        cr_assert(killed_by(status, SIGSEGV));
        pid = fork_one(zygote, i + 1, fds, 2);
        eventfd_read(fds[0], &value);
        times_us[i] = clock_us() - begin_us;
    }
    qsort(times_us, FORK_COUNT, sizeof(*times_us), compare_times);
    cr_log_info("crash to replacement: median %lu us, longest %lu us",
                (unsigned long)times_us[FORK_COUNT / 2], (unsigned long)times_us[FORK_COUNT - 1]);
    cr_expect(lt(u64, times_us[FORK_COUNT / 2], 50000));
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
