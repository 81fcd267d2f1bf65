#include "master/master_private.h"

#include "shared/lz4_frame.h"

/* Inputs of a unit that are smaller than this are sent as they are. */
#define COMPRESS_SIZE_MIN 1024

/* Through memory they move faster than they are compressed. */
static bool is_on_one_host(const struct transport *transport)
{
    return transport_local_size(transport) == transport_size(transport);
}

/* Append the unit's inputs, packed: plain, or as a frame where that is less. */
static enum status put_packed(struct master *master, struct master_map *map,
                              const struct scheduler_action *action, struct buffer *out,
                              uint64_t *packed_size_out, struct error *err)
{
    struct inputs *inputs = map->inputs;
    const size_t start = out->size;
    if (is_on_one_host(master->options.transport)) {
        const enum status status = inputs_pack(inputs, action->spans, action->span_count, out, err);
        *packed_size_out = out->size - start;
        return status;
    }
    buffer_clear(&master->packed);
    enum status status =
        inputs_pack(inputs, action->spans, action->span_count, &master->packed, err);
    if (status != STATUS_OK) {
        return status;
    }
    const struct buffer *packed = &master->packed;
    *packed_size_out = packed->size;
    if (packed->size >= COMPRESS_SIZE_MIN) {
        status = lz4_frame_compress(packed->data, packed->size, out);
        if (status == STATUS_OK && out->size - start < packed->size) {
            return STATUS_OK;
        }
        out->size = start;
    }
    if (status == STATUS_OK) {
        status = buffer_append(out, packed->data, packed->size);
    }
    return status == STATUS_OK ? status : error_set(err, status, "no memory for a unit's inputs");
}

/* Blocks of the stored inputs that are this unit's for the most part go out as they are. */
static enum status put_inputs(struct master *master, struct master_map *map,
                              const struct scheduler_action *action, struct buffer *out,
                              struct inputs_frames *frames_out, struct error *err)
{
    const enum status status =
        inputs_pack_frames(map->inputs, action->spans, action->span_count, out, frames_out, err);
    return status == STATUS_OK && frames_out->raw_size == 0
               ? put_packed(master, map, action, out, &frames_out->raw_size, err)
               : status;
}

enum status master_send_unit(struct master *master, struct master_map *map,
                             const struct scheduler_action *action, struct error *err)
{
    const struct wire_unit unit = {.map = map->number,
                                   .lease = action->lease,
                                   .spans = action->spans,
                                   .span_count = action->span_count};
    struct wire_unit_mark mark;
    struct inputs_frames frames;
    struct buffer bytes = {0};
    enum status status = wire_unit_begin(&unit, &mark, &bytes);
    if (status != STATUS_OK) {
        (void)error_set(err, status, "no memory for a unit");
        goto done;
    }
    status = put_inputs(master, map, action, &bytes, &frames, err);
    if (status != STATUS_OK) {
        goto done;
    }
    status = wire_unit_end(&mark, frames.raw_size, frames.skip, &bytes);
    if (status == STATUS_OK) {
        status = transport_send(master->options.transport, action->worker, &bytes, err);
    } else {
        (void)error_set(err, status, "the inputs of a unit are too large");
    }

done:
    buffer_free(&bytes);
    return status;
}
