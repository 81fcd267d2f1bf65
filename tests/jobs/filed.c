/* filed.c - a job whose attempts give back a file of so many KiB, and note that they have run. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mapfleet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void note(int64_t value)
{
    char text[32];
    const int starts = open("starts", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const int size = snprintf(text, sizeof(text), "%" PRId64 "\n", value);
    (void)!write(starts, text, (size_t)size);
    (void)close(starts);
}

static mf_status filed(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    static const char block[1024] = {'x'};
    char path[PATH_MAX];
    const int64_t size = mf_int(mf_field(input, "kib"));
    const char *folder = mf_workdir(ctx);
    if (folder == NULL) {
        return MF_FAIL;
    }
    note(mf_int(mf_field(input, "value")));
    (void)snprintf(path, sizeof(path), "%s/made.bin", folder);
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        return mf_fail_permanently(ctx, "%s: %s", path, strerror(errno));
    }
    for (int64_t i = 0; i < size; i++) {
        (void)fwrite(block, 1, sizeof(block), file);
    }
    if (fclose(file) != 0) {
        return mf_fail_permanently(ctx, "%s: %s", path, strerror(errno));
    }
    mf_put_file(output, path);
    return MF_OK;
}

void mf_job(mf_registry *job)
{
    const mf_task task = {
        .name = "filed", .fn = filed, .input = "{value: int, kib: int}", .output = "file"};
    mf_register_task(job, &task);
}
