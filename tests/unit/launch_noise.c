#include "cli/launch_noise.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "cli/launch_note.h"

#define DASHES "--------------------------------------------------------------------------\n"
#define BAD_PARAM                                                                                  \
    "[node-7.cluster:1033] PMIX ERROR: BAD-PARAM in file ../src/event/pmix_event_notification.c "  \
    "at line 1033\n"
#define NON_ZERO                                                                                   \
    DASHES "mpirun detected that one or more processes exited with non-zero status, thus "         \
           "causing\nthe job to be terminated.\n\n  Exit code:    1\n" DASHES
#define SIGNALLED                                                                                  \
    DASHES "mpirun noticed that process rank 2 with PID 0 on node a exited on signal 9 "           \
           "(Killed).\n" DASHES

/* ---- Helpers -------------------------------------------------------------------------------- */

struct seen {
    char passed[16384];
    size_t size;
    char notes[1024]; /* each with a bar behind it */
};

static void pass(void *context, const char *text, size_t size)
{
    struct seen *seen = context;
    memcpy(&seen->passed[seen->size], text, size);
    seen->size += size;
    seen->passed[seen->size] = '\0';
}

static void note(void *context, const char *text, size_t size)
{
    struct seen *seen = context;
    const size_t at = strlen(seen->notes);
    (void)snprintf(&seen->notes[at], sizeof(seen->notes) - at, "%.*s|", (int)size, text);
}

static struct launch_noise filter(struct seen *seen)
{
    return (struct launch_noise){.pass = pass, .note = note, .context = seen, .stage = LAUNCH_UP};
}

static void expect_passed(const struct seen *seen, const char *expected)
{
    cr_expect(strcmp(seen->passed, expected) == 0, "expected \"%s\", found \"%s\"", expected,
              seen->passed);
}

static void feed(struct launch_noise *noise, const char *text)
{
    launch_noise_feed(noise, text, strlen(text));
}

/* ---- Tests ---------------------------------------------------------------------------------- */

Test(launch_noise, what_says_nothing_is_left_out_wherever_the_stream_is_cut)
{
    const char *text = "one\n" BAD_PARAM "two\n" NON_ZERO "three\n";
    for (size_t cut = 0; cut <= strlen(text); cut++) {
        struct seen seen = {.size = 0};
        struct launch_noise noise = filter(&seen);
        launch_noise_feed(&noise, text, cut);
        launch_noise_feed(&noise, text + cut, strlen(text) - cut);
        launch_noise_end(&noise);
        expect_passed(&seen, "one\ntwo\nthree\n");
    }
}

Test(launch_noise, so_it_is_byte_by_byte)
{
    const char *text = "one\n" BAD_PARAM NON_ZERO "mpirun: Forwarding signal 10 to job\nthree\n";
    struct seen seen = {.size = 0};
    struct launch_noise noise = filter(&seen);
    for (const char *c = text; *c != '\0'; c++) {
        launch_noise_feed(&noise, c, 1);
    }
    launch_noise_end(&noise);
    expect_passed(&seen, "one\nthree\n");
}

Test(launch_noise, what_open_mpi_5_says_in_vain_is_noise)
{
    struct seen seen = {.size = 0};
    struct launch_noise noise = filter(&seen);
    feed(&noise, "[warn] Epoll MOD(4) on fd 21 failed. Old events were 6; read change was 2 (del); "
                 "write change was 0 (none); close change was 0 (none): Bad file descriptor\n"
                 "[a:75] plm:ssh: Warning: setpgid(8,8) failed in parent with errno=Permission "
                 "denied(13)\n[warn] of another kind\n");
    launch_noise_end(&noise);
    expect_passed(&seen, "[warn] of another kind\n");
}

Test(launch_noise, what_cannot_become_noise_passes_before_its_line_ends)
{
    struct seen seen = {.size = 0};
    struct launch_noise noise = filter(&seen);
    feed(&noise, "mapfleet: 3 of 5");
    expect_passed(&seen, "mapfleet: 3 of 5");
    feed(&noise, "\n[====   ]");
    expect_passed(&seen, "mapfleet: 3 of 5\n[====   ]");
}

Test(launch_noise, what_may_still_be_noise_is_held_until_its_rest_does_not_come)
{
    struct seen seen = {.size = 0};
    struct launch_noise noise = filter(&seen);
    feed(&noise, "[node7:12] PMIX");
    expect_passed(&seen, "");
    launch_noise_end(&noise);
    expect_passed(&seen, "[node7:12] PMIX");
    feed(&noise, " is a library\n");
    expect_passed(&seen, "[node7:12] PMIX is a library\n");
}

Test(launch_noise, texts_that_only_look_alike_pass)
{
    const char *const texts[] = {
        "[node7:12] PMIX ERROR: OUT-OF-RESOURCE in file a.c at line 3\n",
        "[node7] PMIX ERROR: BAD-PARAM in file pmix_event_notification.c at line 1033\n",
        DASHES "There are not enough slots available in the system\n" DASHES,
        "---\nmpirun detected that one or more processes exited with non-zero status\n---\n",
        "mpirun: Forwarding nothing\n",
        SIGNALLED,
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct seen seen = {.size = 0};
        struct launch_noise noise = filter(&seen);
        feed(&noise, texts[i]);
        launch_noise_end(&noise);
        expect_passed(&seen, texts[i]);
    }
}

Test(launch_noise, once_the_run_is_over_who_was_ended_by_a_signal_says_nothing)
{
    struct seen seen = {.size = 0};
    struct launch_noise noise = filter(&seen);
    noise.stage = LAUNCH_OVER;
    feed(&noise, SIGNALLED "last\n");
    expect_passed(&seen, "last\n");
}

/* Goal: where ranks do not find each other, Open MPI's texts are all that tells why. */
Test(launch_noise, until_all_ranks_are_there_what_tells_of_failures_passes)
{
    const char *const texts[] = {
        NON_ZERO,
        DASHES "ORTE has lost communication with a remote daemon.\n\n  HNP daemon\n" DASHES,
        DASHES "WARNING: Open MPI failed to TCP connect to a peer MPI process.\n\n"
               "  Error:         No route to host (113)\n" DASHES,
        "[a][[1,1],0][../btl_tcp_endpoint.c:626:start_connect] connect() failed: Refused (111)\n",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct seen seen = {.size = 0};
        struct launch_noise noise = filter(&seen);
        feed(&noise, texts[i]);
        feed(&noise, "end\n");
        expect_passed(&seen, "end\n");
        seen.size = 0;
        noise.stage = LAUNCH_JOINING;
        feed(&noise, BAD_PARAM);
        feed(&noise, texts[i]);
        launch_noise_end(&noise);
        expect_passed(&seen, texts[i]);
    }
}

Test(launch_noise, a_block_that_never_ends_passes)
{
    struct seen seen = {.size = 0};
    struct launch_noise noise = filter(&seen);
    feed(&noise, DASHES "ORTE has lost communication with a remote daemon.\n");
    for (int i = 0; i < 200; i++) {
        feed(&noise, "and then something else was said, at length\n");
    }
    cr_expect(gt(sz, seen.size, 5000));
    cr_expect(strncmp(seen.passed, DASHES "ORTE has lost", strlen(DASHES "ORTE has lost")) == 0);
}

Test(launch_noise, bytes_of_any_kind_pass_as_they_are)
{
    char all[512];
    for (size_t i = 0; i < sizeof(all); i++) {
        all[i] = (char)(i % 256 == LAUNCH_NOTE_START ? 0 : i % 256);
    }
    struct seen seen = {.size = 0};
    struct launch_noise noise = filter(&seen);
    launch_noise_feed(&noise, all, sizeof(all));
    launch_noise_end(&noise);
    cr_assert(eq(sz, seen.size, sizeof(all)));
    cr_expect(memcmp(seen.passed, all, sizeof(all)) == 0);
}

Test(launch_noise, notes_are_taken_out_also_in_the_middle_of_a_line)
{
    const char *text = "half\x1e"
                       "a note\n and half\n\x1e"
                       "another\n";
    for (size_t cut = 0; cut <= strlen(text); cut++) {
        struct seen seen = {.size = 0};
        struct launch_noise noise = filter(&seen);
        launch_noise_feed(&noise, text, cut);
        launch_noise_feed(&noise, text + cut, strlen(text) - cut);
        expect_passed(&seen, "half and half\n");
        cr_expect(strcmp(seen.notes, "\x1e"
                                     "a note|\x1e"
                                     "another|") == 0,
                  "%s", seen.notes);
    }
}
