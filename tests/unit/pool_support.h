/* pool_support.h - what the tests of the pool share: a pool of one task, and what to expect of it.
 */
#ifndef TESTS_UNIT_POOL_SUPPORT_H
#define TESTS_UNIT_POOL_SUPPORT_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/clock.h"
#include "shared/job.h"
#include "shared/lz4_frame.h"
#include "shared/pack.h"
#include "shared/wire.h"
#include "worker/channel.h"
#include "worker/executor.h"
#include "worker/pool.h"

#define UNUSED __attribute__((unused))
#define WAIT_US UINT64_C(15000000)
#define OUTPUT_SIZE_MAX ((uint64_t)1 << 20)
#define LEASE 42
#define GRACE_US UINT64_C(10000000)

/* ---- A pool of one task of a built job --------------------------------------------------------
 */

struct bench {
    struct zygote *zygote;
    struct job *job;
    struct wire_start start;
    struct buffer bytes; /* what defines the map */
    struct pool_map map;
    struct offer offer;
    struct pool *pool;
    struct pool_result result;
    struct span trimmed[CHANNEL_SPAN_COUNT_MAX]; /* went back while the batch ran */
    size_t trimmed_count;
    struct span rest[2 * CHANNEL_SPAN_COUNT_MAX + 1];
    /* the latest */
};

static const struct formula range = {
    .kind = FORMULA_RANGE, .start = 0, .step = 1, .count = 1000000};

UNUSED static void load_job(struct bench *bench, const char *library)
{
    char path[4096];
    struct error err = {""};
    const char *build_dir = getenv("MAPFLEET_BUILD_DIR");
    cr_assert(build_dir != NULL, "MAPFLEET_BUILD_DIR is not set");
    (void)snprintf(path, sizeof(path), "%s/%s", build_dir, library);
    cr_assert(eq(int, job_load(path, NULL, &bench->job, &err), STATUS_OK), "%s", err.text);
}

UNUSED static void fill_start(struct bench *bench, const char *task, struct formula formula,
                              uint64_t timeout_ns)
{
    struct error err = {""};
    const struct task *found = job_task(bench->job, task, &err);
    cr_assert(found != NULL, "%s", err.text);
    bench->start = (struct wire_start){.version = WIRE_VERSION,
                                       .ship_token = "",
                                       .program = "test",
                                       .job_path = bench->job->path,
                                       .options = found->options,
                                       .run_dir = "/nowhere",
                                       .launch_dir = "/",
                                       .is_isolated = true,
                                       .has_map = true};
    memcpy(bench->start.job_digest, bench->job->digest, JOB_DIGEST_SIZE);
    bench->start.options.output_size_max = OUTPUT_SIZE_MAX;
    bench->start.options.timeout_ns = timeout_ns;
    bench->start.options.grace_ns = GRACE_US * 1000;
    bench->start.map = (struct wire_map){
        .task = task, .size = 1000000, .options = bench->start.options, .formula = formula};
}

/* After which the map's options may still be changed. */
UNUSED static void define_map(struct bench *bench)
{
    struct error err = {""};
    const struct wire_message message = {.kind = WIRE_MAP, .as.map = bench->start.map};
    buffer_clear(&bench->bytes);
    cr_assert(eq(int, wire_encode(&message, &bench->bytes), STATUS_OK));
    bench->map = (struct pool_map){
        .wire = &bench->start.map, .bytes = bench->bytes.data, .bytes_size = bench->bytes.size};
    cr_assert(
        eq(int, executor_map(bench->job, &bench->start.map, &bench->map.in_rank, &err), STATUS_OK),
        "%s", err.text);
}

UNUSED static struct zygote_event prepare(struct bench *bench)
{
    struct error err = {""};
    struct buffer request = {0};
    const struct wire_message message = {.kind = WIRE_START, .as.start = bench->start};
    cr_assert(eq(int, wire_encode(&message, &request), STATUS_OK));
    cr_assert(eq(int, executor_prepare(bench->zygote, 0, &request, "", &err), STATUS_OK));
    buffer_free(&request);
    struct zygote_event event = {.kind = ZYGOTE_ENDED};
    bool is_event = false;
    struct pollfd fd = {.fd = zygote_descriptor(bench->zygote), .events = POLLIN};
    while (!is_event) {
        cr_assert(eq(int, poll(&fd, 1, (int)(WAIT_US / 1000)), 1), "no event");
        cr_assert(eq(int, zygote_take_event(bench->zygote, &event, &is_event, &err), STATUS_OK),
                  "%s", err.text);
    }
    cr_assert(eq(int, event.kind, ZYGOTE_PREPARED));
    return event;
}

UNUSED static void create_pool(struct bench *bench, uint32_t slot_count)
{
    struct error err = {""};
    bench->offer = (struct offer){.all = {.cpus = slot_count, .mem = UINT64_MAX},
                                  .asked = {.cpus = 1},
                                  .slot_count = slot_count,
                                  .is_isolated = bench->zygote != NULL};
    struct pool_options options = {
        .start = &bench->start, .zygote = bench->zygote, .offer = &bench->offer};
    if (bench->zygote == NULL) {
        options.job = bench->job;
    }
    define_map(bench);
    cr_assert(eq(int, pool_create(&options, &bench->pool, &err), STATUS_OK), "%s", err.text);
}

UNUSED static struct bench *create_of(const char *library, const char *task, struct formula formula,
                                      uint64_t timeout_ns, uint32_t slot_count)
{
    struct error err = {""};
    struct bench *bench = calloc(1, sizeof(*bench));
    cr_assert(ne(ptr, bench, NULL));
    const struct zygote_duties duties = executor_duties();
    cr_assert(eq(int, zygote_create(&duties, &bench->zygote, &err), STATUS_OK), "%s", err.text);
    load_job(bench, library);
    fill_start(bench, task, formula, timeout_ns);
    const struct zygote_event event = prepare(bench);
    cr_assert(eq(int, event.status, STATUS_OK), "%s", event.error.text);
    create_pool(bench, slot_count);
    return bench;
}

UNUSED static struct bench *create(const char *task, struct formula formula, uint64_t timeout_ns,
                                   uint32_t slot_count)
{
    return create_of("jobs/basics.so", task, formula, timeout_ns, slot_count);
}

UNUSED static void destroy(struct bench *bench)
{
    pool_destroy(bench->pool);
    zygote_destroy(bench->zygote);
    job_destroy(bench->job);
    buffer_free(&bench->bytes);
    free(bench);
}

/* ---- Turning it -------------------------------------------------------------------------------
 */

/* What goes back of a batch that still runs, on a busy machine of any, is put with its result. */
UNUSED static bool put_trimmed(struct bench *bench)
{
    struct pool_result *result = &bench->result;
    if (result->goes_on) {
        cr_assert(le(sz, bench->trimmed_count + result->rest_count, CHANNEL_SPAN_COUNT_MAX));
        memcpy(&bench->trimmed[bench->trimmed_count], result->rest,
               result->rest_count * sizeof(*result->rest));
        bench->trimmed_count += result->rest_count;
        return false;
    }
    if (bench->trimmed_count > 0) {
        memcpy(bench->rest, result->rest, result->rest_count * sizeof(*result->rest));
        memcpy(&bench->rest[result->rest_count], bench->trimmed,
               bench->trimmed_count * sizeof(*bench->trimmed));
        result->rest = bench->rest;
        result->rest_count += bench->trimmed_count;
        bench->trimmed_count = 0;
    }
    return true;
}

/* Collect once, at a moment that lies `ahead_us` ahead. */
UNUSED static bool collect(struct bench *bench, uint64_t ahead_us)
{
    struct error err = {""};
    bool is_result = false;
    cr_assert(eq(int,
                 pool_collect(bench->pool, clock_us() + ahead_us, &bench->result, &is_result, &err),
                 STATUS_OK),
              "%s", err.text);
    return is_result && put_trimmed(bench);
}

UNUSED static void wait_a_while(const struct bench *bench)
{
    struct pollfd fds[POOL_FD_COUNT_MAX];
    const size_t count = pool_descriptors(bench->pool, fds);
    const uint64_t deadline_us = pool_deadline_us(bench->pool);
    const uint64_t now_us = clock_us();
    const uint64_t left_us = deadline_us > now_us ? deadline_us - now_us : 0;
    cr_assert(ge(int, poll(fds, count, left_us < 100000 ? (int)(left_us / 1000 + 1) : 100), 0));
}

/* Until a result is there. */
UNUSED static void next_result_at(struct bench *bench, uint64_t ahead_us)
{
    const uint64_t end_us = clock_us() + WAIT_US;
    while (!collect(bench, ahead_us)) {
        cr_assert(lt(u64, clock_us(), end_us), "no result");
        wait_a_while(bench);
    }
}

UNUSED static void next_result(struct bench *bench)
{
    next_result_at(bench, 0);
}

UNUSED static void wait_for_free(struct bench *bench, uint32_t count)
{
    const uint64_t end_us = clock_us() + WAIT_US;
    while (pool_free_count(bench->pool) < count) {
        cr_assert(lt(u64, clock_us(), end_us), "no free slot");
        cr_assert(not(collect(bench, 0)), "a result of nothing");
        wait_a_while(bench);
    }
}

UNUSED static void start(struct bench *bench, uint64_t first, uint64_t count,
                         const struct buffer *inputs)
{
    const struct span span = {.start = first, .count = count};
    const struct batch batch = {.spans = &span,
                                .span_count = 1,
                                .instance_count = count,
                                .inputs = inputs == NULL ? NULL : inputs->data,
                                .inputs_size = inputs == NULL ? 0 : inputs->size};
    pool_start(bench->pool, &bench->map, LEASE, &batch, clock_us());
}

UNUSED static void cancel(struct bench *bench, uint64_t run_on_us, uint64_t grace_us)
{
    struct error err = {""};
    const struct wire_cancel how = {.run_on_us = run_on_us, .grace_us = grace_us};
    cr_assert(eq(int, pool_cancel(bench->pool, NULL, &how, clock_us(), &err), STATUS_OK), "%s",
              err.text);
}

/* Until the batch of ten has come to number 4. */
UNUSED static void wait_for_4(struct bench *bench)
{
    struct pool_running running = {.map = NULL};
    const uint64_t end_us = clock_us() + WAIT_US;
    while (running.running.index != 104) {
        cr_assert(lt(u64, clock_us(), end_us), "it never came to it");
        cr_assert(not(collect(bench, 0)));
        (void)pool_running(bench->pool, clock_us(), &running);
        usleep(1000);
    }
}

/* {value: i}, and for number `at` also how it misbehaves. */
UNUSED static struct buffer misbehaving(uint64_t count, uint64_t at, const char *how)
{
    struct buffer inputs = {0};
    struct pack out;
    pack_start(&out, &inputs);
    for (uint64_t i = 0; i < count; i++) {
        pack_map(&out, i == at ? 2 : 1);
        pack_text(&out, "value");
        pack_uint(&out, i);
        if (i == at) {
            pack_text(&out, "how");
            pack_text(&out, how);
        }
    }
    cr_assert(eq(int, pack_finish(&out), STATUS_OK));
    return inputs;
}

/* ---- Expecting --------------------------------------------------------------------------------
 */

/* What a batch came to fits together, and everything has a result or is given back. */
UNUSED static void expect_whole(const struct bench *bench, uint64_t count)
{
    const struct pool_result *result = &bench->result;
    const struct report_batch *batch = &result->batch;
    uint64_t successes = 0;
    cr_expect(eq(u64, result->lease, LEASE));
    cr_expect(eq(u64, span_list_count(batch->spans, batch->span_count), batch->instance_count));
    cr_expect(
        eq(u64, batch->instance_count + span_list_count(result->rest, result->rest_count), count));
    cr_assert(le(u64, batch->instance_count, count));
    for (uint64_t i = 0; i < batch->instance_count; i++) {
        successes += report_batch_succeeded(batch, i) ? 1 : 0;
    }
    cr_expect(eq(u64, successes, batch->success_count));
    cr_expect(eq(u64, batch->instance_count - successes, result->failure_count));
}

/* The outputs are ints below 128 from `first` on. */
UNUSED static void expect_small_ints(const struct bench *bench, uint8_t first, size_t count)
{
    struct buffer outputs = {0};
    const struct report_batch *batch = &bench->result.batch;
    cr_assert(batch->frame != NULL);
    cr_assert(eq(int,
                 lz4_frame_decompress(batch->frame, batch->frame_size, OUTPUT_SIZE_MAX, &outputs),
                 STATUS_OK));
    cr_assert(eq(sz, outputs.size, count));
    for (size_t i = 0; i < count; i++) {
        cr_expect(eq(int, outputs.data[i], first + (int)i));
    }
    buffer_free(&outputs);
}

/* The batch of ten ended at number 4, with a failure of that class. */
UNUSED static void expect_ended_at_4(const struct bench *bench, enum failure_class class)
{
    const struct pool_result *result = &bench->result;
    expect_whole(bench, 10);
    cr_expect(eq(u64, result->batch.instance_count, 5));
    cr_expect(eq(u64, result->batch.success_count, 4));
    expect_small_ints(bench, 0, 4);
    cr_assert(eq(sz, result->failure_count, 1));
    cr_expect(eq(u64, result->failures[0].index, 104));
    cr_expect(eq(int, result->failures[0].class, class), "%.*s", (int)result->failures[0].text_size,
              result->failures[0].text);
    cr_assert(eq(sz, result->rest_count, 1));
    cr_expect(eq(u64, result->rest[0].start, 105));
}

/* Another attempt has the result of this instance. */
UNUSED static enum status end(struct bench *bench, uint64_t lease, uint64_t index)
{
    struct error err;
    const struct wire_end end = {.lease = lease, .index = index};
    return pool_end(bench->pool, &bench->map, &end, clock_us(), &err);
}

#endif
