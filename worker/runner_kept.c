#include "worker/runner_private.h"

#include <string.h>

/* Up to how many instances a batch has few, whose last one is looked at closely. */
#define LOOK_AT_LAST_MAX 100

void runner_keep_failed(struct runner *runner, uint64_t at, struct report_failure *failure)
{
    struct channel *channel = runner->options.channel;
    uint8_t *room = channel_room_to_keep(channel);
    size_t sizes[STDIO_STREAM_COUNT];
    uint64_t left_out[STDIO_STREAM_COUNT];
    if (runner->options.printed == NULL) {
        return;
    }
    runner->looked = at + 1;
    if (room == NULL) {
        printed_drop(runner->options.printed);
        return;
    }
    printed_take(runner->options.printed, room, sizes, left_out);
    if (sizes[STDIO_OUT] + sizes[STDIO_ERR] == 0) {
        return;
    }
    const size_t said =
        failure->text_size < sizeof(runner->text) ? failure->text_size : sizeof(runner->text);
    memcpy(runner->text, failure->text, said);
    failure->text = runner->text;
    failure->text_size = capture_add_lines(runner->text, said, sizeof(runner->text),
                                           room + sizes[STDIO_OUT], sizes[STDIO_ERR]);
    channel_keep(channel, at, sizes, left_out);
    runner->is_over = runner->is_over || channel_keeps_much(channel);
}

void runner_keep_succeeded(struct runner *runner, uint64_t at)
{
    struct channel *channel = runner->options.channel;
    uint8_t *room = channel_room_to_keep(channel);
    size_t sizes[STDIO_STREAM_COUNT];
    uint64_t left_out[STDIO_STREAM_COUNT];
    runner->looked = at + 1;
    if (runner->options.capture != MAP_CAPTURE_ALL || room == NULL) {
        printed_drop(runner->options.printed);
        return;
    }
    printed_take(runner->options.printed, room, sizes, left_out);
    if (sizes[STDIO_OUT] + sizes[STDIO_ERR] > 0) {
        channel_keep(channel, at, sizes, left_out);
        runner->is_over = runner->is_over || channel_keeps_much(channel);
    }
}

void runner_begin_to_look(struct runner *runner)
{
    runner->looked = 0;
    runner->is_over = false;
    if (runner->options.printed != NULL) {
        printed_begin(runner->options.printed);
    }
}

/* What begins with NULs is not seen at once. In a batch of few instances it is taken for the last
 * one's; in others, nobody knows whose it is, and it is dropped with the next batch. */
void runner_look_at_last(struct runner *runner)
{
    const uint64_t done = channel_done(runner->options.channel);
    if (runner->options.printed != NULL && done > 0 && done <= LOOK_AT_LAST_MAX &&
        runner->looked != done) {
        runner_keep_succeeded(runner, done - 1);
    }
}

void runner_put_print(struct runner *runner)
{
    const mf_context *ctx = &runner->context;
    static const uint8_t nothing[1];
    if (!ctx->is_printed) {
        return;
    }
    channel_put_print(runner->options.channel,
                      !ctx->has_printed          ? NULL
                      : ctx->prints.data == NULL ? nothing
                                                 : ctx->prints.data,
                      ctx->prints.size);
    runner->is_over = runner->is_over || channel_keeps_much(runner->options.channel);
}
