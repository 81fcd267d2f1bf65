#include "shared/reduction.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/buffer.h"
#include "shared/memory.h"
#include "shared/registry.h"
#include "shared/value.h"

#define ARGUMENT_COUNT_MAX 4

/* How each is written, for texts, and how many arguments it takes. */
static const struct {
    const char *name;
    const char *form;
    size_t count_min;
    size_t count_max;
} built_in[] = {
    [REDUCTION_OWN] = {"", "", 0, 0},
    [REDUCTION_SUM] = {"sum", "sum", 0, 0},
    [REDUCTION_COUNT] = {"count", "count", 0, 0},
    [REDUCTION_MIN] = {"min", "min", 0, 0},
    [REDUCTION_MAX] = {"max", "max", 0, 0},
    [REDUCTION_MEAN] = {"mean", "mean", 0, 0},
    [REDUCTION_TOP_K] = {"top_k", "top_k(K), top_k(K, FIELD) or top_k(K, FIELD, ascending)", 1, 3},
    [REDUCTION_CONCAT] = {"concat", "concat", 0, 0},
    [REDUCTION_HISTOGRAM] = {"histogram", "histogram(FROM, TO, BINS)", 3, 3},
};

enum { KIND_COUNT = REDUCTION_HISTOGRAM + 1 };

/* ---- Its text ---------------------------------------------------------------------------------
 */

struct argument {
    const char *text;
    size_t size;
};

struct words {
    struct argument name;
    struct argument arguments[ARGUMENT_COUNT_MAX];
    size_t count;
};

static struct argument trim(const char *text, size_t size)
{
    while (size > 0 && *text == ' ') {
        text++;
        size--;
    }
    while (size > 0 && text[size - 1] == ' ') {
        size--;
    }
    return (struct argument){.text = text, .size = size};
}

static enum status split(const char *text, struct words *words, struct error *err)
{
    const size_t name_size = strcspn(text, "(");
    const char *at = text + name_size;
    *words = (struct words){.name = trim(text, name_size)};
    if (*at == '\0') {
        return STATUS_OK;
    }
    const struct argument inside = trim(at + 1, strlen(at + 1));
    if (inside.size == 0 || inside.text[inside.size - 1] != ')') {
        return error_set(err, STATUS_INVALID, "\"%s\" has no ) at its end", text);
    }
    const char *end = inside.text + inside.size - 1;
    for (at = inside.text; at <= end; at++) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma != NULL ? comma : end;
        if (words->count == ARGUMENT_COUNT_MAX) {
            return error_set(err, STATUS_INVALID, "\"%s\" has more arguments than any takes", text);
        }
        words->arguments[words->count++] = trim(at, (size_t)(stop - at));
        at = stop;
    }
    return STATUS_OK;
}

static bool is_word(struct argument argument, const char *word)
{
    return strlen(word) == argument.size && memcmp(argument.text, word, argument.size) == 0;
}

static char *copy(struct argument argument)
{
    char *text = memory_take(argument.size + 1, 1);
    memcpy(text, argument.text, argument.size);
    return text;
}

static enum status get_count(struct argument argument, const char *what, uint64_t *count_out,
                             struct error *err)
{
    int64_t count = 0;
    if (value_parse_int(argument.text, argument.size, &count) != STATUS_OK || count < 1 ||
        count > REDUCTION_COUNT_MAX) {
        return error_set(err, STATUS_INVALID,
                         "%s is \"%.*s\", expected a whole number from 1 to %d", what,
                         (int)argument.size, argument.text, REDUCTION_COUNT_MAX);
    }
    *count_out = (uint64_t)count;
    return STATUS_OK;
}

static enum status get_bound(struct argument argument, const char *what, double *bound_out,
                             struct error *err)
{
    return value_parse_float(argument.text, argument.size, bound_out) == STATUS_OK
               ? STATUS_OK
               : error_set(err, STATUS_INVALID, "%s is \"%.*s\", expected a number", what,
                           (int)argument.size, argument.text);
}

static bool is_order(struct argument argument)
{
    return is_word(argument, "ascending") || is_word(argument, "descending");
}

/* K, then a field and an order, in this order, each of which may be left out. */
static enum status get_top_k(struct reduction *reduction, const struct words *words,
                             struct error *err)
{
    const size_t last = words->count - 1;
    const bool has_order = last > 0 && is_order(words->arguments[last]);
    const bool has_field = last == (has_order ? 2 : 1);
    if (last == 2 && !has_order) {
        return error_set(err, STATUS_INVALID,
                         "its order is \"%.*s\", expected ascending or descending",
                         (int)words->arguments[2].size, words->arguments[2].text);
    }
    reduction->is_ascending = has_order && is_word(words->arguments[last], "ascending");
    if (has_field) {
        reduction->by = copy(words->arguments[1]);
        if (*reduction->by == '\0') {
            return error_set(err, STATUS_INVALID, "its field has no name");
        }
    }
    return get_count(words->arguments[0], "K", &reduction->count, err);
}

static enum status get_histogram(struct reduction *reduction, const struct words *words,
                                 struct error *err)
{
    enum status status = get_bound(words->arguments[0], "FROM", &reduction->from, err);
    if (status == STATUS_OK) {
        status = get_bound(words->arguments[1], "TO", &reduction->to, err);
    }
    if (status == STATUS_OK) {
        status = get_count(words->arguments[2], "BINS", &reduction->count, err);
    }
    if (status == STATUS_OK &&
        (!(reduction->from < reduction->to) || isinf(reduction->to - reduction->from))) {
        status = error_set(err, STATUS_INVALID, "FROM has to be below TO");
    }
    return status;
}

static enum status get_arguments(struct reduction *reduction, const struct words *words,
                                 struct error *err)
{
    const enum reduction_kind kind = reduction->kind;
    if (words->count < built_in[kind].count_min || words->count > built_in[kind].count_max) {
        return error_set(err, STATUS_INVALID, "it has %zu arguments: it is written %s",
                         words->count, built_in[kind].form);
    }
    if (kind == REDUCTION_TOP_K) {
        return get_top_k(reduction, words, err);
    }
    return kind == REDUCTION_HISTOGRAM ? get_histogram(reduction, words, err) : STATUS_OK;
}

/* ---- Its types --------------------------------------------------------------------------------
 */

/* The type of a text that has the element's in its middle, without the ? that that may end in. */
static enum status type_around(const char *before, const struct type *element, const char *after,
                               struct type **type_out, struct error *err)
{
    struct buffer text = {0};
    enum status status = buffer_append(&text, before, strlen(before));
    if (status == STATUS_OK) {
        status = type_format(element, &text);
    }
    if (status == STATUS_OK && type_is_optional(element) && text.data[text.size - 1] == '?') {
        text.size--;
    }
    if (status == STATUS_OK) {
        status = buffer_append(&text, after, strlen(after) + 1);
    }
    status = status == STATUS_OK ? type_parse((const char *)text.data, type_out, err)
                                 : error_set(err, status, "no memory for a type");
    buffer_free(&text);
    return status;
}

static enum status fail_element(const struct type *element, const char *takes, struct error *err)
{
    struct buffer text = {0};
    const enum status status =
        type_format(element, &text) == STATUS_OK
            ? error_set(err, STATUS_INVALID, "it takes %s, and is given %.*s", takes,
                        (int)text.size, (const char *)text.data)
            : error_set(err, STATUS_INVALID, "it takes %s", takes);
    buffer_free(&text);
    return status;
}

static bool is_number(enum type_kind kind)
{
    return kind == TYPE_INT || kind == TYPE_FLOAT;
}

static bool has_order(enum type_kind kind)
{
    return is_number(kind) || kind == TYPE_STR;
}

/* The field that values are compared by; NULL where there is none. */
static const struct type *type_of_field(const struct type *element, const char *name)
{
    if (type_kind(element) == TYPE_MAP) {
        return type_element(element);
    }
    for (size_t i = 0; i < type_field_count(element); i++) {
        if (strcmp(type_field_name(element, i), name) == 0) {
            return type_field_type(element, i);
        }
    }
    return NULL;
}

/* Which keys a value has, and what an `any` holds, only the value tells. */
static enum status check_top_k(const struct reduction *reduction, const struct type *element,
                               struct error *err)
{
    if (reduction->by == NULL) {
        return has_order(reduction->of) || reduction->of == TYPE_ANY
                   ? STATUS_OK
                   : fail_element(element, "int, float or str without a FIELD", err);
    }
    if (reduction->of == TYPE_ANY) {
        return STATUS_OK;
    }
    const struct type *field = type_of_field(element, reduction->by);
    return field != NULL && (has_order(type_kind(field)) || type_kind(field) == TYPE_ANY)
               ? STATUS_OK
               : fail_element(element, "records whose FIELD is int, float or str", err);
}

static enum status choose_output(struct reduction *reduction, const struct type *element,
                                 struct error *err)
{
    struct type **output = &reduction->output;
    const enum type_kind of = reduction->of;
    enum status status;
    switch (reduction->kind) {
    case REDUCTION_OWN:
        break;
    case REDUCTION_SUM:
        return is_number(of) ? type_around("", element, "", output, err)
                             : fail_element(element, "int or float", err);
    case REDUCTION_COUNT:
        return type_parse("int", output, err);
    case REDUCTION_MIN:
    case REDUCTION_MAX:
        return has_order(of) ? type_around("", element, "?", output, err)
                             : fail_element(element, "int, float or str", err);
    case REDUCTION_MEAN:
        return is_number(of) ? type_parse("float?", output, err)
                             : fail_element(element, "int or float", err);
    case REDUCTION_TOP_K:
        status = check_top_k(reduction, element, err);
        return status == STATUS_OK ? type_around("list<", element, ">", output, err) : status;
    case REDUCTION_CONCAT:
        return of == TYPE_LIST || of == TYPE_STR || of == TYPE_BYTES
                   ? type_around("", element, "", output, err)
                   : fail_element(element, "lists, str or bytes", err);
    case REDUCTION_HISTOGRAM:
        return is_number(of) ? type_parse("{below: int, counts: list<int>, above: int, nan: int}",
                                          output, err)
                             : fail_element(element, "int or float", err);
    }
    return STATUS_INVALID;
}

static enum status take_own(struct reduction *reduction, const struct reducer *own,
                            const struct words *words, const struct type *element,
                            struct error *err)
{
    struct buffer text = {0};
    enum status status = STATUS_OK;
    reduction->kind = REDUCTION_OWN;
    reduction->own = own;
    reduction->is_ordered = own->is_ordered;
    if (words->count > 0) {
        return error_set(err, STATUS_INVALID, "it is the job's own, and takes no arguments");
    }
    /* Outputs are not converted, as inputs are. */
    const bool is_int_for_float =
        type_kind(element) == TYPE_INT && type_kind(own->input) == TYPE_FLOAT;
    if (!type_fits(element, own->input) || is_int_for_float) {
        status = type_format(own->input, &text);
        status = status == STATUS_OK ? buffer_append_byte(&text, '\0') : status;
        status =
            fail_element(element, status == STATUS_OK ? (const char *)text.data : "others", err);
        buffer_free(&text);
        return status;
    }
    return type_around("", own->output,
                       own->empty == NULL || type_is_optional(own->output) ? "?" : "",
                       &reduction->output, err);
}

/* ---- Opening ----------------------------------------------------------------------------------
 */

static enum reduction_kind kind_of(struct argument name)
{
    for (unsigned kind = REDUCTION_OWN + 1; kind < KIND_COUNT; kind++) {
        if (is_word(name, built_in[kind].name)) {
            return (enum reduction_kind)kind;
        }
    }
    return REDUCTION_OWN;
}

bool reduction_is_built_in(const char *name)
{
    return kind_of(trim(name, strlen(name))) != REDUCTION_OWN;
}

static const struct reducer *find_own(const struct job *job, struct argument name)
{
    for (size_t i = 0; i < job->reducer_count; i++) {
        if (is_word(name, job->reducers[i].name)) {
            return &job->reducers[i];
        }
    }
    return NULL;
}

static enum status fail_unknown(const struct job *job, const char *text, struct error *err)
{
    struct buffer names = {0};
    for (unsigned kind = REDUCTION_OWN + 1; kind < KIND_COUNT; kind++) {
        (void)!buffer_printf(&names, "%s%s", names.size > 0 ? ", " : "", built_in[kind].name);
    }
    for (size_t i = 0; i < job->reducer_count; i++) {
        (void)!buffer_printf(&names, ", %s", job->reducers[i].name);
    }
    const enum status status =
        error_set(err, STATUS_NOT_FOUND, "there is no reducer \"%s\"; there are %.*s", text,
                  (int)names.size, names.data != NULL ? (const char *)names.data : "");
    buffer_free(&names);
    return status;
}

static enum status fill(const struct job *job, const char *text, const struct words *words,
                        const struct type *element, struct reduction *reduction, struct error *err)
{
    const struct reducer *own = find_own(job, words->name);
    reduction->kind = kind_of(words->name);
    reduction->of = type_kind(element);
    if (own == NULL && reduction->kind == REDUCTION_OWN) {
        return fail_unknown(job, text, err);
    }
    reduction->name = copy(words->name);
    enum status status;
    if (own != NULL) {
        status = take_own(reduction, own, words, element, err);
    } else {
        reduction->is_ordered = reduction->kind == REDUCTION_CONCAT;
        status = get_arguments(reduction, words, err);
        if (status == STATUS_OK) {
            status = choose_output(reduction, element, err);
        }
    }
    if (status != STATUS_OK) {
        error_prefix(err, "reducer %s: ", reduction->name);
    }
    return status;
}

enum status reduction_open(const struct job *job, const char *text, const struct type *element,
                           struct reduction **reduction_out, struct error *err)
{
    struct words words;
    struct reduction *reduction = memory_take(1, sizeof(*reduction));
    enum status status = split(text, &words, err);
    if (status == STATUS_OK) {
        status = fill(job, text, &words, element, reduction, err);
    } else {
        error_prefix(err, "reducer ");
    }
    if (status != STATUS_OK) {
        reduction_destroy(reduction);
        return status;
    }
    *reduction_out = reduction;
    return STATUS_OK;
}

enum status reduction_describe(const struct reduction *reduction, const char *text,
                               struct buffer *out)
{
    enum status status = buffer_append(out, text, strlen(text));
    if (status != STATUS_OK || reduction->own == NULL) {
        return status;
    }
    status = buffer_append(out, " of ", strlen(" of "));
    if (status == STATUS_OK) {
        status = type_format(reduction->own->type, out);
    }
    const char *order = reduction->is_ordered ? ", in order" : "";
    return status == STATUS_OK ? buffer_append(out, order, strlen(order)) : status;
}

void reduction_destroy(struct reduction *reduction)
{
    if (reduction == NULL) {
        return;
    }
    type_destroy(reduction->output);
    free(reduction->name);
    free(reduction->by);
    free(reduction);
}
