#include "shared/clean_text.h"

#include <stdbool.h>
#include <string.h>

#include "shared/value.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

static bool is_control(unsigned char byte)
{
    return (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7f;
}

/* Length of the character that begins here; 0 where the bytes are none. */
static size_t character_size(const char *text, size_t size)
{
    if (is_control((unsigned char)text[0])) {
        return 0;
    }
    for (size_t length = 1; length <= 4 && length <= size; length++) {
        if (value_is_utf8(text, length)) {
            return length;
        }
    }
    return 0;
}

enum status clean_text(const char *text, size_t size, struct buffer *out)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < size && status == STATUS_OK;) {
        const size_t length = character_size(text + i, size - i);
        status = length > 0 ? buffer_append(out, text + i, length)
                            : buffer_append(out, REPLACEMENT, strlen(REPLACEMENT));
        i += length > 0 ? length : 1;
    }
    return status;
}
