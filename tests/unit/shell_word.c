#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "shared/shell_word.h"

static void expect_word(const char *text, const char *expected)
{
    struct buffer out = {0};
    cr_assert(shell_word_put(&out, text) == STATUS_OK);
    cr_assert(buffer_append_byte(&out, '\0') == STATUS_OK);
    cr_expect_str_eq((const char *)out.data, expected);
    buffer_free(&out);
}

Test(shell_word, is_as_it_stands_where_no_shell_minds)
{
    expect_word("/home/me/mapfleet-runs/a_b-1.2+x=y:z,w@h%",
                "/home/me/mapfleet-runs/a_b-1.2+x=y:z,w@h%");
}

Test(shell_word, is_quoted_where_a_shell_would_read_anything_into_it)
{
    expect_word("a b", "'a b'");
    expect_word("$HOME", "'$HOME'");
    expect_word("a\nb;*", "'a\nb;*'");
    expect_word("\xff", "'\xff'");
}

Test(shell_word, that_is_empty_is_quoted_too)
{
    expect_word("", "''");
}

Test(shell_word, has_its_own_quotes_outside_of_quotes)
{
    expect_word("it's", "'it'\\''s'");
    expect_word("'", "''\\'''");
}
