/* computed.h - the elements of a formula, whatever its kind: ranges, grids, and the trials of
 * sweeps.
 *
 *     computed_open --> computed_value (for each instance that runs) --> computed_close
 *
 * Trials are given as the task's type: what a type makes of a value (an int that is a float, a path
 * that becomes absolute) was checked before anything started, for each value that there may be, and
 * is done again for each trial.
 *
 * Ownership: the formula's bytes are copied; the type and the folder are the caller's, and outlive
 *            this.
 * Threads:   one.
 * Failure:   INVALID for what is no grid and no trials, or does not have as many elements as the
 *            formula says. An element fails where its draws satisfy no constraint.
 */
#ifndef SHARED_COMPUTED_H
#define SHARED_COMPUTED_H

#include <stdint.h>

#include "shared/error.h"
#include "shared/formula.h"
#include "shared/mapfleet.h"
#include "shared/type.h"

struct computed; /* fields: computed.c */

/* NULL where the formula needs none: of a list, and of a range. */
MUST_CHECK enum status computed_open(const struct formula *formula, const struct type *type,
                                     const char *launch_dir, struct computed **computed_out,
                                     struct error *err);
void computed_close(struct computed *computed); /* NULL is allowed */

/* As expressions_error(), of the trials so far; NULL: all is well. */
const char *computed_expression_error(const struct computed *computed);

MUST_CHECK enum status computed_element(struct computed *computed, uint64_t index,
                                        mf_value *value_out, struct error *err);

/* Element `index` (below the count), valid until the next call. Of a range, it costs nanoseconds.
 */
MUST_CHECK static inline enum status computed_value(const struct formula *formula,
                                                    struct computed *computed, uint64_t index,
                                                    mf_value *value_out, struct error *err)
{
    if (computed != NULL) {
        return computed_element(computed, index, value_out, err);
    }
    *value_out = formula_value(formula, index);
    return STATUS_OK;
}

#endif
