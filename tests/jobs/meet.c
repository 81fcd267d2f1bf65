/* meet.c - instances that wait for each other, to show that they run at the same time. */
#include <mapfleet.h>

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS 1000000
#define LOOKS_MAX 20000

/* Make a file, and wait until somebody has made the other one. */
static mf_status meet(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const mf_value *make = mf_field(input, "make");
    const mf_value *await = mf_field(input, "await");
    const struct timespec pause = {.tv_nsec = LOOK_NS};

    mf_put_null(output);
    if (mf_is_null(make) || mf_is_null(await)) {
        return MF_OK;
    }
    const int fd = open(mf_str(make), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return mf_fail_permanently(ctx, "cannot make %s", mf_str(make));
    }
    (void)close(fd);
    for (int looks = 0; access(mf_str(await), F_OK) != 0; looks++) {
        if (looks == LOOKS_MAX) {
            return mf_fail_permanently(ctx, "%s did not come", mf_str(await));
        }
        (void)nanosleep(&pause, NULL);
    }
    return MF_OK;
}

void mf_job(mf_registry *job)
{
    const mf_task task = {.name = "meet",
                          .fn = meet,
                          .input = "{make?: str, await?: str}",
                          .output = "null",
                          .help = "Makes a file, and waits for another."};
    mf_register_task(job, &task);
}
