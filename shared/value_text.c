/* The text of numbers, both ways, and the check of UTF-8. */
#include "shared/value.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- UTF-8 ---------------------------------------------------------------------------------- */

static bool is_continuation(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Bytes of the character at `text` that is not ASCII; 0 where there is no such character. What a
 * second byte may be shuts out long forms, surrogates and what is past U+10FFFF (RFC 3629). */
static size_t utf8_character_size(const unsigned char *text, size_t size)
{
    const unsigned char first = text[0];
    if (first >= 0xc2 && first <= 0xdf) {
        return size >= 2 && is_continuation(text[1]) ? 2 : 0;
    }
    if (first >= 0xe0 && first <= 0xef) {
        const unsigned char low = first == 0xe0 ? 0xa0 : 0x80;
        const unsigned char high = first == 0xed ? 0x9f : 0xbf;
        const bool is_whole = size >= 3 && text[1] >= low && text[1] <= high;
        return is_whole && is_continuation(text[2]) ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        const unsigned char low = first == 0xf0 ? 0x90 : 0x80;
        const unsigned char high = first == 0xf4 ? 0x8f : 0xbf;
        const bool is_whole = size >= 4 && text[1] >= low && text[1] <= high;
        return is_whole && is_continuation(text[2]) && is_continuation(text[3]) ? 4 : 0;
    }
    return 0;
}

#define HIGH_BITS UINT64_C(0x8080808080808080)
#define BLOCK_SIZE 64u

static uint64_t load(const unsigned char *text)
{
    uint64_t word;
    memcpy(&word, text, sizeof(word));
    return word;
}

/* Bytes in front that are ASCII, in whole blocks: long texts are mostly that. */
static size_t ascii_blocks(const unsigned char *text, size_t size)
{
    size_t done = 0;
    while (size - done >= BLOCK_SIZE) {
        const unsigned char *at = text + done;
        const uint64_t low = load(at) | load(at + 8) | load(at + 16) | load(at + 24);
        const uint64_t high = load(at + 32) | load(at + 40) | load(at + 48) | load(at + 56);
        if (((low | high) & HIGH_BITS) != 0) {
            break;
        }
        done += BLOCK_SIZE;
    }
    return done;
}

/* Blocks are tried after so much ASCII as makes one: where other characters are many, each try
 * would be in vain. */
bool value_is_utf8(const char *text, size_t size)
{
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char *const end = at + size;
    size_t plain = 0;
    while (at < end) {
        const size_t left = (size_t)(end - at);
        if (left >= sizeof(uint64_t) && (load(at) & HIGH_BITS) == 0) {
            at += sizeof(uint64_t);
            plain += sizeof(uint64_t);
            at += plain >= BLOCK_SIZE ? ascii_blocks(at, (size_t)(end - at)) : 0;
            continue;
        }
        const size_t character_size = *at < 0x80 ? 1 : utf8_character_size(at, left);
        if (character_size == 0) {
            return false;
        }
        at += character_size;
        plain = 0;
    }
    return true;
}

/* ---- Floats as text ------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Put a point where printf() put the locale's own, which may be of several bytes. */
static size_t point_restore(char *text)
{
    size_t to = 0;
    for (size_t from = 0; text[from] != '\0'; from++) {
        const char c = text[from];
        if (is_digit(c) || c == '-' || c == '+' || c == 'e') {
            text[to++] = c;
        } else if (to == 0 || text[to - 1] != '.') {
            text[to++] = '.';
        }
    }
    text[to] = '\0';
    return to;
}

int value_float_text(double real, char text[VALUE_FLOAT_TEXT_SIZE])
{
    if (!isfinite(real)) {
        return snprintf(text, VALUE_FLOAT_TEXT_SIZE, "%s",
                        isnan(real) ? "nan" : (real < 0 ? "-inf" : "inf"));
    }
    /* Any 15 digits survive the way through a normal double, so that %.15g, which drops final
     * zeros, gives the shortest where 15 are enough. A subnormal holds fewer. */
    int precision = fabs(real) < 0x1p-1022 && real != 0 ? 1 : 15;
    for (; precision <= 17; precision++) {
        (void)snprintf(text, VALUE_FLOAT_TEXT_SIZE, "%.*g", precision, real);
        if (precision == 17 || strtod(text, NULL) == real) {
            break;
        }
    }
    size_t size = point_restore(text);
    if (strpbrk(text, ".e") == NULL) {
        memcpy(text + size, ".0", sizeof(".0"));
        size += 2;
    }
    return (int)size;
}

/* ---- Text as numbers ------------------------------------------------------------------------ */

enum status value_parse_int(const char *text, size_t size, int64_t *integer_out)
{
    const bool is_negative = size > 0 && text[0] == '-';
    size_t i = size > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
    if (i == size) {
        return STATUS_INVALID;
    }
    /* Summed up below zero, where there is room for one more. */
    int64_t negated = 0;
    bool is_outside = false;
    for (; i < size; i++) {
        if (!is_digit(text[i])) {
            return STATUS_INVALID;
        }
        is_outside = is_outside || __builtin_mul_overflow(negated, 10, &negated) ||
                     __builtin_sub_overflow(negated, text[i] - '0', &negated);
    }
    if (is_outside || (!is_negative && negated == INT64_MIN)) {
        return STATUS_LIMIT;
    }
    *integer_out = is_negative ? negated : -negated;
    return STATUS_OK;
}

static size_t digits_skip(const char *text, size_t size, size_t from)
{
    while (from < size && is_digit(text[from])) {
        from++;
    }
    return from;
}

/* Is the text a decimal? *point_out is where its point stands, or `size`. */
static bool is_decimal(const char *text, size_t size, size_t *point_out)
{
    const size_t whole = size > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
    size_t at = digits_skip(text, size, whole);
    size_t digit_count = at - whole;
    *point_out = size;
    if (at < size && text[at] == '.') {
        *point_out = at;
        const size_t end = digits_skip(text, size, at + 1);
        digit_count += end - at - 1;
        at = end;
    }
    if (digit_count == 0) {
        return false;
    }
    if (at < size && (text[at] == 'e' || text[at] == 'E')) {
        at++;
        if (at < size && (text[at] == '-' || text[at] == '+')) {
            at++;
        }
        const size_t end = digits_skip(text, size, at);
        if (end == at) {
            return false;
        }
        at = end;
    }
    return at == size;
}

/* strtod() wants a NUL at the end and the locale's point, which may be of several bytes. */
static enum status decimal_read(const char *text, size_t size, size_t point, double *real_out)
{
    const char *locale_point = localeconv()->decimal_point;
    const size_t size_max = size + strlen(locale_point) + 1;
    char room[128];
    char *copy = size_max <= sizeof(room) ? room : malloc(size_max);
    if (copy == NULL) {
        return STATUS_NO_MEMORY;
    }
    memcpy(copy, text, point);
    size_t copy_size = point;
    if (point < size) {
        const size_t rest_size = size - point - 1;
        char *end = stpcpy(copy + point, locale_point);
        memcpy(end, text + point + 1, rest_size);
        copy_size = (size_t)(end - copy) + rest_size;
    }
    copy[copy_size] = '\0';
    *real_out = strtod(copy, NULL);
    if (copy != room) {
        free(copy);
    }
    return STATUS_OK;
}

enum status value_parse_float(const char *text, size_t size, double *real_out)
{
    size_t point = 0;
    double real = 0;
    if (!is_decimal(text, size, &point)) {
        return STATUS_INVALID;
    }
    enum status status = decimal_read(text, size, point, &real);
    if (status == STATUS_OK && !isfinite(real)) {
        status = STATUS_LIMIT;
    }
    if (status == STATUS_OK) {
        *real_out = real;
    }
    return status;
}
