/* leaving.c - a job that calls exit(): in its task, in a child of the task, or in its setup where a
 * file says so. */
#include <mapfleet.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static mf_status set_up(mf_context *ctx, void **state)
{
    (void)ctx;
    (void)state;
    if (access("leave-in-setup", F_OK) == 0) {
        exit(0);
    }
    return MF_OK;
}

static mf_status leave(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    (void)input;
    (void)output;
    exit(0);
}

/* Gives the child's exit status. */
static mf_status child(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    int status = 0;
    const pid_t pid = fork();
    (void)input;
    if (pid == 0) {
        exit(3);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        return mf_fail(ctx, "no child");
    }
    mf_put_int(output, WEXITSTATUS(status));
    return MF_OK;
}

void mf_job(mf_registry *job)
{
    mf_register_setup(job, set_up, NULL);
    mf_register_task(job,
                     &(mf_task){.name = "leave", .fn = leave, .input = "int", .output = "int"});
    mf_register_task(job,
                     &(mf_task){.name = "child", .fn = child, .input = "int", .output = "int"});
}
