#include "shared/lz4_records.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <lz4.h>
#include <stdlib.h>
#include <string.h>

#include "shared/seed.h"

#define WIDTH 9
#define SIZE_MAX_TRIED 300000

/* Memory of exactly these sizes, so that a sanitizer sees one byte too many. */
struct bench {
    uint8_t *data;
    uint8_t *block;
    uint8_t *back;
    size_t size;
};

static struct bench create(size_t size)
{
    struct bench bench = {.data = malloc(size + 1),
                          .block = malloc(LZ4_RECORDS_ROOM(size)),
                          .back = malloc(size + 1),
                          .size = size};
    cr_assert(bench.data != NULL && bench.block != NULL && bench.back != NULL);
    return bench;
}

static void destroy(struct bench *bench)
{
    free(bench->data);
    free(bench->block);
    free(bench->back);
}

/* Gives the block's size; where there is a block, the LZ4 library reads the data from it. */
static size_t go_round(struct bench *bench, size_t width)
{
    uint8_t *exact = malloc(bench->size + 1);
    cr_assert(exact != NULL);
    memcpy(exact, bench->data, bench->size);
    exact = realloc(exact, bench->size > 0 ? bench->size : 1);
    cr_assert(exact != NULL);
    const size_t written = lz4_records_compress(exact, bench->size, width, bench->block);
    free(exact);
    if (written > 0) {
        cr_assert(lt(sz, written, bench->size));
        memset(bench->back, 0, bench->size);
        cr_assert(eq(int,
                     LZ4_decompress_safe((const char *)bench->block, (char *)bench->back,
                                         (int)written, (int)bench->size),
                     (int)bench->size));
        cr_assert(memcmp(bench->back, bench->data, bench->size) == 0);
    }
    return written;
}

/* Squares as msgpack has them: a byte of type, then 8 bytes, the highest first. */
static void fill_squares(struct bench *bench, uint64_t first)
{
    for (size_t i = 0; i < bench->size / WIDTH; i++) {
        const uint64_t square = (first + i) * (first + i);
        bench->data[i * WIDTH] = 0xcf;
        for (size_t k = 0; k < 8; k++) {
            bench->data[i * WIDTH + 1 + k] = (uint8_t)(square >> (56 - 8 * k));
        }
    }
}

Test(lz4_records, squares_come_back_from_less_than_nine_tenths)
{
    struct bench bench = create((size_t)20000 * WIDTH);
    for (uint64_t first = 100000; first < UINT64_C(3000000000); first *= 7) {
        fill_squares(&bench, first);
        const size_t written = go_round(&bench, WIDTH);
        cr_expect(gt(sz, written, 0), "from %llu", (unsigned long long)first);
        cr_expect(lt(sz, written, bench.size * 9 / 10));
    }
    destroy(&bench);
}

Test(lz4_records, equal_records_shrink_to_almost_nothing)
{
    struct bench bench = create(200000);
    memset(bench.data, 0xc0, bench.size);
    cr_expect(lt(sz, go_round(&bench, WIDTH), 1000));
    destroy(&bench);
}

Test(lz4_records, what_has_nothing_in_common_is_not_worth_while)
{
    struct bench bench = create(100000);
    for (size_t i = 0; i < bench.size; i++) {
        bench.data[i] = (uint8_t)seed_of(1, i);
    }
    cr_expect(eq(sz, go_round(&bench, WIDTH), 0));
    destroy(&bench);
}

Test(lz4_records, what_shrinks_only_at_its_start_is_not_worth_while)
{
    struct bench bench = create(200000);
    for (size_t i = 0; i < bench.size; i++) {
        bench.data[i] = i < 8192 ? 0 : (uint8_t)seed_of(2, i);
    }
    cr_expect(eq(sz, go_round(&bench, WIDTH), 0));
    destroy(&bench);
}

Test(lz4_records, little_is_left_to_others)
{
    struct bench bench = create(2047);
    memset(bench.data, 0, bench.size);
    cr_expect(eq(sz, go_round(&bench, WIDTH), 0));
    destroy(&bench);
}

/* Bytes that repeat the record before with some chance, and break off anywhere. */
static void fill_any(struct bench *bench, size_t width, uint64_t seed)
{
    const uint64_t shape = seed_of(seed, 0);
    const unsigned breaks = (unsigned)(shape % 64);
    const bool is_by_record = (shape >> 8) % 2 == 0;
    for (size_t i = 0; i < bench->size; i++) {
        const uint64_t random = seed_of(seed, i + 1);
        const size_t column = i % width;
        const bool is_new =
            i < width || (is_by_record ? column >= width - breaks % width && random % 8 != 0
                                       : random % 64 < breaks / 4);
        bench->data[i] = is_new ? (uint8_t)(random >> 32) : bench->data[i - width];
    }
}

/* Goal: whatever the data and the width, the block is a standard one and holds the data.
 * Method: data by seed, of which most can be compressed; the library decodes. */
Test(lz4_records, any_block_is_decoded_by_the_library, .timeout = 60)
{
    size_t block_count = 0;
    for (uint64_t seed = 1; seed <= 1500; seed++) {
        const uint64_t random = seed_of(77, seed);
        const size_t limit = seed % 20 == 0 ? SIZE_MAX_TRIED : 12000;
        struct bench bench = create(2000 + random % limit);
        const size_t widths[] = {9, 8, 16, 17, 33, 300, 1000};
        const size_t width = widths[(random >> 32) % (sizeof(widths) / sizeof(widths[0]))];
        fill_any(&bench, width, seed);
        block_count += go_round(&bench, seed % 5 == 0 ? 9 : width) > 0 ? 1 : 0;
        destroy(&bench);
    }
    cr_expect(gt(sz, block_count, 500), "most of them shrink");
}
