/* meet.c - instances that wait for each other, to show that they run at the same time. */
#include <mapfleet.h>

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS 1000000
#define LOOKS_MAX 20000

/* Wait until a file is there. */
static mf_status await_file(mf_context *ctx, const char *name)
{
    const struct timespec pause = {.tv_nsec = LOOK_NS};

    for (int looks = 0; access(name, F_OK) != 0; looks++) {
        if (looks == LOOKS_MAX) {
            return mf_fail_permanently(ctx, "%s did not come", name);
        }
        (void)nanosleep(&pause, NULL);
    }
    return MF_OK;
}

/* Make a file, and wait until others have made all of theirs. */
static mf_status meet(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const mf_value *make = mf_field(input, "make");
    const mf_value *await = mf_field(input, "await");

    mf_put_null(output);
    if (mf_is_null(make) || mf_is_null(await)) {
        return MF_OK;
    }
    const int fd = open(mf_str(make), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return mf_fail_permanently(ctx, "cannot make %s", mf_str(make));
    }
    (void)close(fd);
    mf_status status = MF_OK;
    for (size_t i = 0; i < mf_count(await) && status == MF_OK; i++) {
        status = await_file(ctx, mf_str(mf_item(await, i)));
    }
    return status;
}

void mf_job(mf_registry *job)
{
    const mf_task task = {.name = "meet",
                          .fn = meet,
                          .input = "{make?: str, await?: list<str>}",
                          .output = "null",
                          .help = "Makes a file, and waits for others."};
    mf_register_task(job, &task);
}
