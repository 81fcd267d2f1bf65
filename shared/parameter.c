#include "shared/parameter.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "shared/buffer.h"
#include "shared/decimal.h"
#include "shared/value.h"
#include "shared/value_make.h"

#define PROBABILITY_TOLERANCE 1e-6

/* ---- Distributions by name --------------------------------------------------------------------
 */

enum keys {
    KEYS_VALUE,
    KEYS_VALUES,
    KEYS_RANGE,
    KEYS_NORMAL, /* mu, sigma */
    KEYS_BETA    /* a, b */
};

struct distribution {
    const char *name;
    enum shape shape;
    enum keys keys;
    bool is_quantised;
    bool is_of_exponents; /* min and max are natural logarithms */
};

static const struct distribution distributions[] = {
    {"constant", SHAPE_CONSTANT, KEYS_VALUE, false, false},
    {"categorical", SHAPE_CATEGORICAL, KEYS_VALUES, false, false},
    {"int_uniform", SHAPE_INT_UNIFORM, KEYS_RANGE, false, false},
    {"uniform", SHAPE_UNIFORM, KEYS_RANGE, false, false},
    {"q_uniform", SHAPE_UNIFORM, KEYS_RANGE, true, false},
    {"log_uniform_values", SHAPE_LOG_UNIFORM, KEYS_RANGE, false, false},
    {"q_log_uniform_values", SHAPE_LOG_UNIFORM, KEYS_RANGE, true, false},
    {"log_uniform", SHAPE_LOG_UNIFORM, KEYS_RANGE, false, true},
    {"q_log_uniform", SHAPE_LOG_UNIFORM, KEYS_RANGE, true, true},
    {"inv_log_uniform_values", SHAPE_INV_LOG_UNIFORM, KEYS_RANGE, false, false},
    {"inv_log_uniform", SHAPE_INV_LOG_UNIFORM, KEYS_RANGE, false, true},
    {"normal", SHAPE_NORMAL, KEYS_NORMAL, false, false},
    {"q_normal", SHAPE_NORMAL, KEYS_NORMAL, true, false},
    {"log_normal", SHAPE_LOG_NORMAL, KEYS_NORMAL, false, false},
    {"q_log_normal", SHAPE_LOG_NORMAL, KEYS_NORMAL, true, false},
    {"beta", SHAPE_BETA, KEYS_BETA, false, false},
    {"q_beta", SHAPE_BETA, KEYS_BETA, true, false},
};

#define DISTRIBUTION_COUNT (sizeof(distributions) / sizeof(distributions[0]))

const char *const parameter_keys[] = {
    "value", "values", "probabilities", "distribution", "min", "max", "q", "mu", "sigma", "a", "b",
    "when",  NULL};

/* What is being read, and where a fault goes. */
struct reading {
    struct arena *arena;
    const mf_value *definition;
    const struct distribution *distribution;
    struct parameter *parameter;
    struct parameter_fault *fault;
};

static bool fail(const struct reading *reading, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool fail(const struct reading *reading, const char *key, const char *format, ...)
{
    va_list args;
    reading->fault->key = key;
    va_start(args, format);
    (void)vsnprintf(reading->fault->text, sizeof(reading->fault->text), format, args);
    va_end(args);
    return false;
}

static const mf_value *get(const struct reading *reading, const char *key)
{
    return mf_field(reading->definition, key);
}

/* ---- Texts of what was found ------------------------------------------------------------------
 */

static const char *show(const mf_value *value, char *text, size_t size)
{
    struct buffer json = {0};
    const bool is_good = value_to_json(value, &json) == STATUS_OK;
    (void)snprintf(text, size, "%.*s", is_good ? (int)(json.size < size ? json.size : size - 1) : 1,
                   is_good ? (const char *)json.data : "?");
    buffer_free(&json);
    return text;
}

#define SHOWN_SIZE 80
#define SHOW(value) show((value), (char[SHOWN_SIZE]){""}, SHOWN_SIZE)

/* ---- Which distribution -----------------------------------------------------------------------
 */

static const struct distribution *find_distribution(const char *name)
{
    for (size_t i = 0; i < DISTRIBUTION_COUNT; i++) {
        if (strcmp(distributions[i].name, name) == 0) {
            return &distributions[i];
        }
    }
    return NULL;
}

static const struct distribution *find_by_name(const struct reading *reading, const mf_value *name)
{
    char names[320] = "";
    const struct distribution *found =
        mf_kind_of(name) == MF_STR ? find_distribution(mf_str(name)) : NULL;
    for (size_t i = 0; found == NULL && i < DISTRIBUTION_COUNT; i++) {
        const size_t size = strlen(names);
        (void)snprintf(names + size, sizeof(names) - size, "%s%s", i > 0 ? " " : "",
                       distributions[i].name);
    }
    if (found == NULL) {
        (void)fail(reading, "distribution", "found %s, expected one of: %s", SHOW(name), names);
    }
    return found;
}

static bool is_int(const mf_value *value)
{
    return value != NULL && mf_kind_of(value) == MF_INT;
}

/* What the keys that are there mean where no distribution is named. */
static const struct distribution *find_by_keys(const struct reading *reading)
{
    const mf_value *min = get(reading, "min");
    const mf_value *max = get(reading, "max");
    if (get(reading, "value") != NULL) {
        return find_distribution("constant");
    }
    if (get(reading, "values") != NULL) {
        return find_distribution("categorical");
    }
    if (min != NULL && max != NULL) {
        return find_distribution(is_int(min) && is_int(max) ? "int_uniform" : "uniform");
    }
    (void)fail(reading, NULL,
               min != NULL   ? "min without max"
               : max != NULL ? "max without min"
                             : "expected value, values, or min and max (or a distribution)");
    return NULL;
}

/* ---- Which keys -------------------------------------------------------------------------------
 */

static bool is_one_of(const char *key, const char *const *keys)
{
    for (; *keys != NULL; keys++) {
        if (strcmp(key, *keys) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_allowed(const struct distribution *distribution, const char *key)
{
    static const char *const always[] = {"distribution", "when", NULL};
    static const char *const of_keys[][4] = {
        [KEYS_VALUE] = {"value"},      [KEYS_VALUES] = {"values", "probabilities"},
        [KEYS_RANGE] = {"min", "max"}, [KEYS_NORMAL] = {"mu", "sigma"},
        [KEYS_BETA] = {"a", "b"},
    };
    return is_one_of(key, always) || is_one_of(key, of_keys[distribution->keys]) ||
           (distribution->is_quantised && strcmp(key, "q") == 0);
}

static bool check_keys(const struct reading *reading)
{
    for (size_t i = 0; i < mf_count(reading->definition); i++) {
        const char *key = mf_key(reading->definition, i);
        if (!is_one_of(key, parameter_keys)) {
            return fail(reading, key, "no key of a parameter");
        }
        if (!is_allowed(reading->distribution, key)) {
            return fail(reading, key, "%s has no %s", reading->distribution->name, key);
        }
    }
    return true;
}

static const mf_value *need(const struct reading *reading, const char *key)
{
    const mf_value *value = get(reading, key);
    if (value == NULL) {
        (void)fail(reading, NULL, "%s needs %s", reading->distribution->name, key);
    }
    return value;
}

/* ---- Values -----------------------------------------------------------------------------------
 */

static bool read_constant(struct reading *reading)
{
    const mf_value *value = need(reading, "value");
    if (value == NULL) {
        return false;
    }
    reading->parameter->values = value_list_make(reading->arena, 1);
    if (mf_is_null(&reading->parameter->values)) {
        return fail(reading, NULL, "out of memory");
    }
    value_list_set(&reading->parameter->values, 0, *value);
    reading->parameter->different = reading->parameter->values;
    return true;
}

/* Do both reach a program as the same text? 1 and "1" do, 1 and 1.0 don't. */
static bool is_text_equal(const mf_value *a, const mf_value *b)
{
    char text[VALUE_FLOAT_TEXT_SIZE];
    if (mf_kind_of(a) == mf_kind_of(b) || (mf_kind_of(a) != MF_STR && mf_kind_of(b) != MF_STR)) {
        return value_is_equal(a, b);
    }
    const mf_value *str = mf_kind_of(a) == MF_STR ? a : b;
    const mf_value *other = str == a ? b : a;
    if (mf_kind_of(other) == MF_INT) {
        (void)snprintf(text, sizeof(text), "%" PRId64, mf_int(other));
    } else if (mf_kind_of(other) == MF_FLOAT) {
        (void)value_float_text(mf_float(other), text);
    } else {
        return false;
    }
    return strcmp(text, mf_str(str)) == 0;
}

/* The same for values of equal text. */
static bool hash_of(const mf_value *value, struct buffer *text, uint64_t *hash_out)
{
    buffer_clear(text);
    if (value_to_text(value, text) != STATUS_OK) {
        return false;
    }
    *hash_out = XXH3_64bits(text->data, text->size);
    return true;
}

/* Where a value of equal text stands, or would: places hold an index into the values, plus 1. */
static size_t *find_place(size_t *places, size_t mask, uint64_t hash, const mf_value *values,
                          const mf_value *value)
{
    size_t at = (size_t)hash & mask;
    while (places[at] != 0 && !is_text_equal(mf_item(values, places[at] - 1), value)) {
        at = (at + 1) & mask;
    }
    return &places[at];
}

/* False where memory ran out. */
static bool fill_different(const mf_value *values, mf_value *different, size_t *places, size_t mask)
{
    struct buffer text = {0};
    size_t count = 0;
    bool is_good = true;
    for (size_t i = 0; i < mf_count(values) && is_good; i++) {
        const mf_value *value = mf_item(values, i);
        uint64_t hash = 0;
        is_good = hash_of(value, &text, &hash);
        size_t *place = find_place(places, mask, hash, different, value);
        if (*place == 0) {
            value_list_set(different, count, *value);
            *place = ++count;
        }
    }
    value_shorten(different, count);
    buffer_free(&text);
    return is_good;
}

static bool keep_different(struct reading *reading, const mf_value *values)
{
    mf_value different = value_list_make(reading->arena, mf_count(values));
    size_t room = 2;
    while (room < 2 * (size_t)mf_count(values)) {
        room *= 2;
    }
    size_t *places = calloc(room, sizeof(*places));
    const bool is_good = !mf_is_null(&different) && places != NULL &&
                         fill_different(values, &different, places, room - 1);
    free(places);
    if (!is_good) {
        return fail(reading, NULL, "out of memory");
    }
    reading->parameter->different = different;
    return true;
}

static bool read_probabilities(struct reading *reading, const mf_value *values)
{
    const mf_value *given = get(reading, "probabilities");
    const size_t count = mf_count(values);
    if (given == NULL) {
        return true;
    }
    if (mf_kind_of(given) != MF_LIST || mf_count(given) != count) {
        return fail(reading, "probabilities", "found %s, expected a list of %zu numbers, as values",
                    SHOW(given), count);
    }
    double *up_to = arena_take(reading->arena, count * sizeof(*up_to));
    double sum = 0;
    for (size_t i = 0; up_to != NULL && i < count; i++) {
        const mf_value *item = mf_item(given, i);
        if (!value_is_number(item) || !(mf_float(item) >= 0)) {
            return fail(reading, "probabilities", "found %s, expected a number of at least 0",
                        SHOW(item));
        }
        sum += mf_float(item);
        up_to[i] = sum;
    }
    reading->parameter->up_to = up_to;
    if (up_to == NULL) {
        return fail(reading, NULL, "out of memory");
    }
    return fabs(sum - 1) <= PROBABILITY_TOLERANCE ||
           fail(reading, "probabilities", "their sum is %.9g, expected 1", sum);
}

static bool read_values(struct reading *reading)
{
    const mf_value *values = need(reading, "values");
    if (values == NULL) {
        return false;
    }
    if (mf_kind_of(values) != MF_LIST || mf_count(values) == 0) {
        return fail(reading, "values", "found %s, expected a list of at least one", SHOW(values));
    }
    reading->parameter->values = *values;
    return keep_different(reading, values) && read_probabilities(reading, values);
}

/* ---- Numbers ----------------------------------------------------------------------------------
 */

static bool read_number(const struct reading *reading, const char *key, const mf_value *value)
{
    return (value_is_number(value) && isfinite(mf_float(value))) ||
           fail(reading, key, "found %s, expected a number", SHOW(value));
}

static bool read_optional(const struct reading *reading, const char *key, double otherwise,
                          double *number_out)
{
    const mf_value *value = get(reading, key);
    *number_out = value != NULL ? mf_float(value) : otherwise;
    return value == NULL || read_number(reading, key, value);
}

static bool read_q(struct reading *reading)
{
    const mf_value *q = get(reading, "q");
    reading->parameter->q = q != NULL ? *q : value_int(1);
    return q == NULL ||
           (read_number(reading, "q", q) &&
            (mf_float(q) > 0 || fail(reading, "q", "found %s, expected more than 0", SHOW(q))));
}

/* Both logarithms in (0, 1): they were meant as the values themselves. */
static bool check_exponents(const struct reading *reading, double min, double max)
{
    const char *name = reading->distribution->name;
    if (reading->distribution->shape == SHAPE_LOG_UNIFORM && min > 0 && min < 1 && max > 0 &&
        max < 1) {
        return fail(reading, "min",
                    "min and max of %s are exponents: from %g to %g it draws from %.4g to %.4g; "
                    "%s_values takes the limits themselves",
                    name, min, max, exp(min), exp(max), name);
    }
    return (isfinite(exp(max)) && exp(min) > 0 && isfinite(exp(-min)) && exp(-max) > 0) ||
           fail(reading, "max",
                "min and max of %s are exponents, and exp(%g) to exp(%g) is no range", name, min,
                max);
}

static bool set_limits(struct reading *reading, double min, double max)
{
    struct parameter *parameter = reading->parameter;
    const struct distribution *distribution = reading->distribution;
    parameter->low = min;
    parameter->high = max;
    if (distribution->is_of_exponents) {
        const bool is_inverted = distribution->shape == SHAPE_INV_LOG_UNIFORM;
        parameter->low = exp(is_inverted ? -max : min);
        parameter->high = exp(is_inverted ? -min : max);
        return check_exponents(reading, min, max);
    }
    const bool is_log =
        distribution->shape == SHAPE_LOG_UNIFORM || distribution->shape == SHAPE_INV_LOG_UNIFORM;
    return !is_log || min > 0 ||
           fail(reading, "min", "found %s, expected more than 0 for %s", SHOW(&parameter->min),
                distribution->name);
}

static bool read_range(struct reading *reading)
{
    const mf_value *min = need(reading, "min");
    const mf_value *max = min != NULL ? need(reading, "max") : NULL;
    if (max == NULL || !read_number(reading, "min", min) || !read_number(reading, "max", max)) {
        return false;
    }
    if (reading->distribution->shape == SHAPE_INT_UNIFORM && (!is_int(min) || !is_int(max))) {
        return fail(reading, is_int(min) ? "max" : "min", "found %s, expected an integer",
                    SHOW(is_int(min) ? max : min));
    }
    const bool is_above =
        is_int(min) && is_int(max) ? mf_int(min) > mf_int(max) : mf_float(min) > mf_float(max);
    if (is_above) {
        return fail(reading, "min", "min %s is above max %s", SHOW(min), SHOW(max));
    }
    reading->parameter->min = *min;
    reading->parameter->max = *max;
    return set_limits(reading, mf_float(min), mf_float(max));
}

static bool read_normal(struct reading *reading)
{
    struct parameter *parameter = reading->parameter;
    return read_optional(reading, "mu", 0, &parameter->first) &&
           read_optional(reading, "sigma", 1, &parameter->second) &&
           (parameter->second >= 0 ||
            fail(reading, "sigma", "found %g, expected at least 0", parameter->second));
}

static bool read_beta(struct reading *reading)
{
    struct parameter *parameter = reading->parameter;
    if (!read_optional(reading, "a", 1, &parameter->first) ||
        !read_optional(reading, "b", 1, &parameter->second)) {
        return false;
    }
    parameter->high = 1;
    const bool is_a = !(parameter->first > 0);
    return (!is_a && parameter->second > 0) ||
           fail(reading, is_a ? "a" : "b", "found %g, expected more than 0",
                is_a ? parameter->first : parameter->second);
}

static bool read_shape(struct reading *reading)
{
    switch (reading->distribution->keys) {
    case KEYS_VALUE:
        return read_constant(reading);
    case KEYS_VALUES:
        return read_values(reading);
    case KEYS_RANGE:
        return read_range(reading);
    case KEYS_NORMAL:
        return read_normal(reading);
    case KEYS_BETA:
        return read_beta(reading);
    }
    return false;
}

/* ---- A definition -----------------------------------------------------------------------------
 */

static bool read_when(struct reading *reading)
{
    const mf_value *when = get(reading, "when");
    if (when == NULL) {
        return true;
    }
    if (mf_kind_of(when) != MF_STR || mf_size(when) == 0) {
        return fail(reading, "when", "found %s, expected an expression as text", SHOW(when));
    }
    reading->parameter->when = mf_str(when);
    return true;
}

/* The definition with its distribution named, and without `when`. */
static bool keep_definition(struct reading *reading)
{
    const size_t count = mf_count(reading->definition);
    mf_value kept = value_map_make(reading->arena, count + 1);
    size_t kept_count = 0;
    if (mf_is_null(&kept)) {
        return fail(reading, NULL, "out of memory");
    }
    value_map_set(&kept, kept_count++, "distribution", value_str(reading->distribution->name));
    for (size_t i = 0; i < count; i++) {
        const char *key = mf_key(reading->definition, i);
        if (strcmp(key, "when") != 0 && strcmp(key, "distribution") != 0) {
            value_map_set(&kept, kept_count++, key, *mf_item(reading->definition, i));
        }
    }
    value_shorten(&kept, kept_count);
    reading->parameter->definition = kept;
    return true;
}

static bool read_definition(struct reading *reading)
{
    const mf_value *name = get(reading, "distribution");
    const struct distribution *distribution =
        name != NULL ? find_by_name(reading, name) : find_by_keys(reading);
    if (distribution == NULL) {
        return false;
    }
    reading->distribution = distribution;
    if (!check_keys(reading)) {
        return false;
    }
    reading->parameter->distribution = distribution->name;
    reading->parameter->shape = distribution->shape;
    reading->parameter->is_quantised = distribution->is_quantised;
    return read_shape(reading) && (!distribution->is_quantised || read_q(reading)) &&
           read_when(reading) && keep_definition(reading);
}

enum status parameter_read(struct arena *arena, const mf_value *definition,
                           struct parameter *parameter, struct parameter_fault *fault)
{
    mf_value copy;
    struct reading reading = {.arena = arena, .parameter = parameter, .fault = fault};
    *fault =
        (struct parameter_fault){.text = "expected a record with value, values, or min and max"};
    if (mf_kind_of(definition) != MF_MAP) {
        return STATUS_INVALID;
    }
    const enum status status = value_copy(arena, definition, &copy);
    if (status != STATUS_OK) {
        return status;
    }
    reading.definition = &copy;
    return read_definition(&reading) ? STATUS_OK : STATUS_INVALID;
}

/* ---- What a value may be ----------------------------------------------------------------------
 */

static bool is_in_range(const struct parameter *parameter, double number)
{
    /* Rounding to multiples of q may lead half of it outside. */
    const double slack = parameter->is_quantised ? mf_float(&parameter->q) / 2 : 0;
    const double grain = 1e-9 * fmax(fabs(parameter->low), fabs(parameter->high));
    return number >= parameter->low - slack - grain && number <= parameter->high + slack + grain;
}

static bool is_among(const mf_value *values, const mf_value *value)
{
    for (size_t i = 0; i < mf_count(values); i++) {
        if (value_is_equal(mf_item(values, i), value)) {
            return true;
        }
    }
    return false;
}

static bool is_acceptable(const struct parameter *parameter, const mf_value *value)
{
    switch (parameter->shape) {
    case SHAPE_CONSTANT:
    case SHAPE_CATEGORICAL:
        return is_among(&parameter->values, value);
    case SHAPE_INT_UNIFORM:
        return is_int(value) && mf_int(value) >= mf_int(&parameter->min) &&
               mf_int(value) <= mf_int(&parameter->max);
    case SHAPE_UNIFORM:
    case SHAPE_LOG_UNIFORM:
    case SHAPE_INV_LOG_UNIFORM:
    case SHAPE_BETA:
        return value_is_number(value) && is_in_range(parameter, mf_float(value));
    case SHAPE_NORMAL:
        return value_is_number(value) && isfinite(mf_float(value));
    case SHAPE_LOG_NORMAL:
        return value_is_number(value) && isfinite(mf_float(value)) && mf_float(value) >= 0;
    }
    return false;
}

bool parameter_accepts(const struct parameter *parameter, const mf_value *value, char *text_out,
                       size_t text_size)
{
    if (is_acceptable(parameter, value)) {
        return true;
    }
    (void)snprintf(text_out, text_size, "%s: found %s, expected a value of its %s", parameter->name,
                   SHOW(value), parameter->distribution);
    return false;
}
