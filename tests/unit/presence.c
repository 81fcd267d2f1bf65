#include "master/presence.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#define S UINT64_C(1000000)
#define SILENCE (10 * S)
#define RANKS 4

static const char an_end[] = "it has ended";

/* All of four ranks are expected at second 100, and the loop looks every second. */
struct fixture {
    struct presence *presence;
    uint64_t now_us;
    struct presence_loss loss;
};

static struct fixture fixture_of(uint64_t silence_us_max)
{
    struct fixture f = {.now_us = 100 * S};
    cr_assert(eq(int, presence_create(RANKS, silence_us_max, &f.presence), STATUS_OK));
    for (uint32_t rank = 1; rank < RANKS; rank++) {
        presence_expect(f.presence, rank, f.now_us);
    }
    cr_assert(not(presence_next_loss(f.presence, f.now_us, &f.loss)));
    return f;
}

/* A second passes, in which those of `heard` were heard of (bits). Is somebody lost? */
static bool pass(struct fixture *f, unsigned heard)
{
    f->now_us += S;
    for (uint32_t rank = 0; rank < RANKS; rank++) {
        if ((heard >> rank & 1) != 0) {
            presence_heard(f->presence, rank, f->now_us);
        }
    }
    return presence_next_loss(f->presence, f->now_us, &f->loss);
}

/* Rank 2 is silent until it is lost. */
static struct fixture without_rank_2(void)
{
    struct fixture f = fixture_of(SILENCE);
    int seconds = 1;
    while (!pass(&f, 0xb)) {
        seconds++;
        cr_assert(lt(int, seconds, 20));
    }
    cr_expect(ge(int, seconds, 10));
    cr_expect(le(int, seconds, 12));
    return f;
}

Test(presence, who_is_silent_for_so_long_is_lost_and_nobody_else)
{
    struct fixture f = without_rank_2();
    cr_expect(eq(u32, f.loss.rank, 2));
    cr_expect(f.loss.end == NULL);
    cr_expect(not(f.loss.was_lost));
    cr_expect(ge(u64, f.loss.silent_us, SILENCE));
    cr_expect(eq(int, presence_state(f.presence, 2), PRESENCE_SILENT));
    cr_expect(not(presence_hears(f.presence, 2)));
    cr_expect(not(presence_is_complete(f.presence)));
    for (int i = 0; i < 30; i++) {
        cr_expect(not(pass(&f, 0xb)));
    }
    presence_destroy(f.presence);
}

Test(presence, rank_0_and_who_is_not_expected_are_never_silent)
{
    struct fixture f = fixture_of(SILENCE);
    for (int i = 0; i < 30; i++) {
        cr_expect(not(pass(&f, 0xe)));
    }
    cr_expect(presence_is_complete(f.presence));
    presence_destroy(f.presence);
}

Test(presence, where_silence_tells_nothing_nobody_is_lost_by_it)
{
    struct fixture f = fixture_of(0);
    for (int i = 0; i < 1000; i++) {
        cr_expect(not(pass(&f, 0)));
    }
    cr_expect(eq(u64, presence_deadline_us(f.presence), UINT64_MAX));
    presence_destroy(f.presence);
}

Test(presence, silence_counts_only_while_somebody_looks)
{
    struct fixture f = fixture_of(SILENCE);
    for (int i = 0; i < 9; i++) {
        cr_expect(not(pass(&f, 0)));
    }
    f.now_us += 3600 * S; /* the observer was stopped */
    for (int i = 0; i < 9; i++) {
        cr_expect(not(pass(&f, 0)));
    }
    int lost = 0;
    for (int i = 0; i < 5; i++) {
        lost += pass(&f, 0) ? 1 : 0;
    }
    cr_expect(eq(int, lost, 3));
    presence_destroy(f.presence);
}

Test(presence, one_that_comes_back_begins_a_new_life)
{
    struct fixture f = without_rank_2();
    cr_expect(not(presence_is_ready(f.presence, 2, 0)));
    cr_expect(eq(u64, presence_return(f.presence, 2, f.now_us), 1));
    cr_expect(eq(int, presence_state(f.presence, 2), PRESENCE_RETURNING));
    cr_expect(presence_hears(f.presence, 2));
    cr_expect(not(presence_is_ready(f.presence, 2, 0)), "it speaks of its former life");
    cr_expect(presence_is_ready(f.presence, 2, 1));
    cr_expect(eq(int, presence_state(f.presence, 2), PRESENCE_HERE));
    cr_expect(presence_is_complete(f.presence));
    presence_destroy(f.presence);
}

Test(presence, one_that_falls_silent_again_before_it_is_ready_needs_another_life)
{
    struct fixture f = without_rank_2();
    cr_expect(eq(u64, presence_return(f.presence, 2, f.now_us), 1));
    bool is_lost = false;
    for (int i = 0; i < 15 && !is_lost; i++) {
        is_lost = pass(&f, 0xb);
    }
    cr_assert(is_lost);
    cr_expect(f.loss.was_lost, "it holds nothing");
    cr_expect(eq(u64, presence_return(f.presence, 2, f.now_us), 2));
    cr_expect(not(presence_is_ready(f.presence, 2, 1)));
    cr_expect(presence_is_ready(f.presence, 2, 2));
    presence_destroy(f.presence);
}

Test(presence, one_whose_process_has_ended_is_lost_once_its_last_words_have_come)
{
    struct fixture f = fixture_of(SILENCE);
    presence_ended(f.presence, 3, an_end, f.now_us);
    cr_expect(eq(u64, presence_deadline_us(f.presence), f.now_us + PRESENCE_LAST_WORDS_US));
    cr_expect(not(presence_next_loss(f.presence, f.now_us + PRESENCE_LAST_WORDS_US - 1, &f.loss)));
    cr_assert(presence_next_loss(f.presence, f.now_us + PRESENCE_LAST_WORDS_US, &f.loss));
    cr_expect(eq(u32, f.loss.rank, 3));
    cr_expect(f.loss.end == an_end);
    cr_expect(not(f.loss.was_lost));
    cr_expect(eq(int, presence_state(f.presence, 3), PRESENCE_GONE));
    for (int i = 0; i < 30; i++) {
        cr_expect(not(pass(&f, 0x6)));
    }
    presence_destroy(f.presence);
}

Test(presence, its_end_tells_where_silence_does_not)
{
    struct fixture f = fixture_of(0);
    presence_ended(f.presence, 1, an_end, f.now_us);
    cr_expect(pass(&f, 0));
    cr_expect(eq(u32, f.loss.rank, 1));
    presence_destroy(f.presence);
}

Test(presence, of_two_ends_the_first_counts)
{
    struct fixture f = fixture_of(0);
    presence_ended(f.presence, 1, an_end, f.now_us);
    presence_ended(f.presence, 1, "again", f.now_us + PRESENCE_LAST_WORDS_US);
    cr_assert(presence_next_loss(f.presence, f.now_us + PRESENCE_LAST_WORDS_US, &f.loss));
    cr_expect(f.loss.end == an_end);
    cr_expect(not(presence_next_loss(f.presence, f.now_us + 3 * PRESENCE_LAST_WORDS_US, &f.loss)));
    presence_destroy(f.presence);
}

Test(presence, one_that_was_silent_and_has_ended_is_told_of_and_held_nothing_any_more)
{
    struct fixture f = without_rank_2();
    presence_ended(f.presence, 2, an_end, f.now_us);
    cr_assert(pass(&f, 0xb));
    cr_expect(f.loss.end == an_end);
    cr_expect(f.loss.was_lost);
    presence_destroy(f.presence);
}

Test(presence, one_that_leaves_is_not_silent_but_its_end_is_told)
{
    struct fixture f = fixture_of(SILENCE);
    presence_left(f.presence, 1);
    cr_expect(presence_is_complete(f.presence));
    for (int i = 0; i < 30; i++) {
        cr_expect(not(pass(&f, 0xc)));
    }
    presence_ended(f.presence, 1, an_end, f.now_us);
    cr_assert(pass(&f, 0xc));
    cr_expect(f.loss.was_lost);
    cr_expect(not(presence_is_complete(f.presence)));
    presence_destroy(f.presence);
}

Test(presence, what_a_rank_was_in_is_what_its_last_beat_said)
{
    struct fixture f = fixture_of(SILENCE);
    const struct wire_running running[] = {{.index = 3}, {.index = 7}};
    const struct wire_running later[] = {{.index = 9}};
    const struct wire_beat first = {.running = running, .running_count = 2};
    size_t count = 1;
    (void)presence_running(f.presence, 1, 0, &count);
    cr_expect(eq(sz, count, 0));
    presence_note_running(f.presence, 1, &(struct wire_beats){.beats = &first, .count = 1});
    cr_expect(eq(u64, presence_running(f.presence, 1, 0, &count)[1], 7));
    cr_expect(eq(sz, count, 2));
    const struct wire_beat second[] = {{.map = 0, .running = later, .running_count = 1},
                                       {.map = 4, .running = running, .running_count = 2}};
    presence_note_running(f.presence, 1, &(struct wire_beats){.beats = second, .count = 2});
    cr_expect(eq(u64, presence_running(f.presence, 1, 0, &count)[0], 9));
    cr_expect(eq(sz, count, 1));
    cr_expect(eq(u64, presence_running(f.presence, 1, 4, &count)[1], 7));
    cr_expect(eq(sz, count, 2));
    (void)presence_running(f.presence, 1, 3, &count);
    cr_expect(eq(sz, count, 0), "of each map for itself");
    presence_destroy(f.presence);
}

Test(presence, an_attempt_that_has_ended_since_its_last_beat_is_none_that_it_is_in)
{
    struct fixture f = fixture_of(SILENCE);
    const struct wire_running running[] = {{.index = 3}, {.index = 7}, {.index = 9}};
    const struct wire_beat beats[] = {{.map = 0, .running = running, .running_count = 3},
                                      {.map = 1, .running = running, .running_count = 1}};
    size_t count = 0;
    presence_note_running(f.presence, 1, &(struct wire_beats){.beats = beats, .count = 2});
    presence_note_ended(f.presence, 2, 0, 3);
    presence_note_ended(f.presence, 1, 0, 4);
    presence_note_ended(f.presence, 1, 0, 7);
    const uint64_t *left = presence_running(f.presence, 1, 0, &count);
    cr_assert(eq(sz, count, 2));
    cr_expect(eq(u64, left[0], 3));
    cr_expect(eq(u64, left[1], 9));
    (void)presence_running(f.presence, 1, 1, &count);
    cr_expect(eq(sz, count, 1));
    presence_destroy(f.presence);
}

Test(presence, a_rank_is_named_with_its_host_where_that_is_known)
{
    struct fixture f = fixture_of(SILENCE);
    cr_expect(eq(str, (char *)(uintptr_t)presence_name(f.presence, 2), "rank 2"));
    presence_note_host(f.presence, 2, "node-7");
    cr_expect(eq(str, (char *)(uintptr_t)presence_name(f.presence, 2), "rank 2 on node-7"));
    presence_destroy(f.presence);
    presence_destroy(NULL);
}
