#include "cli/session.h"

#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>

#include "shared/arena.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/waiter.h"
#include "shared/wire.h"

#define EXIT_INTERNAL 70
#define DISMISS_US_MAX 10000000
#define MESSAGES_A_TURN_MAX 64

struct session {
    struct transport *transport;
    struct master *master;
    struct worker *worker;
    struct arena arena; /* of the message in hand */
};

static enum status hand_over(struct session *session, uint32_t rank,
                             const struct wire_message *message, struct error *err)
{
    const uint64_t now_us = clock_us();
    if (wire_is_for_worker(message->kind)) {
        return session->worker != NULL ? worker_take_message(session->worker, message, now_us, err)
                                       : STATUS_OK;
    }
    return session->master != NULL
               ? master_take_message(session->master, rank, message, now_us, err)
               : STATUS_OK;
}

static enum status take_message(struct session *session, const struct transport_message *received,
                                struct error *err)
{
    struct wire_message message;
    struct error reason;
    arena_reset(&session->arena);
    const enum status status =
        wire_decode(received->data, received->size, &session->arena, &message, &reason);
    if (status == STATUS_OK) {
        return hand_over(session, received->rank, &message, err);
    }
    if (status == STATUS_LIMIT && session->worker != NULL) {
        return worker_refuse(session->worker, reason.text, err);
    }
    log_warning("message ignored reason=malformed rank=%" PRIu32 ": %s", received->rank,
                reason.text);
    return STATUS_OK;
}

static enum status take_messages(struct session *session, bool *did_something, struct error *err)
{
    for (int i = 0; i < MESSAGES_A_TURN_MAX; i++) {
        struct transport_message received;
        bool is_message = false;
        enum status status = transport_receive(session->transport, &received, &is_message, err);
        if (status != STATUS_OK || !is_message) {
            return status;
        }
        *did_something = true;
        status = take_message(session, &received, err);
        transport_release(session->transport, &received);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

static enum status turn(struct session *session, bool *is_message, bool *did_something,
                        struct error *err)
{
    bool did_part = false;
    enum status status = take_messages(session, is_message, err);
    *did_something = *is_message;
    if (status == STATUS_OK && session->master != NULL) {
        status = master_turn(session->master, clock_us(), &did_part, err);
        *did_something = *did_something || did_part;
    }
    if (status == STATUS_OK && session->worker != NULL) {
        status = worker_turn(session->worker, clock_us(), &did_part, err);
        *did_something = *did_something || did_part;
    }
    return status;
}

static bool is_over(const struct session *session)
{
    return session->master != NULL ? master_is_over(session->master)
                                   : worker_is_gone(session->worker);
}

static uint64_t wait_us(const struct session *session)
{
    const uint64_t now_us = clock_us();
    uint64_t deadline_us = UINT64_MAX;
    if (session->master != NULL) {
        deadline_us = master_deadline_us(session->master);
    }
    if (session->worker != NULL && worker_deadline_us(session->worker) < deadline_us) {
        deadline_us = worker_deadline_us(session->worker);
    }
    return deadline_us > now_us ? deadline_us - now_us : 0;
}

/* What was sent last must be on its way before the process may end. */
static void flush(struct session *session)
{
    struct waiter waiter;
    struct error err;
    bool did_something;
    const uint64_t until_us = clock_us() + DISMISS_US_MAX;
    waiter_init(&waiter, true);
    while (transport_pending_all(session->transport) > 0 && clock_us() < until_us) {
        if (take_messages(session, &did_something, &err) != STATUS_OK) {
            return;
        }
        (void)waiter_pause(&waiter, NULL, 0, 1000);
    }
}

int session_run(struct transport *transport, struct master *master, struct worker *worker)
{
    struct session session = {.transport = transport, .master = master, .worker = worker};
    struct waiter waiter;
    struct error err;
    enum status status = STATUS_OK;
    waiter_init(&waiter, transport_size(transport) > 1);
    while (status == STATUS_OK && !is_over(&session)) {
        bool is_message = false;
        bool did_something = false;
        status = turn(&session, &is_message, &did_something, &err);
        if (is_message) {
            waiter_reset(&waiter);
        } else if (did_something) {
            waiter_rest(&waiter,
                        worker != NULL && worker_is_fed(worker) ? WAITER_LONG_US : WAITER_REST_US);
        } else if (status == STATUS_OK && !is_over(&session)) {
            struct pollfd fds[POOL_FD_COUNT_MAX + 1];
            size_t fd_count = worker != NULL ? worker_descriptors(worker, fds) : 0;
            if (master != NULL && master_descriptor(master) >= 0) {
                fds[fd_count++] =
                    (struct pollfd){.fd = master_descriptor(master), .events = POLLIN};
            }
            (void)waiter_pause(&waiter, fds, fd_count, wait_us(&session));
        }
    }
    if (status == STATUS_OK) {
        flush(&session);
    } else {
        log_error("rank %" PRIu32 ": %s", transport_rank(transport), err.text);
    }
    arena_free(&session.arena);
    return status != STATUS_OK ? EXIT_INTERNAL : master != NULL ? master_exit_status(master) : 0;
}

/* ---- Refusing ---------------------------------------------------------------------------------
 */

static enum status send_stop(struct transport *transport, uint32_t rank, struct error *err)
{
    const struct wire_message message = {.kind = WIRE_STOP};
    struct buffer bytes = {0};
    enum status status = wire_encode(&message, &bytes);
    if (status == STATUS_OK) {
        status = transport_send(transport, rank, &bytes, err);
    }
    buffer_free(&bytes);
    return status;
}

static uint32_t count_byes(struct transport *transport, struct arena *arena)
{
    struct error err;
    struct transport_message received;
    struct wire_message message;
    bool is_message = false;
    uint32_t count = 0;
    while (transport_receive(transport, &received, &is_message, &err) == STATUS_OK && is_message) {
        arena_reset(arena);
        count += wire_decode(received.data, received.size, arena, &message, &err) == STATUS_OK &&
                         message.kind == WIRE_BYE
                     ? 1
                     : 0;
        transport_release(transport, &received);
    }
    return count;
}

void session_dismiss(struct transport *transport)
{
    struct error err;
    struct arena arena = {0};
    struct waiter waiter;
    uint32_t waited_count = 0;
    const uint64_t until_us = clock_us() + DISMISS_US_MAX;
    waiter_init(&waiter, true);
    for (uint32_t rank = 1; rank < transport_size(transport); rank++) {
        waited_count += send_stop(transport, rank, &err) == STATUS_OK ? 1 : 0;
    }
    while (waited_count > 0 && clock_us() < until_us) {
        const uint32_t byes = count_byes(transport, &arena);
        waited_count -= byes < waited_count ? byes : waited_count;
        (void)waiter_pause(&waiter, NULL, 0, 1000);
    }
    arena_free(&arena);
}
