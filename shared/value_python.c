#include "shared/value_python.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/value.h"

static enum status put_text(struct buffer *out, const char *text)
{
    return buffer_append(out, text, strlen(text));
}

/* The shortest digits that read back, without zeros at either end, and where the point stands: the
 * number is 0.DIGITS * 10^point. */
struct digits {
    char text[VALUE_FLOAT_TEXT_SIZE];
    int count;
    int point;
};

static struct digits digits_of(double real)
{
    char text[VALUE_FLOAT_TEXT_SIZE];
    struct digits digits = {.count = 0};
    bool is_behind_point = false;
    (void)value_float_text(fabs(real), text);
    const char *at = text;
    for (; *at != '\0' && *at != 'e'; at++) {
        if (*at == '.') {
            is_behind_point = true;
            continue;
        }
        if (*at != '0' || digits.count > 0) {
            digits.text[digits.count++] = *at;
            digits.point += is_behind_point ? 0 : 1;
        } else {
            digits.point -= is_behind_point ? 1 : 0;
        }
    }
    digits.point += *at == 'e' ? (int)strtol(at + 1, NULL, 10) : 0;
    while (digits.count > 1 && digits.text[digits.count - 1] == '0') {
        digits.count--;
    }
    return digits;
}

static enum status put_exponent(struct buffer *out, const struct digits *digits)
{
    return buffer_printf(out, "%c%s%.*se%c%02d", digits->text[0], digits->count > 1 ? "." : "",
                         digits->count - 1, digits->text + 1, digits->point > 0 ? '+' : '-',
                         abs(digits->point - 1));
}

static enum status put_fixed(struct buffer *out, const struct digits *digits)
{
    static const char zeros[] = "0000000000000000";
    const int whole = digits->point < digits->count ? digits->point : digits->count;
    if (digits->point <= 0) {
        return buffer_printf(out, "0.%.*s%.*s", -digits->point, zeros, digits->count, digits->text);
    }
    return buffer_printf(out, "%.*s%.*s.%s%.*s", whole, digits->text, digits->point - whole, zeros,
                         whole == digits->count ? "0" : "", digits->count - whole,
                         digits->text + whole);
}

/* With an exponent from 10^16 on, and below 10^-4. */
static enum status put_float(struct buffer *out, double real)
{
    if (!isfinite(real) || real == 0) {
        return put_text(out, isnan(real)     ? "nan"
                             : isinf(real)   ? (real > 0 ? "inf" : "-inf")
                             : signbit(real) ? "-0.0"
                                             : "0.0");
    }
    const struct digits digits = digits_of(real);
    const enum status status = put_text(out, real < 0 ? "-" : "");
    if (status != STATUS_OK) {
        return status;
    }
    return digits.point > 16 || digits.point < -3 ? put_exponent(out, &digits)
                                                  : put_fixed(out, &digits);
}

static enum status put_escaped(struct buffer *out, unsigned char c, char quote)
{
    switch (c) {
    case '\n':
        return put_text(out, "\\n");
    case '\r':
        return put_text(out, "\\r");
    case '\t':
        return put_text(out, "\\t");
    case '\\':
        return put_text(out, "\\\\");
    default:
        break;
    }
    if (c < 0x20 || c == 0x7f) {
        return buffer_printf(out, "\\x%02x", c);
    }
    if (c == (unsigned char)quote) {
        return buffer_printf(out, "\\%c", c);
    }
    return buffer_append_byte(out, c);
}

/* In single quotes, or in double ones where it has single ones and no double. */
static enum status put_quoted(struct buffer *out, const mf_value *value)
{
    const char *text = mf_str(value);
    const size_t size = mf_size(value);
    const bool has_single = memchr(text, '\'', size) != NULL;
    const bool has_double = memchr(text, '"', size) != NULL;
    const char quote = has_single && !has_double ? '"' : '\'';
    enum status status = buffer_append_byte(out, (uint8_t)quote);
    for (size_t i = 0; i < size && status == STATUS_OK; i++) {
        status = put_escaped(out, (unsigned char)text[i], quote);
    }
    return status == STATUS_OK ? buffer_append_byte(out, (uint8_t)quote) : status;
}

static enum status put_inner(struct buffer *out, const mf_value *value);

static enum status put_items(struct buffer *out, const mf_value *value)
{
    const bool is_map = mf_kind_of(value) == MF_MAP;
    enum status status = put_text(out, is_map ? "{" : "[");
    for (size_t i = 0; i < mf_count(value) && status == STATUS_OK; i++) {
        status = put_text(out, i > 0 ? ", " : "");
        if (status == STATUS_OK && is_map) {
            status = put_quoted(out, &value->mf_private_as.values[2 * i]);
            status = status == STATUS_OK ? put_text(out, ": ") : status;
        }
        if (status == STATUS_OK) {
            status = put_inner(out, mf_item(value, i));
        }
    }
    return status == STATUS_OK ? put_text(out, is_map ? "}" : "]") : status;
}

static enum status put_inner(struct buffer *out, const mf_value *value)
{
    switch (mf_kind_of(value)) {
    case MF_NULL:
        return put_text(out, "None");
    case MF_BOOL:
        return put_text(out, mf_bool(value) ? "True" : "False");
    case MF_INT:
        return buffer_printf(out, "%" PRId64, mf_int(value));
    case MF_FLOAT:
        return put_float(out, mf_float(value));
    case MF_STR:
    case MF_BYTES:
        return put_quoted(out, value);
    case MF_LIST:
    case MF_MAP:
        return put_items(out, value);
    }
    return STATUS_INVALID;
}

enum status value_to_python(const mf_value *value, struct buffer *out)
{
    const bool is_text = mf_kind_of(value) == MF_STR || mf_kind_of(value) == MF_BYTES;
    return is_text ? buffer_append(out, mf_str(value), mf_size(value)) : put_inner(out, value);
}
