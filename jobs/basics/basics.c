/* basics.c - small tasks that try mapfleet out: for its documentation, tests and measurements.
 *
 * Each one shows a single thing: a kind of value, a way to fail, or a way to spend time.
 */
#include <mapfleet.h>

#include <stdlib.h>
#include <time.h>

#include "misbehave.h"

#define NS_PER_SECOND 1000000000
#define SLEEP_MS_MAX 1e12 /* some 31 years; the seconds fit every time_t */

static mf_status square(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const int64_t value = mf_int(input);
    int64_t result;

    if (__builtin_mul_overflow(value, value, &result)) {
        return mf_fail_permanently(ctx, "the square of %" PRId64 " is outside 64 bits", value);
    }
    mf_put_int(output, result);
    return MF_OK;
}

/* Of an output type `null`, writing none is enough. */
static mf_status nothing(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    (void)input;
    (void)output;
    return MF_OK;
}

static mf_status is_even(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    mf_put_bool(output, mf_int(input) % 2 == 0);
    return MF_OK;
}

static mf_status shout(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const char *text = mf_str(input);
    const size_t size = mf_size(input); /* the text may hold a NUL, so strlen() would not do */
    char *loud = malloc(size + 1);

    if (loud == NULL) {
        return mf_fail(ctx, "no memory for %zu bytes", size);
    }
    for (size_t i = 0; i < size; i++) {
        const bool is_lower = text[i] >= 'a' && text[i] <= 'z';
        loud[i] = (char)(text[i] - (is_lower ? 'a' - 'A' : 0));
    }
    mf_put_text(output, loud, size);
    free(loud);
    return MF_OK;
}

static mf_status total(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const size_t count = mf_count(input);
    int64_t sum = 0;

    for (size_t i = 0; i < count; i++) {
        if (__builtin_add_overflow(sum, mf_int(mf_item(input, i)), &sum)) {
            return mf_fail_permanently(ctx, "the sum of the first %zu items is outside 64 bits",
                                       i + 1);
        }
    }
    mf_put_int(output, sum);
    return MF_OK;
}

static mf_status swap(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    mf_begin_map(output);
    mf_put_key(output, "a");
    mf_put_value(output, mf_field(input, "b"));
    mf_put_key(output, "b");
    mf_put_value(output, mf_field(input, "a"));
    mf_end_map(output);
    return MF_OK;
}

/* A seed has 64 bits and an int is signed: the lowest bit is left out. */
static mf_status seed(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)input;
    mf_put_int(output, (int64_t)(mf_seed(ctx) >> 1));
    return MF_OK;
}

static double thread_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static mf_status spin(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const double start = thread_us();
    const double us = mf_float(mf_field(input, "us"));
    (void)output;

    if (!(us >= 0)) { /* true for NaN too */
        return mf_fail_permanently(ctx, "us is %g, expected 0 or more", us);
    }
    while (thread_us() - start < us) {
    }
    return MF_OK;
}

static mf_status sleep_task(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const double ms = mf_float(mf_field(input, "ms"));
    struct timespec end;
    (void)output;

    if (!(ms >= 0 && ms <= SLEEP_MS_MAX)) {
        return mf_fail_permanently(ctx, "ms is %g, expected 0 to %g", ms, SLEEP_MS_MAX);
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += (time_t)(ms / 1e3);
    end.tv_nsec += (long)((ms - (double)(time_t)(ms / 1e3) * 1e3) * 1e6);
    if (end.tv_nsec >= NS_PER_SECOND) {
        end.tv_sec++;
        end.tv_nsec -= NS_PER_SECOND;
    }
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) != 0) {
    } /* a signal came: its end stays the same */
    return MF_OK;
}

static mf_status fail(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const mf_value *fail_field = mf_field(input, "fail");
    const mf_value *permanent = mf_field(input, "permanent");
    const mf_value *message_field = mf_field(input, "message");
    const int64_t failures = fail_field == NULL ? 0 : mf_int(fail_field);
    const char *message = message_field == NULL ? "failed as asked" : mf_str(message_field);

    if (failures > 0 && mf_attempt(ctx) < (uint64_t)failures) {
        return permanent != NULL && mf_bool(permanent) ? mf_fail_permanently(ctx, "%s", message)
                                                       : mf_fail(ctx, "%s", message);
    }
    mf_put_int(output, mf_int(mf_field(input, "value")));
    return MF_OK;
}

void mf_job(mf_registry *job)
{
    const mf_task tasks[] = {
        {.name = "square",
         .fn = square,
         .input = "int",
         .output = "int",
         .help = "The square; fails permanently where it is outside 64 bits."},
        {.name = "is_even", .fn = is_even, .input = "int", .output = "bool", .help = "Is it even?"},
        {.name = "shout",
         .fn = shout,
         .input = "str",
         .output = "str",
         .help = "The text with a to z as capitals."},
        {.name = "total",
         .fn = total,
         .input = "list<int>",
         .output = "int",
         .help = "The sum; fails permanently where it is outside 64 bits."},
        {.name = "swap",
         .fn = swap,
         .input = "{a: any, b: any}",
         .output = "{a: any, b: any}",
         .help = "The values of a and b, exchanged."},
        {.name = "seed",
         .fn = seed,
         .input = "any",
         .output = "int",
         .help = "The upper 63 bits of the instance's seed."},
        {.name = "nothing",
         .fn = nothing,
         .input = "int",
         .output = "null",
         .help = "Does nothing and gives nothing."},
        {.name = "spin",
         .fn = spin,
         .input = "{us: float}",
         .output = "null",
         .help = "Uses a core for so many microseconds of CPU time."},
        {.name = "sleep",
         .fn = sleep_task,
         .input = "{ms: float}",
         .output = "null",
         .help = "Waits for so many milliseconds."},
        {.name = "fail",
         .fn = fail,
         .input = "{value: int, fail?: int, permanent?: bool, message?: str}",
         .output = "int",
         .help = "Fails in its first `fail` attempts, then gives the value."},
        {.name = "misbehave",
         .fn = misbehave,
         .input = "{value: int, how?: str, until?: int, print?: str, text?: str}",
         .output = "int",
         .help = "Crashes, hangs, leaks or worse before attempt `until`, then gives the value; "
                 "prints `text` before that."},
    };

    for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++) {
        mf_register_task(job, &tasks[i]);
    }
}
