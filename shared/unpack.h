/* unpack.h - a cursor over msgpack bytes from outside: log headers and wire messages.
 *
 *     struct unpack in = unpack_start(data, size);
 *     const uint32_t count = unpack_array(&in);
 *     const uint64_t lease = unpack_uint(&in);
 *     ...
 *     if (!unpack_is_done(&in)) { return STATUS_INVALID; }
 *
 * The first read that finds something else than it asks for, or too few bytes, sets `failed`; from
 * then on every read gives 0, false or an empty text. So a reader may read on and ask once at the
 * end, as long as it bounds what it allocates and where it writes by the counts that it was given.
 *
 * Ownership: texts are views into the bytes. Nothing is allocated.
 * Failure:   safe on any bytes. Integers and headers are taken in every width that msgpack has.
 *
 * To encode, use a msgpack_packer with buffer_msgpack_write().
 */
#ifndef SHARED_UNPACK_H
#define SHARED_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct unpack {
    const uint8_t *at;  /* the next byte to read */
    const uint8_t *end; /* behind the last one */
    bool failed;        /* sticky */
};

struct unpack unpack_start(const void *data, size_t size);

/* Headers. The count is never larger than the bytes that are left could hold (one byte an item, two
 * a pair), so that memory may be taken for that many. */
uint32_t unpack_array(struct unpack *in);
uint32_t unpack_map(struct unpack *in);

/* An array of exactly `count` items; any other fails. */
void unpack_array_of(struct unpack *in, uint32_t count);

uint64_t unpack_uint(struct unpack *in);                   /* fails on a negative integer */
uint64_t unpack_uint_max(struct unpack *in, uint64_t max); /* fails on a larger one */
int64_t unpack_int(struct unpack *in);                     /* fails above 2^63 - 1 */
double unpack_float(struct unpack *in);                    /* float32, float64 and integers */
bool unpack_bool(struct unpack *in);

/* Not NUL-terminated; never NULL. */
const char *unpack_str(struct unpack *in, size_t *size_out);
const uint8_t *unpack_bin(struct unpack *in, size_t *size_out);

/* The next value is the string `key`, as the key of a map; fails where it is not. */
void unpack_key(struct unpack *in, const char *key);

/* Is the next value nil? Then it is read; else nothing is. */
bool unpack_nil(struct unpack *in);

/* Pass over one value, whatever it holds. At most UNPACK_DEPTH_MAX levels. */
#define UNPACK_DEPTH_MAX 64
void unpack_skip(struct unpack *in);

/* Say that what was read makes no sense, for checks of the reader's own. */
void unpack_fail(struct unpack *in);

/* Was everything read, and all of it as asked for? */
bool unpack_is_done(const struct unpack *in);

static inline size_t unpack_left(const struct unpack *in)
{
    return (size_t)(in->end - in->at);
}

#endif
