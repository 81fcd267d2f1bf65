#include "worker/devices.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/memory.h"

#define CUDA "CUDA_VISIBLE_DEVICES"
#define ROCR "ROCR_VISIBLE_DEVICES"
#define NAME_SIZE_MAX 128
#define RANGE_COUNT_MAX 1024

void devices_free(struct devices *devices)
{
    for (size_t i = 0; i < devices->count; i++) {
        free(devices->names[i]);
    }
    free(devices->names);
    *devices = (struct devices){0};
}

/* ---- Lists ------------------------------------------------------------------------------------
 */

struct name_list {
    char **names;
    size_t count;
    size_t capacity;
};

static void add(struct name_list *list, const char *name)
{
    list->names = memory_grow(list->names, list->count, &list->capacity, sizeof(*list->names));
    list->names[list->count++] = memory_copy_text(name);
}

/* A number, or a name that the drivers know. Drivers stop at the first that is neither, such as -1,
 * and Slurm says "NoDevFiles" for none. */
static bool is_device(const char *name)
{
    const size_t digits = strspn(name, "0123456789");
    return (digits > 0 && name[digits] == '\0') || strncmp(name, "GPU-", 4) == 0 ||
           strncmp(name, "MIG-", 4) == 0;
}

/* Slurm writes runs as "0-3". */
static bool add_range(struct name_list *list, const char *text)
{
    unsigned first;
    unsigned last;
    int size = 0;
    char name[NAME_SIZE_MAX];
    if (sscanf(text, "%9u-%9u%n", &first, &last, &size) != 2 || text[size] != '\0' ||
        last < first || last - first >= RANGE_COUNT_MAX) {
        return false;
    }
    for (unsigned i = first; i <= last; i++) {
        (void)snprintf(name, sizeof(name), "%u", i);
        add(list, name);
    }
    return true;
}

static void add_all(struct name_list *list, const char *text)
{
    while (*text != '\0') {
        char name[NAME_SIZE_MAX];
        text += strspn(text, " ");
        const size_t size = strcspn(text, ",");
        size_t used = size;
        while (used > 0 && isspace((unsigned char)text[used - 1])) {
            used--;
        }
        if (used >= sizeof(name)) {
            return;
        }
        memcpy(name, text, used);
        name[used] = '\0';
        if (is_device(name)) {
            add(list, name);
        } else if (!add_range(list, name)) {
            return;
        }
        text += size + (text[size] == ',' ? 1 : 0);
    }
}

static bool has_driver(const char *root, const char *device)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/dev/%s", root, device);
    return access(path, F_OK) == 0;
}

/* Gives the variable that named them; "" where none does. */
static const char *read_list(struct name_list *list, bool is_amd)
{
    static const char *const variables[] = {CUDA, ROCR, "SLURM_STEP_GPUS", "SLURM_JOB_GPUS"};
    static const char *const variables_amd[] = {ROCR, CUDA, "SLURM_STEP_GPUS", "SLURM_JOB_GPUS"};
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        const char *variable = is_amd ? variables_amd[i] : variables[i];
        const char *text = getenv(variable);
        if (text != NULL && *text != '\0') {
            add_all(list, text);
            return variable;
        }
    }
    return "";
}

/* ---- Shares -----------------------------------------------------------------------------------
 */

/* Did Slurm give each of its tasks, which are the ranks, devices of its own? */
static bool is_own_list(const struct devices_options *options)
{
    const char *tasks = getenv("SLURM_STEP_NUM_TASKS");
    return getenv("SLURM_GPUS_PER_TASK") != NULL && tasks != NULL &&
           strtoul(tasks, NULL, 10) == options->rank_count;
}

static void number(struct name_list *list, const struct devices_options *options)
{
    const uint64_t first = options->host.index * options->count;
    for (uint64_t i = 0; i < options->count; i++) {
        char name[NAME_SIZE_MAX];
        (void)snprintf(name, sizeof(name), "%" PRIu64, first + i);
        add(list, name);
    }
}

/* Leave only those from `first` to before `end`. */
static void keep(struct name_list *list, size_t first, size_t end)
{
    for (size_t i = 0; i < list->count; i++) {
        if (i < first || i >= end) {
            free(list->names[i]);
        } else {
            list->names[i - first] = list->names[i];
        }
    }
    list->count = end - first;
}

/* A list of as many as a rank shall have is the rank's own: launchers make such. */
static enum status take_count(struct name_list *list, const struct devices_options *options,
                              const char *variable, struct error *err)
{
    const size_t count = (size_t)options->count;
    if (list->count == count || (is_own_list(options) && list->count > count)) {
        keep(list, 0, count);
        return STATUS_OK;
    }
    if (list->count / options->host.count < count) {
        return error_set(err, STATUS_INVALID,
                         "--gpus-per-rank %zu, but %s lists %zu for the %" PRIu32
                         " ranks of the host that work",
                         count, variable, list->count, options->host.count);
    }
    keep(list, options->host.index * count, (options->host.index + 1) * count);
    return STATUS_OK;
}

static void take_part(struct name_list *list, const struct devices_options *options)
{
    if (!is_own_list(options)) {
        const size_t count = list->count;
        keep(list, options->host.index * count / options->host.count,
             (options->host.index + (size_t)1) * count / options->host.count);
    }
}

enum status devices_find(const struct devices_options *options, struct devices *devices_out,
                         struct error *err)
{
    struct name_list list = {0};
    enum status status = STATUS_OK;
    const bool is_amd = has_driver(options->root, "kfd") && !has_driver(options->root, "nvidiactl");
    const char *variable = read_list(&list, is_amd);
    if (!options->has_count) {
        take_part(&list, options);
    } else if (*variable == '\0') {
        number(&list, options);
    } else {
        status = take_count(&list, options, variable, err);
    }
    *devices_out = (struct devices){
        .names = list.names,
        .count = list.count,
        .is_in_cuda = !is_amd || strcmp(variable, CUDA) == 0,
        .is_in_rocr = !is_amd || strcmp(variable, CUDA) != 0,
    };
    if (status != STATUS_OK) {
        devices_free(devices_out);
    }
    return status;
}

enum status devices_list(const struct devices *devices, size_t first, size_t count, char *text,
                         size_t text_size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = first; i < first + count; i++) {
        const int length = snprintf(text + used, text_size - used, "%s%s", i > first ? "," : "",
                                    devices->names[i]);
        if (length < 0 || (size_t)length >= text_size - used) {
            return STATUS_INVALID;
        }
        used += (size_t)length;
    }
    return STATUS_OK;
}
