#include "shared/criterion.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

/* Digits with at most one point, at least one digit. */
static bool is_decimal(const char *text)
{
    unsigned digits = 0;
    unsigned points = 0;
    for (; *text != '\0'; text++) {
        if (*text == '.') {
            points++;
        } else if (*text >= '0' && *text <= '9') {
            digits++;
        } else {
            return false;
        }
    }
    return digits > 0 && points <= 1;
}

static const char *fraction_of(const char *text)
{
    const char *point = strchr(text, '.');
    return point == NULL ? "" : point + 1;
}

static bool is_all_zeros(const char *text)
{
    return text[strspn(text, "0")] == '\0';
}

/* The digits before the point are 0 or 1: gives which, or 2 for anything larger. */
static unsigned whole_part(const char *text)
{
    const char *digit = text + strspn(text, "0");
    if (*digit == '\0' || *digit == '.') {
        return 0;
    }
    return *digit == '1' && (digit[1] == '\0' || digit[1] == '.') ? 1 : 2;
}

enum status criterion_parse_ratio(const char *text, struct criterion *criterion_out,
                                  struct error *err)
{
    if (!is_decimal(text)) {
        return error_set(err, STATUS_INVALID, "\"%s\" is no ratio: expected a decimal from 0 to 1",
                         text);
    }
    const unsigned whole = whole_part(text);
    if (whole > 1 || (whole == 1 && !is_all_zeros(fraction_of(text)))) {
        return error_set(err, STATUS_INVALID, "ratio %s is outside [0, 1]", text);
    }
    if (strlen(text) >= CRITERION_RATIO_TEXT_SIZE) {
        return error_set(err, STATUS_INVALID, "ratio %s has more than %d characters", text,
                         CRITERION_RATIO_TEXT_SIZE - 1);
    }
    *criterion_out = (struct criterion){.kind = CRITERION_MIN_RATIO};
    memcpy(criterion_out->ratio, text, strlen(text) + 1);
    return STATUS_OK;
}

/* ceil(0.d1 d2 ... dk x size), by Horner's rule from the last digit:
 *     x(k+1) = 0,  x(i) = (di x size + x(i+1)) / 10,  result x(1).
 * Each division keeps its floor, and whether any of them left a remainder; the floor of the whole
 * is the floor of the nested floors, and the ceiling is one more if anything was ever left.
 * Sums stay below 10 x 2^64, well within 128 bits. */
static uint64_t fraction_ceiling(const char *digits, uint64_t size)
{
    __extension__ unsigned __int128 sum = 0;
    bool is_remainder = false;
    for (size_t i = strlen(digits); i > 0; i--) {
        __extension__ const unsigned __int128 product =
            (unsigned __int128)size * (unsigned)(digits[i - 1] - '0');
        sum += product;
        is_remainder = is_remainder || sum % 10 != 0;
        sum /= 10;
    }
    return (uint64_t)sum + (is_remainder ? 1 : 0);
}

enum status criterion_minimum(const struct criterion *criterion, uint64_t size,
                              uint64_t *minimum_out, struct error *err)
{
    switch (criterion->kind) {
    case CRITERION_ALL:
        *minimum_out = size;
        return STATUS_OK;
    case CRITERION_MIN_RATIO:
        *minimum_out = whole_part(criterion->ratio) == 1
                           ? size
                           : fraction_ceiling(fraction_of(criterion->ratio), size);
        return STATUS_OK;
    case CRITERION_MIN_SUCCESSES:
        if (criterion->count > size) {
            return error_set(err, STATUS_INVALID,
                             "--min-successes %" PRIu64 " of a map of %" PRIu64 " instances",
                             criterion->count, size);
        }
        *minimum_out = criterion->count;
        return STATUS_OK;
    case CRITERION_MAX_FAILURES:
        *minimum_out = criterion->count < size ? size - criterion->count : 0;
        return STATUS_OK;
    }
    assert(false);
    return STATUS_INVALID;
}
