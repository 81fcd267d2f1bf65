#include "cli/launch_note.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "cli/launch_agent.h"
#include "master/run_stamp.h"

#define NOTE_NAME "mapfleet-launch"

static char own_word[LAUNCH_NOTE_WORD_SIZE]; /* "": nobody asked */

/* ---- The ranks' side ----------------------------------------------------------------------------
 */

void launch_note_open(void)
{
    const char *word = getenv(LAUNCH_NOTE_VARIABLE);
    if (word != NULL && strlen(word) == LAUNCH_NOTE_WORD_SIZE - 1) {
        (void)snprintf(own_word, sizeof(own_word), "%s", word);
    }
    (void)unsetenv(LAUNCH_NOTE_VARIABLE);
    (void)unsetenv(LAUNCH_AGENT_VARIABLE);
}

/* Twice, in one write, which no other process of this host gets into. */
static void write_note(const char *text)
{
    char notes[2 * LAUNCH_NOTE_SIZE_MAX];
    if (own_word[0] == '\0') {
        return;
    }
    const int size = snprintf(notes, LAUNCH_NOTE_SIZE_MAX, "%c" NOTE_NAME " %s %s\n",
                              LAUNCH_NOTE_START, own_word, text);
    if (size > 0 && size < LAUNCH_NOTE_SIZE_MAX) {
        memcpy(&notes[size], notes, (size_t)size);
        (void)!write(STDERR_FILENO, notes, 2 * (size_t)size);
    }
}

void launch_note_up(void)
{
    char text[RUN_STAMP_TEXT_SIZE + 64];
    struct run_stamp stamp;
    if (own_word[0] == '\0') {
        return;
    }
    run_stamp_make(&stamp);
    (void)snprintf(text, sizeof(text), "up %" PRIu64 " %s", stamp.process, stamp.machine);
    write_note(text);
}

/* As in a URL, so that a path is one word of one line. */
void launch_note_run(const char *run_dir)
{
    char text[LAUNCH_NOTE_SIZE_MAX] = "run ";
    size_t size = strlen(text);
    for (const char *c = run_dir; *c != '\0'; c++) {
        if (size + 4 > sizeof(text)) {
            return;
        }
        const bool is_plain = (unsigned char)*c > ' ' && *c != '%' && *c != '\x7f';
        size += (size_t)snprintf(&text[size], sizeof(text) - size, is_plain ? "%c" : "%%%02X",
                                 (unsigned char)*c);
    }
    write_note(text);
}

void launch_note_over(int exit_status)
{
    char text[32];
    (void)fflush(stdout);
    (void)snprintf(text, sizeof(text), "over %d", exit_status);
    write_note(text);
}

void launch_note_orphaned(void)
{
    write_note("orphaned");
}

/* ---- The launch's side ------------------------------------------------------------------------
 */

void launch_note_make_word(char word_out[LAUNCH_NOTE_WORD_SIZE])
{
    uint64_t number = 0;
    (void)!getrandom(&number, sizeof(number), 0);
    (void)snprintf(word_out, LAUNCH_NOTE_WORD_SIZE, "%016" PRIx64, number);
}

static bool read_up(const char *text, struct launch_note *note_out)
{
    struct run_stamp own;
    char *end;
    run_stamp_make(&own);
    const uint64_t process = strtoull(text, &end, 10);
    if (end == text || *end != ' ') {
        return false;
    }
    note_out->process = strcmp(end + 1, own.machine) == 0 ? process : 0;
    return true;
}

static bool read_run(const char *text, struct launch_note *note_out)
{
    size_t size = 0;
    for (const char *c = text; *c != '\0'; c++) {
        unsigned byte = (unsigned char)*c;
        if (*c == '%' && (!isxdigit((unsigned char)c[1]) || !isxdigit((unsigned char)c[2]) ||
                          sscanf(c + 1, "%2x", &byte) != 1)) {
            return false;
        }
        c += *c == '%' ? 2 : 0;
        if (size + 1 >= sizeof(note_out->run_dir)) {
            return false;
        }
        note_out->run_dir[size++] = (char)byte;
    }
    note_out->run_dir[size] = '\0';
    return note_out->run_dir[0] == '/';
}

static bool read_over(const char *text, struct launch_note *note_out)
{
    char *end;
    const long exit_status = strtol(text, &end, 10);
    note_out->exit_status = (int)exit_status;
    return end != text && *end == '\0' && exit_status >= 0 && exit_status <= 255;
}

bool launch_note_read(const char *word, const char *text, size_t size, struct launch_note *note_out)
{
    char line[LAUNCH_NOTE_SIZE_MAX];
    char start[64];
    const int start_size =
        snprintf(start, sizeof(start), "%c" NOTE_NAME " %s ", LAUNCH_NOTE_START, word);
    if (size >= sizeof(line) || memchr(text, '\0', size) != NULL) {
        return false;
    }
    memcpy(line, text, size);
    line[size] = '\0';
    if (strncmp(line, start, (size_t)start_size) != 0) {
        return false;
    }
    const char *rest = line + start_size;
    if (strncmp(rest, "up ", 3) == 0) {
        note_out->kind = LAUNCH_NOTE_UP;
        return read_up(rest + 3, note_out);
    }
    if (strncmp(rest, "run ", 4) == 0) {
        note_out->kind = LAUNCH_NOTE_RUN;
        return read_run(rest + 4, note_out);
    }
    if (strcmp(rest, "orphaned") == 0) {
        note_out->kind = LAUNCH_NOTE_ORPHANED;
        return true;
    }
    note_out->kind = LAUNCH_NOTE_OVER;
    return strncmp(rest, "over ", 5) == 0 && read_over(rest + 5, note_out);
}
