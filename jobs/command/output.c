#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jobs/command/command_private.h"

/* ---- Taking -----------------------------------------------------------------------------------
 */

static bool reserve(struct command *command, size_t size)
{
    if (size + 1 > command->text_capacity) {
        char *grown = realloc(command->text, size + 1);
        if (grown == NULL) {
            return false;
        }
        command->text = grown;
        command->text_capacity = size + 1;
    }
    return true;
}

int command_open_output(void)
{
    const int file = memfd_create("mapfleet-command", MFD_CLOEXEC);
    if (file >= 0 && fcntl(file, F_SETFL, O_APPEND) != 0) {
        (void)close(file);
        return -1;
    }
    return file;
}

/* Is there a process that a command has left behind? Then it may have the file, and print into it.
 * Orphans come to this process, which is a subreaper. */
static bool has_heirs(void)
{
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

/* The next attempt's output is its own. */
static void renew_output(struct command *command)
{
    const int file = has_heirs() ? command_open_output() : -1;
    if (file >= 0) {
        (void)close(command->out);
        command->out = file;
    } else if (command->printed_size > 0) {
        (void)!ftruncate(command->out, 0);
    }
}

bool command_take_output(mf_context *ctx, struct command *command)
{
    struct stat about;
    command->text_size = 0;
    command->printed_size =
        fstat(command->out, &about) == 0 && about.st_size > 0 ? (uint64_t)about.st_size : 0;
    const size_t size = command->printed_size < command->output_size_max
                            ? (size_t)command->printed_size
                            : command->output_size_max;
    if (!reserve(command, size)) {
        (void)mf_fail(ctx, "no memory for what the command has printed");
        return false;
    }
    while (command->text_size < size) {
        const ssize_t count = pread(command->out, command->text + command->text_size,
                                    size - command->text_size, (off_t)command->text_size);
        if (count <= 0 && !(count < 0 && errno == EINTR)) {
            break;
        }
        command->text_size += count > 0 ? (size_t)count : 0;
    }
    command->text[command->text_size] = '\0';
    renew_output(command);
    return true;
}

/* ---- As an output -----------------------------------------------------------------------------
 */

/* Without the newlines at the end, as $(...) of a shell. */
static size_t trimmed_size(const struct command *command)
{
    size_t size = command->text_size;
    while (size > 0 && command->text[size - 1] == '\n') {
        size--;
    }
    return size;
}

static mf_status fail_output(mf_context *ctx, const char *what)
{
    mf_set_class(ctx, MF_CLASS_OUTPUT);
    return mf_fail(ctx, "%s", what);
}

static mf_status put_lines(const struct command *command, mf_writer *out)
{
    const char *at = command->text;
    const char *end = at + command->text_size;
    mf_begin_list(out);
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline != NULL ? newline : end;
        mf_put_text(out, at, (size_t)(stop - at));
        at = stop + 1;
    }
    mf_end_list(out);
    return MF_OK;
}

mf_status command_put_output(mf_context *ctx, const struct command *command, mf_writer *out)
{
    const enum output_form form = command->output_form;
    if (form == OUTPUT_NONE) {
        mf_put_null(out);
        return MF_OK;
    }
    if (command->printed_size > command->output_size_max) {
        mf_set_class(ctx, MF_CLASS_OUTPUT);
        return mf_fail(ctx, "printed %" PRIu64 " bytes, more than --max-output allows",
                       command->printed_size);
    }
    if (form == OUTPUT_JSON) {
        mf_put_json(out, command->text, command->text_size);
        return MF_OK;
    }
    const bool is_utf8 = mf_is_utf8(command->text, command->text_size);
    if (!is_utf8 && form != OUTPUT_TEXT) {
        return fail_output(ctx, "what it printed is not UTF-8: without --output it is kept as "
                                "bytes");
    }
    if (form == OUTPUT_LINES) {
        return put_lines(command, out);
    }
    if (is_utf8) {
        mf_put_text(out, command->text, trimmed_size(command));
    } else {
        mf_put_bytes(out, command->text, command->text_size);
    }
    return MF_OK;
}

/* Where printing the output's text and a newline gives what the program printed, nothing is said.
 */
static bool is_as_output(const struct command *command)
{
    const bool is_text = command->output_form == OUTPUT_TEXT || command->output_form == OUTPUT_STR;
    return is_text && mf_count(command->files) == 0 && command->text_size > 0 &&
           trimmed_size(command) + 1 == command->text_size &&
           mf_is_utf8(command->text, command->text_size);
}

void command_show_output(mf_context *ctx, const struct command *command, bool has_succeeded)
{
    static const char cut[] = "\n[mapfleet: the rest is left out, past --max-output]\n";
    const bool is_cut = command->printed_size > command->text_size;
    if (!has_succeeded || is_cut || !is_as_output(command)) {
        const size_t room = is_cut && command->text_size > sizeof(cut)
                                ? command->text_size - sizeof(cut)
                                : command->text_size;
        mf_print(ctx, command->text, room);
        mf_print(ctx, cut, is_cut ? sizeof(cut) - 1 : 0);
    }
    if (command->text_size > 0 &&
        (command->keeps_all || (command->keeps_failed && !has_succeeded))) {
        (void)!write(STDOUT_FILENO, command->text, command->text_size);
    }
}

/* ---- Files ------------------------------------------------------------------------------------
 */

/* The glob within the working directory, whose own name is no pattern. */
static char *glob_within(const char *workdir, const char *pattern)
{
    char *text = malloc(2 * strlen(workdir) + strlen(pattern) + 2);
    char *at = text;
    for (const char *c = workdir; text != NULL && *c != '\0'; c++) {
        if (strchr("*?[]\\", *c) != NULL) {
            *at++ = '\\';
        }
        *at++ = *c;
    }
    if (text != NULL) {
        *at++ = '/';
        memcpy(at, pattern, strlen(pattern) + 1);
    }
    return text;
}

static bool is_regular(const char *path)
{
    struct stat about;
    return lstat(path, &about) == 0 && S_ISREG(about.st_mode);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Each once, sorted. */
static size_t put_paths(char **paths, size_t count, mf_writer *out)
{
    size_t put = 0;
    const char *last = "";
    if (paths != NULL) {
        qsort(paths, count, sizeof(*paths), compare);
    }
    mf_begin_list(out);
    for (size_t i = 0; paths != NULL && i < count; i++) {
        if (is_regular(paths[i]) && strcmp(paths[i], last) != 0) {
            mf_put_file(out, paths[i]);
            last = paths[i];
            put++;
        }
    }
    mf_end_list(out);
    return put;
}

mf_status command_put_files(mf_context *ctx, const struct command *command, mf_writer *out)
{
    glob_t found = {.gl_pathc = 0};
    const char *workdir = mf_workdir(ctx);
    int flags = GLOB_NOSORT;
    if (workdir == NULL) {
        return MF_FAIL;
    }
    for (size_t i = 0; i < mf_count(command->files); i++) {
        char *pattern = glob_within(workdir, mf_str(mf_item(command->files, i)));
        if (pattern != NULL) {
            (void)glob(pattern, flags, NULL, &found);
        }
        flags |= GLOB_APPEND;
        free(pattern);
    }
    const size_t count = put_paths(found.gl_pathv, found.gl_pathc, out);
    globfree(&found);
    return count > 0
               ? MF_OK
               : fail_output(ctx, "it made no file in its working directory (whose path is in "
                                  "MAPFLEET_WORKDIR) that --output-file matches");
}
