#include "shared/wire.h"

#include <inttypes.h>
#include <string.h>

#include "shared/attempt_times.h"
#include "shared/unpack.h"
#include "shared/wire_private.h"

#define PATH_SIZE_MAX (1u << 16)

/* ---- Decoding -------------------------------------------------------------------------------- */

struct decoder {
    struct unpack in;
    struct arena *arena;
};

/* An array for `count` items, which unpack_array() has bounded by the bytes of the message. */
static void *take_array(struct decoder *decoder, size_t count, size_t size)
{
    void *array = arena_take(decoder->arena, count * size + 1);
    if (array == NULL) {
        unpack_fail(&decoder->in);
    }
    return array;
}

static const char *get_text(struct decoder *decoder)
{
    size_t size;
    const char *text = unpack_str(&decoder->in, &size);
    if (size > PATH_SIZE_MAX || memchr(text, '\0', size) != NULL) {
        unpack_fail(&decoder->in);
        return "";
    }
    const char *copy = arena_copy(decoder->arena, text, size);
    if (copy == NULL) {
        unpack_fail(&decoder->in);
        return "";
    }
    return copy;
}

static const struct span *get_spans(struct decoder *decoder, bool has_growth, size_t *count_out)
{
    const uint32_t count = unpack_array(&decoder->in);
    struct span *spans = take_array(decoder, count, sizeof(*spans));
    for (uint32_t i = 0; i < count && !decoder->in.failed; i++) {
        unpack_array_of(&decoder->in, has_growth ? 4 : 3);
        spans[i].start = unpack_uint(&decoder->in);
        spans[i].count = unpack_uint(&decoder->in);
        spans[i].attempt = unpack_uint(&decoder->in);
        spans[i].growth = has_growth ? unpack_uint(&decoder->in) : 0;
    }
    if (!decoder->in.failed && !span_list_is_valid(spans, count, UINT64_MAX)) {
        unpack_fail(&decoder->in);
    }
    *count_out = decoder->in.failed ? 0 : count;
    return spans;
}

static void get_options(struct decoder *decoder, struct map_options *options)
{
    struct unpack *in = &decoder->in;
    unpack_array_of(in, 22);
    options->retries = unpack_uint(in);
    options->system_retries = unpack_uint(in);
    options->retry_delay_ns = unpack_uint(in);
    options->timeout_ns = unpack_uint(in);
    options->mem = unpack_uint(in);
    options->mem_growth = unpack_float(in);
    options->cpus = unpack_uint(in);
    options->gpus = unpack_uint(in);
    options->concurrency = unpack_uint(in);
    options->delay_ns = unpack_uint(in);
    options->grace_ns = unpack_uint(in);
    options->time_limit_ns = unpack_uint(in);
    options->lost_after_ns = unpack_uint(in);
    options->unit_size = unpack_uint(in);
    options->seed = unpack_uint(in);
    options->output_size_max = unpack_uint(in);
    options->speculate = unpack_bool(in);
    options->policy = (enum map_policy)unpack_uint_max(in, POLICY_ENOUGH);
    options->capture = (enum map_capture)unpack_uint_max(in, MAP_CAPTURE_DISCARD);
    options->criterion.kind = (enum criterion_kind)unpack_uint_max(in, CRITERION_MAX_FAILURES);
    const char *ratio = get_text(decoder);
    if (strlen(ratio) >= CRITERION_RATIO_TEXT_SIZE) {
        unpack_fail(in);
        return;
    }
    memcpy(options->criterion.ratio, ratio, strlen(ratio) + 1);
    options->criterion.count = unpack_uint(in);
}

static void get_formula(struct unpack *in, struct formula *formula)
{
    unpack_array_of(in, 6);
    formula->kind = (enum formula_kind)unpack_uint_max(in, FORMULA_TRIALS);
    formula->start = unpack_int(in);
    formula->step = unpack_int(in);
    formula->count = unpack_uint(in);
    formula->is_float = unpack_bool(in);
    formula->packed = unpack_bin(in, &formula->packed_size);
}

static void get_map(struct decoder *decoder, struct wire_map *map)
{
    map->number = unpack_uint(&decoder->in);
    map->task = get_text(decoder);
    map->size = unpack_uint(&decoder->in);
    get_options(decoder, &map->options);
    get_formula(&decoder->in, &map->formula);
    map->key_base = unpack_bin(&decoder->in, &map->key_base_size);
    map->metric = get_text(decoder);
    map->needs_report = unpack_bool(&decoder->in);
    map->reducer = get_text(decoder);
    map->is_ordered = unpack_bool(&decoder->in);
}

static void get_start(struct decoder *decoder, struct wire_start *start)
{
    struct unpack *in = &decoder->in;
    size_t digest_size;
    start->version = unpack_uint(in);
    start->program = get_text(decoder);
    start->job_path = get_text(decoder);
    const uint8_t *digest = unpack_bin(in, &digest_size);
    if (digest_size != WIRE_DIGEST_SIZE) {
        unpack_fail(in);
        return;
    }
    memcpy(start->job_digest, digest, WIRE_DIGEST_SIZE);
    get_options(decoder, &start->options);
    start->run_dir = get_text(decoder);
    start->launch_dir = get_text(decoder);
    start->report_interval_us = unpack_uint(in);
    start->slots = unpack_uint_max(in, UINT32_MAX);
    start->has_gpus_per_rank = unpack_bool(in);
    start->gpus_per_rank = unpack_uint_max(in, UINT32_MAX);
    start->is_isolated = unpack_bool(in);
    start->keeps_workdirs = unpack_bool(in);
    start->ship_token = get_text(decoder);
    start->constant = unpack_bin(in, &start->constant_size);
    start->is_printed = unpack_bool(in);
    start->files_to = get_text(decoder);
    start->files_tag = get_text(decoder);
    start->remote = unpack_bin(in, &start->remote_size);
    start->has_map = !unpack_nil(in);
    if (start->has_map) {
        unpack_array_of(in, MAP_ITEMS);
        get_map(decoder, &start->map);
    }
}

static void get_ready(struct decoder *decoder, struct wire_ready *ready)
{
    ready->version = unpack_uint(&decoder->in);
    ready->program = get_text(decoder);
    ready->host = get_text(decoder);
    ready->process = unpack_uint(&decoder->in);
    ready->offered.cpus = unpack_uint(&decoder->in);
    ready->offered.mem = unpack_uint(&decoder->in);
    ready->offered.gpus = unpack_uint(&decoder->in);
    ready->slots = unpack_uint_max(&decoder->in, UINT32_MAX);
    ready->refusal = get_text(decoder);
    ready->is_setup_failure = unpack_bool(&decoder->in);
    ready->life = unpack_uint(&decoder->in);
}

/* No more than there is, and something where there is more. */
static void get_library(struct unpack *in, struct wire_library *library)
{
    library->offset = unpack_uint(in);
    library->total_size = unpack_uint(in);
    library->bytes = unpack_bin(in, &library->size);
    if (library->offset > library->total_size ||
        library->size > library->total_size - library->offset ||
        (library->size == 0 && library->offset < library->total_size)) {
        unpack_fail(in);
    }
}

static void get_unit(struct decoder *decoder, struct wire_unit *unit)
{
    unit->map = unpack_uint(&decoder->in);
    unit->lease = unpack_uint(&decoder->in);
    unit->spans = get_spans(decoder, true, &unit->span_count);
    unit->packed_size = unpack_uint(&decoder->in);
    unit->skip = unpack_uint(&decoder->in);
    unit->inputs = unpack_bin(&decoder->in, &unit->inputs_size);
}

/* No bytes where they are not told. */
static void get_times(struct unpack *in, struct report_batch *batch)
{
    batch->times = unpack_bin(in, &batch->times_size);
    if (batch->times_size == 0) {
        batch->times = NULL;
    } else if (!attempt_times_are_valid(batch->times, batch->times_size, batch->instance_count,
                                        batch->elapsed_us)) {
        unpack_fail(in);
    }
}

static void get_batch(struct decoder *decoder, struct report_batch *batch)
{
    struct unpack *in = &decoder->in;
    unpack_array_of(in, BATCH_ITEMS);
    batch->spans = get_spans(decoder, false, &batch->span_count);
    batch->instance_count = span_list_count(batch->spans, batch->span_count);
    batch->success_count = batch->instance_count;
    batch->success_bits = NULL;
    if (!unpack_nil(in)) {
        size_t size;
        batch->success_bits = unpack_bin(in, &size);
        if (size != batch->instance_count / 8 + (batch->instance_count % 8 > 0 ? 1 : 0)) {
            unpack_fail(in);
            return;
        }
        batch->success_count = 0;
        for (uint64_t i = 0; i < batch->instance_count; i++) {
            batch->success_count += report_batch_succeeded(batch, i) ? 1 : 0;
        }
    }
    batch->slot = (uint32_t)unpack_uint_max(in, UINT32_MAX);
    batch->started_us = unpack_uint(in);
    batch->elapsed_us = unpack_uint(in);
    batch->held_us = unpack_uint(in);
    get_times(in, batch);
    batch->reads_place = unpack_bool(in);
    batch->partial_count = unpack_uint(in);
    batch->frame = unpack_bin(in, &batch->frame_size);
    if (batch->frame_size == 0) {
        batch->frame = NULL;
    }
    batch->prints = unpack_bin(in, &batch->prints_size);
    if ((batch->frame_size == 0) != (batch->success_count == 0) ||
        (!in->failed && !report_partials_fit(batch))) {
        unpack_fail(in);
    }
}

static void get_failure(struct unpack *in, struct report_failure *failure)
{
    unpack_array_of(in, 6);
    failure->index = unpack_uint(in);
    failure->attempt = unpack_uint(in);
    failure->class = (enum failure_class)unpack_uint_max(in, FAILURE_ABORTED);
    failure->is_permanent = unpack_bool(in);
    failure->is_unkept = unpack_bool(in);
    if (failure->is_unkept && failure->class != FAILURE_ABORTED) {
        unpack_fail(in);
    }
    failure->text = (const char *)unpack_bin(in, &failure->text_size);
}

/* Batches and failures must fit: one failure for each instance without success. */
static void get_report(struct decoder *decoder, struct report *report)
{
    struct unpack *in = &decoder->in;
    report->map = unpack_uint(in);
    report->lease = unpack_uint(in);
    report->batch_count = unpack_array(in);
    struct report_batch *batches = take_array(decoder, report->batch_count, sizeof(*batches));
    uint64_t missing = 0;
    for (size_t i = 0; i < report->batch_count && !in->failed; i++) {
        get_batch(decoder, &batches[i]);
        missing += in->failed ? 0 : batches[i].instance_count - batches[i].success_count;
    }
    report->batches = batches;
    report->failure_count = unpack_array(in);
    if (report->failure_count != missing) {
        unpack_fail(in);
    }
    struct report_failure *failures = take_array(decoder, report->failure_count, sizeof(*failures));
    for (size_t i = 0; i < report->failure_count && !in->failed; i++) {
        get_failure(in, &failures[i]);
    }
    report->failures = failures;
}

static void get_beat(struct decoder *decoder, struct wire_beat *beat)
{
    struct unpack *in = &decoder->in;
    unpack_array_of(in, BEAT_ITEMS);
    beat->map = unpack_uint(in);
    beat->finished = unpack_uint(in);
    beat->running_count = unpack_array(in);
    struct wire_running *running = take_array(decoder, beat->running_count, sizeof(*running));
    for (size_t i = 0; i < beat->running_count && !in->failed; i++) {
        unpack_array_of(in, RUNNING_ITEMS);
        running[i].index = unpack_uint(in);
        running[i].attempt = unpack_uint(in);
        running[i].elapsed_us = unpack_uint(in);
    }
    beat->running = running;
}

static void get_beats(struct decoder *decoder, struct wire_beats *beats)
{
    struct unpack *in = &decoder->in;
    beats->count = unpack_array(in);
    struct wire_beat *each = take_array(decoder, beats->count, sizeof(*each));
    for (size_t i = 0; i < beats->count && !in->failed; i++) {
        get_beat(decoder, &each[i]);
        if (i > 0 && each[i].map <= each[i - 1].map) {
            unpack_fail(in);
        }
    }
    beats->beats = each;
}

static void get_metrics(struct decoder *decoder, struct wire_metrics *metrics)
{
    struct unpack *in = &decoder->in;
    metrics->map = unpack_uint(in);
    metrics->count = unpack_array(in);
    struct wire_metric *reports = take_array(decoder, metrics->count, sizeof(*reports));
    for (size_t i = 0; i < metrics->count && !in->failed; i++) {
        unpack_array_of(in, METRIC_ITEMS);
        reports[i].lease = unpack_uint(in);
        reports[i].index = unpack_uint(in);
        reports[i].attempt = unpack_uint(in);
        reports[i].step = unpack_int(in);
        reports[i].value = unpack_float(in);
        reports[i].is_hint = unpack_bool(in);
    }
    metrics->reports = reports;
}

static void get_cancel(struct unpack *in, struct wire_cancel *cancel)
{
    cancel->is_for_all = unpack_nil(in);
    cancel->map = cancel->is_for_all ? 0 : unpack_uint(in);
    cancel->run_on_us = unpack_uint(in);
    cancel->grace_us = unpack_uint(in);
}

static const uint32_t item_counts[] = {
    [WIRE_START] = START_ITEMS,
    [WIRE_READY] = 12,
    [WIRE_UNIT] = UNIT_ITEMS,
    [WIRE_REPORT] = REPORT_ITEMS,
    [WIRE_BEAT] = 2,
    [WIRE_RECALL] = 4,
    [WIRE_RETURNED] = 4,
    [WIRE_CANCEL] = 4,
    [WIRE_STOP] = 2,
    [WIRE_BYE] = 2,
    [WIRE_END] = 5,
    [WIRE_PULSE] = 2,
    [WIRE_REJOIN] = 2,
    [WIRE_MAP] = MAP_ITEMS + 1,
    [WIRE_DROP] = 2,
    [WIRE_FETCH] = 2,
    [WIRE_LIBRARY] = 4,
    [WIRE_METRICS] = 3,
};

static void get_body(struct decoder *decoder, struct wire_message *message)
{
    switch (message->kind) {
    case WIRE_START:
        get_start(decoder, &message->as.start);
        break;
    case WIRE_READY:
        get_ready(decoder, &message->as.ready);
        break;
    case WIRE_UNIT:
        get_unit(decoder, &message->as.unit);
        break;
    case WIRE_REPORT:
        get_report(decoder, &message->as.report);
        break;
    case WIRE_BEAT:
        get_beats(decoder, &message->as.beats);
        break;
    case WIRE_END:
        message->as.end.map = unpack_uint(&decoder->in);
        message->as.end.lease = unpack_uint(&decoder->in);
        message->as.end.index = unpack_uint(&decoder->in);
        message->as.end.is_stop = unpack_bool(&decoder->in);
        break;
    case WIRE_RECALL:
        message->as.recall.map = unpack_uint(&decoder->in);
        message->as.recall.lease = unpack_uint(&decoder->in);
        message->as.recall.count = unpack_uint(&decoder->in);
        break;
    case WIRE_RETURNED:
        message->as.returned.map = unpack_uint(&decoder->in);
        message->as.returned.lease = unpack_uint(&decoder->in);
        message->as.returned.spans = get_spans(decoder, false, &message->as.returned.span_count);
        break;
    case WIRE_CANCEL:
        get_cancel(&decoder->in, &message->as.cancel);
        break;
    case WIRE_STOP:
        message->as.stop.is_clean = unpack_bool(&decoder->in);
        break;
    case WIRE_BYE:
        message->as.bye.reason = get_text(decoder);
        break;
    case WIRE_PULSE:
        message->as.pulse.quiet_us = unpack_uint(&decoder->in);
        break;
    case WIRE_REJOIN:
        message->as.rejoin.life = unpack_uint(&decoder->in);
        break;
    case WIRE_FETCH:
        message->as.fetch.offset = unpack_uint(&decoder->in);
        break;
    case WIRE_LIBRARY:
        get_library(&decoder->in, &message->as.library);
        break;
    case WIRE_MAP:
        get_map(decoder, &message->as.map);
        break;
    case WIRE_DROP:
        message->as.drop.map = unpack_uint(&decoder->in);
        break;
    case WIRE_METRICS:
        get_metrics(decoder, &message->as.metrics);
        break;
    }
}

/* A rank of another version of the wire: all that is read of its READY is what names it. */
static void get_other_ready(struct decoder *decoder, struct wire_ready *ready)
{
    ready->version = unpack_uint(&decoder->in);
    ready->program = get_text(decoder);
    ready->host = get_text(decoder);
    ready->refusal = "";
}

/* Does the message name another version of all this than this program's, as START and READY can? */
static bool is_of_another_version(const struct decoder *decoder, enum wire_kind kind,
                                  uint64_t *version_out)
{
    struct unpack ahead = decoder->in;
    *version_out = kind == WIRE_START || kind == WIRE_READY ? unpack_uint(&ahead) : WIRE_VERSION;
    return !ahead.failed && *version_out != WIRE_VERSION;
}

enum status wire_decode(const uint8_t *data, size_t size, struct arena *arena,
                        struct wire_message *message_out, struct error *err)
{
    struct decoder decoder = {.in = unpack_start(data, size), .arena = arena};
    uint64_t version;
    memset(message_out, 0, sizeof(*message_out));
    const uint32_t item_count = unpack_array(&decoder.in);
    const uint64_t kind = unpack_uint_max(&decoder.in, WIRE_METRICS);
    if (decoder.in.failed || kind < WIRE_START) {
        return error_set(err, STATUS_PROTOCOL, "a message of %zu bytes has no known kind", size);
    }
    message_out->kind = (enum wire_kind)kind;
    const bool is_other = is_of_another_version(&decoder, message_out->kind, &version);
    if (is_other && kind == WIRE_START) {
        return error_set(err, STATUS_LIMIT,
                         "the master speaks version %" PRIu64 " of the wire, this rank %d", version,
                         WIRE_VERSION);
    }
    if (is_other) {
        get_other_ready(&decoder, &message_out->as.ready);
    } else if (item_count == item_counts[kind]) {
        get_body(&decoder, message_out);
    } else {
        unpack_fail(&decoder.in);
    }
    if (is_other ? decoder.in.failed : !unpack_is_done(&decoder.in)) {
        return error_set(err, STATUS_PROTOCOL, "a message of kind %d and %zu bytes is malformed",
                         (int)kind, size);
    }
    return STATUS_OK;
}
