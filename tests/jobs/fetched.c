/* fetched.c - a job that reads files and folders that were fetched. A file of tests/system/
 * file_server.py says in its first line how many bytes it has: half a one is a permanent failure.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mapfleet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void note(const char *path)
{
    char text[PATH_MAX + 1];
    const int seen = open("seen", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const int size = snprintf(text, sizeof(text), "%s\n", path);
    (void)!write(seen, text, (size_t)size);
    (void)close(seen);
}

/* Its size in bytes; below 0: it is not whole. */
static long long whole_size(const char *path)
{
    long long size = -1;
    struct stat found;
    FILE *file = fopen(path, "r");
    if (file == NULL || fscanf(file, "%lld", &size) != 1 || fstat(fileno(file), &found) != 0 ||
        found.st_size != size) {
        size = -1;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return size;
}

static mf_status read_file(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const long long size = whole_size(mf_path(input));
    note(mf_path(input));
    if (size < 0) {
        return mf_fail_permanently(ctx, "HALF A FILE: %s", mf_path(input));
    }
    mf_put_int(output, size);
    return MF_OK;
}

/* The same; it ends only once there is a file `go`. */
static mf_status hold_file(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const mf_status status = read_file(ctx, input, output);
    while (access("go", F_OK) != 0) {
        (void)usleep(10000);
    }
    if (whole_size(mf_path(input)) < 0) {
        return mf_fail_permanently(ctx, "it was thrown out: %s", mf_path(input));
    }
    return status;
}

static mf_status copy_file(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    char path[PATH_MAX];
    char bytes[65536];
    size_t size;
    const char *folder = mf_workdir(ctx);
    if (folder == NULL) {
        return MF_FAIL;
    }
    const char *ending = strrchr(mf_path(input), '.');
    (void)snprintf(path, sizeof(path), "%s/copy%s", folder, ending != NULL ? ending : "");
    FILE *from = fopen(mf_path(input), "r");
    FILE *to = fopen(path, "w");
    if (from == NULL || to == NULL) {
        return mf_fail(ctx, "%s: %s", mf_path(input), strerror(errno));
    }
    while ((size = fread(bytes, 1, sizeof(bytes), from)) > 0) {
        (void)fwrite(bytes, 1, size, to);
    }
    (void)fclose(from);
    (void)fclose(to);
    mf_put_file(output, path);
    return MF_OK;
}

/* Two files, of which the second is not there. */
static mf_status lose_file(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    char path[PATH_MAX];
    const char *folder = mf_workdir(ctx);
    (void)input;
    (void)snprintf(path, sizeof(path), "%s/first.txt", folder);
    FILE *file = fopen(path, "w");
    (void)fclose(file);
    mf_begin_list(output);
    mf_put_file(output, path);
    mf_put_file(output, "second.txt");
    mf_end_list(output);
    return MF_OK;
}

static int put_folder(mf_writer *output, const char *path, const char *name)
{
    struct dirent **entries = NULL;
    const int count = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char below[PATH_MAX];
        char shown[PATH_MAX];
        struct stat found;
        const char *entry = entries[i]->d_name;
        if (entry[0] != '.' &&
            snprintf(below, sizeof(below), "%s/%s", path, entry) < (int)sizeof(below) &&
            snprintf(shown, sizeof(shown), "%s%s", name, entry) < (int)sizeof(shown) &&
            stat(below, &found) == 0) {
            if (S_ISDIR(found.st_mode)) {
                char deeper[PATH_MAX + 1];
                (void)snprintf(deeper, sizeof(deeper), "%s/", shown);
                (void)put_folder(output, below, deeper);
            } else {
                mf_put_str(output, whole_size(below) < 0 ? "HALF A FILE" : shown);
            }
        }
        free(entries[i]);
    }
    free(entries);
    return count;
}

/* The names of all files below a folder. */
static mf_status list_folder(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    note(mf_path(input));
    mf_begin_list(output);
    const int count = put_folder(output, mf_path(input), "");
    mf_end_list(output);
    return count < 0 ? mf_fail(ctx, "%s: %s", mf_path(input), strerror(errno)) : MF_OK;
}

/* The sizes of copies: what one map gives back is what the next one fetches. */
static mf_status measure_copies(mf_workflow *flow, const mf_value *input, mf_writer *output)
{
    const mf_value *copies = mf_map(flow, "copy", mf_field(input, "files"), NULL);
    const mf_value *sizes = copies != NULL ? mf_map(flow, "size", copies, NULL) : NULL;
    if (sizes == NULL) {
        return MF_FAIL;
    }
    mf_put_value(output, sizes);
    return MF_OK;
}

void mf_job(mf_registry *job)
{
    const mf_task tasks[] = {
        {.name = "size", .fn = read_file, .input = "file", .output = "int"},
        {.name = "hold", .fn = hold_file, .input = "file", .output = "int"},
        {.name = "kept", .fn = read_file, .input = "file", .output = "int", .cache_version = "1"},
        {.name = "copy", .fn = copy_file, .input = "file", .output = "file"},
        {.name = "lose", .fn = lose_file, .input = "any", .output = "list<file>"},
        {.name = "names", .fn = list_folder, .input = "dir", .output = "list<str>"},
    };
    for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++) {
        mf_register_task(job, &tasks[i]);
    }
    const mf_workflow_def measure = {.name = "measure",
                                     .fn = measure_copies,
                                     .input = "{files: list<file>, near?: dir}",
                                     .output = "list<int>"};
    mf_register_workflow(job, &measure);
}
