#include "bench/simulate/draw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/seed.h"

#define SIGMA_DEFAULT 0.5
#define BIMODAL_FACTOR_DEFAULT 100.0
#define DRIFT_FACTOR_DEFAULT 1000.0
#define BIMODAL_LONG_SHARE 0.01
/* Sums of more instances are drawn as one. */
#define EXACT_COUNT_MAX 64
/* Quantiles nearer to the ends than this are computed, not looked up. */
#define TABLE_MARGIN (1.0 / 64)

static bool parse_parameter(const char *text, double fallback, double *value_out)
{
    char *end = NULL;
    if (*text == '\0') {
        *value_out = fallback;
        return true;
    }
    *value_out = strtod(text + 1, &end);
    return *text == ':' && end != text + 1 && *end == '\0' && *value_out > 0;
}

bool draw_parse(const char *text, struct draw *draw_out)
{
    static const struct {
        const char *name;
        enum draw_kind kind;
        double fallback;
    } kinds[] = {{"constant", DRAW_CONSTANT, 1},
                 {"lognormal", DRAW_LOGNORMAL, SIGMA_DEFAULT},
                 {"bimodal", DRAW_BIMODAL, BIMODAL_FACTOR_DEFAULT},
                 {"drift", DRAW_DRIFT, DRIFT_FACTOR_DEFAULT}};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const size_t length = strlen(kinds[i].name);
        if (strncmp(text, kinds[i].name, length) == 0) {
            draw_out->kind = kinds[i].kind;
            return parse_parameter(text + length, kinds[i].fallback, &draw_out->parameter);
        }
    }
    return false;
}

double draw_uniform(uint64_t seed, uint64_t number)
{
    return (double)(seed_of(seed, number) >> 11) * 0x1.0p-53;
}

/* The quantile of the normal distribution, to 1e-9 (Acklam's rational approximation). */
static double normal_quantile(double u)
{
    static const double a[] = {-3.969683028665376e+01, 2.209460984245205e+02,
                               -2.759285104469687e+02, 1.383577518672690e+02,
                               -3.066479806614716e+01, 2.506628277459239e+00};
    static const double b[] = {-5.447609879822406e+01, 1.615858368580409e+02,
                               -1.556989798598866e+02, 6.680131188771972e+01,
                               -1.328068155288572e+01};
    static const double c[] = {-7.784894002430293e-03, -3.223964580411365e-01,
                               -2.400758277161838e+00, -2.549732539343734e+00,
                               4.374664141464968e+00,  2.938163982698783e+00};
    static const double d[] = {7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00,
                               3.754408661907416e+00};
    const double low = 0.02425;
    if (u < low || u > 1 - low) {
        const double q = sqrt(-2 * log(u < low ? u : 1 - u));
        const double x = (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]) /
                         ((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1);
        return u < low ? x : -x;
    }
    const double q = u - 0.5;
    const double r = q * q;
    return (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q /
           (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1);
}

/* The quantile of a lognormal of mean 1. */
static double lognormal_quantile(double sigma, double u)
{
    const double inside = u < 0x1.0p-53 ? 0x1.0p-53 : u;
    return exp(sigma * normal_quantile(inside) - sigma * sigma / 2);
}

void draw_prepare(struct draw *draw)
{
    for (int i = 0; i <= DRAW_TABLE_SIZE; i++) {
        const double u = (double)i / DRAW_TABLE_SIZE;
        draw->table[i] =
            i == 0 || i == DRAW_TABLE_SIZE ? 0 : lognormal_quantile(draw->parameter, u);
    }
}

static double lognormal(const struct draw *draw, double u)
{
    if (u < TABLE_MARGIN || u > 1 - TABLE_MARGIN) {
        return lognormal_quantile(draw->parameter, u);
    }
    const double at = u * DRAW_TABLE_SIZE;
    const int below = (int)at;
    return draw->table[below] + (at - below) * (draw->table[below + 1] - draw->table[below]);
}

static double drift(const struct draw *draw, double at)
{
    const double size = draw->size > 1 ? (double)draw->size : 1;
    return pow(draw->parameter, at / size - 0.5);
}

static double bimodal(const struct draw *draw, double u)
{
    const double mean = 1 + BIMODAL_LONG_SHARE * (draw->parameter - 1);
    return (u < BIMODAL_LONG_SHARE ? draw->parameter : 1) / mean;
}

static double factor_of(const struct draw *draw, uint64_t index)
{
    switch (draw->kind) {
    case DRAW_CONSTANT:
        return 1;
    case DRAW_LOGNORMAL:
        return lognormal(draw, draw_uniform(draw->seed, index));
    case DRAW_BIMODAL:
        return bimodal(draw, draw_uniform(draw->seed, index));
    case DRAW_DRIFT:
        return drift(draw, (double)index);
    }
    return 1;
}

double draw_ns(const struct draw *draw, uint64_t index)
{
    if (draw->straggler_ns > 0 && index == draw->straggler_at) {
        return (double)draw->straggler_ns;
    }
    const double ns = draw->mean_ns * factor_of(draw, index);
    return ns < 1 ? 1 : ns;
}

/* Mean and variance of one factor, around the middle of the range. */
static void moments(const struct draw *draw, double middle, double *mean_out, double *variance_out)
{
    const double p = BIMODAL_LONG_SHARE;
    const double difference = bimodal(draw, 0) - bimodal(draw, 0.5);
    *mean_out = draw->kind == DRAW_DRIFT ? drift(draw, middle) : 1;
    *variance_out = draw->kind == DRAW_LOGNORMAL ? expm1(draw->parameter * draw->parameter)
                    : draw->kind == DRAW_BIMODAL ? p * (1 - p) * difference * difference
                                                 : 0;
}

double draw_sum_ns(const struct draw *draw, uint64_t start, uint64_t count)
{
    const bool has_straggler = draw->straggler_ns > 0 && draw->straggler_at - start < count;
    if (count <= EXACT_COUNT_MAX || has_straggler) {
        double sum_ns = 0;
        for (uint64_t i = 0; i < count; i++) {
            sum_ns += draw_ns(draw, start + i);
        }
        return sum_ns;
    }
    double mean;
    double variance;
    moments(draw, (double)start + (double)count / 2, &mean, &variance);
    const double sigma = sqrt(log1p(variance / (mean * mean * (double)count)));
    const double u = draw_uniform(draw->seed, start);
    const double sum_ns =
        draw->mean_ns * mean * (double)count * (variance > 0 ? lognormal_quantile(sigma, u) : 1);
    return sum_ns < 1 ? 1 : sum_ns;
}
