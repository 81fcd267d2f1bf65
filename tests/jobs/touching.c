/* touching.c - a job whose attempts leave a trace: each appends its index, as four bytes, to the
 * file `touched` of the folder that the run was started in. */
#include <fcntl.h>
#include <mapfleet.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

static mf_status touch(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const struct timespec pause = {.tv_nsec = 500000};
    const int64_t value = mf_int(input);
    const uint32_t index = (uint32_t)mf_index(ctx);
    const int file = open("touched", O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (file < 0 || write(file, &index, sizeof(index)) != (ssize_t)sizeof(index)) {
        return mf_fail(ctx, "no trace can be left");
    }
    (void)close(file);
    (void)nanosleep(&pause, NULL);
    mf_put_int(output, value * value);
    return MF_OK;
}

void mf_job(mf_registry *job)
{
    const mf_task task = {.name = "touch", .fn = touch, .input = "int", .output = "int"};
    mf_register_task(job, &task);
}
