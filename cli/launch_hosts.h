/* launch_hosts.h - the hosts that a launch is to use, checked before anything starts.
 *
 * Failure: texts name the option, or the file and the line, what was found and what was expected.
 */
#ifndef CLI_LAUNCH_HOSTS_H
#define CLI_LAUNCH_HOSTS_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/error.h"

#define LAUNCH_SLOT_COUNT_MAX 4096 /* of one host */

struct launch_hosts {
    uint64_t host_count;
    uint64_t slot_count; /* ranks that may be started; meaningless unless has_slots */
    bool has_slots;      /* every host says how many */
};

/* "a:4,b:2": a host without a number has one slot. */
MUST_CHECK enum status launch_hosts_parse(const char *text, struct launch_hosts *hosts_out,
                                          struct error *err);

/* Open MPI's own form, of which this takes what it needs: a line is a name and words like slots=4;
 * what begins with # is a comment. */
MUST_CHECK enum status launch_hosts_read(const char *path, struct launch_hosts *hosts_out,
                                         struct error *err);

#endif
