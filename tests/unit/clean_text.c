#include "shared/clean_text.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

static void expect(const char *text, size_t size, const char *expected)
{
    struct buffer out = {0};
    cr_assert(eq(int, clean_text(text, size, &out), STATUS_OK));
    cr_assert(eq(int, buffer_append_byte(&out, '\0'), STATUS_OK));
    cr_expect(strcmp((const char *)out.data, expected) == 0, "%s", (const char *)out.data);
    buffer_free(&out);
}

Test(clean_text, utf_8_stays_as_it_is)
{
    expect("", 0, "");
    expect("na\xc3\xafve \xf0\x9f\x98\x80\n", 12, "na\xc3\xafve \xf0\x9f\x98\x80\n");
}

Test(clean_text, each_byte_of_no_character_is_replaced)
{
    expect("a\xff\xfe!", 4, "a\xef\xbf\xbd\xef\xbf\xbd!");
    expect("a\0b", 3,
           "a\xef\xbf\xbd"
           "b");
    expect("\xc3", 1, "\xef\xbf\xbd");
    expect("\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}
