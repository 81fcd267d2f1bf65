/* Reader of lines of text: each is a string, or with --colsep a list of strings. */
#include "master/inputs_internal.h"

#include <locale.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "shared/buffer.h"

/* What separates columns. Most separators are a plain text, which is found much faster. */
struct separator {
    char *text; /* with tabs for `\t` */
    size_t size;
    bool is_plain;
    regex_t *expression; /* where it is not plain; the room for it is the caller's */
};

/* What is found at or after `from`: a match that is not empty. False: none. */
struct match {
    size_t start;
    size_t end;
};

static bool find_plain(const struct separator *separator, const struct inputs_line *line,
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
static bool find_expression(const struct separator *separator, const struct inputs_line *line,
                            size_t from, struct match *match_out)
{
    while (from < line->size) {
        regmatch_t match = {.rm_so = (regoff_t)from, .rm_eo = (regoff_t)line->size};
        if (regexec(separator->expression, line->text, 1, &match, REG_STARTEND) != 0) {
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

static bool find_separator(const struct separator *separator, const struct inputs_line *line,
                           size_t from, struct match *match_out)
{
    return separator->is_plain ? find_plain(separator, line, from, match_out)
                               : find_expression(separator, line, from, match_out);
}

/* `\t` is a tab; a backslash before anything else stays for the expression. */
static void replace_tabs(struct separator *separator)
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

static void separator_free(struct separator *separator)
{
    if (!separator->is_plain) {
        regfree(separator->expression);
    }
    free(separator->text);
}

static enum status compile(const char *text, struct separator *separator, struct error *err)
{
    const int failure = regcomp(separator->expression, separator->text, REG_EXTENDED);
    if (failure == 0) {
        return STATUS_OK;
    }
    char problem[128];
    (void)regerror(failure, separator->expression, problem, sizeof(problem));
    return error_set(err, STATUS_INVALID,
                     "--colsep \"%s\": %s, expected a POSIX extended expression", text, problem);
}

/* On failure there is nothing to free. */
static enum status separator_parse(const char *text, struct separator *separator, struct error *err)
{
    if (text[0] == '\0') {
        return error_set(err, STATUS_INVALID, "--colsep: found nothing, expected an expression");
    }
    separator->size = strlen(text);
    separator->text = strdup(text);
    if (separator->text == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "--colsep: %s", status_text(STATUS_NO_MEMORY));
    }
    replace_tabs(separator);
    separator->is_plain =
        strcmp(separator->text, "|") == 0 || strpbrk(separator->text, ".[]{}()\\*+?^$|") == NULL;
    if (separator->is_plain) {
        return STATUS_OK;
    }
    const enum status status = compile(text, separator, err);
    if (status != STATUS_OK) {
        free(separator->text);
    }
    return status;
}

/* ---- Rows ----------------------------------------------------------------------------------- */

static enum status add_column(struct inputs_reader *reader, struct buffer *columns,
                              const char *text, size_t size, struct error *err)
{
    mf_value column;
    if (!inputs_text(text, size, &column)) {
        return inputs_fail(reader, reader->bytes.line_number, STATUS_LIMIT, err,
                           "found a text of %zu bytes, expected less than 4 GiB", size);
    }
    column.mf_private_as.text = arena_copy(&reader->sink->arena, text, size);
    if (column.mf_private_as.text == NULL ||
        buffer_append(columns, &column, sizeof(column)) != STATUS_OK) {
        return inputs_fail(reader, reader->bytes.line_number, STATUS_NO_MEMORY, err, "%s",
                           status_text(STATUS_NO_MEMORY));
    }
    return STATUS_OK;
}

static enum status split_line(struct inputs_reader *reader, const struct separator *separator,
                              const struct inputs_line *line, struct buffer *columns,
                              struct error *err)
{
    size_t start = 0;
    struct match match;
    buffer_clear(columns);
    while (find_separator(separator, line, start, &match)) {
        const enum status status =
            add_column(reader, columns, line->text + start, match.start - start, err);
        if (status != STATUS_OK) {
            return status;
        }
        start = match.end;
    }
    return add_column(reader, columns, line->text + start, line->size - start, err);
}

static enum status put_columns(struct inputs_reader *reader, const struct buffer *columns,
                               struct error *err)
{
    const size_t count = columns->size / sizeof(mf_value);
    const mf_value row = {.mf_private_kind = MF_LIST,
                          .mf_private_count = (uint32_t)count,
                          .mf_private_as = {.values = (const mf_value *)(void *)columns->data}};
    if (count > UINT32_MAX) {
        return inputs_fail(reader, reader->bytes.line_number, STATUS_LIMIT, err,
                           "found %zu columns, expected less than 2^32", count);
    }
    const enum status status = inputs_sink_put(reader->sink, &row, TYPE_ORIGIN_TEXT, err);
    return status == STATUS_OK ? STATUS_OK
                               : inputs_fail_in_row(reader, reader->bytes.line_number, status, err);
}

static enum status put_line(struct inputs_reader *reader, const struct inputs_line *line,
                            struct error *err)
{
    mf_value row;
    if (!inputs_text(line->text, line->size, &row)) {
        return inputs_fail(reader, reader->bytes.line_number, STATUS_LIMIT, err,
                           "found a line of %zu bytes, expected less than 4 GiB", line->size);
    }
    const enum status status = inputs_sink_put(reader->sink, &row, TYPE_ORIGIN_TEXT, err);
    return status == STATUS_OK ? STATUS_OK
                               : inputs_fail_in_row(reader, reader->bytes.line_number, status, err);
}

/* `separator` is NULL where lines are not split. */
static enum status read_lines(struct inputs_reader *reader, const struct separator *separator,
                              struct error *err)
{
    struct buffer columns = {0};
    enum status status = STATUS_OK;
    for (;;) {
        struct inputs_line line;
        status = inputs_read_line(reader, &line, err);
        if (status != STATUS_OK || line.text == NULL) {
            break;
        }
        if (separator == NULL) {
            status = put_line(reader, &line, err);
        } else {
            status = split_line(reader, separator, &line, &columns, err);
            if (status == STATUS_OK) {
                status = put_columns(reader, &columns, err);
            }
        }
        if (status != STATUS_OK) {
            break;
        }
    }
    buffer_free(&columns);
    return status;
}

/* Expressions see characters, not bytes, whatever the locale of the process is. */
static enum status read_columns(struct inputs_reader *reader, struct error *err)
{
    const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    const locale_t before = utf8 != (locale_t)0 ? uselocale(utf8) : (locale_t)0;
    regex_t expression;
    struct separator separator = {.expression = &expression};
    enum status status = separator_parse(reader->source->column_separator, &separator, err);
    if (status == STATUS_OK) {
        status = read_lines(reader, &separator, err);
        separator_free(&separator);
    }
    if (utf8 != (locale_t)0) {
        (void)uselocale(before);
        freelocale(utf8);
    }
    return status;
}

enum status inputs_read_txt(struct inputs_reader *reader, struct error *err)
{
    return reader->source->column_separator != NULL ? read_columns(reader, err)
                                                    : read_lines(reader, NULL, err);
}
