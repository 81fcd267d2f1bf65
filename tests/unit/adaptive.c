/* What rank 0 says to a sampler, and what it takes of it. */
#include "master/adaptive.h"

#include <math.h>

#include "space_support.h"

#define PARAMETERS                                                                                 \
    "{\"path\":[\"o\",\"lr\"],\"min\":0.0,\"max\":1},"                                             \
    "{\"path\":[\"n\"],\"min\":1,\"max\":9},"                                                      \
    "{\"path\":[\"m\"],\"values\":[0,5],\"when\":\"n > 3\"}"

struct fixture {
    struct space *space;
    struct adaptive *adaptive;
    struct buffer out;
};

static struct type *type;

static struct adaptive_options options_with(const struct space *space, uint64_t size,
                                            uint64_t repeats)
{
    cr_assert(eq(int, type_parse("any", &type, NULL), STATUS_OK));
    return (struct adaptive_options){.hello = {.space = space, .metric = "loss", .sampler = "tpe"},
                                     .size = size,
                                     .repeats = repeats,
                                     .type = type,
                                     .launch_dir = "/"};
}

static struct fixture fixture_create(uint64_t size, uint64_t repeats)
{
    struct fixture f = {.space = space_of(PARAMETERS, "\"n < 9\"")};
    struct error err = {.text = ""};
    const struct adaptive_options options = options_with(f.space, size, repeats);
    cr_assert(eq(int, adaptive_create(&options, &f.adaptive, &err), STATUS_OK), "%s", err.text);
    return f;
}

static void fixture_destroy(struct fixture *f)
{
    adaptive_destroy(f->adaptive);
    type_destroy(type);
    space_destroy(f->space);
    buffer_free(&f->out);
}

/* What was said since the last look. */
static void expect_said(struct fixture *f, const char *expected)
{
    cr_assert(eq(int, buffer_append_byte(&f->out, 0), STATUS_OK));
    cr_expect(zero(strcmp((char *)f->out.data, expected)), "found:    %s\nexpected: %s",
              (char *)f->out.data, expected);
    buffer_clear(&f->out);
}

static void hear(struct fixture *f, const char *line)
{
    struct error err = {.text = ""};
    const enum status status = adaptive_take(f->adaptive, line, strlen(line), &f->out, &err);
    cr_assert(eq(int, status, STATUS_OK), "%s", err.text);
}

static void expect_refusal(struct fixture *f, const char *line, const char *refusal)
{
    struct error err = {.text = ""};
    const enum status status = adaptive_take(f->adaptive, line, strlen(line), &f->out, &err);
    cr_expect(ne(int, status, STATUS_OK));
    cr_expect(strstr(err.text, refusal) != NULL, "found:    %s\nexpected: %s", err.text, refusal);
}

static void ask(struct fixture *f, uint64_t room)
{
    cr_assert(eq(int, adaptive_ask(f->adaptive, room, &f->out), STATUS_OK));
}

static void end(struct fixture *f, uint64_t index, enum sampler_state state, double value)
{
    cr_assert(eq(int, adaptive_note_end(f->adaptive, index, state, value, &f->out), STATUS_OK));
}

static void get_ready(struct fixture *f)
{
    struct error err = {.text = ""};
    cr_assert(eq(int, adaptive_greet(f->adaptive, &f->out, &err), STATUS_OK));
    buffer_clear(&f->out);
    hear(f, "{\"ready\":true}");
    cr_assert(adaptive_is_ready(f->adaptive));
}

/* The records that were accepted, as JSON. */
static void expect_fresh(struct fixture *f, const char *const *expected, uint64_t count)
{
    const uint8_t *packed = NULL;
    size_t size = 0;
    size_t at = 0;
    struct arena arena = {0};
    cr_assert(eq(u64, adaptive_fresh(f->adaptive, &packed, &size), count));
    for (uint64_t i = 0; i < count; i++) {
        mf_value record;
        size_t used = 0;
        cr_assert(
            eq(int, value_decode(&arena, packed + at, size - at, &used, &record, NULL), STATUS_OK));
        expect_json(&record, expected[i]);
        at += used;
    }
    cr_expect(eq(sz, at, size));
    adaptive_clear_fresh(f->adaptive);
    arena_free(&arena);
}

#define TRIAL(id, n) "{\"id\":" #id ",\"parameters\":{\"o.lr\":0.5,\"n\":" #n ",\"m\":5}}"

Test(adaptive, it_asks_for_what_room_there_is_and_is_not_under_way)
{
    struct fixture f = fixture_create(10, 1);
    ask(&f, 3);
    cr_expect(eq(sz, f.out.size, 0), "not before it is ready");
    get_ready(&f);
    ask(&f, 3);
    expect_said(&f, "{\"ask\":1}\n{\"ask\":1}\n{\"ask\":1}\n");
    ask(&f, 3);
    expect_said(&f, "");
    hear(&f, TRIAL(0, 1));
    ask(&f, 2);
    expect_said(&f, "");
    ask(&f, 4);
    expect_said(&f, "{\"ask\":1}\n{\"ask\":1}\n");
    fixture_destroy(&f);
}

Test(adaptive, one_that_was_silent_is_asked_again_once_until_it_gives_a_trial)
{
    struct fixture f = fixture_create(3, 1);
    get_ready(&f);
    ask(&f, 2);
    buffer_clear(&f.out);
    cr_assert(eq(int, adaptive_ask_again(f.adaptive, &f.out), STATUS_OK));
    cr_assert(eq(int, adaptive_ask_again(f.adaptive, &f.out), STATUS_OK));
    expect_said(&f, "{\"ask\":1}\n");
    hear(&f, TRIAL(0, 1));
    cr_assert(eq(int, adaptive_ask_again(f.adaptive, &f.out), STATUS_OK));
    expect_said(&f, "{\"ask\":1}\n");
    hear(&f, TRIAL(1, 1));
    hear(&f, TRIAL(2, 1));
    cr_assert(adaptive_is_done(f.adaptive));
    hear(&f, TRIAL(3, 1)); /* it was asked for four, and there may be three */
    cr_expect(eq(u64, adaptive_count(f.adaptive), 3));
    expect_refusal(&f, TRIAL(4, 1), "was not asked for one");
    fixture_destroy(&f);
}

Test(adaptive, it_asks_for_no_more_trials_than_there_may_be)
{
    struct fixture f = fixture_create(2, 1);
    get_ready(&f);
    ask(&f, 50);
    expect_said(&f, "{\"ask\":1}\n{\"ask\":1}\n");
    hear(&f, TRIAL(0, 1));
    hear(&f, TRIAL(1, 1));
    cr_expect(adaptive_is_done(f.adaptive));
    ask(&f, 50);
    expect_said(&f, "");
    expect_refusal(&f, TRIAL(2, 1), "gave trial 2, and was not asked");
    fixture_destroy(&f);
}

Test(adaptive, a_trial_is_a_record_without_what_its_conditions_leave_out)
{
    struct fixture f = fixture_create(10, 1);
    get_ready(&f);
    ask(&f, 5);
    hear(&f, TRIAL(0, 1));
    hear(&f, TRIAL(7, 8.0));
    expect_fresh(
        &f,
        (const char *[]){"{\"o\":{\"lr\":0.5},\"n\":1}", "{\"o\":{\"lr\":0.5},\"n\":8,\"m\":5}"},
        2);
    expect_fresh(&f, NULL, 0);
    fixture_destroy(&f);
}

Test(adaptive, a_trial_that_breaks_a_constraint_is_rejected_and_asked_for_anew)
{
    struct fixture f = fixture_create(10, 1);
    get_ready(&f);
    ask(&f, 1);
    buffer_clear(&f.out);
    hear(&f, TRIAL(0, 9));
    expect_said(&f, "{\"tell\":0,\"value\":null,\"state\":\"rejected\"}\n");
    expect_fresh(&f, NULL, 0);
    ask(&f, 1);
    expect_said(&f, "{\"ask\":1}\n");
    expect_refusal(&f, TRIAL(0, 1), "gave trial 0 twice");
    hear(&f, TRIAL(1, 1));
    expect_fresh(&f, (const char *[]){"{\"o\":{\"lr\":0.5},\"n\":1}"}, 1);
    fixture_destroy(&f);
}

Test(adaptive, after_10000_in_a_row_that_break_constraints_it_gives_up)
{
    struct fixture f = fixture_create(10, 1);
    struct error err = {.text = ""};
    char line[100];
    get_ready(&f);
    enum status status = STATUS_OK;
    int given = 0;
    while (status == STATUS_OK && given < 20000) {
        buffer_clear(&f.out);
        ask(&f, 1);
        (void)snprintf(line, sizeof(line),
                       "{\"id\":%d,\"parameters\":{\"o.lr\":0.5,\"n\":9,\"m\":5}}", given++);
        status = adaptive_take(f.adaptive, line, strlen(line), &f.out, &err);
    }
    cr_expect(eq(int, status, STATUS_LIMIT));
    cr_expect(eq(int, given, 10001));
    cr_expect(strstr(err.text, "10000 trials in a row") != NULL, "%s", err.text);
    fixture_destroy(&f);
}

Test(adaptive, the_sampler_hears_of_reports_and_ends_under_its_own_ids)
{
    struct fixture f = fixture_create(10, 1);
    get_ready(&f);
    ask(&f, 2);
    hear(&f, TRIAL(40, 1));
    hear(&f, TRIAL(30, 1));
    buffer_clear(&f.out);
    cr_assert(eq(int, adaptive_note_report(f.adaptive, 1, 7, 0.25, &f.out), STATUS_OK));
    end(&f, 1, SAMPLER_STOPPED_EARLY, 0.25);
    end(&f, 0, SAMPLER_SUCCEEDED, NAN);
    expect_said(&f, "{\"report\":30,\"step\":7,\"value\":0.25}\n"
                    "{\"tell\":30,\"value\":0.25,\"state\":\"stopped-early\"}\n"
                    "{\"tell\":40,\"value\":null,\"state\":\"succeeded\"}\n");
    fixture_destroy(&f);
}

static void expect_imputed(enum metric_impute impute, bool is_maximised, const char *value)
{
    struct fixture f = {.space = space_of(PARAMETERS, "")};
    struct error err = {.text = ""};
    char expected[80];
    struct adaptive_options options = options_with(f.space, 10, 1);
    options.impute = impute;
    options.hello.is_maximised = is_maximised;
    cr_assert(eq(int, adaptive_create(&options, &f.adaptive, &err), STATUS_OK));
    get_ready(&f);
    ask(&f, 5);
    hear(&f, TRIAL(0, 1));
    hear(&f, TRIAL(1, 1));
    hear(&f, TRIAL(2, 1));
    hear(&f, TRIAL(3, 1));
    hear(&f, TRIAL(4, 1));
    buffer_clear(&f.out);
    end(&f, 4, SAMPLER_FAILED, NAN);
    expect_said(&f, "{\"tell\":4,\"value\":null,\"state\":\"failed\"}\n");
    end(&f, 0, SAMPLER_SUCCEEDED, 1);
    end(&f, 1, SAMPLER_SUCCEEDED, 3);
    end(&f, 2, SAMPLER_SUCCEEDED, 2);
    buffer_clear(&f.out);
    end(&f, 3, SAMPLER_FAILED, NAN);
    (void)snprintf(expected, sizeof(expected), "{\"tell\":3,\"value\":%s,\"state\":\"failed\"}\n",
                   value);
    expect_said(&f, expected);
    fixture_destroy(&f);
}

Test(adaptive, a_failed_trial_counts_as_the_worst_the_best_or_the_latest_success)
{
    expect_imputed(METRIC_IMPUTE_WORST, false, "3.0");
    expect_imputed(METRIC_IMPUTE_WORST, true, "1.0");
    expect_imputed(METRIC_IMPUTE_BEST, false, "1.0");
    expect_imputed(METRIC_IMPUTE_BEST, true, "3.0");
    expect_imputed(METRIC_IMPUTE_LATEST, false, "2.0");
}

Test(adaptive, a_trial_of_several_repeats_is_so_many_instances)
{
    struct fixture f = fixture_create(10, 3);
    get_ready(&f);
    ask(&f, 4);
    expect_said(&f, "{\"ask\":1}\n{\"ask\":1}\n");
    hear(&f, TRIAL(0, 1));
    hear(&f, TRIAL(1, 2));
    static const char first[] = "{\"o\":{\"lr\":0.5},\"n\":1}";
    static const char second[] = "{\"o\":{\"lr\":0.5},\"n\":2}";
    expect_fresh(&f, (const char *[]){first, first, first, second, second, second}, 6);
    buffer_clear(&f.out);
    end(&f, 1, SAMPLER_SUCCEEDED, 1);
    expect_said(&f, "{\"tell\":1,\"value\":1.0,\"state\":\"succeeded\"}\n");
    fixture_destroy(&f);
}

Test(adaptive, done_ends_it_and_what_was_under_way_is_passed_over)
{
    struct fixture f = fixture_create(10, 1);
    get_ready(&f);
    ask(&f, 3);
    hear(&f, TRIAL(0, 1));
    hear(&f, "{\"done\":true}");
    cr_expect(adaptive_is_done(f.adaptive));
    cr_expect(eq(u64, adaptive_count(f.adaptive), 1));
    hear(&f, TRIAL(1, 1));
    cr_expect(eq(u64, adaptive_count(f.adaptive), 1));
    fixture_destroy(&f);
}

Test(adaptive, what_makes_no_sense_is_refused_with_what_was_said)
{
    struct fixture f = fixture_create(10, 1);
    struct error err = {.text = ""};
    cr_assert(eq(int, adaptive_greet(f.adaptive, &f.out, &err), STATUS_OK));
    expect_refusal(&f, TRIAL(0, 1), "has not said that it is ready");
    expect_refusal(&f, "{\"error\":\"no such thing\"}", "the sampler says: no such thing");
    hear(&f, "{\"ready\":true}");
    expect_refusal(&f, TRIAL(0, 1), "gave trial 0, and was not asked for one");
    ask(&f, 3);
    expect_refusal(&f, "Traceback", "the sampler said Traceback");
    expect_refusal(&f, TRIAL(0, 10), "trial 0: the sampler gave n");
    expect_refusal(&f, "{\"id\":0,\"parameters\":{\"n\":1}}", "trial 0: the sampler left o.lr out");
    expect_refusal(&f, "{\"error\":\"burnt\"}", "the sampler says: burnt");
    fixture_destroy(&f);
}

Test(adaptive, a_new_session_tells_what_has_been_and_goes_on_with_what_has_not_ended)
{
    struct fixture f = fixture_create(10, 1);
    struct arena arena = {0};
    struct buffer packed = {0};
    struct error err = {.text = ""};
    for (int i = 0; i < 3; i++) {
        const mf_value record = json_value(&arena, "{\"o\":{\"lr\":0.5},\"n\":1}");
        cr_assert(eq(int, value_encode(&record, &packed), STATUS_OK));
    }
    cr_assert(eq(int, adaptive_recall(f.adaptive, packed.data, packed.size, 3, &err), STATUS_OK));
    end(&f, 2, SAMPLER_FAILED, NAN);
    end(&f, 0, SAMPLER_SUCCEEDED, 4);
    cr_assert(eq(int, adaptive_greet(f.adaptive, &f.out, &err), STATUS_OK));
    cr_assert(eq(int, buffer_append_byte(&f.out, 0), STATUS_OK));
    const char *history = strchr((char *)f.out.data, '\n');
    static const char expected[] =
        "\n{\"history\":[{\"id\":0,\"parameters\":{\"o.lr\":0.5,\"n\":1},\"value\":4.0,"
        "\"state\":\"succeeded\"},{\"id\":1,\"parameters\":{\"o.lr\":0.5,\"n\":1},"
        "\"value\":null,\"state\":\"running\"},{\"id\":2,\"parameters\":{\"o.lr\":0.5,\"n\":1},"
        "\"value\":4.0,\"state\":\"failed\"}]}\n";
    cr_expect(zero(strcmp(history, expected)), "%s", history);
    buffer_clear(&f.out);

    hear(&f, "{\"ready\":true}");
    ask(&f, 1);
    buffer_clear(&f.out);
    end(&f, 1, SAMPLER_SUCCEEDED, 5);
    expect_said(&f, "{\"tell\":1,\"value\":5.0,\"state\":\"succeeded\"}\n");
    expect_refusal(&f, TRIAL(2, 1), "gave trial 2 twice");
    hear(&f, TRIAL(3, 1));
    cr_expect(eq(u64, adaptive_count(f.adaptive), 4));
    buffer_free(&packed);
    arena_free(&arena);
    fixture_destroy(&f);
}

Test(adaptive, instances_that_are_no_whole_trials_are_refused)
{
    struct fixture f = fixture_create(10, 2);
    struct error err = {.text = ""};
    cr_expect(eq(int, adaptive_recall(f.adaptive, (const uint8_t *)"\1\1\1", 3, 3, &err),
                 STATUS_INVALID));
    fixture_destroy(&f);
}
