/* space_support.h - spaces written as JSON, and records read as it. */
#ifndef UNIT_SPACE_SUPPORT_H
#define UNIT_SPACE_SUPPORT_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "shared/buffer.h"
#include "shared/space.h"
#include "shared/trials.h"
#include "shared/value.h"

/* The value of that JSON, in the arena. */
static inline mf_value json_value(struct arena *arena, const char *json)
{
    mf_value value;
    struct error err = {.text = ""};
    const enum status status = value_from_json(arena, json, strlen(json), &value, &err);
    cr_assert(eq(int, status, STATUS_OK), "%s: %s", json, err.text);
    return value;
}

static inline void expect_json(const mf_value *value, const char *expected)
{
    struct buffer json = {0};
    cr_assert(eq(int, value_to_json(value, &json), STATUS_OK));
    cr_assert(eq(int, buffer_append_byte(&json, 0), STATUS_OK));
    cr_expect(zero(strcmp((char *)json.data, expected)), "found %s, expected %s", (char *)json.data,
              expected);
    buffer_free(&json);
}

/* `parameters` is the inside of a list; `constraints`, too. */
static inline struct space *space_of(const char *parameters, const char *constraints)
{
    struct arena arena = {0};
    struct buffer json = {0};
    struct error err = {.text = ""};
    struct space *space = NULL;
    cr_assert(eq(int,
                 buffer_printf(&json, "{\"parameters\":[%s],\"constraints\":[%s]}%c", parameters,
                               constraints, 0),
                 STATUS_OK));
    const mf_value value = json_value(&arena, (const char *)json.data);
    const enum status status = space_from_value(&value, &space, &err);
    cr_assert(eq(int, status, STATUS_OK), "%s: %s", parameters, err.text);
    buffer_free(&json);
    arena_free(&arena);
    return space;
}

static inline struct trials *trials_of(const struct space *space, enum trials_method method,
                                       uint64_t seed, uint64_t count)
{
    struct trials *trials = NULL;
    struct error err = {.text = ""};
    const struct trials_options options = {.method = method, .seed = seed, .count = count};
    const enum status status = trials_create(space, options, &trials, &err);
    cr_assert(eq(int, status, STATUS_OK), "%s", err.text);
    return trials;
}

/* The record of a trial as JSON, to be freed. */
static inline char *record_text(struct trials *trials, uint64_t index)
{
    struct arena arena = {0};
    struct buffer json = {0};
    struct error err = {.text = ""};
    mf_value record;
    const enum status status = trials_record(trials, index, &arena, &record, &err);
    cr_assert(eq(int, status, STATUS_OK), "%s", err.text);
    cr_assert(eq(int, value_to_json(&record, &json), STATUS_OK));
    cr_assert(eq(int, buffer_append_byte(&json, 0), STATUS_OK));
    arena_free(&arena);
    return (char *)json.data;
}

static inline void expect_record(struct trials *trials, uint64_t index, const char *expected)
{
    char *found = record_text(trials, index);
    cr_expect(zero(strcmp(found, expected)), "trial %llu\nfound:    %s\nexpected: %s",
              (unsigned long long)index, found, expected);
    free(found);
}

/* All trials of a grid, one a line. */
static inline void expect_grid(const char *parameters, const char *constraints,
                               const char *const *expected, size_t count)
{
    struct space *space = space_of(parameters, constraints);
    struct trials *trials = trials_of(space, TRIALS_GRID, 0, 0);
    cr_expect(eq(u64, trials_count(trials), count), "%s", parameters);
    for (size_t i = 0; i < count && i < trials_count(trials); i++) {
        expect_record(trials, i, expected[i]);
    }
    trials_destroy(trials);
    space_destroy(space);
}

#define EXPECT_GRID(parameters, constraints, ...)                                                  \
    expect_grid(parameters, constraints, (const char *const[]){__VA_ARGS__},                       \
                sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static inline void expect_trials_refusal(const char *parameters, const char *constraints,
                                         enum trials_method method, uint64_t count,
                                         const char *refusal)
{
    struct space *space = space_of(parameters, constraints);
    struct trials *trials = NULL;
    struct error err = {.text = ""};
    const struct trials_options options = {.method = method, .count = count};
    cr_expect(eq(int, trials_create(space, options, &trials, &err), STATUS_INVALID), "%s",
              parameters);
    cr_expect(zero(strcmp(err.text, refusal)), "found:    %s\nexpected: %s", err.text, refusal);
    space_destroy(space);
}

#endif
