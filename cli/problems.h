/* problems.h - what is wrong with a file: up to ten at once, each with line and column.
 *
 *     problems_add ... --> problems_count, problems_text (in the order of the file) -->
 * problems_free
 *
 * Failure: where memory runs out, a problem is counted and has no text.
 */
#ifndef CLI_PROBLEMS_H
#define CLI_PROBLEMS_H

#include <stddef.h>

#define PROBLEMS_KEPT_MAX 10

struct place {
    unsigned line; /* from 1; 0: the file as a whole */
    unsigned column;
};

struct problem {
    struct place place;
    char *text; /* "sweep.yaml:3:5: ..." */
};

struct problems {
    const char *path; /* the caller's */
    struct problem kept[PROBLEMS_KEPT_MAX];
    size_t count; /* also of those that are not kept */
};

void problems_add(struct problems *problems, struct place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Problem `i` of those kept, by line and column. */
const char *problems_text(const struct problems *problems, size_t i);
size_t problems_kept(const struct problems *problems);
void problems_free(struct problems *problems);

#endif
