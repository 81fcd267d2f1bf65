/* clean_text.h - what attempts said may be any bytes; what is printed of it is UTF-8. */
#ifndef SHARED_CLEAN_TEXT_H
#define SHARED_CLEAN_TEXT_H

#include <stddef.h>

#include "shared/buffer.h"
#include "shared/error.h"

/* Append the text, with U+FFFD in the place of each byte that is NUL or of no character. */
MUST_CHECK enum status clean_text(const char *text, size_t size, struct buffer *out);

#endif
