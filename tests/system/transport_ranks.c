/* transport_ranks MODE [ARGUMENT...]: what ranks do with each other in the tests of the transport.
 *
 *   place              print rank, size, local rank, local size and name
 *   exchange SEED COUNT SIZE_MAX
 *                      each rank sends COUNT messages to each rank, itself included, all before it
 *                      receives any; sizes are 0 ... SIZE_MAX, small ones more often. Content and
 *                      order are checked.
 *   idle               wait for a second, and print the share of a core that it took
 *   lose               the last rank dies amid large messages; the others give it up and go on
 *   told               likewise, but as soon as MPI tells of its end, which it has to
 *   abort STATUS       rank 0 ends the job
 *   exit STATUS        end with this, after a clean close
 *   latency SIZE COUNT rank 0 and 1 answer each other
 *   rate SIZE COUNT    every other rank sends COUNT messages to rank 0, 64 at a time
 *   far SIZE           one message to rank 1 and back
 *
 * Every failed check prints a line with its rank, and ends the whole job with 1.
 */
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/transport.h"
#include "shared/waiter.h"

static struct transport *transport;
static struct waiter waiter;
static uint32_t here_count; /* of other ranks that have come to meet() before this one did */

#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: rank %" PRIu32 ": %s: ", __FILE__, __LINE__,             \
                          transport_rank(transport), #condition);                                  \
            (void)fprintf(stderr, __VA_ARGS__);                                                    \
            (void)fputc('\n', stderr);                                                             \
            transport_abort(transport, 1);                                                         \
        }                                                                                          \
    } while (0)

static double seconds(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* splitmix64: each value follows from the one before alone. */
static uint64_t random_next(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = *state;
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* ---- Messages -------------------------------------------------------------------------------- */

static void send_bytes(uint32_t rank, struct buffer *bytes)
{
    struct error err = {0};
    CHECK(transport_send(transport, rank, bytes, &err) == STATUS_OK, "%s", err.text);
    CHECK(bytes->data == NULL, "bytes were not taken over");
}

static struct buffer bytes_of(size_t size)
{
    struct buffer bytes = {0};
    CHECK(buffer_reserve(&bytes, size) == STATUS_OK, "out of memory");
    bytes.size = size;
    return bytes;
}

static void send_text(uint32_t rank, const char *text)
{
    struct buffer bytes = {0};
    CHECK(buffer_append(&bytes, text, strlen(text)) == STATUS_OK, "out of memory");
    send_bytes(rank, &bytes);
}

static bool try_receive(struct transport_message *message_out)
{
    struct error err = {0};
    bool is_message = false;
    CHECK(transport_receive(transport, message_out, &is_message, &err) == STATUS_OK, "%s",
          err.text);
    return is_message;
}

/* As try_receive(), but where others may be ahead: that they wait in meet() is only counted. */
static bool try_receive_of_task(struct transport_message *message_out)
{
    if (!try_receive(message_out)) {
        return false;
    }
    if (message_out->size == strlen("here") && memcmp(message_out->data, "here", 4) == 0) {
        transport_release(transport, message_out);
        here_count++;
        return false;
    }
    return true;
}

static struct transport_message receive(void)
{
    struct transport_message message;
    while (!try_receive(&message)) {
        (void)waiter_pause(&waiter, NULL, 0, WAITER_NO_DEADLINE);
    }
    waiter_reset(&waiter);
    return message;
}

static void expect_text(const char *text)
{
    struct transport_message message = receive();
    CHECK(message.size == strlen(text) && memcmp(message.data, text, message.size) == 0,
          "'%s' expected, %zu bytes of rank %" PRIu32, text, message.size, message.rank);
    transport_release(transport, &message);
}

/* Go on once everybody is here. */
static void meet(void)
{
    const uint32_t size = transport_size(transport);
    if (transport_rank(transport) != 0) {
        send_text(0, "here");
        expect_text("go on");
        return;
    }
    for (; here_count + 1 < size; here_count++) {
        expect_text("here");
    }
    here_count = 0;
    for (uint32_t rank = 1; rank < size; rank++) {
        send_text(rank, "go on");
    }
}

/* All that was sent has been taken, and there is nothing more to receive. */
static void settle(void)
{
    struct transport_message message;
    while (transport_pending_all(transport) > 0) {
        CHECK(!try_receive_of_task(&message), "%zu bytes too many", message.size);
    }
}

/* ---- Exchange -------------------------------------------------------------------------------- */

struct stream {
    uint64_t random;
    uint32_t message_count;
};

static struct stream stream_of(uint64_t seed, uint32_t sender, uint32_t receiver)
{
    return (struct stream){.random = (seed << 32) + ((uint64_t)sender << 16) + receiver};
}

/* Sizes are as likely between 2^k and 2^(k+1) for each k. */
static size_t stream_size(struct stream *stream, size_t size_max)
{
    unsigned bits = 0;
    while (bits < 63 && size_max >> bits != 0) {
        bits++;
    }
    const uint64_t shift = random_next(&stream->random) % (bits + 1);
    const uint64_t size = random_next(&stream->random) & ((UINT64_C(1) << shift) - 1);
    return size <= size_max ? (size_t)size : size_max;
}

static void stream_send(struct stream *stream, uint32_t rank, size_t size_max)
{
    struct buffer bytes = bytes_of(stream_size(stream, size_max));
    uint64_t word = random_next(&stream->random);
    for (size_t i = 0; i < bytes.size; i++, word += word >> 3 | 1) {
        bytes.data[i] = (uint8_t)word;
    }
    send_bytes(rank, &bytes);
    stream->message_count++;
}

static void stream_expect(struct stream *stream, const struct transport_message *message,
                          size_t size_max)
{
    const size_t size = stream_size(stream, size_max);
    CHECK(message->size == size, "message %" PRIu32 " of rank %" PRIu32 ": %zu bytes for %zu",
          stream->message_count, message->rank, message->size, size);
    uint64_t word = random_next(&stream->random);
    for (size_t i = 0; i < size; i++, word += word >> 3 | 1) {
        CHECK(message->data[i] == (uint8_t)word,
              "message %" PRIu32 " of rank %" PRIu32 ": byte %zu of %zu", stream->message_count,
              message->rank, i, size);
    }
    stream->message_count++;
}

/* Some messages are kept for a while, so that their blocks come back out of order. */
static void keep_message(struct transport_message *kept, struct transport_message message,
                         uint64_t turn)
{
    transport_release(transport, &kept[turn % 8]);
    kept[turn % 8] = message;
}

static void exchange(uint64_t seed, uint32_t count, size_t size_max)
{
    const uint32_t size = transport_size(transport);
    const uint32_t own = transport_rank(transport);
    struct stream *streams = calloc(size, sizeof(*streams));
    struct transport_message kept[8] = {0};
    CHECK(streams != NULL, "out of memory");
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t rank = 0; rank < size; rank++) {
            if (i == 0) {
                streams[rank] = stream_of(seed, own, rank);
            }
            stream_send(&streams[rank], rank, size_max);
        }
    }
    for (uint32_t rank = 0; rank < size; rank++) {
        streams[rank] = stream_of(seed, rank, own);
    }
    for (uint64_t i = 0; i < (uint64_t)size * count;) {
        struct transport_message message;
        if (!try_receive_of_task(&message)) {
            (void)waiter_pause(&waiter, NULL, 0, WAITER_NO_DEADLINE);
            continue;
        }
        waiter_reset(&waiter);
        CHECK(message.rank < size, "rank %" PRIu32, message.rank);
        stream_expect(&streams[message.rank], &message, size_max);
        keep_message(kept, message, i++);
    }
    for (uint32_t i = 0; i < 8; i++) {
        transport_release(transport, &kept[i]);
    }
    free(streams);
    settle();
}

/* ---- Waiting --------------------------------------------------------------------------------- */

static void idle(void)
{
    struct transport_message message;
    meet();
    const double begin = seconds(CLOCK_MONOTONIC);
    const double used_begin = seconds(CLOCK_PROCESS_CPUTIME_ID);
    while (seconds(CLOCK_MONOTONIC) < begin + 1) {
        CHECK(!try_receive_of_task(&message), "who spoke?");
        (void)waiter_pause(&waiter, NULL, 0, WAITER_NO_DEADLINE);
    }
    const double used =
        (seconds(CLOCK_PROCESS_CPUTIME_ID) - used_begin) / (seconds(CLOCK_MONOTONIC) - begin);
    (void)printf("idle rank=%" PRIu32 " core=%.1f%%\n", transport_rank(transport), 100 * used);
    CHECK(used < 0.05, "%.1f %% of a core", 100 * used);
    meet();
}

/* ---- Loss ------------------------------------------------------------------------------------ */

#define LOSE_SIZE ((size_t)32 << 20)
#define SURVIVE_COUNT 100u
#define TOLD_SECONDS_MAX 30

static uint32_t survive_count; /* messages of survivors that have arrived */

/* A message of a survivor, which may be ahead of this one. */
static void expect_survivor(struct transport_message *message)
{
    const uint32_t i = survive_count++;
    CHECK(message->size == i * 1000 + 1, "%zu bytes", message->size);
    CHECK(message->data[message->size - 1] == (uint8_t)i, "message %" PRIu32, i);
    transport_release(transport, message);
}

/* What arrives of a dying rank is whole. */
static void expect_last_words(struct transport_message *message, uint8_t byte)
{
    CHECK(message->size == LOSE_SIZE, "%zu bytes", message->size);
    CHECK(message->data[0] == byte, "message %d", byte);
    CHECK(memcmp(message->data, message->data + 1, LOSE_SIZE - 1) == 0, "message %d", byte);
    transport_release(transport, message);
}

/* Has MPI found the rank dead? */
static bool is_told(uint32_t lost)
{
    uint32_t rank = 0;
    if (!transport_next_failed(transport, &rank)) {
        return false;
    }
    CHECK(rank == lost, "rank %" PRIu32 " has failed", rank);
    CHECK(!transport_next_failed(transport, &rank), "rank %" PRIu32 " has failed, too", rank);
    return true;
}

/* The last rank sends and is sent large messages, and dies at once. The others wait until nothing
 * moves any more, or until MPI tells of its end, give it up, and work on. */
static void lose(bool is_to_be_told)
{
    const uint32_t lost = transport_size(transport) - 1;
    const uint32_t own = transport_rank(transport);
    for (int i = 0; i < 3; i++) {
        for (uint32_t rank = 0; rank <= lost; rank++) {
            if (rank != own && (rank == lost || own == lost)) {
                struct buffer bytes = bytes_of(LOSE_SIZE);
                memset(bytes.data, i, bytes.size);
                send_bytes(rank, &bytes);
            }
        }
    }
    struct transport_message message;
    uint8_t lost_count = 0;
    const double begin = seconds(CLOCK_MONOTONIC);
    while (is_to_be_told ? !is_told(lost) : seconds(CLOCK_MONOTONIC) < begin + 1) {
        CHECK(seconds(CLOCK_MONOTONIC) < begin + TOLD_SECONDS_MAX, "nothing was told");
        if (own == lost && seconds(CLOCK_MONOTONIC) > begin + 0.003) {
            (void)raise(SIGKILL);
        }
        if (!try_receive(&message)) {
            continue;
        }
        if (message.rank != lost) {
            expect_survivor(&message);
            continue;
        }
        expect_last_words(&message, lost_count++);
    }
    transport_abandon(transport, lost);
    transport_abandon(transport, lost);
    CHECK(transport_pending(transport, lost) == 0, "bytes are pending");
    CHECK(transport_pending_all(transport) == 0, "bytes are pending");
    send_text(lost, "is anybody there?");
    CHECK(transport_pending(transport, lost) == 0, "bytes are pending");
}

/* Messages among the survivors, large enough for bodies. */
static void survive(void)
{
    const uint32_t survivor_count = transport_size(transport) - 1;
    const uint32_t next = (transport_rank(transport) + 1) % survivor_count;
    for (uint32_t i = 0; i < SURVIVE_COUNT; i++) {
        struct buffer bytes = bytes_of(i * 1000 + 1);
        memset(bytes.data, (int)i, bytes.size);
        send_bytes(next, &bytes);
    }
    while (survive_count < SURVIVE_COUNT) {
        struct transport_message message = receive();
        expect_survivor(&message);
    }
    settle();
    (void)printf("survived rank=%" PRIu32 "\n", transport_rank(transport));
    (void)fflush(stdout);
    transport_close(transport, false, 0);
    _exit(0);
}

/* ---- Measurements ---------------------------------------------------------------------------- */

static struct transport_message receive_busy(void)
{
    struct transport_message message;
    while (!try_receive(&message)) {
    }
    return message;
}

static void latency(size_t size, uint32_t count)
{
    const uint32_t own = transport_rank(transport);
    const double begin = seconds(CLOCK_MONOTONIC);
    for (uint32_t i = 0; own < 2 && i < count; i++) {
        for (uint32_t turn = 0; turn < 2; turn++) {
            if (turn == own) {
                struct buffer bytes = bytes_of(size);
                memset(bytes.data, 1, size);
                send_bytes(1 - own, &bytes);
            } else {
                struct transport_message message = receive_busy();
                transport_release(transport, &message);
            }
        }
    }
    const double each = (seconds(CLOCK_MONOTONIC) - begin) / count / 2;
    if (own == 0) {
        (void)printf("latency bytes=%zu us=%.2f mib_s=%.0f\n", size, each * 1e6,
                     (double)size / each / 1048576);
    }
}

static void rate_send(size_t size, uint32_t count)
{
    for (uint32_t i = 1; i <= count; i++) {
        struct buffer bytes = bytes_of(size);
        memset(bytes.data, 1, size);
        send_bytes(0, &bytes);
        if (i % 64 == 0) {
            expect_text("more");
        }
    }
}

static void rate_receive(size_t size, uint32_t count)
{
    const uint32_t rank_count = transport_size(transport);
    const uint64_t total = (uint64_t)count * (rank_count - 1);
    uint32_t *counts = calloc(rank_count, sizeof(*counts));
    CHECK(counts != NULL, "out of memory");
    const double begin = seconds(CLOCK_MONOTONIC);
    for (uint64_t i = 0; i < total; i++) {
        struct transport_message message;
        while (!try_receive_of_task(&message)) {
            (void)sched_yield();
        }
        if (++counts[message.rank] % 64 == 0) {
            send_text(message.rank, "more");
        }
        transport_release(transport, &message);
    }
    const double time = seconds(CLOCK_MONOTONIC) - begin;
    (void)printf("rate bytes=%zu messages_s=%.0f mib_s=%.0f\n", size, (double)total / time,
                 (double)size * (double)total / time / 1048576);
    free(counts);
}

static void rate(size_t size, uint32_t count)
{
    if (transport_rank(transport) == 0) {
        rate_receive(size, count);
    } else {
        rate_send(size, count);
    }
}

static void far(size_t size)
{
    const uint32_t own = transport_rank(transport);
    if (own == 0) {
        struct buffer bytes = bytes_of(size);
        for (size_t i = 0; i < size; i++) {
            bytes.data[i] = (uint8_t)(i >> 16 ^ i);
        }
        send_bytes(1, &bytes);
    }
    if (own < 2) {
        struct transport_message message = receive();
        CHECK(message.size == size, "%zu bytes", message.size);
        struct buffer bytes = bytes_of(own == 0 ? 0 : size);
        for (size_t i = 0; i < size; i++) {
            CHECK(message.data[i] == (uint8_t)(i >> 16 ^ i), "byte %zu", i);
        }
        if (own == 1) {
            memcpy(bytes.data, message.data, size);
            send_bytes(0, &bytes);
        }
        buffer_free(&bytes);
        transport_release(transport, &message);
    }
}

/* ---- The program ----------------------------------------------------------------------------- */

static void place(void)
{
    (void)printf("place rank=%" PRIu32 "/%" PRIu32 " local=%" PRIu32 "/%" PRIu32 " name=%s\n",
                 transport_rank(transport), transport_size(transport),
                 transport_local_rank(transport), transport_local_size(transport),
                 transport_name(transport));
}

static void open_transport(void)
{
    struct error err = {0};
    bool is_parallel = false;
    enum status status = transport_is_parallel(&is_parallel, &err);
    if (status == STATUS_OK) {
        status = transport_open(is_parallel, &transport, &err);
    }
    if (status != STATUS_OK) {
        if (transport_rank_of_environment() == 0) {
            (void)fprintf(stderr, "%s\n", err.text);
        }
        exit(2);
    }
    waiter_init(&waiter, is_parallel);
}

static bool run(const char *mode, uint64_t first, uint64_t second, uint64_t third)
{
    if (strcmp(mode, "place") == 0) {
        place();
    } else if (strcmp(mode, "exchange") == 0) {
        exchange(first, (uint32_t)second, third);
    } else if (strcmp(mode, "idle") == 0) {
        idle();
    } else if (strcmp(mode, "lose") == 0) {
        lose(false);
        survive();
    } else if (strcmp(mode, "told") == 0) {
        lose(true);
        survive();
    } else if (strcmp(mode, "abort") == 0) {
        if (transport_rank(transport) == 0) {
            transport_abort(transport, (int)first);
        }
        (void)receive();
    } else if (strcmp(mode, "latency") == 0) {
        latency(first, (uint32_t)second);
    } else if (strcmp(mode, "rate") == 0) {
        rate(first, (uint32_t)second);
    } else if (strcmp(mode, "far") == 0) {
        far(first);
    } else {
        return strcmp(mode, "exit") == 0;
    }
    return true;
}

int main(int argc, char **argv)
{
    uint64_t numbers[3] = {0};
    for (int i = 2; i < argc && i < 5; i++) {
        numbers[i - 2] = strtoull(argv[i], NULL, 10);
    }
    open_transport();
    const char *mode = argc > 1 ? argv[1] : "";
    const bool is_known = run(mode, numbers[0], numbers[1], numbers[2]);
    meet();
    transport_close(transport, true, 0);
    if (!is_known) {
        (void)fprintf(stderr, "unknown mode '%s'\n", mode);
        return 2;
    }
    return strcmp(mode, "exit") == 0 ? (int)numbers[0] : 0;
}
