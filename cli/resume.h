/* resume.h - a run that is there already: found, compared, locked and read, before anything starts.
 *
 *     mapfleet map ... --resume    request_check     -> resume_find, resume_compare, resume_take
 *     mapfleet resume RUN          resume_check      -> the same, from what the run has recorded
 *
 * What is found decides what happens: nothing begins a new run; a run without a verdict goes on;
 * one with a verdict answers, unless it is to run again what failed.
 *
 * Ownership: all goes into the request, whose request_free() releases it.
 */
#ifndef CLI_RESUME_H
#define CLI_RESUME_H

#include "cli/request.h"
#include "shared/error.h"

/* The options of `mapfleet resume` are parsed; all the rest of the request is filled in. */
MUST_CHECK enum status resume_check(struct request *request, struct error *err);

/* Is there a run in request->run_dir? Fills in request->recorded where there is. */
MUST_CHECK enum status resume_find(struct request *request, struct error *err);
/* Refuse a task, types or inputs that differ from those recorded. Nothing is recorded: nothing
 * differs. */
MUST_CHECK enum status resume_compare(const struct request *request, struct error *err);
/* Lock the run and read its log; or see that it has ended (request->is_finished). */
MUST_CHECK enum status resume_take(struct request *request, struct error *err);

/* The options that a resume would take up, as words; the list and the words are to be freed. */
char **resume_words(const struct options *options, size_t *count_out);

#endif
