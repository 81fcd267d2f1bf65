/* remote_settings.h - what the environment of rank 0 says of servers, for every rank.
 *
 * Ranks on other hosts often lack these variables, and credentials do not belong on a command
 * line; so they go along with START, and nowhere else: neither into a process's environment, nor
 * onto a disk.
 *
 * Ownership: the bytes are the caller's; what remote_setting() gives points into them.
 */
#ifndef SHARED_REMOTE_SETTINGS_H
#define SHARED_REMOTE_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "shared/buffer.h"
#include "shared/error.h"

/* "NAME=value" with a NUL behind each. */
struct remote_settings {
    const uint8_t *data;
    size_t size;
};

/* Append those of this process's environment. Never none: so that no settings at all say that
 * nothing is remote. */
MUST_CHECK enum status remote_settings_take(struct buffer *out);

/* The value of one of them; NULL where it is not set, or empty. Safe on any bytes. */
const char *remote_setting(const struct remote_settings *settings, const char *name);

/* Are there credentials for s3? Else the text names the variables that are missing. */
MUST_CHECK enum status remote_settings_check_s3(const struct remote_settings *settings,
                                                struct error *err);
/* The same of this process's environment. */
MUST_CHECK enum status remote_settings_check_own_s3(struct error *err);
/* Do the numbers among them make sense? */
MUST_CHECK enum status remote_settings_check(const struct remote_settings *settings,
                                             struct error *err);

/* Tries of one request, and microseconds without a byte after which one is given up. */
uint64_t remote_settings_tries(const struct remote_settings *settings);
uint64_t remote_settings_stall_us(const struct remote_settings *settings);
/* Bytes of a part; an s3 object that has more is put in several. */
uint64_t remote_settings_part_size(const struct remote_settings *settings);

#endif
