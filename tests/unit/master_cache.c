/* Equal inputs that are held for one of which two attempts run: whichever way that one ends, nobody
 * waits for ever. A master without its loop: reports come in, and what the scheduler wants is done
 * here. One worker of two slots; instance 0 lasts, 1 and 2 have its input. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <poll.h>

#include "master/master_private.h"
#include "master/replay.h"
#include "shared/lz4_frame.h"
#include "shared/memory.h"
#include "shared/pack.h"
#include "tests/unit/cache_support.h"

TestSuite(master_cache, .init = folder_create, .fini = folder_remove, .timeout = 60);

#define LONG_US 1000000000
#define SIZE 7

struct fixture {
    struct master master;
    struct master_map map;
    struct master_map *maps[1];
    struct run_description run;
    struct inputs *inputs;
    struct type *type;
    struct buffer base;
    struct cache_options cache;
    uint64_t leases[3]; /* of the attempts of instance 0 that were handed out, in order */
    size_t lease_count;
    uint32_t worker;   /* who is there */
    bool is_end_asked; /* for one of them */
    bool is_done;
};

/* ---- Reports ----------------------------------------------------------------------------------
 */

static void take(struct fixture *f, const struct report *report)
{
    struct error err;
    OK(master_on_report(&f->master, &f->map, f->worker, report, 1, &err));
}

static void succeed(struct fixture *f, uint64_t lease, uint64_t index, uint64_t attempt)
{
    static const uint8_t packed[] = {10};
    struct buffer frame = {0};
    const struct span span = {.start = index, .count = 1, .attempt = attempt};
    OK(lz4_frame_compress(packed, sizeof(packed), &frame));
    const struct report_batch batch = {.spans = &span,
                                       .span_count = 1,
                                       .instance_count = 1,
                                       .success_count = 1,
                                       .frame = frame.data,
                                       .frame_size = frame.size,
                                       .elapsed_us = 1000};
    take(f, &(struct report){.lease = lease, .batches = &batch, .batch_count = 1});
    buffer_free(&frame);
}

static void fail(struct fixture *f, uint64_t lease, uint64_t index, uint64_t attempt,
                 enum failure_class class, bool is_permanent)
{
    static const uint8_t none[1] = {0};
    const struct span span = {.start = index, .count = 1, .attempt = attempt};
    const struct report_failure failure = {.index = index,
                                           .attempt = attempt,
                                           .class = class,
                                           .is_permanent = is_permanent,
                                           .text = "",
                                           .text_size = 0};
    const struct report_batch batch = {.spans = &span,
                                       .span_count = 1,
                                       .instance_count = 1,
                                       .success_bits = none,
                                       .elapsed_us = 1000};
    take(f, &(struct report){.lease = lease,
                             .batches = &batch,
                             .batch_count = 1,
                             .failures = &failure,
                             .failure_count = 1});
}

/* ---- The master -------------------------------------------------------------------------------
 */

static void act(struct fixture *f, const struct scheduler_action *action)
{
    cr_assert(ne(int, action->kind, SCHEDULER_CANCEL));
    f->is_done = f->is_done || action->kind == SCHEDULER_DONE;
    f->is_end_asked = f->is_end_asked || action->kind == SCHEDULER_END;
    if (action->kind != SCHEDULER_SEND_UNIT) {
        return;
    }
    const struct span span = action->spans[0];
    cr_assert(eq(sz, action->span_count, 1));
    cr_assert(eq(u64, span.count, 1));
    if (span.start == 0) {
        cr_assert(lt(sz, f->lease_count, 3));
        f->leases[f->lease_count++] = action->lease;
    } else {
        succeed(f, action->lease, span.start, span.attempt);
    }
}

/* All that there is to do; everybody but instance 0 succeeds at once. */
static void turn(struct fixture *f)
{
    struct scheduler_action action;
    struct error err;
    bool did_something = true;
    while (did_something) {
        did_something = false;
        OK(master_cache_turn(&f->master, &f->map, &did_something, &err));
        while (scheduler_next(f->map.scheduler, 1, &action)) {
            did_something = true;
            act(f, &action);
        }
    }
}

static struct ledger_counts counts(const struct fixture *f)
{
    return scheduler_counts(f->map.scheduler);
}

/* Until so many have ended, with the cache's thread at work. */
static void turn_until_ended(struct fixture *f, uint64_t ended)
{
    turn(f);
    while (ledger_ended(scheduler_ledger(f->map.scheduler)) < ended) {
        struct pollfd fd = {.fd = cache_descriptor(f->map.cache), .events = POLLIN};
        cr_assert(eq(int, poll(&fd, 1, 30000), 1), "somebody waits for ever");
        turn(f);
    }
}

/* Instance 0 runs and all that are held for nobody have ended. */
static void begin(struct fixture *f, uint64_t retries)
{
    const char *const texts[] = {"job", "task", "1", "int", "int"};
    struct error err;
    *f = (struct fixture){.run = {.options = {.retries = retries}}};
    OK(type_parse("int", &f->type, NULL));
    OK(key_base_make(texts, 5, 0, &f->base));
    const struct inputs_source source = {.kind = INPUTS_FILE,
                                         .path = write_file("in.jsonl", "5\n5\n5\n1\n2\n3\n4\n"),
                                         .launch_dir = folder};
    OK(inputs_open(&source, f->type, &f->inputs, &err));
    f->cache = (struct cache_options){.mode = CACHE_USE,
                                      .dir = in_folder("store"),
                                      .base = f->base.data,
                                      .base_size = f->base.size,
                                      .input = f->type,
                                      .output = f->type,
                                      .task = "task",
                                      .run_dir = folder,
                                      .inputs = f->inputs};
    f->master.options = (struct master_options){
        .run_dir = folder, .run = &f->run, .inputs = f->inputs, .rank_0_works = true};
    f->map = (struct master_map){
        .options = f->run.options, .inputs = f->inputs, .cache_options = &f->cache};
    f->maps[0] = &f->map;
    f->master.maps = f->maps;
    f->master.map_count = 1;
    f->master.state = MASTER_RUNNING;
    f->master.slots = memory_take(1, sizeof(*f->master.slots));
    OK(presence_create(1, 0, &f->master.presence));
    f->master.slots[0] = 2;
    OK(transport_open(false, &f->master.options.transport, &err));
    OK(failures_create(&f->map.failures));
    OK(run_log_create(folder, &f->master.log, &err));
    OK(scheduler_create((struct scheduler_options){.ledger = {.size = SIZE, .retries = retries},
                                                   .sizing = {.unit_size = 1},
                                                   .policy = POLICY_RUN_ALL,
                                                   .worker_count = 2,
                                                   .is_speculative = true},
                        &f->map.scheduler));
    OK(master_cache_create(&f->map));
    cr_assert(master_cache_start(&f->map));
    turn_until_ended(f, SIZE - 3);
    cr_assert(eq(sz, f->lease_count, 1));
    cr_assert(eq(u64, counts(f).waiting, 2));
}

/* A second copy of it is handed out. */
static void copy(struct fixture *f)
{
    const struct wire_running running = {.index = 0, .elapsed_us = LONG_US};
    const struct wire_beat beat = {.running = &running, .running_count = 1};
    scheduler_beat(f->map.scheduler, 0, &beat, LONG_US);
    turn(f);
    cr_assert(eq(sz, f->lease_count, 2));
}

/* The map is done, and nobody waits. */
static void expect_done(struct fixture *f, struct ledger_counts expected)
{
    turn(f);
    cr_expect(f->is_done);
    const struct ledger_counts found = counts(f);
    cr_expect(eq(u64, found.waiting + found.ready + found.leased, 0));
    cr_expect(eq(u64, found.succeeded, expected.succeeded));
    cr_expect(eq(u64, found.cached, expected.cached));
    cr_expect(eq(u64, found.failed, expected.failed));
}

static void expect_log(struct fixture *f, struct ledger_counts expected)
{
    struct replay replay;
    struct failures *failures = NULL;
    OK(run_log_flush(f->master.log, NULL));
    OK(failures_create(&failures));
    OK(replay_log(folder, MAP_NUMBER, SIZE, failures, &replay, NULL));
    cr_expect(eq(u64, replay.history.succeeded.count, expected.succeeded));
    cr_expect(eq(u64, replay.history.cached.count, expected.cached));
    cr_expect(eq(u64, replay.history.failed.count, expected.failed));
    failures_destroy(failures);
    replay_free(&replay);
}

static void finish(struct fixture *f)
{
    struct transport *transport = f->master.options.transport;
    cache_destroy(f->map.cache);
    scheduler_destroy(f->map.scheduler);
    failures_destroy(f->map.failures);
    run_log_close(f->master.log);
    free(f->master.slots);
    presence_destroy(f->master.presence);
    buffer_free(&f->master.packed);
    free(f->master.fates);
    free(f->master.outcomes);
    free(f->master.taken);
    free(f->master.taken_spans);
    free(f->master.taken_failures);
    transport_close(transport, true, 0);
    inputs_close(f->inputs);
    type_destroy(f->type);
    buffer_free(&f->base);
}

/* The ledger says so of everybody, and the log the same. */
static void expect_end(struct fixture *f, struct ledger_counts expected)
{
    expect_done(f, expected);
    expect_log(f, expected);
    finish(f);
}

/* ---- Rules ------------------------------------------------------------------------------------
 */

Test(master_cache, the_output_of_a_copy_is_shared_and_its_loser_changes_nothing)
{
    struct fixture f;
    begin(&f, 0);
    copy(&f);
    succeed(&f, f.leases[1], 0, 1);
    turn_until_ended(&f, SIZE);
    cr_expect(f.is_end_asked);
    fail(&f, f.leases[0], 0, 0, FAILURE_ABORTED, false);
    expect_end(&f, (struct ledger_counts){.succeeded = 5, .cached = 2});
}

Test(master_cache, so_is_that_of_an_original_whose_copy_is_the_loser)
{
    struct fixture f;
    begin(&f, 0);
    copy(&f);
    succeed(&f, f.leases[0], 0, 0);
    turn_until_ended(&f, SIZE);
    succeed(&f, f.leases[1], 0, 1);
    expect_end(&f, (struct ledger_counts){.succeeded = 5, .cached = 2});
}

Test(master_cache,
     an_original_that_fails_for_good_lets_the_next_one_run_also_where_its_copy_runs_on)
{
    struct fixture f;
    begin(&f, 0);
    copy(&f);
    fail(&f, f.leases[0], 0, 0, FAILURE_ERROR, false);
    turn_until_ended(&f, SIZE);
    fail(&f, f.leases[1], 0, 1, FAILURE_ABORTED, false);
    expect_end(&f, (struct ledger_counts){.succeeded = 5, .cached = 1, .failed = 1});
}

Test(master_cache, a_failure_for_good_that_is_permanent_is_shared_once)
{
    struct fixture f;
    begin(&f, 3);
    copy(&f);
    fail(&f, f.leases[0], 0, 0, FAILURE_ERROR, true);
    turn_until_ended(&f, SIZE);
    fail(&f, f.leases[1], 0, 1, FAILURE_ERROR, true);
    expect_end(&f, (struct ledger_counts){.succeeded = 4, .failed = 3});
}

Test(master_cache, a_copy_that_fails_ends_nothing)
{
    struct fixture f;
    begin(&f, 0);
    copy(&f);
    fail(&f, f.leases[1], 0, 1, FAILURE_ERROR, true);
    turn(&f);
    cr_expect(eq(u64, counts(&f).waiting, 2));
    succeed(&f, f.leases[0], 0, 0);
    turn_until_ended(&f, SIZE);
    expect_end(&f, (struct ledger_counts){.succeeded = 5, .cached = 2});
}

Test(master_cache, a_copy_takes_the_place_of_an_original_that_failed_and_its_own_end_counts)
{
    struct fixture f;
    begin(&f, 1);
    copy(&f);
    fail(&f, f.leases[0], 0, 0, FAILURE_ERROR, false);
    turn(&f);
    cr_expect(eq(u64, counts(&f).waiting, 2));
    fail(&f, f.leases[1], 0, 1, FAILURE_ERROR, false);
    turn_until_ended(&f, SIZE);
    expect_end(&f, (struct ledger_counts){.succeeded = 5, .cached = 1, .failed = 1});
}

Test(master_cache, one_that_is_given_back_is_still_waited_for_with_a_copy_and_without)
{
    struct fixture f;
    begin(&f, 0);
    copy(&f);
    fail(&f, f.leases[0], 0, 0, FAILURE_ABORTED, false);
    turn(&f);
    cr_assert(eq(sz, f.lease_count, 2), "the copy goes on");
    fail(&f, f.leases[1], 0, 1, FAILURE_ABORTED, false);
    turn(&f);
    cr_assert(eq(sz, f.lease_count, 3), "it runs again");
    cr_expect(eq(u64, counts(&f).waiting, 2));
    succeed(&f, f.leases[2], 0, 0);
    turn_until_ended(&f, SIZE);
    expect_end(&f, (struct ledger_counts){.succeeded = 5, .cached = 2});
}

static void on_charged(void *context, uint64_t index, struct ledger_fate fate)
{
    struct fixture *f = context;
    master_cache_take_loss(&f->master, &f->map, index, &fate);
}

Test(master_cache, the_loss_of_both_attempts_lets_the_next_one_run)
{
    struct fixture f;
    const uint64_t running[] = {0};
    begin(&f, 0);
    copy(&f);
    scheduler_lose(f.map.scheduler, 0, running, 1, on_charged, &f, 1);
    cr_expect(eq(u64, counts(&f).failed, 1), "no system failure is left");
    cr_expect(eq(u64, counts(&f).ready, 1));
    cr_expect(eq(u64, counts(&f).waiting, 1));
    f.worker = 1;
    scheduler_join(f.map.scheduler, f.worker, 2);
    turn_until_ended(&f, SIZE);
    expect_done(&f, (struct ledger_counts){.succeeded = 5, .cached = 1, .failed = 1});
    finish(&f);
}

/* Goal: a retry that may not have begun is not charged to a loss of its rank. Method: the rank has
 * told that it runs the first attempt, and then that this has failed. */
Test(master_cache, a_failure_that_is_reported_is_no_longer_what_its_rank_is_in)
{
    struct fixture f;
    const struct wire_running running = {.index = 0};
    size_t count = 0;
    begin(&f, 1);
    const struct wire_beat beat = {.running = &running, .running_count = 1};
    presence_note_running(f.master.presence, 0, &(struct wire_beats){.beats = &beat, .count = 1});
    fail(&f, f.leases[0], 0, 0, FAILURE_ERROR, false);
    (void)presence_running(f.master.presence, 0, 0, &count);
    cr_expect(eq(sz, count, 0));
    finish(&f);
}
