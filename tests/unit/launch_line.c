#include "cli/launch_line.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- Helpers -------------------------------------------------------------------------------- */

/* As a shell would read it; to be freed. */
static char *text_of(const struct launch_plan *plan, char *const *words, size_t count)
{
    char *text = NULL;
    size_t size = 0;
    struct launch_line line;
    FILE *file = open_memstream(&text, &size);
    launch_line_make(plan, words, count, &line);
    launch_line_print(&line, file);
    launch_line_free(&line);
    (void)fclose(file);
    return text;
}

static void expect_line(const struct launch_plan *plan, const char *expected)
{
    char verb[] = "map";
    char job[] = "j:t";
    char *text = text_of(plan, (char *[]){verb, job}, 2);
    cr_expect(strcmp(text, expected) == 0, "expected %s found    %s", expected, text);
    free(text);
}

static void clear(void)
{
    (void)clearenv();
}

#define KEEPALIVE                                                                                  \
    "--mca oob_tcp_keepalive_time 2 --mca oob_tcp_keepalive_intvl 1 --mca "                        \
    "oob_tcp_keepalive_probes 3"
#define AGENT "--mca plm_rsh_agent '/bin/mapfleet launch-agent' --mca plm_rsh_no_tree_spawn 1"

TestSuite(launch_line, .init = clear);

/* ---- Tests ---------------------------------------------------------------------------------- */

Test(launch_line, on_one_machine)
{
    struct launch_plan plan = {.mpi_major = 4, .ranks = 4, .program = "/bin/mapfleet"};
    expect_line(&plan, "mpirun -n 4 --bind-to none --oversubscribe --enable-recovery " KEEPALIVE
                       " /bin/mapfleet map j:t\n");
    plan.ranks = 1;
    plan.is_root = true;
    expect_line(&plan, "mpirun -n 1 --bind-to none --allow-run-as-root --enable-recovery " KEEPALIVE
                       " /bin/mapfleet map j:t\n");
}

Test(launch_line, in_a_batch_job_the_places_are_that_jobs)
{
    const struct launch_plan plan = {.mpi_major = 4, .is_batch = true, .program = "/bin/mapfleet"};
    expect_line(&plan, "mpirun --bind-to none --enable-recovery " KEEPALIVE
                       " --mca plm_slurm_args '--no-kill --kill-on-bad-exit=0'"
                       " /bin/mapfleet map j:t\n");
    (void)setenv("OMPI_MCA_plm_slurm_args", "-v", 1);
    expect_line(&plan,
                "mpirun --bind-to none --enable-recovery " KEEPALIVE " /bin/mapfleet map j:t\n");
}

Test(launch_line, on_named_hosts)
{
    struct launch_plan plan = {.mpi_major = 4, .hosts = "a:4,b", .program = "/bin/mapfleet"};
    (void)setenv("B", "1", 1);
    (void)setenv("A", "2", 1);
    (void)setenv("BASH_FUNC_f%%", "() { true; }", 1);
    expect_line(&plan,
                "mpirun --host a:4,b --map-by node --bind-to none --enable-recovery " KEEPALIVE
                " " AGENT " --mca mca_base_env_list 'A;B;BASH_FUNC_f%%' /bin/mapfleet map j:t\n");
    plan.hosts = NULL;
    plan.hostfile = "my hosts";
    clear();
    expect_line(&plan, "mpirun --hostfile 'my hosts' --map-by node --bind-to none "
                       "--enable-recovery " KEEPALIVE " " AGENT " /bin/mapfleet map j:t\n");
}

Test(launch_line, a_program_whose_path_cannot_be_an_agent_is_none)
{
    const struct launch_plan plan = {.mpi_major = 4, .hosts = "a", .program = "/my bin/mapfleet"};
    expect_line(&plan, "mpirun --host a --map-by node --bind-to none --enable-recovery " KEEPALIVE
                       " --mca plm_rsh_no_tree_spawn 1 '/my bin/mapfleet' map j:t\n");
}

Test(launch_line, what_the_user_has_set_for_open_mpi_stays)
{
    const struct launch_plan plan = {
        .mpi_major = 4, .ranks = 2, .hosts = "a,b", .program = "/bin/mapfleet"};
    (void)setenv("OMPI_MCA_hwloc_base_binding_policy", "core", 1);
    (void)setenv("OMPI_MCA_rmaps_base_mapping_policy", "slot", 1);
    (void)setenv("OMPI_MCA_oob_tcp_keepalive_time", "60", 1);
    (void)setenv("OMPI_MCA_plm_rsh_agent", "rsh", 1);
    (void)setenv("OMPI_MCA_plm_rsh_no_tree_spawn", "0", 1);
    (void)setenv("OMPI_MCA_mca_base_env_list", "X", 1);
    (void)setenv("Y", "1", 1);
    expect_line(&plan, "mpirun -n 2 --host a,b --enable-recovery --mca oob_tcp_keepalive_intvl 1 "
                       "--mca oob_tcp_keepalive_probes 3 --mca mca_base_env_list 'X;Y' "
                       "/bin/mapfleet map j:t\n");
}

Test(launch_line, open_mpi_5_has_other_words)
{
    const struct launch_plan plan = {.mpi_major = 5, .hosts = "a", .program = "/bin/mapfleet"};
    (void)setenv("A", "1", 1);
    expect_line(&plan, "mpirun --host a --map-by node --bind-to none --with-ft ulfm --mca "
                       "async_mpi_finalize 1 --prtemca oob_tcp_keepalive_time 0 --prtemca "
                       "plm_ssh_agent '/bin/mapfleet launch-agent' "
                       "-x A /bin/mapfleet map j:t\n");
}

Test(launch_line, open_mpi_5_has_other_parameters_that_the_user_may_have_set)
{
    struct launch_plan plan = {.mpi_major = 5, .ranks = 2, .program = "/bin/mapfleet"};
    (void)setenv("OMPI_MCA_hwloc_base_binding_policy", "core", 1);
    expect_line(&plan,
                "mpirun -n 2 --bind-to none --oversubscribe --with-ft ulfm --mca "
                "async_mpi_finalize 1 --prtemca oob_tcp_keepalive_time 0 /bin/mapfleet map j:t\n");
    (void)setenv("PRTE_MCA_hwloc_default_binding_policy", "core", 1);
    (void)setenv("PRTE_MCA_rmaps_default_mapping_policy", "slot", 1);
    (void)setenv("PRTE_MCA_oob_tcp_keepalive_time", "9", 1);
    (void)setenv("OMPI_MCA_async_mpi_finalize", "0", 1);
    expect_line(&plan, "mpirun -n 2 --with-ft ulfm /bin/mapfleet map j:t\n");
    plan.hosts = "a,b";
    (void)setenv("PRTE_MCA_plm_ssh_agent", "rsh", 1);
    expect_line(&plan, "mpirun -n 2 --host a,b --with-ft ulfm /bin/mapfleet map j:t\n");
}

Test(launch_line, under_srun)
{
    struct launch_plan plan = {.is_srun = true, .is_batch = true, .program = "/bin/mapfleet"};
    expect_line(&plan, "srun --mpi=pmix --kill-on-bad-exit=0 --no-kill --cpu-bind=none "
                       "/bin/mapfleet map j:t\n");
    plan.ranks = 3;
    (void)setenv("SLURM_CPUS_PER_TASK", "8", 1);
    expect_line(&plan, "srun --mpi=pmix -n 3 -c 8 --kill-on-bad-exit=0 --no-kill --cpu-bind=none "
                       "/bin/mapfleet map j:t\n");
}

Test(launch_line, a_shell_reads_the_same_words)
{
    const struct launch_plan plan = {.is_srun = true, .program = "/bin/mapfleet"};
    char words[][32] = {"", "it's", "a b", "$HOME", "*", "plain-1.0:=@%+,/_", "new\nline", "~"};
    char *list[sizeof(words) / sizeof(words[0])];
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        list[i] = words[i];
    }
    char *text = text_of(&plan, list, sizeof(words) / sizeof(words[0]));
    cr_expect(
        strstr(text, " '' 'it'\\''s' 'a b' '$HOME' '*' plain-1.0:=@%+,/_ 'new\nline' '~'\n") !=
            NULL,
        "%s", text);
    free(text);
}

Test(launch_line, what_belongs_to_the_host_stays_there)
{
    const char *const local[] = {"OMPI_X",   "PMIX_RANK", "SSH_AUTH_SOCK", "TMPDIR",
                                 "HOSTNAME", "PWD",       "DISPLAY",       "MAPFLEET_LAUNCH_UP"};
    const char *const along[] = {"PATH", "HOME", "LD_LIBRARY_PATH", "MAPFLEET_LAUNCH", "TMPDIRS"};
    for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
        cr_expect(launch_line_is_local_variable(local[i], strlen(local[i])), "%s", local[i]);
    }
    for (size_t i = 0; i < sizeof(along) / sizeof(along[0]); i++) {
        cr_expect(not(launch_line_is_local_variable(along[i], strlen(along[i]))), "%s", along[i]);
    }
}
