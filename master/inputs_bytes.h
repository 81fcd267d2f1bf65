/* inputs_bytes.h - the bytes of an input file, through a window that grows as far as a line or an
 * element needs it.
 *
 *     inputs_bytes_open --> inputs_bytes_fill, inputs_bytes_line ... --> inputs_bytes_close
 *
 * Ownership: lines point into the window, and are valid until the next call.
 * Threads:   one.
 * Failure:   texts begin with the file's name.
 */
#ifndef MASTER_INPUTS_BYTES_H
#define MASTER_INPUTS_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"

struct lz4_input;

/* What was read and not yet used is data[begin] to data[end]; there is always room for one more
 * byte behind it. Users move `begin`. */
struct inputs_bytes {
    const char *name; /* for error texts */
    char *data;
    size_t begin;
    size_t end;
    size_t capacity;
    uint64_t line_number; /* of the line that inputs_bytes_line() gave last; the first is 1 */
    bool is_ended;        /* nothing will be added any more */
    int file;
    struct lz4_input *lz4; /* NULL where the file is not compressed */
};

/* `path` is as the user gave it, relative to `launch_dir`; "-" is standard input. It must outlive
 * the bytes. */
MUST_CHECK enum status inputs_bytes_open(const char *path, const char *launch_dir, bool is_lz4,
                                         struct inputs_bytes *bytes_out, struct error *err);
void inputs_bytes_close(struct inputs_bytes *bytes); /* all zero is allowed */

/* Read on: bytes may have come at the end of the window, or is_ended is set. Positions relative to
 * `begin` stay true. Not to be called where is_ended is set. */
MUST_CHECK enum status inputs_bytes_fill(struct inputs_bytes *bytes, struct error *err);

/* Pass over a byte order mark at the very start. */
MUST_CHECK enum status inputs_bytes_drop_mark(struct inputs_bytes *bytes, struct error *err);

struct inputs_line {
    char *text; /* without its ending, and with a NUL behind it; NULL: there is no more line */
    size_t size;
    const char *ending; /* "\n", "\r\n" or, at the end of the file, "" */
};

MUST_CHECK enum status inputs_bytes_line(struct inputs_bytes *bytes, struct inputs_line *line_out,
                                         struct error *err);

#endif
