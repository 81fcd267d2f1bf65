#include "master/copies.h"

#include <assert.h>
#include <stdlib.h>

#include "shared/memory.h"

void copies_free(struct copies *copies)
{
    index_map_free(&copies->places);
    free(copies->array);
    free(copies->spare);
    *copies = (struct copies){0};
}

struct copy *copies_find(const struct copies *copies, uint64_t index)
{
    uint32_t place;
    return index_map_get(&copies->places, index, &place) ? &copies->array[place] : NULL;
}

static uint32_t take_place(struct copies *copies)
{
    if (copies->spare_count > 0) {
        return copies->spare[--copies->spare_count];
    }
    copies->array =
        memory_grow(copies->array, copies->count, &copies->capacity, sizeof(*copies->array));
    return (uint32_t)copies->count++;
}

void copies_add(struct copies *copies, uint64_t index, struct holder original, struct holder copy)
{
    assert(copies_find(copies, index) == NULL);
    const uint32_t place = take_place(copies);
    copies->array[place] =
        (struct copy){.state = COPY_RACING, .index = index, .original = original, .copy = copy};
    copies->held++;
    index_map_put(&copies->places, index, place);
}

void copies_add_stopped(struct copies *copies, uint64_t index, struct holder loser)
{
    assert(copies_find(copies, index) == NULL);
    const uint32_t place = take_place(copies);
    copies->array[place] =
        (struct copy){.state = COPY_ENDING, .index = index, .loser = loser, .is_stop = true};
    copies->held++;
    copies->stopped_count++;
    index_map_put(&copies->places, index, place);
}

void copies_decide(struct copies *copies, struct copy *copy, struct holder loser)
{
    assert(copy->state == COPY_RACING && copies->held > 0);
    copy->state = COPY_ENDING;
    copy->loser = loser;
}

void copies_give_up(struct copies *copies, struct copy *copy)
{
    assert(copy->state == COPY_RACING && copies->held > 0);
    copies->held--;
    copy->state = COPY_TRIED;
}

void copies_remove(struct copies *copies, struct copy *copy)
{
    copies->held -= copy->state == COPY_TRIED ? 0 : 1;
    copies->stopped_count -= copy->state == COPY_ENDING && copy->is_stop ? 1 : 0;
    copies->spare = memory_grow(copies->spare, copies->spare_count, &copies->spare_capacity,
                                sizeof(*copies->spare));
    copies->spare[copies->spare_count++] = (uint32_t)(copy - copies->array);
    index_map_remove(&copies->places, copy->index);
    copy->state = COPY_NONE;
}
