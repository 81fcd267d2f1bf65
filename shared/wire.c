#include "shared/wire.h"

#include "shared/pack.h"
#include "shared/wire_private.h"

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
    pack_array(pack, 6);
    pack_uint(pack, formula->kind);
    pack_int(pack, formula->start);
    pack_int(pack, formula->step);
    pack_uint(pack, formula->count);
    pack_bool(pack, formula->is_float);
    pack_bytes(pack, formula->packed, formula->packed_size);
}

/* The items of a map, in an array that has begun. */
static void put_map(struct pack *pack, const struct wire_map *map)
{
    pack_uint(pack, map->number);
    pack_text(pack, map->task);
    pack_uint(pack, map->size);
    put_options(pack, &map->options);
    put_formula(pack, &map->formula);
    pack_bytes(pack, map->key_base, map->key_base_size);
    pack_text(pack, map->metric != NULL ? map->metric : "");
    pack_bool(pack, map->needs_report);
    pack_text(pack, map->reducer != NULL ? map->reducer : "");
    pack_bool(pack, map->is_ordered);
}

static void put_start(struct pack *pack, const struct wire_start *start)
{
    pack_array(pack, START_ITEMS);
    pack_uint(pack, WIRE_START);
    pack_uint(pack, start->version);
    pack_text(pack, start->program);
    pack_text(pack, start->job_path);
    pack_bytes(pack, start->job_digest, WIRE_DIGEST_SIZE);
    put_options(pack, &start->options);
    pack_text(pack, start->run_dir);
    pack_text(pack, start->launch_dir);
    pack_uint(pack, start->report_interval_us);
    pack_uint(pack, start->slots);
    pack_bool(pack, start->has_gpus_per_rank);
    pack_uint(pack, start->gpus_per_rank);
    pack_bool(pack, start->is_isolated);
    pack_bool(pack, start->keeps_workdirs);
    pack_text(pack, start->ship_token);
    pack_bytes(pack, start->constant, start->constant_size);
    pack_bool(pack, start->is_printed);
    pack_text(pack, start->files_to != NULL ? start->files_to : "");
    pack_text(pack, start->files_tag != NULL ? start->files_tag : "");
    pack_bytes(pack, start->remote, start->remote_size);
    if (start->has_map) {
        pack_array(pack, MAP_ITEMS);
        put_map(pack, &start->map);
    } else {
        pack_nil(pack);
    }
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
    pack_array(pack, BATCH_ITEMS);
    pack_spans(pack, batch->spans, batch->span_count);
    if (batch->success_bits == NULL) {
        pack_nil(pack);
    } else {
        pack_bytes(pack, batch->success_bits, (size_t)((batch->instance_count + 7) / 8));
    }
    pack_uint(pack, batch->slot);
    pack_uint(pack, batch->started_us);
    pack_uint(pack, batch->elapsed_us);
    pack_uint(pack, batch->held_us);
    pack_bytes(pack, batch->times, batch->times_size);
    pack_bool(pack, batch->reads_place);
    pack_uint(pack, batch->partial_count);
    pack_bytes(pack, batch->frame, batch->frame_size);
    pack_bytes(pack, batch->prints, batch->prints_size);
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
    pack_uint(pack, report->map);
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
    pack_array(pack, BEAT_ITEMS);
    pack_uint(pack, beat->map);
    pack_uint(pack, beat->finished);
    pack_array(pack, beat->running_count);
    for (size_t i = 0; i < beat->running_count; i++) {
        pack_array(pack, RUNNING_ITEMS);
        pack_uint(pack, beat->running[i].index);
        pack_uint(pack, beat->running[i].attempt);
        pack_uint(pack, beat->running[i].elapsed_us);
    }
}

static void put_beats(struct pack *pack, const struct wire_beats *beats)
{
    pack_array(pack, 2);
    pack_uint(pack, WIRE_BEAT);
    pack_array(pack, beats->count);
    for (size_t i = 0; i < beats->count; i++) {
        put_beat(pack, &beats->beats[i]);
    }
}

static void put_cancel(struct pack *pack, const struct wire_cancel *cancel)
{
    pack_array(pack, 4);
    pack_uint(pack, WIRE_CANCEL);
    if (cancel->is_for_all) {
        pack_nil(pack);
    } else {
        pack_uint(pack, cancel->map);
    }
    pack_uint(pack, cancel->run_on_us);
    pack_uint(pack, cancel->grace_us);
}

/* Some messages are a number. */
static void put_one(struct pack *pack, enum wire_kind kind, uint64_t number)
{
    pack_array(pack, 2);
    pack_uint(pack, kind);
    pack_uint(pack, number);
}

static void put_end(struct pack *pack, const struct wire_end *end)
{
    pack_array(pack, 5);
    pack_uint(pack, WIRE_END);
    pack_uint(pack, end->map);
    pack_uint(pack, end->lease);
    pack_uint(pack, end->index);
    pack_bool(pack, end->is_stop);
}

static void put_metrics(struct pack *pack, const struct wire_metrics *metrics)
{
    pack_array(pack, 3);
    pack_uint(pack, WIRE_METRICS);
    pack_uint(pack, metrics->map);
    pack_array(pack, metrics->count);
    for (size_t i = 0; i < metrics->count; i++) {
        const struct wire_metric *report = &metrics->reports[i];
        pack_array(pack, METRIC_ITEMS);
        pack_uint(pack, report->lease);
        pack_uint(pack, report->index);
        pack_uint(pack, report->attempt);
        pack_int(pack, report->step);
        pack_float(pack, report->value);
        pack_bool(pack, report->is_hint);
    }
}

/* All but the last item of what is said of a lease. */
static void put_of_lease(struct pack *pack, enum wire_kind kind, uint64_t map, uint64_t lease)
{
    pack_array(pack, 4);
    pack_uint(pack, kind);
    pack_uint(pack, map);
    pack_uint(pack, lease);
}

static void put_library(struct pack *pack, const struct wire_library *library)
{
    pack_array(pack, 4);
    pack_uint(pack, WIRE_LIBRARY);
    pack_uint(pack, library->offset);
    pack_uint(pack, library->total_size);
    pack_bytes(pack, library->bytes, library->size);
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
        put_beats(&pack, &message->as.beats);
        break;
    case WIRE_END:
        put_end(&pack, &message->as.end);
        break;
    case WIRE_RECALL:
        put_of_lease(&pack, WIRE_RECALL, message->as.recall.map, message->as.recall.lease);
        pack_uint(&pack, message->as.recall.count);
        break;
    case WIRE_RETURNED:
        put_of_lease(&pack, WIRE_RETURNED, message->as.returned.map, message->as.returned.lease);
        pack_spans(&pack, message->as.returned.spans, message->as.returned.span_count);
        break;
    case WIRE_CANCEL:
        put_cancel(&pack, &message->as.cancel);
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
        put_library(&pack, &message->as.library);
        break;
    case WIRE_MAP:
        pack_array(&pack, MAP_ITEMS + 1);
        pack_uint(&pack, WIRE_MAP);
        put_map(&pack, &message->as.map);
        break;
    case WIRE_DROP:
        put_one(&pack, WIRE_DROP, message->as.drop.map);
        break;
    case WIRE_METRICS:
        put_metrics(&pack, &message->as.metrics);
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
    pack_uint(&pack, parts->map);
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
