#include "cli/parameters.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/arena.h"
#include "shared/memory.h"
#include "shared/type.h"
#include "shared/value.h"

/* "query: str, count?: int" as people read it in texts; to be freed by buffer_free(). */
static const char *list_all(const struct type *record, struct buffer *text)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < type_field_count(record) && status == STATUS_OK; i++) {
        status = buffer_printf(text, "%s%s%s: ", i > 0 ? ", " : "", type_field_name(record, i),
                               type_field_is_optional(record, i) ? "?" : "");
        if (status == STATUS_OK) {
            status = type_format(type_field_type(record, i), text);
        }
    }
    if (status != STATUS_OK || text->size == 0 || buffer_append_byte(text, '\0') != STATUS_OK) {
        return "none";
    }
    return (const char *)text->data;
}

static enum status fail_with_list(const struct workflow *workflow, const char *what,
                                  struct error *err)
{
    struct buffer text = {0};
    const enum status status = error_set(err, STATUS_INVALID, "%s; parameters of workflow %s: %s",
                                         what, workflow->name, list_all(workflow->input, &text));
    buffer_free(&text);
    return status;
}

static enum status fail_word(const struct workflow *workflow, const char *problem, const char *word,
                             size_t size, struct error *err)
{
    char what[512];
    (void)snprintf(what, sizeof(what), "%s \"%.*s\"", problem, (int)size, word);
    return fail_with_list(workflow, what, err);
}

/* The field of that name; its count where there is none. */
static size_t find_field(const struct type *record, const char *name, size_t size)
{
    size_t i = 0;
    while (i < type_field_count(record) && (strlen(type_field_name(record, i)) != size ||
                                            memcmp(type_field_name(record, i), name, size) != 0)) {
        i++;
    }
    return i;
}

/* One word into its place; `values` are by field, a kind of null where none was given. */
static enum status take_word(const struct workflow *workflow, const char *word, const char **values,
                             struct error *err)
{
    const size_t size = strcspn(word, "=");
    if (word[size] == '\0') {
        return fail_word(workflow, "expected NAME=VALUE, found", word, size, err);
    }
    const size_t field = find_field(workflow->input, word, size);
    if (field == type_field_count(workflow->input)) {
        return fail_word(workflow, "unknown parameter", word, size, err);
    }
    if (values[field] != NULL) {
        return error_set(err, STATUS_INVALID, "parameter %s is given twice: \"%s\" and \"%s\"",
                         type_field_name(workflow->input, field), values[field], word + size + 1);
    }
    values[field] = word + size + 1;
    return STATUS_OK;
}

static enum status check_missing(const struct workflow *workflow, const char *const *values,
                                 struct error *err)
{
    for (size_t i = 0; i < type_field_count(workflow->input); i++) {
        const char *name = type_field_name(workflow->input, i);
        if (values[i] == NULL && !type_field_is_optional(workflow->input, i)) {
            return fail_word(workflow, "no value for parameter", name, strlen(name), err);
        }
    }
    return STATUS_OK;
}

/* Each alone, so that the text names it. Nothing is put for an optional one that is missing. */
static enum status convert(const struct workflow *workflow, const char *const *values,
                           const struct type_conversion *conversion, struct arena *arena,
                           mf_value *record_out, struct error *err)
{
    const struct type *record = workflow->input;
    const size_t count = type_field_count(record);
    mf_value *pairs = arena_take(arena, 2 * count * sizeof(*pairs) + 1);
    size_t put = 0;
    if (pairs == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for parameters");
    }
    for (size_t i = 0; i < count; i++) {
        const char *name = type_field_name(record, i);
        if (values[i] == NULL) {
            continue;
        }
        const mf_value text = value_text(MF_STR, values[i], (uint32_t)strlen(values[i]));
        const enum status status = type_convert(type_field_type(record, i), &text, conversion,
                                                arena, &pairs[2 * put + 1], err);
        if (status != STATUS_OK) {
            error_prefix(err, "parameter %s: ", name);
            return status;
        }
        pairs[2 * put++] = value_text(MF_STR, name, (uint32_t)strlen(name));
    }
    *record_out = (mf_value){.mf_private_kind = MF_MAP,
                             .mf_private_count = (uint32_t)put,
                             .mf_private_as.values = pairs};
    return STATUS_OK;
}

/* As bytes they are arguments of a command line, and may be no text. */
static enum status check_text(const char *word, struct error *err)
{
    return value_is_utf8(word, strlen(word)) && strlen(word) < UINT32_MAX
               ? STATUS_OK
               : error_set(err, STATUS_INVALID, "parameter \"%s\" is not UTF-8", word);
}

enum status parameters_read(const struct workflow *workflow, const char *const *words,
                            size_t word_count, const char *launch_dir, struct buffer *packed_out,
                            struct error *err)
{
    const struct type_conversion conversion = {.origin = TYPE_ORIGIN_TEXT, .base_dir = launch_dir};
    struct arena arena = {0};
    mf_value record;
    const char **values = memory_take(type_field_count(workflow->input) + 1, sizeof(const char *));
    enum status status = STATUS_OK;
    for (size_t i = 0; i < word_count && status == STATUS_OK; i++) {
        status = check_text(words[i], err);
        if (status == STATUS_OK) {
            status = take_word(workflow, words[i], values, err);
        }
    }
    if (status == STATUS_OK) {
        status = check_missing(workflow, values, err);
    }
    if (status == STATUS_OK) {
        status = convert(workflow, values, &conversion, &arena, &record, err);
    }
    if (status == STATUS_OK) {
        status = value_encode(&record, packed_out);
        if (status != STATUS_OK) {
            (void)error_set(err, status, "parameters cannot be packed: %s", status_text(status));
        }
    }
    free(values);
    arena_free(&arena);
    return status;
}

/* ---- Help -------------------------------------------------------------------------------------
 */

/* What to type for a value of the type. */
static const char *example_of(const struct type *type)
{
    switch (type_kind(type)) {
    case TYPE_NULL:
        return "null";
    case TYPE_BOOL:
        return "true";
    case TYPE_INT:
        return "3";
    case TYPE_FLOAT:
        return "0.5";
    case TYPE_STR:
    case TYPE_BYTES:
    case TYPE_ANY:
        return "TEXT";
    case TYPE_FILE:
    case TYPE_DIR:
        return "PATH";
    case TYPE_LIST:
        return "'[...]'";
    case TYPE_MAP:
    case TYPE_RECORD:
        return "'{...}'";
    }
    return "VALUE";
}

static void print_type(const struct type *type)
{
    struct buffer text = {0};
    if (type_format(type, &text) == STATUS_OK) {
        (void)printf("%.*s", (int)text.size, (const char *)text.data);
    }
    buffer_free(&text);
}

static void print_usage(const char *job, const struct workflow *workflow)
{
    (void)printf("Example:\n  mapfleet run %s:%s", job, workflow->name);
    for (size_t i = 0; i < type_field_count(workflow->input); i++) {
        if (!type_field_is_optional(workflow->input, i)) {
            (void)printf(" %s=%s", type_field_name(workflow->input, i),
                         example_of(type_field_type(workflow->input, i)));
        }
    }
    (void)printf("\n\n");
}

void parameters_print_help(const char *job, const struct workflow *workflow)
{
    print_usage(job, workflow);
    (void)printf("mapfleet run %s:%s [NAME=VALUE ...] [OPTIONS]\n", job, workflow->name);
    if (workflow->help != NULL) {
        (void)printf("  %s\n", workflow->help);
    }
    (void)printf("\nParameters (lists, maps and records as JSON):\n");
    for (size_t i = 0; i < type_field_count(workflow->input); i++) {
        (void)printf("  %s=", type_field_name(workflow->input, i));
        print_type(type_field_type(workflow->input, i));
        (void)printf("%s\n",
                     type_field_is_optional(workflow->input, i) ? "   may be left out" : "");
    }
    if (type_field_count(workflow->input) == 0) {
        (void)printf("  none\n");
    }
    (void)printf("\nIts output is ");
    print_type(workflow->output);
    (void)printf(". `mapfleet run --help` lists the options.\n");
}
