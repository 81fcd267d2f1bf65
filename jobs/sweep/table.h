/* table.h - the tables that ship with the job: rows of numbers, the last of which is a class.
 *
 *     table_load --> cells, labels --> table_free
 *
 * Their text is part of the job's own file, so that a rank on another machine needs nothing else.
 */
#ifndef SWEEP_TABLE_H
#define SWEEP_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum table_id { TABLE_BREAST_CANCER, TABLE_DIGITS, TABLE_WINE, TABLE_COUNT };

struct table {
    size_t row_count;
    size_t column_count; /* of features */
    size_t class_count;
    float *cells;  /* row by row */
    float *labels; /* the class of each row, from 0: whole numbers, as XGBoost takes them */
};

/* As a configuration says it: "digits". */
const char *table_name(enum table_id id);

/* False, with nothing to free, where there is no memory, or the text is not what it should be. */
bool table_load(enum table_id id, struct table *table_out);
void table_free(struct table *table);

/* Deals the rows out to `fold_count` folds, each class evenly, in an order that `seed` draws:
 * writes to fold_of[row] which fold holds it out. False where there is no memory. */
bool table_deal(const struct table *table, size_t fold_count, uint64_t seed, size_t *fold_of);

#endif
