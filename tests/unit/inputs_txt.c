/* Inputs from lines of text, whole or in columns. */
#include "tests/unit/inputs_support.h"

TestSuite(inputs_txt, .init = folder_create, .fini = folder_remove);

static struct inputs_source separated(const char *path, const char *separator)
{
    struct inputs_source source = file_source(path);
    source.column_separator = separator;
    return source;
}

static void expect_columns(const char *text, const char *separator, const char *json)
{
    write_text("a.txt", text);
    expect_elements(separated("a.txt", separator), "any", json);
}

Test(inputs_txt, each_line_is_a_string_as_it_stands)
{
    expect_file("a.txt", "one\n two \n\"3\"\n", "str", "\"one\"\n\" two \"\n\"\\\"3\\\"\"\n");
    expect_file("a.txt", "1\n2\n", "any", "\"1\"\n\"2\"\n");
}

Test(inputs_txt, blank_lines_are_empty_strings)
{
    expect_file("a.txt", "\na\n\n", "str", "\"\"\n\"a\"\n\"\"\n");
}

Test(inputs_txt, a_mark_and_cr_lf_and_a_missing_last_newline_are_fine)
{
    expect_file("a.txt", "\xEF\xBB\xBFone\r\nb\rc\r\n\r\nd", "str",
                "\"one\"\n\"b\\rc\"\n\"\"\n\"d\"\n");
    expect_file("a.txt", "\xEF\xBB\xBF", "str", "");
    expect_file("a.txt", "x\n\xEF\xBB\xBF", "str", "\"x\"\n\"\xEF\xBB\xBF\"\n");
}

Test(inputs_txt, lines_are_read_as_the_type)
{
    expect_file("a.txt", "1\n-2\n", "int", "1\n-2\n");
    expect_file("a.txt", "1\n\n", "int?", "1\nnull\n");
    expect_file("a.txt", "[1, 2]\n[]\n", "list<int>", "[1,2]\n[]\n");
    expect_file_refused("a.txt", "1\n\n", "int", "a.txt:2: index 1: expected int, found str \"\"");
}

Test(inputs_txt, a_nul_and_other_bytes_than_utf8_are_refused_with_their_line)
{
    write_bytes("a.txt", "a\nb\0\n", 5);
    expect_refusal(file_source("a.txt"), "any", "a.txt:2: index 1: found a NUL, expected text");
    expect_file_refused("a.txt", "a\nb\nc\xC3", "any",
                        "a.txt:3: index 2: found bytes that are not UTF-8, expected text");
}

/* ---- Columns -------------------------------------------------------------------------------- */

Test(inputs_txt, columns_make_a_line_a_list)
{
    expect_columns("a,b\n,\n\nc\n", ",", "[\"a\",\"b\"]\n[\"\",\"\"]\n[\"\"]\n[\"c\"]\n");
    write_text("a.txt", "1 2\n3 4\n");
    expect_elements(separated("a.txt", " "), "list<int>", "[1,2]\n[3,4]\n");
}

Test(inputs_txt, a_separator_is_an_extended_expression)
{
    expect_columns("a1b22c\n", "[0-9]+", "[\"a\",\"b\",\"c\"]\n");
    expect_columns("a, b ;c\n", " *[,;] *", "[\"a\",\"b\",\"c\"]\n");
    expect_columns("aXbYc\n", "X|Y", "[\"a\",\"b\",\"c\"]\n");
    expect_columns("a.b\n", "\\.", "[\"a\",\"b\"]\n");
    expect_columns("a::b\n", "::", "[\"a\",\"b\"]\n");
}

Test(inputs_txt, backslash_t_is_a_tab_and_a_lone_bar_is_itself)
{
    expect_columns("a\tb t\n", "\\t", "[\"a\",\"b t\"]\n");
    expect_columns("a\t\t b\n", "[\\t ]+", "[\"a\",\"b\"]\n");
    expect_columns("a\\tb\n", "\\\\t", "[\"a\",\"b\"]\n");
    expect_columns("a|b\n", "|", "[\"a\",\"b\"]\n");
}

Test(inputs_txt, a_match_of_nothing_does_not_split)
{
    expect_columns("axxb\n", "x*", "[\"a\",\"b\"]\n");
    expect_columns("ab\n", "x*", "[\"ab\"]\n");
    expect_columns("\xC3\xA4xx\xC3\xB6\n", "x*", "[\"\xC3\xA4\",\"\xC3\xB6\"]\n");
}

Test(inputs_txt, anchors_hold_for_the_line_and_not_for_the_column)
{
    expect_columns("aab,ab\n", "^a|,", "[\"\",\"ab\",\"ab\"]\n");
    expect_columns("a,b,\n", ",$", "[\"a,b\",\"\"]\n");
}

Test(inputs_txt, an_expression_sees_characters_and_not_bytes)
{
    expect_columns("a\xC2\xB7"
                   "b\xC3\xB7"
                   "c\n",
                   "[\xC2\xB7|]",
                   "[\"a\",\"b\xC3\xB7"
                   "c\"]\n");
    expect_columns("\xC3\xA4-\xC3\xB6\n", "^.-", "[\"\",\"\xC3\xB6\"]\n");
}

Test(inputs_txt, a_line_may_have_very_many_columns)
{
    static const char *const separators[] = {",", "[,;]"};
    enum { COUNT = 100000 };
    struct buffer text = {0};
    for (int i = 0; i < COUNT; i++) {
        cr_assert(eq(int, buffer_append(&text, "1,", 2), STATUS_OK));
    }
    write_bytes("a.txt", text.data, text.size - 1);
    buffer_free(&text);
    for (size_t i = 0; i < 2; i++) {
        const struct inputs_source source = separated("a.txt", separators[i]);
        struct inputs *inputs = open_fine(&source, "list<int>");
        cr_expect(eq(u64, inputs_packed_size(inputs), 5 + COUNT));
        inputs_close(inputs);
    }
}

Test(inputs_txt, a_bad_separator_is_refused)
{
    write_text("a.txt", "a\n");
    expect_refusal(separated("a.txt", ""), "any",
                   "--colsep: found nothing, expected an expression");
    expect_refusal(separated("a.txt", "[a"), "any",
                   "--colsep \"[a\": Unmatched [, [^, [:, [., or [=, expected a POSIX extended "
                   "expression");
}

Test(inputs_txt, a_column_of_the_wrong_type_is_refused_with_line_index_and_place)
{
    write_text("a.txt", "1,2\n3,x\n");
    expect_refusal(separated("a.txt", ","), "list<int>",
                   "a.txt:2: index 1: at [1]: expected int, found str \"x\"");
}
