#include "shared/environment.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/context.h"
#include "shared/value.h"
#include "shared/workdir.h"

TestSuite(environment, .timeout = 20);

static const struct environment of_process = {
    .map_size = 1000, .run_dir = "/runs/one", .rank = 2, .slot = 3, .cpus = 4};

struct fixture {
    struct arena arena;
    char *const *variables;
};

static struct fixture child(const mf_value *input)
{
    struct fixture f = {{0}, NULL};
    struct error err = {""};
    const struct environment_attempt attempt = {
        .index = 17, .attempt = 1, .seed = UINT64_MAX, .workdir = "/tmp/a b", .input = input};
    cr_assert(eq(int, environment_of_attempt(&of_process, &attempt, &f.arena, &f.variables, &err),
                 STATUS_OK),
              "%s", err.text);
    return f;
}

/* The value of a variable that stands there once; NULL where it is not there. */
static const char *get(const struct fixture *f, const char *name)
{
    const char *found = NULL;
    const size_t size = strlen(name);
    for (char *const *at = f->variables; *at != NULL; at++) {
        if (strncmp(*at, name, size) == 0 && (*at)[size] == '=') {
            cr_expect(eq(ptr, (void *)(uintptr_t)found, NULL), "%s stands there twice", name);
            found = *at + size + 1;
        }
    }
    return found;
}

static void expect(const struct fixture *f, const char *name, const char *value)
{
    const char *found = get(f, name);
    cr_assert(found != NULL, "no %s", name);
    cr_expect(strcmp(found, value) == 0, "%s is \"%s\", expected \"%s\"", name, found, value);
}

Test(environment, a_child_is_told_its_attempt_and_its_process)
{
    const mf_value input = value_int(-5);
    unsetenv("OMP_NUM_THREADS");
    struct fixture f = child(&input);
    expect(&f, "MAPFLEET_INDEX", "17");
    expect(&f, "MAPFLEET_ATTEMPT", "1");
    expect(&f, "MAPFLEET_SIZE", "1000");
    expect(&f, "MAPFLEET_WORKDIR", "/tmp/a b");
    expect(&f, "MAPFLEET_SEED", "18446744073709551615");
    expect(&f, "MAPFLEET_RUN_DIR", "/runs/one");
    expect(&f, "MAPFLEET_INPUT", "-5");
    expect(&f, "MAPFLEET_SLOT", "3");
    expect(&f, "MAPFLEET_RANK", "2");
    expect(&f, "MAPFLEET_CPUS", "4");
    expect(&f, "OMP_NUM_THREADS", "4");
    arena_free(&f.arena);
}

Test(environment, a_child_has_the_process_s_own_variables_once_and_none_of_mpi_s)
{
    const mf_value input = value_int(1);
    setenv("OMP_NUM_THREADS", "7", 1);
    setenv("CUDA_VISIBLE_DEVICES", "1", 1);
    setenv("MAPFLEET_INDEX", "of a run around this one", 1);
    setenv("MAPFLEET_JOBS", "/jobs", 1);
    setenv("OMPI_COMM_WORLD_RANK", "0", 1);
    setenv("PMIX_RANK", "0", 1);
    setenv("PMI_SIZE", "2", 1);
    setenv("ORTE_X", "1", 1);
    setenv("PRTE_X", "1", 1);
    setenv("COMPIX_", "stays", 1);
    struct fixture f = child(&input);
    expect(&f, "OMP_NUM_THREADS", "7");
    expect(&f, "CUDA_VISIBLE_DEVICES", "1");
    expect(&f, "MAPFLEET_INDEX", "17");
    expect(&f, "MAPFLEET_JOBS", "/jobs");
    expect(&f, "COMPIX_", "stays");
    static const char *const gone[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_SIZE", "ORTE_X",
                                       "PRTE_X"};
    for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
        cr_expect(get(&f, gone[i]) == NULL, "%s is there", gone[i]);
    }
    arena_free(&f.arena);
}

Test(environment, a_setup_has_no_instance)
{
    struct fixture f = child(NULL);
    expect(&f, "MAPFLEET_WORKDIR", "/tmp/a b");
    expect(&f, "MAPFLEET_SLOT", "3");
    cr_expect(get(&f, "MAPFLEET_INDEX") == NULL);
    cr_expect(get(&f, "MAPFLEET_ATTEMPT") == NULL);
    cr_expect(get(&f, "MAPFLEET_SEED") == NULL);
    cr_expect(get(&f, "MAPFLEET_INPUT") == NULL);
    arena_free(&f.arena);
}

Test(environment, a_text_stands_as_it_is_and_the_rest_as_json)
{
    const mf_value text = value_text(MF_STR, "a \"b\"\n", 6);
    struct fixture f = child(&text);
    expect(&f, "MAPFLEET_INPUT", "a \"b\"\n");
    arena_free(&f.arena);

    const mf_value empty = value_text(MF_STR, "", 0);
    f = child(&empty);
    expect(&f, "MAPFLEET_INPUT", "");
    arena_free(&f.arena);

    struct arena arena = {0};
    mf_value record;
    static const char json[] = "{ \"b\": [1, 2.0, null], \"a\": \"\u00e9\" }";
    cr_assert(eq(int, value_from_json(&arena, json, sizeof(json) - 1, &record, NULL), STATUS_OK));
    f = child(&record);
    expect(&f, "MAPFLEET_INPUT", "{\"b\":[1,2.0,null],\"a\":\"\u00e9\"}");
    arena_free(&f.arena);
    arena_free(&arena);
}

Test(environment, an_input_past_its_size_or_with_a_nul_is_left_out)
{
    static char text[ENVIRONMENT_INPUT_SIZE_MAX + 2];
    memset(text, 'x', sizeof(text) - 1);
    const mf_value longest = value_text(MF_STR, text, ENVIRONMENT_INPUT_SIZE_MAX);
    struct fixture f = child(&longest);
    cr_assert(get(&f, "MAPFLEET_INPUT") != NULL);
    cr_expect(eq(sz, strlen(get(&f, "MAPFLEET_INPUT")), ENVIRONMENT_INPUT_SIZE_MAX));
    arena_free(&f.arena);

    const mf_value longer = value_text(MF_STR, text, ENVIRONMENT_INPUT_SIZE_MAX + 1);
    f = child(&longer);
    cr_expect(get(&f, "MAPFLEET_INPUT") == NULL);
    arena_free(&f.arena);

    const mf_value cut = value_text(MF_STR, "a\0b", 3);
    f = child(&cut);
    cr_expect(get(&f, "MAPFLEET_INPUT") == NULL);
    arena_free(&f.arena);
}

Test(environment, leaving_mpi_drops_all_of_it_and_nothing_else)
{
    clearenv();
    setenv("OMPI_A", "1", 1);
    setenv("OMPI_B", "", 1);
    setenv("HOME", "/root", 1);
    setenv("PMIX_C", "x=y", 1);
    setenv("PMI_D", "1", 1);
    environment_leave_mpi();
    cr_assert(environ[0] != NULL);
    cr_expect(strcmp(environ[0], "HOME=/root") == 0);
    cr_expect(environ[1] == NULL);
}

static void expect_own(const char *name, const char *value)
{
    const char *found = getenv(name);
    cr_assert(found != NULL, "no %s", name);
    cr_expect(strcmp(found, value) == 0, "%s is \"%s\", expected \"%s\"", name, found, value);
}

Test(environment, a_process_is_told_what_is_the_same_for_all_and_keeps_the_user_s_threads)
{
    setenv("OMP_NUM_THREADS", "9", 1);
    setenv("MAPFLEET_WORKDIR", "/of/a/run/around/this/one", 1);
    environment_set_process(&of_process);
    expect_own("MAPFLEET_SIZE", "1000");
    expect_own("MAPFLEET_RUN_DIR", "/runs/one");
    expect_own("MAPFLEET_RANK", "2");
    expect_own("MAPFLEET_SLOT", "3");
    expect_own("MAPFLEET_CPUS", "4");
    expect_own("OMP_NUM_THREADS", "9");
    cr_expect(getenv("MAPFLEET_WORKDIR") == NULL);
    unsetenv("OMP_NUM_THREADS");
    environment_set_process(&of_process);
    expect_own("OMP_NUM_THREADS", "4");
}

/* ---- As a task sees it ------------------------------------------------------------------------
 */

struct attempt {
    char root[PATH_MAX];
    char folder[PATH_MAX];
    struct writer *writer;
    struct mf_context ctx;
    mf_value input;
};

static struct attempt *attempt_create(void)
{
    struct attempt *attempt = calloc(1, sizeof(*attempt));
    cr_assert(attempt != NULL);
    workdir_choose(attempt->root);
    workdir_of_slot(attempt->root, 3, attempt->folder);
    cr_assert(eq(int, writer_create(0, &attempt->writer), STATUS_OK));
    attempt->ctx.task = "task";
    attempt->ctx.environment = of_process;
    attempt->ctx.launch_dir = "/";
    attempt->ctx.workdirs = attempt->folder;
    attempt->ctx.writer = attempt->writer;
    attempt->input = value_int(5);
    context_begin(&attempt->ctx, 17, 1, &attempt->input);
    return attempt;
}

static void attempt_destroy(struct attempt *attempt)
{
    context_free(&attempt->ctx);
    writer_destroy(attempt->writer);
    workdir_remove(attempt->root);
    free(attempt);
}

Test(environment, asking_for_it_makes_the_folder_which_is_gone_after_the_attempt)
{
    struct attempt *attempt = attempt_create();
    struct fixture f = {{0}, mf_environment(&attempt->ctx)};
    cr_assert(f.variables != NULL);
    const char *folder = get(&f, "MAPFLEET_WORKDIR");
    cr_assert(folder != NULL);
    cr_expect(strcmp(folder, mf_workdir(&attempt->ctx)) == 0);
    cr_expect(eq(int, access(folder, W_OK), 0));
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s", folder);
    cr_assert(eq(int, chdir(path), 0));
    context_end(&attempt->ctx);
    cr_expect(ne(int, access(path, F_OK), 0));
    cr_expect(strcmp(getcwd(path, sizeof(path)), "/") == 0, "the next attempt is elsewhere");
    attempt_destroy(attempt);
}

/* One asks for no folder; it is enough that it called the one function or the other. */
Test(environment, an_attempt_that_goes_elsewhere_leaves_the_next_one_where_the_run_was_started)
{
    struct attempt *attempt = attempt_create();
    char path[PATH_MAX];
    cr_assert(eq(int, chdir("/proc"), 0));
    context_end(&attempt->ctx);
    cr_expect(strcmp(getcwd(path, sizeof(path)), "/") == 0, "after chdir(): %s", path);

    context_begin(&attempt->ctx, 18, 0, &attempt->input);
    const int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert(eq(int, fchdir(fd), 0));
    (void)close(fd);
    context_end(&attempt->ctx);
    cr_expect(strcmp(getcwd(path, sizeof(path)), "/") == 0, "after fchdir(): %s", path);

    context_begin(&attempt->ctx, 19, 0, &attempt->input);
    errno = 0;
    cr_expect(eq(int, chdir("/nowhere"), -1));
    cr_expect(eq(int, errno, ENOENT), "a failure is the system's own");
    cr_expect(eq(int, fchdir(-1), -1));
    cr_expect(eq(int, errno, EBADF));
    context_end(&attempt->ctx);
    attempt_destroy(attempt);
}

Test(environment, it_stays_while_the_attempt_runs_whatever_the_function_sets)
{
    struct attempt *attempt = attempt_create();
    setenv("NAME", "before", 1);
    struct fixture first = {{0}, mf_environment(&attempt->ctx)};
    setenv("NAME", "a value that takes the place of the one before", 1);
    struct fixture second = {{0}, mf_environment(&attempt->ctx)};
    expect(&first, "NAME", "before");
    expect(&second, "NAME", "a value that takes the place of the one before");
    context_end(&attempt->ctx);
    attempt_destroy(attempt);
}

Test(environment, a_folder_that_cannot_be_made_fails_the_attempt_with_its_path)
{
    struct attempt *attempt = attempt_create();
    attempt->ctx.workdirs = "/dev/null/folder";
    cr_expect(mf_environment(&attempt->ctx) == NULL);
    cr_expect(strstr(attempt->ctx.text, "/dev/null/folder/17-1: Not a directory") != NULL, "%s",
              attempt->ctx.text);
    context_end(&attempt->ctx);
    attempt_destroy(attempt);
}

Test(environment, a_folder_that_is_kept_stays_under_a_name_of_index_and_attempt)
{
    struct attempt *attempt = attempt_create();
    char kept[PATH_MAX];
    char path[PATH_MAX];
    workdir_of_kept(attempt->root, kept);
    attempt->ctx.kept_workdirs = kept;
    (void)snprintf(path, sizeof(path), "%s", mf_workdir(&attempt->ctx));
    cr_expect(strcmp(strrchr(path, '/'), "/17-1") == 0);
    context_end(&attempt->ctx);
    cr_expect(eq(int, access(path, F_OK), 0));
    workdir_remove(kept);
    attempt_destroy(attempt);
}
