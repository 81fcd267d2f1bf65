/* set_up.c - a job that tells of its setups and teardowns, and whose setup fails when asked to.
 *
 * Both add a line with their rank and process to the file "setups" or "teardowns". The setup fails
 * where there is a file "fail-RANK". The attempts of a process count themselves; one of an input
 * below 0 makes that file, and crashes. */
#include <mapfleet.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *rank(void)
{
    const char *text = getenv("MAPFLEET_RANK");
    return text != NULL ? text : "none";
}

static void add_line(const char *name)
{
    char line[64];
    const int file = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const int size = snprintf(line, sizeof(line), "%s %ld\n", rank(), (long)getpid());
    (void)!write(file, line, (size_t)size);
    (void)close(file);
}

static const char *failing(char path[64])
{
    (void)snprintf(path, 64, "fail-%s", rank());
    return path;
}

static mf_status set_up(mf_context *ctx, void **state)
{
    static int64_t calls;
    char path[64];
    add_line("setups");
    if (access(failing(path), F_OK) == 0) {
        return mf_fail(ctx, "no licence on rank %s", rank());
    }
    *state = &calls;
    return MF_OK;
}

static void tear_down(void *state)
{
    (void)state;
    add_line("teardowns");
}

static mf_status count(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    char path[64];
    int64_t *calls = mf_state(ctx);
    if (mf_int(input) < 0) {
        (void)close(open(failing(path), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        abort();
    }
    mf_begin_map(output);
    mf_put_key(output, "process");
    mf_put_int(output, getpid());
    mf_put_key(output, "calls");
    mf_put_int(output, ++*calls);
    mf_end_map(output);
    return MF_OK;
}

void mf_job(mf_registry *job)
{
    const mf_task task = {
        .name = "count", .fn = count, .input = "int", .output = "{process: int, calls: int}"};
    mf_register_task(job, &task);
    mf_register_setup(job, set_up, tear_down);
}
