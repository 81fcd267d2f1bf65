#include "master/counters.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"

static unsigned width_for(uint64_t value_max)
{
    unsigned width = 1;
    while (width < 64 && value_max >> width != 0) {
        width *= 2;
    }
    return width;
}

struct counters counters_make(uint64_t value_max)
{
    return (struct counters){.value_max = value_max, .width = width_for(value_max)};
}

void counters_free(struct counters *counters)
{
    for (size_t i = 0; i < counters->block_count; i++) {
        free(counters->blocks[i]);
    }
    free(counters->blocks);
    counters->blocks = NULL;
    counters->block_count = 0;
}

/* Where a counter lies in its block: little-endian, the low bits of a byte first. */
struct place {
    size_t byte;
    unsigned shift;
};

static struct place place_of(const struct counters *counters, uint64_t index)
{
    const uint64_t bit = index % COUNTERS_BLOCK_SIZE * counters->width;
    return (struct place){.byte = (size_t)(bit / 8), .shift = (unsigned)(bit % 8)};
}

static uint64_t read_at(const struct counters *counters, const uint8_t *block, struct place place)
{
    if (counters->width < 8) {
        return (uint64_t)(block[place.byte] >> place.shift) & ((1u << counters->width) - 1);
    }
    uint64_t value = 0;
    memcpy(&value, &block[place.byte], counters->width / 8);
    return value;
}

static void write_at(const struct counters *counters, uint8_t *block, struct place place,
                     uint64_t value)
{
    if (counters->width < 8) {
        const unsigned mask = ((1u << counters->width) - 1) << place.shift;
        block[place.byte] =
            (uint8_t)((block[place.byte] & ~mask) | (unsigned)(value << place.shift));
        return;
    }
    memcpy(&block[place.byte], &value, counters->width / 8);
}

static uint8_t *block_to_fill(struct counters *counters, size_t block)
{
    if (block >= counters->block_count) {
        counters->blocks = memory_resize(counters->blocks, block + 1, sizeof(uint8_t *));
        memset(&counters->blocks[counters->block_count], 0,
               (block + 1 - counters->block_count) * sizeof(uint8_t *));
        counters->block_count = block + 1;
    }
    if (counters->blocks[block] == NULL) {
        counters->blocks[block] = memory_take((size_t)COUNTERS_BLOCK_SIZE * counters->width / 8, 1);
    }
    return counters->blocks[block];
}

uint64_t counters_get(const struct counters *counters, uint64_t index)
{
    const uint64_t block = index / COUNTERS_BLOCK_SIZE;
    if (block >= counters->block_count || counters->blocks[block] == NULL) {
        return 0;
    }
    return read_at(counters, counters->blocks[block], place_of(counters, index));
}

uint64_t counters_raise(struct counters *counters, uint64_t index)
{
    uint8_t *block = block_to_fill(counters, (size_t)(index / COUNTERS_BLOCK_SIZE));
    const struct place place = place_of(counters, index);
    const uint64_t value = read_at(counters, block, place);
    assert(value < counters->value_max);
    write_at(counters, block, place, value + 1);
    return value + 1;
}

void counters_set(struct counters *counters, uint64_t index, uint64_t value)
{
    if (value == 0 && counters_get(counters, index) == 0) {
        return;
    }
    uint8_t *block = block_to_fill(counters, (size_t)(index / COUNTERS_BLOCK_SIZE));
    write_at(counters, block, place_of(counters, index),
             value < counters->value_max ? value : counters->value_max);
}

uint64_t counters_next_block_before(const struct counters *counters, uint64_t index, uint64_t end)
{
    for (uint64_t block = index / COUNTERS_BLOCK_SIZE;
         block < counters->block_count && block * COUNTERS_BLOCK_SIZE < end; block++) {
        if (counters->blocks[block] != NULL) {
            const uint64_t start = block * COUNTERS_BLOCK_SIZE;
            return start > index ? start : index;
        }
    }
    return end;
}

uint64_t counters_next_block(const struct counters *counters, uint64_t index)
{
    return counters_next_block_before(counters, index, UINT64_MAX);
}
