/* cache_options.h - --cache, --cache-version and --cache-dir, laid over what a task says. */
#ifndef CLI_CACHE_OPTIONS_H
#define CLI_CACHE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/options.h"
#include "master/cache_mode.h"
#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/job.h"

struct cache_request {
    enum cache_mode mode;
    const char *version; /* the option's, or the task's; NULL where it is off */
    char *dir;           /* absolute; NULL where it is off */
};

/* Of commands, whose command line is their version, `is_command` is true: without a version theirs
 * is
 * "". A task with a version is cached unless --cache off says not; --cache-version gives any one a
 * version. `--cache use` or `refresh` without either is refused, and so is a cache_ignore that
 * names no field of the input. */
MUST_CHECK enum status cache_request_check(const struct options *options, const struct task *task,
                                           bool is_command, const char *launch_dir,
                                           struct cache_request *request_out, struct error *err);
void cache_request_free(struct cache_request *request);

/* Append what the keys of a map of this task begin with (shared/key.h). `words`, NUL behind each,
 * say more of what runs. */
MUST_CHECK enum status cache_request_base(const struct cache_request *request,
                                          const struct job *job, const struct task *task,
                                          uint64_t seed, const struct buffer *words,
                                          struct buffer *out);

#endif
