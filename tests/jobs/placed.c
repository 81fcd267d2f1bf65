/* placed.c - a job whose attempts look at what they were given, and make sure that nobody else has
 * it meanwhile: each holds a lock for every device and every processor of its own. */
#include <errno.h>
#include <fcntl.h>
#include <mapfleet.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define LOCK_COUNT_MAX 1024

struct locks {
    int files[LOCK_COUNT_MAX];
    size_t count;
};

/* False where somebody has it. */
static bool take(struct locks *locks, const char *kind, const char *name)
{
    char path[256];
    if (locks->count == LOCK_COUNT_MAX) {
        return false;
    }
    (void)snprintf(path, sizeof(path), "lock-%s-%s", kind, name);
    const int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) {
        return false;
    }
    locks->files[locks->count++] = file;
    return flock(file, LOCK_EX | LOCK_NB) == 0;
}

static void release(const struct locks *locks)
{
    for (size_t i = 0; i < locks->count; i++) {
        (void)close(locks->files[i]);
    }
}

static void rest(void)
{
    const struct timespec pause = {.tv_nsec = 50000000};
    (void)nanosleep(&pause, NULL);
}

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL ? value : "unset";
}

static void put_text(mf_writer *out, const char *name, const char *text)
{
    mf_put_key(out, name);
    mf_put_str(out, text);
}

static mf_status devices(mf_context *ctx, const mf_value *input, mf_writer *out)
{
    struct locks locks = {.count = 0};
    char list[4096];
    mf_status status = MF_OK;
    (void)input;
    (void)snprintf(list, sizeof(list), "%s", variable("CUDA_VISIBLE_DEVICES"));
    char *rest_of_list = list;
    for (char *name = strtok_r(list, ",", &rest_of_list); name != NULL && status == MF_OK;
         name = strtok_r(NULL, ",", &rest_of_list)) {
        if (!take(&locks, "device", name)) {
            status = mf_fail_permanently(ctx, "device %s is another's", name);
        }
    }
    rest();
    release(&locks);
    mf_begin_map(out);
    put_text(out, "cuda", variable("CUDA_VISIBLE_DEVICES"));
    put_text(out, "rocr", variable("ROCR_VISIBLE_DEVICES"));
    mf_end_map(out);
    return status;
}

/* How many processors it may run on; fails where another attempt may run on one of them. */
static mf_status cores(mf_context *ctx, const mf_value *input, mf_writer *out)
{
    struct locks locks = {.count = 0};
    cpu_set_t set;
    mf_status status = MF_OK;
    (void)input;
    if (sched_getaffinity(0, sizeof(set), &set) != 0) {
        return mf_fail_permanently(ctx, "no mask: %s", strerror(errno));
    }
    for (size_t cpu = 0; cpu < CPU_SETSIZE && status == MF_OK; cpu++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "%zu", cpu);
        if (CPU_ISSET(cpu, &set) && !take(&locks, "processor", name)) {
            status = mf_fail_permanently(ctx, "processor %zu is another's", cpu);
        }
    }
    rest();
    release(&locks);
    mf_put_int(out, CPU_COUNT(&set));
    return status;
}

static mf_status mask(mf_context *ctx, const mf_value *input, mf_writer *out)
{
    cpu_set_t set;
    (void)input;
    if (sched_getaffinity(0, sizeof(set), &set) != 0) {
        return mf_fail_permanently(ctx, "no mask: %s", strerror(errno));
    }
    mf_put_int(out, CPU_COUNT(&set));
    return MF_OK;
}

/* Touch that many MiB; gives the number of the attempt. */
static mf_status hold(mf_context *ctx, const mf_value *input, mf_writer *out)
{
    const size_t size = (size_t)mf_int(input) * MIB;
    char *memory = malloc(size + 1);
    if (memory == NULL) {
        return mf_fail(ctx, "no memory");
    }
    memset(memory, 1, size);
    rest();
    free(memory);
    mf_put_int(out, (int64_t)mf_attempt(ctx));
    return MF_OK;
}

/* Take a GiB a second, up to so many MiB, and tell in the file "leaked" how many it has. */
static mf_status leak(mf_context *ctx, const mf_value *input, mf_writer *out)
{
    enum { STEP_MIB = 10 };
    const struct timespec pause = {.tv_nsec = 10000000};
    const int file = open("leaked", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (int64_t size = STEP_MIB; size <= mf_int(input); size += STEP_MIB) {
        void *memory =
            mmap(NULL, STEP_MIB * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED || dprintf(file, "%" PRId64 "\n", size) < 0) {
            return mf_fail(ctx, "no memory, or no file");
        }
        memset(memory, 1, STEP_MIB * MIB);
        (void)nanosleep(&pause, NULL);
    }
    (void)close(file);
    mf_put_int(out, 0);
    return MF_OK;
}

void mf_job(mf_registry *job)
{
    static const mf_task tasks[] = {
        {.name = "devices",
         .fn = devices,
         .input = "any",
         .output = "{cuda: str, rocr: str}",
         .gpus = 2},
        {.name = "cores", .fn = cores, .input = "any", .output = "int"},
        {.name = "mask", .fn = mask, .input = "any", .output = "int"},
        {.name = "hold", .fn = hold, .input = "int", .output = "int"},
        {.name = "leak", .fn = leak, .input = "int", .output = "int"},
    };
    for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++) {
        mf_register_task(job, &tasks[i]);
    }
}
