#include "shared/exact_sum.h"

#include <math.h>
#include <string.h>

__extension__ typedef unsigned __int128 wide;

#define DIGIT_BITS 32
#define DIGIT_MASK INT64_C(0xffffffff)
#define MANTISSA_BITS 52
#define EXPONENT_MASK 0x7ffu
#define LOWEST_EXPONENT (-1074)
/* Each addition makes a digit's magnitude larger by less than 2^32. */
#define PENDING_MAX (UINT32_C(1) << 29)

/* Digits are in [0, 2^32) afterwards, but for the last one, which has the sign. */
static void carry(struct exact_sum *sum)
{
    for (unsigned i = 0; i + 1 < EXACT_SUM_DIGITS; i++) {
        const int64_t over = sum->digits[i] >> DIGIT_BITS;
        sum->digits[i] &= DIGIT_MASK;
        sum->digits[i + 1] += over;
    }
    sum->pending = 0;
}

static void add_special(struct exact_sum *sum, double term)
{
    sum->has_nan = sum->has_nan || isnan(term);
    sum->has_plus = sum->has_plus || (isinf(term) && term > 0);
    sum->has_minus = sum->has_minus || (isinf(term) && term < 0);
}

void exact_sum_add(struct exact_sum *sum, double term)
{
    uint64_t bits;
    memcpy(&bits, &term, sizeof(bits));
    const unsigned exponent = (unsigned)(bits >> MANTISSA_BITS) & EXPONENT_MASK;
    uint64_t mantissa = bits & ((UINT64_C(1) << MANTISSA_BITS) - 1);
    if (exponent == EXPONENT_MASK) {
        add_special(sum, term);
        return;
    }
    mantissa |= exponent > 0 ? UINT64_C(1) << MANTISSA_BITS : 0;
    const unsigned shift = exponent > 0 ? exponent - 1 : 0;
    const wide shifted = (wide)mantissa << (shift % DIGIT_BITS);
    const int64_t sign = bits >> 63 != 0 ? -1 : 1;
    int64_t *digits = &sum->digits[shift / DIGIT_BITS];
    digits[0] += sign * ((int64_t)shifted & DIGIT_MASK);
    digits[1] += sign * ((int64_t)(shifted >> DIGIT_BITS) & DIGIT_MASK);
    digits[2] += sign * (int64_t)(shifted >> (2 * DIGIT_BITS));
    if (++sum->pending == PENDING_MAX) {
        carry(sum);
    }
}

void exact_sum_merge(struct exact_sum *sum, const struct exact_sum *other)
{
    struct exact_sum carried = *other;
    carry(&carried);
    carry(sum);
    for (unsigned i = 0; i < EXACT_SUM_DIGITS; i++) {
        sum->digits[i] += carried.digits[i];
    }
    carry(sum);
    sum->has_nan = sum->has_nan || other->has_nan;
    sum->has_plus = sum->has_plus || other->has_plus;
    sum->has_minus = sum->has_minus || other->has_minus;
}

/* Its magnitude, carried; true where it is negative. */
static bool magnitude(const struct exact_sum *sum, struct exact_sum *out)
{
    *out = *sum;
    carry(out);
    const bool is_negative = out->digits[EXACT_SUM_DIGITS - 1] < 0;
    if (is_negative) {
        for (unsigned i = 0; i < EXACT_SUM_DIGITS; i++) {
            out->digits[i] = -out->digits[i];
        }
        carry(out);
    }
    return is_negative;
}

/* Is any bit below bit number `end` set? */
static bool is_any_below(const struct exact_sum *sum, unsigned end)
{
    for (unsigned i = 0; i < end / DIGIT_BITS; i++) {
        if (sum->digits[i] != 0) {
            return true;
        }
    }
    const int64_t mask = (INT64_C(1) << (end % DIGIT_BITS)) - 1;
    return (sum->digits[end / DIGIT_BITS] & mask) != 0;
}

/* The 53 bits of a magnitude from bit number `low` on. */
static uint64_t bits_from(const struct exact_sum *sum, unsigned low)
{
    wide bits = 0;
    for (unsigned i = 0; i < 3 && low / DIGIT_BITS + i < EXACT_SUM_DIGITS; i++) {
        bits |= (wide)(uint64_t)sum->digits[low / DIGIT_BITS + i] << (i * DIGIT_BITS);
    }
    return (uint64_t)(bits >> (low % DIGIT_BITS)) & ((UINT64_C(1) << (MANTISSA_BITS + 1)) - 1);
}

/* A magnitude as mantissa x 2^exponent, rounded to 53 bits. */
static double round_to_53(const struct exact_sum *sum, int *exponent_out)
{
    unsigned top = EXACT_SUM_DIGITS - 1;
    while (top > 0 && sum->digits[top] == 0) {
        top--;
    }
    *exponent_out = LOWEST_EXPONENT;
    if (sum->digits[top] == 0) {
        return 0;
    }
    const unsigned top_bit =
        top * DIGIT_BITS + 63u - (unsigned)__builtin_clzll((uint64_t)sum->digits[top]);
    const unsigned low = top_bit > MANTISSA_BITS ? top_bit - MANTISSA_BITS : 0;
    uint64_t mantissa = bits_from(sum, low);
    if (low > 0) {
        const bool is_half = (bits_from(sum, low - 1) & 1) != 0;
        const bool is_more = is_any_below(sum, low - 1);
        mantissa += is_half && (is_more || (mantissa & 1) != 0) ? 1 : 0;
    }
    *exponent_out += (int)low;
    return (double)mantissa;
}

static bool is_special(const struct exact_sum *sum, double *value_out)
{
    if (sum->has_nan || (sum->has_plus && sum->has_minus)) {
        *value_out = (double)NAN;
        return true;
    }
    *value_out = sum->has_plus ? (double)INFINITY : -(double)INFINITY;
    return sum->has_plus || sum->has_minus;
}

double exact_sum_mean(const struct exact_sum *sum, uint64_t count)
{
    struct exact_sum absolute;
    double special;
    int exponent;
    if (is_special(sum, &special)) {
        return special;
    }
    const bool is_negative = magnitude(sum, &absolute);
    const double mantissa = round_to_53(&absolute, &exponent);
    const double value = ldexp(count == 1 ? mantissa : mantissa / (double)count, exponent);
    return is_negative ? -value : value;
}

double exact_sum_value(const struct exact_sum *sum)
{
    return exact_sum_mean(sum, 1);
}

/* [flags, number of the lowest digit, [digits, the lowest first]], of the magnitude. */
enum { ITEMS = 3, FLAG_NEGATIVE = 1, FLAG_NAN = 2, FLAG_PLUS = 4, FLAG_MINUS = 8, FLAG_MAX = 15 };

void exact_sum_pack(const struct exact_sum *sum, struct pack *out)
{
    struct exact_sum absolute;
    const bool is_negative = magnitude(sum, &absolute);
    unsigned low = 0;
    unsigned end = EXACT_SUM_DIGITS;
    while (low < end && absolute.digits[low] == 0) {
        low++;
    }
    while (end > low && absolute.digits[end - 1] == 0) {
        end--;
    }
    pack_array(out, ITEMS);
    pack_uint(out, (is_negative ? FLAG_NEGATIVE : 0u) | (sum->has_nan ? FLAG_NAN : 0u) |
                       (sum->has_plus ? FLAG_PLUS : 0u) | (sum->has_minus ? FLAG_MINUS : 0u));
    pack_uint(out, low);
    pack_array(out, end - low);
    for (unsigned i = low; i < end; i++) {
        pack_uint(out, (uint64_t)absolute.digits[i]);
    }
}

void exact_sum_unpack(struct unpack *in, struct exact_sum *sum_out)
{
    *sum_out = (struct exact_sum){.pending = 0};
    unpack_array_of(in, ITEMS);
    const uint64_t flags = unpack_uint_max(in, FLAG_MAX);
    const uint64_t low = unpack_uint_max(in, EXACT_SUM_DIGITS);
    const uint32_t count = unpack_array(in);
    if (count > EXACT_SUM_DIGITS - low) {
        unpack_fail(in);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        const int64_t digit = (int64_t)unpack_uint_max(in, (uint64_t)DIGIT_MASK);
        sum_out->digits[low + i] = (flags & FLAG_NEGATIVE) != 0 ? -digit : digit;
    }
    sum_out->has_nan = (flags & FLAG_NAN) != 0;
    sum_out->has_plus = (flags & FLAG_PLUS) != 0;
    sum_out->has_minus = (flags & FLAG_MINUS) != 0;
}
