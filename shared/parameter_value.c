/* The values of parameters: at a point of their distribution, and in a grid. */
#include "shared/parameter.h"

#include <assert.h>
#include <float.h>
#include <gsl/gsl_cdf.h>
#include <math.h>

#include "shared/decimal.h"
#include "shared/value.h"

__extension__ typedef unsigned __int128 uwide;

/* Below it floats are exact as integers. */
#define INTEGERS_END 0x1p53

/* ---- At a point -------------------------------------------------------------------------------
 */

/* Below 1. */
static double fraction(uint64_t bits)
{
    return (double)(bits >> 11) * 0x1p-53;
}

/* Which of `count` levels: each has the same share of the 2^64 points, to within one. */
static uint64_t level(uint64_t bits, uint64_t count)
{
    return (uint64_t)(((uwide)bits * count) >> 64);
}

static double clamp(double x, double low, double high)
{
    return x < low ? low : (x > high ? high : x);
}

static double between(double u, double low, double high)
{
    return clamp(low * (1 - u) + high * u, low, high);
}

/* For distributions whose end is infinite. */
static double above_0(double u)
{
    return u > 0 ? u : 0x1p-54;
}

static double quantile(const struct parameter *parameter, double u)
{
    const double low = parameter->low;
    const double high = parameter->high;
    switch (parameter->shape) {
    case SHAPE_UNIFORM:
        return between(u, low, high);
    case SHAPE_LOG_UNIFORM:
        return clamp(exp(between(u, log(low), log(high))), low, high);
    case SHAPE_INV_LOG_UNIFORM:
        return clamp(exp(-between(u, -log(high), -log(low))), low, high);
    case SHAPE_NORMAL:
        return parameter->first + parameter->second * gsl_cdf_ugaussian_Pinv(above_0(u));
    case SHAPE_LOG_NORMAL:
        return exp(parameter->first + parameter->second * gsl_cdf_ugaussian_Pinv(above_0(u)));
    case SHAPE_BETA:
        return gsl_cdf_beta_Pinv(above_0(u), parameter->first, parameter->second);
    case SHAPE_CONSTANT:
    case SHAPE_CATEGORICAL:
    case SHAPE_INT_UNIFORM:
        break;
    }
    assert(!"a shape without a quantile");
    return 0;
}

/* Of a lognormal that is too wide, the ends are outside of what a float holds. */
static double bounded(double x)
{
    return isnan(x) ? 0 : clamp(x, -DBL_MAX, DBL_MAX);
}

static mf_value choose(const struct parameter *parameter, uint64_t bits)
{
    const size_t count = mf_count(&parameter->values);
    if (parameter->up_to == NULL) {
        return *mf_item(&parameter->values, level(bits, count));
    }
    const double u = fraction(bits) * parameter->up_to[count - 1];
    size_t i = 0;
    while (i + 1 < count && u >= parameter->up_to[i]) {
        i++;
    }
    return *mf_item(&parameter->values, i);
}

static mf_value integer_at(const struct parameter *parameter, uint64_t bits)
{
    const uint64_t low = (uint64_t)mf_int(&parameter->min);
    const uint64_t count = (uint64_t)mf_int(&parameter->max) - low + 1;
    return value_int((int64_t)(low + (count == 0 ? bits : level(bits, count))));
}

mf_value parameter_value(const struct parameter *parameter, uint64_t bits)
{
    if (parameter->shape == SHAPE_CONSTANT || parameter->shape == SHAPE_CATEGORICAL) {
        return choose(parameter, bits);
    }
    if (parameter->shape == SHAPE_INT_UNIFORM) {
        return integer_at(parameter, bits);
    }
    const double x = bounded(quantile(parameter, fraction(bits)));
    /* rint() takes ties to even, which is how floats are rounded unless somebody asks otherwise. */
    return parameter->is_quantised
               ? decimal_multiple(&parameter->q, rint(x / mf_float(&parameter->q)))
               : value_float(x);
}

/* ---- In a grid --------------------------------------------------------------------------------
 */

bool parameter_fits_grid(const struct parameter *parameter, const char **reason_out)
{
    switch (parameter->shape) {
    case SHAPE_CONSTANT:
    case SHAPE_INT_UNIFORM:
        return true;
    case SHAPE_CATEGORICAL:
        *reason_out = "probabilities mean nothing in a grid, which takes each value once";
        return parameter->up_to == NULL;
    case SHAPE_UNIFORM:
        *reason_out = "a range without steps is no grid: list values, or use q_uniform";
        return parameter->is_quantised;
    case SHAPE_LOG_UNIFORM:
    case SHAPE_INV_LOG_UNIFORM:
    case SHAPE_NORMAL:
    case SHAPE_LOG_NORMAL:
    case SHAPE_BETA:
        break;
    }
    *reason_out = "a grid takes value, values, int_uniform and q_uniform only";
    return false;
}

uint64_t parameter_grid_count(const struct parameter *parameter)
{
    uint64_t count = 0;
    if (parameter->shape == SHAPE_CONSTANT || parameter->shape == SHAPE_CATEGORICAL) {
        return mf_count(&parameter->different);
    }
    if (parameter->shape == SHAPE_INT_UNIFORM) {
        count = (uint64_t)mf_int(&parameter->max) - (uint64_t)mf_int(&parameter->min);
        return count < (uint64_t)INT64_MAX ? count + 1 : 0;
    }
    if (!decimal_step_count(&parameter->min, &parameter->max, &parameter->q, &count)) {
        return 0;
    }
    return count > 0 ? count : 1; /* min is max: that one */
}

/* Steps of an integer from a whole number are integers, as draws are: 0.0 is 0 then. */
static mf_value first_step(const struct parameter *parameter)
{
    const double min = mf_float(&parameter->min);
    return mf_kind_of(&parameter->q) == MF_INT && mf_kind_of(&parameter->min) == MF_FLOAT &&
                   rint(min) == min && fabs(min) < INTEGERS_END
               ? value_int((int64_t)min)
               : parameter->min;
}

mf_value parameter_grid_value(const struct parameter *parameter, uint64_t i)
{
    if (parameter->shape == SHAPE_CONSTANT || parameter->shape == SHAPE_CATEGORICAL) {
        return *mf_item(&parameter->different, i);
    }
    if (parameter->shape == SHAPE_INT_UNIFORM) {
        return value_int((int64_t)((uint64_t)mf_int(&parameter->min) + i));
    }
    const mf_value first = first_step(parameter);
    return decimal_step(&first, &parameter->q, i);
}
