#include "shared/workflow_places.h"

#include <stdlib.h>

#include "shared/pack.h"
#include "shared/unpack.h"

#define PLACE_ITEMS 6
#define PLACE_SIZE_MIN 7 /* bytes: a header, and one an item */

enum status workflow_places_pack(const struct workflow_place *place, struct buffer *out)
{
    struct pack pack;
    pack_start(&pack, out);
    pack_array(&pack, PLACE_ITEMS);
    pack_uint(&pack, place->offset);
    pack_uint(&pack, place->size);
    pack_uint(&pack, place->position);
    pack_uint(&pack, place->start);
    pack_uint(&pack, place->count);
    pack_bool(&pack, place->is_partial);
    return pack_finish(&pack);
}

static struct workflow_place get_place(struct unpack *in, uint64_t size)
{
    struct workflow_place place = {.offset = 0};
    unpack_array_of(in, PLACE_ITEMS);
    place.offset = unpack_uint_max(in, INT64_MAX);
    place.size = unpack_uint_max(in, INT64_MAX);
    place.position = unpack_uint_max(in, INT64_MAX);
    place.start = unpack_uint_max(in, size);
    place.count = unpack_uint_max(in, size - place.start);
    place.is_partial = unpack_bool(in);
    if (place.is_partial && place.count != 1) {
        unpack_fail(in);
    }
    return place;
}

static int compare(const void *left, const void *right)
{
    const struct workflow_place *a = left;
    const struct workflow_place *b = right;
    if (a->offset != b->offset) {
        return a->offset < b->offset ? -1 : 1;
    }
    return a->position < b->position ? -1 : a->position > b->position;
}

enum status workflow_places_unpack(const struct buffer *bytes, uint64_t size, struct arena *arena,
                                   struct workflow_place **places_out, size_t *count_out,
                                   struct error *err)
{
    struct unpack in = unpack_start(bytes->data, bytes->size);
    const size_t count_max = bytes->size / PLACE_SIZE_MIN;
    struct workflow_place *places = arena_take(arena, count_max * sizeof(*places) + 1);
    size_t count = 0;
    if (places == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for the places of outputs");
    }
    while (unpack_left(&in) > 0 && !in.failed && count < count_max) {
        places[count++] = get_place(&in, size);
    }
    if (!unpack_is_done(&in)) {
        return error_set(err, STATUS_PROTOCOL, "the places of outputs are malformed");
    }
    qsort(places, count, sizeof(*places), compare);
    *places_out = places;
    *count_out = count;
    return STATUS_OK;
}
