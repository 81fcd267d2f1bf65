#include "cli/rows.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "shared/pack.h"
#include "shared/value.h"

#define WRITE_SIZE ((size_t)64 * 1024)

bool rows_format_by_name(const char *name, enum rows_format *format_out)
{
    static const char *const names[] = {
#define ROWS_FORMAT_NAME(name, text) text,
        ROWS_FORMAT_LIST(ROWS_FORMAT_NAME)
#undef ROWS_FORMAT_NAME
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0) {
            *format_out = (enum rows_format)i;
            return true;
        }
    }
    return false;
}

void rows_start(struct rows *rows, enum rows_format format, int file)
{
    *rows = (struct rows){.format = format, .file = file};
}

/* ---- Writing -------------------------------------------------------------------------------- */

static MUST_CHECK enum status write_out(struct rows *rows, struct error *err)
{
    size_t done = 0;
    while (done < rows->out.size && !rows->is_closed) {
        const ssize_t count = write(rows->file, rows->out.data + done, rows->out.size - done);
        if (count >= 0) {
            done += (size_t)count;
        } else if (errno == EPIPE) {
            rows->is_closed = true;
        } else if (errno != EINTR) {
            return error_set(err, STATUS_IO, "standard output: %s", strerror(errno));
        }
    }
    buffer_clear(&rows->out);
    rows->whole = 0;
    return STATUS_OK;
}

static MUST_CHECK enum status end_row(struct rows *rows, enum status status, struct error *err)
{
    rows->count++;
    if (status != STATUS_OK) {
        rows->out.size = rows->whole;
        return error_set(err, status, "row %llu of the results: %s",
                         (unsigned long long)rows->count, status_text(status));
    }
    rows->whole = rows->out.size;
    return rows->out.size < WRITE_SIZE ? STATUS_OK : write_out(rows, err);
}

static MUST_CHECK enum status put_text(struct rows *rows, const char *text)
{
    return buffer_append(&rows->out, text, strlen(text));
}

/* ---- CSV ------------------------------------------------------------------------------------ */

static MUST_CHECK enum status put_quoted(struct buffer *out, const char *text, size_t size)
{
    enum status status = buffer_append_byte(out, '"');
    for (size_t i = 0; i < size && status == STATUS_OK; i++) {
        if (text[i] == '"') {
            status = buffer_append_byte(out, '"');
        }
        if (status == STATUS_OK) {
            status = buffer_append_byte(out, (uint8_t)text[i]);
        }
    }
    return status == STATUS_OK ? buffer_append_byte(out, '"') : status;
}

/* An empty text is quoted, so that it can be told from null. */
static MUST_CHECK enum status put_cell_text(struct buffer *out, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (strchr(",\"\r\n", text[i]) != NULL) {
            return put_quoted(out, text, size);
        }
    }
    return size == 0 ? put_quoted(out, text, size) : buffer_append(out, text, size);
}

static MUST_CHECK enum status put_cell(struct buffer *out, const mf_value *value)
{
    if (mf_is_null(value)) {
        return STATUS_OK;
    }
    if (mf_kind_of(value) == MF_STR) {
        return put_cell_text(out, mf_str(value), mf_size(value));
    }
    if (mf_kind_of(value) == MF_FLOAT) {
        char text[VALUE_FLOAT_TEXT_SIZE];
        return buffer_append(out, text, (size_t)value_float_text(mf_float(value), text));
    }
    struct buffer json = {0};
    enum status status = value_to_json(value, &json);
    if (status == STATUS_OK) {
        status = put_cell_text(out, (const char *)json.data, json.size);
    }
    buffer_free(&json);
    return status;
}

/* A line of one empty cell would be a blank line, which readers skip. */
static MUST_CHECK enum status put_cells(struct rows *rows, const struct row_field *fields,
                                        size_t count)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        if (i > 0) {
            status = buffer_append_byte(&rows->out, ',');
        }
        if (status == STATUS_OK) {
            status = put_cell(&rows->out, &fields[i].value);
        }
    }
    if (status == STATUS_OK && count == 1 && mf_is_null(&fields[0].value)) {
        status = put_text(rows, "\"\"");
    }
    return status == STATUS_OK ? put_text(rows, "\n") : status;
}

enum status rows_put_names(struct rows *rows, const struct row_field *fields, size_t count,
                           struct error *err)
{
    enum status status = STATUS_OK;
    if (rows->format != ROWS_CSV) {
        return STATUS_OK;
    }
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = i > 0 ? buffer_append_byte(&rows->out, ',') : STATUS_OK;
        if (status == STATUS_OK) {
            status = put_cell_text(&rows->out, fields[i].name, strlen(fields[i].name));
        }
    }
    if (status == STATUS_OK) {
        status = put_text(rows, "\n");
    }
    return status == STATUS_OK ? STATUS_OK : error_set(err, status, "%s", status_text(status));
}

/* ---- The others ----------------------------------------------------------------------------- */

/* What stands before a row of JSON. */
static MUST_CHECK enum status begin_json(struct rows *rows)
{
    if (rows->format == ROWS_JSONL) {
        return STATUS_OK;
    }
    return put_text(rows, rows->count == 0 ? "[\n" : ",\n");
}

static MUST_CHECK enum status end_json(struct rows *rows)
{
    return rows->format == ROWS_JSONL ? put_text(rows, "\n") : STATUS_OK;
}

static MUST_CHECK enum status put_json_record(struct rows *rows, const struct row_field *fields,
                                              size_t count)
{
    enum status status = begin_json(rows);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = buffer_printf(&rows->out, "%s\"%s\":", i == 0 ? "{" : ",", fields[i].name);
        if (status == STATUS_OK) {
            status = value_to_json(&fields[i].value, &rows->out);
        }
    }
    if (status == STATUS_OK) {
        status = put_text(rows, "}");
    }
    return status == STATUS_OK ? end_json(rows) : status;
}

static MUST_CHECK enum status put_packed_record(struct rows *rows, const struct row_field *fields,
                                                size_t count)
{
    struct pack out;
    pack_start(&out, &rows->out);
    pack_map(&out, count);
    enum status status = pack_finish(&out);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        pack_start(&out, &rows->out);
        pack_text(&out, fields[i].name);
        status = pack_finish(&out);
        if (status == STATUS_OK) {
            status = value_encode(&fields[i].value, &rows->out);
        }
    }
    return status;
}

enum status rows_put_value(struct rows *rows, const mf_value *value, struct error *err)
{
    enum status status = STATUS_OK;
    assert(rows->format != ROWS_CSV && rows->format != ROWS_NPY);
    if (rows->format == ROWS_MSGPACK) {
        status = value_encode(value, &rows->out);
        return end_row(rows, status, err);
    }
    status = begin_json(rows);
    if (status == STATUS_OK) {
        status = value_to_json(value, &rows->out);
    }
    if (status == STATUS_OK) {
        status = end_json(rows);
    }
    return end_row(rows, status, err);
}

enum status rows_put_record(struct rows *rows, const struct row_field *fields, size_t count,
                            struct error *err)
{
    enum status status = STATUS_OK;
    switch (rows->format) {
    case ROWS_JSONL:
    case ROWS_JSON:
        status = put_json_record(rows, fields, count);
        break;
    case ROWS_CSV:
        status = put_cells(rows, fields, count);
        break;
    case ROWS_MSGPACK:
        status = put_packed_record(rows, fields, count);
        break;
    case ROWS_NPY:
        assert(false); /* an array has no records */
        break;
    }
    return end_row(rows, status, err);
}

enum status rows_put_bytes(struct rows *rows, const struct buffer *bytes, struct error *err)
{
    assert(rows->format == ROWS_NPY);
    return end_row(rows, buffer_append(&rows->out, bytes->data, bytes->size), err);
}

enum status rows_finish(struct rows *rows, struct error *err)
{
    enum status status = STATUS_OK;
    if (rows->format == ROWS_JSON) {
        status = put_text(rows, rows->count == 0 ? "[]\n" : "\n]\n");
    }
    status = status == STATUS_OK ? write_out(rows, err)
                                 : error_set(err, status, "%s", status_text(status));
    buffer_free(&rows->out);
    return status;
}
