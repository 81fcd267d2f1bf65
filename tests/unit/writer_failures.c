#include "shared/writer.h"

#include "writer_support.h"

/* ---- Failures ------------------------------------------------------------------------------- */

Test(writer_failure, no_output_and_more_than_one_are_told_apart)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    expect_end_fails(writer, STATUS_NOT_FOUND, "no output was written");
    writer_begin(writer);
    mf_put_int(&writer->face, 1);
    mf_put_int(&writer->face, 2);
    expect_end_fails(writer, STATUS_INVALID, "2 outputs were written, expected one");
    writer_begin(writer);
    mf_put_int(&writer->face, 3);
    expect_latest(writer, "3");
    writer_destroy(writer);
}

Test(writer_failure, a_container_left_open_is_refused)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    mf_begin_list(&writer->face);
    mf_begin_list(&writer->face);
    mf_put_int(&writer->face, 1);
    expect_end_fails(writer, STATUS_INVALID, "2 lists or maps of the output were not ended");
    writer_begin(writer);
    mf_begin_list(&writer->face);
    expect_end_fails(writer, STATUS_INVALID, "1 lists or maps of the output were not ended");
    writer_destroy(writer);
}

Test(writer_failure, an_end_must_match_its_begin)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    mf_writer *out = &writer->face;
    mf_end_list(out);
    expect_end_fails(writer, STATUS_INVALID, "mf_end_list() without its begin");
    writer_begin(writer);
    mf_begin_list(out);
    mf_end_map(out);
    expect_end_fails(writer, STATUS_INVALID, "mf_end_map() where a list is open");
    writer_begin(writer);
    mf_begin_map(out);
    mf_end_list(out);
    expect_end_fails(writer, STATUS_INVALID, "mf_end_list() where a map is open");
    writer_begin(writer);
    mf_put_int(out, 1);
    mf_end_map(out);
    expect_end_fails(writer, STATUS_INVALID, "mf_end_map() without its begin");
    writer_destroy(writer);
}

Test(writer_failure, keys_and_values_of_a_map_must_alternate)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    mf_writer *out = &writer->face;
    mf_put_key(out, "a");
    expect_end_fails(writer, STATUS_INVALID, "the key \"a\" was put outside of a map");

    writer_begin(writer);
    mf_begin_map(out);
    mf_put_key(out, "x");
    mf_begin_list(out);
    mf_put_key(out, "a");
    expect_end_fails(writer, STATUS_INVALID, "the key \"a\" was put outside of a map");

    writer_begin(writer);
    mf_begin_map(out);
    mf_put_key(out, "a");
    mf_put_key(out, "b");
    expect_end_fails(writer, STATUS_INVALID, "the key \"b\" was put where a value is due");

    writer_begin(writer);
    mf_begin_map(out);
    mf_put_int(out, 1);
    mf_put_key(out, "b");
    expect_end_fails(writer, STATUS_INVALID,
                     "the key \"b\" was put where a key for the last value is due");

    writer_begin(writer);
    mf_begin_map(out);
    mf_put_key(out, "a");
    mf_end_map(out);
    expect_end_fails(writer, STATUS_INVALID, "a map with 1 keys and 0 values");

    writer_begin(writer);
    mf_begin_map(out);
    mf_put_int(out, 1);
    mf_put_int(out, 2);
    mf_end_map(out);
    expect_end_fails(writer, STATUS_INVALID, "a map with 0 keys and 2 values");
    writer_destroy(writer);
}

Test(writer_failure, text_that_is_not_utf8_is_refused)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    mf_put_str(&writer->face, "a\xff");
    expect_end_fails(writer, STATUS_INVALID, "a str that is not UTF-8 was put; use mf_put_bytes()");
    writer_begin(writer);
    mf_begin_map(&writer->face);
    mf_put_key(&writer->face, "\xff");
    expect_end_fails(writer, STATUS_INVALID, "a key that is not UTF-8 was put");
    writer_destroy(writer);
}

Test(writer_failure, null_pointers_are_refused)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    mf_writer *out = &writer->face;
    mf_put_str(out, NULL);
    expect_end_fails(writer, STATUS_INVALID, "a str was put from NULL");
    writer_begin(writer);
    mf_put_text(out, NULL, 1);
    expect_end_fails(writer, STATUS_INVALID, "a str was put from NULL");
    writer_begin(writer);
    mf_put_bytes(out, NULL, 1);
    expect_end_fails(writer, STATUS_INVALID, "bytes were put from NULL");
    writer_begin(writer);
    mf_put_key(out, NULL);
    expect_end_fails(writer, STATUS_INVALID, "a key was put from NULL");
    writer_begin(writer);
    mf_put_path(out, NULL);
    expect_end_fails(writer, STATUS_INVALID, "a path was put from NULL");
    writer_begin(writer);
    mf_put_file(out, NULL);
    expect_end_fails(writer, STATUS_INVALID, "a file was put without a path");
    writer_destroy(writer);
}

Test(writer_failure, a_value_may_be_as_large_as_the_limit_and_no_larger)
{
    struct writer *writer = writer_fine(10);
    mf_writer *out = &writer->face;
    mf_put_str(out, "123456789");
    end_fine(writer);
    writer_begin(writer);
    mf_put_str(out, "1234567890");
    expect_end_fails(writer, STATUS_LIMIT, "the output is larger than 10 bytes");
    writer_begin(writer);
    mf_put_bytes(out, "12345678901", 11);
    expect_end_fails(writer, STATUS_LIMIT, "the output is larger than 10 bytes");
    writer_begin(writer);
    mf_begin_list(out);
    for (int i = 0; i < 9; i++) {
        mf_put_int(out, 1);
    }
    mf_end_list(out);
    end_fine(writer);
    writer_begin(writer);
    mf_begin_list(out);
    for (int i = 0; i < 10; i++) {
        mf_put_int(out, 1);
    }
    mf_end_list(out);
    expect_end_fails(writer, STATUS_LIMIT, "the output is larger than 10 bytes");
    struct arena arena = {0};
    const mf_value value = from_json(&arena, "[1,2,3,4,5,6,7,8,9,0]");
    writer_begin(writer);
    mf_put_value(out, &value);
    expect_end_fails(writer, STATUS_LIMIT, "the output is larger than 10 bytes");
    arena_free(&arena);
    writer_destroy(writer);
}

/* Goal: a task that writes without end is stopped at its limit, not when memory is gone. */
Test(writer_failure, a_value_that_grows_without_end_takes_no_memory_without_end)
{
    struct writer *writer = writer_fine(100000);
    mf_begin_list(&writer->face);
    for (int i = 0; i < 10000000; i++) {
        mf_put_int(&writer->face, i);
    }
    mf_end_list(&writer->face);
    cr_expect(le(sz, writer->capacity, 400000));
    expect_end_fails(writer, STATUS_LIMIT, "the output is larger than 100000 bytes");
    writer_destroy(writer);
}

Test(writer_failure, the_first_one_is_told_and_what_follows_is_dropped)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    mf_writer *out = &writer->face;
    mf_put_str(out, "\xff");
    const size_t size = writer_size(writer);
    mf_put_int(out, 1);
    mf_put_float(out, 1);
    mf_put_bool(out, true);
    mf_put_null(out);
    mf_put_str(out, "a");
    mf_put_bytes(out, "a", 1);
    mf_begin_list(out);
    mf_end_map(out);
    mf_put_key(out, NULL);
    mf_put_file(out, "none");
    mf_put_path(out, "/none");
    const mf_value value = value_int(5);
    mf_put_value(out, &value);
    cr_expect(eq(sz, writer_size(writer), size));
    expect_end_fails(writer, STATUS_INVALID, "a str that is not UTF-8 was put; use mf_put_bytes()");
    writer_begin(writer);
    mf_put_int(out, 7);
    expect_latest(writer, "7");
    writer_destroy(writer);
}

Test(writer_failure, only_the_value_that_failed_is_taken_back)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    mf_put_int(&writer->face, 1);
    end_fine(writer);
    writer_begin(writer);
    mf_put_str(&writer->face, "abc");
    mf_put_str(&writer->face, "def");
    expect_end_fails(writer, STATUS_INVALID, "2 outputs were written, expected one");
    writer_begin(writer);
    mf_put_int(&writer->face, 2);
    end_fine(writer);
    cr_assert(eq(sz, writer_size(writer), 2));
    cr_expect(eq(int, memcmp(writer->data, "\x01\x02", 2), 0));
    writer_destroy(writer);
}

Test(writer_failures, rewind_takes_back_what_was_begun_and_its_error)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    mf_put_int(&writer->face, 1);
    end_fine(writer);
    writer_begin(writer);
    mf_begin_map(&writer->face);
    mf_put_key(&writer->face, "\xff");
    writer_rewind(writer);
    cr_expect(eq(sz, writer_size(writer), 1));
    mf_put_int(&writer->face, 2);
    end_fine(writer);
    cr_expect(eq(sz, writer_size(writer), 2));
    writer_destroy(writer);
}
