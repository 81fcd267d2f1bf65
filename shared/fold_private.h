/* fold_private.h - the kinds of folds: what each keeps, and how it takes and gives values.
 *
 *     fold_sum.c    sum, mean and count
 *     fold_best.c   min, max and top_k
 *     fold_parts.c  concat and histogram
 *     fold_own.c    reducers of jobs
 */
#ifndef SHARED_FOLD_PRIVATE_H
#define SHARED_FOLD_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/pack.h"
#include "shared/reduction.h"
#include "shared/unpack.h"

/* Readers read on after a failure (unpack.h), which whoever calls looks at. What they say beyond
 * that goes into the error. */
struct fold_kind {
    size_t state_size; /* bytes; all zero is empty */
    void (*clear)(void *state);
    void (*give_up)(void *state); /* with all of its memory; NULL: as clear */
    /* The next output, and the next partial value. */
    enum status (*add)(void *state, const struct reduction *reduction, struct unpack *in,
                       struct error *err);
    enum status (*merge)(void *state, const struct reduction *reduction, struct unpack *in,
                         struct error *err);
    enum status (*write)(void *state, const struct reduction *reduction, struct buffer *out,
                         struct error *err);
    enum status (*finish)(void *state, const struct reduction *reduction, struct buffer *out,
                          struct error *err);
};

extern const struct fold_kind fold_kind_sum;
extern const struct fold_kind fold_kind_count;
extern const struct fold_kind fold_kind_mean;
extern const struct fold_kind fold_kind_best; /* min and max: the best one */
extern const struct fold_kind fold_kind_top_k;
extern const struct fold_kind fold_kind_concat;
extern const struct fold_kind fold_kind_histogram;
extern const struct fold_kind fold_kind_own;

/* ---- A scalar with an order --------------------------------------------------------------------
 */

struct fold_scalar {
    mf_kind kind; /* INT, FLOAT or STR; NULL: there is none */
    int64_t integer;
    double real;
    const char *text; /* a view */
    size_t size;
};

/* Of a null, NULL. Anything but an int, float or str fails the reader. */
struct fold_scalar fold_scalar_read(struct unpack *in);
/* Below 0: a is less. Numbers by what they are, -0.0 below 0.0 and a NaN above all; texts by their
 * bytes, above all numbers. */
int fold_scalar_compare(const struct fold_scalar *a, const struct fold_scalar *b);

#endif
