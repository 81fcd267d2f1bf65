/* Inputs that come while the map runs: in memory, and in the log that a new session reads. */
#include "master/inputs_later.h"

#include <unistd.h>

#include "master/inputs.h"
#include "master/replay.h"
#include "shared/value.h"
#include "shared/value_make.h"
#include "tests/unit/log_support.h"
#include "tests/unit/space_support.h"

#define SIZE 10

/* Integers from `first` on. */
static struct buffer integers(int64_t first, uint64_t count)
{
    struct buffer packed = {0};
    for (uint64_t i = 0; i < count; i++) {
        const mf_value value = value_int(first + (int64_t)i);
        OK(value_encode(&value, &packed));
    }
    return packed;
}

static void expect_bytes(const struct buffer *found, int64_t first, uint64_t count)
{
    struct buffer expected = integers(first, count);
    cr_assert(eq(sz, found->size, expected.size));
    cr_expect(eq(int, memcmp(found->data, expected.data, expected.size), 0));
    buffer_free(&expected);
}

static void add(struct inputs_later *later, int64_t first, uint64_t count)
{
    struct buffer packed = integers(first, count);
    OK(inputs_later_add(later, packed.data, packed.size, count));
    buffer_free(&packed);
}

Test(inputs_later, any_that_have_come_can_be_packed)
{
    struct inputs_later *later = NULL;
    struct buffer out = {0};
    OK(inputs_later_create(&later));
    cr_expect(eq(u64, inputs_later_count(later), 0));
    OK(inputs_later_pack(later, 0, 0, &out));
    add(later, 100, 3);
    add(later, 103, 1);
    add(later, 104, 300);
    cr_expect(eq(u64, inputs_later_count(later), 304));
    OK(inputs_later_pack(later, 2, 5, &out));
    expect_bytes(&out, 102, 5);
    buffer_clear(&out);
    OK(inputs_later_pack(later, 303, 1, &out));
    expect_bytes(&out, 403, 1);
    buffer_free(&out);
    inputs_later_destroy(later);
}

Test(inputs_later, what_is_not_so_many_values_is_refused_and_changes_nothing)
{
    struct inputs_later *later = NULL;
    struct buffer packed = integers(1000, 3);
    OK(inputs_later_create(&later));
    STATUS_IS(STATUS_INVALID, inputs_later_add(later, packed.data, packed.size, 2));
    STATUS_IS(STATUS_INVALID, inputs_later_add(later, packed.data, packed.size, 4));
    STATUS_IS(STATUS_INVALID, inputs_later_add(later, packed.data, packed.size - 1, 3));
    STATUS_IS(STATUS_INVALID, inputs_later_add(later, NULL, 0, 1));
    cr_expect(eq(u64, inputs_later_count(later), 0));
    OK(inputs_later_add(later, packed.data, packed.size, 3));
    cr_expect(eq(u64, inputs_later_count(later), 3));
    buffer_free(&packed);
    inputs_later_destroy(later);
}

/* ---- In the log ------------------------------------------------------------------------------ */

static struct record inputs_record(uint64_t first, uint64_t count, const struct buffer *packed)
{
    return (struct record){.kind = RECORD_INPUTS,
                           .time_ms = 7,
                           .first = first,
                           .input_count = count,
                           .inputs = packed->data,
                           .inputs_size = packed->size};
}

static void append_inputs(struct run_log *log, uint64_t first, uint64_t count)
{
    struct buffer packed = integers((int64_t)first, count);
    const struct record record = inputs_record(first, count, &packed);
    OK(run_log_append(log, &record, NULL));
    buffer_free(&packed);
}

static enum status read_back(struct run_log *log, struct replay *replay)
{
    struct failures *failures = NULL;
    struct error err;
    OK(run_log_flush(log, NULL));
    run_log_close(log);
    OK(failures_create(&failures));
    const enum status status = replay_log(folder, 0, SIZE, failures, replay, &err);
    failures_destroy(failures);
    return status;
}

static struct run_log *log_begin(void)
{
    struct run_log *log = NULL;
    const struct record start = {.kind = RECORD_START};
    folder_create();
    OK(run_log_create(folder, &log, NULL));
    OK(run_log_append(log, &start, NULL));
    return log;
}

Test(inputs_later, a_record_of_inputs_comes_back_as_it_was)
{
    struct buffer packed = integers(5, 3);
    struct buffer bytes = {0};
    struct arena arena = {0};
    struct record back;
    struct error err;
    size_t used = 0;
    struct record record = inputs_record(40, 3, &packed);
    OK(record_encode(&record, &bytes));
    OK(record_decode(bytes.data, bytes.size, &arena, &back, &used, &err));
    cr_expect(eq(sz, used, bytes.size));
    cr_expect(eq(int, back.kind, RECORD_INPUTS));
    cr_expect(eq(u64, back.first, 40));
    cr_expect(eq(u64, back.input_count, 3));
    cr_assert(eq(sz, back.inputs_size, packed.size));
    cr_expect(eq(int, memcmp(back.inputs, packed.data, packed.size), 0));

    const uint64_t wrong[] = {0, 2, 4, UINT64_MAX};
    for (size_t i = 0; i < 4; i++) {
        record.input_count = wrong[i];
        buffer_clear(&bytes);
        OK(record_encode(&record, &bytes));
        STATUS_IS(STATUS_INVALID,
                  record_decode(bytes.data, bytes.size, &arena, &back, &used, &err));
    }
    buffer_free(&packed);
    buffer_free(&bytes);
    arena_free(&arena);
}

Test(inputs_later, a_new_session_has_all_that_had_come)
{
    struct run_log *log = log_begin();
    struct replay replay;
    append_inputs(log, 0, 2);
    append_batch(log, 0, &(struct span){.start = 0, .count = 1}, 1, NULL);
    append_inputs(log, 2, 3);
    OK(read_back(log, &replay));
    cr_expect(eq(u64, replay.input_count, 5));
    expect_bytes(&replay.inputs, 0, 5);
    cr_expect(eq(u64, replay.history.succeeded.count, 1));
    replay_free(&replay);
    folder_remove();
}

Test(inputs_later, of_a_torn_record_none_has_come)
{
    struct run_log *log = log_begin();
    struct replay replay;
    append_inputs(log, 0, 2);
    OK(run_log_flush(log, NULL));
    const uint64_t whole = run_log_written(log);
    append_inputs(log, 2, 3);
    OK(run_log_flush(log, NULL));
    cr_assert(eq(int, ftruncate(run_log_descriptor(log), (off_t)(whole + 9)), 0));
    OK(read_back(log, &replay));
    cr_expect(eq(u64, replay.input_count, 2));
    cr_expect(eq(u64, replay.good_size, whole));
    cr_expect(replay.torn != NULL);
    replay_free(&replay);
    folder_remove();
}

Test(inputs_later, a_log_that_leaves_some_out_or_doubles_or_exceeds_them_is_refused)
{
    struct replay replay;
    const uint64_t firsts[] = {1, 3, 2};
    const uint64_t counts[] = {1, 1, SIZE - 1};
    for (size_t i = 0; i < 3; i++) {
        struct run_log *log = log_begin();
        append_inputs(log, 0, 2);
        append_inputs(log, firsts[i], counts[i]);
        STATUS_IS(STATUS_INVALID, read_back(log, &replay));
        folder_remove();
    }
}

Test(inputs_later, an_instance_whose_input_had_not_come_cannot_have_run)
{
    struct run_log *log = log_begin();
    struct replay replay;
    append_inputs(log, 0, 2);
    append_batch(log, 0, &(struct span){.start = 1, .count = 2}, 1, NULL);
    STATUS_IS(STATUS_INVALID, read_back(log, &replay));
    folder_remove();
}

/* ---- The trials of a sampler -------------------------------------------------------------------
 */

/* Five trials of two instances each. */
static struct inputs *open_trials(void)
{
    struct space *space = space_of("{\"path\":[\"x\"],\"min\":0,\"max\":1}", "");
    const struct trials_form form = {
        .space = space, .options = {.method = TRIALS_ADAPTIVE, .count = 5}, .repeats = 2};
    const struct inputs_source source = {.kind = INPUTS_TRIALS, .launch_dir = "/", .trials = &form};
    struct type *type = NULL;
    struct inputs *inputs = NULL;
    OK(type_parse("any", &type, NULL));
    OK(inputs_open(&source, type, &inputs, NULL));
    type_destroy(type);
    space_destroy(space);
    return inputs;
}

Test(inputs_later, trials_of_a_sampler_have_a_size_and_none_is_there)
{
    struct inputs *inputs = open_trials();
    struct inputs *recorded = NULL;
    struct inputs *grown = NULL;
    uint8_t digest[INPUTS_DIGEST_SIZE];
    cr_expect(inputs_come_later(inputs));
    cr_expect(eq(u64, inputs_count(inputs), SIZE));
    cr_expect(eq(u64, inputs_available(inputs), 0));
    inputs_digest(inputs, digest);
    OK(inputs_load("/nowhere", inputs_formula(inputs), SIZE, digest, &recorded, NULL));
    cr_expect(inputs_come_later(recorded));
    OK(inputs_grow(inputs_formula(inputs), 7, &grown, NULL));
    cr_expect(inputs_come_later(grown));
    cr_expect(eq(u64, inputs_count(grown), 14));
    inputs_close(grown);
    inputs_close(recorded);
    inputs_close(inputs);
}

Test(inputs_later, what_the_log_has_of_them_is_read_back)
{
    struct inputs *inputs = open_trials();
    struct buffer out = {0};
    struct run_log *log = log_begin();
    append_inputs(log, 0, 2);
    append_inputs(log, 2, 4);
    OK(run_log_flush(log, NULL));
    run_log_close(log);
    OK(inputs_load_later(inputs, folder, 0, NULL));
    cr_expect(eq(u64, inputs_available(inputs), 6));
    OK(inputs_pack(inputs, &(struct span){.start = 1, .count = 5}, 1, &out, NULL));
    expect_bytes(&out, 1, 5);
    struct error err;
    STATUS_IS(STATUS_INVALID, inputs_load_later(inputs, folder, 0, &err)); /* they are there */
    buffer_free(&out);
    inputs_close(inputs);
    folder_remove();
}

Test(inputs_later, a_run_without_a_log_has_none)
{
    struct inputs *inputs = open_trials();
    folder_create();
    OK(inputs_load_later(inputs, folder, 0, NULL));
    cr_expect(eq(u64, inputs_available(inputs), 0));
    inputs_close(inputs);
    folder_remove();
}
