/* template_private.h - what the parser of command lines (template.c) and what fills them in
 * (template_fill.c) share. */
#ifndef COMMAND_TEMPLATE_PRIVATE_H
#define COMMAND_TEMPLATE_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

#include "jobs/command/path_part.h"
#include "jobs/command/template.h"

#define QUOTE_DEPTH_MAX 32

enum part_kind {
    PART_LITERAL,
    PART_INPUT,
    PART_FIELD,
    PART_NTH,
    PART_NUMBER, /* {#} */
    PART_INDEX,
    PART_SLOT,
    PART_END /* of a word */
};

/* DOLLAR: $'...'. A comment is no quotes, but quotes in it count for nothing. */
enum quote { QUOTE_NONE, QUOTE_SINGLE, QUOTE_DOUBLE, QUOTE_DOLLAR, QUOTE_COMMENT };

struct part {
    enum part_kind kind;
    struct piece text; /* LITERAL: itself; FIELD: its name */
    size_t nth;        /* NTH: from 1 */
    enum path_part path;
    enum quote quote; /* in which it stands in a shell's line */
    bool is_in_ticks; /* and within `...`, where a backslash is read before anything else */
    bool is_alone;    /* it is a whole word */
};

struct template
{
    bool is_shell;
    char *text; /* into which the parts point */
    struct part *parts;
    size_t part_count;
    size_t part_capacity;
};

/* Write the text, and give false. */
bool template_fail(struct template_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
