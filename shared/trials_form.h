/* trials_form.h - the trials of a sweep as they travel: to the workers, and into run.json.
 *
 *     trials_form_write --> bytes --> trials_form_read --> struct trials_form, trials_create
 *                                                      --> trials_form_free
 *
 * One value, packed: {"method": "random", "seed": 0, "trials": 100, "repeats": 1, "space": {...}},
 * where the space is that of space_value(). Each trial is as many instances as it has repeats, one
 * after the other, which share their parameters.
 *
 * Ownership: a form that was read owns its space.
 * Failure:   INVALID where the bytes are none, with a text.
 */
#ifndef SHARED_TRIALS_FORM_H
#define SHARED_TRIALS_FORM_H

#include <stddef.h>
#include <stdint.h>

#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/space.h"
#include "shared/trials.h"

struct trials_form {
    struct space *space;
    struct trials_options options; /* the count is what was asked for: 0 is all of a grid */
    uint64_t repeats;              /* at least 1 */
};

/* "grid", "random", "quasi" or "adaptive". */
const char *trials_method_name(enum trials_method method);

MUST_CHECK enum status trials_form_write(const struct trials_form *form, struct buffer *out);
MUST_CHECK enum status trials_form_read(const uint8_t *packed, size_t size,
                                        struct trials_form *form_out, struct error *err);
void trials_form_free(struct trials_form *form); /* all zero is allowed */

#endif
