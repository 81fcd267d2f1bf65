#include "master/workflow_process_private.h"

#include <inttypes.h>
#include <stdlib.h>

#include "master/outputs.h"
#include "shared/memory.h"
#include "shared/value.h"

/* Of what a workflow writes; memory ends before. */
#define MADE_SIZE_MAX ((size_t)1 << 40)

/* ---- Declared types ---------------------------------------------------------------------------
 */

void workflow_know(mf_workflow *wf, const mf_value *value, const struct type *type)
{
    wf->known = memory_grow(wf->known, wf->known_count, &wf->known_capacity, sizeof(*wf->known));
    wf->known[wf->known_count++] = (struct workflow_known){.value = value, .type = type};
}

/* Is it an item of the list? */
static bool is_item(const mf_value *list, const mf_value *wanted)
{
    const size_t count = mf_kind_of(list) == MF_LIST ? mf_count(list) : 0;
    return count > 0 && wanted >= mf_item(list, 0) && wanted <= mf_item(list, count - 1);
}

/* The type of a value, or of a part of it, whose own is known. */
static const struct type *type_within(const mf_value *value, const struct type *type,
                                      const mf_value *wanted)
{
    if (value == wanted) {
        return type;
    }
    if (type_kind(type) == TYPE_LIST && is_item(value, wanted)) {
        return type_element(type);
    }
    for (size_t i = 0; type_kind(type) == TYPE_RECORD && i < type_field_count(type); i++) {
        if (mf_field(value, type_field_name(type, i)) == wanted) {
            return type_field_type(type, i);
        }
    }
    return NULL;
}

/* The latest are the likeliest. */
const struct type *workflow_known_type(const mf_workflow *wf, const mf_value *value)
{
    for (size_t i = wf->known_count; value != NULL && i > 0; i--) {
        const struct type *type = type_within(wf->known[i - 1].value, wf->known[i - 1].type, value);
        if (type != NULL) {
            return type;
        }
    }
    return NULL;
}

/* ---- Outputs ----------------------------------------------------------------------------------
 */

static enum status fail_memory(struct error *err)
{
    return error_set(err, STATUS_NO_MEMORY, "no memory for its outputs");
}

static enum status read_output(mf_workflow *wf, struct outputs *outputs, uint64_t index,
                               mf_value *value_out, struct error *err)
{
    const uint8_t *data = NULL;
    size_t size = 0;
    size_t used = 0;
    enum status status = outputs_get(outputs, index, &data, &size, err);
    if (status == STATUS_OK && data == NULL) {
        *value_out = value_null();
        return STATUS_OK;
    }
    if (status == STATUS_OK) {
        status = value_decode(&wf->arena, data, size, &used, value_out, err);
    }
    if (status != STATUS_OK) {
        error_prefix(err, "output %" PRIu64 ": ", index);
    }
    return status;
}

static enum status read_list(mf_workflow *wf, const mf_running *running, struct outputs *outputs,
                             mf_value **items_out, struct error *err)
{
    mf_value *items = arena_take(&wf->arena, running->size * sizeof(*items) + 1);
    if (items == NULL) {
        return fail_memory(err);
    }
    enum status status = STATUS_OK;
    for (uint64_t i = 0; status == STATUS_OK && i < running->size; i++) {
        status = read_output(wf, outputs, i, &items[i], err);
    }
    *items_out = items;
    return status;
}

enum status workflow_read_outputs(mf_workflow *wf, mf_running *running, struct error *err)
{
    struct outputs *outputs = NULL;
    mf_value *items = NULL;
    mf_value *list = arena_take(&wf->arena, sizeof(*list));
    if (list == NULL || running->size > UINT32_MAX) {
        return fail_memory(err);
    }
    enum status status = outputs_open(wf->run_dir, running->number, running->size, &outputs, err);
    if (status == STATUS_OK) {
        status = read_list(wf, running, outputs, &items, err);
    }
    outputs_close(outputs);
    if (status != STATUS_OK) {
        return status;
    }
    *list = (mf_value){.mf_private_kind = MF_LIST,
                       .mf_private_count = (uint32_t)running->size,
                       .mf_private_as.values = items};
    running->value = running->is_call ? &items[0] : list;
    workflow_know(wf, running->value, running->type);
    return STATUS_OK;
}

/* ---- Values that are made ---------------------------------------------------------------------
 */

static const struct workflow_call making = {.function = "mf_made", .task = ""};

mf_writer *mf_make(mf_workflow *wf)
{
    struct writer *writer = NULL;
    if (writer_create(MADE_SIZE_MAX, &writer) != STATUS_OK) {
        abort(); /* not even room for an empty one */
    }
    writer->attempt.launch_dir = wf->launch_dir;
    writer_begin(writer);
    wf->made = memory_grow(wf->made, wf->made_count, &wf->made_capacity, sizeof(struct writer *));
    wf->made[wf->made_count++] = writer;
    return &writer->face;
}

/* Take it from the list of those that are being made; false where it is not there. */
static bool take_made(mf_workflow *wf, const mf_writer *made)
{
    for (size_t i = wf->made_count; i > 0; i--) {
        if (&wf->made[i - 1]->face == made) {
            wf->made[i - 1] = wf->made[--wf->made_count];
            return true;
        }
    }
    return false;
}

const mf_value *mf_made(mf_workflow *wf, mf_writer *made)
{
    struct error err = {""};
    size_t used = 0;
    if (!take_made(wf, made)) {
        workflow_note_failure(wf, &making, "the writer is none of mf_make(), or was taken already");
        return NULL;
    }
    struct writer *writer = (struct writer *)made; /* its first member */
    mf_value *value = arena_take(&wf->arena, sizeof(*value));
    enum status status = value != NULL ? writer_end(writer, &err) : fail_memory(&err);
    if (status == STATUS_OK) {
        status = value_decode(&wf->arena, writer->data, writer_size(writer), &used, value, &err);
    }
    writer_destroy(writer);
    if (status != STATUS_OK) {
        workflow_note_failure(wf, &making, err.text);
        return NULL;
    }
    return value;
}

void workflow_free_made(mf_workflow *wf)
{
    for (size_t i = 0; i < wf->made_count; i++) {
        writer_destroy(wf->made[i]);
    }
    free(wf->made);
}
