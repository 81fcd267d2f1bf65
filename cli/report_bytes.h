/* report_bytes.h - how the page of a report carries its data: LEB128 numbers, deflated, in base64.
 */
#ifndef CLI_REPORT_BYTES_H
#define CLI_REPORT_BYTES_H

#include <stddef.h>
#include <stdint.h>

#include "shared/buffer.h"
#include "shared/error.h"

MUST_CHECK enum status report_put_number(struct buffer *out, uint64_t number);

/* Small numbers of either sign become small ones. */
static inline uint64_t report_zigzag(int64_t number)
{
    return ((uint64_t)number << 1) ^ (uint64_t)(number >> 63);
}

/* Append `data` as a zlib stream, in base64. */
MUST_CHECK enum status report_put_deflated(struct buffer *out, const struct buffer *data);

/* Append text for HTML: markup is escaped, and what is not UTF-8, or a control character, is
 * U+FFFD. */
MUST_CHECK enum status report_put_escaped(struct buffer *out, const char *text, size_t size);

/* Append JSON that may stand in a <script>: each `<` as an escape, which only texts hold. */
MUST_CHECK enum status report_put_json(struct buffer *out, const char *json);

#endif
