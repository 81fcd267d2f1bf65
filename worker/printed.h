/* printed.h - in an executor: has the attempt that ran printed anything, and what.
 *
 *     printed_open --> each batch: printed_begin --> each attempt: printed_is_any --> printed_take
 *
 * Attempts may take nanoseconds, so that those that print nothing make no system call: the first
 * bytes of the two files (capture.h) are mapped, and not NUL where something was written, by
 * whichever process and descriptor; what stdio still holds back is seen in its buffer. Only an
 * output that begins with seven NULs is not seen at once: printed_take() looks closely, and is
 * called for every attempt that failed and for the last one of a short batch.
 *
 * A file that somebody has emptied has no first page, and looking at it is a SIGBUS. Its handler
 * puts a page there that says "something was written". Faults elsewhere go to the handler that was
 * there before, or end the process as ever.
 *
 * A job may close its standard streams, or have them go elsewhere. What is closed is opened again
 * with the next batch, before some file of the job gets its number; what goes elsewhere stays so.
 *
 * The lock is held while a file is emptied, so that the rank does not take parts out of the next
 * attempt's (pool_capture.c). The rank never waits for it, and holds it for microseconds.
 *
 * Threads: one; tasks may have others that print. One struct printed a process.
 */
#ifndef WORKER_PRINTED_H
#define WORKER_PRINTED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "shared/error.h"
#include "worker/capture.h"

struct printed {
    const volatile uint64_t *heads[STDIO_STREAM_COUNT]; /* the first page of each file */
    int fds[STDIO_STREAM_COUNT];                        /* of our own, beside 1 and 2 */
    dev_t device;
    ino_t inodes[STDIO_STREAM_COUNT];
    _Atomic uint32_t *lock; /* shared with the rank: 1 is taken */
    FILE *out;              /* the streams that the process started with */
    FILE *err;
    bool is_wide; /* standard output has become wide, and its buffer cannot be seen */
};

/* The descriptors become standard output and error, and stay open for ourselves. */
MUST_CHECK enum status printed_open(struct printed *printed, const int fds[STDIO_STREAM_COUNT],
                                    _Atomic uint32_t *lock, struct error *err);

/* A batch begins: what was printed up to here is nobody's. */
void printed_begin(struct printed *printed);

/* Where to look. It stays the same throughout a batch, so that it can stand in registers. */
struct printed_look {
    const volatile uint64_t *heads[STDIO_STREAM_COUNT]; /* NULL: nothing is captured */
    const FILE *out;
};
struct printed_look printed_look(const struct printed *printed); /* NULL: for nothing captured */

/* Four loads and a branch: this is all that an attempt pays that prints nothing. */
static inline bool printed_is_any(struct printed_look look)
{
    return look.out != NULL &&
           (*look.heads[STDIO_OUT] | *look.heads[STDIO_ERR] |
            (uint64_t)(look.out->_IO_write_ptr - look.out->_IO_write_base)) != 0;
}

/* Forget what was printed, without looking at it. */
void printed_drop(struct printed *printed);

/* Copy what was printed to `text_out`, standard output first, and forget it. `text_out` has room
 * for CAPTURE_SIZE_MAX for each stream. */
void printed_take(struct printed *printed, uint8_t *text_out, size_t sizes_out[STDIO_STREAM_COUNT],
                  uint64_t left_out_out[STDIO_STREAM_COUNT]);

#endif
