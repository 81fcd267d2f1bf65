#include "worker/host_memory.h"

#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/extremes.h"

#define KIB 1024
#define MIB (UINT64_C(1) << 20)

static uint64_t scaled(uint64_t count, uint64_t size)
{
    uint64_t bytes;
    return __builtin_mul_overflow(count, size, &bytes) ? UINT64_MAX : bytes;
}

/* ---- Files ------------------------------------------------------------------------------------
 */

static uint64_t physical(const char *root)
{
    char path[PATH_MAX];
    char line[256];
    uint64_t kib;
    uint64_t bytes = UINT64_MAX;
    (void)snprintf(path, sizeof(path), "%s/proc/meminfo", root);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "MemTotal: %" SCNu64 " kB", &kib) == 1 && kib > 0) {
            bytes = scaled(kib, KIB);
            break;
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return bytes;
}

/* "max", the other version's very large number, and no such file are no limit. */
static uint64_t read_limit(const char *path)
{
    uint64_t bytes = UINT64_MAX;
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        if (fscanf(file, "%" SCNu64, &bytes) != 1 || bytes == 0) {
            bytes = UINT64_MAX;
        }
        (void)fclose(file);
    }
    return bytes;
}

/* A limit of a group above holds as well. In a container the path may be that of the host, of which
 * nothing but the top is to be seen. */
static uint64_t group_limit(const char *mount, const char *group, const char *name)
{
    char above[PATH_MAX];
    char path[PATH_MAX];
    uint64_t limit = UINT64_MAX;
    (void)snprintf(above, sizeof(above), "%s", group);
    for (;;) {
        const int length = snprintf(path, sizeof(path), "%s%s/%s", mount, above, name);
        if (length > 0 && (size_t)length < sizeof(path)) {
            limit = smaller(limit, read_limit(path));
        }
        char *slash = strrchr(above, '/');
        if (slash == NULL) {
            return limit;
        }
        *slash = '\0';
    }
}

/* Is `name` in a list by commas? */
static bool is_listed(const char *list, const char *name)
{
    const size_t size = strlen(name);
    while (*list != '\0') {
        const size_t item = strcspn(list, ",");
        if (item == size && strncmp(list, name, size) == 0) {
            return true;
        }
        list += item + (list[item] == ',' ? 1 : 0);
    }
    return false;
}

/* A line of /proc/self/cgroup: NUMBER:CONTROLLERS:PATH. Version 2 has no controllers there. */
static uint64_t line_limit(const char *root, char *line)
{
    char mount[PATH_MAX];
    char *controllers = strchr(line, ':');
    char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
    if (group == NULL) {
        return UINT64_MAX;
    }
    *controllers++ = '\0';
    *group++ = '\0';
    group[strcspn(group, "\n")] = '\0';
    if (*controllers == '\0') {
        (void)snprintf(mount, sizeof(mount), "%s/sys/fs/cgroup", root);
        return group_limit(mount, group, "memory.max");
    }
    if (is_listed(controllers, "memory")) {
        (void)snprintf(mount, sizeof(mount), "%s/sys/fs/cgroup/memory", root);
        return group_limit(mount, group, "memory.limit_in_bytes");
    }
    return UINT64_MAX;
}

uint64_t host_memory(const char *root)
{
    char path[PATH_MAX];
    char line[PATH_MAX];
    uint64_t limit = physical(root);
    (void)snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        limit = smaller(limit, line_limit(root, line));
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return limit;
}

/* ---- Slurm ------------------------------------------------------------------------------------
 */

/* Digits, perhaps with K, M, G or T behind them; 0 and what is no number are nothing. */
static uint64_t number_of(const char *variable, uint64_t unit)
{
    static const char units[] = "KMGT";
    const char *text = getenv(variable);
    if (text == NULL || *text < '0' || *text > '9') {
        return UINT64_MAX;
    }
    char *end;
    const uint64_t count = strtoull(text, &end, 10);
    const char *named = unit > 1 && *end != '\0' ? strchr(units, *end) : NULL;
    if (named != NULL) {
        unit = UINT64_C(1) << (10 * (named - units + 1));
        end++;
    }
    return count == 0 || *end != '\0' ? UINT64_MAX : scaled(count, unit);
}

uint64_t host_memory_slurm_node(void)
{
    const uint64_t a_cpu = number_of("SLURM_MEM_PER_CPU", MIB);
    const uint64_t cpus = number_of("SLURM_CPUS_ON_NODE", 1);
    const bool is_by_cpu = a_cpu < UINT64_MAX && cpus < UINT64_MAX;
    return smaller(number_of("SLURM_MEM_PER_NODE", MIB),
                   is_by_cpu ? scaled(a_cpu, cpus) : UINT64_MAX);
}

uint64_t host_memory_slurm_rank(uint64_t cpus)
{
    const uint64_t a_cpu = number_of("SLURM_MEM_PER_CPU", MIB);
    const bool is_by_cpu = a_cpu < UINT64_MAX && number_of("SLURM_CPUS_ON_NODE", 1) == UINT64_MAX;
    return is_by_cpu ? scaled(a_cpu, cpus) : UINT64_MAX;
}
