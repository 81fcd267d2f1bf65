#include "jobs/command/command.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jobs/command/command_private.h"

/* How the program ended, where that is no success. */
static mf_status fail_by_status(mf_context *ctx, const struct command *command, int wait_status,
                                const char *name, int reason)
{
    if (WIFSIGNALED(wait_status)) {
        const int number = WTERMSIG(wait_status);
        if (number == SIGKILL) {
            mf_set_class(ctx, MF_CLASS_KILLED);
            return mf_fail(ctx, "killed by SIGKILL, which mapfleet did not send");
        }
        mf_set_class(ctx, MF_CLASS_CRASH);
        return mf_fail(ctx, "SIG%s (%s)", sigabbrev_np(number), strsignal(number));
    }
    const int exit_status = WEXITSTATUS(wait_status);
    const bool is_permanent = command->is_permanent[exit_status];
    mf_set_class(ctx,
                 exit_status == EXIT_KILLED && !is_permanent ? MF_CLASS_KILLED : MF_CLASS_EXIT);
    const mf_status failed = reason != 0 ? mf_fail(ctx, "left with exit status %d (%s: %s)",
                                                   exit_status, name, strerror(reason))
                                         : mf_fail(ctx, "left with exit status %d", exit_status);
    return is_permanent ? MF_FAIL_PERMANENTLY : failed;
}

static mf_status put_result(mf_context *ctx, const struct command *command, mf_writer *out)
{
    if (command->metric_name != NULL && command->needs_report && command->metric.count == 0) {
        mf_set_class(ctx, MF_CLASS_OUTPUT);
        return mf_fail(ctx, "reported no value of %s: %s", command->metric_name,
                       command->metric_hint);
    }
    return mf_count(command->files) > 0 ? command_put_files(ctx, command, out)
                                        : command_put_output(ctx, command, out);
}

static mf_status run(mf_context *ctx, const mf_value *input, mf_writer *out)
{
    struct command *command = mf_state(ctx);
    int reason;
    char **arguments = command_arguments(ctx, command, input);
    if (arguments == NULL) {
        return MF_FAIL_PERMANENTLY;
    }
    char **environment = command_environment(ctx, command, input);
    const int in = environment != NULL ? command_stdin(ctx, command, input) : -2;
    if (in == -2) {
        return MF_FAIL;
    }
    if (command->metric_name != NULL && !command_metric_begin(ctx, command)) {
        return MF_FAIL;
    }
    const int wait_status = command_run(ctx, command, arguments, environment, in, &reason);
    if (in >= 0) {
        (void)close(in);
    }
    if (!command_take_output(ctx, command)) {
        return MF_FAIL;
    }
    const mf_status status = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0
                                 ? put_result(ctx, command, out)
                                 : fail_by_status(ctx, command, wait_status, arguments[0], reason);
    command_show_output(ctx, command, status == MF_OK && !mf_should_stop(ctx));
    return status;
}

void command_job(mf_registry *job)
{
    const mf_task printing = {.name = COMMAND_TASK_RUN,
                              .fn = run,
                              .help = "runs a program, and gives back what it prints",
                              .constant = COMMAND_CONSTANT};
    const mf_task making = {.name = COMMAND_TASK_FILES,
                            .fn = run,
                            .output = "list<file>",
                            .help = "runs a program, and gives back the files that it makes",
                            .constant = COMMAND_CONSTANT};
    mf_register_task(job, &printing);
    mf_register_task(job, &making);
    mf_register_setup(job, command_set_up, command_tear_down);
}
