#include "master/run_fields.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "master/run_fields_private.h"
#include "shared/arena.h"
#include "shared/buffer.h"
#include "shared/criterion.h"
#include "shared/memory.h"
#include "shared/type.h"
#include "shared/value.h"

#define EXIT_STATUS_MAX 255

/* ---- Values of any kind ---------------------------------------------------------------------- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* False where `text` is not `size` bytes in lower case. */
static bool hex_bytes(const char *text, uint8_t *bytes_out, size_t size)
{
    if (strlen(text) != 2 * size) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        const int high = hex_digit(text[2 * i]);
        const int low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        bytes_out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* Reads go on after the first failure, which stays; they then give 0, NULL or an empty text. */
struct decoder {
    struct error *err;
    enum status status;
};

/* An object of the tree and where it stands: "options.", "" for the root. */
struct scope {
    const json_t *object; /* NULL where it is missing: every field of it is */
    const char *path;
};

static const char *type_name(const json_t *value)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object",   [JSON_ARRAY] = "a list",   [JSON_STRING] = "a string",
        [JSON_INTEGER] = "an integer", [JSON_REAL] = "a decimal", [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",        [JSON_NULL] = "null",
    };
    return value == NULL ? "nothing" : names[json_typeof(value)];
}

static void fail(struct decoder *decoder, struct scope scope, const char *name,
                 const char *expected, const char *found)
{
    if (decoder->status == STATUS_OK) {
        decoder->status = error_set(decoder->err, STATUS_INVALID, "%s%s: expected %s, found %s",
                                    scope.path, name, expected, found);
    }
}

static const json_t *get(struct decoder *decoder, struct scope scope, const char *name,
                         bool (*is_right)(const json_t *value), const char *expected)
{
    const json_t *value = json_object_get(scope.object, name);
    if (value == NULL || !is_right(value)) {
        fail(decoder, scope, name, expected, type_name(value));
        return NULL;
    }
    return value;
}

static bool is_object(const json_t *value)
{
    return json_is_object(value);
}

static bool is_array(const json_t *value)
{
    return json_is_array(value);
}

static bool is_integer(const json_t *value)
{
    return json_is_integer(value);
}

static bool is_number(const json_t *value)
{
    return json_is_number(value);
}

static bool is_boolean(const json_t *value)
{
    return json_is_boolean(value);
}

static bool is_text(const json_t *value)
{
    return json_is_string(value) || json_is_string(json_object_get(value, "hex"));
}

static struct scope get_scope(struct decoder *decoder, struct scope scope, const char *name,
                              const char *path)
{
    return (struct scope){.object = get(decoder, scope, name, is_object, "an object"),
                          .path = path};
}

static int64_t get_int(struct decoder *decoder, struct scope scope, const char *name, int64_t min,
                       int64_t max)
{
    char expected[96];
    if (min == max) {
        (void)snprintf(expected, sizeof(expected), "%" PRId64, min);
    } else {
        (void)snprintf(expected, sizeof(expected), "an integer from %" PRId64 " to %" PRId64, min,
                       max);
    }
    const json_t *value = get(decoder, scope, name, is_integer, expected);
    if (value == NULL) {
        return min;
    }
    const json_int_t integer = json_integer_value(value);
    if (integer < min || integer > max) {
        char found[32];
        (void)snprintf(found, sizeof(found), "%" PRId64, (int64_t)integer);
        fail(decoder, scope, name, expected, found);
        return min;
    }
    return integer;
}

static uint64_t get_uint(struct decoder *decoder, struct scope scope, const char *name)
{
    return (uint64_t)get_int(decoder, scope, name, 0, INT64_MAX);
}

static double get_real(struct decoder *decoder, struct scope scope, const char *name, double min)
{
    const json_t *value = get(decoder, scope, name, is_number, "a number");
    const double real = json_number_value(value);
    if (value != NULL && !(real >= min)) {
        char expected[64];
        (void)snprintf(expected, sizeof(expected), "a number from %g", min);
        fail(decoder, scope, name, expected, "a smaller one");
    }
    return real;
}

/* A copy of the text; NULL where it is none. */
static char *text_copy(const json_t *value)
{
    if (json_is_string(value)) {
        return memory_copy_text(json_string_value(value));
    }
    const char *hex = json_string_value(json_object_get(value, "hex"));
    if (hex == NULL) {
        return NULL;
    }
    const size_t size = strlen(hex) / 2;
    char *text = memory_take(size + 1, 1);
    if (!hex_bytes(hex, (uint8_t *)text, size) || memchr(text, '\0', size) != NULL) {
        free(text);
        return NULL;
    }
    return text;
}

static char *get_text(struct decoder *decoder, struct scope scope, const char *name)
{
    const json_t *value = get(decoder, scope, name, is_text, "a string");
    char *text = text_copy(value);
    if (value != NULL && text == NULL) {
        fail(decoder, scope, name, "a string", "a malformed one");
    }
    return text;
}

/* For texts that are looked at and not kept. */
static const char *get_word(struct decoder *decoder, struct scope scope, const char *name)
{
    const json_t *value = json_object_get(scope.object, name);
    if (!json_is_string(value)) {
        fail(decoder, scope, name, "a string", type_name(value));
        return "";
    }
    return json_string_value(value);
}

static unsigned get_choice(struct decoder *decoder, struct scope scope, const char *name,
                           const char *const *choices, unsigned count)
{
    const char *word = get_word(decoder, scope, name);
    char expected[160] = "one of";
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(word, choices[i]) == 0) {
            return i;
        }
        const size_t used = strlen(expected);
        (void)snprintf(expected + used, sizeof(expected) - used, " %s", choices[i]);
    }
    fail(decoder, scope, name, expected, word);
    return 0;
}

static int64_t get_time(struct decoder *decoder, struct scope scope, const char *name)
{
    const char *word = get_word(decoder, scope, name);
    struct tm parts = {0};
    const char *end = strptime(word, RUN_TIME_FORMAT, &parts);
    if (end == NULL || *end != '\0') {
        fail(decoder, scope, name, "a time as 2024-12-31T23:59:59Z", word);
        return 0;
    }
    return timegm(&parts);
}

static char *get_type(struct decoder *decoder, struct scope scope, const char *name)
{
    char *text = get_text(decoder, scope, name);
    struct type *type = NULL;
    struct error err;
    if (text != NULL && type_parse(text, &type, &err) != STATUS_OK) {
        fail(decoder, scope, name, "a type", err.text);
    }
    type_destroy(type);
    return text;
}

static void get_words(struct decoder *decoder, struct scope scope, const char *name,
                      char ***words_out, size_t *count_out)
{
    const json_t *list = get(decoder, scope, name, is_array, "a list");
    const size_t count = json_array_size(list);
    *words_out = memory_take(count + 1, sizeof(**words_out));
    for (size_t i = 0; i < count; i++) {
        char *text = text_copy(json_array_get(list, i));
        if (text == NULL) {
            fail(decoder, scope, name, "strings", type_name(json_array_get(list, i)));
            return;
        }
        (*words_out)[(*count_out)++] = text;
    }
}

/* ---- The fields ------------------------------------------------------------------------------ */

static void get_ratio(struct decoder *decoder, struct scope scope, struct criterion *criterion)
{
    const char *ratio = get_word(decoder, scope, "ratio");
    struct error err;
    if (criterion_parse_ratio(ratio, criterion, &err) != STATUS_OK) {
        fail(decoder, scope, "ratio", "a ratio", err.text);
    }
}

static void get_criterion(struct decoder *decoder, struct scope options,
                          struct criterion *criterion)
{
    const struct scope scope = get_scope(decoder, options, "criterion", "options.criterion.");
    *criterion = (struct criterion){0};
    criterion->kind = (enum criterion_kind)get_choice(decoder, scope, "kind", run_criterion_names,
                                                      RUN_CRITERION_COUNT);
    switch (criterion->kind) {
    case CRITERION_ALL:
        break;
    case CRITERION_MIN_RATIO:
        get_ratio(decoder, scope, criterion);
        break;
    case CRITERION_MIN_SUCCESSES:
    case CRITERION_MAX_FAILURES:
        criterion->count = get_uint(decoder, scope, "count");
        break;
    }
}

static void get_options(struct decoder *decoder, struct scope root, struct map_options *options)
{
    const struct scope scope = get_scope(decoder, root, "options", "options.");
    for (const struct run_option_field *field = run_option_fields; field->name != NULL; field++) {
        const uint64_t value =
            (uint64_t)get_int(decoder, scope, field->name, (int64_t)field->min, INT64_MAX);
        memcpy((char *)options + field->offset, &value, sizeof(value));
    }
    options->mem_growth = get_real(decoder, scope, "mem_growth", 1);
    options->speculate =
        json_is_true(get(decoder, scope, "speculate", is_boolean, "true or false"));
    options->policy =
        (enum map_policy)get_choice(decoder, scope, "policy", run_policy_names, RUN_POLICY_COUNT);
    options->capture = (enum map_capture)get_choice(decoder, scope, "capture", run_capture_names,
                                                    RUN_CAPTURE_COUNT);
    get_criterion(decoder, scope, &options->criterion);
}

/* What they are worth is seen when the digest is compared. */
static void get_packed(struct decoder *decoder, struct scope scope, const char *name,
                       struct formula *formula)
{
    struct arena arena = {0};
    struct buffer packed = {0};
    mf_value value;
    const bool is_grid = formula->kind == FORMULA_GRID;
    const json_t *json =
        get(decoder, scope, name, is_grid ? is_array : is_object, is_grid ? "a list" : "an object");
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    if (text != NULL && (value_from_json(&arena, text, strlen(text), &value, NULL) != STATUS_OK ||
                         value_encode(&value, &packed) != STATUS_OK)) {
        fail(decoder, scope, name, "values", "something else");
    }
    formula->packed = buffer_take(&packed, &formula->packed_size);
    buffer_free(&packed);
    arena_free(&arena);
    free(text);
}

static void get_inputs(struct decoder *decoder, struct scope root, struct run_description *run)
{
    static const char *const kinds[] = {
        [FORMULA_NONE] = "list",
        [FORMULA_RANGE] = "range",
        [FORMULA_GRID] = "grid",
        [FORMULA_TRIALS] = "trials",
    };
    const struct scope scope = get_scope(decoder, root, "inputs", "inputs.");
    run->formula.kind = (enum formula_kind)get_choice(decoder, scope, "kind", kinds, 4);
    run->input_count = get_uint(decoder, scope, "count");
    if (run->formula.kind == FORMULA_RANGE) {
        run->formula.start = get_int(decoder, scope, "start", INT64_MIN, INT64_MAX);
        run->formula.step = get_int(decoder, scope, "step", INT64_MIN, INT64_MAX);
        run->formula.count = run->input_count;
        run->formula.is_float =
            json_is_true(get(decoder, scope, "float", is_boolean, "true or false"));
        if (run->formula.step == 0) {
            fail(decoder, scope, "step", "another number", "0");
        }
    } else if (formula_is_packed(&run->formula)) {
        get_packed(decoder, scope, run->formula.kind == FORMULA_GRID ? "axes" : "trials",
                   &run->formula);
        run->formula.step = 1;
        run->formula.count = run->input_count;
    } else if (strcmp(get_word(decoder, scope, "file"), "inputs.lz4") != 0) {
        fail(decoder, scope, "file", "inputs.lz4", get_word(decoder, scope, "file"));
    }
    const char *digest = get_word(decoder, scope, "digest");
    if (!hex_bytes(digest, run->input_digest, sizeof(run->input_digest))) {
        fail(decoder, scope, "digest", "32 hexadecimal digits", digest);
    }
}

static void get_sweep(struct decoder *decoder, struct scope root, struct run_sweep *sweep)
{
    if (json_object_get(root.object, "sweep") == NULL) {
        return;
    }
    const struct scope scope = get_scope(decoder, root, "sweep", "sweep.");
    const json_t *labels = get(decoder, scope, "labels", is_object, "an object");
    sweep->path = get_text(decoder, scope, "path");
    sweep->text = get_text(decoder, scope, "file");
    sweep->labels = labels != NULL ? json_dumps(labels, JSON_COMPACT) : NULL;
    get_words(decoder, scope, "command", &sweep->command, &sweep->command_count);
}

static void get_cache(struct decoder *decoder, struct scope root, struct run_description *run)
{
    static const char *const modes[] = {
#define CACHE_MODE_TEXT(name, text) text,
        CACHE_MODE_LIST(CACHE_MODE_TEXT)
#undef CACHE_MODE_TEXT
    };
    const struct scope scope = get_scope(decoder, root, "cache", "cache.");
    run->cache_mode = (enum cache_mode)get_choice(decoder, scope, "mode", modes, CACHE_MODE_COUNT);
    if (run->cache_mode != CACHE_OFF) {
        run->cache_version = get_text(decoder, scope, "version");
        run->cache_dir = get_text(decoder, scope, "dir");
    }
}

static void get_verdict(struct decoder *decoder, struct scope root, struct run_description *run)
{
    struct run_verdict *verdict = &run->verdict;
    if (run->state == RUN_RUNNING) {
        return;
    }
    const struct scope scope = get_scope(decoder, root, "verdict", "verdict.");
    verdict->exit_status = (int)get_int(decoder, scope, "exit", 0, EXIT_STATUS_MAX);
    verdict->ended_s = get_time(decoder, scope, "ended");
    verdict->wall_seconds = get_real(decoder, scope, "wall_seconds", 0);
    const struct scope counts = get_scope(decoder, scope, "counts", "verdict.counts.");
    for (unsigned i = 0; i < INSTANCE_STATE_COUNT; i++) {
        verdict->counts[i] = get_uint(decoder, counts, instance_state_name((enum instance_state)i));
    }
    verdict->attempts = get_uint(decoder, scope, "attempts");
    verdict->retries = get_uint(decoder, scope, "retries");
}

static void get_job(struct decoder *decoder, struct scope root, struct run_description *run)
{
    run->job = get_text(decoder, root, "job");
    run->job_path = get_text(decoder, root, "job_path");
    run->job_digest = get_text(decoder, root, "job_digest");
    run->task = get_text(decoder, root, "task");
    if (json_object_get(root.object, "constant_digest") != NULL) {
        run->constant_digest = get_text(decoder, root, "constant_digest");
    }
    run->input_type = get_type(decoder, root, "input_type");
    run->output_type = get_type(decoder, root, "output_type");
    if (run->job_digest != NULL &&
        run->job_digest[strspn(run->job_digest, "0123456789abcdef")] != '\0') {
        fail(decoder, root, "job_digest", "hexadecimal digits", run->job_digest);
    }
}

enum status run_fields_decode(const json_t *root, struct run_description *run, struct error *err)
{
    struct decoder decoder = {.err = err, .status = STATUS_OK};
    const struct scope scope = {.object = root, .path = ""};
    /* First of all: of another format nothing else can be said. */
    (void)get_int(&decoder, scope, "format", RUN_FILE_FORMAT, RUN_FILE_FORMAT);
    run->version = get_text(&decoder, scope, "mapfleet");
    run->verb = get_text(&decoder, scope, "verb");
    run->state =
        (enum run_state)get_choice(&decoder, scope, "state", run_state_names, RUN_STATE_COUNT);
    run->created_s = get_time(&decoder, scope, "created");
    run->launch_dir = get_text(&decoder, scope, "launch_dir");
    get_words(&decoder, scope, "arguments", &run->arguments, &run->argument_count);
    get_words(&decoder, scope, "given", &run->given, &run->given_count);
    get_job(&decoder, scope, run);
    get_options(&decoder, scope, &run->options);
    get_inputs(&decoder, scope, run);
    get_sweep(&decoder, scope, &run->sweep);
    get_cache(&decoder, scope, run);
    run->ranks = (uint32_t)get_int(&decoder, scope, "ranks", 1, UINT32_MAX);
    get_verdict(&decoder, scope, run);
    return decoder.status;
}
