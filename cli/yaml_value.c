/* What the scalars of YAML mean: the core schema of 1.2, and what 1.1 means by them is refused. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/yaml.h"
#include "shared/value.h"
#include "shared/value_make.h"

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strcmp(text, *words) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- The forms of numbers -----------------------------------------------------------------------
 */

static const char *skip_sign(const char *text)
{
    return *text == '-' || *text == '+' ? text + 1 : text;
}

/* [-+]?[0-9][0-9_]* */
static bool is_decimal_int(const char *text)
{
    text = skip_sign(text);
    return *text >= '0' && *text <= '9' && text[strspn(text, "0123456789_")] == '\0';
}

static bool is_prefixed(const char *text, char letter, const char *digits)
{
    text = skip_sign(text);
    return text[0] == '0' && (text[1] == letter || text[1] == letter - 'a' + 'A') &&
           text[2] != '\0' && text[2 + strspn(text + 2, digits)] == '\0';
}

/* 1:30, which 1.1 reads in base 60 */
static bool is_base_60(const char *text)
{
    text = skip_sign(text);
    const size_t whole = strspn(text, "0123456789");
    if (whole == 0 || text[whole] != ':') {
        return false;
    }
    text += whole;
    while (*text == ':') {
        const size_t size = strspn(text + 1, "0123456789");
        if (size == 0 || size > 2) {
            return false;
        }
        text += 1 + size;
    }
    return *text == '\0' || (*text == '.' && text[1 + strspn(text + 1, "0123456789")] == '\0');
}

/* What 1.1 reads as a float, digits apart by _ in it, and 1.2 does not. */
static bool is_split_float(const char *text)
{
    text = skip_sign(text);
    return *text >= '0' && *text <= '9' && strchr(text, '_') != NULL && strchr(text, '.') != NULL &&
           text[strspn(text, "0123456789_.")] == '\0';
}

static bool is_float_word(const char *text)
{
    static const char *const words[] = {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN", NULL};
    return is_one_of(skip_sign(text), words);
}

/* ---- Problems -----------------------------------------------------------------------------------
 */

static mf_value refuse(struct yaml_reader *reader, const struct yaml_node *node, const char *why)
{
    problems_add(reader->problems, node->place, "found %.100s: %s", node->text, why);
    return value_null();
}

#define QUOTE_IT "quote it if it is meant as text"

/* ---- Kinds --------------------------------------------------------------------------------------
 */

static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
static const char *const trues[] = {"true", "True", "TRUE", NULL};
static const char *const falses[] = {"false", "False", "FALSE", NULL};

static bool is_trap_word(const char *text)
{
    static const char *const words[] = {"yes", "no", "on", "off"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(text, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

static mf_value decimal_int(struct yaml_reader *reader, const struct yaml_node *node)
{
    char digits[64];
    size_t size = 0;
    int64_t integer = 0;
    const char *number = skip_sign(node->text);
    if (number[0] == '0' && number[1] != '\0') {
        return refuse(reader, node,
                      "an integer with a leading zero is octal in YAML 1.1 and decimal in 1.2: "
                      "leave the zero out, or " QUOTE_IT);
    }
    for (const char *at = node->text; *at != '\0' && size < sizeof(digits); at++) {
        if (*at != '_') {
            digits[size++] = *at;
        }
    }
    if (size == sizeof(digits) || value_parse_int(digits, size, &integer) != STATUS_OK) {
        return refuse(reader, node, "this integer does not fit in 64 bits: " QUOTE_IT);
    }
    return value_int(integer);
}

static mf_value hexadecimal_int(struct yaml_reader *reader, const struct yaml_node *node)
{
    errno = 0;
    const long long integer = strtoll(node->text, NULL, 16);
    return errno == 0 ? value_int(integer)
                      : refuse(reader, node, "this integer does not fit in 64 bits: " QUOTE_IT);
}

static mf_value real(struct yaml_reader *reader, const struct yaml_node *node, double number)
{
    return isfinite(number) ? value_float(number)
                            : refuse(reader, node, "expected a number that is finite");
}

/* What 1.1 and 1.2 read as different things. NULL: nothing of that kind. */
static const char *find_trap(const char *text)
{
    if (is_trap_word(text)) {
        return "YAML 1.1 reads this as true or false: write true or false, or " QUOTE_IT;
    }
    if (is_prefixed(text, 'b', "01_")) {
        return "YAML 1.1 reads this as an integer in base 2: write it in decimal, or " QUOTE_IT;
    }
    if (is_prefixed(text, 'o', "01234567")) {
        return "YAML 1.2 reads this as octal, and 1.1 as text: write it in decimal, or " QUOTE_IT;
    }
    if (is_base_60(text)) {
        return "YAML 1.1 reads this as a number in base 60: write the number, or " QUOTE_IT;
    }
    if (is_split_float(text)) {
        return "YAML 1.1 reads this as a float, and 1.2 as text: leave the _ out, or " QUOTE_IT;
    }
    return NULL;
}

static mf_value text_value(struct yaml_reader *reader, const struct yaml_node *node)
{
    if (memchr(node->text, '\0', node->size) != NULL) {
        problems_add(reader->problems, node->place, "found a NUL in a text");
        return value_null();
    }
    if (!value_is_utf8(node->text, node->size)) {
        problems_add(reader->problems, node->place, "found a text that is not UTF-8");
        return value_null();
    }
    return value_text(MF_STR, node->text, (uint32_t)node->size);
}

static mf_value plain_value(struct yaml_reader *reader, const struct yaml_node *node)
{
    double number = 0;
    const char *text = node->text;
    const char *trap = find_trap(text);
    if (trap != NULL) {
        return refuse(reader, node, trap);
    }
    if (is_one_of(text, nulls)) {
        return value_null();
    }
    if (is_one_of(text, trues) || is_one_of(text, falses)) {
        return value_bool(is_one_of(text, trues));
    }
    if (is_decimal_int(text)) {
        return decimal_int(reader, node);
    }
    if (is_prefixed(text, 'x', "0123456789abcdefABCDEF")) {
        return hexadecimal_int(reader, node);
    }
    const enum status status = value_parse_float(text, node->size, &number);
    if (status != STATUS_INVALID) {
        return real(reader, node, status == STATUS_OK ? number : INFINITY);
    }
    return is_float_word(text) ? real(reader, node, INFINITY) : text_value(reader, node);
}

/* ---- Tags ---------------------------------------------------------------------------------------
 */

static mf_value tagged_float(struct yaml_reader *reader, const struct yaml_node *node)
{
    double number = 0;
    return value_parse_float(node->text, node->size, &number) == STATUS_OK
               ? value_float(number)
               : refuse(reader, node, "expected a number behind !!float");
}

static mf_value tagged_value(struct yaml_reader *reader, const struct yaml_node *node)
{
    struct yaml_node plain = *node;
    plain.is_plain = true;
    plain.tag = YAML_UNTAGGED;
    if (node->tag == YAML_STR) {
        return text_value(reader, node);
    }
    if (node->tag == YAML_FLOAT) {
        return tagged_float(reader, node);
    }
    const mf_value value = plain_value(reader, &plain);
    const bool is_fit = node->tag == YAML_INT    ? mf_kind_of(&value) == MF_INT
                        : node->tag == YAML_BOOL ? mf_kind_of(&value) == MF_BOOL
                                                 : mf_kind_of(&value) == MF_NULL;
    return is_fit ? value : refuse(reader, node, "this is not what its tag says");
}

/* ---- Values -------------------------------------------------------------------------------------
 */

static mf_value list_value(struct yaml_reader *reader, const struct yaml_node *node)
{
    mf_value list = value_list_make(reader->arena, node->count);
    for (size_t i = 0; i < mf_count(&list); i++) {
        value_list_set(&list, i, yaml_value(reader, node->items[i]));
    }
    return list;
}

static mf_value map_value(struct yaml_reader *reader, const struct yaml_node *node)
{
    mf_value map = value_map_make(reader->arena, node->count);
    for (size_t i = 0; i < mf_count(&map); i++) {
        value_map_set(&map, i, yaml_key(node, i), yaml_value(reader, yaml_item(node, i)));
    }
    return map;
}

/* Aliases may nest deeper than what is written. */
static mf_value container_value(struct yaml_reader *reader, const struct yaml_node *node)
{
    mf_value value = value_null();
    if (reader->depth == YAML_DEPTH_MAX) {
        problems_add(reader->problems, node->place, "nested too deeply");
        return value;
    }
    reader->depth++;
    value = node->kind == YAML_SEQUENCE ? list_value(reader, node) : map_value(reader, node);
    reader->depth--;
    return value;
}

mf_value yaml_value(struct yaml_reader *reader, const struct yaml_node *node)
{
    if (++reader->value_count >= YAML_VALUES_MAX) {
        if (reader->value_count == YAML_VALUES_MAX) {
            problems_add(reader->problems, node->place, "more than %zu values", YAML_VALUES_MAX);
        }
        return value_null();
    }
    if (node->kind != YAML_SCALAR) {
        return container_value(reader, node);
    }
    if (node->tag != YAML_UNTAGGED) {
        return tagged_value(reader, node);
    }
    return node->is_plain ? plain_value(reader, node) : text_value(reader, node);
}
