#include "worker/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

/* A reader that takes nothing for so long gets no more. */
#define DRAIN_MS_MAX 10000

enum status relay_open(struct relay *relay, bool is_discarding, struct error *err)
{
    int ends[2];
    relay->from = -1;
    relay->to = -1;
    relay->held_size = 0;
    if (is_discarding) {
        relay->to = open("/dev/null", O_WRONLY | O_CLOEXEC);
        return relay->to >= 0 ? STATUS_OK
                              : error_set(err, STATUS_IO, "/dev/null: %s", strerror(errno));
    }
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return error_set(err, STATUS_IO, "pipe: %s", strerror(errno));
    }
    relay->from = ends[0];
    relay->to = ends[1];
    if (fcntl(relay->from, F_SETFL, O_NONBLOCK) != 0) {
        const int reason = errno;
        relay_close(relay);
        return error_set(err, STATUS_IO, "pipe: %s", strerror(reason));
    }
    return STATUS_OK;
}

void relay_close(struct relay *relay)
{
    if (relay->from >= 0) {
        (void)close(relay->from);
    }
    if (relay->to >= 0) {
        (void)close(relay->to);
    }
    relay->from = -1;
    relay->to = -1;
}

/* A pipe that is ready takes PIPE_BUF bytes without waiting. */
static bool is_taken(void)
{
    struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&fd, 1, 0) > 0;
}

static void pass_on(struct relay *relay)
{
    while (relay->held_size > 0 && is_taken()) {
        const size_t size = relay->held_size < PIPE_BUF ? relay->held_size : PIPE_BUF;
        const ssize_t written = write(STDERR_FILENO, relay->held + relay->held_start, size);
        if (written < 0 && (errno == EINTR || errno == EAGAIN)) {
            return;
        }
        const size_t gone = written > 0 ? (size_t)written : relay->held_size;
        relay->held_start += gone;
        relay->held_size -= gone;
    }
}

void relay_forward(struct relay *relay)
{
    pass_on(relay);
    if (relay->from < 0 || relay->held_size > 0) {
        return;
    }
    const ssize_t size = read(relay->from, relay->held, sizeof(relay->held));
    relay->held_start = 0;
    relay->held_size = size > 0 ? (size_t)size : 0;
    pass_on(relay);
}

static bool is_more(const struct relay *relay)
{
    struct pollfd fd = {.fd = relay->from, .events = POLLIN};
    return relay->from >= 0 && poll(&fd, 1, 0) > 0 && (fd.revents & POLLIN) != 0;
}

void relay_drain(struct relay *relay)
{
    struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
    bool has_more = true;
    while (has_more) {
        relay_forward(relay);
        has_more = relay->held_size > 0 ? poll(&fd, 1, DRAIN_MS_MAX) > 0 : is_more(relay);
    }
}

struct pollfd relay_descriptor(const struct relay *relay)
{
    return relay->held_size > 0 ? (struct pollfd){.fd = STDERR_FILENO, .events = POLLOUT}
                                : (struct pollfd){.fd = relay->from, .events = POLLIN};
}
