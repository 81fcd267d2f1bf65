#include "worker/zygote.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shared/clock.h"
#include "shared/memory.h"
#include "worker/zygote_private.h"

#define SEND_WAIT_MS_MAX 1000
#define END_WAIT_US_MAX 1000000
#define END_PAUSE_NS 1000000

/* The socket ends with the zygote, unless something that a job has forked while it was loaded holds
 * it open. So the process is watched, too, where the kernel can. */
struct zygote {
    pid_t pid;
    int socket;
    int process;     /* a pidfd; -1 where there are none */
    int either;      /* an epoll of both */
    bool is_gone;    /* it has ended, or closed its end of the socket */
    bool is_loading; /* DESCRIBE or PREPARE has no answer yet */
    bool is_reaped;
    bool was_killed; /* by us, at its end */
    int wait_status; /* where it is reaped */
};

static void close_all(const struct zygote *zygote)
{
    const int fds[] = {zygote->socket, zygote->process, zygote->either};
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
}

static enum status watch(struct zygote *zygote, int fd, struct error *err)
{
    struct epoll_event readable = {.events = EPOLLIN};
    return epoll_ctl(zygote->either, EPOLL_CTL_ADD, fd, &readable) == 0
               ? STATUS_OK
               : error_set(err, STATUS_IO, "cannot watch a zygote: %s", strerror(errno));
}

static enum status fork_zygote(struct zygote *zygote, const struct zygote_duties *duties,
                               int its_socket, struct error *err)
{
    (void)fflush(NULL); /* what is buffered is not the zygote's to write */
    zygote->pid = fork();
    if (zygote->pid == 0) {
        zygote_serve(duties, its_socket);
    }
    if (zygote->pid < 0) {
        zygote->is_reaped = true;
        return error_set(err, STATUS_IO, "cannot fork a zygote: %s", strerror(errno));
    }
    zygote->process = (int)syscall(SYS_pidfd_open, zygote->pid, 0);
    return zygote->process >= 0 ? watch(zygote, zygote->process, err) : STATUS_OK;
}

enum status zygote_create(const struct zygote_duties *duties, struct zygote **zygote_out,
                          struct error *err)
{
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
        return error_set(err, STATUS_IO, "cannot open a socket: %s", strerror(errno));
    }
    struct zygote *zygote = memory_take(1, sizeof(*zygote));
    zygote->socket = sockets[0];
    zygote->process = -1;
    zygote->is_reaped = true; /* there is none yet */
    zygote->either = epoll_create1(EPOLL_CLOEXEC);
    enum status status = watch(zygote, zygote->socket, err);
    if (status == STATUS_OK) {
        zygote->is_reaped = false;
        status = fork_zygote(zygote, duties, sockets[1], err);
    }
    (void)close(sockets[1]);
    if (status != STATUS_OK) {
        zygote_destroy(zygote);
        return status;
    }
    *zygote_out = zygote;
    return STATUS_OK;
}

/* ---- Its end ----------------------------------------------------------------------------------
 */

/* Wait for the end, but don't reap: until that is done, the number is nobody else's. False when it
 * hasn't come by the deadline, or the process is stopped, and would not end by itself. */
static bool wait_for_end(const struct zygote *zygote, uint64_t deadline_us)
{
    const struct timespec pause = {.tv_nsec = END_PAUSE_NS};
    const bool has_deadline = deadline_us != UINT64_MAX;
    for (;;) {
        siginfo_t info = {.si_pid = 0};
        const int options = WEXITED | WSTOPPED | WNOWAIT | (has_deadline ? WNOHANG : 0);
        const int code = waitid(P_PID, (id_t)zygote->pid, &info, options);
        if (code == 0 && info.si_pid != 0) {
            return info.si_code != CLD_STOPPED;
        }
        if (code != 0 && errno == ECHILD) {
            return true; /* where SIGCHLD is ignored, nobody has to reap */
        }
        if (has_deadline && clock_us() >= deadline_us) {
            return false;
        }
        if (has_deadline) {
            (void)nanosleep(&pause, NULL);
        }
    }
}

/* What a job that is loaded has started stays in the zygote's group when that crashes. */
static void reap(struct zygote *zygote, uint64_t deadline_us)
{
    if (zygote->is_reaped) {
        return;
    }
    if (!wait_for_end(zygote, deadline_us)) {
        zygote->was_killed = true;
        (void)kill(zygote->pid, SIGKILL);
    }
    (void)kill(-zygote->pid, SIGKILL);
    while (waitpid(zygote->pid, &zygote->wait_status, 0) < 0 && errno == EINTR) {
    }
    zygote->is_reaped = true;
}

int zygote_end_status(struct zygote *zygote)
{
    assert(zygote->is_gone);
    reap(zygote, clock_us() + END_WAIT_US_MAX);
    const bool was_cut_off =
        WIFEXITED(zygote->wait_status) && WEXITSTATUS(zygote->wait_status) == ZYGOTE_EXIT_CUT_OFF;
    return zygote->was_killed || was_cut_off ? -1 : zygote->wait_status;
}

void zygote_destroy(struct zygote *zygote)
{
    if (zygote == NULL) {
        return;
    }
    close_all(zygote);
    const bool is_in_order = !zygote->is_gone && !zygote->is_loading;
    reap(zygote, is_in_order ? UINT64_MAX : clock_us() + END_WAIT_US_MAX);
    free(zygote);
}

/* ---- Requests ---------------------------------------------------------------------------------
 */

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

/* What goes with a request. */
struct parcel {
    const void *bytes; /* that follow it */
    size_t size;
    const int *fds;
    size_t fd_count;
};

static void put_fds(struct msghdr *head, union zygote_fd_message *rights, struct parcel parcel)
{
    head->msg_control = rights;
    head->msg_controllen = CMSG_SPACE(parcel.fd_count * sizeof(*parcel.fds));
    struct cmsghdr *control = CMSG_FIRSTHDR(head);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(parcel.fd_count * sizeof(*parcel.fds));
    memcpy(CMSG_DATA(control), parcel.fds, parcel.fd_count * sizeof(*parcel.fds));
}

static enum status send_request(struct zygote *zygote, struct zygote_request request,
                                struct parcel parcel, struct error *err)
{
    union {
        const void *given;
        void *taken; /* sendmsg() only reads, but struct iovec has no const */
    } bytes = {.given = parcel.bytes};
    struct iovec parts[] = {{.iov_base = &request, .iov_len = sizeof(request)},
                            {.iov_base = bytes.taken, .iov_len = parcel.size}};
    struct msghdr head = {.msg_iov = parts, .msg_iovlen = 2};
    union zygote_fd_message rights = {.bytes = {0}};
    assert(parcel.fd_count <= ZYGOTE_FD_COUNT_MAX);
    if (parcel.size > ZYGOTE_MESSAGE_SIZE_MAX) {
        return error_set(err, STATUS_LIMIT,
                         "a job's request of %zu bytes; at most %zu are possible", parcel.size,
                         ZYGOTE_MESSAGE_SIZE_MAX);
    }
    request.fd_count = parcel.fd_count;
    if (parcel.fd_count > 0) {
        put_fds(&head, &rights, parcel);
    }
    return send_message(zygote, &head, err);
}

enum status zygote_describe(struct zygote *zygote, const void *request, size_t size, int answer,
                            int prints, struct error *err)
{
    const int fds[ZYGOTE_DESCRIBE_FD_COUNT] = {[ZYGOTE_ANSWER] = answer, [ZYGOTE_PRINTS] = prints};
    const struct parcel parcel = {
        .bytes = request, .size = size, .fds = fds, .fd_count = ZYGOTE_DESCRIBE_FD_COUNT};
    const enum status status =
        send_request(zygote, (struct zygote_request){.kind = ZYGOTE_DESCRIBE}, parcel, err);
    zygote->is_loading = zygote->is_loading || status == STATUS_OK;
    return status;
}

static bool write_all(int fd, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        const ssize_t count = write(fd, bytes, size);
        if (count < 0 && errno != EINTR) {
            return false;
        }
        bytes += count > 0 ? count : 0;
        size -= count > 0 ? (size_t)count : 0;
    }
    return true;
}

/* What a message has no room for, such as the inputs of a sweep with long lists of values. */
static enum status send_in_file(struct zygote *zygote, const void *bytes, size_t size,
                                struct error *err)
{
    if (size > ZYGOTE_REQUEST_SIZE_MAX) {
        return error_set(err, STATUS_LIMIT,
                         "a job's request of %zu bytes; at most %zu are possible", size,
                         ZYGOTE_REQUEST_SIZE_MAX);
    }
    const int fd = memfd_create("mapfleet-request", MFD_CLOEXEC);
    enum status status = fd >= 0 && write_all(fd, bytes, size)
                             ? STATUS_OK
                             : error_set(err, STATUS_NO_MEMORY, "no memory for a job's request: %s",
                                         strerror(errno));
    if (status == STATUS_OK) {
        const struct zygote_request request = {.kind = ZYGOTE_PREPARE, .is_in_file = true};
        status = send_request(zygote, request, (struct parcel){.fds = &fd, .fd_count = 1}, err);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return status;
}

enum status zygote_prepare(struct zygote *zygote, const void *request, size_t size,
                           struct error *err)
{
    const struct parcel parcel = {.bytes = request, .size = size};
    const enum status status =
        size <= ZYGOTE_MESSAGE_SIZE_MAX
            ? send_request(zygote, (struct zygote_request){.kind = ZYGOTE_PREPARE}, parcel, err)
            : send_in_file(zygote, request, size, err);
    zygote->is_loading = zygote->is_loading || status == STATUS_OK;
    return status;
}

enum status zygote_fork(struct zygote *zygote, uint64_t executor, uint32_t slot, const int *fds,
                        size_t fd_count, struct error *err)
{
    const struct zygote_request request = {.kind = ZYGOTE_FORK, .slot = slot, .executor = executor};
    return send_request(zygote, request, (struct parcel){.fds = fds, .fd_count = fd_count}, err);
}

enum status zygote_signal(struct zygote *zygote, uint64_t executor, int signal, struct error *err)
{
    const struct zygote_request request = {
        .kind = ZYGOTE_SIGNAL, .signal = signal, .executor = executor};
    return send_request(zygote, request, (struct parcel){.size = 0}, err);
}

int zygote_descriptor(const struct zygote *zygote)
{
    return zygote->either;
}

static bool has_ended(const struct zygote *zygote)
{
    struct pollfd fd = {.fd = zygote->process, .events = POLLIN};
    return zygote->process >= 0 && poll(&fd, 1, 0) == 1;
}

enum status zygote_take_event(struct zygote *zygote, struct zygote_event *event_out,
                              bool *is_event_out, struct error *err)
{
    ssize_t size = 0;
    *is_event_out = false;
    if (zygote->is_gone) {
        return gone(zygote, err);
    }
    const bool was_over = has_ended(zygote); /* before the last of its events is looked for */
    do {
        size = recv(zygote->socket, event_out, sizeof(*event_out), MSG_DONTWAIT);
    } while (size < 0 && errno == EINTR);
    if (size < 0 && errno == EAGAIN) {
        return was_over ? gone(zygote, err) : STATUS_OK;
    }
    if (size <= 0) {
        return gone(zygote, err);
    }
    if (size != sizeof(*event_out) || event_out->kind > ZYGOTE_ENDED) {
        return error_set(err, STATUS_PROTOCOL, "an event of the zygote makes no sense");
    }
    event_out->error.text[sizeof(event_out->error.text) - 1] = '\0';
    if (event_out->kind == ZYGOTE_DESCRIBED || event_out->kind == ZYGOTE_PREPARED) {
        zygote->is_loading = false;
    }
    *is_event_out = true;
    return STATUS_OK;
}
