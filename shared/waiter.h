/* waiter.h - cheap waiting for a loop that has nothing to do.
 *
 *     for (;;) {
 *         if (a message came) waiter_reset(&waiter);
 *         else if (something was done) waiter_rest(&waiter, WAITER_REST_US);
 *         else (void)waiter_pause(&waiter, fds, fd_count, deadline_us);
 *     }
 *
 * MPI has nothing to wait on. So a loop that finds nothing polls on with growing pauses: after a
 * message the first few without any, since often another follows, then sleeps that grow to
 * WAITER_PAUSE_MAX_US. A file descriptor (an eventfd of executors, a signalfd) ends a pause at
 * once, and says nothing of messages: polling after it would only take the time of those who work.
 * Without `is_polling` (a process alone) the whole time is waited for, and no processor time is
 * used at all.
 *
 * Threads: one a waiter, the one that called waiter_init(): sleeps as short as these need a timer
 *          slack that is the thread's.
 */
#ifndef SHARED_WAITER_H
#define SHARED_WAITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WAITER_PAUSE_MAX_US 10000
#define WAITER_BUSY_TURNS 50 /* turns before the first sleep */
#define WAITER_FIRST_US 30   /* the first sleep after a message: about what a sleep costs */
#define WAITER_REST_US 100   /* the first sleep of a loop that may soon need a message */
#define WAITER_LONG_US 10000 /* the same of one that has enough to do without */
#define WAITER_NO_DEADLINE UINT64_MAX

struct waiter {
    bool is_polling;
    uint32_t idle_turns;
    uint32_t pause_us; /* of the next sleep */
};

struct pollfd;

void waiter_init(struct waiter *waiter, bool is_polling);
/* A message came in this turn of the loop: start again without pauses. */
void waiter_reset(struct waiter *waiter);
/* Something else was done: start again with sleeps, the first of `pause_us` (1 or more). */
void waiter_rest(struct waiter *waiter, uint32_t pause_us);
/* Nothing happened: pause until a descriptor is ready, or `deadline_us` microseconds from now have
 * passed, or a signal was handled, or it is time to poll again. Gives true when a descriptor is
 * ready, which is also a rest; revents is filled in either way. `fds` may be NULL where
 * `fd_count` is 0. */
bool waiter_pause(struct waiter *waiter, struct pollfd *fds, size_t fd_count, uint64_t deadline_us);

#endif
