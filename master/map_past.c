#include "master/map_past.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "master/log_reader.h"
#include "shared/memory.h"

static char *copy_text(const char *text, size_t size)
{
    char *copy = memory_take(size + 1, 1);
    memcpy(copy, text, size);
    return copy;
}

enum status map_past_add(struct map_past_list *list, uint64_t number, const char *task,
                         size_t task_size, uint64_t size, struct error *err)
{
    struct map_past map = {.number = number, .size = size, .replay = replay_start()};
    size_t at = list->count;
    if (list->shared == NULL && !list->has_definitions_only &&
        failures_create(&map.failures) != STATUS_OK) {
        return error_set(err, STATUS_NO_MEMORY, "no memory to read the log with");
    }
    map.task = copy_text(task, task_size);
    list->maps = memory_grow(list->maps, list->count, &list->capacity, sizeof(*list->maps));
    while (at > 0 && list->maps[at - 1].number > number) {
        at--;
    }
    memmove(&list->maps[at + 1], &list->maps[at], (list->count - at) * sizeof(*list->maps));
    list->maps[at] = map;
    list->count++;
    return STATUS_OK;
}

/* Most often it stands behind the others. One that was refused, and is not in a later session, does
 * not. */
static enum status define(struct map_past_list *list, const struct record *record,
                          struct error *err)
{
    if (map_past_find(list, record->map) != NULL) {
        return STATUS_OK; /* it goes on in a new session */
    }
    const enum status status =
        map_past_add(list, record->map, record->task, record->task_size, record->map_size, err);
    struct map_past *map = status == STATUS_OK ? map_past_find(list, record->map) : NULL;
    if (map != NULL) {
        map->output_type = copy_text(record->output_type, record->output_type_size);
        map->reducer =
            copy_text(record->reducer_size > 0 ? record->reducer : "", record->reducer_size);
        map->minimum = record->minimum;
        memcpy(map->inputs_digest, record->inputs_digest, sizeof(map->inputs_digest));
    }
    return status;
}

static enum status replay_into(const struct map_past_list *list, struct map_past *map,
                               const struct record *record, struct error *err)
{
    if (list->has_definitions_only) {
        return STATUS_OK;
    }
    struct failures *failures = list->shared != NULL ? list->shared : map->failures;
    const enum status status =
        replay_record(&map->replay, record, map->number, map->size, failures);
    return status == STATUS_OK ? STATUS_OK
                               : error_set(err, status,
                                           "it has other instances of map %" PRIu64
                                           " than the %" PRIu64 " that there are",
                                           map->number, map->size);
}

/* A session begins for all of them. */
static enum status begin_session(struct map_past_list *list, const struct record *record,
                                 struct error *err)
{
    enum status status = STATUS_OK;
    list->is_of_several = record->map == RECORD_RUN_MAP;
    for (size_t i = 0; i < list->count && status == STATUS_OK; i++) {
        status = replay_into(list, &list->maps[i], record, err);
    }
    return status;
}

enum status map_past_take(struct map_past_list *list, const struct record *record,
                          struct error *err)
{
    if (record->kind == RECORD_START) {
        list->has_revived = list->has_revived || record->revives_failed;
        list->has_output = list->has_output && !record->revives_failed;
        return begin_session(list, record, err);
    }
    if (record->map == RECORD_RUN_MAP) {
        list->has_output = list->has_output || record->kind == RECORD_CACHED;
        return STATUS_OK;
    }
    const enum status status = record->kind == RECORD_MAP ? define(list, record, err) : STATUS_OK;
    struct map_past *map = map_past_find(list, record->map);
    return status == STATUS_OK && map != NULL ? replay_into(list, map, record, err) : status;
}

static enum status read_log(const char *run_dir, struct map_past_list *list, struct error *err)
{
    struct log_reader *reader = NULL;
    struct record record;
    uint64_t offset;
    struct error torn; /* what stands before that counts */
    enum status status = log_reader_open(run_dir, &reader, err);
    if (status != STATUS_OK) {
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    enum status read = log_reader_next(reader, &record, &offset, &torn);
    while (read == STATUS_OK && status == STATUS_OK) {
        status = map_past_take(list, &record, err);
        read = log_reader_next(reader, &record, &offset, &torn);
    }
    if (status == STATUS_OK && read != STATUS_NOT_FOUND && read != STATUS_INVALID) {
        status = error_set(err, read, "%s", torn.text);
    }
    log_reader_close(reader);
    if (status != STATUS_OK) {
        map_past_free(list);
    }
    return status;
}

enum status map_past_read(const char *run_dir, struct map_past_list *list_out, struct error *err)
{
    *list_out = (struct map_past_list){.count = 0};
    return read_log(run_dir, list_out, err);
}

enum status map_past_read_definitions(const char *run_dir, struct map_past_list *list_out,
                                      struct error *err)
{
    *list_out = (struct map_past_list){.has_definitions_only = true};
    return read_log(run_dir, list_out, err);
}

void map_past_free(struct map_past_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->maps[i].task);
        free(list->maps[i].output_type);
        free(list->maps[i].reducer);
        replay_free(&list->maps[i].replay);
        failures_destroy(list->maps[i].failures);
        index_set_free(&list->maps[i].tried);
    }
    free(list->maps);
    *list = (struct map_past_list){.count = 0};
}

static int compare(const void *key, const void *element)
{
    const uint64_t number = *(const uint64_t *)key;
    const struct map_past *map = element;
    return number < map->number ? -1 : number > map->number;
}

struct map_past *map_past_find(const struct map_past_list *list, uint64_t number)
{
    return list->count > 0 ? bsearch(&number, list->maps, list->count, sizeof(*list->maps), compare)
                           : NULL;
}
