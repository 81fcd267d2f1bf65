#include "table.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The text of tables/NAME.csv, from table_NAME to table_NAME_end, and a NUL behind it. */
#define TEXT_OF(name)                                                                              \
    __asm__(".pushsection .rodata\n"                                                               \
            ".hidden table_" #name "\n"                                                            \
            ".hidden table_" #name "_end\n"                                                        \
            ".globl table_" #name "\n"                                                             \
            ".globl table_" #name "_end\n"                                                         \
            "table_" #name ":\n"                                                                   \
            ".incbin \"" TABLES_DIR "/" #name ".csv\"\n"                                           \
            "table_" #name "_end:\n"                                                               \
            ".byte 0\n"                                                                            \
            ".popsection\n");                                                                      \
    extern const char table_##name[] __attribute__((visibility("hidden")));                        \
    extern const char table_##name##_end[] __attribute__((visibility("hidden")))

TEXT_OF(breast_cancer);
TEXT_OF(digits);
TEXT_OF(wine);

struct source {
    const char *name;
    const char *text;
    const char *end;
    bool has_heading;
    size_t row_count;
    size_t column_count;
    size_t class_count;
};

static const struct source sources[TABLE_COUNT] = {
    [TABLE_BREAST_CANCER] = {"breast_cancer", table_breast_cancer, table_breast_cancer_end, true,
                             569, 30, 2},
    [TABLE_DIGITS] = {"digits", table_digits, table_digits_end, false, 1797, 64, 10},
    [TABLE_WINE] = {"wine", table_wine, table_wine_end, true, 178, 13, 3},
};

const char *table_name(enum table_id id)
{
    return sources[id].name;
}

/* ---- Reading ----------------------------------------------------------------------------------
 */

/* A number and the `separator` behind it; moves *at behind both. */
static bool read_number(const char **at, char separator, float *number_out)
{
    char *end = NULL;
    errno = 0;
    *number_out = strtof(*at, &end);
    if (end == *at || errno != 0 || *end != separator) {
        return false;
    }
    *at = end + 1;
    return true;
}

static bool read_row(const char **at, const struct table *table, size_t row)
{
    float *cells = &table->cells[row * table->column_count];
    for (size_t column = 0; column < table->column_count; column++) {
        if (!read_number(at, ',', &cells[column])) {
            return false;
        }
    }
    float *label = &table->labels[row];
    return read_number(at, '\n', label) && *label >= 0 && *label < (float)table->class_count &&
           truncf(*label) == *label;
}

static bool read_rows(const struct source *source, const struct table *table)
{
    const char *at = source->text;
    if (source->has_heading) {
        at += strcspn(at, "\n");
        at += *at == '\n' ? 1 : 0;
    }
    for (size_t row = 0; row < table->row_count; row++) {
        if (!read_row(&at, table, row)) {
            return false;
        }
    }
    return at == source->end;
}

bool table_load(enum table_id id, struct table *table_out)
{
    const struct source *source = &sources[id];
    struct table table = {
        .row_count = source->row_count,
        .column_count = source->column_count,
        .class_count = source->class_count,
        .cells = calloc(source->row_count * source->column_count, sizeof(float)),
        .labels = calloc(source->row_count, sizeof(float)),
    };
    if (table.cells == NULL || table.labels == NULL || !read_rows(source, &table)) {
        table_free(&table);
        return false;
    }
    *table_out = table;
    return true;
}

void table_free(struct table *table)
{
    free(table->cells);
    free(table->labels);
    *table = (struct table){0};
}

/* ---- Folds ------------------------------------------------------------------------------------
 */

/* splitmix64 */
static uint64_t random_next(uint64_t *state)
{
    uint64_t bits = *state += UINT64_C(0x9e3779b97f4a7c15);
    bits = (bits ^ (bits >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    bits = (bits ^ (bits >> 27)) * UINT64_C(0x94d049bb133111eb);
    return bits ^ (bits >> 31);
}

static void shuffle(size_t *rows, size_t count, uint64_t seed)
{
    for (size_t i = count; i > 1; i--) {
        const size_t j = (size_t)(random_next(&seed) % i);
        const size_t row = rows[i - 1];
        rows[i - 1] = rows[j];
        rows[j] = row;
    }
}

bool table_deal(const struct table *table, size_t fold_count, uint64_t seed, size_t *fold_of)
{
    size_t *rows = calloc(table->row_count, sizeof(*rows));
    size_t dealt = 0;
    if (rows == NULL) {
        return false;
    }
    for (size_t row = 0; row < table->row_count; row++) {
        rows[row] = row;
    }
    shuffle(rows, table->row_count, seed);

    /* One class after the other, like cards: so no fold has more than one row of a class, or one
     * row in all, more than another. */
    for (size_t label = 0; label < table->class_count; label++) {
        for (size_t i = 0; i < table->row_count; i++) {
            if (table->labels[rows[i]] == (float)label) {
                fold_of[rows[i]] = dealt++ % fold_count;
            }
        }
    }
    free(rows);
    return true;
}
