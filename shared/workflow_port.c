#include "shared/workflow_port.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* Room for one descriptor. */
union fd_message {
    struct cmsghdr head; /* for its alignment */
    char bytes[CMSG_SPACE(sizeof(int))];
};

enum status workflow_port_pair(int sockets_out[2], struct error *err)
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets_out) == 0
               ? STATUS_OK
               : error_set(err, STATUS_IO, "cannot open a socket: %s", strerror(errno));
}

static void put_file(struct msghdr *head, union fd_message *rights, int file)
{
    memset(rights, 0, sizeof(*rights));
    head->msg_control = rights;
    head->msg_controllen = sizeof(*rights);
    struct cmsghdr *control = CMSG_FIRSTHDR(head);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof(file));
    memcpy(CMSG_DATA(control), &file, sizeof(file));
}

static enum status send_message(int socket, const struct workflow_message *message, int file,
                                int flags, bool *is_sent_out, struct error *err)
{
    struct buffer bytes = {0};
    union fd_message rights;
    ssize_t sent;
    enum status status = workflow_encode(message, &bytes, err);
    if (status != STATUS_OK) {
        return status;
    }
    struct iovec part = {.iov_base = bytes.data, .iov_len = bytes.size};
    struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1};
    if (file >= 0) {
        put_file(&head, &rights, file);
    }
    do {
        sent = sendmsg(socket, &head, MSG_NOSIGNAL | flags);
    } while (sent < 0 && errno == EINTR);
    *is_sent_out = sent >= 0;
    if (sent < 0 && (flags == 0 || errno != EAGAIN)) {
        status = error_set(err, STATUS_IO, "message of a workflow: %s", strerror(errno));
    }
    buffer_free(&bytes);
    return status;
}

enum status workflow_port_send(int socket, const struct workflow_message *message, int file,
                               struct error *err)
{
    bool is_sent = false;
    return send_message(socket, message, file, 0, &is_sent, err);
}

enum status workflow_port_offer(int socket, const struct workflow_message *message, int file,
                                bool *is_sent_out, struct error *err)
{
    return send_message(socket, message, file, MSG_DONTWAIT, is_sent_out, err);
}

/* The descriptor that came beside a message; -1 where there is none. All others are closed. */
static int take_file(struct msghdr *head)
{
    int file = -1;
    for (struct cmsghdr *control = CMSG_FIRSTHDR(head); control != NULL;
         control = CMSG_NXTHDR(head, control)) {
        if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        for (size_t at = CMSG_LEN(0); at + sizeof(file) <= control->cmsg_len; at += sizeof(file)) {
            if (file >= 0) {
                (void)close(file);
            }
            memcpy(&file, CMSG_DATA(control) + (at - CMSG_LEN(0)), sizeof(file));
        }
    }
    return file;
}

enum status workflow_port_receive(int socket, bool waits, struct arena *arena,
                                  struct workflow_message *message_out, int *file_out,
                                  bool *is_message_out, struct error *err)
{
    static uint8_t bytes[WORKFLOW_MESSAGE_SIZE_MAX + 1];
    union fd_message rights;
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    struct msghdr head = {.msg_iov = &part,
                          .msg_iovlen = 1,
                          .msg_control = &rights,
                          .msg_controllen = sizeof(rights)};
    ssize_t size;
    *file_out = -1;
    *is_message_out = false;
    do {
        size = recvmsg(socket, &head, MSG_CMSG_CLOEXEC | (waits ? 0 : MSG_DONTWAIT));
    } while (size < 0 && errno == EINTR);
    if (size < 0 && errno == EAGAIN) {
        return STATUS_OK;
    }
    if (size <= 0) {
        return error_set(err, STATUS_IO, "the other end of a workflow's socket has gone");
    }
    const int file = take_file(&head);
    const enum status status = workflow_decode(bytes, (size_t)size, arena, message_out, err);
    if (status != STATUS_OK) {
        if (file >= 0) {
            (void)close(file);
        }
        return status;
    }
    *file_out = file;
    *is_message_out = true;
    return STATUS_OK;
}

/* ---- Files in memory --------------------------------------------------------------------------
 */

static enum status write_all(int file, const struct buffer *bytes, struct error *err)
{
    for (size_t at = 0; at < bytes->size;) {
        const ssize_t size = write(file, bytes->data + at, bytes->size - at);
        if (size < 0 && errno != EINTR) {
            return error_set(err, STATUS_NO_MEMORY, "no memory for %zu bytes of values: %s",
                             bytes->size, strerror(errno));
        }
        at += size > 0 ? (size_t)size : 0;
    }
    return STATUS_OK;
}

enum status workflow_port_file(const struct buffer *bytes, int *file_out, struct error *err)
{
    const int file = memfd_create("mapfleet-values", MFD_CLOEXEC);
    if (file < 0) {
        return error_set(err, STATUS_IO, "no file in memory: %s", strerror(errno));
    }
    const enum status status = write_all(file, bytes, err);
    if (status != STATUS_OK) {
        (void)close(file);
        return status;
    }
    *file_out = file;
    return STATUS_OK;
}

/* It is read, not mapped: the other side may still change it. */
enum status workflow_port_read_file(int file, uint64_t size_max, struct buffer *out,
                                    struct error *err)
{
    struct stat about;
    if (fstat(file, &about) != 0 || about.st_size < 0 || (uint64_t)about.st_size > size_max) {
        return error_set(err, STATUS_LIMIT, "values of a workflow are too large");
    }
    const size_t size = (size_t)about.st_size;
    const size_t start = out->size;
    if (buffer_reserve(out, size + 1) != STATUS_OK) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for %zu bytes of values", size);
    }
    while (out->size - start < size) {
        const ssize_t got = pread(file, out->data + out->size, size - (out->size - start),
                                  (off_t)(out->size - start));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            out->size = start;
            return error_set(err, STATUS_IO, "values of a workflow cannot be read");
        }
        out->size += (size_t)got;
    }
    return STATUS_OK;
}
