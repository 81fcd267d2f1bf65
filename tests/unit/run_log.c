#include "master/run_log.h"

#include <signal.h>
#include <sys/resource.h>

#include <lz4frame.h>

#include "master/log_reader.h"
#include "shared/unpack.h"
#include "tests/unit/log_support.h"

enum { RECORDS = 6 };

/* A start, four reports, an end. Gives where each record begins, and the size of the log. */
static void write_records(struct run_log *log, uint64_t starts_out[RECORDS + 1])
{
    const struct record start = {.kind = RECORD_START, .time_ms = 1};
    const struct record end = {.kind = RECORD_END, .time_ms = 2};
    const uint8_t bits[] = {0x02};
    for (uint64_t i = 0; i < RECORDS; i++) {
        starts_out[i] = run_log_size(log);
        const struct span span = {.start = 10 * i, .count = 5, .attempt = i};
        if (i == 0 || i == RECORDS - 1) {
            OK(run_log_append(log, i == 0 ? &start : &end, NULL));
        } else {
            append_batch(log, 0, &span, 1, i == 2 ? bits : NULL);
        }
    }
    starts_out[RECORDS] = run_log_size(log);
}

static void make_log(uint64_t starts_out[RECORDS + 1])
{
    struct run_log *log = NULL;
    folder_create();
    OK(run_log_create(folder, &log, NULL));
    write_records(log, starts_out);
    OK(run_log_flush(log, NULL));
    run_log_close(log);
}

/* Read all that is good; gives how many records, and how the reading ended. */
static size_t read_records(const uint64_t starts[RECORDS + 1], enum status *end_out)
{
    struct log_reader *reader = NULL;
    struct record record;
    struct error err;
    uint64_t offset = 0;
    size_t count = 0;
    OK(log_reader_open(folder, &reader, NULL));
    while ((*end_out = log_reader_next(reader, &record, &offset, &err)) == STATUS_OK) {
        cr_assert(eq(u64, offset, starts[count]));
        count++;
        cr_assert(eq(u64, log_reader_good_size(reader), starts[count]));
    }
    cr_assert(eq(u64, log_reader_good_size(reader), starts[count]));
    log_reader_close(reader);
    return count;
}

Test(run_log, records_come_back_in_order)
{
    uint64_t starts[RECORDS + 1];
    enum status end;
    make_log(starts);
    cr_expect(eq(sz, read_records(starts, &end), RECORDS));
    cr_expect(eq(int, end, STATUS_NOT_FOUND));
    folder_remove();
}

Test(run_log, records_gather_until_a_flush)
{
    struct run_log *log = NULL;
    struct buffer bytes = {0};
    uint64_t starts[RECORDS + 1];
    folder_create();
    OK(run_log_create(folder, &log, NULL));
    write_records(log, starts);
    read_log(&bytes);
    cr_expect(eq(sz, bytes.size, 0));
    OK(run_log_sync(log, NULL));
    read_log(&bytes);
    cr_expect(eq(u64, bytes.size, run_log_size(log)));
    run_log_close(log);
    buffer_free(&bytes);
    folder_remove();
}

Test(run_log, much_that_gathers_is_written_without_a_flush)
{
    struct run_log *log = NULL;
    struct buffer bytes = {0};
    folder_create();
    OK(run_log_create(folder, &log, NULL));
    const struct span span = {.start = 0, .count = 400000, .attempt = 1};
    append_batch(log, 0, &span, 1, NULL);
    read_log(&bytes);
    cr_expect(gt(sz, bytes.size, 1 << 20));
    cr_expect(eq(u64, bytes.size, run_log_size(log)));
    run_log_close(log);
    buffer_free(&bytes);
    folder_remove();
}

Test(run_log, an_existing_log_is_not_begun_anew)
{
    uint64_t starts[RECORDS + 1];
    struct run_log *log = NULL;
    struct error err;
    make_log(starts);
    STATUS_IS(STATUS_EXISTS, run_log_create(folder, &log, &err));
    cr_expect(ne(ptr, strstr(err.text, in_folder(RUN_LOG_NAME)), NULL));
    folder_remove();
    STATUS_IS(STATUS_NOT_FOUND, run_log_append_to(folder, 0, &log, &err));
    cr_expect(eq(ptr, log, NULL));
}

/* Goal: whatever a crash leaves of the last records, all that stands before them is read, and they
 * are not. Method: the log is cut at every byte of its last three records. */
Test(run_log, a_log_torn_at_any_byte_gives_exactly_the_whole_records_before)
{
    uint64_t starts[RECORDS + 1];
    struct buffer bytes = {0};
    enum status end;
    make_log(starts);
    read_log(&bytes);
    for (uint64_t size = starts[RECORDS - 3]; size <= starts[RECORDS]; size++) {
        size_t whole = 0;
        while (whole < RECORDS && starts[whole + 1] <= size) {
            whole++;
        }
        write_log(bytes.data, size);
        cr_assert(eq(sz, read_records(starts, &end), whole), "cut to %ju bytes", (uintmax_t)size);
        cr_assert(eq(int, end, size == starts[whole] ? STATUS_NOT_FOUND : STATUS_INVALID));
    }
    buffer_free(&bytes);
    folder_remove();
}

Test(run_log, a_corrupt_record_ends_the_reading_and_is_named_by_its_offset)
{
    uint64_t starts[RECORDS + 1];
    struct buffer bytes = {0};
    enum status end;
    make_log(starts);
    read_log(&bytes);
    for (uint64_t at = starts[2]; at < starts[3]; at++) {
        bytes.data[at] ^= 0x10;
        write_log(bytes.data, bytes.size);
        cr_assert(eq(sz, read_records(starts, &end), 2), "byte %ju", (uintmax_t)at);
        cr_assert(eq(int, end, STATUS_INVALID));
        bytes.data[at] ^= 0x10;
    }
    bytes.data[starts[2] + 20] ^= 1;
    write_log(bytes.data, bytes.size);
    struct log_reader *reader = NULL;
    struct record record;
    struct error err;
    uint64_t offset = 0;
    char expected[64];
    (void)snprintf(expected, sizeof(expected), "at byte %ju", (uintmax_t)starts[2]);
    OK(log_reader_open(folder, &reader, NULL));
    OK(log_reader_next(reader, &record, &offset, NULL));
    OK(log_reader_next(reader, &record, &offset, NULL));
    STATUS_IS(STATUS_INVALID, log_reader_next(reader, &record, &offset, &err));
    cr_expect(ne(ptr, strstr(err.text, expected), NULL), "%s", err.text);
    log_reader_close(reader);
    buffer_free(&bytes);
    folder_remove();
}

Test(run_log, going_on_behind_a_torn_tail_cuts_it_off)
{
    uint64_t starts[RECORDS + 1];
    struct run_log *log = NULL;
    struct buffer whole = {0};
    struct buffer again = {0};
    make_log(starts);
    read_log(&whole);
    write_log(whole.data, starts[RECORDS] - 3);
    OK(run_log_append_to(folder, starts[RECORDS - 1], &log, NULL));
    const struct record end = {.kind = RECORD_END, .time_ms = 2};
    OK(run_log_append(log, &end, NULL));
    OK(run_log_flush(log, NULL));
    run_log_close(log);
    read_log(&again);
    cr_assert(eq(sz, again.size, whole.size));
    cr_expect(memcmp(again.data, whole.data, whole.size) == 0);
    buffer_free(&whole);
    buffer_free(&again);
    folder_remove();
}

Test(run_log, going_on_cuts_off_at_once_all_that_was_not_read)
{
    uint64_t starts[RECORDS + 1];
    struct run_log *log = NULL;
    struct buffer bytes = {0};
    make_log(starts);
    OK(run_log_append_to(folder, starts[2], &log, NULL));
    cr_expect(eq(u64, run_log_size(log), starts[2]));
    run_log_close(log);
    read_log(&bytes);
    cr_expect(eq(u64, bytes.size, starts[2]));
    buffer_free(&bytes);
    folder_remove();
}

Test(run_log, going_on_behind_more_than_there_is_is_refused)
{
    uint64_t starts[RECORDS + 1];
    struct run_log *log = NULL;
    struct error err;
    make_log(starts);
    STATUS_IS(STATUS_INVALID, run_log_append_to(folder, starts[RECORDS] + 1, &log, &err));
    folder_remove();
}

/* Goal: after a full disk nothing is lost, doubled or torn. Method: a limit on the size of files
 * stands for the disk; the write fails within a record, and succeeds once there is room again. */
Test(run_log, what_a_full_disk_refused_is_written_once_there_is_room)
{
    uint64_t starts[RECORDS + 1];
    struct run_log *log = NULL;
    struct buffer bytes = {0};
    struct error err;
    enum status end;
    struct rlimit limit;
    folder_create();
    OK(run_log_create(folder, &log, NULL));
    write_records(log, starts);
    (void)signal(SIGXFSZ, SIG_IGN);
    cr_assert(eq(int, getrlimit(RLIMIT_FSIZE, &limit), 0));
    const struct rlimit small = {.rlim_cur = starts[3] + 10, .rlim_max = limit.rlim_max};
    cr_assert(eq(int, setrlimit(RLIMIT_FSIZE, &small), 0));
    STATUS_IS(STATUS_IO, run_log_flush(log, &err));
    cr_expect(ne(ptr, strstr(err.text, in_folder(RUN_LOG_NAME)), NULL));
    cr_assert(eq(int, setrlimit(RLIMIT_FSIZE, &limit), 0));
    read_log(&bytes);
    cr_expect(eq(sz, bytes.size, 0));
    OK(run_log_flush(log, NULL));
    run_log_close(log);
    cr_expect(eq(sz, read_records(starts, &end), RECORDS));
    cr_expect(eq(int, end, STATUS_NOT_FOUND));
    buffer_free(&bytes);
    folder_remove();
}

/* Many bytes of frames are written from where they lie, which is nowhere once the record is taken.
 */
Test(run_log, frames_that_a_full_disk_refused_are_kept)
{
    struct run_log *log = NULL;
    struct log_reader *reader = NULL;
    struct record record;
    struct buffer bytes = {0};
    struct rlimit limit;
    uint64_t offset = 0;
    const struct span span = {.start = 0, .count = 400000};
    folder_create();
    OK(run_log_create(folder, &log, NULL));
    append_batch(log, 0, &span, 1, NULL);
    const uint64_t size = run_log_written(log);
    cr_assert(eq(u64, size, run_log_size(log)));
    (void)signal(SIGXFSZ, SIG_IGN);
    cr_assert(eq(int, getrlimit(RLIMIT_FSIZE, &limit), 0));
    const struct rlimit small = {.rlim_cur = size + size / 2, .rlim_max = limit.rlim_max};
    cr_assert(eq(int, setrlimit(RLIMIT_FSIZE, &small), 0));
    append_batch(log, 0, &span, 1, NULL);
    append_batch(log, 0, &span, 1, NULL);
    cr_expect(eq(u64, run_log_written(log), size));
    STATUS_IS(STATUS_IO, run_log_flush(log, NULL));
    read_log(&bytes);
    cr_expect(eq(u64, bytes.size, size));
    cr_assert(eq(int, setrlimit(RLIMIT_FSIZE, &limit), 0));
    OK(run_log_flush(log, NULL));
    cr_expect(gt(u64, run_log_written(log), 2 * size));
    run_log_close(log);
    OK(log_reader_open(folder, &reader, NULL));
    for (unsigned i = 0; i < 3; i++) {
        OK(log_reader_next(reader, &record, &offset, NULL));
        cr_expect(eq(u64, record.report.batches[0].instance_count, 400000));
    }
    STATUS_IS(STATUS_NOT_FOUND, log_reader_next(reader, &record, &offset, NULL));
    log_reader_close(reader);
    buffer_free(&bytes);
    folder_remove();
}

/* Goal: a log that is still written can be watched. */
Test(run_log, a_reader_at_the_end_finds_what_comes_later)
{
    struct run_log *log = NULL;
    struct log_reader *reader = NULL;
    struct record record;
    uint64_t offset = 0;
    folder_create();
    OK(run_log_create(folder, &log, NULL));
    OK(log_reader_open(folder, &reader, NULL));
    for (uint64_t i = 0; i < 5; i++) {
        STATUS_IS(STATUS_NOT_FOUND, log_reader_next(reader, &record, &offset, NULL));
        const struct span span = {.start = i, .count = 1, .attempt = 0};
        append_batch(log, 0, &span, 1, NULL);
        OK(run_log_flush(log, NULL));
        OK(log_reader_next(reader, &record, &offset, NULL));
        cr_expect(eq(u64, record.report.batches[0].spans[0].start, i));
    }
    run_log_close(log);
    log_reader_close(reader);
    folder_remove();
}

Test(run_log, records_larger_than_what_is_read_ahead_are_read)
{
    struct run_log *log = NULL;
    struct log_reader *reader = NULL;
    struct record record;
    struct buffer bytes = {0};
    uint64_t offset = 0;
    folder_create();
    OK(run_log_create(folder, &log, NULL));
    for (uint64_t i = 0; i < 3; i++) {
        const struct span span = {.start = 0, .count = 1000000, .attempt = i};
        append_batch(log, 0, &span, 1, NULL);
    }
    OK(run_log_flush(log, NULL));
    run_log_close(log);
    read_log(&bytes);
    OK(log_reader_open(folder, &reader, NULL));
    for (uint64_t i = 0; i < 3; i++) {
        OK(log_reader_next(reader, &record, &offset, NULL));
        const struct report_batch *batch = &record.report.batches[0];
        const uint64_t frame_at = log_reader_frame_offset(reader, batch->frame);
        cr_expect(memcmp(bytes.data + frame_at, batch->frame, batch->frame_size) == 0);
    }
    STATUS_IS(STATUS_NOT_FOUND, log_reader_next(reader, &record, &offset, NULL));
    log_reader_close(reader);
    buffer_free(&bytes);
    folder_remove();
}

/* Decode a file as `lz4 -dc` does: frame after frame, skippable ones passed over. */
static void decode_as_lz4(const struct buffer *bytes, struct buffer *out)
{
    LZ4F_dctx *context = NULL;
    cr_assert(LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)) == 0);
    size_t hint = 0;
    for (size_t at = 0; at < bytes->size;) {
        OK(buffer_reserve(out, 65536));
        size_t written = out->capacity - out->size;
        size_t used = bytes->size - at;
        hint = LZ4F_decompress(context, out->data + out->size, &written, bytes->data + at, &used,
                               NULL);
        cr_assert(LZ4F_isError(hint) == 0, "%s", LZ4F_getErrorName(hint));
        at += used;
        out->size += written;
    }
    cr_assert(eq(sz, hint, 0));
    (void)LZ4F_freeDecompressionContext(context);
}

/* Goal: no tool of ours is needed to get at the outputs. */
Test(run_log, any_lz4_decoder_gives_the_outputs_one_after_the_other)
{
    uint64_t starts[RECORDS + 1];
    struct buffer bytes = {0};
    struct buffer outputs = {0};
    make_log(starts);
    read_log(&bytes);
    decode_as_lz4(&bytes, &outputs);
    struct unpack in = unpack_start(outputs.data, outputs.size);
    for (uint64_t i = 1; i < RECORDS - 1; i++) {
        for (uint64_t j = 0; j < 5; j++) {
            if (i != 2 || j == 1) {
                cr_expect(eq(u64, unpack_uint(&in), output_of(10 * i + j, i)));
            }
        }
    }
    cr_expect(unpack_is_done(&in));
    buffer_free(&bytes);
    buffer_free(&outputs);
    folder_remove();
}
