#include "shared/quantity.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define DIGITS "0123456789"
#define VALUE_MAX ((uint64_t)INT64_MAX)
#define FACTOR_MAX 1000000

struct unit {
    const char *name;
    uint64_t size;
};

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_SECOND (1000 * NS_PER_MS)
#define NS_PER_MINUTE (60 * NS_PER_SECOND)
#define NS_PER_HOUR (60 * NS_PER_MINUTE)
#define NS_PER_DAY (24 * NS_PER_HOUR)

static const struct unit time_units[] = {
    {"", NS_PER_SECOND},  {"ms", NS_PER_MS},  {"s", NS_PER_SECOND},
    {"m", NS_PER_MINUTE}, {"h", NS_PER_HOUR}, {"d", NS_PER_DAY},
};

static const struct unit size_units[] = {
    {"", 1},
    {"K", 1000},
    {"M", 1000000},
    {"G", 1000000000},
    {"T", 1000000000000},
    {"Ki", UINT64_C(1) << 10},
    {"Mi", UINT64_C(1) << 20},
    {"Gi", UINT64_C(1) << 30},
    {"Ti", UINT64_C(1) << 40},
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* ---- Reading -------------------------------------------------------------------------------- */

/* Digits with at most one point, and what stands behind them. */
struct decimal {
    const char *whole;
    size_t whole_count;
    const char *fraction;
    size_t fraction_count;
    const char *unit;
};

static bool decimal_split(const char *text, struct decimal *decimal_out)
{
    struct decimal decimal = {.whole = text, .whole_count = strspn(text, DIGITS)};
    decimal.fraction = text + decimal.whole_count;
    if (*decimal.fraction == '.') {
        decimal.fraction++;
        decimal.fraction_count = strspn(decimal.fraction, DIGITS);
    }
    decimal.unit = decimal.fraction + decimal.fraction_count;
    *decimal_out = decimal;
    return decimal.whole_count + decimal.fraction_count > 0;
}

/* False where the number has no 64 bits. */
static bool read_digits(const char *digits, size_t count, uint64_t *value_out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(digits[i] - '0'), &value)) {
            return false;
        }
    }
    *value_out = value;
    return true;
}

/* floor(0.d1 d2 ... dk x size), and whether it left a remainder. By Horner's rule from the last
 * digit, x(i) = (di x size + x(i+1)) / 10: the floor of the whole is that of the nested floors, and
 * nothing is left only where no division left anything. */
static uint64_t fraction_floor(const struct decimal *decimal, uint64_t size, bool *is_inexact_out)
{
    assert(size <= UINT64_MAX / 10);
    uint64_t value = 0;
    bool is_inexact = false;
    for (size_t i = decimal->fraction_count; i > 0; i--) {
        value += (uint64_t)(decimal->fraction[i - 1] - '0') * size;
        is_inexact = is_inexact || value % 10 != 0;
        value /= 10;
    }
    *is_inexact_out = is_inexact;
    return value;
}

enum rounding { ROUND_UP, ROUND_HALF_UP };

/* The decimal times the unit's size. False above VALUE_MAX. */
static bool decimal_scale(const struct decimal *decimal, uint64_t size, enum rounding rounding,
                          uint64_t *value_out)
{
    uint64_t whole;
    if (!read_digits(decimal->whole, decimal->whole_count, &whole) ||
        __builtin_mul_overflow(whole, size, &whole)) {
        return false;
    }
    bool is_inexact;
    uint64_t part = fraction_floor(decimal, size, &is_inexact);
    if (rounding == ROUND_UP) {
        part += is_inexact ? 1 : 0;
    } else {
        /* The floor of twice the fraction is 2 x part, or one more from half a unit on. */
        bool is_ignored;
        part += fraction_floor(decimal, 2 * size, &is_ignored) - 2 * part;
        part += whole == 0 && part == 0 && is_inexact ? 1 : 0; /* above 0 stays above 0 */
    }
    return !__builtin_add_overflow(whole, part, value_out) && *value_out <= VALUE_MAX;
}

/* With `suffix`, it may stand behind the unit, or alone. */
static const struct unit *find_unit(const struct unit *units, size_t count, const char *name,
                                    const char *suffix)
{
    for (size_t i = 0; i < count; i++) {
        const size_t size = strlen(units[i].name);
        if (strncmp(name, units[i].name, size) == 0 &&
            (name[size] == '\0' || (suffix != NULL && strcmp(name + size, suffix) == 0))) {
            return &units[i];
        }
    }
    return NULL;
}

enum status quantity_parse_time(const char *text, uint64_t *ns_out, struct error *err)
{
    struct decimal decimal;
    const struct unit *unit = NULL;
    if (decimal_split(text, &decimal)) {
        unit = find_unit(time_units, COUNT_OF(time_units), decimal.unit, NULL);
    }
    if (unit == NULL) {
        return error_set(err, STATUS_INVALID,
                         "\"%s\" is no time: expected a decimal with ms, s, m, h, d or no unit "
                         "(seconds), such as 90, 1.5s or 15m",
                         text);
    }
    uint64_t ns;
    if (!decimal_scale(&decimal, unit->size, ROUND_HALF_UP, &ns)) {
        return error_set(err, STATUS_INVALID, "%s is too long: expected at most %" PRIu64 "d", text,
                         VALUE_MAX / NS_PER_DAY);
    }
    *ns_out = ns;
    return STATUS_OK;
}

enum status quantity_parse_size(const char *text, uint64_t *bytes_out, struct error *err)
{
    struct decimal decimal;
    const struct unit *unit = NULL;
    if (decimal_split(text, &decimal)) {
        unit = find_unit(size_units, COUNT_OF(size_units), decimal.unit, "B");
    }
    if (unit == NULL) {
        return error_set(err, STATUS_INVALID,
                         "\"%s\" is no size: expected a decimal with K, M, G, T, Ki, Mi, Gi, Ti or "
                         "no unit (bytes), such as 600Mi or 1.5G",
                         text);
    }
    uint64_t bytes;
    if (!decimal_scale(&decimal, unit->size, ROUND_UP, &bytes)) {
        return error_set(err, STATUS_INVALID, "%s is too large: expected less than %" PRIu64 "Ti",
                         text, (VALUE_MAX >> 40) + 1);
    }
    *bytes_out = bytes;
    return STATUS_OK;
}

enum status quantity_parse_count(const char *text, uint64_t *count_out, struct error *err)
{
    const size_t digit_count = strspn(text, DIGITS);
    if (digit_count == 0 || text[digit_count] != '\0') {
        return error_set(err, STATUS_INVALID, "\"%s\" is no count: expected digits", text);
    }
    uint64_t count;
    if (!read_digits(text, digit_count, &count) || count > VALUE_MAX) {
        return error_set(err, STATUS_INVALID, "%s is too large: expected at most %" PRIu64, text,
                         VALUE_MAX);
    }
    *count_out = count;
    return STATUS_OK;
}

/* Nearest to the decimal, whatever the locale says of points. */
static double decimal_value(const struct decimal *decimal)
{
    double whole = 0;
    double fraction = 0;
    for (size_t i = 0; i < decimal->whole_count; i++) {
        whole = 10 * whole + (decimal->whole[i] - '0');
    }
    for (size_t i = decimal->fraction_count; i > 0; i--) {
        fraction = (fraction + (decimal->fraction[i - 1] - '0')) / 10;
    }
    return whole + fraction;
}

enum status quantity_parse_factor(const char *text, double *factor_out, struct error *err)
{
    struct decimal decimal;
    const bool is_decimal = decimal_split(text, &decimal) && *decimal.unit == '\0';
    const double factor = is_decimal ? decimal_value(&decimal) : 0;
    if (!(factor >= 1) || factor > FACTOR_MAX) {
        return error_set(err, STATUS_INVALID,
                         "\"%s\" is no factor: expected a decimal from 1 to %d, such as 2 or 1.5",
                         text, FACTOR_MAX);
    }
    *factor_out = factor;
    return STATUS_OK;
}

/* ---- Writing -------------------------------------------------------------------------------- */

/* value / size, rounded half up. */
static uint64_t divide_rounded(uint64_t value, uint64_t size)
{
    return value / size + (value % size >= size - size / 2 ? 1 : 0);
}

static uint64_t tenths_of(uint64_t value, uint64_t size)
{
    return value / size * 10 + divide_rounded(value % size * 10, size);
}

/* Three digits at most where there is a point: "1.5", "99.9", "100"; no ".0". */
static void scaled_text(uint64_t value, const struct unit *unit, char *text)
{
    const uint64_t tenths = tenths_of(value, unit->size);
    if (tenths < 1000 && tenths % 10 != 0) {
        (void)snprintf(text, QUANTITY_TEXT_SIZE, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10,
                       tenths % 10, unit->name);
    } else {
        (void)snprintf(text, QUANTITY_TEXT_SIZE, "%" PRIu64 " %s",
                       divide_rounded(value, unit->size), unit->name);
    }
}

/* "12 min 3 s": `count` smaller units, `ratio` of which make one larger. */
static void pair_text(uint64_t count, uint64_t ratio, const char *large, const char *small,
                      char *text)
{
    const int size = snprintf(text, QUANTITY_TEXT_SIZE, "%" PRIu64 " %s", count / ratio, large);
    if (count % ratio != 0) {
        (void)snprintf(text + size, QUANTITY_TEXT_SIZE - (size_t)size, " %" PRIu64 " %s",
                       count % ratio, small);
    }
}

/* Each step is taken where its rounded number still fits, so that 59.99 s reads "1 min". */
const char *quantity_time_text(uint64_t ns, char text[QUANTITY_TEXT_SIZE])
{
    static const struct unit ns_unit = {"ns", 1};
    static const struct unit us_unit = {"us", 1000};
    static const struct unit ms_unit = {"ms", NS_PER_MS};
    static const struct unit s_unit = {"s", NS_PER_SECOND};

    if (ns == 0 || (divide_rounded(ns, NS_PER_MS) >= 1000 && tenths_of(ns, NS_PER_SECOND) < 600)) {
        scaled_text(ns, &s_unit, text);
    } else if (ns < 1000) {
        scaled_text(ns, &ns_unit, text);
    } else if (divide_rounded(ns, 1000) < 1000) {
        scaled_text(ns, &us_unit, text);
    } else if (divide_rounded(ns, NS_PER_MS) < 1000) {
        scaled_text(ns, &ms_unit, text);
    } else if (divide_rounded(ns, NS_PER_SECOND) < 3600) {
        pair_text(divide_rounded(ns, NS_PER_SECOND), 60, "min", "s", text);
    } else if (divide_rounded(ns, NS_PER_MINUTE) < NS_PER_DAY / NS_PER_MINUTE) {
        pair_text(divide_rounded(ns, NS_PER_MINUTE), 60, "h", "min", text);
    } else {
        pair_text(divide_rounded(ns, NS_PER_HOUR), 24, "d", "h", text);
    }
    return text;
}

static const struct unit binary_units[] = {
    {"B", 1},
    {"KiB", UINT64_C(1) << 10},
    {"MiB", UINT64_C(1) << 20},
    {"GiB", UINT64_C(1) << 30},
    {"TiB", UINT64_C(1) << 40},
    {"PiB", UINT64_C(1) << 50},
    {"EiB", UINT64_C(1) << 60},
};

static const struct unit decimal_units[] = {
    {"kB", UINT64_C(1000)},
    {"MB", UINT64_C(1000000)},
    {"GB", UINT64_C(1000000000)},
    {"TB", UINT64_C(1000000000000)},
};

#define EXACT_COUNT_MAX 9999

static size_t digit_count(const char *text)
{
    size_t count = 0;
    for (; *text != '\0' && *text != ' '; text++) {
        count += *text != '.' ? 1 : 0;
    }
    return count;
}

/* With two decimals at most, if that is all there is to say: "200 MB", "1.25 GiB". It replaces a
 * text with more digits. */
static void exact_text(uint64_t bytes, const struct unit *unit, char *text)
{
    const uint64_t step = unit->size % 100 == 0 ? unit->size / 100 : unit->size / 4;
    const uint64_t whole = bytes / unit->size;
    char digits[32];
    if (step == 0 || whole == 0 || whole > EXACT_COUNT_MAX || bytes % step != 0) {
        return;
    }
    const uint64_t hundredths = bytes % unit->size / step * (100 / (unit->size / step));
    if (hundredths == 0) {
        (void)snprintf(digits, sizeof(digits), "%" PRIu64, whole);
    } else if (hundredths % 10 == 0) {
        (void)snprintf(digits, sizeof(digits), "%" PRIu64 ".%" PRIu64, whole, hundredths / 10);
    } else {
        (void)snprintf(digits, sizeof(digits), "%" PRIu64 ".%02" PRIu64, whole, hundredths);
    }
    if (*text == '\0' || digit_count(digits) < digit_count(text)) {
        (void)snprintf(text, QUANTITY_TEXT_SIZE, "%s %s", digits, unit->name);
    }
}

/* A limit reads as it was given, 200M as "200 MB" and 200Mi as "200 MiB": in the unit that gives it
 * exactly with the fewest digits. What is measured is hardly ever so round, and is rounded. */
const char *quantity_size_text(uint64_t bytes, char text[QUANTITY_TEXT_SIZE])
{
    size_t i = 0;
    while (i + 1 < COUNT_OF(binary_units) && divide_rounded(bytes, binary_units[i].size) >= 1024) {
        i++;
    }
    text[0] = '\0';
    if (i > 0) {
        exact_text(bytes, &binary_units[i], text);
        exact_text(bytes, &binary_units[i - 1], text);
        for (size_t j = COUNT_OF(decimal_units); j > 0; j--) {
            exact_text(bytes, &decimal_units[j - 1], text);
        }
    }
    if (text[0] == '\0') {
        scaled_text(bytes, &binary_units[i], text);
    }
    return text;
}

const char *quantity_count_text(uint64_t count, char text[QUANTITY_TEXT_SIZE])
{
    char digits[QUANTITY_TEXT_SIZE];
    const size_t digit_count = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, count);
    char *at = text;
    for (size_t i = 0; i < digit_count; i++) {
        if (i > 0 && (digit_count - i) % 3 == 0) {
            *at++ = ',';
        }
        *at++ = digits[i];
    }
    *at = '\0';
    return text;
}
