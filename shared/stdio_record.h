/* stdio_record.h - what attempts printed, as it stands in the files of a run's `stdio/` folder.
 *
 *     file: record, record, ...         record: LZ4 skippable frame (msgpack header), data frame
 *
 * The header lists whose output the data frame holds: of each attempt its standard output, then its
 * standard error. So `lz4 -dc` gives all that was kept as plain text. docs/file-formats.md has the
 * fields.
 *
 * Ownership: a decoded record is views into its bytes, and entries in the caller's arena.
 * Failure:   decoding is safe on any bytes. INVALID where they are no record, or not as they were
 *            written; LIMIT where the record goes on past them.
 */
#ifndef SHARED_STDIO_RECORD_H
#define SHARED_STDIO_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "shared/arena.h"
#include "shared/buffer.h"
#include "shared/error.h"

#define STDIO_RECORD_FOLDER "stdio"
#define STDIO_RECORD_ENDING ".lz4"

enum stdio_stream { STDIO_OUT, STDIO_ERR };
enum { STDIO_STREAM_COUNT = STDIO_ERR + 1 };

/* One attempt. */
struct stdio_entry {
    uint64_t index;
    uint64_t attempt;
    uint64_t sizes[STDIO_STREAM_COUNT];    /* bytes in the data frame */
    uint64_t left_out[STDIO_STREAM_COUNT]; /* bytes that were printed and not kept */
};

struct stdio_record {
    uint64_t map;
    uint32_t rank;
    uint64_t time_ms; /* since 1970, by the clock of the rank */
    const struct stdio_entry *entries;
    size_t entry_count;
    const uint8_t *frame; /* decoding: the data frame */
    size_t frame_size;
    uint64_t text_size; /* bytes of the data frame's content: the sum of all sizes */
};

/* Append a record whose data frame holds `text`, of text_size bytes: the texts of its entries, one
 * after the other. */
MUST_CHECK enum status stdio_record_encode(const struct stdio_record *record, const uint8_t *text,
                                           struct buffer *out);

/* Decode the record that begins at `data`. *used_out is its size in bytes; for LIMIT, how many are
 * needed to tell more. */
MUST_CHECK enum status stdio_record_decode(const uint8_t *data, size_t size, struct arena *arena,
                                           struct stdio_record *record_out, size_t *used_out,
                                           struct error *err);

#endif
