#include "cli/problems.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool stands_before(struct place a, struct place b)
{
    return a.line < b.line || (a.line == b.line && a.column < b.column);
}

static char *make_text(const char *path, struct place place, const char *message)
{
    char *text = NULL;
    const int size = place.line > 0
                         ? asprintf(&text, "%s:%u:%u: %s", path, place.line, place.column, message)
                         : asprintf(&text, "%s: %s", path, message);
    return size >= 0 ? text : NULL;
}

void problems_add(struct problems *problems, struct place place, const char *format, ...)
{
    char message[1024];
    va_list args;
    if (problems->count++ >= PROBLEMS_KEPT_MAX) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    size_t at = problems->count - 1;
    for (; at > 0 && stands_before(place, problems->kept[at - 1].place); at--) {
        problems->kept[at] = problems->kept[at - 1];
    }
    problems->kept[at] =
        (struct problem){.place = place, .text = make_text(problems->path, place, message)};
}

size_t problems_kept(const struct problems *problems)
{
    return problems->count < PROBLEMS_KEPT_MAX ? problems->count : PROBLEMS_KEPT_MAX;
}

const char *problems_text(const struct problems *problems, size_t i)
{
    const char *text = problems->kept[i].text;
    return text != NULL ? text : "out of memory";
}

void problems_free(struct problems *problems)
{
    for (size_t i = 0; i < problems_kept(problems); i++) {
        free(problems->kept[i].text);
    }
    problems->count = 0;
}
