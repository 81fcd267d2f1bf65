#include "cli/launch_noise.h"

#include <ctype.h>
#include <string.h>

#include "cli/launch_note.h"

/* ---- What is left out -------------------------------------------------------------------------
 */

/* Wildcards of the patterns below; each takes at least one byte, but for REST and TEXT. */
#define HOST "\1"   /* a name */
#define NUMBER "\2" /* digits */
#define DASHES "\3" /* the rule of dashes around Open MPI's longer texts */
#define REST "\4"   /* within the line */
#define TEXT "\5"   /* over any number of lines */

#define DASH_COUNT_MIN 60
#define SPEAKER "[" HOST ":" NUMBER "] "
#define BLOCK(text) DASHES "\n" text TEXT "\n" DASHES "\n"

struct pattern {
    const char *text;
    enum launch_stage from; /* before, it says what is wrong */
};

static const struct pattern patterns[] = {
    /* Of each rank that ends without MPI_Finalize(), as all do after a loss: mpirun tells its own
     * PMIx server in a form that this does not know. Nothing comes of it. */
    {.text =
         SPEAKER "PMIX ERROR: BAD-PARAM in file " REST "pmix_event_notification.c at " REST "\n"},
    /* mpirun has lost a daemon, and cannot send the text about it to the one that is lost. */
    {.text = SPEAKER "[[" NUMBER "," NUMBER "]," NUMBER "] ORTE_ERROR_LOG: " REST
                     "show_help.c at " REST "\n"},
    /* A race within mpirun: the agent it started has ended, or begun, already. */
    {.text = SPEAKER "plm:" HOST ": Warning: setpgid(" REST "\n"},
    /* libevent, within Open MPI 5's: a rank is dead that it still wanted to write to. */
    {.text = "[warn] Epoll " HOST "(" NUMBER ") on fd " NUMBER " failed. " REST "\n"},
    /* It does as it was asked to; rank 0 says what the signal does. */
    {.text = "mpirun: Forwarding signal " NUMBER " to job\n"},
    /* Exit statuses: the run's own says more, and a lost rank does not end the run. */
    {.text = BLOCK("Primary job " REST " terminated normally, but "), .from = LAUNCH_UP},
    {.text = BLOCK(HOST " detected that one or more processes exited with non-zero status"),
     .from = LAUNCH_UP},
    {.text = BLOCK(HOST " has exited due to process rank " NUMBER " with PID " NUMBER
                        " on\nnode " REST " exiting improperly"),
     .from = LAUNCH_UP},
    /* It says that the job will be ended, which is not so under --enable-recovery; rank 0 says
     * which ranks are lost. */
    {.text = BLOCK("ORTE has lost communication with a remote daemon."), .from = LAUNCH_UP},
    /* What a rank sees of a peer that is lost. */
    {.text = BLOCK("WARNING: Open MPI failed to TCP connect to a peer MPI process"),
     .from = LAUNCH_UP},
    {.text = BLOCK("WARNING: Open MPI failed to handshake with a connecting peer MPI"),
     .from = LAUNCH_UP},
    {.text = BLOCK("An MPI communication peer process has unexpectedly disconnected."),
     .from = LAUNCH_UP},
    {.text = "[" HOST "][[" NUMBER "," NUMBER "]," NUMBER "][" REST "btl_tcp_" REST "] " REST "\n",
     .from = LAUNCH_UP},
    /* How often the texts above were said by others. */
    {.text =
         SPEAKER NUMBER " more process" REST " sent help message help-mpi-btl-tcp.txt" REST "\n",
     .from = LAUNCH_UP},
    {.text = SPEAKER "Set MCA parameter \"orte_base_help_aggregate\" to 0" REST "\n"},
    /* mpirun is ended where it does not end by itself, and tells of the ranks that it ends then. */
    {.text = BLOCK(HOST " noticed that process rank "), .from = LAUNCH_OVER},
    {.text = BLOCK(HOST " noticed that the job aborted"), .from = LAUNCH_OVER},
    {.text = BLOCK("MPI_ABORT was invoked on rank "), .from = LAUNCH_OVER},
    {.text = HOST ": abort is already in progress" REST "\n", .from = LAUNCH_OVER},
    {.text = BLOCK("WARNING: " HOST " has exited before it received notification that all"),
     .from = LAUNCH_OVER},
};

/* ---- Matching ---------------------------------------------------------------------------------
 */

enum match { MATCH_NO, MATCH_MAYBE, MATCH_YES }; /* MAYBE: the text is the beginning of one */

struct view {
    const char *text;
    size_t size;
};

static bool is_host(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '.' || c == '_';
}

/* Bytes from the start of the view that are of the kind of a wildcard. */
static size_t run_of(char wildcard, struct view view)
{
    size_t size = 0;
    while (size < view.size && (wildcard == HOST[0]     ? is_host(view.text[size])
                                : wildcard == NUMBER[0] ? isdigit((unsigned char)view.text[size])
                                                        : view.text[size] == '-')) {
        size++;
    }
    return size;
}

static struct view rest_of(struct view view, size_t size)
{
    return (struct view){.text = view.text + size, .size = view.size - size};
}

static enum match match(const char *pattern, struct view view, size_t *size_out);

/* REST and TEXT: as little as the rest of the pattern allows. */
static enum match match_any(const char *pattern, struct view view, size_t *size_out)
{
    const bool is_one_line = *pattern == REST[0];
    for (size_t size = 0; size < view.size; size++) {
        const enum match found = match(pattern + 1, rest_of(view, size), size_out);
        if (found == MATCH_YES) {
            *size_out += size;
            return MATCH_YES;
        }
        if (found == MATCH_MAYBE) {
            return MATCH_MAYBE;
        }
        if (is_one_line && view.text[size] == '\n') {
            return MATCH_NO;
        }
    }
    return MATCH_MAYBE;
}

/* Does the view begin with something like the pattern, or is all of it the beginning of one? */
static enum match match(const char *pattern, struct view view, size_t *size_out)
{
    size_t at = 0;
    for (; *pattern != '\0'; pattern++) {
        const struct view left = rest_of(view, at);
        if (left.size == 0) {
            return MATCH_MAYBE;
        }
        if (*pattern == REST[0] || *pattern == TEXT[0]) {
            const enum match found = match_any(pattern, left, size_out);
            *size_out += at;
            return found;
        }
        if ((unsigned char)*pattern > (unsigned char)TEXT[0]) {
            if (*left.text != *pattern) {
                return MATCH_NO;
            }
            at++;
            continue;
        }
        const size_t size = run_of(*pattern, left);
        if (size < left.size && size < (*pattern == DASHES[0] ? DASH_COUNT_MIN : 1)) {
            return MATCH_NO;
        }
        at += size;
    }
    *size_out = at;
    return MATCH_YES;
}

/* ---- The stream -------------------------------------------------------------------------------
 */

static enum match match_note(struct view view, size_t *size_out)
{
    const char *end = memchr(view.text, '\n', view.size);
    if (*view.text != LAUNCH_NOTE_START) {
        return MATCH_NO;
    }
    *size_out = end == NULL ? 0 : (size_t)(end - view.text) + 1;
    return end != NULL ? MATCH_YES : view.size < LAUNCH_NOTE_SIZE_MAX ? MATCH_MAYBE : MATCH_NO;
}

static enum match match_noise(const struct launch_noise *noise, struct view view, size_t *size_out)
{
    enum match best = MATCH_NO;
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        const bool is_meant = noise->stage >= patterns[i].from;
        const enum match found = is_meant ? match(patterns[i].text, view, size_out) : MATCH_NO;
        if (found == MATCH_YES) {
            return MATCH_YES;
        }
        best = found == MATCH_MAYBE ? MATCH_MAYBE : best;
    }
    return best;
}

/* Up to where the next thing may begin that is left out: behind a newline, or at a note. */
static size_t plain_size(struct view view)
{
    for (size_t i = 1; i < view.size; i++) {
        if (view.text[i - 1] == '\n' || view.text[i] == LAUNCH_NOTE_START) {
            return i;
        }
    }
    return view.size;
}

static void pass(struct launch_noise *noise, struct view view)
{
    if (view.size > 0) {
        noise->is_in_line = view.text[view.size - 1] != '\n';
        noise->pass(noise->context, view.text, view.size);
    }
}

/* Take what can be decided from the front. Gives the bytes that were taken; 0: more must come. */
static size_t take(struct launch_noise *noise, struct view view)
{
    size_t size = 0;
    enum match found = match_note(view, &size);
    if (found == MATCH_YES) {
        noise->note(noise->context, view.text, size - 1);
        return size;
    }
    if (found == MATCH_NO && !noise->is_in_line) {
        found = match_noise(noise, view, &size);
        if (found == MATCH_YES) {
            return size;
        }
    }
    if (found == MATCH_MAYBE && view.size < LAUNCH_NOISE_HELD_MAX) {
        return 0;
    }
    size = plain_size(view);
    pass(noise, (struct view){.text = view.text, .size = size});
    return size;
}

static void take_held(struct launch_noise *noise)
{
    size_t at = 0;
    while (at < noise->held_size) {
        const size_t taken =
            take(noise, (struct view){.text = &noise->held[at], .size = noise->held_size - at});
        if (taken == 0) {
            break;
        }
        at += taken;
    }
    noise->held_size -= at;
    memmove(noise->held, &noise->held[at], noise->held_size);
}

/* mpirun writes a text in one piece, and not always where a line of a rank has ended: a bar of
 * progress has no end. So every piece may begin with one. */
void launch_noise_feed(struct launch_noise *noise, const char *text, size_t size)
{
    noise->is_in_line = noise->is_in_line && noise->held_size > 0;
    while (size > 0) {
        const size_t room = sizeof(noise->held) - noise->held_size;
        const size_t part = size < room ? size : room;
        memcpy(&noise->held[noise->held_size], text, part);
        noise->held_size += part;
        text += part;
        size -= part;
        take_held(noise);
    }
}

void launch_noise_end(struct launch_noise *noise)
{
    pass(noise, (struct view){.text = noise->held, .size = noise->held_size});
    noise->held_size = 0;
}
