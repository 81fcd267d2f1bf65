#include "shared/workdir.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(workdir, .timeout = 20);

/* A temporary folder of the test's own. */
static char base[64];

static void make_base(void)
{
    (void)snprintf(base, sizeof(base), "/tmp/workdir-test-XXXXXX");
    cr_assert(mkdtemp(base) != NULL);
    setenv("TMPDIR", base, 1);
}

static void make(const char *folder, const char *name, char path[PATH_MAX])
{
    struct error err = {""};
    cr_assert(eq(int, workdir_make(folder, name, path, &err), STATUS_OK), "%s", err.text);
}

static void write_file(const char *folder, const char *name)
{
    char path[PATH_MAX + 32];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    cr_assert(file != NULL);
    cr_assert(eq(int, fclose(file), 0));
}

static bool is_there(const char *path)
{
    struct stat about;
    return lstat(path, &about) == 0;
}

Test(workdir, names_are_below_the_temporary_folder_and_differ)
{
    char a[PATH_MAX];
    char b[PATH_MAX];
    make_base();
    workdir_choose(a);
    workdir_choose(b);
    cr_expect(strncmp(a, base, strlen(base)) == 0);
    cr_expect(strcmp(a, b) != 0);
    cr_expect(not(is_there(a)), "it is made only when it is asked for");
    setenv("TMPDIR", "relative", 1);
    workdir_choose(a);
    cr_expect(strncmp(a, "/tmp/mapfleet-", 14) == 0);
    (void)rmdir(base);
}

Test(workdir, folders_are_made_with_those_above_and_are_ours_alone)
{
    char root[PATH_MAX];
    char slot[PATH_MAX];
    char path[PATH_MAX];
    struct stat about;
    make_base();
    workdir_choose(root);
    workdir_of_slot(root, 3, slot);
    make(slot, "17-0", path);
    cr_expect(strcmp(strrchr(path, '/'), "/17-0") == 0);
    cr_assert(eq(int, stat(root, &about), 0));
    cr_expect(eq(int, (int)(about.st_mode & 0777), 0700));
    make(slot, "18-0", path);
    workdir_remove(root);
    cr_expect(eq(int, rmdir(base), 0), "something is left");
}

Test(workdir, what_stands_in_the_way_is_removed)
{
    char root[PATH_MAX];
    char path[PATH_MAX];
    char file[PATH_MAX + 8];
    make_base();
    workdir_choose(root);
    make(root, "17-0", path);
    write_file(path, "file");
    make(root, "17-0", path);
    (void)snprintf(file, sizeof(file), "%s/file", path);
    cr_expect(not(is_there(file)));
    workdir_remove(base);
}

/* Goal: all that a task may leave goes, and nothing that is elsewhere.
 * Method: folders that may not be changed, a link to a folder outside, a pipe. */
Test(workdir, removing_takes_what_is_locked_and_follows_no_link)
{
    char root[PATH_MAX];
    char path[PATH_MAX];
    char inner[PATH_MAX + 16];
    char outside[64 + 16];
    make_base();
    (void)snprintf(outside, sizeof(outside), "%s/outside", base);
    cr_assert(eq(int, mkdir(outside, 0700), 0));
    write_file(outside, "file");
    workdir_choose(root);
    make(root, "17-0", path);
    (void)snprintf(inner, sizeof(inner), "%s/locked", path);
    cr_assert(eq(int, mkdir(inner, 0700), 0));
    write_file(inner, "file");
    cr_assert(eq(int, chmod(inner, 0), 0));
    (void)snprintf(inner, sizeof(inner), "%s/link", path);
    cr_assert(eq(int, symlink(outside, inner), 0));
    (void)snprintf(inner, sizeof(inner), "%s/pipe", path);
    cr_assert(eq(int, mkfifo(inner, 0600), 0));
    if (getuid() == 0) {
        cr_assert(eq(int, chown(base, 65534, 65534), 0));
        cr_assert(eq(int, chown(root, 65534, 65534), 0));
        cr_assert(eq(int, chown(path, 65534, 65534), 0));
        (void)snprintf(inner, sizeof(inner), "%s/locked", path);
        cr_assert(eq(int, chown(inner, 65534, 65534), 0));
        cr_assert(eq(int, seteuid(65534), 0)); /* root may change what is locked */
    }
    workdir_remove(root);
    cr_expect(not(is_there(root)));
    if (getuid() == 0) {
        cr_assert(eq(int, seteuid(0), 0));
    }
    (void)snprintf(inner, sizeof(inner), "%s/file", outside);
    cr_expect(is_there(inner));
    workdir_remove(base);
}

Test(workdir, removing_what_is_not_there_is_nothing)
{
    workdir_remove("/tmp/not/there");
    workdir_remove("");
    workdir_remove("relative");
}

Test(workdir, a_path_that_is_too_long_is_refused)
{
    static char folder[PATH_MAX + 16];
    char root[PATH_MAX];
    char path[PATH_MAX];
    struct error err = {""};
    folder[0] = '/';
    memset(folder + 1, 'x', sizeof(folder) - 2);
    setenv("TMPDIR", folder, 1);
    workdir_choose(root);
    cr_expect(strcmp(root, "") == 0);
    cr_expect(eq(int, workdir_make(root, "17-0", path, &err), STATUS_LIMIT));
}
