/* limits.h - what memory processes hold.
 *
 * Counted is resident anonymous memory: what a process has allocated and touched. Not counted are
 * code, files that are mapped, and memory that is shared on purpose, such as the channel between a
 * rank and its executor.
 *
 * A process that has ended, or that cannot be read, holds 0. Where the kernel does not list
 * children (CONFIG_PROC_CHILDREN), a process counts without them.
 *
 * Threads: any.
 */
#ifndef WORKER_LIMITS_H
#define WORKER_LIMITS_H

#include <stdint.h>
#include <sys/types.h>

/* Bytes that the process holds by itself: one read of /proc. */
uint64_t limits_own(pid_t pid);

/* Bytes that it and all its descendants hold. Pages that a fork has not copied yet count in every
 * process that has them, so that this is an upper bound where there are descendants. */
uint64_t limits_resident(pid_t pid);

/* The same, but where descendants take it past the limit, each page counts in parts, one for every
 * process that has it. That takes the kernel about a millisecond for each GiB. */
uint64_t limits_held(pid_t pid, uint64_t limit);

#endif
