/* Inputs from JSON Lines, from a JSON array, and from a msgpack stream. */
#include "tests/unit/inputs_support.h"

#include <msgpack.h>

TestSuite(inputs_json, .init = folder_create, .fini = folder_remove);

/* ---- JSON Lines ----------------------------------------------------------------------------- */

Test(inputs_json, each_line_is_an_element)
{
    expect_file("a.jsonl", "1\n-2\n3\n", "int", "1\n-2\n3\n");
    expect_file("a.jsonl", "{\"x\": 1, \"s\": \"a\\nb\"}\n[1, 2.5, null]\n\"z\"\n", "any",
                "{\"x\":1,\"s\":\"a\\nb\"}\n[1,2.5,null]\n\"z\"\n");
}

Test(inputs_json, a_mark_and_cr_lf_and_blank_lines_and_a_missing_last_newline_are_fine)
{
    expect_file("a.jsonl", "\xEF\xBB\xBF\r\n1\r\n \t \r\n\n2\r\n3", "int", "1\n2\n3\n");
}

Test(inputs_json, an_empty_file_is_an_empty_list)
{
    expect_file("a.jsonl", "", "int", "");
    expect_file("a.jsonl", "\n\n", "int", "");
}

Test(inputs_json, ints_for_a_float_become_floats)
{
    expect_file("a.jsonl", "1\n2.5\n", "float", "1.0\n2.5\n");
    expect_file_refused("a.jsonl", "1.0\n", "int",
                        "a.jsonl:1: index 0: expected int, found float 1.0");
}

Test(inputs_json, a_wrong_type_is_refused_with_line_index_and_path)
{
    expect_file_refused("a.jsonl", "{\"x\": 1}\n\n\n{\"x\": \"abc\"}\n", "{x: int}",
                        "a.jsonl:4: index 1: at .x: expected int, found str \"abc\"");
}

Test(inputs_json, malformed_json_is_refused_with_line_index_and_column)
{
    expect_file_refused("a.jsonl", "1\n\n[1, }\n", "any",
                        "a.jsonl:3: index 1: column 5: unexpected token near '}'");
    expect_file_refused("a.jsonl", "1 2\n", "any",
                        "a.jsonl:1: index 0: column 3: end of file expected near '2'");
}

Test(inputs_json, doubled_fields_nan_half_surrogates_and_large_integers_are_refused)
{
    static const char *const lines[] = {"{\"a\": 1, \"a\": 2}", "NaN", "\"\\ud800\"",
                                        "9223372036854775808"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        const struct inputs_source source = file_source("a.jsonl");
        struct inputs *inputs = NULL;
        struct error err = {.text = ""};
        write_text("a.jsonl", lines[i]);
        cr_expect(eq(int, open_as(&source, "any", &inputs, &err), STATUS_INVALID));
        cr_expect(eq(int, strncmp(err.text, "a.jsonl:1: index 0: column ", 27), 0), "%s", err.text);
    }
}

Test(inputs_json, a_nul_and_other_bytes_than_utf8_are_refused_with_their_line)
{
    const struct inputs_source source = file_source("a.jsonl");
    write_bytes("a.jsonl", "1\n\"a\0b\"\n", 8);
    expect_refusal(source, "any", "a.jsonl:2: index 1: found a NUL, expected text");
    write_text("a.jsonl", "1\n2\n\"\xFF\"\n");
    expect_refusal(source, "any",
                   "a.jsonl:3: index 2: found bytes that are not UTF-8, expected text");
}

Test(inputs_json, a_line_may_be_many_megabytes_long)
{
    const size_t size = (size_t)5 << 20;
    char *text = malloc(size + 8);
    cr_assert(ne(ptr, text, NULL));
    memset(text, 'x', size);
    text[0] = '"';
    memcpy(text + size, "\"\n7\n", 5);
    write_text("a.jsonl", text);
    const struct inputs_source source = file_source("a.jsonl");
    struct inputs *inputs = open_fine(&source, "any");
    cr_expect(eq(u64, inputs_count(inputs), 2));
    cr_expect(eq(u64, inputs_packed_size(inputs), 5 + (size - 1) + 1));
    expect_text(elements_json(inputs, 1, 1), "7\n");
    inputs_close(inputs);
    free(text);
}

Test(inputs_json, relative_paths_of_a_file_type_start_at_the_launch_directory)
{
    write_text("data.bin", "x");
    write_text("a.jsonl", "\"./data.bin\"\n");
    expect_elements(file_source("a.jsonl"), "file", printed("\"%s/data.bin\"\n", folder));
}

/* ---- An array ------------------------------------------------------------------------------- */

Test(inputs_json, each_item_of_an_array_is_an_element)
{
    expect_file("a.json", "[1, 2,3 ]", "int", "1\n2\n3\n");
    expect_file("a.json", "\xEF\xBB\xBF \n[\n  {\"x\": [1, {\"y\": \"],}\\\"\"}]},\n  \"a,b\"\n]\n",
                "any", "{\"x\":[1,{\"y\":\"],}\\\"\"}]}\n\"a,b\"\n");
    expect_file("a.json", " [ ] ", "int", "");
}

/* Items of all sizes, so that they end at every place of the window. */
Test(inputs_json, items_may_end_anywhere_in_what_is_read_at_a_time)
{
    struct buffer text = {0};
    cr_assert(eq(int, buffer_append_byte(&text, '['), STATUS_OK));
    enum { COUNT = 30000 };
    for (int i = 0; i < COUNT; i++) {
        cr_assert(eq(int,
                     buffer_printf(&text, "%s{\"i\": %d, \"s\": \"%*s\"}", i > 0 ? ",\n" : "", i,
                                   i % 41, ""),
                     STATUS_OK));
    }
    cr_assert(eq(int, buffer_append_byte(&text, ']'), STATUS_OK));
    write_bytes("a.json", text.data, text.size);
    buffer_free(&text);
    const struct inputs_source source = file_source("a.json");
    struct inputs *inputs = open_fine(&source, "{i: int, s: str}");
    cr_assert(eq(u64, inputs_count(inputs), COUNT));
    for (int i = 0; i < COUNT; i += 997) {
        expect_text(elements_json(inputs, (uint64_t)i, 1),
                    printed("{\"i\":%d,\"s\":\"%*s\"}\n", i, i % 41, ""));
    }
    inputs_close(inputs);
}

Test(inputs_json, an_item_of_the_wrong_type_is_refused_with_line_and_index)
{
    expect_file_refused("a.json", "[1,\n 2,\n\n \"x\"]", "int",
                        "a.json:4: index 2: expected int, found str \"x\"");
}

Test(inputs_json, malformed_items_are_refused_with_line_index_and_column)
{
    expect_file_refused("a.json", "[1,\n {\"a\":\n  tru}]", "any",
                        "a.json:3: index 1: column 5: invalid token near 'tru'");
    expect_file_refused("a.json", "[1, ,2]", "any",
                        "a.json:1: index 1: column 5: found ',', expected a value");
    expect_file_refused("a.json", "[1, 2,]", "any",
                        "a.json:1: index 2: column 7: found ']', expected a value");
}

Test(inputs_json, an_array_that_does_not_end_is_refused)
{
    expect_file_refused("a.json", "[1,\n2,\n3", "any",
                        "a.json:3: index 2: column 1: found no end of the value, expected ',' or "
                        "']' behind it");
    expect_file_refused("a.json", "[1,", "any",
                        "a.json:1: index 1: column 4: found the end of the file, expected a value");
    expect_file_refused("a.json", "[", "any",
                        "a.json:1: index 0: column 2: found the end of the file, expected a value");
}

Test(inputs_json, text_behind_the_array_is_refused)
{
    expect_file_refused("a.json", "[1]\n[2]", "any",
                        "a.json:2: column 1: found '[', expected nothing behind the array");
}

Test(inputs_json, a_file_that_is_no_array_is_refused)
{
    expect_file_refused("a.json", "{\"a\": 1}", "any",
                        "a.json:1: column 1: found '{', expected '[': a .json file is one array "
                        "(one value a line is .jsonl)");
    expect_file_refused("a.json", "", "any",
                        "a.json:1: column 1: found the end of the file, expected '[': a .json file "
                        "is one array (one value a line is .jsonl)");
}

Test(inputs_json, a_nul_in_an_array_is_refused_with_its_line)
{
    const struct inputs_source source = file_source("a.json");
    write_bytes("a.json", "[1,\n2\n]\0", 8);
    expect_refusal(source, "any",
                   "a.json:3: column 2: found a NUL, expected nothing behind the array");
    write_bytes("a.json", "[1,\n\0]", 6);
    struct inputs *inputs = NULL;
    struct error err = {.text = ""};
    cr_expect(eq(int, open_as(&source, "any", &inputs, &err), STATUS_INVALID));
    cr_expect(eq(int, strncmp(err.text, "a.json:2: index 1: ", 19), 0), "%s", err.text);
}

/* ---- msgpack -------------------------------------------------------------------------------- */

/* Of every kind and width, canonical so that the list holds the same bytes. */
static void pack_all_kinds(struct buffer *out)
{
    static const char long_text[300] = "long";
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, buffer_msgpack_write);
    msgpack_pack_nil(&packer);
    msgpack_pack_true(&packer);
    static const int64_t integers[] = {0,      127,        128,    255,       256,
                                       65535,  65536,      -32,    -33,       -129,
                                       -32769, 4294967296, -70000, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < sizeof(integers) / sizeof(integers[0]); i++) {
        msgpack_pack_int64(&packer, integers[i]);
    }
    msgpack_pack_double(&packer, 0.5);
    static const size_t sizes[] = {0, 3, 31, 32, 300};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        msgpack_pack_str(&packer, sizes[i]);
        msgpack_pack_str_body(&packer, long_text, sizes[i]);
        msgpack_pack_bin(&packer, sizes[i]);
        msgpack_pack_bin_body(&packer, long_text, sizes[i]);
    }
    msgpack_pack_array(&packer, 20);
    for (int i = 0; i < 20; i++) {
        msgpack_pack_array(&packer, 1);
        msgpack_pack_map(&packer, 1);
        msgpack_pack_str_with_body(&packer, "k", 1);
        msgpack_pack_int(&packer, i);
    }
}

enum { ALL_KINDS_COUNT = 2 + 15 + 1 + 2 * 5 + 1 };

Test(inputs_json, a_msgpack_stream_is_taken_as_it_is)
{
    struct buffer packed = {0};
    pack_all_kinds(&packed);
    write_bytes("a.msgpack", packed.data, packed.size);
    const struct inputs_source source = file_source("a.msgpack");
    struct inputs *inputs = open_fine(&source, "any");
    cr_assert(eq(u64, inputs_count(inputs), ALL_KINDS_COUNT));
    struct buffer again = {0};
    const struct span span = {.start = 0, .count = ALL_KINDS_COUNT};
    cr_assert(eq(int, inputs_pack(inputs, &span, 1, &again, NULL), STATUS_OK));
    cr_assert(eq(sz, again.size, packed.size));
    cr_expect(eq(int, memcmp(again.data, packed.data, packed.size), 0));
    inputs_close(inputs);
    buffer_free(&again);
    buffer_free(&packed);
}

/* Goal: no cut goes unnoticed, but for those between two elements.
 * Method: the file cut at every byte; where the cut is within element K, the text names K. */
Test(inputs_json, a_msgpack_stream_that_is_cut_within_an_element_is_refused_with_its_index)
{
    struct buffer packed = {0};
    pack_all_kinds(&packed);
    const struct inputs_source source = file_source("a.msgpack");
    size_t start = 0; /* of the element that the cut is in */
    size_t end = 0;
    uint64_t index = 0;
    cr_assert(eq(int, value_skip(packed.data, packed.size, &end), STATUS_OK));
    for (size_t cut = 0; cut < packed.size; cut++) {
        if (cut == end) {
            size_t size = 0;
            start = end;
            index++;
            cr_assert(
                eq(int, value_skip(packed.data + start, packed.size - start, &size), STATUS_OK));
            end = start + size;
        }
        struct inputs *inputs = NULL;
        struct error err = {.text = ""};
        write_bytes("a.msgpack", packed.data, cut);
        const enum status status = open_as(&source, "any", &inputs, &err);
        if (cut == start) {
            cr_assert(eq(int, status, STATUS_OK), "cut %zu: %s", cut, err.text);
            cr_assert(eq(u64, inputs_count(inputs), index));
            inputs_close(inputs);
        } else {
            char expected[64];
            (void)snprintf(expected, sizeof(expected), "a.msgpack: index %d: at byte ", (int)index);
            cr_assert(eq(int, status, STATUS_INVALID), "cut %zu", cut);
            cr_assert(eq(int, strncmp(err.text, expected, strlen(expected)), 0), "cut %zu: %s", cut,
                      err.text);
        }
    }
    buffer_free(&packed);
}

Test(inputs_json, an_ext_in_a_msgpack_stream_is_refused_with_its_index)
{
    static const char *const exts[] = {"\x01\xd4\x05z", "\x01\xc7\x02\x05zz",
                                       "\x01\xd8\x05zzzzzzz"};
    const struct inputs_source source = file_source("a.msgpack");
    for (size_t i = 0; i < sizeof(exts) / sizeof(exts[0]); i++) {
        write_text("a.msgpack", exts[i]);
        expect_refusal(source, "any",
                       "a.msgpack: index 1: at byte 0: found an ext, expected null, bool, int, "
                       "float, str, bytes, list or map");
    }
}

Test(inputs_json, a_msgpack_element_of_the_wrong_type_is_refused_with_its_index)
{
    const struct inputs_source source = file_source("a.msgpack");
    write_text("a.msgpack", "\x01\x02\xa1z");
    expect_refusal(source, "int", "a.msgpack: index 2: expected int, found str \"z\"");
}

/* The window grows over several reads for one element. */
Test(inputs_json, a_msgpack_element_may_be_many_megabytes_long)
{
    const size_t size = (size_t)3 << 20;
    struct buffer packed = {0};
    msgpack_packer packer;
    msgpack_packer_init(&packer, &packed, buffer_msgpack_write);
    char *text = calloc(1, size);
    cr_assert(ne(ptr, text, NULL));
    msgpack_pack_array(&packer, 2);
    msgpack_pack_bin(&packer, size);
    msgpack_pack_bin_body(&packer, text, size);
    msgpack_pack_int(&packer, 5);
    msgpack_pack_int(&packer, 6);
    write_bytes("a.msgpack", packed.data, packed.size);
    const struct inputs_source source = file_source("a.msgpack");
    struct inputs *inputs = open_fine(&source, "any");
    cr_expect(eq(u64, inputs_count(inputs), 2));
    cr_expect(eq(u64, inputs_packed_size(inputs), packed.size));
    inputs_close(inputs);
    buffer_free(&packed);
    free(text);
}
