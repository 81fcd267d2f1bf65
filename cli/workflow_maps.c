#include "cli/workflow_maps.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cache_options.h"
#include "master/cache.h"
#include "master/cache_store.h"
#include "master/master_maps.h"
#include "shared/key.h"
#include "shared/memory.h"
#include "shared/workflow_places.h"

/* Of the failures of a map, as its workflow hears of them. */
#define GROUP_MAX 3
#define RANGE_MAX 5

struct workflow_map_held {
    uint64_t number;
    const struct task *task;
    bool is_call;
    uint64_t size;
    uint64_t minimum;
    struct inputs *inputs;
    char *version; /* of the cache; NULL: it is off */
    struct cache_request cache;
    struct buffer key_base;
    struct cache_options options;
    struct buffer output_type; /* as text, with a NUL behind it */
    char *reducer;             /* NULL: it is not reduced */
    char *reduced_by;          /* the same, as it is recorded */
};

/* ---- What is recorded -------------------------------------------------------------------------
 */

enum status workflow_maps_open(struct workflow_maps *maps, struct master *master,
                               const struct request *request, struct error *err)
{
    *maps = (struct workflow_maps){.master = master, .request = request};
    if (request->recorded == NULL) {
        return STATUS_OK;
    }
    const enum status status = map_past_read(request->run_dir, &maps->past, err);
    return status == STATUS_OK ? log_index_open(request->run_dir, &maps->earlier, err) : status;
}

static void free_held(struct workflow_map_held *held)
{
    inputs_close(held->inputs);
    cache_request_free(&held->cache);
    buffer_free(&held->key_base);
    buffer_free(&held->output_type);
    free(held->version);
    free(held->reducer);
    free(held->reduced_by);
    free(held);
}

void workflow_maps_close(struct workflow_maps *maps)
{
    for (size_t i = 0; i < maps->count; i++) {
        free_held(maps->held[i]);
    }
    free(maps->held);
    map_past_free(&maps->past);
    log_index_destroy(maps->earlier);
    *maps = (struct workflow_maps){.count = 0};
}

static enum status fail_departure(const struct map_past *past, const struct workflow_request *asked,
                                  const char *what, struct error *err)
{
    return error_set(err, STATUS_EXISTS,
                     "its map %" PRIu64 " was %s over %" PRIu64 " inputs, and is now %s over "
                     "%" PRIu64 "%s",
                     past->number, past->task, past->size, asked->task->name,
                     inputs_count(asked->inputs), what);
}

static enum status fail_reducer(const struct map_past *past, const struct workflow_request *asked,
                                struct error *err)
{
    const char *now = asked->reduced_by != NULL ? asked->reduced_by : "";
    return error_set(err, STATUS_EXISTS, "its map %" PRIu64 ", of %s, was %s%s, and is now %s%s",
                     past->number, past->task,
                     *past->reducer != '\0' ? "reduced by " : "not reduced", past->reducer,
                     *now != '\0' ? "reduced by " : "not reduced", now);
}

/* What is recorded would be read as what it is not. */
static enum status fail_output(const struct map_past *past, const struct workflow_map_held *held,
                               struct error *err)
{
    return error_set(
        err, STATUS_EXISTS, "the outputs of its map %" PRIu64 ", of %s, were %s, and are now %s",
        past->number, past->task, past->output_type, (const char *)held->output_type.data);
}

static enum status compare(const struct map_past *past, const struct workflow_request *asked,
                           const struct workflow_map_held *held, struct error *err)
{
    uint8_t digest[INPUTS_DIGEST_SIZE];
    inputs_digest(asked->inputs, digest);
    if (past->reducer != NULL &&
        strcmp(past->reducer, asked->reduced_by != NULL ? asked->reduced_by : "") != 0) {
        return fail_reducer(past, asked, err);
    }
    if (strcmp(past->task, asked->task->name) != 0 || past->size != inputs_count(asked->inputs)) {
        return fail_departure(past, asked, "", err);
    }
    if (past->output_type != NULL &&
        strcmp(past->output_type, (const char *)held->output_type.data) != 0) {
        return fail_output(past, held, err);
    }
    return memcmp(past->inputs_digest, digest, sizeof(digest)) == 0
               ? STATUS_OK
               : fail_departure(past, asked, ", of which not all are what they were", err);
}

/* Need answers not be what they were? What had failed may have been revived, and what found no
 * room, which has left a gap, may find it now. */
static bool may_differ(const struct workflow_maps *maps)
{
    const struct map_past_list *past = &maps->past;
    return maps->request->revives_failed || past->has_revived ||
           (past->count > 0 && past->maps[past->count - 1].number >= past->count);
}

enum status workflow_maps_check_end(const struct workflow_maps *maps, uint64_t map_count,
                                    struct error *err)
{
    size_t at = 0;
    while (at < maps->past.count && maps->past.maps[at].number < map_count) {
        at++;
    }
    if (at == maps->past.count || may_differ(maps)) {
        return STATUS_OK;
    }
    const struct map_past *past = &maps->past.maps[at];
    return error_set(err, STATUS_EXISTS,
                     "its map %" PRIu64 " was %s over %" PRIu64
                     " inputs, and now it ends without it",
                     past->number, past->task, past->size);
}

/* ---- Memoised outputs -------------------------------------------------------------------------
 */

static bool is_word(const char *text, const char *word)
{
    return text != NULL && strcmp(text, word) == 0;
}

/* The map's word, else the command line's; but what the command line turns off is off. */
static enum cache_mode cache_mode_of(const struct options *options,
                                     const struct workflow_request *asked, const char *version)
{
    const char *given = options->values[OPTION_CACHE];
    const char *mode = asked->cache != NULL ? asked->cache : given;
    if (is_word(given, "off") || is_word(mode, "off") || version == NULL) {
        return CACHE_OFF;
    }
    return is_word(mode, "refresh") || is_word(given, "refresh") ? CACHE_REFRESH : CACHE_USE;
}

static enum status fill_cache(const struct workflow_maps *maps,
                              const struct workflow_request *asked, struct workflow_map_held *held,
                              struct error *err)
{
    const struct request *request = maps->request;
    const struct task *task = asked->task;
    enum status status = key_check_ignore(task->input, task->cache_ignore, err);
    if (status == STATUS_OK && held->size > CACHE_INPUT_COUNT_MAX) {
        status =
            error_set(err, STATUS_LIMIT, "outputs are kept of maps of up to %" PRIu64 " inputs",
                      CACHE_INPUT_COUNT_MAX);
    }
    if (status == STATUS_OK) {
        status = cache_store_choose(request->options.values[OPTION_CACHE_DIR], request->launch_dir,
                                    &held->cache.dir, err);
    }
    if (status == STATUS_OK) {
        const struct buffer no_words = {0};
        status = cache_request_base(&held->cache, request->job, task, asked->options.seed,
                                    &no_words, &held->key_base);
        if (status != STATUS_OK) {
            (void)error_set(err, status, "no memory for keys");
        }
    }
    held->options = (struct cache_options){.mode = held->cache.mode,
                                           .dir = held->cache.dir,
                                           .base = held->key_base.data,
                                           .base_size = held->key_base.size,
                                           .ignore = task->cache_ignore,
                                           .input = task->input,
                                           .output = task->output,
                                           .task = task->name,
                                           .run_dir = request->run_dir,
                                           .inputs = held->inputs};
    return status;
}

static enum status choose_cache(const struct workflow_maps *maps,
                                const struct workflow_request *asked,
                                struct workflow_map_held *held, struct error *err)
{
    const char *version =
        asked->cache_version != NULL ? asked->cache_version : asked->task->cache_version;
    held->cache.mode = cache_mode_of(&maps->request->options, asked, version);
    if (held->cache.mode == CACHE_OFF) {
        return STATUS_OK;
    }
    held->version = memory_copy_text(version);
    held->cache.version = held->version;
    return fill_cache(maps, asked, held, err);
}

/* ---- Beginning --------------------------------------------------------------------------------
 */

static enum status write_type(struct workflow_map_held *held, struct error *err)
{
    enum status status = type_format(held->task->output, &held->output_type);
    if (status == STATUS_OK) {
        status = buffer_append_byte(&held->output_type, '\0');
    }
    return status == STATUS_OK ? STATUS_OK : error_set(err, status, "no memory for a map");
}

static enum status hand_over(struct workflow_maps *maps, const struct workflow_request *asked,
                             const struct workflow_map_held *held, struct map_past *past,
                             struct error *err)
{
    struct master_map_options options = {.number = asked->number,
                                         .task = asked->task->name,
                                         .output_type = (const char *)held->output_type.data,
                                         .options = &asked->options,
                                         .inputs = held->inputs,
                                         .minimum = asked->minimum,
                                         .reducer = held->reducer,
                                         .reduced_by = held->reduced_by,
                                         .is_ordered = asked->is_ordered,
                                         .cache =
                                             held->cache.mode != CACHE_OFF ? &held->options : NULL,
                                         .replay = past != NULL ? &past->replay : NULL,
                                         .failures = past != NULL ? past->failures : NULL,
                                         .earlier = past != NULL ? maps->earlier : NULL};
    inputs_digest(held->inputs, options.inputs_digest);
    if (past != NULL) {
        past->failures = NULL; /* the master's, whatever comes of it */
    }
    return master_map_begin(maps->master, &options, maps->now_us, err);
}

enum status workflow_maps_begin(void *context, const struct workflow_request *asked,
                                struct error *err)
{
    struct workflow_maps *maps = context;
    struct map_past *past = map_past_find(&maps->past, asked->number);
    struct workflow_map_held *held = memory_take(1, sizeof(*held));
    *held = (struct workflow_map_held){.number = asked->number,
                                       .task = asked->task,
                                       .is_call = asked->is_call,
                                       .size = inputs_count(asked->inputs),
                                       .minimum = asked->minimum,
                                       .inputs = asked->inputs};
    held->reducer = asked->reducer != NULL ? memory_copy_text(asked->reducer) : NULL;
    held->reduced_by = asked->reduced_by != NULL ? memory_copy_text(asked->reduced_by) : NULL;
    enum status status = write_type(held, err);
    if (status == STATUS_OK && past != NULL) {
        status = compare(past, asked, held, err);
    }
    if (status == STATUS_OK) {
        status = choose_cache(maps, asked, held, err);
    }
    if (status == STATUS_OK) {
        status = hand_over(maps, asked, held, past, err);
    }
    if (status != STATUS_OK) {
        held->inputs = NULL; /* still the caller's */
        free_held(held);
        return status;
    }
    maps->held =
        memory_grow(maps->held, maps->count, &maps->capacity, sizeof(struct workflow_map_held *));
    maps->held[maps->count++] = held;
    return STATUS_OK;
}

/* ---- Ending -----------------------------------------------------------------------------------
 */

static size_t find_held(const struct workflow_maps *maps, uint64_t number)
{
    size_t at = 0;
    while (maps->held[at]->number != number) {
        at++;
        assert(at < maps->count);
    }
    return at;
}

/* Of a map, how many succeeded; of a call, which is one, nothing: what it said tells all. */
static enum status describe_counts(const struct workflow_map_held *held,
                                   const struct master_map_end *end, struct buffer *text)
{
    const uint64_t successes =
        end->counts.succeeded + end->counts.cached + end->counts.stopped_early;
    if (end->verdict == MAP_INTERRUPTED) {
        return buffer_printf(text, "interrupted\n");
    }
    return held->is_call
               ? STATUS_OK
               : buffer_printf(text,
                               "%" PRIu64 " of %" PRIu64 " succeeded, and %" PRIu64 " are needed\n",
                               successes, held->size, held->minimum);
}

/* Lines as one, "a; b". */
static enum status join_lines(const struct buffer *lines, struct buffer *text)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < lines->size && status == STATUS_OK; i++) {
        const bool is_last = i + 1 == lines->size;
        status = lines->data[i] != '\n' ? buffer_append_byte(text, lines->data[i])
                 : is_last              ? STATUS_OK
                                        : buffer_append(text, "; ", 2);
    }
    return status == STATUS_OK ? buffer_append_byte(text, '\0') : status;
}

static void tell_failure(const struct workflow_map_held *held, const struct master_map_end *end,
                         struct workflow_host *host)
{
    struct buffer lines = {0};
    struct buffer text = {0};
    const bool is_told = describe_counts(held, end, &lines) == STATUS_OK &&
                         failures_print(end->failures, GROUP_MAX, RANGE_MAX, &lines) == STATUS_OK &&
                         join_lines(&lines, &text) == STATUS_OK;
    workflow_map_failed(host, held->number,
                        is_told ? (const char *)text.data : "it failed, and there is no memory");
    buffer_free(&lines);
    buffer_free(&text);
}

/* For people, also where the map succeeded all the same. */
static void print_failures(const struct workflow_map_held *held, const struct failures *failures)
{
    struct buffer lines = {0};
    const uint64_t count = failures_count(failures);
    if (count == 0) {
        return;
    }
    if (buffer_printf(&lines, "mapfleet: map %" PRIu64 ", %s: %" PRIu64 " %s failed:\n",
                      held->number, held->task->name, count,
                      count == 1 ? "attempt" : "attempts") == STATUS_OK &&
        failures_print(failures, GROUP_MAX, RANGE_MAX, &lines) == STATUS_OK) {
        (void)fwrite(lines.data, 1, lines.size, stderr);
    }
    buffer_free(&lines);
}

/* The spans of the end, each with the frame that it is in. */
static enum status pack_places(const struct master_map_end *end, struct buffer *places)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < end->span_count && status == STATUS_OK; i++) {
        const struct log_index_span *span = &end->spans[i];
        const struct log_index_frame *frame = &end->frames[span->frame];
        const struct workflow_place place = {.offset = frame->offset,
                                             .size = frame->size,
                                             .position = span->position,
                                             .start = span->start,
                                             .count = span->count,
                                             .is_partial = frame->is_partial};
        status = workflow_places_pack(&place, places);
    }
    return status;
}

static void tell(const struct workflow_map_held *held, const struct master_map_end *end,
                 struct workflow_host *host)
{
    struct buffer places = {0};
    if (end->verdict != MAP_SUCCEEDED) {
        tell_failure(held, end, host);
    } else if (pack_places(end, &places) == STATUS_OK) {
        const uint64_t successes = end->counts.succeeded + end->counts.cached;
        workflow_map_succeeded(host, held->number, held->size - successes, &places);
    } else {
        workflow_map_failed(host, held->number, "no memory for the places of its outputs");
    }
    buffer_free(&places);
}

void workflow_maps_take_ends(struct workflow_maps *maps, struct workflow_host *host,
                             bool *did_something)
{
    struct master_map_end end;
    while (master_map_next_end(maps->master, &end)) {
        const size_t at = find_held(maps, end.number);
        struct workflow_map_held *held = maps->held[at];
        *did_something = true;
        print_failures(held, end.failures);
        tell(held, &end, host);
        master_map_drop(maps->master, held->number);
        maps->held[at] = maps->held[--maps->count];
        free_held(held);
    }
}
