#include "cli/slurm.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

static void set_job(const char *id, const char *restarts)
{
    (void)setenv("SLURM_JOB_ID", id, 1);
    (void)setenv("ENVIRONMENT", "BATCH", 1);
    (void)unsetenv("MAPFLEET_RUN_DIR");
    (void)setenv("SLURM_RESTART_COUNT", restarts, 1);
}

#define TAIL(...)                                                                                  \
    slurm_run_dir_tail((int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)),                    \
                       (char *[]){__VA_ARGS__})

Test(slurm, outside_of_a_job_there_is_no_batch)
{
    (void)unsetenv("SLURM_JOB_ID");
    (void)setenv("ENVIRONMENT", "BATCH", 1);
    (void)setenv("SLURM_RESTART_COUNT", "1", 1);
    cr_expect(not(slurm_is_batch()));
    cr_expect(not(slurm_is_restarted()));
}

Test(slurm, a_job_is_restarted_where_its_count_says_so)
{
    set_job("12", "0");
    cr_expect(slurm_is_batch());
    cr_expect(not(slurm_is_restarted()));
    set_job("12", "2");
    cr_expect(slurm_is_restarted());
}

Test(slurm, a_run_inside_a_command_is_no_batch_job)
{
    set_job("12", "1");
    (void)setenv("MAPFLEET_RUN_DIR", "/somewhere", 1);
    cr_expect(not(slurm_is_batch()));
    cr_expect(not(slurm_is_restarted()));
}

Test(slurm, the_name_has_the_job_and_the_digest_of_the_line)
{
    set_job("12", "0");
    char *tail = TAIL("map", "basics:square", "--range", "0:3");
    cr_expect(eq(sz, strlen(tail), strlen("slurm12-123456789abc")));
    cr_expect(strncmp(tail, "slurm12-", 8) == 0);
    char *other = TAIL("map", "basics:square", "--range", "0:4");
    cr_expect(ne(str, tail, other));
    char *joined = TAIL("map", "basics:square", "--range0:3");
    cr_expect(ne(str, tail, joined));
    free(tail);
    free(other);
    free(joined);
}

Test(slurm, resume_print_and_progress_make_no_other_name)
{
    set_job("12", "0");
    char *tail = TAIL("map", "basics:square", "--range", "0:3");
    char *same[] = {
        TAIL("map", "basics:square", "--resume", "--range", "0:3"),
        TAIL("map", "basics:square", "--range", "0:3", "--resume=failed", "--print"),
        TAIL("map", "--progress", "none", "basics:square", "--print=json", "--range", "0:3"),
        TAIL("map", "basics:square", "--range", "0:3", "--progress=plain"),
    };
    char *other = TAIL("map", "basics:square", "--range", "0:3", "--", "--resume");
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        cr_expect(eq(str, same[i], tail), "%zu", i);
        free(same[i]);
    }
    cr_expect(ne(str, other, tail));
    free(other);
    free(tail);
}
