#include "master/workflow_process_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/run_log.h"
#include "shared/lz4_frame.h"
#include "shared/memory.h"
#include "shared/typed_paths.h"
#include "shared/value.h"
#include "shared/workflow_places.h"

/* Of what a workflow writes; memory ends before. */
#define MADE_SIZE_MAX ((size_t)1 << 40)
/* Of one frame of the log. */
#define FRAME_CONTENT_MAX ((size_t)1 << 40)

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

static enum status open_log(mf_workflow *wf, struct error *err)
{
    struct buffer path = {0};
    enum status status = buffer_printf(&path, "%s/" RUN_LOG_NAME, wf->run_dir);
    if (status == STATUS_OK) {
        status = buffer_append_byte(&path, '\0');
    }
    if (status != STATUS_OK) {
        return fail_memory(err);
    }
    wf->log = open((const char *)path.data, O_RDONLY | O_CLOEXEC);
    if (wf->log < 0) {
        status = error_set(err, STATUS_IO, "%s: %s", (const char *)path.data, strerror(errno));
    }
    buffer_free(&path);
    return status;
}

/* Append what the frame holds, decompressed. */
static enum status read_frame(mf_workflow *wf, const struct workflow_place *place,
                              struct buffer *frame, struct buffer *outputs, struct error *err)
{
    size_t done = 0;
    buffer_clear(frame);
    buffer_clear(outputs);
    if (buffer_reserve(frame, place->size + 1) != STATUS_OK) {
        return fail_memory(err);
    }
    while (done < place->size) {
        const ssize_t size =
            pread(wf->log, frame->data + done, place->size - done, (off_t)(place->offset + done));
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size <= 0) {
            return error_set(err, STATUS_IO, "the log ends before its outputs do");
        }
        done += (size_t)size;
    }
    const enum status status =
        lz4_frame_decompress(frame->data, place->size, FRAME_CONTENT_MAX, outputs);
    return status == STATUS_OK
               ? STATUS_OK
               : error_set(err, status,
                           "its outputs in the log are damaged, or there is no memory");
}

static enum status fail_place(struct error *err)
{
    return error_set(err, STATUS_PROTOCOL, "an output is not where it was said to be");
}

enum status workflow_seek(mf_workflow *wf, struct workflow_reading *reading,
                          const struct workflow_place *place, struct error *err)
{
    if (!reading->is_any || reading->offset != place->offset) {
        reading->is_any = false;
        const enum status status = wf->log < 0 ? open_log(wf, err) : STATUS_OK;
        if (status != STATUS_OK) {
            return status;
        }
        const enum status read = read_frame(wf, place, &reading->frame, &reading->outputs, err);
        if (read != STATUS_OK) {
            return read;
        }
        reading->is_any = true;
        reading->offset = place->offset;
        reading->position = UINT64_MAX;
    }
    if (reading->position > place->position) {
        reading->position = 0;
        reading->at = 0;
    }
    while (reading->position < place->position) {
        size_t size = 0;
        if (value_skip(reading->outputs.data + reading->at, reading->outputs.size - reading->at,
                       &size) != STATUS_OK) {
            return fail_place(err);
        }
        reading->at += size;
        reading->position++;
    }
    return STATUS_OK;
}

void workflow_reading_free(struct workflow_reading *reading)
{
    buffer_free(&reading->frame);
    buffer_free(&reading->outputs);
}

/* `type` is that of one output, in which paths of files that attempts gave back are relative. */
static enum status read_place(mf_workflow *wf, const struct type *type,
                              struct workflow_reading *reading, const struct workflow_place *place,
                              mf_value *items, struct error *err)
{
    enum status status = workflow_seek(wf, reading, place, err);
    for (uint64_t i = place->start; status == STATUS_OK && i < place->start + place->count; i++) {
        size_t used = 0;
        status = value_decode(&wf->arena, reading->outputs.data + reading->at,
                              reading->outputs.size - reading->at, &used, &items[i], err);
        if (status == STATUS_OK) {
            status = typed_paths_resolve(type, wf->run_dir, &wf->arena, &items[i], err);
        }
        if (status != STATUS_OK) {
            error_prefix(err, "output %" PRIu64 ": ", i);
        }
        reading->at += used;
        reading->position++;
    }
    return status;
}

/* Where no place says another, there is a hole. */
static enum status read_places(mf_workflow *wf, const mf_running *running, mf_value *items,
                               struct error *err)
{
    struct workflow_place *places = NULL;
    size_t count = 0;
    struct workflow_reading reading = {.is_any = false};
    arena_reset(&wf->scratch);
    for (uint64_t i = 0; i < running->size; i++) {
        items[i] = value_null();
    }
    enum status status =
        workflow_places_unpack(&running->places, running->size, &wf->scratch, &places, &count, err);
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        status = read_place(wf, running->task->output, &reading, &places[i], items, err);
    }
    workflow_reading_free(&reading);
    return status;
}

enum status workflow_read_outputs(mf_workflow *wf, mf_running *running, struct error *err)
{
    mf_value *list = arena_take(&wf->arena, sizeof(*list));
    mf_value *items = arena_take(&wf->arena, running->size * sizeof(*items) + 1);
    if (list == NULL || items == NULL || running->size > UINT32_MAX) {
        return fail_memory(err);
    }
    const enum status status = read_places(wf, running, items, err);
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
