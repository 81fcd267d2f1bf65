#include "shared/shell_word.h"

#include <string.h>

enum status shell_word_put(struct buffer *out, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "/._-+=:,@%";
    if (*text != '\0' && text[strspn(text, plain)] == '\0') {
        return buffer_append(out, text, strlen(text));
    }
    enum status status = buffer_append_byte(out, '\'');
    for (const char *at = text; *at != '\0' && status == STATUS_OK; at++) {
        status =
            *at == '\'' ? buffer_append(out, "'\\''", 4) : buffer_append_byte(out, (uint8_t)*at);
    }
    return status == STATUS_OK ? buffer_append_byte(out, '\'') : status;
}
