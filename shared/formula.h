/* formula.h - inputs that are computed from their index and never listed.
 *
 * A formula crosses the wire once with the map; the units of such a map carry no inputs.
 */
#ifndef SHARED_FORMULA_H
#define SHARED_FORMULA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"
#include "shared/mapfleet.h"

/* Counts are written to run.json, whose integers have 64 bits with sign. */
#define FORMULA_COUNT_MAX ((uint64_t)INT64_MAX)
/* Of a grid or trials, packed: it is copied to each executor. */
#define FORMULA_PACKED_SIZE_MAX ((size_t)31 << 20)

enum formula_kind {
    FORMULA_NONE, /* the inputs are listed, and sent with each unit */
    FORMULA_RANGE,
    FORMULA_GRID,  /* every combination of lists of values (grid.h) */
    FORMULA_TRIALS /* those of a sweep (trials_form.h) */
};

struct formula {
    enum formula_kind kind;
    int64_t start;
    int64_t step;          /* not 0 */
    uint64_t count;        /* at most FORMULA_COUNT_MAX */
    bool is_float;         /* the task's input is a float: elements are given as floats */
    const uint8_t *packed; /* a grid, or trials; whose it is, its holder says */
    size_t packed_size;    /* bytes */
};

/* Parse "A:B" or "A:B:STEP" as Python's range(A, B, STEP); A may be left out (0). The text of an
 * error names what was found and expected. The elements are integers: is_float is false. */
MUST_CHECK enum status formula_parse_range(const char *text, struct formula *formula_out,
                                           struct error *err);

/* Has it more to say than a few numbers: is it a grid, or trials? */
static inline bool formula_is_packed(const struct formula *formula)
{
    return formula->kind == FORMULA_GRID || formula->kind == FORMULA_TRIALS;
}

/* Element `index` (below count) of a range. Costs nanoseconds; allocates nothing. */
static inline mf_value formula_value(const struct formula *formula, uint64_t index)
{
    mf_value value;
    const int64_t element = (int64_t)((uint64_t)formula->start + (uint64_t)formula->step * index);
    value.mf_private_count = 0;
    if (formula->is_float) {
        value.mf_private_kind = MF_FLOAT;
        value.mf_private_as.real = (double)element;
    } else {
        value.mf_private_kind = MF_INT;
        value.mf_private_as.integer = element;
    }
    return value;
}

#endif
