#include "shared/context.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/seed.h"

#define REMOVE_OPEN_FOLDERS_MAX 16

uint64_t mf_index(const mf_context *ctx)
{
    return ctx->index;
}

uint64_t mf_attempt(const mf_context *ctx)
{
    return ctx->attempt;
}

uint64_t mf_map_size(const mf_context *ctx)
{
    return ctx->map_size;
}

uint64_t mf_seed(const mf_context *ctx)
{
    return seed_of(ctx->seed, ctx->index);
}

void *mf_state(const mf_context *ctx)
{
    return ctx->state;
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

/* ---- The working directory --------------------------------------------------------------------
 */

const char *mf_workdir(mf_context *ctx)
{
    if (ctx->has_workdir) {
        return ctx->workdir;
    }
    const char *folder = getenv("TMPDIR");
    if (folder == NULL || folder[0] != '/') {
        folder = "/tmp";
    }
    const int length = snprintf(ctx->workdir, sizeof(ctx->workdir), "%s/mapfleet-XXXXXX", folder);
    if (length < 0 || (size_t)length >= sizeof(ctx->workdir) || mkdtemp(ctx->workdir) == NULL) {
        (void)mf_fail(ctx, "no working directory in %s: %s", folder, strerror(errno));
        return NULL;
    }
    ctx->has_workdir = true;
    ctx->writer->attempt.workdir = ctx->workdir;
    return ctx->workdir;
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *place)
{
    (void)about;
    (void)kind;
    (void)place;
    (void)remove(path);
    return 0;
}

void context_remove_workdir(mf_context *ctx)
{
    (void)nftw(ctx->workdir, remove_one, REMOVE_OPEN_FOLDERS_MAX, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    ctx->has_workdir = false;
    ctx->writer->attempt.workdir = NULL;
}
