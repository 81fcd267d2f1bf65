/* columns.h - values that are records within records, as the columns of a table.
 *
 *     columns_create --> columns_see ... --> columns_settle --> columns_fill ... --> destroy
 *
 * A field of a record that is itself in one has a column `a.b`; everything else, lists too, is one
 * value in its column. The columns are all that any value has, those that the type declares first
 * and then in the order in which they first appear. A null where others have a record makes no
 * column of its own. What is no record at all has the column `output`.
 *
 * Two passes over the values, none of which is kept: memory goes with the number of names.
 *
 * Ownership: columns own the names; the values that are filled in are the caller's.
 * Failure:   columns_see() of more than COLUMNS_MAX; then it may not go on.
 */
#ifndef CLI_COLUMNS_H
#define CLI_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/rows.h"
#include "shared/error.h"
#include "shared/mapfleet.h"
#include "shared/type.h"

#define COLUMNS_MAX 16384 /* as many as spreadsheets take */

struct columns; /* fields: columns.c */

/* `prefix` stands before each name but that of what is no record: "" or "output.". */
struct columns *columns_create(const struct type *type, const char *prefix);
void columns_destroy(struct columns *columns); /* NULL is allowed */

/* Can values of the type have fields that it does not declare? Else none need be seen. */
bool columns_type_is_open(const struct type *type);

MUST_CHECK enum status columns_see(struct columns *columns, const mf_value *value,
                                   struct error *err);
/* After the last value: from then on the columns are known. */
void columns_settle(struct columns *columns);
size_t columns_count(const struct columns *columns);
/* Write the names into so many fields. */
void columns_name(const struct columns *columns, struct row_field *fields);
/* Write the parts of a value that was seen into so many fields; null where it has none. */
void columns_fill(struct columns *columns, const mf_value *value, struct row_field *fields);

#endif
