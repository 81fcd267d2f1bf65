/* A sampler's process: lines to it and from it, and its end. */
#include "master/sampler.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/redirect.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS 10000

static struct sampler *start(const char *script)
{
    struct sampler *sampler = NULL;
    struct error err = {.text = ""};
    const char *const arguments[] = {"sh", "-c", script, NULL};
    (void)signal(SIGPIPE, SIG_IGN); /* as in a rank */
    cr_assert(eq(int, sampler_start(arguments, &sampler, &err), STATUS_OK), "%s", err.text);
    return sampler;
}

static void say(struct sampler *sampler, const char *text)
{
    cr_assert(eq(int, buffer_append(sampler_outbox(sampler), text, strlen(text)), STATUS_OK));
}

/* Until something has happened. */
static void wait_for(struct sampler *sampler)
{
    struct pollfd fds[SAMPLER_FD_COUNT_MAX];
    bool did_something = false;
    const size_t count = sampler_descriptors(sampler, fds);
    (void)poll(fds, count, WAIT_MS);
    sampler_turn(sampler, &did_something);
}

static void expect_line(struct sampler *sampler, const char *expected)
{
    const char *line = NULL;
    const char *how = NULL;
    size_t size = 0;
    while (!sampler_next_line(sampler, &line, &size)) {
        cr_assert(not(sampler_has_ended(sampler, &how)), "%s before %s", how, expected);
        wait_for(sampler);
    }
    cr_assert(eq(sz, size, strlen(expected)), "%.*s", (int)size, line);
    cr_expect(eq(int, memcmp(line, expected, size), 0), "%.*s", (int)size, line);
}

static void expect_end(struct sampler *sampler, const char *expected)
{
    const char *how = NULL;
    const char *line;
    size_t size;
    while (!sampler_has_ended(sampler, &how)) {
        cr_assert(not(sampler_next_line(sampler, &line, &size)));
        wait_for(sampler);
    }
    cr_expect(eq(int, strcmp(how, expected), 0), "%s", how);
}

Test(sampler, lines_go_there_and_come_back)
{
    struct sampler *sampler = start("while read -r line; do echo \"heard $line\"; done");
    say(sampler, "one\ntwo\n");
    expect_line(sampler, "heard one");
    say(sampler, "three\n");
    expect_line(sampler, "heard two");
    expect_line(sampler, "heard three");
    sampler_destroy(sampler);
}

Test(sampler, one_that_does_not_read_holds_nobody_up)
{
    struct sampler *sampler = start("echo here; exec sleep 100");
    char line[1001];
    memset(line, 'x', 1000);
    line[1000] = '\0';
    expect_line(sampler, "here");
    for (int i = 0; i < 1000; i++) {
        bool did_something = false;
        say(sampler, line);
        sampler_turn(sampler, &did_something);
    }
    sampler_destroy(sampler);
}

Test(sampler, what_it_said_before_its_end_is_taken_before_its_end_is_told)
{
    struct sampler *sampler = start("echo one; echo two; exit 3");
    expect_line(sampler, "one");
    expect_line(sampler, "two");
    expect_end(sampler, "has ended with status 3");
    sampler_destroy(sampler);
}

Test(sampler, one_that_is_killed_is_told_by_its_signal)
{
    struct sampler *sampler = start("kill -KILL $$");
    expect_end(sampler, "was ended by SIGKILL");
    say(sampler, "too late\n");
    bool did_something = false;
    sampler_turn(sampler, &did_something);
    sampler_destroy(sampler);
}

Test(sampler, a_child_that_holds_its_output_does_not_keep_it_alive)
{
    struct sampler *sampler = start("setsid sleep 5 & echo one; exit 0");
    expect_line(sampler, "one");
    expect_end(sampler, "has ended with status 0");
    sampler_destroy(sampler);
}

Test(sampler, one_that_closes_its_output_counts_as_ended)
{
    struct sampler *sampler = start("exec >&-; exec sleep 100");
    const char *how = NULL;
    while (!sampler_has_ended(sampler, &how)) {
        bool did_something = false;
        (void)poll(NULL, 0, 10);
        sampler_turn(sampler, &did_something);
    }
    cr_expect(eq(int, strcmp(how, "has closed its standard output"), 0), "%s", how);
    sampler_destroy(sampler);
}

Test(sampler, one_that_minds_no_sigterm_is_killed)
{
    struct sampler *sampler = start("trap '' TERM; echo ready; while :; do sleep 1; done");
    expect_line(sampler, "ready");
    sampler_destroy(sampler); /* ends */
}

Test(sampler, it_hears_the_rest_and_may_end_by_itself)
{
    char path[] = "/tmp/mapfleet-sampler-XXXXXX";
    char script[200];
    char found[100] = "";
    const int file = mkstemp(path);
    (void)snprintf(script, sizeof(script), "echo ready; cat >%s; echo gone >>%s", path, path);
    struct sampler *sampler = start(script);
    expect_line(sampler, "ready");
    say(sampler, "the rest\n");
    sampler_destroy(sampler);
    cr_expect(eq(sz, (size_t)read(file, found, sizeof(found) - 1), 14));
    cr_expect(eq(int, strcmp(found, "the rest\ngone\n"), 0), "%s", found);
    (void)close(file);
    (void)unlink(path);
}

Test(sampler, its_standard_error_is_passed_on_with_a_prefix)
{
    struct sampler *sampler = start("echo careful >&2; printf half >&2; echo done");
    cr_redirect_stderr();
    expect_line(sampler, "done");
    expect_end(sampler, "has ended with status 0");
    sampler_destroy(sampler);
    cr_assert_stderr_eq_str("mapfleet: sampler: careful\nmapfleet: sampler: half\n");
}

Test(sampler, it_has_nothing_of_mpi_in_its_environment_and_pythons_output_is_not_held_back)
{
    (void)setenv("OMPI_COMM_WORLD_SIZE", "3", 1);
    (void)setenv("PMIX_RANK", "0", 1);
    (void)setenv("MAPFLEET_INDEX", "7", 1);
    (void)setenv("KEPT", "yes", 1);
    struct sampler *sampler = start(
        "echo \"<$OMPI_COMM_WORLD_SIZE><$PMIX_RANK><$MAPFLEET_INDEX><$KEPT><$PYTHONUNBUFFERED>\"");
    expect_line(sampler, "<><><><yes><1>");
    sampler_destroy(sampler);
}

Test(sampler, one_that_floods_is_taken_in_bits)
{
    struct sampler *sampler = start("yes");
    for (int i = 0; i < 100000; i++) {
        expect_line(sampler, "y");
    }
    sampler_destroy(sampler);
}

Test(sampler, a_line_without_an_end_is_given_as_far_as_it_goes)
{
    struct sampler *sampler = start("exec tr '\\000' x </dev/zero");
    const char *line = NULL;
    size_t size = 0;
    while (!sampler_next_line(sampler, &line, &size)) {
        wait_for(sampler);
    }
    cr_expect(gt(sz, size, (size_t)16 << 20));
    cr_expect(lt(sz, size, (size_t)18 << 20));
    sampler_destroy(sampler);
}

Test(sampler, a_program_that_is_not_there_is_refused)
{
    struct sampler *sampler = NULL;
    struct error err = {.text = ""};
    const char *const arguments[] = {"no-such-sampler", NULL};
    cr_expect(eq(int, sampler_start(arguments, &sampler, &err), STATUS_INVALID));
    cr_expect(strstr(err.text, "the sampler no-such-sampler cannot be started: No such file") !=
                  NULL,
              "%s", err.text);
}
