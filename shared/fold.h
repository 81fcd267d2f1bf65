/* fold.h - many packed values combined into one, as a reduction says.
 *
 *     fold_create --> fold_add (outputs), fold_merge (partial values) ... --> fold_write, which
 *                     gives their partial value, or fold_finish, which gives the result
 *                 --> fold_clear --> ... --> fold_destroy
 *
 * Partial values are what travels and is recorded: what one fold writes another merges. They are
 * valid packed values, of a form that is the reducer's own.
 *
 * A fold of a job's own reducer keeps a few partial values, of which each stands for about twice as
 * many as the next, and combines neighbours of about equal size. So a value is combined with others
 * some log2(n) times, and not with a large one at every step; and neighbours stay neighbours.
 *
 * Ownership: a fold owns what it keeps. The reduction outlives it.
 * Threads:   one.
 * Failure:   what the reducer's functions say, that they give another type than is declared, bytes
 *            that are none of its partial values, or no memory. The text names the reducer. After
 *            that a fold can only be cleared.
 */
#ifndef SHARED_FOLD_H
#define SHARED_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/reduction.h"

struct fold; /* fields: fold.c */

MUST_CHECK enum status fold_create(const struct reduction *reduction, struct fold **fold_out,
                                   struct error *err);
void fold_destroy(struct fold *fold); /* NULL is allowed */
/* Forget all that was added. */
void fold_clear(struct fold *fold);

/* The first `count` of the packed values in `data`: outputs of the task, in order. *used_out is how
 * many bytes they are. */
MUST_CHECK enum status fold_add(struct fold *fold, const uint8_t *data, size_t size, uint64_t count,
                                size_t *used_out, struct error *err);
/* One partial value. */
MUST_CHECK enum status fold_merge(struct fold *fold, const uint8_t *data, size_t size,
                                  size_t *used_out, struct error *err);

/* Append the partial value of all that was added since the last clear, at least one. */
MUST_CHECK enum status fold_write(struct fold *fold, struct buffer *out, struct error *err);
/* Append the result, of nothing too. */
MUST_CHECK enum status fold_finish(struct fold *fold, struct buffer *out, struct error *err);

#endif
