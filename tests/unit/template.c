/* Command lines with placeholders: what is one, and what is put in its place. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/command/template.h"
#include "shared/arena.h"
#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/value.h"

static struct arena arena;

static const char *text_of(void *context, const mf_value *value, size_t *size_out)
{
    struct buffer text = {0};
    (void)context;
    cr_assert(value_to_text(value, &text) == STATUS_OK);
    const char *copy = arena_copy(&arena, text.data, text.size);
    *size_out = text.size;
    buffer_free(&text);
    return copy;
}

static mf_value of_json(const char *json)
{
    mf_value value;
    struct error err;
    cr_assert(value_from_json(&arena, json, strlen(json), &value, &err) == STATUS_OK, "%s",
              err.text);
    return value;
}

/* The words between bars; "refused: ..." where there are none. */
static const char *filled(const char *line, const char *json, bool is_shell)
{
    static char text[1024];
    char copy[256];
    char *list[16];
    size_t count = 0;
    struct template *template = NULL;
    struct template_error err = {""};
    struct word_list words = {.count = 0};
    const mf_value value = of_json(json);
    const struct template_input input = {.value = &value, .index = 4, .slot = 2, .text = text_of};
    (void)snprintf(copy, sizeof(copy), "%s", line);
    for (char *word = strtok(copy, "|"); word != NULL; word = strtok(NULL, "|")) {
        list[count++] = word;
    }
    text[0] = '\0';
    if (!template_parse(list, count, is_shell, &template, &err) ||
        !template_check(template, &value, &err) || !template_fill(template, &input, &words, &err)) {
        (void)snprintf(text, sizeof(text), "refused: %s", err.text);
    } else {
        for (char **at = words_list(&words); *at != NULL; at++) {
            (void)strcat(strcat(text, text[0] != '\0' ? "|" : ""), *at);
        }
    }
    template_destroy(template);
    words_free(&words);
    return text;
}

#define expect_words(line, json, expected)                                                         \
    cr_expect_str_eq(filled(line, json, false), expected, "%s of %s", line, json)
#define expect_line(line, json, expected)                                                          \
    cr_expect_str_eq(filled(line, json, true), expected, "%s of %s", line, json)
#define expect_refused(line, json, expected)                                                       \
    cr_expect(strstr(filled(line, json, false), expected) != NULL, "%s of %s: %s", line, json,     \
              filled(line, json, false))

Test(template, braces_are_the_input)
{
    expect_words("echo|{}", "\"a b\"", "echo|a b");
    expect_words("x={},{}", "\"a\"", "x=a,a");
    expect_words("{}", "17", "17");
    expect_words("{}", "1.0", "1.0");
    expect_words("{}", "{\"b\":1,\"a\":[2]}", "{\"b\":1,\"a\":[2]}");
    expect_words("{}", "null", "null");
}

Test(template, names_are_fields_and_numbers_are_columns)
{
    expect_words("--lr={lr}|{name/.}", "{\"lr\":0.1,\"name\":\"d/a.txt\"}", "--lr=0.1|a");
    expect_words("{2}-{1}", "[\"a\",\"b\"]", "b-a");
    expect_words("{2}", "{\"a\":1,\"b\":2}", "2");
    expect_words("{1}{1.}", "\"a.b\"", "a.ba");
    expect_words("{a}", "{\"a\":[1,\"x\"]}", "[1,\"x\"]");
}

Test(template, parts_of_paths_follow_gnu_parallel)
{
    expect_words("{.}|{/}|{//}|{/.}", "\"d/e/a.tar.gz\"", "d/e/a.tar|a.tar.gz|d/e|a.tar");
    expect_words("{.}|{/}|{//}|{/.}", "\"a\"", "a|a|.|a");
    expect_words("{.}|{/}|{//}|{/.}", "\"d.x/a\"", "d.x/a|a|d.x|a");
    expect_words("{.}|{//}", "\"/a.b\"", "/a|/");
    expect_words("{1//}|{2/}", "[\"x/y\",\"u/v\"]", "x|v");
}

Test(template, places_count_from_one_and_from_zero)
{
    expect_words("{#}|{index}|{%}|{slot}", "\"x\"", "5|4|2|2");
    expect_words("{index}", "{\"index\":\"field\"}", "4");
}

Test(template, a_list_becomes_one_argument_an_item)
{
    expect_words("echo|{}|end", "[\"a b\",\"c\"]", "echo|a b|c|end");
    expect_words("echo|{/}", "[\"x/a\",\"y/b\"]", "echo|a|b");
    expect_words("echo|{}|end", "[]", "echo|end");
    expect_words("x={}", "[\"a\",\"b\"]", "x=a b");
    expect_words("{}", "[[1,2],{\"a\":\"b\"}]", "[1,2]|{\"a\":\"b\"}");
}

Test(template, other_braces_stay_as_they_are)
{
    expect_words("${1}|${name}|{a,b}|{1..3}|{ print $1 }|{}", "\"x\"",
                 "${1}|${name}|{a,b}|{1..3}|{ print $1 }|x");
    expect_words("{{}}|{{name}}|{{2}}|{{x y}}|{", "\"v\"", "{}|{name}|{2}|{{x y}}|{");
    expect_words("{}", "\"{name}\"", "{name}");
    expect_words("{0}|{01}|{-1}|{/..}", "\"v\"", "{0}|{01}|{-1}|{/..}");
}

Test(template, what_an_input_lacks_is_named)
{
    expect_refused("{rate}", "{\"lr\":1,\"momentum\":2}", "it has lr and momentum");
    expect_refused("{name}", "\"x\"", "is no record");
    expect_refused("a{2}", "\"x\"", "{{2}} writes the braces");
    expect_refused("{3}", "[\"a\",\"b\"]", "has 2 columns");
    expect_refused("{}", "\"a\\u0000b\"", "found a NUL");
}

Test(template, what_other_programs_know_is_refused_with_the_way_round)
{
    expect_refused("{= $_++ =}", "\"x\"", "$((...))");
    expect_refused("{..}", "\"x\"", "${f%.*}");
}

Test(template, a_shell_reads_back_what_was_put_in)
{
    expect_line("echo|{}", "\"a b\"", "echo 'a b'");
    expect_line("echo {}; ls {}", "\"it's\"", "echo 'it'\\''s'; ls 'it'\\''s'");
    expect_line("echo {}", "\"\"", "echo ''");
    expect_line("echo {}", "\"plain-1.txt\"", "echo plain-1.txt");
    expect_line("echo \"<{}>\"", "\"$a `b` \\\"c\\\"\"", "echo \"<\\$a \\`b\\` \\\"c\\\">\"");
    expect_line("echo '{}'", "\"it's\"", "echo 'it'\\''s'");
    expect_line("echo \"$(basename {})\"", "\"a b\"", "echo \"$(basename 'a b')\"");
    expect_line("echo \"$(basename \"{}\")\"", "\"a b\"", "echo \"$(basename \"a b\")\"");
}

Test(template, between_ticks_a_shell_takes_backslashes_away_first)
{
    expect_line("echo `basename {}`", "\"a b\"", "echo `basename 'a b'`");
    expect_line("echo \"`basename {}` {}\"", "\"a b\"", "echo \"`basename 'a b'` a b\"");
    expect_line("echo \"`basename \\\"{}\\\"`\"", "\"a $b\"",
                "echo \"`basename \\\"a \\\\\\$b\\\"`\"");
    expect_line("echo `basename '{}'` {}", "\"a`b\"", "echo `basename 'a\\`b'` 'a`b'");
    expect_line("echo `cat {}` '{}'", "\"it's\"", "echo `cat 'it'\\\\''s'` 'it'\\''s'");
}

Test(template, quotes_in_a_comment_count_for_nothing)
{
    expect_line("# don't\necho {}", "\"a;b\"", "# don't\necho 'a;b'");
    expect_line("echo x # \"\n {}", "\"a b\"", "echo x # \"\n 'a b'");
    expect_line("# {}\necho", "\"a\\nb\"", "# 'a'$'\\n''b'\necho");
    expect_line("echo a#' {}'", "\"b c\"", "echo a#' b c'");
    expect_line("echo ${f/ #/'} {}'", "\"b c\"", "echo ${f/ #/'} b c'");
}

Test(template, dollar_quotes_have_backslashes)
{
    expect_line("printf $'{}\\n'", "\"it's \\\\t\"", "printf $'it\\'s \\\\t\\n'");
    expect_line("echo $'it\\'s' {}", "\"a b\"", "echo $'it\\'s' 'a b'");
}

Test(template, a_backslash_before_a_brace_leaves_it_as_it_is)
{
    expect_line("find {} -exec wc \\{} \\;", "\"a b\"", "find 'a b' -exec wc \\{} \\;");
    expect_line("echo \"\\{}\" \\\\{}", "\"a b\"", "echo \"\\{}\" \\\\'a b'");
    expect_words("\\{}", "\"a b\"", "\\a b");
}

Test(template, a_word_of_a_line_is_a_list_s_items)
{
    expect_line("for f in {}; do echo $f; done", "[\"a b\",\"c\"]",
                "for f in 'a b' c; do echo $f; done");
    expect_line("echo x{}", "[\"a\",\"b\"]", "echo x'a b'");
}
