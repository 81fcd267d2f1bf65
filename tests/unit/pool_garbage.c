/* Whatever an executor writes into the memory that it shares, its rank lives on, and everything of
 * the batch has a result or goes back. */
#include "worker/pool.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/clock.h"
#include "shared/job.h"
#include "shared/wire.h"
#include "worker/channel.h"
#include "worker/executor.h"

#define WAIT_US UINT64_C(15000000)
#define OUTPUT_SIZE_MAX ((uint64_t)1 << 20)
#define INSTANCE_COUNT 10u
#define LIE_COUNT 4u /* values for each field */

TestSuite(pool_garbage, .timeout = 50);

#define FIELD(name)                                                                                \
    {                                                                                              \
#name, offsetof(struct channel_control, name),                                             \
            sizeof(((struct channel_control *)NULL)->name)                                         \
    }

static const struct {
    const char *name;
    size_t offset;
    size_t size;
} fields[] = {
    FIELD(canary),       FIELD(batch),       FIELD(span_count),    FIELD(instance_count),
    FIELD(inputs_size),  FIELD(mem),         FIELD(spans),         FIELD(limit),
    FIELD(is_fenced),    FIELD(is_closed),   FIELD(place),         FIELD(setup),
    FIELD(begun),        FIELD(ended),       FIELD(done),          FIELD(began_us),
    FIELD(ended_us),     FIELD(reads_place), FIELD(failures_used), FIELD(kept_used),
    FIELD(printed_lock), FIELD(frame_size),  FIELD(text_size),     FIELD(text),
    FIELD(success_bits),
};
#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))

/* Which field, which value, and how it ends: told to the executor by memory that the fork copies.
 */
struct lie {
    size_t field;
    unsigned value;
    bool lives_on;
};

static void write_lie(struct channel *channel, const struct lie *lie)
{
    static const uint8_t bytes[LIE_COUNT] = {0x00, 0x01, 0x7f, 0xff};
    uint8_t *at = (uint8_t *)channel->control + fields[lie->field].offset;
    memset(at, lie->value == 1 ? 0 : bytes[lie->value], fields[lie->field].size);
    at[0] = bytes[lie->value]; /* 0, 1, large, and the largest */
}

/* It finishes three of the batch as it should, lies, and says that it is done, or dies. */
static int tell_lies(void *context, uint32_t slot, const int *fds, size_t fd_count)
{
    const struct lie *lie = context;
    const uint64_t one = 1;
    uint64_t count;
    struct channel channel;
    (void)slot;
    if (fd_count != EXECUTOR_FD_COUNT ||
        channel_open(&channel, fds[EXECUTOR_CHANNEL], OUTPUT_SIZE_MAX, NULL) != STATUS_OK) {
        return 1;
    }
    atomic_store(&channel.control->setup, CHANNEL_READY);
    (void)!write(fds[EXECUTOR_RANK_BELL], &one, sizeof(one));
    struct pollfd bell = {.fd = fds[EXECUTOR_BELL], .events = POLLIN};
    (void)poll(&bell, 1, -1);
    (void)!read(fds[EXECUTOR_BELL], &count, sizeof(count));
    channel_begin(&channel);
    for (uint64_t i = 0; i < 3; i++) {
        channel.outputs[i] = (uint8_t)i;
        channel_succeed(&channel, i);
    }
    write_lie(&channel, lie);
    (void)!write(fds[EXECUTOR_RANK_BELL], &one, sizeof(one));
    if (lie->lives_on) {
        (void)pause();
    }
    return 0;
}

static enum status prepare_nothing(void *context, const void *request, size_t size,
                                   struct error *err)
{
    (void)context;
    (void)request;
    (void)size;
    (void)err;
    return STATUS_OK;
}

struct bench {
    struct zygote *zygote;
    struct wire_start start;
    struct pool_map map;
    struct offer offer;
    struct pool *pool;
    uint64_t seen; /* instances that have a result, or went back */
    bool has_ended;
};

static void prepare(struct bench *bench)
{
    struct error err = {""};
    struct zygote_event event;
    bool is_event = false;
    struct pollfd fd = {.fd = zygote_descriptor(bench->zygote), .events = POLLIN};
    cr_assert(eq(int, zygote_prepare(bench->zygote, "", 0, &err), STATUS_OK), "%s", err.text);
    while (!is_event) {
        cr_assert(eq(int, poll(&fd, 1, (int)(WAIT_US / 1000)), 1), "no event");
        cr_assert(eq(int, zygote_take_event(bench->zygote, &event, &is_event, &err), STATUS_OK));
    }
}

static void create(struct bench *bench, struct lie *lie)
{
    struct error err = {""};
    const struct zygote_duties duties = {
        .prepare = prepare_nothing, .run = tell_lies, .context = lie};
    *bench = (struct bench){
        .start = {.run_dir = "/nowhere",
                  .launch_dir = "/",
                  .options = {.output_size_max = OUTPUT_SIZE_MAX, .cpus = 1},
                  .is_isolated = true,
                  .has_map = true,
                  .map = {.task = "task",
                          .size = 1000,
                          .options = {.cpus = 1},
                          .formula = {.kind = FORMULA_RANGE, .step = 1, .count = 1000}}},
        .offer = {.all = {.cpus = 1, .mem = UINT64_MAX},
                  .asked = {.cpus = 1},
                  .slot_count = 1,
                  .is_isolated = true}};
    bench->map = (struct pool_map){
        .wire = &bench->start.map, .bytes = (const uint8_t *)"map", .bytes_size = 3};
    cr_assert(eq(int, zygote_create(&duties, &bench->zygote, &err), STATUS_OK), "%s", err.text);
    prepare(bench);
    const struct pool_options options = {
        .start = &bench->start, .zygote = bench->zygote, .offer = &bench->offer};
    cr_assert(eq(int, pool_create(&options, &bench->pool, &err), STATUS_OK), "%s", err.text);
}

static void turn(struct bench *bench)
{
    struct error err = {""};
    struct pool_result result;
    bool is_result = false;
    cr_assert(eq(int, pool_collect(bench->pool, clock_us(), &result, &is_result, &err), STATUS_OK),
              "%s", err.text);
    if (is_result) {
        bench->seen += span_list_count(result.rest, result.rest_count);
        bench->seen += result.goes_on ? 0 : result.batch.instance_count;
        bench->has_ended = !result.goes_on;
        cr_assert(le(u64, result.batch.success_count, result.batch.instance_count));
        cr_assert(le(u64, result.batch.instance_count, INSTANCE_COUNT));
    }
    struct pool_running running;
    (void)pool_running(bench->pool, clock_us(), &running);
    (void)pool_has_begun(bench->pool, &is_result);
}

static void run_one(struct lie lie)
{
    struct bench bench;
    struct error err = {""};
    const struct span span = {.start = 100, .count = INSTANCE_COUNT};
    const struct batch batch = {.spans = &span, .span_count = 1, .instance_count = INSTANCE_COUNT};
    const uint64_t end_us = clock_us() + WAIT_US;
    create(&bench, &lie);
    while (pool_free_count(bench.pool) < 1) {
        cr_assert(lt(u64, clock_us(), end_us), "it is not ready");
        turn(&bench);
        usleep(200);
    }
    pool_start(bench.pool, &bench.map, 42, &batch, clock_us());
    for (int i = 0; i < 10 && !bench.has_ended; i++) {
        turn(&bench);
        usleep(1000);
    }
    struct pool_result trimmed;
    if (pool_trim(bench.pool, clock_us(), &trimmed)) {
        bench.seen += span_list_count(trimmed.rest, trimmed.rest_count);
    }
    const struct wire_cancel at_once = {.run_on_us = 0};
    cr_assert(eq(int, pool_cancel(bench.pool, NULL, &at_once, clock_us(), &err), STATUS_OK), "%s",
              err.text);
    while (!bench.has_ended) {
        cr_assert(lt(u64, clock_us(), end_us), "%s, value %u: no end", fields[lie.field].name,
                  lie.value);
        turn(&bench);
        usleep(200);
    }
    cr_expect(eq(u64, bench.seen, INSTANCE_COUNT), "%s, value %u, %s", fields[lie.field].name,
              lie.value, lie.lives_on ? "lives on" : "dies");
    pool_destroy(bench.pool);
    zygote_destroy(bench.zygote);
}

Test(pool_garbage, whatever_stands_in_a_field_the_batch_ends_whole_though_its_executor_lives_on)
{
    for (size_t field = 0; field < FIELD_COUNT; field++) {
        for (unsigned value = 0; value < LIE_COUNT; value++) {
            run_one((struct lie){.field = field, .value = value, .lives_on = true});
        }
    }
}

Test(pool_garbage, whatever_stands_in_a_field_the_batch_ends_whole_when_its_executor_has_died)
{
    for (size_t field = 0; field < FIELD_COUNT; field++) {
        for (unsigned value = 0; value < LIE_COUNT; value++) {
            run_one((struct lie){.field = field, .value = value, .lives_on = false});
        }
    }
}
