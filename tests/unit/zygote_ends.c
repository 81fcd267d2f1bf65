#include "worker/zygote.h"

#include "zygote_support.h"

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

Test(zygote_ends, a_signal_reaches_the_whole_group)
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

Test(zygote_ends, a_group_ends_with_its_executor)
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

Test(zygote_ends, a_signal_that_is_sent_at_once_is_not_lost)
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

Test(zygote_ends, a_signal_to_an_executor_that_has_ended_is_nothing)
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

Test(zygote_ends, daemons_of_an_executor_end_with_it)
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
Test(zygote_ends, daemons_of_an_executor_that_lives_are_left_alone)
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

Test(zygote_ends, all_have_gone_when_destroy_returns)
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

Test(zygote_ends, nothing_outlives_a_rank_that_is_killed)
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

Test(zygote_ends, a_signal_to_the_group_of_the_rank_does_not_reach_the_zygote)
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

Test(zygote_ends, a_zygote_that_is_killed_takes_its_executors_along_and_every_call_fails)
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
Test(zygote_ends, an_executor_that_crashed_is_soon_replaced)
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
