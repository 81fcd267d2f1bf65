#include "settings.h"

#include <stdio.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define NUMBER_SIZE 32

struct limits {
    const char *name;
    double min;
    double max;
    bool is_open;    /* min itself is not allowed */
    bool is_ours;    /* no parameter of XGBoost */
    const char *say; /* what is expected */
};

static const struct limits limits[] = {
    {"folds", 2, 50, false, true, "an integer from 2 to 50"},
    {"split", 0, 0x1p62, false, true, "an integer from 0"},
    {"rounds", 1, 10000, false, true, "an integer from 1 to 10000"},
    {"eta", 0, 1, true, false, "a number above 0, at most 1"},
    {"max_depth", 1, 20, false, false, "an integer from 1 to 20"},
    {"max_leaves", 0, 4096, false, false, "an integer from 0 (no bound) to 4096"},
    {"min_child_weight", 0, 1e6, false, false, "a number from 0 to 1000000"},
    {"subsample", 0, 1, true, false, "a number above 0, at most 1"},
    {"colsample_bytree", 0, 1, true, false, "a number above 0, at most 1"},
    {"lambda", 0, 1e6, false, false, "a number from 0 to 1000000"},
    {"alpha", 0, 1e6, false, false, "a number from 0 to 1000000"},
    {"gamma", 0, 1e6, false, false, "a number from 0 to 1000000"},
};

static mf_status check_limits(mf_context *ctx, const mf_value *input)
{
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        const mf_value *value = mf_field(input, limits[i].name);
        if (value == NULL) {
            continue;
        }
        const double number = mf_float(value);
        const bool is_low =
            limits[i].is_open ? !(number > limits[i].min) : !(number >= limits[i].min);
        if (is_low || number > limits[i].max) {
            return mf_fail_permanently(ctx, "%s: found %s, expected %s", limits[i].name,
                                       mf_json(ctx, value, NULL), limits[i].say);
        }
    }
    return MF_OK;
}

/* Gives TABLE_COUNT where there is none of that name. */
static enum table_id read_table(const mf_value *input)
{
    const mf_value *value = mf_field(input, "table");
    if (value == NULL) {
        return TABLE_DIGITS;
    }
    enum table_id id = 0;
    while (id < TABLE_COUNT && strcmp(mf_str(value), table_name(id)) != 0) {
        id++;
    }
    return id;
}

static bool has_known_policy(const mf_value *input)
{
    const mf_value *value = mf_field(input, "grow_policy");
    return value == NULL || strcmp(mf_str(value), "depthwise") == 0 ||
           strcmp(mf_str(value), "lossguide") == 0;
}

static int64_t read_int(const mf_value *input, const char *field, int64_t fallback)
{
    const mf_value *value = mf_field(input, field);
    return value != NULL ? mf_int(value) : fallback;
}

mf_status settings_read(mf_context *ctx, const mf_value *input, struct settings *settings_out)
{
    const enum table_id table = read_table(input);
    if (table == TABLE_COUNT) {
        return mf_fail_permanently(ctx, "table: found %s, expected breast_cancer, digits or wine",
                                   mf_json(ctx, mf_field(input, "table"), NULL));
    }
    if (!has_known_policy(input)) {
        return mf_fail_permanently(ctx, "grow_policy: found %s, expected depthwise or lossguide",
                                   mf_json(ctx, mf_field(input, "grow_policy"), NULL));
    }
    const mf_status status = check_limits(ctx, input);
    if (status != MF_OK) {
        return status;
    }
    *settings_out = (struct settings){
        .table = table,
        .fold_count = (size_t)read_int(input, "folds", 3),
        .split = (uint64_t)read_int(input, "split", 0),
        .round_count = (int)read_int(input, "rounds", 30),
    };
    return MF_OK;
}

int settings_each(const mf_value *input, settings_set *set, void *object)
{
    const mf_value *policy = mf_field(input, "grow_policy");
    int found = policy != NULL ? set(object, "grow_policy", mf_str(policy)) : 0;
    for (size_t i = 0; i < COUNT_OF(limits) && found == 0; i++) {
        const mf_value *value = mf_field(input, limits[i].name);
        char text[NUMBER_SIZE];
        if (value == NULL || limits[i].is_ours) {
            continue;
        }
        (void)snprintf(text, sizeof(text), "%.17g", mf_float(value));
        found = set(object, limits[i].name, text);
    }
    return found;
}
