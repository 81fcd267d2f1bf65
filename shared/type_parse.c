/* From text to types: one token ahead, one function a rule of the grammar in type.h. */
#include <stdlib.h>
#include <string.h>

#include "shared/type.h"
#include "shared/type_private.h"
#include "shared/value.h"

struct parser {
    const char *text;
    const char *token; /* the next one; at the NUL when there is none */
    size_t token_size;
    unsigned depth;
    struct error *err;
};

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name_part(char c)
{
    return is_name_start(c) || (c >= '0' && c <= '9');
}

static void advance(struct parser *parser)
{
    const char *at = parser->token + parser->token_size;
    at += strspn(at, " \t\r\n");
    parser->token = at;
    if (!is_name_start(*at)) {
        parser->token_size = *at == '\0' ? 0 : 1;
        return;
    }
    size_t size = 1;
    while (is_name_part(at[size])) {
        size++;
    }
    parser->token_size = size;
}

static bool is_next(const struct parser *parser, char c)
{
    return *parser->token == c && parser->token_size == 1;
}

static enum status fail_expected(const struct parser *parser, const char *expected)
{
    const size_t column = (size_t)(parser->token - parser->text) + 1;
    if (parser->token_size == 0) {
        return error_set(parser->err, STATUS_INVALID, "column %zu: expected %s, found the end",
                         column, expected);
    }
    /* A character of several bytes is shown whole. */
    size_t size = parser->token_size;
    while (((unsigned char)parser->token[size] & 0xc0) == 0x80) {
        size++;
    }
    const int shown_size = size > 64 ? 64 : (int)size;
    return error_set(parser->err, STATUS_INVALID, "column %zu: expected %s, found '%.*s'", column,
                     expected, shown_size, parser->token);
}

static enum status fail_memory(const struct parser *parser)
{
    return error_set(parser->err, STATUS_NO_MEMORY, "out of memory");
}

static MUST_CHECK enum status expect(struct parser *parser, char c)
{
    if (!is_next(parser, c)) {
        const char quoted[] = {'\'', c, '\'', '\0'};
        return fail_expected(parser, quoted);
    }
    advance(parser);
    return STATUS_OK;
}

static MUST_CHECK enum status parse_type(struct parser *parser, struct type **type_out);

static MUST_CHECK enum status parse_word(struct parser *parser, struct type *type)
{
    for (int kind = TYPE_NULL; kind < TYPE_RECORD; kind++) {
        const char *name = type_kind_name((enum type_kind)kind);
        if (strlen(name) == parser->token_size &&
            memcmp(name, parser->token, parser->token_size) == 0) {
            type->kind = (enum type_kind)kind;
            advance(parser);
            return STATUS_OK;
        }
    }
    return fail_expected(parser, "a type");
}

static MUST_CHECK enum status parse_element(struct parser *parser, struct type *type)
{
    enum status status = expect(parser, '<');
    if (status == STATUS_OK) {
        status = parse_type(parser, &type->element);
    }
    return status == STATUS_OK ? expect(parser, '>') : status;
}

static MUST_CHECK enum status parse_field(struct parser *parser, struct type_field *field)
{
    if (!is_name_start(*parser->token)) {
        return fail_expected(parser, "the name of a field");
    }
    field->name = strndup(parser->token, parser->token_size);
    if (field->name == NULL) {
        return fail_memory(parser);
    }
    advance(parser);
    if (is_next(parser, '?')) {
        field->is_optional = true;
        advance(parser);
    }
    if (!is_next(parser, ':')) {
        return fail_expected(parser, field->is_optional ? "':'" : "':' or '?:'");
    }
    advance(parser);
    return parse_type(parser, &field->type);
}

/* The next field, all zero, which the type owns from here on. */
static struct type_field *add_field(struct type *type)
{
    const size_t count = type->field_count;
    if ((count & (count - 1)) == 0) { /* full at 0, 1, 2, 4, 8, ... */
        const size_t capacity = count == 0 ? 1 : 2 * count;
        struct type_field *fields = reallocarray(type->fields, capacity, sizeof(*fields));
        if (fields == NULL) {
            return NULL;
        }
        type->fields = fields;
    }
    type->fields[count] = (struct type_field){0};
    type->field_count++;
    return &type->fields[count];
}

static int compare_fields(const void *a, const void *b, void *fields_of)
{
    const struct type_field *fields = fields_of;
    const size_t *left = a;
    const size_t *right = b;
    const int order = strcmp(fields[*left].name, fields[*right].name);
    return order != 0 ? order : (*left > *right) - (*left < *right);
}

/* Sort the fields by name; one that stands twice is refused with the column of its record. */
static MUST_CHECK enum status index_fields(struct parser *parser, struct type *type,
                                           const char *record)
{
    type->by_name = calloc(type->field_count + 1, sizeof(*type->by_name));
    if (type->by_name == NULL) {
        return fail_memory(parser);
    }
    for (size_t i = 0; i < type->field_count; i++) {
        type->by_name[i] = i;
        type->required_count += type->fields[i].is_optional ? 0 : 1;
    }
    qsort_r(type->by_name, type->field_count, sizeof(*type->by_name), compare_fields, type->fields);
    for (size_t i = 1; i < type->field_count; i++) {
        const char *name = type->fields[type->by_name[i]].name;
        if (strcmp(type->fields[type->by_name[i - 1]].name, name) == 0) {
            return error_set(parser->err, STATUS_INVALID,
                             "column %zu: the record has the field '%.64s' twice",
                             (size_t)(record - parser->text) + 1, name);
        }
    }
    return STATUS_OK;
}

static MUST_CHECK enum status parse_record(struct parser *parser, struct type *type)
{
    const char *record = parser->token;
    type->kind = TYPE_RECORD;
    advance(parser);
    if (is_next(parser, '}')) {
        advance(parser);
        return index_fields(parser, type, record);
    }
    for (;;) {
        struct type_field *field = add_field(type);
        if (field == NULL) {
            return fail_memory(parser);
        }
        const enum status status = parse_field(parser, field);
        if (status != STATUS_OK) {
            return status;
        }
        if (is_next(parser, '}')) {
            advance(parser);
            return index_fields(parser, type, record);
        }
        if (!is_next(parser, ',')) {
            return fail_expected(parser, "',' or '}'");
        }
        advance(parser);
    }
}

static MUST_CHECK enum status parse_parts(struct parser *parser, struct type *type)
{
    enum status status = STATUS_OK;
    if (is_next(parser, '{')) {
        status = parse_record(parser, type);
    } else {
        status = parse_word(parser, type);
        if (status == STATUS_OK && (type->kind == TYPE_LIST || type->kind == TYPE_MAP)) {
            status = parse_element(parser, type);
        }
    }
    for (; status == STATUS_OK && is_next(parser, '?'); advance(parser)) {
        type->is_nullable = type->kind != TYPE_ANY && type->kind != TYPE_NULL;
    }
    return status;
}

static enum status parse_type(struct parser *parser, struct type **type_out)
{
    /* As deep as the deepest value: 64 containers and a scalar in them. */
    if (parser->depth > VALUE_DEPTH_MAX) {
        return fail_expected(parser, "no more than 64 types in each other");
    }
    struct type *type = calloc(1, sizeof(*type));
    if (type == NULL) {
        return fail_memory(parser);
    }
    parser->depth++;
    const enum status status = parse_parts(parser, type);
    parser->depth--;
    if (status != STATUS_OK) {
        type_destroy(type);
        return status;
    }
    *type_out = type;
    return STATUS_OK;
}

enum status type_parse(const char *text, struct type **type_out, struct error *err)
{
    struct parser parser = {.text = text, .token = text, .err = err};
    struct type *type = NULL;
    advance(&parser);
    const enum status status = parse_type(&parser, &type);
    if (status != STATUS_OK) {
        return status;
    }
    if (parser.token_size > 0) {
        type_destroy(type);
        return fail_expected(&parser, "nothing more");
    }
    *type_out = type;
    return STATUS_OK;
}
