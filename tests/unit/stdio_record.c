#include "shared/stdio_record.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "shared/lz4_frame.h"

#define SEED_COUNT 20000u

static const struct stdio_entry entries[] = {
    {.index = 3, .attempt = 0, .sizes = {2, 3}},
    {.index = 3, .attempt = 1, .sizes = {0, 4}, .left_out = {UINT64_MAX, 5}},
    {.index = INT64_MAX, .attempt = UINT64_MAX, .sizes = {1, 0}},
};
static const uint8_t text[] = "aabbbccccd";

static struct buffer encoded(void)
{
    struct buffer bytes = {0};
    const struct stdio_record record = {.map = 7,
                                        .rank = UINT32_MAX,
                                        .time_ms = 1700000000000,
                                        .entries = entries,
                                        .entry_count = 3,
                                        .text_size = 10};
    cr_assert(eq(int, stdio_record_encode(&record, text, &bytes), STATUS_OK));
    return bytes;
}

Test(stdio_record, a_record_comes_back)
{
    struct buffer bytes = encoded();
    struct arena arena = {0};
    struct stdio_record record;
    struct buffer back = {0};
    struct error err = {""};
    size_t used = 0;
    cr_assert(eq(int, stdio_record_decode(bytes.data, bytes.size, &arena, &record, &used, &err),
                 STATUS_OK),
              "%s", err.text);
    cr_expect(eq(sz, used, bytes.size));
    cr_expect(eq(u64, record.map, 7));
    cr_expect(eq(u32, record.rank, UINT32_MAX));
    cr_expect(eq(u64, record.time_ms, 1700000000000));
    cr_assert(eq(sz, record.entry_count, 3));
    cr_expect(memcmp(record.entries, entries, sizeof(entries)) == 0);
    cr_expect(eq(u64, record.text_size, 10));
    cr_assert(eq(int, lz4_frame_decompress(record.frame, record.frame_size, 10, &back), STATUS_OK));
    cr_expect(back.size == 10 && memcmp(back.data, text, 10) == 0);
    buffer_free(&back);
    buffer_free(&bytes);
    arena_free(&arena);
}

Test(stdio_record, records_are_appended_one_after_the_other)
{
    struct buffer bytes = encoded();
    const size_t size = bytes.size;
    struct buffer second = encoded();
    struct arena arena = {0};
    struct stdio_record record;
    struct error err;
    size_t used = 0;
    cr_assert(eq(int, buffer_append(&bytes, second.data, second.size), STATUS_OK));
    cr_assert(eq(int, stdio_record_decode(bytes.data, bytes.size, &arena, &record, &used, &err),
                 STATUS_OK));
    cr_expect(eq(sz, used, size));
    buffer_free(&bytes);
    buffer_free(&second);
    arena_free(&arena);
}

Test(stdio_record, a_torn_one_says_how_much_is_missing)
{
    struct buffer bytes = encoded();
    struct arena arena = {0};
    for (size_t size = 0; size < bytes.size; size++) {
        struct stdio_record record;
        struct error err;
        size_t used = 0;
        uint8_t *part = malloc(size + 1); /* so that sanitizers see what is read */
        memcpy(part, bytes.data, size);
        cr_expect(
            eq(int, stdio_record_decode(part, size, &arena, &record, &used, &err), STATUS_LIMIT));
        cr_expect(gt(sz, used, size));
        cr_expect(le(sz, used, bytes.size));
        free(part);
    }
    buffer_free(&bytes);
    arena_free(&arena);
}

Test(stdio_record, a_byte_that_differs_is_refused)
{
    struct buffer bytes = encoded();
    struct arena arena = {0};
    for (size_t at = 0; at < bytes.size; at++) {
        struct stdio_record record;
        struct error err;
        size_t used = 0;
        bytes.data[at] ^= 0x40;
        const enum status status =
            stdio_record_decode(bytes.data, bytes.size, &arena, &record, &used, &err);
        cr_expect(status == STATUS_INVALID || status == STATUS_LIMIT, "byte %zu: %s", at,
                  status_text(status));
        bytes.data[at] ^= 0x40;
    }
    buffer_free(&bytes);
    arena_free(&arena);
}

Test(stdio_record, whatever_stands_there_is_safe_to_read)
{
    struct buffer bytes = encoded();
    uint8_t *damaged = malloc(bytes.size);
    for (unsigned seed = 0; seed < SEED_COUNT; seed++) {
        struct arena arena = {0};
        struct stdio_record record;
        struct error err;
        size_t used = 0;
        unsigned state = seed;
        memcpy(damaged, bytes.data, bytes.size);
        for (int i = 0; i < 4; i++) {
            damaged[8 + (size_t)rand_r(&state) % (bytes.size - 8)] = (uint8_t)rand_r(&state);
        }
        (void)!stdio_record_decode(damaged, bytes.size, &arena, &record, &used, &err);
        arena_free(&arena);
    }
    free(damaged);
    buffer_free(&bytes);
}
