#include "cli/launch_check.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/launch_mpi.h"

/* ---- Helpers -------------------------------------------------------------------------------- */

struct fixture {
    char *argv[16];
    struct options options;
    struct launch_request request;
};

#define LINE(...)                                                                                  \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

/* srun is the launcher that need not be asked for its version. */
static struct fixture *checked(const char *const *words)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct error err = {""};
    int argc = 0;
    (void)setenv("PATH", "/bin", 1);
    (void)unsetenv("OMPI_COMM_WORLD_SIZE");
    f->argv[argc++] = (char *)(uintptr_t) "launch";
    for (; *words != NULL; words++) {
        f->argv[argc++] = (char *)(uintptr_t)*words;
    }
    cr_assert(options_parse(VERB_LAUNCH, argc, f->argv, &f->options, &err) == STATUS_OK, "%s",
              err.text);
    (void)!launch_check(&f->options, &f->request, &err); /* the launcher may not be there */
    return f;
}

static void destroy(struct fixture *f)
{
    launch_request_free(&f->request);
    options_free(&f->options);
    free(f);
}

static void expect_words(const struct fixture *f, const struct launch_progress *progress,
                         const char *expected)
{
    char text[512] = "";
    struct launch_words words = launch_words_make(&f->request, progress);
    for (size_t i = 0; i < words.count; i++) {
        (void)strcat(strcat(text, i > 0 ? " " : ""), words.words[i]);
    }
    cr_expect(strcmp(text, expected) == 0, "expected \"%s\", found \"%s\"", expected, text);
    launch_words_free(&words);
}

static const struct launch_progress nowhere = {.run_dir = ""};
static const struct launch_progress chosen = {.run_dir = "/r"};
static const struct launch_progress begun = {.run_dir = "/r", .has_begun = true};

/* ---- Tests ---------------------------------------------------------------------------------- */

Test(launch_check, what_stands_behind_the_verb_is_the_verbs)
{
    struct fixture *f =
        checked(LINE("-n", "3", "--srun", "map", "j:t", "--range", "0:9", "--", "-n"));
    cr_expect(eq(u64, f->request.plan.ranks, 3));
    cr_expect(f->request.plan.is_srun);
    expect_words(f, NULL, "map j:t --range 0:9 -- -n");
    destroy(f);
}

Test(launch_check, another_start_is_the_same_line_with_resume)
{
    struct fixture *f = checked(LINE("--srun", "map", "j:t", "--range", "0:9"));
    expect_words(f, &nowhere, "map j:t --range 0:9");
    expect_words(f, &chosen, "map --run-dir=/r --resume j:t --range 0:9");
    expect_words(f, &begun, "map --run-dir=/r --resume j:t --range 0:9");
    destroy(f);
}

Test(launch_check, a_folder_that_the_first_start_may_have_made_is_no_hindrance)
{
    struct fixture *f = checked(LINE("--srun", "map", "j:t", "--range", "0:9", "--run-dir", "d"));
    expect_words(f, &nowhere, "map --resume j:t --range 0:9 --run-dir d");
    destroy(f);
}

Test(launch_check, inputs_that_came_from_a_pipe_are_in_the_folder)
{
    struct fixture *f =
        checked(LINE("--srun", "map", "j:t", "--inputs", "-", "--print", "--retries", "3"));
    expect_words(f, &begun, "resume /r --print");
    cr_expect(launch_can_go_on(&f->request, &begun));
    cr_expect(not(launch_can_go_on(&f->request, &chosen)));
    destroy(f);
}

Test(launch_check, standard_input_is_for_verbs_that_read_it)
{
    struct fixture *f = checked(LINE("--srun", "map", "j:t", "--inputs", "-", "--retries", "3"));
    cr_expect(launch_reads_input(&f->request));
    destroy(f);
    f = checked(LINE("--srun", "map", "j:t", "--inputs=-"));
    cr_expect(launch_reads_input(&f->request));
    destroy(f);
    f = checked(LINE("--srun", "map", "j:t", "--inputs", "a-", "--run-dir", "-d"));
    cr_expect(not(launch_reads_input(&f->request)));
    destroy(f);
}

static void expect_hint(const char *option, const char *hint)
{
    char *argv[] = {"launch", (char *)(uintptr_t)option, "4", "map", "j:t"};
    struct options options = {.verb = VERB_LAUNCH};
    struct error err = {""};
    cr_assert(options_parse(VERB_LAUNCH, 5, argv, &options, &err) == STATUS_INVALID, "%s", option);
    cr_expect(strstr(err.text, hint) != NULL, "%s: %s", option, err.text);
}

Test(launch_check, options_of_mpirun_and_srun_are_refused_with_their_names_here)
{
    expect_hint("-np", "launch has no -np: use -n COUNT");
    expect_hint("--np=4", "launch has no --np: use -n COUNT");
    expect_hint("--ntasks", "use -n COUNT");
    expect_hint("-N", "slots");
    expect_hint("-H", "--hosts");
    expect_hint("--host", "--hosts");
    expect_hint("-hostfile", "--hostfile FILE");
    expect_hint("--machinefile", "--hostfile FILE");
    expect_hint("-x", "environment");
    expect_hint("--mca", "OMPI_MCA_");
    expect_hint("--bind-to", "--slots");
    expect_hint("--n", "unknown option");
}

Test(launch_check, what_has_failed_is_revived_once)
{
    struct fixture *f = checked(LINE("--srun", "resume", "/r", "--failed", "--retries", "3"));
    expect_words(f, NULL, "resume /r --failed --retries 3");
    expect_words(f, &begun, "resume /r --retries 3");
    destroy(f);
}

Test(launch_check, the_version_of_open_mpi_is_read)
{
    int major = 0;
    struct error err = {""};
    cr_expect(launch_mpi_read("mpirun (Open MPI) 4.1.4\n", &major, NULL) == STATUS_OK);
    cr_expect(eq(int, major, 4));
    cr_expect(launch_mpi_read("mpirun (Open MPI) 5.0.7\n", &major, NULL) == STATUS_OK);
    cr_expect(eq(int, major, 5));
    cr_expect(launch_mpi_read("mpirun (Open MPI) 3.1.3\n", &major, &err) == STATUS_INVALID);
    cr_expect(launch_mpi_read("HYDRA build details:\n", &major, &err) == STATUS_INVALID);
    cr_expect(launch_mpi_read("", &major, &err) == STATUS_INVALID);
}
