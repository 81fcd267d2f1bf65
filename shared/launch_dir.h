/* launch_dir.h - where attempts start, and whether one has gone elsewhere.
 *
 * Looking costs a load, so that it can be done after every attempt: chdir() and fchdir() of the
 * whole process are defined here, make their system call, and leave a note. The dynamic linker
 * finds those of libmapfleet.so (or of a program that it is linked into) before libc's, for the
 * program, for a job that is opened later, and for every library that they bring along.
 *
 * Not noticed are system calls that somebody makes himself, and those within libc: nftw() and
 * fts_close() come back by themselves.
 *
 * Threads: any.
 */
#ifndef SHARED_LAUNCH_DIR_H
#define SHARED_LAUNCH_DIR_H

#include <stdatomic.h>
#include <stdbool.h>

/* Of launch_dir.c. */
extern atomic_bool launch_dir_was_left;

/* Has this process changed its directory since it last came back? */
static inline bool launch_dir_is_left(void)
{
    return atomic_load_explicit(&launch_dir_was_left, memory_order_relaxed);
}

/* Go there. A folder that is there no more is none to come back to: that is no failure. */
void launch_dir_return(const char *path);

#endif
