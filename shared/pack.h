/* pack.h - msgpack bytes appended to a buffer: the other side of unpack.h.
 *
 *     struct pack out;
 *     pack_start(&out, &buffer);
 *     pack_array(&out, 2);
 *     pack_uint(&out, lease);
 *     pack_text(&out, "abc");
 *     return pack_finish(&out);
 *
 * Integers and headers are the shortest of their kind.
 *
 * Ownership: the buffer is the caller's, and is not touched by others until pack_finish().
 * Failure:   the first growth that fails ends the writing; pack_finish() then gives its status, and
 *            has put the buffer back to where pack_start() found it.
 */
#ifndef SHARED_PACK_H
#define SHARED_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/span.h"

struct pack {
    struct buffer *buffer;
    size_t start;
    enum status status; /* the first failure; OK until then */
};

void pack_start(struct pack *out, struct buffer *buffer);
MUST_CHECK enum status pack_finish(struct pack *out);

/* Headers: as many values follow as are said (pairs of values for a map). LIMIT above 2^32 - 1. */
void pack_array(struct pack *out, size_t count);
void pack_map(struct pack *out, size_t count);

void pack_nil(struct pack *out);
void pack_bool(struct pack *out, bool value);
void pack_uint(struct pack *out, uint64_t value);
void pack_int(struct pack *out, int64_t value);
void pack_float(struct pack *out, double value);
void pack_text(struct pack *out, const char *text); /* NUL-terminated */
void pack_str(struct pack *out, const char *text, size_t size);
void pack_bytes(struct pack *out, const void *bytes, size_t size);

/* [[start, count, attempt], ...] */
void pack_spans(struct pack *out, const struct span *spans, size_t count);

/* Values that are packed already. */
void pack_raw(struct pack *out, const void *bytes, size_t size);

#endif
