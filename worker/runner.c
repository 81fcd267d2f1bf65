#include "worker/runner.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/arena.h"
#include "shared/clock.h"
#include "shared/context.h"
#include "shared/fold.h"
#include "shared/grid.h"
#include "shared/key.h"
#include "shared/lz4_frame.h"
#include "shared/path.h"
#include "shared/quantity.h"
#include "shared/typed_paths.h"
#include "shared/value.h"
#include "shared/writer.h"
#include "worker/limits.h"
#include "worker/outside_signal.h"
#include "worker/publish.h"
#include "worker/runner_private.h"
#include "worker/staging.h"

/* How long attempts may go unweighed: at 4 GiB/s they touch 4 MiB meanwhile. */
#define WEIGH_INTERVAL_US 1000

/* A task that forks may let its child return from the function, into the loop over attempts. The
 * child ends there: the attempt is its parent's. */
static bool is_copy;

static void on_fork(void)
{
    is_copy = true;
}

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, on_fork);
}

struct environment runner_environment(const struct runner_options *options, uint64_t map_size)
{
    return (struct environment){.map_size = map_size,
                                .run_dir = options->run_dir,
                                .rank = options->rank,
                                .slot = options->slot,
                                .cpus = options->cpus};
}

void runner_fill_context(const struct runner_options *options, struct mf_context *context)
{
    context->environment = runner_environment(options, options->map_size);
    context->launch_dir = options->launch_dir;
    context->workdirs = options->workdirs;
    context->kept_workdirs = options->kept_workdirs;
    context->state = options->state;
    context->constant = options->constant;
    context->is_printed = options->is_printed;
}

/* Scalars of the task's type. Where attempts are weighed, print or report, nothing is plain. */
static void find_plain_sizes(struct runner *runner)
{
    const bool is_looked_at =
        runner->is_weighed || runner->context.is_printed || runner->context.metric != NULL;
    memset(runner->plain_sizes, 0, sizeof(runner->plain_sizes));
    for (unsigned first = 0; first <= UINT8_MAX && !is_looked_at; first++) {
        const uint8_t packed[MF_PRIVATE_SCALAR_SIZE_MAX] = {(uint8_t)first};
        for (size_t size = 1; size <= sizeof(packed); size++) {
            if (size <= runner->writer->size_max &&
                type_is_packed_scalar(runner->output_kind, packed, size)) {
                runner->plain_sizes[first] = (uint8_t)size;
            }
        }
    }
}

static void put_report(void *context, int64_t step, double value, bool is_hint)
{
    const struct runner *runner = context;
    const struct channel_report report = {
        .at = runner->at, .step = step, .value = value, .is_hint = is_hint ? 1 : 0};
    const uint64_t one = 1;
    if (channel_put_report(runner->options.channel, &report) && runner->options.rank_bell > 0) {
        (void)!write(runner->options.rank_bell, &one, sizeof(one));
    }
}

/* Of an input, as the keys of rank 0 have it. */
static enum status digest_input(void *context, bool is_folder, const char *path,
                                uint8_t digest_out[FILE_DIGEST_SIZE], struct error *err)
{
    const struct runner *runner = context;
    if (!path_is_url(path)) {
        return is_folder ? file_digest_folder(path, NULL, NULL, digest_out, err)
                         : file_digest(path, digest_out, err);
    }
    return runner->staging != NULL && staging_identity(runner->staging, path, digest_out)
               ? STATUS_OK
               : error_set(err, STATUS_NOT_FOUND, "its server tells nothing of it");
}

enum status runner_create(const struct runner_options *options, struct runner **runner_out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, watch_forks);
    struct runner *runner = calloc(1, sizeof(*runner));
    if (runner == NULL) {
        return STATUS_NO_MEMORY;
    }
    runner->options = *options;
    const enum status status =
        writer_create_in_place((size_t)options->output_size_max, options->channel->outputs,
                               options->channel->outputs_size, &runner->writer);
    if (status != STATUS_OK) {
        runner_destroy(runner);
        return status;
    }
    if (options->remote.size > 0 &&
        staging_create(&options->remote, &runner->staging) != STATUS_OK) {
        runner_destroy(runner);
        return STATUS_NO_MEMORY;
    }
    runner->writer->attempt.launch_dir = options->launch_dir;
    runner->writer->attempt.files_to = options->files_to;
    runner->writer->attempt.files_tag = options->files_tag;
    runner_fill_context(options, &runner->context);
    runner->context.writer = runner->writer;
    runner->base = limits_own(getpid());
    *runner_out = runner;
    return STATUS_OK;
}

static enum status open_fold(struct runner *runner, const struct runner_map *map)
{
    struct error ignored; /* rank 0 has opened the same */
    fold_destroy(runner->fold);
    reduction_destroy(runner->reduction);
    runner->fold = NULL;
    runner->reduction = NULL;
    if (map->reducer == NULL || *map->reducer == '\0') {
        return STATUS_OK;
    }
    const enum status status =
        reduction_open(map->job, map->reducer, map->task->output, &runner->reduction, &ignored);
    if (status != STATUS_OK) {
        return status;
    }
    runner->reduction->run_dir = runner->options.run_dir;
    runner->reduction->launch_dir = runner->options.launch_dir;
    return fold_create(runner->reduction, &runner->fold, &ignored);
}

enum status runner_turn_to(struct runner *runner, const struct runner_map *map)
{
    const bool is_other_size = map->size != runner->context.environment.map_size;
    const struct key_options keys = {.base = map->key_base,
                                     .base_size = map->key_base_size,
                                     .input = map->task->input,
                                     .ignore = map->task->cache_ignore,
                                     .digest = digest_input,
                                     .context = runner};
    key_maker_destroy(runner->context.keys);
    runner->context.keys = NULL;
    computed_close(runner->computed);
    struct error ignored;
    enum status status = computed_open(&map->formula, map->task->input, runner->options.launch_dir,
                                       &runner->computed, &ignored);
    if (status != STATUS_OK) {
        return status;
    }
    if (map->key_base_size > 0) {
        status = key_maker_create(&keys, &runner->context.keys);
        if (status != STATUS_OK) {
            return status;
        }
    }
    const enum status folds = open_fold(runner, map);
    if (folds != STATUS_OK) {
        return folds;
    }
    runner->map = *map;
    runner->context.task = map->task->name;
    runner->context.map = map->number;
    runner->context.seed = map->options.seed;
    runner->context.metric = map->metric != NULL && *map->metric != '\0' ? map->metric : NULL;
    runner->context.report = put_report;
    runner->context.report_context = runner;
    runner->context.environment = runner_environment(&runner->options, map->size);
    runner->writer->attempt.map = map->number;
    runner->output_kind = type_kind(map->task->output);
    runner->may_stage = runner->staging != NULL && typed_paths_may_be(map->task->input);
    runner->is_weighed = map->options.mem > 0 && runner->options.channel->fd >= 0;
    find_plain_sizes(runner);
    if (is_other_size) {
        environment_set_process(&runner->context.environment);
    }
    return STATUS_OK;
}

void runner_destroy(struct runner *runner)
{
    if (runner == NULL) {
        return;
    }
    key_maker_destroy(runner->context.keys);
    computed_close(runner->computed);
    staging_destroy(runner->staging);
    fold_destroy(runner->fold);
    reduction_destroy(runner->reduction);
    buffer_free(&runner->folded);
    writer_destroy(runner->writer);
    context_free(&runner->context);
    arena_free(&runner->values);
    arena_free(&runner->checks);
    free(runner);
}

void runner_use(struct runner *runner, struct channel *channel)
{
    runner->options.channel = channel;
    writer_use(runner->writer, channel->outputs, channel->outputs_size);
}

/* ---- One attempt ------------------------------------------------------------------------------
 */

/* Check what the function has written, and publish its files. */
static enum status finish_output(struct runner *runner, struct error *err)
{
    struct writer *writer = runner->writer;
    if (writer->face.mf_private_count == 0 && runner->output_kind == TYPE_NULL) {
        mf_put_null(&writer->face);
    }
    enum status status = writer_end(writer, err);
    if (status != STATUS_OK) {
        return status;
    }
    arena_reset(&runner->checks);
    status = type_check_packed(runner->map.task->output, writer->data + writer->value_start,
                               writer_size(writer) - writer->value_start, &runner->checks, err);
    if (status == STATUS_OK && writer->file_count > 0) {
        const struct publish_target target = {.run_dir = runner->options.run_dir,
                                              .staging = runner->staging};
        status = publish_files(&target, writer->files, writer->file_count, err);
    }
    if (status != STATUS_OK) {
        writer_rewind(writer);
    }
    return status;
}

/* One instance of the batch: where it stands, and which it is. */
struct place {
    uint64_t at;
    uint64_t index;
    uint64_t attempt;
};

/* There was no room for its files: it is as if the attempt had been ended by us. The next one of
 * the batch would fare no better. */
static void give_up_files(struct runner *runner, struct place place, const char *text)
{
    const struct report_failure failure = {.index = place.index,
                                           .attempt = place.attempt,
                                           .class = FAILURE_ABORTED,
                                           .is_unkept = true,
                                           .text = text,
                                           .text_size = strlen(text)};
    if (runner->options.printed != NULL) {
        printed_drop(runner->options.printed);
    }
    runner->looked = place.at + 1;
    runner->is_over = true;
    runner_put_print(runner);
    channel_fail(runner->options.channel, place.at, &failure);
}

static void fail(struct runner *runner, struct place place, enum failure_class class,
                 bool is_permanent, const char *text, size_t text_size)
{
    struct report_failure failure = {.index = place.index,
                                     .attempt = place.attempt,
                                     .class = outside_signal_came() ? FAILURE_ABORTED : class,
                                     .is_permanent = is_permanent && !outside_signal_came(),
                                     .text = text,
                                     .text_size = text_size};
    runner_keep_failed(runner, place.at, &failure);
    runner_put_print(runner);
    channel_fail(runner->options.channel, place.at, &failure);
}

static void succeed(struct runner *runner, struct place place)
{
    if (printed_is_any(printed_look(runner->options.printed))) {
        runner_keep_succeeded(runner, place.at);
    }
    runner_put_print(runner);
    channel_succeed(runner->options.channel, place.at);
}

/* The rank looks now and then at what this process holds; here it is known of which attempt it is.
 * One that ends past its limit has failed. What one leaves behind below it would count against the
 * next: past a quarter of what the limit leaves above the process's own base, the process ends its
 * batch and is replaced. Short attempts share a look: what is touched between two is little.
 * Gives whether the attempt may succeed. */
static bool weigh(struct runner *runner, char *text, size_t text_size)
{
    char limit_text[QUANTITY_TEXT_SIZE];
    const uint64_t mem = runner->mem;
    if (!runner->is_weighed) {
        return true;
    }
    const uint64_t now_us = clock_us();
    if (now_us - runner->weighed_us < WEIGH_INTERVAL_US) {
        return true;
    }
    runner->weighed_us = now_us;
    const uint64_t held = limits_own(getpid());
    const uint64_t least = runner->map.options.mem; /* the next may not have grown */
    const uint64_t room = least > runner->base ? least - runner->base : 0;
    if (held > runner->base + room / 4) {
        (void)malloc_trim(0);
        runner->is_spent = limits_own(getpid()) > runner->base + room / 4;
        runner->is_over = runner->is_over || runner->is_spent;
    }
    if (held > mem) {
        (void)snprintf(text, text_size, "past its limit of %s",
                       quantity_size_text(mem, limit_text));
    }
    return held <= mem;
}

/* A value that is none of the three is a failure that says so, before what the function said. */
static void mind_returned(mf_context *ctx, mf_status returned)
{
    char said[CONTEXT_TEXT_SIZE];
    const size_t said_size = ctx->text_size;
    if (returned == MF_OK || returned == MF_FAIL || returned == MF_FAIL_PERMANENTLY) {
        return;
    }
    memcpy(said, ctx->text, said_size);
    (void)mf_fail(ctx, "returned %d, which is no mf_status%s%.*s", (int)returned,
                  said_size > 0 ? ": " : "", (int)said_size, said);
}

/* An attempt that had to report and has not, has failed. */
static bool lacks_report(const struct runner *runner, struct error *text_out)
{
    const mf_context *ctx = &runner->context;
    if (ctx->metric == NULL || !runner->map.needs_report || ctx->report_count > 0) {
        return false;
    }
    (void)error_set(text_out, STATUS_INVALID,
                    "reported no value of %s, by which the sweep is judged: mf_report() does",
                    ctx->metric);
    return true;
}

/* Kept out of the loop, which would have fewer registers. */
static __attribute__((noinline)) void end_attempt(struct runner *runner, struct place place,
                                                  mf_status returned)
{
    struct error err;
    enum status status;
    mf_context *ctx = &runner->context;
    mind_returned(ctx, returned);
    if (!weigh(runner, err.text, sizeof(err.text))) {
        writer_rewind(runner->writer);
        fail(runner, place, FAILURE_MEMORY, false, err.text, strlen(err.text));
    } else if (returned != MF_OK) {
        writer_rewind(runner->writer);
        fail(runner, place, ctx->failure_class, returned == MF_FAIL_PERMANENTLY, ctx->text,
             ctx->text_size);
    } else if (lacks_report(runner, &err)) {
        writer_rewind(runner->writer);
        fail(runner, place, FAILURE_OUTPUT, false, err.text, strlen(err.text));
    } else if ((status = finish_output(runner, &err)) == STATUS_OK) {
        succeed(runner, place);
    } else if (status == STATUS_UNWRITABLE) {
        give_up_files(runner, place, err.text);
    } else {
        fail(runner, place, FAILURE_OUTPUT, false, err.text, strlen(err.text));
    }
    writer_drop_files(runner->writer);
    context_forget_words(ctx);
}

/* ---- A batch ----------------------------------------------------------------------------------
 */

/* What is left of the batch. Its spans are copied first: an attempt may write over them. */
struct batch_walk {
    struct span spans[CHANNEL_SPAN_COUNT_MAX];
    uint32_t span_count;
    const uint8_t *inputs;
    size_t inputs_left;
    struct printed_look look;
    uint64_t started_us;
    bool is_timed; /* it has so few attempts that the clock is read after each */
};

static void start_walk(struct runner *runner, struct batch_walk *walk)
{
    const struct channel_control *control = runner->options.channel->control;
    walk->span_count = control->span_count;
    walk->inputs = runner->options.channel->inputs;
    walk->inputs_left = (size_t)control->inputs_size;
    memcpy(walk->spans, control->spans, walk->span_count * sizeof(walk->spans[0]));
    walk->is_timed = control->instance_count <= CHANNEL_TIMED_COUNT_MAX;
    walk->look = printed_look(runner->options.printed);
}

/* Rank 0 has checked and packed the inputs, so that one that cannot be read was damaged since. */
static enum status next_packed(struct runner *runner, struct batch_walk *walk, mf_value *value_out,
                               struct error *err)
{
    size_t used;
    arena_reset(&runner->values);
    const enum status status =
        value_decode(&runner->values, walk->inputs, walk->inputs_left, &used, value_out, err);
    if (status == STATUS_OK) {
        walk->inputs += used;
        walk->inputs_left -= used;
    }
    return status;
}

/* An input with URLs becomes as the function sees it: what is remote has been fetched. */
static enum status stage(struct runner *runner, mf_value *input, mf_value *given_out,
                         struct error *err)
{
    const struct type *type = runner->map.task->input;
    *given_out = *input;
    if (!typed_paths_have_url(type, input)) {
        return STATUS_OK;
    }
    if (runner->map.formula.kind != FORMULA_NONE) {
        arena_reset(&runner->values); /* the input is not in it */
    }
    channel_wait(runner->options.channel, clock_us(), true);
    const enum status status = staging_take(runner->staging, type, &runner->values, input, err);
    channel_wait(runner->options.channel, clock_us(), false);
    return status;
}

/* An attempt that wrote where it must not is the one that is charged. One that forked lets its copy
 * come here. */
static inline void mind_process(const struct runner *runner, uint64_t at)
{
    if (is_copy) {
        _exit(EXIT_SUCCESS);
    }
    if (!channel_is_sound(runner->options.channel, at)) {
        channel_blame(runner->options.channel, at);
        abort();
    }
    if (runner->context.has_read_place) {
        channel_note_place(runner->options.channel);
    }
}

/* Is there just one value since `value`, of the task's type and a scalar, and nothing else to do
 * about it? Where no value is, other bytes of the channel are. */
static inline bool is_plain(const struct runner *runner, const struct writer *writer,
                            const uint8_t *value)
{
    const size_t size = (size_t)(writer->face.mf_private_at - value);
    const bool is_past_int = value[0] == 0xcf && value[1] > 0x7f;
    return writer->face.mf_private_count == 1 && writer->depth == 0 &&
           writer->status == STATUS_OK && runner->plain_sizes[value[0]] == size && !is_past_int;
}

static bool is_late(const struct runner *runner, const struct batch_walk *walk)
{
    return clock_coarse_us() - walk->started_us >= runner->options.batch_us_max;
}

/* Plain outputs need not be looked at: those of a whole batch are less than is left behind the
 * goal.
 */
_Static_assert((size_t)CHANNEL_INSTANCE_COUNT_MAX *MF_PRIVATE_SCALAR_SIZE_MAX <
                   CHANNEL_OUTPUTS_SIZE_SPARE,
               "the largest output fits behind plain ones");
static void stop_if_enough(const struct runner *runner)
{
    if (runner->is_over || writer_size(runner->writer) > CHANNEL_OUTPUTS_SIZE_GOAL) {
        channel_stop(runner->options.channel);
    }
}

/* What most attempts do is done here, by few instructions; the rest in end_attempt(). */
static inline void run_attempt(struct runner *runner, const mf_value *input, struct place place,
                               struct printed_look look)
{
    mf_context *ctx = &runner->context;
    struct writer *writer = runner->writer;
    runner->at = place.at;
    context_step(ctx, writer, place.index);
    writer_step(writer);
    const uint8_t *const value = writer->face.mf_private_at;
    const mf_status returned = runner->map.task->fn(ctx, input, &writer->face);
    mind_process(runner, place.at);
    if (returned == MF_OK && is_plain(runner, writer, value) && !printed_is_any(look) &&
        ctx->failure_class == FAILURE_ERROR) {
        channel_succeed(runner->options.channel, place.at);
    } else {
        end_attempt(runner, place, returned);
        stop_if_enough(runner);
    }
    context_end(ctx);
}

/* The instances of one span, of which the first is number *at_io of the batch. False when no more
 * of the batch may be started. */
static bool run_span(struct runner *runner, struct batch_walk *walk, const struct span *span,
                     uint64_t *at_io)
{
    struct channel *channel = runner->options.channel;
    const struct formula formula = runner->map.formula;
    const struct printed_look look = walk->look;
    const bool has_end = runner->options.batch_us_max < UINT64_MAX;
    const uint64_t end = *at_io + span->count;
    const bool is_timed = walk->is_timed;
    struct place place = {.at = *at_io, .index = span->start, .attempt = span->attempt};
    struct error err;
    mf_value input = value_null();
    mf_value given; /* where the input was another, with URLs */
    const bool may_stage = runner->may_stage;
    context_begin(&runner->context, place.index, place.attempt, &input);
    runner->context.key_input = may_stage ? &given : &input;
    for (; place.at < end && channel_claim(channel, place.at); place.at++, place.index++) {
        enum status status = STATUS_OK;
        bool is_permanent = false;
        if (formula.kind != FORMULA_NONE) {
            status = computed_value(&formula, runner->computed, place.index, &input, &err);
            is_permanent = status != STATUS_OK; /* another attempt would compute the same */
        } else {
            status = next_packed(runner, walk, &input, &err);
        }
        if (may_stage && status == STATUS_OK) {
            status = stage(runner, &input, &given, &err);
        }
        if (status == STATUS_OK) {
            run_attempt(runner, &input, place, look);
        } else {
            fail(runner, place, FAILURE_ERROR, is_permanent, err.text, strlen(err.text));
            stop_if_enough(runner);
        }
        if (is_timed) {
            channel_note_end(channel, place.at);
        }
        if (may_stage) {
            staging_release(runner->staging);
        }
        if (has_end && is_late(runner, walk)) {
            channel_stop(channel);
        }
    }
    *at_io = place.at;
    return place.at == end;
}

static void run_all(struct runner *runner)
{
    struct channel *channel = runner->options.channel;
    struct batch_walk walk = {.started_us = clock_coarse_us()};
    uint64_t at = 0;
    bool goes_on = true;
    runner->mem = channel->control->mem;
    runner_begin_to_look(runner);
    start_walk(runner, &walk);
    channel_begin(channel);
    for (uint32_t i = 0; i < walk.span_count && goes_on; i++) {
        goes_on = run_span(runner, &walk, &walk.spans[i], &at);
    }
    runner_look_at_last(runner);
}

/* Numbers of 64 bits are records of one width, as long as all are large. 0: there is none. */
static size_t output_width(const struct runner *runner)
{
    enum { WIDTH = 9, UINT64 = 0xcf, INT64 = 0xd3, DOUBLE = 0xcb };
    const struct writer *writer = runner->writer;
    const uint8_t first = writer->data[0];
    const bool is_wide = first == UINT64 || first == INT64 || first == DOUBLE;
    return is_wide && writer_size(writer) % WIDTH == 0 ? WIDTH : 0;
}

void runner_run(struct runner *runner)
{
    struct channel *channel = runner->options.channel;
    const uint32_t batch = atomic_load(&channel->control->batch);
    size_t frame_size = 0;
    if (channel->control->is_fold != 0) {
        channel_finish(channel, batch, runner_fold_frames(runner));
        return;
    }
    is_copy = false;
    writer_clear(runner->writer);
    context_go_home(&runner->context);
    runner->context.has_read_place = false;
    run_all(runner);
    if (writer_size(runner->writer) > 0) {
        frame_size =
            runner->fold != NULL && channel_may_fold(channel) && runner_fold(runner)
                ? lz4_frame_compress_records(runner->folded.data, runner->folded.size, 0,
                                             channel->frame)
                : lz4_frame_compress_records(runner->writer->data, writer_size(runner->writer),
                                             output_width(runner), channel->frame);
        if (frame_size == 0) {
            abort(); /* no memory: the batch ends like a crash, and what is finished counts */
        }
    }
    channel_finish(channel, batch, frame_size);
}

bool runner_is_spent(const struct runner *runner)
{
    return runner->is_spent;
}
