/* reduced.c - a job of maps that are reduced.
 *
 * Tasks: `same` gives its input; `gated` too, but that one input of each map waits for a file;
 * `text` writes it; `spread` gives it several times, as a list; `rare` gives a null for odd ones;
 * `picky` fails for good for multiples of 7; `flaky` fails at its first attempt for multiples of 3;
 * `third` divides by 3; `point` makes a record of it; `sized` gives back a file of so many bytes.
 *
 * Reducers: `join` puts texts side by side, in order; `ranges` insists on neighbours; `tally`
 * counts the words of points; `bytes` adds the sizes of files; `broken` does what the file of that
 * name says.
 *
 * Where there is a file `same_any`, `same` gives an any; where there is `retyped`, the partial
 * values of `broken` are any.
 */
#include <fcntl.h>
#include <limits.h>
#include <mapfleet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- Tasks ----------------------------------------------------------------------------------- */

static mf_status same(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    mf_put_int(output, mf_int(input));
    return MF_OK;
}

/* Three quarters through the map. */
static mf_status gated(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    if (mf_index(ctx) == mf_map_size(ctx) / 4 * 3) {
        const int file = open("waiting", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        (void)!write(file, "\n", 1);
        (void)close(file);
        while (access("open", F_OK) != 0) {
            (void)nanosleep(&pause, NULL);
        }
    }
    mf_put_int(output, mf_int(input));
    return MF_OK;
}

static mf_status text(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    char digits[32];
    (void)ctx;
    (void)snprintf(digits, sizeof(digits), "%" PRId64, mf_int(input));
    mf_put_str(output, digits);
    return MF_OK;
}

static mf_status spread(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const int64_t value = mf_int(input);
    (void)ctx;
    mf_begin_list(output);
    for (int64_t i = 0; i < value % 3; i++) {
        mf_put_int(output, value);
    }
    mf_end_list(output);
    return MF_OK;
}

static mf_status rare(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    if (mf_int(input) % 2 == 0) {
        mf_put_int(output, mf_int(input));
    } else {
        mf_put_null(output);
    }
    return MF_OK;
}

static mf_status picky(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    if (mf_int(input) % 7 == 0) {
        return mf_fail_permanently(ctx, "a multiple of 7");
    }
    return text(ctx, input, output);
}

static mf_status flaky(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    if (mf_int(input) % 3 == 0 && mf_attempt(ctx) == 0) {
        return mf_fail(ctx, "not at the first attempt");
    }
    return text(ctx, input, output);
}

static mf_status third(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    mf_put_float(output, (double)mf_int(input) / 3);
    return MF_OK;
}

static mf_status point(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    mf_begin_map(output);
    mf_put_key(output, "name");
    mf_put_str(output, mf_int(input) % 2 == 0 ? "even" : "odd");
    mf_put_key(output, "score");
    mf_put_float(output, (double)(mf_int(input) % 10));
    mf_end_map(output);
    return MF_OK;
}

static mf_status sized(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    char path[PATH_MAX];
    const char *folder = mf_workdir(ctx);
    (void)snprintf(path, sizeof(path), "%s/sized", folder != NULL ? folder : "");
    const int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    const bool is_made = ftruncate(file, mf_int(input)) == 0;
    (void)close(file);
    mf_put_file(output, path);
    return is_made ? MF_OK : mf_fail(ctx, "cannot make %s", path);
}

/* ---- Reducers -------------------------------------------------------------------------------- */

static mf_status join(mf_context *ctx, const mf_value *left, const mf_value *right,
                      mf_writer *output)
{
    const size_t size = mf_size(left) + mf_size(right) + 1;
    char *both = malloc(size + 1);
    if (both == NULL) {
        return mf_fail(ctx, "no memory");
    }
    (void)snprintf(both, size + 1, "%s,%s", mf_str(left), mf_str(right));
    mf_put_text(output, both, size);
    free(both);
    return MF_OK;
}

/* An int as the range that it is. */
static mf_status range_of(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    mf_begin_list(output);
    mf_put_value(output, input);
    mf_put_value(output, input);
    mf_end_list(output);
    return MF_OK;
}

static mf_status join_ranges(mf_context *ctx, const mf_value *left, const mf_value *right,
                             mf_writer *output)
{
    const int64_t end = mf_int(mf_item(left, 1));
    const int64_t start = mf_int(mf_item(right, 0));
    if (start != end + 1) {
        return mf_fail(ctx, "%" PRId64 " stands behind %" PRId64, start, end);
    }
    mf_begin_list(output);
    mf_put_value(output, mf_item(left, 0));
    mf_put_value(output, mf_item(right, 1));
    mf_end_list(output);
    return MF_OK;
}

static mf_status length_of(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    mf_put_int(output, mf_int(mf_item(input, 1)) - mf_int(mf_item(input, 0)) + 1);
    return MF_OK;
}

static mf_status one_of(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    mf_begin_map(output);
    mf_put_key(output, mf_str(mf_field(input, "name")));
    mf_put_int(output, 1);
    mf_end_map(output);
    return MF_OK;
}

static int64_t count_of(const mf_value *counts, const char *word)
{
    const mf_value *count = mf_field(counts, word);
    return count != NULL ? mf_int(count) : 0;
}

/* Always in the same order, whoever came first. */
static mf_status tally(mf_context *ctx, const mf_value *left, const mf_value *right,
                       mf_writer *output)
{
    static const char *const words[] = {"even", "odd"};
    (void)ctx;
    mf_begin_map(output);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        const int64_t count = count_of(left, words[i]) + count_of(right, words[i]);
        if (count > 0) {
            mf_put_key(output, words[i]);
            mf_put_int(output, count);
        }
    }
    mf_end_map(output);
    return MF_OK;
}

static mf_status size_of(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    struct stat found;
    if (stat(mf_path(input), &found) != 0) {
        return mf_fail(ctx, "there is no %s", mf_path(input));
    }
    mf_put_int(output, found.st_size);
    return MF_OK;
}

static mf_status add_sizes(mf_context *ctx, const mf_value *left, const mf_value *right,
                           mf_writer *output)
{
    (void)ctx;
    mf_put_int(output, mf_int(left) + mf_int(right));
    return MF_OK;
}

/* Is the word in the file `broken`? */
static bool is_broken(const char *word)
{
    char found[16] = "";
    const int file = open("broken", O_RDONLY | O_CLOEXEC);
    (void)!read(file, found, sizeof(found) - 1);
    (void)close(file);
    return strncmp(found, word, strlen(word)) == 0;
}

static mf_status broken(mf_context *ctx, const mf_value *left, const mf_value *right,
                        mf_writer *output)
{
    if (is_broken("crash")) {
        (void)raise(SIGSEGV);
    } else if (is_broken("fail")) {
        return mf_fail(ctx, "as asked");
    } else if (is_broken("hang") && access("hung", F_OK) != 0) {
        (void)close(open("hung", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        (void)pause();
    } else if (is_broken("once") && access("crashed", F_OK) != 0) {
        (void)close(open("crashed", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        (void)raise(SIGSEGV);
    } else if (is_broken("type")) {
        mf_put_str(output, "no int");
        return MF_OK;
    }
    mf_put_int(output, mf_int(left) + mf_int(right));
    return MF_OK;
}

/* ---- Workflows ------------------------------------------------------------------------------- */

/* Several at once, over integers from 0. */
static mf_status numbers(mf_workflow *wf, const mf_value *in, mf_writer *out)
{
    static const char *const reducers[] = {"sum", "min", "max", "top_k(10)"};
    enum { COUNT = sizeof(reducers) / sizeof(reducers[0]) };
    mf_running *running[COUNT];
    const mf_map_options options = {.range = mf_str(mf_field(in, "range"))};
    const char *task = mf_str(mf_field(in, "task"));
    for (size_t i = 0; i < COUNT; i++) {
        running[i] = mf_map_reduce_start(wf, task, NULL, reducers[i], &options);
    }
    mf_begin_list(out);
    for (size_t i = 0; i < COUNT; i++) {
        const mf_value *value = mf_wait(wf, running[i]);
        if (value == NULL) {
            return MF_FAIL;
        }
        mf_put_value(out, value);
    }
    mf_end_list(out);
    return MF_OK;
}

/* One, as the parameters say: its result, and how many instances are missing. */
static mf_status one(mf_workflow *wf, const mf_value *in, mf_writer *out)
{
    const mf_value *ratio = mf_field(in, "ratio");
    const mf_value *retries = mf_field(in, "retries");
    const mf_value *cache = mf_field(in, "cache");
    const mf_value *timeout = mf_field(in, "timeout");
    const mf_map_options options = {.range = mf_str(mf_field(in, "range")),
                                    .min_success_ratio = ratio != NULL ? mf_str(ratio) : NULL,
                                    .retries = retries != NULL ? mf_str(retries) : NULL,
                                    .timeout = timeout != NULL ? mf_str(timeout) : NULL,
                                    .cache_version = cache != NULL ? mf_str(cache) : NULL};
    mf_running *running = mf_map_reduce_start(wf, mf_str(mf_field(in, "task")), NULL,
                                              mf_str(mf_field(in, "reducer")), &options);
    const mf_value *value = mf_wait(wf, running);
    mf_begin_list(out);
    mf_put_value(out, value);
    mf_put_int(out, (int64_t)mf_missing(running));
    mf_end_list(out);
    return value != NULL ? MF_OK : MF_FAIL;
}

/* mf_reduce() of a list that a map gave, and of one that is made here. */
static mf_status lists(mf_workflow *wf, const mf_value *in, mf_writer *out)
{
    const mf_map_options options = {.range = mf_str(mf_field(in, "range"))};
    const mf_value *mapped = mf_map(wf, "same", NULL, &options);
    const mf_value *mapped_sum = mapped != NULL ? mf_reduce(wf, "sum", mapped) : NULL;
    const mf_value *given = mf_reduce(wf, mf_str(mf_field(in, "reducer")), mf_field(in, "list"));
    if (mapped_sum == NULL || given == NULL) {
        return MF_FAIL;
    }
    mf_begin_list(out);
    mf_put_value(out, mapped_sum);
    mf_put_value(out, given);
    mf_end_list(out);
    return MF_OK;
}

/* ---- The job --------------------------------------------------------------------------------- */

/* A job that has changed: where there is such a file, it is no int any more. */
static const char *type_unless(const char *file)
{
    return access(file, F_OK) == 0 ? "any" : "int";
}

static void register_reducers(mf_registry *job)
{
    mf_register_reducer(
        job, &(mf_reducer){.name = "join", .combine = join, .type = "str", .is_ordered = true});
    mf_register_reducer(job, &(mf_reducer){.name = "ranges",
                                           .combine = join_ranges,
                                           .type = "list<int>",
                                           .input = "int",
                                           .output = "int",
                                           .lift = range_of,
                                           .finish = length_of,
                                           .empty = "0",
                                           .is_ordered = true,
                                           .help = "How long a range of integers is."});
    mf_register_reducer(job, &(mf_reducer){.name = "tally",
                                           .combine = tally,
                                           .type = "map<int>",
                                           .input = "{name: str, score: float}",
                                           .lift = one_of});
    mf_register_reducer(job, &(mf_reducer){.name = "bytes",
                                           .combine = add_sizes,
                                           .type = "int",
                                           .input = "file",
                                           .lift = size_of});
    mf_register_reducer(
        job, &(mf_reducer){.name = "broken", .combine = broken, .type = type_unless("retyped")});
}

void mf_job(mf_registry *job)
{
    const mf_task tasks[] = {
        {.name = "same", .fn = same, .input = "int", .output = type_unless("same_any")},
        {.name = "gated", .fn = gated, .input = "int", .output = "int"},
        {.name = "text", .fn = text, .input = "int", .output = "str"},
        {.name = "spread", .fn = spread, .input = "int", .output = "list<int>"},
        {.name = "rare", .fn = rare, .input = "int", .output = "int?"},
        {.name = "picky", .fn = picky, .input = "int", .output = "str"},
        {.name = "flaky", .fn = flaky, .input = "int", .output = "str"},
        {.name = "third", .fn = third, .input = "int", .output = "float"},
        {.name = "point", .fn = point, .input = "int", .output = "{name: str, score: float}"},
        {.name = "sized", .fn = sized, .input = "int", .output = "file"}};
    for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++) {
        mf_register_task(job, &tasks[i]);
    }
    register_reducers(job);
    mf_register_workflow(
        job,
        &(mf_workflow_def){.name = "numbers", .fn = numbers, .input = "{range: str, task: str}"});
    mf_register_workflow(
        job, &(mf_workflow_def){.name = "one",
                                .fn = one,
                                .input = "{range: str, task: str, reducer: str, ratio?: str, "
                                         "retries?: str, cache?: str, timeout?: str}"});
    mf_register_workflow(
        job, &(mf_workflow_def){.name = "lists",
                                .fn = lists,
                                .input = "{range: str, reducer: str, list: list<any>}"});
}
