#include "shared/waiter.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* Upper bounds are wide, since the machine may be busy: what is tested is the order of magnitude.
 */

static uint64_t clock_us(clockid_t clock)
{
    struct timespec now;
    cr_assert(eq(int, clock_gettime(clock, &now), 0));
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t now_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

static struct pollfd ready_event(void)
{
    const int fd = eventfd(1, EFD_CLOEXEC);
    cr_assert(ge(int, fd, 0));
    return (struct pollfd){.fd = fd, .events = POLLIN};
}

static struct pollfd quiet_event(void)
{
    const int fd = eventfd(0, EFD_CLOEXEC);
    cr_assert(ge(int, fd, 0));
    return (struct pollfd){.fd = fd, .events = POLLIN};
}

Test(waiter, timer_slack_is_a_microsecond)
{
    struct waiter waiter;
    waiter_init(&waiter, true);
    cr_expect(eq(int, prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0), 1000));
}

Test(waiter, the_first_turns_do_not_sleep_and_then_pauses_grow_to_the_cap)
{
    struct waiter waiter;
    waiter_init(&waiter, true);
    for (int i = 0; i < WAITER_BUSY_TURNS; i++) {
        cr_expect(not(waiter_pause(&waiter, NULL, 0, WAITER_NO_DEADLINE)));
        cr_expect(eq(u32, waiter.pause_us, WAITER_FIRST_US));
    }
    uint32_t before_us = waiter.pause_us;
    uint64_t slept_us = 0;
    const uint64_t begin_us = now_us();
    for (int i = 0; i < 40 && waiter.pause_us < WAITER_PAUSE_MAX_US; i++) {
        slept_us += waiter.pause_us;
        cr_expect(not(waiter_pause(&waiter, NULL, 0, WAITER_NO_DEADLINE)));
        cr_expect(gt(u32, waiter.pause_us, before_us));
        cr_expect(le(u32, waiter.pause_us, 2 * before_us));
        before_us = waiter.pause_us;
    }
    cr_expect(eq(u32, waiter.pause_us, WAITER_PAUSE_MAX_US));
    cr_expect(ge(u64, now_us() - begin_us, slept_us));
    cr_expect(not(waiter_pause(&waiter, NULL, 0, WAITER_NO_DEADLINE)));
    cr_expect(eq(u32, waiter.pause_us, WAITER_PAUSE_MAX_US));
}

Test(waiter, reset_starts_again_without_pauses)
{
    struct waiter waiter;
    waiter_init(&waiter, true);
    for (int i = 0; i < WAITER_BUSY_TURNS + 10; i++) {
        (void)waiter_pause(&waiter, NULL, 0, WAITER_NO_DEADLINE);
    }
    cr_assert(gt(u32, waiter.pause_us, WAITER_FIRST_US));
    waiter_reset(&waiter);
    cr_expect(eq(u32, waiter.pause_us, WAITER_FIRST_US));
    cr_expect(eq(u32, waiter.idle_turns, 0));
}

Test(waiter, rest_starts_again_with_a_sleep_that_is_not_the_shortest)
{
    struct waiter waiter;
    waiter_init(&waiter, true);
    waiter_rest(&waiter, WAITER_REST_US);
    const uint64_t begin_us = now_us();
    cr_expect(not(waiter_pause(&waiter, NULL, 0, WAITER_NO_DEADLINE)));
    cr_expect(ge(u64, now_us() - begin_us, WAITER_REST_US));
    cr_expect(gt(u32, waiter.pause_us, WAITER_REST_US));
}

Test(waiter, a_ready_descriptor_is_seen_at_once_in_every_turn)
{
    struct waiter waiter;
    struct pollfd fds[2] = {quiet_event(), ready_event()};
    for (int turns = 0; turns < 100; turns += 33) {
        waiter_init(&waiter, true);
        for (int i = 0; i < turns; i++) {
            cr_expect(not(waiter_pause(&waiter, fds, 1, WAITER_NO_DEADLINE)));
        }
        cr_expect(waiter_pause(&waiter, fds, 2, WAITER_NO_DEADLINE));
        cr_expect(eq(int, fds[0].revents, 0));
        cr_expect(eq(int, fds[1].revents, POLLIN));
        cr_expect(eq(u32, waiter.idle_turns, WAITER_BUSY_TURNS));
        cr_expect(eq(u32, waiter.pause_us, WAITER_REST_US));
    }
    (void)close(fds[0].fd);
    (void)close(fds[1].fd);
}

Test(waiter, a_process_alone_waits_the_whole_time_without_using_any)
{
    struct waiter waiter;
    struct pollfd fd = quiet_event();
    waiter_init(&waiter, false);
    const uint64_t begin_us = now_us();
    const uint64_t used_begin_us = clock_us(CLOCK_PROCESS_CPUTIME_ID);
    cr_expect(not(waiter_pause(&waiter, &fd, 1, 200000)));
    const uint64_t used_us = clock_us(CLOCK_PROCESS_CPUTIME_ID) - used_begin_us;
    cr_expect(ge(u64, now_us() - begin_us, 200000));
    cr_expect(lt(u64, used_us, 2000));
    (void)close(fd.fd);
}

Test(waiter, a_process_alone_is_woken_by_a_descriptor_without_a_deadline, .timeout = 10)
{
    struct waiter waiter;
    struct pollfd fd = ready_event();
    waiter_init(&waiter, false);
    cr_expect(waiter_pause(&waiter, &fd, 1, WAITER_NO_DEADLINE));
    (void)close(fd.fd);
}

Test(waiter, a_deadline_shortens_the_pause)
{
    struct waiter waiter;
    waiter_init(&waiter, true);
    waiter.idle_turns = WAITER_BUSY_TURNS;
    for (int i = 0; i < 100; i++) {
        waiter.pause_us = WAITER_PAUSE_MAX_US;
        (void)waiter_pause(&waiter, NULL, 0, 0);
    }
    waiter_init(&waiter, false);
    const uint64_t begin_us = now_us();
    for (int i = 0; i < 100; i++) {
        cr_expect(not(waiter_pause(&waiter, NULL, 0, 0)));
    }
    cr_expect(lt(u64, now_us() - begin_us, 1000000));
}

static void on_alarm(int signal_number)
{
    (void)signal_number;
}

Test(waiter, a_signal_ends_the_pause_and_leaves_no_stale_events, .timeout = 10)
{
    const struct sigaction action = {.sa_handler = on_alarm};
    cr_assert(eq(int, sigaction(SIGALRM, &action, NULL), 0));
    const struct itimerval soon = {.it_value = {.tv_usec = 50000}};
    cr_assert(eq(int, setitimer(ITIMER_REAL, &soon, NULL), 0));

    struct waiter waiter;
    struct pollfd fd = quiet_event();
    fd.revents = POLLIN;
    waiter_init(&waiter, false);
    cr_expect(not(waiter_pause(&waiter, &fd, 1, WAITER_NO_DEADLINE)));
    cr_expect(eq(int, fd.revents, 0));
    (void)close(fd.fd);
}

Test(waiter, an_idle_second_costs_little_processor_time)
{
    struct waiter waiter;
    struct pollfd fd = quiet_event();
    waiter_init(&waiter, true);
    const uint64_t begin_us = now_us();
    const uint64_t used_begin_us = clock_us(CLOCK_PROCESS_CPUTIME_ID);
    while (now_us() - begin_us < 1000000) {
        cr_expect(not(waiter_pause(&waiter, &fd, 1, WAITER_NO_DEADLINE)));
    }
    cr_expect(lt(u64, clock_us(CLOCK_PROCESS_CPUTIME_ID) - used_begin_us, 50000));
    (void)close(fd.fd);
}
