/* launch_noise.h - what mpirun and its ranks write on standard error, without what says nothing.
 *
 *     launch_noise_feed ... --> launch_noise_end
 *
 * Each text that is left out stands in launch_noise.c with the reason; notes of rank 0
 * (launch_note.h) are handed over instead. Everything else is passed on as it comes, byte for byte,
 * not only when its line ends: a byte is held back only while it may still turn out to be part of
 * such a text, and no longer than the caller waits for the rest of it.
 *
 * Ownership: the filter's fields are its own.
 * Failure:   none; a text that is longer than any of them is passed on.
 */
#ifndef CLI_LAUNCH_NOISE_H
#define CLI_LAUNCH_NOISE_H

#include <stdbool.h>
#include <stddef.h>

#define LAUNCH_NOISE_HELD_MAX 4096

/* Takes what is passed on, or one note without its newline. */
typedef void launch_noise_sink(void *context, const char *text, size_t size);

/* What says nothing at one stage is all that tells what is wrong at an earlier one. */
enum launch_stage {
    LAUNCH_JOINING, /* ranks look for each other */
    LAUNCH_UP,      /* all were there: who is lost does not end the run */
    LAUNCH_OVER     /* the run is: what ends now was ended on purpose */
};

struct launch_noise {
    launch_noise_sink *pass;
    launch_noise_sink *note;
    void *context;
    enum launch_stage stage;
    /* the filter's own: */
    bool is_in_line; /* what is passed on now began before */
    char held[LAUNCH_NOISE_HELD_MAX];
    size_t held_size;
};

void launch_noise_feed(struct launch_noise *noise, const char *text, size_t size);
/* Pass on what is held: there is no more, or the rest does not come. */
void launch_noise_end(struct launch_noise *noise);

#endif
