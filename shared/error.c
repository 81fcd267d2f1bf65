#include "shared/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

const char *status_text(enum status status)
{
    switch (status) {
#define STATUS_CASE(name, text)                                                                    \
    case STATUS_##name:                                                                            \
        return text;
        STATUS_LIST(STATUS_CASE)
#undef STATUS_CASE
    }
    return "unknown status";
}

/* Both functions write a copy first, because the arguments may point into err->text. */

enum status error_set(struct error *err, enum status status, const char *format, ...)
{
    if (err != NULL) {
        struct error next;
        va_list args;
        va_start(args, format);
        (void)vsnprintf(next.text, sizeof(next.text), format, args);
        va_end(args);
        memcpy(err->text, next.text, strlen(next.text) + 1);
    }
    return status;
}

enum status status_of_write(int reason)
{
    return reason == ENOSPC || reason == EDQUOT || reason == EROFS || reason == EIO
               ? STATUS_UNWRITABLE
               : STATUS_IO;
}

void error_prefix(struct error *err, const char *format, ...)
{
    if (err == NULL) {
        return;
    }
    struct error next;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(next.text, sizeof(next.text), format, args);
    va_end(args);

    const size_t prefix_size = strlen(next.text);
    const size_t room = sizeof(next.text) - prefix_size - 1;
    const size_t text_size = strnlen(err->text, room);
    memcpy(next.text + prefix_size, err->text, text_size);
    next.text[prefix_size + text_size] = '\0';
    memcpy(err->text, next.text, prefix_size + text_size + 1);
}
