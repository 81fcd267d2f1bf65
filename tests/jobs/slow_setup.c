/* slow_setup.c - a job whose setup says that it has begun, by a file setting-up-PROCESS, and waits
 * until the file `open` is there. */
#include <fcntl.h>
#include <mapfleet.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static mf_status set_up(mf_context *ctx, void **state)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    char name[64];
    (void)ctx;
    *state = NULL;
    (void)snprintf(name, sizeof(name), "setting-up-%ld", (long)getpid());
    (void)close(open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    while (access("open", F_OK) != 0) {
        (void)nanosleep(&pause, NULL);
    }
    return MF_OK;
}

static mf_status same(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    mf_put_int(output, mf_int(input));
    return MF_OK;
}

void mf_job(mf_registry *job)
{
    const mf_task task = {.name = "same", .fn = same, .input = "int", .output = "int"};
    mf_register_task(job, &task);
    mf_register_setup(job, set_up, NULL);
}
