/* rows.h - values and records as rows of JSON Lines, JSON, CSV, msgpack or an array, to a file.
 *
 *     rows_start --> rows_put_names --> rows_put_value / rows_put_record ... --> rows_finish
 *
 * JSON is one array, a row a line; CSV is RFC 4180 with LF, null as an empty cell and composites as
 * JSON; msgpack is a stream; of an array, rows are bytes that npy.h makes.
 *
 * Ownership: whoever declares the rows; rows_finish() frees, whatever came before.
 * Failure:   a reader that went away is none: `is_closed` is set, and what follows is dropped.
 *            SIGPIPE has to be ignored.
 */
#ifndef CLI_ROWS_H
#define CLI_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/mapfleet.h"

#define ROWS_FORMAT_LIST(X)                                                                        \
    X(JSONL, "jsonl")                                                                              \
    X(JSON, "json")                                                                                \
    X(CSV, "csv")                                                                                  \
    X(MSGPACK, "msgpack")                                                                          \
    X(NPY, "npy")

enum rows_format {
#define ROWS_FORMAT_ENUM(name, text) ROWS_##name,
    ROWS_FORMAT_LIST(ROWS_FORMAT_ENUM)
#undef ROWS_FORMAT_ENUM
};

/* False when no format has that name. */
bool rows_format_by_name(const char *name, enum rows_format *format_out);

struct rows {
    enum rows_format format;
    int file;
    bool is_closed;    /* nobody reads any more */
    uint64_t count;    /* rows so far */
    struct buffer out; /* not written yet */
    size_t whole;      /* bytes of it that are whole rows */
};

struct row_field {
    const char *name;
    mf_value value;
};

void rows_start(struct rows *rows, enum rows_format format, int file);
/* The header line of CSV; nothing elsewhere. */
MUST_CHECK enum status rows_put_names(struct rows *rows, const struct row_field *fields,
                                      size_t count, struct error *err);
/* Not for CSV, whose rows are records, nor for ROWS_NPY. */
MUST_CHECK enum status rows_put_value(struct rows *rows, const mf_value *value, struct error *err);
MUST_CHECK enum status rows_put_record(struct rows *rows, const struct row_field *fields,
                                       size_t count, struct error *err);
/* Bytes as they are, of ROWS_NPY. */
MUST_CHECK enum status rows_put_bytes(struct rows *rows, const struct buffer *bytes,
                                      struct error *err);
MUST_CHECK enum status rows_finish(struct rows *rows, struct error *err);

#endif
