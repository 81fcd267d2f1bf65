/* staging_private.h - what the files of staging share: staging.c (of an attempt) and
 * staging_fetch.c (one URL).
 */
#ifndef WORKER_STAGING_PRIVATE_H
#define WORKER_STAGING_PRIVATE_H

#include "shared/buffer.h"
#include "worker/file_store.h"
#include "worker/staging.h"

/* Each takes an open file. */
#define STAGING_PIN_COUNT_MAX 512

struct staged {
    char *url;
    int pin;
    bool has_identity;
    uint8_t identity[REMOTE_DIGEST_SIZE];
};

struct staging {
    struct buffer settings_bytes;
    struct remote_settings settings;
    struct remote *remote;    /* NULL: not yet */
    struct file_store *store; /* NULL: not yet */
    char dir[PATH_MAX];       /* of the store */
    struct staged *staged;    /* of the attempt */
    size_t staged_count;
    size_t staged_capacity;
};

/* Get what the place is of, unless it is there and was checked since `since_ms`. UNWRITABLE: the
 * disk of the store is full; what has come stays, and is gone on with. */
MUST_CHECK enum status staging_fetch(struct staging *staging, struct file_store_place *place,
                                     bool is_folder, const char *url, uint64_t since_ms,
                                     struct error *err);

#endif
