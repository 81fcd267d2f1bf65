#include "worker/executor.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/arena.h"
#include "shared/child_group.h"
#include "shared/context.h"
#include "shared/environment.h"
#include "shared/job_description.h"
#include "shared/memory.h"
#include "shared/pack.h"
#include "shared/unpack.h"
#include "shared/value.h"
#include "shared/wire.h"
#include "shared/workdir.h"
#include "worker/channel.h"
#include "worker/job_place.h"
#include "worker/outside_signal.h"
#include "worker/prefetch.h"
#include "worker/runner.h"
#include "worker/staging.h"

#define CHANNELS_OF_EXECUTOR 2

enum status executor_set_up(const struct job *job, const struct runner_options *options,
                            void **state_out, struct error *err)
{
    struct writer *writer = NULL;
    *state_out = NULL;
    const struct environment environment = runner_environment(options, options->map_size);
    environment_set_process(&environment);
    if (job->setup == NULL) {
        return STATUS_OK;
    }
    enum status status = writer_create(0, &writer);
    if (status != STATUS_OK) {
        return error_set(err, status, "no memory for the setup of job %s", job->name);
    }
    struct mf_context *context = memory_take(1, sizeof(*context));
    runner_fill_context(options, context);
    context->task = "setup";
    context->state = NULL;
    context->writer = writer;
    context_begin(context, 0, 0, NULL);
    if (job->setup(context, state_out) != MF_OK) {
        status = error_set(err, STATUS_INVALID, "the setup of job %s failed: %.*s", job->name,
                           (int)context->text_size, context->text);
    }
    context_end(context);
    context_free(context);
    writer_destroy(writer);
    free(context);
    return status;
}

void executor_ring(int bell)
{
    const uint64_t one = 1;
    while (write(bell, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
}

/* Wait for the rank. False when it has nothing more for this executor. */
static bool wait_for_bell(int bell)
{
    uint64_t count;
    for (;;) {
        struct pollfd ring = {.fd = bell, .events = POLLIN};
        if (read(bell, &count, sizeof(count)) == (ssize_t)sizeof(count)) {
            return true;
        }
        if (errno != EINTR && (errno != EAGAIN || (poll(&ring, 1, -1) < 0 && errno != EINTR))) {
            return false;
        }
    }
}

static void say_setup(struct channel *channel, enum channel_setup setup, const char *text)
{
    const size_t size = strlen(text);
    channel->control->text_size =
        (uint32_t)(size < CHANNEL_TEXT_SIZE_MAX ? size : CHANNEL_TEXT_SIZE_MAX);
    memcpy(channel->control->text, text, channel->control->text_size);
    atomic_store(&channel->control->setup, setup);
}

/* Standard output and error, from here on. */
static enum status open_streams(struct runner_options *options, const int *fds,
                                struct printed *printed, struct error *err)
{
    const int streams[STDIO_STREAM_COUNT] = {fds[EXECUTOR_STDOUT], fds[EXECUTOR_STDERR]};
    /* By lines, so that what was printed before a crash is not lost with the buffer. */
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (capture_is_kept(options->capture)) {
        options->printed = printed;
        return printed_open(printed, streams, &options->channel->control->printed_lock, err);
    }
    if (dup2(streams[STDIO_OUT], STDOUT_FILENO) < 0 ||
        dup2(streams[STDIO_ERR], STDERR_FILENO) < 0) {
        return error_set(err, STATUS_IO, "no standard streams: %s", strerror(errno));
    }
    (void)close(streams[STDIO_OUT]);
    (void)close(streams[STDIO_ERR]);
    return STATUS_OK;
}

static enum status open_channels(struct channel channels[CHANNELS_OF_EXECUTOR], const int *fds,
                                 uint64_t output_size_max, struct error *err)
{
    const enum status status =
        channel_open(&channels[0], fds[EXECUTOR_CHANNEL], output_size_max, err);
    return status == STATUS_OK
               ? channel_open(&channels[1], fds[EXECUTOR_CHANNEL_AHEAD], output_size_max, err)
               : status;
}

/* What runs, as START said; forked executors find it here. */
struct prepared {
    struct arena arena;
    struct wire_message start;
    uint32_t rank;
    struct job_place *place; /* for a job that is sent; NULL: none is */
    struct job *job;
};

/* The map that the runner has turned to. */
struct map_at_hand {
    bool is_any;
    uint64_t number;
    struct arena arena;
};

/* The batch in the channel may be of another map than the one before it. What defines a map is read
 * out of the shared memory once, and that an attempt has written over it costs this process. */
static enum status turn_to_map(const struct job *job, struct runner *runner,
                               struct map_at_hand *at_hand, const struct channel *channel)
{
    const uint64_t number = channel->control->map;
    struct wire_message message;
    struct runner_map map;
    struct error err;
    if (at_hand->is_any && at_hand->number == number) {
        return STATUS_OK;
    }
    const size_t size = (size_t)channel->control->map_size;
    at_hand->is_any = false;
    arena_reset(&at_hand->arena);
    uint8_t *bytes = size <= CHANNEL_MAP_SIZE_MAX ? arena_take(&at_hand->arena, size + 1) : NULL;
    if (bytes == NULL) {
        return STATUS_PROTOCOL;
    }
    memcpy(bytes, channel->map, size);
    enum status status = wire_decode(bytes, size, &at_hand->arena, &message, &err);
    if (status == STATUS_OK && message.kind != WIRE_MAP) {
        status = STATUS_PROTOCOL;
    }
    if (status == STATUS_OK) {
        status = executor_map(job, &message.as.map, &map, &err);
    }
    if (status == STATUS_OK) {
        status = runner_turn_to(runner, &map);
    }
    at_hand->is_any = status == STATUS_OK;
    at_hand->number = number;
    return status;
}

/* The rank puts batches into the channels in turns, and may have put the next before one ends. */
static enum status run_batches(const struct job *job, struct runner *runner,
                               struct channel channels[CHANNELS_OF_EXECUTOR], const int *fds)
{
    struct map_at_hand at_hand = {.is_any = false};
    enum status status = STATUS_OK;
    size_t at = 0;
    while (status == STATUS_OK && !runner_is_spent(runner) && wait_for_bell(fds[EXECUTOR_BELL]) &&
           !channel_is_closed(&channels[0])) {
        while (!runner_is_spent(runner) && !channel_has_ended(&channels[at])) {
            runner_use(runner, &channels[at]);
            status = turn_to_map(job, runner, &at_hand, &channels[at]);
            if (status != STATUS_OK) {
                break;
            }
            runner_run(runner);
            executor_ring(fds[EXECUTOR_RANK_BELL]);
            at = (at + 1) % CHANNELS_OF_EXECUTOR;
        }
    }
    arena_free(&at_hand.arena);
    return status;
}

static int run(const struct prepared *prepared, struct runner_options options, const int *fds)
{
    const struct job *job = prepared->job;
    struct channel channels[CHANNELS_OF_EXECUTOR];
    struct channel *const channel = &channels[0]; /* for what is said once */
    struct printed printed;
    struct runner *runner = NULL;
    struct error err = {""};
    if (open_channels(channels, fds, options.output_size_max, &err) != STATUS_OK) {
        return EXIT_FAILURE;
    }
    options.channel = channel;
    options.rank_bell = fds[EXECUTOR_RANK_BELL];
    options.cpus = channel->control->place.cpus;
    slot_place_take(&channel->control->place);
    if (open_streams(&options, fds, &printed, &err) != STATUS_OK ||
        executor_set_up(job, &options, &options.state, &err) != STATUS_OK ||
        runner_create(&options, &runner) != STATUS_OK) {
        say_setup(channel, CHANNEL_SETUP_FAILED, err.text);
        executor_ring(fds[EXECUTOR_RANK_BELL]);
        return EXIT_FAILURE;
    }
    say_setup(channel, CHANNEL_READY, "");
    executor_ring(fds[EXECUTOR_RANK_BELL]);
    const enum status status = run_batches(job, runner, channels, fds);
    runner_destroy(runner);
    if (job->teardown != NULL) {
        job->teardown(options.state);
    }
    (void)fflush(stdout); /* the process ends without looking after it */
    return status == STATUS_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- Loading ----------------------------------------------------------------------------------
 */

/* By its absolute path, or the name of one that is built in. */
static enum status load_path(const char *path, const uint8_t *digest, struct job **job_out,
                             struct error *err)
{
    return *path == '\0' || *path == ':' ? job_open(path, job_out, err)
                                         : job_load(path, digest, job_out, err);
}

static enum status go_to_launch_dir(const struct wire_start *start, struct error *err)
{
    return chdir(start->launch_dir) == 0
               ? STATUS_OK
               : error_set(err, STATUS_NOT_FOUND, "the folder %s, in which the run was started: %s",
                           start->launch_dir, strerror(errno));
}

static enum status check_job(const struct job *job, const struct wire_start *start,
                             struct error *err)
{
    if (memcmp(job->digest, start->job_digest, JOB_DIGEST_SIZE) != 0) {
        return *job->path == '\0'
                   ? error_set(err, STATUS_NO_JOB, "the program differs from that of rank 0")
                   : error_set(err, STATUS_NO_JOB, "job %s differs from that of rank 0", job->path);
    }
    return !start->has_map || job_task(job, start->map.task, err) != NULL ? STATUS_OK
                                                                          : STATUS_NOT_FOUND;
}

enum status executor_load(const struct wire_start *start, const char *library, struct job **job_out,
                          struct error *err)
{
    struct job *job = NULL;
    const char *path = *library != '\0' ? library : start->job_path;
    enum status status = go_to_launch_dir(start, err);
    if (status == STATUS_OK) {
        status = load_path(path, start->job_digest, &job, err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    status = check_job(job, start, err);
    if (status != STATUS_OK) {
        job_destroy(job);
        return status;
    }
    *job_out = job;
    return STATUS_OK;
}

enum status executor_map(const struct job *job, const struct wire_map *map,
                         struct runner_map *map_out, struct error *err)
{
    const struct task *task = job_task(job, map->task, err);
    if (task == NULL) {
        return STATUS_NOT_FOUND;
    }
    *map_out = (struct runner_map){.number = map->number,
                                   .task = task,
                                   .options = map->options,
                                   .formula = map->formula,
                                   .size = map->size,
                                   .key_base = map->key_base,
                                   .key_base_size = map->key_base_size,
                                   .metric = map->metric,
                                   .needs_report = map->needs_report,
                                   .job = job,
                                   .reducer = map->reducer};
    return STATUS_OK;
}

/* ---- Working directories ----------------------------------------------------------------------
 */

/* Of this process. The rank's is chosen once, and inherited by zygote and executors. */
static struct {
    char rank[PATH_MAX];
    char slot[PATH_MAX];
    char kept[PATH_MAX];
} workdirs;

static void choose_workdirs(void)
{
    if (workdirs.rank[0] == '\0') {
        workdir_choose(workdirs.rank);
    }
    workdir_of_kept(workdirs.rank, workdirs.kept);
}

const char *executor_kept_workdirs(void)
{
    choose_workdirs();
    return access(workdirs.kept, F_OK) == 0 ? workdirs.kept : "";
}

void executor_remove_workdirs(void)
{
    workdir_remove(workdirs.rank);
    staging_leave();
}

/* NULL where there is none. Rank 0 has packed it, so that it can be read, but for lack of memory.
 */
static const mf_value *constant_of(const struct wire_start *start)
{
    static struct arena arena;
    static mf_value value;
    size_t used;
    struct error err;
    if (start->constant_size == 0 || value_decode(&arena, start->constant, start->constant_size,
                                                  &used, &value, &err) != STATUS_OK) {
        return NULL;
    }
    return &value;
}

struct runner_options executor_runner_options(const struct wire_start *start,
                                              struct executor_place place)
{
    choose_workdirs();
    workdir_of_slot(workdirs.rank, place.slot, workdirs.slot);
    workdir_remove(workdirs.slot); /* what an executor that died has left there */
    return (struct runner_options){
        .output_size_max = start->options.output_size_max,
        .capture = start->options.capture,
        .map_size = start->has_map ? start->map.size : 0,
        .run_dir = start->run_dir,
        .launch_dir = start->launch_dir,
        .files_to = start->files_to,
        .files_tag = start->files_tag,
        .remote = {.data = start->remote, .size = start->remote_size},
        .workdirs = workdirs.slot,
        .kept_workdirs = start->keeps_workdirs ? workdirs.kept : NULL,
        .rank = place.rank,
        .slot = place.slot,
        .batch_us_max = UINT64_MAX, /* the rank trims it */
        .constant = constant_of(start),
        .is_printed = start->is_printed,
    };
}

/* ---- PREPARE: the rank, and the message START -------------------------------------------------
 */

enum status executor_prepare(struct zygote *zygote, uint32_t rank, const struct buffer *start,
                             const char *library, struct error *err)
{
    struct buffer request = {0};
    struct pack out;
    pack_start(&out, &request);
    pack_uint(&out, rank);
    pack_text(&out, library);
    pack_raw(&out, start->data, start->size);
    enum status status = pack_finish(&out);
    status = status == STATUS_OK ? zygote_prepare(zygote, request.data, request.size, err)
                                 : error_set(err, status, "no memory to start with");
    buffer_free(&request);
    return status;
}

/* ---- In the zygote ----------------------------------------------------------------------------
 */

static enum status write_all(int fd, const struct buffer *bytes, struct error *err)
{
    for (size_t at = 0; at < bytes->size;) {
        const ssize_t size = write(fd, bytes->data + at, bytes->size - at);
        if (size < 0 && errno != EINTR) {
            return error_set(err, STATUS_IO, "cannot tell of the job: %s", strerror(errno));
        }
        at += size > 0 ? (size_t)size : 0;
    }
    return STATUS_OK;
}

/* The job stays loaded: where this rank works too, START will name it. */
static enum status describe(void *context, const void *request, size_t size, int answer,
                            struct error *err)
{
    struct prepared *prepared = context;
    char path[PATH_MAX];
    struct buffer description = {0};
    if (size >= sizeof(path)) {
        return error_set(err, STATUS_LIMIT, "the path of a job is too long");
    }
    memcpy(path, request, size);
    path[size] = '\0';
    environment_leave_mpi();
    enum status status = load_path(path, NULL, &prepared->job, err);
    if (status == STATUS_OK) {
        status = job_describe(prepared->job, &description, err);
    }
    if (status == STATUS_OK) {
        status = write_all(answer, &description, err);
    }
    buffer_free(&description);
    return status;
}

/* Hold on to a job that was sent, beside the rank, which may be killed; and where a rank is killed
 * before it was, clear up after it. */
static enum status take_place(struct prepared *prepared, const struct wire_start *start,
                              bool is_sent, struct error *err)
{
    enum job_place_state state = JOB_PLACE_HERE;
    enum status status = STATUS_OK;
    if (prepared->place == NULL && *start->ship_token != '\0' && *start->job_path != '\0') {
        status = job_place_create(start->ship_token, start->job_path, &prepared->place, err);
    }
    if (status == STATUS_OK && is_sent && prepared->place != NULL) {
        status = job_place_look(prepared->place, &state, err);
    }
    return status == STATUS_OK && state != JOB_PLACE_HERE
               ? error_set(err, STATUS_IO, "the job that rank 0 has sent is gone from %s",
                           job_place_library(prepared->place))
               : status;
}

static enum status load(struct prepared *prepared, const struct wire_start *start,
                        const char *library, struct error *err)
{
    if (prepared->job == NULL || strcmp(prepared->job->path, start->job_path) != 0) {
        return executor_load(start, library, &prepared->job, err);
    }
    const enum status status = go_to_launch_dir(start, err);
    return status == STATUS_OK ? check_job(prepared->job, start, err) : status;
}

static enum status prepare(void *context, const void *request, size_t size, struct error *err)
{
    struct prepared *prepared = context;
    const struct wire_start *start = &prepared->start.as.start;
    const char *kept = arena_copy(&prepared->arena, request, size);
    struct unpack in = unpack_start(kept, kept != NULL ? size : 0);
    size_t library_size;
    prepared->rank = (uint32_t)unpack_uint_max(&in, UINT32_MAX);
    const char *text = unpack_str(&in, &library_size);
    const char *library = arena_copy(&prepared->arena, text, library_size);
    if (library == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory to start with");
    }
    environment_leave_mpi();
    enum status status =
        wire_decode(in.at, unpack_left(&in), &prepared->arena, &prepared->start, err);
    if (status == STATUS_OK) {
        status = take_place(prepared, start, *library != '\0', err);
    }
    return status == STATUS_OK ? load(prepared, start, library, err) : status;
}

static int run_executor(void *context, uint32_t slot, const int *fds, size_t fd_count)
{
    const struct prepared *prepared = context;
    const bool is_fetcher = slot == PREFETCH_SLOT;
    if (fd_count != (is_fetcher ? 1 : EXECUTOR_FD_COUNT) || prepared->job == NULL) {
        return EXIT_FAILURE;
    }
    if (is_fetcher) {
        const struct wire_start *start = &prepared->start.as.start;
        const struct remote_settings settings = {.data = start->remote, .size = start->remote_size};
        return prefetch_serve(prepared->job, &settings, fds[0]);
    }
    const struct runner_options options = executor_runner_options(
        &prepared->start.as.start, (struct executor_place){.rank = prepared->rank, .slot = slot});
    outside_signal_open();
    child_group_open();
    return run(prepared, options, fds);
}

static void leave(void *context)
{
    const struct prepared *prepared = context;
    executor_remove_workdirs();
    job_place_destroy(prepared->place);
}

struct zygote_duties executor_duties(void)
{
    static struct prepared prepared; /* of this process and those that it forks */
    choose_workdirs();
    staging_begin();
    return (struct zygote_duties){.describe = describe,
                                  .prepare = prepare,
                                  .run = run_executor,
                                  .leave = leave,
                                  .context = &prepared};
}
