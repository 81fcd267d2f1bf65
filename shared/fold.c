#include "shared/fold.h"

#include <stdlib.h>

#include "shared/fold_private.h"
#include "shared/memory.h"

struct fold {
    const struct reduction *reduction;
    const struct fold_kind *kind;
    void *state;
};

static const struct fold_kind *const kinds[] = {
    [REDUCTION_OWN] = &fold_kind_own,
    [REDUCTION_SUM] = &fold_kind_sum,
    [REDUCTION_COUNT] = &fold_kind_count,
    [REDUCTION_MIN] = &fold_kind_best,
    [REDUCTION_MAX] = &fold_kind_best,
    [REDUCTION_MEAN] = &fold_kind_mean,
    [REDUCTION_TOP_K] = &fold_kind_top_k,
    [REDUCTION_CONCAT] = &fold_kind_concat,
    [REDUCTION_HISTOGRAM] = &fold_kind_histogram,
};

enum status fold_create(const struct reduction *reduction, struct fold **fold_out,
                        struct error *err)
{
    struct fold *fold = calloc(1, sizeof(*fold));
    const struct fold_kind *kind = kinds[reduction->kind];
    if (fold != NULL) {
        fold->state = calloc(1, kind->state_size);
    }
    if (fold == NULL || fold->state == NULL) {
        free(fold);
        return error_set(err, STATUS_NO_MEMORY, "no memory for reducer %s", reduction->name);
    }
    fold->reduction = reduction;
    fold->kind = kind;
    *fold_out = fold;
    return STATUS_OK;
}

void fold_destroy(struct fold *fold)
{
    if (fold == NULL) {
        return;
    }
    if (fold->kind->give_up != NULL) {
        fold->kind->give_up(fold->state);
    } else {
        fold->kind->clear(fold->state);
    }
    free(fold->state);
    free(fold);
}

void fold_clear(struct fold *fold)
{
    fold->kind->clear(fold->state);
}

static enum status name_it(const struct fold *fold, enum status status, struct error *err)
{
    if (status != STATUS_OK) {
        error_prefix(err, "reducer %s: ", fold->reduction->name);
    }
    return status;
}

static enum status after(const struct unpack *in, enum status status, const char *what,
                         struct error *err)
{
    return status == STATUS_OK && in->failed
               ? error_set(err, STATUS_INVALID, "%s is damaged, or of another type", what)
               : status;
}

enum status fold_add(struct fold *fold, const uint8_t *data, size_t size, uint64_t count,
                     size_t *used_out, struct error *err)
{
    struct unpack in = unpack_start(data, size);
    const uint8_t *start = in.at; /* which may be another where there is nothing */
    enum status status = STATUS_OK;
    for (uint64_t i = 0; i < count && status == STATUS_OK; i++) {
        status = fold->kind->add(fold->state, fold->reduction, &in, err);
        status = after(&in, status, "a value", err);
    }
    *used_out = (size_t)(in.at - start);
    return name_it(fold, status, err);
}

enum status fold_merge(struct fold *fold, const uint8_t *data, size_t size, size_t *used_out,
                       struct error *err)
{
    struct unpack in = unpack_start(data, size);
    const uint8_t *start = in.at; /* which may be another where there is nothing */
    enum status status = fold->kind->merge(fold->state, fold->reduction, &in, err);
    status = after(&in, status, "a partial value", err);
    *used_out = (size_t)(in.at - start);
    return name_it(fold, status, err);
}

enum status fold_write(struct fold *fold, struct buffer *out, struct error *err)
{
    return name_it(fold, fold->kind->write(fold->state, fold->reduction, out, err), err);
}

enum status fold_finish(struct fold *fold, struct buffer *out, struct error *err)
{
    return name_it(fold, fold->kind->finish(fold->state, fold->reduction, out, err), err);
}
