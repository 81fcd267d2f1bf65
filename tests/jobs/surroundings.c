/* surroundings.c - a job whose tasks tell where and in which environment they run.
 *
 *     env       what the program `env` prints, started with mf_environment()
 *     process   the process's own environment, and its current directory as "PWD_NOW=..."
 *     folder    makes a working directory with a file in it, and ends as the input says: "ok",
 * "fail", "crash", "exit", "hang", or "chdir" (goes into it, and leaves a folder there that may not
 * be written)
 */
#include <mapfleet.h>

#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* All that comes out of the pipe, as lines. */
static void put_lines(mf_writer *output, int from)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    FILE *file = fdopen(from, "r");
    mf_begin_list(output);
    while (file != NULL && (size = getline(&line, &room, file)) > 0) {
        mf_put_text(output, line, (size_t)size - 1);
    }
    mf_end_list(output);
    free(line);
    if (file != NULL) {
        (void)fclose(file);
    }
}

static mf_status env(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    static char name[] = "env";
    char *const arguments[] = {name, NULL};
    char *const *variables = mf_environment(ctx);
    int ends[2];
    pid_t pid;
    (void)input;
    if (variables == NULL) {
        return MF_FAIL;
    }
    if (pipe(ends) != 0) {
        return mf_fail(ctx, "no pipe");
    }
    posix_spawn_file_actions_t actions;
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    (void)posix_spawn_file_actions_addclose(&actions, ends[0]);
    const int code = posix_spawnp(&pid, "env", &actions, NULL, arguments, variables);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(ends[1]);
    put_lines(output, ends[0]);
    if (code != 0) {
        return mf_fail(ctx, "env: %s", strerror(code));
    }
    (void)waitpid(pid, NULL, 0);
    return MF_OK;
}

static mf_status process(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    char folder[PATH_MAX];
    char text[PATH_MAX + sizeof("PWD_NOW=")];
    (void)ctx;
    (void)input;
    mf_begin_list(output);
    for (char **at = environ; *at != NULL; at++) {
        mf_put_str(output, *at);
    }
    (void)snprintf(text, sizeof(text), "PWD_NOW=%s",
                   getcwd(folder, sizeof(folder)) != NULL ? folder : "");
    mf_put_str(output, text);
    mf_end_list(output);
    return MF_OK;
}

static bool write_file(const char *folder)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/file", folder);
    FILE *file = fopen(path, "w");
    return file != NULL && fputs("text\n", file) >= 0 && fclose(file) == 0;
}

static mf_status folder(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const char *how = mf_str(input);
    const char *path = mf_workdir(ctx);
    if (path == NULL || !write_file(path)) {
        return mf_fail(ctx, "no folder, or no file in it");
    }
    if (strcmp(how, "crash") == 0) {
        (void)raise(SIGSEGV);
    } else if (strcmp(how, "exit") == 0) {
        _exit(3);
    } else if (strcmp(how, "hang") == 0) {
        (void)pause();
    } else if (strcmp(how, "chdir") == 0 && (chdir(path) != 0 || mkdir("locked", 0500) != 0)) {
        return mf_fail(ctx, "cannot go there");
    }
    mf_put_str(output, path);
    return strcmp(how, "fail") == 0 ? mf_fail(ctx, "as asked") : MF_OK;
}

void mf_job(mf_registry *job)
{
    mf_register_task(job, &(mf_task){.name = "env", .fn = env, .output = "list<str>"});
    mf_register_task(job, &(mf_task){.name = "process", .fn = process, .output = "list<str>"});
    mf_register_task(job,
                     &(mf_task){.name = "folder", .fn = folder, .input = "str", .output = "str"});
}
