/* files_options.h - --files-to, and what the environment says of servers.
 *
 * Ownership: texts and bytes are the request's, until files_request_free().
 */
#ifndef CLI_FILES_OPTIONS_H
#define CLI_FILES_OPTIONS_H

#include "cli/options.h"
#include "master/run_file.h"
#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/job.h"
#include "shared/remote_settings.h"

#define FILES_TAG_SIZE 9

struct files_request {
    char *to; /* absolute folder or URL, without a slash at its end; "": the run directory */
    char tag[FILES_TAG_SIZE];
    struct buffer remote; /* settings for workers; empty where no file can be remote */
};

/* `task` is what runs; NULL: any of the job's. A folder that cannot be one, a URL that files cannot
 * be put under, s3 without credentials and settings that make no sense are refused. */
MUST_CHECK enum status files_request_check(const struct options *options, const struct task *task,
                                           const char *launch_dir,
                                           struct files_request *request_out, struct error *err);
void files_request_free(struct files_request *request);

/* What files of this run have in their names elsewhere. The same in every session of the run. */
void files_request_tag(struct files_request *request, const char *run_dir,
                       const struct run_description *run);

#endif
