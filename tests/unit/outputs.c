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

/* A frame that the index names: how many outputs of map 0 it leads to. */
static uint64_t check_frame(struct unpack *in, const struct buffer *log, const int *attempts)
{
    struct buffer content = {0};
    uint64_t count = 0;
    unpack_array_of(in, 4);
    const int64_t map = unpack_int(in);
    const uint64_t offset = unpack_uint_max(in, log->size);
    const uint64_t size = unpack_uint_max(in, log->size - offset);
    OK(lz4_frame_decompress(log->data + offset, (size_t)size, 1 << 20, &content));
    struct unpack values = unpack_start(content.data, content.size);
    for (uint32_t spans = unpack_array(in); spans > 0; spans--) {
        unpack_array_of(in, 2);
        const uint64_t start = unpack_uint(in);
        const uint64_t end = start + unpack_uint(in);
        for (uint64_t i = start; i < end; i++) {
            const uint64_t attempt = map == 0 ? (uint64_t)attempts[i] : 9;
            cr_assert(eq(u64, unpack_uint(&values), output_of(i, attempt)));
            count += map == 0 ? 1 : 0;
        }
    }
    cr_assert(unpack_is_done(&values));
    buffer_free(&content);
    return count;
}

/* Goal: the file tells what others take from it: in which bytes of the log the outputs of which
 * instances are, in which order. Method: it is read as docs/file-formats.md has it, and each frame
 * that it names holds what it says. */
Test(outputs, the_index_file_leads_to_every_output)
{
    int attempts[SIZE];
    struct buffer index = {0};
    struct buffer log = {0};
    size_t digest_size = 0;
    uint64_t found = 0;
    folder_create();
    make_log(attempts);
    read_log(&log);
    OK(log_index_write(folder, NULL));
    OK(file_read(in_folder(LOG_INDEX_NAME), &index, NULL));
    struct unpack in = unpack_start(index.data, index.size);
    cr_assert(eq(u32, unpack_map(&in), 5));
    unpack_key(&in, "format");
    cr_expect(eq(u64, unpack_uint(&in), 1));
    unpack_key(&in, "log_size");
    cr_expect(eq(u64, unpack_uint(&in), log.size));
    unpack_key(&in, "log_end");
    (void)unpack_bin(&in, &digest_size);
    cr_expect(eq(sz, digest_size, 16));
    unpack_key(&in, "frames");
    for (uint32_t frames = unpack_array(&in); frames > 0; frames--) {
        found += check_frame(&in, &log, attempts);
    }
    unpack_key(&in, "checksum");
    (void)unpack_bin(&in, &digest_size);
    cr_expect(eq(sz, digest_size, 16));
    cr_expect(unpack_is_done(&in));
    cr_expect(eq(u64, found, OUTPUTS));
    buffer_free(&log);
    buffer_free(&index);
    folder_remove();
}

/* Each output that there is is expected to be right, and less than all to be told. */
static void expect_none_wrong(size_t bit)
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
}

static void put_byte(int file, size_t at, uint8_t byte)
{
    cr_assert(pwrite(file, &byte, 1, (off_t)at) == 1);
}

/* Goal: a log that was damaged after its index was made gives no wrong output. Method: every bit of
 * the records of the map is flipped, one at a time. */
Test(outputs, of_a_damaged_log_no_wrong_output_is_read)
{
    int attempts[SIZE];
    struct buffer bytes = {0};
    folder_create();
    make_log(attempts);
    read_log(&bytes);
    OK(log_index_write(folder, NULL));
    expect_outputs(0, attempts, SIZE);
    const int file = open(in_folder(RUN_LOG_NAME), O_WRONLY | O_CLOEXEC);
    cr_assert(ge(int, file, 0));
    for (size_t bit = 0; bit < 8 * bytes.size; bit++) {
        put_byte(file, bit / 8, (uint8_t)(bytes.data[bit / 8] ^ 1u << bit % 8));
        expect_none_wrong(bit);
        put_byte(file, bit / 8, bytes.data[bit / 8]);
    }
    (void)close(file);
    buffer_free(&bytes);
    folder_remove();
}

/* One of another log, whole and with its checksum, included. */
Test(outputs, what_the_index_file_says_makes_no_difference)
{
    int attempts[SIZE];
    struct buffer bytes = {0};
    struct run_log *log = NULL;
    const struct span more = {.start = 30, .count = 4, .attempt = 5};
    folder_create();
    make_log(attempts);
    OK(file_replace(folder, LOG_INDEX_NAME, "nonsense", 8, NULL));
    expect_outputs(0, attempts, SIZE);
    OK(log_index_write(folder, NULL));
    read_log(&bytes);
    OK(run_log_append_to(folder, bytes.size, &log, NULL));
    append_batch(log, 0, &more, 1, NULL);
    OK(run_log_flush(log, NULL));
    run_log_close(log);
    for (int i = 30; i < 34; i++) {
        attempts[i] = 5;
    }
    expect_outputs(0, attempts, SIZE);
    OK(unlink(in_folder(LOG_INDEX_NAME)));
    expect_outputs(0, attempts, SIZE);
    buffer_free(&bytes);
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
