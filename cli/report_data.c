#include "cli/report_data.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"

#define CELL_COUNT_MAX ((uint64_t)1 << 20)
/* Of maps that are larger; each cell is counted in five sets. */
#define CELL_COUNT_OF_LARGE ((uint64_t)1 << 16)
#define CELL_COUNT_OF_EACH 256

bool report_data_is_workflow(const struct report_data *data)
{
    return strcmp(data->run->verb, RUN_VERB_WORKFLOW) == 0;
}

/* ---- Maps -------------------------------------------------------------------------------------
 */

/* Numbers ascend as maps are begun; those past the last place share it. */
static size_t place_of(struct report_data *data, uint64_t number)
{
    size_t low = 0;
    size_t high = data->map_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (data->maps[middle].number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low < data->map_count && data->maps[low].number == number) {
        return low;
    }
    if (data->map_count > REPORT_MAP_COUNT_MAX || low < data->map_count) {
        return data->map_count - 1;
    }
    data->maps = memory_grow(data->maps, data->map_count, &data->map_capacity, sizeof(*data->maps));
    data->maps[data->map_count] =
        (struct report_map){.number = number, .begun_us = UINT64_MAX, .exit_status = -1};
    return data->map_count++;
}

/* Valid until the next one is looked up. */
static struct report_map *map_of(struct report_data *data, uint64_t number)
{
    const size_t place = place_of(data, number);
    return &data->maps[place];
}

static void note_time(struct report_map *map, uint64_t start_us, uint64_t end_us)
{
    map->begun_us = start_us < map->begun_us ? start_us : map->begun_us;
    map->ended_us = end_us > map->ended_us ? end_us : map->ended_us;
}

const struct map_past *report_data_past(const struct report_data *data,
                                        const struct report_map *map)
{
    return map_past_find(&data->past, map->number);
}

struct report_cells report_data_cells(const struct report_data *data, const struct map_past *past)
{
    const uint64_t share = CELL_COUNT_MAX / (data->map_count > 0 ? data->map_count : 1);
    uint64_t count_max = share > CELL_COUNT_OF_EACH ? share : CELL_COUNT_OF_EACH;
    if (past->size > count_max && count_max > CELL_COUNT_OF_LARGE) {
        count_max = CELL_COUNT_OF_LARGE;
    }
    return report_cells_of(past->size, count_max);
}

/* ---- Notes ------------------------------------------------------------------------------------
 */

/* Ranks that are ready together are one note. */
static bool is_of_last(const struct report_data *data, const struct chronicle_event *event)
{
    const struct report_note *last =
        data->note_count > 0 ? &data->notes[data->note_count - 1] : NULL;
    return event->kind == CHRONICLE_RANK && last != NULL && last->kind == CHRONICLE_RANK &&
           last->time_us == event->time_us;
}

static void add_note(struct report_data *data, const struct chronicle_event *event)
{
    if (is_of_last(data, event)) {
        data->notes[data->note_count - 1].count++;
        return;
    }
    if (data->note_count == REPORT_NOTE_COUNT_MAX) {
        data->notes_beyond++;
        return;
    }
    data->notes =
        memory_grow(data->notes, data->note_count, &data->note_capacity, sizeof(*data->notes));
    struct report_note note = {.time_us = event->time_us,
                               .kind = event->kind,
                               .rank = event->rank,
                               .map = event->record->map,
                               .gap_ms = event->gap_ms,
                               .count = 1};
    if (event->failure != NULL) {
        note.index = event->failure->index;
        note.attempt = event->failure->attempt;
    }
    data->notes[data->note_count++] = note;
}

/* ---- Collecting -------------------------------------------------------------------------------
 */

static enum status on_record(void *context, const struct record *record, struct error *err)
{
    struct report_data *data = context;
    return map_past_take(&data->past, record, err);
}

static enum status on_piece(void *context, const struct chronicle_piece *piece, struct error *err)
{
    struct report_data *data = context;
    const size_t place = place_of(data, piece->map);
    struct report_map *map = &data->maps[place];
    const uint64_t length_us = piece->end_us - piece->start_us;
    (void)err;
    report_lanes_add(&data->lanes, piece, (uint32_t)place);
    report_time_add(data->time, piece);
    report_durations_add(&map->durations, length_us, piece->count);
    report_durations_add(piece_state_is_success(piece->state) ? &data->succeeded : &data->failed,
                         length_us, piece->count);
    map->attempts += piece->count;
    note_time(map, piece->start_us, piece->end_us);
    data->counts[piece->state] += piece->count;
    data->untimed += piece->count > 1 ? piece->count : 0;
    if (piece->failure != NULL && piece->failure->class != FAILURE_ABORTED) {
        report_failures_add(&data->failures, piece->map, piece->failure);
    }
    return STATUS_OK;
}

static void on_end(struct report_data *data, const struct chronicle_event *event)
{
    if (event->record->map != RECORD_RUN_MAP) {
        struct report_map *map = map_of(data, event->record->map);
        map->exit_status = event->record->exit_status;
        note_time(map, event->time_us, event->time_us);
    }
}

static enum status on_event(void *context, const struct chronicle_event *event, struct error *err)
{
    struct report_data *data = context;
    (void)err;
    report_time_note(data->time, event);
    switch (event->kind) {
    case CHRONICLE_SESSION:
        data->sessions++;
        add_note(data, event);
        break;
    case CHRONICLE_RANK:
        add_note(data, event);
        break;
    case CHRONICLE_LOST:
        data->lost_ranks++;
        add_note(data, event);
        break;
    case CHRONICLE_LOST_ATTEMPT:
        data->lost_attempts++;
        report_failures_add(&data->failures, event->record->map, event->failure);
        add_note(data, event);
        break;
    case CHRONICLE_CACHED:
        data->cached += event->count;
        break;
    case CHRONICLE_MAP:
        note_time(map_of(data, event->record->map), event->time_us, event->time_us);
        break;
    case CHRONICLE_END:
        on_end(data, event);
        break;
    }
    return STATUS_OK;
}

static MUST_CHECK enum status read_all(struct report_data *data, bool is_quick, struct error *err)
{
    const struct chronicle_visitor visitor = {
        .on_record = on_record, .on_piece = on_piece, .on_event = on_event, .context = data};
    const struct run_description *run = data->run;
    enum status status = STATUS_OK;
    if (failures_create(&data->unused) != STATUS_OK) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    data->past.shared = data->unused;
    if (!report_data_is_workflow(data)) {
        (void)place_of(data, 0);
        status = map_past_add(&data->past, 0, run->task, strlen(run->task), run->input_count, err);
    }
    if (status == STATUS_OK) {
        status = chronicle_open(data->run_dir, is_quick, &data->chronicle, err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    data->lanes = report_lanes_start(chronicle_total_us(data->chronicle), REPORT_ENTRY_COUNT_MAX);
    data->time = report_time_create(data->chronicle);
    return chronicle_each(data->chronicle, &visitor, err);
}

enum status report_data_collect(const char *run_dir, bool is_quick, struct report_data *data_out,
                                struct error *err)
{
    struct report_data data = {.run_dir = run_dir};
    enum status status = run_file_read(run_dir, &data.run, err);
    if (status == STATUS_OK) {
        status = read_all(&data, is_quick, err);
    }
    if (status == STATUS_OK) {
        report_lanes_settle(&data.lanes);
        report_time_finish(data.time);
        report_failures_settle(&data.failures);
        status = report_failures_find_examples(&data.failures, run_dir, err);
    }
    if (status != STATUS_OK) {
        report_data_free(&data);
        return status;
    }
    *data_out = data;
    return STATUS_OK;
}

void report_data_free(struct report_data *data)
{
    run_description_destroy(data->run);
    chronicle_close(data->chronicle);
    map_past_free(&data->past);
    failures_destroy(data->unused);
    free(data->maps);
    report_lanes_free(&data->lanes);
    report_time_destroy(data->time);
    report_failures_free(&data->failures);
    free(data->notes);
}

/* ---- Counting ---------------------------------------------------------------------------------
 */

void report_data_count(const struct report_data *data, uint64_t counts_out[INSTANCE_STATE_COUNT])
{
    memset(counts_out, 0, INSTANCE_STATE_COUNT * sizeof(counts_out[0]));
    if (data->run->state != RUN_RUNNING) {
        memcpy(counts_out, data->run->verdict.counts, INSTANCE_STATE_COUNT * sizeof(counts_out[0]));
        return;
    }
    for (size_t i = 0; i < data->past.count; i++) {
        const struct map_past *past = &data->past.maps[i];
        const struct history *history = &past->replay.history;
        const uint64_t ended = history->succeeded.count + history->cached.count +
                               history->stopped_early.count + history->failed.count +
                               history->timed_out.count;
        counts_out[INSTANCE_SUCCEEDED] += history->succeeded.count;
        counts_out[INSTANCE_CACHED] += history->cached.count;
        counts_out[INSTANCE_STOPPED_EARLY] += history->stopped_early.count;
        counts_out[INSTANCE_FAILED] += history->failed.count;
        counts_out[INSTANCE_TIMED_OUT] += history->timed_out.count;
        counts_out[INSTANCE_NOT_STARTED] += past->size > ended ? past->size - ended : 0;
    }
}
