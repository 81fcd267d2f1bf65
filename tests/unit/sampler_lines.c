#include "master/sampler_lines.h"

#include <math.h>

#include "space_support.h"

#define PARAMETERS                                                                                 \
    "{\"path\":[\"optimizer\",\"lr\"],\"min\":0.0,\"max\":1,\"when\":\"true\"},"                   \
    "{\"path\":[\"n\"],\"min\":1,\"max\":9},{\"path\":[\"kind\"],\"values\":[1,\"b\",0.5]},"       \
    "{\"path\":[\"units\"],\"distribution\":\"q_uniform\",\"min\":8,\"max\":64,\"q\":8}"

static void expect_lines(struct buffer *lines, const char *expected)
{
    cr_assert(eq(int, buffer_append_byte(lines, 0), STATUS_OK));
    cr_expect(zero(strcmp((char *)lines->data, expected)), "found:    %s\nexpected: %s",
              (char *)lines->data, expected);
    buffer_free(lines);
}

Test(sampler_lines, the_first_line_says_what_is_sampled_without_when)
{
    struct buffer out = {0};
    struct space *space = space_of(PARAMETERS, "");
    const struct sampler_hello hello = {
        .space = space, .metric = "loss", .seed = 7, .sampler = "tpe"};
    cr_assert(eq(int, sampler_put_hello(&out, &hello), STATUS_OK));
    expect_lines(&out,
                 "{\"version\":1,\"space\":[{\"name\":\"optimizer.lr\",\"distribution\":"
                 "\"uniform\",\"min\":0.0,\"max\":1},{\"name\":\"n\",\"distribution\":"
                 "\"int_uniform\",\"min\":1,\"max\":9},{\"name\":\"kind\",\"distribution\":"
                 "\"categorical\",\"values\":[1,\"b\",0.5]},{\"name\":\"units\",\"distribution\":"
                 "\"q_uniform\",\"min\":8,\"max\":64,\"q\":8}],\"metric\":{\"name\":\"loss\","
                 "\"goal\":\"minimize\"},\"seed\":7,\"sampler\":\"tpe\"}\n");
    space_destroy(space);
}

Test(sampler_lines, it_is_asked_told_and_reported_to)
{
    struct buffer out = {0};
    cr_assert(eq(int, sampler_put_ask(&out, 3), STATUS_OK));
    cr_assert(eq(int, sampler_put_tell(&out, 4, 0.5, SAMPLER_SUCCEEDED), STATUS_OK));
    cr_assert(eq(int, sampler_put_tell(&out, 5, NAN, SAMPLER_FAILED), STATUS_OK));
    cr_assert(eq(int, sampler_put_tell(&out, 6, 2, SAMPLER_STOPPED_EARLY), STATUS_OK));
    cr_assert(eq(int, sampler_put_tell(&out, 7, NAN, SAMPLER_REJECTED), STATUS_OK));
    cr_assert(eq(int, sampler_put_report(&out, 4, 12, INFINITY), STATUS_OK));
    expect_lines(&out, "{\"ask\":3}\n"
                       "{\"tell\":4,\"value\":0.5,\"state\":\"succeeded\"}\n"
                       "{\"tell\":5,\"value\":null,\"state\":\"failed\"}\n"
                       "{\"tell\":6,\"value\":2.0,\"state\":\"stopped-early\"}\n"
                       "{\"tell\":7,\"value\":null,\"state\":\"rejected\"}\n"
                       "{\"report\":4,\"step\":12,\"value\":null}\n");
}

Test(sampler_lines, the_history_names_parameters_with_dots_and_leaves_out_those_left_out)
{
    struct arena arena = {0};
    struct buffer out = {0};
    struct space *space = space_of(PARAMETERS, "");
    const mf_value first = json_value(&arena, "{\"optimizer\":{\"lr\":0.5},\"n\":3}");
    const mf_value second = json_value(&arena, "{\"n\":4,\"kind\":\"b\"}");
    const struct sampler_past past[] = {
        {.id = 0, .record = &first, .value = 1.5, .state = SAMPLER_SUCCEEDED},
        {.id = 2, .record = &second, .value = NAN, .state = SAMPLER_FAILED}};
    cr_assert(eq(int, sampler_put_history(&out, space, past, 2), STATUS_OK));
    expect_lines(&out, "{\"history\":[{\"id\":0,\"parameters\":{\"optimizer.lr\":0.5,\"n\":3},"
                       "\"value\":1.5,\"state\":\"succeeded\"},{\"id\":2,\"parameters\":{\"n\":4,"
                       "\"kind\":\"b\"},\"value\":null,\"state\":\"failed\"}]}\n");
    space_destroy(space);
    arena_free(&arena);
}

static struct sampler_message message_of(const char *line, struct arena *arena)
{
    struct sampler_message message;
    struct error err = {.text = ""};
    cr_assert(eq(int, sampler_read(line, strlen(line), arena, &message, &err), STATUS_OK), "%s",
              err.text);
    return message;
}

Test(sampler_lines, its_answers_are_read)
{
    struct arena arena = {0};
    cr_expect(eq(int, message_of("{\"ready\":true}", &arena).kind, SAMPLER_READY));
    cr_expect(eq(int, message_of("{\"done\":true}", &arena).kind, SAMPLER_DONE));
    const struct sampler_message error = message_of("{\"error\":\"no such sampler\"}", &arena);
    cr_expect(eq(int, error.kind, SAMPLER_ERROR));
    cr_expect(zero(strcmp(error.error, "no such sampler")));
    const struct sampler_message trial = message_of("{\"id\":3,\"parameters\":{\"n\":1}}", &arena);
    cr_expect(eq(int, trial.kind, SAMPLER_TRIAL));
    cr_expect(eq(u64, trial.id, 3));
    cr_expect(eq(sz, mf_count(&trial.parameters), 1));
    arena_free(&arena);
}

static void expect_nonsense(const char *line, const char *refusal)
{
    struct arena arena = {0};
    struct sampler_message message;
    struct error err = {.text = ""};
    cr_expect(eq(int, sampler_read(line, strlen(line), &arena, &message, &err), STATUS_INVALID),
              "%s", line);
    cr_expect(zero(strcmp(err.text, refusal)), "found:    %s\nexpected: %s", err.text, refusal);
    arena_free(&arena);
}

Test(sampler_lines, nonsense_is_refused_with_what_was_said)
{
    expect_nonsense("{}", "the sampler said {}: expected ready, error, done, or id and parameters");
    expect_nonsense("[1]",
                    "the sampler said [1]: expected ready, error, done, or id and parameters");
    expect_nonsense("{\"id\":-1,\"parameters\":{}}",
                    "the sampler said {\"id\":-1,\"parameters\":{}}: expected ready, error, done, "
                    "or id and parameters");
    expect_nonsense("{\"ready\":false}", "the sampler said {\"ready\":false}: expected ready, "
                                         "error, done, or id and parameters");
}

static void expect_taken(const char *parameters, const char *expected)
{
    mf_value values[4];
    bool is_there[4] = {true, true, true, true};
    struct arena arena = {0};
    struct buffer json = {0};
    struct error err = {.text = ""};
    mf_value record;
    struct space *space = space_of(PARAMETERS, "");
    const mf_value given = json_value(&arena, parameters);
    const enum status status = sampler_take(space, &given, values, &err);
    if (status != STATUS_OK) {
        cr_expect(zero(strcmp(err.text, expected)), "found:    %s\nexpected: %s", err.text,
                  expected);
    } else {
        cr_assert(eq(int, space_record(space, values, is_there, &arena, &record), STATUS_OK));
        cr_assert(eq(int, value_to_json(&record, &json), STATUS_OK));
        expect_lines(&json, expected);
    }
    space_destroy(space);
    arena_free(&arena);
}

Test(sampler_lines, a_trial_is_checked_and_has_the_kinds_of_the_file)
{
    expect_taken("{\"n\":3.0,\"optimizer.lr\":1,\"units\":16.0,\"kind\":1.0}",
                 "{\"optimizer\":{\"lr\":1.0},\"n\":3,\"kind\":1,\"units\":16}");
    expect_taken("{\"n\":3,\"optimizer.lr\":0.5,\"units\":16,\"kind\":0.5}",
                 "{\"optimizer\":{\"lr\":0.5},\"n\":3,\"kind\":0.5,\"units\":16}");
    expect_taken("{\"n\":3,\"optimizer.lr\":0.5,\"units\":16}", "the sampler left kind out");
    expect_taken("{\"n\":3,\"optimizer.lr\":0.5,\"units\":16,\"kind\":1,\"x\":0}",
                 "the sampler gave x, which is no parameter of the sweep");
    expect_taken("{\"n\":10,\"optimizer.lr\":0.5,\"units\":16,\"kind\":1}",
                 "the sampler gave n: found 10, expected a value of its int_uniform");
    expect_taken("{\"n\":1,\"optimizer.lr\":\"x\",\"units\":16,\"kind\":1}",
                 "the sampler gave optimizer.lr: found \"x\", expected a value of its uniform");
    expect_taken("{\"n\":1,\"optimizer.lr\":0,\"units\":16,\"kind\":\"c\"}",
                 "the sampler gave kind: found \"c\", expected a value of its categorical");
}
