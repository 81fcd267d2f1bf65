#include "master/run_dir.h"

#include <unistd.h>

#include "tests/unit/log_support.h"

static enum run_dir_content look(void)
{
    enum run_dir_content content = RUN_DIR_OTHER;
    OK(run_dir_look(folder, &content, NULL));
    return content;
}

static void put(const char *name)
{
    OK(file_replace(folder, name, "x", 1, NULL));
}

Test(run_dir, what_is_not_there_is_absent)
{
    enum run_dir_content content = RUN_DIR_OTHER;
    OK(run_dir_look("/nowhere/at/all", &content, NULL));
    cr_expect(eq(int, content, RUN_DIR_ABSENT));
    OK(run_dir_look("/etc/passwd", &content, NULL));
    cr_expect(eq(int, content, RUN_DIR_OTHER));
}

Test(run_dir, what_a_run_left_that_ended_before_it_began_is_empty)
{
    folder_create();
    cr_expect(eq(int, look(), RUN_DIR_EMPTY));
    put("lock");
    put("inputs.lz4");
    put("inputs.lz4.new");
    put(".run.json.Ab12cd");
    cr_expect(eq(int, look(), RUN_DIR_EMPTY));
    put("run.json");
    cr_expect(eq(int, look(), RUN_DIR_RUN));
    folder_remove();
}

Test(run_dir, anything_else_is_something_else)
{
    folder_create();
    put("lock");
    put("thesis.tex");
    cr_expect(eq(int, look(), RUN_DIR_OTHER));
    folder_remove();
}

Test(run_dir, one_that_exists_is_refused_unless_a_run_may_go_on_in_it)
{
    struct error err;
    char *path = NULL;
    folder_create();
    struct run_dir_choice choice = {.given = folder, .launch_dir = "/", .job = "j", .task = "t"};
    STATUS_IS(STATUS_EXISTS, run_dir_choose(&choice, &path, &err));
    cr_expect(ne(ptr, strstr(err.text, "--resume"), NULL), "%s", err.text);
    choice.may_exist = true;
    OK(run_dir_choose(&choice, &path, &err));
    cr_expect(eq(str, path, folder));
    free(path);
    folder_remove();
}

Test(run_dir, a_file_is_refused_as_that)
{
    struct error err;
    char *path = NULL;
    folder_create();
    put("file");
    for (int may_exist = 0; may_exist <= 1; may_exist++) {
        struct run_dir_choice choice = {
            .given = in_folder("file"), .launch_dir = "/", .may_exist = may_exist == 1};
        STATUS_IS(STATUS_EXISTS, run_dir_choose(&choice, &path, &err));
        cr_expect(ne(ptr, strstr(err.text, "a file, not a folder"), NULL), "%s", err.text);
    }
    folder_remove();
}

Test(run_dir, what_was_made_for_a_run_that_cannot_begin_goes_and_nothing_else)
{
    struct error err;
    struct run_dir_made made;
    char path[128];
    folder_create();
    (void)snprintf(path, sizeof(path), "%s/a/b/run", folder);
    OK(run_dir_make(path, &made, &err));
    OK(file_replace(path, "lock", "x", 1, NULL));
    run_dir_remove(path, &made);
    cr_expect(ne(int, access(in_folder("a"), F_OK), 0));
    cr_expect(eq(int, access(folder, F_OK), 0));

    OK(run_dir_make(path, &made, &err));
    OK(file_replace(in_folder("a"), "mine", "x", 1, NULL));
    run_dir_remove(path, &made);
    cr_expect(ne(int, access(in_folder("a/b"), F_OK), 0));
    cr_expect(eq(int, access(in_folder("a/mine"), F_OK), 0));
    folder_remove();
}

Test(run_dir, one_that_came_into_being_meanwhile_is_another_runs)
{
    struct error err;
    struct run_dir_made made;
    folder_create();
    STATUS_IS(STATUS_EXISTS, run_dir_make(folder, &made, &err));
    cr_expect(ne(ptr, strstr(err.text, "is starting a run there"), NULL), "%s", err.text);
    cr_expect(eq(int, access(folder, F_OK), 0));
    folder_remove();
}

Test(run_dir, the_default_name_ends_in_what_is_asked_for)
{
    char *path = NULL;
    struct run_dir_choice choice = {
        .launch_dir = "/launch", .job = "j", .task = "t", .tail = "slurm1-2"};
    OK(run_dir_choose(&choice, &path, NULL));
    cr_expect(eq(str, path, "/launch/mapfleet-runs/j-t-slurm1-2"));
    free(path);
}
