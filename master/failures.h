/* failures.h - failed attempts, grouped by what they said, for people to read.
 *
 *     [0-1][3]: error: negative input
 *
 * All rounds count, tolerated failures of a successful map too. Equal texts of one class are one
 * group; an index that fails twice with the same text stands in it once.
 *
 * Memory: at most FAILURES_GROUP_COUNT_MAX groups; what comes after them is only counted.
 * Threads: one.
 */
#ifndef MASTER_FAILURES_H
#define MASTER_FAILURES_H

#include <stddef.h>
#include <stdint.h>

#include "shared/attempt.h"
#include "shared/buffer.h"
#include "shared/error.h"

#define FAILURES_GROUP_COUNT_MAX 256

struct failures;

MUST_CHECK enum status failures_create(struct failures **failures_out);
void failures_destroy(struct failures *failures); /* NULL is allowed */

void failures_add(struct failures *failures, uint64_t index, enum failure_class class,
                  const char *text, size_t text_size);

/* An instance shares a failure that was added: no attempt, but its index stands with the others. */
void failures_share(struct failures *failures, uint64_t index, enum failure_class class,
                    const char *text, size_t text_size);

/* Failed attempts of all groups, and those beyond them. */
uint64_t failures_count(const struct failures *failures);

/* Groups that are known, and one more where attempts had texts beyond them. */
size_t failures_group_count(const struct failures *failures);

/* Each group, most frequent first: how many attempts, index ranges in brackets (at most range_max
 * of them, then "..."), and the text with line breaks as " | ", cleaned for a terminal
 * (clean_text.h). Ends with the first status that is not OK. */
typedef enum status failures_visit(void *context, enum failure_class class, uint64_t count,
                                   const struct buffer *instances, const struct buffer *text);
MUST_CHECK enum status failures_each(const struct failures *failures, size_t range_max,
                                     failures_visit *visit, void *context);

/* Append one line a group, most frequent first: index ranges in brackets (at most range_max of
 * them, then "..."), class and text, and at the end of a cut list "N more groups (M attempts)".
 * Line breaks within a text become " | ". */
MUST_CHECK enum status failures_print(const struct failures *failures, size_t group_max,
                                      size_t range_max, struct buffer *out);

#endif
