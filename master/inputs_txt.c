/* Reader of lines of text: each is a string, or with --colsep a list of strings. */
#include "master/inputs_internal.h"

#include <stdlib.h>
#include <string.h>

#include "master/inputs_columns.h"
#include "shared/buffer.h"

/* ---- Rows ----------------------------------------------------------------------------------- */

static enum status add_column(struct inputs_reader *reader, struct buffer *columns,
                              const char *text, size_t size, struct error *err)
{
    mf_value column;
    if (!inputs_text_or_bytes(reader->source, text, size, &column)) {
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

static enum status split_line(struct inputs_reader *reader, const struct inputs_columns *separator,
                              const struct inputs_line *line, struct buffer *columns,
                              struct error *err)
{
    struct inputs_split split = {.text = line->text, .size = line->size};
    const char *text;
    size_t size;
    enum status status = STATUS_OK;
    buffer_clear(columns);
    while (status == STATUS_OK && inputs_columns_next(separator, &split, &text, &size)) {
        status = add_column(reader, columns, text, size, err);
    }
    return status;
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
    if (!inputs_text_or_bytes(reader->source, line->text, line->size, &row)) {
        return inputs_fail(reader, reader->bytes.line_number, STATUS_LIMIT, err,
                           "found a line of %zu bytes, expected less than 4 GiB", line->size);
    }
    const enum status status = inputs_sink_put(reader->sink, &row, TYPE_ORIGIN_TEXT, err);
    return status == STATUS_OK ? STATUS_OK
                               : inputs_fail_in_row(reader, reader->bytes.line_number, status, err);
}

/* Of lines that are commands, those that a shell would do nothing for. */
static bool is_passed_over(const struct inputs_reader *reader, const struct inputs_line *line)
{
    const size_t blank_size = strspn(line->text, " \t");
    return reader->source->skips_comments && (blank_size == line->size || line->text[0] == '#');
}

/* `separator` is NULL where lines are not split. */
static enum status read_lines(struct inputs_reader *reader, const struct inputs_columns *separator,
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
        if (is_passed_over(reader, &line)) {
            continue;
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

enum status inputs_read_txt(struct inputs_reader *reader, struct error *err)
{
    struct inputs_columns *separator = NULL;
    enum status status = STATUS_OK;
    if (reader->source->column_separator != NULL) {
        status = inputs_columns_create(reader->source->column_separator, &separator, err);
    }
    if (status == STATUS_OK) {
        status = read_lines(reader, separator, err);
    }
    inputs_columns_destroy(separator);
    return status;
}
