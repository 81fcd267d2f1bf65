#include "master/cache_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "master/cache_prune.h"
#include "shared/clock.h"
#include "shared/computed.h"
#include "shared/log.h"
#include "shared/value.h"

/* Outputs of hits that make one frame. */
#define FRAME_SIZE_GOAL ((size_t)8 << 20)
/* So many entries that are unusable are named; the rest is counted. */
#define NAMED_COUNT_MAX 3

bool cache_key_is_none(const struct key *key)
{
    static const struct key none;
    return memcmp(key, &none, sizeof(none)) == 0;
}

static bool is_hit(const struct cache *cache, uint64_t index)
{
    return (cache->hits[index / 8] >> (index % 8) & 1) != 0;
}

/* ---- Keys -------------------------------------------------------------------------------------
 */

/* One that has none runs, and is not kept. */
static void note_key(struct cache *cache, uint64_t index, enum status status,
                     const struct error *err)
{
    if (status == STATUS_OK) {
        return;
    }
    memset(&cache->keys[index], 0, sizeof(cache->keys[index]));
    if (cache->unreadable++ < NAMED_COUNT_MAX) {
        log_warning("cache: input %" PRIu64 " is not looked up: %s", index, err->text);
    }
}

static enum status make_formula_keys(struct cache *cache, uint64_t start, uint64_t count,
                                     struct error *err)
{
    const struct formula *formula = inputs_formula(cache->options.inputs);
    struct computed *computed = NULL;
    struct error reason;
    enum status status =
        computed_open(formula, cache->options.input, cache->options.launch_dir, &computed, err);
    if (status != STATUS_OK) {
        return status;
    }
    for (uint64_t index = start; index < start + count; index++) {
        mf_value value;
        key_maker_at(cache->maker, index);
        status = computed_value(formula, computed, index, &value, &reason);
        if (status == STATUS_OK) {
            status = key_make(cache->maker, &value, &cache->keys[index], &reason);
        }
        note_key(cache, index, status, &reason);
    }
    computed_close(computed);
    return STATUS_OK;
}

/* Fails where the inputs cannot be read, which the run will find out for itself. */
static enum status make_list_keys(struct cache *cache, uint64_t start, uint64_t count,
                                  struct error *err)
{
    const struct span span = {.start = start, .count = count};
    struct error reason;
    size_t at = 0;
    buffer_clear(&cache->packed);
    const enum status status = inputs_pack(cache->options.inputs, &span, 1, &cache->packed, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (cache->wants_inputs) {
        cache_files_ask(cache->files, cache->options.input, cache->packed.data, cache->packed.size);
    }
    for (uint64_t index = start; index < start + count; index++) {
        size_t size;
        const uint8_t *data = cache->packed.data + at;
        if (value_skip(data, cache->packed.size - at, &size) != STATUS_OK) {
            return error_set(err, STATUS_INVALID, "input %" PRIu64 " is malformed", index);
        }
        at += size;
        key_maker_at(cache->maker, index);
        note_key(cache, index,
                 key_make_packed(cache->maker, data, size, &cache->keys[index], &reason), &reason);
    }
    return STATUS_OK;
}

static enum status make_keys(struct cache *cache, uint64_t start, uint64_t count, struct error *err)
{
    if (inputs_formula(cache->options.inputs)->kind == FORMULA_NONE) {
        return make_list_keys(cache, start, count, err);
    }
    return make_formula_keys(cache, start, count, err);
}

/* ---- Hits -------------------------------------------------------------------------------------
 */

static void warn_of_entry(struct cache *cache, uint64_t index, const struct error *err)
{
    if (cache->unusable++ < NAMED_COUNT_MAX) {
        log_warning("cache: what is kept for input %" PRIu64 " cannot be used, so that it runs: %s",
                    index, err->text);
    }
}

/* NOT_FOUND: a miss. Anything else but OK: the store itself failed. */
static enum status find_entry(struct cache *cache, uint64_t index, struct cache_entry *entry_out,
                              struct error *err)
{
    const struct cache_entry_options options = cache_entry_options_of(cache);
    const struct key *key = &cache->keys[index];
    const uint8_t *data;
    size_t size;
    enum status status =
        cache_store_get(cache->store, CACHE_TABLE_ENTRIES, key->bytes, &data, &size, err);
    if (status != STATUS_OK) {
        return status;
    }
    status = cache_entry_decode(&options, key, data, size, entry_out, err);
    if (status == STATUS_OK) {
        status = cache_entry_verify(&options, entry_out, err);
    }
    if (status != STATUS_OK) {
        warn_of_entry(cache, index, err);
        return STATUS_NOT_FOUND;
    }
    return STATUS_OK;
}

/* Where there is no memory for the frame, they run. */
static void emit_hits(struct cache *cache)
{
    if (cache->found_count > 0) {
        struct cache_event *event =
            cache_event_make(CACHE_EVENT_HITS, cache->found, cache->found_count, &cache->outputs);
        if (event != NULL) {
            cache_emit(cache, event);
        }
    }
    cache->found_count = 0;
    buffer_clear(&cache->outputs);
}

/* Without memory it is none. */
static void add_hit(struct cache *cache, uint64_t index, const struct cache_entry *entry)
{
    const struct key *key = &cache->keys[index];
    if (buffer_append(&cache->outputs, entry->output, entry->output_size) != STATUS_OK) {
        return;
    }
    cache_spans_add(cache->found, &cache->found_count, index);
    cache->hits[index / 8] |= (uint8_t)(1u << index % 8);
    if (!cache_prune_is_use_noted(cache->store, key, clock_day_ms())) {
        (void)!buffer_append(&cache->touched, key, sizeof(*key));
    }
    if (cache->outputs.size >= FRAME_SIZE_GOAL) {
        emit_hits(cache);
    }
}

static void look_up(struct cache *cache, uint64_t index)
{
    struct cache_entry entry;
    struct error err;
    if (cache->store == NULL || cache->options.mode != CACHE_USE) {
        return;
    }
    const enum status status = find_entry(cache, index, &entry, &err);
    if (status == STATUS_OK) {
        add_hit(cache, index, &entry);
    } else if (status != STATUS_NOT_FOUND) {
        cache_drop_store(cache, err.text);
    }
}

/* ---- All of it --------------------------------------------------------------------------------
 */

static void decide(struct cache *cache, uint64_t index)
{
    if (cache_key_is_none(&cache->keys[index])) {
        return;
    }
    const uint32_t leader = cache_equal_find(&cache->equal, cache->keys, (uint32_t)index);
    if (leader == index || is_hit(cache, leader)) {
        look_up(cache, index);
    } else {
        cache_spans_add(cache->waiting, &cache->waiting_count, index);
        cache_equal_follow(&cache->equal, leader, (uint32_t)index);
    }
}

/* Those of a part that have not ended before, run by run. */
static enum status look_at(struct cache *cache, uint64_t start, uint64_t count, struct error *err)
{
    const uint64_t end = start + count;
    enum status status = STATUS_OK;
    while (start < end && status == STATUS_OK) {
        uint64_t skipped = end;
        uint64_t skipped_count = 0;
        if (!index_set_next_run(&cache->skipped, start, end - start, &skipped, &skipped_count) ||
            skipped > end) {
            skipped = end;
        }
        if (skipped > start) {
            status = make_keys(cache, start, skipped - start, err);
        }
        for (uint64_t index = start; index < skipped && status == STATUS_OK; index++) {
            decide(cache, index);
        }
        start = skipped + skipped_count;
    }
    return status;
}

static enum status run_part(struct cache *cache, uint64_t start, uint64_t count, struct error *err)
{
    if (cache->store != NULL && cache_store_begin_read(cache->store, err) != STATUS_OK) {
        cache_drop_store(cache, err->text);
    }
    const enum status status = look_at(cache, start, count, err);
    if (cache->store != NULL) {
        cache_store_end_read(cache->store);
    }
    emit_hits(cache);
    if (cache->waiting_count > 0) {
        cache_emit(cache,
                   cache_event_make(CACHE_EVENT_HOLD, cache->waiting, cache->waiting_count, NULL));
        cache->waiting_count = 0;
    }
    return status;
}

static void run_parts(struct cache *cache)
{
    struct error err;
    const uint64_t size = inputs_count(cache->options.inputs);
    for (uint64_t start = 0; start < size && !cache_is_ending(cache); start += CACHE_PART_COUNT) {
        const uint64_t count = size - start < CACHE_PART_COUNT ? size - start : CACHE_PART_COUNT;
        if (run_part(cache, start, count, &err) != STATUS_OK) {
            log_warning("cache: no further inputs are looked up: %s", err.text);
            return;
        }
    }
}

static void open_store(struct cache *cache)
{
    struct error err;
    const enum status status =
        cache_store_open(cache->options.dir, &cache->is_cancelled, &cache->store, &err);
    if (status != STATUS_OK) {
        cache->store = NULL;
        cache_drop_store(cache, err.text);
    }
    cache_files_use_store(cache->files, cache->store);
}

static enum status take_memory(struct cache *cache)
{
    const uint64_t size = inputs_count(cache->options.inputs);
    const struct key_options options = {.base = cache->options.base,
                                        .base_size = cache->options.base_size,
                                        .input = cache->options.input,
                                        .ignore = cache->options.ignore,
                                        .digest = cache_files_digest,
                                        .context = cache->files,
                                        .has_index = cache->options.has_index,
                                        .paths_from = cache->options.paths_from};
    cache->keys = calloc((size_t)size + 1, sizeof(*cache->keys));
    cache->hits = calloc((size_t)(size / 8) + 1, 1);
    if (cache->keys == NULL || cache->hits == NULL) {
        return STATUS_NO_MEMORY;
    }
    const enum status status = key_maker_create(&options, &cache->maker);
    return status == STATUS_OK ? cache_equal_create(&cache->equal, size) : status;
}

static void say_rest(const struct cache *cache)
{
    if (cache->unusable > NAMED_COUNT_MAX) {
        log_warning("cache: what is kept for %" PRIu64 " more inputs cannot be used either",
                    cache->unusable - NAMED_COUNT_MAX);
    }
    if (cache->unreadable > NAMED_COUNT_MAX) {
        log_warning("cache: %" PRIu64 " more inputs are not looked up",
                    cache->unreadable - NAMED_COUNT_MAX);
    }
}

void cache_run_lookup(struct cache *cache)
{
    open_store(cache);
    if (take_memory(cache) == STATUS_OK) {
        run_parts(cache);
    } else {
        cache_drop_store(cache, "no memory for the keys of so many inputs");
    }
    cache_equal_seal(&cache->equal);
    free(cache->hits);
    cache->hits = NULL;
    say_rest(cache);
    cache_emit(cache, cache_event_make(CACHE_EVENT_LOOKED_UP, NULL, 0, NULL));
}
