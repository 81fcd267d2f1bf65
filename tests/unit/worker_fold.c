/* What a rank holds of a map that is reduced. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

#include "worker/worker_private.h"

TestSuite(worker_fold, .timeout = 50);

#define FRAME_SIZE ((size_t)1 << 20)
enum { FOLDING = 3, BEHIND = 40 };

struct bench {
    struct wire_map wire;
    struct worker_map map;
    struct worker worker;
};

/* A rank with one map, of which it holds nothing. */
static struct bench *bench_create(void)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    cr_assert(bench != NULL);
    bench->wire.reducer = "sum";
    bench->map.pooled.wire = &bench->wire;
    bench->worker.maps = &bench->map;
    return bench;
}

static void bench_destroy(struct bench *bench)
{
    for (size_t i = 0; i < bench->worker.report_capacity; i++) {
        wire_report_free(&bench->worker.reports[i]);
    }
    free(bench->worker.reports);
    worker_free_held(&bench->map);
    free(bench);
}

/* Batches of one instance from `first` on, whose partial values are large. */
static void hold(struct bench *bench, uint64_t first, uint64_t count)
{
    uint8_t *frame = calloc(1, FRAME_SIZE);
    for (uint64_t i = first; i < first + count; i++) {
        const struct span span = {.start = i, .count = 1};
        const struct pool_result ended = {.map = &bench->map.pooled,
                                          .lease = 1,
                                          .batch = {.spans = &span,
                                                    .span_count = 1,
                                                    .instance_count = 1,
                                                    .success_count = 1,
                                                    .frame = frame,
                                                    .frame_size = FRAME_SIZE,
                                                    .partial_count = 1}};
        cr_assert(worker_hold(&bench->map, &ended, 1));
    }
    free(frame);
}

static void turn(struct bench *bench)
{
    bool did_something = false;
    cr_assert(eq(int, worker_fold_turn(&bench->worker, 2, &did_something, NULL), STATUS_OK));
}

Test(worker_fold, what_gathers_behind_a_fold_at_work_leaves_before_it_is_too_much)
{
    struct bench *bench = bench_create();
    struct worker_held *held = &bench->map.held;
    hold(bench, 0, FOLDING);
    held->folding = FOLDING;
    held->folding_size = held->size;
    held->is_at_work = true;
    for (uint64_t i = 0; i < BEHIND; i++) {
        hold(bench, FOLDING + i, 1);
        turn(bench);
    }
    cr_expect(held->size < 20 * FRAME_SIZE);
    cr_expect(held->count >= FOLDING);
    cr_assert(eq(sz, bench->worker.report_count, 1));
    cr_expect(eq(sz, held->count + bench->worker.reports[0].batch_count, FOLDING + BEHIND));
    cr_expect(eq(sz, held->folding, FOLDING));
    bench_destroy(bench);
}
