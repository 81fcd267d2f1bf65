#include "worker/prefetch.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/arena.h"
#include "shared/buffer.h"
#include "shared/memory.h"
#include "shared/pack.h"
#include "shared/unpack.h"
#include "shared/value.h"
#include "worker/staging.h"

/* As the pool counts executors, none has this number. */
#define EXECUTOR_NUMBER UINT64_MAX
#define TASK_SIZE_MAX ((size_t)4 << 10)

/* ---- The rank's side --------------------------------------------------------------------------
 */

struct prefetch {
    struct zygote *zygote;
    int socket;   /* -1: there is no fetcher */
    bool is_over; /* and none is to be made */
    struct buffer offer;
};

struct prefetch *prefetch_create(struct zygote *zygote)
{
    struct prefetch *prefetch = memory_take(1, sizeof(*prefetch));
    prefetch->zygote = zygote;
    prefetch->socket = -1;
    return prefetch;
}

static void give_up(struct prefetch *prefetch)
{
    if (prefetch->socket >= 0) {
        (void)close(prefetch->socket);
        prefetch->socket = -1;
    }
    prefetch->is_over = true;
}

void prefetch_destroy(struct prefetch *prefetch)
{
    if (prefetch != NULL) {
        give_up(prefetch);
        buffer_free(&prefetch->offer);
        free(prefetch);
    }
}

static void start(struct prefetch *prefetch)
{
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
        give_up(prefetch);
        return;
    }
    prefetch->socket = sockets[0];
    if (zygote_fork(prefetch->zygote, EXECUTOR_NUMBER, PREFETCH_SLOT, &sockets[1], 1, NULL) !=
        STATUS_OK) {
        give_up(prefetch);
    }
    (void)close(sockets[1]);
}

void prefetch_offer(struct prefetch *prefetch, const char *task, const uint8_t *inputs,
                    size_t inputs_size)
{
    struct pack out;
    if (prefetch->is_over || inputs_size == 0 || inputs_size > PREFETCH_SIZE_MAX ||
        strlen(task) > TASK_SIZE_MAX || memmem(inputs, inputs_size, "://", 3) == NULL) {
        return;
    }
    if (prefetch->socket < 0) {
        start(prefetch);
    }
    buffer_clear(&prefetch->offer);
    pack_start(&out, &prefetch->offer);
    pack_text(&out, task);
    pack_raw(&out, inputs, inputs_size);
    if (prefetch->is_over || pack_finish(&out) != STATUS_OK) {
        return;
    }
    if (send(prefetch->socket, prefetch->offer.data, prefetch->offer.size,
             MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
        errno != EAGAIN && errno != EINTR) {
        give_up(prefetch);
    }
}

/* ---- The fetcher's side -----------------------------------------------------------------------
 */

static void fetch_inputs(struct staging *staging, struct arena *arena, const struct type *type,
                         const uint8_t *inputs, size_t size)
{
    while (size > 0) {
        mf_value value;
        size_t used;
        struct error ignored;
        arena_reset(arena);
        if (value_decode(arena, inputs, size, &used, &value, &ignored) != STATUS_OK) {
            return;
        }
        (void)!staging_take(staging, type, arena, &value, &ignored);
        staging_release(staging);
        inputs += used;
        size -= used;
    }
}

static void on_offer(const struct job *job, struct staging *staging, struct arena *arena,
                     const uint8_t *bytes, size_t size)
{
    char name[TASK_SIZE_MAX + 1];
    struct error ignored;
    struct unpack in = unpack_start(bytes, size);
    size_t name_size;
    const char *text = unpack_str(&in, &name_size);
    if (name_size >= sizeof(name)) {
        return;
    }
    memcpy(name, text, name_size);
    name[name_size] = '\0';
    const struct task *task = job_task(job, name, &ignored);
    if (task != NULL) {
        fetch_inputs(staging, arena, task->input, in.at, unpack_left(&in));
    }
}

/* One that a server refuses is left to its attempt, which says so. */
static enum status create_staging(const struct remote_settings *settings,
                                  struct staging **staging_out)
{
    static const char one_try[] = "MAPFLEET_FETCH_TRIES=1"; /* the first one counts */
    struct buffer bytes = {0};
    enum status status = buffer_append(&bytes, one_try, sizeof(one_try));
    if (status == STATUS_OK) {
        status = buffer_append(&bytes, settings->data, settings->size);
    }
    if (status == STATUS_OK) {
        const struct remote_settings own = {.data = bytes.data, .size = bytes.size};
        status = staging_create(&own, staging_out);
    }
    buffer_free(&bytes);
    return status;
}

int prefetch_serve(const struct job *job, const struct remote_settings *settings, int socket)
{
    static uint8_t offer[PREFETCH_SIZE_MAX + TASK_SIZE_MAX + 16];
    struct staging *staging = NULL;
    struct arena arena = {0};
    if (create_staging(settings, &staging) != STATUS_OK) {
        return EXIT_FAILURE;
    }
    for (;;) {
        const ssize_t size = recv(socket, offer, sizeof(offer), 0);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size <= 0) {
            break;
        }
        on_offer(job, staging, &arena, offer, (size_t)size);
    }
    arena_free(&arena);
    staging_destroy(staging);
    return EXIT_SUCCESS;
}
