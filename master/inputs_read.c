/* Files of inputs: which reader reads them, and what all readers share. */
#include "master/inputs_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "shared/value.h"

/* ---- What readers share --------------------------------------------------------------------- */

enum status inputs_fail_in_row(const struct inputs_reader *reader, uint64_t line,
                               enum status status, struct error *err)
{
    error_prefix(err, "%s:%" PRIu64 ": ", reader->bytes.name, line);
    return status;
}

enum status inputs_fail(const struct inputs_reader *reader, uint64_t line, enum status status,
                        struct error *err, const char *format, ...)
{
    struct error said;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(said.text, sizeof(said.text), format, args);
    va_end(args);
    (void)error_set(err, status, "%s", said.text);
    if (!reader->is_in_header) {
        error_prefix(err, "index %" PRIu64 ": ", reader->sink->count);
    }
    return inputs_fail_in_row(reader, line, status, err);
}

enum status inputs_read_line(struct inputs_reader *reader, struct inputs_line *line_out,
                             struct error *err)
{
    struct inputs_line line;
    const enum status status = inputs_bytes_line(&reader->bytes, &line, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (line.text != NULL && memchr(line.text, '\0', line.size) != NULL) {
        return inputs_fail(reader, reader->bytes.line_number, STATUS_INVALID, err,
                           "found a NUL, expected text");
    }
    if (line.text != NULL && !reader->source->takes_bytes && !value_is_utf8(line.text, line.size)) {
        return inputs_fail(reader, reader->bytes.line_number, STATUS_INVALID, err,
                           "found bytes that are not UTF-8, expected text");
    }
    *line_out = line;
    return STATUS_OK;
}

bool inputs_text(const char *text, size_t size, mf_value *value_out)
{
    if (size > UINT32_MAX) {
        return false;
    }
    *value_out = value_text(MF_STR, text, (uint32_t)size);
    return true;
}

bool inputs_text_or_bytes(const struct inputs_source *source, const char *text, size_t size,
                          mf_value *value_out)
{
    if (!inputs_text(text, size, value_out)) {
        return false;
    }
    if (source->takes_bytes && !value_is_utf8(text, size)) {
        value_out->mf_private_kind = MF_BYTES;
    }
    return true;
}

/* ---- Formats -------------------------------------------------------------------------------- */

#define KNOWN_ENDINGS ".jsonl, .json, .csv, .tsv, .txt and .msgpack, each also with .lz4"

static const struct {
    const char *name; /* of the format; with a point before it, the ending of its files */
    enum status (*read)(struct inputs_reader *reader, struct error *err);
    bool is_text;
} formats[] = {
    [INPUTS_FORMAT_BY_NAME] = {0},
    [INPUTS_FORMAT_JSONL] = {"jsonl", inputs_read_jsonl, true},
    [INPUTS_FORMAT_JSON] = {"json", inputs_read_json, true},
    [INPUTS_FORMAT_CSV] = {"csv", inputs_read_csv, true},
    [INPUTS_FORMAT_TSV] = {"tsv", inputs_read_tsv, true},
    [INPUTS_FORMAT_TXT] = {"txt", inputs_read_txt, true},
    [INPUTS_FORMAT_MSGPACK] = {"msgpack", inputs_read_msgpack, false},
};

/* Endings that people try, and the way round. */
static const struct {
    const char *ending;
    const char *advice;
} foreign_endings[] = {
    {"ndjson", "--input-format jsonl reads it"},
    {"gz", "`zcat FILE | mapfleet ... --inputs - --input-format NAME` reads it"},
    {"xz", "`xzcat FILE | mapfleet ... --inputs - --input-format NAME` reads it"},
    {"zst", "`zstdcat FILE | mapfleet ... --inputs - --input-format NAME` reads it"},
    {"bz2", "`bzcat FILE | mapfleet ... --inputs - --input-format NAME` reads it"},
    {"xlsx", "save it as .csv"},
    {"parquet", "save it as .csv or .jsonl"},
    {"npy", "save it as .csv or .jsonl"},
};

bool inputs_format_by_name(const char *name, enum inputs_format *format_out)
{
    for (size_t i = INPUTS_FORMAT_JSONL; i <= INPUTS_FORMAT_MSGPACK; i++) {
        if (strcmp(formats[i].name, name) == 0) {
            *format_out = (enum inputs_format)i;
            return true;
        }
    }
    return false;
}

static bool has_lz4_ending(const char *path)
{
    const size_t size = strlen(path);
    return size > 4 && strcasecmp(path + size - 4, ".lz4") == 0;
}

/* The ending of a file's name without its point, and without `.lz4` behind it; "" without one. */
static void find_ending(const char *path, char *ending_out, size_t ending_size)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    const size_t size = strlen(name) - (has_lz4_ending(name) ? 4 : 0);
    const char *point = memrchr(name, '.', size);
    ending_out[0] = '\0';
    if (point != NULL) {
        const size_t length = size - (size_t)(point + 1 - name);
        (void)snprintf(ending_out, ending_size, "%.*s", (int)length, point + 1);
    }
}

static bool is_foreign(const char *ending)
{
    for (size_t i = 0; i < sizeof(foreign_endings) / sizeof(foreign_endings[0]); i++) {
        if (strcasecmp(foreign_endings[i].ending, ending) == 0) {
            return true;
        }
    }
    return false;
}

static enum status fail_ending(const char *path, const char *ending, struct error *err)
{
    for (size_t i = 0; i < sizeof(foreign_endings) / sizeof(foreign_endings[0]); i++) {
        if (strcasecmp(foreign_endings[i].ending, ending) == 0) {
            return error_set(err, STATUS_INVALID, "%s: files that end in .%s are not read; %s",
                             path, ending, foreign_endings[i].advice);
        }
    }
    return error_set(err, STATUS_INVALID,
                     "%s: its ending says nothing of its form; known are " KNOWN_ENDINGS
                     "; --input-format names the form of others",
                     path);
}

static enum status find_format(const struct inputs_source *source, enum inputs_format *format_out,
                               struct error *err)
{
    if (source->format != INPUTS_FORMAT_BY_NAME) {
        *format_out = source->format;
        return STATUS_OK;
    }
    if (strcmp(source->path, "-") == 0) {
        *format_out = source->is_text_default ? INPUTS_FORMAT_TXT : INPUTS_FORMAT_JSONL;
        return STATUS_OK;
    }
    char ending[32];
    find_ending(source->path, ending, sizeof(ending));
    for (size_t i = INPUTS_FORMAT_JSONL; i <= INPUTS_FORMAT_MSGPACK; i++) {
        if (strcasecmp(formats[i].name, ending) == 0) {
            *format_out = (enum inputs_format)i;
            return STATUS_OK;
        }
    }
    if (source->is_text_default && !is_foreign(ending)) {
        *format_out = INPUTS_FORMAT_TXT;
        return STATUS_OK;
    }
    return fail_ending(source->path, ending, err);
}

static enum status check_form(const struct inputs_source *source, enum inputs_format format,
                              struct error *err)
{
    const bool is_table = format == INPUTS_FORMAT_CSV || format == INPUTS_FORMAT_TSV;
    if (source->no_header && !is_table) {
        return error_set(err, STATUS_INVALID,
                         "--no-header is for csv and tsv, and %s is read as %s", source->path,
                         formats[format].name);
    }
    if (source->column_separator != NULL && format != INPUTS_FORMAT_TXT) {
        return error_set(err, STATUS_INVALID,
                         "--colsep is for lines of text (--input-format txt), and %s is read as %s",
                         source->path, formats[format].name);
    }
    return STATUS_OK;
}

enum status inputs_read_file(const struct inputs_source *source, struct inputs_sink *sink,
                             struct error *err)
{
    enum inputs_format format = INPUTS_FORMAT_BY_NAME;
    enum status status = find_format(source, &format, err);
    if (status == STATUS_OK) {
        status = check_form(source, format, err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct inputs_reader reader = {.source = source, .sink = sink};
    status = inputs_bytes_open(source->path, source->launch_dir, has_lz4_ending(source->path),
                               &reader.bytes, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (formats[format].is_text) {
        status = inputs_bytes_drop_mark(&reader.bytes, err);
    }
    if (status == STATUS_OK) {
        status = formats[format].read(&reader, err);
    }
    inputs_bytes_close(&reader.bytes);
    return status;
}
