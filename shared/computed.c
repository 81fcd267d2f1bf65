#include "shared/computed.h"

#include <inttypes.h>
#include <stdlib.h>

#include "shared/arena.h"
#include "shared/grid.h"
#include "shared/trials_form.h"

/* A grid, or trials. */
struct computed {
    uint64_t count;
    struct grid *grid;
    struct trials_form form;
    struct trials *trials;
    const struct type *type;
    const char *launch_dir;
    struct arena arena; /* of the trial that was given last */
};

static enum status open_trials(struct computed *computed, const struct formula *formula,
                               struct error *err)
{
    enum status status =
        trials_form_read(formula->packed, formula->packed_size, &computed->form, err);
    if (status == STATUS_OK) {
        status =
            trials_create(computed->form.space, computed->form.options, &computed->trials, err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    const uint64_t count = trials_count(computed->trials);
    return formula->count / computed->form.repeats == count &&
                   formula->count % computed->form.repeats == 0
               ? STATUS_OK
               : error_set(err, STATUS_INVALID,
                           "there are %" PRIu64 " trials, %" PRIu64 " times each, and not %" PRIu64,
                           count, computed->form.repeats, formula->count);
}

static enum status open_grid(struct computed *computed, const struct formula *formula,
                             struct error *err)
{
    const enum status status =
        grid_open(formula->packed, formula->packed_size, &computed->grid, err);
    if (status != STATUS_OK) {
        return status;
    }
    return grid_count(computed->grid) == formula->count
               ? STATUS_OK
               : error_set(err, STATUS_INVALID, "a grid of %" PRIu64 " points, and not %" PRIu64,
                           grid_count(computed->grid), formula->count);
}

enum status computed_open(const struct formula *formula, const struct type *type,
                          const char *launch_dir, struct computed **computed_out, struct error *err)
{
    *computed_out = NULL;
    if (!formula_is_packed(formula)) {
        return STATUS_OK;
    }
    struct computed *computed = calloc(1, sizeof(*computed));
    if (computed == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for inputs that are computed");
    }
    computed->count = formula->count;
    computed->type = type;
    computed->launch_dir = launch_dir;
    const enum status status = formula->kind == FORMULA_GRID ? open_grid(computed, formula, err)
                                                             : open_trials(computed, formula, err);
    if (status != STATUS_OK) {
        computed_close(computed);
        return status;
    }
    *computed_out = computed;
    return STATUS_OK;
}

void computed_close(struct computed *computed)
{
    if (computed != NULL) {
        grid_close(computed->grid);
        trials_destroy(computed->trials);
        trials_form_free(&computed->form);
        arena_free(&computed->arena);
        free(computed);
    }
}

const char *computed_expression_error(const struct computed *computed)
{
    return computed != NULL && computed->trials != NULL ? trials_expression_error(computed->trials)
                                                        : NULL;
}

static enum status trial(struct computed *computed, uint64_t index, mf_value *value_out,
                         struct error *err)
{
    const struct type_conversion conversion = {.origin = TYPE_ORIGIN_DATA,
                                               .base_dir = computed->launch_dir};
    mf_value record;
    arena_reset(&computed->arena);
    const enum status status = trials_record(computed->trials, index / computed->form.repeats,
                                             &computed->arena, &record, err);
    if (status != STATUS_OK) {
        return status;
    }
    return type_convert(computed->type, &record, &conversion, &computed->arena, value_out, err);
}

enum status computed_element(struct computed *computed, uint64_t index, mf_value *value_out,
                             struct error *err)
{
    if (index >= computed->count) {
        return error_set(err, STATUS_INVALID, "there is no input %" PRIu64, index);
    }
    if (computed->grid != NULL) {
        *value_out = grid_value(computed->grid, index);
        return STATUS_OK;
    }
    return trial(computed, index, value_out, err);
}
