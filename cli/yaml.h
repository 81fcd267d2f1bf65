/* yaml.h - a YAML 1.2 document as a tree that knows where each part stands, and its values.
 *
 *     yaml_read --> nodes --yaml_value--> values
 *
 * libfyaml does the syntax; what a scalar means is said here. What YAML 1.1 reads otherwise (`yes`,
 * `on`, 007, 0b1, 1:30) is refused with the way out. So are merge keys, several documents, keys
 * that are no strings or stand twice, and tags but !!str !!int !!float !!bool !!null. Aliases give
 * the node of their anchor.
 *
 * Ownership: nodes and values lie in the caller's arena.
 * Failure:   what is wrong goes into the problems, with its place; reading goes on as far as it
 * can.
 */
#ifndef CLI_YAML_H
#define CLI_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/problems.h"
#include "shared/arena.h"
#include "shared/error.h"
#include "shared/mapfleet.h"

#define YAML_DEPTH_MAX 32
#define YAML_VALUES_MAX ((size_t)1000000) /* of one file, aliases followed */

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };
enum yaml_tag { YAML_UNTAGGED, YAML_STR, YAML_INT, YAML_FLOAT, YAML_BOOL, YAML_NULL };

struct yaml_node {
    enum yaml_kind kind;
    struct place place;
    enum yaml_tag tag;
    bool is_plain;    /* of a scalar: without quotes */
    const char *text; /* of a scalar; NUL-terminated */
    size_t size;
    struct yaml_node **items; /* of a mapping: key, value, key, value, ... */
    size_t count;             /* items, or pairs */
};

struct yaml_reader {
    struct arena *arena;
    struct problems *problems;
    size_t value_count; /* made so far */
    unsigned depth;     /* of the value that is being made */
};

/* The only document of the text. NULL where there is none, and then there is a problem. */
struct yaml_node *yaml_read(struct yaml_reader *reader, const char *text, size_t size);

/* What the node means. Where it means nothing, there is a problem, and null is given. */
mf_value yaml_value(struct yaml_reader *reader, const struct yaml_node *node);

/* Of a mapping: the value of that key, or NULL; its key; and pair `i`. */
const struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key);
const struct yaml_node *yaml_key_node(const struct yaml_node *mapping, const char *key);
const char *yaml_key(const struct yaml_node *mapping, size_t i);
const struct yaml_node *yaml_item(const struct yaml_node *node, size_t i);

/* "a list", "a record", "a scalar", for messages. */
const char *yaml_kind_text(const struct yaml_node *node);

#endif
