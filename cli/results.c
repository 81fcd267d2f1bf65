#include "cli/results.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/columns.h"
#include "cli/npy.h"
#include "cli/options.h"
#include "cli/results_stdio.h"
#include "cli/rows.h"
#include "cli/trial_results.h"
#include "master/instances.h"
#include "master/map_past.h"
#include "master/outputs.h"
#include "master/run_file.h"
#include "master/run_log.h"
#include "shared/arena.h"
#include "shared/buffer.h"
#include "shared/log.h"
#include "shared/type.h"
#include "shared/typed_paths.h"
#include "shared/value.h"

enum { EXIT_PRINTED = 0, EXIT_NOT_PRINTED = 1, EXIT_REFUSED = 2 };

/* What was asked for. */
struct request {
    const char *run_dir;
    bool is_table;
    const char *states; /* names, by commas; NULL: all */
    bool wanted[INSTANCE_STATE_COUNT];
    enum rows_format format;
    bool has_map; /* --map was given */
    uint64_t map;
    const char *sort;  /* the metric of a sweep by which instances are in order; NULL: by index */
    const char *stdio; /* the instance whose printed text is asked for; NULL: outputs are */
};

/* What it is answered from. */
struct results {
    struct request request;
    char run_dir[PATH_MAX]; /* absolute */
    struct run_description *run;
    struct map_past_list maps; /* of a run of several */
    uint64_t size;             /* instances of the map that is asked for */
    const char *output_type;
    struct type *type; /* of an output */
    struct outputs *outputs;
    struct trial_results *trials; /* of a sweep, for a table or an order; else NULL */
    uint64_t *order;              /* of indices; NULL: as they are */
    struct instances *instances;  /* NULL where neither a table nor states were asked for */
    struct row_field *fields;     /* of a row of a table or of CSV */
    size_t field_count;
    struct columns *columns; /* of the outputs in CSV; NULL elsewhere */
    struct npy npy;          /* what the outputs are as an array */
    struct rows rows;
    struct arena arena; /* of the row at hand */
    struct buffer text; /* its error, or its bytes of an array */
};

/* ---- Arguments ------------------------------------------------------------------------------ */

static MUST_CHECK enum status parse_map(const char *text, uint64_t *map_out, struct error *err)
{
    int64_t map = 0;
    if (value_parse_int(text, strlen(text), &map) != STATUS_OK || map < 0) {
        return error_set(err, STATUS_INVALID, "--map: expected a number from 0, found \"%s\"",
                         text);
    }
    *map_out = (uint64_t)map;
    return STATUS_OK;
}

static MUST_CHECK enum status parse_states(struct request *request, struct error *err)
{
    char name[32];
    for (const char *at = request->states; at != NULL;) {
        const char *comma = strchrnul(at, ',');
        enum instance_state state;
        (void)snprintf(name, sizeof(name), "%.*s", (int)(comma - at), at);
        if (!instance_state_by_name(name, &state)) {
            (void)error_set(err, STATUS_INVALID, "--state: no state is named \"%.*s\"; they are",
                            (int)(comma - at), at);
            for (unsigned i = 0; i < INSTANCE_STATE_COUNT; i++) {
                (void)error_set(err, STATUS_INVALID, "%s%s %s", err->text, i > 0 ? "," : "",
                                instance_state_name((enum instance_state)i));
            }
            return STATUS_INVALID;
        }
        request->wanted[state] = true;
        at = *comma == ',' ? comma + 1 : NULL;
    }
    return STATUS_OK;
}

/* Plain lines are outputs, and of these states no instance has one: each line would be a null. */
static void hint_at_table(const struct request *request)
{
    for (unsigned i = 0; i < INSTANCE_STATE_COUNT; i++) {
        if (request->wanted[i] && instance_state_is_success((enum instance_state)i)) {
            return;
        }
    }
    log_warning("results: --state %s without --table prints null for each instance, which has no "
                "output: --table shows what became of it",
                request->states);
}

static MUST_CHECK enum status parse_request(const struct options *options, struct request *request,
                                            struct error *err)
{
    const char *format = options->values[OPTION_FORMAT];
    const char *map = options->values[OPTION_MAP];
    *request = (struct request){
        .is_table = options_has(options, OPTION_TABLE),
        .states = options->values[OPTION_STATE],
        .format = ROWS_JSONL,
        .sort = options->values[OPTION_SORT],
        .stdio = options->values[OPTION_STDIO],
        .has_map = map != NULL,
    };
    if (options->word_count != 1) {
        return error_set(err, STATUS_INVALID, "expected one run directory, found %zu",
                         options->word_count);
    }
    request->run_dir = options->words[0];
    if (format != NULL && !rows_format_by_name(format, &request->format)) {
        return error_set(err, STATUS_INVALID,
                         "--format: expected jsonl, json, csv, msgpack or npy, found \"%s\"",
                         format);
    }
    if (request->format == ROWS_NPY && request->is_table) {
        return error_set(err, STATUS_INVALID,
                         "--format npy is an array of the outputs, which --table has beside texts: "
                         "--format csv takes both");
    }
    if (request->stdio != NULL &&
        (request->is_table || request->states != NULL || format != NULL || request->sort != NULL)) {
        return error_set(err, STATUS_INVALID,
                         "--stdio prints text as it is: --table, --state, --sort and --format are "
                         "about outputs");
    }
    enum status status = map != NULL ? parse_map(map, &request->map, err) : STATUS_OK;
    if (status == STATUS_OK && request->states != NULL) {
        status = parse_states(request, err);
    }
    if (status == STATUS_OK && request->states != NULL && !request->is_table) {
        hint_at_table(request);
    }
    return status;
}

/* ---- Opening -------------------------------------------------------------------------------- */

static const char *const table_columns[] = {"index",           "state", "attempts", "task_failures",
                                            "system_failures", "class", "error",    "output",
                                            "cache",           "rank",  "seconds"};
enum { COLUMN_COUNT = sizeof(table_columns) / sizeof(table_columns[0]), COLUMN_OUTPUT = 7 };

/* Of a run of several: the map that was asked for, or the run's own output, which is one. */
static MUST_CHECK enum status choose_map(struct results *results, struct error *err)
{
    struct request *request = &results->request;
    const size_t count = results->maps.count;
    if (!request->has_map) {
        request->map = RECORD_RUN_MAP;
        results->size = 1;
        results->output_type = results->run->output_type;
        return STATUS_OK;
    }
    const struct map_past *map = map_past_find(&results->maps, request->map);
    if (map == NULL) {
        return error_set(err, STATUS_INVALID,
                         "--map %" PRIu64 ": %s has %zu map%s so far, numbered from 0",
                         request->map, request->run_dir, count, count == 1 ? "" : "s");
    }
    results->size = map->size;
    results->output_type = map->output_type;
    return STATUS_OK;
}

static MUST_CHECK enum status take_only_map(struct results *results, struct error *err)
{
    results->size = results->run->input_count;
    results->output_type = results->run->output_type;
    return results->request.map == 0
               ? STATUS_OK
               : error_set(err, STATUS_INVALID,
                           "--map %" PRIu64 ": %s has one map, which is number 0",
                           results->request.map, results->request.run_dir);
}

static MUST_CHECK enum status read_run(struct results *results, struct error *err)
{
    const struct request *request = &results->request;
    if (realpath(request->run_dir, results->run_dir) == NULL) {
        return error_set(err, STATUS_IO, "%s: %s", request->run_dir, strerror(errno));
    }
    const enum status status = run_file_read(request->run_dir, &results->run, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (map_past_read_definitions(request->run_dir, &results->maps, err) != STATUS_OK) {
        return STATUS_IO;
    }
    return results->maps.is_of_several ? choose_map(results, err) : take_only_map(results, err);
}

/* Of a sweep: what its trials reported, and in which order they are asked for. */
static MUST_CHECK enum status open_trials(struct results *results, struct error *err)
{
    const struct request *request = &results->request;
    const bool is_sweep = results->run->sweep.path != NULL;
    if (request->sort != NULL && !is_sweep) {
        return error_set(err, STATUS_INVALID, "--sort %s: %s is no sweep, and has no metric",
                         request->sort, request->run_dir);
    }
    if (!is_sweep || (request->sort == NULL && !request->is_table)) {
        return STATUS_OK;
    }
    const enum status status =
        trial_results_open(results->run_dir, results->run, &results->trials, err);
    return status == STATUS_OK && request->sort != NULL
               ? trial_results_sort(results->trials, request->sort, &results->order, err)
               : status;
}

static MUST_CHECK enum status open_run(struct results *results, struct error *err)
{
    const struct request *request = &results->request;
    enum status status = type_parse(results->output_type, &results->type, err);
    if (status != STATUS_OK) {
        return status;
    }
    status = outputs_open(results->run_dir, request->map, results->size, &results->outputs, err);
    if (status == STATUS_OK && !request->is_table && outputs_are_reduced(results->outputs)) {
        const struct map_past *map = map_past_find(&results->maps, request->map);
        status = error_set(err, STATUS_NOT_FOUND,
                           "map %" PRIu64 " was reduced by %s: the outputs of its instances were "
                           "not kept (--table shows what became of them)",
                           request->map, map != NULL && map->reducer != NULL ? map->reducer : "?");
    }
    if (status == STATUS_OK && (request->is_table || request->states != NULL)) {
        status =
            instances_open(results->run_dir, request->map, results->size, &results->instances, err);
    }
    return status == STATUS_OK ? open_trials(results, err) : status;
}

static void close_run(struct results *results)
{
    instances_close(results->instances);
    trial_results_close(results->trials);
    free(results->order);
    outputs_close(results->outputs);
    type_destroy(results->type);
    run_description_destroy(results->run);
    map_past_free(&results->maps);
    columns_destroy(results->columns);
    free(results->fields);
    arena_free(&results->arena);
    buffer_free(&results->text);
}

static uint64_t count_failures(const struct results *results)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < results->size; i++) {
        const enum instance_state state = instances_get(results->instances, i).state;
        count += state == INSTANCE_FAILED || state == INSTANCE_TIMED_OUT ? 1 : 0;
    }
    return count;
}

/* How many outputs run.json says were recorded, and the log no longer has; of a table, whose rows
 * tell of failures too, how many results. Of a run that goes on, or was cut off, it says nothing,
 * nor of one map of several. */
static uint64_t count_missing(const struct results *results)
{
    const struct run_verdict *verdict = &results->run->verdict;
    const uint64_t outputs = outputs_count(results->outputs);
    if (results->run->state == RUN_RUNNING || results->maps.is_of_several) {
        return 0;
    }
    return results->instances == NULL ? run_verdict_lost_outputs(verdict, outputs)
                                      : run_verdict_lost(verdict, outputs, count_failures(results));
}

/* What the run has told its user that it has, and cannot be printed, is no hole like another: the
 * exit status tells, so that nobody takes what is left for all. A torn tail is one that nobody was
 * told of. */
static MUST_CHECK enum status check_log(const struct results *results, struct error *err)
{
    const uint64_t missing = count_missing(results);
    const char *torn = outputs_torn(results->outputs);
    if (torn == NULL && results->instances != NULL) {
        torn = instances_torn(results->instances);
    }
    if (missing > 0) {
        return error_set(err, STATUS_NOT_FOUND, "%" PRIu64 " %s that were recorded are lost: %s%s",
                         missing, results->instances != NULL ? "results" : "outputs",
                         torn != NULL ? torn : results->run_dir,
                         torn != NULL ? "" : "/" RUN_LOG_NAME " is not there, or not whole");
    }
    if (torn != NULL) {
        log_warning("the log is cut off or damaged, and only what stands before that is shown: %s",
                    torn);
    }
    return STATUS_OK;
}

/* ---- Outputs -------------------------------------------------------------------------------- */

static MUST_CHECK enum status get_output(struct results *results, uint64_t index,
                                         mf_value *value_out, struct error *err)
{
    const uint8_t *data = NULL;
    size_t size = 0;
    size_t used = 0;
    *value_out = value_null();
    enum status status = outputs_get(results->outputs, index, &data, &size, err);
    if (status != STATUS_OK || data == NULL) {
        return status;
    }
    status = value_decode(&results->arena, data, size, &used, value_out, err);
    if (status != STATUS_OK) {
        error_prefix(err, "output of instance %" PRIu64 ": ", index);
        return status;
    }
    return typed_paths_resolve(results->type, results->run_dir, &results->arena, value_out, err);
}

/* Does its state leave it out? */
static bool is_left_out(const struct results *results, uint64_t index)
{
    return results->request.states != NULL &&
           !results->request.wanted[instances_get(results->instances, index).state];
}

/* ---- What all outputs have in common --------------------------------------------------------- */

/* The first of two passes over the outputs, where their form depends on all of them. */
static MUST_CHECK enum status see_outputs(struct results *results, struct error *err)
{
    enum status status = STATUS_OK;
    for (uint64_t i = 0; i < results->size && status == STATUS_OK; i++) {
        mf_value output;
        if (is_left_out(results, i)) {
            continue;
        }
        arena_reset(&results->arena);
        status = get_output(results, i, &output, err);
        if (status == STATUS_OK) {
            status = results->columns != NULL ? columns_see(results->columns, &output, err)
                                              : npy_see(&results->npy, &output, i, err);
        }
    }
    return status;
}

/* Of a table of a sweep: those at its end. */
static size_t trial_columns(const struct results *results)
{
    return results->trials != NULL && results->request.is_table
               ? trial_results_column_count(results->trials, results->columns != NULL)
               : 0;
}

/* The columns of a table; in CSV, those of the outputs stand where one column for them would. */
static MUST_CHECK enum status take_fields(struct results *results, struct error *err)
{
    const bool is_table = results->request.is_table;
    const size_t output_count = results->columns != NULL ? columns_count(results->columns) : 1;
    results->field_count =
        (is_table ? COLUMN_COUNT - 1 : 0) + output_count + trial_columns(results);
    results->fields = calloc(results->field_count, sizeof(*results->fields));
    if (results->fields == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < COLUMN_COUNT && is_table; i++) {
        results->fields[i > COLUMN_OUTPUT ? i + output_count - 1 : i].name = table_columns[i];
    }
    if (results->columns != NULL) {
        columns_name(results->columns, results->fields + (is_table ? COLUMN_OUTPUT : 0));
    }
    const size_t trial_count = trial_columns(results);
    const size_t other_count = results->field_count - trial_count;
    return trial_count == 0 ||
                   trial_results_name(results->trials, results->columns != NULL, results->fields,
                                      other_count, results->fields + other_count) == STATUS_OK
               ? STATUS_OK
               : error_set(err, STATUS_NO_MEMORY, "out of memory");
}

static MUST_CHECK enum status survey(struct results *results, struct error *err)
{
    const struct request *request = &results->request;
    enum status status = STATUS_OK;
    if (request->format == ROWS_CSV) {
        results->columns = columns_create(results->type, request->is_table ? "output." : "");
    }
    if (request->format == ROWS_NPY ||
        (results->columns != NULL && columns_type_is_open(results->type))) {
        status = see_outputs(results, err);
    }
    if (status == STATUS_OK && request->format == ROWS_NPY) {
        status = npy_settle(&results->npy, results->type, err);
    }
    if (status == STATUS_OK && results->columns != NULL) {
        columns_settle(results->columns);
    }
    return status == STATUS_OK ? take_fields(results, err) : status;
}

/* ---- Rows ----------------------------------------------------------------------------------- */

static MUST_CHECK enum status put_output(struct results *results, const mf_value *output,
                                         struct error *err)
{
    if (results->columns != NULL) {
        columns_fill(results->columns, output, results->fields);
        return rows_put_record(&results->rows, results->fields, results->field_count, err);
    }
    if (results->request.format != ROWS_NPY) {
        return rows_put_value(&results->rows, output, err);
    }
    buffer_clear(&results->text);
    const enum status status = npy_put(&results->npy, output, &results->text);
    return status == STATUS_OK ? rows_put_bytes(&results->rows, &results->text, err)
                               : error_set(err, status, "%s", status_text(status));
}

static mf_value text_or_null(const char *text)
{
    return text == NULL ? value_null() : value_text(MF_STR, text, (uint32_t)strlen(text));
}

static mf_value count_value(uint64_t count)
{
    return value_int(count <= INT64_MAX ? (int64_t)count : INT64_MAX);
}

/* "attempt 2 of 3, exit: status 1", in results->text. */
static MUST_CHECK enum status write_error(struct results *results, const struct instance *instance)
{
    buffer_clear(&results->text);
    enum status status = buffer_printf(&results->text, "attempt %" PRIu64 " of %" PRIu64 ", %s: %s",
                                       instance->attempt_number, instance->attempts_max,
                                       failure_class_name(instance->class), instance->error);
    return status == STATUS_OK ? buffer_append_byte(&results->text, '\0') : status;
}

static const char *cache_text(const struct results *results, const struct instance *instance)
{
    if (instance->state == INSTANCE_CACHED) {
        return "hit";
    }
    return results->run->cache_mode == CACHE_OFF ? "off" : "miss";
}

static MUST_CHECK enum status put_instance(struct results *results, uint64_t index,
                                           const struct instance *instance, const mf_value *output,
                                           struct error *err)
{
    const char *class = NULL;
    const char *error = NULL;
    if (instance->error != NULL) {
        const enum status status = write_error(results, instance);
        if (status != STATUS_OK) {
            return error_set(err, status, "%s", status_text(status));
        }
        class = failure_class_name(instance->class);
        error = (const char *)results->text.data;
    }
    const double seconds = round(instance->seconds * 1e9) / 1e9;
    const mf_value values[COLUMN_COUNT] = {
        count_value(index),
        text_or_null(instance_state_name(instance->state)),
        count_value(instance->attempts),
        count_value(instance->task_failures),
        count_value(instance->system_failures),
        text_or_null(class),
        text_or_null(error),
        *output,
        text_or_null(cache_text(results, instance)),
        instance->has_rank ? value_int(instance->rank) : value_null(),
        instance->has_seconds ? value_float(seconds) : value_null(),
    };
    /* Further columns of the output. */
    const size_t behind = results->field_count - COLUMN_COUNT - trial_columns(results);
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        results->fields[i > COLUMN_OUTPUT ? i + behind : i].value = values[i];
    }
    if (results->columns != NULL) {
        columns_fill(results->columns, output, results->fields + COLUMN_OUTPUT);
    }
    if (trial_columns(results) > 0 &&
        trial_results_fill(results->trials, results->columns != NULL, index, &results->arena,
                           results->fields + results->field_count - trial_columns(results),
                           err) != STATUS_OK) {
        return STATUS_INVALID;
    }
    return rows_put_record(&results->rows, results->fields, results->field_count, err);
}

static MUST_CHECK enum status put_row(struct results *results, uint64_t index, struct error *err)
{
    struct instance instance = {0};
    mf_value output;
    if (is_left_out(results, index)) {
        return STATUS_OK;
    }
    if (results->instances != NULL) {
        instance = instances_get(results->instances, index);
    }
    arena_reset(&results->arena);
    const enum status status = get_output(results, index, &output, err);
    if (status != STATUS_OK) {
        return status;
    }
    return results->request.is_table ? put_instance(results, index, &instance, &output, err)
                                     : put_output(results, &output, err);
}

static MUST_CHECK enum status put_array_header(struct results *results, struct error *err)
{
    buffer_clear(&results->text);
    const enum status status = npy_put_header(&results->npy, &results->text);
    return status == STATUS_OK ? rows_put_bytes(&results->rows, &results->text, err)
                               : error_set(err, status, "%s", status_text(status));
}

static MUST_CHECK enum status put_rows(struct results *results, struct error *err)
{
    struct error finish_err;
    rows_start(&results->rows, results->request.format, STDOUT_FILENO);
    enum status status = rows_put_names(&results->rows, results->fields, results->field_count, err);
    if (status == STATUS_OK && results->request.format == ROWS_NPY) {
        status = put_array_header(results, err);
    }
    for (uint64_t i = 0; i < results->size && status == STATUS_OK && !results->rows.is_closed;
         i++) {
        status = put_row(results, results->order != NULL ? results->order[i] : i, err);
    }
    const enum status finished = rows_finish(&results->rows, &finish_err);
    if (status == STATUS_OK && finished != STATUS_OK) {
        status = error_set(err, finished, "%s", finish_err.text);
    }
    return status;
}

static int print_rows(struct results *results, struct error *err)
{
    if (open_run(results, err) != STATUS_OK || survey(results, err) != STATUS_OK) {
        return EXIT_REFUSED;
    }
    struct error lost;
    const bool is_whole = check_log(results, &lost) == STATUS_OK;
    if (put_rows(results, err) != STATUS_OK) {
        return EXIT_NOT_PRINTED;
    }
    if (!is_whole) {
        *err = lost;
    }
    return is_whole ? EXIT_PRINTED : EXIT_NOT_PRINTED;
}

static int print_stdio(const struct results *results, struct error *err)
{
    const struct request *request = &results->request;
    uint64_t index;
    if (results_stdio_index(request->stdio, results->size, &index, err) != STATUS_OK) {
        return EXIT_REFUSED;
    }
    return results_stdio_print(results->run_dir, results->run, request->map, index, err) ==
                   STATUS_OK
               ? EXIT_PRINTED
               : EXIT_NOT_PRINTED;
}

int results_main(const struct options *options)
{
    struct error err;
    struct results results = {0};
    int exit_status = EXIT_REFUSED;
    if (parse_request(options, &results.request, &err) == STATUS_OK &&
        read_run(&results, &err) == STATUS_OK) {
        exit_status = results.request.stdio != NULL ? print_stdio(&results, &err)
                                                    : print_rows(&results, &err);
    }
    if (exit_status != EXIT_PRINTED) {
        log_error("results: %s", err.text);
    }
    close_run(&results);
    return exit_status;
}
