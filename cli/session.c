#include "cli/session.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "cli/signals.h"
#include "master/slurm_end.h"
#include "shared/arena.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/memory.h"
#include "shared/process_watch.h"
#include "shared/waiter.h"
#include "shared/wire.h"

#define EXIT_INTERNAL 70
#define EXIT_RESUMABLE 75
#define DISMISS_US_MAX 10000000
#define EARLY_PULSE_US 5000000
#define EARLY_WAIT_MS 50
#define MESSAGES_A_TURN_MAX 64
/* timeout(1) and batch systems send a signal twice, to the process and to its group. */
#define SAME_SIGNAL_US 300000
#define FD_COUNT_MAX (POOL_FD_COUNT_MAX + SESSION_GUEST_FD_COUNT_MAX + 4)

struct session {
    struct transport *transport;
    struct master *master;
    struct worker *worker;
    const struct session_guest *guest; /* NULL: none */
    struct process_watch *watch;       /* of ranks of this host; NULL: none */
    struct arena arena;                /* of the message in hand */
    int last_signal;                   /* that asked for an end; 0: none has */
    uint64_t last_signal_us;
};

/* A worker that fails leaves the run, which goes on where others are left. */
static enum status bear(struct session *session, enum status status, const struct error *reason,
                        struct error *err)
{
    if (status == STATUS_OK) {
        return STATUS_OK;
    }
    if (status == STATUS_TRANSPORT) {
        *err = *reason;
        return status;
    }
    return worker_fail(session->worker, reason->text, clock_us(), err);
}

static enum status hand_over(struct session *session, uint32_t rank,
                             const struct wire_message *message, struct error *err)
{
    const uint64_t now_us = clock_us();
    struct error reason;
    if (wire_is_for_worker(message->kind)) {
        return session->worker != NULL
                   ? bear(session, worker_take_message(session->worker, message, now_us, &reason),
                          &reason, err)
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

/* ---- Ends of other ranks -----------------------------------------------------------------
 */

/* The master watches every rank of its host, and those watch it: a rank that was killed is noticed
 * at once there, and one that is only slow is not taken for lost. */
static void open_watch(struct session *session)
{
    const struct transport *transport = session->transport;
    const uint32_t own = transport_rank(transport);
    const uint32_t count = session->master != NULL ? transport_size(transport) : 1;
    struct error ignored;
    if (transport_local_size(transport) == 1 ||
        process_watch_create(&session->watch, &ignored) != STATUS_OK) {
        return;
    }
    for (uint32_t rank = 0; rank < count; rank++) {
        const pid_t pid = rank != own ? transport_process(transport, rank) : 0;
        if (pid > 0 && process_watch_add(session->watch, pid, rank) && session->master == NULL) {
            worker_watch_master(session->worker);
        }
    }
}

static void on_end(struct session *session, uint32_t rank, const char *end)
{
    if (session->master != NULL) {
        master_rank_ended(session->master, rank, end, clock_us());
    } else if (rank == 0) {
        worker_master_ended(session->worker, end, clock_us());
    }
}

/* Of a rank of this host, its process tells before MPI does. */
static void take_ends(struct session *session, bool *did_something)
{
    uint32_t rank;
    while (session->watch != NULL && process_watch_take(session->watch, &rank)) {
        *did_something = true;
        on_end(session, rank, "its process has ended");
    }
    while (transport_next_failed(session->transport, &rank)) {
        *did_something = true;
        on_end(session, rank, "MPI has found it dead");
    }
}

/* ---- Signals, and the job's end ---------------------------------------------------------------
 */

static bool is_ending(int number)
{
    return number == SIGINT || number == SIGTERM;
}

/* Slurm sends SIGTERM to the ranks and to the `mapfleet launch` that started them, which passes it
 * on as SIGUSR1. */
static bool is_same_signal(int a, int b)
{
    return a == b || (is_ending(a) && b == SIGUSR1) || (a == SIGUSR1 && is_ending(b));
}

/* Rank 0 decides for all. The others take the signals that a launcher passes on and do nothing, but
 * for mpirun's last word, after which there is no time to wait for rank 0. */
static enum status on_signal(struct session *session, const struct signal_event *event,
                             struct error *err)
{
    const uint64_t now_us = clock_us();
    const bool is_same = is_same_signal(event->number, session->last_signal) &&
                         now_us - session->last_signal_us < SAME_SIGNAL_US;
    const bool is_first = session->last_signal == 0;
    char why[16] = "SIG";
    if (session->master == NULL) {
        return event->is_last_word ? worker_end_attempts(session->worker, now_us, err) : STATUS_OK;
    }
    if (is_same && !event->is_last_word) {
        return STATUS_OK;
    }
    session->last_signal = event->number;
    session->last_signal_us = now_us;
    (void)strncat(why, sigabbrev_np(event->number), sizeof(why) - sizeof("SIG"));
    return master_interrupt(session->master,
                            is_first && !event->is_last_word ? MASTER_WITH_GRACE : MASTER_AT_ONCE,
                            why, now_us, err);
}

static enum status take_signals(struct session *session, bool *did_something, struct error *err)
{
    struct signal_event event;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && signals_take(&event)) {
        *did_something = true;
        status = on_signal(session, &event, err);
    }
    return status;
}

/* The job's end is a time of day, and the loop's clock is another. */
static void take_job_end(struct session *session)
{
    int64_t end_s;
    if (session->master == NULL || !slurm_end_take(&end_s)) {
        return;
    }
    const uint64_t now_ms = clock_day_ms();
    const uint64_t end_ms = end_s > 0 ? (uint64_t)end_s * 1000 : 0;
    const uint64_t left_ms = end_ms > now_ms ? end_ms - now_ms : 0;
    master_set_job_end(session->master, clock_us() + left_ms * 1000);
}

/* ---- The loop ---------------------------------------------------------------------------------
 */

static enum status turn(struct session *session, bool *is_message, bool *did_something,
                        struct error *err)
{
    bool did_part = false;
    take_job_end(session);
    take_ends(session, did_something);
    enum status status = take_signals(session, did_something, err);
    if (status == STATUS_OK) {
        status = take_messages(session, is_message, err);
        *did_something = *did_something || *is_message;
    }
    if (status == STATUS_OK && session->master != NULL) {
        status = master_turn(session->master, clock_us(), &did_part, err);
        *did_something = *did_something || did_part;
    }
    if (status == STATUS_OK && session->guest != NULL) {
        did_part = false;
        status = session->guest->turn(session->guest->context, clock_us(), &did_part, err);
        *did_something = *did_something || did_part;
    }
    if (status == STATUS_OK && session->worker != NULL) {
        struct error reason;
        status = bear(session, worker_turn(session->worker, clock_us(), &did_part, &reason),
                      &reason, err);
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

static size_t descriptors(const struct session *session, struct pollfd fds[FD_COUNT_MAX])
{
    size_t count = session->worker != NULL ? worker_descriptors(session->worker, fds) : 0;
    fds[count++] = (struct pollfd){.fd = signals_descriptor(), .events = POLLIN};
    fds[count++] = (struct pollfd){.fd = slurm_end_descriptor(), .events = POLLIN};
    if (session->watch != NULL) {
        fds[count++] =
            (struct pollfd){.fd = process_watch_descriptor(session->watch), .events = POLLIN};
    }
    if (session->master != NULL) {
        fds[count++] = (struct pollfd){.fd = master_descriptor(session->master), .events = POLLIN};
    }
    if (session->guest != NULL) {
        count += session->guest->descriptors(session->guest->context, &fds[count]);
    }
    return count;
}

static int exit_status_of(const struct session *session)
{
    return session->master != NULL               ? master_exit_status(session->master)
           : worker_is_orphaned(session->worker) ? EXIT_RESUMABLE
                                                 : 0;
}

int session_run(struct transport *transport, struct master *master, struct worker *worker)
{
    return session_run_with(transport, master, worker, NULL);
}

int session_run_with(struct transport *transport, struct master *master, struct worker *worker,
                     const struct session_guest *guest)
{
    struct session session = {
        .transport = transport, .master = master, .worker = worker, .guest = guest};
    struct waiter waiter;
    struct error err;
    enum status status = STATUS_OK;
    memory_keep();
    waiter_init(&waiter, transport_size(transport) > 1);
    open_watch(&session);
    while (status == STATUS_OK && !is_over(&session)) {
        bool is_message = false;
        bool did_something = false;
        status = turn(&session, &is_message, &did_something, &err);
        if (is_message) {
            waiter_reset(&waiter);
        } else if (did_something) {
            waiter_rest(&waiter,
                        worker != NULL && worker_is_fed(worker) ? WAITER_LONG_US : WAITER_REST_US);
        } else if (status == STATUS_OK && !is_over(&session) && !transport_has_own(transport)) {
            struct pollfd fds[FD_COUNT_MAX];
            const size_t fd_count = descriptors(&session, fds);
            (void)waiter_pause(&waiter, fds, fd_count, wait_us(&session));
        }
    }
    if (status != STATUS_OK) {
        log_error("rank %" PRIu32 ": %s", transport_rank(transport), err.text);
    } else if (worker == NULL || !worker_is_orphaned(worker)) {
        flush(&session);
    }
    process_watch_destroy(session.watch);
    arena_free(&session.arena);
    return status != STATUS_OK ? EXIT_INTERNAL : exit_status_of(&session);
}

/* ---- Before a run, and instead of one
 * -------------------------------------------------------------------------------------
 */

static enum status send_one(struct transport *transport, uint32_t rank,
                            const struct wire_message *message, struct error *err)
{
    struct buffer bytes = {0};
    enum status status = wire_encode(message, &bytes);
    if (status == STATUS_OK) {
        status = transport_send(transport, rank, &bytes, err);
    }
    buffer_free(&bytes);
    return status;
}

/* Where that fails, the run's own first message does, too, and says so. */
static void send_pulses(struct transport *transport)
{
    const struct wire_message message = {.kind = WIRE_PULSE};
    struct error ignored;
    for (uint32_t rank = 1; rank < transport_size(transport); rank++) {
        if (transport_pending(transport, rank) == 0) {
            (void)!send_one(transport, rank, &message, &ignored);
        }
    }
}

/* Nobody has been asked anything yet. */
static void drop_messages(struct transport *transport)
{
    struct transport_message received;
    struct error ignored;
    bool is_message = false;
    while (transport_receive(transport, &received, &is_message, &ignored) == STATUS_OK &&
           is_message) {
        transport_release(transport, &received);
    }
}

void session_wait(struct transport *transport, int descriptor)
{
    struct pollfd fd = {.fd = descriptor, .events = POLLIN};
    uint64_t pulse_us = 0;
    do {
        if (clock_us() >= pulse_us) {
            send_pulses(transport);
            pulse_us = clock_us() + EARLY_PULSE_US;
        }
        drop_messages(transport);
    } while (poll(&fd, 1, EARLY_WAIT_MS) <= 0);
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
    const struct wire_message message = {.kind = WIRE_STOP, .as.stop = {.is_clean = true}};
    const uint64_t until_us = clock_us() + DISMISS_US_MAX;
    waiter_init(&waiter, true);
    for (uint32_t rank = 1; rank < transport_size(transport); rank++) {
        waited_count += send_one(transport, rank, &message, &err) == STATUS_OK ? 1 : 0;
    }
    while (waited_count > 0 && clock_us() < until_us) {
        const uint32_t byes = count_byes(transport, &arena);
        waited_count -= byes < waited_count ? byes : waited_count;
        (void)waiter_pause(&waiter, NULL, 0, 1000);
    }
    arena_free(&arena);
}
