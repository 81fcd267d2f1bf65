/* cached.c - tasks whose outputs are kept; each attempt adds its value as a line to `ran`, in the
 * current folder, so that tests can count what was executed. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mapfleet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void note(const char *text)
{
    char line[PATH_MAX + 1];
    const int size = snprintf(line, sizeof(line), "%s\n", text);
    const int file = open("ran", O_WRONLY | O_CREAT | O_APPEND, 0600);
    (void)!write(file, line, (size_t)size);
    (void)close(file);
}

static void note_int(int64_t value)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%" PRId64, value);
    note(text);
}

/* Notes nothing, so that very many are quick. */
static mf_status doubled(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    mf_put_int(output, 2 * mf_int(input));
    return MF_OK;
}

static mf_status number(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    note_int(mf_int(input));
    mf_put_int(output, 10 * mf_int(input));
    return MF_OK;
}

/* Fails in its first `fail` attempts. */
static mf_status record(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const mf_value *fail = mf_field(input, "fail");
    const mf_value *permanent = mf_field(input, "permanent");
    note_int(mf_int(mf_field(input, "value")));
    if (fail != NULL && mf_attempt(ctx) < (uint64_t)mf_int(fail)) {
        return permanent != NULL && mf_bool(permanent) ? mf_fail_permanently(ctx, "for good")
                                                       : mf_fail(ctx, "for now");
    }
    mf_put_int(output, mf_int(mf_field(input, "value")));
    return MF_OK;
}

/* Waits until the file `until` is there. */
static mf_status gated(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    const mf_value *until = mf_field(input, "until");
    const mf_value *never = mf_field(input, "never");
    const int64_t value = mf_int(mf_field(input, "value"));
    note_int(value);
    while (!mf_is_null(until) && access(mf_str(until), F_OK) != 0) {
        (void)nanosleep(&pause, NULL);
    }
    if (!mf_is_null(never) && mf_bool(never)) {
        return mf_fail_permanently(ctx, "for good");
    }
    mf_put_int(output, 10 * value);
    return MF_OK;
}

static mf_status place(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    note_int(mf_int(input));
    mf_put_int(output, (int64_t)mf_index(ctx));
    return MF_OK;
}

static mf_status seeded(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    note_int(mf_int(input));
    mf_put_int(output, (int64_t)(mf_seed(ctx) >> 1));
    return MF_OK;
}

static mf_status size_of(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    FILE *file = fopen(mf_path(input), "r");
    if (file == NULL) {
        return mf_fail(ctx, "%s: %s", mf_path(input), strerror(errno));
    }
    note(strrchr(mf_path(input), '/') + 1);
    (void)fseek(file, 0, SEEK_END);
    mf_put_int(output, ftell(file));
    (void)fclose(file);
    return MF_OK;
}

/* Changes the file that it was given, before it reads it. */
static mf_status changing(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    FILE *file = fopen(mf_path(input), "a");
    if (file == NULL) {
        return mf_fail(ctx, "%s: %s", mf_path(input), strerror(errno));
    }
    (void)fputs("more", file);
    (void)fclose(file);
    return size_of(ctx, input, output);
}

static mf_status made(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    char path[PATH_MAX];
    const char *folder = mf_workdir(ctx);
    if (folder == NULL) {
        return MF_FAIL;
    }
    note_int(mf_int(input));
    (void)snprintf(path, sizeof(path), "%s/made.txt", folder);
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        return mf_fail(ctx, "%s: %s", path, strerror(errno));
    }
    (void)fprintf(file, "made of %" PRId64 "\n", mf_int(input));
    (void)fclose(file);
    mf_put_file(output, path);
    return MF_OK;
}

void mf_job(mf_registry *job)
{
    const mf_task tasks[] = {
        {.name = "doubled", .fn = doubled, .input = "int", .output = "int", .cache_version = "1"},
        {.name = "number", .fn = number, .input = "int", .output = "int", .cache_version = "1"},
        {.name = "plain", .fn = number, .input = "int", .output = "int"},
        {.name = "record",
         .fn = record,
         .input = "{value: int, fail?: int, permanent?: bool, note?: str}",
         .output = "int",
         .cache_version = "1",
         .cache_ignore = "note"},
        {.name = "bad_ignore",
         .fn = number,
         .input = "int",
         .output = "int",
         .cache_version = "1",
         .cache_ignore = "nothing"},
        {.name = "gated",
         .fn = gated,
         .input = "{value: int, until?: str, never?: bool}",
         .output = "int",
         .cache_version = "1",
         .cache_ignore = "until"},
        {.name = "place", .fn = place, .input = "int", .output = "int", .cache_version = "1"},
        {.name = "seeded", .fn = seeded, .input = "int", .output = "int", .cache_version = "1"},
        {.name = "size_of", .fn = size_of, .input = "file", .output = "int", .cache_version = "1"},
        {.name = "changing",
         .fn = changing,
         .input = "file",
         .output = "int",
         .cache_version = "1"},
        {.name = "made", .fn = made, .input = "int", .output = "file", .cache_version = "1"},
    };
    for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++) {
        mf_register_task(job, &tasks[i]);
    }
}
