#include "master/cache_prune.h"

#include <stdlib.h>
#include <string.h>

#include "master/cache_files.h"
#include "shared/buffer.h"
#include "shared/memory.h"

/* So many keys are removed in one transaction. */
#define REMOVED_AT_ONCE 10000u
#define USE_SIZE 4
#define PAGE_HEADER_SIZE 16u
#define NODE_SIZE 10u /* what an entry takes beside its key and data */
#define USE_NODE_SIZE (NODE_SIZE + CACHE_STORE_KEY_SIZE + USE_SIZE)
#define DIGEST_NODE_SIZE 96u /* about */
/* The part of a file that is no entries: the heads of pages, and pages of keys alone. */
#define PAGES_PART 24u
#define HOUR_COUNT (10u * 366u * 24u)

static void encode_use(uint32_t hour, uint8_t use_out[USE_SIZE])
{
    for (size_t i = 0; i < USE_SIZE; i++) {
        use_out[i] = (uint8_t)(hour >> (8 * (USE_SIZE - 1 - i)));
    }
}

/* What makes no sense was used long ago. */
static uint32_t decode_use(const uint8_t *data, size_t size)
{
    uint32_t hour = 0;
    for (size_t i = 0; i < size && size == USE_SIZE; i++) {
        hour = hour << 8 | data[i];
    }
    return hour;
}

enum status cache_prune_note_use(struct cache_store *store, const struct key *key, uint64_t now_ms,
                                 struct error *err)
{
    uint8_t use[USE_SIZE];
    encode_use((uint32_t)(now_ms / CACHE_HOUR_MS), use);
    return cache_store_put(store, CACHE_TABLE_USES, key->bytes, use, sizeof(use), err);
}

bool cache_prune_is_use_noted(struct cache_store *store, const struct key *key, uint64_t now_ms)
{
    const uint8_t *data;
    size_t size;
    return cache_store_get(store, CACHE_TABLE_USES, key->bytes, &data, &size, NULL) == STATUS_OK &&
           decode_use(data, size) == (uint32_t)(now_ms / CACHE_HOUR_MS);
}

/* ---- Stats ------------------------------------------------------------------------------------
 */

static bool stat_use(void *context, const uint8_t *key, const uint8_t *data, size_t size)
{
    struct cache_stats *stats = context;
    const uint64_t used_ms = decode_use(data, size) * CACHE_HOUR_MS;
    (void)key;
    stats->oldest_ms = !stats->has_uses || used_ms < stats->oldest_ms ? used_ms : stats->oldest_ms;
    stats->newest_ms = used_ms > stats->newest_ms ? used_ms : stats->newest_ms;
    stats->has_uses = true;
    return true;
}

enum status cache_prune_stats(struct cache_store *store, struct cache_stats *stats_out,
                              struct error *err)
{
    struct cache_stats stats = {.has_uses = false};
    enum status status = cache_store_begin_read(store, err);
    if (status != STATUS_OK) {
        return status;
    }
    status = cache_store_measure(store, &stats.sizes, err);
    if (status == STATUS_OK) {
        status = cache_store_each(store, CACHE_TABLE_USES, NULL, stat_use, &stats, err);
    }
    cache_store_end_read(store);
    *stats_out = stats;
    return status;
}

/* ---- Pruning ----------------------------------------------------------------------------------
 */

/* Keys of a table that are to go, as many as are removed at once: all that were last used before
 * `until_hour`, and of those used in that hour itself some, until `room` bytes are found. */
struct selection {
    struct cache_store *store;
    bool is_digests; /* of that table, else uses */
    uint32_t until_hour;
    uint64_t room;
    uint64_t page_size;
    uint8_t (*keys)[CACHE_STORE_KEY_SIZE];
    size_t count;
    uint8_t last[CACHE_STORE_KEY_SIZE]; /* looked at */
    bool has_last;
};

/* Bytes that the entry and its use take, in pages that are full. */
static uint64_t size_of_entry(struct cache_store *store, uint64_t page_size, const uint8_t *key)
{
    const uint8_t *data;
    size_t size;
    if (cache_store_get(store, CACHE_TABLE_ENTRIES, key, &data, &size, NULL) != STATUS_OK) {
        return USE_NODE_SIZE;
    }
    const uint64_t room = page_size - PAGE_HEADER_SIZE;
    const uint64_t whole = size + CACHE_STORE_KEY_SIZE + NODE_SIZE;
    return USE_NODE_SIZE +
           (whole <= room / 2 ? page_size / (room / whole) /* as many as fit into a page */
                              : (size + PAGE_HEADER_SIZE + page_size - 1) / page_size * page_size);
}

static bool is_selected(struct selection *selection, const uint8_t *key, const uint8_t *data,
                        size_t size)
{
    uint32_t hour = 0;
    if (selection->is_digests) {
        return !cache_files_hour(data, size, &hour) || hour < selection->until_hour;
    }
    hour = decode_use(data, size);
    if (hour != selection->until_hour || selection->room == 0) {
        return hour < selection->until_hour;
    }
    const uint64_t freed = size_of_entry(selection->store, selection->page_size, key);
    selection->room -= freed < selection->room ? freed : selection->room;
    return true;
}

static bool select_one(void *context, const uint8_t *key, const uint8_t *data, size_t size)
{
    struct selection *selection = context;
    if (is_selected(selection, key, data, size)) {
        memcpy(selection->keys[selection->count++], key, CACHE_STORE_KEY_SIZE);
    }
    memcpy(selection->last, key, CACHE_STORE_KEY_SIZE);
    selection->has_last = true;
    return selection->count < REMOVED_AT_ONCE;
}

static enum status remove_selected(struct selection *selection, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < selection->count && status == STATUS_OK; i++) {
        const uint8_t *key = selection->keys[i];
        if (selection->is_digests) {
            status = cache_store_remove(selection->store, CACHE_TABLE_DIGESTS, key, err);
            continue;
        }
        status = cache_store_remove(selection->store, CACHE_TABLE_ENTRIES, key, err);
        if (status == STATUS_OK) {
            status = cache_store_remove(selection->store, CACHE_TABLE_USES, key, err);
        }
    }
    return status == STATUS_OK ? cache_store_commit(selection->store, err) : status;
}

static enum status remove_all(struct selection *selection, struct error *err)
{
    const enum cache_table table = selection->is_digests ? CACHE_TABLE_DIGESTS : CACHE_TABLE_USES;
    enum status status;
    selection->keys = memory_take(REMOVED_AT_ONCE, sizeof(*selection->keys));
    do {
        selection->count = 0;
        status = cache_store_begin_read(selection->store, err);
        if (status != STATUS_OK) {
            break;
        }
        status =
            cache_store_each(selection->store, table, selection->has_last ? selection->last : NULL,
                             select_one, selection, err);
        cache_store_end_read(selection->store);
        if (status == STATUS_OK) {
            status = remove_selected(selection, err);
        }
    } while (status == STATUS_OK && selection->count == REMOVED_AT_ONCE);
    free(selection->keys);
    return status;
}

static enum status remove_old(struct cache_store *store, const struct cache_prune_options *options,
                              struct error *err)
{
    const uint64_t until_ms =
        options->age_max_ms < options->now_ms ? options->now_ms - options->age_max_ms : 0;
    const uint32_t until_hour = (uint32_t)(until_ms / CACHE_HOUR_MS) + 1;
    struct selection uses = {.store = store, .until_hour = until_hour};
    struct selection digests = {.store = store, .until_hour = until_hour, .is_digests = true};
    const enum status status = remove_all(&uses, err);
    return status == STATUS_OK ? remove_all(&digests, err) : status;
}

/* ---- By size ----------------------------------------------------------------------------------
 */

/* Bytes of what was last used in each hour up to now; what is older counts for the first one. */
struct histogram {
    struct cache_store *store;
    uint64_t page_size;
    uint32_t first_hour;
    uint64_t total;
    uint64_t bytes[HOUR_COUNT];
};

static bool count_use(void *context, const uint8_t *key, const uint8_t *data, size_t size)
{
    struct histogram *histogram = context;
    const uint32_t hour = decode_use(data, size);
    uint32_t at = hour > histogram->first_hour ? hour - histogram->first_hour : 0;
    at = at < HOUR_COUNT ? at : HOUR_COUNT - 1;
    const uint64_t bytes = size_of_entry(histogram->store, histogram->page_size, key);
    histogram->bytes[at] += bytes;
    histogram->total += bytes;
    return true;
}

/* In which hour the oldest `excess` bytes end, and how many of them are of that hour. */
static uint32_t find_hour(const struct histogram *histogram, uint64_t excess, uint64_t *room_out)
{
    uint32_t at = 0;
    while (at + 1 < HOUR_COUNT && histogram->bytes[at] < excess) {
        excess -= histogram->bytes[at];
        at++;
    }
    *room_out = excess;
    return histogram->first_hour + at;
}

static enum status measure(struct cache_store *store, struct cache_store_sizes *sizes_out,
                           struct error *err)
{
    enum status status = cache_store_begin_read(store, err);
    if (status == STATUS_OK) {
        status = cache_store_measure(store, sizes_out, err);
        cache_store_end_read(store);
    }
    return status;
}

static enum status fill_histogram(struct cache_store *store,
                                  const struct cache_prune_options *options,
                                  struct histogram *histogram, struct error *err)
{
    const uint32_t hour = (uint32_t)(options->now_ms / CACHE_HOUR_MS);
    struct cache_store_sizes sizes = {0};
    enum status status = measure(store, &sizes, err);
    histogram->store = store;
    histogram->page_size = sizes.page_size;
    histogram->first_hour = hour > HOUR_COUNT - 1 ? hour - (HOUR_COUNT - 1) : 0;
    histogram->total = sizes.counts[CACHE_TABLE_DIGESTS] * DIGEST_NODE_SIZE;
    if (status == STATUS_OK) {
        status = cache_store_begin_read(store, err);
    }
    if (status == STATUS_OK) {
        status = cache_store_each(store, CACHE_TABLE_USES, NULL, count_use, histogram, err);
        cache_store_end_read(store);
    }
    return status;
}

/* Remove those that were used longest ago. What counts is what the rest takes in a file that is
 * written anew: of one in use, pages may stay half empty for a while. */
static enum status remove_oldest(struct cache_store *store,
                                 const struct cache_prune_options *options, struct error *err)
{
    struct histogram *histogram = memory_take(1, sizeof(*histogram));
    enum status status = fill_histogram(store, options, histogram, err);
    const uint64_t room = options->size_max - options->size_max / PAGES_PART;
    if (status == STATUS_OK && histogram->total > room) {
        struct selection selection = {.store = store, .page_size = histogram->page_size};
        selection.until_hour = find_hour(histogram, histogram->total - room, &selection.room);
        status = remove_all(&selection, err);
    }
    free(histogram);
    return status;
}

/* ---- Both -------------------------------------------------------------------------------------
 */

enum status cache_prune(struct cache_store *store, const struct cache_prune_options *options,
                        struct cache_prune_result *result_out, struct error *err)
{
    struct cache_store_sizes before;
    struct cache_store_sizes after;
    enum status status = measure(store, &before, err);
    if (status == STATUS_OK && options->has_age) {
        status = remove_old(store, options, err);
    }
    if (status == STATUS_OK && options->has_size) {
        status = remove_oldest(store, options, err);
    }
    if (status == STATUS_OK) {
        status = measure(store, &after, err);
    }
    if (status == STATUS_OK) {
        result_out->removed =
            before.counts[CACHE_TABLE_ENTRIES] - after.counts[CACHE_TABLE_ENTRIES];
        result_out->kept = after.counts[CACHE_TABLE_ENTRIES];
        status = cache_store_compact(store, &result_out->is_compact, err);
    }
    return status;
}
