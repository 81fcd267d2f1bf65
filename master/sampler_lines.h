/* sampler_lines.h - what rank 0 and the sampler of an adaptive sweep say to each other: a line of
 * JSON each. docs/sweeps.md describes it for people who write samplers.
 *
 *     us: hello [history] ------------------> ready | error
 *     us: ask ------------------------------> trial ... | done
 *     us: tell, report, at any time
 *
 * Nothing here starts a process or moves a byte: lines are made and read, and a trial is checked
 * against the space.
 *
 * Ownership: what is read lies in the caller's arena.
 * Failure:   INVALID with a text that says what the sampler has said; lines are safe to read
 *            whatever they hold.
 */
#ifndef MASTER_SAMPLER_LINES_H
#define MASTER_SAMPLER_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/arena.h"
#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/mapfleet.h"
#include "shared/space.h"

#define SAMPLER_VERSION 1
#define SAMPLER_LINE_SIZE_MAX ((size_t)16 << 20)

enum sampler_state {
    SAMPLER_SUCCEEDED,
    SAMPLER_FAILED,
    SAMPLER_STOPPED_EARLY,
    SAMPLER_REJECTED, /* a constraint does not hold for it: it was never run */
    SAMPLER_RUNNING   /* in a history alone: it has yet to end, and is told then */
};

struct sampler_hello {
    const struct space *space;
    const char *metric;
    bool is_maximised;
    uint64_t seed;
    const char *sampler; /* "tpe", ... */
};

/* A trial that was asked for in an earlier session, for a sampler that starts again. */
struct sampler_past {
    uint64_t id;
    const mf_value *record; /* as space_record() makes it; parameters left out are not told */
    double value;           /* NaN: it has none */
    enum sampler_state state;
};

/* Append a line, its newline included. A value that is no finite number is null. */
MUST_CHECK enum status sampler_put_hello(struct buffer *out, const struct sampler_hello *hello);
MUST_CHECK enum status sampler_put_history(struct buffer *out, const struct space *space,
                                           const struct sampler_past *past, size_t count);
MUST_CHECK enum status sampler_put_ask(struct buffer *out, uint64_t count);
MUST_CHECK enum status sampler_put_tell(struct buffer *out, uint64_t id, double value,
                                        enum sampler_state state);
MUST_CHECK enum status sampler_put_report(struct buffer *out, uint64_t id, int64_t step,
                                          double value);

enum sampler_kind { SAMPLER_READY, SAMPLER_ERROR, SAMPLER_TRIAL, SAMPLER_DONE };

struct sampler_message {
    enum sampler_kind kind;
    const char *error;   /* ERROR */
    uint64_t id;         /* TRIAL */
    mf_value parameters; /* TRIAL: by dotted name */
};

/* A line without its newline. */
MUST_CHECK enum status sampler_read(const char *line, size_t size, struct arena *arena,
                                    struct sampler_message *message_out, struct error *err);

/* The value of each parameter, in the order of the space, of the kind that the file's would have:
 * 3.0 of whole numbers is 3, and 1 of a float is 1.0. INVALID where one is missing, is none of the
 * space, or is outside of its range. */
MUST_CHECK enum status sampler_take(const struct space *space, const mf_value *parameters,
                                    mf_value *values_out, struct error *err);

#endif
