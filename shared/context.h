/* context.h - the private side of mf_context: one attempt, as its task function sees it.
 *
 *     context_begin --> the task function --> what it left in `text` --> context_end
 *                                                                   ... --> context_free
 *
 * Ownership: whoever runs attempts owns one context and uses it again for each; the texts of its
 *            map are the caller's. The working directory is the context's: made at the first
 *            mf_workdir(), removed by context_end() unless it is kept.
 * Threads:   one.
 */
#ifndef SHARED_CONTEXT_H
#define SHARED_CONTEXT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/arena.h"
#include "shared/attempt.h"
#include "shared/buffer.h"
#include "shared/environment.h"
#include "shared/launch_dir.h"
#include "shared/mapfleet.h"
#include "shared/writer.h"

#define CONTEXT_TEXT_SIZE 4096

struct key_maker;

/* Takes a report of the attempt that runs; or, as a hint, that there was nearly one. */
typedef void context_report(void *context, int64_t step, double value, bool is_hint);

struct mf_context {
    /* of the map */
    const char *task;
    uint64_t map;                   /* number of it within the run */
    struct environment environment; /* what it says of map, rank and slot */
    uint64_t seed;                  /* of the run */
    struct key_maker *keys;         /* where outputs are kept, seeds come from keys; else NULL */
    const char *launch_dir;         /* where attempts are */
    const char *workdirs;           /* folder of working directories */
    const char *kept_workdirs;      /* the same where they stay; NULL: they do not */
    void *state;                    /* of the job's setup */
    const mf_value *constant;       /* of the map; NULL: it has none */
    const char *metric;             /* that its attempts report; NULL: nothing is asked for */
    context_report *report;         /* where there is a metric */
    void *report_context;
    struct writer *writer;
    bool is_printed; /* what attempts print by mf_print() is wanted */
    /* of the batch */
    bool has_read_place; /* an attempt asked for its index or the map's size */
    /* of the attempt */
    uint64_t index;
    uint64_t attempt;
    const mf_value *input; /* as the function sees it; NULL: a setup */
    const mf_value
        *key_input;        /* the same as it was given: with URLs where the function has paths */
    uint64_t report_count; /* of mf_report(), where there is a metric */
    bool has_workdir;
    struct arena variables; /* environments of children; only beside a folder */
    struct arena texts;     /* of mf_text(), in the attempt that asked last: */
    uint64_t texts_index;
    uint64_t texts_attempt;
    enum failure_class failure_class; /* ERROR, unless the attempt has said another */
    bool has_printed;                 /* mf_print() was called, */
    struct buffer prints;             /* with these bytes */
    size_t text_size;                 /* of what the function said of its failure */
    char text[CONTEXT_TEXT_SIZE];
    char workdir[PATH_MAX];
};

static inline void context_begin(mf_context *ctx, uint64_t index, uint64_t attempt,
                                 const mf_value *input)
{
    ctx->index = index;
    ctx->attempt = attempt;
    ctx->input = input;
    ctx->key_input = input;
    ctx->text_size = 0;
    ctx->writer->attempt.index = index;
    ctx->writer->attempt.attempt = attempt;
}

/* The same attempt of another index, whose input is in the same place. The writer is the context's.
 */
static inline void context_step(mf_context *ctx, struct writer *writer, uint64_t index)
{
    ctx->index = index;
    ctx->text_size = 0;
    writer->attempt.index = index;
}

/* Forget what the attempt has said of its class, reported and printed. Only where it may have. */
static inline void context_forget_words(mf_context *ctx)
{
    ctx->failure_class = FAILURE_ERROR;
    ctx->has_printed = false;
    ctx->report_count = 0;
    buffer_clear(&ctx->prints);
}

/* Go back to the launch directory: a function may have left it. */
void context_go_home(const mf_context *ctx);

/* Take back what the attempt asked for, and where it has gone. */
void context_clean_up(mf_context *ctx);

static inline void context_end(mf_context *ctx)
{
    if (ctx->has_workdir || launch_dir_is_left()) {
        context_clean_up(ctx);
    }
}

static inline void context_free(mf_context *ctx)
{
    arena_free(&ctx->variables);
    arena_free(&ctx->texts);
    buffer_free(&ctx->prints);
}

#endif
