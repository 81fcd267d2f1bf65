#include "worker/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

/* Not more in one go, so that a flood does not keep the rank from its other work. */
#define FORWARD_SIZE_MAX ((size_t)64 << 10)

enum status relay_open(struct relay *relay, bool is_discarding, struct error *err)
{
    int ends[2];
    *relay = (struct relay){.from = -1, .to = -1};
    if (is_discarding) {
        relay->to = open("/dev/null", O_WRONLY | O_CLOEXEC);
        return relay->to >= 0 ? STATUS_OK
                              : error_set(err, STATUS_IO, "/dev/null: %s", strerror(errno));
    }
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return error_set(err, STATUS_IO, "pipe: %s", strerror(errno));
    }
    *relay = (struct relay){.from = ends[0], .to = ends[1]};
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
    *relay = (struct relay){.from = -1, .to = -1};
}

static void write_all(const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        const ssize_t written = write(STDERR_FILENO, bytes, size);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return;
        }
        bytes += written;
        size -= (size_t)written;
    }
}

void relay_forward(const struct relay *relay)
{
    uint8_t bytes[FORWARD_SIZE_MAX];
    const ssize_t size = relay->from >= 0 ? read(relay->from, bytes, sizeof(bytes)) : 0;
    if (size > 0) {
        write_all(bytes, (size_t)size);
    }
}
