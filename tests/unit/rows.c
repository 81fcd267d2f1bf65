#include "cli/rows.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "shared/value.h"

#define OK(call) cr_assert(eq(int, (call), STATUS_OK))

static int ends[2]; /* of a pipe: what is written fits in it */

static void start(struct rows *rows, enum rows_format format)
{
    cr_assert(eq(int, pipe(ends), 0));
    rows_start(rows, format, ends[1]);
}

/* What was written, up to the end. */
static const char *finish(struct rows *rows)
{
    static char text[4096];
    struct error err;
    OK(rows_finish(rows, &err));
    (void)close(ends[1]);
    const ssize_t size = read(ends[0], text, sizeof(text) - 1);
    cr_assert(ge(i64, size, 0));
    text[size] = '\0';
    (void)close(ends[0]);
    return text;
}

static mf_value text_value(const char *text)
{
    return value_text(MF_STR, text, (uint32_t)strlen(text));
}

static struct row_field fields[2];

static void put_two(struct rows *rows)
{
    fields[0] = (struct row_field){"a", value_int(1)};
    fields[1] = (struct row_field){"b", text_value("x\"y")};
    OK(rows_put_names(rows, fields, 2, NULL));
    OK(rows_put_record(rows, fields, 2, NULL));
    fields[1].value = value_null();
    OK(rows_put_record(rows, fields, 2, NULL));
}

Test(rows, json_lines_are_a_row_each)
{
    struct rows rows;
    start(&rows, ROWS_JSONL);
    put_two(&rows);
    cr_expect(strcmp(finish(&rows), "{\"a\":1,\"b\":\"x\\\"y\"}\n{\"a\":1,\"b\":null}\n") == 0);
}

Test(rows, json_is_one_array)
{
    struct rows rows;
    start(&rows, ROWS_JSON);
    put_two(&rows);
    cr_expect(strcmp(finish(&rows), "[\n{\"a\":1,\"b\":\"x\\\"y\"},\n{\"a\":1,\"b\":null}\n]\n") ==
              0);
    start(&rows, ROWS_JSON);
    cr_expect(strcmp(finish(&rows), "[]\n") == 0);
}

Test(rows, csv_has_a_header_and_quotes_what_needs_it)
{
    struct rows rows;
    start(&rows, ROWS_CSV);
    put_two(&rows);
    fields[0].value = text_value("");
    fields[1].value = text_value("two\nlines, and a comma");
    OK(rows_put_record(&rows, fields, 2, NULL));
    fields[0].value = value_float(0.1);
    fields[1].value = value_bool(true);
    OK(rows_put_record(&rows, fields, 2, NULL));
    cr_expect(strcmp(finish(&rows), "a,b\n1,\"x\"\"y\"\n1,\n\"\",\"two\nlines, and a comma\"\n"
                                    "0.1,true\n") == 0);
}

Test(rows, a_null_in_a_single_column_of_csv_is_no_blank_line)
{
    struct rows rows;
    start(&rows, ROWS_CSV);
    const struct row_field field = {"output", value_null()};
    OK(rows_put_names(&rows, &field, 1, NULL));
    OK(rows_put_record(&rows, &field, 1, NULL));
    cr_expect(strcmp(finish(&rows), "output\n\"\"\n") == 0);
}

Test(rows, msgpack_is_a_stream)
{
    struct rows rows;
    start(&rows, ROWS_MSGPACK);
    put_two(&rows);
    const mf_value one = value_int(1);
    OK(rows_put_value(&rows, &one, NULL));
    cr_expect(strcmp(finish(&rows), "\x82\xa1"
                                    "a\x01\xa1"
                                    "b\xa3x\"y\x82\xa1"
                                    "a\x01\xa1"
                                    "b\xc0\x01") == 0);
}

/* Goal: `| head` ends the printing quietly. */
Test(rows, a_reader_that_went_away_is_no_failure)
{
    struct rows rows;
    const mf_value text = text_value("some text");
    (void)signal(SIGPIPE, SIG_IGN);
    start(&rows, ROWS_JSONL);
    (void)close(ends[0]);
    for (unsigned i = 0; i < 100000 && rows.is_closed == false; i++) {
        OK(rows_put_value(&rows, &text, NULL));
    }
    cr_expect(rows.is_closed);
    OK(rows_finish(&rows, NULL));
    (void)close(ends[1]);
}

Test(rows, a_disk_that_is_full_is_a_failure)
{
    struct rows rows;
    struct error err;
    const mf_value text = text_value("some text");
    const int full = open("/dev/full", O_WRONLY);
    if (full < 0) {
        return;
    }
    rows_start(&rows, ROWS_JSONL, full);
    OK(rows_put_value(&rows, &text, &err));
    cr_expect(eq(int, rows_finish(&rows, &err), STATUS_IO));
    (void)close(full);
}
