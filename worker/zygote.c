#include "worker/zygote.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/clock.h"
#include "shared/memory.h"
#include "worker/zygote_private.h"

#define SEND_WAIT_MS_MAX 1000

struct zygote {
    pid_t pid;
    int socket;
    bool is_gone;
};

enum status zygote_create(const struct zygote_duties *duties, struct zygote **zygote_out,
                          struct error *err)
{
    struct zygote *zygote = memory_take(1, sizeof(*zygote));
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
        const enum status status =
            error_set(err, STATUS_IO, "cannot open a socket: %s", strerror(errno));
        free(zygote);
        return status;
    }
    (void)fflush(NULL); /* what is buffered is not the zygote's to write */
    zygote->socket = sockets[0];
    zygote->pid = fork();
    if (zygote->pid == 0) {
        zygote_serve(duties, sockets[1]);
    }
    const int code = errno;
    (void)close(sockets[1]);
    if (zygote->pid < 0) {
        (void)close(sockets[0]);
        free(zygote);
        return error_set(err, STATUS_IO, "cannot fork a zygote: %s", strerror(code));
    }
    *zygote_out = zygote;
    return STATUS_OK;
}

void zygote_destroy(struct zygote *zygote)
{
    if (zygote == NULL) {
        return;
    }
    (void)close(zygote->socket);
    while (waitpid(zygote->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    free(zygote);
}

static enum status gone(struct zygote *zygote, struct error *err)
{
    zygote->is_gone = true;
    return error_set(err, STATUS_IO, "the process that forks executors has ended");
}

/* Wait until the zygote has read something. It always does, unless it is loading a job. */
static enum status wait_for_room(struct zygote *zygote, uint64_t deadline_us, struct error *err)
{
    const uint64_t now_us = clock_us();
    if (now_us >= deadline_us) {
        return error_set(err, STATUS_LIMIT, "too many requests wait for the zygote");
    }
    struct pollfd fd = {.fd = zygote->socket, .events = POLLOUT};
    (void)poll(&fd, 1, (int)((deadline_us - now_us) / 1000) + 1);
    return STATUS_OK;
}

static enum status send_message(struct zygote *zygote, const struct msghdr *head, struct error *err)
{
    const uint64_t deadline_us = clock_us() + (uint64_t)SEND_WAIT_MS_MAX * 1000;
    enum status status = zygote->is_gone ? gone(zygote, err) : STATUS_OK;
    while (status == STATUS_OK) {
        if (sendmsg(zygote->socket, head, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
            return STATUS_OK;
        }
        if (errno == EAGAIN) {
            status = wait_for_room(zygote, deadline_us, err);
        } else if (errno == EPIPE || errno == ECONNRESET) {
            status = gone(zygote, err);
        } else if (errno != EINTR) {
            status = error_set(err, STATUS_IO, "request to the zygote: %s", strerror(errno));
        }
    }
    return status;
}

/* `bytes` follow the request. */
static enum status send_request(struct zygote *zygote, struct zygote_request request,
                                struct iovec bytes, struct error *err)
{
    struct iovec parts[] = {{.iov_base = &request, .iov_len = sizeof(request)}, bytes};
    const struct msghdr head = {.msg_iov = parts, .msg_iovlen = 2};
    return send_message(zygote, &head, err);
}

enum status zygote_prepare(struct zygote *zygote, const void *request, size_t size,
                           struct error *err)
{
    if (size > ZYGOTE_REQUEST_SIZE_MAX) {
        return error_set(err, STATUS_LIMIT, "a job's request of %zu bytes; at most %u are possible",
                         size, ZYGOTE_REQUEST_SIZE_MAX);
    }
    union {
        const void *given;
        void *taken; /* sendmsg() only reads, but struct iovec has no const */
    } bytes = {.given = request};
    return send_request(zygote, (struct zygote_request){.kind = ZYGOTE_PREPARE},
                        (struct iovec){.iov_base = bytes.taken, .iov_len = size}, err);
}

enum status zygote_fork(struct zygote *zygote, uint64_t executor, uint32_t slot, const int *fds,
                        size_t fd_count, struct error *err)
{
    assert(fd_count <= ZYGOTE_FD_COUNT_MAX);
    struct zygote_request request = {
        .kind = ZYGOTE_FORK, .slot = slot, .executor = executor, .fd_count = fd_count};
    struct iovec part = {.iov_base = &request, .iov_len = sizeof(request)};
    struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1};
    union zygote_fd_message rights = {.bytes = {0}};
    if (fd_count > 0) {
        head.msg_control = &rights;
        head.msg_controllen = CMSG_SPACE(fd_count * sizeof(*fds));
        struct cmsghdr *control = CMSG_FIRSTHDR(&head);
        control->cmsg_level = SOL_SOCKET;
        control->cmsg_type = SCM_RIGHTS;
        control->cmsg_len = CMSG_LEN(fd_count * sizeof(*fds));
        memcpy(CMSG_DATA(control), fds, fd_count * sizeof(*fds));
    }
    return send_message(zygote, &head, err);
}

enum status zygote_signal(struct zygote *zygote, uint64_t executor, int signal, struct error *err)
{
    const struct zygote_request request = {
        .kind = ZYGOTE_SIGNAL, .signal = signal, .executor = executor};
    return send_request(zygote, request, (struct iovec){.iov_len = 0}, err);
}

int zygote_descriptor(const struct zygote *zygote)
{
    return zygote->socket;
}

enum status zygote_take_event(struct zygote *zygote, struct zygote_event *event_out,
                              bool *is_event_out, struct error *err)
{
    ssize_t size = 0;
    *is_event_out = false;
    if (zygote->is_gone) {
        return gone(zygote, err);
    }
    do {
        size = recv(zygote->socket, event_out, sizeof(*event_out), MSG_DONTWAIT);
    } while (size < 0 && errno == EINTR);
    if (size < 0 && errno == EAGAIN) {
        return STATUS_OK;
    }
    if (size <= 0) {
        return gone(zygote, err);
    }
    if (size != sizeof(*event_out) || event_out->kind > ZYGOTE_ENDED) {
        return error_set(err, STATUS_PROTOCOL, "an event of the zygote makes no sense");
    }
    event_out->error.text[sizeof(event_out->error.text) - 1] = '\0';
    *is_event_out = true;
    return STATUS_OK;
}
