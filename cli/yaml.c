#include "cli/yaml.h"

#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>

#include "shared/mapfleet.h"

#define ITEMS_MIN ((size_t)8)
#define UTF8_SIZE_MAX ((size_t)4)

/* A sequence or mapping that is not closed yet. */
struct level {
    struct yaml_node *node;
    size_t capacity;
};

struct anchor {
    const char *name;
    struct yaml_node *node;
    bool is_open; /* within itself */
    struct anchor *next;
};

struct parse {
    struct yaml_reader *reader;
    struct level levels[YAML_DEPTH_MAX];
    size_t depth;
    struct anchor *anchors; /* the latest first */
    struct yaml_node *root;
    size_t document_count;
    bool has_failed;
};

/* ---- Nodes ------------------------------------------------------------------------------------
 */

static struct place place_of(struct fy_event *event)
{
    const struct fy_mark *mark = fy_event_start_mark(event);
    return mark != NULL ? (struct place){.line = (unsigned)mark->line + 1,
                                         .column = (unsigned)mark->column + 1}
                        : (struct place){.line = 0};
}

static void fail(struct parse *parse, struct place place, const char *text)
{
    problems_add(parse->reader->problems, place, "%s", text);
    parse->has_failed = true;
}

static const char *copy_token(struct parse *parse, struct fy_token *token, size_t *size_out)
{
    size_t size = 0;
    const char *text = fy_token_get_text(token, &size);
    const char *copy = arena_copy(parse->reader->arena, text != NULL ? text : "", size);
    if (copy == NULL) {
        fail(parse, (struct place){0}, "out of memory");
    }
    *size_out = size;
    return copy;
}

static void read_tag(struct parse *parse, struct yaml_node *node, struct fy_token *token)
{
    static const char *const names[] = {[YAML_STR] = "str",
                                        [YAML_INT] = "int",
                                        [YAML_FLOAT] = "float",
                                        [YAML_BOOL] = "bool",
                                        [YAML_NULL] = "null"};
    const char *handle = token != NULL ? fy_tag_token_handle0(token) : NULL;
    const char *suffix = token != NULL ? fy_tag_token_suffix0(token) : NULL;
    if (token == NULL) {
        return;
    }
    for (size_t i = YAML_STR; handle != NULL && suffix != NULL && i <= YAML_NULL; i++) {
        if (strcmp(handle, "!!") == 0 && strcmp(suffix, names[i]) == 0) {
            node->tag = (enum yaml_tag)i;
        }
    }
    if (node->tag == YAML_UNTAGGED || node->kind != YAML_SCALAR) {
        problems_add(parse->reader->problems, node->place,
                     "the tag %s%s is not known here: expected !!str, !!int, !!float, !!bool or "
                     "!!null of a scalar",
                     handle != NULL ? handle : "!", suffix != NULL ? suffix : "");
    }
}

static struct yaml_node *make_node(struct parse *parse, enum yaml_kind kind, struct fy_event *event)
{
    struct yaml_node *node = arena_take(parse->reader->arena, sizeof(*node));
    if (node == NULL) {
        fail(parse, (struct place){0}, "out of memory");
        return NULL;
    }
    *node = (struct yaml_node){.kind = kind, .place = place_of(event), .text = ""};
    read_tag(parse, node, fy_event_get_tag_token(event));
    return node;
}

/* ---- Where nodes go -----------------------------------------------------------------------------
 */

static void append(struct parse *parse, struct level *level, struct yaml_node *item)
{
    struct yaml_node *node = level->node;
    if (node->count == level->capacity) {
        const size_t capacity = level->capacity > 0 ? 2 * level->capacity : ITEMS_MIN;
        struct yaml_node **grown = arena_take(parse->reader->arena, capacity * sizeof(void *));
        if (grown == NULL) {
            fail(parse, (struct place){0}, "out of memory");
            return;
        }
        if (node->count > 0) {
            memcpy(grown, node->items, node->count * sizeof(void *));
        }
        node->items = grown;
        level->capacity = capacity;
    }
    node->items[node->count++] = item;
}

static void place_node(struct parse *parse, struct yaml_node *node)
{
    if (parse->depth == 0) {
        parse->root = node;
    } else {
        append(parse, &parse->levels[parse->depth - 1], node);
    }
}

static void open_level(struct parse *parse, struct yaml_node *node)
{
    if (parse->depth == YAML_DEPTH_MAX) {
        fail(parse, node->place, "nested too deeply");
        return;
    }
    parse->levels[parse->depth++] = (struct level){.node = node};
}

/* ---- Anchors ------------------------------------------------------------------------------------
 */

static void keep_anchor(struct parse *parse, struct fy_event *event, struct yaml_node *node)
{
    size_t size = 0;
    struct fy_token *token = fy_event_get_anchor_token(event);
    struct anchor *anchor =
        token != NULL ? arena_take(parse->reader->arena, sizeof(*anchor)) : NULL;
    if (anchor != NULL) {
        *anchor = (struct anchor){.name = copy_token(parse, token, &size),
                                  .node = node,
                                  .is_open = node->kind != YAML_SCALAR,
                                  .next = parse->anchors};
        parse->anchors = anchor;
    }
}

static void close_anchors(struct parse *parse, const struct yaml_node *node)
{
    for (struct anchor *anchor = parse->anchors; anchor != NULL; anchor = anchor->next) {
        if (anchor->node == node) {
            anchor->is_open = false;
        }
    }
}

static void on_alias(struct parse *parse, struct fy_event *event)
{
    size_t size = 0;
    const char *name = copy_token(parse, event->alias.anchor, &size);
    const struct anchor *anchor = parse->anchors;
    while (name != NULL && anchor != NULL && strcmp(anchor->name, name) != 0) {
        anchor = anchor->next;
    }
    if (anchor == NULL || anchor->is_open) {
        fail(parse, place_of(event),
             anchor == NULL ? "an alias without an anchor above it" : "an alias within its anchor");
        return;
    }
    place_node(parse, anchor->node);
}

/* ---- Events -------------------------------------------------------------------------------------
 */

static void on_scalar(struct parse *parse, struct fy_event *event)
{
    struct yaml_node *node = make_node(parse, YAML_SCALAR, event);
    if (node == NULL) {
        return;
    }
    const char *text = copy_token(parse, event->scalar.value, &node->size);
    node->text = text != NULL ? text : "";
    node->is_plain = fy_scalar_token_get_style(event->scalar.value) == FYSS_PLAIN;
    keep_anchor(parse, event, node);
    place_node(parse, node);
}

static void on_start(struct parse *parse, struct fy_event *event, enum yaml_kind kind)
{
    struct yaml_node *node = make_node(parse, kind, event);
    if (node != NULL) {
        keep_anchor(parse, event, node);
        place_node(parse, node);
        open_level(parse, node);
    }
}

/* Keys are strings, and each stands once. */
static void check_keys(struct parse *parse, const struct yaml_node *mapping)
{
    for (size_t i = 0; i < mapping->count; i++) {
        const struct yaml_node *key = mapping->items[2 * i];
        const size_t before = parse->reader->problems->count;
        if (key->is_plain && strcmp(key->text, "<<") == 0) {
            problems_add(parse->reader->problems, key->place,
                         "merge keys are not read: write the keys out");
            continue;
        }
        const mf_value value = yaml_value(parse->reader, key);
        if (mf_kind_of(&value) != MF_STR && parse->reader->problems->count == before) {
            problems_add(parse->reader->problems, key->place,
                         "found %s as a key, expected a string (quote it)",
                         key->kind == YAML_SCALAR ? key->text : yaml_kind_text(key));
        }
        for (size_t j = 0; j < i; j++) {
            if (key->kind == YAML_SCALAR && strcmp(mapping->items[2 * j]->text, key->text) == 0) {
                problems_add(parse->reader->problems, key->place, "%s stands twice (line %u)",
                             key->text, mapping->items[2 * j]->place.line);
                break;
            }
        }
    }
}

static void on_end(struct parse *parse)
{
    if (parse->depth == 0) {
        return;
    }
    struct yaml_node *node = parse->levels[--parse->depth].node;
    close_anchors(parse, node);
    if (node->kind == YAML_MAPPING) {
        node->count /= 2;
        check_keys(parse, node);
    }
}

static void on_event(struct parse *parse, struct fy_event *event)
{
    switch (event->type) {
    case FYET_DOCUMENT_START:
        if (++parse->document_count == 2) {
            fail(parse, place_of(event), "a second document: a sweep is one");
        }
        break;
    case FYET_SCALAR:
        on_scalar(parse, event);
        break;
    case FYET_ALIAS:
        on_alias(parse, event);
        break;
    case FYET_SEQUENCE_START:
        on_start(parse, event, YAML_SEQUENCE);
        break;
    case FYET_MAPPING_START:
        on_start(parse, event, YAML_MAPPING);
        break;
    case FYET_SEQUENCE_END:
    case FYET_MAPPING_END:
        on_end(parse);
        break;
    case FYET_NONE:
    case FYET_STREAM_START:
    case FYET_STREAM_END:
    case FYET_DOCUMENT_END:
        break;
    }
}

/* What libfyaml itself has found. Several messages for one place are one problem. */
static void take_errors(struct parse *parse, struct fy_diag *diag)
{
    void *iterator = NULL;
    const struct fy_diag_error *error;
    while ((error = fy_diag_errors_iterate(diag, &iterator)) != NULL) {
        const struct place place = {.line = error->line > 0 ? (unsigned)error->line : 1,
                                    .column = error->column > 0 ? (unsigned)error->column : 1};
        fail(parse, place, error->msg);
    }
}

/* Bytes of the character that begins the text; 0: it is none of UTF-8. */
static size_t character_size(const char *text, size_t size)
{
    for (size_t i = 1; i <= UTF8_SIZE_MAX && i <= size; i++) {
        if (mf_is_utf8(text, i)) {
            return i;
        }
    }
    return 0;
}

/* Before libfyaml sees it, which in a directive (%...) never gets past a byte that is no text. */
static bool is_text(struct parse *parse, const char *text, size_t size)
{
    struct place place = {.line = 1, .column = 1};
    if (mf_is_utf8(text, size)) {
        return true;
    }
    for (size_t at = 0, step = 1; at < size && step > 0; at += step) {
        step = character_size(text + at, size - at);
        const bool is_line_end = text[at] == '\n';
        place.line += is_line_end ? 1 : 0;
        place.column = is_line_end ? 1 : place.column + (step > 0 ? 1 : 0);
    }
    fail(parse, place, "a byte that is no UTF-8; expected a text file");
    return false;
}

static void run_parser(struct parse *parse, struct fy_parser *parser, struct fy_diag *diag)
{
    struct fy_event *event;
    while (!parse->has_failed && (event = fy_parser_parse(parser)) != NULL) {
        on_event(parse, event);
        fy_parser_event_free(parser, event);
    }
    take_errors(parse, diag);
    if (!parse->has_failed && fy_parser_get_stream_error(parser)) {
        fail(parse, (struct place){0}, "this is no YAML");
    }
}

struct yaml_node *yaml_read(struct yaml_reader *reader, const char *text, size_t size)
{
    struct parse parse = {.reader = reader};
    if (!is_text(&parse, text, size)) {
        return NULL;
    }
    struct fy_diag_cfg diag_config;
    fy_diag_cfg_default(&diag_config);
    struct fy_diag *diag = fy_diag_create(&diag_config);
    const struct fy_parse_cfg config = {.flags = FYPCF_QUIET | FYPCF_DEFAULT_VERSION_1_2,
                                        .diag = diag};
    struct fy_parser *parser = diag != NULL ? fy_parser_create(&config) : NULL;
    if (parser == NULL) {
        fail(&parse, (struct place){0}, "out of memory");
    } else {
        fy_diag_set_collect_errors(diag, true);
        if (fy_parser_set_string(parser, text, size) == 0) {
            run_parser(&parse, parser, diag);
        } else {
            fail(&parse, (struct place){0}, "out of memory");
        }
    }
    if (parser != NULL) {
        fy_parser_destroy(parser);
    }
    if (diag != NULL) {
        fy_diag_destroy(diag);
    }
    if (!parse.has_failed && parse.root == NULL) {
        fail(&parse, (struct place){0}, "the file is empty");
    }
    return parse.has_failed ? NULL : parse.root;
}

/* ---- Looking ------------------------------------------------------------------------------------
 */

static size_t find(const struct yaml_node *mapping, const char *key)
{
    size_t i = 0;
    while (i < mapping->count && strcmp(mapping->items[2 * i]->text, key) != 0) {
        i++;
    }
    return i;
}

const struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key)
{
    const size_t i = mapping->kind == YAML_MAPPING ? find(mapping, key) : mapping->count;
    return i < mapping->count ? mapping->items[2 * i + 1] : NULL;
}

const struct yaml_node *yaml_key_node(const struct yaml_node *mapping, const char *key)
{
    const size_t i = mapping->kind == YAML_MAPPING ? find(mapping, key) : mapping->count;
    return i < mapping->count ? mapping->items[2 * i] : NULL;
}

const char *yaml_key(const struct yaml_node *mapping, size_t i)
{
    return mapping->items[2 * i]->text;
}

const struct yaml_node *yaml_item(const struct yaml_node *node, size_t i)
{
    return node->kind == YAML_MAPPING ? node->items[2 * i + 1] : node->items[i];
}

const char *yaml_kind_text(const struct yaml_node *node)
{
    switch (node->kind) {
    case YAML_SCALAR:
        return "a scalar";
    case YAML_SEQUENCE:
        return "a list";
    case YAML_MAPPING:
        return "a record";
    }
    return "";
}
