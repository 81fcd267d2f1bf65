#include "worker/runner.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "shared/arena.h"
#include "shared/buffer.h"
#include "shared/context.h"
#include "shared/lz4_frame.h"
#include "shared/memory.h"
#include "shared/value.h"
#include "shared/writer.h"
#include "worker/publish.h"

struct runner {
    struct runner_options options;
    struct mf_context context;
    struct writer *writer;
    struct arena values; /* of one input */
    struct arena checks; /* of one output while it is checked */
    struct arena texts;  /* of the batch's failures */
    struct report_failure *failures;
    size_t failure_count;
    size_t failure_capacity;
    struct buffer bits;  /* of the batch, once something has failed */
    struct buffer frame; /* of the batch */
};

enum status runner_create(const struct runner_options *options, struct runner **runner_out)
{
    struct runner *runner = calloc(1, sizeof(*runner));
    if (runner == NULL) {
        return STATUS_NO_MEMORY;
    }
    runner->options = *options;
    const enum status status = writer_create((size_t)options->map.output_size_max, &runner->writer);
    if (status != STATUS_OK) {
        runner_destroy(runner);
        return status;
    }
    runner->writer->attempt.launch_dir = options->launch_dir;
    runner->context.task = options->task->name;
    runner->context.map_size = options->map_size;
    runner->context.seed = options->map.seed;
    runner->context.state = options->state;
    runner->context.writer = runner->writer;
    *runner_out = runner;
    return STATUS_OK;
}

void runner_destroy(struct runner *runner)
{
    if (runner == NULL) {
        return;
    }
    writer_destroy(runner->writer);
    arena_free(&runner->values);
    arena_free(&runner->checks);
    arena_free(&runner->texts);
    buffer_free(&runner->bits);
    buffer_free(&runner->frame);
    free(runner->failures);
    free(runner);
}

/* ---- One attempt ------------------------------------------------------------------------------
 */

static void add_failure(struct runner *runner, struct report_failure failure, const char *text,
                        size_t text_size)
{
    const char *copy = arena_copy(&runner->texts, text, text_size);
    failure.text = copy != NULL ? copy : "";
    failure.text_size = copy != NULL ? text_size : 0;
    runner->failures = memory_grow(runner->failures, runner->failure_count,
                                   &runner->failure_capacity, sizeof(*runner->failures));
    runner->failures[runner->failure_count++] = failure;
}

/* Check what the function has written, and publish its files. */
static enum status finish_output(struct runner *runner, struct error *err)
{
    struct writer *writer = runner->writer;
    if (writer->face.mf_private_count == 0 &&
        type_kind(runner->options.task->output) == TYPE_NULL) {
        mf_put_null(&writer->face);
    }
    enum status status = writer_end(writer, err);
    if (status != STATUS_OK) {
        return status;
    }
    arena_reset(&runner->checks);
    status = type_check_packed(runner->options.task->output, writer->data + writer->value_start,
                               writer_size(writer) - writer->value_start, &runner->checks, err);
    if (status == STATUS_OK && writer->file_count > 0) {
        status = publish_files(runner->options.run_dir, writer->files, writer->file_count, err);
    }
    if (status != STATUS_OK) {
        writer_rewind(writer);
    }
    return status;
}

static bool run_attempt(struct runner *runner, const mf_value *input, uint64_t index,
                        uint64_t attempt)
{
    struct error err;
    mf_context *ctx = &runner->context;
    context_begin(ctx, index, attempt);
    writer_begin(runner->writer);
    const mf_status returned = runner->options.task->fn(ctx, input, &runner->writer->face);
    bool is_success = false;
    if (returned == MF_OK) {
        is_success = finish_output(runner, &err) == STATUS_OK;
        if (!is_success) {
            add_failure(runner,
                        (struct report_failure){
                            .index = index, .attempt = attempt, .class = FAILURE_OUTPUT},
                        err.text, strlen(err.text));
        }
    } else {
        writer_rewind(runner->writer);
        add_failure(runner,
                    (struct report_failure){.index = index,
                                            .attempt = attempt,
                                            .class = FAILURE_ERROR,
                                            .is_permanent = returned == MF_FAIL_PERMANENTLY},
                    ctx->text, ctx->text_size);
    }
    context_end(ctx);
    return is_success;
}

/* ---- A batch ----------------------------------------------------------------------------------
 */

/* Where the next input comes from. */
struct input_cursor {
    const uint8_t *at;
    size_t left;
};

/* Rank 0 has checked and packed the inputs, so that one that cannot be read was damaged since. */
static enum status next_input(struct runner *runner, struct input_cursor *cursor, uint64_t index,
                              mf_value *value_out, struct error *err)
{
    size_t used;
    if (runner->options.formula.kind != FORMULA_NONE) {
        *value_out = formula_value(&runner->options.formula, index);
        return STATUS_OK;
    }
    arena_reset(&runner->values);
    const enum status status =
        value_decode(&runner->values, cursor->at, cursor->left, &used, value_out, err);
    if (status == STATUS_OK) {
        cursor->at += used;
        cursor->left -= used;
    }
    return status;
}

static void mark_failed(struct runner *runner, const struct batch *batch, uint64_t at)
{
    if (runner->bits.size == 0) {
        const size_t size = (size_t)((batch->instance_count + 7) / 8);
        if (buffer_reserve(&runner->bits, size) != STATUS_OK) {
            abort(); /* a bit an instance: see shared/memory.h */
        }
        memset(runner->bits.data, 0xff, size);
        if (batch->instance_count % 8 != 0) {
            runner->bits.data[size - 1] = (uint8_t)((1u << batch->instance_count % 8) - 1);
        }
        runner->bits.size = size;
    }
    runner->bits.data[at / 8] = (uint8_t)(runner->bits.data[at / 8] & ~(1u << at % 8));
}

static void clear(struct runner *runner)
{
    writer_clear(runner->writer);
    arena_reset(&runner->texts);
    buffer_clear(&runner->bits);
    buffer_clear(&runner->frame);
    runner->failure_count = 0;
}

static void run_all(struct runner *runner, const struct batch *batch)
{
    struct input_cursor cursor = {.at = batch->inputs, .left = batch->inputs_size};
    struct error err;
    uint64_t at = 0;
    for (size_t i = 0; i < batch->span_count; i++) {
        const struct span *span = &batch->spans[i];
        for (uint64_t offset = 0; offset < span->count; offset++, at++) {
            mf_value input;
            const uint64_t index = span->start + offset;
            if (next_input(runner, &cursor, index, &input, &err) != STATUS_OK) {
                add_failure(runner,
                            (struct report_failure){
                                .index = index, .attempt = span->attempt, .class = FAILURE_ERROR},
                            err.text, strlen(err.text));
                mark_failed(runner, batch, at);
            } else if (!run_attempt(runner, &input, index, span->attempt)) {
                mark_failed(runner, batch, at);
            }
        }
    }
}

enum status runner_run(struct runner *runner, const struct batch *batch,
                       struct batch_result *result_out)
{
    clear(runner);
    run_all(runner, batch);
    const uint64_t success_count = batch->instance_count - runner->failure_count;
    if (success_count > 0) {
        const enum status status =
            lz4_frame_compress(runner->writer->data, writer_size(runner->writer), &runner->frame);
        if (status != STATUS_OK) {
            return status;
        }
    }
    *result_out = (struct batch_result){
        .batch = {.spans = batch->spans,
                  .span_count = batch->span_count,
                  .instance_count = batch->instance_count,
                  .success_count = success_count,
                  .success_bits = runner->failure_count > 0 ? runner->bits.data : NULL,
                  .frame = success_count > 0 ? runner->frame.data : NULL,
                  .frame_size = runner->frame.size},
        .failures = runner->failures,
        .failure_count = runner->failure_count,
    };
    return STATUS_OK;
}
