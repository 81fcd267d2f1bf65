/* zygote_private.h - what rank and zygote say to each other, for the two files that zygote.h
 * consists of: zygote.c (the rank's side) and zygote_server.c (the process).
 */
#ifndef WORKER_ZYGOTE_PRIVATE_H
#define WORKER_ZYGOTE_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "worker/zygote.h"

enum zygote_request_kind { ZYGOTE_DESCRIBE, ZYGOTE_PREPARE, ZYGOTE_FORK, ZYGOTE_SIGNAL };

/* One message from the rank. A job follows DESCRIBE and PREPARE, descriptors come beside DESCRIBE
 * and FORK. The answers are
 * struct zygote_event as it is: both ends are the same program. */
struct zygote_request {
    enum zygote_request_kind kind;
    int signal;
    uint32_t slot;
    uint64_t executor;
    uint64_t fd_count;
    bool is_in_file; /* the job is in the last descriptor, since it is too large for a message */
};

#define ZYGOTE_MESSAGE_SIZE_MAX ((size_t)1 << 17) /* of a job in a message */

/* Beside DESCRIBE. */
enum { ZYGOTE_ANSWER, ZYGOTE_PRINTS, ZYGOTE_DESCRIBE_FD_COUNT };

/* How a zygote leaves whose socket was closed by a job that it has loaded. */
#define ZYGOTE_EXIT_CUT_OFF 125

union zygote_fd_message {
    struct cmsghdr head; /* for its alignment */
    char bytes[CMSG_SPACE(ZYGOTE_FD_COUNT_MAX * sizeof(int))];
};

/* What the process that was forked does from then on. */
_Noreturn void zygote_serve(const struct zygote_duties *duties, int socket);

#endif
