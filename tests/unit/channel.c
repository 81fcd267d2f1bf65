#include "worker/channel.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/clock.h"
#include "shared/value.h"

#define OUTPUT_SIZE_MAX 4096u
#define RACE_COUNT 60
#define SEED_COUNT 10000u
#define WAIT_US UINT64_C(10000000)

TestSuite(channel, .timeout = 50);

static struct channel create(bool is_shared)
{
    struct channel channel;
    struct error err = {""};
    cr_assert(eq(int, channel_create(&channel, OUTPUT_SIZE_MAX, is_shared, &err), STATUS_OK), "%s",
              err.text);
    return channel;
}

static void put(struct channel *channel, uint64_t count)
{
    const struct span span = {.start = 100, .count = count};
    channel_put_batch(channel, &span, 1, count, NULL, 0);
}

/* The next instance; the first of a batch begins it. */
static uint64_t claim_next(struct channel *channel)
{
    const uint64_t at = channel_done(channel);
    if (at == 0) {
        channel_begin(channel);
    }
    cr_assert(channel_claim(channel, at));
    return at;
}

/* Claim and end as an executor does; ints below 128 are one byte each. */
static void succeed_next(struct channel *channel, size_t *output_size)
{
    const uint64_t at = claim_next(channel);
    channel->outputs[(*output_size)++] = (uint8_t)(at % 100);
    channel_succeed(channel, at);
}

static void fail_next(struct channel *channel, enum failure_class class, const char *text,
                      size_t text_size)
{
    const uint64_t at = claim_next(channel);
    const struct report_failure failure = {.index = 100 + at,
                                           .attempt = 1,
                                           .class = class,
                                           .is_permanent = at % 2 == 1,
                                           .text = text,
                                           .text_size = text_size};
    channel_fail(channel, at, &failure);
}

/* ---- What is taken ----------------------------------------------------------------------------
 */

struct taken {
    enum status status;
    struct channel_result result;
    struct report_failure failures[8]; /* the first ones */
    size_t failure_count;
    size_t text_size; /* of all */
};

static void take_failure(void *context, const struct report_failure *failure)
{
    struct taken *taken = context;
    if (taken->failure_count < sizeof(taken->failures) / sizeof(taken->failures[0])) {
        taken->failures[taken->failure_count] = *failure;
    }
    taken->failure_count++;
    taken->text_size += failure->text_size;
}

static struct taken take(const struct channel *channel, uint64_t count_max, bool has_died)
{
    struct taken taken = {.status = STATUS_OK};
    struct error err;
    taken.status = channel_take_result(channel, count_max, has_died, take_failure, &taken,
                                       &taken.result, &err);
    return taken;
}

/* ---- Claiming and trimming --------------------------------------------------------------------
 */

Test(channel, instances_are_claimed_in_order)
{
    struct channel channel = create(false);
    size_t size = 0;
    cr_expect(not(channel_claim(&channel, 0)), "nothing was put");
    put(&channel, 3);
    cr_expect(eq(u64, channel_claimed(&channel), 0), "it has not begun");
    for (uint64_t i = 0; i < 3; i++) {
        cr_expect(eq(u64, claim_next(&channel), i));
        cr_expect(eq(u64, channel_claimed(&channel), i + 1));
        succeed_next(&channel, &size);
    }
    cr_expect(not(channel_claim(&channel, 3)));
    cr_expect(eq(u64, channel_claimed(&channel), 3));
    channel_destroy(&channel);
}

Test(channel, a_trimmed_batch_keeps_what_was_started)
{
    struct channel channel = create(false);
    size_t size = 0;
    put(&channel, 10);
    succeed_next(&channel, &size);
    (void)claim_next(&channel);
    cr_expect(eq(u64, channel_trim(&channel), 2));
    cr_expect(eq(u64, channel_trim(&channel), 2), "a second one finds nothing");
    succeed_next(&channel, &size);
    cr_expect(not(channel_claim(&channel, 2)));
    put(&channel, 10);
    cr_expect(eq(u64, channel_trim(&channel), 0));
    channel_begin(&channel);
    cr_expect(not(channel_claim(&channel, 0)));
    channel_destroy(&channel);
}

Test(channel, who_stops_by_itself_keeps_what_is_done)
{
    struct channel channel = create(false);
    size_t size = 0;
    put(&channel, 10);
    succeed_next(&channel, &size);
    channel_stop(&channel);
    cr_expect(not(channel_claim(&channel, 1)));
    cr_expect(eq(u64, channel_claimed(&channel), 1));
    cr_expect(eq(u64, channel_trim(&channel), 1));
    cr_expect(eq(u64, channel_claimed(&channel), 1));
    channel_destroy(&channel);
}

/* What the processes of a race share. */
struct race {
    _Atomic bool has_begun;
    _Atomic uint64_t count;
    uint8_t claims[CHANNEL_INSTANCE_COUNT_MAX];
};

static pid_t fork_claimer(const struct channel *channel, bool is_fenced, struct race *race)
{
    const pid_t pid = fork();
    cr_assert(ge(int, pid, 0));
    if (pid == 0) {
        struct channel own;
        if (channel_open(&own, channel->fd, OUTPUT_SIZE_MAX, NULL) != STATUS_OK) {
            _exit(1);
        }
        own.is_fenced = own.is_fenced || is_fenced;
        while (!race->has_begun) {
        }
        channel_begin(&own);
        for (uint64_t at = 0; at < CHANNEL_INSTANCE_COUNT_MAX && channel_claim(&own, at); at++) {
            race->claims[at]++;
            race->count++;
            channel_succeed(&own, at);
        }
        _exit(0);
    }
    return pid;
}

static void wait_for(pid_t pid)
{
    int status;
    cr_assert(eq(int, waitpid(pid, &status, 0), pid));
    cr_assert(eq(int, status, 0));
}

static void expect_claims(const struct race *race, uint64_t kept)
{
    uint64_t wrong = 0;
    for (uint64_t i = 0; i < CHANNEL_INSTANCE_COUNT_MAX; i++) {
        wrong += race->claims[i] != (i < kept ? 1 : 0);
    }
    cr_expect(eq(u64, wrong, 0));
    cr_expect(eq(u64, race->count, kept));
}

static void expect_exact_trims(bool is_fenced)
{
    struct channel channel = create(true);
    struct race *race =
        mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert(ne(ptr, race, MAP_FAILED));
    for (uint64_t round = 0; round < RACE_COUNT; round++) {
        memset(race, 0, sizeof(*race));
        put(&channel, CHANNEL_INSTANCE_COUNT_MAX);
        const pid_t pid = fork_claimer(&channel, is_fenced, race);
        const uint64_t end_us = clock_us() + WAIT_US;
        const uint64_t trim_at = round * CHANNEL_INSTANCE_COUNT_MAX / RACE_COUNT;
        race->has_begun = true;
        while (channel_claimed(&channel) < trim_at && clock_us() < end_us) {
        }
        const uint64_t kept = channel_trim(&channel);
        wait_for(pid);
        cr_expect(ge(u64, kept, trim_at));
        cr_expect(eq(u64, channel_done(&channel), kept));
        expect_claims(race, kept);
    }
    (void)munmap(race, sizeof(*race));
    channel_destroy(&channel);
}

Test(channel, every_instance_is_either_started_once_or_trimmed)
{
    expect_exact_trims(false);
}

Test(channel, also_where_the_kernel_makes_no_barriers_for_others)
{
    expect_exact_trims(true);
}

/* ---- Results ----------------------------------------------------------------------------------
 */

static bool was_ended_by(int status, int signal)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == signal;
}

Test(channel, what_was_finished_before_a_death_counts)
{
    struct channel channel = create(true);
    put(&channel, 10);
    const pid_t pid = fork();
    cr_assert(ge(int, pid, 0));
    if (pid == 0) {
        struct channel own;
        size_t size = 0;
        if (channel_open(&own, channel.fd, OUTPUT_SIZE_MAX, NULL) != STATUS_OK) {
            _exit(1);
        }
        succeed_next(&own, &size);
        fail_next(&own, FAILURE_ERROR, "one", 3);
        succeed_next(&own, &size);
        fail_next(&own, FAILURE_OUTPUT, "three", 5);
        if (channel_claim(&own, 4)) {
            own.outputs[size] = 0xdb; /* half a value */
            (void)raise(SIGKILL);
        }
        _exit(2);
    }
    int status;
    cr_assert(eq(int, waitpid(pid, &status, 0), pid));
    cr_assert(was_ended_by(status, SIGKILL));
    cr_expect(not(channel_has_ended(&channel)));
    cr_expect(eq(u64, channel_claimed(&channel), 5));
    cr_expect(eq(u64, channel_done(&channel), 4));
    cr_expect(eq(u64, channel_blamed(&channel), UINT64_MAX));

    const struct taken taken = take(&channel, 10, true);
    cr_assert(eq(int, taken.status, STATUS_OK));
    cr_expect(eq(u64, taken.result.instance_count, 4));
    cr_expect(eq(u64, taken.result.success_count, 2));
    cr_expect(eq(int, taken.result.success_bits[0] & 0xf, 0x5));
    cr_expect(eq(sz, taken.result.outputs_size, 2));
    cr_expect(eq(int, memcmp(taken.result.outputs, "\0\2", 2), 0));
    cr_expect(taken.result.frame == NULL);
    cr_assert(eq(sz, taken.failure_count, 2));
    cr_expect(eq(u64, taken.failures[0].index, 101));
    cr_expect(eq(u64, taken.failures[1].index, 103));
    cr_expect(eq(int, taken.failures[1].class, FAILURE_OUTPUT));
    cr_expect(eq(int, memcmp(taken.failures[1].text, "three", 5), 0));
    channel_destroy(&channel);
}

Test(channel, a_finished_batch_gives_its_frame)
{
    struct channel channel = create(false);
    size_t size = 0;
    put(&channel, 2);
    cr_expect(not(channel_has_ended(&channel)));
    succeed_next(&channel, &size);
    succeed_next(&channel, &size);
    channel_finish(&channel, channel.control->batch, 7);
    cr_expect(channel_has_ended(&channel));
    const struct taken taken = take(&channel, 2, false);
    cr_assert(eq(int, taken.status, STATUS_OK));
    cr_expect(eq(u64, taken.result.success_count, 2));
    cr_expect(taken.result.frame == channel.frame);
    cr_expect(eq(sz, taken.result.frame_size, 7));
    channel_destroy(&channel);
}

/* Goal: an executor that wakes late does not make its instances seem long. */
Test(channel, a_batch_has_run_since_its_executor_took_it_up)
{
    struct channel channel = create(false);
    size_t size = 0;
    put(&channel, 1);
    const uint64_t now_us = clock_us();
    cr_expect(eq(u64, channel_began_us(&channel, now_us - 500000, now_us), now_us));
    cr_expect(eq(u64, channel_ran_us(&channel, now_us - 500000, now_us), 0));
    succeed_next(&channel, &size);
    channel.control->began_us = now_us - 1000;
    cr_expect(eq(u64, channel_ran_us(&channel, now_us - 500000, now_us), 1000));
    channel_finish(&channel, channel.control->batch, 1);
    channel.control->ended_us = now_us - 300;
    cr_expect(eq(u64, channel_ran_us(&channel, now_us - 500000, now_us), 700));
    channel_destroy(&channel);
}

/* What stands there is the executor's word. */
Test(channel, no_batch_has_run_before_it_was_put_or_beyond_now)
{
    static const uint64_t nonsense[] = {0, 1, UINT64_MAX, UINT64_MAX / 2};
    struct channel channel = create(false);
    size_t size = 0;
    put(&channel, 1);
    succeed_next(&channel, &size);
    channel_finish(&channel, channel.control->batch, 1);
    for (size_t i = 0; i < 4; i++) {
        for (size_t k = 0; k < 4; k++) {
            channel.control->began_us = nonsense[i];
            channel.control->ended_us = nonsense[k];
            cr_expect(le(u64, channel_ran_us(&channel, 1000, 1500), 500));
        }
    }
    channel_destroy(&channel);
}

Test(channel, the_next_batch_starts_with_nothing)
{
    struct channel channel = create(false);
    size_t size = 0;
    put(&channel, 2);
    succeed_next(&channel, &size);
    fail_next(&channel, FAILURE_ERROR, "", 0);
    channel_finish(&channel, channel.control->batch, 3);
    put(&channel, 9);
    cr_expect(not(channel_has_ended(&channel)));
    cr_expect(eq(u64, channel_done(&channel), 0));
    cr_expect(eq(u64, channel_claimed(&channel), 0));
    fail_next(&channel, FAILURE_ERROR, "new", 3);
    const struct taken taken = take(&channel, 9, true);
    cr_assert(eq(int, taken.status, STATUS_OK));
    cr_expect(eq(u64, taken.result.instance_count, 1));
    cr_expect(eq(u64, taken.result.success_count, 0));
    cr_assert(eq(sz, taken.failure_count, 1));
    cr_expect(eq(int, memcmp(taken.failures[0].text, "new", 3), 0));
    channel_destroy(&channel);
}

/* Every `step`-th of `count` fails; 0: none. */
static void expect_successes(struct channel *channel, uint64_t count, uint64_t step)
{
    size_t size = 0;
    uint64_t failures = 0;
    put(channel, count);
    for (uint64_t i = 0; i < count; i++) {
        if (step > 0 && i % step == 0) {
            fail_next(channel, FAILURE_ERROR, "no", 2);
            failures++;
        } else {
            succeed_next(channel, &size);
        }
    }
    channel_finish(channel, channel->control->batch, failures < count ? 1 : 0);
    for (int has_died = 0; has_died < 2; has_died++) {
        const struct taken taken = take(channel, count, has_died == 1);
        cr_assert(eq(int, taken.status, STATUS_OK));
        cr_expect(eq(u64, taken.result.instance_count, count));
        cr_expect(eq(u64, taken.result.success_count, count - failures));
        cr_expect(eq(sz, taken.failure_count, (size_t)failures));
        cr_expect(has_died == 0 || taken.result.outputs_size == size);
    }
}

Test(channel, successes_are_counted_at_the_edges_of_bytes)
{
    static const uint64_t counts[] = {1, 7, 8, 9, 15, 16, 17, 19999, CHANNEL_INSTANCE_COUNT_MAX};
    struct channel channel = create(false);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        for (uint64_t step = 0; step < 4; step++) {
            expect_successes(&channel, counts[i], step);
        }
    }
    channel_destroy(&channel);
}

Test(channel, bits_past_what_is_done_do_not_count)
{
    struct channel channel = create(false);
    size_t size = 0;
    put(&channel, 9);
    for (int i = 0; i < 7; i++) {
        succeed_next(&channel, &size);
    }
    memset(channel.control->success_bits, 0xff, 2);
    const struct taken taken = take(&channel, 9, true);
    cr_assert(eq(int, taken.status, STATUS_OK));
    cr_expect(eq(u64, taken.result.instance_count, 7));
    cr_expect(eq(u64, taken.result.success_count, 7));
    cr_expect(eq(sz, taken.result.outputs_size, 7));
    channel_destroy(&channel);
}

Test(channel, failures_keep_class_permanence_and_text)
{
    struct channel channel = create(false);
    put(&channel, 3);
    fail_next(&channel, FAILURE_ERROR, "a\0b", 3);
    fail_next(&channel, FAILURE_OUTPUT, "", 0);
    fail_next(&channel, FAILURE_ABORTED, "nine byte", 9);
    const struct taken taken = take(&channel, 3, false);
    cr_assert(eq(int, taken.status, STATUS_OK));
    cr_expect(taken.result.frame == NULL);
    cr_assert(eq(sz, taken.failure_count, 3));
    cr_expect(eq(int, taken.failures[0].class, FAILURE_ERROR));
    cr_expect(not(taken.failures[0].is_permanent));
    cr_expect(eq(sz, taken.failures[0].text_size, 3));
    cr_expect(eq(int, memcmp(taken.failures[0].text, "a\0b", 3), 0));
    cr_expect(eq(u64, taken.failures[1].index, 101));
    cr_expect(eq(u64, taken.failures[1].attempt, 1));
    cr_expect(taken.failures[1].is_permanent);
    cr_expect(eq(sz, taken.failures[1].text_size, 0));
    cr_expect(eq(int, taken.failures[2].class, FAILURE_ABORTED));
    cr_expect(eq(int, memcmp(taken.failures[2].text, "nine byte", 9), 0));
    channel_destroy(&channel);
}

Test(channel, a_long_text_is_cut)
{
    static char text[CHANNEL_TEXT_SIZE_MAX + 10];
    struct channel channel = create(false);
    memset(text, 'x', sizeof(text));
    text[CHANNEL_TEXT_SIZE_MAX] = 'y';
    put(&channel, 2);
    fail_next(&channel, FAILURE_ERROR, text, sizeof(text));
    fail_next(&channel, FAILURE_ERROR, "next", 4);
    const struct taken taken = take(&channel, 2, false);
    cr_assert(eq(int, taken.status, STATUS_OK));
    cr_assert(eq(sz, taken.failure_count, 2));
    cr_expect(eq(sz, taken.failures[0].text_size, CHANNEL_TEXT_SIZE_MAX));
    cr_expect(eq(int, memcmp(taken.failures[0].text, text, CHANNEL_TEXT_SIZE_MAX), 0));
    cr_expect(eq(int, memcmp(taken.failures[1].text, "next", 4), 0));
    channel_destroy(&channel);
}

Test(channel, the_largest_batch_may_fail_with_the_longest_texts)
{
    static char text[CHANNEL_TEXT_SIZE_MAX];
    struct channel channel = create(false);
    memset(text, 'x', sizeof(text));
    put(&channel, CHANNEL_INSTANCE_COUNT_MAX);
    for (uint64_t i = 0; i < CHANNEL_INSTANCE_COUNT_MAX; i++) {
        fail_next(&channel, FAILURE_ERROR, text, sizeof(text));
    }
    const struct taken taken = take(&channel, CHANNEL_INSTANCE_COUNT_MAX, true);
    cr_assert(eq(int, taken.status, STATUS_OK));
    cr_expect(eq(sz, taken.failure_count, CHANNEL_INSTANCE_COUNT_MAX));
    cr_expect(eq(sz, taken.text_size, (size_t)CHANNEL_INSTANCE_COUNT_MAX * CHANNEL_TEXT_SIZE_MAX));
    channel_destroy(&channel);
}

Test(channel, of_the_dead_only_the_first_count_max_are_taken)
{
    struct channel channel = create(false);
    size_t size = 0;
    put(&channel, 10);
    for (int i = 0; i < 4; i++) {
        succeed_next(&channel, &size);
        fail_next(&channel, FAILURE_ERROR, "no", 2);
    }
    const struct taken taken = take(&channel, 3, true);
    cr_assert(eq(int, taken.status, STATUS_OK));
    cr_expect(eq(u64, taken.result.instance_count, 3));
    cr_expect(eq(u64, taken.result.success_count, 2));
    cr_expect(eq(sz, taken.result.outputs_size, 2));
    cr_expect(eq(sz, taken.failure_count, 1));
    const struct taken none = take(&channel, 0, true);
    cr_assert(eq(int, none.status, STATUS_OK));
    cr_expect(eq(u64, none.result.instance_count, 0));
    cr_expect(eq(int, take(&channel, 7, false).status, STATUS_PROTOCOL), "it claims to live");
    channel_destroy(&channel);
}

/* ---- What makes no sense ----------------------------------------------------------------------
 */

Test(channel, nonsense_is_refused)
{
    struct channel channel = create(false);
    size_t size = 0;
    put(&channel, 10);
    succeed_next(&channel, &size);
    fail_next(&channel, FAILURE_ERROR, "no", 2);
    cr_assert(eq(int, take(&channel, 10, true).status, STATUS_OK));

    channel.control->done = CHANNEL_INSTANCE_COUNT_MAX + 1;
    cr_expect(eq(int, take(&channel, 10, true).status, STATUS_PROTOCOL));
    channel.control->done = UINT64_MAX;
    cr_expect(eq(int, take(&channel, 10, false).status, STATUS_PROTOCOL));
    channel.control->done = 2;

    channel.control->frame_size = channel.frame_size + 1;
    cr_expect(eq(int, take(&channel, 10, false).status, STATUS_PROTOCOL));
    channel.control->frame_size = 0;

    channel.outputs[0] = 0xc1; /* no value of msgpack */
    cr_expect(eq(int, take(&channel, 10, true).status, STATUS_PROTOCOL));
    channel.outputs[0] = 0;

    channel.control->canary++;
    cr_expect(eq(int, take(&channel, 10, true).status, STATUS_PROTOCOL));
    channel.control->canary--;
    cr_assert(eq(int, take(&channel, 10, true).status, STATUS_OK));
    channel_destroy(&channel);
}

/* The words of the first failure: its class is the fifth of four bytes, its text's size the
 * seventh. */
static enum status take_with_word(struct channel *channel, size_t word, uint32_t value)
{
    put(channel, 1);
    fail_next(channel, FAILURE_ERROR, "no", 2);
    memcpy(channel->failures + word * sizeof(value), &value, sizeof(value));
    return take(channel, 1, false).status;
}

Test(channel, a_failure_of_no_class_or_a_text_that_none_can_have_is_refused)
{
    struct channel channel = create(false);
    cr_expect(eq(int, take_with_word(&channel, 4, FAILURE_ABORTED), STATUS_OK));
    cr_expect(eq(int, take_with_word(&channel, 4, FAILURE_ABORTED + 1), STATUS_PROTOCOL));
    cr_expect(eq(int, take_with_word(&channel, 4, UINT32_MAX), STATUS_PROTOCOL));
    cr_expect(eq(int, take_with_word(&channel, 6, CHANNEL_TEXT_SIZE_MAX), STATUS_OK));
    cr_expect(eq(int, take_with_word(&channel, 6, CHANNEL_TEXT_SIZE_MAX + 1), STATUS_PROTOCOL));
    cr_expect(eq(int, take_with_word(&channel, 6, UINT32_MAX), STATUS_PROTOCOL));
    channel_destroy(&channel);
}

Test(channel, the_executor_tells_in_which_instance_it_was_written_over)
{
    struct channel channel = create(false);
    size_t size = 0;
    put(&channel, 4);
    succeed_next(&channel, &size);
    const uint64_t at = claim_next(&channel);
    cr_expect(channel_is_sound(&channel, at));
    channel.control->done = 3;
    cr_expect(not(channel_is_sound(&channel, at)));
    channel.control->done = at;
    channel.control->canary = 0;
    cr_expect(not(channel_is_sound(&channel, at)));
    channel_blame(&channel, 1);
    cr_expect(eq(u64, channel_blamed(&channel), 1));
    cr_expect(eq(int, take(&channel, 4, true).status, STATUS_PROTOCOL));
    channel_destroy(&channel);
}

Test(channel, successes_without_their_outputs_are_refused)
{
    struct channel channel = create(false);
    size_t size = 0;
    put(&channel, 1);
    succeed_next(&channel, &size);
    channel_finish(&channel, channel.control->batch, 0);
    cr_expect(eq(int, take(&channel, 1, false).status, STATUS_PROTOCOL));
    channel_destroy(&channel);
}

/* ---- Random writes ----------------------------------------------------------------------------
 */

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

#define SCRIBBLED_SIZE ((size_t)4096) /* of the start of an area */

static uint64_t random_word(const struct channel *channel, uint64_t *random)
{
    const uint64_t edges[] = {0,
                              1,
                              7,
                              UINT32_MAX,
                              UINT64_MAX,
                              INT64_MAX,
                              CHANNEL_INSTANCE_COUNT_MAX,
                              CHANNEL_INSTANCE_COUNT_MAX + 1,
                              CHANNEL_FAILURES_SIZE_MAX,
                              channel->outputs_size,
                              channel->frame_size,
                              channel->frame_size + 1};
    const uint64_t choice = next_random(random) % 24;
    return choice < 12 ? edges[choice] : next_random(random) >> (choice - 12) * 5;
}

static void scribble(struct channel *channel, uint64_t *random)
{
    uint8_t *areas[] = {(uint8_t *)channel->control, channel->failures, channel->outputs};
    const size_t sizes[] = {sizeof(*channel->control), SCRIBBLED_SIZE, SCRIBBLED_SIZE};
    const uint64_t word = random_word(channel, random);
    const uint64_t where = next_random(random) % 8;
    const size_t size = (size_t)1 << next_random(random) % 4;
    if (where < 3) {
        const size_t at = (size_t)next_random(random) % (sizes[where] - sizeof(word));
        memcpy(areas[where] + at, &word, size);
    } else if (where == 3) {
        channel->control->done = word;
    } else if (where == 4) {
        channel->control->frame_size = word;
    } else if (where == 5) {
        memset(channel->control->success_bits, (int)(word & 0xff),
               (size_t)(next_random(random) % sizeof(channel->control->success_bits)));
    } else if (where == 6) { /* a text near the end of the area, or past it */
        const uint32_t text_size = (uint32_t)(CHANNEL_FAILURES_SIZE_MAX - next_random(random) % 99);
        memcpy(channel->failures + 24, &text_size, sizeof(text_size));
    } else { /* bytes up to near the end of the area, or past it */
        const uint64_t left = channel->outputs_size - 5 + 8 - next_random(random) % 16;
        const uint8_t head[] = {0xc6, (uint8_t)(left >> 24), (uint8_t)(left >> 16),
                                (uint8_t)(left >> 8), (uint8_t)left};
        memcpy(channel->outputs, head, sizeof(head));
    }
}

struct fuzz {
    const struct channel *channel;
    uint64_t failure_count;
    bool is_wrong;
};

static bool is_within(const uint8_t *view, size_t size, const uint8_t *area, size_t area_size)
{
    return view >= area && view <= area + area_size && size <= area_size - (size_t)(view - area);
}

static void check_failure(void *context, const struct report_failure *failure)
{
    struct fuzz *fuzz = context;
    fuzz->failure_count++;
    fuzz->is_wrong = fuzz->is_wrong || failure->class > FAILURE_ABORTED ||
                     !is_within((const uint8_t *)failure->text, failure->text_size,
                                fuzz->channel->failures, CHANNEL_FAILURES_SIZE_MAX);
}

static bool result_is_sound(const struct channel *channel, const struct channel_result *result,
                            uint64_t count_max)
{
    return result->instance_count <= count_max && result->success_count <= result->instance_count &&
           is_within(result->success_bits, (size_t)(result->instance_count + 7) / 8,
                     channel->control->success_bits, sizeof(channel->control->success_bits)) &&
           is_within(result->outputs, result->outputs_size, channel->outputs,
                     channel->outputs_size) &&
           (result->frame == NULL ||
            is_within(result->frame, result->frame_size, channel->frame, channel->frame_size));
}

static enum status take_fuzzed(const struct channel *channel, uint64_t count_max, bool has_died,
                               uint64_t seed)
{
    struct fuzz fuzz = {.channel = channel};
    struct channel_result result;
    struct error err;
    const enum status status =
        channel_take_result(channel, count_max, has_died, check_failure, &fuzz, &result, &err);
    cr_assert(status == STATUS_OK || status == STATUS_PROTOCOL, "seed %llu: status %d",
              (unsigned long long)seed, (int)status);
    cr_assert(not(fuzz.is_wrong), "seed %llu: a failure outside", (unsigned long long)seed);
    if (status == STATUS_OK) {
        cr_assert(result_is_sound(channel, &result, count_max), "seed %llu: a view outside",
                  (unsigned long long)seed);
        cr_assert(eq(u64, fuzz.failure_count, result.instance_count - result.success_count),
                  "seed %llu", (unsigned long long)seed);
    }
    return status;
}

static void start_again(struct channel *channel, uint64_t count)
{
    memset(channel->control, 0, sizeof(*channel->control));
    channel->control->canary = CHANNEL_CANARY;
    memset(channel->failures, 0, SCRIBBLED_SIZE);
    memset(channel->outputs, 0, SCRIBBLED_SIZE);
    put(channel, count);
}

/* Where an executor could cut the file off, its rank would end by SIGBUS. */
Test(channel, nobody_can_change_its_size)
{
    struct channel channel = create(true);
    cr_expect(eq(int, ftruncate(channel.fd, 0), -1));
    cr_expect(eq(int, errno, EPERM));
    cr_expect(eq(int, ftruncate(channel.fd, (off_t)channel.size + 4096), -1));
    cr_expect(eq(int, fcntl(channel.fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1),
              "nor keep the next one from writing");
    put(&channel, 1);
    channel_destroy(&channel);
}

Test(channel, whatever_an_executor_writes_is_refused_or_makes_sense)
{
    struct channel channel = create(false);
    uint64_t sound_count = 0;
    /* The frame is not read, so that whoever reads past the outputs ends here. */
    cr_assert(eq(
        int, mprotect(channel.frame, channel.frame_size + CHANNEL_INPUTS_SIZE_MAX, PROT_NONE), 0));
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        uint64_t random = seed;
        size_t size = 0;
        const uint64_t count = 1 + next_random(&random) % CHANNEL_INSTANCE_COUNT_MAX;
        const uint64_t done = next_random(&random) % (count < 64 ? count : 64);
        start_again(&channel, count);
        for (uint64_t i = 0; i < done; i++) {
            if (next_random(&random) % 3 == 0) {
                fail_next(&channel, FAILURE_ERROR, "a text", 6);
            } else {
                succeed_next(&channel, &size);
            }
        }
        for (uint64_t i = 1 + next_random(&random) % 6; i > 0; i--) {
            scribble(&channel, &random);
        }
        const uint64_t limit = next_random(&random) % 2 == 0 ? count : done / 2;
        sound_count += take_fuzzed(&channel, limit, true, seed) == STATUS_OK;
        sound_count += take_fuzzed(&channel, count, false, seed) == STATUS_OK;
        (void)channel_blamed(&channel);
        (void)channel_claimed(&channel);
        const uint64_t now_us = next_random(&random);
        const uint64_t put_us = now_us - (now_us >> next_random(&random) % 64);
        const uint64_t began_us = channel_began_us(&channel, put_us, now_us);
        cr_assert(began_us >= put_us && began_us <= now_us, "seed %llu", (unsigned long long)seed);
        cr_assert(le(u64, channel_ran_us(&channel, put_us, now_us), now_us - put_us), "seed %llu",
                  (unsigned long long)seed);
        (void)channel_has_ended(&channel);
        (void)channel_trim(&channel);
    }
    cr_expect(gt(u64, sound_count, SEED_COUNT / 10));
    cr_expect(lt(u64, sound_count, 2 * SEED_COUNT * 9 / 10));
    channel_destroy(&channel);
}

/* ---- Reports of a metric ------------------------------------------------------------------------
 */

static bool put_report(struct channel *channel, uint64_t at, double value)
{
    const struct channel_report report = {.at = at, .step = 5, .value = value};
    return channel_put_report(channel, &report);
}

Test(channel, reports_are_taken_in_order_each_once)
{
    struct channel_report reports[4];
    struct channel channel = create(true);
    put(&channel, 3);
    cr_expect(put_report(&channel, 0, 1.5), "the rank is to be woken");
    cr_expect(put_report(&channel, 0, 2.5));
    cr_expect(put_report(&channel, 2, NAN));
    cr_assert(eq(sz, channel_take_reports(&channel, reports, 2), 2));
    cr_expect(eq(dbl, reports[0].value, 1.5));
    cr_expect(eq(dbl, reports[1].value, 2.5));
    cr_expect(eq(i64, reports[1].step, 5));
    cr_assert(eq(sz, channel_take_reports(&channel, reports, 4), 1));
    cr_expect(eq(u64, reports[0].at, 2));
    cr_expect(isnan(reports[0].value));
    cr_expect(eq(sz, channel_take_reports(&channel, reports, 4), 0));
    channel_destroy(&channel);
}

Test(channel, a_rank_that_watches_for_reports_is_not_woken)
{
    struct channel channel = create(true);
    put(&channel, 1);
    channel_watch_reports(&channel, true);
    cr_expect(not(put_report(&channel, 0, 1)));
    channel_watch_reports(&channel, false);
    cr_expect(put_report(&channel, 0, 1));
    put(&channel, 1);
    cr_expect(eq(sz, channel_take_reports(&channel, &(struct channel_report){0}, 1), 0),
              "those of a batch go with it");
    channel_destroy(&channel);
}

Test(channel, counts_of_reports_that_make_no_sense_give_none)
{
    struct channel_report report;
    struct channel channel = create(true);
    put(&channel, 1);
    atomic_store(&channel.control->reports_put, CHANNEL_REPORT_COUNT_MAX + 1);
    cr_expect(eq(sz, channel_take_reports(&channel, &report, 1), 0));
    atomic_store(&channel.control->reports_put, 0);
    atomic_store(&channel.control->reports_taken, 1);
    cr_expect(eq(sz, channel_take_reports(&channel, &report, 1), 0));
    channel_destroy(&channel);
}

/* The other process puts twice as many as there is room for, and dies in the middle of one more. */
Test(channel, who_reports_more_than_there_is_room_for_waits_and_loses_none)
{
    struct channel_report report;
    struct channel channel = create(true);
    const uint64_t count = 2 * CHANNEL_REPORT_COUNT_MAX;
    put(&channel, 1);
    const pid_t pid = fork();
    cr_assert(pid >= 0);
    for (uint64_t i = 0; pid == 0 && i < count; i++) {
        (void)put_report(&channel, 0, (double)i);
    }
    if (pid == 0) {
        channel.reports[count % CHANNEL_REPORT_COUNT_MAX].at = UINT64_MAX;
        _exit(0);
    }
    for (uint64_t taken = 0; taken < count;) {
        if (channel_take_reports(&channel, &report, 1) == 1) {
            cr_assert(eq(dbl, report.value, (double)taken));
            taken++;
        } else {
            (void)sched_yield();
        }
    }
    cr_assert(eq(int, waitpid(pid, NULL, 0), pid));
    cr_expect(eq(sz, channel_take_reports(&channel, &report, 1), 0));
    channel_destroy(&channel);
}

Test(channel, without_a_rank_beside_it_the_newest_report_is_kept)
{
    struct channel_report reports[2];
    struct channel channel = create(false);
    put(&channel, 1);
    for (size_t i = 0; i < CHANNEL_REPORT_COUNT_MAX + 5; i++) {
        (void)put_report(&channel, 0, (double)i);
    }
    for (size_t i = 1; i < CHANNEL_REPORT_COUNT_MAX; i++) {
        cr_assert(eq(sz, channel_take_reports(&channel, reports, 1), 1));
    }
    cr_assert(eq(sz, channel_take_reports(&channel, reports, 2), 1));
    cr_expect(eq(dbl, reports[0].value, (double)(CHANNEL_REPORT_COUNT_MAX + 4)));
    channel_destroy(&channel);
}

/* Those of an executor that died in the third: the last one ran to the end. */
Test(channel, how_long_each_attempt_took_is_known_of_few_attempts)
{
    struct channel channel = create(false);
    uint8_t times[ATTEMPT_TIMES_COUNT_MAX * ATTEMPT_TIME_SIZE_MAX];
    size_t output_size = 0;
    put(&channel, 4);
    for (uint64_t i = 0; i < 2; i++) {
        succeed_next(&channel, &output_size);
        channel_note_end(&channel, i);
        channel.control->ends_us[i] = 100 * (i + 1);
    }
    const size_t size = channel_take_times(&channel, 3, 1000, times);
    cr_assert(attempt_times_are_valid(times, size, 3, 1000));
    const uint8_t *at = times;
    cr_expect(eq(u64, attempt_times_next(&at), 100));
    cr_expect(eq(u64, attempt_times_next(&at), 100));
    cr_expect(eq(u64, attempt_times_next(&at), 800));
    cr_expect(eq(sz, channel_take_times(&channel, 1, 1000, times), 0), "elapsed tells it");
    cr_expect(eq(sz, channel_take_times(&channel, 3, 3 * ATTEMPT_TIMES_US_MIN - 1, times), 0));
    put(&channel, CHANNEL_TIMED_COUNT_MAX + 1);
    cr_expect(eq(sz, channel_take_times(&channel, 3, 1000, times), 0));
    channel_destroy(&channel);
}
