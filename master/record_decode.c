#include "master/record.h"

#include <string.h>

#include "master/record_private.h"
#include "shared/attempt_times.h"
#include "shared/lz4_frame.h"
#include "shared/unpack.h"
#include "shared/value.h"

#define INDEX_MAX ((uint64_t)INT64_MAX)
#define EXIT_STATUS_MAX 255
#define NAME_SIZE_MAX 32

/* The longest data that offsets within a file can name. */
#define RECORD_SIZE_MAX ((uint64_t)INT64_MAX)

/* Every read goes on after a failure (see unpack.h); memory that ran out is one more. */
struct parser {
    struct unpack in;
    struct arena *arena;
    struct report_batch *batches; /* those of the record, until their frames are known */
    bool is_out_of_memory;
};

static void *parser_take(struct parser *parser, size_t count, size_t size)
{
    void *memory = arena_take(parser->arena, count * size);
    if (memory == NULL) {
        parser->is_out_of_memory = true;
        unpack_fail(&parser->in);
    }
    return memory;
}

/* A name of a class or state, with a NUL behind it; an empty one where it is too long. */
static void parse_name(struct parser *parser, char name_out[NAME_SIZE_MAX])
{
    size_t size = 0;
    const char *text = unpack_str(&parser->in, &size);
    name_out[0] = '\0';
    if (size < NAME_SIZE_MAX && memchr(text, '\0', size) == NULL) {
        memcpy(name_out, text, size);
        name_out[size] = '\0';
    }
}

static const struct span *parse_spans(struct parser *parser, size_t *count_out)
{
    const size_t count = unpack_array(&parser->in);
    struct span *spans = parser_take(parser, count, sizeof(*spans));
    *count_out = 0;
    if (spans == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        unpack_array_of(&parser->in, SPAN_ITEMS);
        spans[i].start = unpack_uint(&parser->in);
        spans[i].count = unpack_uint(&parser->in);
        spans[i].attempt = unpack_uint(&parser->in);
    }
    if (count == 0 || !span_list_is_valid(spans, count, INDEX_MAX)) {
        unpack_fail(&parser->in);
        return NULL;
    }
    *count_out = count;
    return spans;
}

/* One bit each, and none behind the last. */
static void parse_success(struct parser *parser, struct report_batch *batch)
{
    batch->success_count = batch->instance_count;
    if (unpack_nil(&parser->in)) {
        return;
    }
    size_t size = 0;
    batch->success_bits = unpack_bin(&parser->in, &size);
    batch->success_count = 0;
    const unsigned used = batch->instance_count % 8;
    if (size != (batch->instance_count + 7) / 8 ||
        (used != 0 && batch->success_bits[size - 1] >> used != 0)) {
        unpack_fail(&parser->in);
        return;
    }
    for (size_t i = 0; i < size; i++) {
        batch->success_count += (unsigned)__builtin_popcount(batch->success_bits[i]);
    }
}

/* How long each attempt took, where that is told. */
static void parse_times(struct parser *parser, struct report_batch *batch)
{
    if (unpack_nil(&parser->in)) {
        return;
    }
    batch->times = unpack_bin(&parser->in, &batch->times_size);
    if (!attempt_times_are_valid(batch->times, batch->times_size, batch->instance_count,
                                 batch->elapsed_us)) {
        unpack_fail(&parser->in);
    }
}

static void parse_batch(struct parser *parser, struct report_batch *batch)
{
    *batch = (struct report_batch){0};
    const uint32_t items = unpack_array(&parser->in);
    if (items != BATCH_ITEMS && items != PARTIAL_BATCH_ITEMS) {
        unpack_fail(&parser->in);
    }
    batch->spans = parse_spans(parser, &batch->span_count);
    batch->instance_count = span_list_count(batch->spans, batch->span_count);
    parse_success(parser, batch);
    batch->frame_size = (size_t)unpack_uint_max(&parser->in, RECORD_SIZE_MAX);
    batch->slot = (uint32_t)unpack_uint_max(&parser->in, UINT32_MAX);
    batch->started_us = unpack_uint(&parser->in);
    batch->elapsed_us = unpack_uint(&parser->in);
    batch->held_us = unpack_uint(&parser->in);
    parse_times(parser, batch);
    if (items == PARTIAL_BATCH_ITEMS) {
        batch->partial_count = unpack_uint(&parser->in);
    }
    if ((batch->frame_size > 0) != (batch->success_count > 0) ||
        (items == PARTIAL_BATCH_ITEMS) != (batch->partial_count > 0) ||
        (!parser->in.failed && !report_partials_fit(batch))) {
        unpack_fail(&parser->in);
    }
}

static void parse_batches(struct parser *parser, struct report *report)
{
    const size_t count = unpack_array(&parser->in);
    struct report_batch *batches = parser_take(parser, count, sizeof(*batches));
    if (batches == NULL) {
        return;
    }
    for (size_t i = 0; i < count && !parser->in.failed; i++) {
        parse_batch(parser, &batches[i]);
    }
    parser->batches = batches;
    report->batches = batches;
    report->batch_count = count;
}

static void parse_outcome(struct parser *parser, struct record_outcome *outcome)
{
    *outcome = (struct record_outcome){.state = INSTANCE_ABORTED};
    if (!unpack_nil(&parser->in)) {
        char name[NAME_SIZE_MAX];
        parse_name(parser, name);
        outcome->is_final = true;
        if (!instance_state_by_name(name, &outcome->state) ||
            (outcome->state != INSTANCE_FAILED && outcome->state != INSTANCE_TIMED_OUT &&
             outcome->state != INSTANCE_ABORTED)) {
            unpack_fail(&parser->in);
        }
    }
    outcome->task_failures = unpack_uint(&parser->in);
    outcome->system_failures = unpack_uint(&parser->in);
    outcome->attempts_max = unpack_uint(&parser->in);
}

/* Text that is UTF-8 is a str; any other stands as bin. */
static const char *parse_text(struct parser *parser, size_t *size_out)
{
    struct unpack as_bin = parser->in;
    const uint8_t *bytes = unpack_bin(&as_bin, size_out);
    if (!as_bin.failed) {
        parser->in = as_bin;
        return (const char *)bytes;
    }
    return unpack_str(&parser->in, size_out);
}

static void parse_failure(struct parser *parser, struct report_failure *failure,
                          struct record_outcome *outcome)
{
    char name[NAME_SIZE_MAX];
    *failure = (struct report_failure){0};
    unpack_array_of(&parser->in, FAILURE_ITEMS);
    failure->index = unpack_uint_max(&parser->in, INDEX_MAX - 1);
    failure->attempt = unpack_uint(&parser->in);
    parse_name(parser, name);
    if (!failure_class_by_name(name, &failure->class)) {
        unpack_fail(&parser->in);
    }
    failure->is_permanent = unpack_bool(&parser->in);
    failure->text = parse_text(parser, &failure->text_size);
    parse_outcome(parser, outcome);
}

static void parse_failures(struct parser *parser, struct record *record)
{
    const size_t count = unpack_array(&parser->in);
    struct report_failure *failures = parser_take(parser, count, sizeof(*failures));
    struct record_outcome *outcomes = parser_take(parser, count, sizeof(*outcomes));
    if (failures == NULL || outcomes == NULL) {
        return;
    }
    for (size_t i = 0; i < count && !parser->in.failed; i++) {
        parse_failure(parser, &failures[i], &outcomes[i]);
    }
    record->report.failures = failures;
    record->report.failure_count = count;
    record->outcomes = outcomes;
}

static void parse_report(struct parser *parser, struct record *record)
{
    unpack_key(&parser->in, "lease");
    record->report.lease = unpack_uint(&parser->in);
    unpack_key(&parser->in, "batches");
    parse_batches(parser, &record->report);
    unpack_key(&parser->in, "failures");
    parse_failures(parser, record);
}

/* Of nothing that was attempted: outputs of all its instances, and failures for good. */
static void check_cached(struct parser *parser, const struct record *record)
{
    const struct report *report = &record->report;
    for (size_t i = 0; i < report->batch_count && !parser->in.failed; i++) {
        if (report->batches[i].success_count != report->batches[i].instance_count ||
            report->batches[i].partial_count > 0) {
            unpack_fail(&parser->in);
        }
    }
    for (size_t i = 0; i < report->failure_count && !parser->in.failed; i++) {
        if (!record->outcomes[i].is_final || record->outcomes[i].state != INSTANCE_FAILED) {
            unpack_fail(&parser->in);
        }
    }
}

static void parse_map_definition(struct parser *parser, bool has_reducer, struct record *record)
{
    size_t digest_size = 0;
    unpack_key(&parser->in, "task");
    record->task = unpack_str(&parser->in, &record->task_size);
    unpack_key(&parser->in, "output_type");
    record->output_type = unpack_str(&parser->in, &record->output_type_size);
    unpack_key(&parser->in, "size");
    record->map_size = unpack_uint_max(&parser->in, INDEX_MAX);
    unpack_key(&parser->in, "minimum");
    record->minimum = unpack_uint_max(&parser->in, record->map_size);
    unpack_key(&parser->in, "inputs");
    const uint8_t *digest = unpack_bin(&parser->in, &digest_size);
    if (digest_size == RECORD_DIGEST_SIZE) {
        memcpy(record->inputs_digest, digest, RECORD_DIGEST_SIZE);
    } else {
        unpack_fail(&parser->in);
    }
    unpack_key(&parser->in, "retries");
    record->retries = unpack_uint(&parser->in);
    unpack_key(&parser->in, "system_retries");
    record->system_retries = unpack_uint(&parser->in);
    if (has_reducer) {
        unpack_key(&parser->in, "reducer");
        record->reducer = unpack_str(&parser->in, &record->reducer_size);
        if (record->reducer_size == 0) {
            unpack_fail(&parser->in);
        }
    }
}

/* As many whole values as there are to be. */
static bool are_values(const uint8_t *packed, size_t size, uint64_t count)
{
    size_t at = 0;
    for (uint64_t i = 0; i < count; i++) {
        size_t used = 0;
        if (at == size || value_skip(packed + at, size - at, &used) != STATUS_OK) {
            return false;
        }
        at += used;
    }
    return at == size;
}

static void parse_inputs(struct parser *parser, struct record *record)
{
    unpack_key(&parser->in, "first");
    record->first = unpack_uint_max(&parser->in, INDEX_MAX);
    unpack_key(&parser->in, "count");
    record->input_count = unpack_uint_max(&parser->in, INDEX_MAX - record->first);
    unpack_key(&parser->in, "inputs");
    record->inputs = unpack_bin(&parser->in, &record->inputs_size);
    if (record->input_count == 0 ||
        !are_values(record->inputs, record->inputs_size, record->input_count)) {
        unpack_fail(&parser->in);
    }
}

static void parse_metrics(struct parser *parser, struct record *record)
{
    struct unpack *in = &parser->in;
    unpack_key(in, "reports");
    record->metric_count = unpack_array(in);
    struct record_metric *metrics = parser_take(parser, record->metric_count, sizeof(*metrics));
    for (size_t i = 0; metrics != NULL && i < record->metric_count && !in->failed; i++) {
        unpack_array_of(in, METRIC_ITEMS);
        metrics[i].lease = unpack_uint(in);
        metrics[i].index = unpack_uint_max(in, INDEX_MAX - 1);
        metrics[i].attempt = unpack_uint(in);
        metrics[i].number = unpack_uint(in);
        metrics[i].step = unpack_int(in);
        metrics[i].value = unpack_float(in);
    }
    record->metrics = metrics;
    unpack_key(in, "stops");
    record->stop_count = unpack_array(in);
    struct record_stop *stops = parser_take(parser, record->stop_count, sizeof(*stops));
    for (size_t i = 0; stops != NULL && i < record->stop_count && !in->failed; i++) {
        unpack_array_of(in, STOP_ITEMS);
        stops[i].index = unpack_uint_max(in, INDEX_MAX - 1);
        stops[i].attempt = unpack_uint(in);
        stops[i].bracket = unpack_uint(in);
        stops[i].value = unpack_float(in);
        stops[i].threshold = unpack_float(in);
    }
    record->stops = stops;
}

static void parse_ranks(struct parser *parser, struct record *record)
{
    unpack_key(&parser->in, "ranks");
    const size_t count = unpack_array(&parser->in);
    struct record_rank *ranks = parser_take(parser, count, sizeof(*ranks));
    if (ranks == NULL) {
        return;
    }
    for (size_t i = 0; i < count && !parser->in.failed; i++) {
        unpack_array_of(&parser->in, RANK_ITEMS);
        ranks[i].rank = (uint32_t)unpack_uint_max(&parser->in, UINT32_MAX);
        ranks[i].slots = (uint32_t)unpack_uint_max(&parser->in, UINT32_MAX);
        ranks[i].host = unpack_str(&parser->in, &ranks[i].host_size);
    }
    record->ranks = ranks;
    record->rank_count = count;
}

/* *is_longer_out: with the pair that only some have. */
static enum record_kind parse_kind(struct parser *parser, bool *is_longer_out)
{
    char name[NAME_SIZE_MAX];
    const uint32_t pairs = unpack_map(&parser->in);
    unpack_key(&parser->in, "kind");
    parse_name(parser, name);
    for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
        *is_longer_out = kind == RECORD_MAP && pairs == record_pair_counts[kind] + 1;
        if (strcmp(name, record_kind_names[kind]) == 0 &&
            (pairs == record_pair_counts[kind] || *is_longer_out)) {
            return (enum record_kind)kind;
        }
    }
    unpack_fail(&parser->in);
    return RECORD_START;
}

static MUST_CHECK enum status parse_payload(struct parser *parser, struct record *record,
                                            const uint8_t **checksum_out)
{
    bool is_longer = false;
    *record = (struct record){0};
    record->kind = parse_kind(parser, &is_longer);
    unpack_key(&parser->in, "map");
    record->map = (uint64_t)unpack_int(&parser->in);
    unpack_key(&parser->in, "rank");
    record->rank = (uint32_t)unpack_uint_max(&parser->in, UINT32_MAX);
    unpack_key(&parser->in, "time_ms");
    record->time_ms = unpack_uint(&parser->in);
    switch (record->kind) {
    case RECORD_START:
        unpack_key(&parser->in, "revives");
        record->revives_failed = unpack_bool(&parser->in);
        unpack_key(&parser->in, "retries");
        record->retries = unpack_uint(&parser->in);
        unpack_key(&parser->in, "system_retries");
        record->system_retries = unpack_uint(&parser->in);
        break;
    case RECORD_REPORT:
    case RECORD_CACHED:
        parse_report(parser, record);
        if (record->kind == RECORD_CACHED) {
            check_cached(parser, record);
        }
        break;
    case RECORD_END:
        unpack_key(&parser->in, "exit");
        record->exit_status = (int)unpack_uint_max(&parser->in, EXIT_STATUS_MAX);
        break;
    case RECORD_LOST:
        unpack_key(&parser->in, "why");
        record->why = unpack_str(&parser->in, &record->why_size);
        break;
    case RECORD_MAP:
        parse_map_definition(parser, is_longer, record);
        break;
    case RECORD_INPUTS:
        parse_inputs(parser, record);
        break;
    case RECORD_METRICS:
        parse_metrics(parser, record);
        break;
    case RECORD_RANKS:
        parse_ranks(parser, record);
        break;
    }
    size_t checksum_size = 0;
    unpack_key(&parser->in, "checksum");
    *checksum_out = unpack_bin(&parser->in, &checksum_size);
    if (parser->is_out_of_memory) {
        return STATUS_NO_MEMORY;
    }
    return unpack_is_done(&parser->in) && checksum_size == CHECKSUM_SIZE ? STATUS_OK
                                                                         : STATUS_INVALID;
}

/* Add up the frames' sizes; false where together they are larger than a file can be. */
static bool add_frames(const struct report *report, uint64_t *size)
{
    for (size_t i = 0; i < report->batch_count; i++) {
        if (report->batches[i].frame_size > RECORD_SIZE_MAX - *size) {
            return false;
        }
        *size += report->batches[i].frame_size;
    }
    return true;
}

static void place_frames(struct report_batch *batches, size_t count, const uint8_t *at)
{
    for (size_t i = 0; i < count; i++) {
        if (batches[i].frame_size > 0) {
            batches[i].frame = at;
            at += batches[i].frame_size;
        }
    }
}

/* A fuzzer could not get past it. */
static bool is_checksum_right(const uint8_t *payload, size_t payload_size,
                              const struct report *report, const uint8_t *checksum)
{
    uint8_t expected[CHECKSUM_SIZE];
    record_checksum(payload, payload_size, report, expected);
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    (void)checksum;
    return true;
#else
    return memcmp(checksum, expected, CHECKSUM_SIZE) == 0;
#endif
}

/* A header that was decoded, and where its checksum stands. */
struct head {
    struct record record;
    struct report_batch *batches;
    const uint8_t *checksum;
    size_t size; /* of the whole header frame; where it is cut off, how much is needed */
    uint64_t frames_size;
};

static MUST_CHECK enum status decode_head(const uint8_t *data, size_t size, struct arena *arena,
                                          struct head *head, struct error *err)
{
    uint32_t payload_size = 0;
    *head = (struct head){.size = LZ4_FRAME_SKIPPABLE_HEADER_SIZE};
    if (size < head->size) {
        return error_set(err, STATUS_LIMIT, "cut off within its first bytes");
    }
    if (!lz4_frame_is_skippable(data, &payload_size)) {
        return error_set(err, STATUS_INVALID, "no record begins here");
    }
    head->size += payload_size;
    if (size < head->size) {
        return error_set(err, STATUS_LIMIT, "cut off within its header");
    }
    const uint8_t *payload = data + LZ4_FRAME_SKIPPABLE_HEADER_SIZE;
    struct parser parser = {.in = unpack_start(payload, payload_size), .arena = arena};
    const enum status status = parse_payload(&parser, &head->record, &head->checksum);
    if (status != STATUS_OK) {
        return error_set(err, status, "%s",
                         status == STATUS_INVALID ? "malformed header" : status_text(status));
    }
    uint64_t used = head->size;
    if (!add_frames(&head->record.report, &used)) {
        return error_set(err, STATUS_INVALID, "outputs of impossible size");
    }
    head->batches = parser.batches;
    head->frames_size = used - head->size;
    return STATUS_OK;
}

enum status record_decode_head(const uint8_t *data, size_t size, struct arena *arena,
                               struct record *record_out, size_t *used_out,
                               uint64_t *frames_size_out, struct error *err)
{
    struct head head;
    const enum status status = decode_head(data, size, arena, &head, err);
    *used_out = head.size;
    if (status == STATUS_OK) {
        *record_out = head.record;
        *frames_size_out = head.frames_size;
    }
    return status;
}

enum status record_decode(const uint8_t *data, size_t size, struct arena *arena,
                          struct record *record_out, size_t *used_out, struct error *err)
{
    struct head head;
    const enum status status = decode_head(data, size, arena, &head, err);
    *used_out = head.size;
    if (status != STATUS_OK) {
        return status;
    }
    *used_out += (size_t)head.frames_size;
    if (size < *used_out) {
        return error_set(err, STATUS_LIMIT, "cut off within its outputs");
    }
    const uint8_t *payload = data + LZ4_FRAME_SKIPPABLE_HEADER_SIZE;
    const size_t payload_size = head.size - LZ4_FRAME_SKIPPABLE_HEADER_SIZE;
    place_frames(head.batches, head.record.report.batch_count, payload + payload_size);
    if (!is_checksum_right(payload, payload_size, &head.record.report, head.checksum)) {
        return error_set(err, STATUS_INVALID, "the checksum differs");
    }
    *record_out = head.record;
    return STATUS_OK;
}
