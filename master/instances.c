#include "master/instances.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "master/log_reader.h"
#include "shared/arena.h"
#include "shared/buffer.h"
#include "shared/clean_text.h"

#define TEXT_SLOTS_MIN 64u

enum { FACT_RANK = 1, FACT_SECONDS = 2, FACT_BEGUN = 4 /* an attempt */ };

struct fact {
    double seconds;
    uint32_t attempts; /* nothing is attempted more often than this can count */
    uint32_t rank;
    uint32_t failure; /* 1 + index of its last failure; 0: none */
    uint8_t state;
    uint8_t flags;
};

struct failure {
    uint64_t task_failures;
    uint64_t system_failures;
    uint64_t attempt_number;
    uint64_t attempts_max;
    const char *text;
    enum failure_class class;
};

/* Texts that were seen: a hash table of pointers into an arena. */
struct text_set {
    struct arena arena;
    const char **slots;
    size_t slot_count; /* a power of two, or 0 */
    size_t count;
};

struct instances {
    uint64_t map;
    uint64_t size;
    struct fact *facts;
    struct buffer failures; /* of struct failure */
    struct text_set texts;
    struct buffer clean; /* the text at hand */
    char *torn;
};

/* ---- Texts ---------------------------------------------------------------------------------- */

static const char **find_slot(const char **slots, size_t slot_count, const char *text, size_t size)
{
    size_t at = (size_t)XXH3_64bits(text, size) & (slot_count - 1);
    while (slots[at] != NULL && strcmp(slots[at], text) != 0) {
        at = (at + 1) & (slot_count - 1);
    }
    return &slots[at];
}

static MUST_CHECK enum status grow_slots(struct text_set *set)
{
    const size_t slot_count = set->slot_count == 0 ? TEXT_SLOTS_MIN : 2 * set->slot_count;
    const char **slots = calloc(slot_count, sizeof(*slots));
    if (slots == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < set->slot_count; i++) {
        if (set->slots[i] != NULL) {
            *find_slot(slots, slot_count, set->slots[i], strlen(set->slots[i])) = set->slots[i];
        }
    }
    free(set->slots);
    set->slots = slots;
    set->slot_count = slot_count;
    return STATUS_OK;
}

/* The one copy of a text without NULs; `size` is its length. */
static const char *text_set_add(struct text_set *set, const char *text, size_t size)
{
    if (2 * set->count >= set->slot_count && grow_slots(set) != STATUS_OK) {
        return NULL;
    }
    const char **slot = find_slot(set->slots, set->slot_count, text, size);
    if (*slot == NULL) {
        *slot = arena_copy(&set->arena, text, size);
        set->count += *slot != NULL;
    }
    return *slot;
}

/* ---- Replay --------------------------------------------------------------------------------- */

static struct failure *failures_of(const struct instances *instances)
{
    return (struct failure *)(void *)instances->failures.data;
}

static MUST_CHECK enum status take_failure(struct instances *instances, struct fact *fact,
                                           struct failure **failure_out)
{
    if (fact->failure == 0) {
        const struct failure none = {0};
        const size_t count = instances->failures.size / sizeof(none);
        if (count == UINT32_MAX) {
            return STATUS_LIMIT;
        }
        const enum status status = buffer_append(&instances->failures, &none, sizeof(none));
        if (status != STATUS_OK) {
            return status;
        }
        fact->failure = (uint32_t)(count + 1);
    }
    *failure_out = &failures_of(instances)[fact->failure - 1];
    return STATUS_OK;
}

static uint32_t saturated(uint64_t value)
{
    return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

static MUST_CHECK enum status apply_failure(struct instances *instances,
                                            const struct record *record, size_t i)
{
    const struct report_failure *reported = &record->report.failures[i];
    const struct record_outcome *outcome = &record->outcomes[i];
    if (reported->index >= instances->size) {
        return STATUS_INVALID;
    }
    struct fact *fact = &instances->facts[reported->index];
    const bool has_failed = fact->state == INSTANCE_FAILED || fact->state == INSTANCE_TIMED_OUT;
    if (instance_state_is_success((enum instance_state)fact->state) ||
        (has_failed && reported->class == FAILURE_ABORTED)) {
        return STATUS_OK; /* what had a second copy ends by one of the two */
    }
    struct failure *failure = NULL;
    enum status status = take_failure(instances, fact, &failure);
    if (status == STATUS_OK) {
        buffer_clear(&instances->clean);
        status = clean_text(reported->text, reported->text_size, &instances->clean);
    }
    if (status == STATUS_OK) {
        status = buffer_append_byte(&instances->clean, '\0');
    }
    if (status != STATUS_OK) {
        return status;
    }
    const char *text = text_set_add(&instances->texts, (const char *)instances->clean.data,
                                    instances->clean.size - 1);
    if (text == NULL) {
        return STATUS_NO_MEMORY;
    }
    /* What is shared is no attempt of its own, and one that we ended did not end by itself. */
    const bool is_shared = record->kind == RECORD_CACHED;
    const unsigned ended = reported->class == FAILURE_ABORTED ? 0 : 1;
    const bool is_counted = ended && !is_shared;
    const uint64_t task_failures = is_counted ? outcome->task_failures : failure->task_failures;
    const uint64_t system_failures =
        is_counted ? outcome->system_failures : failure->system_failures;
    const uint64_t number = is_shared ? outcome->task_failures + outcome->system_failures
                                      : task_failures + system_failures + (1 - ended);
    *failure = (struct failure){
        .task_failures = task_failures,
        .system_failures = system_failures,
        .attempt_number = number,
        .attempts_max = outcome->attempts_max > number ? outcome->attempts_max : number,
        .text = text,
        .class = reported->class,
    };
    fact->attempts = is_shared ? fact->attempts : saturated(reported->attempt + ended);
    fact->state = (uint8_t)(outcome->is_final ? outcome->state : INSTANCE_ABORTED);
    fact->rank = record->rank;
    fact->flags = is_shared ? fact->flags & FACT_BEGUN : FACT_RANK | FACT_BEGUN;
    return STATUS_OK;
}

static void apply_to_instance(struct fact *fact, const struct record *record, uint64_t attempt,
                              bool succeeded, double seconds)
{
    if (instance_state_is_success((enum instance_state)fact->state)) {
        return;
    }
    if (succeeded) {
        fact->state = INSTANCE_SUCCEEDED;
        fact->attempts = saturated(attempt + 1);
    }
    fact->rank = record->rank;
    fact->seconds = seconds;
    fact->flags |= FACT_RANK | FACT_SECONDS;
}

static void apply_hit(struct fact *fact)
{
    if (!instance_state_is_success((enum instance_state)fact->state)) {
        fact->state = INSTANCE_CACHED;
        fact->flags = 0;
    }
}

static MUST_CHECK enum status apply_batch(struct instances *instances, const struct record *record,
                                          const struct report_batch *batch)
{
    if (!span_list_is_valid(batch->spans, batch->span_count, instances->size)) {
        return STATUS_INVALID;
    }
    const double seconds = (double)batch->elapsed_us / 1e6 / (double)batch->instance_count;
    uint64_t bit = 0;
    for (size_t i = 0; i < batch->span_count; i++) {
        const struct span *span = &batch->spans[i];
        for (uint64_t j = 0; j < span->count; j++, bit++) {
            if (record->kind == RECORD_CACHED) {
                apply_hit(&instances->facts[span->start + j]);
                continue;
            }
            apply_to_instance(&instances->facts[span->start + j], record, span->attempt,
                              report_batch_succeeded(batch, bit), seconds);
        }
    }
    return STATUS_OK;
}

/* What had failed begins anew, as if it had not been started. Its last failure is still the last
 * thing that is known of it. */
static void apply_revival(struct instances *instances)
{
    for (uint64_t i = 0; i < instances->size; i++) {
        struct fact *fact = &instances->facts[i];
        if (fact->state != INSTANCE_FAILED && fact->state != INSTANCE_TIMED_OUT) {
            continue;
        }
        const bool has_begun = (fact->flags & FACT_BEGUN) != 0;
        fact->state = INSTANCE_NOT_STARTED;
        if (!has_begun) {
            fact->failure = 0; /* it was another's */
        } else if (fact->failure > 0) {
            failures_of(instances)[fact->failure - 1].task_failures = 0;
            failures_of(instances)[fact->failure - 1].system_failures = 0;
        }
    }
}

/* What is between attempts and has used more than the session's budgets has ended with its last. */
static void apply_budgets(struct instances *instances, const struct record *start)
{
    for (uint64_t i = 0; instances->failures.size > 0 && i < instances->size; i++) {
        struct fact *fact = &instances->facts[i];
        if (fact->failure == 0 || fact->state != INSTANCE_ABORTED) {
            continue;
        }
        struct failure *failure = &failures_of(instances)[fact->failure - 1];
        if (failure->task_failures > start->retries ||
            failure->system_failures > start->system_retries) {
            fact->state = failure->class == FAILURE_TIMEOUT ? INSTANCE_TIMED_OUT : INSTANCE_FAILED;
            failure->attempts_max = failure->attempt_number;
        }
    }
}

/* Whatever its attempt came to after that is passed over. */
static MUST_CHECK enum status apply_stops(struct instances *instances, const struct record *record)
{
    for (size_t i = 0; i < record->stop_count; i++) {
        const struct record_stop *stop = &record->stops[i];
        if (stop->index >= instances->size) {
            return STATUS_INVALID;
        }
        struct fact *fact = &instances->facts[stop->index];
        if (!instance_state_is_success((enum instance_state)fact->state)) {
            fact->state = INSTANCE_STOPPED_EARLY;
            fact->attempts = saturated(stop->attempt + 1);
            fact->rank = record->rank;
            fact->flags = FACT_RANK | FACT_BEGUN;
        }
    }
    return STATUS_OK;
}

/* Failures first: a batch then adds the time of the attempts in it, failed ones included. */
static MUST_CHECK enum status apply_record(struct instances *instances, const struct record *record)
{
    enum status status = STATUS_OK;
    if (record->kind == RECORD_START && record->revives_failed) {
        apply_revival(instances);
    }
    if (record->kind == RECORD_START) {
        apply_budgets(instances, record);
    }
    if (record->kind == RECORD_METRICS && record->map == instances->map) {
        return apply_stops(instances, record);
    }
    if ((record->kind != RECORD_REPORT && record->kind != RECORD_CACHED) ||
        record->map != instances->map) {
        return STATUS_OK;
    }
    for (size_t i = 0; i < record->report.failure_count && status == STATUS_OK; i++) {
        status = apply_failure(instances, record, i);
    }
    for (size_t i = 0; i < record->report.batch_count && status == STATUS_OK; i++) {
        status = apply_batch(instances, record, &record->report.batches[i]);
    }
    return status;
}

static MUST_CHECK enum status replay(struct instances *instances, struct log_reader *reader,
                                     struct error *err)
{
    struct record record;
    uint64_t offset = 0;
    struct error torn;
    enum status status = log_reader_next(reader, &record, &offset, &torn);
    while (status == STATUS_OK) {
        status = apply_record(instances, &record);
        if (status == STATUS_INVALID) {
            return error_set(err, status,
                             "the log's record at byte %" PRIu64
                             " names an instance that the map of %" PRIu64 " does not have",
                             offset, instances->size);
        }
        if (status != STATUS_OK) {
            return error_set(err, status, "replaying the log: %s", status_text(status));
        }
        status = log_reader_next(reader, &record, &offset, &torn);
    }
    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    if (status != STATUS_INVALID) {
        return error_set(err, status, "%s", torn.text);
    }
    instances->torn = strdup(torn.text);
    return instances->torn != NULL ? STATUS_OK : error_set(err, STATUS_NO_MEMORY, "out of memory");
}

static MUST_CHECK enum status take_facts(struct instances *instances, struct error *err)
{
    const size_t size = instances->size > 0 ? (size_t)instances->size : 1;
    instances->facts = calloc(size, sizeof(*instances->facts));
    if (instances->facts == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory for %" PRIu64 " instances",
                         instances->size);
    }
    for (uint64_t i = 0; i < instances->size; i++) {
        instances->facts[i].state = INSTANCE_NOT_STARTED;
    }
    return STATUS_OK;
}

enum status instances_open(const char *run_dir, uint64_t map, uint64_t size,
                           struct instances **instances_out, struct error *err)
{
    struct log_reader *reader = NULL;
    struct instances *instances = calloc(1, sizeof(*instances));
    if (instances == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    instances->map = map;
    instances->size = size;
    enum status status = take_facts(instances, err);
    if (status != STATUS_OK) {
        goto done;
    }
    status = log_reader_open(run_dir, &reader, err);
    if (status == STATUS_OK) {
        status = replay(instances, reader, err);
    } else if (status == STATUS_NOT_FOUND) {
        status = STATUS_OK;
    }
    if (status == STATUS_OK) {
        *instances_out = instances;
        instances = NULL; /* moved to the caller */
    }

done:
    log_reader_close(reader);
    instances_close(instances);
    return status;
}

void instances_close(struct instances *instances)
{
    if (instances == NULL) {
        return;
    }
    arena_free(&instances->texts.arena);
    free(instances->texts.slots);
    buffer_free(&instances->failures);
    buffer_free(&instances->clean);
    free(instances->facts);
    free(instances->torn);
    free(instances);
}

struct instance instances_get(const struct instances *instances, uint64_t index)
{
    assert(index < instances->size);
    const struct fact *fact = &instances->facts[index];
    struct instance instance = {
        .state = (enum instance_state)fact->state,
        .attempts = fact->attempts,
        .has_rank = (fact->flags & FACT_RANK) != 0,
        .rank = fact->rank,
        .has_seconds = (fact->flags & FACT_SECONDS) != 0,
        .seconds = fact->seconds,
    };
    if (fact->failure > 0) {
        const struct failure *failure = &failures_of(instances)[fact->failure - 1];
        instance.task_failures = failure->task_failures;
        instance.system_failures = failure->system_failures;
        if (!instance_state_is_success(instance.state)) {
            instance.class = failure->class;
            instance.error = failure->text;
            instance.attempt_number = failure->attempt_number;
            instance.attempts_max = failure->attempts_max;
        }
    }
    return instance;
}

const char *instances_torn(const struct instances *instances)
{
    return instances->torn;
}
