#include "jobs/command/template.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/command/path_part.h"
#include "jobs/command/template_private.h"

#define BLANKS_AND_OPERATORS " \t\n;|&()<>`"

bool template_fail(struct template_error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    return false;
}

/* ---- Placeholders -----------------------------------------------------------------------------
 */

static const struct {
    const char *text;
    enum path_part part;
} path_parts[] = {{"", PATH_WHOLE},
                  {".", PATH_NO_ENDING},
                  {"/", PATH_NAME},
                  {"//", PATH_FOLDER},
                  {"/.", PATH_NAME_NO_ENDING}};

static bool is_path_part(struct piece text, enum path_part *part_out)
{
    for (size_t i = 0; i < sizeof(path_parts) / sizeof(path_parts[0]); i++) {
        if (strlen(path_parts[i].text) == text.size &&
            memcmp(path_parts[i].text, text.text, text.size) == 0) {
            *part_out = path_parts[i].part;
            return true;
        }
    }
    return false;
}

static bool is_piece(struct piece piece, const char *text)
{
    return strlen(text) == piece.size && memcmp(text, piece.text, piece.size) == 0;
}

static enum part_kind kind_of_name(struct piece name)
{
    return is_piece(name, "index") ? PART_INDEX : is_piece(name, "slot") ? PART_SLOT : PART_FIELD;
}

/* What stands between braces, if that is a placeholder. */
static bool parse_inner(struct piece inner, struct part *part)
{
    static const char digits[] = "0123456789";
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    static const char both[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    const char first = inner.size > 0 ? inner.text[0] : '\0';
    *part = (struct part){.kind = PART_INPUT};
    if (is_piece(inner, "#") || is_piece(inner, "%")) {
        part->kind = first == '#' ? PART_NUMBER : PART_SLOT;
        return true;
    }
    size_t size = 0;
    if (first >= '1' && first <= '9') {
        part->kind = PART_NTH;
        size = strspn(inner.text, digits);
        part->nth = strtoul(inner.text, NULL, 10); /* far too many are ULONG_MAX */
    } else if (first != '\0' && strchr(letters, first) != NULL) {
        size = strspn(inner.text, both);
        part->text = (struct piece){inner.text, size};
        part->kind = kind_of_name(part->text);
    }
    return is_path_part((struct piece){inner.text + size, inner.size - size}, &part->path);
}

/* A placeholder begins at `text`; *size_out is that of all of it, braces included. */
static bool parse_placeholder(const char *text, struct part *part, size_t *size_out)
{
    const size_t inner_size = text[0] == '{' ? strcspn(text + 1, "{}") : 0;
    if (text[0] != '{' || text[1 + inner_size] != '}') {
        return false;
    }
    *size_out = inner_size + 2;
    return parse_inner((struct piece){text + 1, inner_size}, part);
}

/* {{name}}, which is {name} itself. */
static bool is_escaped(const char *text, size_t *inner_size_out)
{
    struct part ignored;
    return text[0] == '{' && parse_placeholder(text + 1, &ignored, inner_size_out) &&
           text[1 + *inner_size_out] == '}';
}

static bool refuse_foreign(const char *text, struct template_error *err)
{
    if (text[0] == '{' && text[1] == '=' && strstr(text, "=}") != NULL) {
        return template_fail(err,
                             "{= ... =} is Perl, which is not run here: the shell's $((...)) and "
                             "${f%%...} do the same, with --shell");
    }
    if (strncmp(text, "{..}", 4) == 0) {
        return template_fail(err, "{..} is not known here: the shell's ${f%%.*} does the same, "
                                  "with --shell");
    }
    return true;
}

/* ---- Parsing ----------------------------------------------------------------------------------
 */

static bool add_part(struct template *template, const struct part *part, struct template_error *err)
{
    if (template->part_count == template->part_capacity) {
        const size_t capacity = 2 * template->part_capacity + 8;
        struct part *parts = realloc(template->parts, capacity * sizeof(*parts));
        if (parts == NULL) {
            return template_fail(err, "no memory for a command line");
        }
        template->parts = parts;
        template->part_capacity = capacity;
    }
    template->parts[template->part_count++] = *part;
    return true;
}

static bool add_literal(struct template *template, const char *text, size_t size,
                        struct template_error *err)
{
    const struct part part = {.kind = PART_LITERAL, .text = {text, size}};
    return size == 0 || add_part(template, &part, err);
}

/* Where in a line a shell stands: the innermost quotes, within $(...) and `...` those that are
 * opened there.
 */
struct quoting {
    enum quote stack[QUOTE_DEPTH_MAX];
    size_t depth;
    size_t ticks; /* the depth within `...`; 0: outside */
};

static void push(struct quoting *quoting, enum quote quote)
{
    if (quoting->depth + 1 < QUOTE_DEPTH_MAX) {
        quoting->stack[++quoting->depth] = quote;
    }
}

static void pop(struct quoting *quoting)
{
    quoting->depth -= quoting->depth > 0 ? 1 : 0;
}

static enum quote innermost(const struct quoting *quoting)
{
    return quoting->stack[quoting->depth];
}

/* A ` ends the `...` in which it stands, whatever other quotes are open there. */
static void pass_tick(struct quoting *quoting)
{
    if (quoting->ticks > 0) {
        quoting->depth = quoting->ticks - 1;
        quoting->ticks = 0;
    } else {
        push(quoting, QUOTE_NONE);
        quoting->ticks = quoting->depth;
    }
}

static void pass_double(struct quoting *quoting)
{
    if (innermost(quoting) == QUOTE_DOUBLE) {
        pop(quoting);
    } else {
        push(quoting, QUOTE_DOUBLE);
    }
}

/* Does a # at `text` begin a comment? Within ${...} it does not. */
static bool is_comment(const char *start, const char *text)
{
    if (*text != '#' || (text > start && strchr(BLANKS_AND_OPERATORS, text[-1]) == NULL)) {
        return false;
    }
    for (const char *at = text; at > start && at[-1] != '\n' && at[-1] != '}'; at--) {
        if (at[-1] == '{' && at - 1 > start && at[-2] == '$') {
            return false;
        }
    }
    return true;
}

/* A backslash and what stands behind it. */
static void pass_escaped(struct quoting *quoting, char escaped)
{
    if (escaped == '"' && quoting->ticks > 0 &&
        quoting->stack[quoting->ticks - 1] == QUOTE_DOUBLE) {
        pass_double(quoting); /* "`echo \"a b\"`" */
    }
}

/* Outside of quotes. */
static size_t pass_plain(struct quoting *quoting, const char *start, const char *text)
{
    if (text[0] == '$' && text[1] == '\'') {
        push(quoting, QUOTE_DOLLAR);
        return 2;
    }
    if (text[0] == '\'') {
        push(quoting, QUOTE_SINGLE);
    } else if (text[0] == '(') {
        push(quoting, QUOTE_NONE);
    } else if (text[0] == ')' && (quoting->ticks == 0 || quoting->depth > quoting->ticks)) {
        pop(quoting);
    } else if (is_comment(start, text)) {
        push(quoting, QUOTE_COMMENT);
    }
    return 1;
}

/* Pass over one character, or two where they are one to the shell; gives how many. */
static size_t quoting_pass(struct quoting *quoting, const char *start, const char *text)
{
    const enum quote quote = innermost(quoting);
    const bool is_verbatim = quote == QUOTE_SINGLE || quote == QUOTE_COMMENT;
    if (text[0] == '\\' && text[1] != '\0' && (!is_verbatim || quoting->ticks > 0)) {
        pass_escaped(quoting, text[1]);
        return 2;
    }
    if (text[0] == '`' && (quoting->ticks > 0 || quote == QUOTE_NONE || quote == QUOTE_DOUBLE)) {
        pass_tick(quoting);
        return 1;
    }
    if (is_verbatim || quote == QUOTE_DOLLAR) {
        if (text[0] == (quote == QUOTE_COMMENT ? '\n' : '\'')) {
            pop(quoting);
        }
        return 1;
    }
    if (text[0] == '$' && text[1] == '(') {
        push(quoting, QUOTE_NONE);
        return 2;
    }
    if (text[0] == '"') {
        pass_double(quoting);
        return 1;
    }
    return quote == QUOTE_NONE ? pass_plain(quoting, start, text) : 1;
}

/* Is it a word of its own, of a line or of the list of words? */
static bool is_alone(const struct template *template, const char *start, const char *at,
                     size_t size)
{
    const char after = at[size];
    if (!template->is_shell) {
        return at == start && after == '\0';
    }
    return (at == start || strchr(BLANKS_AND_OPERATORS, at[-1]) != NULL) &&
           (after == '\0' || strchr(BLANKS_AND_OPERATORS, after) != NULL);
}

static bool parse_text(struct template *template, const char *start, struct template_error *err)
{
    struct quoting quoting = {.depth = 0};
    const char *literal = start;
    const char *at = start;
    while (*at != '\0') {
        struct part part;
        size_t size = 0;
        const bool is_after_dollar = at > start && at[-1] == '$';
        if (!is_after_dollar && is_escaped(at, &size)) {
            if (!add_literal(template, literal, (size_t)(at - literal), err) ||
                !add_literal(template, at + 1, size, err)) {
                return false;
            }
            at += size + 2;
            literal = at;
        } else if (!is_after_dollar && parse_placeholder(at, &part, &size)) {
            part.quote = innermost(&quoting);
            part.is_in_ticks = quoting.ticks > 0;
            part.is_alone = part.quote == QUOTE_NONE && is_alone(template, start, at, size);
            if (!add_literal(template, literal, (size_t)(at - literal), err) ||
                !add_part(template, &part, err)) {
                return false;
            }
            at += size;
            literal = at;
        } else if (!is_after_dollar && !refuse_foreign(at, err)) {
            return false;
        } else {
            at += template->is_shell ? quoting_pass(&quoting, start, at) : 1;
        }
    }
    return add_literal(template, literal, (size_t)(at - literal), err);
}

/* The end of a word. */
static bool end_word(struct template *template, struct template_error *err)
{
    const struct part part = {.kind = PART_END};
    return add_part(template, &part, err);
}

static bool copy_words(struct template *template, char *const *words, size_t word_count)
{
    size_t size = 1;
    for (size_t i = 0; i < word_count; i++) {
        size += strlen(words[i]) + 1;
    }
    template->text = calloc(size, 1);
    char *at = template->text;
    for (size_t i = 0; i < word_count && at != NULL; i++) {
        const size_t word_size = strlen(words[i]);
        memcpy(at, words[i], word_size);
        at += word_size;
        if (template->is_shell && i + 1 < word_count) {
            *at = ' ';
        }
        at++;
    }
    return template->text != NULL;
}

bool template_parse(char *const *words, size_t word_count, bool is_shell,
                    struct template **template_out, struct template_error *err)
{
    struct template *template = calloc(1, sizeof(*template));
    bool is_good = template != NULL;
    if (is_good) {
        template->is_shell = is_shell;
        is_good = copy_words(template, words, word_count);
    }
    if (!is_good) {
        template_destroy(template);
        return template_fail(err, "no memory for a command line");
    }
    const char *at = template->text;
    const size_t text_count = is_shell ? 1 : word_count;
    for (size_t i = 0; i < text_count && is_good; i++) {
        is_good = parse_text(template, at, err) && end_word(template, err);
        at += strlen(at) + 1;
    }
    if (!is_good) {
        template_destroy(template);
        return false;
    }
    *template_out = template;
    return true;
}

void template_destroy(struct template *template)
{
    if (template != NULL) {
        free(template->parts);
        free(template->text);
        free(template);
    }
}

/* ---- What there is ----------------------------------------------------------------------------
 */

bool template_has_placeholder(const struct template *template)
{
    for (size_t i = 0; i < template->part_count; i++) {
        if (template->parts[i].kind != PART_LITERAL && template->parts[i].kind != PART_END) {
            return true;
        }
    }
    return false;
}

bool template_has_place(const struct template *template)
{
    for (size_t i = 0; i < template->part_count; i++) {
        const enum part_kind kind = template->parts[i].kind;
        if (kind == PART_NUMBER || kind == PART_INDEX || kind == PART_SLOT) {
            return true;
        }
    }
    return false;
}

bool template_has_placeholder_first(const struct template *template)
{
    for (size_t i = 0; i < template->part_count && template->parts[i].kind != PART_END; i++) {
        if (template->parts[i].kind != PART_LITERAL) {
            return true;
        }
    }
    return false;
}
