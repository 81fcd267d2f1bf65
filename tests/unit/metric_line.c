#include "jobs/command/metric_line.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(metric_line, .timeout = 20);

static void expect(const char *name, const char *line, enum metric_line expected, double value)
{
    double found = -12345;
    char *copy = malloc(strlen(line) + 1); /* so that a sanitizer sees what reads on */
    memcpy(copy, line, strlen(line));
    const enum metric_line kind = metric_line_read(name, copy, strlen(line), &found);
    cr_expect(eq(int, kind, expected), "%s in: %s", name, line);
    if (kind == METRIC_LINE_REPORT && expected == METRIC_LINE_REPORT) {
        cr_expect(isnan(value) ? isnan(found) : found == value, "%s: %g", line, found);
    }
    free(copy);
}

static void expect_value(const char *name, const char *line, double value)
{
    expect(name, line, METRIC_LINE_REPORT, value);
}

static void expect_plain(const char *line)
{
    expect("loss", line, METRIC_LINE_PLAIN, 0);
}

static void expect_odd(const char *line)
{
    expect("loss", line, METRIC_LINE_ODD, 0);
}

Test(metric_line, a_name_and_a_number_with_or_without_blanks)
{
    expect_value("loss", "loss=0.5", 0.5);
    expect_value("loss", "loss = 0.5", 0.5);
    expect_value("loss", "  loss =0.5\t", 0.5);
    expect_value("loss", "loss=-1e-05", -1e-05);
    expect_value("loss", "loss=+3", 3);
    expect_value("loss", "loss=.5", 0.5);
    expect_value("loss", "loss=5.", 5);
    expect_value("val/acc", "val/acc=1", 1);
    expect_value("test mAP", "test mAP = 12", 12);
    expect_value("ndcg@10", "ndcg@10=0.25", 0.25);
    expect_value("Verlust ä", "Verlust ä = 7", 7);
}

/* The name is everything before the last sign. */
Test(metric_line, a_name_may_hold_signs)
{
    expect_value("a=b", "a=b=1", 1);
    expect_value("top k = 5", "top k = 5 = 0.75", 0.75);
    expect_odd("epoch=3 loss=0.5");
    expect_plain("epoch=3");
}

Test(metric_line, what_is_no_finite_number_is_a_value)
{
    expect_value("loss", "loss=nan", NAN);
    expect_value("loss", "loss = NaN", NAN);
    expect_value("loss", "loss=inf", INFINITY);
    expect_value("loss", "loss=-inf", -INFINITY);
    expect_value("loss", "loss=-Infinity", -INFINITY);
    expect_value("loss", "{\"loss\": NaN}", NAN);
    expect_value("loss", "{\"loss\": -Infinity}", -INFINITY);
    expect_value("loss", "loss=1e999", INFINITY);
}

Test(metric_line, a_record_of_json_names_it_among_others)
{
    expect_value("loss", "{\"loss\": 0.5}", 0.5);
    expect_value("loss", "{\"step\":3,\"loss\":0.5,\"note\":\"a \\\"b\\\" }\"}", 0.5);
    expect_value("loss", " { \"x\" : [1, {\"loss\": 9}] , \"loss\" : 2 } ", 2);
    expect_value("loss", "{\"loss\": 1, \"loss\": 2}", 2);
    expect_value("loss", "{\"l\\u006fss\": 4}", 4);
    expect_value("a\"b/c", "{\"a\\\"b\\/c\": 4}", 4);
    expect_value("ä😀", "{\"\\u00e4\\ud83d\\ude00\": 4}", 4);
    expect_value("loss", "{\"a\": null, \"b\": true, \"c\": NaN, \"loss\": 1e3}", 1000);
}

Test(metric_line, a_line_that_does_not_name_it_is_plain)
{
    expect_plain("");
    expect_plain("   ");
    expect_plain("=");
    expect_plain("=0.5");
    expect_plain("hello");
    expect_plain("glossary=1");
    expect_plain("loss2=1");
    expect_plain("my_loss: 3");
    expect_plain("{\"acc\": 0.5}");
    expect_plain("{}");
    expect_plain("{");
    expect_plain("{\"a\": {\"b\": [1, 2]}}");
}

Test(metric_line, a_line_that_names_it_and_is_no_report_is_odd)
{
    expect_odd("loss: 0.5");
    expect_odd("epoch 3, loss 0.5");
    expect_odd("loss=");
    expect_odd("loss=0.5x");
    expect_odd("loss=0x10");
    expect_odd("loss=0.5, acc=3");
    expect_odd("loss=1e");
    expect_odd("loss=.");
    expect_odd("loss=tensor(0.5)");
    expect_odd("{\"loss\": \"0.5\"}");
    expect_odd("{\"loss\": null}");
    expect_odd("{\"loss\": [0.5]}");
    expect_odd("{\"loss\": 0.5");
    expect_odd("{\"loss\": 0.5}}");
    expect_odd("{\"loss\" 0.5}");
    expect_odd("{\"loss\": 0.5,}");
    expect_odd("{'loss': 0.5}");
    expect_odd("{\"x\": \"loss\"}");
}

/* ---- Streams -----------------------------------------------------------------------------------
 */

struct heard {
    size_t count;
    size_t odd_count;
    double values[16];
};

static void hear(void *context, enum metric_line kind, double value)
{
    struct heard *heard = context;
    if (kind == METRIC_LINE_ODD) {
        heard->odd_count++;
    } else if (heard->count < 16) {
        heard->values[heard->count++] = value;
    }
}

/* However it is cut. */
Test(metric_line, a_line_counts_when_it_has_come_to_its_end)
{
    static const char text[] =
        "start\nloss=1\r\n{\"loss\": 2}\rloss: 9\n\n\nloss = 3\rloss=4\nloss=5";
    for (size_t step = 1; step < sizeof(text); step++) {
        struct heard heard = {.count = 0};
        struct metric_stream stream = {.name = "loss"};
        for (size_t at = 0; at < sizeof(text) - 1; at += step) {
            const size_t left = sizeof(text) - 1 - at;
            metric_stream_put(&stream, text + at, left < step ? left : step, hear, &heard);
        }
        cr_expect(eq(sz, heard.count, 4));
        cr_expect(eq(sz, heard.odd_count, 1));
        for (size_t i = 0; i < heard.count; i++) {
            cr_expect(eq(dbl, heard.values[i], (double)i + 1));
        }
        metric_stream_end(&stream, true, hear, &heard);
        cr_expect(eq(sz, heard.count, 5));
        metric_stream_free(&stream);
    }
}

Test(metric_line, the_rest_of_a_stream_that_was_cut_off_is_no_line)
{
    struct heard heard = {.count = 0};
    struct metric_stream stream = {.name = "loss"};
    metric_stream_put(&stream, "loss=0.1", 8, hear, &heard);
    metric_stream_end(&stream, false, hear, &heard);
    cr_expect(eq(sz, heard.count + heard.odd_count, 0));
    metric_stream_free(&stream);
}

Test(metric_line, a_line_without_an_end_takes_bounded_memory_and_the_next_counts)
{
    static char block[65536];
    struct heard heard = {.count = 0};
    struct metric_stream stream = {.name = "loss"};
    memset(block, 'x', sizeof(block));
    for (int i = 0; i < 100; i++) {
        metric_stream_put(&stream, block, sizeof(block), hear, &heard);
    }
    cr_expect(lt(sz, stream.capacity, (size_t)4 << 20));
    metric_stream_put(&stream, "loss\nloss=2\n", 12, hear, &heard);
    cr_expect(eq(sz, heard.odd_count, 0));
    cr_assert(eq(sz, heard.count, 1));
    cr_expect(eq(dbl, heard.values[0], 2));
    metric_stream_free(&stream);
}

/* Whatever bytes there are: nothing is read behind them. */
Test(metric_line, no_bytes_are_too_odd)
{
    static const char *const pieces[] = {
        "loss", "=",   "{",  "}",    "\"",   ":",   ",",  "\\u",      "\\", "[",    "]", "0.5",
        " ",    "nan", "\0", "\xff", "d83d", "\\n", "e+", "\"loss\"", "\t", "true", "-", "1e9"};
    const size_t piece_count = sizeof(pieces) / sizeof(pieces[0]);
    uint64_t random = 1;
    for (int round = 0; round < 200000; round++) {
        char line[128];
        size_t size = 0;
        double value;
        random = random * 6364136223846793005u + 1442695040888963407u;
        for (uint64_t i = 0, rest = random >> 8; i < (random >> 60); i++, rest /= piece_count) {
            const char *piece = pieces[rest % piece_count];
            const size_t piece_size = *piece == '\0' ? 1 : strlen(piece);
            memcpy(line + size, piece, piece_size);
            size += piece_size;
        }
        char *copy = malloc(size + (size == 0 ? 1 : 0));
        memcpy(copy, line, size);
        (void)metric_line_read("loss", copy, size, &value);
        free(copy);
    }
}
