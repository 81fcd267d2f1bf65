/* bottom_line.h - one line at the bottom of the user's terminal that is drawn anew in its place.
 *
 *     bottom_line_open --> bottom_line_draw (now and then) --> bottom_line_close
 *
 * What else is written to the terminal scrolls above it: the line lies outside of the terminal's
 * scrolling region (DECSTBM), so that it is never torn, whoever writes and through whatever pipes.
 * The terminal is that of standard error; where that is a pipe of mpirun or of `mapfleet launch`,
 * it is theirs, which they write to in turn. Nothing is drawn while they are in the background.
 *
 * Threads: one.
 * Failure: none is reported; what the terminal does not take at once is left out, and nobody waits.
 */
#ifndef MASTER_BOTTOM_LINE_H
#define MASTER_BOTTOM_LINE_H

#include <stdbool.h>
#include <stddef.h>

struct bottom_line; /* fields: bottom_line.c */

/* NULL where there is no terminal that can move its cursor. */
struct bottom_line *bottom_line_open(void);
/* Give the terminal all of its lines back. NULL is allowed. */
void bottom_line_close(struct bottom_line *line);

/* How many characters can be drawn now: 0 while there is no room, or nobody to see them. */
size_t bottom_line_width(struct bottom_line *line);
/* Has the terminal another size than the line was drawn for? Cheap enough to be asked often: until
 * it is drawn again, what others write may stand beside what is left of it. */
bool bottom_line_is_displaced(const struct bottom_line *line);
/* Text without control characters, of no more than that width: one column each. To be called soon
 * after it. */
void bottom_line_draw(struct bottom_line *line, const char *text, size_t size);

#endif
