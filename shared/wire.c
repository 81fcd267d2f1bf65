#include "shared/wire.h"

#include <inttypes.h>
#include <string.h>

#include "shared/pack.h"
#include "shared/unpack.h"

#define PATH_SIZE_MAX (1u << 16)
#define UNIT_ITEMS 7
#define REPORT_ITEMS 4

/* ---- Encoding -------------------------------------------------------------------------------- */

static void put_options(struct pack *pack, const struct map_options *options)
{
    pack_array(pack, 22);
    pack_uint(pack, options->retries);
    pack_uint(pack, options->system_retries);
    pack_uint(pack, options->retry_delay_ns);
    pack_uint(pack, options->timeout_ns);
    pack_uint(pack, options->mem);
    pack_float(pack, options->mem_growth);
    pack_uint(pack, options->cpus);
    pack_uint(pack, options->gpus);
    pack_uint(pack, options->concurrency);
    pack_uint(pack, options->delay_ns);
    pack_uint(pack, options->grace_ns);
    pack_uint(pack, options->time_limit_ns);
    pack_uint(pack, options->lost_after_ns);
    pack_uint(pack, options->unit_size);
    pack_uint(pack, options->seed);
    pack_uint(pack, options->output_size_max);
    pack_bool(pack, options->speculate);
    pack_uint(pack, options->policy);
    pack_uint(pack, options->capture);
    pack_uint(pack, options->criterion.kind);
    pack_text(pack, options->criterion.ratio);
    pack_uint(pack, options->criterion.count);
}

static void put_formula(struct pack *pack, const struct formula *formula)
{
    pack_array(pack, 5);
    pack_uint(pack, formula->kind);
    pack_int(pack, formula->start);
    pack_int(pack, formula->step);
    pack_uint(pack, formula->count);
    pack_bool(pack, formula->is_float);
}

static void put_start(struct pack *pack, const struct wire_start *start)
{
    pack_array(pack, 20);
    pack_uint(pack, WIRE_START);
    pack_uint(pack, start->version);
    pack_text(pack, start->program);
    pack_text(pack, start->job_path);
    pack_bytes(pack, start->job_digest, WIRE_DIGEST_SIZE);
    pack_text(pack, start->task);
    pack_uint(pack, start->map);
    pack_uint(pack, start->map_size);
    put_options(pack, &start->options);
    put_formula(pack, &start->formula);
    pack_text(pack, start->run_dir);
    pack_text(pack, start->launch_dir);
    pack_uint(pack, start->report_interval_us);
    pack_uint(pack, start->slots);
    pack_bool(pack, start->has_gpus_per_rank);
    pack_uint(pack, start->gpus_per_rank);
    pack_bool(pack, start->is_isolated);
    pack_bool(pack, start->keeps_workdirs);
    pack_bytes(pack, start->key_base, start->key_base_size);
    pack_text(pack, start->ship_token);
}

static void put_ready(struct pack *pack, const struct wire_ready *ready)
{
    pack_array(pack, 12);
    pack_uint(pack, WIRE_READY);
    pack_uint(pack, ready->version);
    pack_text(pack, ready->program);
    pack_text(pack, ready->host);
    pack_uint(pack, ready->process);
    pack_uint(pack, ready->offered.cpus);
    pack_uint(pack, ready->offered.mem);
    pack_uint(pack, ready->offered.gpus);
    pack_uint(pack, ready->slots);
    pack_text(pack, ready->refusal);
    pack_bool(pack, ready->is_setup_failure);
    pack_uint(pack, ready->life);
}

/* With their growth, which only units have. */
static void put_unit_spans(struct pack *pack, const struct span *spans, size_t count)
{
    pack_array(pack, count);
    for (size_t i = 0; i < count; i++) {
        pack_array(pack, 4);
        pack_uint(pack, spans[i].start);
        pack_uint(pack, spans[i].count);
        pack_uint(pack, spans[i].attempt);
        pack_uint(pack, spans[i].growth);
    }
}

static void put_unit(struct pack *pack, const struct wire_unit *unit)
{
    pack_array(pack, UNIT_ITEMS);
    pack_uint(pack, WIRE_UNIT);
    pack_uint(pack, unit->map);
    pack_uint(pack, unit->lease);
    put_unit_spans(pack, unit->spans, unit->span_count);
    pack_uint(pack, unit->packed_size);
    pack_uint(pack, unit->skip);
    pack_bytes(pack, unit->inputs, unit->inputs_size);
}

static void put_batch(struct pack *pack, const struct report_batch *batch)
{
    pack_array(pack, 7);
    pack_spans(pack, batch->spans, batch->span_count);
    if (batch->success_bits == NULL) {
        pack_nil(pack);
    } else {
        pack_bytes(pack, batch->success_bits, (size_t)((batch->instance_count + 7) / 8));
    }
    pack_uint(pack, batch->slot);
    pack_uint(pack, batch->started_us);
    pack_uint(pack, batch->elapsed_us);
    pack_bool(pack, batch->reads_place);
    pack_bytes(pack, batch->frame, batch->frame_size);
}

static void put_failure(struct pack *pack, const struct report_failure *failure)
{
    pack_array(pack, 6);
    pack_uint(pack, failure->index);
    pack_uint(pack, failure->attempt);
    pack_uint(pack, failure->class);
    pack_bool(pack, failure->is_permanent);
    pack_bool(pack, failure->is_unkept);
    pack_bytes(pack, failure->text, failure->text_size);
}

static void put_report(struct pack *pack, const struct report *report)
{
    pack_array(pack, REPORT_ITEMS);
    pack_uint(pack, WIRE_REPORT);
    pack_uint(pack, report->lease);
    pack_array(pack, report->batch_count);
    for (size_t i = 0; i < report->batch_count; i++) {
        put_batch(pack, &report->batches[i]);
    }
    pack_array(pack, report->failure_count);
    for (size_t i = 0; i < report->failure_count; i++) {
        put_failure(pack, &report->failures[i]);
    }
}

static void put_beat(struct pack *pack, const struct wire_beat *beat)
{
    pack_array(pack, 3);
    pack_uint(pack, WIRE_BEAT);
    pack_uint(pack, beat->finished);
    pack_array(pack, beat->running_count);
    for (size_t i = 0; i < beat->running_count; i++) {
        pack_array(pack, 4);
        pack_uint(pack, beat->running[i].map);
        pack_uint(pack, beat->running[i].index);
        pack_uint(pack, beat->running[i].attempt);
        pack_uint(pack, beat->running[i].elapsed_us);
    }
}

/* Most messages are a number or two. */
static void put_one(struct pack *pack, enum wire_kind kind, uint64_t number)
{
    pack_array(pack, 2);
    pack_uint(pack, kind);
    pack_uint(pack, number);
}

static void put_two(struct pack *pack, enum wire_kind kind, uint64_t first, uint64_t second)
{
    pack_array(pack, 3);
    pack_uint(pack, kind);
    pack_uint(pack, first);
    pack_uint(pack, second);
}

enum status wire_encode(const struct wire_message *message, struct buffer *out)
{
    struct pack pack;
    pack_start(&pack, out);
    switch (message->kind) {
    case WIRE_START:
        put_start(&pack, &message->as.start);
        break;
    case WIRE_READY:
        put_ready(&pack, &message->as.ready);
        break;
    case WIRE_UNIT:
        put_unit(&pack, &message->as.unit);
        break;
    case WIRE_REPORT:
        put_report(&pack, &message->as.report);
        break;
    case WIRE_BEAT:
        put_beat(&pack, &message->as.beat);
        break;
    case WIRE_END:
        put_two(&pack, WIRE_END, message->as.end.lease, message->as.end.index);
        break;
    case WIRE_RECALL:
        put_two(&pack, WIRE_RECALL, message->as.recall.lease, message->as.recall.count);
        break;
    case WIRE_RETURNED:
        pack_array(&pack, 3);
        pack_uint(&pack, WIRE_RETURNED);
        pack_uint(&pack, message->as.returned.lease);
        pack_spans(&pack, message->as.returned.spans, message->as.returned.span_count);
        break;
    case WIRE_CANCEL:
        put_two(&pack, WIRE_CANCEL, message->as.cancel.run_on_us, message->as.cancel.grace_us);
        break;
    case WIRE_STOP:
        pack_array(&pack, 2);
        pack_uint(&pack, WIRE_STOP);
        pack_bool(&pack, message->as.stop.is_clean);
        break;
    case WIRE_BYE:
        pack_array(&pack, 2);
        pack_uint(&pack, WIRE_BYE);
        pack_text(&pack, message->as.bye.reason);
        break;
    case WIRE_PULSE:
        put_one(&pack, WIRE_PULSE, message->as.pulse.quiet_us);
        break;
    case WIRE_REJOIN:
        put_one(&pack, WIRE_REJOIN, message->as.rejoin.life);
        break;
    case WIRE_FETCH:
        put_one(&pack, WIRE_FETCH, message->as.fetch.offset);
        break;
    case WIRE_LIBRARY:
        pack_array(&pack, 4);
        pack_uint(&pack, WIRE_LIBRARY);
        pack_uint(&pack, message->as.library.offset);
        pack_uint(&pack, message->as.library.total_size);
        pack_bytes(&pack, message->as.library.bytes, message->as.library.size);
        break;
    }
    return pack_finish(&pack);
}

/* ---- A unit whose inputs follow ---------------------------------------------------------------
 */

/* What is not known yet has a fixed width. */
enum {
    WIDE_UINT = 0xcf,
    WIDE_UINT_SIZE = 9,
    WIDE_BIN = 0xc6,
    WIDE_BIN_SIZE = 5,
    WIDE_ARRAY = 0xdd,
    WIDE_ARRAY_SIZE = 5
};

static void put_fixed(uint8_t *at, uint8_t code, uint64_t value, unsigned size)
{
    at[0] = code;
    for (unsigned i = 0; i < size; i++) {
        at[1 + i] = (uint8_t)(value >> (8 * (size - 1 - i)));
    }
}

enum status wire_unit_begin(const struct wire_unit *unit, struct wire_unit_mark *mark_out,
                            struct buffer *out)
{
    static const uint8_t counts[2 * WIDE_UINT_SIZE + WIDE_BIN_SIZE];
    struct pack pack;
    pack_start(&pack, out);
    pack_array(&pack, UNIT_ITEMS);
    pack_uint(&pack, WIRE_UNIT);
    pack_uint(&pack, unit->map);
    pack_uint(&pack, unit->lease);
    put_unit_spans(&pack, unit->spans, unit->span_count);
    mark_out->counts_at = out->size;
    pack_raw(&pack, counts, sizeof(counts));
    mark_out->inputs_at = out->size;
    return pack_finish(&pack);
}

enum status wire_unit_end(const struct wire_unit_mark *mark, uint64_t packed_size, uint64_t skip,
                          struct buffer *out)
{
    uint8_t *counts = out->data + mark->counts_at;
    const size_t inputs_size = out->size - mark->inputs_at;
    if (inputs_size > UINT32_MAX) {
        return STATUS_LIMIT;
    }
    put_fixed(counts, WIDE_UINT, packed_size, sizeof(uint64_t));
    put_fixed(counts + WIDE_UINT_SIZE, WIDE_UINT, skip, sizeof(uint64_t));
    put_fixed(counts + (size_t)2 * WIDE_UINT_SIZE, WIDE_BIN, inputs_size, sizeof(uint32_t));
    return STATUS_OK;
}

/* ---- A report in parts --------------------------------------------------------------------------
 */

/* Up to where the batches begin. */
static enum status begin_report(struct wire_report_parts *parts)
{
    static const uint8_t count[WIDE_ARRAY_SIZE];
    struct pack pack;
    const enum status status = buffer_reserve(&parts->message, parts->message_size);
    if (status != STATUS_OK) {
        return status;
    }
    pack_start(&pack, &parts->message);
    pack_array(&pack, REPORT_ITEMS);
    pack_uint(&pack, WIRE_REPORT);
    pack_uint(&pack, parts->lease);
    parts->count_at = parts->message.size;
    pack_raw(&pack, count, sizeof(count));
    return pack_finish(&pack);
}

enum status wire_report_add(struct wire_report_parts *parts, const struct report_batch *batch,
                            const struct report_failure *failures, size_t failure_count)
{
    const size_t message_size = parts->message.size;
    const size_t failures_size = parts->failures.size;
    struct pack pack;
    enum status status = message_size == 0 ? begin_report(parts) : STATUS_OK;
    if (status == STATUS_OK) {
        pack_start(&pack, &parts->message);
        put_batch(&pack, batch);
        status = pack.status;
    }
    if (status == STATUS_OK) {
        pack_start(&pack, &parts->failures);
        for (size_t i = 0; i < failure_count; i++) {
            put_failure(&pack, &failures[i]);
        }
        status = pack.status;
    }
    if (status != STATUS_OK) {
        parts->message.size = message_size;
        parts->failures.size = failures_size;
        return status;
    }
    parts->batch_count++;
    parts->failure_count += failure_count;
    return STATUS_OK;
}

enum status wire_report_finish(struct wire_report_parts *parts, struct buffer *message_out)
{
    struct pack pack;
    if (parts->batch_count > UINT32_MAX) {
        return STATUS_LIMIT;
    }
    pack_start(&pack, &parts->message);
    pack_array(&pack, parts->failure_count);
    pack_raw(&pack, parts->failures.data, parts->failures.size);
    const enum status status = pack_finish(&pack);
    if (status != STATUS_OK) {
        return status;
    }
    put_fixed(parts->message.data + parts->count_at, WIDE_ARRAY, parts->batch_count,
              sizeof(uint32_t));
    parts->message_size = parts->message.size;
    *message_out = parts->message;
    parts->message = (struct buffer){0};
    buffer_clear(&parts->failures);
    parts->batch_count = 0;
    parts->failure_count = 0;
    return STATUS_OK;
}

void wire_report_free(struct wire_report_parts *parts)
{
    buffer_free(&parts->message);
    buffer_free(&parts->failures);
    *parts = (struct wire_report_parts){0};
}

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
    unpack_array_of(in, 5);
    formula->kind = (enum formula_kind)unpack_uint_max(in, FORMULA_RANGE);
    formula->start = unpack_int(in);
    formula->step = unpack_int(in);
    formula->count = unpack_uint(in);
    formula->is_float = unpack_bool(in);
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
    start->task = get_text(decoder);
    start->map = unpack_uint(in);
    start->map_size = unpack_uint(in);
    get_options(decoder, &start->options);
    get_formula(in, &start->formula);
    start->run_dir = get_text(decoder);
    start->launch_dir = get_text(decoder);
    start->report_interval_us = unpack_uint(in);
    start->slots = unpack_uint_max(in, UINT32_MAX);
    start->has_gpus_per_rank = unpack_bool(in);
    start->gpus_per_rank = unpack_uint_max(in, UINT32_MAX);
    start->is_isolated = unpack_bool(in);
    start->keeps_workdirs = unpack_bool(in);
    start->key_base = unpack_bin(in, &start->key_base_size);
    start->ship_token = get_text(decoder);
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

static void get_batch(struct decoder *decoder, struct report_batch *batch)
{
    struct unpack *in = &decoder->in;
    unpack_array_of(in, 7);
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
    batch->reads_place = unpack_bool(in);
    batch->frame = unpack_bin(in, &batch->frame_size);
    if (batch->frame_size == 0) {
        batch->frame = NULL;
    }
    if ((batch->frame_size == 0) != (batch->success_count == 0)) {
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
    beat->finished = unpack_uint(in);
    beat->running_count = unpack_array(in);
    struct wire_running *running = take_array(decoder, beat->running_count, sizeof(*running));
    for (size_t i = 0; i < beat->running_count && !in->failed; i++) {
        unpack_array_of(in, 4);
        running[i].map = unpack_uint(in);
        running[i].index = unpack_uint(in);
        running[i].attempt = unpack_uint(in);
        running[i].elapsed_us = unpack_uint(in);
    }
    beat->running = running;
}

static const uint32_t item_counts[] = {
    [WIRE_START] = 20, [WIRE_READY] = 12, [WIRE_UNIT] = UNIT_ITEMS, [WIRE_REPORT] = REPORT_ITEMS,
    [WIRE_BEAT] = 3,   [WIRE_RECALL] = 3, [WIRE_RETURNED] = 3,      [WIRE_CANCEL] = 3,
    [WIRE_STOP] = 2,   [WIRE_BYE] = 2,    [WIRE_END] = 3,           [WIRE_PULSE] = 2,
    [WIRE_REJOIN] = 2, [WIRE_FETCH] = 2,  [WIRE_LIBRARY] = 4,
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
        get_beat(decoder, &message->as.beat);
        break;
    case WIRE_END:
        message->as.end.lease = unpack_uint(&decoder->in);
        message->as.end.index = unpack_uint(&decoder->in);
        break;
    case WIRE_RECALL:
        message->as.recall.lease = unpack_uint(&decoder->in);
        message->as.recall.count = unpack_uint(&decoder->in);
        break;
    case WIRE_RETURNED:
        message->as.returned.lease = unpack_uint(&decoder->in);
        message->as.returned.spans = get_spans(decoder, false, &message->as.returned.span_count);
        break;
    case WIRE_CANCEL:
        message->as.cancel.run_on_us = unpack_uint(&decoder->in);
        message->as.cancel.grace_us = unpack_uint(&decoder->in);
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
    const uint64_t kind = unpack_uint_max(&decoder.in, WIRE_LIBRARY);
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
