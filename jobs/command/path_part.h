/* path_part.h - parts of a path, as placeholders name them, by the rules of GNU Parallel.
 *
 *     {.} without its ending    {/} its last name    {//} its folder    {/.} both of the first two
 */
#ifndef COMMAND_PATH_PART_H
#define COMMAND_PATH_PART_H

#include <stddef.h>

enum path_part { PATH_WHOLE, PATH_NO_ENDING, PATH_NAME, PATH_FOLDER, PATH_NAME_NO_ENDING };

/* A piece of text, not NUL-terminated. */
struct piece {
    const char *text;
    size_t size;
};

/* The part of that path: a piece of it, or a constant ("." is the folder of a name). */
struct piece path_part(struct piece path, enum path_part part);

#endif
