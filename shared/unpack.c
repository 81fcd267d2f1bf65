#include "shared/unpack.h"

#include <string.h>

/* The first byte of a value, by the msgpack specification. */
enum {
    FIXINT_MAX = 0x7f,
    FIXMAP = 0x80,
    FIXARRAY = 0x90,
    FIXSTR = 0xa0,
    NIL = 0xc0,
    NEVER_USED = 0xc1,
    FALSE = 0xc2,
    TRUE = 0xc3,
    BIN8 = 0xc4,
    EXT8 = 0xc7,
    FLOAT32 = 0xca,
    FLOAT64 = 0xcb,
    UINT8 = 0xcc,
    UINT64 = 0xcf,
    INT8 = 0xd0,
    INT64 = 0xd3,
    FIXEXT1 = 0xd4,
    FIXEXT16 = 0xd8,
    STR8 = 0xd9,
    STR32 = 0xdb,
    ARRAY16 = 0xdc,
    ARRAY32 = 0xdd,
    MAP16 = 0xde,
    MAP32 = 0xdf,
    NEGATIVE_FIXINT = 0xe0
};

struct unpack unpack_start(const void *data, size_t size)
{
    static const uint8_t nothing[1] = {0};
    const uint8_t *at = size == 0 ? nothing : data;
    return (struct unpack){.at = at, .end = at + size};
}

void unpack_fail(struct unpack *in)
{
    in->failed = true;
    in->at = in->end; /* so that no read has to ask for `failed` */
}

bool unpack_is_done(const struct unpack *in)
{
    return !in->failed && in->at == in->end;
}

/* The first byte of the next value; one that stands for no value where nothing is left. */
static uint8_t take_first(struct unpack *in)
{
    if (in->at == in->end) {
        unpack_fail(in);
        return NEVER_USED;
    }
    return *in->at++;
}

static uint64_t take_big_endian(struct unpack *in, size_t size)
{
    if (unpack_left(in) < size) {
        unpack_fail(in);
        return 0;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        value = value << 8 | *in->at++;
    }
    return value;
}

static const uint8_t *take_bytes(struct unpack *in, uint64_t size, size_t *size_out)
{
    if (unpack_left(in) < size) {
        unpack_fail(in);
        size = 0;
    }
    const uint8_t *bytes = in->at;
    in->at += size;
    *size_out = (size_t)size;
    return bytes;
}

static uint32_t take_count(struct unpack *in, uint8_t first, uint8_t fix, uint8_t wide)
{
    uint64_t count = 0;
    if ((first & 0xf0) == fix) {
        count = first & 0x0f;
    } else if (first == wide) {
        count = take_big_endian(in, 2);
    } else if (first == wide + 1) {
        count = take_big_endian(in, 4);
    } else {
        unpack_fail(in);
    }
    return (uint32_t)count;
}

uint32_t unpack_array(struct unpack *in)
{
    const uint32_t count = take_count(in, take_first(in), FIXARRAY, ARRAY16);
    if (count > unpack_left(in)) {
        unpack_fail(in);
        return 0;
    }
    return count;
}

uint32_t unpack_map(struct unpack *in)
{
    const uint32_t count = take_count(in, take_first(in), FIXMAP, MAP16);
    if (count > unpack_left(in) / 2) {
        unpack_fail(in);
        return 0;
    }
    return count;
}

void unpack_array_of(struct unpack *in, uint32_t count)
{
    if (unpack_array(in) != count) {
        unpack_fail(in);
    }
}

/* An integer of `size` bytes, extended by its sign. */
static int64_t take_signed(struct unpack *in, size_t size)
{
    const uint64_t bits = take_big_endian(in, size);
    const uint64_t sign = (uint64_t)1 << (8 * size - 1);
    return (int64_t)((bits ^ sign) - sign);
}

uint64_t unpack_uint(struct unpack *in)
{
    const uint8_t first = take_first(in);
    if (first <= FIXINT_MAX) {
        return first;
    }
    if (first >= UINT8 && first <= UINT64) {
        return take_big_endian(in, (size_t)1 << (first - UINT8));
    }
    if (first >= INT8 && first <= INT64) {
        const int64_t value = take_signed(in, (size_t)1 << (first - INT8));
        if (value >= 0) {
            return (uint64_t)value;
        }
    }
    unpack_fail(in);
    return 0;
}

uint64_t unpack_uint_max(struct unpack *in, uint64_t max)
{
    const uint64_t value = unpack_uint(in);
    if (value > max) {
        unpack_fail(in);
        return 0;
    }
    return value;
}

int64_t unpack_int(struct unpack *in)
{
    const uint8_t first = take_first(in);
    if (first <= FIXINT_MAX) {
        return first;
    }
    if (first >= NEGATIVE_FIXINT) {
        return (int64_t)first - 256;
    }
    if (first >= UINT8 && first <= UINT64) {
        const uint64_t value = take_big_endian(in, (size_t)1 << (first - UINT8));
        if (value <= INT64_MAX) {
            return (int64_t)value;
        }
    } else if (first >= INT8 && first <= INT64) {
        return take_signed(in, (size_t)1 << (first - INT8));
    }
    unpack_fail(in);
    return 0;
}

double unpack_float(struct unpack *in)
{
    const uint8_t first = in->at < in->end ? *in->at : NEVER_USED;
    if (first == FLOAT64) {
        in->at++;
        const uint64_t bits = take_big_endian(in, 8);
        double real = 0;
        memcpy(&real, &bits, sizeof(real));
        return real;
    }
    if (first == FLOAT32) {
        in->at++;
        const uint32_t bits = (uint32_t)take_big_endian(in, 4);
        float real = 0;
        memcpy(&real, &bits, sizeof(real));
        return (double)real;
    }
    return first == UINT64 ? (double)unpack_uint(in) : (double)unpack_int(in);
}

bool unpack_bool(struct unpack *in)
{
    const uint8_t first = take_first(in);
    if (first != TRUE && first != FALSE) {
        unpack_fail(in);
    }
    return first == TRUE;
}

const char *unpack_str(struct unpack *in, size_t *size_out)
{
    const uint8_t first = take_first(in);
    uint64_t size = 0;
    if ((first & 0xe0) == FIXSTR) {
        size = first & 0x1f;
    } else if (first >= STR8 && first <= STR32) {
        size = take_big_endian(in, (size_t)1 << (first - STR8));
    } else {
        unpack_fail(in);
    }
    return (const char *)take_bytes(in, size, size_out);
}

const uint8_t *unpack_bin(struct unpack *in, size_t *size_out)
{
    const uint8_t first = take_first(in);
    uint64_t size = 0;
    if (first >= BIN8 && first < EXT8) {
        size = take_big_endian(in, (size_t)1 << (first - BIN8));
    } else {
        unpack_fail(in);
    }
    return take_bytes(in, size, size_out);
}

void unpack_key(struct unpack *in, const char *key)
{
    size_t size = 0;
    const char *text = unpack_str(in, &size);
    if (size != strlen(key) || memcmp(text, key, size) != 0) {
        unpack_fail(in);
    }
}

bool unpack_nil(struct unpack *in)
{
    if (in->at == in->end || *in->at != NIL) {
        return false;
    }
    in->at++;
    return true;
}

/* Bytes of a value behind its first byte, where that byte alone tells; else 0. */
static size_t fixed_size(uint8_t first)
{
    if (first == FLOAT32) {
        return 4;
    }
    if (first == FLOAT64) {
        return 8;
    }
    if (first >= UINT8 && first <= INT64) {
        return (size_t)1 << ((first - UINT8) & 3);
    }
    if (first >= FIXEXT1 && first <= FIXEXT16) {
        return 1 + ((size_t)1 << (first - FIXEXT1));
    }
    return 0;
}

/* Pass over a value but for the values that it holds. Returns how many those are. */
static uint64_t skip_head(struct unpack *in)
{
    const uint8_t first = in->at < in->end ? *in->at : NEVER_USED;
    size_t size = 0;
    if (first == NEVER_USED) {
        unpack_fail(in);
    } else if ((first & 0xf0) == FIXMAP || first == MAP16 || first == MAP32) {
        return 2 * (uint64_t)unpack_map(in);
    } else if ((first & 0xf0) == FIXARRAY || first == ARRAY16 || first == ARRAY32) {
        return unpack_array(in);
    } else if ((first & 0xe0) == FIXSTR || (first >= STR8 && first <= STR32)) {
        (void)unpack_str(in, &size);
    } else if (first >= BIN8 && first < EXT8) {
        (void)unpack_bin(in, &size);
    } else if (first >= EXT8 && first < FLOAT32) {
        in->at++;
        const uint64_t payload = take_big_endian(in, (size_t)1 << (first - EXT8));
        (void)take_bytes(in, payload + 1, &size);
    } else {
        in->at++;
        (void)take_bytes(in, fixed_size(first), &size);
    }
    return 0;
}

void unpack_skip(struct unpack *in)
{
    uint64_t left[UNPACK_DEPTH_MAX]; /* values still to pass, by level */
    size_t depth = 0;
    left[0] = 1;
    for (;;) {
        while (left[depth] == 0) {
            if (depth == 0) {
                return;
            }
            depth--;
        }
        left[depth]--;
        const uint64_t inside = skip_head(in);
        if (inside > 0) {
            if (depth + 1 == UNPACK_DEPTH_MAX) {
                unpack_fail(in);
                return;
            }
            left[++depth] = inside;
        }
        if (in->failed) {
            return;
        }
    }
}
