/* capture.h - what the attempt that runs in an executor prints: two files in memory.
 *
 *     rank:      capture_open ---- handed over ----> executor: dup'ed onto 1 and 2 (printed.h)
 *                capture_bound, now and then, while an attempt runs
 *                capture_read, when the executor has died
 *
 * Files, and not pipes: nobody who prints ever waits for us, what a dead executor has printed is
 * still there, and whether anything was printed can be seen without a system call. They hold the
 * output of the present attempt only. Both append, so that descriptors that are opened anew by
 * name (`>> /dev/stderr`) add to what is there; one that is opened to be replaced (`> /dev/stderr`)
 * replaces it, as where standard error is any other file.
 *
 * The first byte is not the attempt's: an empty file is one byte long, a NUL, so that its first
 * page can always be looked at. Where somebody has replaced the content, the byte is gone.
 *
 * Of a long output the first and the last CAPTURE_PART_SIZE bytes are kept, and a line between them
 * tells how much is left out.
 *
 * Ownership: descriptors are the caller's.
 * Threads:   any.
 * Failure:   reading gives what can be read.
 */
#ifndef WORKER_CAPTURE_H
#define WORKER_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"
#include "shared/map_options.h"
#include "shared/stdio_record.h"

#define CAPTURE_PART_SIZE ((size_t)64 << 10)
/* Of one stream, with the line that tells what is left out. */
#define CAPTURE_SIZE_MAX (2 * CAPTURE_PART_SIZE + 64)
/* Before the attempt's own bytes. */
#define CAPTURE_MARK_SIZE 1
/* What capture_add_lines() adds at most. */
#define CAPTURE_LINES_SIZE_MAX ((size_t)1024)

/* Is what attempts print kept, of some of them or of all? */
static inline bool capture_is_kept(enum map_capture capture)
{
    return capture == MAP_CAPTURE_FAILED || capture == MAP_CAPTURE_ALL;
}

MUST_CHECK enum status capture_open(int fds_out[STDIO_STREAM_COUNT], struct error *err);
void capture_close(int fds[STDIO_STREAM_COUNT]); /* those that are not -1; they are, after */

/* Copy what the file holds; gives how many bytes, at most CAPTURE_SIZE_MAX. */
size_t capture_read(int fd, uint8_t *text_out, uint64_t *left_out_out);

/* Is there more than is kept, by so much that it is worth giving memory back? */
bool capture_is_large(int fd);
/* Give back the memory of what will be left out. Nobody may empty the file meanwhile. */
void capture_bound(int fd);

/* Add the last three lines of `printed` that are not blank to a message, " | " before each.
 * `message` has room for `room` bytes; it is cut where that is too little. Gives its size. */
size_t capture_add_lines(char *message, size_t message_size, size_t room, const uint8_t *printed,
                         size_t printed_size);

#endif
