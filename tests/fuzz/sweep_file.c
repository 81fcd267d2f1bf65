/* sweep_file.c - any bytes as a sweep file, and as a line of a sampler. A space that is read
 * travels and means the same, and its trials can be made. */
#include <assert.h>
#include <string.h>

#include "cli/sweep_file.h"
#include "master/sampler_lines.h"
#include "shared/trials.h"
#include "shared/value.h"
#include "tests/fuzz/fuzz.h"

#define TRIALS_MADE 3
#define GRID_SIZE_MAX 100000

/* Its JSON form. */
static struct buffer form_of(const struct space *space)
{
    struct arena arena = {0};
    struct buffer json = {0};
    mf_value value;
    enum status status = space_value(space, &arena, &value);
    assert(status == STATUS_OK);
    status = value_to_json(&value, &json);
    assert(status == STATUS_OK);
    arena_free(&arena);
    return json;
}

static void expect_same(const struct space *space)
{
    struct arena arena = {0};
    struct error err;
    struct space *back = NULL;
    mf_value value;
    struct buffer first = form_of(space);
    enum status status =
        value_from_json(&arena, (const char *)first.data, first.size, &value, &err);
    assert(status == STATUS_OK);
    status = space_from_value(&value, &back, &err);
    assert(status == STATUS_OK);
    struct buffer second = form_of(back);
    assert(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
    space_destroy(back);
    buffer_free(&first);
    buffer_free(&second);
    arena_free(&arena);
}

static void make_trials(const struct space *space, enum trials_method method)
{
    struct error err;
    struct arena arena = {0};
    struct trials *trials = NULL;
    const struct trials_options options = {.method = method, .count = TRIALS_MADE};
    if (trials_create(space, options, &trials, &err) != STATUS_OK) {
        return;
    }
    assert(trials_count(trials) <= TRIALS_MADE);
    for (uint64_t i = 0; i < trials_count(trials); i++) {
        mf_value record;
        const enum status status = trials_record(trials, i, &arena, &record, &err);
        assert(status != STATUS_OK || mf_kind_of(&record) == MF_MAP);
    }
    trials_destroy(trials);
    arena_free(&arena);
}

/* With conditions, a large grid would be looked at point by point. */
static bool is_small(const struct space *space)
{
    const char *reason;
    uint64_t size = 1;
    for (size_t i = 0; i < space->count; i++) {
        if (!parameter_fits_grid(&space->parameters[i], &reason) ||
            __builtin_mul_overflow(size, parameter_grid_count(&space->parameters[i]), &size) ||
            size > GRID_SIZE_MAX) {
            return false;
        }
    }
    return true;
}

static void read_line(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct sampler_message message;
    struct error err = {.text = ""};
    const enum status status = sampler_read((const char *)data, size, &arena, &message, &err);
    assert(status == STATUS_OK || *err.text != '\0');
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct problems problems = {.path = "sweep.yaml"};
    struct sweep_file *sweep = NULL;
    if (sweep_file_read((const char *)data, size, &problems, &sweep) == STATUS_OK) {
        expect_same(sweep->space);
        make_trials(sweep->space, TRIALS_RANDOM);
        make_trials(sweep->space, TRIALS_QUASI);
        if (is_small(sweep->space)) {
            make_trials(sweep->space, TRIALS_GRID);
        }
    }
    problems_free(&problems);
    sweep_file_destroy(sweep);
    read_line(data, size);
    return 0;
}
