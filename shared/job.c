#include "shared/job.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

#include "shared/buffer.h"
#include "shared/memory.h"
#include "shared/path.h"
#include "shared/registry.h"

#define OWN_PROGRAM "/proc/self/exe"

static mf_job_function *built_in;
static const char *built_in_name = "";

/* What job_set_shipped() was told of. */
static struct {
    const char *name;
    mf_job_function *function;
} shipped;

/* A list for an error's text; where memory runs out, the text is shorter. */
static void list_add(struct buffer *list, const char *item)
{
    if (buffer_printf(list, "%s%s", list->size > 0 ? ", " : "", item) != STATUS_OK) {
        buffer_clear(list);
    }
}

/* ---- Finding ----------------------------------------------------------------------------------
 */

static bool ends_in(const char *text, const char *ending)
{
    const size_t size = strlen(text);
    const size_t ending_size = strlen(ending);
    return size >= ending_size && strcmp(text + size - ending_size, ending) == 0;
}

struct search {
    const char *name;
    char path[PATH_MAX];  /* found */
    struct buffer looked; /* where, for the error */
};

static bool look_in(struct search *search, const char *folder, size_t folder_size,
                    const char *below)
{
    char path[PATH_MAX];
    const int length =
        snprintf(path, sizeof(path), "%.*s%s/%s.so", (int)folder_size, folder, below, search->name);
    if (length < 0 || (size_t)length >= sizeof(path)) {
        return false;
    }
    if (access(path, F_OK) == 0 && realpath(path, search->path) != NULL) {
        return true;
    }
    list_add(&search->looked, path);
    return false;
}

static bool look_in_list(struct search *search, const char *list)
{
    while (list != NULL && *list != '\0') {
        const size_t size = strcspn(list, ":");
        if (size > 0 && look_in(search, list, size, "")) {
            return true;
        }
        list += size + (list[size] == ':' ? 1 : 0);
    }
    return false;
}

static enum status find_by_name(const char *name, char **path_out, struct error *err)
{
    char folder[PATH_MAX];
    struct search search = {.name = name};
    enum status status = STATUS_OK;
    const bool is_found = look_in_list(&search, getenv("MAPFLEET_JOBS")) ||
                          (path_own_folder(folder, sizeof(folder)) &&
                           (look_in(&search, folder, strlen(folder), "/../jobs") ||
                            look_in(&search, folder, strlen(folder), "/mapfleet/jobs")));
    if (is_found) {
        *path_out = memory_copy_text(search.path);
    } else {
        status = error_set(err, STATUS_NOT_FOUND,
                           "no job \"%s\": looked for %.*s (a path needs a slash or .so)", name,
                           (int)search.looked.size,
                           search.looked.data != NULL ? (const char *)search.looked.data : "");
    }
    buffer_free(&search.looked);
    return status;
}

enum status job_find(const char *job, char **path_out, struct error *err)
{
    char path[PATH_MAX];
    if (strchr(job, '/') == NULL && !ends_in(job, ".so")) {
        return find_by_name(job, path_out, err);
    }
    if (realpath(job, path) == NULL) {
        return error_set(err, STATUS_NOT_FOUND, "job %s: %s", job, strerror(errno));
    }
    *path_out = memory_copy_text(path);
    return STATUS_OK;
}

/* ---- Loading ----------------------------------------------------------------------------------
 */

static enum status digest_file(const char *path, uint8_t digest_out[JOB_DIGEST_SIZE],
                               struct error *err)
{
    enum status status = STATUS_OK;
    uint8_t block[1 << 16];
    ssize_t size;
    XXH128_canonical_t canonical;
    XXH3_state_t *state = XXH3_createState();
    const int file = state != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) {
        status = error_set(err, STATUS_IO, "job %s: %s", path, strerror(errno));
        goto done;
    }
    (void)XXH3_128bits_reset(state);
    while ((size = read(file, block, sizeof(block))) > 0) {
        (void)XXH3_128bits_update(state, block, (size_t)size);
    }
    if (size < 0) {
        status = error_set(err, STATUS_IO, "job %s: %s", path, strerror(errno));
        goto done;
    }
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
    memcpy(digest_out, canonical.digest, JOB_DIGEST_SIZE);

done:
    if (file >= 0) {
        (void)close(file);
    }
    XXH3_freeState(state);
    return status;
}

static char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *name = memory_copy_text(slash == NULL ? path : slash + 1);
    if (ends_in(name, ".so")) {
        name[strlen(name) - 3] = '\0';
    }
    return name;
}

/* Call the job's entry point, and see whether all that it registered is in order. */
static enum status fill(struct job *job, mf_job_function *function, struct error *err)
{
    struct mf_registry registry = {.job = job};
    function(&registry);
    if (registry.status != STATUS_OK) {
        return error_set(err, registry.status, "job %s: %s", job->name, registry.error.text);
    }
    if (job->task_count + job->workflow_count == 0) {
        return error_set(err, STATUS_INVALID, "job %s registers no task", job->name);
    }
    return STATUS_OK;
}

/* Before a line of it runs. */
static enum status check_digest(struct job *job, const uint8_t *expected, struct error *err)
{
    enum status status = digest_file(job->path, job->digest, err);
    if (expected == NULL) {
        return status;
    }
    if (status == STATUS_OK && memcmp(job->digest, expected, JOB_DIGEST_SIZE) != 0) {
        status = error_set(err, STATUS_IO, "job %s differs from that of rank 0", job->path);
    }
    return status == STATUS_IO ? STATUS_NO_JOB : status;
}

enum status job_load(const char *path, const uint8_t *digest, struct job **job_out,
                     struct error *err)
{
    mf_job_function *function = NULL;
    struct job *job = memory_take(1, sizeof(*job));
    job->path = memory_copy_text(path);
    job->name = base_name(path);
    enum status status = check_digest(job, digest, err);
    if (status != STATUS_OK) {
        goto done;
    }
    job->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (job->library == NULL) {
        status = error_set(err, STATUS_INVALID, "job %s cannot be loaded: %s", path, dlerror());
        goto done;
    }
    /* ISO C has no cast from an object's address to a function's; POSIX promises this one. */
    *(void **)&function = dlsym(job->library, "mf_job");
    if (function == NULL) {
        status = error_set(err, STATUS_INVALID,
                           "job %s has no function mf_job: is it a mapfleet job?", path);
        goto done;
    }
    status = fill(job, function, err);
    if (status == STATUS_OK) {
        *job_out = job;
        job = NULL; /* moved to the caller */
    }

done:
    job_destroy(job);
    return status;
}

enum status job_build(mf_job_function *function, const char *name, struct job **job_out,
                      struct error *err)
{
    struct job *job = memory_take(1, sizeof(*job));
    job->path = memory_copy_text("");
    job->name = memory_copy_text(name);
    enum status status = digest_file(OWN_PROGRAM, job->digest, err);
    if (status == STATUS_OK) {
        status = fill(job, function, err);
    }
    if (status != STATUS_OK) {
        job_destroy(job);
        return status;
    }
    *job_out = job;
    return STATUS_OK;
}

void job_set_built_in(mf_job_function *function, const char *name)
{
    built_in = function;
    built_in_name = name;
}

const char *job_built_in_name(void)
{
    return built_in != NULL ? built_in_name : "";
}

void job_set_shipped(const char *name, mf_job_function *function)
{
    shipped.name = name;
    shipped.function = function;
}

static enum status build_shipped(const char *name, struct job **job_out, struct error *err)
{
    if (shipped.name == NULL || strcmp(shipped.name, name) != 0) {
        return error_set(err, STATUS_NOT_FOUND, "no job \"%s\" is built into the program", name);
    }
    const enum status status = job_build(shipped.function, name + 1, job_out, err);
    if (status == STATUS_OK) {
        free((*job_out)->path);
        (*job_out)->path = memory_copy_text(name);
    }
    return status;
}

enum status job_open(const char *job, struct job **job_out, struct error *err)
{
    char *path = NULL;
    if (*job == '\0') {
        return built_in != NULL
                   ? job_build(built_in, built_in_name, job_out, err)
                   : error_set(err, STATUS_INVALID, "no job is given, and none is built in");
    }
    if (*job == ':') {
        return build_shipped(job, job_out, err);
    }
    enum status status = job_find(job, &path, err);
    if (status == STATUS_OK) {
        assert(path != NULL);
        status = job_load(path, NULL, job_out, err);
    }
    free(path);
    return status;
}

void job_destroy(struct job *job)
{
    if (job == NULL) {
        return;
    }
    for (size_t i = 0; i < job->task_count; i++) {
        registry_free_task(&job->tasks[i]);
    }
    free(job->tasks);
    for (size_t i = 0; i < job->workflow_count; i++) {
        registry_free_workflow(&job->workflows[i]);
    }
    free(job->workflows);
    for (size_t i = 0; i < job->reducer_count; i++) {
        registry_free_reducer(&job->reducers[i]);
    }
    free(job->reducers);
    free(job->name);
    free(job->path);
    if (job->library != NULL) {
        (void)dlclose(job->library);
    }
    free(job);
}

const struct task *job_task(const struct job *job, const char *name, struct error *err)
{
    struct buffer names = {0};
    for (size_t i = 0; i < job->task_count; i++) {
        if (strcmp(job->tasks[i].name, name) == 0) {
            buffer_free(&names);
            return &job->tasks[i];
        }
        list_add(&names, job->tasks[i].name);
    }
    (void)error_set(err, STATUS_NOT_FOUND, "job %s has no task \"%s\"; it has %.*s", job->name,
                    name, (int)names.size, names.data != NULL ? (const char *)names.data : "none");
    buffer_free(&names);
    return NULL;
}

/* What was meant by "", where there is no other. */
static enum status fail_workflow(const struct job *job, const char *name, struct error *err)
{
    struct buffer names = {0};
    enum status status;
    for (size_t i = 0; i < job->workflow_count; i++) {
        list_add(&names, job->workflows[i].name);
    }
    const char *list = names.data != NULL ? (const char *)names.data : "none";
    const int size = names.data != NULL ? (int)names.size : (int)strlen(list);
    if (job->workflow_count == 0) {
        status =
            error_set(err, STATUS_NOT_FOUND,
                      "job %s has no workflow (mapfleet map runs one of its tasks)", job->name);
    } else if (*name == '\0') {
        status = error_set(err, STATUS_NOT_FOUND, "job %s has several workflows, say which: %.*s",
                           job->name, size, list);
    } else {
        status = error_set(err, STATUS_NOT_FOUND, "job %s has no workflow \"%s\"; it has %.*s",
                           job->name, name, size, list);
    }
    buffer_free(&names);
    return status;
}

const struct workflow *job_workflow(const struct job *job, const char *name, struct error *err)
{
    if (*name == '\0' && job->workflow_count == 1) {
        return &job->workflows[0];
    }
    for (size_t i = 0; i < job->workflow_count; i++) {
        if (strcmp(job->workflows[i].name, name) == 0) {
            return &job->workflows[i];
        }
    }
    (void)fail_workflow(job, name, err);
    return NULL;
}
