#include "master/workflow_process.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/workflow_process_private.h"
#include "shared/memory.h"
#include "shared/value.h"
#include "shared/workflow_port.h"

#define OUTPUT_SIZE_MAX ((size_t)1 << 40)
#define PARAMETERS_SIZE_MAX ((uint64_t)1 << 30)

/* ---- Why it fails -----------------------------------------------------------------------------
 */

void workflow_note_failure(mf_workflow *wf, const struct workflow_call *call, const char *text)
{
    (void)snprintf(wf->error, sizeof(wf->error), *call->task != '\0' ? "%s \"%s\": %s" : "%s%s: %s",
                   call->function, call->task, text);
}

const char *mf_workflow_error(const mf_workflow *wf)
{
    return wf->error;
}

mf_status mf_workflow_fail(mf_workflow *wf, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(wf->reason, sizeof(wf->reason), format, arguments);
    va_end(arguments);
    wf->has_reason = true;
    return MF_FAIL;
}

void mf_workflow_log(mf_workflow *wf, const char *format, ...)
{
    char line[WORKFLOW_TEXT_SIZE_MAX];
    size_t length = (size_t)snprintf(line, sizeof(line), "%s: ", wf->workflow->name);
    length = length < sizeof(line) - 1 ? length : sizeof(line) - 1;
    va_list arguments;
    va_start(arguments, format);
    const int text_length = vsnprintf(line + length, sizeof(line) - length, format, arguments);
    va_end(arguments);
    length += text_length > 0 ? (size_t)text_length : 0;
    length = length < sizeof(line) - 1 ? length : sizeof(line) - 1;
    line[length] = '\n';
    (void)!write(STDERR_FILENO, line, length + 1);
}

/* ---- Its life ---------------------------------------------------------------------------------
 */

/* The parameters stand in the arena, as rank 0 has checked them. */
static enum status take_parameters(mf_workflow *wf, int file, mf_value *input, struct error *err)
{
    struct buffer packed = {0};
    size_t used = 0;
    enum status status = workflow_port_read_file(file, PARAMETERS_SIZE_MAX, &packed, err);
    if (status == STATUS_OK) {
        status = value_decode(&wf->arena, packed.data, packed.size, &used, input, err);
    }
    if (status == STATUS_OK) {
        status = type_check(wf->workflow->input, input, err);
    }
    buffer_free(&packed);
    return status;
}

static enum status begin(mf_workflow *wf, mf_value *input, struct error *err)
{
    struct workflow_message message;
    bool is_message = false;
    int file = -1;
    enum status status =
        workflow_port_receive(wf->socket, true, &wf->arena, &message, &file, &is_message, err);
    if (status == STATUS_OK && (message.kind != WORKFLOW_BEGIN || file < 0)) {
        status = error_set(err, STATUS_PROTOCOL, "a workflow begins with other words");
    }
    if (status == STATUS_OK) {
        wf->run_dir = message.as.begin.run_dir;
        wf->launch_dir = message.as.begin.launch_dir;
        wf->workflow = job_workflow(wf->job, message.as.begin.workflow, err);
        status = wf->workflow != NULL ? STATUS_OK : STATUS_NOT_FOUND;
    }
    if (status == STATUS_OK) {
        status = take_parameters(wf, file, input, err);
    }
    if (file >= 0) {
        (void)close(file);
    }
    return status;
}

/* Is what the function wrote one value of the declared type? */
static enum status check_output(mf_workflow *wf, struct writer *writer, struct error *err)
{
    mf_value value;
    size_t used = 0;
    enum status status = STATUS_OK;
    if (type_kind(wf->workflow->output) == TYPE_NULL && writer_size(writer) == 0) {
        mf_put_null(&writer->face);
    }
    status = writer_end(writer, err);
    if (status == STATUS_OK) {
        status = value_decode(&wf->arena, writer->data, writer_size(writer), &used, &value, err);
    }
    if (status == STATUS_OK) {
        status = type_check(wf->workflow->output, &value, err);
    }
    if (status != STATUS_OK) {
        error_prefix(err, "its output: ");
    }
    return status;
}

static enum status send_end(const mf_workflow *wf, const char *failure, const struct writer *writer)
{
    const struct workflow_message message = {
        .kind = WORKFLOW_END,
        .as.end = {.is_success = failure == NULL, .text = failure != NULL ? failure : ""}};
    const struct buffer output = {.data = writer->data, .size = writer_size(writer)};
    struct error err;
    int file = -1;
    enum status status = failure == NULL ? workflow_port_file(&output, &file, &err) : STATUS_OK;
    if (status == STATUS_OK) {
        status = workflow_port_send(wf->socket, &message, file, &err);
    }
    if (file >= 0) {
        (void)close(file);
    }
    return status;
}

/* Run the function, and say what came of it. */
static enum status run(mf_workflow *wf, const mf_value *input, struct writer *writer)
{
    struct error err = {""};
    const char *failure = NULL;
    writer->attempt.launch_dir = wf->launch_dir;
    writer_begin(writer);
    workflow_know(wf, input, wf->workflow->input);
    const mf_status returned = wf->workflow->fn(wf, input, &writer->face);
    if (returned != MF_OK && returned != MF_FAIL && returned != MF_FAIL_PERMANENTLY) {
        (void)error_set(&err, STATUS_INVALID, "returned %d, which is no mf_status", (int)returned);
        failure = err.text;
    } else if (returned != MF_OK) {
        failure = wf->has_reason         ? wf->reason
                  : wf->error[0] != '\0' ? wf->error
                                         : "it gave no reason";
    } else if (check_output(wf, writer, &err) != STATUS_OK) {
        failure = err.text;
    }
    (void)fflush(stdout);
    return send_end(wf, failure, writer);
}

static void free_all(mf_workflow *wf)
{
    for (size_t i = 0; i < wf->map_count; i++) {
        type_destroy(wf->maps[i]->type);
        reduction_destroy(wf->maps[i]->reduction);
        buffer_free(&wf->maps[i]->places);
        free(wf->maps[i]->text);
        free(wf->maps[i]);
    }
    if (wf->log >= 0) {
        (void)close(wf->log);
    }
    for (size_t i = 0; i < wf->reduction_count; i++) {
        reduction_destroy(wf->reductions[i]);
    }
    free(wf->reductions);
    free(wf->maps);
    free(wf->known);
    workflow_free_made(wf);
    arena_free(&wf->arena);
    arena_free(&wf->scratch);
    arena_free(&wf->message);
}

int workflow_process_run(const struct job *job, int socket)
{
    mf_workflow wf = {.job = job, .socket = socket, .log = -1};
    struct writer *writer = NULL;
    struct error err = {""};
    mf_value input;
    enum status status = writer_create(OUTPUT_SIZE_MAX, &writer);
    if (status == STATUS_OK) {
        status = begin(&wf, &input, &err);
    }
    if (status == STATUS_OK) {
        status = run(&wf, &input, writer);
    }
    writer_destroy(writer);
    free_all(&wf);
    return status == STATUS_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
