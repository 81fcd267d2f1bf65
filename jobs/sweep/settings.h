/* settings.h - what one configuration says: the table, the folds, and XGBoost's own parameters. */
#ifndef SWEEP_SETTINGS_H
#define SWEEP_SETTINGS_H

#include <mapfleet.h>

#include "table.h"

/* The names of XGBoost's parameters are XGBoost's. */
#define SETTINGS_TYPE                                                                              \
    "{table?: str, folds?: int, split?: int, rounds?: int, eta?: float, max_depth?: int, "         \
    "max_leaves?: int, grow_policy?: str, min_child_weight?: float, subsample?: float, "           \
    "colsample_bytree?: float, lambda?: float, alpha?: float, gamma?: float}"

struct settings {
    enum table_id table;
    size_t fold_count;
    uint64_t split; /* the seed of the folds */
    int round_count;
};

/* Fills it, and checks every field of `input` against its limits. What is out of them fails the
 * attempt for good. */
mf_status settings_read(mf_context *ctx, const mf_value *input, struct settings *settings_out);

/* Gives each of XGBoost's own parameters that `input` has to `set`, as text, in a fixed order. Ends
 * at the first for which that gives something else than 0, and gives that. */
typedef int settings_set(void *object, const char *name, const char *value);
int settings_each(const mf_value *input, settings_set *set, void *object);

#endif
