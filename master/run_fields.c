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
#include "shared/value.h"

#define INTEGER_MAX ((uint64_t)INT64_MAX)
#define TIME_TEXT_SIZE 64

const char *const run_state_names[] = {
#define RUN_STATE_NAME(name, text) text,
    RUN_STATE_LIST(RUN_STATE_NAME)
#undef RUN_STATE_NAME
};

const char *const run_policy_names[] = {
    [POLICY_STOP] = "stop", [POLICY_RUN_ALL] = "run-all", [POLICY_ENOUGH] = "enough"};

const char *const run_capture_names[] = {[MAP_CAPTURE_FAILED] = "failed",
                                         [MAP_CAPTURE_ALL] = "all",
                                         [MAP_CAPTURE_NONE] = "none",
                                         [MAP_CAPTURE_DISCARD] = "discard"};

const char *const run_criterion_names[] = {[CRITERION_ALL] = "all",
                                           [CRITERION_MIN_RATIO] = "min-success-ratio",
                                           [CRITERION_MIN_SUCCESSES] = "min-successes",
                                           [CRITERION_MAX_FAILURES] = "max-failures"};

const struct run_option_field run_option_fields[] = {
    {"retries", offsetof(struct map_options, retries), 0},
    {"system_retries", offsetof(struct map_options, system_retries), 0},
    {"retry_delay_ns", offsetof(struct map_options, retry_delay_ns), 0},
    {"timeout_ns", offsetof(struct map_options, timeout_ns), 0},
    {"mem", offsetof(struct map_options, mem), 0},
    {"cpus", offsetof(struct map_options, cpus), 1},
    {"gpus", offsetof(struct map_options, gpus), 0},
    {"concurrency", offsetof(struct map_options, concurrency), 0},
    {"delay_ns", offsetof(struct map_options, delay_ns), 0},
    {"grace_ns", offsetof(struct map_options, grace_ns), 0},
    {"time_limit_ns", offsetof(struct map_options, time_limit_ns), 0},
    {"lost_after_ns", offsetof(struct map_options, lost_after_ns), 0},
    {"unit_size", offsetof(struct map_options, unit_size), 0},
    {"seed", offsetof(struct map_options, seed), 0},
    {"output_size_max", offsetof(struct map_options, output_size_max), 0},
    {NULL, 0, 0},
};

const char *run_state_name(enum run_state state)
{
    return run_state_names[state];
}

static char *hex_text(const uint8_t *bytes, size_t size)
{
    char *text = memory_take(2 * size + 1, 1);
    for (size_t i = 0; i < size; i++) {
        (void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    }
    return text;
}

/* A jansson tree that grows; the first failure stays. */
struct encoder {
    struct error *err;
    enum status status;
};

static void put(struct encoder *encoder, json_t *object, const char *name, json_t *value)
{
    if (json_object_set_new(object, name, value) != 0 && encoder->status == STATUS_OK) {
        encoder->status = error_set(encoder->err, STATUS_NO_MEMORY, "%s: out of memory", name);
    }
}

static void put_uint(struct encoder *encoder, json_t *object, const char *name, uint64_t value)
{
    if (value > INTEGER_MAX && encoder->status == STATUS_OK) {
        encoder->status = error_set(encoder->err, STATUS_INVALID,
                                    "%s: %" PRIu64 " is above 2^63 - 1", name, value);
    }
    put(encoder, object, name, json_integer((json_int_t)(value & INTEGER_MAX)));
}

/* Paths and words of a command line may be any bytes; JSON is UTF-8. */
static json_t *text_value(const char *text)
{
    const size_t size = strlen(text);
    if (value_is_utf8(text, size)) {
        return json_stringn(text, size);
    }
    char *hex = hex_text((const uint8_t *)text, size);
    json_t *value = json_pack("{s:s}", "hex", hex);
    free(hex);
    return value;
}

static void put_text(struct encoder *encoder, json_t *object, const char *name, const char *text)
{
    put(encoder, object, name, text_value(text));
}

static void put_hex(struct encoder *encoder, json_t *object, const char *name, const uint8_t *bytes,
                    size_t size)
{
    char *hex = hex_text(bytes, size);
    put_text(encoder, object, name, hex);
    free(hex);
}

static void put_time(struct encoder *encoder, json_t *object, const char *name, int64_t time_s)
{
    const time_t time = (time_t)time_s;
    struct tm parts;
    char text[TIME_TEXT_SIZE];
    if (gmtime_r(&time, &parts) == NULL ||
        strftime(text, sizeof(text), RUN_TIME_FORMAT, &parts) == 0) {
        encoder->status = error_set(encoder->err, STATUS_INVALID, "%s: no such time", name);
        return;
    }
    put_text(encoder, object, name, text);
}

static json_t *words_value(char *const *words, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        if (json_array_append_new(list, text_value(words[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *criterion_value(struct encoder *encoder, const struct criterion *criterion)
{
    json_t *object = json_object();
    put_text(encoder, object, "kind", run_criterion_names[criterion->kind]);
    switch (criterion->kind) {
    case CRITERION_ALL:
        break;
    case CRITERION_MIN_RATIO:
        put_text(encoder, object, "ratio", criterion->ratio);
        break;
    case CRITERION_MIN_SUCCESSES:
    case CRITERION_MAX_FAILURES:
        put_uint(encoder, object, "count", criterion->count);
        break;
    }
    return object;
}

static json_t *options_value(struct encoder *encoder, const struct map_options *options)
{
    json_t *object = json_object();
    for (const struct run_option_field *field = run_option_fields; field->name != NULL; field++) {
        uint64_t value;
        memcpy(&value, (const char *)options + field->offset, sizeof(value));
        put_uint(encoder, object, field->name, value);
    }
    put(encoder, object, "mem_growth", json_real(options->mem_growth));
    put(encoder, object, "speculate", json_boolean(options->speculate));
    put_text(encoder, object, "policy", run_policy_names[options->policy]);
    put_text(encoder, object, "capture", run_capture_names[options->capture]);
    put(encoder, object, "criterion", criterion_value(encoder, &options->criterion));
    return object;
}

/* Of a grid [["lr", ["0.1", "0.2"]], ...]; of trials, see trials_form.h. NULL where memory ran out.
 */
static json_t *packed_value(const struct formula *formula)
{
    struct arena arena = {0};
    struct buffer text = {0};
    mf_value unpacked;
    size_t used;
    json_t *value = NULL;
    if (value_decode(&arena, formula->packed, formula->packed_size, &used, &unpacked, NULL) ==
            STATUS_OK &&
        value_to_json(&unpacked, &text) == STATUS_OK) {
        value = json_loadb((const char *)text.data, text.size, 0, NULL);
    }
    arena_free(&arena);
    buffer_free(&text);
    return value;
}

static json_t *inputs_value(struct encoder *encoder, const struct run_description *run)
{
    json_t *object = json_object();
    if (run->formula.kind == FORMULA_RANGE) {
        put_text(encoder, object, "kind", "range");
        put(encoder, object, "start", json_integer(run->formula.start));
        put(encoder, object, "step", json_integer(run->formula.step));
        put(encoder, object, "float", json_boolean(run->formula.is_float));
    } else if (run->formula.kind == FORMULA_GRID) {
        put_text(encoder, object, "kind", "grid");
        put(encoder, object, "axes", packed_value(&run->formula));
    } else if (run->formula.kind == FORMULA_TRIALS) {
        put_text(encoder, object, "kind", "trials");
        put(encoder, object, "trials", packed_value(&run->formula));
    } else {
        put_text(encoder, object, "kind", "list");
        put_text(encoder, object, "file", "inputs.lz4");
    }
    put_uint(encoder, object, "count", run->input_count);
    put_hex(encoder, object, "digest", run->input_digest, sizeof(run->input_digest));
    return object;
}

static json_t *sweep_value(struct encoder *encoder, const struct run_sweep *sweep)
{
    json_t *object = json_object();
    put_text(encoder, object, "path", sweep->path);
    put_text(encoder, object, "file", sweep->text);
    put(encoder, object, "labels", json_loads(sweep->labels, JSON_REJECT_DUPLICATES, NULL));
    put(encoder, object, "command", words_value(sweep->command, sweep->command_count));
    return object;
}

static json_t *cache_value(struct encoder *encoder, const struct run_description *run)
{
    json_t *object = json_object();
    put_text(encoder, object, "mode", cache_mode_name(run->cache_mode));
    if (run->cache_mode != CACHE_OFF) {
        put_text(encoder, object, "version", run->cache_version);
        put_text(encoder, object, "dir", run->cache_dir);
    }
    return object;
}

static json_t *verdict_value(struct encoder *encoder, const struct run_description *run)
{
    const struct run_verdict *verdict = &run->verdict;
    if (run->state == RUN_RUNNING) {
        return json_null();
    }
    json_t *counts = json_object();
    for (unsigned i = 0; i < INSTANCE_STATE_COUNT; i++) {
        put_uint(encoder, counts, instance_state_name((enum instance_state)i), verdict->counts[i]);
    }
    json_t *object = json_object();
    put(encoder, object, "exit", json_integer(verdict->exit_status));
    put_time(encoder, object, "ended", verdict->ended_s);
    put(encoder, object, "wall_seconds", json_real(verdict->wall_seconds));
    put(encoder, object, "counts", counts);
    put_uint(encoder, object, "attempts", verdict->attempts);
    put_uint(encoder, object, "retries", verdict->retries);
    return object;
}

enum status run_fields_encode(const struct run_description *run, json_t **root_out,
                              struct error *err)
{
    struct encoder encoder = {.err = err, .status = STATUS_OK};
    json_t *root = json_object();
    put_uint(&encoder, root, "format", RUN_FILE_FORMAT);
    put_text(&encoder, root, "mapfleet", run->version);
    put_text(&encoder, root, "verb", run->verb);
    put_text(&encoder, root, "state", run_state_name(run->state));
    put_time(&encoder, root, "created", run->created_s);
    put_text(&encoder, root, "launch_dir", run->launch_dir);
    put(&encoder, root, "arguments", words_value(run->arguments, run->argument_count));
    put(&encoder, root, "given", words_value(run->given, run->given_count));
    put_text(&encoder, root, "job", run->job);
    put_text(&encoder, root, "job_path", run->job_path);
    put_text(&encoder, root, "job_digest", run->job_digest);
    put_text(&encoder, root, "task", run->task);
    if (run->constant_digest != NULL) {
        put_text(&encoder, root, "constant_digest", run->constant_digest);
    }
    put_text(&encoder, root, "input_type", run->input_type);
    put_text(&encoder, root, "output_type", run->output_type);
    put(&encoder, root, "options", options_value(&encoder, &run->options));
    put(&encoder, root, "inputs", inputs_value(&encoder, run));
    if (run->sweep.path != NULL) {
        put(&encoder, root, "sweep", sweep_value(&encoder, &run->sweep));
    }
    put(&encoder, root, "cache", cache_value(&encoder, run));
    put_uint(&encoder, root, "ranks", run->ranks);
    put(&encoder, root, "verdict", verdict_value(&encoder, run));
    if (encoder.status != STATUS_OK) {
        json_decref(root);
        return encoder.status;
    }
    *root_out = root;
    return STATUS_OK;
}
