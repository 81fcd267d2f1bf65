/* Inputs from CSV and TSV. */
#include "tests/unit/inputs_support.h"

TestSuite(inputs_csv, .init = folder_create, .fini = folder_remove);

static struct inputs_source without_header(const char *path)
{
    struct inputs_source source = file_source(path);
    source.no_header = true;
    return source;
}

static void expect_lists(const char *name, const char *text, const char *type_text,
                         const char *json)
{
    write_text(name, text);
    expect_elements(without_header(name), type_text, json);
}

static void expect_lists_refused(const char *name, const char *text, const char *type_text,
                                 const char *refusal)
{
    write_text(name, text);
    expect_refusal(without_header(name), type_text, refusal);
}

/* ---- Records and lists ---------------------------------------------------------------------- */

Test(inputs_csv, the_header_names_the_fields_and_text_is_read_as_their_types)
{
    expect_file("a.csv", "x,y,s,b\n1,2.5,hello,true\n-3,1e3,,false\n",
                "{x: int, y: float, s: str, b: bool}",
                "{\"x\":1,\"y\":2.5,\"s\":\"hello\",\"b\":true}\n"
                "{\"x\":-3,\"y\":1000.0,\"s\":\"\",\"b\":false}\n");
}

Test(inputs_csv, fields_of_any_stay_text)
{
    expect_file("a.csv", "x,y\n1,true\n", "any", "{\"x\":\"1\",\"y\":\"true\"}\n");
}

Test(inputs_csv, a_map_takes_any_columns)
{
    expect_file("a.csv", "x,y\n1,2\n", "map<str>", "{\"x\":\"1\",\"y\":\"2\"}\n");
}

Test(inputs_csv, an_empty_field_of_an_optional_type_is_null)
{
    expect_file("a.csv", "x,y\n1,\n,2\n", "{x: int?, y: int?}",
                "{\"x\":1,\"y\":null}\n{\"x\":null,\"y\":2}\n");
}

Test(inputs_csv, without_a_header_rows_are_lists)
{
    expect_lists("a.csv", "1,2\n3,4\n", "list<int>", "[1,2]\n[3,4]\n");
    expect_lists("a.tsv", "1\t2\n3\t4\n", "any", "[\"1\",\"2\"]\n[\"3\",\"4\"]\n");
}

Test(inputs_csv, a_file_without_rows_is_an_empty_list)
{
    expect_file("a.csv", "", "{x: int}", "");
    expect_file("a.csv", "x,y\n", "{x: int, y: int}", "");
    expect_lists("a.csv", "\n\n", "list<int>", "");
}

Test(inputs_csv, a_mark_and_cr_lf_and_blank_lines_and_a_missing_last_newline_are_fine)
{
    expect_file("a.csv", "\xEF\xBB\xBF\r\nx,y\r\n\r\n1,2\r\n\r\n3,4", "{x: int, y: int}",
                "{\"x\":1,\"y\":2}\n{\"x\":3,\"y\":4}\n");
    expect_file("a.tsv", "\xEF\xBB\xBFx\ty\r\n\r\n1\t2", "{x: int, y: int}", "{\"x\":1,\"y\":2}\n");
}

/* ---- Quotes --------------------------------------------------------------------------------- */

Test(inputs_csv, a_quoted_field_may_hold_commas_quotes_and_line_ends)
{
    expect_file("a.csv", "s,n\n\"a,b\",1\n\"say \"\"hi\"\"\",2\n\"two\nlines\",3\n\"\r\n\n\",4\n",
                "{s: str, n: int}",
                "{\"s\":\"a,b\",\"n\":1}\n{\"s\":\"say \\\"hi\\\"\",\"n\":2}\n"
                "{\"s\":\"two\\nlines\",\"n\":3}\n{\"s\":\"\\r\\n\\n\",\"n\":4}\n");
    expect_file("a.csv", "\"x\",\"y z\"\n\"\",\"\"\"\"\n", "any",
                "{\"x\":\"\",\"y z\":\"\\\"\"}\n");
}

Test(inputs_csv, a_quoted_empty_field_alone_is_a_row_and_an_empty_line_is_none)
{
    expect_file("a.csv", "s\n\"\"\n\nx\n", "{s: str}", "{\"s\":\"\"}\n{\"s\":\"x\"}\n");
}

Test(inputs_csv, a_quote_within_a_field_is_refused)
{
    expect_file_refused("a.csv", "s,t\n1,5\" pipe\n", "any",
                        "a.csv:2: index 0: column 2: found a quote within a field that does not "
                        "begin with one, expected the field in quotes, and each quote in it twice");
    expect_file_refused("a.csv", "s,t\n1,2\n\"a\" ,b\n", "any",
                        "a.csv:3: index 1: column 1: found text behind the quote that ends the "
                        "field, expected a comma or the end of the line (a quote in a field is "
                        "written twice)");
}

Test(inputs_csv, a_quote_that_nothing_ends_is_refused_with_the_line_where_it_opens)
{
    expect_file_refused("a.csv", "s,t\n1,2\n3,\"4\n5,6\n7,8\n", "any",
                        "a.csv:3: index 1: found a quote that no second one ends, expected one");
}

Test(inputs_csv, a_cr_without_lf_is_refused)
{
    expect_file_refused("a.csv", "x,y\r1,2\r", "any",
                        "a.csv:1: column 2: found a CR without an LF, expected lines that end in "
                        "LF or CR LF");
}

/* Quotes that double and close at every place of what is read at a time. */
Test(inputs_csv, rows_may_end_anywhere_in_what_is_read_at_a_time)
{
    struct buffer text = {0};
    enum { COUNT = 30000 };
    cr_assert(eq(int, buffer_printf(&text, "i,s\n"), STATUS_OK));
    for (int i = 0; i < COUNT; i++) {
        cr_assert(eq(int, buffer_printf(&text, "%d,\"%*s\"\"\n,\"\n", i, i % 37, ""), STATUS_OK));
    }
    write_bytes("a.csv", text.data, text.size);
    buffer_free(&text);
    const struct inputs_source source = file_source("a.csv");
    struct inputs *inputs = open_fine(&source, "{i: int, s: str}");
    cr_assert(eq(u64, inputs_count(inputs), COUNT));
    for (int i = 0; i < COUNT; i += 997) {
        expect_text(elements_json(inputs, (uint64_t)i, 1),
                    printed("{\"i\":%d,\"s\":\"%*s\\\"\\n,\"}\n", i, i % 37, ""));
    }
    inputs_close(inputs);
}

/* ---- TSV ------------------------------------------------------------------------------------ */

Test(inputs_csv, a_tab_always_separates_and_quotes_are_text)
{
    expect_file("a.tsv", "s\tt\n\"a\tb\"\n5\" pipe\t\"x,\"\n", "any",
                "{\"s\":\"\\\"a\",\"t\":\"b\\\"\"}\n{\"s\":\"5\\\" pipe\",\"t\":\"\\\"x,\\\"\"}\n");
}

/* ---- Refusals ------------------------------------------------------------------------------- */

Test(inputs_csv, semicolons_between_fields_are_refused_with_a_hint)
{
    expect_file_refused("a.csv", "x;y\n1;2\n", "{x: int, y: int}",
                        "a.csv:2: index 0: at [\"x;y\"]: found a field that {x: int, y: int} does "
                        "not have (the first line is one field, which holds \";\": fields are "
                        "separated by commas)");
    expect_file_refused("a.csv", "x;y\n1,5;2\n", "any",
                        "a.csv:2: index 0: found 2 columns, expected 1 as in line 1 (the first "
                        "line is one field, which holds \";\": fields are separated by commas)");
    expect_file("a.csv", "x;y\n1;2\n", "any", "{\"x;y\":\"1;2\"}\n");
}

Test(inputs_csv, ragged_rows_are_refused_with_their_line)
{
    expect_file_refused("a.csv", "x,y\n1,2\n\n3\n", "any",
                        "a.csv:4: index 1: found 1 column, expected 2 as in line 1");
    expect_file_refused("a.tsv", "x\ty\n1\t2\t3\n", "any",
                        "a.tsv:2: index 0: found 3 columns, expected 2 as in line 1");
    expect_lists_refused("a.csv", "\n1,2\n3,4,\n", "any",
                         "a.csv:3: index 1: found 3 columns, expected 2 as in line 2");
    expect_file_refused("a.csv", "x,y\n\"1\n1\",2\n\"3\n4\"\n", "any",
                        "a.csv:4: index 1: found 1 column, expected 2 as in line 1");
}

Test(inputs_csv, a_header_with_an_empty_or_doubled_name_is_refused_with_its_line)
{
    expect_file_refused("a.csv", "\nx,,z\n", "any",
                        "a.csv:2: column 2: found no name, expected one");
    expect_file_refused("a.csv", "x,y,z,y\n", "any",
                        "a.csv:1: columns 2 and 4: found the name \"y\" twice, expected different "
                        "names");
    expect_file_refused("a.tsv", "x\tx\n", "any",
                        "a.tsv:1: columns 1 and 2: found the name \"x\" twice, expected different "
                        "names");
}

Test(inputs_csv, a_field_of_the_wrong_type_is_refused_with_line_index_and_name)
{
    expect_file_refused("a.csv", "x,s\n1,\"a\nb\"\nabc,c\n", "{x: int, s: str}",
                        "a.csv:4: index 1: at .x: expected int, found str \"abc\"");
    expect_file_refused("a.csv", "x\n 1\n", "{x: int}",
                        "a.csv:2: index 0: at .x: expected int, found str \" 1\"");
}

Test(inputs_csv, one_column_is_still_a_record_and_the_refusal_says_so)
{
    expect_file_refused("a.csv", "x\n1\n", "int",
                        "a.csv:2: index 0: expected int, found map of 1 (a row is a record, even "
                        "of one column)");
    expect_lists_refused("a.tsv", "1\n", "int?",
                         "a.tsv:1: index 0: expected int?, found list of 1 (a row is a list, even "
                         "of one column)");
}

Test(inputs_csv, a_column_that_the_type_lacks_or_a_missing_one_is_refused)
{
    write_text("a.csv", "x,z\n1,2\n");
    const struct inputs_source source = file_source("a.csv");
    static const char *const types[] = {"{x: int}", "{x: int, y: int, z: int}"};
    static const char *const names[] = {"z", "y"};
    for (size_t i = 0; i < 2; i++) {
        struct inputs *inputs = NULL;
        struct error err = {.text = ""};
        cr_expect(eq(int, open_as(&source, types[i], &inputs, &err), STATUS_INVALID));
        cr_expect(zero(strncmp(err.text, "a.csv:2: index 0: ", 18)), "%s", err.text);
        cr_expect(ne(ptr, strstr(err.text + 18, names[i]), NULL), "%s", err.text);
    }
}

Test(inputs_csv, a_nul_and_other_bytes_than_utf8_are_refused_with_their_line)
{
    write_bytes("a.csv", "x\n1\n\0\n", 6);
    expect_refusal(file_source("a.csv"), "any", "a.csv:3: index 1: found a NUL, expected text");
    expect_file_refused("a.csv", "x\xFF\n1\n", "any",
                        "a.csv:1: found bytes that are not UTF-8, expected text");
}
