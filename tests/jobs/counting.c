/* counting.c - a job whose attempts count, in a file, how many of them run at once; each gives the
 * largest number that was ever seen. */
#include <fcntl.h>
#include <mapfleet.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

struct counts {
    int now;
    int most;
};

static int change(int by)
{
    struct counts counts = {0, 0};
    const int file = open("counts", O_RDWR | O_CREAT, 0600);
    if (file < 0 || flock(file, LOCK_EX) != 0) {
        return -1;
    }
    (void)!pread(file, &counts, sizeof(counts), 0);
    counts.now += by;
    counts.most = counts.now > counts.most ? counts.now : counts.most;
    (void)!pwrite(file, &counts, sizeof(counts), 0);
    (void)close(file);
    return counts.most;
}

static mf_status count(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    (void)ctx;
    (void)input;
    (void)change(1);
    (void)nanosleep(&pause, NULL);
    mf_put_int(output, change(-1));
    return MF_OK;
}

void mf_job(mf_registry *job)
{
    const mf_task task = {.name = "count", .fn = count, .input = "int", .output = "int"};
    mf_register_task(job, &task);
}
