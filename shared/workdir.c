#include "shared/workdir.h"

#include <errno.h>
#include <fts.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MODE_OWN 0700

static void fill(char path_out[PATH_MAX], int length)
{
    if (length < 0 || length >= PATH_MAX) {
        path_out[0] = '\0';
    }
}

const char *workdir_base(void)
{
    const char *base = getenv("TMPDIR");
    return base != NULL && base[0] == '/' ? base : "/tmp";
}

void workdir_choose(char folder_out[PATH_MAX])
{
    uint64_t random = 0;
    if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random)) {
        random = (uint64_t)time(NULL); /* a kernel that has just started */
    }
    fill(folder_out, snprintf(folder_out, PATH_MAX, "%s/mapfleet-%d-%016" PRIx64, workdir_base(),
                              (int)getpid(), random));
}

void workdir_of_slot(const char *rank_folder, uint32_t slot, char folder_out[PATH_MAX])
{
    fill(folder_out, snprintf(folder_out, PATH_MAX, "%s/slot-%" PRIu32, rank_folder, slot));
}

void workdir_of_kept(const char *rank_folder, char folder_out[PATH_MAX])
{
    fill(folder_out, snprintf(folder_out, PATH_MAX, "%s-kept", rank_folder));
}

/* ---- Making -----------------------------------------------------------------------------------
 */

/* The rank's folder and the executor's. Others may make the first at the same time. */
static void make_parents(const char *folder)
{
    char parent[PATH_MAX];
    if (mkdir(folder, MODE_OWN) == 0 || errno != ENOENT) {
        return;
    }
    const char *slash = strrchr(folder, '/');
    (void)snprintf(parent, sizeof(parent), "%.*s", (int)(slash - folder), folder);
    (void)mkdir(parent, MODE_OWN);
    (void)mkdir(folder, MODE_OWN);
}

enum status workdir_make(const char *folder, const char *name, char path_out[PATH_MAX],
                         struct error *err)
{
    const int length = snprintf(path_out, PATH_MAX, "%s/%s", folder, name);
    if (folder[0] != '/' || length < 0 || length >= PATH_MAX) {
        return error_set(err, STATUS_LIMIT,
                         "no working directory: the path of the temporary folder is too long");
    }
    if (mkdir(path_out, MODE_OWN) == 0) {
        return STATUS_OK;
    }
    if (errno == ENOENT) {
        make_parents(folder);
    } else if (errno == EEXIST) {
        workdir_remove(path_out);
    }
    if (mkdir(path_out, MODE_OWN) != 0) {
        return error_set(err, STATUS_IO, "no working directory %s: %s", path_out, strerror(errno));
    }
    return STATUS_OK;
}

/* ---- Removing ---------------------------------------------------------------------------------
 */

/* Some programs leave folders that not even their owner may change. */
static void open_up(const FTSENT *folder)
{
    if ((folder->fts_statp->st_mode & MODE_OWN) != MODE_OWN) {
        (void)chmod(folder->fts_accpath, MODE_OWN);
    }
}

void workdir_remove(const char *path)
{
    char root[PATH_MAX];
    char *const roots[] = {root, NULL};
    if (path[0] != '/' || snprintf(root, sizeof(root), "%s", path) >= (int)sizeof(root)) {
        return;
    }
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    if (tree == NULL) {
        return;
    }
    for (const FTSENT *entry = fts_read(tree); entry != NULL; entry = fts_read(tree)) {
        if (entry->fts_info == FTS_D) {
            open_up(entry);
        } else if (entry->fts_info == FTS_DP) {
            (void)rmdir(entry->fts_accpath);
        } else {
            (void)unlink(entry->fts_accpath);
        }
    }
    (void)fts_close(tree);
}
