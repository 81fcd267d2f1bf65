#include "worker/children.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/memory.h"

/* ---- Those that are known ---------------------------------------------------------------------
 */

void children_add(struct children *children, uint64_t id, pid_t pid)
{
    children->known = memory_grow(children->known, children->known_count, &children->known_capacity,
                                  sizeof(*children->known));
    children->known[children->known_count++] = (struct child){.id = id, .pid = pid};
}

struct child *children_find(struct children *children, uint64_t id)
{
    for (size_t i = 0; i < children->known_count; i++) {
        if (children->known[i].id == id) {
            return &children->known[i];
        }
    }
    return NULL;
}

static struct child *find_by_pid(struct children *children, pid_t pid)
{
    for (size_t i = 0; i < children->known_count; i++) {
        if (children->known[i].pid == pid) {
            return &children->known[i];
        }
    }
    return NULL;
}

/* ---- All that there are -----------------------------------------------------------------------
 */

static void list_add(struct children *children, pid_t pid)
{
    children->listed = memory_grow(children->listed, children->listed_count,
                                   &children->listed_capacity, sizeof(*children->listed));
    children->listed[children->listed_count++] = pid;
}

static bool list_add_children_of_task(struct children *children, const char *task)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "/proc/self/task/%s/children", task);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    char word[32];
    while (fscanf(file, "%31s", word) == 1) {
        list_add(children, (pid_t)strtol(word, NULL, 10));
    }
    (void)fclose(file);
    return true;
}

static pid_t parent_of(const char *pid)
{
    char path[PATH_MAX];
    char line[512];
    (void)snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    const size_t size = fread(line, 1, sizeof(line) - 1, file);
    (void)fclose(file);
    line[size] = '\0';
    /* PID (NAME) STATE PARENT; a name may hold anything. */
    const char *name_end = strrchr(line, ')');
    return name_end != NULL && strlen(name_end) > 4 ? (pid_t)strtol(name_end + 4, NULL, 10) : 0;
}

/* For kernels without .../children. */
static void list_by_parent(struct children *children)
{
    children->listed_count = 0;
    DIR *folder = opendir("/proc");
    if (folder == NULL) {
        return;
    }
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        const char first = entry->d_name[0];
        if (first >= '1' && first <= '9' && parent_of(entry->d_name) == getpid()) {
            list_add(children, (pid_t)strtol(entry->d_name, NULL, 10));
        }
    }
    (void)closedir(folder);
}

/* The children of this process, ended ones that have not been reaped included. The kernel's list
 * can miss one only while another leaves it, and ours leave it only by being reaped here. */
static void list_all(struct children *children)
{
    children->listed_count = 0;
    DIR *folder = opendir("/proc/self/task");
    bool is_listed = folder != NULL;
    while (is_listed) {
        const struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            break;
        }
        is_listed = entry->d_name[0] == '.' || list_add_children_of_task(children, entry->d_name);
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
    if (!is_listed) {
        list_by_parent(children);
    }
}

/* ---- Ending -----------------------------------------------------------------------------------
 */

/* Only for a child that has not been reaped: until then neither number can be another's. */
static void kill_with_group(pid_t pid)
{
    (void)kill(-pid, SIGKILL);
    (void)kill(pid, SIGKILL);
}

/* End what ended children have left behind, in whatever group or session it is now.
 *
 * Children are subreapers as well: while one lives, the orphans among its descendants become its
 * children. So a child of this process that was never added descends from one that has ended (or
 * from code that runs here, such as that of a job that is loaded), and can be killed without harm
 * to the others.
 *
 * None escapes. What descends from such a child becomes a child of this process when all between
 * them have ended; the last of these to end was a child of this process, or had one above it that
 * has been killed and is still to be reaped; and each one that is reaped leads here again. */
static void kill_orphans(struct children *children)
{
    list_all(children);
    for (size_t i = 0; i < children->listed_count; i++) {
        if (find_by_pid(children, children->listed[i]) == NULL) {
            kill_with_group(children->listed[i]);
        }
    }
}

/* Reap all that have ended. A group is killed while its ended leader still holds the number. */
void children_reap(struct children *children, children_ended *ended, void *context)
{
    bool has_reaped = false;
    for (;;) {
        siginfo_t info = {.si_pid = 0};
        int wait_status = 0;
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) {
            break;
        }
        (void)kill(-info.si_pid, SIGKILL);
        if (waitpid(info.si_pid, &wait_status, 0) != info.si_pid) {
            break;
        }
        has_reaped = true;
        struct child *child = find_by_pid(children, info.si_pid);
        if (child != NULL) {
            const struct child gone = *child;
            *child = children->known[--children->known_count];
            ended(context, &gone, wait_status);
        }
    }
    if (has_reaped) {
        kill_orphans(children);
    }
}

/* Kill and reap until no child is left: see kill_orphans() for why none escapes. */
void children_end_all(struct children *children)
{
    do {
        list_all(children);
        for (size_t i = 0; i < children->listed_count; i++) {
            kill_with_group(children->listed[i]);
        }
    } while (waitpid(-1, NULL, 0) > 0 || errno != ECHILD);
}
