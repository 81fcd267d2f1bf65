#include "master/inputs_columns.h"

#include <locale.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

/* Most separators are a plain text, which is found much faster. */
struct inputs_columns {
    char *text; /* with tabs for `\t` */
    size_t size;
    bool is_plain;
    regex_t expression; /* where it is not plain */
    locale_t locale;    /* of characters in UTF-8; 0 where there is none */
};

/* What is found at or after `from`: a match that is not empty. False: none. */
struct match {
    size_t start;
    size_t end;
};

static bool find_plain(const struct inputs_columns *separator, const struct inputs_split *line,
                       size_t from, struct match *match_out)
{
    const char *at = memmem(line->text + from, line->size - from, separator->text, separator->size);
    if (at == NULL) {
        return false;
    }
    match_out->start = (size_t)(at - line->text);
    match_out->end = match_out->start + separator->size;
    return true;
}

/* The whole line is given each time (REG_STARTEND), so that `^` means its start and nothing else.
 */
static bool find_expression(const struct inputs_columns *separator, const struct inputs_split *line,
                            size_t from, struct match *match_out)
{
    while (from < line->size) {
        regmatch_t match = {.rm_so = (regoff_t)from, .rm_eo = (regoff_t)line->size};
        if (regexec(&separator->expression, line->text, 1, &match, REG_STARTEND) != 0) {
            return false;
        }
        if (match.rm_eo > match.rm_so) {
            *match_out = (struct match){(size_t)match.rm_so, (size_t)match.rm_eo};
            return true;
        }
        from = (size_t)match.rm_so + 1; /* a match of nothing does not split */
        while (from < line->size && ((unsigned char)line->text[from] & 0xc0) == 0x80) {
            from++; /* to the start of a character */
        }
    }
    return false;
}

/* Other code of this thread may be in another locale. */
static locale_t enter(const struct inputs_columns *separator)
{
    return separator->locale != (locale_t)0 ? uselocale(separator->locale) : (locale_t)0;
}

static void leave(locale_t before)
{
    if (before != (locale_t)0) {
        (void)uselocale(before);
    }
}

static bool find_separator(const struct inputs_columns *separator, const struct inputs_split *line,
                           size_t from, struct match *match_out)
{
    if (separator->is_plain) {
        return find_plain(separator, line, from, match_out);
    }
    const locale_t before = enter(separator);
    const bool is_found = find_expression(separator, line, from, match_out);
    leave(before);
    return is_found;
}

/* `\t` is a tab; a backslash before anything else stays for the expression. */
static void replace_tabs(struct inputs_columns *separator)
{
    size_t size = 0;
    for (size_t i = 0; i < separator->size; i++) {
        const char c = separator->text[i];
        if (c == '\\' && separator->text[i + 1] == 't') {
            separator->text[size++] = '\t';
            i++;
        } else {
            separator->text[size++] = c;
            if (c == '\\' && separator->text[i + 1] != '\0') {
                separator->text[size++] = separator->text[++i];
            }
        }
    }
    separator->text[size] = '\0';
    separator->size = size;
}

static enum status compile(const char *text, struct inputs_columns *separator, struct error *err)
{
    const int failure = regcomp(&separator->expression, separator->text, REG_EXTENDED);
    if (failure == 0) {
        return STATUS_OK;
    }
    char problem[128];
    (void)regerror(failure, &separator->expression, problem, sizeof(problem));
    return error_set(err, STATUS_INVALID,
                     "--colsep \"%s\": %s, expected a POSIX extended expression", text, problem);
}

enum status inputs_columns_create(const char *text, struct inputs_columns **columns_out,
                                  struct error *err)
{
    if (text[0] == '\0') {
        return error_set(err, STATUS_INVALID, "--colsep: found nothing, expected an expression");
    }
    struct inputs_columns *columns = calloc(1, sizeof(*columns));
    if (columns == NULL || (columns->text = strdup(text)) == NULL) {
        free(columns);
        return error_set(err, STATUS_NO_MEMORY, "--colsep: %s", status_text(STATUS_NO_MEMORY));
    }
    columns->size = strlen(text);
    replace_tabs(columns);
    columns->is_plain =
        strcmp(columns->text, "|") == 0 || strpbrk(columns->text, ".[]{}()\\*+?^$|") == NULL;
    if (!columns->is_plain) {
        columns->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
        const locale_t before = enter(columns);
        const enum status status = compile(text, columns, err);
        leave(before);
        if (status != STATUS_OK) {
            columns->is_plain = true; /* there is no expression to free */
            inputs_columns_destroy(columns);
            return status;
        }
    }
    *columns_out = columns;
    return STATUS_OK;
}

void inputs_columns_destroy(struct inputs_columns *columns)
{
    if (columns == NULL) {
        return;
    }
    if (!columns->is_plain) {
        regfree(&columns->expression);
    }
    if (columns->locale != (locale_t)0) {
        freelocale(columns->locale);
    }
    free(columns->text);
    free(columns);
}

bool inputs_columns_next(const struct inputs_columns *columns, struct inputs_split *split,
                         const char **text_out, size_t *size_out)
{
    struct match match;
    const size_t start = split->next;
    if (split->is_over) {
        return false;
    }
    split->is_over = !find_separator(columns, split, start, &match);
    *text_out = split->text + start;
    *size_out = (split->is_over ? split->size : match.start) - start;
    split->next = split->is_over ? split->size : match.end;
    return true;
}
