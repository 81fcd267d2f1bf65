#include "worker/channel.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "shared/clock.h"
#include "shared/lz4_frame.h"
#include "shared/value.h"

#define PAGE ((size_t)4096)
/* A rank changes a limit within microseconds, where it is not stopped meanwhile. */
#define CUTTING_US_MAX 60000000

/* A failure in its area, before its text. */
struct failure_head {
    uint64_t index;
    uint64_t attempt;
    uint32_t class;
    uint32_t is_permanent;
    uint32_t text_size;
    uint32_t is_unkept;
};

/* Before what an attempt has printed. */
struct kept_head {
    uint64_t at;
    uint64_t left_out[STDIO_STREAM_COUNT];
    uint32_t sizes[STDIO_STREAM_COUNT];
};

#define REPORTS_AREA_SIZE (CHANNEL_REPORT_COUNT_MAX * sizeof(struct channel_report))
#define KEPT_SIZE_MAX (sizeof(struct kept_head) + STDIO_STREAM_COUNT * CAPTURE_SIZE_MAX + 8)
#define KEPT_AREA_SIZE (CHANNEL_KEPT_SIZE_GOAL + KEPT_SIZE_MAX)

/* What follows is aligned. */
static size_t padded(size_t size)
{
    return (size + sizeof(uint64_t) - 1) / sizeof(uint64_t) * sizeof(uint64_t);
}

static size_t pages(size_t size)
{
    return (size + PAGE - 1) / PAGE * PAGE;
}

/* Areas one after the other; inputs last, since they are the largest. Memory is taken when touched.
 */
static void lay_out(struct channel *channel, uint64_t output_size_max)
{
    channel->outputs_size =
        pages(CHANNEL_OUTPUTS_SIZE_GOAL + CHANNEL_OUTPUTS_SIZE_SPARE + (size_t)output_size_max);
    channel->prints_size = channel->outputs_size;
    channel->frame_size = pages(lz4_frame_room(channel->outputs_size));
    channel->size = pages(sizeof(struct channel_control)) + CHANNEL_FAILURES_SIZE_MAX +
                    channel->outputs_size + channel->frame_size + pages(KEPT_AREA_SIZE) +
                    CHANNEL_MAP_SIZE_MAX + pages(REPORTS_AREA_SIZE) + channel->prints_size +
                    CHANNEL_INPUTS_SIZE_MAX;
}

static enum status map(struct channel *channel, struct error *err)
{
    const int flags = channel->fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
    uint8_t *memory =
        mmap(NULL, channel->size, PROT_READ | PROT_WRITE, flags | MAP_NORESERVE, channel->fd, 0);
    if (memory == MAP_FAILED) {
        return error_set(err, STATUS_NO_MEMORY, "no memory to share with an executor: %s",
                         strerror(errno));
    }
    channel->control = (struct channel_control *)(void *)memory;
    channel->failures = memory + pages(sizeof(struct channel_control));
    channel->outputs = channel->failures + CHANNEL_FAILURES_SIZE_MAX;
    channel->frame = channel->outputs + channel->outputs_size;
    channel->kept = channel->frame + channel->frame_size;
    channel->map = channel->kept + pages(KEPT_AREA_SIZE);
    channel->reports = (struct channel_report *)(void *)(channel->map + CHANNEL_MAP_SIZE_MAX);
    channel->prints = channel->map + CHANNEL_MAP_SIZE_MAX + pages(REPORTS_AREA_SIZE);
    channel->inputs = channel->prints + channel->prints_size;
    return STATUS_OK;
}

/* ---- Barriers ---------------------------------------------------------------------------------
 */

static bool membarrier(int command)
{
    return syscall(SYS_membarrier, command, 0, 0) == 0;
}

static bool can_fence_for_others(void)
{
    const long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    return commands > 0 && (commands & MEMBARRIER_CMD_GLOBAL_EXPEDITED) != 0;
}

/* Of this thread and of every process that is registered for it. */
static void fence_all(void)
{
    atomic_thread_fence(memory_order_seq_cst);
    (void)membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED);
    atomic_thread_fence(memory_order_seq_cst);
}

/* ---- Life -------------------------------------------------------------------------------------
 */

/* Of a size that nobody can change: a rank that reads where its executor has cut the file off would
 * be ended by SIGBUS. -1, with errno, where there is none. */
static int create_file(size_t size)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    const int fd = memfd_create("mapfleet-channel", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && (ftruncate(fd, (off_t)size) != 0 || fcntl(fd, F_ADD_SEALS, seals) != 0)) {
        const int reason = errno;
        (void)close(fd);
        errno = reason;
        return -1;
    }
    return fd;
}

enum status channel_create(struct channel *channel, uint64_t output_size_max, bool is_shared,
                           struct error *err)
{
    *channel = (struct channel){.fd = -1};
    lay_out(channel, output_size_max);
    if (is_shared) {
        channel->fd = create_file(channel->size);
        if (channel->fd < 0) {
            return error_set(err, STATUS_IO, "no memory to share with an executor: %s",
                             strerror(errno));
        }
    }
    const enum status status = map(channel, err);
    if (status != STATUS_OK) {
        channel_destroy(channel);
        return status;
    }
    channel->control->canary = CHANNEL_CANARY;
    channel->control->is_fenced = is_shared && !can_fence_for_others() ? 1 : 0;
    return STATUS_OK;
}

enum status channel_open(struct channel *channel, int fd, uint64_t output_size_max,
                         struct error *err)
{
    *channel = (struct channel){.fd = fd};
    lay_out(channel, output_size_max);
    const enum status status = map(channel, err);
    if (status == STATUS_OK) {
        channel->is_fenced = channel->control->is_fenced != 0 ||
                             !membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED);
    }
    return status;
}

void channel_destroy(struct channel *channel)
{
    if (channel->control != NULL) {
        (void)munmap(channel->control, channel->size);
    }
    if (channel->fd >= 0) {
        (void)close(channel->fd);
    }
    *channel = (struct channel){.fd = -1};
}

/* ---- The rank's side --------------------------------------------------------------------------
 */

void channel_put_map(struct channel *channel, uint64_t map, const uint8_t *bytes, size_t size)
{
    struct channel_control *control = channel->control;
    assert(size <= CHANNEL_MAP_SIZE_MAX);
    if (channel->has_map && control->map == map) {
        return;
    }
    memcpy(channel->map, bytes, size);
    control->map = map;
    control->map_size = size;
    channel->has_map = true;
}

/* Nothing has come of it yet. */
static void reset_results(struct channel_control *control)
{
    atomic_store(&control->reads_place, 0);
    control->failures_used = 0;
    control->kept_used = 0;
    control->prints_used = 0;
    control->frame_size = 0;
    atomic_store(&control->reports_put, 0);
    atomic_store(&control->reports_taken, 0);
    atomic_store(&control->are_reports_watched, 0);
    control->partial_count = 0;
    control->text_size = 0;
    atomic_store(&control->is_folding, 0);
    atomic_store(&control->done, 0);
}

static void put(struct channel *channel, const uint8_t *inputs, size_t inputs_size, int64_t limit)
{
    struct channel_control *control = channel->control;
    assert(inputs_size <= CHANNEL_INPUTS_SIZE_MAX);
    control->inputs_size = inputs_size;
    if (inputs_size > 0) {
        memcpy(channel->inputs, inputs, inputs_size);
    }
    atomic_store(&control->limit, limit);
    atomic_store(&control->batch, atomic_load(&control->batch) + 1);
}

void channel_put_batch(struct channel *channel, const struct span *spans, size_t span_count,
                       uint64_t instance_count, const uint8_t *inputs, size_t inputs_size)
{
    struct channel_control *control = channel->control;
    assert(span_count <= CHANNEL_SPAN_COUNT_MAX);
    assert(instance_count > 0 && instance_count <= CHANNEL_INSTANCE_COUNT_MAX);
    memcpy(control->spans, spans, span_count * sizeof(*spans));
    control->span_count = (uint32_t)span_count;
    control->instance_count = instance_count;
    control->is_fold = 0;
    memset(control->success_bits, 0xff, (size_t)(instance_count + 7) / 8);
    reset_results(control);
    put(channel, inputs, inputs_size, (int64_t)instance_count);
}

void channel_put_fold(struct channel *channel, const struct buffer *frames)
{
    struct channel_control *control = channel->control;
    control->span_count = 0;
    control->instance_count = 0;
    control->is_fold = 1;
    reset_results(control);
    put(channel, frames->data, frames->size, 0);
}

bool channel_take_fold(const struct channel *channel, const uint8_t **frame_out,
                       size_t *frame_size_out)
{
    const struct channel_control *control = channel->control;
    const uint64_t size = control->frame_size;
    *frame_out = channel->frame;
    *frame_size_out = (size_t)size;
    return control->canary == CHANNEL_CANARY && control->partial_count == 1 && size > 0 &&
           size <= channel->frame_size;
}

bool channel_has_ended(const struct channel *channel)
{
    return atomic_load(&channel->control->ended) == atomic_load(&channel->control->batch);
}

/* The instance after those that are done has been started, or is about to be. */
static uint64_t started_up_to(const struct channel *channel, int64_t limit)
{
    const struct channel_control *control = channel->control;
    if (limit <= 0 || atomic_load(&control->begun) != atomic_load(&control->batch)) {
        return 0;
    }
    const uint64_t next = atomic_load(&control->done) + 1;
    return next < (uint64_t)limit ? next : (uint64_t)limit;
}

/* Where the executor stops by itself at the same time, its limit stays: it is no higher. */
uint64_t channel_trim(struct channel *channel)
{
    struct channel_control *control = channel->control;
    const int64_t before = atomic_exchange(&control->limit, CHANNEL_CUTTING);
    fence_all();
    const uint64_t kept = started_up_to(channel, before);
    int64_t found = CHANNEL_CUTTING;
    if (atomic_compare_exchange_strong(&control->limit, &found, (int64_t)kept)) {
        return kept;
    }
    return found > 0 ? (uint64_t)found : 0;
}

uint64_t channel_claimed(const struct channel *channel)
{
    return started_up_to(channel, atomic_load(&channel->control->limit));
}

uint64_t channel_done(const struct channel *channel)
{
    return atomic_load(&channel->control->done);
}

static uint64_t between(uint64_t time_us, uint64_t from_us, uint64_t to_us)
{
    return time_us < from_us ? from_us : time_us > to_us ? to_us : time_us;
}

uint64_t channel_began_us(const struct channel *channel, uint64_t put_us, uint64_t now_us)
{
    const struct channel_control *control = channel->control;
    return atomic_load(&control->begun) == atomic_load(&control->batch)
               ? between(control->began_us, put_us, now_us)
               : now_us;
}

uint64_t channel_ran_us(const struct channel *channel, uint64_t put_us, uint64_t now_us)
{
    const uint64_t began_us = channel_began_us(channel, put_us, now_us);
    return channel_has_ended(channel)
               ? between(channel->control->ended_us, began_us, now_us) - began_us
               : now_us - began_us;
}

size_t channel_take_times(const struct channel *channel, uint64_t count, uint64_t elapsed_us,
                          uint8_t out[ATTEMPT_TIMES_COUNT_MAX * ATTEMPT_TIME_SIZE_MAX])
{
    const struct channel_control *control = channel->control;
    const uint64_t done = atomic_load(&control->done);
    uint64_t ends_us[CHANNEL_TIMED_COUNT_MAX];
    if (control->instance_count > CHANNEL_TIMED_COUNT_MAX || count > CHANNEL_TIMED_COUNT_MAX ||
        count < 2 || elapsed_us / count < ATTEMPT_TIMES_US_MIN) {
        return 0;
    }
    for (uint64_t i = 0; i < count; i++) {
        ends_us[i] = i < done ? control->ends_us[i] : elapsed_us;
    }
    return attempt_times_pack(ends_us, (size_t)count, elapsed_us, out);
}

static uint64_t count_successes(const uint8_t *bits, uint64_t count)
{
    uint64_t successes = 0;
    for (uint64_t i = 0; i < count / 64; i++) {
        uint64_t word;
        memcpy(&word, bits + 8 * i, sizeof(word));
        successes += word == UINT64_MAX ? 64 : (uint64_t)__builtin_popcountll(word);
    }
    for (uint64_t i = count / 64 * 64; i < count; i++) {
        successes += bits[i / 8] >> (i % 8) & 1;
    }
    return successes;
}

/* Pass over that many packed values. */
static enum status walk_outputs(const struct channel *channel, uint64_t count, size_t *size_out)
{
    size_t at = 0;
    for (uint64_t i = 0; i < count; i++) {
        size_t used;
        if (value_skip(channel->outputs + at, channel->outputs_size - at, &used) != STATUS_OK) {
            return STATUS_PROTOCOL;
        }
        at += used;
    }
    *size_out = at;
    return STATUS_OK;
}

static enum status take_failures(const struct channel *channel, uint64_t count,
                                 channel_take_failure *take_failure, void *context)
{
    size_t at = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct failure_head head;
        if (CHANNEL_FAILURES_SIZE_MAX - at < sizeof(head)) {
            return STATUS_PROTOCOL;
        }
        memcpy(&head, channel->failures + at, sizeof(head));
        at += sizeof(head);
        if (head.text_size > CHANNEL_TEXT_SIZE_MAX ||
            head.text_size > CHANNEL_FAILURES_SIZE_MAX - at || head.class > FAILURE_ABORTED ||
            (head.is_unkept != 0 && head.class != FAILURE_ABORTED)) {
            return STATUS_PROTOCOL;
        }
        const struct report_failure failure = {
            .index = head.index,
            .attempt = head.attempt,
            .class = (enum failure_class)head.class,
            .is_permanent = head.is_permanent != 0,
            .is_unkept = head.is_unkept != 0,
            .text = (const char *)channel->failures + at,
            .text_size = head.text_size,
        };
        take_failure(context, &failure);
        at += padded(head.text_size);
    }
    return STATUS_OK;
}

uint64_t channel_blamed(const struct channel *channel)
{
    return channel->control->canary == CHANNEL_DAMAGED ? atomic_load(&channel->control->done)
                                                       : UINT64_MAX;
}

void channel_fold_error(const struct channel *channel, struct error *err)
{
    const struct channel_control *control = channel->control;
    const uint32_t size = control->text_size;
    (void)error_set(err, STATUS_INVALID, "%.*s",
                    (int)(size < CHANNEL_TEXT_SIZE_MAX ? size : CHANNEL_TEXT_SIZE_MAX),
                    control->text);
}

enum status channel_take_result(const struct channel *channel, uint64_t count_max, bool has_died,
                                channel_take_failure *take_failure, void *context,
                                struct channel_result *result_out, struct error *err)
{
    const struct channel_control *control = channel->control;
    const uint64_t all_done = atomic_load(&control->done);
    const uint64_t done = has_died && all_done > count_max ? count_max : all_done;
    const uint64_t frame_size = control->frame_size;
    struct channel_result result = {
        .instance_count = done, .success_bits = control->success_bits, .outputs = channel->outputs};
    if (control->canary != CHANNEL_CANARY || done > count_max ||
        all_done > CHANNEL_INSTANCE_COUNT_MAX || frame_size > channel->frame_size) {
        return error_set(err, STATUS_PROTOCOL, "the memory shared with the executor was damaged");
    }
    result.success_count = count_successes(control->success_bits, done);
    if (has_died) {
        if (walk_outputs(channel, result.success_count, &result.outputs_size) != STATUS_OK) {
            return error_set(err, STATUS_PROTOCOL, "the outputs of the executor were damaged");
        }
    } else if (result.success_count > 0) {
        if (frame_size == 0) {
            return error_set(err, STATUS_PROTOCOL, "the executor's outputs are missing");
        }
        result.frame = channel->frame;
        result.frame_size = (size_t)frame_size;
        result.partial_count = control->partial_count;
    }
    if (take_failures(channel, done - result.success_count, take_failure, context) != STATUS_OK) {
        return error_set(err, STATUS_PROTOCOL, "the failures of the executor were damaged");
    }
    *result_out = result;
    return STATUS_OK;
}

enum status channel_take_kept(const struct channel *channel, uint64_t count,
                              channel_take_kept_one *take, void *context)
{
    const uint64_t used = channel->control->kept_used;
    uint64_t next = 0; /* they are in order, and each stands here once */
    size_t at = 0;
    if (used > KEPT_AREA_SIZE) {
        return STATUS_PROTOCOL;
    }
    while (at < used) {
        struct kept_head head;
        if (used - at < sizeof(head)) {
            return STATUS_PROTOCOL;
        }
        memcpy(&head, channel->kept + at, sizeof(head));
        at += sizeof(head);
        const size_t size = (size_t)head.sizes[STDIO_OUT] + head.sizes[STDIO_ERR];
        if (head.sizes[STDIO_OUT] > CAPTURE_SIZE_MAX || head.sizes[STDIO_ERR] > CAPTURE_SIZE_MAX ||
            padded(size) > used - at || head.at < next) {
            return STATUS_PROTOCOL;
        }
        if (head.at >= count) {
            return STATUS_OK;
        }
        const struct channel_kept kept = {
            .at = head.at,
            .text = channel->kept + at,
            .sizes = {head.sizes[STDIO_OUT], head.sizes[STDIO_ERR]},
            .left_out = {head.left_out[STDIO_OUT], head.left_out[STDIO_ERR]},
        };
        take(context, &kept);
        next = head.at + 1;
        at += padded(size);
    }
    return STATUS_OK;
}

enum status channel_take_prints(const struct channel *channel, uint64_t count,
                                const uint8_t **data_out, size_t *size_out)
{
    const uint64_t used = channel->control->prints_used;
    size_t at = 0;
    *data_out = channel->prints;
    *size_out = 0;
    if (used == 0) {
        return STATUS_OK;
    }
    if (used > channel->prints_size) {
        return STATUS_PROTOCOL;
    }
    for (uint64_t i = 0; i < count; i++) {
        size_t size;
        if (value_skip(channel->prints + at, (size_t)used - at, &size) != STATUS_OK) {
            return STATUS_PROTOCOL;
        }
        at += size;
    }
    *size_out = at;
    return STATUS_OK;
}

/* ---- Reports of the metric ----------------------------------------------------------------------
 */

/* Pauses while the rank has no room for more. */
#define ROOM_PAUSE_NS 1000000

size_t channel_take_reports(struct channel *channel, struct channel_report *reports_out,
                            size_t count_max)
{
    struct channel_control *control = channel->control;
    const uint64_t taken = atomic_load_explicit(&control->reports_taken, memory_order_relaxed);
    const uint64_t waiting = atomic_load(&control->reports_put) - taken;
    const size_t count = waiting < count_max ? (size_t)waiting : count_max;
    if (waiting > CHANNEL_REPORT_COUNT_MAX) {
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        reports_out[i] = channel->reports[(taken + i) % CHANNEL_REPORT_COUNT_MAX];
    }
    atomic_store_explicit(&control->reports_taken, taken + count, memory_order_release);
    return count;
}

void channel_watch_reports(struct channel *channel, bool are_watched)
{
    atomic_store(&channel->control->are_reports_watched, are_watched ? 1 : 0);
}

/* Whoever finds more taken than were put has written over the channel. */
static bool has_room(const struct channel_control *control, uint64_t put)
{
    const uint64_t taken = atomic_load_explicit(&control->reports_taken, memory_order_acquire);
    if (taken > put) {
        abort();
    }
    return put - taken < CHANNEL_REPORT_COUNT_MAX;
}

/* The report stands whole before it is counted, so that whatever ends this process leaves whole
 * ones only. It is counted, then it is seen whether the rank watches; the rank says that it does
 * not watch any more, then looks once more: so one of the two sees the other. */
bool channel_put_report(struct channel *channel, const struct channel_report *report)
{
    static const struct timespec pause = {.tv_nsec = ROOM_PAUSE_NS};
    struct channel_control *control = channel->control;
    uint64_t put = atomic_load_explicit(&control->reports_put, memory_order_relaxed);
    while (channel->fd >= 0 && !has_room(control, put)) {
        (void)nanosleep(&pause, NULL);
    }
    put -= has_room(control, put) ? 0 : 1;
    channel->reports[put % CHANNEL_REPORT_COUNT_MAX] = *report;
    atomic_store(&control->reports_put, put + 1);
    return atomic_load(&control->are_reports_watched) == 0;
}

/* ---- The executor's side ----------------------------------------------------------------------
 */

void channel_begin(struct channel *channel)
{
    channel->control->began_us = clock_us();
    atomic_store(&channel->control->begun, atomic_load(&channel->control->batch));
    atomic_thread_fence(memory_order_seq_cst);
}

/* A limit that stays like this is no rank's: somebody has written over the channel. */
bool channel_claim_slowly(const struct channel *channel, uint64_t at)
{
    int64_t limit = atomic_load(&channel->control->limit);
    const uint64_t until_us = limit == CHANNEL_CUTTING ? clock_us() + CUTTING_US_MAX : 0;
    while (limit == CHANNEL_CUTTING) {
        if (clock_us() >= until_us) {
            abort();
        }
        (void)sched_yield();
        limit = atomic_load(&channel->control->limit);
    }
    return (int64_t)at < limit;
}

void channel_fail(struct channel *channel, uint64_t at, const struct report_failure *failure)
{
    struct channel_control *control = channel->control;
    const size_t used = (size_t)control->failures_used;
    const size_t text_size =
        failure->text_size < CHANNEL_TEXT_SIZE_MAX ? failure->text_size : CHANNEL_TEXT_SIZE_MAX;
    const struct failure_head head = {.index = failure->index,
                                      .attempt = failure->attempt,
                                      .class = failure->class,
                                      .is_permanent = failure->is_permanent ? 1 : 0,
                                      .text_size = (uint32_t)text_size,
                                      .is_unkept = failure->is_unkept ? 1 : 0};
    /* 20,000 failures of 4 KiB each fit the area. */
    assert(CHANNEL_FAILURES_SIZE_MAX - used >= sizeof(head) + CHANNEL_TEXT_SIZE_MAX);
    memcpy(channel->failures + used, &head, sizeof(head));
    memcpy(channel->failures + used + sizeof(head), failure->text, text_size);
    control->success_bits[at / 8] &= (uint8_t) ~(1u << at % 8);
    control->failures_used = used + sizeof(head) + padded(text_size);
    atomic_store_explicit(&control->done, at + 1, memory_order_release);
}

uint8_t *channel_room_to_keep(struct channel *channel)
{
    const uint64_t used = channel->control->kept_used;
    return used <= CHANNEL_KEPT_SIZE_GOAL ? channel->kept + used + sizeof(struct kept_head) : NULL;
}

void channel_keep(struct channel *channel, uint64_t at, const size_t sizes[STDIO_STREAM_COUNT],
                  const uint64_t left_out[STDIO_STREAM_COUNT])
{
    const struct kept_head head = {
        .at = at,
        .left_out = {left_out[STDIO_OUT], left_out[STDIO_ERR]},
        .sizes = {(uint32_t)sizes[STDIO_OUT], (uint32_t)sizes[STDIO_ERR]},
    };
    memcpy(channel->kept + channel->control->kept_used, &head, sizeof(head));
    channel->control->kept_used += sizeof(head) + padded(sizes[STDIO_OUT] + sizes[STDIO_ERR]);
}

/* What does not fit is cut: an attempt has no more than an output may have. */
void channel_put_print(struct channel *channel, const uint8_t *data, size_t size)
{
    struct channel_control *control = channel->control;
    uint8_t *at = channel->prints + control->prints_used;
    const size_t room = channel->prints_size - (size_t)control->prints_used;
    if (data == NULL || room < VALUE_HEADER_SIZE_MAX) {
        *at = 0xc0;
        control->prints_used++;
        return;
    }
    const size_t fits = room - VALUE_HEADER_SIZE_MAX;
    const size_t cut = size < fits ? size : fits;
    at = value_pack_header(MF_BYTES, (uint32_t)cut, at);
    memcpy(at, data, cut);
    control->prints_used = (uint64_t)(at + cut - channel->prints);
}

uint64_t channel_successes(const struct channel *channel)
{
    return count_successes(channel->control->success_bits, channel_done(channel));
}

void channel_begin_fold(struct channel *channel)
{
    atomic_store(&channel->control->is_folding, 1);
}

void channel_end_fold(struct channel *channel, uint64_t partial_count, const char *text)
{
    struct channel_control *control = channel->control;
    control->partial_count = partial_count;
    control->text_size = (uint32_t)strnlen(text, CHANNEL_TEXT_SIZE_MAX);
    memcpy(control->text, text, control->text_size);
    atomic_store(&control->is_folding, 0);
}

void channel_finish(struct channel *channel, uint32_t batch, size_t frame_size)
{
    channel->control->frame_size = frame_size;
    channel->control->ended_us = clock_us();
    atomic_store(&channel->control->ended, batch);
}
