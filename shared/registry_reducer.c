#include "shared/registry.h"

#include <stdlib.h>
#include <string.h>

#include "shared/arena.h"
#include "shared/buffer.h"
#include "shared/memory.h"
#include "shared/reduction.h"
#include "shared/value.h"

void registry_free_reducer(struct reducer *reducer)
{
    free(reducer->name);
    free(reducer->help);
    type_destroy(reducer->input);
    type_destroy(reducer->type);
    type_destroy(reducer->output);
    free(reducer->empty);
}

/* What comes of nothing, packed. */
static enum status read_empty(const char *json, struct reducer *reducer, struct error *err)
{
    const struct type_conversion conversion = {.origin = TYPE_ORIGIN_DATA, .base_dir = "/"};
    struct arena arena = {0};
    struct buffer packed = {0};
    mf_value value;
    enum status status = value_from_json(&arena, json, strlen(json), &value, err);
    if (status == STATUS_OK) {
        status = type_convert(reducer->output, &value, &conversion, &arena, &value, err);
    }
    if (status == STATUS_OK) {
        status = value_encode(&value, &packed);
        reducer->empty = buffer_take(&packed, &reducer->empty_size);
    }
    if (status != STATUS_OK) {
        error_prefix(err, "empty: ");
    }
    arena_free(&arena);
    return status;
}

static enum status read_types(const mf_reducer *from, struct reducer *reducer, struct error *err)
{
    const char *type = from->type != NULL ? from->type : "any";
    enum status status = registry_read_type("partial", type, &reducer->type, err);
    if (status == STATUS_OK) {
        status = registry_read_type("input", from->input != NULL ? from->input : type,
                                    &reducer->input, err);
    }
    if (status == STATUS_OK) {
        status = registry_read_type("output", from->output != NULL ? from->output : type,
                                    &reducer->output, err);
    }
    if (status == STATUS_OK && from->lift == NULL &&
        !type_is_equal(reducer->input, reducer->type)) {
        status = error_set(err, STATUS_INVALID, "input and type differ, and there is no lift");
    }
    if (status == STATUS_OK && from->finish == NULL &&
        !type_is_equal(reducer->output, reducer->type)) {
        status = error_set(err, STATUS_INVALID, "output and type differ, and there is no finish");
    }
    return status == STATUS_OK && from->empty != NULL ? read_empty(from->empty, reducer, err)
                                                      : status;
}

static enum status add_reducer(struct job *job, const mf_reducer *from, struct error *err)
{
    struct reducer reducer = {.combine = from->combine,
                              .lift = from->lift,
                              .finish = from->finish,
                              .is_ordered = from->is_ordered};
    enum status status = from->combine != NULL
                             ? read_types(from, &reducer, err)
                             : error_set(err, STATUS_INVALID, "it has no combine");
    if (status == STATUS_OK && reduction_is_built_in(from->name)) {
        status = error_set(err, STATUS_EXISTS, "one of that name is built in");
    }
    if (status != STATUS_OK) {
        error_prefix(err, "reducer %s: ", from->name);
        registry_free_reducer(&reducer);
        return status;
    }
    reducer.name = memory_copy_text(from->name);
    reducer.help = from->help != NULL ? memory_copy_text(from->help) : NULL;
    job->reducers = memory_grow(job->reducers, job->reducer_count, &job->reducer_capacity,
                                sizeof(*job->reducers));
    job->reducers[job->reducer_count++] = reducer;
    return STATUS_OK;
}

void mf_register_reducer(mf_registry *registry, const mf_reducer *given)
{
    static const mf_reducer nothing;
    const mf_reducer *from = given != NULL ? given : &nothing;
    if (registry->status != STATUS_OK) {
        return;
    }
    registry->status =
        registry_check_name(registry->job, "a reducer", from->name, &registry->error);
    if (registry->status == STATUS_OK) {
        registry->status = add_reducer(registry->job, from, &registry->error);
    }
}
