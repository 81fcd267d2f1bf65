#include "jobs/command/metric_line.h"

#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NUMBER_SIZE_MAX 128
#define DEPTH_MAX 64
/* A longer line is no report. */
#define LINE_SIZE_MAX ((size_t)1 << 20)

struct text {
    const char *at;
    const char *end;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

static struct text trimmed(struct text text)
{
    while (text.at < text.end && is_blank(*text.at)) {
        text.at++;
    }
    while (text.at < text.end && is_blank(text.end[-1])) {
        text.end--;
    }
    return text;
}

static bool is_equal(struct text text, const char *name)
{
    const size_t size = (size_t)(text.end - text.at);
    return strlen(name) == size && memcmp(text.at, name, size) == 0;
}

/* ---- Numbers -----------------------------------------------------------------------------------
 */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits with a point and an exponent, as in any language; so no hexadecimal, which strtod() takes.
 */
static bool has_form_of_number(const char *at)
{
    size_t digits = 0;
    for (; is_digit(*at) || *at == '.'; at++) {
        digits += is_digit(*at) ? 1 : 0;
    }
    if (digits > 0 && (*at == 'e' || *at == 'E')) {
        at++;
        at += *at == '+' || *at == '-' ? 1 : 0;
        if (!is_digit(*at)) {
            return false;
        }
        while (is_digit(*at)) {
            at++;
        }
    }
    return digits > 0 && *at == '\0';
}

/* All of the text, as a program prints a number. */
static bool read_number(struct text text, double *value_out)
{
    static const char *const words[] = {"nan", "inf", "infinity"};
    char copy[NUMBER_SIZE_MAX];
    char *end = NULL;
    const size_t size = (size_t)(text.end - text.at);
    if (size == 0 || size >= sizeof(copy) || memchr(text.at, '\0', size) != NULL) {
        return false;
    }
    memcpy(copy, text.at, size);
    copy[size] = '\0';
    const char *digits = copy + (*copy == '-' || *copy == '+' ? 1 : 0);
    bool is_number = has_form_of_number(digits);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        is_number = is_number || strcasecmp(digits, words[i]) == 0;
    }
    if (!is_number) {
        return false;
    }
    *value_out = strtod(copy, &end);
    return *end == '\0';
}

/* ---- NAME=value --------------------------------------------------------------------------------
 */

/* Is it of this form at all, and about this name? */
static bool read_assignment(const char *name, struct text line, double *value_out)
{
    const char *sign = memrchr(line.at, '=', (size_t)(line.end - line.at));
    if (sign == NULL || !is_equal(trimmed((struct text){line.at, sign}), name)) {
        return false;
    }
    return read_number(trimmed((struct text){sign + 1, line.end}), value_out);
}

/* ---- {"NAME": value, ...} ----------------------------------------------------------------------
 */

static void skip_blanks(struct text *in)
{
    while (in->at < in->end && is_blank(*in->at)) {
        in->at++;
    }
}

static bool take(struct text *in, char c)
{
    skip_blanks(in);
    if (in->at == in->end || *in->at != c) {
        return false;
    }
    in->at++;
    return true;
}

/* The text between quotes, escapes as they stand. */
static bool take_string(struct text *in, struct text *string_out)
{
    if (!take(in, '"')) {
        return false;
    }
    string_out->at = in->at;
    while (in->at < in->end && *in->at != '"') {
        in->at += *in->at == '\\' ? 2 : 1;
    }
    if (in->at >= in->end) {
        return false;
    }
    string_out->end = in->at++;
    return true;
}

static bool take_hex(struct text *in, uint32_t *code_out)
{
    *code_out = 0;
    for (int i = 0; i < 4; i++) {
        if (in->at == in->end || !isxdigit((unsigned char)*in->at)) {
            return false;
        }
        const char c = *in->at++;
        *code_out = *code_out * 16 +
                    (uint32_t)(is_digit(c) ? c - '0' : (tolower((unsigned char)c) - 'a' + 10));
    }
    return true;
}

/* One character of a string, as UTF-8; 0: the escape is none. */
static size_t take_escaped(struct text *in, char out[4])
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    uint32_t code = 0;
    uint32_t low = 0;
    const char c = *in->at++;
    const char *letter = c != '\0' ? strchr(letters, c) : NULL;
    if (letter != NULL) {
        out[0] = meanings[letter - letters];
        return 1;
    }
    if (c != 'u' || !take_hex(in, &code)) {
        return 0;
    }
    if (code >= 0xd800 && code < 0xdc00) {
        if (in->end - in->at < 2 || in->at[0] != '\\' || in->at[1] != 'u') {
            return 0;
        }
        in->at += 2;
        if (!take_hex(in, &low) || low < 0xdc00 || low > 0xdfff) {
            return 0;
        }
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    const size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char firsts[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = size - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (char)(firsts[size] | code);
    return size;
}

/* Is what a string of JSON says this name? */
static bool says(struct text string, const char *name)
{
    while (string.at < string.end) {
        char character[4];
        size_t size = 1;
        if (*string.at != '\\') {
            character[0] = *string.at++;
        } else {
            string.at++;
            size = string.at < string.end ? take_escaped(&string, character) : 0;
        }
        if (size == 0 || strncmp(name, character, size) != 0) {
            return false;
        }
        name += size;
    }
    return *name == '\0';
}

/* A number, a word such as true, or what ends with the brackets that it begins with. */
static bool take_value(struct text *in, struct text *value_out)
{
    struct text string;
    unsigned depth = 0;
    skip_blanks(in);
    value_out->at = in->at;
    do {
        skip_blanks(in);
        if (in->at == in->end) {
            return false;
        }
        const char c = *in->at;
        if (c == '"') {
            if (!take_string(in, &string)) {
                return false;
            }
        } else if (c == '{' || c == '[') {
            in->at++;
            if (++depth > DEPTH_MAX) {
                return false;
            }
        } else if (c == '}' || c == ']') {
            if (depth == 0) {
                return false;
            }
            in->at++;
            depth--;
        } else if (depth > 0 && (c == ',' || c == ':')) {
            in->at++;
        } else {
            const char *start = in->at;
            while (in->at < in->end && strchr(",:{}[]\" \t", *in->at) == NULL) {
                in->at++;
            }
            if (in->at == start) {
                return false;
            }
        }
    } while (depth > 0);
    value_out->end = in->at;
    return true;
}

/* The last value of that name counts. False where the line is no record, or has none of that name
 * that is a number. */
static bool read_record(const char *name, struct text in, double *value_out)
{
    bool is_found = false;
    bool has_more = true;
    if (!take(&in, '{')) {
        return false;
    }
    while (has_more) {
        struct text key;
        struct text value;
        if (!take_string(&in, &key) || !take(&in, ':') || !take_value(&in, &value)) {
            return false;
        }
        if (says(key, name)) {
            is_found = read_number(value, value_out);
        }
        has_more = take(&in, ',');
    }
    const bool is_closed = take(&in, '}');
    skip_blanks(&in);
    return is_closed && in.at == in.end && is_found;
}

/* ---- A line ------------------------------------------------------------------------------------
 */

static bool is_word_character(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* As a word: "loss" is none in "glossary". */
static bool holds(struct text line, const char *name)
{
    const size_t size = strlen(name);
    const char *from = line.at;
    while (size > 0 && (size_t)(line.end - from) >= size) {
        const char *found = memmem(from, (size_t)(line.end - from), name, size);
        if (found == NULL) {
            return false;
        }
        const bool is_start = found == line.at || !is_word_character(found[-1]);
        const bool is_end = found + size == line.end || !is_word_character(found[size]);
        if (is_start && is_end) {
            return true;
        }
        from = found + 1;
    }
    return false;
}

enum metric_line metric_line_read(const char *name, const char *line, size_t size,
                                  double *value_out)
{
    const struct text text = trimmed((struct text){line, line + size});
    if (read_assignment(name, text, value_out) || read_record(name, text, value_out)) {
        return METRIC_LINE_REPORT;
    }
    return holds(text, name) ? METRIC_LINE_ODD : METRIC_LINE_PLAIN;
}

/* ---- A stream ----------------------------------------------------------------------------------
 */

static void end_line(struct metric_stream *stream, metric_stream_take *take_line, void *context)
{
    double value = 0;
    const enum metric_line kind =
        stream->is_too_long || stream->size == 0
            ? METRIC_LINE_PLAIN
            : metric_line_read(stream->name, stream->text, stream->size, &value);
    stream->size = 0;
    stream->is_too_long = false;
    if (kind != METRIC_LINE_PLAIN) {
        take_line(context, kind, value);
    }
}

/* What there is no memory for is as a line that is too long. */
static void add_to_line(struct metric_stream *stream, const char *text, size_t size)
{
    if (stream->is_too_long || size > LINE_SIZE_MAX - stream->size) {
        stream->is_too_long = true;
        return;
    }
    if (stream->size + size > stream->capacity) {
        const size_t capacity = 2 * (stream->size + size) + 256;
        char *grown = realloc(stream->text, capacity);
        if (grown == NULL) {
            stream->is_too_long = true;
            return;
        }
        stream->text = grown;
        stream->capacity = capacity;
    }
    memcpy(stream->text + stream->size, text, size);
    stream->size += size;
}

void metric_stream_put(struct metric_stream *stream, const char *text, size_t size,
                       metric_stream_take *take_line, void *context)
{
    const char *const end = text + size;
    while (text < end) {
        const char *stop = text;
        while (stop < end && *stop != '\n' && *stop != '\r') {
            stop++;
        }
        if (stop > text) {
            add_to_line(stream, text, (size_t)(stop - text));
        }
        if (stop < end) {
            end_line(stream, take_line, context);
            stop++;
        }
        text = stop;
    }
}

void metric_stream_end(struct metric_stream *stream, bool is_whole, metric_stream_take *take_line,
                       void *context)
{
    stream->is_too_long = stream->is_too_long || !is_whole;
    end_line(stream, take_line, context);
}

void metric_stream_free(struct metric_stream *stream)
{
    free(stream->text);
    *stream = (struct metric_stream){.name = NULL};
}
