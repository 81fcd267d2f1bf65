/* launch_note.h - what ranks tell the `mapfleet launch` that started them, and nobody else.
 *
 *     launch_note_open (every process) --> launch_note_up --> launch_note_run --> launch_note_over
 *
 * A launch gives its ranks a word of its own in MAPFLEET_LAUNCH. Rank 0 then writes notes on
 * standard error, which mpirun and srun bring to the launch from any host, in order with the rest
 * of what rank 0 says; the launch takes them out. Each stands there twice: launchers pass on what
 * they read in pieces, another rank's text may get between two of them, and a piece is longer than
 * two notes.
 *
 * Failure: none is reported. A launch that misses a note looks at the run's folder.
 */
#ifndef CLI_LAUNCH_NOTE_H
#define CLI_LAUNCH_NOTE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAUNCH_NOTE_VARIABLE "MAPFLEET_LAUNCH"
#define LAUNCH_NOTE_WORD_SIZE 17  /* 16 hexadecimal digits, and a NUL */
#define LAUNCH_NOTE_START '\x1e'  /* the first byte of a note; a newline is the last */
#define LAUNCH_NOTE_SIZE_MAX 1024 /* of one; a path that does not fit is left out */

/* ---- The ranks' side ----------------------------------------------------------------------------
 */

/* Take the word out of the environment, which attempts inherit. */
void launch_note_open(void);
/* This process is rank 0, and its ranks are all there. */
void launch_note_up(void);
/* The run's folder, absolute; it need not be there yet. */
void launch_note_run(const char *run_dir);
/* All is written and printed; what follows says nothing more. */
void launch_note_over(int exit_status);
/* This process is another rank, and leaves because rank 0 is silent. */
void launch_note_orphaned(void);

/* ---- The launch's side ------------------------------------------------------------------------
 */

enum launch_note_kind { LAUNCH_NOTE_UP, LAUNCH_NOTE_RUN, LAUNCH_NOTE_OVER, LAUNCH_NOTE_ORPHANED };

struct launch_note {
    enum launch_note_kind kind;
    uint64_t process;       /* UP: rank 0, where it is on this machine; else 0 */
    char run_dir[PATH_MAX]; /* RUN */
    int exit_status;        /* OVER */
};

/* A new word. */
void launch_note_make_word(char word_out[LAUNCH_NOTE_WORD_SIZE]);

/* Read a note of this word, without its newline. False where it is none, or damaged. */
bool launch_note_read(const char *word, const char *text, size_t size,
                      struct launch_note *note_out);

#endif
