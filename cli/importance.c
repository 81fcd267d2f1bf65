#include "cli/importance.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"

#define TRIAL_COUNT_MIN 3
/* Of numbers that are all different. */
#define NUMBER_COUNT_MIN 5

/* ---- Ranks ------------------------------------------------------------------------------------
 */

struct placed {
    double value;
    size_t at;
};

static int by_value(const void *a, const void *b)
{
    const double left = ((const struct placed *)a)->value;
    const double right = ((const struct placed *)b)->value;
    return left < right ? -1 : left > right ? 1 : 0;
}

/* From 1; to be freed. */
static double *ranks_of(const double *values, size_t count)
{
    struct placed *placed = memory_take(count, sizeof(*placed));
    double *ranks = memory_take(count, sizeof(*ranks));
    for (size_t i = 0; i < count; i++) {
        placed[i] = (struct placed){.value = values[i], .at = i};
    }
    qsort(placed, count, sizeof(*placed), by_value);
    for (size_t first = 0; first < count;) {
        size_t end = first + 1;
        while (end < count && placed[end].value == placed[first].value) {
            end++;
        }
        for (size_t i = first; i < end; i++) {
            ranks[placed[i].at] = ((double)first + 1 + (double)end) / 2;
        }
        first = end;
    }
    free(placed);
    return ranks;
}

static double squares_around(const double *ranks, size_t count, double mean)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (ranks[i] - mean) * (ranks[i] - mean);
    }
    return sum;
}

/* ---- Levels -----------------------------------------------------------------------------------
 */

struct levelled {
    const char *level;
    double rank;
};

static int by_level(const void *a, const void *b)
{
    return strcmp(((const struct levelled *)a)->level, ((const struct levelled *)b)->level);
}

/* Sorted by level; to be freed. */
static struct levelled *levels_of(const struct importance_setting *settings, const double *ranks,
                                  size_t count, size_t *level_count_out)
{
    struct levelled *levelled = memory_take(count, sizeof(*levelled));
    for (size_t i = 0; i < count; i++) {
        levelled[i] = (struct levelled){.level = settings[i].level, .rank = ranks[i]};
    }
    qsort(levelled, count, sizeof(*levelled), by_level);
    *level_count_out = 1;
    for (size_t i = 1; i < count; i++) {
        *level_count_out += by_level(&levelled[i - 1], &levelled[i]) != 0 ? 1 : 0;
    }
    return levelled;
}

static double epsilon_squared(const struct levelled *levelled, size_t count, size_t level_count,
                              double all_squares)
{
    const double mean = ((double)count + 1) / 2;
    double between = 0;
    for (size_t first = 0; first < count;) {
        size_t end = first;
        double sum = 0;
        while (end < count && by_level(&levelled[first], &levelled[end]) == 0) {
            sum += levelled[end++].rank;
        }
        const double size = (double)(end - first);
        between += size * (sum / size - mean) * (sum / size - mean);
        first = end;
    }
    if (level_count == count) {
        return NAN; /* each trial has its own: nothing is left to compare with */
    }
    const double within = (all_squares - between) / (double)(count - level_count);
    const double share = (between - (double)(level_count - 1) * within) / all_squares;
    return share < 0 ? 0 : share > 1 ? 1 : share;
}

/* ---- Numbers ----------------------------------------------------------------------------------
 */

static bool are_numbers(const struct importance_setting *settings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(settings[i].number)) {
            return false;
        }
    }
    return true;
}

static double rho_squared(const struct importance_setting *settings, const double *ranks,
                          size_t count, double all_squares)
{
    const double mean = ((double)count + 1) / 2;
    double *numbers = memory_take(count, sizeof(*numbers));
    for (size_t i = 0; i < count; i++) {
        numbers[i] = settings[i].number;
    }
    double *others = ranks_of(numbers, count);
    const double squares = squares_around(others, count, mean);
    double products = 0;
    for (size_t i = 0; i < count; i++) {
        products += (ranks[i] - mean) * (others[i] - mean);
    }
    free(others);
    free(numbers);
    return squares > 0 ? products * products / (squares * all_squares) : NAN;
}

/* Numbers of a range, not levels of which each has several trials. */
static bool are_of_range(const struct importance_setting *settings, size_t count,
                         size_t level_count)
{
    return (level_count > IMPORTANCE_LEVELS_MAX ||
            (level_count == count && count >= NUMBER_COUNT_MIN)) &&
           are_numbers(settings, count);
}

double importance_of(const struct importance_setting *settings, const double *values, size_t count)
{
    double importance = NAN;
    size_t level_count;
    if (count < TRIAL_COUNT_MIN) {
        return NAN;
    }
    double *ranks = ranks_of(values, count);
    const double squares = squares_around(ranks, count, ((double)count + 1) / 2);
    struct levelled *levelled = levels_of(settings, ranks, count, &level_count);
    if (squares > 0 && level_count > 1) {
        importance = are_of_range(settings, count, level_count)
                         ? rho_squared(settings, ranks, count, squares)
                         : epsilon_squared(levelled, count, level_count, squares);
    }
    free(levelled);
    free(ranks);
    return importance;
}
