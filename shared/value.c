#include "shared/value.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- Nodes ---------------------------------------------------------------------------------- */

mf_value value_null(void)
{
    return (mf_value){.mf_private_kind = MF_NULL};
}

mf_value value_bool(bool boolean)
{
    return (mf_value){.mf_private_kind = MF_BOOL, .mf_private_as = {.boolean = boolean}};
}

mf_value value_int(int64_t integer)
{
    return (mf_value){.mf_private_kind = MF_INT, .mf_private_as = {.integer = integer}};
}

mf_value value_float(double real)
{
    return (mf_value){.mf_private_kind = MF_FLOAT, .mf_private_as = {.real = real}};
}

mf_value value_text(mf_kind kind, const char *text, uint32_t size)
{
    assert(kind == MF_STR || kind == MF_BYTES);
    return (mf_value){
        .mf_private_kind = kind, .mf_private_count = size, .mf_private_as = {.text = text}};
}

/* ---- Heads: what stands before the content of a packed value -------------------------------- */

enum head_form {
    FORM_NULL,
    FORM_FALSE,
    FORM_TRUE,
    FORM_UNSIGNED,
    FORM_SIGNED,
    FORM_FLOAT,
    FORM_STR,
    FORM_BYTES,
    FORM_LIST,
    FORM_MAP,
    FORM_EXT,
    FORM_NONE
};

/* The first bytes 0xc0 to 0xdf: what they announce, and the bytes of number that follow. */
static const struct {
    uint8_t form;
    uint8_t number_size;
} heads[32] = {
    {FORM_NULL, 0},     {FORM_NONE, 0},     {FORM_FALSE, 0},    {FORM_TRUE, 0},
    {FORM_BYTES, 1},    {FORM_BYTES, 2},    {FORM_BYTES, 4},    {FORM_EXT, 0},
    {FORM_EXT, 0},      {FORM_EXT, 0},      {FORM_FLOAT, 4},    {FORM_FLOAT, 8},
    {FORM_UNSIGNED, 1}, {FORM_UNSIGNED, 2}, {FORM_UNSIGNED, 4}, {FORM_UNSIGNED, 8},
    {FORM_SIGNED, 1},   {FORM_SIGNED, 2},   {FORM_SIGNED, 4},   {FORM_SIGNED, 8},
    {FORM_EXT, 0},      {FORM_EXT, 0},      {FORM_EXT, 0},      {FORM_EXT, 0},
    {FORM_EXT, 0},      {FORM_STR, 1},      {FORM_STR, 2},      {FORM_STR, 4},
    {FORM_LIST, 2},     {FORM_LIST, 4},     {FORM_MAP, 2},      {FORM_MAP, 4},
};

struct head {
    enum head_form form;
    unsigned number_size;
    uint64_t number; /* of an int: the value as 64 bits; of a float: its bits; else the count */
};

enum head_problem {
    HEAD_FINE,
    HEAD_CUT,     /* the data ends within it */
    HEAD_FOREIGN, /* msgpack has it, we don't */
    HEAD_COUNT    /* more is announced than the data can hold */
};

static uint64_t number_read(const uint8_t *at, unsigned size)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < size; i++) {
        number = number << 8 | at[i];
    }
    return number;
}

static struct head head_of_one_byte(uint8_t first)
{
    if (first <= 0x7f) {
        return (struct head){.form = FORM_UNSIGNED, .number = first};
    }
    if (first <= 0x8f) {
        return (struct head){.form = FORM_MAP, .number = first & 0x0f};
    }
    if (first <= 0x9f) {
        return (struct head){.form = FORM_LIST, .number = first & 0x0f};
    }
    if (first <= 0xbf) {
        return (struct head){.form = FORM_STR, .number = first & 0x1f};
    }
    assert(first >= 0xe0);
    return (struct head){.form = FORM_SIGNED, .number = (uint64_t)(int64_t)(int8_t)first};
}

/* The least bytes that the announced content takes. */
static uint64_t head_content_size_min(const struct head *head)
{
    switch (head->form) {
    case FORM_STR:
    case FORM_BYTES:
    case FORM_LIST:
        return head->number;
    case FORM_MAP:
        return 2 * head->number;
    case FORM_NULL:
    case FORM_FALSE:
    case FORM_TRUE:
    case FORM_UNSIGNED:
    case FORM_SIGNED:
    case FORM_FLOAT:
    case FORM_EXT:
    case FORM_NONE:
        break;
    }
    return 0;
}

/* Read the head at `at`, where `left` bytes are left. */
static enum head_problem head_read(const uint8_t *at, size_t left, struct head *head)
{
    *head = (struct head){.form = FORM_NONE};
    if (left == 0) {
        return HEAD_CUT;
    }
    const uint8_t first = at[0];
    if (first < 0xc0 || first >= 0xe0) {
        *head = head_of_one_byte(first);
    } else {
        head->form = heads[first - 0xc0].form;
        head->number_size = heads[first - 0xc0].number_size;
        if (head->number_size > left - 1) {
            return HEAD_CUT;
        }
        head->number = number_read(at + 1, head->number_size);
        if (head->form == FORM_SIGNED) {
            assert(head->number_size > 0);
            const unsigned shift = 64 - 8 * head->number_size;
            head->number = (uint64_t)((int64_t)(head->number << shift) >> shift);
        }
    }
    if (head->form >= FORM_EXT || (head->form == FORM_UNSIGNED && head->number > INT64_MAX)) {
        return HEAD_FOREIGN;
    }
    return head_content_size_min(head) > left - 1 - head->number_size ? HEAD_COUNT : HEAD_FINE;
}

static const char *head_name(enum head_form form)
{
    static const char *const names[] = {
        [FORM_NULL] = "null",       [FORM_FALSE] = "a bool",  [FORM_TRUE] = "a bool",
        [FORM_UNSIGNED] = "an int", [FORM_SIGNED] = "an int", [FORM_FLOAT] = "a float",
        [FORM_STR] = "a str",       [FORM_BYTES] = "a bytes", [FORM_LIST] = "a list",
        [FORM_MAP] = "a map",       [FORM_EXT] = "an ext",    [FORM_NONE] = "no value",
    };
    return names[form];
}

/* ---- Decoding ------------------------------------------------------------------------------- */

struct decoder {
    struct arena *arena;
    const uint8_t *data;
    size_t size;
    size_t at;
    struct error *err;
};

static enum status fail_at(const struct decoder *decoder, const char *found, const char *expected)
{
    return error_set(decoder->err, STATUS_INVALID, "at byte %zu: found %s, expected %s",
                     decoder->at, found, expected);
}

static enum status fail_memory(const struct decoder *decoder)
{
    return error_set(decoder->err, STATUS_NO_MEMORY, "out of memory");
}

static enum status fail_head(const struct decoder *decoder, enum head_problem problem,
                             const struct head *head)
{
    const size_t left = decoder->size - decoder->at;
    if (problem == HEAD_CUT) {
        return fail_at(decoder, "the end of the data",
                       left == 0 ? "a value" : "the rest of a number or count");
    }
    if (problem == HEAD_COUNT) {
        return error_set(decoder->err, STATUS_INVALID,
                         "at byte %zu: found %s of %" PRIu64 ", expected what %zu bytes can hold",
                         decoder->at, head_name(head->form), head->number,
                         left - 1 - head->number_size);
    }
    if (head->form == FORM_UNSIGNED) {
        return fail_at(decoder, "an int above 2^63 - 1", "one of 64 bits with sign");
    }
    return fail_at(decoder, head->form == FORM_EXT ? "an ext" : "the byte 0xc1",
                   "null, bool, int, float, str, bytes, list or map");
}

static double float_of(const struct head *head)
{
    double real = 0;
    if (head->number_size == sizeof(float)) {
        const uint32_t bits = (uint32_t)head->number;
        float narrow = 0;
        memcpy(&narrow, &bits, sizeof(narrow));
        return (double)narrow;
    }
    memcpy(&real, &head->number, sizeof(real));
    return real;
}

static enum status decode_text(struct decoder *decoder, mf_kind kind, uint32_t size,
                               mf_value *value_out)
{
    const char *data = (const char *)decoder->data + decoder->at;
    if (kind == MF_STR && !value_is_utf8(data, size)) {
        return fail_at(decoder, "other bytes", "a str in UTF-8");
    }
    const char *copy = arena_copy(decoder->arena, data, size);
    if (copy == NULL) {
        return fail_memory(decoder);
    }
    decoder->at += size;
    *value_out = value_text(kind, copy, size);
    return STATUS_OK;
}

static enum status decode_key(struct decoder *decoder, mf_value *key_out)
{
    struct head head;
    const enum head_problem problem =
        head_read(decoder->data + decoder->at, decoder->size - decoder->at, &head);
    if (problem != HEAD_FINE) {
        return fail_head(decoder, problem, &head);
    }
    if (head.form != FORM_STR) {
        return fail_at(decoder, head_name(head.form), "a str as key");
    }
    decoder->at += 1 + head.number_size;
    const size_t key_size = (size_t)head.number;
    if (memchr(decoder->data + decoder->at, '\0', key_size) != NULL) {
        return fail_at(decoder, "a key with a NUL", "one without");
    }
    return decode_text(decoder, MF_STR, (uint32_t)key_size, key_out);
}

static int compare_keys(const void *a, const void *b)
{
    const mf_value *const *left = a;
    const mf_value *const *right = b;
    return strcmp((*left)->mf_private_as.text, (*right)->mf_private_as.text);
}

static const mf_value *find_doubled_of_few(const mf_value *pairs, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (pairs[2 * i].mf_private_count == pairs[2 * j].mf_private_count &&
                memcmp(pairs[2 * i].mf_private_as.text, pairs[2 * j].mf_private_as.text,
                       pairs[2 * i].mf_private_count) == 0) {
                return &pairs[2 * i];
            }
        }
    }
    return NULL;
}

/* Many keys are sorted, so that a hostile map costs no square of its count. */
static enum status find_doubled(struct decoder *decoder, const mf_value *pairs, size_t count,
                                const mf_value **doubled_out)
{
    enum { FEW = 12 };
    *doubled_out = NULL;
    if (count <= FEW) {
        *doubled_out = find_doubled_of_few(pairs, count);
        return STATUS_OK;
    }
    const mf_value **keys = arena_take(decoder->arena, count * sizeof(const mf_value *));
    if (keys == NULL) {
        return fail_memory(decoder);
    }
    for (size_t i = 0; i < count; i++) {
        keys[i] = &pairs[2 * i];
    }
    qsort(keys, count, sizeof(const mf_value *), compare_keys);
    for (size_t i = 1; i < count && *doubled_out == NULL; i++) {
        if (compare_keys(&keys[i - 1], &keys[i]) == 0) {
            *doubled_out = keys[i];
        }
    }
    return STATUS_OK;
}

static enum status decode_value(struct decoder *decoder, unsigned depth, mf_value *value_out);

static enum status decode_pairs(struct decoder *decoder, unsigned depth, uint32_t count,
                                mf_value *values)
{
    const size_t map_at = decoder->at;
    for (size_t i = 0; i < 2 * (size_t)count; i += 2) {
        enum status status = decode_key(decoder, &values[i]);
        if (status == STATUS_OK) {
            status = decode_value(decoder, depth, &values[i + 1]);
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
    const mf_value *doubled = NULL;
    const enum status status = find_doubled(decoder, values, count, &doubled);
    if (status == STATUS_OK && doubled != NULL) {
        return error_set(decoder->err, STATUS_INVALID,
                         "in the map at byte %zu: found the key \"%.64s\" twice", map_at,
                         doubled->mf_private_as.text);
    }
    return status;
}

/* `decoder->at` stands behind the head. `depth` is that of the container itself, from 1. */
static enum status decode_container(struct decoder *decoder, mf_kind kind, uint32_t count,
                                    unsigned depth, mf_value *value_out)
{
    const size_t node_count = kind == MF_MAP ? 2 * (size_t)count : count;
    mf_value *values = arena_take(decoder->arena, node_count * sizeof(*values));
    if (values == NULL) {
        return fail_memory(decoder);
    }
    enum status status = STATUS_OK;
    if (kind == MF_MAP) {
        status = decode_pairs(decoder, depth, count, values);
    } else {
        for (size_t i = 0; i < count && status == STATUS_OK; i++) {
            status = decode_value(decoder, depth, &values[i]);
        }
    }
    *value_out = (mf_value){
        .mf_private_kind = kind, .mf_private_count = count, .mf_private_as = {.values = values}};
    return status;
}

/* `depth` containers are around it. */
static enum status decode_value(struct decoder *decoder, unsigned depth, mf_value *value_out)
{
    struct head head;
    const enum head_problem problem =
        head_read(decoder->data + decoder->at, decoder->size - decoder->at, &head);
    if (problem != HEAD_FINE) {
        return fail_head(decoder, problem, &head);
    }
    if (depth == VALUE_DEPTH_MAX && (head.form == FORM_LIST || head.form == FORM_MAP)) {
        return fail_at(decoder, head_name(head.form), "no more than 64 of them in each other");
    }
    decoder->at += 1 + head.number_size;

    switch (head.form) {
    case FORM_FALSE:
    case FORM_TRUE:
        *value_out = value_bool(head.form == FORM_TRUE);
        return STATUS_OK;
    case FORM_UNSIGNED:
    case FORM_SIGNED:
        *value_out = value_int((int64_t)head.number);
        return STATUS_OK;
    case FORM_FLOAT:
        *value_out = value_float(float_of(&head));
        return STATUS_OK;
    case FORM_STR:
        return decode_text(decoder, MF_STR, (uint32_t)head.number, value_out);
    case FORM_BYTES:
        return decode_text(decoder, MF_BYTES, (uint32_t)head.number, value_out);
    case FORM_LIST:
        return decode_container(decoder, MF_LIST, (uint32_t)head.number, depth + 1, value_out);
    case FORM_MAP:
        return decode_container(decoder, MF_MAP, (uint32_t)head.number, depth + 1, value_out);
    case FORM_NULL:
    case FORM_EXT:
    case FORM_NONE:
        break; /* head_read() lets neither of the last two through */
    }
    *value_out = value_null();
    return STATUS_OK;
}

enum status value_decode(struct arena *arena, const uint8_t *data, size_t size, size_t *used_out,
                         mf_value *value_out, struct error *err)
{
    struct decoder decoder = {.arena = arena, .data = data, .size = size, .err = err};
    mf_value value;
    const enum status status = decode_value(&decoder, 0, &value);
    if (status == STATUS_OK) {
        *used_out = decoder.at;
        *value_out = value;
    }
    return status;
}

/* ---- Skipping ------------------------------------------------------------------------------- */

/* A container that is open: how many nodes it still lacks. Those of a map alternate between key
 * and value, and it ends with a value, so that an even number means that a key is due. */
struct skip_level {
    uint64_t nodes_left;
    bool is_map;
};

enum status value_skip(const uint8_t *data, size_t size, size_t *used_out)
{
    struct skip_level levels[VALUE_DEPTH_MAX + 1]; /* clearing all would cost more than an int */
    levels[0] = (struct skip_level){.nodes_left = 1};
    size_t depth = 0;
    size_t at = 0;
    for (;;) {
        while (levels[depth].nodes_left == 0) {
            if (depth == 0) {
                *used_out = at;
                return STATUS_OK;
            }
            depth--;
        }
        struct head head;
        if (head_read(data + at, size - at, &head) != HEAD_FINE) {
            return STATUS_INVALID;
        }
        if (levels[depth].is_map && levels[depth].nodes_left % 2 == 0 && head.form != FORM_STR) {
            return STATUS_INVALID;
        }
        levels[depth].nodes_left--;
        at += 1 + head.number_size;
        if (head.form == FORM_STR || head.form == FORM_BYTES) {
            at += (size_t)head.number;
        } else if (head.form == FORM_LIST || head.form == FORM_MAP) {
            if (depth == VALUE_DEPTH_MAX) {
                return STATUS_INVALID;
            }
            const bool is_map = head.form == FORM_MAP;
            levels[++depth] = (struct skip_level){
                .nodes_left = is_map ? 2 * head.number : head.number, .is_map = is_map};
        }
    }
}

/* ---- Encoding ------------------------------------------------------------------------------- */

static size_t int_size(int64_t integer)
{
    if (integer >= -32 && integer <= 127) {
        return 1;
    }
    if (integer >= INT8_MIN && integer <= UINT8_MAX) {
        return 2;
    }
    if (integer >= INT16_MIN && integer <= UINT16_MAX) {
        return 3;
    }
    return integer >= INT32_MIN && integer <= UINT32_MAX ? 5 : 9;
}

static size_t header_size(mf_kind kind, uint32_t count)
{
    const bool has_byte_form = kind == MF_STR || kind == MF_BYTES;
    const uint32_t count_fixed_max = kind == MF_STR ? 31 : 15;
    if (kind != MF_BYTES && count <= count_fixed_max) {
        return 1;
    }
    if (has_byte_form && count <= UINT8_MAX) {
        return 2;
    }
    return count <= UINT16_MAX ? 3 : 5;
}

size_t value_packed_size(const mf_value *value, unsigned depth_max)
{
    const mf_kind kind = mf_kind_of(value);
    switch (kind) {
    case MF_NULL:
    case MF_BOOL:
        return 1;
    case MF_INT:
        return int_size(value->mf_private_as.integer);
    case MF_FLOAT:
        return 1 + sizeof(double);
    case MF_STR:
    case MF_BYTES:
        return header_size(kind, value->mf_private_count) + value->mf_private_count;
    case MF_LIST:
    case MF_MAP:
        break;
    }
    if (depth_max == 0) {
        return 0;
    }
    const size_t node_count = (kind == MF_MAP ? (size_t)2 : 1) * value->mf_private_count;
    size_t size = header_size(kind, value->mf_private_count);
    for (size_t i = 0; i < node_count; i++) {
        const size_t node_size = value_packed_size(&value->mf_private_as.values[i], depth_max - 1);
        if (node_size == 0) {
            return 0;
        }
        size += node_size;
    }
    return size;
}

uint8_t *value_put_be(uint8_t *at, uint8_t type, uint32_t value, unsigned value_size)
{
    *at++ = type;
    for (unsigned shift = 8 * value_size; shift > 0; shift -= 8) {
        *at++ = (uint8_t)(value >> (shift - 8));
    }
    return at;
}

uint8_t *value_pack_header(mf_kind kind, uint32_t count, uint8_t *at)
{
    static const struct {
        uint8_t fixed, of_8_bits, of_16_bits, of_32_bits;
    } first_bytes[] = {
        [MF_STR] = {0xa0, 0xd9, 0xda, 0xdb},
        [MF_BYTES] = {0, 0xc4, 0xc5, 0xc6},
        [MF_LIST] = {0x90, 0, 0xdc, 0xdd},
        [MF_MAP] = {0x80, 0, 0xde, 0xdf},
    };
    assert(kind >= MF_STR);
    switch (header_size(kind, count)) {
    case 1:
        *at = (uint8_t)(first_bytes[kind].fixed | count);
        return at + 1;
    case 2:
        return value_put_be(at, first_bytes[kind].of_8_bits, count, 1);
    case 3:
        return value_put_be(at, first_bytes[kind].of_16_bits, count, 2);
    default:
        return value_put_be(at, first_bytes[kind].of_32_bits, count, 4);
    }
}

/* The inline writers of the public header encode scalars; this lends them the room that they use,
 * which may be more than the scalar has. */
static uint8_t *pack_scalar(const mf_value *value, uint8_t *at)
{
    uint8_t room[MF_PRIVATE_SCALAR_SIZE_MAX];
    mf_writer out = {.mf_private_at = room, .mf_private_end = room + sizeof(room)};
    if (value->mf_private_kind == MF_BOOL) {
        mf_put_bool(&out, value->mf_private_as.boolean);
    } else if (value->mf_private_kind == MF_INT) {
        mf_put_int(&out, value->mf_private_as.integer);
    } else if (value->mf_private_kind == MF_FLOAT) {
        mf_put_float(&out, value->mf_private_as.real);
    } else {
        mf_put_null(&out);
    }
    const size_t size = (size_t)(out.mf_private_at - room);
    memcpy(at, room, size);
    return at + size;
}

uint8_t *value_pack(const mf_value *value, uint8_t *at)
{
    const mf_kind kind = mf_kind_of(value);
    if (kind < MF_STR) {
        return pack_scalar(value, at);
    }
    at = value_pack_header(kind, value->mf_private_count, at);
    if (kind == MF_STR || kind == MF_BYTES) {
        if (value->mf_private_count > 0) {
            memcpy(at, value->mf_private_as.text, value->mf_private_count);
        }
        return at + value->mf_private_count;
    }
    const size_t node_count = (kind == MF_MAP ? (size_t)2 : 1) * value->mf_private_count;
    for (size_t i = 0; i < node_count; i++) {
        at = value_pack(&value->mf_private_as.values[i], at);
    }
    return at;
}

enum status value_encode(const mf_value *value, struct buffer *out)
{
    const size_t size = value_packed_size(value, VALUE_DEPTH_MAX);
    if (size == 0) {
        return STATUS_LIMIT;
    }
    const enum status status = buffer_reserve(out, size);
    if (status != STATUS_OK) {
        return status;
    }
    const uint8_t *end = value_pack(value, out->data + out->size);
    assert(end == out->data + out->size + size);
    out->size += size;
    return STATUS_OK;
}
