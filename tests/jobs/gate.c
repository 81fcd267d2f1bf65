/* gate.c - a job whose attempts say that they have begun, and wait until a test lets them go on.
 *
 * Each makes the file begun-VALUE, and adds the time to the file starts; then it waits until the
 * file `until` is there. With `deaf` it ignores SIGTERM. */
#include <fcntl.h>
#include <mapfleet.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static void tell(int64_t value)
{
    char text[64];
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    const int starts = open("starts", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const int size = snprintf(text, sizeof(text), "%lld.%09ld %" PRId64 "\n", (long long)now.tv_sec,
                              now.tv_nsec, value);
    (void)!write(starts, text, (size_t)size);
    (void)close(starts);
    (void)snprintf(text, sizeof(text), "begun-%" PRId64, value);
    (void)close(open(text, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static mf_status gate(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    const mf_value *until = mf_field(input, "until");
    const mf_value *deaf = mf_field(input, "deaf");
    const mf_value *fail = mf_field(input, "fail");
    const int64_t value = mf_int(mf_field(input, "value"));
    if (!mf_is_null(deaf) && mf_bool(deaf)) {
        (void)signal(SIGTERM, SIG_IGN);
    }
    tell(value);
    while (!mf_is_null(until) && access(mf_str(until), F_OK) != 0) {
        (void)nanosleep(&pause, NULL);
    }
    if (!mf_is_null(fail) && mf_bool(fail)) {
        return mf_fail(ctx, "as asked");
    }
    mf_put_int(output, value);
    return MF_OK;
}

void mf_job(mf_registry *job)
{
    const mf_task task = {.name = "gate",
                          .fn = gate,
                          .input = "{value: int, until?: str, deaf?: bool, fail?: bool}",
                          .output = "int"};
    mf_register_task(job, &task);
}
