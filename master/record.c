#include "master/record.h"

#include <string.h>

/* The state of the streaming hash is then a type that can stand on the stack. */
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "master/record_private.h"
#include "shared/lz4_frame.h"
#include "shared/pack.h"
#include "shared/value.h"

const char *const record_kind_names[KIND_COUNT] = {
    [RECORD_START] = "start",   [RECORD_REPORT] = "report",   [RECORD_END] = "end",
    [RECORD_CACHED] = "cached", [RECORD_LOST] = "lost",       [RECORD_MAP] = "map",
    [RECORD_INPUTS] = "inputs", [RECORD_METRICS] = "metrics", [RECORD_RANKS] = "ranks"};

const uint32_t record_pair_counts[KIND_COUNT] = {
    [RECORD_START] = 8,  [RECORD_REPORT] = 8,  [RECORD_END] = 6,
    [RECORD_CACHED] = 8, [RECORD_LOST] = 6,    [RECORD_MAP] = 12,
    [RECORD_INPUTS] = 8, [RECORD_METRICS] = 7, [RECORD_RANKS] = 6};

/* ---- Checksum ------------------------------------------------------------------------------- */

void record_checksum(const uint8_t *payload, size_t payload_size, const struct report *report,
                     uint8_t checksum_out[CHECKSUM_SIZE])
{
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    (void)XXH3_128bits_reset(&state);
    (void)XXH3_128bits_update(&state, payload, payload_size - CHECKSUM_SIZE);
    for (size_t i = 0; i < report->batch_count; i++) {
        if (report->batches[i].frame_size > 0) {
            (void)XXH3_128bits_update(&state, report->batches[i].frame,
                                      report->batches[i].frame_size);
        }
    }
    _Static_assert(sizeof(XXH128_canonical_t) == CHECKSUM_SIZE, "they are the same bytes");
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state));
    memcpy(checksum_out, &canonical, CHECKSUM_SIZE);
}

/* ---- Encoding ------------------------------------------------------------------------------- */

static void pack_batch(struct pack *out, const struct report_batch *batch)
{
    const bool is_partial = batch->partial_count > 0;
    pack_array(out, is_partial ? PARTIAL_BATCH_ITEMS : BATCH_ITEMS);
    pack_spans(out, batch->spans, batch->span_count);
    if (batch->success_bits == NULL) {
        pack_nil(out);
    } else {
        pack_bytes(out, batch->success_bits, (size_t)((batch->instance_count + 7) / 8));
    }
    pack_uint(out, batch->frame_size);
    pack_uint(out, batch->slot);
    pack_uint(out, batch->started_us);
    pack_uint(out, batch->elapsed_us);
    pack_uint(out, batch->held_us);
    if (batch->times == NULL) {
        pack_nil(out);
    } else {
        pack_bytes(out, batch->times, batch->times_size);
    }
    if (is_partial) {
        pack_uint(out, batch->partial_count);
    }
}

static void pack_failure(struct pack *out, const struct report_failure *failure,
                         const struct record_outcome *outcome)
{
    pack_array(out, FAILURE_ITEMS);
    pack_uint(out, failure->index);
    pack_uint(out, failure->attempt);
    pack_text(out, failure_class_name(failure->class));
    pack_bool(out, failure->is_permanent);
    if (value_is_utf8(failure->text, failure->text_size)) {
        pack_str(out, failure->text, failure->text_size);
    } else {
        pack_bytes(out, failure->text, failure->text_size);
    }
    if (outcome->is_final) {
        pack_text(out, instance_state_name(outcome->state));
    } else {
        pack_nil(out);
    }
    pack_uint(out, outcome->task_failures);
    pack_uint(out, outcome->system_failures);
    pack_uint(out, outcome->attempts_max);
}

static void pack_report(struct pack *out, const struct record *record)
{
    const struct report *report = &record->report;
    pack_text(out, "lease");
    pack_uint(out, report->lease);
    pack_text(out, "batches");
    pack_array(out, report->batch_count);
    for (size_t i = 0; i < report->batch_count; i++) {
        pack_batch(out, &report->batches[i]);
    }
    pack_text(out, "failures");
    pack_array(out, report->failure_count);
    for (size_t i = 0; i < report->failure_count; i++) {
        pack_failure(out, &report->failures[i], &record->outcomes[i]);
    }
}

static void pack_map_definition(struct pack *out, const struct record *record)
{
    pack_text(out, "task");
    pack_str(out, record->task, record->task_size);
    pack_text(out, "output_type");
    pack_str(out, record->output_type, record->output_type_size);
    pack_text(out, "size");
    pack_uint(out, record->map_size);
    pack_text(out, "minimum");
    pack_uint(out, record->minimum);
    pack_text(out, "inputs");
    pack_bytes(out, record->inputs_digest, RECORD_DIGEST_SIZE);
    pack_text(out, "retries");
    pack_uint(out, record->retries);
    pack_text(out, "system_retries");
    pack_uint(out, record->system_retries);
    if (record->reducer_size > 0) {
        pack_text(out, "reducer");
        pack_str(out, record->reducer, record->reducer_size);
    }
}

static uint32_t pair_count(const struct record *record)
{
    return record_pair_counts[record->kind] +
           (record->kind == RECORD_MAP && record->reducer_size > 0 ? 1 : 0);
}

static void pack_inputs(struct pack *out, const struct record *record)
{
    pack_text(out, "first");
    pack_uint(out, record->first);
    pack_text(out, "count");
    pack_uint(out, record->input_count);
    pack_text(out, "inputs");
    pack_bytes(out, record->inputs, record->inputs_size);
}

static void pack_metrics(struct pack *out, const struct record *record)
{
    pack_text(out, "reports");
    pack_array(out, record->metric_count);
    for (size_t i = 0; i < record->metric_count; i++) {
        const struct record_metric *metric = &record->metrics[i];
        pack_array(out, METRIC_ITEMS);
        pack_uint(out, metric->lease);
        pack_uint(out, metric->index);
        pack_uint(out, metric->attempt);
        pack_uint(out, metric->number);
        pack_int(out, metric->step);
        pack_float(out, metric->value);
    }
    pack_text(out, "stops");
    pack_array(out, record->stop_count);
    for (size_t i = 0; i < record->stop_count; i++) {
        const struct record_stop *stop = &record->stops[i];
        pack_array(out, STOP_ITEMS);
        pack_uint(out, stop->index);
        pack_uint(out, stop->attempt);
        pack_uint(out, stop->bracket);
        pack_float(out, stop->value);
        pack_float(out, stop->threshold);
    }
}

static void pack_ranks(struct pack *out, const struct record *record)
{
    pack_text(out, "ranks");
    pack_array(out, record->rank_count);
    for (size_t i = 0; i < record->rank_count; i++) {
        pack_array(out, RANK_ITEMS);
        pack_uint(out, record->ranks[i].rank);
        pack_uint(out, record->ranks[i].slots);
        pack_str(out, record->ranks[i].host, record->ranks[i].host_size);
    }
}

/* The whole payload, with zeroes for the checksum. */
static MUST_CHECK enum status pack_payload(const struct record *record, struct buffer *buffer)
{
    static const uint8_t no_checksum[CHECKSUM_SIZE];
    struct pack out;
    pack_start(&out, buffer);
    pack_map(&out, pair_count(record));
    pack_text(&out, "kind");
    pack_text(&out, record_kind_names[record->kind]);
    pack_text(&out, "map");
    pack_int(&out, (int64_t)record->map);
    pack_text(&out, "rank");
    pack_uint(&out, record->rank);
    pack_text(&out, "time_ms");
    pack_uint(&out, record->time_ms);
    switch (record->kind) {
    case RECORD_START:
        pack_text(&out, "revives");
        pack_bool(&out, record->revives_failed);
        pack_text(&out, "retries");
        pack_uint(&out, record->retries);
        pack_text(&out, "system_retries");
        pack_uint(&out, record->system_retries);
        break;
    case RECORD_REPORT:
    case RECORD_CACHED:
        pack_report(&out, record);
        break;
    case RECORD_END:
        pack_text(&out, "exit");
        pack_int(&out, record->exit_status);
        break;
    case RECORD_LOST:
        pack_text(&out, "why");
        pack_str(&out, record->why, record->why_size);
        break;
    case RECORD_MAP:
        pack_map_definition(&out, record);
        break;
    case RECORD_INPUTS:
        pack_inputs(&out, record);
        break;
    case RECORD_METRICS:
        pack_metrics(&out, record);
        break;
    case RECORD_RANKS:
        pack_ranks(&out, record);
        break;
    }
    pack_text(&out, "checksum");
    pack_bytes(&out, no_checksum, CHECKSUM_SIZE);
    return pack_finish(&out);
}

static const struct report *report_of(const struct record *record)
{
    static const struct report no_report;
    return record->kind == RECORD_REPORT || record->kind == RECORD_CACHED ? &record->report
                                                                          : &no_report;
}

enum status record_encode_head(const struct record *record, struct buffer *out)
{
    static const uint8_t no_header[LZ4_FRAME_SKIPPABLE_HEADER_SIZE];
    const size_t start = out->size;
    enum status status = buffer_append(out, no_header, sizeof(no_header));
    if (status == STATUS_OK) {
        status = pack_payload(record, out);
    }
    const size_t payload_start = start + sizeof(no_header);
    const size_t payload_end = out->size;
    if (status == STATUS_OK && payload_end - payload_start > UINT32_MAX) {
        status = STATUS_LIMIT;
    }
    if (status != STATUS_OK) {
        out->size = start;
        return status;
    }
    const size_t payload_size = payload_end - payload_start;
    lz4_frame_skippable_header((uint32_t)payload_size, out->data + start);
    record_checksum(out->data + payload_start, payload_size, report_of(record),
                    out->data + payload_end - CHECKSUM_SIZE);
    return STATUS_OK;
}

enum status record_append_frames(const struct record *record, struct buffer *out)
{
    const struct report *report = report_of(record);
    const size_t start = out->size;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < report->batch_count && status == STATUS_OK; i++) {
        status = buffer_append(out, report->batches[i].frame, report->batches[i].frame_size);
    }
    if (status != STATUS_OK) {
        out->size = start;
    }
    return status;
}

enum status record_encode(const struct record *record, struct buffer *out)
{
    const size_t start = out->size;
    enum status status = record_encode_head(record, out);
    if (status == STATUS_OK) {
        status = record_append_frames(record, out);
    }
    if (status != STATUS_OK) {
        out->size = start;
    }
    return status;
}

uint64_t record_frames_size(const struct record *record)
{
    const struct report *report = report_of(record);
    uint64_t size = 0;
    for (size_t i = 0; i < report->batch_count; i++) {
        size += report->batches[i].frame_size;
    }
    return size;
}
