#include "master/workflow_process_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "shared/fold.h"
#include "shared/memory.h"
#include "shared/typed_paths.h"
#include "shared/value.h"
#include "shared/workflow_places.h"

/* Frames that are kept decoded: where the order of inputs counts, neighbours may stand in frames
 * that take turns. */
#define READING_COUNT 4

/* ---- Of a map ---------------------------------------------------------------------------------
 */

struct map_fold {
    mf_workflow *wf;
    const struct reduction *reduction;
    const struct workflow_place *places; /* in the order in which they are folded */
    size_t place_count;
    struct workflow_reading readings[READING_COUNT];
    size_t next; /* of them, to be used for another frame */
};

static struct workflow_reading *reading_for(struct map_fold *work,
                                            const struct workflow_place *place)
{
    for (size_t i = 0; i < READING_COUNT; i++) {
        if (work->readings[i].is_any && work->readings[i].offset == place->offset) {
            return &work->readings[i];
        }
    }
    struct workflow_reading *reading = &work->readings[work->next];
    work->next = (work->next + 1) % READING_COUNT;
    return reading;
}

static enum status fold_place(struct map_fold *work, const struct workflow_place *place,
                              struct fold *fold, struct error *err)
{
    struct workflow_reading *reading = reading_for(work, place);
    size_t used = 0;
    enum status status = workflow_seek(work->wf, reading, place, err);
    if (status != STATUS_OK) {
        return status;
    }
    const uint8_t *data = reading->outputs.data + reading->at;
    const size_t left = reading->outputs.size - reading->at;
    status = place->is_partial ? fold_merge(fold, data, left, &used, err)
                               : fold_add(fold, data, left, place->count, &used, err);
    reading->at += used;
    reading->position += place->count;
    return status;
}

static enum status fold_map(void *context, struct buffer *out, struct error *err)
{
    struct map_fold *work = context;
    struct fold *fold = NULL;
    enum status status = fold_create(work->reduction, &fold, err);
    for (size_t i = 0; i < work->place_count && status == STATUS_OK; i++) {
        status = fold_place(work, &work->places[i], fold, err);
    }
    if (status == STATUS_OK) {
        status = fold_finish(fold, out, err);
    }
    fold_destroy(fold);
    for (size_t i = 0; i < READING_COUNT; i++) {
        workflow_reading_free(&work->readings[i]);
    }
    return status;
}

/* ---- Of a list --------------------------------------------------------------------------------
 */

struct list_fold {
    mf_workflow *wf;
    const struct reduction *reduction;
    const mf_value *list;
    const struct type *convert_to; /* NULL: items are what is reduced */
};

static enum status pack_item(const struct list_fold *work, size_t i, struct buffer *out,
                             struct error *err)
{
    const struct type_conversion conversion = {.origin = TYPE_ORIGIN_DATA,
                                               .base_dir = work->wf->launch_dir};
    mf_value item = *mf_item(work->list, i);
    enum status status = STATUS_OK;
    buffer_clear(out);
    if (work->convert_to != NULL) {
        arena_reset(&work->wf->scratch);
        status = type_convert(work->convert_to, &item, &conversion, &work->wf->scratch, &item, err);
    }
    if (status == STATUS_OK && value_encode(&item, out) != STATUS_OK) {
        status = error_set(err, STATUS_NO_MEMORY, "no memory");
    }
    if (status != STATUS_OK) {
        error_prefix(err, "item %zu: ", i);
    }
    return status;
}

static enum status fold_list(void *context, struct buffer *out, struct error *err)
{
    const struct list_fold *work = context;
    struct fold *fold = NULL;
    struct buffer packed = {0};
    size_t used;
    enum status status = fold_create(work->reduction, &fold, err);
    for (size_t i = 0; i < mf_count(work->list) && status == STATUS_OK; i++) {
        status = pack_item(work, i, &packed, err);
        if (status == STATUS_OK) {
            status = fold_add(fold, packed.data, packed.size, 1, &used, err);
        }
    }
    if (status == STATUS_OK) {
        status = fold_finish(fold, out, err);
    }
    fold_destroy(fold);
    buffer_free(&packed);
    return status;
}

/* ---- Results ----------------------------------------------------------------------------------
 */

/* Functions of a job run apart. */
static enum status fold_to_end(const mf_workflow *wf, struct reduction *reduction,
                               workflow_work *work, void *context, struct buffer *out,
                               struct error *err)
{
    reduction->run_dir = wf->run_dir;
    reduction->launch_dir = wf->launch_dir;
    if (reduction->kind != REDUCTION_OWN) {
        return work(context, out, err);
    }
    const enum status status = workflow_apart(work, context, out, err);
    if (status != STATUS_OK && strncmp(err->text, "reducer ", strlen("reducer ")) != 0) {
        error_prefix(err, "reducer %s: ", reduction->name);
    }
    return status;
}

/* The value is the workflow's from then on. */
static enum status take_result(mf_workflow *wf, const struct reduction *reduction,
                               const struct buffer *packed, const mf_value **value_out,
                               struct error *err)
{
    size_t used = 0;
    mf_value *value = arena_take(&wf->arena, sizeof(*value));
    if (value == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for its result");
    }
    enum status status = value_decode(&wf->arena, packed->data, packed->size, &used, value, err);
    if (status == STATUS_OK) {
        status = type_check(reduction->output, value, err);
    }
    if (status == STATUS_OK) {
        status = typed_paths_resolve(reduction->output, wf->run_dir, &wf->arena, value, err);
    }
    if (status != STATUS_OK) {
        error_prefix(err, "reducer %s: its result: ", reduction->name);
        return status;
    }
    workflow_know(wf, value, reduction->output);
    *value_out = value;
    return STATUS_OK;
}

static int by_start(const void *left, const void *right)
{
    const struct workflow_place *a = left;
    const struct workflow_place *b = right;
    return a->start < b->start ? -1 : a->start > b->start;
}

enum status workflow_read_reduced(mf_workflow *wf, mf_running *running, struct error *err)
{
    struct arena arena = {0};
    struct workflow_place *places = NULL;
    struct buffer packed = {0};
    struct map_fold work = {.wf = wf, .reduction = running->reduction};
    enum status status = workflow_places_unpack(&running->places, running->size, &arena, &places,
                                                &work.place_count, err);
    if (status == STATUS_OK) {
        if (running->reduction->is_ordered) {
            qsort(places, work.place_count, sizeof(*places), by_start);
        }
        work.places = places;
        status = fold_to_end(wf, running->reduction, fold_map, &work, &packed, err);
    }
    if (status == STATUS_OK) {
        status = take_result(wf, running->reduction, &packed, &running->value, err);
    }
    buffer_free(&packed);
    arena_free(&arena);
    return status;
}

/* ---- mf_reduce --------------------------------------------------------------------------------
 */

/* Of items of which nothing is known but what they are. */
static const char *type_of_items(const mf_value *list)
{
    static const char *const names[] = {
        [MF_NULL] = "null", [MF_BOOL] = "bool",   [MF_INT] = "int",        [MF_FLOAT] = "float",
        [MF_STR] = "str",   [MF_BYTES] = "bytes", [MF_LIST] = "list<any>", [MF_MAP] = "map<any>"};
    mf_kind kind = MF_NULL;
    for (size_t i = 0; i < mf_count(list); i++) {
        const mf_kind next = mf_kind_of(mf_item(list, i));
        const bool are_numbers =
            (kind == MF_INT && next == MF_FLOAT) || (kind == MF_FLOAT && next == MF_INT);
        if (kind == MF_NULL || are_numbers) {
            kind = are_numbers ? MF_FLOAT : next;
        } else if (next != MF_NULL && next != kind) {
            return "any";
        }
    }
    return names[kind];
}

/* A list of nothing can be one of anything that the reducer takes. */
static enum status open_for_values(mf_workflow *wf, const char *reducer, const mf_value *list,
                                   struct reduction **reduction_out, struct error *err)
{
    const char *found = type_of_items(list);
    const char *const candidates[] = {found, "int", "list<any>", "map<any>"};
    const size_t count = strcmp(found, "null") == 0 ? 4 : 1;
    enum status status = STATUS_INVALID;
    for (size_t i = 0; i < count && status != STATUS_OK; i++) {
        struct type *type = NULL;
        status = type_parse(candidates[i], &type, err);
        if (status == STATUS_OK) {
            status = reduction_open(wf->job, reducer, type, reduction_out, err);
        }
        type_destroy(type);
    }
    return status;
}

static enum status open_for_list(mf_workflow *wf, const char *reducer, const mf_value *list,
                                 struct reduction **reduction_out, struct error *err)
{
    if (list == NULL || mf_kind_of(list) != MF_LIST) {
        return error_set(err, STATUS_INVALID, "what it is to reduce is no list");
    }
    const struct type *type = workflow_known_type(wf, list);
    const struct type *element = type != NULL ? type_element(type) : NULL;
    return element != NULL && type_kind(element) != TYPE_ANY
               ? reduction_open(wf->job, reducer, element, reduction_out, err)
               : open_for_values(wf, reducer, list, reduction_out, err);
}

/* Until the workflow ends, like every type of a value. */
static void keep_reduction(mf_workflow *wf, struct reduction *reduction)
{
    wf->reductions = memory_grow(wf->reductions, wf->reduction_count, &wf->reduction_capacity,
                                 sizeof(struct reduction *));
    wf->reductions[wf->reduction_count++] = reduction;
}

const mf_value *mf_reduce(mf_workflow *wf, const char *reducer, const mf_value *list)
{
    const struct workflow_call call = {.function = "mf_reduce",
                                       .task = reducer != NULL ? reducer : ""};
    struct reduction *reduction = NULL;
    struct buffer packed = {0};
    struct error err = {""};
    const mf_value *value = NULL;
    enum status status = open_for_list(wf, call.task, list, &reduction, &err);
    if (status == STATUS_OK && reduction != NULL) {
        struct list_fold work = {.wf = wf, .reduction = reduction, .list = list};
        work.convert_to = reduction->own != NULL ? reduction->own->input : NULL;
        keep_reduction(wf, reduction);
        status = fold_to_end(wf, reduction, fold_list, &work, &packed, &err);
        if (status == STATUS_OK) {
            status = take_result(wf, reduction, &packed, &value, &err);
        }
    }
    buffer_free(&packed);
    if (status != STATUS_OK) {
        workflow_note_failure(wf, &call, err.text);
        return NULL;
    }
    return value;
}
