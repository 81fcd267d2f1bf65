/* shell_word.h - text as one word of a shell, for command lines that people copy. */
#ifndef SHARED_SHELL_WORD_H
#define SHARED_SHELL_WORD_H

#include "shared/buffer.h"
#include "shared/error.h"

/* Append it: as it is where no shell would read anything into it, else in single quotes. */
MUST_CHECK enum status shell_word_put(struct buffer *out, const char *text);

#endif
