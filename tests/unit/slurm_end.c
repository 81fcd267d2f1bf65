#include "master/slurm_end.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char folder[] = "/tmp/mapfleet-squeue-XXXXXX";

/* A squeue on PATH that says what it was asked, and answers. */
static void make_squeue(const char *answer)
{
    char path[256];
    char search[4096];
    cr_assert(mkdtemp(folder) != NULL);
    (void)snprintf(path, sizeof(path), "%s/squeue", folder);
    FILE *file = fopen(path, "we");
    cr_assert(file != NULL);
    (void)fprintf(file,
                  "#!/bin/sh\n"
                  "echo \"$* $SLURM_TIME_FORMAT\" >%s/asked\n"
                  "echo '%s'\n",
                  folder, answer);
    (void)fclose(file);
    (void)chmod(path, 0700);
    (void)snprintf(search, sizeof(search), "%s:%s", folder, getenv("PATH"));
    (void)setenv("PATH", search, 1);
    (void)setenv("TZ", "UTC", 1);
    tzset();
}

static void remove_squeue(void)
{
    char command[512];
    (void)snprintf(command, sizeof(command), "rm -r %s", folder);
    cr_expect(eq(int, system(command), 0));
}

static int64_t next_end(void)
{
    int64_t end_s = 0;
    struct pollfd fd = {.fd = slurm_end_descriptor(), .events = POLLIN};
    cr_assert(eq(int, poll(&fd, 1, 10000), 1), "squeue was not asked");
    cr_assert(slurm_end_take(&end_s));
    return end_s;
}

Test(slurm_end, an_answer_is_a_local_time)
{
    int64_t end_s = 0;
    (void)setenv("TZ", "UTC", 1);
    tzset();
    cr_expect(slurm_end_parse("2025-01-31T12:00:00\n", &end_s));
    cr_expect(eq(i64, end_s, 1738324800));
    (void)setenv("TZ", "EST5EDT", 1);
    tzset();
    cr_expect(slurm_end_parse("2025-01-31T12:00:00", &end_s));
    cr_expect(eq(i64, end_s, 1738324800 + 5 * 3600));
    cr_expect(slurm_end_parse("2025-07-31T12:00:00", &end_s));
    cr_expect(eq(i64, end_s, 1753963200 + 4 * 3600), "summer time");
}

Test(slurm_end, anything_else_is_none)
{
    static const char *const texts[] = {"",           "N/A",
                                        "NONE",       "2025-01-31",
                                        "1738324800", "2025-01-31T12:00:00 2025-01-31T13:00:00",
                                        "12:00:00",   "slurm_load_jobs error: Invalid job id"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        int64_t end_s = 0;
        cr_expect(not(slurm_end_parse(texts[i], &end_s)), "taken: %s", texts[i]);
    }
}

Test(slurm_end, outside_of_a_job_nothing_is_known)
{
    int64_t end_s = 0;
    (void)unsetenv("SLURM_JOB_ID");
    (void)setenv("SLURM_JOB_END_TIME", "1738324800", 1);
    slurm_end_open();
    slurm_end_start();
    cr_expect(eq(int, slurm_end_descriptor(), -1));
    cr_expect(not(slurm_end_take(&end_s)));
    slurm_end_close();
}

Test(slurm_end, squeue_is_asked_for_the_job_once_the_session_starts, .timeout = 20)
{
    int64_t end_s = 0;
    char asked[256] = "";
    make_squeue("2025-01-31T12:00:00");
    (void)setenv("SLURM_JOB_ID", "123_4", 1);
    (void)unsetenv("SLURM_JOB_END_TIME");
    slurm_end_open();
    cr_expect(not(slurm_end_take(&end_s)));
    slurm_end_start();
    cr_expect(eq(i64, next_end(), 1738324800));
    cr_expect(not(slurm_end_take(&end_s)), "nothing new");

    char path[256];
    (void)snprintf(path, sizeof(path), "%s/asked", folder);
    FILE *file = fopen(path, "re");
    cr_assert(file != NULL);
    cr_assert(fgets(asked, sizeof(asked), file) != NULL);
    (void)fclose(file);
    cr_expect(eq(str, asked, "-h -j 123_4 -o %e standard\n"));
    slurm_end_close();
    cr_expect(eq(int, slurm_end_descriptor(), -1));
    remove_squeue();
}

Test(slurm_end, the_environments_end_comes_first_and_squeues_replaces_it, .timeout = 20)
{
    int64_t end_s = 0;
    make_squeue("2025-01-31T12:00:00");
    (void)setenv("SLURM_JOB_ID", "123", 1);
    (void)setenv("SLURM_JOB_END_TIME", "1738000000", 1);
    slurm_end_open();
    cr_expect(slurm_end_take(&end_s));
    cr_expect(eq(i64, end_s, 1738000000));
    slurm_end_start();
    cr_expect(eq(i64, next_end(), 1738324800));
    slurm_end_close();
    remove_squeue();
}

Test(slurm_end, a_child_that_is_gone_is_noticed, .timeout = 20)
{
    int64_t end_s = 0;
    struct pollfd fd = {.events = POLLIN};
    (void)setenv("SLURM_JOB_ID", "123", 1);
    (void)unsetenv("SLURM_JOB_END_TIME");
    slurm_end_open();
    fd.fd = slurm_end_descriptor();
    char command[64];
    pid_t child = 0;
    (void)snprintf(command, sizeof(command), "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(command, "re");
    cr_assert(file != NULL);
    cr_assert(eq(int, fscanf(file, "%d", &child), 1));
    (void)fclose(file);
    cr_assert(eq(int, kill(child, SIGKILL), 0));
    cr_assert(eq(int, poll(&fd, 1, 10000), 1));
    cr_expect(not(slurm_end_take(&end_s)));
    cr_expect(eq(int, slurm_end_descriptor(), -1), "nothing to wait for any more");
}
