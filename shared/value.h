/* value.h - values (mf_value trees) from and to msgpack bytes and JSON text.
 *
 *     msgpack bytes --value_decode--> mf_value tree in an arena --value_encode--> msgpack bytes
 *     JSON text ----value_from_json-->                          --value_to_json-> JSON text
 *
 * Ownership: trees live in the caller's arena, strings included; nothing points at the source.
 * Failure:   every reader here is safe on any bytes whatever. Depth is at most VALUE_DEPTH_MAX,
 *            a count is checked against the bytes that are left before anything is allocated.
 *
 * The encoding is canonical: shortest integers, float64, shortest headers. Of msgpack, what has no
 * mf_kind (ext, integers above 2^63 - 1) is refused, and so are keys that are no strings, hold a
 * NUL or stand twice, and text that is not UTF-8; float32 is widened.
 */
#ifndef SHARED_VALUE_H
#define SHARED_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/arena.h"
#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/mapfleet.h"

#define VALUE_DEPTH_MAX 64

/* Scalars and strings as nodes. The text is not copied. */
mf_value value_null(void);
mf_value value_bool(bool boolean);
mf_value value_int(int64_t integer);
mf_value value_float(double real);
mf_value value_text(mf_kind kind, const char *text, uint32_t size);

/* Decode the first value of `data`. *used_out is its size in bytes. The text of an error says at
 * which byte, what was found, and what was expected. */
MUST_CHECK enum status value_decode(struct arena *arena, const uint8_t *data, size_t size,
                                    size_t *used_out, mf_value *value_out, struct error *err);

/* Size in bytes of the first value of `data`, without decoding it. Checks what value_decode()
 * checks, but for UTF-8 and for NULs in keys and doubled keys. */
MUST_CHECK enum status value_skip(const uint8_t *data, size_t size, size_t *used_out);

/* LIMIT where the value is deeper than VALUE_DEPTH_MAX; then nothing is appended. */
MUST_CHECK enum status value_encode(const mf_value *value, struct buffer *out);

/* The same in two steps, for a caller with room of his own: the size in bytes of the encoding, or 0
 * where containers nest deeper than `depth_max`; and the encoding, of which the end is returned. */
size_t value_packed_size(const mf_value *value, unsigned depth_max);
uint8_t *value_pack(const mf_value *value, uint8_t *at);

/* The shortest header of a str, bytes, list or map of `count`; the end is returned. */
#define VALUE_HEADER_SIZE_MAX 5
uint8_t *value_pack_header(mf_kind kind, uint32_t count, uint8_t *at);
/* A byte of type, then 1, 2 or 4 bytes of value, the highest first. Gives where the next byte goes.
 */
uint8_t *value_put_be(uint8_t *at, uint8_t type, uint32_t value, unsigned value_size);

/* One JSON value, strictly (RFC 8259): doubled keys, NaN, lone surrogates, integers outside 64 bits
 * and trailing text are refused, with line and column in the text of the error. A JSON number
 * without fraction and exponent is an int, every other a float. */
MUST_CHECK enum status value_from_json(struct arena *arena, const char *text, size_t size,
                                       mf_value *value_out, struct error *err);

/* Compact JSON, UTF-8: floats as the shortest text that reads back (1.0 keeps its point; NaN and
 * infinities, which JSON lacks, are written as null), bytes as {"base64":"..."}, keys in order.
 * LIMIT where the value is deeper than VALUE_DEPTH_MAX. On failure `out` may hold a part. */
MUST_CHECK enum status value_to_json(const mf_value *value, struct buffer *out);

/* A value's text, as commands and users read it: a string as it is, everything else as compact
 * JSON. */
MUST_CHECK enum status value_to_text(const mf_value *value, struct buffer *out);

/* The shortest decimal text that reads back as `real`, with a point or an exponent: "0.1", "1.0",
 * "1e-05"; "nan", "inf" and "-inf" where there is none. Whatever the locale, the point is a point.
 * Returns its length; `text` has room for VALUE_FLOAT_TEXT_SIZE. */
#define VALUE_FLOAT_TEXT_SIZE 40
int value_float_text(double real, char text[VALUE_FLOAT_TEXT_SIZE]);

/* Read numbers as people type them: [+-]?[0-9]+, and decimals with or without fraction and
 * exponent ("1", "+1.5", ".5", "1e-3"). No blanks, no hexadecimal, no "nan". INVALID: no such text;
 * LIMIT: outside 64 bits, or of the range of a double. */
MUST_CHECK enum status value_parse_int(const char *text, size_t size, int64_t *integer_out);
MUST_CHECK enum status value_parse_float(const char *text, size_t size, double *real_out);

bool value_is_utf8(const char *text, size_t size);

#endif
