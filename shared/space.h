/* space.h - the parameters of a sweep, and what must hold between them.
 *
 *     space_create --> space_add, space_add_constraint ... --> space_value, trials_create
 * (trials.h)
 *                                                          --> space_destroy
 *     a value (of run.json, of a message) --> space_from_value --> the same
 *
 * Parameters stand in the order of the file, those of nests in the place of the nest. One form of
 * it travels, a value: {"parameters": [{"path": ["optimizer", "lr"], "distribution": "uniform",
 * "min": 0, "max": 1, "when": "..."}, ...], "constraints": ["...", ...]}.
 *
 * Ownership: the space owns all that was added to it.
 * Failure:   what makes no sense is refused with the key that is at fault; where a value from
 *            outside is read, the text names its parameter.
 */
#ifndef SHARED_SPACE_H
#define SHARED_SPACE_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/arena.h"
#include "shared/error.h"
#include "shared/mapfleet.h"
#include "shared/parameter.h"

#define SPACE_DEPTH_MAX 16 /* of nests */

struct space {
    struct arena arena;
    struct parameter *parameters;
    size_t count;
    size_t capacity;
    const char **constraints;
    size_t constraint_count;
    size_t constraint_capacity;
};

MUST_CHECK enum status space_create(struct space **space_out);
void space_destroy(struct space *space); /* NULL is allowed */

/* Add a parameter of that path (1 to SPACE_DEPTH_MAX names). INVALID with *fault; EXISTS: one of
 * that path is there. */
MUST_CHECK enum status space_add(struct space *space, const char *const *path, size_t path_count,
                                 const mf_value *definition, struct parameter_fault *fault);
MUST_CHECK enum status space_add_constraint(struct space *space, const char *expression);

/* The first parameter of that dotted name; NULL where there is none. */
const struct parameter *space_find(const struct space *space, const char *name);
/* A dotted name that two parameters have; NULL where all differ. */
const char *space_doubled_name(const struct space *space);

/* The form that travels. Its texts are the space's. */
MUST_CHECK enum status space_value(const struct space *space, struct arena *arena,
                                   mf_value *value_out);
MUST_CHECK enum status space_from_value(const mf_value *value, struct space **space_out,
                                        struct error *err);

/* The record of a trial: values[i] at the path of parameter i, or nothing where is_there[i] is
 * false. */
MUST_CHECK enum status space_record(const struct space *space, const mf_value *values,
                                    const bool *is_there, struct arena *arena,
                                    mf_value *record_out);
/* The value at the path of that parameter; NULL where it is left out. */
const mf_value *space_get(const struct parameter *parameter, const mf_value *record);

#endif
