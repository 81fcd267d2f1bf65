#include "shared/fold_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "shared/context.h"
#include "shared/memory.h"
#include "shared/type.h"
#include "shared/typed_paths.h"
#include "shared/value.h"
#include "shared/writer.h"

/* Of one partial value; memory ends before. */
#define PARTIAL_SIZE_MAX ((size_t)1 << 40)

/* Each stands for at least twice as many values as the next one, so that there are few: 64 would do
 * for 2^64 values. One more is pushed before two are combined. */
#define STACK_MAX 66

struct entry {
    struct buffer bytes; /* a partial value, packed */
    uint64_t weight;     /* values that it stands for */
};

struct own {
    struct entry stack[STACK_MAX];
    size_t count;
    struct writer *writer;
    struct mf_context *context;
    struct arena values; /* of one call's */
};

/* Its memory stays for the next values. */
static void clear(void *state)
{
    struct own *own = state;
    own->count = 0;
}

static void give_up(void *state)
{
    struct own *own = state;
    for (size_t i = 0; i < STACK_MAX; i++) {
        buffer_free(&own->stack[i].bytes);
    }
    if (own->context != NULL) {
        context_free(own->context);
        free(own->context);
    }
    writer_destroy(own->writer);
    arena_free(&own->values);
    memset(own, 0, sizeof(*own));
}

static enum status prepare(struct own *own, const struct reduction *reduction, struct error *err)
{
    if (own->writer == NULL && writer_create(PARTIAL_SIZE_MAX, &own->writer) != STATUS_OK) {
        return error_set(err, STATUS_NO_MEMORY, "no memory");
    }
    if (own->context == NULL) {
        own->context = memory_take(1, sizeof(*own->context));
        own->context->task = reduction->own->name;
        own->context->writer = own->writer;
        own->writer->attempt.launch_dir = reduction->launch_dir;
    }
    return STATUS_OK;
}

/* ---- One call of a function of the job --------------------------------------------------------
 */

static enum status begin(struct own *own, const struct reduction *reduction, struct error *err)
{
    const enum status status = prepare(own, reduction, err);
    if (status == STATUS_OK) {
        arena_reset(&own->values);
        writer_rewind(own->writer); /* what the last one may have left open */
        writer_clear(own->writer);
        writer_begin(own->writer);
        context_begin(own->context, 0, 0, NULL);
    }
    return status;
}

/* With paths that its functions can open, like a task's. */
static enum status read_value(struct own *own, const struct reduction *reduction,
                              const struct type *type, const uint8_t *data, size_t size,
                              size_t *used_out, mf_value *value_out, struct error *err)
{
    const enum status status = value_decode(&own->values, data, size, used_out, value_out, err);
    return status == STATUS_OK && reduction->run_dir != NULL && typed_paths_may_be(type)
               ? typed_paths_resolve(type, reduction->run_dir, &own->values, value_out, err)
               : status;
}

static enum status read_partial(struct own *own, const struct reduction *reduction,
                                const struct entry *entry, mf_value *value_out, struct error *err)
{
    size_t used;
    return read_value(own, reduction, reduction->own->type, entry->bytes.data, entry->bytes.size,
                      &used, value_out, err);
}

/* What the function has written is of this type, or it is an error of `what` it is. */
static enum status end(struct own *own, mf_status returned, const struct type *type,
                       const char *what, struct error *err)
{
    enum status status;
    if (returned != MF_OK) {
        const mf_context *ctx = own->context;
        return ctx->text_size > 0
                   ? error_set(err, STATUS_INVALID, "%s failed: %.*s", what, (int)ctx->text_size,
                               ctx->text)
                   : error_set(err, STATUS_INVALID, "%s failed, and did not say why", what);
    }
    status = writer_end(own->writer, err);
    if (status == STATUS_OK) {
        status = type_check_packed(type, own->writer->data + own->writer->value_start,
                                   writer_size(own->writer) - own->writer->value_start,
                                   &own->values, err);
    }
    if (status != STATUS_OK) {
        error_prefix(err, "what %s gave: ", what);
    }
    return status;
}

static enum status take_written(const struct own *own, struct buffer *out, struct error *err)
{
    return buffer_append(out, own->writer->data, writer_size(own->writer)) == STATUS_OK
               ? STATUS_OK
               : error_set(err, STATUS_NO_MEMORY, "no memory");
}

/* ---- The stack --------------------------------------------------------------------------------
 */

static enum status combine_last(struct own *own, const struct reduction *reduction,
                                struct error *err)
{
    struct entry *left = &own->stack[own->count - 2];
    struct entry *right = &own->stack[own->count - 1];
    mf_value a;
    mf_value b;
    enum status status = begin(own, reduction, err);
    if (status == STATUS_OK) {
        status = read_partial(own, reduction, left, &a, err);
    }
    if (status == STATUS_OK) {
        status = read_partial(own, reduction, right, &b, err);
    }
    if (status == STATUS_OK) {
        const mf_status returned =
            reduction->own->combine(own->context, &a, &b, &own->writer->face);
        status = end(own, returned, reduction->own->type, "combine", err);
    }
    if (status == STATUS_OK) {
        buffer_clear(&left->bytes);
        status = take_written(own, &left->bytes, err);
    }
    left->weight += right->weight;
    buffer_clear(&right->bytes);
    own->count--;
    return status;
}

static enum status push(struct own *own, const struct reduction *reduction, const uint8_t *data,
                        size_t size, struct error *err)
{
    struct entry *entry = &own->stack[own->count++];
    enum status status = STATUS_OK;
    buffer_clear(&entry->bytes);
    entry->weight = 1;
    if (buffer_append(&entry->bytes, data, size) != STATUS_OK) {
        status = error_set(err, STATUS_NO_MEMORY, "no memory");
    }
    while (status == STATUS_OK && own->count > 1 &&
           own->stack[own->count - 2].weight < 2 * own->stack[own->count - 1].weight) {
        status = combine_last(own, reduction, err);
    }
    return status;
}

static enum status collapse(struct own *own, const struct reduction *reduction, struct error *err)
{
    enum status status = STATUS_OK;
    while (status == STATUS_OK && own->count > 1) {
        status = combine_last(own, reduction, err);
    }
    return status;
}

/* ---- As a fold --------------------------------------------------------------------------------
 */

/* An output that is a partial value as it is; that it is of the type is known. */
static enum status take(struct own *own, const struct reduction *reduction, struct unpack *in,
                        struct error *err)
{
    const uint8_t *start = in->at;
    unpack_skip(in);
    return in->failed ? STATUS_OK : push(own, reduction, start, (size_t)(in->at - start), err);
}

/* One that is recorded, or came from another process, may be of another type: the functions of the
 * job would read what is not there. */
static enum status merge(void *state, const struct reduction *reduction, struct unpack *in,
                         struct error *err)
{
    struct own *own = state;
    struct unpack ahead = *in;
    unpack_skip(&ahead);
    if (!ahead.failed) {
        arena_reset(&own->values);
        const enum status status = type_check_packed(
            reduction->own->type, in->at, (size_t)(ahead.at - in->at), &own->values, err);
        if (status != STATUS_OK) {
            error_prefix(err, "a partial value: ");
            return status;
        }
    }
    return take(own, reduction, in, err);
}

static enum status add(void *state, const struct reduction *reduction, struct unpack *in,
                       struct error *err)
{
    struct own *own = state;
    const struct reducer *reducer = reduction->own;
    struct buffer lifted = {0};
    size_t used = 0;
    mf_value value;
    if (reducer->lift == NULL) {
        return take(own, reduction, in, err);
    }
    enum status status = begin(own, reduction, err);
    if (status == STATUS_OK) {
        status =
            read_value(own, reduction, reducer->input, in->at, unpack_left(in), &used, &value, err);
    }
    if (status == STATUS_OK) {
        in->at += used;
        status = end(own, reducer->lift(own->context, &value, &own->writer->face), reducer->type,
                     "lift", err);
    }
    if (status == STATUS_OK) {
        status = take_written(own, &lifted, err);
    }
    if (status == STATUS_OK) {
        status = push(own, reduction, lifted.data, lifted.size, err);
    }
    buffer_free(&lifted);
    return status;
}

static enum status write(void *state, const struct reduction *reduction, struct buffer *out,
                         struct error *err)
{
    struct own *own = state;
    const enum status status = collapse(own, reduction, err);
    if (status != STATUS_OK) {
        return status;
    }
    return buffer_append(out, own->stack[0].bytes.data, own->stack[0].bytes.size) == STATUS_OK
               ? STATUS_OK
               : error_set(err, STATUS_NO_MEMORY, "no memory");
}

static enum status put_empty(const struct reducer *reducer, struct buffer *out, struct error *err)
{
    static const uint8_t null = 0xc0;
    const enum status status = reducer->empty != NULL
                                   ? buffer_append(out, reducer->empty, reducer->empty_size)
                                   : buffer_append(out, &null, sizeof(null));
    return status == STATUS_OK ? status : error_set(err, status, "no memory");
}

static enum status finish(void *state, const struct reduction *reduction, struct buffer *out,
                          struct error *err)
{
    struct own *own = state;
    const struct reducer *reducer = reduction->own;
    mf_value value;
    if (own->count == 0) {
        return put_empty(reducer, out, err);
    }
    if (reducer->finish == NULL) {
        return write(state, reduction, out, err);
    }
    enum status status = collapse(own, reduction, err);
    if (status == STATUS_OK) {
        status = begin(own, reduction, err);
    }
    if (status == STATUS_OK) {
        status = read_partial(own, reduction, &own->stack[0], &value, err);
    }
    if (status == STATUS_OK) {
        status = end(own, reducer->finish(own->context, &value, &own->writer->face),
                     reducer->output, "finish", err);
    }
    return status == STATUS_OK ? take_written(own, out, err) : status;
}

const struct fold_kind fold_kind_own = {.state_size = sizeof(struct own),
                                        .clear = clear,
                                        .give_up = give_up,
                                        .add = add,
                                        .merge = merge,
                                        .write = write,
                                        .finish = finish};
