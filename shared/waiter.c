#include "shared/waiter.h"

#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <time.h>

#define TIMER_SLACK_NS 1000ul
#define US_PER_S 1000000u
#define NS_PER_US 1000u

void waiter_init(struct waiter *waiter, bool is_polling)
{
    /* The kernel's default of 50 us would be the shortest pause. */
    (void)prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0ul, 0ul, 0ul);
    *waiter = (struct waiter){.is_polling = is_polling};
    waiter_reset(waiter);
}

void waiter_reset(struct waiter *waiter)
{
    waiter->idle_turns = 0;
    waiter->pause_us = WAITER_FIRST_US;
}

void waiter_rest(struct waiter *waiter, uint32_t pause_us)
{
    waiter->idle_turns = WAITER_BUSY_TURNS;
    waiter->pause_us = pause_us;
}

/* How long this turn sleeps: 0 for the first turns of a loop that polls. */
static uint64_t next_pause_us(struct waiter *waiter)
{
    if (!waiter->is_polling) {
        return WAITER_NO_DEADLINE;
    }
    if (waiter->idle_turns < WAITER_BUSY_TURNS) {
        waiter->idle_turns++;
        return 0;
    }
    const uint32_t pause_us = waiter->pause_us;
    const uint32_t longer_us = pause_us * 2;
    waiter->pause_us = longer_us < WAITER_PAUSE_MAX_US ? longer_us : WAITER_PAUSE_MAX_US;
    return pause_us;
}

/* Is a descriptor ready before the time is over? */
static bool wait_for(struct pollfd *fds, size_t fd_count, uint64_t pause_us)
{
    const struct timespec timeout = {
        .tv_sec = (time_t)(pause_us / US_PER_S),
        .tv_nsec = (long)(pause_us % US_PER_S * NS_PER_US),
    };
    const int ready = ppoll(fds, fd_count, pause_us == WAITER_NO_DEADLINE ? NULL : &timeout, NULL);
    if (ready >= 0) {
        return ready > 0;
    }
    /* A signal: the loop looks around. ppoll() leaves what was there before. */
    for (size_t i = 0; i < fd_count; i++) {
        fds[i].revents = 0;
    }
    return false;
}

bool waiter_pause(struct waiter *waiter, struct pollfd *fds, size_t fd_count, uint64_t deadline_us)
{
    uint64_t pause_us = next_pause_us(waiter);
    if (pause_us > deadline_us) {
        pause_us = deadline_us;
    }
    if (pause_us == 0) {
        /* Where there are more ranks than cores, the one that is waited for may run instead. */
        (void)sched_yield();
        if (fd_count == 0) {
            return false;
        }
    }
    const bool is_ready = wait_for(fds, fd_count, pause_us);
    if (is_ready) {
        waiter_rest(waiter, WAITER_REST_US);
    }
    return is_ready;
}
