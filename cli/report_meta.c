#include "cli/report_data.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "cli/report_bytes.h"
#include "shared/quantity.h"

#define FORMAT 1

/* ---- JSON -------------------------------------------------------------------------------------
 */

static json_t *number(uint64_t value)
{
    return json_integer(value <= INT64_MAX ? (json_int_t)value : INT64_MAX);
}

static json_t *lanes_of(const struct report_data *data)
{
    json_t *lanes = json_array();
    for (size_t i = 0; i < data->lanes.lane_count; i++) {
        const struct report_lane *lane = &data->lanes.lanes[i];
        json_t *item = json_array();
        (void)json_array_append_new(item, number(lane->rank));
        (void)json_array_append_new(item, number(lane->slot));
        (void)json_array_append_new(item, number(lane->count));
        (void)json_array_append_new(lanes, item);
    }
    return lanes;
}

/* The last place may be of many maps, of which nothing is told but their times. */
static json_t *map_of(const struct report_data *data, size_t place)
{
    const struct report_map *map = &data->maps[place];
    const bool is_rest = place == REPORT_MAP_COUNT_MAX;
    const struct map_past *past = is_rest ? NULL : report_data_past(data, map);
    const struct report_cells cells =
        past != NULL ? report_data_cells(data, past) : (struct report_cells){.size = 1};
    json_t *object = json_object();
    (void)json_object_set_new(object, "number", number(map->number));
    (void)json_object_set_new(object, "task", json_string(past != NULL ? past->task : ""));
    (void)json_object_set_new(object, "size", number(past != NULL ? past->size : 0));
    (void)json_object_set_new(object, "cells", number(cells.count));
    (void)json_object_set_new(object, "cell_size", number(cells.size));
    (void)json_object_set_new(object, "attempts", number(map->attempts));
    return object;
}

static json_t *maps_of(const struct report_data *data)
{
    json_t *maps = json_array();
    for (size_t i = 0; i < data->map_count; i++) {
        (void)json_array_append_new(maps, map_of(data, i));
    }
    return maps;
}

static const char *kind_name(enum chronicle_event_kind kind)
{
    static const char *const names[] = {
        [CHRONICLE_SESSION] = "session", [CHRONICLE_RANK] = "ranks",
        [CHRONICLE_LOST] = "lost",       [CHRONICLE_LOST_ATTEMPT] = "lost-attempt",
        [CHRONICLE_CACHED] = "cached",   [CHRONICLE_MAP] = "map",
        [CHRONICLE_END] = "end"};
    return names[kind];
}

static json_t *notes_of(const struct report_data *data)
{
    json_t *notes = json_array();
    for (size_t i = 0; i < data->note_count; i++) {
        const struct report_note *note = &data->notes[i];
        json_t *object = json_object();
        (void)json_object_set_new(object, "us", number(note->time_us));
        (void)json_object_set_new(object, "kind", json_string(kind_name(note->kind)));
        (void)json_object_set_new(object, "rank", number(note->rank));
        (void)json_array_append_new(notes, object);
    }
    return notes;
}

static json_t *hosts_of(const struct report_data *data)
{
    json_t *hosts = json_object();
    char rank[16];
    for (size_t i = 0; i < data->time->life_count; i++) {
        const struct report_life *life = &data->time->lives[i];
        if (life->host != NULL && *life->host != '\0') {
            (void)snprintf(rank, sizeof(rank), "%u", (unsigned)life->rank);
            (void)json_object_set_new(hosts, rank, json_string(life->host));
        }
    }
    return hosts;
}

static json_t *piece_states(void)
{
    json_t *states = json_array();
    for (unsigned i = 0; i < PIECE_STATE_COUNT; i++) {
        (void)json_array_append_new(states, json_string(piece_state_name((enum piece_state)i)));
    }
    return states;
}

static json_t *instance_states(void)
{
    json_t *states = json_array();
    for (unsigned i = 0; i < INSTANCE_STATE_COUNT; i++) {
        (void)json_array_append_new(states,
                                    json_string(instance_state_name((enum instance_state)i)));
    }
    (void)json_array_append_new(states, json_string("succeeded after a failure"));
    return states;
}

enum status report_meta(const struct report_data *data, struct buffer *out)
{
    json_t *object = json_object();
    (void)json_object_set_new(object, "format", json_integer(FORMAT));
    (void)json_object_set_new(object, "total_us", number(data->time->total_us));
    (void)json_object_set_new(object, "tick_us", number(report_lanes_tick_us(&data->lanes)));
    (void)json_object_set_new(object, "merged_us", number(data->lanes.merge_us));
    (void)json_object_set_new(object, "bins", json_integer(REPORT_BIN_COUNT));
    (void)json_object_set_new(object, "is_workflow", json_boolean(report_data_is_workflow(data)));
    (void)json_object_set_new(object, "attempt_states", piece_states());
    (void)json_object_set_new(object, "instance_states", instance_states());
    (void)json_object_set_new(object, "lanes", lanes_of(data));
    (void)json_object_set_new(object, "maps", maps_of(data));
    (void)json_object_set_new(object, "notes", notes_of(data));
    (void)json_object_set_new(object, "hosts", hosts_of(data));
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (text == NULL) {
        return STATUS_NO_MEMORY;
    }
    const enum status status = report_put_json(out, text);
    free(text);
    return status;
}

/* ---- Lists ------------------------------------------------------------------------------------
 */

static MUST_CHECK enum status put_bins(const struct report_data *data, struct buffer *out)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < REPORT_BIN_COUNT && status == STATUS_OK; i++) {
        const struct report_bin *bin = &data->time->bins[i];
        const uint64_t numbers[] = {bin->succeeded, bin->failed, bin->cached, bin->busy_us};
        for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]) && status == STATUS_OK; k++) {
            status = report_put_number(out, numbers[k]);
        }
    }
    return status;
}

/* How many classes are not empty; of each its number and its count. */
static MUST_CHECK enum status put_classes(const struct report_durations *durations,
                                          struct buffer *out)
{
    uint64_t used = 0;
    for (size_t i = 0; i < REPORT_CLASS_COUNT; i++) {
        used += durations->counts[i] > 0 ? 1 : 0;
    }
    enum status status = report_put_number(out, used);
    for (size_t i = 0; i < REPORT_CLASS_COUNT && status == STATUS_OK; i++) {
        if (durations->counts[i] > 0) {
            status = report_put_number(out, i);
        }
        if (durations->counts[i] > 0 && status == STATUS_OK) {
            status = report_put_number(out, durations->counts[i]);
        }
    }
    return status;
}

/* Entries, bins, durations of successes and of the others, durations of each map, states of each
 * map. */
enum status report_blob(const struct report_data *data, struct buffer *out)
{
    enum status status = report_lanes_encode(&data->lanes, out);
    if (status == STATUS_OK) {
        status = put_bins(data, out);
    }
    if (status == STATUS_OK) {
        status = put_classes(&data->succeeded, out);
    }
    if (status == STATUS_OK) {
        status = put_classes(&data->failed, out);
    }
    for (size_t i = 0; i < data->map_count && status == STATUS_OK; i++) {
        status = put_classes(&data->maps[i].durations, out);
    }
    for (size_t i = 0; i < data->map_count && status == STATUS_OK; i++) {
        const struct map_past *past =
            i == REPORT_MAP_COUNT_MAX ? NULL : report_data_past(data, &data->maps[i]);
        status = past != NULL ? report_states_encode(past, report_data_cells(data, past), out)
                              : STATUS_OK;
    }
    return status;
}
