#include "master/outputs.h"

#include <fcntl.h>
#include <unistd.h>

#include "master/log_index.h"
#include "shared/unpack.h"
#include "tests/unit/log_support.h"

enum { SIZE = 40, HOLE = -1, OUTPUTS = 34 /* that make_log() makes */ };

/* Expect the outputs of map `map`: the attempt that made each, or HOLE. */
static void expect_outputs(uint64_t map, const int *attempts, uint64_t size)
{
    struct outputs *outputs = NULL;
    OK(outputs_open(folder, map, size, &outputs, NULL));
    for (uint64_t i = 0; i < 3 * size; i++) {
        /* Upwards, downwards, and in jumps. */
        const uint64_t index = i < size ? i : i < 2 * size ? 2 * size - 1 - i : 17 * i % size;
        const uint8_t *data = NULL;
        size_t data_size = 0;
        OK(outputs_get(outputs, index, &data, &data_size, NULL));
        if (attempts[index] == HOLE) {
            cr_assert(data == NULL, "instance %ju", (uintmax_t)index);
            continue;
        }
        cr_assert(data != NULL, "instance %ju", (uintmax_t)index);
        struct unpack in = unpack_start(data, data_size);
        cr_assert(eq(u64, unpack_uint(&in), output_of(index, (uint64_t)attempts[index])));
        cr_assert(unpack_is_done(&in));
    }
    outputs_close(outputs);
}

/* Batches out of order, one with failures, their retries as lists of instances, and another map in
 * between. Instances 30 to 33, 38 and 39 have no output. */
static void make_log(int attempts_out[SIZE])
{
    static const struct span late = {.start = 20, .count = 10, .attempt = 0};
    static const struct span early[] = {{.start = 0, .count = 6, .attempt = 0},
                                        {.start = 8, .count = 12, .attempt = 0}};
    static const uint8_t bits[] = {0xee, 0xff, 0x01}; /* 0, 4 and 17 failed: instances 0, 4, 19 */
    static const struct span retries[] = {{.start = 0, .count = 1, .attempt = 1},
                                          {.start = 4, .count = 1, .attempt = 2},
                                          {.start = 6, .count = 2, .attempt = 0},
                                          {.start = 19, .count = 1, .attempt = 1},
                                          {.start = 34, .count = 4, .attempt = 3}};
    static const struct span other = {.start = 0, .count = 40, .attempt = 9};
    static const struct span none = {.start = 38, .count = 2, .attempt = 0};
    static const uint8_t no_bits[] = {0};
    struct run_log *log = NULL;
    OK(run_log_create(folder, &log, NULL));
    append_batch(log, 0, &late, 1, NULL);
    append_batch(log, 1, &other, 1, NULL);
    append_batch(log, 0, early, 2, bits);
    append_batch(log, 0, &none, 1, no_bits);
    append_batch(log, 0, retries, 5, NULL);
    OK(run_log_flush(log, NULL));
    run_log_close(log);
    for (int i = 0; i < SIZE; i++) {
        attempts_out[i] = i < 30 ? 0 : i >= 34 && i < 38 ? 3 : HOLE;
    }
    attempts_out[0] = 1;
    attempts_out[4] = 2;
    attempts_out[19] = 1;
}

Test(outputs, interleaved_frames_and_retries_are_read_in_input_order)
{
    int attempts[SIZE];
    int others[SIZE];
    folder_create();
    make_log(attempts);
    expect_outputs(0, attempts, SIZE);
    for (int i = 0; i < SIZE; i++) {
        others[i] = 9;
    }
    expect_outputs(1, others, SIZE);
    folder_remove();
}

Test(outputs, the_index_file_gives_the_same_as_a_scan)
{
    int attempts[SIZE];
    folder_create();
    make_log(attempts);
    OK(log_index_write(folder, NULL));
    struct log_index *index = NULL;
    struct log_index *scanned = NULL;
    OK(log_index_open(folder, &index, NULL));
    cr_assert(eq(int, unlink(in_folder(LOG_INDEX_NAME)), 0));
    OK(log_index_open(folder, &scanned, NULL));
    cr_expect(eq(u64, index->log_size, scanned->log_size));
    cr_assert(eq(sz, index->frame_count, scanned->frame_count));
    cr_assert(eq(sz, index->span_count, scanned->span_count));
    cr_expect(memcmp(index->frames, scanned->frames, index->frame_count * sizeof(*index->frames)) ==
              0);
    cr_expect(memcmp(index->spans, scanned->spans, index->span_count * sizeof(*index->spans)) == 0);
    log_index_destroy(index);
    log_index_destroy(scanned);
    folder_remove();
}

/* How many outputs there are; each is expected to be right, and less than all to be told. */
static uint64_t count_right(size_t bit)
{
    struct outputs *outputs = NULL;
    uint64_t found = 0;
    OK(outputs_open(folder, 0, SIZE, &outputs, NULL));
    for (uint64_t i = 0; i < SIZE; i++) {
        const uint8_t *data = NULL;
        size_t size = 0;
        OK(outputs_get(outputs, i, &data, &size, NULL));
        if (data != NULL) {
            struct unpack in = unpack_start(data, size);
            cr_assert(eq(u64, unpack_uint(&in) % 1000, i), "bit %zu", bit);
            found++;
        }
    }
    cr_assert(eq(u64, found, outputs_count(outputs)));
    cr_assert(outputs_torn(outputs) != NULL || found == OUTPUTS, "bit %zu", bit);
    outputs_close(outputs);
    return found;
}

static void put_byte(int file, size_t at, uint8_t byte)
{
    cr_assert(pwrite(file, &byte, 1, (off_t)at) == 1);
}

/* Goal: a log that was damaged after its index was made gives no wrong output, and the same as
 * without the index. Method: it is longer than what the index knows of its end; every bit of the
 * records of the map is flipped, one at a time. */
Test(outputs, an_index_hides_no_damage)
{
    int attempts[SIZE];
    struct buffer bytes = {0};
    folder_create();
    make_log(attempts);
    read_log(&bytes);
    const size_t size = bytes.size;
    while (bytes.size < size + 5000) {
        struct run_log *log = NULL;
        const struct span other = {.start = 0, .count = 1000, .attempt = 1};
        OK(run_log_append_to(folder, bytes.size, &log, NULL));
        append_batch(log, 7, &other, 1, NULL);
        OK(run_log_flush(log, NULL));
        run_log_close(log);
        read_log(&bytes);
    }
    OK(log_index_write(folder, NULL));
    expect_outputs(0, attempts, SIZE);
    char index[sizeof(folder) + 32];
    (void)snprintf(index, sizeof(index), "%s", in_folder(LOG_INDEX_NAME));
    const int file = open(in_folder(RUN_LOG_NAME), O_WRONLY | O_CLOEXEC);
    cr_assert(ge(int, file, 0));
    for (size_t bit = 0; bit < 8 * size; bit++) {
        put_byte(file, bit / 8, (uint8_t)(bytes.data[bit / 8] ^ 1u << bit % 8));
        const uint64_t found = count_right(bit);
        cr_assert(eq(int, rename(index, in_folder("aside")), 0));
        cr_assert(eq(u64, count_right(bit), found), "bit %zu", bit);
        cr_assert(eq(int, rename(in_folder("aside"), index), 0));
        put_byte(file, bit / 8, bytes.data[bit / 8]);
    }
    (void)close(file);
    buffer_free(&bytes);
    folder_remove();
}

/* Goal: an index that is damaged, cut or of an earlier log is as good as none. */
Test(outputs, an_index_that_does_not_fit_is_passed_over)
{
    int attempts[SIZE];
    struct buffer index = {0};
    folder_create();
    make_log(attempts);
    OK(log_index_write(folder, NULL));
    OK(file_read(in_folder(LOG_INDEX_NAME), &index, NULL));
    for (size_t i = 0; i < index.size; i++) {
        index.data[i] ^= 0x21;
        OK(file_replace(folder, LOG_INDEX_NAME, index.data, index.size, NULL));
        index.data[i] ^= 0x21;
        expect_outputs(0, attempts, SIZE);
        OK(file_replace(folder, LOG_INDEX_NAME, index.data, i, NULL));
        expect_outputs(0, attempts, SIZE);
    }
    OK(file_replace(folder, LOG_INDEX_NAME, index.data, index.size, NULL));
    struct buffer bytes = {0};
    struct run_log *log = NULL;
    const struct span more = {.start = 30, .count = 4, .attempt = 5};
    read_log(&bytes);
    OK(run_log_append_to(folder, bytes.size, &log, NULL));
    append_batch(log, 0, &more, 1, NULL);
    OK(run_log_flush(log, NULL));
    run_log_close(log);
    for (int i = 30; i < 34; i++) {
        attempts[i] = 5;
    }
    expect_outputs(0, attempts, SIZE);
    buffer_free(&bytes);
    buffer_free(&index);
    folder_remove();
}

Test(outputs, of_a_torn_log_what_stands_before_the_tear_is_read)
{
    int attempts[SIZE];
    struct buffer bytes = {0};
    struct outputs *outputs = NULL;
    folder_create();
    make_log(attempts);
    OK(outputs_open(folder, 0, SIZE, &outputs, NULL));
    cr_expect(outputs_torn(outputs) == NULL);
    outputs_close(outputs);

    read_log(&bytes);
    write_log(bytes.data, bytes.size - 1);
    OK(outputs_open(folder, 0, SIZE, &outputs, NULL));
    cr_expect(outputs_torn(outputs) != NULL);
    outputs_close(outputs);
    const int lost[] = {0, 4, 6, 7, 19, 34, 35, 36, 37};
    for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
        attempts[lost[i]] = HOLE;
    }
    expect_outputs(0, attempts, SIZE);
    struct error err;
    STATUS_IS(STATUS_INVALID, log_index_write(folder, &err));
    buffer_free(&bytes);
    folder_remove();
}

Test(outputs, an_empty_map_and_a_run_without_a_log_have_no_outputs)
{
    struct outputs *outputs = NULL;
    struct run_log *log = NULL;
    int attempts[SIZE];
    for (int i = 0; i < SIZE; i++) {
        attempts[i] = HOLE;
    }
    folder_create();
    expect_outputs(0, attempts, SIZE);
    OK(run_log_create(folder, &log, NULL));
    run_log_close(log);
    expect_outputs(0, attempts, SIZE);
    OK(log_index_write(folder, NULL));
    expect_outputs(0, attempts, SIZE);
    OK(outputs_open(folder, 0, 0, &outputs, NULL));
    outputs_close(outputs);
    folder_remove();
}

/* Goal: frames are decoded once each where the instances are read in order, also where retries
 * stand between them. Method: more frames take turns than are kept, and all is right all the same.
 */
Test(outputs, more_frames_than_are_kept_can_take_turns)
{
    enum { FRAMES = 12, ROUNDS = 20 };
    struct span spans[ROUNDS];
    int attempts[FRAMES * ROUNDS];
    struct run_log *log = NULL;
    folder_create();
    OK(run_log_create(folder, &log, NULL));
    for (unsigned i = 0; i < FRAMES; i++) {
        for (unsigned j = 0; j < ROUNDS; j++) {
            spans[j] = (struct span){.start = j * FRAMES + i, .count = 1, .attempt = i};
            attempts[j * FRAMES + i] = (int)i;
        }
        append_batch(log, 0, spans, ROUNDS, NULL);
    }
    OK(run_log_flush(log, NULL));
    run_log_close(log);
    expect_outputs(0, attempts, FRAMES * ROUNDS);
    folder_remove();
}

Test(outputs, of_an_instance_that_succeeded_twice_one_output_is_read)
{
    const struct span first = {.start = 0, .count = 10, .attempt = 0};
    const struct span second = {.start = 5, .count = 10, .attempt = 1};
    const struct span within = {.start = 2, .count = 2, .attempt = 2};
    int attempts[SIZE];
    struct run_log *log = NULL;
    folder_create();
    OK(run_log_create(folder, &log, NULL));
    append_batch(log, 0, &first, 1, NULL);
    append_batch(log, 0, &second, 1, NULL);
    append_batch(log, 0, &within, 1, NULL);
    OK(run_log_flush(log, NULL));
    run_log_close(log);
    for (int i = 0; i < SIZE; i++) {
        attempts[i] = i < 10 ? 0 : i < 15 ? 1 : HOLE;
    }
    expect_outputs(0, attempts, SIZE);
    folder_remove();
}

/* Goal: a frame that an executor spoiled before its record was made is an error that says where. */
Test(outputs, a_frame_with_too_few_outputs_is_refused)
{
    const struct span span = {.start = 0, .count = 10, .attempt = 0};
    const struct span more = {.start = 0, .count = 11, .attempt = 0};
    struct buffer frame = {0};
    struct run_log *log = NULL;
    struct outputs *outputs = NULL;
    struct error err;
    const uint8_t *data = NULL;
    size_t size = 0;
    folder_create();
    OK(run_log_create(folder, &log, NULL));
    struct report_batch batch = make_batch(&span, 1, NULL, &frame);
    batch.spans = &more;
    batch.instance_count = 11;
    const struct record record = make_report(&batch, 1);
    OK(run_log_append(log, &record, NULL));
    OK(run_log_flush(log, NULL));
    run_log_close(log);
    OK(outputs_open(folder, 0, SIZE, &outputs, NULL));
    OK(outputs_get(outputs, 9, &data, &size, &err));
    STATUS_IS(STATUS_INVALID, outputs_get(outputs, 10, &data, &size, &err));
    cr_expect(ne(ptr, strstr(err.text, in_folder(RUN_LOG_NAME)), NULL));
    outputs_close(outputs);
    buffer_free(&frame);
    folder_remove();
}
