/* sampler.h - the process that proposes the trials of an adaptive sweep: lines to it, lines from
 * it.
 *
 *     sampler_start --> sampler_turn, sampler_next_line ... --> sampler_destroy
 *
 * It runs in a process group of its own, without what MPI's launchers have put into the
 * environment. Nothing here waits for it, but for sampler_destroy(), and for a bounded time. What
 * it writes to standard error is passed on, with a prefix.
 *
 * Ownership: the sampler owns the process, and kills what is left of its group.
 * Threads:   one.
 * Failure:   that it has ended, in whatever way, is told by sampler_has_ended() once all that it
 *            said has been taken.
 */
#ifndef MASTER_SAMPLER_H
#define MASTER_SAMPLER_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include "shared/buffer.h"
#include "shared/error.h"

#define SAMPLER_FD_COUNT_MAX 4

struct sampler; /* fields: sampler.c */

/* arguments[0] is looked for in PATH; NULL is behind the last. */
MUST_CHECK enum status sampler_start(const char *const *arguments, struct sampler **sampler_out,
                                     struct error *err);
/* It is sent the rest, and its standard input is closed. Where it does not end upon that it gets
 * SIGTERM, and then SIGKILL: after three seconds at most. NULL is allowed. */
void sampler_destroy(struct sampler *sampler);

/* Whatever is appended here is sent, as fast as it reads. */
struct buffer *sampler_outbox(struct sampler *sampler);

/* Send and receive what goes without waiting. */
void sampler_turn(struct sampler *sampler, bool *did_something);
/* The next line, without its newline; valid until the next call. False: there is none yet. */
MUST_CHECK bool sampler_next_line(struct sampler *sampler, const char **line_out, size_t *size_out);
/* Has it ended, and nothing of it is left to take? Then *how_out says how: "has ended with status
 * 1". */
bool sampler_has_ended(const struct sampler *sampler, const char **how_out);

/* What to wait for, at most SAMPLER_FD_COUNT_MAX; gives how many. */
size_t sampler_descriptors(const struct sampler *sampler, struct pollfd *fds_out);

#endif
