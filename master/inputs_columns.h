/* inputs_columns.h - what splits a text into columns: --colsep, a POSIX extended expression.
 *
 *     inputs_columns_create --> inputs_columns_next ... --> inputs_columns_destroy
 *
 * `\t` is a tab, `|` alone is the character, and a match of nothing does not split. Expressions see
 * characters, not bytes, whatever the locale of the process is.
 *
 * Ownership: columns are pieces of the text that was given.
 * Threads:   one.
 */
#ifndef MASTER_INPUTS_COLUMNS_H
#define MASTER_INPUTS_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/error.h"

struct inputs_columns; /* fields: inputs_columns.c */

/* The text of an error names --colsep. */
MUST_CHECK enum status inputs_columns_create(const char *text, struct inputs_columns **columns_out,
                                             struct error *err);
void inputs_columns_destroy(struct inputs_columns *columns); /* NULL is allowed */

/* A text that is being split; `next` starts at 0. */
struct inputs_split {
    const char *text;
    size_t size;
    size_t next;
    bool is_over;
};

/* The next column; false behind the last one. */
bool inputs_columns_next(const struct inputs_columns *columns, struct inputs_split *split,
                         const char **text_out, size_t *size_out);

#endif
