#include "cli/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "master/chronicle.h"
#include "master/map_past.h"
#include "master/run_file.h"
#include "shared/attempt.h"
#include "shared/clean_text.h"
#include "shared/memory.h"

#define BUFFER_SIZE ((size_t)1 << 20)

struct trace {
    FILE *file;
    bool has_events;
    struct run_description *run;
    struct map_past_list maps; /* definitions of those of a run of several */
    uint64_t map;              /* whose task was looked up last; RECORD_RUN_MAP: none */
    char *task;                /* of it, as JSON */
    uint32_t *named;           /* how many slots have a name, by rank */
    size_t rank_capacity;
};

/* JSON of text, with its quotes; to be freed. */
static char *quoted(const char *text, size_t size)
{
    struct buffer clean = {0};
    char *quoted_text = NULL;
    if (clean_text(text, size, &clean) == STATUS_OK) {
        json_t *string =
            json_stringn(clean.data != NULL ? (const char *)clean.data : "", clean.size);
        quoted_text = string != NULL ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
        json_decref(string);
    }
    buffer_free(&clean);
    return quoted_text != NULL ? quoted_text : memory_copy_text("\"\"");
}

/* What stands before each event. The file tells of a failure when it is closed. */
static void begin_event(struct trace *trace)
{
    (void)fputs(trace->has_events ? ",\n" : "\n", trace->file);
    trace->has_events = true;
}

static void put_thread_name(struct trace *trace, uint32_t rank, uint32_t slot)
{
    begin_event(trace);
    (void)fprintf(trace->file,
                  "{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":%" PRIu32 ",\"tid\":%" PRIu32
                  ",\"args\":{\"name\":\"slot %" PRIu32 "\"}}",
                  rank, slot + 1, slot);
}

/* With the slots before it, which have run something, or could. No rank has more than so many. */
#define SLOT_COUNT_MAX 65536
static void name_thread(struct trace *trace, uint32_t rank, uint32_t slot)
{
    if (rank >= trace->rank_capacity) {
        const size_t capacity = ((size_t)rank + 1) * 2;
        trace->named = memory_resize(trace->named, capacity, sizeof(*trace->named));
        memset(&trace->named[trace->rank_capacity], 0,
               (capacity - trace->rank_capacity) * sizeof(*trace->named));
        trace->rank_capacity = capacity;
    }
    while (trace->named[rank] <= slot && trace->named[rank] < SLOT_COUNT_MAX) {
        put_thread_name(trace, rank, trace->named[rank]++);
    }
}

static void name_process(struct trace *trace, const struct chronicle_event *event)
{
    char *host = quoted(event->text, event->text_size);
    begin_event(trace);
    (void)fprintf(trace->file,
                  "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":%" PRIu32
                  ",\"args\":{\"name\":\"rank %" PRIu32 " on %.*s\"}}",
                  event->rank, event->rank, (int)strlen(host) - 2, host + 1);
    free(host);
}

/* ---- Attempts ---------------------------------------------------------------------------------
 */

/* Quoted. */
static const char *task_of(struct trace *trace, uint64_t map)
{
    if (trace->task == NULL || trace->map != map) {
        const struct map_past *past = map_past_find(&trace->maps, map);
        const char *task = past != NULL ? past->task : trace->run->task;
        free(trace->task);
        trace->task = quoted(task, strlen(task));
        trace->map = map;
    }
    return trace->task;
}

static void put_failure(struct trace *trace, const struct report_failure *failure)
{
    char *text = quoted(failure->text, failure->text_size);
    (void)fprintf(trace->file, ",\"class\":\"%s\",\"message\":%s",
                  failure_class_name(failure->class), text);
    free(text);
}

/* An attempt that is tried again ends with an instant, which viewers show where it would be too
 * short to be seen. */
static void put_retry(struct trace *trace, const struct chronicle_piece *piece)
{
    begin_event(trace);
    (void)fprintf(trace->file,
                  "{\"name\":\"retry\",\"ph\":\"i\",\"s\":\"t\",\"ts\":%" PRIu64 ",\"pid\":%" PRIu32
                  ",\"tid\":%" PRIu32 ",\"args\":{\"index\":%" PRIu64 ",\"attempt\":%" PRIu64 "}}",
                  piece->end_us, piece->rank, piece->slot + 1, piece->index, piece->attempt);
}

static enum status on_piece(void *context, const struct chronicle_piece *piece, struct error *err)
{
    struct trace *trace = context;
    (void)err;
    name_thread(trace, piece->rank, piece->slot);
    begin_event(trace);
    (void)fprintf(trace->file,
                  "{\"name\":%s,\"cat\":\"%s\",\"ph\":\"X\",\"ts\":%" PRIu64 ",\"dur\":%" PRIu64
                  ",\"pid\":%" PRIu32 ",\"tid\":%" PRIu32 ",\"args\":{\"index\":%" PRIu64
                  ",\"attempt\":%" PRIu64 ",\"state\":\"%s\"",
                  task_of(trace, piece->map), piece_state_name(piece->state), piece->start_us,
                  piece->end_us - piece->start_us, piece->rank, piece->slot + 1, piece->index,
                  piece->attempt, piece_state_name(piece->state));
    if (piece->count > 1) {
        (void)fprintf(trace->file, ",\"count\":%" PRIu64, piece->count);
    }
    if (trace->maps.is_of_several) {
        (void)fprintf(trace->file, ",\"map\":%" PRIu64, piece->map);
    }
    if (piece->failure != NULL) {
        put_failure(trace, piece->failure);
    }
    (void)fputs("}}", trace->file);
    if (piece->state == PIECE_RETRIED) {
        put_retry(trace, piece);
    }
    return STATUS_OK;
}

/* ---- Events -----------------------------------------------------------------------------------
 */

static void put_loss(struct trace *trace, const struct chronicle_event *event)
{
    char *why = quoted(event->text, event->text_size);
    begin_event(trace);
    (void)fprintf(trace->file,
                  "{\"name\":\"rank lost\",\"ph\":\"i\",\"s\":\"p\",\"ts\":%" PRIu64
                  ",\"pid\":%" PRIu32 ",\"tid\":0,\"args\":{\"why\":%s}}",
                  event->time_us, event->rank, why);
    free(why);
}

static void put_lost_attempt(struct trace *trace, const struct chronicle_event *event)
{
    begin_event(trace);
    (void)fprintf(trace->file,
                  "{\"name\":\"attempt lost\",\"ph\":\"i\",\"s\":\"p\",\"ts\":%" PRIu64
                  ",\"pid\":%" PRIu32 ",\"tid\":0,\"args\":{\"map\":%" PRIu64 ",\"index\":%" PRIu64
                  ",\"attempt\":%" PRIu64 "}}",
                  event->time_us, event->rank, event->record->map, event->failure->index,
                  event->failure->attempt);
}

static enum status on_record(void *context, const struct record *record, struct error *err)
{
    struct trace *trace = context;
    return map_past_take(&trace->maps, record, err);
}

static enum status on_event(void *context, const struct chronicle_event *event, struct error *err)
{
    struct trace *trace = context;
    (void)err;
    switch (event->kind) {
    case CHRONICLE_SESSION:
        begin_event(trace);
        (void)fprintf(trace->file,
                      "{\"name\":\"session\",\"ph\":\"i\",\"s\":\"g\",\"ts\":%" PRIu64
                      ",\"pid\":0,\"tid\":0}",
                      event->time_us);
        break;
    case CHRONICLE_RANK:
        name_process(trace, event);
        break;
    case CHRONICLE_LOST:
        put_loss(trace, event);
        break;
    case CHRONICLE_LOST_ATTEMPT:
        put_lost_attempt(trace, event);
        break;
    case CHRONICLE_CACHED:
    case CHRONICLE_MAP:
    case CHRONICLE_END:
        break;
    }
    return STATUS_OK;
}

/* ---- The file ---------------------------------------------------------------------------------
 */

static MUST_CHECK enum status write_events(struct trace *trace, const char *run_dir, bool is_quick,
                                           struct error *err)
{
    struct chronicle *chronicle = NULL;
    const struct chronicle_visitor visitor = {
        .on_record = on_record, .on_piece = on_piece, .on_event = on_event, .context = trace};
    enum status status = chronicle_open(run_dir, is_quick, &chronicle, err);
    if (status == STATUS_OK) {
        (void)fputs("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[", trace->file);
        status = chronicle_each(chronicle, &visitor, err);
        (void)fputs("\n]}\n", trace->file);
    }
    chronicle_close(chronicle);
    return status;
}

static MUST_CHECK enum status open_file(struct trace *trace, const char *path, struct error *err)
{
    trace->file = strcmp(path, "-") == 0 ? fdopen(dup(STDOUT_FILENO), "w") : fopen(path, "we");
    if (trace->file == NULL) {
        return error_set(err, STATUS_IO, "%s: %s", path, strerror(errno));
    }
    (void)setvbuf(trace->file, NULL, _IOFBF, BUFFER_SIZE);
    return STATUS_OK;
}

enum status trace_write(const char *run_dir, bool is_quick, const char *path, struct error *err)
{
    struct trace trace = {.map = RECORD_RUN_MAP, .maps = {.has_definitions_only = true}};
    enum status status = run_file_read(run_dir, &trace.run, err);
    if (status == STATUS_OK) {
        status = open_file(&trace, path, err);
    }
    if (status == STATUS_OK) {
        status = write_events(&trace, run_dir, is_quick, err);
        const bool has_failed = ferror(trace.file) != 0;
        if ((fclose(trace.file) != 0 || has_failed) && status == STATUS_OK) {
            status = error_set(err, STATUS_IO, "%s: %s", path, strerror(errno));
        }
    }
    map_past_free(&trace.maps);
    free(trace.named);
    free(trace.task);
    run_description_destroy(trace.run);
    return status;
}
