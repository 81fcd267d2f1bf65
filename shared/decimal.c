#include "shared/decimal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/value.h"

__extension__ typedef __int128 wide;

#define POWER_MAX 37 /* 10^37 fits in 127 bits */

/* digits * 10^exponent */
struct decimal {
    wide digits;
    int exponent;
};

static bool scale_up(struct decimal *decimal, int exponent)
{
    const int count = decimal->exponent - exponent;
    if (count > POWER_MAX) {
        return decimal->digits == 0;
    }
    for (int i = 0; i < count; i++) {
        if (__builtin_mul_overflow(decimal->digits, 10, &decimal->digits)) {
            return false;
        }
    }
    decimal->exponent = exponent;
    return true;
}

static struct decimal from_int(int64_t integer)
{
    return (struct decimal){.digits = integer};
}

/* The text is value_float_text()'s: at most 17 digits, so that they fit. */
static struct decimal from_float(double real)
{
    char text[VALUE_FLOAT_TEXT_SIZE];
    struct decimal decimal = {.digits = 0};
    bool is_behind_point = false;
    (void)value_float_text(real, text);
    const char *at = text[0] == '-' ? text + 1 : text;
    for (; *at != '\0' && *at != 'e'; at++) {
        if (*at == '.') {
            is_behind_point = true;
        } else {
            decimal.digits = decimal.digits * 10 + (*at - '0');
            decimal.exponent -= is_behind_point ? 1 : 0;
        }
    }
    if (*at == 'e') {
        decimal.exponent += (int)strtol(at + 1, NULL, 10);
    }
    decimal.digits = text[0] == '-' ? -decimal.digits : decimal.digits;
    return decimal;
}

static struct decimal from_value(const mf_value *value)
{
    return mf_kind_of(value) == MF_INT ? from_int(mf_int(value)) : from_float(mf_float(value));
}

/* By way of text without a point, which no locale reads otherwise. */
static double to_float(struct decimal decimal)
{
    char text[64];
    char *at = text + sizeof(text) - 16;
    const bool is_negative = decimal.digits < 0;
    (void)snprintf(at, 16, "e%d", decimal.exponent);
    do {
        const int digit = (int)(decimal.digits % 10);
        *--at = (char)('0' + (is_negative ? -digit : digit));
        decimal.digits /= 10;
    } while (decimal.digits != 0);
    if (is_negative) {
        *--at = '-';
    }
    return strtod(at, NULL);
}

static bool align(struct decimal *a, struct decimal *b)
{
    const int exponent = a->exponent < b->exponent ? a->exponent : b->exponent;
    return scale_up(a, exponent) && scale_up(b, exponent);
}

/* a + k * b */
static bool add_multiple(struct decimal a, struct decimal b, wide k, struct decimal *sum_out)
{
    if (!align(&a, &b) || __builtin_mul_overflow(b.digits, k, &b.digits) ||
        __builtin_add_overflow(a.digits, b.digits, &a.digits)) {
        return false;
    }
    *sum_out = a;
    return true;
}

mf_value decimal_step(const mf_value *start, const mf_value *step, uint64_t i)
{
    struct decimal sum;
    const bool is_exact = add_multiple(from_value(start), from_value(step), (wide)i, &sum);
    if (!is_exact) {
        return value_float(mf_float(start) + (double)i * mf_float(step));
    }
    if (mf_kind_of(start) == MF_INT && mf_kind_of(step) == MF_INT && sum.digits >= INT64_MIN &&
        sum.digits <= INT64_MAX) {
        return value_int((int64_t)sum.digits);
    }
    return value_float(to_float(sum));
}

static mf_value int_multiple(int64_t step, double k)
{
    int64_t product = 0;
    if (fabs(k) < 0x1p62 && !__builtin_mul_overflow(step, (int64_t)k, &product)) {
        return value_int(product);
    }
    return value_int((k < 0) == (step < 0) ? INT64_MAX : INT64_MIN);
}

mf_value decimal_multiple(const mf_value *step, double k)
{
    struct decimal product;
    if (mf_kind_of(step) == MF_INT) {
        return int_multiple(mf_int(step), k);
    }
    if (fabs(k) < 0x1p62 &&
        add_multiple(from_int(0), from_value(step), (wide)(int64_t)k, &product)) {
        return value_float(to_float(product));
    }
    return value_float(k * mf_float(step));
}

bool decimal_step_count(const mf_value *start, const mf_value *end, const mf_value *step,
                        uint64_t *count_out)
{
    struct decimal from = from_value(start);
    struct decimal distance;
    struct decimal stride = from_value(step);
    *count_out = 0;
    if (mf_float(start) >= mf_float(end)) {
        return true;
    }
    if (!add_multiple(from_value(end), from, -1, &distance) || !align(&distance, &stride) ||
        stride.digits <= 0) {
        return false;
    }
    const wide count = (distance.digits - 1) / stride.digits + 1;
    *count_out = (uint64_t)count;
    return count <= INT64_MAX;
}
