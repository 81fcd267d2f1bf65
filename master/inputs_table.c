/* Readers of CSV (RFC 4180) and TSV (a tab always separates, nothing quotes): rows are records
 * named by the header, or lists without one. */
#include "master/inputs_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "shared/buffer.h"

/* One row, taken apart. A quoted field may hold line ends, so that a row can take several lines. */
struct row {
    uint64_t line;       /* of its first line */
    struct buffer text;  /* the fields one after the other, each with a NUL behind it */
    struct buffer ends;  /* size_t: where in `text` the NUL of each field is */
    bool is_in_quotes;   /* the last field goes on in the next line */
    uint64_t quote_line; /* of the last quote that opened */
};

struct table {
    struct inputs_reader *reader;
    enum status (*split)(struct inputs_reader *reader, const struct inputs_line *line,
                         struct row *row, struct error *err);
    struct row row;
    struct row header;     /* kept for the names */
    struct buffer values;  /* mf_value: the present row; its keys, where it has any, stay */
    size_t column_count;   /* of the header, or of the first row */
    uint64_t counted_line; /* which of them */
};

static size_t field_count(const struct row *row)
{
    return row->ends.size / sizeof(size_t);
}

static size_t field_end(const struct row *row, size_t i)
{
    return ((const size_t *)(const void *)row->ends.data)[i];
}

static size_t field_start(const struct row *row, size_t i)
{
    return i == 0 ? 0 : field_end(row, i - 1) + 1;
}

static const char *field_text(const struct row *row, size_t i)
{
    return (const char *)row->text.data + field_start(row, i);
}

static size_t field_size(const struct row *row, size_t i)
{
    return field_end(row, i) - field_start(row, i);
}

static void row_free(struct row *row)
{
    buffer_free(&row->text);
    buffer_free(&row->ends);
}

static enum status fail_memory(const struct inputs_reader *reader, struct error *err)
{
    return inputs_fail(reader, reader->bytes.line_number, STATUS_NO_MEMORY, err, "%s",
                       status_text(STATUS_NO_MEMORY));
}

static enum status row_add_text(struct inputs_reader *reader, struct row *row, const char *text,
                                size_t size, struct error *err)
{
    return buffer_append(&row->text, text, size) == STATUS_OK ? STATUS_OK
                                                              : fail_memory(reader, err);
}

static enum status row_end_field(struct inputs_reader *reader, struct row *row, struct error *err)
{
    const size_t end = row->text.size;
    if (buffer_append_byte(&row->text, '\0') != STATUS_OK ||
        buffer_append(&row->ends, &end, sizeof(end)) != STATUS_OK) {
        return fail_memory(reader, err);
    }
    return STATUS_OK;
}

/* ---- TSV ------------------------------------------------------------------------------------ */

static enum status split_tsv(struct inputs_reader *reader, const struct inputs_line *line,
                             struct row *row, struct error *err)
{
    const char *at = line->text;
    const char *end = line->text + line->size;
    for (;;) {
        const char *tab = memchr(at, '\t', (size_t)(end - at));
        const char *field_end_at = tab != NULL ? tab : end;
        enum status status = row_add_text(reader, row, at, (size_t)(field_end_at - at), err);
        if (status == STATUS_OK) {
            status = row_end_field(reader, row, err);
        }
        if (status != STATUS_OK || tab == NULL) {
            return status;
        }
        at = tab + 1;
    }
}

/* ---- CSV ------------------------------------------------------------------------------------ */

/* Where in a line the splitting stands. */
struct csv_cursor {
    const char *at;
    const char *end;
};

static enum status fail_csv(const struct inputs_reader *reader, const struct row *row,
                            struct error *err, const char *found, const char *expected)
{
    return inputs_fail(reader, reader->bytes.line_number, STATUS_INVALID, err,
                       "column %zu: found %s, expected %s", field_count(row) + 1, found, expected);
}

/* The rest of a quoted field, as far as this line has it. */
static enum status split_quoted(struct inputs_reader *reader, struct row *row,
                                const struct inputs_line *line, struct csv_cursor *cursor,
                                struct error *err)
{
    while (row->is_in_quotes) {
        const char *quote = memchr(cursor->at, '"', (size_t)(cursor->end - cursor->at));
        const char *stop = quote != NULL ? quote : cursor->end;
        const bool is_doubled = quote != NULL && quote + 1 < cursor->end && quote[1] == '"';
        const size_t size = (size_t)(stop - cursor->at) + (is_doubled ? 1 : 0);
        enum status status = row_add_text(reader, row, cursor->at, size, err);
        if (status != STATUS_OK) {
            return status;
        }
        if (quote == NULL) {
            cursor->at = cursor->end;
            return row_add_text(reader, row, line->ending, strlen(line->ending), err);
        }
        cursor->at = quote + (is_doubled ? 2 : 1);
        row->is_in_quotes = is_doubled;
    }
    if (cursor->at < cursor->end && *cursor->at != ',') {
        return fail_csv(reader, row, err, "text behind the quote that ends the field",
                        "a comma or the end of the line (a quote in a field is written twice)");
    }
    return STATUS_OK;
}

static enum status split_unquoted(struct inputs_reader *reader, struct row *row,
                                  struct csv_cursor *cursor, struct error *err)
{
    const char *comma = memchr(cursor->at, ',', (size_t)(cursor->end - cursor->at));
    const char *stop = comma != NULL ? comma : cursor->end;
    const size_t size = (size_t)(stop - cursor->at);
    if (memchr(cursor->at, '"', size) != NULL) {
        return fail_csv(reader, row, err, "a quote within a field that does not begin with one",
                        "the field in quotes, and each quote in it twice");
    }
    if (memchr(cursor->at, '\r', size) != NULL) {
        return fail_csv(reader, row, err, "a CR without an LF", "lines that end in LF or CR LF");
    }
    const enum status status = row_add_text(reader, row, cursor->at, size, err);
    cursor->at = stop;
    return status;
}

static enum status split_csv(struct inputs_reader *reader, const struct inputs_line *line,
                             struct row *row, struct error *err)
{
    struct csv_cursor cursor = {.at = line->text, .end = line->text + line->size};
    for (;;) {
        enum status status = STATUS_OK;
        if (!row->is_in_quotes && cursor.at < cursor.end && *cursor.at == '"') {
            row->is_in_quotes = true;
            row->quote_line = reader->bytes.line_number;
            cursor.at++;
            status = split_quoted(reader, row, line, &cursor, err);
        } else if (row->is_in_quotes) {
            status = split_quoted(reader, row, line, &cursor, err);
        } else {
            status = split_unquoted(reader, row, &cursor, err);
        }
        if (status != STATUS_OK || row->is_in_quotes) {
            return status;
        }
        status = row_end_field(reader, row, err);
        if (status != STATUS_OK || cursor.at == cursor.end) {
            return status;
        }
        cursor.at++; /* the comma; behind it is a field, though it may be empty */
    }
}

/* ---- Rows ----------------------------------------------------------------------------------- */

/* The next row that is not a blank line; without fields at the end of the file. */
static enum status next_row(struct table *table, struct error *err)
{
    struct row *row = &table->row;
    buffer_clear(&row->text);
    buffer_clear(&row->ends);
    for (;;) {
        struct inputs_line line;
        enum status status = inputs_read_line(table->reader, &line, err);
        if (status != STATUS_OK) {
            return status;
        }
        if (line.text == NULL && row->is_in_quotes) {
            return inputs_fail(table->reader, row->quote_line, STATUS_INVALID, err,
                               "found a quote that no second one ends, expected one");
        }
        if (line.text == NULL) {
            return STATUS_OK;
        }
        if (!row->is_in_quotes) {
            if (line.size == 0) {
                continue;
            }
            row->line = table->reader->bytes.line_number;
        }
        status = table->split(table->reader, &line, row, err);
        if (status != STATUS_OK || !row->is_in_quotes) {
            return status;
        }
    }
}

/* What a spreadsheet of many countries writes. */
static const char *separator_hint(const struct table *table)
{
    const struct row *first = field_count(&table->header) > 0 ? &table->header : &table->row;
    const bool is_likely = table->split == split_csv && field_count(first) == 1 &&
                           memchr(field_text(first, 0), ';', field_size(first, 0)) != NULL;
    return is_likely ? " (the first line is one field, which holds \";\": fields are separated by "
                       "commas)"
                     : "";
}

static enum status check_columns(struct table *table, struct error *err)
{
    const size_t count = field_count(&table->row);
    if (table->column_count == 0) {
        table->column_count = count;
        table->counted_line = table->row.line;
    }
    if (count != table->column_count) {
        return inputs_fail(table->reader, table->row.line, STATUS_INVALID, err,
                           "found %zu column%s, expected %zu as in line %" PRIu64 "%s", count,
                           count == 1 ? "" : "s", table->column_count, table->counted_line,
                           separator_hint(table));
    }
    return STATUS_OK;
}

static enum status make_value(struct table *table, const struct row *row, size_t i,
                              mf_value *value_out, struct error *err)
{
    if (!inputs_text(field_text(row, i), field_size(row, i), value_out)) {
        return inputs_fail(table->reader, row->line, STATUS_LIMIT, err,
                           "column %zu: found a field of %zu bytes, expected less than 4 GiB",
                           i + 1, field_size(row, i));
    }
    return STATUS_OK;
}

/* Rows are the most common place for a task that wants something else than what a file has. */
static enum status explain_row(const struct table *table, bool is_record, enum status status,
                               struct error *err)
{
    const enum type_kind kind = type_kind(table->reader->sink->type);
    const bool is_scalar = kind < TYPE_ANY;
    const char *hint = separator_hint(table);
    if (*hint != '\0' && err != NULL) {
        (void)error_set(err, status, "%s%s", err->text, hint);
    } else if (is_scalar && err != NULL) {
        (void)error_set(err, status, "%s (a row is a %s, even of one column)", err->text,
                        is_record ? "record" : "list");
    }
    return inputs_fail_in_row(table->reader, table->row.line, status, err);
}

/* `stride` is 2 where keys stand between the values. */
static enum status put_row(struct table *table, size_t stride, struct error *err)
{
    mf_value *values = (mf_value *)(void *)table->values.data;
    for (size_t i = 0; i < table->column_count; i++) {
        const enum status status =
            make_value(table, &table->row, i, &values[stride * i + stride - 1], err);
        if (status != STATUS_OK) {
            return status;
        }
    }
    const mf_value row = {.mf_private_kind = stride == 2 ? MF_MAP : MF_LIST,
                          .mf_private_count = (uint32_t)table->column_count,
                          .mf_private_as = {.values = values}};
    const enum status status = inputs_sink_put(table->reader->sink, &row, TYPE_ORIGIN_TEXT, err);
    return status == STATUS_OK ? STATUS_OK : explain_row(table, stride == 2, status, err);
}

static enum status make_values(struct table *table, size_t stride, struct error *err)
{
    const size_t size = stride * table->column_count * sizeof(mf_value);
    if (table->column_count > UINT32_MAX || buffer_reserve(&table->values, size) != STATUS_OK) {
        return fail_memory(table->reader, err);
    }
    return STATUS_OK;
}

static enum status read_lists(struct table *table, struct error *err)
{
    for (;;) {
        enum status status = next_row(table, err);
        if (status != STATUS_OK || field_count(&table->row) == 0) {
            return status;
        }
        status = check_columns(table, err);
        if (status == STATUS_OK) {
            status = make_values(table, 1, err);
        }
        if (status == STATUS_OK) {
            status = put_row(table, 1, err);
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
}

/* ---- The header ----------------------------------------------------------------------------- */

struct name {
    const char *text;
    size_t column; /* from 1 */
};

static int compare_names(const void *a, const void *b)
{
    const struct name *left = a;
    const struct name *right = b;
    const int order = strcmp(left->text, right->text);
    return order != 0 ? order : (left->column > right->column) - (left->column < right->column);
}

static enum status check_doubled(struct table *table, struct name *names, struct error *err)
{
    qsort(names, table->column_count, sizeof(*names), compare_names);
    for (size_t i = 1; i < table->column_count; i++) {
        if (strcmp(names[i - 1].text, names[i].text) == 0) {
            return inputs_fail(table->reader, table->header.line, STATUS_INVALID, err,
                               "columns %zu and %zu: found the name \"%.64s\" twice, expected "
                               "different names",
                               names[i - 1].column, names[i].column, names[i].text);
        }
    }
    return STATUS_OK;
}

/* Every column has a name of its own. */
static enum status check_names(struct table *table, struct error *err)
{
    struct name *names = malloc(table->column_count * sizeof(*names));
    if (names == NULL) {
        return fail_memory(table->reader, err);
    }
    enum status status = STATUS_OK;
    for (size_t i = 0; i < table->column_count && status == STATUS_OK; i++) {
        names[i] = (struct name){.text = field_text(&table->header, i), .column = i + 1};
        if (field_size(&table->header, i) == 0) {
            status = inputs_fail(table->reader, table->header.line, STATUS_INVALID, err,
                                 "column %zu: found no name, expected one", i + 1);
        }
    }
    if (status == STATUS_OK) {
        status = check_doubled(table, names, err);
    }
    free(names);
    return status;
}

static enum status make_keys(struct table *table, struct error *err)
{
    enum status status = make_values(table, 2, err);
    mf_value *values = (mf_value *)(void *)table->values.data;
    for (size_t i = 0; i < table->column_count && status == STATUS_OK; i++) {
        status = make_value(table, &table->header, i, &values[2 * i], err);
    }
    return status;
}

/* column_count stays 0 where the file has no row at all, and so no header. */
static enum status read_header(struct table *table, struct error *err)
{
    table->reader->is_in_header = true;
    enum status status = next_row(table, err);
    if (status == STATUS_OK && field_count(&table->row) > 0) {
        status = check_columns(table, err);
        table->header = table->row;
        table->row = (struct row){0};
        if (status == STATUS_OK) {
            status = check_names(table, err);
        }
        if (status == STATUS_OK) {
            status = make_keys(table, err);
        }
    }
    table->reader->is_in_header = false;
    return status;
}

static enum status read_records(struct table *table, struct error *err)
{
    enum status status = read_header(table, err);
    if (status != STATUS_OK || table->column_count == 0) {
        return status;
    }
    for (;;) {
        status = next_row(table, err);
        if (status != STATUS_OK || field_count(&table->row) == 0) {
            return status;
        }
        status = check_columns(table, err);
        if (status == STATUS_OK) {
            status = put_row(table, 2, err);
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
}

static enum status read_table(struct table *table, struct error *err)
{
    const enum status status =
        table->reader->source->no_header ? read_lists(table, err) : read_records(table, err);
    row_free(&table->row);
    row_free(&table->header);
    buffer_free(&table->values);
    return status;
}

enum status inputs_read_csv(struct inputs_reader *reader, struct error *err)
{
    struct table table = {.reader = reader, .split = split_csv};
    return read_table(&table, err);
}

enum status inputs_read_tsv(struct inputs_reader *reader, struct error *err)
{
    struct table table = {.reader = reader, .split = split_tsv};
    return read_table(&table, err);
}
