#include "master/recorded_maps.h"

#include <stdlib.h>
#include <string.h>

#include "master/log_reader.h"
#include "shared/memory.h"

void recorded_maps_free(struct recorded_maps *maps)
{
    for (size_t i = 0; i < maps->count; i++) {
        free(maps->maps[i].task);
        free(maps->maps[i].output_type);
    }
    free(maps->maps);
    *maps = (struct recorded_maps){0};
}

/* Where the first stands that is not before this number. */
static size_t place_of(const struct recorded_maps *maps, uint64_t number)
{
    size_t low = 0;
    size_t high = maps->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (maps->maps[middle].number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct recorded_map *find(const struct recorded_maps *maps, uint64_t number)
{
    const size_t at = place_of(maps, number);
    return at < maps->count && maps->maps[at].number == number ? &maps->maps[at] : NULL;
}

const struct recorded_map *recorded_maps_find(const struct recorded_maps *maps, uint64_t number)
{
    return find(maps, number);
}

static struct recorded_map *add(struct recorded_maps *maps, uint64_t number)
{
    const size_t at = place_of(maps, number);
    maps->maps = memory_grow(maps->maps, maps->count, &maps->capacity, sizeof(*maps->maps));
    memmove(&maps->maps[at + 1], &maps->maps[at], (maps->count - at) * sizeof(*maps->maps));
    maps->count++;
    maps->maps[at] = (struct recorded_map){.number = number};
    return &maps->maps[at];
}

static char *copy_text(const char *text, size_t size)
{
    char *copy = memory_take(size + 1, 1);
    memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

/* In a new session it goes on as it was: only its end is taken back. */
static void take_definition(struct recorded_maps *maps, const struct record *record)
{
    struct recorded_map *map = find(maps, record->map);
    if (map == NULL) {
        map = add(maps, record->map);
        map->task = copy_text(record->task, record->task_size);
        map->output_type = copy_text(record->output_type, record->output_type_size);
        map->size = record->map_size;
        memcpy(map->inputs_digest, record->inputs_digest, RECORD_DIGEST_SIZE);
    }
    map->minimum = record->minimum;
    map->has_end = false;
}

static void take_record(struct recorded_maps *maps, const struct record *record)
{
    struct recorded_map *map = NULL;
    if (record->kind == RECORD_START) {
        maps->is_of_several = record->map == RECORD_RUN_MAP;
    } else if (record->kind == RECORD_MAP) {
        take_definition(maps, record);
    } else if (record->kind == RECORD_END && (map = find(maps, record->map)) != NULL) {
        map->has_end = true;
        map->exit_status = record->exit_status;
    }
}

enum status recorded_maps_read(const char *run_dir, struct recorded_maps *maps_out,
                               struct error *err)
{
    struct log_reader *reader = NULL;
    struct record record;
    struct error torn;
    uint64_t offset = 0;
    *maps_out = (struct recorded_maps){0};
    enum status status = log_reader_open(run_dir, &reader, err);
    if (status != STATUS_OK) {
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    while ((status = log_reader_next(reader, &record, &offset, &torn)) == STATUS_OK) {
        take_record(maps_out, &record);
    }
    log_reader_close(reader);
    if (status == STATUS_NOT_FOUND || status == STATUS_INVALID) {
        return STATUS_OK;
    }
    recorded_maps_free(maps_out);
    return error_set(err, status, "%s", torn.text);
}
