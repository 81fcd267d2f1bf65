#include "worker/limits.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/memory.h"

/* ---- One process ------------------------------------------------------------------------------
 */

static const char *read_text(const char *path, char *text, size_t size)
{
    text[0] = '\0';
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return text;
    }
    const ssize_t got = read(fd, text, size - 1);
    (void)close(fd);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

uint64_t limits_own(pid_t pid)
{
    char path[64];
    char text[256];
    (void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    char *at = NULL;
    (void)strtoull(read_text(path, text, sizeof(text)), &at, 10); /* of address space */
    const uint64_t resident = strtoull(at, &at, 10);
    const uint64_t shared = strtoull(at, &at, 10);
    return resident > shared ? (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

/* Its anonymous pages, of those that others have too only its part. Kernels before 5.9 do not tell
 * Pss_Anon, and processes may forbid to read it. */
static uint64_t held_in_parts(pid_t pid)
{
    static const char name[] = "\nPss_Anon:";
    char path[64];
    char text[4096];
    (void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
    const char *line = strstr(read_text(path, text, sizeof(text)), name);
    return line != NULL ? strtoull(line + sizeof(name) - 1, NULL, 10) * 1024 : limits_own(pid);
}

/* ---- A process and its descendants ------------------------------------------------------------
 */

struct tree {
    pid_t *pids;
    size_t count;
    size_t capacity;
};

static void add(struct tree *tree, pid_t pid)
{
    tree->pids = memory_grow(tree->pids, tree->count, &tree->capacity, sizeof(*tree->pids));
    tree->pids[tree->count++] = pid;
}

static void add_children_of_task(struct tree *tree, pid_t pid, const char *task)
{
    char path[PATH_MAX];
    long child;
    (void)snprintf(path, sizeof(path), "/proc/%d/task/%s/children", (int)pid, task);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return;
    }
    while (fscanf(file, "%ld", &child) == 1) {
        add(tree, (pid_t)child);
    }
    (void)fclose(file);
}

/* Each thread has a list of the children that it has forked. */
static void add_children(struct tree *tree, pid_t pid)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return;
    }
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (entry->d_name[0] != '.') {
            add_children_of_task(tree, pid, entry->d_name);
        }
    }
    (void)closedir(folder);
}

static uint64_t sum(pid_t pid, uint64_t limit)
{
    struct tree tree = {0};
    uint64_t bytes = 0;
    add(&tree, pid);
    for (size_t i = 0; i < tree.count; i++) {
        bytes += limits_own(tree.pids[i]);
        add_children(&tree, tree.pids[i]);
    }
    if (bytes > limit && tree.count > 1) {
        bytes = 0;
        for (size_t i = 0; i < tree.count; i++) {
            bytes += held_in_parts(tree.pids[i]);
        }
    }
    free(tree.pids);
    return bytes;
}

uint64_t limits_resident(pid_t pid)
{
    return sum(pid, UINT64_MAX);
}

uint64_t limits_held(pid_t pid, uint64_t limit)
{
    return sum(pid, limit);
}
