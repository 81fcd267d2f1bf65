#include "master/cache.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "master/cache_private.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/lz4_frame.h"
#include "shared/memory.h"
#include "shared/typed_paths.h"

/* The thread waits while so much of what it found has not been taken. */
#define EVENT_BYTES_MAX ((size_t)64 << 20)
/* Outputs that come faster than the store takes them are dropped past so much. */
#define JOB_BYTES_MAX ((size_t)512 << 20)
/* What was made is on disk after so long, so that a kill costs little. */
#define COMMIT_MS 1000
#define COMMIT_BYTES ((size_t)32 << 20)

/* ---- The thread's loop ------------------------------------------------------------------------
 */

static void free_job(struct cache_job *job)
{
    if (job != NULL) {
        buffer_free(&job->spans);
        buffer_free(&job->bits);
        buffer_free(&job->frame);
        buffer_free(&job->inputs);
        free(job->shares);
        free(job->held);
        free(job);
    }
}

static size_t size_of_job(const struct cache_job *job)
{
    return job->spans.size + job->bits.size + job->frame.size + job->inputs.size +
           job->held_count * sizeof(job->held[0]);
}

/* The next job; NULL when there was none for `wait_ms`, or none is to come. */
static struct cache_job *take_job(struct cache *cache, int64_t wait_ms, bool *is_over_out)
{
    struct timespec until;
    int code = 0;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += wait_ms % 1000 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_mutex_lock(&cache->mutex);
    while (cache->jobs == NULL && !cache->is_ending && code == 0) {
        code = wait_ms < 0 ? pthread_cond_wait(&cache->has_job, &cache->mutex)
                           : pthread_cond_timedwait(&cache->has_job, &cache->mutex, &until);
    }
    struct cache_job *job = cache->jobs;
    if (job != NULL) {
        cache->jobs = job->next;
        cache->jobs_end = cache->jobs == NULL ? &cache->jobs : cache->jobs_end;
        cache->job_bytes -= size_of_job(job);
    }
    *is_over_out = job == NULL && cache->is_ending;
    (void)pthread_mutex_unlock(&cache->mutex);
    return job;
}

static void run_jobs(struct cache *cache)
{
    uint64_t gathered_us = 0; /* when the first of what has gathered was made */
    bool is_over = false;
    while (!is_over) {
        const bool has_gathered = cache_has_gathered(cache);
        const uint64_t waited_ms = has_gathered ? (clock_us() - gathered_us) / 1000 : 0;
        if (has_gathered && (waited_ms >= COMMIT_MS || cache->entries.size >= COMMIT_BYTES)) {
            cache_commit(cache);
            continue;
        }
        struct cache_job *job =
            take_job(cache, has_gathered ? (int64_t)(COMMIT_MS - waited_ms) : -1, &is_over);
        if (job != NULL && job->is_lookup) {
            cache_run_lookup(cache);
        } else if (job != NULL) {
            cache_run_batch(cache, job);
        }
        free_job(job);
        if (!has_gathered) {
            gathered_us = clock_us();
        }
    }
    cache_commit(cache);
}

/* Signals are for the threads that wait for them. */
static void *run_thread(void *context)
{
    struct cache *cache = context;
    sigset_t all;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, NULL);
    run_jobs(cache);
    cache_files_use_store(cache->files, NULL);
    cache_store_close(cache->store);
    cache->store = NULL;
    return NULL;
}

void cache_drop_store(struct cache *cache, const char *reason)
{
    log_warning("cache: %s; outputs are neither taken from it nor kept in it from here on", reason);
    cache_store_close(cache->store);
    cache->store = NULL;
    cache_files_use_store(cache->files, NULL);
    buffer_clear(&cache->entries);
    buffer_clear(&cache->touched);
}

struct cache_entry_options cache_entry_options_of(struct cache *cache)
{
    return (struct cache_entry_options){.output = cache->options.output,
                                        .run_dir = cache->options.run_dir,
                                        .files = cache->files,
                                        .arena = &cache->arena};
}

/* ---- Life -------------------------------------------------------------------------------------
 */

static enum status init_queues(struct cache *cache)
{
    pthread_condattr_t attributes;
    cache->jobs_end = &cache->jobs;
    cache->events_end = &cache->events;
    if (pthread_condattr_init(&attributes) != 0) {
        return STATUS_NO_MEMORY;
    }
    const bool is_ready = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
                          pthread_mutex_init(&cache->mutex, NULL) == 0 &&
                          pthread_cond_init(&cache->has_job, &attributes) == 0 &&
                          pthread_cond_init(&cache->has_room, NULL) == 0;
    (void)pthread_condattr_destroy(&attributes);
    return is_ready ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status cache_create(const struct cache_options *options, struct cache **cache_out)
{
    assert(options->mode != CACHE_OFF);
    assert(inputs_count(options->inputs) <= CACHE_INPUT_COUNT_MAX);
    struct cache *cache = calloc(1, sizeof(*cache));
    if (cache == NULL) {
        return STATUS_NO_MEMORY;
    }
    cache->options = *options;
    cache->wants_inputs = typed_paths_may_be(options->input) || options->paths_from != NULL;
    cache->found = memory_take(CACHE_PART_COUNT, sizeof(*cache->found));
    cache->waiting = memory_take(CACHE_PART_COUNT, sizeof(*cache->waiting));
    cache->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (cache->bell < 0 || init_queues(cache) != STATUS_OK ||
        cache_files_create(NULL, &cache->files) != STATUS_OK) {
        if (cache->bell >= 0) {
            (void)close(cache->bell);
        }
        free(cache->found);
        free(cache->waiting);
        free(cache);
        return STATUS_NO_MEMORY;
    }
    *cache_out = cache;
    return STATUS_OK;
}

/* False where the thread hangs: then it keeps what it uses. */
static bool end_thread(struct cache *cache)
{
    struct timespec until;
    if (!cache->has_thread) {
        return true;
    }
    (void)pthread_mutex_lock(&cache->mutex);
    cache->is_ending = true;
    atomic_store(&cache->is_cancelled, true);
    (void)pthread_cond_broadcast(&cache->has_job);
    (void)pthread_cond_broadcast(&cache->has_room);
    (void)pthread_mutex_unlock(&cache->mutex);
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += CACHE_END_S_MAX;
    if (pthread_timedjoin_np(cache->thread, NULL, &until) != 0) {
        log_warning("cache: %s does not answer: what was made last is not kept",
                    cache->options.dir);
        return false;
    }
    return true;
}

void cache_destroy(struct cache *cache)
{
    if (cache == NULL || !end_thread(cache)) {
        return;
    }
    while (cache->jobs != NULL) {
        struct cache_job *job = cache->jobs;
        cache->jobs = job->next;
        free_job(job);
    }
    while (cache->events != NULL) {
        struct cache_event *event = cache->events;
        cache->events = event->next;
        cache_event_free(event);
    }
    (void)pthread_mutex_destroy(&cache->mutex);
    (void)pthread_cond_destroy(&cache->has_job);
    (void)pthread_cond_destroy(&cache->has_room);
    (void)close(cache->bell);
    cache_equal_free(&cache->equal);
    index_set_free(&cache->skipped);
    cache_files_destroy(cache->files);
    key_maker_destroy(cache->maker);
    arena_free(&cache->arena);
    free(cache->keys);
    free(cache->hits);
    buffer_free(&cache->packed);
    buffer_free(&cache->outputs);
    free(cache->found);
    free(cache->waiting);
    buffer_free(&cache->entries);
    buffer_free(&cache->touched);
    free(cache);
}

/* ---- Jobs -------------------------------------------------------------------------------------
 */

static void put_job(struct cache *cache, struct cache_job *job)
{
    (void)pthread_mutex_lock(&cache->mutex);
    cache->job_bytes += size_of_job(job);
    *cache->jobs_end = job;
    cache->jobs_end = &job->next;
    (void)pthread_cond_signal(&cache->has_job);
    (void)pthread_mutex_unlock(&cache->mutex);
}

/* Does the store fall behind, so that what comes is not kept? */
static bool is_backlog(struct cache *cache)
{
    (void)pthread_mutex_lock(&cache->mutex);
    const bool is_too_much = cache->job_bytes > JOB_BYTES_MAX;
    (void)pthread_mutex_unlock(&cache->mutex);
    if (is_too_much && !cache->has_warned_of_backlog) {
        cache->has_warned_of_backlog = true;
        log_warning("cache: %s is too slow: some outputs are not kept", cache->options.dir);
    }
    return is_too_much;
}

void cache_skip(struct cache *cache, uint64_t start, uint64_t count)
{
    assert(!cache->has_thread);
    index_set_put(&cache->skipped, start, count);
}

enum status cache_look_up(struct cache *cache, struct error *err)
{
    struct cache_job *job = memory_take(1, sizeof(*job));
    job->is_lookup = true;
    put_job(cache, job);
    if (pthread_create(&cache->thread, NULL, run_thread, cache) != 0) {
        return error_set(err, STATUS_NO_MEMORY, "no thread for the cache");
    }
    cache->has_thread = true;
    return STATUS_OK;
}

bool cache_wants_inputs(const struct cache *cache)
{
    return cache->wants_inputs;
}

/* Take those that were held for the instance off, into the job. */
static void add_share(struct cache *cache, struct cache_job *job, uint64_t index)
{
    const size_t first = job->held_count;
    uint64_t at = index;
    while (cache_take_equal(cache, at, &at)) {
        job->held = memory_grow(job->held, job->held_count, &job->held_capacity, sizeof(at));
        job->held[job->held_count++] = at;
    }
    if (job->held_count > first) {
        job->shares = memory_grow(job->shares, job->share_count, &job->share_capacity,
                                  sizeof(job->shares[0]));
        job->shares[job->share_count++] =
            (struct cache_share){.leader = index, .first = first, .count = job->held_count - first};
    }
}

static void add_shares(struct cache *cache, struct cache_job *job, const struct report_batch *batch)
{
    uint64_t bit = 0;
    for (size_t i = 0; i < batch->span_count && cache_equal_is_any(&cache->equal); i++) {
        for (uint64_t k = 0; k < batch->spans[i].count; k++, bit++) {
            if (report_batch_succeeded(batch, bit)) {
                add_share(cache, job, batch->spans[i].start + k);
            }
        }
    }
}

static enum status copy_batch(struct cache_job *job, const struct report_batch *batch,
                              const uint8_t *inputs, size_t inputs_size)
{
    enum status status =
        buffer_append(&job->spans, batch->spans, batch->span_count * sizeof(batch->spans[0]));
    if (status == STATUS_OK && batch->success_bits != NULL) {
        status = buffer_append(&job->bits, batch->success_bits,
                               (size_t)((batch->instance_count + 7) / 8));
    }
    if (status == STATUS_OK) {
        status = buffer_append(&job->frame, batch->frame, batch->frame_size);
    }
    return status == STATUS_OK && inputs != NULL ? buffer_append(&job->inputs, inputs, inputs_size)
                                                 : status;
}

void cache_take_batch(struct cache *cache, const struct report_batch *batch, const uint8_t *inputs,
                      size_t inputs_size)
{
    struct cache_job *job = memory_take(1, sizeof(*job));
    job->reads_place = batch->reads_place && !cache->options.has_index;
    if (job->reads_place && !cache->has_warned_of_place) {
        cache->has_warned_of_place = true;
        log_warning("cache: task %s reads its index or the map's size: what it gives then is not "
                    "kept",
                    cache->options.task);
    }
    add_shares(cache, job, batch);
    cache->sharing += job->held_count;
    if (job->share_count == 0 && (job->reads_place || is_backlog(cache))) {
        free_job(job);
        return;
    }
    if (copy_batch(job, batch, inputs, inputs_size) != STATUS_OK) {
        /* Who was held runs for itself: the thread finds a frame that is none. */
        buffer_free(&job->frame);
    }
    put_job(cache, job);
}

bool cache_take_equal(struct cache *cache, uint64_t index, uint64_t *next_out)
{
    uint32_t next;
    if (!cache_equal_take(&cache->equal, index, &next)) {
        return false;
    }
    *next_out = next;
    return true;
}

/* ---- Events -----------------------------------------------------------------------------------
 */

static size_t size_of_event(const struct cache_event *event)
{
    return event->frame.size + event->span_count * sizeof(event->spans[0]);
}

bool cache_is_ending(struct cache *cache)
{
    return atomic_load(&cache->is_cancelled);
}

void cache_emit(struct cache *cache, struct cache_event *event)
{
    const uint64_t one = 1;
    (void)pthread_mutex_lock(&cache->mutex);
    while (cache->event_bytes > EVENT_BYTES_MAX && !cache->is_ending) {
        (void)pthread_cond_wait(&cache->has_room, &cache->mutex);
    }
    cache->event_bytes += size_of_event(event);
    *cache->events_end = event;
    cache->events_end = &event->next;
    (void)pthread_mutex_unlock(&cache->mutex);
    (void)!write(cache->bell, &one, sizeof(one));
}

struct cache_event *cache_next_event(struct cache *cache)
{
    uint64_t count;
    (void)pthread_mutex_lock(&cache->mutex);
    struct cache_event *event = cache->events;
    if (event != NULL) {
        cache->events = event->next;
        cache->events_end = cache->events == NULL ? &cache->events : cache->events_end;
        cache->event_bytes -= size_of_event(event);
        event->next = NULL;
        cache->sharing -= event->were_held ? event->count : 0;
        (void)pthread_cond_signal(&cache->has_room);
    } else {
        (void)!read(cache->bell, &count, sizeof(count));
    }
    (void)pthread_mutex_unlock(&cache->mutex);
    return event;
}

bool cache_is_sharing(const struct cache *cache)
{
    return cache->sharing > 0;
}

int cache_descriptor(const struct cache *cache)
{
    return cache->bell;
}

void cache_event_free(struct cache_event *event)
{
    if (event != NULL) {
        free(event->spans);
        buffer_free(&event->frame);
        free(event);
    }
}

void cache_spans_add(struct span *spans, size_t *span_count, uint64_t index)
{
    const size_t last = *span_count - 1;
    if (*span_count > 0 && spans[last].start + spans[last].count == index) {
        spans[last].count++;
    } else {
        spans[(*span_count)++] = (struct span){.start = index, .count = 1};
    }
}

struct cache_event *cache_event_make(enum cache_event_kind kind, const struct span *spans,
                                     size_t span_count, const struct buffer *outputs)
{
    struct cache_event *event = memory_take(1, sizeof(*event));
    event->kind = kind;
    event->span_count = span_count;
    event->spans = memory_take(span_count, sizeof(*spans));
    if (span_count > 0) {
        memcpy(event->spans, spans, span_count * sizeof(*spans));
    }
    event->count = span_list_count(spans, span_count);
    if (outputs != NULL &&
        lz4_frame_compress(outputs->data, outputs->size, &event->frame) != STATUS_OK) {
        cache_event_free(event);
        return NULL;
    }
    return event;
}
