#include "shared/clean_text.h"

#include <string.h>

#include "shared/value.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* Length of the character that begins here; 0 where the bytes are none. */
static size_t character_size(const char *text, size_t size)
{
    for (size_t length = 1; length <= 4 && length <= size && text[0] != '\0'; length++) {
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
