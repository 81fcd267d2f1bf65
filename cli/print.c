#include "cli/print.h"

#include <unistd.h>

#include "cli/published.h"
#include "cli/rows.h"
#include "master/outputs.h"
#include "shared/arena.h"
#include "shared/log.h"
#include "shared/value.h"

static enum status print_one(struct outputs *outputs, uint64_t index, const struct type *output,
                             const char *run_dir, struct arena *arena, struct rows *rows,
                             struct error *err)
{
    const uint8_t *data;
    size_t size;
    size_t used;
    mf_value value = value_null();
    enum status status = outputs_get(outputs, index, &data, &size, err);
    if (status == STATUS_OK && data != NULL) {
        status = value_decode(arena, data, size, &used, &value, err);
    }
    if (status == STATUS_OK) {
        status = published_resolve(output, run_dir, arena, &value, err);
    }
    return status == STATUS_OK ? rows_put_value(rows, &value, err) : status;
}

enum status print_outputs(const char *run_dir, uint64_t map, uint64_t size,
                          const struct type *output, struct error *err)
{
    struct outputs *outputs = NULL;
    struct arena arena = {0};
    struct rows rows;
    enum status status = outputs_open(run_dir, map, size, &outputs, err);
    if (status != STATUS_OK) {
        return status;
    }
    rows_start(&rows, ROWS_JSONL, STDOUT_FILENO);
    for (uint64_t index = 0; index < size && status == STATUS_OK && !rows.is_closed; index++) {
        arena_reset(&arena);
        status = print_one(outputs, index, output, run_dir, &arena, &rows, err);
    }
    const enum status finished = rows_finish(&rows, status == STATUS_OK ? err : NULL);
    outputs_close(outputs);
    arena_free(&arena);
    return status == STATUS_OK ? finished : status;
}
