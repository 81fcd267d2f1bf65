#include "master/run_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "master/file.h"
#include "master/run_fields.h"
#include "shared/buffer.h"

static int append_text(const char *text, size_t size, void *buffer)
{
    return buffer_append(buffer, text, size) == STATUS_OK ? 0 : -1;
}

uint64_t run_verdict_lost_outputs(const struct run_verdict *verdict, uint64_t outputs_left)
{
    uint64_t recorded = 0;
    for (unsigned i = 0; i < INSTANCE_STATE_COUNT; i++) {
        const bool has_output =
            instance_state_is_success((enum instance_state)i) && i != INSTANCE_STOPPED_EARLY;
        recorded += has_output ? verdict->counts[i] : 0;
    }
    return recorded > outputs_left ? recorded - outputs_left : 0;
}

/* A failure that is left may be one that a lost output had replaced. */
uint64_t run_verdict_lost(const struct run_verdict *verdict, uint64_t outputs_left,
                          uint64_t failures_left)
{
    const uint64_t failures =
        verdict->counts[INSTANCE_FAILED] + verdict->counts[INSTANCE_TIMED_OUT];
    return run_verdict_lost_outputs(verdict, outputs_left) +
           (failures > failures_left ? failures - failures_left : 0);
}

enum status run_file_write(const char *run_dir, const struct run_description *run,
                           struct error *err)
{
    json_t *root = NULL;
    struct buffer text = {0};
    enum status status = run_fields_encode(run, &root, err);
    if (status != STATUS_OK) {
        error_prefix(err, "%s/" RUN_FILE_NAME ": ", run_dir);
        return status;
    }
    if (json_dump_callback(root, append_text, &text, JSON_INDENT(2)) != 0 ||
        buffer_append_byte(&text, '\n') != STATUS_OK) {
        status = error_set(err, STATUS_NO_MEMORY, "%s/" RUN_FILE_NAME ": out of memory", run_dir);
        goto done;
    }
    status = file_replace(run_dir, RUN_FILE_NAME, text.data, text.size, err);

done:
    json_decref(root);
    buffer_free(&text);
    return status;
}

static MUST_CHECK enum status parse(const struct buffer *text, struct run_description *run,
                                    struct error *err)
{
    json_error_t failure;
    json_t *root =
        json_loadb((const char *)text->data, text->size, JSON_REJECT_DUPLICATES, &failure);
    if (root == NULL) {
        return error_set(err, STATUS_INVALID, "line %d, column %d: %s", failure.line,
                         failure.column, failure.text);
    }
    const enum status status = run_fields_decode(root, run, err);
    json_decref(root);
    return status;
}

enum status run_file_read(const char *run_dir, struct run_description **run_out, struct error *err)
{
    enum status status = STATUS_NO_MEMORY;
    struct buffer text = {0};
    char *path = NULL;
    struct run_description *run = calloc(1, sizeof(*run));
    if (run == NULL || asprintf(&path, "%s/" RUN_FILE_NAME, run_dir) < 0) {
        path = NULL;
        (void)error_set(err, status, "%s: %s", run_dir, status_text(status));
        goto done;
    }
    status = file_read(path, &text, err);
    if (status == STATUS_NOT_FOUND) {
        (void)error_set(err, status, "%s is not a run directory: it has no " RUN_FILE_NAME,
                        run_dir);
    }
    if (status != STATUS_OK) {
        goto done;
    }
    status = parse(&text, run, err);
    if (status != STATUS_OK) {
        error_prefix(err, "%s: ", path);
        goto done;
    }
    *run_out = run;
    run = NULL; /* moved to the caller */

done:
    run_description_destroy(run);
    buffer_free(&text);
    free(path);
    return status;
}

static void free_words(char **words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(words[i]);
    }
    free(words);
}

void run_description_destroy(struct run_description *run)
{
    if (run == NULL) {
        return;
    }
    char *const texts[] = {
        run->version,    run->verb,        run->launch_dir,    run->job,
        run->job_path,   run->job_digest,  run->task,          run->constant_digest,
        run->input_type, run->output_type, run->cache_version, run->cache_dir,
        run->sweep.path, run->sweep.text,  run->sweep.labels};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        free(texts[i]);
    }
    free_words(run->arguments, run->argument_count);
    free_words(run->given, run->given_count);
    free_words(run->sweep.command, run->sweep.command_count);
    free((uint8_t *)(uintptr_t)run->formula.packed);
    free(run);
}
