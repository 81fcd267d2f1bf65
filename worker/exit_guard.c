#include "worker/exit_guard.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/log.h"
#include "shared/transport_remains.h"

#define EXIT_RESUMABLE 75

static _Atomic(const char *) running; /* NULL: nothing of the job */
static pid_t rank_process;

static void on_exit_within(int exit_status, void *context)
{
    const char *who = atomic_load(&running);
    (void)context;
    if (who == NULL || getpid() != rank_process) {
        return;
    }
    (void)fflush(NULL);
    log_error("%s called exit(%d), and so ended its rank (--isolation none): the run is cut off, "
              "and can be resumed with --isolation process",
              who, exit_status);
    transport_remains_remove();
    _exit(EXIT_RESUMABLE);
}

static void install(void)
{
    rank_process = getpid();
    (void)on_exit(on_exit_within, NULL);
}

void exit_guard_enter(const char *who)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, install);
    atomic_store(&running, who);
}

void exit_guard_leave(void)
{
    atomic_store(&running, NULL);
}
