#include "shared/context.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "shared/child_group.h"
#include "shared/key.h"
#include "shared/launch_dir.h"
#include "shared/seed.h"
#include "shared/value.h"
#include "shared/value_python.h"
#include "shared/workdir.h"

/* What depends on its place in the list is not the same for equal inputs. */
static void note_place(const mf_context *ctx)
{
    ((mf_context *)(uintptr_t)ctx)->has_read_place = true;
}

uint64_t mf_index(const mf_context *ctx)
{
    note_place(ctx);
    return ctx->index;
}

uint64_t mf_attempt(const mf_context *ctx)
{
    return ctx->attempt;
}

uint64_t mf_map_size(const mf_context *ctx)
{
    note_place(ctx);
    return ctx->environment.map_size;
}

uint64_t mf_seed(const mf_context *ctx)
{
    struct key key = {{0}};
    if (ctx->keys == NULL || ctx->input == NULL) {
        return seed_of(ctx->seed, ctx->index);
    }
    /* Of a file that cannot be read any more, the attempt will find out; of one that its server
     * tells nothing of, no output is kept. */
    return key_make(ctx->keys, ctx->key_input, &key, NULL) == STATUS_OK
               ? key_seed(&key)
               : seed_of(ctx->seed, ctx->index);
}

void *mf_state(const mf_context *ctx)
{
    return ctx->state;
}

const mf_value *mf_constant(const mf_context *ctx)
{
    return ctx->constant;
}

/* Texts of an earlier attempt go when the next one asks for its first. */
static const char *make_text(mf_context *ctx,
                             enum status (*make)(const mf_value *, struct buffer *),
                             const mf_value *value, size_t *size)
{
    struct buffer text = {0};
    const char *copy = NULL;
    if (ctx->texts_index != ctx->index || ctx->texts_attempt != ctx->attempt) {
        arena_reset(&ctx->texts);
        ctx->texts_index = ctx->index;
        ctx->texts_attempt = ctx->attempt;
    }
    if (make(value, &text) == STATUS_OK) {
        copy = arena_copy(&ctx->texts, text.data, text.size);
    }
    if (copy == NULL) {
        (void)mf_fail(ctx, "no memory for the text of a value");
    } else if (size != NULL) {
        *size = text.size;
    }
    buffer_free(&text);
    return copy;
}

const char *mf_text(mf_context *ctx, const mf_value *value, size_t *size)
{
    return make_text(ctx, value_to_text, value, size);
}

const char *mf_json(mf_context *ctx, const mf_value *value, size_t *size)
{
    return make_text(ctx, value_to_json, value, size);
}

const char *mf_python(mf_context *ctx, const mf_value *value, size_t *size)
{
    return make_text(ctx, value_to_python, value, size);
}

void mf_set_class(mf_context *ctx, mf_class failure_class)
{
    switch (failure_class) {
    case MF_CLASS_ERROR:
        ctx->failure_class = FAILURE_ERROR;
        break;
    case MF_CLASS_EXIT:
        ctx->failure_class = FAILURE_EXIT;
        break;
    case MF_CLASS_CRASH:
        ctx->failure_class = FAILURE_CRASH;
        break;
    case MF_CLASS_KILLED:
        ctx->failure_class = FAILURE_KILLED;
        break;
    case MF_CLASS_OUTPUT:
        ctx->failure_class = FAILURE_OUTPUT;
        break;
    }
}

void mf_report(mf_context *ctx, int64_t step, double value)
{
    if (ctx->metric != NULL && ctx->report != NULL) {
        ctx->report_count++;
        ctx->report(ctx->report_context, step, value, false);
    }
}

void mf_report_hint(mf_context *ctx)
{
    if (ctx->metric != NULL && ctx->report != NULL) {
        ctx->report(ctx->report_context, 0, 0, true);
    }
}

void mf_child_group(mf_context *ctx, int group)
{
    (void)ctx;
    child_group_set(group);
}

bool mf_should_stop(const mf_context *ctx)
{
    (void)ctx;
    return child_group_is_ending();
}

void mf_print(mf_context *ctx, const void *data, size_t size)
{
    const size_t size_max = ctx->writer->size_max;
    const size_t room = size_max > ctx->prints.size ? size_max - ctx->prints.size : 0;
    ctx->has_printed = true;
    if (ctx->is_printed) {
        (void)!buffer_append(&ctx->prints, data, size < room ? size : room);
    }
}

static void set_text(mf_context *ctx, const char *format, va_list arguments)
{
    const int length = vsnprintf(ctx->text, sizeof(ctx->text), format, arguments);
    if (length < 0) {
        ctx->text_size = 0;
        return;
    }
    ctx->text_size = (size_t)length < sizeof(ctx->text) ? (size_t)length : sizeof(ctx->text) - 1;
}

mf_status mf_fail(mf_context *ctx, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    set_text(ctx, format, arguments);
    va_end(arguments);
    return MF_FAIL;
}

mf_status mf_fail_permanently(mf_context *ctx, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    set_text(ctx, format, arguments);
    va_end(arguments);
    return MF_FAIL_PERMANENTLY;
}

void mf_log(mf_context *ctx, const char *format, ...)
{
    char line[CONTEXT_TEXT_SIZE];
    int length = snprintf(line, sizeof(line), "%s[%" PRIu64 "] attempt %" PRIu64 ": ", ctx->task,
                          ctx->index, ctx->attempt);
    va_list arguments;
    va_start(arguments, format);
    const int text_length =
        vsnprintf(line + length, sizeof(line) - (size_t)length - 1, format, arguments);
    va_end(arguments);
    length += text_length < 0 ? 0 : text_length;
    if ((size_t)length > sizeof(line) - 2) {
        length = (int)sizeof(line) - 2;
    }
    line[length] = '\n';
    (void)!write(STDERR_FILENO, line, (size_t)length + 1);
}

/* ---- What is made where it is asked for -------------------------------------------------------
 */

const char *mf_workdir(mf_context *ctx)
{
    char name[96] = "setup";
    char map[32] = "";
    struct error err;
    if (ctx->has_workdir) {
        return ctx->workdir;
    }
    if (ctx->workdirs == NULL) {
        (void)mf_fail(ctx, "a reducer has no folder of its own");
        return NULL;
    }
    if (ctx->map > 0) {
        (void)snprintf(map, sizeof(map), "map-%" PRIu64 "-", ctx->map);
    }
    if (ctx->input != NULL) {
        (void)snprintf(name, sizeof(name), "%s%" PRIu64 "-%" PRIu64, map, ctx->index, ctx->attempt);
    }
    const char *folder =
        ctx->input != NULL && ctx->kept_workdirs != NULL ? ctx->kept_workdirs : ctx->workdirs;
    if (workdir_make(folder, name, ctx->workdir, &err) != STATUS_OK) {
        (void)mf_fail(ctx, "%s", err.text);
        return NULL;
    }
    ctx->has_workdir = true;
    ctx->writer->attempt.workdir = ctx->workdir;
    return ctx->workdir;
}

char *const *mf_environment(mf_context *ctx)
{
    char *const *variables = NULL;
    struct error err;
    const char *workdir = mf_workdir(ctx);
    if (workdir == NULL) {
        return NULL;
    }
    const struct environment_attempt attempt = {.index = ctx->index,
                                                .attempt = ctx->attempt,
                                                .seed = mf_seed(ctx),
                                                .workdir = workdir,
                                                .input = ctx->input};
    if (environment_of_attempt(&ctx->environment, &attempt, &ctx->variables, &variables, &err) !=
        STATUS_OK) {
        (void)mf_fail(ctx, "%s", err.text);
        return NULL;
    }
    return variables;
}

void context_go_home(const mf_context *ctx)
{
    launch_dir_return(ctx->launch_dir);
}

void context_clean_up(mf_context *ctx)
{
    context_go_home(ctx); /* a function that uses a folder likes to be in it */
    if (!ctx->has_workdir) {
        return;
    }
    if (ctx->input == NULL || ctx->kept_workdirs == NULL) {
        workdir_remove(ctx->workdir);
    }
    ctx->writer->attempt.workdir = NULL;
    ctx->has_workdir = false;
    arena_reset(&ctx->variables);
}
