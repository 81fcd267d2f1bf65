/* context.h - the private side of mf_context: one attempt, as its task function sees it.
 *
 *     context_begin --> the task function --> what it left in `status` and `text` --> context_end
 *
 * Ownership: whoever runs attempts owns one context and uses it again for each. The working
 *            directory is the context's: made at the first mf_workdir(), removed by context_end().
 * Threads:   one.
 */
#ifndef SHARED_CONTEXT_H
#define SHARED_CONTEXT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/mapfleet.h"
#include "shared/writer.h"

#define CONTEXT_TEXT_SIZE 4096

struct mf_context {
    /* of the map */
    const char *task;
    uint64_t map_size;
    uint64_t seed; /* of the run */
    void *state;   /* of the job's setup */
    struct writer *writer;
    /* of the attempt */
    uint64_t index;
    uint64_t attempt;
    bool has_workdir;
    size_t text_size; /* of what the function said of its failure */
    char text[CONTEXT_TEXT_SIZE];
    char workdir[PATH_MAX];
};

static inline void context_begin(mf_context *ctx, uint64_t index, uint64_t attempt)
{
    ctx->index = index;
    ctx->attempt = attempt;
    ctx->text_size = 0;
    ctx->writer->attempt.index = index;
    ctx->writer->attempt.attempt = attempt;
}

/* Remove the working directory, if one was made. */
void context_remove_workdir(mf_context *ctx);

static inline void context_end(mf_context *ctx)
{
    if (ctx->has_workdir) {
        context_remove_workdir(ctx);
    }
}

#endif
