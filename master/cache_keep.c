#include "master/cache_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "master/cache_prune.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/lz4_frame.h"
#include "shared/memory.h"
#include "shared/value.h"

/* A batch ends a little after 8 MiB of outputs, each of which may have up to 4 GiB. */
#define OUTPUTS_SIZE_MAX ((size_t)16 << 30)
/* Outputs that are shared make frames of so much. */
#define FRAME_SIZE_GOAL ((size_t)8 << 20)

/* Before each entry in `entries`. */
struct pending {
    struct key key;
    size_t size;
};

/* ---- Into the store ---------------------------------------------------------------------------
 */

bool cache_has_gathered(const struct cache *cache)
{
    return cache->entries.size > 0 || cache->touched.size > 0 ||
           cache_files_has_learned(cache->files);
}

static enum status put_entries(struct cache *cache, struct error *err)
{
    const uint64_t now_ms = clock_day_ms();
    enum status status = STATUS_OK;
    for (size_t at = 0; at < cache->entries.size && status == STATUS_OK;) {
        struct pending pending;
        memcpy(&pending, cache->entries.data + at, sizeof(pending));
        at += sizeof(pending);
        status = cache_store_put(cache->store, CACHE_TABLE_ENTRIES, pending.key.bytes,
                                 cache->entries.data + at, pending.size, err);
        if (status == STATUS_OK) {
            status = cache_prune_note_use(cache->store, &pending.key, now_ms, err);
        }
        at += pending.size;
    }
    return status;
}

static enum status put_uses(struct cache *cache, struct error *err)
{
    const uint64_t now_ms = clock_day_ms();
    enum status status = STATUS_OK;
    for (size_t at = 0; at < cache->touched.size && status == STATUS_OK; at += sizeof(struct key)) {
        struct key key;
        memcpy(&key, cache->touched.data + at, sizeof(key));
        status = cache_prune_note_use(cache->store, &key, now_ms, err);
    }
    return status;
}

void cache_commit(struct cache *cache)
{
    struct error err;
    if (cache->store != NULL) {
        enum status status = put_entries(cache, &err);
        if (status == STATUS_OK) {
            status = put_uses(cache, &err);
        }
        if (status == STATUS_OK) {
            status = cache_files_save(cache->files, &err);
        }
        if (status == STATUS_OK) {
            status = cache_store_commit(cache->store, &err);
        }
        if (status != STATUS_OK) {
            cache_drop_store(cache, err.text);
        }
    }
    buffer_clear(&cache->entries);
    buffer_clear(&cache->touched);
}

/* ---- One output -------------------------------------------------------------------------------
 */

/* One instance of a batch that has succeeded. */
struct made {
    uint64_t index;
    const uint8_t *output;
    size_t output_size;
    const uint8_t *input; /* packed; NULL where it is not needed */
    size_t input_size;
};

static void warn_not_kept(struct cache *cache, uint64_t index, const char *reason)
{
    if (cache->not_kept++ == 0) {
        log_warning("cache: the output of input %" PRIu64 " is not kept: %s", index, reason);
    }
}

/* A file may have changed since its content was taken for the key: nobody knows which of both the
 * attempt has read. */
static bool is_input_unchanged(struct cache *cache, const struct made *made)
{
    struct key now;
    struct error err;
    if (!cache->wants_inputs) {
        return true;
    }
    key_maker_at(cache->maker, made->index);
    if (made->input == NULL ||
        key_make_packed(cache->maker, made->input, made->input_size, &now, &err) != STATUS_OK ||
        memcmp(&now, &cache->keys[made->index], sizeof(now)) != 0) {
        warn_not_kept(cache, made->index, "a file of it has changed meanwhile");
        return false;
    }
    return true;
}

static void keep(struct cache *cache, const struct made *made)
{
    const struct cache_entry_options options = cache_entry_options_of(cache);
    const size_t start = cache->entries.size;
    struct pending pending = {.size = 0};
    struct error err;
    if (cache->store == NULL || cache_key_is_none(&cache->keys[made->index]) ||
        !is_input_unchanged(cache, made)) {
        return;
    }
    pending.key = cache->keys[made->index];
    enum status status = buffer_append(&cache->entries, &pending, sizeof(pending));
    if (status != STATUS_OK) {
        return;
    }
    status = cache_entry_encode(&options, &pending.key, clock_day_ms(), made->output,
                                made->output_size, &cache->entries, &err);
    if (status != STATUS_OK) {
        cache->entries.size = start;
        warn_not_kept(cache, made->index, err.text);
        return;
    }
    pending.size = cache->entries.size - start - sizeof(pending);
    memcpy(cache->entries.data + start, &pending, sizeof(pending));
}

/* ---- To those that were held ------------------------------------------------------------------
 */

static const struct cache_share *share_at(const struct cache_job *job, size_t at)
{
    return at < job->share_count ? &job->shares[at] : NULL;
}

/* Where there is no memory for the frame, they run. */
static void emit_held(struct cache *cache, enum cache_event_kind kind, const uint64_t *held,
                      size_t count, const struct buffer *outputs)
{
    struct span *spans = memory_take(count, sizeof(*spans));
    size_t span_count = 0;
    for (size_t i = 0; i < count; i++) {
        cache_spans_add(spans, &span_count, held[i]);
    }
    struct cache_event *event = cache_event_make(kind, spans, span_count, outputs);
    if (event == NULL) {
        event = cache_event_make(CACHE_EVENT_RUN, spans, span_count, NULL);
    }
    event->were_held = true;
    cache_emit(cache, event);
    free(spans);
}

static void run_held(struct cache *cache, const struct cache_job *job,
                     const struct cache_share *share)
{
    emit_held(cache, CACHE_EVENT_RUN, job->held + share->first, share->count, NULL);
}

/* The same output once more for each of them. */
static void share_output(struct cache *cache, const struct cache_job *job,
                         const struct cache_share *share, const struct made *made)
{
    const uint64_t *held = job->held + share->first;
    struct buffer copies = {0};
    size_t done = 0;
    for (size_t i = 0; i < share->count; i++) {
        if (buffer_append(&copies, made->output, made->output_size) != STATUS_OK) {
            break;
        }
        if (copies.size >= FRAME_SIZE_GOAL || i + 1 == share->count) {
            emit_held(cache, CACHE_EVENT_HITS, held + done, i + 1 - done, &copies);
            buffer_clear(&copies);
            done = i + 1;
        }
    }
    if (done < share->count) {
        emit_held(cache, CACHE_EVENT_RUN, held + done, share->count - done, NULL);
    }
    buffer_free(&copies);
}

/* ---- A batch ----------------------------------------------------------------------------------
 */

/* Walks the instances of a job. */
struct walk {
    const struct cache_job *job;
    const struct span *spans;
    size_t span_count;
    size_t span;
    uint64_t offset;
    uint64_t bit;
    size_t output_at;
    size_t input_at;
    size_t share; /* the next one */
};

/* The next instance; *is_success_out false where it failed. False at the end. */
static bool next_instance(struct walk *walk, uint64_t *index_out, bool *is_success_out)
{
    if (walk->span == walk->span_count) {
        return false;
    }
    const struct buffer *bits = &walk->job->bits;
    *index_out = walk->spans[walk->span].start + walk->offset;
    *is_success_out = bits->size == 0 || (bits->data[walk->bit / 8] >> (walk->bit % 8) & 1) != 0;
    walk->bit++;
    if (++walk->offset == walk->spans[walk->span].count) {
        walk->offset = 0;
        walk->span++;
    }
    return true;
}

static bool next_input(struct walk *walk, struct made *made)
{
    const struct buffer *inputs = &walk->job->inputs;
    if (inputs->size == 0) {
        return true;
    }
    made->input = inputs->data + walk->input_at;
    if (value_skip(made->input, inputs->size - walk->input_at, &made->input_size) != STATUS_OK) {
        return false;
    }
    walk->input_at += made->input_size;
    return true;
}

static bool next_output(const struct cache *cache, struct walk *walk, struct made *made)
{
    const size_t left = cache->outputs.size - walk->output_at;
    made->output = cache->outputs.data + walk->output_at;
    if (left == 0 || value_skip(made->output, left, &made->output_size) != STATUS_OK) {
        return false;
    }
    walk->output_at += made->output_size;
    return true;
}

static void take_made(struct cache *cache, struct walk *walk, const struct made *made)
{
    const struct cache_share *share = share_at(walk->job, walk->share);
    if (!walk->job->reads_place) {
        keep(cache, made);
    }
    if (share != NULL && share->leader == made->index) {
        walk->share++;
        if (walk->job->reads_place) {
            run_held(cache, walk->job, share);
        } else {
            share_output(cache, walk->job, share, made);
        }
    }
}

static bool walk_batch(struct cache *cache, struct walk *walk)
{
    struct made made = {0};
    bool is_success = false;
    while (next_instance(walk, &made.index, &is_success)) {
        if (!next_input(walk, &made) || (is_success && !next_output(cache, walk, &made))) {
            return false;
        }
        if (is_success) {
            take_made(cache, walk, &made);
        }
    }
    return true;
}

void cache_run_batch(struct cache *cache, struct cache_job *job)
{
    struct error err;
    struct walk walk = {.job = job,
                        .spans = (const struct span *)(const void *)job->spans.data,
                        .span_count = job->spans.size / sizeof(struct span)};
    buffer_clear(&cache->outputs);
    if (cache->store != NULL && job->inputs.size > 0) {
        cache_files_ask(cache->files, cache->options.input, job->inputs.data, job->inputs.size);
    }
    if (cache->store != NULL && cache_store_begin_read(cache->store, &err) != STATUS_OK) {
        cache_drop_store(cache, err.text);
    }
    if (lz4_frame_decompress(job->frame.data, job->frame.size, OUTPUTS_SIZE_MAX, &cache->outputs) !=
            STATUS_OK ||
        !walk_batch(cache, &walk)) {
        log_warning("cache: outputs that came cannot be read, and are not kept");
    }
    for (const struct cache_share *share = share_at(job, walk.share); share != NULL;
         share = share_at(job, ++walk.share)) {
        run_held(cache, job, share);
    }
    if (cache->store != NULL) {
        cache_store_end_read(cache->store);
    }
}
