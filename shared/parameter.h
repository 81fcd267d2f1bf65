/* parameter.h - one parameter of a sweep: what it may be, and its value at a point between 0 and 1.
 *
 * A parameter is read from its definition, a record with the keys that sweep files have: `value`,
 * `values`, `probabilities`, `min`, `max`, `q`, `mu`, `sigma`, `a`, `b`, `distribution`, `when`.
 *
 * Ownership: a parameter lives in the arena that it was read into; values that it gives point
 * there. Threads:   none of these functions changes a parameter. Failure:   parameter_read() says
 * which key is at fault, for a caller who knows its line.
 */
#ifndef SHARED_PARAMETER_H
#define SHARED_PARAMETER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/arena.h"
#include "shared/error.h"
#include "shared/mapfleet.h"

enum shape {
    SHAPE_CONSTANT,
    SHAPE_CATEGORICAL,
    SHAPE_INT_UNIFORM,
    SHAPE_UNIFORM,
    SHAPE_LOG_UNIFORM,
    SHAPE_INV_LOG_UNIFORM,
    SHAPE_NORMAL,
    SHAPE_LOG_NORMAL,
    SHAPE_BETA
};

struct parameter {
    const char *name;        /* dotted: "optimizer.lr" */
    const char *const *path; /* "optimizer", "lr" */
    size_t path_count;
    mf_value definition;      /* as it was read, its distribution named, without `when` */
    const char *distribution; /* its name */
    const char *when;         /* an expression; NULL: it is always there */
    enum shape shape;
    bool is_quantised;
    mf_value values;      /* CONSTANT (one), CATEGORICAL: a list */
    mf_value different;   /* the same without those whose text stood before */
    const double *up_to;  /* CATEGORICAL: the sums of the probabilities; NULL: all are equal */
    mf_value min, max;    /* of shapes that have them, as they stand in the file */
    double low, high;     /* the limits of X itself, of CONSTANT and CATEGORICAL 0 */
    mf_value q;           /* where it is quantised */
    double first, second; /* mu and sigma, or a and b */
};

struct parameter_fault {
    const char *key; /* static, or of the definition; NULL: the parameter as a whole */
    char text[400];
};

/* Fill in all of *parameter but its name and path. The definition is copied into the arena. INVALID
 * with *fault where it makes no sense; NO_MEMORY. */
MUST_CHECK enum status parameter_read(struct arena *arena, const mf_value *definition,
                                      struct parameter *parameter, struct parameter_fault *fault);

/* The keys that a definition may have, in the order in which messages list them; ends with NULL. */
extern const char *const parameter_keys[];

/* The value at bits / 2^64 of the distribution: its quantile there. All 64 bits count where the
 * values are whole numbers or listed, and 53 of them where they are floats. */
mf_value parameter_value(const struct parameter *parameter, uint64_t bits);

/* Number of points in a grid (0: more than 2^63 - 1), and point `i`. Doubled values count once.
 * Only of parameters that parameter_fits_grid() is true of; else *reason_out says why not. */
MUST_CHECK bool parameter_fits_grid(const struct parameter *parameter, const char **reason_out);
uint64_t parameter_grid_count(const struct parameter *parameter);
mf_value parameter_grid_value(const struct parameter *parameter, uint64_t i);

/* May a trial have this value? On false the text says what was found and what was expected. */
MUST_CHECK bool parameter_accepts(const struct parameter *parameter, const mf_value *value,
                                  char *text_out, size_t text_size);

#endif
