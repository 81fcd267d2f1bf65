#include "shared/grid.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "shared/arena.h"
#include "shared/memory.h"
#include "shared/value.h"

struct grid {
    struct arena arena; /* of the axes */
    mf_value axes;
    size_t axis_count;
    uint64_t count;
    mf_value *pairs; /* of the element given last: name, value, ... */
};

size_t grid_axis_count(const struct grid *grid)
{
    return grid->axis_count;
}

const mf_value *grid_axis_name(const struct grid *grid, size_t axis)
{
    return mf_item(mf_item(&grid->axes, axis), 0);
}

const mf_value *grid_axis_values(const struct grid *grid, size_t axis)
{
    return mf_item(mf_item(&grid->axes, axis), 1);
}

static enum status check_axis(struct grid *grid, size_t axis, struct error *err)
{
    const mf_value *item = mf_item(&grid->axes, axis);
    if (mf_kind_of(item) != MF_LIST || mf_count(item) != 2 ||
        mf_kind_of(mf_item(item, 0)) != MF_STR || mf_kind_of(mf_item(item, 1)) != MF_LIST) {
        return error_set(err, STATUS_INVALID, "a grid's axis is malformed");
    }
    const char *name = mf_str(mf_item(item, 0));
    const uint64_t value_count = mf_count(mf_item(item, 1));
    if (value_count == 0) {
        return error_set(err, STATUS_INVALID, "%s has no values", name);
    }
    for (size_t i = 0; i < axis; i++) {
        if (strcmp(mf_str(grid_axis_name(grid, i)), name) == 0) {
            return error_set(err, STATUS_INVALID, "the name %s is given twice", name);
        }
    }
    if (grid->count > FORMULA_COUNT_MAX / value_count) {
        return error_set(err, STATUS_INVALID,
                         "there are more than 2^63 - 1 combinations, which is too many");
    }
    grid->count *= value_count;
    return STATUS_OK;
}

enum status grid_open(const uint8_t *packed, size_t size, struct grid **grid_out, struct error *err)
{
    struct grid *grid = memory_take(1, sizeof(*grid));
    size_t used = 0;
    grid->count = 1;
    enum status status = value_decode(&grid->arena, packed, size, &used, &grid->axes, err);
    if (status == STATUS_OK &&
        (used != size || mf_kind_of(&grid->axes) != MF_LIST || mf_count(&grid->axes) == 0)) {
        status = error_set(err, STATUS_INVALID, "a grid is malformed");
    }
    grid->axis_count = status == STATUS_OK ? mf_count(&grid->axes) : 0;
    for (size_t i = 0; i < grid->axis_count && status == STATUS_OK; i++) {
        status = check_axis(grid, i, err);
    }
    if (status != STATUS_OK) {
        grid_close(grid);
        return status;
    }
    grid->pairs = memory_take(2 * grid->axis_count, sizeof(*grid->pairs));
    for (size_t i = 0; i < grid->axis_count; i++) {
        grid->pairs[2 * i] = *grid_axis_name(grid, i);
    }
    *grid_out = grid;
    return STATUS_OK;
}

void grid_close(struct grid *grid)
{
    if (grid != NULL) {
        arena_free(&grid->arena);
        free(grid->pairs);
        free(grid);
    }
}

uint64_t grid_count(const struct grid *grid)
{
    return grid->count;
}

mf_value grid_value(struct grid *grid, uint64_t index)
{
    for (size_t i = grid->axis_count; i > 0; i--) {
        const mf_value *values = grid_axis_values(grid, i - 1);
        const uint64_t count = mf_count(values);
        assert(count > 0);
        grid->pairs[2 * i - 1] = *mf_item(values, (size_t)(index % count));
        index /= count;
    }
    return (mf_value){.mf_private_kind = MF_MAP,
                      .mf_private_count = (uint32_t)grid->axis_count,
                      .mf_private_as = {.values = grid->pairs}};
}
