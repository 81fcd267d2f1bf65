/* adaptive.h - rank 0's side of an adaptive sweep: which trials it has, and what it has to say to
 * the sampler that proposes them. Lines in, lines out: no process, no file, no clock.
 *
 *     create --> recall, note_end ... --> greet --> take: ready
 *            --> ask, take: trials --> fresh --> note_report, note_end ... --> done
 *
 * A trial is a record of parameters, and as many instances as it has repeats, one after the other.
 * Its number is its place in the order in which trials were accepted; the sampler has ids of its
 * own. What is asked for and not yet given stays open, and may be given at any time; what is given
 * and not asked for is an error. A trial that breaks a constraint is told to be rejected, and asked
 * for anew.
 *
 * Ownership: the space, the type and the texts belong to the caller.
 * Threads:   one.
 * Failure:   INVALID with what the sampler has said and what is wrong with it; after that it is not
 *            to be spoken to.
 */
#ifndef MASTER_ADAPTIVE_H
#define MASTER_ADAPTIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/metric_options.h"
#include "master/sampler_lines.h"
#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/space.h"
#include "shared/type.h"

struct adaptive_options {
    struct sampler_hello hello; /* with the space */
    enum metric_impute impute;  /* of a failed trial, among the values so far */
    uint64_t size;              /* trials at most */
    uint64_t repeats;           /* instances of each trial, at least 1 */
    const struct type *type;    /* that their records are given as */
    const char *launch_dir;     /* from which relative paths start */
};

struct adaptive; /* fields: adaptive.c */

MUST_CHECK enum status adaptive_create(const struct adaptive_options *options,
                                       struct adaptive **adaptive_out, struct error *err);
void adaptive_destroy(struct adaptive *adaptive); /* NULL is allowed */

/* Instances that an earlier session asked for, packed: a record for each. Before the greeting. */
MUST_CHECK enum status adaptive_recall(struct adaptive *adaptive, const uint8_t *packed,
                                       size_t size, uint64_t count, struct error *err);

/* A trial has ended: SUCCEEDED, FAILED or STOPPED_EARLY, with its value (NaN: it has none). Before
 * the greeting: in an earlier session. */
MUST_CHECK enum status adaptive_note_end(struct adaptive *adaptive, uint64_t trial,
                                         enum sampler_state state, double value,
                                         struct buffer *out);
/* A trial has reported. Where the sampler does not read, it misses some. */
MUST_CHECK enum status adaptive_note_report(struct adaptive *adaptive, uint64_t trial, int64_t step,
                                            double value, struct buffer *out);

/* The first lines: what to sample, and what there has been. */
MUST_CHECK enum status adaptive_greet(struct adaptive *adaptive, struct buffer *out,
                                      struct error *err);
/* Ask for as many trials as keep `room` more instances at work, with what is open already: one by
 * one, so that a sampler that gives no more than one at a time is asked anew for each. */
MUST_CHECK enum status adaptive_ask(struct adaptive *adaptive, uint64_t room, struct buffer *out);
/* Nothing is at work, and the sampler has been silent: perhaps it had none to give before it knew
 * what has come of the others. Once, until it gives one. */
MUST_CHECK enum status adaptive_ask_again(struct adaptive *adaptive, struct buffer *out);

/* A line of the sampler, without its newline. */
MUST_CHECK enum status adaptive_take(struct adaptive *adaptive, const char *line, size_t size,
                                     struct buffer *out, struct error *err);
bool adaptive_is_ready(const struct adaptive *adaptive);
/* The sampler has no more, or there are as many as there may be: nothing will be asked for. */
bool adaptive_is_done(const struct adaptive *adaptive);
/* Trials that have been accepted, of all sessions. */
uint64_t adaptive_count(const struct adaptive *adaptive);

/* Instances that were accepted and not taken yet, packed, in their order. Gives how many. */
uint64_t adaptive_fresh(const struct adaptive *adaptive, const uint8_t **packed_out,
                        size_t *size_out);
void adaptive_clear_fresh(struct adaptive *adaptive); /* they are taken */

/* Why the first expression that ever failed did so; NULL while none has. */
const char *adaptive_expression_error(const struct adaptive *adaptive);

#endif
