#include "shared/process_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shared/memory.h"

/* What is watched, by its number in `watched`, which is what epoll tells. */
struct watched {
    uint32_t id;
    int process; /* a pidfd; -1: it has been told of */
};

struct process_watch {
    int epoll;
    struct watched *watched;
    size_t count;
    size_t capacity;
};

enum status process_watch_create(struct process_watch **watch_out, struct error *err)
{
    struct process_watch *watch = memory_take(1, sizeof(*watch));
    watch->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (watch->epoll < 0) {
        free(watch);
        return error_set(err, STATUS_IO, "epoll_create1: %s", strerror(errno));
    }
    *watch_out = watch;
    return STATUS_OK;
}

void process_watch_destroy(struct process_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    for (size_t i = 0; i < watch->count; i++) {
        if (watch->watched[i].process >= 0) {
            (void)close(watch->watched[i].process);
        }
    }
    (void)close(watch->epoll);
    free(watch->watched);
    free(watch);
}

bool process_watch_add(struct process_watch *watch, pid_t pid, uint32_t id)
{
    const int process = (int)syscall(SYS_pidfd_open, pid, 0);
    if (process < 0) {
        return false;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = watch->count};
    if (epoll_ctl(watch->epoll, EPOLL_CTL_ADD, process, &event) != 0) {
        (void)close(process);
        return false;
    }
    watch->watched =
        memory_grow(watch->watched, watch->count, &watch->capacity, sizeof(*watch->watched));
    watch->watched[watch->count++] = (struct watched){.id = id, .process = process};
    return true;
}

int process_watch_descriptor(const struct process_watch *watch)
{
    return watch->epoll;
}

bool process_watch_take(struct process_watch *watch, uint32_t *id_out)
{
    struct epoll_event event;
    if (epoll_wait(watch->epoll, &event, 1, 0) != 1) {
        return false;
    }
    struct watched *watched = &watch->watched[event.data.u64];
    *id_out = watched->id;
    (void)close(watched->process); /* which takes it out of the epoll */
    watched->process = -1;
    return true;
}
