/* children.h - the processes that come from this one: found, and ended.
 *
 *     children_add, for each that is forked --> children_reap, whenever SIGCHLD comes -->
 *     children_end_all
 *
 * For a process that is a child subreaper, whose children are subreapers as well: what a child
 * leaves behind comes here, so that nothing escapes.
 *
 * Ownership: a struct children is the caller's; all zero has none.
 * Threads:   one at a time.
 */
#ifndef WORKER_CHILDREN_H
#define WORKER_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One that was forked on purpose, and that has not been reaped. */
struct child {
    uint64_t id; /* the caller's number of it */
    pid_t pid;   /* of its group, too */
    bool was_signalled;
};

struct children {
    struct child *known;
    size_t known_count;
    size_t known_capacity;
    pid_t *listed; /* scratch: all that there are */
    size_t listed_count;
    size_t listed_capacity;
};

void children_add(struct children *children, uint64_t id, pid_t pid);
/* NULL where none has that number. Valid until the next call. */
struct child *children_find(struct children *children, uint64_t id);

/* Reap all that have ended, and end what they have left behind. `ended` is called for those that
 * were added, which are forgotten then. */
typedef void children_ended(void *context, const struct child *child, int wait_status);
void children_reap(struct children *children, children_ended *ended, void *context);

/* End all, and wait until none is left. */
void children_end_all(struct children *children);

#endif
