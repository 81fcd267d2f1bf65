/* report_html.h - HTML, piece by piece: after the first failure, which is one of memory, nothing
 * more is put.
 */
#ifndef CLI_REPORT_HTML_H
#define CLI_REPORT_HTML_H

#include <stdint.h>

#include "shared/buffer.h"
#include "shared/error.h"

struct html {
    struct buffer *out;
    enum status status;
};

/* Markup, as it is. */
void html_put(struct html *html, const char *markup);
void html_printf(struct html *html, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Text, whatever it holds. */
void html_text(struct html *html, const char *text);
void html_text_of(struct html *html, const char *text, size_t size);
void html_count(struct html *html, uint64_t count); /* 1,234,567 */
void html_time(struct html *html, uint64_t us);     /* 12 min 3 s */

/* A cell of a table with a number, and an empty one for 0. */
void html_count_cell(struct html *html, uint64_t count);
void html_time_cell(struct html *html, uint64_t us);

#endif
