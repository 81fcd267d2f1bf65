/* npy.h - numbers, and lists of them of equal length, as a NumPy array in a file.
 *
 *     npy_see ... --> npy_settle --> npy_put_header --> npy_put ...
 *
 * Ints become int64, floats float64, bools bool; ints among floats become floats where nothing is
 * lost by it. Lists within lists are further dimensions. What is missing is NaN among floats; there
 * is nothing that an int or a bool could be then.
 *
 * Failure: texts name the instance, what was found and what was expected, and the way round.
 */
#ifndef CLI_NPY_H
#define CLI_NPY_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/mapfleet.h"
#include "shared/type.h"

#define NPY_DIMENSIONS_MAX 31 /* behind the first, which is the instances */

enum npy_kind { NPY_UNKNOWN, NPY_BOOL, NPY_INT, NPY_FLOAT };

/* All zero: nothing was seen yet. */
struct npy {
    enum npy_kind kind;
    uint64_t count; /* values */
    unsigned dimension_count;
    uint64_t shape[NPY_DIMENSIONS_MAX];
    bool has_leaf;     /* a number was seen, so that there are no more dimensions */
    bool has_wide_int; /* one that no float is equal to */
    bool has_hole;
    uint64_t hole; /* the first */
};

/* `index` is the instance's, for what is refused. */
MUST_CHECK enum status npy_see(struct npy *npy, const mf_value *value, uint64_t index,
                               struct error *err);
/* After the last; `type` is that of the outputs, which counts where no number was seen. */
MUST_CHECK enum status npy_settle(struct npy *npy, const struct type *type, struct error *err);

MUST_CHECK enum status npy_put_header(const struct npy *npy, struct buffer *out);
MUST_CHECK enum status npy_put(const struct npy *npy, const mf_value *value, struct buffer *out);

#endif
