/* Readers of JSON Lines, and of one JSON array. */
#include "master/inputs_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "shared/value.h"

/* Where an element begins in its file; both count from 1. */
struct place {
    uint64_t line;
    uint64_t column;
};

/* value_from_json() counts lines and columns from the start of the element, and says so before its
 * text. Here they become those of the file; the line goes to the front, where every error has it.
 */
static enum status fail_json(const struct inputs_reader *reader, struct place start,
                             enum status status, const struct error *problem, struct error *err)
{
    uint64_t line = 0;
    uint64_t column = 0;
    int prefix_size = 0;
    if (sscanf(problem->text, "line %" SCNu64 ", column %" SCNu64 ": %n", &line, &column,
               &prefix_size) < 2 ||
        prefix_size == 0 || line == 0) {
        return inputs_fail(reader, start.line, status, err, "%s", problem->text);
    }
    if (line == 1) {
        column += start.column - 1;
    }
    return inputs_fail(reader, start.line + line - 1, status, err, "column %" PRIu64 ": %s", column,
                       problem->text + prefix_size);
}

static enum status put_json(struct inputs_reader *reader, const char *text, size_t size,
                            struct place start, struct error *err)
{
    mf_value value;
    struct error problem = {.text = ""};
    enum status status = value_from_json(&reader->sink->arena, text, size, &value, &problem);
    if (status != STATUS_OK) {
        return fail_json(reader, start, status, &problem, err);
    }
    status = inputs_sink_put(reader->sink, &value, TYPE_ORIGIN_DATA, err);
    return status == STATUS_OK ? STATUS_OK : inputs_fail_in_row(reader, start.line, status, err);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_all_blank(const char *text, size_t size)
{
    size_t i = 0;
    while (i < size && is_blank(text[i])) {
        i++;
    }
    return i == size;
}

enum status inputs_read_jsonl(struct inputs_reader *reader, struct error *err)
{
    for (;;) {
        struct inputs_line line;
        enum status status = inputs_read_line(reader, &line, err);
        if (status != STATUS_OK || line.text == NULL) {
            return status;
        }
        if (!is_all_blank(line.text, line.size)) {
            const struct place start = {.line = reader->bytes.line_number, .column = 1};
            status = put_json(reader, line.text, line.size, start, err);
            if (status != STATUS_OK) {
                return status;
            }
        }
    }
}

/* ---- One array ------------------------------------------------------------------------------ */

/* The array is taken apart here, and each element given to the JSON reader by itself, so that
 * memory holds one element and not the array. Only the ends of elements have to be found for that:
 * whatever else is wrong with one, the JSON reader says. */
struct array_reader {
    struct inputs_reader *reader;
    struct place place; /* of the window's begin */
};

static void pass(struct array_reader *array, size_t size)
{
    struct inputs_bytes *bytes = &array->reader->bytes;
    const char *at = bytes->data + bytes->begin;
    const char *end = at + size;
    const char *lf = NULL;
    while (at < end && (lf = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        array->place.line++;
        array->place.column = 1;
        at = lf + 1;
    }
    array->place.column += (uint64_t)(end - at);
    bytes->begin += size;
}

#define END_OF_FILE (-1)

/* Pass over blanks, up to the next character, or END_OF_FILE. */
static enum status next_character(struct array_reader *array, int *next_out, struct error *err)
{
    struct inputs_bytes *bytes = &array->reader->bytes;
    for (;;) {
        size_t blanks = 0;
        while (bytes->begin + blanks < bytes->end && is_blank(bytes->data[bytes->begin + blanks])) {
            blanks++;
        }
        pass(array, blanks);
        if (bytes->begin < bytes->end) {
            *next_out = (unsigned char)bytes->data[bytes->begin];
            return STATUS_OK;
        }
        if (bytes->is_ended) {
            *next_out = END_OF_FILE;
            return STATUS_OK;
        }
        const enum status status = inputs_bytes_fill(bytes, err);
        if (status != STATUS_OK) {
            return status;
        }
    }
}

/* How far an element goes: the state of a scan that stops where the window ends, and goes on. */
struct element_scan {
    size_t size; /* bytes seen so far */
    uint64_t depth;
    bool is_in_string;
    bool is_escaped;
};

/* True when the next byte is the comma or bracket behind the element. */
static bool scan_on(struct element_scan *scan, const char *text, size_t size)
{
    for (; scan->size < size; scan->size++) {
        const char c = text[scan->size];
        if (scan->is_escaped) {
            scan->is_escaped = false;
        } else if (scan->is_in_string) {
            scan->is_escaped = c == '\\';
            scan->is_in_string = c != '"';
        } else if (c == '"') {
            scan->is_in_string = true;
        } else if (c == '[' || c == '{') {
            scan->depth++;
        } else if (scan->depth == 0 && (c == ',' || c == ']')) {
            return true;
        } else if ((c == ']' || c == '}') && scan->depth > 0) {
            scan->depth--;
        }
    }
    return false;
}

static enum status fail_array(const struct array_reader *array, const char *found,
                              const char *expected, struct error *err)
{
    return inputs_fail(array->reader, array->place.line, STATUS_INVALID, err,
                       "column %" PRIu64 ": found %s, expected %s", array->place.column, found,
                       expected);
}

/* How a character is called in an error. */
static const char *character_name(int c, char name[8])
{
    if (c == END_OF_FILE) {
        return "the end of the file";
    }
    if (c == '\0') {
        return "a NUL";
    }
    if (c < 0x20 || c > 0x7e) {
        return "a character that JSON has in strings only";
    }
    (void)snprintf(name, 8, "'%c'", c);
    return name;
}

static enum status find_element(struct array_reader *array, size_t *size_out, struct error *err)
{
    struct inputs_bytes *bytes = &array->reader->bytes;
    struct element_scan scan = {0};
    while (!scan_on(&scan, bytes->data + bytes->begin, bytes->end - bytes->begin)) {
        if (bytes->is_ended) {
            return fail_array(array, scan.size == 0 ? "the end of the file" : "no end of the value",
                              scan.size == 0 ? "a value" : "',' or ']' behind it", err);
        }
        const enum status status = inputs_bytes_fill(bytes, err);
        if (status != STATUS_OK) {
            return status;
        }
    }
    *size_out = scan.size;
    return STATUS_OK;
}

static enum status read_element(struct array_reader *array, struct error *err)
{
    size_t size = 0;
    enum status status = find_element(array, &size, err);
    if (status != STATUS_OK) {
        return status;
    }
    const struct inputs_bytes *bytes = &array->reader->bytes;
    if (size == 0) {
        char name[8];
        return fail_array(array, character_name(bytes->data[bytes->begin], name), "a value", err);
    }
    const char *text = bytes->data + bytes->begin;
    status = put_json(array->reader, text, size, array->place, err);
    if (status == STATUS_OK) {
        pass(array, size);
    }
    return status;
}

/* Elements up to the closing bracket, which is not passed over; the opening one was. */
static enum status read_elements(struct array_reader *array, struct error *err)
{
    int next = END_OF_FILE;
    enum status status = next_character(array, &next, err);
    if (status != STATUS_OK || next == ']') {
        return status;
    }
    for (;;) {
        status = read_element(array, err);
        if (status == STATUS_OK) {
            status = next_character(array, &next, err);
        }
        if (status != STATUS_OK || next == ']') {
            return status;
        }
        pass(array, 1); /* the comma */
        status = next_character(array, &next, err);
        if (status != STATUS_OK) {
            return status;
        }
    }
}

enum status inputs_read_json(struct inputs_reader *reader, struct error *err)
{
    struct array_reader array = {.reader = reader, .place = {.line = 1, .column = 1}};
    int next = END_OF_FILE;
    char name[8];
    reader->is_in_header = true;
    enum status status = next_character(&array, &next, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (next != '[') {
        return fail_array(&array, character_name(next, name),
                          "'[': a .json file is one array (one value a line is .jsonl)", err);
    }
    pass(&array, 1);
    reader->is_in_header = false;
    status = read_elements(&array, err);
    if (status != STATUS_OK) {
        return status;
    }
    pass(&array, 1);
    reader->is_in_header = true;
    status = next_character(&array, &next, err);
    if (status == STATUS_OK && next != END_OF_FILE) {
        status = fail_array(&array, character_name(next, name), "nothing behind the array", err);
    }
    return status;
}
