#include "worker/runner.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/key.h"
#include "shared/lz4_frame.h"
#include "shared/pack.h"
#include "shared/seed.h"
#include "shared/value.h"

#define OUTPUT_SIZE_MAX ((size_t)4 << 20)
#define FAILURE_MAX 64

TestSuite(runner, .timeout = 50);

/* ---- A runner of one function -----------------------------------------------------------------
 */

struct failure {
    struct report_failure report;
    char text[CHANNEL_TEXT_SIZE_MAX + 1];
};

struct bench {
    struct channel channel;
    struct task task;
    struct runner *runner;
    /* Of the last batch: */
    struct channel_result result;
    struct failure failures[FAILURE_MAX];
    size_t failure_count;
    struct buffer outputs;
};

/* Of keys, where outputs are kept; none otherwise. */
static const uint8_t *key_base;
static size_t key_base_size;

static struct type *parse(const char *text)
{
    struct type *type = NULL;
    struct error err = {""};
    cr_assert(eq(int, type_parse(text, &type, &err), STATUS_OK), "%s", err.text);
    return type;
}

static const struct formula range = {
    .kind = FORMULA_RANGE, .start = 0, .step = 1, .count = 1000000};

static struct bench *create_bounded(mf_task_function *fn, const char *output,
                                    struct formula formula, bool is_shared, uint64_t batch_us_max)
{
    static char name[] = "task";
    struct bench *bench = calloc(1, sizeof(*bench));
    cr_assert(ne(ptr, bench, NULL));
    bench->task = (struct task){.name = name, .fn = fn};
    bench->task.input = parse("any");
    bench->task.output = parse(output);
    struct error err = {""};
    cr_assert(eq(int, channel_create(&bench->channel, OUTPUT_SIZE_MAX, is_shared, &err), STATUS_OK),
              "%s", err.text);
    const struct runner_map map = {
        .task = &bench->task,
        .options = {.seed = 1},
        .formula = formula,
        .size = 1000000,
        .key_base = key_base,
        .key_base_size = key_base_size,
    };
    const struct runner_options options = {
        .output_size_max = OUTPUT_SIZE_MAX,
        .map_size = 1000000,
        .run_dir = "/nowhere",
        .launch_dir = "/",
        .batch_us_max = batch_us_max,
        .state = &bench->task,
        .channel = &bench->channel,
    };
    cr_assert(eq(int, runner_create(&options, &bench->runner), STATUS_OK));
    cr_assert(eq(int, runner_turn_to(bench->runner, &map), STATUS_OK));
    return bench;
}

static struct bench *create(mf_task_function *fn, const char *output, struct formula formula,
                            bool is_shared)
{
    return create_bounded(fn, output, formula, is_shared, UINT64_MAX);
}

static void destroy(struct bench *bench)
{
    runner_destroy(bench->runner);
    channel_destroy(&bench->channel);
    type_destroy(bench->task.input);
    type_destroy(bench->task.output);
    buffer_free(&bench->outputs);
    free(bench);
}

static void take_failure(void *context, const struct report_failure *report)
{
    struct bench *bench = context;
    cr_assert(lt(sz, bench->failure_count, FAILURE_MAX));
    struct failure *failure = &bench->failures[bench->failure_count++];
    failure->report = *report;
    memcpy(failure->text, report->text, report->text_size);
    failure->text[report->text_size] = '\0';
}

static void run(struct bench *bench, const struct span *spans, size_t span_count,
                const struct buffer *inputs)
{
    struct error err = {""};
    const uint64_t count = span_list_count(spans, span_count);
    channel_put_batch(&bench->channel, spans, span_count, count,
                      inputs == NULL ? NULL : inputs->data, inputs == NULL ? 0 : inputs->size);
    runner_run(bench->runner);
    cr_assert(channel_has_ended(&bench->channel));
    bench->failure_count = 0;
    buffer_clear(&bench->outputs);
    cr_assert(eq(int,
                 channel_take_result(&bench->channel, count, false, take_failure, bench,
                                     &bench->result, &err),
                 STATUS_OK),
              "%s", err.text);
    if (bench->result.frame != NULL) {
        cr_assert(eq(int,
                     lz4_frame_decompress(bench->result.frame, bench->result.frame_size,
                                          bench->channel.outputs_size, &bench->outputs),
                     STATUS_OK));
    }
}

static void run_first(struct bench *bench, uint64_t count)
{
    const struct span span = {.start = 0, .count = count};
    run(bench, &span, 1, NULL);
}

static bool succeeded(const struct bench *bench, uint64_t at)
{
    return (bench->result.success_bits[at / 8] >> (at % 8) & 1) != 0;
}

/* The outputs are these ints and nothing else. */
static void expect_ints(const struct bench *bench, const int64_t *expected, size_t count)
{
    struct arena arena = {0};
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        size_t used = 0;
        mf_value value;
        cr_assert(eq(int,
                     value_decode(&arena, bench->outputs.data + at, bench->outputs.size - at, &used,
                                  &value, NULL),
                     STATUS_OK));
        cr_expect(eq(int, mf_kind_of(&value), MF_INT));
        cr_expect(eq(i64, mf_int(&value), expected[i]));
        at += used;
    }
    cr_expect(eq(sz, at, bench->outputs.size));
    arena_free(&arena);
}

static void expect_failure(const struct bench *bench, size_t i, uint64_t index,
                           enum failure_class class, const char *text)
{
    cr_assert(lt(sz, i, bench->failure_count));
    const struct failure *failure = &bench->failures[i];
    cr_expect(eq(u64, failure->report.index, index));
    cr_expect(eq(int, failure->report.class, class), "%s", failure->text);
    cr_expect(ne(ptr, strstr(failure->text, text), NULL), "%s: not in: %s", text, failure->text);
}

/* ---- Successes --------------------------------------------------------------------------------
 */

static mf_status twice(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    mf_put_int(output, 2 * mf_int(input));
    return MF_OK;
}

static mf_status tell_place(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)input;
    cr_assert(ne(ptr, mf_state(ctx), NULL));
    cr_assert(eq(u64, mf_map_size(ctx), 1000000));
    mf_put_int(output, (int64_t)(mf_index(ctx) * 10 + mf_attempt(ctx)));
    return MF_OK;
}

static mf_status nothing(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    (void)input;
    (void)output;
    return MF_OK;
}

Test(runner, inputs_of_a_formula_are_computed)
{
    static const int64_t expected[] = {10, 16, 22};
    const struct formula odd = {.kind = FORMULA_RANGE, .start = 5, .step = 3, .count = 100};
    struct bench *bench = create(twice, "int", odd, false);
    run_first(bench, 3);
    cr_expect(eq(u64, bench->result.instance_count, 3));
    cr_expect(eq(u64, bench->result.success_count, 3));
    expect_ints(bench, expected, 3);
    destroy(bench);
}

Test(runner, packed_inputs_are_read_in_order)
{
    static const int64_t expected[] = {14, -2, 2000000};
    struct bench *bench = create(twice, "int", (struct formula){.kind = FORMULA_NONE}, false);
    struct buffer inputs = {0};
    struct pack out;
    pack_start(&out, &inputs);
    pack_int(&out, 7);
    pack_int(&out, -1);
    pack_int(&out, 1000000);
    cr_assert(eq(int, pack_finish(&out), STATUS_OK));
    const struct span span = {.start = 4, .count = 3};
    for (int round = 0; round < 2; round++) { /* the next batch starts anew */
        run(bench, &span, 1, &inputs);
        cr_expect(eq(u64, bench->result.success_count, 3));
        expect_ints(bench, expected, 3);
    }
    buffer_free(&inputs);
    destroy(bench);
}

Test(runner, each_attempt_knows_its_index_and_number)
{
    static const struct span spans[] = {{.start = 3, .count = 2},
                                        {.start = 9, .count = 1, .attempt = 4},
                                        {.start = 20, .count = 2}};
    static const int64_t expected[] = {30, 40, 94, 200, 210};
    struct bench *bench = create(tell_place, "int", range, false);
    run(bench, spans, 3, NULL);
    expect_ints(bench, expected, 5);
    destroy(bench);
}

static mf_status tell_index_of_odd(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    mf_put_int(output, mf_int(input) % 2 != 0 ? (int64_t)mf_index(ctx) : 0);
    return MF_OK;
}

Test(runner, a_batch_says_whether_an_attempt_asked_for_its_place)
{
    static const struct span even = {.start = 2, .count = 1};
    static const struct span both = {.start = 2, .count = 3};
    struct bench *bench = create(tell_index_of_odd, "int", range, false);
    run(bench, &even, 1, NULL);
    cr_expect(not(channel_reads_place(&bench->channel)));
    run(bench, &both, 1, NULL);
    cr_expect(channel_reads_place(&bench->channel));
    run(bench, &even, 1, NULL);
    cr_expect(not(channel_reads_place(&bench->channel)));
    destroy(bench);
}

static mf_status tell_seed(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)input;
    mf_put_int(output, (int64_t)(mf_seed(ctx) >> 1));
    return MF_OK;
}

Test(runner, the_seed_comes_from_the_key_where_outputs_are_kept_else_from_the_index)
{
    static const struct span two = {.start = 7, .count = 2};
    static const struct formula same = {.kind = FORMULA_RANGE, .start = 5, .step = 0, .count = 100};
    const mf_value five = value_int(5);
    struct key_maker *maker;
    struct key key;
    struct type *any = parse("any");
    key_base = (const uint8_t *)"base";
    key_base_size = 4;
    const struct key_options options = {.base = key_base, .base_size = 4, .input = any};
    cr_assert(eq(int, key_maker_create(&options, &maker), STATUS_OK));
    cr_assert(eq(int, key_make(maker, &five, &key, NULL), STATUS_OK));
    const int64_t from_key[] = {(int64_t)(key_seed(&key) >> 1), (int64_t)(key_seed(&key) >> 1)};
    struct bench *bench = create(tell_seed, "int", same, false);
    run(bench, &two, 1, NULL);
    expect_ints(bench, from_key, 2);
    cr_expect(not(channel_reads_place(&bench->channel)));
    destroy(bench);

    key_base_size = 0;
    const int64_t from_index[] = {(int64_t)(seed_of(1, 7) >> 1), (int64_t)(seed_of(1, 8) >> 1)};
    bench = create(tell_seed, "int", same, false);
    run(bench, &two, 1, NULL);
    expect_ints(bench, from_index, 2);
    destroy(bench);
    key_maker_destroy(maker);
    type_destroy(any);
}

Test(runner, a_task_of_output_null_need_not_put_one)
{
    struct bench *bench = create(nothing, "null", range, false);
    run_first(bench, 3);
    cr_expect(eq(u64, bench->result.success_count, 3));
    cr_assert(eq(sz, bench->outputs.size, 3));
    cr_expect(eq(int, memcmp(bench->outputs.data, "\xc0\xc0\xc0", 3), 0));
    destroy(bench);
}

Test(runner, the_largest_batch_runs_whole)
{
    struct bench *bench = create(twice, "int", range, false);
    run_first(bench, CHANNEL_INSTANCE_COUNT_MAX);
    cr_expect(eq(u64, bench->result.success_count, CHANNEL_INSTANCE_COUNT_MAX));
    cr_expect(succeeded(bench, CHANNEL_INSTANCE_COUNT_MAX - 1));
    destroy(bench);
}

Test(runner, a_batch_past_its_time_starts_nothing_more)
{
    struct bench *bench = create_bounded(twice, "int", range, false, 0);
    run_first(bench, 100);
    cr_expect(ge(u64, bench->result.instance_count, 1));
    cr_expect(lt(u64, bench->result.instance_count, 100));
    cr_expect(eq(u64, channel_claimed(&bench->channel), bench->result.instance_count));
    destroy(bench);
}

Test(runner, what_was_trimmed_does_not_run)
{
    struct bench *bench = create(twice, "int", range, false);
    const struct span span = {.start = 0, .count = 5};
    channel_put_batch(&bench->channel, &span, 1, 5, NULL, 0);
    cr_expect(eq(u64, channel_trim(&bench->channel), 0));
    runner_run(bench->runner);
    cr_expect(channel_has_ended(&bench->channel));
    cr_expect(eq(u64, channel_done(&bench->channel), 0));
    destroy(bench);
}

/* ---- Failures ---------------------------------------------------------------------------------
 */

/* By its index. */
static mf_status fail_in_ways(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    switch (mf_int(input)) {
    case 0:
        mf_put_int(output, 1);
        return mf_fail(ctx, "a reason: %d", 5);
    case 1:
        return mf_fail_permanently(ctx, "for good");
    case 2:
        mf_put_str(output, "text");
        return MF_OK;
    case 3:
        return MF_OK;
    case 4:
        mf_put_int(output, 1);
        mf_put_int(output, 2);
        return MF_OK;
    case 5:
        mf_begin_list(output);
        return MF_OK;
    case 6:
        return (mf_status)77;
    case 7:
        (void)mf_fail_permanently(ctx, "said before");
        return (mf_status)-1;
    default:
        mf_put_int(output, 100 + mf_int(input));
        return MF_OK;
    }
}

Test(runner, each_failure_costs_its_instance_alone)
{
    static const int64_t expected[] = {108, 109};
    struct bench *bench = create(fail_in_ways, "int", range, false);
    run_first(bench, 10);
    cr_expect(eq(u64, bench->result.instance_count, 10));
    cr_expect(eq(u64, bench->result.success_count, 2));
    cr_assert(eq(sz, bench->failure_count, 8));
    for (uint64_t i = 0; i < 10; i++) {
        cr_expect(eq(int, succeeded(bench, i), i >= 8));
    }
    expect_failure(bench, 0, 0, FAILURE_ERROR, "a reason: 5");
    expect_failure(bench, 1, 1, FAILURE_ERROR, "for good");
    expect_failure(bench, 2, 2, FAILURE_OUTPUT, "expected int, found str");
    expect_failure(bench, 3, 3, FAILURE_OUTPUT, "");
    expect_failure(bench, 4, 4, FAILURE_OUTPUT, "");
    expect_failure(bench, 5, 5, FAILURE_OUTPUT, "");
    expect_failure(bench, 6, 6, FAILURE_ERROR, "returned 77, which is no mf_status");
    expect_failure(bench, 7, 7, FAILURE_ERROR, "returned -1, which is no mf_status: said before");
    for (size_t i = 0; i < 8; i++) {
        cr_expect(eq(int, bench->failures[i].report.is_permanent, i == 1));
        cr_expect(bench->failures[i].report.text_size > 0, "failure %zu", i);
    }
    expect_ints(bench, expected, 2);
    destroy(bench);
}

static mf_status put_too_much(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    static uint8_t bytes[1 << 20];
    if (mf_int(input) == 1) { /* one item more than fits the area; the writer shall not leave it */
        mf_begin_list(output);
        for (int i = 0; i < 20; i++) {
            mf_put_bytes(output, bytes, sizeof(bytes));
        }
        mf_end_list(output);
    } else if (mf_int(input) == 2) { /* fits the area, but not one output */
        mf_begin_list(output);
        for (int i = 0; i < 5; i++) {
            mf_put_bytes(output, bytes, sizeof(bytes));
        }
        mf_end_list(output);
    } else {
        mf_put_bytes(output, bytes, 10);
    }
    return MF_OK;
}

Test(runner, an_output_past_the_limit_fails_as_output)
{
    struct bench *bench = create(put_too_much, "any", range, false);
    run_first(bench, 4);
    cr_expect(eq(u64, bench->result.instance_count, 4));
    cr_expect(eq(u64, bench->result.success_count, 2));
    cr_assert(eq(sz, bench->failure_count, 2));
    expect_failure(bench, 0, 1, FAILURE_OUTPUT, "larger than 4194304 bytes");
    expect_failure(bench, 1, 2, FAILURE_OUTPUT, "larger than 4194304 bytes");
    cr_expect(eq(sz, bench->outputs.size, 24));
    destroy(bench);
}

static mf_status put_mebibyte(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    (void)input;
    static uint8_t bytes[1 << 20];
    mf_put_bytes(output, bytes, sizeof(bytes));
    return MF_OK;
}

Test(runner, a_batch_ends_early_once_its_outputs_are_many_bytes)
{
    struct bench *bench = create(put_mebibyte, "bytes", range, false);
    run_first(bench, 100);
    cr_expect(eq(u64, bench->result.instance_count, 8));
    cr_expect(eq(u64, bench->result.success_count, 8));
    cr_expect(eq(u64, channel_claimed(&bench->channel), 8));
    cr_expect(gt(sz, bench->outputs.size, CHANNEL_OUTPUTS_SIZE_GOAL));
    run_first(bench, 3);
    cr_expect(eq(u64, bench->result.instance_count, 3), "the next one is whole again");
    destroy(bench);
}

static void run_damaged(struct bench *bench, const uint8_t *bytes, size_t size)
{
    struct buffer inputs = {0};
    const struct span span = {.start = 50, .count = 4};
    cr_assert(eq(int, buffer_append(&inputs, bytes, size), STATUS_OK));
    run(bench, &span, 1, &inputs);
    buffer_free(&inputs);
}

Test(runner, inputs_that_are_damaged_fail_their_instances)
{
    static const int64_t expected[] = {2};
    static const uint8_t none_of_msgpack[] = {1, 0xc1, 2, 3};
    static const uint8_t cut[] = {1, 0xcd, 1};
    struct bench *bench = create(twice, "int", (struct formula){.kind = FORMULA_NONE}, false);
    for (int round = 0; round < 2; round++) {
        if (round == 0) {
            run_damaged(bench, none_of_msgpack, sizeof(none_of_msgpack));
        } else {
            run_damaged(bench, cut, sizeof(cut));
        }
        cr_expect(eq(u64, bench->result.instance_count, 4));
        cr_expect(eq(u64, bench->result.success_count, 1));
        cr_assert(eq(sz, bench->failure_count, 3));
        for (size_t i = 0; i < 3; i++) {
            expect_failure(bench, i, 51 + i, FAILURE_ERROR, "");
            cr_expect(gt(sz, bench->failures[i].report.text_size, 0));
        }
        expect_ints(bench, expected, 1);
    }
    run_damaged(bench, NULL, 0);
    cr_expect(eq(u64, bench->result.success_count, 0));
    cr_expect(eq(sz, bench->failure_count, 4));
    destroy(bench);
}

/* ---- Tasks that write where they must not -----------------------------------------------------
 */

static struct bench *written_over; /* by the task; in its process only */

static mf_status write_over_head(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    if (mf_int(input) == 3) {
        memset(written_over->channel.control, 0xa5, 64);
    }
    mf_put_int(output, 1);
    return MF_OK;
}

static mf_status write_over_count(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    if (mf_int(input) == 3) {
        written_over->channel.control->done = 1;
    }
    mf_put_int(output, 1);
    return MF_OK;
}

/* Gives how the process ended that ran ten instances. */
static int run_in_child(struct bench *bench)
{
    const struct span span = {.start = 0, .count = 10};
    int status = 0;
    written_over = bench;
    channel_put_batch(&bench->channel, &span, 1, 10, NULL, 0);
    const pid_t pid = fork();
    cr_assert(ge(int, pid, 0));
    if (pid == 0) {
        runner_run(bench->runner);
        _exit(0);
    }
    cr_assert(eq(int, waitpid(pid, &status, 0), pid));
    return status;
}

static bool was_ended_by(int status, int signal)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == signal;
}

static void expect_blamed(mf_task_function *fn)
{
    struct bench *bench = create(fn, "int", range, true);
    const int status = run_in_child(bench);
    struct error err;
    cr_assert(was_ended_by(status, SIGABRT));
    cr_expect(eq(u64, channel_blamed(&bench->channel), 3));
    cr_expect(not(channel_has_ended(&bench->channel)));
    cr_expect(eq(
        int,
        channel_take_result(&bench->channel, 10, true, take_failure, bench, &bench->result, &err),
        STATUS_PROTOCOL));
    destroy(bench);
}

Test(runner, a_task_that_writes_over_the_channel_ends_its_process_and_is_named)
{
    expect_blamed(write_over_head);
    expect_blamed(write_over_count);
}

static mf_status die_in_third(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    mf_put_int(output, mf_int(input));
    if (mf_int(input) == 3) {
        (void)raise(SIGKILL);
    }
    return MF_OK;
}

Test(runner, what_was_finished_before_a_death_is_in_the_channel)
{
    struct bench *bench = create(die_in_third, "int", range, true);
    const int status = run_in_child(bench);
    cr_assert(was_ended_by(status, SIGKILL));
    cr_assert(eq(
        int,
        channel_take_result(&bench->channel, 10, true, take_failure, bench, &bench->result, NULL),
        STATUS_OK));
    cr_expect(eq(u64, bench->result.instance_count, 3));
    cr_expect(eq(u64, bench->result.success_count, 3));
    cr_expect(gt(u64, channel_claimed(&bench->channel), 3));
    cr_assert(eq(sz, bench->result.outputs_size, 3));
    cr_expect(eq(int, memcmp(bench->result.outputs, "\0\1\2", 3), 0));
    destroy(bench);
}
