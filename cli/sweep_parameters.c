/* The parameters of a sweep file, nests and all, and the expressions between them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/sweep_file_private.h"
#include "shared/expression.h"
#include "shared/nearest.h"
#include "shared/trials.h"
#include "shared/value.h"
#include "shared/value_make.h"

struct nest {
    const char *path[SPACE_DEPTH_MAX];
    size_t path_count;
    const char *when; /* of the nests around; NULL: none */
};

static void report(struct sweep_reading *reading, const struct yaml_node *node, const char *text)
{
    problems_add(reading->yaml.problems, node->place, "%s", text);
}

void sweep_check_keys(struct sweep_reading *reading, const struct yaml_node *mapping,
                      const char *const *keys, const char *what)
{
    for (size_t i = 0; i < mapping->count; i++) {
        const struct yaml_node *key = mapping->items[2 * i];
        const char *const *known = keys;
        while (*known != NULL && strcmp(*known, key->text) != 0) {
            known++;
        }
        if (*known == NULL) {
            const char *nearest = nearest_name(key->text, key->size, keys);
            problems_add(reading->yaml.problems, key->place, "%s is no key %s%s%s%s", key->text,
                         what, nearest != NULL ? ": did you mean " : "",
                         nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
        }
    }
}

/* ---- Definitions --------------------------------------------------------------------------------
 */

/* The key that is at fault where the file has it, else the parameter. */
static void report_fault(struct sweep_reading *reading, const struct yaml_node *node,
                         const struct nest *nest, const struct parameter_fault *fault)
{
    const char *name = nest->path[nest->path_count - 1];
    const struct yaml_node *key =
        fault->key != NULL && node->kind == YAML_MAPPING ? yaml_key_node(node, fault->key) : NULL;
    problems_add(reading->yaml.problems, key != NULL ? key->place : node->place, "%s: %s%s%s", name,
                 key != NULL ? fault->key : "", key != NULL ? ": " : "", fault->text);
}

/* Both have to hold. Not NULL, but where memory runs out. */
static const char *both(struct sweep_reading *reading, const char *outer, const char *inner)
{
    char *text = NULL;
    const char *copy = NULL;
    if (outer == NULL) {
        return inner;
    }
    if (asprintf(&text, "(%s) and (%s)", outer, inner) >= 0) {
        copy = arena_copy(reading->yaml.arena, text, strlen(text));
        free(text);
    }
    return copy != NULL ? copy : inner;
}

/* A parameter within a nest that has a `when` has it, too. */
static mf_value with_when(struct sweep_reading *reading, const mf_value *definition,
                          const char *when)
{
    const mf_value *own = mf_field(definition, "when");
    const size_t count = mf_count(definition);
    mf_value changed = value_map_make(reading->yaml.arena, count + (own == NULL ? 1 : 0));
    if (mf_is_null(&changed) || (own != NULL && mf_kind_of(own) != MF_STR)) {
        return *definition;
    }
    for (size_t i = 0; i < count; i++) {
        const mf_value *item = mf_item(definition, i);
        value_map_set(&changed, i, mf_key(definition, i),
                      own != NULL && item == own ? value_str(both(reading, when, mf_str(own)))
                                                 : *item);
    }
    if (own == NULL) {
        value_map_set(&changed, count, "when", value_str(when));
    }
    return changed;
}

static void add_parameter(struct sweep_reading *reading, const struct yaml_node *node,
                          const struct nest *nest)
{
    struct parameter_fault fault;
    const size_t before = reading->yaml.problems->count;
    if (node->kind == YAML_MAPPING) {
        sweep_check_keys(reading, node, parameter_keys, "of a parameter");
    }
    mf_value definition = yaml_value(&reading->yaml, node);
    if (reading->yaml.problems->count > before) {
        return;
    }
    if (nest->when != NULL && mf_kind_of(&definition) == MF_MAP) {
        definition = with_when(reading, &definition, nest->when);
    }
    const enum status status =
        space_add(reading->sweep->space, nest->path, nest->path_count, &definition, &fault);
    if (status == STATUS_NO_MEMORY) {
        report(reading, node, "out of memory");
    } else if (status == STATUS_INVALID) { /* a doubled key was reported where keys are checked */
        report_fault(reading, node, nest, &fault);
    }
}

/* ---- Nests --------------------------------------------------------------------------------------
 */

static void add_all(struct sweep_reading *reading, const struct yaml_node *mapping,
                    const struct nest *outer);

static void add_nest(struct sweep_reading *reading, const struct yaml_node *node,
                     const struct nest *nest)
{
    static const char *const keys[] = {"parameters", "when", NULL};
    const struct yaml_node *when = yaml_get(node, "when");
    struct nest inner = *nest;
    sweep_check_keys(reading, node, keys, "of a nest of parameters");
    if (when != NULL) {
        const mf_value text = yaml_value(&reading->yaml, when);
        if (mf_kind_of(&text) != MF_STR || mf_size(&text) == 0) {
            report(reading, when, "when: expected an expression as text");
            return;
        }
        inner.when = both(reading, nest->when, mf_str(&text));
    }
    add_all(reading, yaml_get(node, "parameters"), &inner);
}

static void add_all(struct sweep_reading *reading, const struct yaml_node *mapping,
                    const struct nest *outer)
{
    if (mapping->kind != YAML_MAPPING) {
        problems_add(reading->yaml.problems, mapping->place,
                     "parameters: found %s, expected a record of parameters",
                     yaml_kind_text(mapping));
        return;
    }
    if (outer->path_count == SPACE_DEPTH_MAX) {
        report(reading, mapping, "nested too deeply");
        return;
    }
    for (size_t i = 0; i < mapping->count; i++) {
        const struct yaml_node *node = yaml_item(mapping, i);
        struct nest nest = *outer;
        nest.path[nest.path_count++] = yaml_key(mapping, i);
        if (*yaml_key(mapping, i) == '\0') {
            report(reading, mapping->items[2 * i], "a parameter without a name");
        } else if (node->kind == YAML_MAPPING && yaml_get(node, "parameters") != NULL) {
            add_nest(reading, node, &nest);
        } else {
            add_parameter(reading, node, &nest);
        }
    }
}

/* ---- Expressions --------------------------------------------------------------------------------
 */

static void add_constraints(struct sweep_reading *reading, const struct yaml_node *list)
{
    if (list->kind != YAML_SEQUENCE) {
        report(reading, list, "constraints: expected a list of expressions");
        return;
    }
    for (size_t i = 0; i < list->count; i++) {
        const mf_value text = yaml_value(&reading->yaml, yaml_item(list, i));
        if (mf_kind_of(&text) != MF_STR || mf_size(&text) == 0) {
            report(reading, yaml_item(list, i), "constraints: expected an expression as text");
        } else if (space_add_constraint(reading->sweep->space, mf_str(&text)) != STATUS_OK) {
            report(reading, list, "out of memory");
        }
    }
}

/* Where the definition of that path stands. */
static const struct yaml_node *find_definition(const struct sweep_reading *reading,
                                               const struct parameter *parameter)
{
    const struct yaml_node *node = reading->root;
    for (size_t i = 0; i < parameter->path_count && node != NULL; i++) {
        const struct yaml_node *nest = yaml_get(node, "parameters");
        node = nest != NULL ? yaml_get(nest, parameter->path[i]) : NULL;
    }
    return node != NULL ? node : reading->root;
}

/* What trials_create() would refuse, with its place. A method that is not known is none. */
static void check_grid(struct sweep_reading *reading)
{
    const struct space *space = reading->sweep->space;
    const struct yaml_node *method = yaml_get(reading->root, "method");
    const bool is_grid =
        method != NULL && method->kind == YAML_SCALAR && strcmp(method->text, "grid") == 0;
    uint64_t size = 1;
    for (size_t i = 0; is_grid && i < space->count; i++) {
        const struct parameter *parameter = &space->parameters[i];
        const struct place place = find_definition(reading, parameter)->place;
        const char *reason = "";
        if (!parameter_fits_grid(parameter, &reason)) {
            problems_add(reading->yaml.problems, place, "%s: %s", parameter->name, reason);
            continue;
        }
        const uint64_t count = parameter_grid_count(parameter);
        if (count == 0 || __builtin_mul_overflow(size, count, &size) || size > TRIALS_COUNT_MAX) {
            problems_add(reading->yaml.problems, place,
                         "%s: the grid has more than 2^63 - 1 points with it", parameter->name);
            return;
        }
    }
}

static void check_expressions(struct sweep_reading *reading, const struct yaml_node *constraints)
{
    const struct space *space = reading->sweep->space;
    struct expressions *expressions = NULL;
    struct expression_fault fault;
    const enum status status = expressions_create(space, &expressions, &fault);
    expressions_destroy(expressions);
    if (status == STATUS_NO_MEMORY) {
        report(reading, reading->root, "out of memory");
    } else if (status != STATUS_OK && fault.is_constraint) {
        problems_add(reading->yaml.problems, yaml_item(constraints, fault.at)->place,
                     "constraint %s: %s", space->constraints[fault.at], fault.text);
    } else if (status != STATUS_OK) {
        const struct parameter *parameter = &space->parameters[fault.at];
        const struct yaml_node *node = find_definition(reading, parameter);
        const struct yaml_node *when = yaml_get(node, "when");
        problems_add(reading->yaml.problems, when != NULL ? when->place : node->place,
                     "%s: when: %s", parameter->name, fault.text);
    }
}

void sweep_read_parameters(struct sweep_reading *reading)
{
    const struct nest none = {.path_count = 0};
    const size_t before = reading->yaml.problems->count;
    const struct yaml_node *parameters = yaml_get(reading->root, "parameters");
    const struct yaml_node *constraints = yaml_get(reading->root, "constraints");
    if (parameters == NULL) {
        report(reading, reading->root, "parameters is missing");
        return;
    }
    add_all(reading, parameters, &none);
    if (constraints != NULL) {
        add_constraints(reading, constraints);
    }
    if (reading->yaml.problems->count == before && reading->sweep->space->count == 0) {
        report(reading, parameters, "parameters: expected at least one");
    } else if (reading->yaml.problems->count == before) {
        check_expressions(reading, constraints);
        check_grid(reading);
    }
}
