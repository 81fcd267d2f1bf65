#include "shared/lz4_records.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

/* Of the format: no match is shorter, the last so many bytes are literals, and the last match
 * starts so many before the end. */
#define MATCH_SIZE_MIN 4u
#define LITERALS_LAST_MIN 5u
#define MATCH_START_BEFORE_END 12u
/* A length from here on goes on in further bytes. */
#define LENGTH_IN_TOKEN 15u
#define LENGTH_IN_BYTE 255u
/* Short literals are copied with their surroundings, at once. */
#define COPY_SIZE 16u
_Static_assert(COPY_SIZE >= LENGTH_IN_TOKEN && COPY_SIZE >= MATCH_START_BEFORE_END,
               "a copy at the start of a match stays within the data");
/* Where the first so many bytes save nothing, the rest is not tried. */
#define TRIED_SIZE 2048u
#define SAVING_DIVISOR 8u

static uint64_t load(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

/* How many of the first 8 bytes are equal, of two words that differ by `difference`. */
static size_t equal_bytes(uint64_t difference)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return (size_t)__builtin_ctzll(difference) / 8;
#else
    return (size_t)__builtin_clzll(difference) / 8;
#endif
}

/* Bytes from `at` on that are those of a record before, up to `end`. */
static size_t match_size(const uint8_t *at, size_t width, const uint8_t *end)
{
    const uint8_t *start = at;
    while (end - at >= 8) {
        const uint64_t difference = load(at) ^ load(at - width);
        if (difference != 0) {
            return (size_t)(at - start) + equal_bytes(difference);
        }
        at += 8;
    }
    while (at < end && *at == *(at - width)) {
        at++;
    }
    return (size_t)(at - start);
}

/* The part of a length that does not fit the token. */
static uint8_t *put_length(uint8_t *out, size_t length)
{
    if (length < LENGTH_IN_TOKEN) {
        return out;
    }
    for (length -= LENGTH_IN_TOKEN; length >= LENGTH_IN_BYTE; length -= LENGTH_IN_BYTE) {
        *out++ = LENGTH_IN_BYTE;
    }
    *out++ = (uint8_t)length;
    return out;
}

static uint8_t in_token(size_t length)
{
    return (uint8_t)(length < LENGTH_IN_TOKEN ? length : LENGTH_IN_TOKEN);
}

static uint8_t *put_literals(uint8_t *out, const uint8_t *literals, size_t size, size_t match_code)
{
    *out++ = (uint8_t)(in_token(size) << 4 | in_token(match_code));
    out = put_length(out, size);
    memcpy(out, literals, size);
    return out + size;
}

/* Literals, then a match one record back. */
static inline uint8_t *put_sequence(uint8_t *out, const uint8_t *literals, size_t size,
                                    size_t width, size_t match)
{
    const size_t match_code = match - MATCH_SIZE_MIN;
    const bool is_short = size < LENGTH_IN_TOKEN && match_code < LENGTH_IN_TOKEN;
    if (is_short) {
        *out++ = (uint8_t)(size << 4 | match_code);
        memcpy(out, literals, COPY_SIZE);
        out += size;
    } else {
        out = put_literals(out, literals, size, match_code);
    }
    *out++ = (uint8_t)width;
    *out++ = (uint8_t)(width >> 8);
    return is_short ? out : put_length(out, match_code);
}

static bool is_worth_while(size_t size, size_t written)
{
    return written <= size - size / SAVING_DIVISOR;
}

size_t lz4_records_compress(const uint8_t *data, size_t size, size_t width, uint8_t *out)
{
    const uint8_t *literals = data;
    const uint8_t *const end = data + size;
    uint8_t *const start = out;
    assert(width >= LZ4_RECORDS_WIDTH_MIN && width <= LZ4_RECORDS_WIDTH_MAX);
    assert(size <= LZ4_RECORDS_SIZE_MAX);
    if (size < TRIED_SIZE || size < 2 * width) {
        return 0;
    }
    const uint8_t *const start_last = end - COPY_SIZE;
    bool is_tried = false;
    const uint8_t *at = data + width;
    while (at <= start_last) {
        const uint64_t difference = load(at) ^ load(at - width);
        const size_t match = difference != 0 ? equal_bytes(difference)
                                             : match_size(at, width, end - LITERALS_LAST_MIN);
        if (match >= MATCH_SIZE_MIN) {
            out = put_sequence(out, literals, (size_t)(at - literals), width, match);
            literals = at + match;
        }
        at += match <= width ? width : (match + width - 1) / width * width;
        if (!is_tried && (size_t)(at - data) >= TRIED_SIZE) {
            is_tried = true;
            const size_t tried = (size_t)(literals - data);
            if (tried < TRIED_SIZE / 2 || !is_worth_while(tried, (size_t)(out - start))) {
                return 0;
            }
        }
    }
    out = put_literals(out, literals, (size_t)(end - literals), 0);
    const size_t written = (size_t)(out - start);
    return is_worth_while(size, written) ? written : 0;
}
