#include "cli/report_html.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/report_bytes.h"
#include "shared/quantity.h"

#define LINE_SIZE 512
#define NS_IN_US 1000

static void put(struct html *html, const char *text, size_t size)
{
    if (html->status == STATUS_OK) {
        html->status = buffer_append(html->out, text, size);
    }
}

void html_put(struct html *html, const char *markup)
{
    put(html, markup, strlen(markup));
}

void html_printf(struct html *html, const char *format, ...)
{
    char line[LINE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    const int size = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (size < 0 || (size_t)size >= sizeof(line)) {
        html->status = STATUS_LIMIT;
        return;
    }
    put(html, line, (size_t)size);
}

void html_text_of(struct html *html, const char *text, size_t size)
{
    if (html->status == STATUS_OK) {
        html->status = report_put_escaped(html->out, text, size);
    }
}

void html_text(struct html *html, const char *text)
{
    html_text_of(html, text, strlen(text));
}

void html_count(struct html *html, uint64_t count)
{
    char text[QUANTITY_TEXT_SIZE];
    html_put(html, quantity_count_text(count, text));
}

/* Microseconds have their sign here. */
void html_time(struct html *html, uint64_t us)
{
    char text[QUANTITY_TEXT_SIZE];
    const uint64_t ns = us < UINT64_MAX / NS_IN_US ? us * NS_IN_US : UINT64_MAX;
    const size_t size = strlen(quantity_time_text(ns, text));
    if (size > 3 && strcmp(&text[size - 3], " us") == 0) {
        put(html, text, size - 2);
        html_put(html, "&micro;s");
    } else {
        html_put(html, text);
    }
}

void html_count_cell(struct html *html, uint64_t count)
{
    html_put(html, "<td class=\"number\">");
    if (count > 0) {
        html_count(html, count);
    }
    html_put(html, "</td>");
}

void html_time_cell(struct html *html, uint64_t us)
{
    html_put(html, "<td class=\"number\">");
    if (us > 0) {
        html_time(html, us);
    }
    html_put(html, "</td>");
}
