/* runner_private.h - what the rooms of the runner share.
 *
 *     runner.c       attempts and batches
 *     runner_fold.c  the outputs of a batch, where its map is reduced
 *     runner_kept.c  what attempts print: which of it is kept, and in which attempt's name
 */
#ifndef WORKER_RUNNER_PRIVATE_H
#define WORKER_RUNNER_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/arena.h"
#include "shared/computed.h"
#include "shared/context.h"
#include "shared/report.h"
#include "shared/type.h"
#include "shared/writer.h"
#include "worker/runner.h"
#include "worker/staging.h"

struct runner {
    struct runner_options options;
    struct runner_map map; /* of the batch */
    struct mf_context context;
    struct writer *writer;     /* into the channel's outputs */
    struct computed *computed; /* the inputs, where they are a grid or trials */
    struct arena values;       /* of one input */
    struct arena checks;       /* of one output while it is checked */
    uint64_t base;             /* bytes that this process held before its first attempt */
    uint64_t mem;              /* bytes that an attempt of the batch may hold; 0: no bound */
    uint64_t weighed_us;       /* when it was last looked at what this process holds */
    struct staging *staging;   /* NULL: neither inputs nor files to be put can be remote */
    bool may_stage;            /* inputs of the map may hold URLs */

    /* Of a map that is reduced; else NULL and empty. */
    struct reduction *reduction;
    struct fold *fold;
    struct buffer folded; /* partial values of the batch */

    enum type_kind output_kind;
    uint8_t plain_sizes[UINT8_MAX + 1]; /* of an output that needs no closer look, by its first
                                         * byte; 0: it does */
    bool is_weighed; /* attempts have a limit of memory, and this process is theirs alone */
    bool is_spent;
    bool is_over;    /* the batch shall end: it is spent, or much is kept of what was printed */
    uint64_t at;     /* the instance that runs, within the batch */
    uint64_t looked; /* instances of the batch, up to the last of which it was seen closely what it
                      * had printed */
    char text[CHANNEL_TEXT_SIZE_MAX]; /* of a failure, with what it printed last */
};

/* `at`: an instance, as it is numbered within the batch. */

void runner_begin_to_look(struct runner *runner); /* before a batch's first attempt */

/* Keep what a failed attempt has printed. Its last lines of standard error are added to what is
 * said of the failure. */
void runner_keep_failed(struct runner *runner, uint64_t at, struct report_failure *failure);
/* What a successful attempt has printed is kept only where all is. */
void runner_keep_succeeded(struct runner *runner, uint64_t at);

/* Before the result of an attempt, where anybody wants to know what it gave to mf_print(). */
void runner_put_print(struct runner *runner);

/* The outputs of the batch, at least one, become partial values, in `folded`. False where the
 * reducer fails: the channel has the reason. */
bool runner_fold(struct runner *runner);
/* No batch, but partial values of several, into one: the size of its frame; 0: it came to none. */
size_t runner_fold_frames(struct runner *runner);

/* Behind a batch's last attempt. */
void runner_look_at_last(struct runner *runner);

#endif
