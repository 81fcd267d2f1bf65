#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker/printed.h"
#include "worker/runner.h"

#define OUTPUT_SIZE_MAX ((size_t)4 << 20)
#define INSTANCE_MAX 64

TestSuite(runner_printed, .timeout = 50);

/* ---- A runner of one function, which prints --------------------------------------------------
 */

struct bench {
    struct channel channel;
    struct printed printed;
    struct task task;
    struct runner *runner;
    /* Of the last batch, by number of the instance: */
    char kept[INSTANCE_MAX][256];
    char failures[INSTANCE_MAX][256];
    uint64_t count; /* that have a result */
};

static struct bench bench; /* a test is a process of its own */

static struct type *parse(const char *text)
{
    struct type *type = NULL;
    cr_assert(eq(int, type_parse(text, &type, NULL), STATUS_OK));
    return type;
}

static void create(mf_task_function *fn, enum map_capture capture)
{
    static char name[] = "task";
    int fds[STDIO_STREAM_COUNT];
    struct error err = {""};
    bench.task = (struct task){.name = name, .fn = fn};
    bench.task.input = parse("any");
    bench.task.output = parse("int");
    cr_assert(eq(int, channel_create(&bench.channel, OUTPUT_SIZE_MAX, true, &err), STATUS_OK));
    cr_assert(eq(int, capture_open(fds, &err), STATUS_OK));
    cr_assert(eq(int, printed_open(&bench.printed, fds, &bench.channel.control->printed_lock, &err),
                 STATUS_OK));
    const struct runner_map map = {
        .task = &bench.task,
        .formula = {.kind = FORMULA_RANGE, .step = 1, .count = 1000},
        .size = 1000,
    };
    const struct runner_options options = {
        .output_size_max = OUTPUT_SIZE_MAX,
        .capture = capture,
        .map_size = 1000,
        .run_dir = "/nowhere",
        .launch_dir = "/",
        .channel = &bench.channel,
        .printed = &bench.printed,
        .batch_us_max = UINT64_MAX,
    };
    cr_assert(eq(int, runner_create(&options, &bench.runner), STATUS_OK));
    cr_assert(eq(int, runner_turn_to(bench.runner, &map), STATUS_OK));
}

static void destroy(void)
{
    runner_destroy(bench.runner);
    channel_destroy(&bench.channel);
    type_destroy(bench.task.input);
    type_destroy(bench.task.output);
}

static void take_kept(void *context, const struct channel_kept *kept)
{
    (void)context;
    cr_assert(lt(u64, kept->at, INSTANCE_MAX));
    (void)snprintf(bench.kept[kept->at], sizeof(bench.kept[0]), "%.*s",
                   (int)(kept->sizes[STDIO_OUT] + kept->sizes[STDIO_ERR]),
                   (const char *)kept->text);
}

static void take_failure(void *context, const struct report_failure *failure)
{
    (void)context;
    (void)snprintf(bench.failures[failure->index], sizeof(bench.failures[0]), "%.*s",
                   (int)failure->text_size, failure->text);
}

/* Instances 0 to count - 1, whose inputs are those numbers. */
static void run(uint64_t count)
{
    const struct span span = {.start = 0, .count = count};
    struct channel_result result;
    struct error err = {""};
    memset(bench.kept, 0, sizeof(bench.kept));
    memset(bench.failures, 0, sizeof(bench.failures));
    channel_put_batch(&bench.channel, &span, 1, count, NULL, 0);
    runner_run(bench.runner);
    cr_assert(
        eq(int,
           channel_take_result(&bench.channel, count, false, take_failure, NULL, &result, &err),
           STATUS_OK),
        "%s", err.text);
    bench.count = result.instance_count;
    cr_assert(eq(int, channel_take_kept(&bench.channel, bench.count, take_kept, NULL), STATUS_OK));
}

static void expect_text(const char *text, const char *expected)
{
    cr_expect(strcmp(text, expected) == 0, "\"%s\", not \"%s\"", text, expected);
}

/* ---- Tests ---------------------------------------------------------------------------------- */

/* Every third prints its number, every sixth fails. */
static mf_status print_some(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const int64_t number = mf_int(input);
    if (number % 3 == 0) {
        (void)printf("number %d", (int)number);
        (void)fprintf(stderr, ", said %d\n", (int)number);
    }
    mf_put_int(output, number);
    return number % 6 == 0 ? mf_fail(ctx, "no %d", (int)number) : MF_OK;
}

static void expect_of(uint64_t number, bool is_kept)
{
    char text[64] = "";
    if (is_kept) {
        (void)snprintf(text, sizeof(text), "number %d, said %d\n", (int)number, (int)number);
    }
    expect_text(bench.kept[number], text);
    text[0] = '\0';
    if (number % 6 == 0) {
        (void)snprintf(text, sizeof(text), "no %d | , said %d", (int)number, (int)number);
    }
    expect_text(bench.failures[number], text);
}

Test(runner_printed, of_all_attempts_each_has_its_own)
{
    create(print_some, MAP_CAPTURE_ALL);
    for (int round = 0; round < 2; round++) {
        run(20);
        for (uint64_t i = 0; i < 20; i++) {
            expect_of(i, i % 3 == 0);
        }
    }
    destroy();
}

Test(runner_printed, of_failed_attempts_each_has_its_own)
{
    create(print_some, MAP_CAPTURE_FAILED);
    run(20);
    for (uint64_t i = 0; i < 20; i++) {
        expect_of(i, i % 6 == 0);
    }
    destroy();
}

/* NULs are not seen at once. */
static mf_status print_nuls(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const char nuls[9] = "\0\0\0\0\0\0\0\0x";
    (void)ctx;
    if (mf_int(input) == 4) {
        (void)!write(STDOUT_FILENO, nuls, sizeof(nuls));
    }
    mf_put_int(output, 1);
    return MF_OK;
}

Test(runner_printed, the_last_of_a_batch_is_looked_at_closely)
{
    create(print_nuls, MAP_CAPTURE_ALL);
    run(5);
    cr_expect(eq(u64, bench.channel.control->kept_used, 32 + 16), "a head, and 9 bytes padded");
    destroy();
}

static mf_status print_between(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    mf_put_int(output, mf_int(input));
    return MF_OK;
}

Test(runner_printed, what_is_printed_between_batches_is_nobodys)
{
    create(print_between, MAP_CAPTURE_ALL);
    run(5);
    (void)fprintf(stderr, "a thread that was left behind\n");
    (void)printf("and no line");
    run(5);
    for (uint64_t i = 0; i < 5; i++) {
        expect_text(bench.kept[i], "");
    }
    destroy();
}

static mf_status print_much(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    char text[100000];
    (void)ctx;
    memset(text, 'x', sizeof(text));
    (void)!write(STDOUT_FILENO, text, sizeof(text));
    mf_put_int(output, mf_int(input));
    return MF_OK;
}

static void count_kept(void *context, const struct channel_kept *kept)
{
    uint64_t *count = context;
    cr_expect(eq(sz, kept->sizes[STDIO_OUT], 100000));
    (*count)++;
}

Test(runner_printed, much_that_is_kept_ends_the_batch)
{
    const struct span span = {.start = 0, .count = 500};
    struct channel_result result;
    struct error err;
    uint64_t count = 0;
    create(print_much, MAP_CAPTURE_ALL);
    channel_put_batch(&bench.channel, &span, 1, span.count, NULL, 0);
    runner_run(bench.runner);
    cr_assert(eq(int,
                 channel_take_result(&bench.channel, 500, false, take_failure, NULL, &result, &err),
                 STATUS_OK));
    cr_expect(lt(u64, result.instance_count, 90));
    cr_assert(eq(int, channel_take_kept(&bench.channel, 500, count_kept, &count), STATUS_OK));
    cr_expect(eq(u64, count, result.instance_count));
    destroy();
}
