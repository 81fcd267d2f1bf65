/* Which parameters a trial has, and whether it is one: the expressions of a space, in order. */
#include <stdlib.h>

#include "shared/expression.h"
#include "shared/trials.h"

struct trials_filter {
    const struct space *space;
    struct expressions *expressions; /* NULL: there are none */
};

static bool has_expressions(const struct space *space)
{
    for (size_t i = 0; i < space->count; i++) {
        if (space->parameters[i].when != NULL) {
            return true;
        }
    }
    return space->constraint_count > 0;
}

static enum status make_expressions(struct trials_filter *filter, struct error *err)
{
    struct expression_fault fault;
    const enum status status = expressions_create(filter->space, &filter->expressions, &fault);
    if (status != STATUS_INVALID) {
        return status;
    }
    return fault.is_constraint ? error_set(err, status, "constraint %s: %s",
                                           filter->space->constraints[fault.at], fault.text)
                               : error_set(err, status, "%s: when: %s",
                                           filter->space->parameters[fault.at].name, fault.text);
}

enum status trials_filter_create(const struct space *space, struct trials_filter **filter_out,
                                 struct error *err)
{
    struct trials_filter *filter = calloc(1, sizeof(*filter));
    if (filter == NULL) {
        return STATUS_NO_MEMORY;
    }
    filter->space = space;
    const enum status status = has_expressions(space) ? make_expressions(filter, err) : STATUS_OK;
    if (status != STATUS_OK) {
        free(filter);
        return status;
    }
    *filter_out = filter;
    return STATUS_OK;
}

void trials_filter_destroy(struct trials_filter *filter)
{
    if (filter != NULL) {
        expressions_destroy(filter->expressions);
        free(filter);
    }
}

static bool is_admitted(struct expressions *expressions, const struct space *space)
{
    for (size_t i = 0; i < space->constraint_count; i++) {
        if (!expressions_constraint(expressions, i)) {
            return false;
        }
    }
    return true;
}

bool trials_filter_apply(struct trials_filter *filter, const mf_value *values, bool *is_there)
{
    const struct space *space = filter->space;
    if (filter->expressions == NULL) {
        for (size_t i = 0; i < space->count; i++) {
            is_there[i] = true;
        }
        return true;
    }
    expressions_clear(filter->expressions);
    for (size_t i = 0; i < space->count; i++) {
        is_there[i] = expressions_when(filter->expressions, i);
        if (is_there[i]) {
            expressions_set(filter->expressions, i, &values[i]);
        }
    }
    return is_admitted(filter->expressions, space);
}

const char *trials_filter_error(const struct trials_filter *filter)
{
    return filter->expressions != NULL ? expressions_error(filter->expressions) : NULL;
}
