/* The names in an expression: each becomes p["name"], and what is no parameter is refused. So names
 * are checked without running anything, and dots in them mean what the file means by them. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/buffer.h"
#include "shared/expression.h"
#include "shared/nearest.h"

struct rewriting {
    const struct space *space;
    size_t known;
    const char *at;
    struct buffer *out;
    enum status status;
    char *text;
    size_t text_size;
};

static bool refuse(struct rewriting *rewriting, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool refuse(struct rewriting *rewriting, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(rewriting->text, rewriting->text_size, format, args);
    va_end(args);
    rewriting->status = STATUS_INVALID;
    return false;
}

static bool put(struct rewriting *rewriting, const char *text, size_t size)
{
    if (rewriting->status == STATUS_OK) {
        rewriting->status = buffer_append(rewriting->out, text, size);
    }
    return rewriting->status == STATUS_OK;
}

/* As it is, up to there. */
static bool pass(struct rewriting *rewriting, const char *end)
{
    const char *from = rewriting->at;
    rewriting->at = end;
    return put(rewriting, from, (size_t)(end - from));
}

/* ---- Letters, whatever the locale -------------------------------------------------------------
 */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool begins_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_of_name(char c)
{
    return begins_name(c) || is_digit(c);
}

static const char *name_end(const char *at)
{
    while (is_of_name(*at)) {
        at++;
    }
    return at;
}

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

/* ---- Texts and numbers ------------------------------------------------------------------------
 */

/* Behind the closing quote; NULL where there is none. */
static const char *quoted_end(const char *at)
{
    const char quote = *at++;
    while (*at != '\0' && *at != quote) {
        at += at[0] == '\\' && at[1] != '\0' ? 2 : 1;
    }
    return *at == quote ? at + 1 : NULL;
}

static bool pass_quoted(struct rewriting *rewriting)
{
    const char *end = quoted_end(rewriting->at);
    return end != NULL ? pass(rewriting, end) : refuse(rewriting, "a quote is not closed");
}

static bool pass_number(struct rewriting *rewriting)
{
    const char *at = rewriting->at;
    while (is_of_name(*at) || *at == '.' ||
           ((*at == '-' || *at == '+') && strchr("eEpP", at[-1]) != NULL)) {
        at++;
    }
    return pass(rewriting, at);
}

/* ---- Names ------------------------------------------------------------------------------------
 */

static const struct parameter *find(const struct rewriting *rewriting, const char *name,
                                    size_t size)
{
    for (size_t i = 0; i < rewriting->known; i++) {
        const struct parameter *parameter = &rewriting->space->parameters[i];
        if (strlen(parameter->name) == size && memcmp(parameter->name, name, size) == 0) {
            return parameter;
        }
    }
    return NULL;
}

/* The same among all of the space: it may be one that stands below. */
static bool stands_below(const struct rewriting *rewriting, const char *name, size_t size)
{
    struct rewriting all = *rewriting;
    all.known = rewriting->space->count;
    return find(&all, name, size) != NULL;
}

static bool refuse_name(struct rewriting *rewriting, const char *name, size_t size)
{
    const size_t count = rewriting->known;
    const char **names = calloc(count + 1, sizeof(*names));
    if (stands_below(rewriting, name, size)) {
        free(names);
        return refuse(rewriting, "%.*s stands below: an expression of when sees what is above it",
                      (int)size, name);
    }
    for (size_t i = 0; names != NULL && i < count; i++) {
        names[i] = rewriting->space->parameters[i].name;
    }
    const char *nearest = names != NULL ? nearest_name(name, size, names) : NULL;
    free(names);
    return refuse(rewriting, "%.*s is no parameter%s%s%s", (int)size, name,
                  nearest != NULL ? ": did you mean " : "", nearest != NULL ? nearest : "",
                  nearest != NULL ? "?" : "");
}

/* p["name"], the name in decimal escapes where it has to be. */
static bool put_access(struct rewriting *rewriting, const char *name)
{
    bool is_good = put(rewriting, "p[\"", 3);
    for (; is_good && *name != '\0'; name++) {
        if (is_of_name(*name)) {
            is_good = put(rewriting, name, 1);
        } else {
            char escape[8];
            const int size = snprintf(escape, sizeof(escape), "\\%03d", (unsigned char)*name);
            is_good = put(rewriting, escape, (size_t)size);
        }
    }
    return is_good && put(rewriting, "\"]", 2);
}

static bool is_word(const char *name, size_t size, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strlen(*words) == size && memcmp(*words, name, size) == 0) {
            return true;
        }
    }
    return false;
}

/* p['name'] */
static bool pass_lookup(struct rewriting *rewriting)
{
    const char *at = skip_blanks(skip_blanks(rewriting->at + 1) + 1);
    const char *end = *at == '\'' || *at == '"' ? quoted_end(at) : NULL;
    if (end == NULL || *skip_blanks(end) != ']') {
        return refuse(rewriting, "p[...] takes the name of a parameter in quotes");
    }
    const struct parameter *parameter = find(rewriting, at + 1, (size_t)(end - at) - 2);
    if (parameter == NULL) {
        return refuse_name(rewriting, at + 1, (size_t)(end - at) - 2);
    }
    rewriting->at = skip_blanks(end) + 1;
    return put_access(rewriting, parameter->name);
}

/* The longest chain of names with dots that is a parameter: what follows is a key of its value. */
static bool pass_name(struct rewriting *rewriting)
{
    static const char *const operators[] = {"and", "or", "not", "true", "false", "nil", NULL};
    static const char *const refused[] = {"break",    "do",   "else",  "elseif", "end",   "for",
                                          "function", "goto", "if",    "in",     "local", "repeat",
                                          "return",   "then", "until", "while",  NULL};
    const char *from = rewriting->at;
    const char *end = name_end(from);
    const size_t first_size = (size_t)(end - from);
    if (is_word(from, first_size, operators)) {
        return pass(rewriting, end);
    }
    if (is_word(from, first_size, refused)) {
        return refuse(rewriting, "\"%.*s\" is no part of an expression", (int)first_size, from);
    }
    if (first_size == 1 && *from == 'p' && *skip_blanks(end) == '[') {
        return pass_lookup(rewriting);
    }
    const struct parameter *found = find(rewriting, from, first_size);
    const char *found_end = end;
    while (*end == '.' && begins_name(end[1])) {
        end = name_end(end + 1);
        const struct parameter *longer = find(rewriting, from, (size_t)(end - from));
        found = longer != NULL ? longer : found;
        found_end = longer != NULL ? end : found_end;
    }
    if (found == NULL) {
        return refuse_name(rewriting, from, (size_t)(end - from));
    }
    rewriting->at = found_end;
    if (!put_access(rewriting, found->name)) {
        return false;
    }
    while (rewriting->at < end && *rewriting->at == '.') {
        if (!pass(rewriting, name_end(rewriting->at + 1))) {
            return false;
        }
    }
    return true;
}

static bool pass_token(struct rewriting *rewriting)
{
    const char *at = rewriting->at;
    if (*at == '\'' || *at == '"') {
        return pass_quoted(rewriting);
    }
    if (begins_name(*at)) {
        return pass_name(rewriting);
    }
    if (is_digit(*at) || (*at == '.' && is_digit(at[1]))) {
        return pass_number(rewriting);
    }
    if (strncmp(at, "--", 2) == 0 || strncmp(at, "[[", 2) == 0 || strncmp(at, "[=", 2) == 0 ||
        *at == ';' || *at == '{' || *at == ':') {
        return refuse(rewriting, "\"%.*s\" is no part of an expression",
                      *at == '-' || *at == '[' ? 2 : 1, at);
    }
    return pass(rewriting, at + 1);
}

enum status expression_rewrite(const struct space *space, size_t known, const char *expression,
                               struct buffer *lua_out, char *text_out, size_t text_size)
{
    struct rewriting rewriting = {.space = space,
                                  .known = known,
                                  .at = expression,
                                  .out = lua_out,
                                  .text = text_out,
                                  .text_size = text_size};
    while (*rewriting.at != '\0' && pass_token(&rewriting)) {
    }
    return rewriting.status;
}
