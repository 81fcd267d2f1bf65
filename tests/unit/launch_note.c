#include "cli/launch_note.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Helpers -------------------------------------------------------------------------------- */

static int reader = -1;

/* Standard error of this process, from here on. */
static void catch_notes(const char *word)
{
    int ends[2];
    cr_assert(pipe2(ends, O_NONBLOCK) == 0);
    (void)dup2(ends[1], STDERR_FILENO);
    reader = ends[0];
    (void)setenv(LAUNCH_NOTE_VARIABLE, word, 1);
    launch_note_open();
}

static size_t caught(char *text, size_t size)
{
    const ssize_t got = read(reader, text, size);
    return got > 0 ? (size_t)got : 0;
}

/* Both copies of the one note that was written, read by a launch of this word. */
static struct launch_note both(const char *word)
{
    char text[4 * LAUNCH_NOTE_SIZE_MAX];
    struct launch_note first = {0};
    struct launch_note second = {0};
    const size_t size = caught(text, sizeof(text));
    const char *end = memchr(text, '\n', size);
    cr_assert(size > 0 && end != NULL && text[size - 1] == '\n');
    const size_t half = (size_t)(end - text);
    cr_assert(eq(sz, 2 * (half + 1), size));
    cr_assert(launch_note_read(word, text, half, &first));
    cr_assert(launch_note_read(word, end + 1, half, &second));
    cr_expect(memcmp(&first, &second, sizeof(first)) == 0);
    return first;
}

#define WORD "0123456789abcdef"

/* ---- Tests ---------------------------------------------------------------------------------- */

Test(launch_note, without_a_launch_nothing_is_said)
{
    char text[64];
    catch_notes("");
    launch_note_up();
    launch_note_run("/a");
    launch_note_over(0);
    cr_expect(eq(sz, caught(text, sizeof(text)), 0));
}

Test(launch_note, the_word_does_not_stay_in_the_environment)
{
    catch_notes(WORD);
    cr_expect(getenv(LAUNCH_NOTE_VARIABLE) == NULL);
}

Test(launch_note, each_note_is_read_as_it_was_written)
{
    catch_notes(WORD);
    launch_note_up();
    struct launch_note note = both(WORD);
    cr_expect(note.kind == LAUNCH_NOTE_UP);
    cr_expect(eq(u64, note.process, (uint64_t)getpid()));
    launch_note_run("/a b/100%/\n\x1e-\xff");
    note = both(WORD);
    cr_expect(note.kind == LAUNCH_NOTE_RUN);
    cr_expect(strcmp(note.run_dir, "/a b/100%/\n\x1e-\xff") == 0);
    launch_note_over(75);
    note = both(WORD);
    cr_expect(note.kind == LAUNCH_NOTE_OVER);
    cr_expect(eq(int, note.exit_status, 75));
    launch_note_orphaned();
    cr_expect(both(WORD).kind == LAUNCH_NOTE_ORPHANED);
}

Test(launch_note, a_process_of_another_machine_is_none)
{
    struct launch_note note;
    const char *text = "\x1emapfleet-launch " WORD " up 1 another-boot pid:[1]";
    cr_assert(launch_note_read(WORD, text, strlen(text), &note));
    cr_expect(eq(u64, note.process, 0));
}

Test(launch_note, a_path_that_is_too_long_is_left_out)
{
    char path[LAUNCH_NOTE_SIZE_MAX + 1] = "/";
    char text[64];
    memset(path + 1, 'a', sizeof(path) - 2);
    catch_notes(WORD);
    launch_note_run(path);
    cr_expect(eq(sz, caught(text, sizeof(text)), 0));
}

Test(launch_note, what_is_damaged_or_of_another_launch_is_none)
{
    const char *const texts[] = {
        "",
        "\x1e",
        "mapfleet-launch " WORD " over 0",
        "\x1emapfleet-launch fedcba9876543210 over 0",
        "\x1emapfleet-launch " WORD,
        "\x1emapfleet-launch " WORD " over",
        "\x1emapfleet-launch " WORD " over ",
        "\x1emapfleet-launch " WORD " over 256",
        "\x1emapfleet-launch " WORD " over -1",
        "\x1emapfleet-launch " WORD " over 7mapfleet: 3 of 5",
        "\x1emapfleet-launch " WORD " up",
        "\x1emapfleet-launch " WORD " up x y",
        "\x1emapfleet-launch " WORD " run relative",
        "\x1emapfleet-launch " WORD " run /a%",
        "\x1emapfleet-launch " WORD " run /a%4",
        "\x1emapfleet-launch " WORD " run /a%zz",
        "\x1emapfleet-launch " WORD " later",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct launch_note note;
        cr_expect(not(launch_note_read(WORD, texts[i], strlen(texts[i]), &note)), "%s", texts[i]);
    }
}

Test(launch_note, words_differ)
{
    char first[LAUNCH_NOTE_WORD_SIZE];
    char second[LAUNCH_NOTE_WORD_SIZE];
    launch_note_make_word(first);
    launch_note_make_word(second);
    cr_expect(eq(sz, strlen(first), LAUNCH_NOTE_WORD_SIZE - 1));
    cr_expect(strcmp(first, second) != 0);
}
