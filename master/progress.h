/* progress.h - what people and programs see of a run on standard error while it runs.
 *
 *     progress_create --> progress_note (each time when it is due) --> progress_destroy
 *
 * `bar`: one line at the bottom of the terminal, drawn anew twice a second. `plain`: a line now and
 * then, the longer the run the rarer. `json`: an object on a line every second, and one at the end.
 *
 * Threads: one.
 * Failure: none is reported; progress is never in the way of the run.
 */
#ifndef MASTER_PROGRESS_H
#define MASTER_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "master/progress_text.h"

enum progress_form {
    PROGRESS_NONE,
    PROGRESS_AUTO, /* bar where there is a terminal for it, else plain */
    PROGRESS_BAR,
    PROGRESS_PLAIN,
    PROGRESS_JSON
};

struct progress; /* fields: progress.c */

/* The session begins with so many instances done. NULL where nothing is shown. */
struct progress *progress_create(enum progress_form form, uint64_t done, uint64_t now_us);
/* Take what is drawn away. NULL is allowed. */
void progress_destroy(struct progress *progress);

/* Is progress_note() to be called? Of NULL it never is. */
bool progress_is_due(struct progress *progress, uint64_t now_us);
/* When to ask again; UINT64_MAX: never. */
uint64_t progress_due_us(const struct progress *progress);
/* Show these; rate and estimate are filled in. */
void progress_note(struct progress *progress, struct progress_facts *facts, uint64_t now_us);
/* The end of it all, in its final state; nothing is shown after it. NULL is allowed. */
void progress_end(struct progress *progress, struct progress_facts *facts, uint64_t now_us);

#endif
