#include "master/print_order.h"

#include <stdlib.h>
#include <string.h>

#include "master/index_map.h"
#include "master/index_set.h"
#include "master/spool.h"
#include "shared/memory.h"

/* A text that is held. */
struct held {
    uint8_t *text; /* NULL: in the file */
    uint64_t offset;
    size_t size;
};

struct print_order {
    uint64_t turn;
    struct index_set known;     /* those of which all is known, whose turn has not come */
    struct index_set elsewhere; /* of them, those that have their text elsewhere */
    struct index_map places;    /* of them, those that have a text: where in `held` */
    struct held *held;
    size_t held_count;
    size_t held_capacity;
    uint32_t *unused; /* places in `held` */
    size_t unused_count;
    size_t unused_capacity;
    struct spool spool;
    size_t memory_max;
    size_t memory; /* bytes of texts */
    uint64_t lost;
};

struct print_order *print_order_create(uint64_t first, size_t memory_max)
{
    struct print_order *order = memory_take(1, sizeof(*order));
    order->turn = first;
    order->memory_max = memory_max;
    order->spool = SPOOL_NONE;
    return order;
}

void print_order_destroy(struct print_order *order)
{
    if (order == NULL) {
        return;
    }
    for (size_t i = 0; i < order->held_count; i++) {
        free(order->held[i].text);
    }
    free(order->held);
    free(order->unused);
    index_set_free(&order->known);
    index_set_free(&order->elsewhere);
    index_map_free(&order->places);
    spool_close(&order->spool);
    free(order);
}

/* ---- Putting ----------------------------------------------------------------------------------
 */

static bool hold(struct print_order *order, const uint8_t *text, size_t size, struct held *held)
{
    struct error ignored;
    *held = (struct held){.size = size};
    if (order->memory + size <= order->memory_max) {
        held->text = malloc(size);
    }
    if (held->text != NULL) {
        memcpy(held->text, text, size);
        order->memory += size;
        return true;
    }
    held->offset = order->spool.size;
    if (spool_append(&order->spool, text, size, &ignored) == STATUS_OK) {
        return true;
    }
    order->spool.size = held->offset;
    return false;
}

static uint32_t free_place(struct print_order *order)
{
    if (order->unused_count > 0) {
        return order->unused[--order->unused_count];
    }
    order->held =
        memory_grow(order->held, order->held_count, &order->held_capacity, sizeof(*order->held));
    return (uint32_t)order->held_count++;
}

void print_order_put(struct print_order *order, uint64_t index, const uint8_t *text, size_t size)
{
    struct held held;
    if (index < order->turn) {
        return;
    }
    print_order_pass(order, index, 1);
    if (size == 0) {
        return;
    }
    if (!hold(order, text, size, &held)) {
        order->lost++;
        return;
    }
    const uint32_t place = free_place(order);
    order->held[place] = held;
    index_map_put(&order->places, index, place);
}

void print_order_pass(struct print_order *order, uint64_t start, uint64_t count)
{
    const uint64_t end = start + count;
    start = start < order->turn ? order->turn : start;
    if (start < end) {
        index_set_put(&order->known, start, end - start);
    }
}

void print_order_defer(struct print_order *order, uint64_t start, uint64_t count)
{
    const uint64_t end = start + count;
    start = start < order->turn ? order->turn : start;
    if (start < end) {
        index_set_put(&order->known, start, end - start);
        index_set_put(&order->elsewhere, start, end - start);
    }
}

/* ---- Giving back ------------------------------------------------------------------------------
 */

static void give(struct print_order *order, uint32_t place, struct buffer *text_out)
{
    struct error ignored;
    struct held *held = &order->held[place];
    bool is_given = buffer_reserve(text_out, held->size) == STATUS_OK;
    if (is_given && held->text != NULL) {
        memcpy(text_out->data, held->text, held->size);
    } else if (is_given) {
        is_given = spool_read(&order->spool, held->offset, text_out->data, held->size, &ignored) ==
                   STATUS_OK;
    }
    text_out->size = is_given ? held->size : 0;
    order->lost += is_given ? 0 : 1;
    order->memory -= held->text != NULL ? held->size : 0;
    free(held->text);
    held->text = NULL;
    order->unused = memory_grow(order->unused, order->unused_count, &order->unused_capacity,
                                sizeof(*order->unused));
    order->unused[order->unused_count++] = place;
    if (order->unused_count == order->held_count) {
        spool_close(&order->spool); /* nobody needs what is in it */
    }
}

bool print_order_next(struct print_order *order, struct buffer *text_out, uint64_t *index_out,
                      bool *is_elsewhere_out)
{
    uint32_t place;
    const uint64_t index = order->turn;
    buffer_clear(text_out);
    if (!index_set_contains(&order->known, index)) {
        return false;
    }
    index_set_drop(&order->known, index, 1);
    *is_elsewhere_out = index_set_contains(&order->elsewhere, index);
    if (*is_elsewhere_out) {
        index_set_drop(&order->elsewhere, index, 1);
    } else if (index_map_get(&order->places, index, &place)) {
        index_map_remove(&order->places, index);
        give(order, place, text_out);
    }
    *index_out = index;
    order->turn++;
    return true;
}

bool print_order_skip(struct print_order *order)
{
    return index_set_next(&order->known, order->turn, &order->turn);
}

uint64_t print_order_turn(const struct print_order *order)
{
    return order->turn;
}

uint64_t print_order_lost(const struct print_order *order)
{
    return order->lost;
}
