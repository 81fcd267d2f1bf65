#include "master/chronicle.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "master/log_reader.h"
#include "shared/attempt_times.h"
#include "shared/memory.h"

#define US_IN_MS 1000
#define RANK_COUNT_MAX (1u << 22)
#define TIME_MS_MAX (UINT64_C(1) << 48) /* of a record: some 9,000 years */
#define NO_LIFE SIZE_MAX
/* What the other copy's end is recorded as; see pool_result.c. */
#define SUPERSEDED_TEXT "another attempt has the result"
#define STOPPED_TEXT "stopped early"

struct session {
    uint64_t started_ms; /* since 1970 */
    uint64_t latest_ms;
    uint64_t base_us; /* where it begins in the time of the run */
};

/* A rank, from when it is ready until it is lost or its session ends. */
struct life {
    size_t session;
    int64_t origin_us; /* when the rank's clock was 0, since 1970; INT64_MAX: not known */
    uint32_t slots;    /* 0: not known */
};

struct chronicle {
    char *run_dir;
    bool is_quick;
    struct session *sessions;
    size_t session_count;
    size_t session_capacity;
    struct life *lives;
    size_t life_count;
    size_t life_capacity;
    uint64_t good_size; /* what is behind it has come since it was opened */
    uint64_t attempt_count;
    char *torn;
    /* Where a walk is: */
    size_t *life_of; /* by rank; NO_LIFE: none is known */
    size_t rank_capacity;
    size_t at_session; /* one more than its number */
    size_t at_life;    /* likewise, of the life that began last */
};

const char *piece_state_name(enum piece_state state)
{
    static const char *const names[] = {
#define PIECE_STATE_NAME(name, text) text,
        PIECE_STATE_LIST(PIECE_STATE_NAME)
#undef PIECE_STATE_NAME
    };
    return names[state];
}

/* ---- Lives ------------------------------------------------------------------------------------
 */

/* The same steps in each walk give the same numbers. */
static void forget_lives(struct chronicle *chronicle)
{
    for (size_t i = 0; i < chronicle->rank_capacity; i++) {
        chronicle->life_of[i] = NO_LIFE;
    }
}

static MUST_CHECK enum status reserve_rank(struct chronicle *chronicle, uint32_t rank,
                                           struct error *err)
{
    if (rank >= RANK_COUNT_MAX) {
        return error_set(err, STATUS_INVALID, "rank %" PRIu32 " is none of any run", rank);
    }
    if (rank >= chronicle->rank_capacity) {
        const size_t capacity = ((size_t)rank + 1) * 2;
        chronicle->life_of =
            memory_resize(chronicle->life_of, capacity, sizeof(*chronicle->life_of));
        for (size_t i = chronicle->rank_capacity; i < capacity; i++) {
            chronicle->life_of[i] = NO_LIFE;
        }
        chronicle->rank_capacity = capacity;
    }
    return STATUS_OK;
}

static void begin_life(struct chronicle *chronicle, uint32_t rank)
{
    chronicle->life_of[rank] = chronicle->at_life++;
    if (chronicle->at_life > chronicle->life_count) {
        chronicle->lives = memory_grow(chronicle->lives, chronicle->life_count,
                                       &chronicle->life_capacity, sizeof(*chronicle->lives));
        chronicle->lives[chronicle->life_count++] =
            (struct life){.session = chronicle->at_session - 1, .origin_us = INT64_MAX};
    }
}

/* One that reports and was not said to be ready is there all the same. */
static MUST_CHECK enum status life_of(struct chronicle *chronicle, uint32_t rank, size_t *life_out,
                                      struct error *err)
{
    const enum status status = reserve_rank(chronicle, rank, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (chronicle->life_of[rank] == NO_LIFE) {
        begin_life(chronicle, rank);
    }
    *life_out = chronicle->life_of[rank];
    return STATUS_OK;
}

/* ---- What has to be known beforehand ----------------------------------------------------------
 */

static void begin_session(struct chronicle *chronicle, const struct record *record)
{
    const size_t count = chronicle->session_count;
    const struct session *before = count > 0 ? &chronicle->sessions[count - 1] : NULL;
    const uint64_t base_us =
        before == NULL ? 0
                       : before->base_us + (before->latest_ms + 1 - before->started_ms) * US_IN_MS;
    chronicle->sessions = memory_grow(chronicle->sessions, count, &chronicle->session_capacity,
                                      sizeof(*chronicle->sessions));
    chronicle->sessions[chronicle->session_count++] = (struct session){
        .started_ms = record->time_ms, .latest_ms = record->time_ms, .base_us = base_us};
    chronicle->at_session = chronicle->session_count;
    forget_lives(chronicle);
}

static MUST_CHECK enum status learn_ranks(struct chronicle *chronicle, const struct record *record,
                                          struct error *err)
{
    for (size_t i = 0; i < record->rank_count; i++) {
        const enum status status = reserve_rank(chronicle, record->ranks[i].rank, err);
        if (status != STATUS_OK) {
            return status;
        }
        begin_life(chronicle, record->ranks[i].rank);
        chronicle->lives[chronicle->life_of[record->ranks[i].rank]].slots = record->ranks[i].slots;
    }
    return STATUS_OK;
}

/* In how many slots at once a batch may have run: batches of a map that is reduced become one on
 * their rank, which has the time of all of them. */
static uint64_t slots_of(const struct life *life, const struct report_batch *batch)
{
    const bool may_be_several =
        batch->partial_count == 1 && batch->times == NULL && batch->success_bits == NULL;
    const uint64_t slots = may_be_several && life->slots > 0 ? life->slots : 1;
    return slots < batch->instance_count ? slots : batch->instance_count;
}

static MUST_CHECK enum status learn_report(struct chronicle *chronicle, const struct record *record,
                                           struct error *err)
{
    const struct report *report = &record->report;
    size_t number;
    if (report->batch_count == 0) {
        return STATUS_OK;
    }
    const enum status status = life_of(chronicle, record->rank, &number, err);
    if (status != STATUS_OK) {
        return status;
    }
    struct life *life = &chronicle->lives[number];
    for (size_t i = 0; i < report->batch_count; i++) {
        const struct report_batch *batch = &report->batches[i];
        const uint64_t slots = slots_of(life, batch);
        const uint64_t ended_us =
            batch->started_us + (slots > 1 ? batch->elapsed_us / slots : batch->elapsed_us);
        if (ended_us < batch->started_us || ended_us > INT64_MAX / 2) {
            return error_set(err, STATUS_INVALID, "a batch of rank %" PRIu32 " ended in no time",
                             record->rank);
        }
        /* The end of that millisecond: an attempt may have ended in it. */
        const int64_t origin_us =
            (int64_t)(record->time_ms * US_IN_MS + US_IN_MS - 1) - (int64_t)ended_us;
        life->origin_us = origin_us < life->origin_us ? origin_us : life->origin_us;
        chronicle->attempt_count += batch->instance_count;
    }
    return STATUS_OK;
}

static MUST_CHECK enum status learn(struct chronicle *chronicle, const struct record *record,
                                    struct error *err)
{
    if (record->time_ms > TIME_MS_MAX) {
        return error_set(err, STATUS_INVALID, "a record is of no time");
    }
    if (record->kind == RECORD_START) {
        begin_session(chronicle, record);
        return STATUS_OK;
    }
    if (chronicle->session_count == 0) {
        return error_set(err, STATUS_INVALID, "its first record begins no session");
    }
    struct session *session = &chronicle->sessions[chronicle->session_count - 1];
    session->latest_ms =
        record->time_ms > session->latest_ms ? record->time_ms : session->latest_ms;
    if (record->kind == RECORD_RANKS) {
        return learn_ranks(chronicle, record, err);
    }
    if (record->kind == RECORD_LOST) {
        const enum status status = reserve_rank(chronicle, record->rank, err);
        if (status == STATUS_OK) {
            chronicle->life_of[record->rank] = NO_LIFE;
        }
        return status;
    }
    return record->kind == RECORD_REPORT ? learn_report(chronicle, record, err) : STATUS_OK;
}

typedef enum status take_function(struct chronicle *chronicle, const struct record *record,
                                  const struct chronicle_visitor *visitor, struct error *err);

static enum status take_learning(struct chronicle *chronicle, const struct record *record,
                                 const struct chronicle_visitor *visitor, struct error *err)
{
    (void)visitor;
    return learn(chronicle, record, err);
}

/* The same records at each walk, also of a log that grows. */
static MUST_CHECK enum status walk(struct chronicle *chronicle, take_function *take,
                                   const struct chronicle_visitor *visitor, struct error *err)
{
    struct log_reader *reader = NULL;
    struct record record;
    uint64_t offset = 0;
    struct error torn;
    struct error reason;
    const bool is_first = take == take_learning;
    enum status status = log_reader_open(chronicle->run_dir, &reader, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (chronicle->is_quick) {
        log_reader_skip_frames(reader);
    }
    enum status read = log_reader_next(reader, &record, &offset, &torn);
    while (read == STATUS_OK && status == STATUS_OK &&
           (is_first || offset < chronicle->good_size)) {
        status = take(chronicle, &record, visitor, &reason);
        read = status == STATUS_OK ? log_reader_next(reader, &record, &offset, &torn) : read;
    }
    if (status == STATUS_INVALID) {
        (void)error_set(err, status, "%s: the log does not fit a run: %s", chronicle->run_dir,
                        reason.text);
    } else if (status != STATUS_OK) {
        *err = reason;
    } else if (read != STATUS_OK && read != STATUS_NOT_FOUND && read != STATUS_INVALID) {
        status = error_set(err, read, "%s", torn.text);
    }
    if (is_first && read == STATUS_INVALID) {
        chronicle->torn = memory_copy_text(torn.text);
    }
    if (is_first) {
        chronicle->good_size = log_reader_good_size(reader);
    }
    log_reader_close(reader);
    return status;
}

enum status chronicle_open(const char *run_dir, bool is_quick, struct chronicle **chronicle_out,
                           struct error *err)
{
    struct chronicle *chronicle = memory_take(1, sizeof(*chronicle));
    chronicle->run_dir = memory_copy_text(run_dir);
    chronicle->is_quick = is_quick;
    const enum status status = walk(chronicle, take_learning, NULL, err);
    if (status != STATUS_OK) {
        chronicle_close(chronicle);
        return status;
    }
    *chronicle_out = chronicle;
    return STATUS_OK;
}

void chronicle_close(struct chronicle *chronicle)
{
    if (chronicle == NULL) {
        return;
    }
    free(chronicle->run_dir);
    free(chronicle->sessions);
    free(chronicle->lives);
    free(chronicle->life_of);
    free(chronicle->torn);
    free(chronicle);
}

uint64_t chronicle_total_us(const struct chronicle *chronicle)
{
    const size_t count = chronicle->session_count;
    const struct session *last = count > 0 ? &chronicle->sessions[count - 1] : NULL;
    return last == NULL ? 0 : last->base_us + (last->latest_ms + 1 - last->started_ms) * US_IN_MS;
}

uint64_t chronicle_attempt_count(const struct chronicle *chronicle)
{
    return chronicle->attempt_count;
}

size_t chronicle_life_count(const struct chronicle *chronicle)
{
    return chronicle->life_count;
}

const char *chronicle_torn(const struct chronicle *chronicle)
{
    return chronicle->torn;
}

/* ---- Pieces -----------------------------------------------------------------------------------
 */

static bool says(const struct report_failure *failure, const char *text)
{
    return failure->text_size == strlen(text) &&
           memcmp(failure->text, text, failure->text_size) == 0;
}

static enum piece_state state_of(const struct report_failure *failure,
                                 const struct record_outcome *outcome)
{
    if (failure->class == FAILURE_ABORTED) {
        return says(failure, SUPERSEDED_TEXT) ? PIECE_SUPERSEDED
               : says(failure, STOPPED_TEXT)  ? PIECE_STOPPED_EARLY
                                              : PIECE_ABORTED;
    }
    return !outcome->is_final                     ? PIECE_RETRIED
           : outcome->state == INSTANCE_TIMED_OUT ? PIECE_TIMED_OUT
                                                  : PIECE_FAILED;
}

/* A batch on its way into pieces. */
struct cutting {
    const struct chronicle_visitor *visitor;
    const struct report_batch *batch;
    const struct report_failure *failures; /* that are left */
    const struct record_outcome *outcomes;
    const uint8_t *times;         /* that are left; NULL: they are not told */
    uint64_t started_us;          /* in the time of the run */
    uint64_t passed_us;           /* of the batch, by attempts before */
    uint64_t at;                  /* number of the next attempt within the batch */
    struct chronicle_piece piece; /* that grows; none where its count is 0 */
};

/* Untimed attempts share the batch's time evenly. */
static uint64_t end_of(const struct cutting *cutting, uint64_t at)
{
    const struct report_batch *batch = cutting->batch;
    return (uint64_t)((double)batch->elapsed_us * (double)at / (double)batch->instance_count);
}

static MUST_CHECK enum status give_piece(struct cutting *cutting, struct error *err)
{
    struct chronicle_piece *piece = &cutting->piece;
    if (piece->count == 0) {
        return STATUS_OK;
    }
    if (cutting->times == NULL) {
        cutting->passed_us = cutting->at == cutting->batch->instance_count
                                 ? cutting->batch->elapsed_us
                                 : end_of(cutting, cutting->at);
    }
    piece->end_us = cutting->started_us + cutting->passed_us;
    const enum status status = cutting->visitor->on_piece(cutting->visitor->context, piece, err);
    piece->count = 0;
    piece->held_us = 0;
    piece->start_us = piece->end_us;
    return status;
}

static MUST_CHECK enum status add_attempt(struct cutting *cutting, uint64_t index, uint64_t attempt,
                                          struct error *err)
{
    struct chronicle_piece *piece = &cutting->piece;
    const bool has_succeeded = report_batch_succeeded(cutting->batch, cutting->at);
    const struct report_failure *failure = has_succeeded ? NULL : cutting->failures++;
    const enum piece_state state =
        has_succeeded ? PIECE_SUCCEEDED : state_of(failure, cutting->outcomes++);
    if (cutting->times != NULL || !has_succeeded || state != piece->state) {
        const enum status status = give_piece(cutting, err);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (piece->count == 0) {
        piece->index = index;
        piece->attempt = attempt;
        piece->state = state;
        piece->failure = failure;
    }
    piece->count++;
    cutting->at++;
    cutting->passed_us += cutting->times != NULL ? attempt_times_next(&cutting->times) : 0;
    return STATUS_OK;
}

static MUST_CHECK enum status cut_span(struct cutting *cutting, const struct span *span,
                                       struct error *err)
{
    struct chronicle_piece *piece = &cutting->piece;
    enum status status = STATUS_OK;
    if (cutting->batch->success_bits == NULL && cutting->times == NULL) {
        *piece = (struct chronicle_piece){.map = piece->map,
                                          .rank = piece->rank,
                                          .slot = piece->slot,
                                          .life = piece->life,
                                          .start_us = piece->start_us,
                                          .held_us = piece->held_us,
                                          .index = span->start,
                                          .count = span->count,
                                          .attempt = span->attempt,
                                          .state = PIECE_SUCCEEDED};
        cutting->at += span->count;
    }
    for (uint64_t i = 0; i < span->count && status == STATUS_OK && piece->count < span->count;
         i++) {
        status = add_attempt(cutting, span->start + i, span->attempt, err);
    }
    return status == STATUS_OK ? give_piece(cutting, err) : status;
}

static MUST_CHECK enum status cut_batch(struct cutting *cutting, struct error *err)
{
    const struct report_batch *batch = cutting->batch;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < batch->span_count && status == STATUS_OK; i++) {
        status = cut_span(cutting, &batch->spans[i], err);
    }
    return status;
}

/* As if each slot had run an equal share. */
static MUST_CHECK enum status cut_shares(struct cutting *cutting, uint64_t slots, struct error *err)
{
    const struct report_batch *batch = cutting->batch;
    const struct chronicle_piece common = cutting->piece;
    enum status status = STATUS_OK;
    size_t span = 0;
    uint64_t passed = 0; /* of the span */
    uint64_t at = 0;
    uint64_t first = 0; /* of the slot's share */
    for (uint64_t slot = 0; slot < slots && status == STATUS_OK;) {
        const uint64_t next = batch->instance_count / slots * (slot + 1) +
                              batch->instance_count % slots * (slot + 1) / slots;
        const uint64_t left = batch->spans[span].count - passed;
        struct chronicle_piece piece = common;
        piece.held_us = at == 0 ? common.held_us : 0;
        piece.slot = (uint32_t)slot;
        piece.index = batch->spans[span].start + passed;
        piece.attempt = batch->spans[span].attempt;
        piece.state = PIECE_SUCCEEDED;
        piece.count = left < next - at ? left : next - at;
        piece.start_us = cutting->started_us + end_of(cutting, at) - end_of(cutting, first);
        at += piece.count;
        passed += piece.count;
        piece.end_us = cutting->started_us + end_of(cutting, at) - end_of(cutting, first);
        status = cutting->visitor->on_piece(cutting->visitor->context, &piece, err);
        if (passed == batch->spans[span].count) {
            span++;
            passed = 0;
        }
        if (at == next) {
            first = at;
            slot++;
        }
    }
    return status;
}

/* Where the log has fewer failures than its batches tell of, it is damaged. */
static bool has_failures_for(const struct report *report)
{
    uint64_t missing = 0;
    for (size_t i = 0; i < report->batch_count; i++) {
        missing += report->batches[i].instance_count - report->batches[i].success_count;
    }
    return missing <= report->failure_count;
}

static const struct session *session_now(const struct chronicle *chronicle)
{
    return &chronicle->sessions[chronicle->at_session - 1];
}

static uint64_t time_of(const struct chronicle *chronicle, uint64_t time_ms)
{
    const struct session *session = session_now(chronicle);
    const uint64_t since_ms = time_ms > session->started_ms ? time_ms - session->started_ms : 0;
    return session->base_us + since_ms * US_IN_MS;
}

/* A time of a rank's clock. What was before the session, by a clock that was set, is its start. */
static uint64_t time_of_rank(const struct chronicle *chronicle, const struct life *life,
                             uint64_t time_us)
{
    const struct session *session = session_now(chronicle);
    const int64_t since_us =
        life->origin_us + (int64_t)time_us - (int64_t)(session->started_ms * US_IN_MS);
    return session->base_us + (since_us > 0 ? (uint64_t)since_us : 0);
}

static MUST_CHECK enum status tell_lost_attempts(const struct chronicle *chronicle,
                                                 const struct chronicle_visitor *visitor,
                                                 const struct record *record, size_t first,
                                                 struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = first; i < record->report.failure_count && status == STATUS_OK; i++) {
        const struct chronicle_event event = {.kind = CHRONICLE_LOST_ATTEMPT,
                                              .time_us = time_of(chronicle, record->time_ms),
                                              .record = record,
                                              .rank = record->rank,
                                              .failure = &record->report.failures[i],
                                              .is_final = record->outcomes[i].is_final};
        status = visitor->on_event(visitor->context, &event, err);
    }
    return status;
}

static MUST_CHECK enum status tell_report(struct chronicle *chronicle, const struct record *record,
                                          const struct chronicle_visitor *visitor,
                                          struct error *err)
{
    const struct report *report = &record->report;
    size_t life = 0;
    size_t failed = 0;
    enum status status = STATUS_OK;
    if (!has_failures_for(report)) {
        return error_set(err, STATUS_INVALID, "a report lacks failures");
    }
    if (report->batch_count > 0) {
        status = life_of(chronicle, record->rank, &life, err);
    }
    for (size_t i = 0; i < report->batch_count && status == STATUS_OK; i++) {
        const struct report_batch *batch = &report->batches[i];
        struct cutting cutting = {
            .visitor = visitor,
            .batch = batch,
            .failures = &report->failures[failed],
            .outcomes = &record->outcomes[failed],
            .times = batch->times,
            .started_us = time_of_rank(chronicle, &chronicle->lives[life], batch->started_us),
            .piece = {.map = record->map,
                      .rank = record->rank,
                      .slot = batch->slot,
                      .life = life,
                      .held_us = batch->held_us}};
        cutting.piece.start_us = cutting.started_us;
        failed += (size_t)(batch->instance_count - batch->success_count);
        const uint64_t slots = slots_of(&chronicle->lives[life], batch);
        if (visitor->on_piece != NULL) {
            status = slots > 1 ? cut_shares(&cutting, slots, err) : cut_batch(&cutting, err);
        }
    }
    return status == STATUS_OK && visitor->on_event != NULL
               ? tell_lost_attempts(chronicle, visitor, record, failed, err)
               : status;
}

/* ---- Events -----------------------------------------------------------------------------------
 */

static MUST_CHECK enum status give_event(const struct chronicle *chronicle,
                                         const struct chronicle_visitor *visitor,
                                         const struct record *record, struct chronicle_event event,
                                         struct error *err)
{
    event.record = record;
    event.time_us = time_of(chronicle, record->time_ms);
    return visitor->on_event != NULL ? visitor->on_event(visitor->context, &event, err) : STATUS_OK;
}

static MUST_CHECK enum status tell_session(struct chronicle *chronicle, const struct record *record,
                                           const struct chronicle_visitor *visitor,
                                           struct error *err)
{
    const size_t number = chronicle->at_session++;
    const uint64_t ended_ms = number > 0 ? chronicle->sessions[number - 1].latest_ms : 0;
    forget_lives(chronicle);
    return give_event(chronicle, visitor, record,
                      (struct chronicle_event){.kind = CHRONICLE_SESSION,
                                               .gap_ms = number > 0 && record->time_ms > ended_ms
                                                             ? record->time_ms - ended_ms
                                                             : 0},
                      err);
}

static MUST_CHECK enum status tell_ranks(struct chronicle *chronicle, const struct record *record,
                                         const struct chronicle_visitor *visitor, struct error *err)
{
    enum status status = learn_ranks(chronicle, record, err);
    for (size_t i = 0; i < record->rank_count && status == STATUS_OK; i++) {
        const struct record_rank *rank = &record->ranks[i];
        status = give_event(chronicle, visitor, record,
                            (struct chronicle_event){.kind = CHRONICLE_RANK,
                                                     .rank = rank->rank,
                                                     .slots = rank->slots,
                                                     .life = chronicle->life_of[rank->rank],
                                                     .text = rank->host,
                                                     .text_size = rank->host_size},
                            err);
    }
    return status;
}

static MUST_CHECK enum status tell_lost(struct chronicle *chronicle, const struct record *record,
                                        const struct chronicle_visitor *visitor, struct error *err)
{
    const size_t life = chronicle->life_of[record->rank];
    chronicle->life_of[record->rank] = NO_LIFE;
    return give_event(chronicle, visitor, record,
                      (struct chronicle_event){.kind = CHRONICLE_LOST,
                                               .rank = record->rank,
                                               .life = life,
                                               .text = record->why,
                                               .text_size = record->why_size},
                      err);
}

static uint64_t count_cached(const struct record *record)
{
    uint64_t count = record->report.failure_count;
    for (size_t i = 0; i < record->report.batch_count; i++) {
        count += record->report.batches[i].instance_count;
    }
    return record->map == RECORD_RUN_MAP ? 0 : count;
}

static enum status take_telling(struct chronicle *chronicle, const struct record *record,
                                const struct chronicle_visitor *visitor, struct error *err)
{
    enum status status =
        visitor->on_record != NULL ? visitor->on_record(visitor->context, record, err) : STATUS_OK;
    if (status != STATUS_OK) {
        return status;
    }
    struct chronicle_event event = {.kind = CHRONICLE_END};
    switch (record->kind) {
    case RECORD_START:
        return tell_session(chronicle, record, visitor, err);
    case RECORD_RANKS:
        return tell_ranks(chronicle, record, visitor, err);
    case RECORD_LOST:
        return tell_lost(chronicle, record, visitor, err);
    case RECORD_REPORT:
        return tell_report(chronicle, record, visitor, err);
    case RECORD_CACHED:
        event = (struct chronicle_event){.kind = CHRONICLE_CACHED, .count = count_cached(record)};
        break;
    case RECORD_MAP:
        event.kind = CHRONICLE_MAP;
        break;
    case RECORD_END:
        event.kind = CHRONICLE_END;
        break;
    case RECORD_INPUTS:
    case RECORD_METRICS:
        return STATUS_OK;
    }
    return give_event(chronicle, visitor, record, event, err);
}

enum status chronicle_each(struct chronicle *chronicle, const struct chronicle_visitor *visitor,
                           struct error *err)
{
    chronicle->at_session = 0;
    chronicle->at_life = 0;
    forget_lives(chronicle);
    return walk(chronicle, take_telling, visitor, err);
}
