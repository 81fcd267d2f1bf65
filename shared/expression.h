/* expression.h - the `when` and `constraints` of a space, which are expressions of Lua.
 *
 *     expressions_create --> expressions_clear, then for each parameter in order: expressions_when,
 *                            expressions_set --> expressions_constraint --> expressions_destroy
 *
 * An expression sees the parameters by their dotted names (`optimizer.lr < 0.1`), any of them as
 * p['name'], and nothing else: no library is opened, what is no expression is refused, and one that
 * runs for too long or takes too much memory fails. A parameter that is null or left out is nil.
 *
 * Threads: one at a time.
 * Failure: that an expression is none, or names no parameter, is found at the start. One that fails
 *          for the values at hand does not hold; expressions_error() has the reason.
 */
#ifndef SHARED_EXPRESSION_H
#define SHARED_EXPRESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/mapfleet.h"
#include "shared/space.h"

struct expressions; /* fields: expression.c */

struct expression_fault {
    bool is_constraint;
    size_t at; /* which constraint, or the `when` of which parameter */
    char text[512];
};

/* The space outlives the expressions. INVALID with *fault; NO_MEMORY. */
MUST_CHECK enum status expressions_create(const struct space *space, struct expressions **out,
                                          struct expression_fault *fault);
void expressions_destroy(struct expressions *expressions); /* NULL is allowed */

/* Begin with a new trial: no parameter has a value. */
void expressions_clear(struct expressions *expressions);
/* Parameter `i` has that value. */
void expressions_set(struct expressions *expressions, size_t i, const mf_value *value);

/* Does it hold? True where parameter `i` has no `when`. */
bool expressions_when(struct expressions *expressions, size_t i);
bool expressions_constraint(struct expressions *expressions, size_t i);

/* Why the first expression that ever failed did so, with the expression; NULL while none has. */
const char *expressions_error(const struct expressions *expressions);

/* The expression with p["name"] for each name (expression_names.c). Only the first `known`
 * parameters are known. INVALID with a text. */
MUST_CHECK enum status expression_rewrite(const struct space *space, size_t known,
                                          const char *expression, struct buffer *lua_out,
                                          char *text_out, size_t text_size);

#endif
