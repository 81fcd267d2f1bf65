#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "jobs/command/template_private.h"

#define NAMES_SIZE 256

/* What is filled in, and where. */
struct filling {
    const struct template_input *input;
    struct word_list *words;
    struct template_error *err;
    bool is_shell;
};

/* ---- Finding ----------------------------------------------------------------------------------
 */

/* "lr, momentum and seed", as far as it fits. */
static const char *field_names(const mf_value *record, char text[NAMES_SIZE])
{
    size_t size = 0;
    text[0] = '\0';
    for (size_t i = 0; i < mf_count(record) && size < NAMES_SIZE; i++) {
        const char *joint = i == 0 ? "" : i + 1 < mf_count(record) ? ", " : " and ";
        size += (size_t)snprintf(text + size, NAMES_SIZE - size, "%s%s", joint, mf_key(record, i));
    }
    return text;
}

static const mf_value *find_field(const mf_value *input, struct piece name,
                                  struct template_error *err)
{
    char names[NAMES_SIZE];
    const int size = (int)name.size;
    for (size_t i = 0; mf_kind_of(input) == MF_MAP && i < mf_count(input); i++) {
        const char *key = mf_key(input, i);
        if (strlen(key) == name.size && memcmp(key, name.text, name.size) == 0) {
            return mf_item(input, i);
        }
    }
    if (mf_kind_of(input) == MF_MAP) {
        (void)template_fail(err,
                            "{%.*s}: the input has no such field; it has %s ({{%.*s}} writes the "
                            "braces as they are)",
                            size, name.text, field_names(input, names), size, name.text);
    } else {
        (void)template_fail(err,
                            "{%.*s}: the input is no record, so that it has no fields: {} is all "
                            "of it ({{%.*s}} writes the braces as they are)",
                            size, name.text, size, name.text);
    }
    return NULL;
}

static const mf_value *find_nth(const mf_value *input, size_t nth, struct template_error *err)
{
    const bool is_scalar = mf_kind_of(input) != MF_LIST && mf_kind_of(input) != MF_MAP;
    if (is_scalar && nth == 1) {
        return input;
    }
    const mf_value *item = is_scalar ? NULL : mf_item(input, nth - 1);
    if (item == NULL && is_scalar) {
        (void)template_fail(err,
                            "{%zu}: the input is one value and no list (--colsep splits lines; "
                            "{{%zu}} writes the braces as they are)",
                            nth, nth);
    } else if (item == NULL) {
        (void)template_fail(err,
                            "{%zu}: the input has %zu column%s ({{%zu}} writes the braces as they "
                            "are)",
                            nth, mf_count(input), mf_count(input) == 1 ? "" : "s", nth);
    }
    return item;
}

static const mf_value *find(const struct part *part, const mf_value *input,
                            struct template_error *err)
{
    return part->kind == PART_FIELD ? find_field(input, part->text, err)
           : part->kind == PART_NTH ? find_nth(input, part->nth, err)
                                    : input;
}

/* ---- Checking ---------------------------------------------------------------------------------
 */

static bool is_text(const mf_value *value)
{
    return mf_kind_of(value) == MF_STR || mf_kind_of(value) == MF_BYTES;
}

static bool has_nul(const mf_value *value)
{
    return is_text(value) && mf_size(value) > 0 &&
           memchr(mf_str(value), '\0', mf_size(value)) != NULL;
}

static bool check_text(const mf_value *value, struct template_error *err)
{
    bool is_bad = has_nul(value);
    for (size_t i = 0; mf_kind_of(value) == MF_LIST && i < mf_count(value); i++) {
        is_bad = is_bad || has_nul(mf_item(value, i));
    }
    return !is_bad || template_fail(err, "found a NUL, which no argument can hold");
}

static bool is_of_input(const struct part *part)
{
    return part->kind == PART_INPUT || part->kind == PART_FIELD || part->kind == PART_NTH;
}

bool template_check(const struct template *template, const mf_value *input,
                    struct template_error *err)
{
    for (size_t i = 0; i < template->part_count; i++) {
        if (is_of_input(&template->parts[i])) {
            const mf_value *value = find(&template->parts[i], input, err);
            if (value == NULL || !check_text(value, err)) {
                return false;
            }
        }
    }
    return true;
}

/* ---- Quoting ----------------------------------------------------------------------------------
 */

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strchr("_-+./:,@%", c) != NULL;
}

/* Does a shell read nothing into it? */
static bool is_plain_text(struct piece piece)
{
    for (size_t i = 0; i < piece.size; i++) {
        if (piece.text[i] == '\0' || !is_plain(piece.text[i])) {
            return false;
        }
    }
    return piece.size > 0;
}

/* Each of these characters with something in its place. */
static void add_escaped(struct word_list *words, struct piece piece, const char *special,
                        const char *before)
{
    size_t from = 0;
    for (size_t i = 0; i < piece.size; i++) {
        if (piece.text[i] != '\0' && strchr(special, piece.text[i]) != NULL) {
            words_add(words, piece.text + from, i - from);
            words_add(words, before, strlen(before));
            from = i;
        }
    }
    words_add(words, piece.text + from, piece.size - from);
}

/* Each of this character as `instead`. */
static void add_replaced(struct word_list *words, struct piece piece, char replaced,
                         const char *instead)
{
    size_t from = 0;
    for (size_t i = 0; i < piece.size; i++) {
        if (piece.text[i] == replaced) {
            words_add(words, piece.text + from, i - from);
            words_add(words, instead, strlen(instead));
            from = i + 1;
        }
    }
    words_add(words, piece.text + from, piece.size - from);
}

/* Within single quotes, one of them ends the quotes, and another begins them again. */
static void add_in_single(struct word_list *words, struct piece piece)
{
    add_replaced(words, piece, '\'', "'\\''");
}

static void add_plainly(struct word_list *words, struct piece piece)
{
    if (is_plain_text(piece)) {
        words_add(words, piece.text, piece.size);
        return;
    }
    words_add(words, "'", 1);
    add_in_single(words, piece);
    words_add(words, "'", 1);
}

/* What runs is not to begin at a newline of the input. */
static void add_in_comment(struct word_list *words, struct piece piece)
{
    struct word_list quoted = {.count = 0};
    add_plainly(&quoted, piece);
    add_replaced(words, (struct piece){quoted.text, quoted.size}, '\n', "'$'\\n''");
    words->failed = words->failed || quoted.failed;
    words_free(&quoted);
}

static void add_quoted(struct word_list *words, struct piece piece, enum quote quote)
{
    switch (quote) {
    case QUOTE_SINGLE:
        add_in_single(words, piece);
        break;
    case QUOTE_DOUBLE:
        add_escaped(words, piece, "\\\"$`", "\\");
        break;
    case QUOTE_DOLLAR:
        add_escaped(words, piece, "\\'", "\\");
        break;
    case QUOTE_COMMENT:
        add_in_comment(words, piece);
        break;
    case QUOTE_NONE:
        add_plainly(words, piece);
        break;
    }
}

/* A shell takes these backslashes away before it reads the command between the ticks. */
static void add_in_ticks(struct word_list *words, struct piece piece, enum quote quote)
{
    struct word_list quoted = {.count = 0};
    add_quoted(&quoted, piece, quote);
    if (quoted.size > 0) {
        add_escaped(words, (struct piece){quoted.text, quoted.size}, "\\`$", "\\");
    }
    words->failed = words->failed || quoted.failed;
    words_free(&quoted);
}

/* ---- Filling in -------------------------------------------------------------------------------
 */

static bool get_text(const struct filling *filling, const mf_value *value, struct piece *piece_out)
{
    if (is_text(value)) {
        *piece_out = (struct piece){mf_str(value), mf_size(value)};
        return true;
    }
    piece_out->text = filling->input->text(filling->input->context, value, &piece_out->size);
    return piece_out->text != NULL || template_fail(filling->err, "no memory for a command line");
}

static void add_piece(const struct filling *filling, const struct part *part, struct piece piece)
{
    if (filling->is_shell && part->is_in_ticks) {
        add_in_ticks(filling->words, piece, part->quote);
    } else if (filling->is_shell) {
        add_quoted(filling->words, piece, part->quote);
    } else {
        words_add(filling->words, piece.text, piece.size);
    }
}

static bool add_value(const struct filling *filling, const struct part *part, const mf_value *value)
{
    struct piece piece;
    if (!get_text(filling, value, &piece)) {
        return false;
    }
    add_piece(filling, part, path_part(piece, part->path));
    return true;
}

/* The items of a list as one text, with a blank between them. */
static bool add_joined(const struct filling *filling, const struct part *part, const mf_value *list)
{
    struct word_list joined = {.count = 0};
    bool is_good = true;
    for (size_t i = 0; i < mf_count(list) && is_good; i++) {
        struct piece piece;
        is_good = get_text(filling, mf_item(list, i), &piece);
        if (is_good) {
            const struct piece cut = path_part(piece, part->path);
            words_add(&joined, " ", i > 0 ? 1 : 0);
            words_add(&joined, cut.text, cut.size);
        }
    }
    if (is_good) {
        add_piece(filling, part,
                  (struct piece){joined.text != NULL ? joined.text : "", joined.size});
        filling->words->failed = filling->words->failed || joined.failed;
    }
    words_free(&joined);
    return is_good;
}

/* Each item is a word: in a line with blanks between them, else one argument after the other, of
 * which the last is ended as every word is. */
static bool add_items(const struct filling *filling, const struct part *part, const mf_value *list)
{
    for (size_t i = 0; i < mf_count(list); i++) {
        if (i > 0 && filling->is_shell) {
            words_add(filling->words, " ", 1);
        } else if (i > 0) {
            words_end(filling->words);
        }
        if (!add_value(filling, part, mf_item(list, i))) {
            return false;
        }
    }
    return true;
}

static bool add_input(const struct filling *filling, const struct part *part)
{
    const mf_value *value = find(part, filling->input->value, filling->err);
    if (value == NULL || !check_text(value, filling->err)) {
        return false;
    }
    if (part->kind != PART_INPUT || mf_kind_of(value) != MF_LIST) {
        return add_value(filling, part, value);
    }
    return part->is_alone ? add_items(filling, part, value) : add_joined(filling, part, value);
}

static bool add_number(const struct filling *filling, const struct part *part, uint64_t number)
{
    char text[24];
    const int size = snprintf(text, sizeof(text), "%" PRIu64, number);
    add_piece(filling, part, (struct piece){text, (size_t)size});
    return true;
}

static bool add_part(const struct filling *filling, const struct part *part)
{
    switch (part->kind) {
    case PART_LITERAL:
        words_add(filling->words, part->text.text, part->text.size);
        return true;
    case PART_INPUT:
    case PART_FIELD:
    case PART_NTH:
        return add_input(filling, part);
    case PART_NUMBER:
        return add_number(filling, part, filling->input->index + 1);
    case PART_INDEX:
        return add_number(filling, part, filling->input->index);
    case PART_SLOT:
        return add_number(filling, part, filling->input->slot);
    case PART_END:
        words_end(filling->words);
        return true;
    }
    return false;
}

/* An empty list gives no argument. */
static bool is_nothing(const struct template *template, const struct part *part,
                       const mf_value *input)
{
    return part->kind == PART_INPUT && part->is_alone && !template->is_shell &&
           mf_kind_of(input) == MF_LIST && mf_count(input) == 0;
}

bool template_fill(const struct template *template, const struct template_input *input,
                   struct word_list *words, struct template_error *err)
{
    const struct filling filling = {
        .input = input, .words = words, .err = err, .is_shell = template->is_shell};
    words_clear(words);
    for (size_t i = 0; i < template->part_count; i++) {
        const struct part *part = &template->parts[i];
        if (is_nothing(template, part, input->value)) {
            i++; /* the end of its word */
        } else if (!add_part(&filling, part)) {
            return false;
        }
    }
    return !words->failed || template_fail(err, "no memory for a command line");
}
