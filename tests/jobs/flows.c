/* flows.c - a job of workflows that do what a test asks of them.
 *
 * Tasks: `square` fails for good for negative integers; `sum` adds a list up; `spread`
 * makes one, `flatten` one of many; `echo` gives its
 * input; `note` adds a line to a file, so that attempts can be counted; `wait` waits for a file;
 * `flaky` fails at its first attempt.
 */
#include <fcntl.h>
#include <mapfleet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- Tasks ----------------------------------------------------------------------------------- */

static mf_status square(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const int64_t value = mf_int(input);
    if (value < 0) {
        return mf_fail_permanently(ctx, "negative input %" PRId64, value);
    }
    mf_put_int(output, value * value);
    return MF_OK;
}

static mf_status sum(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    int64_t total = 0;
    (void)ctx;
    for (size_t i = 0; i < mf_count(input); i++) {
        total += mf_int(mf_item(input, i));
    }
    mf_put_int(output, total);
    return MF_OK;
}

/* The integers from 0 to below the input. */
static mf_status spread(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    mf_begin_list(output);
    for (int64_t i = 0; i < mf_int(input); i++) {
        mf_put_int(output, i);
    }
    mf_end_list(output);
    return MF_OK;
}

static mf_status flatten(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    mf_begin_list(output);
    for (size_t i = 0; i < mf_count(input); i++) {
        const mf_value *list = mf_item(input, i);
        for (size_t k = 0; k < mf_count(list); k++) {
            mf_put_value(output, mf_item(list, k));
        }
    }
    mf_end_list(output);
    return MF_OK;
}

static mf_status echo(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    mf_put_value(output, input);
    return MF_OK;
}

static void append_line(const char *path, int64_t value)
{
    char text[32];
    const int size = snprintf(text, sizeof(text), "%" PRId64 "\n", value);
    const int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    (void)!write(file, text, (size_t)size);
    (void)close(file);
}

static mf_status note(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    append_line("noted", mf_int(input));
    mf_put_int(output, mf_int(input) + 1);
    return MF_OK;
}

static mf_status wait_for_file(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    (void)ctx;
    append_line("waiting", mf_int(mf_field(input, "value")));
    while (access(mf_str(mf_field(input, "until")), F_OK) != 0) {
        (void)nanosleep(&pause, NULL);
    }
    mf_put_int(output, mf_int(mf_field(input, "value")));
    return MF_OK;
}

static mf_status flaky(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    if (mf_attempt(ctx) == 0) {
        return mf_fail(ctx, "not at the first attempt");
    }
    mf_put_value(output, input);
    return MF_OK;
}

/* ---- Values ---------------------------------------------------------------------------------- */

static const mf_value *ints(mf_workflow *wf, int64_t start, int64_t count)
{
    mf_writer *made = mf_make(wf);
    mf_begin_list(made);
    for (int64_t i = start; i < start + count; i++) {
        mf_put_int(made, i);
    }
    mf_end_list(made);
    return mf_made(wf, made);
}

static const mf_value *one_int(mf_workflow *wf, int64_t value)
{
    mf_writer *made = mf_make(wf);
    mf_put_int(made, value);
    return mf_made(wf, made);
}

static const mf_value *one_text(mf_workflow *wf, const char *text)
{
    mf_writer *made = mf_make(wf);
    mf_put_str(made, text);
    return mf_made(wf, made);
}

/* ---- Workflows ------------------------------------------------------------------------------- */

static mf_status total(mf_workflow *wf, const mf_value *in, mf_writer *out)
{
    const mf_value *squares = mf_map(wf, "square", mf_field(in, "xs"), NULL);
    return squares != NULL ? mf_call(wf, "sum", squares, out) : MF_FAIL;
}

static mf_status tolerant(mf_workflow *wf, const mf_value *in, mf_writer *out)
{
    const mf_map_options options = {.min_success_ratio = "0.5"};
    const mf_value *squares = mf_map(wf, "square", mf_field(in, "xs"), &options);
    mf_put_value(out, squares);
    return squares != NULL ? MF_OK : MF_FAIL;
}

static mf_status careless(mf_workflow *wf, const mf_value *in, mf_writer *out)
{
    const mf_map_options options = {.min_success_ratio = "0.5"};
    const mf_value *squares = mf_map(wf, "square", mf_field(in, "xs"), &options);
    return squares != NULL ? mf_call(wf, "sum", squares, out) : MF_FAIL;
}

/* What is asked for goes wrong in the way that `how` says. */
static mf_status wrong(mf_workflow *wf, const mf_value *in, mf_writer *out)
{
    const char *how = mf_str(mf_field(in, "how"));
    mf_put_null(out);
    (void)printf("going wrong: %s\n", how);
    if (mf_call_value(wf, "note", one_int(wf, 1), NULL) == NULL) {
        return MF_FAIL;
    }
    if (strcmp(how, "crash") == 0) {
        (void)raise(SIGSEGV);
    } else if (strcmp(how, "kill") == 0 && access("killed", F_OK) != 0) {
        (void)close(open("killed", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        (void)raise(SIGKILL);
    } else if (strcmp(how, "hang") == 0) {
        (void)pause();
    } else if (strcmp(how, "exit") == 0) {
        exit(3);
    } else if (strcmp(how, "task") == 0) {
        return mf_call_value(wf, "cube", in, NULL) != NULL ? MF_OK : MF_FAIL;
    } else if (strcmp(how, "bear") == 0) {
        const mf_map_options none = {.mem = "1000000Gi"};
        const bool is_refused = mf_map(wf, "note", ints(wf, 0, 2), &none) == NULL;
        if (!is_refused || mf_call_value(wf, "note", one_int(wf, 2), NULL) == NULL) {
            return MF_FAIL;
        }
    } else if (strcmp(how, "mem") == 0) {
        const mf_map_options options = {.mem = "1000000Gi"};
        return mf_map(wf, "note", ints(wf, 0, 2), &options) != NULL ? MF_OK : MF_FAIL;
    }
    return mf_workflow_fail(wf, "as asked: %s", how);
}

/* A map that waits until another one has ended, which is begun later. */
static mf_status together(mf_workflow *wf, const mf_value *in, mf_writer *out)
{
    const char *until = mf_str(mf_field(in, "until"));
    const mf_named bind[] = {{"until", mf_field(in, "until")}, {NULL, NULL}};
    const mf_named zip[] = {{"value", ints(wf, 0, mf_int(mf_field(in, "n")))}, {NULL, NULL}};
    const mf_map_options options = {.concurrency = "1", .zip = zip, .bind = bind};
    mf_running *large = mf_map_start(wf, "wait", NULL, &options);
    mf_running *small = mf_map_start(wf, "square", ints(wf, 0, 4), NULL);
    const mf_value *squares = mf_wait(wf, small);
    (void)close(open(until, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    const mf_value *waited = mf_wait(wf, large);
    if (squares == NULL || waited == NULL) {
        return MF_FAIL;
    }
    mf_begin_list(out);
    mf_put_value(out, squares);
    mf_put_value(out, waited);
    mf_end_list(out);
    return MF_OK;
}

/* It loops until a result is large enough, and branches over each. */
static mf_status rounds(mf_workflow *wf, const mf_value *in, mf_writer *out)
{
    int64_t value = 2;
    mf_begin_list(out);
    while (value < mf_int(mf_field(in, "until"))) {
        const mf_value *next = value % 2 == 0
                                   ? mf_call_value(wf, "square", one_int(wf, value), NULL)
                                   : mf_call_value(wf, "sum", ints(wf, 0, value), NULL);
        if (next == NULL) {
            return MF_FAIL;
        }
        value = mf_int(next) + 1;
        mf_put_int(out, value);
    }
    mf_end_list(out);
    return MF_OK;
}

/* Each step is noted once, whatever happens in between; `departs` from it is another. */
static mf_status steps(mf_workflow *wf, const mf_value *in, mf_writer *out)
{
    const mf_value *until = mf_field(in, "until");
    int64_t value = 0;
    for (int64_t i = 0; i < (access("shrinks", F_OK) == 0 ? 2 : 3); i++) {
        const int64_t start = access("departs", F_OK) == 0 && i == 1 ? 100 : 10 * i;
        const mf_value *noted = mf_map(wf, "note", ints(wf, start, 5), NULL);
        if (noted == NULL) {
            return MF_FAIL;
        }
        value += mf_int(mf_item(noted, 0));
        mf_workflow_log(wf, "step %" PRId64 " is done", i);
    }
    if (access("shrinks", F_OK) == 0) {
        mf_put_int(out, value);
        return MF_OK;
    }
    const mf_named zip[] = {{"value", ints(wf, 0, 3)}, {NULL, NULL}};
    const mf_named bind[] = {{"until", until}, {NULL, NULL}};
    const mf_map_options options = {.zip = zip, .bind = bind};
    const mf_value *waited = mf_map(wf, "wait", NULL, &options);
    mf_put_int(out, value);
    return waited != NULL ? MF_OK : MF_FAIL;
}

/* It notes a failure; a success, which only fresh budgets bring, ends it. */
static mf_status revived(mf_workflow *wf, const mf_value *in, mf_writer *out)
{
    const mf_map_options options = {.retries = "0"};
    const mf_value *value = mf_call_value(wf, "flaky", one_int(wf, 5), &options);
    (void)in;
    if (value == NULL) {
        (void)mf_call_value(wf, "note", one_int(wf, 1), NULL);
        return mf_workflow_fail(wf, "not at the first attempt");
    }
    mf_workflow_log(wf, "revived");
    if (access("hangs", F_OK) == 0) {
        (void)pause();
    }
    mf_put_value(out, value);
    return MF_OK;
}

static mf_status cached(mf_workflow *wf, const mf_value *in, mf_writer *out)
{
    const mf_map_options kept = {.cache_version = "2"};
    (void)in;
    const mf_value *first = mf_call_value(wf, "note", one_int(wf, 7), &kept);
    const mf_value *rest = first != NULL ? mf_map(wf, "note", ints(wf, 0, 3), &kept) : NULL;
    mf_put_value(out, rest);
    return rest != NULL ? MF_OK : MF_FAIL;
}

static mf_status shapes(mf_workflow *wf, const mf_value *in, mf_writer *out)
{
    const mf_value *many = mf_map(wf, "square", ints(wf, 0, mf_int(mf_field(in, "n"))), NULL);
    const mf_value *count = many != NULL ? mf_call_value(wf, "sum", many, NULL) : NULL;
    const mf_value *nested = mf_map(wf, "sum", mf_field(in, "lists"), NULL);
    const mf_value *empty = mf_map(wf, "square", ints(wf, 0, 0), NULL);
    const mf_value *text = mf_call_value(wf, "echo", one_text(wf, "text"), NULL);
    const mf_value *again = mf_call_value(wf, "flaky", text, &(mf_map_options){.retries = "1"});
    mf_begin_list(out);
    mf_put_value(out, count);
    mf_put_value(out, nested);
    mf_put_value(out, empty);
    mf_put_value(out, again);
    mf_end_list(out);
    return count != NULL && nested != NULL && empty != NULL && again != NULL ? MF_OK : MF_FAIL;
}

/* A map to lists, which are one list then, and that is mapped over: so that no list is cut, and
 * none becomes another, on its way from a map to a call, from a call to a map, and into the output.
 */
static mf_status coalesced(mf_workflow *wf, const mf_value *in, mf_writer *out)
{
    const mf_value *lists = mf_map(wf, "spread", mf_field(in, "sizes"), NULL);
    const mf_value *flat = lists != NULL ? mf_call_value(wf, "flatten", lists, NULL) : NULL;
    const mf_value *squares = flat != NULL ? mf_map(wf, "square", flat, NULL) : NULL;
    mf_put_value(out, squares);
    return squares != NULL ? MF_OK : MF_FAIL;
}

/* ---- The job --------------------------------------------------------------------------------- */

static void register_tasks(mf_registry *job)
{
    mf_register_task(job,
                     &(mf_task){.name = "square", .fn = square, .input = "int", .output = "int"});
    mf_register_task(job,
                     &(mf_task){.name = "sum", .fn = sum, .input = "list<int>", .output = "int"});
    mf_register_task(
        job, &(mf_task){.name = "spread", .fn = spread, .input = "int", .output = "list<int>"});
    mf_register_task(job, &(mf_task){.name = "flatten",
                                     .fn = flatten,
                                     .input = "list<list<int>>",
                                     .output = "list<int>"});
    mf_register_task(job, &(mf_task){.name = "echo", .fn = echo});
    mf_register_task(job, &(mf_task){.name = "note", .fn = note, .input = "int", .output = "int"});
    mf_register_task(job, &(mf_task){.name = "wait",
                                     .fn = wait_for_file,
                                     .input = "{value: int, until: str}",
                                     .output = "int"});
    mf_register_task(job, &(mf_task){.name = "flaky", .fn = flaky});
}

void mf_job(mf_registry *job)
{
    const mf_workflow_def workflows[] = {
        {.name = "total",
         .fn = total,
         .input = "{xs: list<int>}",
         .output = "int",
         .help = "The sum of squares."},
        {.name = "tolerant", .fn = tolerant, .input = "{xs: list<int>}", .output = "list<int?>"},
        {.name = "careless", .fn = careless, .input = "{xs: list<int>}", .output = "int"},
        {.name = "wrong", .fn = wrong, .input = "{how: str}"},
        {.name = "together", .fn = together, .input = "{n: int, until: str}"},
        {.name = "rounds", .fn = rounds, .input = "{until: int}", .output = "list<int>"},
        {.name = "steps", .fn = steps, .input = "{until: str}", .output = "int"},
        {.name = "cached", .fn = cached, .output = "list<int>"},
        {.name = "revived", .fn = revived, .output = "int"},
        {.name = "coalesced",
         .fn = coalesced,
         .input = "{sizes: list<int>}",
         .output = "list<int>"},
        {.name = "shapes", .fn = shapes, .input = "{n: int, lists: list<list<int>>}"}};
    register_tasks(job);
    for (size_t i = 0; i < sizeof(workflows) / sizeof(workflows[0]); i++) {
        mf_register_workflow(job, &workflows[i]);
    }
}
