#include "cli/sweep_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/sweep_file_private.h"
#include "shared/buffer.h"
#include "shared/value.h"
#include "shared/value_make.h"
#include "shared/value_python.h"

#define FILE_SIZE_MAX ((size_t)4 << 20)
#define ETA_DEFAULT 3

static const char *const top_keys[] = {
    "method",      "program",           "command",     "task",    "metric",  "parameters",
    "run_cap",     "early_terminate",   "constraints", "seeds",   "retries", "timeout",
    "resources",   "min_success_ratio", "sampler",     "project", "entity",  "name",
    "description", "controller",        "apiVersion",  "kind",    "job",     "image_uri",
    "scheduler",   "metrics",           NULL};

static void report(struct sweep_reading *reading, const struct yaml_node *node, const char *text)
{
    problems_add(reading->yaml.problems, node->place, "%s", text);
}

/* ---- Scalars ------------------------------------------------------------------------------------
 */

/* What a scalar or a list is, for a message; of text, the text. */
static const char *shown(const struct yaml_node *node)
{
    return node->kind == YAML_SCALAR ? node->text : yaml_kind_text(node);
}

/* NULL where it is missing, or no text: that is a problem. */
static const char *get_text(struct sweep_reading *reading, const struct yaml_node *mapping,
                            const char *key)
{
    const struct yaml_node *node = yaml_get(mapping, key);
    if (node == NULL) {
        return NULL;
    }
    const size_t before = reading->yaml.problems->count;
    const mf_value value = yaml_value(&reading->yaml, node);
    if (mf_kind_of(&value) == MF_STR && mf_size(&value) > 0) {
        return mf_str(&value);
    }
    if (reading->yaml.problems->count == before) {
        problems_add(reading->yaml.problems, node->place, "%s: found %s, expected text", key,
                     shown(node));
    }
    return NULL;
}

/* At least 1; 0 where it is missing or none. */
static uint64_t get_count(struct sweep_reading *reading, const struct yaml_node *mapping,
                          const char *key)
{
    const struct yaml_node *node = yaml_get(mapping, key);
    if (node == NULL) {
        return 0;
    }
    const size_t before = reading->yaml.problems->count;
    const mf_value value = yaml_value(&reading->yaml, node);
    if (mf_kind_of(&value) == MF_INT && mf_int(&value) > 0) {
        return (uint64_t)mf_int(&value);
    }
    if (reading->yaml.problems->count == before) {
        problems_add(reading->yaml.problems, node->place,
                     "%s: found %s, expected a whole number above 0", key, shown(node));
    }
    return 0;
}

static bool get_number(struct sweep_reading *reading, const struct yaml_node *mapping,
                       const char *key, double *number_out)
{
    const struct yaml_node *node = yaml_get(mapping, key);
    if (node == NULL) {
        return false;
    }
    const size_t before = reading->yaml.problems->count;
    const mf_value value = yaml_value(&reading->yaml, node);
    if (value_is_number(&value)) {
        *number_out = mf_float(&value);
        return true;
    }
    if (reading->yaml.problems->count == before) {
        problems_add(reading->yaml.problems, node->place, "%s: found %s, expected a number", key,
                     shown(node));
    }
    return false;
}

static const struct yaml_node *get_mapping(struct sweep_reading *reading,
                                           const struct yaml_node *mapping, const char *key)
{
    const struct yaml_node *node = yaml_get(mapping, key);
    if (node != NULL && node->kind != YAML_MAPPING) {
        problems_add(reading->yaml.problems, node->place, "%s: found %s, expected a record", key,
                     shown(node));
        return NULL;
    }
    return node;
}

/* ---- What runs ----------------------------------------------------------------------------------
 */

static void read_method(struct sweep_reading *reading)
{
    static const struct {
        const char *name;
        enum sweep_method method;
    } methods[] = {{"grid", SWEEP_GRID},
                   {"random", SWEEP_RANDOM},
                   {"bayes", SWEEP_ADAPTIVE},
                   {"quasi", SWEEP_QUASI},
                   {"adaptive", SWEEP_ADAPTIVE}};
    const struct yaml_node *node = yaml_get(reading->root, "method");
    const char *name = get_text(reading, reading->root, "method");
    if (node == NULL) {
        report(reading, reading->root,
               "method is missing: expected grid, random, quasi, bayes or adaptive");
    }
    for (size_t i = 0; name != NULL && i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (strcmp(name, methods[i].name) == 0) {
            reading->sweep->method = methods[i].method;
            return;
        }
    }
    if (name != NULL && strcmp(name, "custom") == 0) {
        report(reading, node,
               "method: custom is driven by a controller of that service: --sampler 'COMMAND' "
               "takes a program of your own");
    } else if (name != NULL) {
        problems_add(reading->yaml.problems, node->place,
                     "method: found %s, expected grid, random, quasi, bayes or adaptive", name);
    }
}

/* Numbers, booleans and null are written as Python writes them. */
static const char *word_of(struct sweep_reading *reading, const struct yaml_node *node)
{
    struct buffer text = {0};
    const char *word = NULL;
    const size_t before = reading->yaml.problems->count;
    if (node->kind != YAML_SCALAR) {
        problems_add(reading->yaml.problems, node->place, "command: found %s, expected a word",
                     yaml_kind_text(node));
        return NULL;
    }
    const mf_value value = yaml_value(&reading->yaml, node);
    if (reading->yaml.problems->count > before) {
        return NULL;
    }
    if (value_to_python(&value, &text) == STATUS_OK) {
        word = arena_copy(reading->yaml.arena, text.size > 0 ? (const char *)text.data : "",
                          text.size);
    }
    buffer_free(&text);
    return word;
}

static void read_command(struct sweep_reading *reading)
{
    struct sweep_file *sweep = reading->sweep;
    const struct yaml_node *node = yaml_get(reading->root, "command");
    if (node == NULL) {
        return;
    }
    if (node->kind != YAML_SEQUENCE || node->count == 0) {
        problems_add(reading->yaml.problems, node->place,
                     "command: found %s, expected a list of words, such as [python, train.py, "
                     "\"${args}\"]",
                     node->kind == YAML_SEQUENCE ? "an empty list" : shown(node));
        return;
    }
    sweep->command = arena_take(&sweep->arena, node->count * sizeof(*sweep->command));
    sweep->command_places = arena_take(&sweep->arena, node->count * sizeof(*sweep->command_places));
    if (sweep->command_places == NULL) {
        sweep->command = NULL;
    }
    for (size_t i = 0; sweep->command != NULL && i < node->count; i++) {
        const char *word = word_of(reading, yaml_item(node, i));
        sweep->command_places[i] = yaml_item(node, i)->place;
        sweep->command[sweep->command_count++] = word != NULL ? word : "";
    }
}

static void read_program(struct sweep_reading *reading)
{
    const struct yaml_node *task = yaml_get(reading->root, "task");
    const struct yaml_node *program = yaml_get(reading->root, "program");
    reading->sweep->program_place = program != NULL ? program->place : (struct place){0};
    reading->sweep->program = get_text(reading, reading->root, "program");
    reading->sweep->task = get_text(reading, reading->root, "task");
    read_command(reading);
    if (task != NULL && (program != NULL || yaml_get(reading->root, "command") != NULL)) {
        report(reading, task, "task beside program or command: the file says twice what runs");
    }
    if (task != NULL && reading->sweep->task != NULL && strchr(reading->sweep->task, ':') == NULL) {
        problems_add(reading->yaml.problems, task->place, "task: found %s, expected JOB:TASK",
                     reading->sweep->task);
    }
}

static void read_refused(struct sweep_reading *reading)
{
    static const struct {
        const char *key;
        const char *why;
    } refused[] = {
        {"job", "job: it names a job of that service: name a program or a command"},
        {"image_uri", "image_uri: no images are run here: name a program or a command, which may "
                      "start a container"},
        {"scheduler", "scheduler: trials are started on the ranks of this run; mpirun or Slurm "
                      "give them"},
        {"metrics", "metrics: a sweep has one metric: write metric, with name and goal"},
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        const struct yaml_node *key = yaml_key_node(reading->root, refused[i].key);
        if (key != NULL) {
            report(reading, key, refused[i].why);
        }
    }
}

/* ---- By what it is judged -----------------------------------------------------------------------
 */

/* Which of the words (NULL behind the last); 0, with a problem, where it is none, and where it is
 * missing. */
static size_t get_choice(struct sweep_reading *reading, const struct yaml_node *mapping,
                         const char *key, const char *const *words, const char *expected)
{
    const struct yaml_node *node = yaml_get(mapping, key);
    const char *text = get_text(reading, mapping, key);
    for (size_t i = 0; text != NULL && words[i] != NULL; i++) {
        if (strcmp(words[i], text) == 0) {
            return i;
        }
    }
    if (text != NULL) {
        problems_add(reading->yaml.problems, node->place, "%s: found %s, expected %s", key, text,
                     expected);
    }
    return 0;
}

static void read_metric(struct sweep_reading *reading)
{
    static const char *const keys[] = {"name", "goal", "target", "impute", "impute_while_running",
                                       NULL};
    static const char *const goals[] = {"minimize", "maximize", NULL};
    static const char *const imputes[] = {"worst", "best", "latest", NULL};
    struct sweep_metric *metric = &reading->sweep->metric;
    const struct yaml_node *node = get_mapping(reading, reading->root, "metric");
    if (node == NULL) {
        return;
    }
    sweep_check_keys(reading, node, keys, "of a metric");
    metric->name = get_text(reading, node, "name");
    if (yaml_get(node, "name") == NULL) {
        report(reading, node, "metric: name is missing");
    }
    metric->is_maximised = get_choice(reading, node, "goal", goals, "minimize or maximize") == 1;
    metric->impute =
        (enum sweep_impute)get_choice(reading, node, "impute", imputes, "worst, best or latest");
    metric->has_target = get_number(reading, node, "target", &metric->target);
}

static bool get_bool(struct sweep_reading *reading, const struct yaml_node *mapping,
                     const char *key, bool otherwise)
{
    const struct yaml_node *node = yaml_get(mapping, key);
    if (node == NULL) {
        return otherwise;
    }
    const size_t before = reading->yaml.problems->count;
    const mf_value value = yaml_value(&reading->yaml, node);
    if (mf_kind_of(&value) != MF_BOOL && reading->yaml.problems->count == before) {
        problems_add(reading->yaml.problems, node->place, "%s: found %s, expected true or false",
                     key, shown(node));
    }
    return mf_bool(&value);
}

static void read_early_stop(struct sweep_reading *reading)
{
    static const char *const keys[] = {"type", "min_iter", "max_iter", "s", "eta", "strict", NULL};
    static const char *const types[] = {"hyperband", NULL};
    struct early_stop_options *options = &reading->sweep->early_stop;
    struct early_stop *early_stop = NULL;
    struct error err = {.text = ""};
    const struct yaml_node *node = get_mapping(reading, reading->root, "early_terminate");
    if (node == NULL) {
        return;
    }
    const size_t before = reading->yaml.problems->count;
    reading->sweep->has_early_stop = true;
    sweep_check_keys(reading, node, keys, "of early_terminate");
    if (yaml_get(node, "type") == NULL) {
        report(reading, node, "early_terminate: type is missing: expected hyperband");
    }
    (void)get_choice(reading, node, "type", types, "hyperband");
    options->is_maximised = reading->sweep->metric.is_maximised;
    options->is_strict = get_bool(reading, node, "strict", true);
    options->eta = ETA_DEFAULT;
    (void)get_number(reading, node, "eta", &options->eta);
    options->min_iter = get_count(reading, node, "min_iter");
    options->max_iter = get_count(reading, node, "max_iter");
    options->s = get_count(reading, node, "s");
    if (reading->yaml.problems->count > before) {
        return;
    }
    if (early_stop_create(*options, &early_stop, &err) != STATUS_OK) {
        problems_add(reading->yaml.problems, node->place, "early_terminate: %s", err.text);
    }
    early_stop_destroy(early_stop);
}

/* Any name: what it means is the sampler's to say. */
static void read_sampler(struct sweep_reading *reading)
{
    const struct yaml_node *key = yaml_key_node(reading->root, "sampler");
    reading->sweep->sampler = get_text(reading, reading->root, "sampler");
    if (key != NULL && reading->sweep->method != SWEEP_ADAPTIVE) {
        report(reading, key, "sampler: only method: bayes, or adaptive, asks one");
    }
}

static void check_metric(struct sweep_reading *reading)
{
    const struct sweep_file *sweep = reading->sweep;
    const struct yaml_node *early = yaml_key_node(reading->root, "early_terminate");
    const struct yaml_node *method = yaml_get(reading->root, "method");
    const struct yaml_node *seeds = yaml_key_node(reading->root, "seeds");
    if (yaml_get(reading->root, "metric") == NULL) {
        if (early != NULL) {
            report(reading, early, "early_terminate needs metric, with its name");
        }
        if (sweep->method == SWEEP_ADAPTIVE && method != NULL) {
            problems_add(reading->yaml.problems, method->place,
                         "method: %s needs metric, with its name", method->text);
        }
    }
    if (early != NULL && sweep->seeds > 1) {
        report(reading, seeds,
               "seeds beside early_terminate: a configuration is judged by the mean of its seeds, "
               "and no trial can be stopped by that");
    }
}

/* ---- Options and labels -------------------------------------------------------------------------
 */

/* A number or text, as an option of the command line. */
static void read_option(struct sweep_reading *reading, const struct yaml_node *mapping,
                        const char *key, const char *option)
{
    struct buffer text = {0};
    struct sweep_file *sweep = reading->sweep;
    const struct yaml_node *node = yaml_get(mapping, key);
    if (node == NULL) {
        return;
    }
    const size_t before = reading->yaml.problems->count;
    const mf_value value = yaml_value(&reading->yaml, node);
    const bool is_text = mf_kind_of(&value) == MF_STR && mf_size(&value) > 0;
    if (reading->yaml.problems->count == before && !is_text && !value_is_number(&value)) {
        problems_add(reading->yaml.problems, node->place, "%s: found %s, expected a number or text",
                     key, shown(node));
    } else if (value_to_text(&value, &text) == STATUS_OK) {
        const char *copy = arena_copy(&sweep->arena, text.data, text.size);
        sweep->options[sweep->option_count++] = (struct sweep_option){
            .name = option, .text = copy != NULL ? copy : "", .place = node->place};
    }
    buffer_free(&text);
}

static void read_options(struct sweep_reading *reading)
{
    static const char *const keys[] = {"cpus", "mem", "gpus", NULL};
    const struct yaml_node *resources = get_mapping(reading, reading->root, "resources");
    read_option(reading, reading->root, "retries", "retries");
    read_option(reading, reading->root, "timeout", "timeout");
    read_option(reading, reading->root, "min_success_ratio", "min-success-ratio");
    if (resources != NULL) {
        sweep_check_keys(reading, resources, keys, "of resources");
        for (size_t i = 0; keys[i] != NULL; i++) {
            read_option(reading, resources, keys[i], keys[i]);
        }
    }
}

static void read_labels(struct sweep_reading *reading)
{
    static const char *const keys[] = {"project",    "entity",     "name", "description",
                                       "controller", "apiVersion", "kind", NULL};
    size_t count = 0;
    mf_value labels = value_map_make(reading->yaml.arena, sizeof(keys) / sizeof(keys[0]));
    for (size_t i = 0; keys[i] != NULL && !mf_is_null(&labels); i++) {
        const struct yaml_node *node = yaml_get(reading->root, keys[i]);
        if (node != NULL) {
            value_map_set(&labels, count++, keys[i], yaml_value(&reading->yaml, node));
        }
    }
    if (!mf_is_null(&labels)) {
        value_shorten(&labels, count);
    }
    reading->sweep->labels = labels;
}

/* ---- The file -----------------------------------------------------------------------------------
 */

static void read_all(struct sweep_reading *reading)
{
    struct sweep_file *sweep = reading->sweep;
    if (reading->root->kind != YAML_MAPPING) {
        report(reading, reading->root, "expected a record with method and parameters");
        return;
    }
    sweep_check_keys(reading, reading->root, top_keys, "of a sweep");
    read_refused(reading);
    read_method(reading);
    read_program(reading);
    read_metric(reading);
    sweep->run_cap = get_count(reading, reading->root, "run_cap");
    sweep->seeds = get_count(reading, reading->root, "seeds");
    sweep->seeds = sweep->seeds > 0 ? sweep->seeds : 1;
    read_early_stop(reading);
    read_sampler(reading);
    check_metric(reading);
    read_options(reading);
    read_labels(reading);
    sweep_read_parameters(reading);
}

enum status sweep_file_read(const char *text, size_t size, struct problems *problems,
                            struct sweep_file **sweep_out)
{
    struct sweep_reading reading = {.yaml = {.problems = problems}};
    struct sweep_file *sweep = calloc(1, sizeof(*sweep));
    *sweep_out = sweep;
    if (sweep == NULL || space_create(&sweep->space) != STATUS_OK) {
        return STATUS_NO_MEMORY;
    }
    reading.sweep = sweep;
    reading.yaml.arena = &sweep->arena;
    if (size > FILE_SIZE_MAX) {
        problems_add(problems, (struct place){0}, "longer than 4 MiB, which no sweep file is");
        return STATUS_INVALID;
    }
    reading.root = yaml_read(&reading.yaml, text, size);
    if (reading.root != NULL) {
        read_all(&reading);
    }
    return problems->count == 0 ? STATUS_OK : STATUS_INVALID;
}

void sweep_file_destroy(struct sweep_file *sweep)
{
    if (sweep != NULL) {
        space_destroy(sweep->space);
        arena_free(&sweep->arena);
        free(sweep);
    }
}
