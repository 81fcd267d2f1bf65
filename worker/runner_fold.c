#include "worker/runner_private.h"

#include <string.h>

#include "shared/fold.h"
#include "shared/lz4_frame.h"

/* Of one frame; memory ends before. */
#define PARTIALS_SIZE_MAX ((size_t)1 << 40)

/* The instances that have a result, with their success. */
static void describe_done(const struct channel *channel, struct span *spans,
                          struct report_batch *batch)
{
    const struct channel_control *control = channel->control;
    uint64_t left = channel_done(channel);
    *batch = (struct report_batch){.spans = spans, .success_bits = control->success_bits};
    for (size_t i = 0; i < control->span_count && left > 0; i++) {
        spans[i] = control->spans[i];
        spans[i].count = spans[i].count < left ? spans[i].count : left;
        left -= spans[i].count;
        batch->instance_count += spans[i].count;
        batch->span_count++;
    }
}

/* The next outputs, as one partial value behind those that are there. */
static enum status fold_run(struct runner *runner, uint64_t count, size_t *at, struct error *err)
{
    const struct writer *writer = runner->writer;
    size_t used = 0;
    fold_clear(runner->fold);
    enum status status =
        fold_add(runner->fold, writer->data + *at, writer_size(writer) - *at, count, &used, err);
    *at += used;
    return status == STATUS_OK ? fold_write(runner->fold, &runner->folded, err) : status;
}

static enum status fold_runs(struct runner *runner, uint64_t *count_out, struct error *err)
{
    struct span spans[CHANNEL_SPAN_COUNT_MAX];
    struct report_batch batch;
    struct report_run_walk walk = {.span = 0};
    struct report_run run;
    enum status status = STATUS_OK;
    size_t at = 0;
    describe_done(runner->options.channel, spans, &batch);
    while (status == STATUS_OK && report_next_run(&batch, &walk, &run)) {
        status = fold_run(runner, run.count, &at, err);
        ++*count_out;
    }
    return status;
}

static enum status fold_all(struct runner *runner, uint64_t *count_out, struct error *err)
{
    size_t at = 0;
    *count_out = 1;
    return fold_run(runner, channel_successes(runner->options.channel), &at, err);
}

/* Frames of partial values, one behind the other. */
static enum status merge_frames(struct runner *runner, struct error *err)
{
    const struct channel *channel = runner->options.channel;
    const size_t size = (size_t)channel->control->inputs_size;
    struct buffer partials = {0};
    size_t at = 0;
    enum status status = STATUS_OK;
    fold_clear(runner->fold);
    while (status == STATUS_OK && at < size) {
        size_t used = 0;
        buffer_clear(&partials);
        status = lz4_frame_decompress_first(channel->inputs + at, size - at, PARTIALS_SIZE_MAX,
                                            &partials, &used);
        at += used;
        status = status == STATUS_OK
                     ? fold_merge(runner->fold, partials.data, partials.size, &used, err)
                     : error_set(err, status, "partial values cannot be unpacked");
    }
    buffer_free(&partials);
    return status == STATUS_OK ? fold_write(runner->fold, &runner->folded, err) : status;
}

size_t runner_fold_frames(struct runner *runner)
{
    struct channel *channel = runner->options.channel;
    struct error err = {""};
    buffer_clear(&runner->folded);
    channel_begin(channel);
    channel_begin_fold(channel);
    enum status status = runner->fold != NULL ? merge_frames(runner, &err) : STATUS_INVALID;
    if (status == STATUS_OK && runner->folded.size > channel->outputs_size) {
        status =
            error_set(&err, STATUS_LIMIT, "a partial value has %zu bytes", runner->folded.size);
    }
    channel_end_fold(channel, status == STATUS_OK ? 1 : 0, err.text);
    return status == STATUS_OK ? lz4_frame_compress_records(runner->folded.data,
                                                            runner->folded.size, 0, channel->frame)
                               : 0;
}

/* What does not come to its end here leaves the outputs as they are, which rank 0 folds then. */
bool runner_fold(struct runner *runner)
{
    struct channel *channel = runner->options.channel;
    struct error err = {""};
    uint64_t count = 0;
    buffer_clear(&runner->folded);
    channel_begin_fold(channel);
    enum status status = runner->reduction->is_ordered ? fold_runs(runner, &count, &err)
                                                       : fold_all(runner, &count, &err);
    if (status == STATUS_OK && runner->folded.size > channel->outputs_size) {
        status =
            error_set(&err, STATUS_LIMIT, "its partial values have %zu bytes", runner->folded.size);
    }
    channel_end_fold(channel, status == STATUS_OK ? count : 0, err.text);
    return status == STATUS_OK;
}
