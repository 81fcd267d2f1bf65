#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "worker/channel.h"

#define OUTPUT_SIZE_MAX 4096u
#define SEED_COUNT 20000u
#define KEPT_MAX 64

TestSuite(channel_kept, .timeout = 50);

static struct channel create(uint64_t count)
{
    struct channel channel;
    struct error err = {""};
    const struct span span = {.start = 100, .count = count};
    cr_assert(eq(int, channel_create(&channel, OUTPUT_SIZE_MAX, false, &err), STATUS_OK), "%s",
              err.text);
    channel_put_batch(&channel, &span, 1, count, NULL, 0);
    return channel;
}

static void keep(struct channel *channel, uint64_t at, const char *out, const char *err)
{
    const size_t sizes[] = {strlen(out), strlen(err)};
    const uint64_t left_out[] = {at, 0};
    uint8_t *room = channel_room_to_keep(channel);
    cr_assert(room != NULL);
    memcpy(room, out, sizes[0]);
    memcpy(room + sizes[0], err, sizes[1]);
    channel_keep(channel, at, sizes, left_out);
}

struct taken {
    const struct channel *channel;
    struct channel_kept kept[KEPT_MAX];
    size_t count;
    bool is_outside;
};

static void take_one(void *context, const struct channel_kept *kept)
{
    struct taken *taken = context;
    const size_t size = kept->sizes[STDIO_OUT] + kept->sizes[STDIO_ERR];
    if (taken->count < KEPT_MAX) {
        taken->kept[taken->count] = *kept;
    }
    taken->count++;
    taken->is_outside = taken->is_outside || kept->text < taken->channel->kept ||
                        kept->text > taken->channel->inputs ||
                        size > (size_t)(taken->channel->inputs - kept->text);
}

static enum status take(const struct channel *channel, uint64_t count, struct taken *taken)
{
    *taken = (struct taken){.channel = channel};
    return channel_take_kept(channel, count, take_one, taken);
}

static void expect_kept(const struct channel_kept *kept, uint64_t at, const char *text,
                        size_t out_size)
{
    cr_expect(eq(u64, kept->at, at));
    cr_expect(eq(sz, kept->sizes[STDIO_OUT], out_size));
    cr_expect(eq(sz, kept->sizes[STDIO_ERR], strlen(text) - out_size));
    cr_expect(memcmp(kept->text, text, strlen(text)) == 0);
    cr_expect(eq(u64, kept->left_out[STDIO_OUT], at));
    cr_expect(eq(u64, kept->left_out[STDIO_ERR], 0));
}

/* ---- What is kept --------------------------------------------------------------------------- */

Test(channel_kept, what_is_kept_comes_back_in_order)
{
    struct channel channel = create(20);
    struct taken taken;
    keep(&channel, 0, "out", "error");
    keep(&channel, 7, "", "e");
    keep(&channel, 19, "12345678", "");
    cr_assert(eq(int, take(&channel, 20, &taken), STATUS_OK));
    cr_assert(eq(sz, taken.count, 3));
    expect_kept(&taken.kept[0], 0, "outerror", 3);
    expect_kept(&taken.kept[1], 7, "e", 0);
    expect_kept(&taken.kept[2], 19, "12345678", 8);
    channel_destroy(&channel);
}

Test(channel_kept, only_of_instances_that_have_a_result)
{
    struct channel channel = create(20);
    struct taken taken;
    keep(&channel, 3, "three", "");
    keep(&channel, 4, "four", "");
    cr_assert(eq(int, take(&channel, 4, &taken), STATUS_OK));
    cr_expect(eq(sz, taken.count, 1));
    cr_assert(eq(int, take(&channel, 3, &taken), STATUS_OK));
    cr_expect(eq(sz, taken.count, 0));
    channel_destroy(&channel);
}

Test(channel_kept, the_next_batch_starts_with_nothing)
{
    struct channel channel = create(20);
    const struct span span = {.start = 100, .count = 20};
    struct taken taken;
    keep(&channel, 3, "three", "");
    channel_put_batch(&channel, &span, 1, 20, NULL, 0);
    cr_assert(eq(int, take(&channel, 20, &taken), STATUS_OK));
    cr_expect(eq(sz, taken.count, 0));
    channel_destroy(&channel);
}

Test(channel_kept, there_is_room_until_much_is_kept)
{
    struct channel channel = create(CHANNEL_INSTANCE_COUNT_MAX);
    const size_t sizes[] = {CAPTURE_SIZE_MAX, CAPTURE_SIZE_MAX};
    const uint64_t left_out[] = {0, 0};
    uint64_t count = 0;
    struct taken taken;
    for (uint8_t *room; (room = channel_room_to_keep(&channel)) != NULL; count++) {
        cr_assert(not(channel_keeps_much(&channel)));
        memset(room, 'x', 2 * CAPTURE_SIZE_MAX); /* the area ends behind it */
        channel_keep(&channel, count, sizes, left_out);
    }
    cr_expect(channel_keeps_much(&channel));
    cr_expect(gt(u64, count * 2 * CAPTURE_SIZE_MAX, CHANNEL_KEPT_SIZE_GOAL));
    cr_assert(eq(int, take(&channel, count, &taken), STATUS_OK));
    cr_expect(eq(u64, taken.count, count));
    cr_expect(not(taken.is_outside));
    channel_destroy(&channel);
}

/* ---- What makes no sense ---------------------------------------------------------------------
 */

/* One instance's, with a word of its head written over. */
static enum status take_with(size_t word, uint64_t value, size_t size)
{
    struct channel channel = create(20);
    struct taken taken;
    keep(&channel, 3, "out", "err");
    keep(&channel, 5, "out", "err");
    memcpy(channel.kept + word * sizeof(uint32_t), &value, size);
    const enum status status = take(&channel, 20, &taken);
    channel_destroy(&channel);
    return status;
}

/* The head: number (two words), left out (four), sizes (one each). */
Test(channel_kept, heads_that_none_can_have_are_refused)
{
    const size_t out = 6;
    cr_expect(eq(int, take_with(0, 4, 8), STATUS_OK));
    cr_expect(eq(int, take_with(0, 5, 8), STATUS_PROTOCOL), "twice the same");
    cr_expect(eq(int, take_with(0, 6, 8), STATUS_PROTOCOL), "not in order");
    cr_expect(eq(int, take_with(0, UINT64_MAX, 8), STATUS_OK), "not begun: the rest is not read");
    cr_expect(eq(int, take_with(out, CAPTURE_SIZE_MAX, 4), STATUS_PROTOCOL), "not all there");
    cr_expect(eq(int, take_with(out, CAPTURE_SIZE_MAX + 1, 4), STATUS_PROTOCOL));
    cr_expect(eq(int, take_with(out, UINT32_MAX, 4), STATUS_PROTOCOL));
    cr_expect(eq(int, take_with(out + 1, UINT32_MAX, 4), STATUS_PROTOCOL));
    cr_expect(eq(int, take_with(out, UINT64_MAX, 8), STATUS_PROTOCOL));
}

Test(channel_kept, a_use_past_the_area_is_refused)
{
    struct channel channel = create(20);
    struct taken taken;
    const uint64_t edges[] = {1,
                              31,
                              UINT32_MAX,
                              UINT64_MAX,
                              UINT64_MAX - 7,
                              (uint64_t)(channel.inputs - channel.kept) + 1};
    for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
        channel.control->kept_used = edges[i];
        cr_expect(eq(int, take(&channel, 20, &taken), STATUS_PROTOCOL), "%zu", i);
        cr_expect(edges[i] < 4096 || channel_room_to_keep(&channel) == NULL);
    }
    channel_destroy(&channel);
}

Test(channel_kept, whatever_an_executor_writes_is_refused_or_makes_sense)
{
    size_t sound_count = 0;
    struct channel channel = create(CHANNEL_INSTANCE_COUNT_MAX);
    for (unsigned seed = 0; seed < SEED_COUNT; seed++) {
        unsigned state = seed;
        struct taken taken;
        channel.control->kept_used = 0;
        for (uint64_t i = 0; i < 8; i++) {
            keep(&channel, i * 3, "some text", i % 2 == 0 ? "" : "more");
        }
        for (int i = rand_r(&state) % 4; i >= 0; i--) {
            const uint32_t word = (uint32_t)rand_r(&state) >> rand_r(&state) % 31;
            const size_t at = (size_t)rand_r(&state) % (size_t)channel.control->kept_used;
            memcpy(channel.kept + at, &word, (size_t)1 + (size_t)rand_r(&state) % 4);
        }
        if (rand_r(&state) % 4 == 0) {
            channel.control->kept_used = (uint64_t)rand_r(&state) >> rand_r(&state) % 31;
        }
        const enum status status = take(&channel, 24, &taken);
        cr_assert(status == STATUS_OK || status == STATUS_PROTOCOL, "seed %u", seed);
        cr_assert(not(taken.is_outside), "seed %u: text outside", seed);
        cr_assert(le(sz, taken.count, 24), "seed %u", seed);
        sound_count += status == STATUS_OK;
    }
    cr_expect(gt(sz, sound_count, SEED_COUNT / 10));
    cr_expect(lt(sz, sound_count, SEED_COUNT * 9 / 10));
    channel_destroy(&channel);
}
