/* process_watch.h - tells which other processes of this host have ended.
 *
 *     process_watch_create --> process_watch_add ... --> process_watch_take ...
 *
 * A process that was killed has ended once the kernel has taken it down, whether its parent has
 * waited for it or not; one that is only stopped has not. Of a process that had ended before it was
 * added nothing is told, and where the kernel has no pidfds, of none.
 *
 * Threads: one.
 */
#ifndef SHARED_PROCESS_WATCH_H
#define SHARED_PROCESS_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "shared/error.h"

struct process_watch; /* fields: process_watch.c */

MUST_CHECK enum status process_watch_create(struct process_watch **watch_out, struct error *err);
void process_watch_destroy(struct process_watch *watch); /* NULL is allowed */

/* `id` is the caller's name of it. False where it cannot be watched. */
bool process_watch_add(struct process_watch *watch, pid_t pid, uint32_t id);

/* Readable when one has ended. */
int process_watch_descriptor(const struct process_watch *watch);
/* The next one that has ended, each once. False when there is none. */
MUST_CHECK bool process_watch_take(struct process_watch *watch, uint32_t *id_out);

#endif
