#include "shared/error.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

Test(error, each_status_has_a_text_of_its_own)
{
    for (int a = STATUS_OK; a <= STATUS_EXISTS; a++) {
        for (int b = STATUS_OK; b < a; b++) {
            cr_expect(ne(int, strcmp(status_text((enum status)a), status_text((enum status)b)), 0));
        }
    }
}

Test(error, set_gives_the_status_back_and_needs_no_error)
{
    struct error err = {.text = "before"};
    cr_expect(eq(int, error_set(&err, STATUS_IO, "%s: line %d", "a.csv", 3), STATUS_IO));
    cr_expect(eq(str, err.text, "a.csv: line 3"));
    cr_expect(eq(int, error_set(NULL, STATUS_LIMIT, "nobody reads this"), STATUS_LIMIT));
}

Test(error, set_may_quote_the_present_text)
{
    struct error err = {.text = "no such file"};
    (void)error_set(&err, STATUS_IO, "a.csv: %s", err.text);
    cr_expect(eq(str, err.text, "a.csv: no such file"));
}

Test(error, prefix_goes_before_the_present_text)
{
    struct error err = {.text = "no such file"};
    error_prefix(&err, "rank %d: ", 3);
    cr_expect(eq(str, err.text, "rank 3: no such file"));
    error_prefix(NULL, "rank %d: ", 3);
}

Test(error, a_text_that_is_too_long_is_cut)
{
    struct error err = {.text = ""};
    (void)error_set(&err, STATUS_IO, "%2000s", "x");
    cr_expect(eq(sz, strlen(err.text), sizeof(err.text) - 1));
    error_prefix(&err, "rank: ");
    cr_expect(eq(sz, strlen(err.text), sizeof(err.text) - 1));
    cr_expect(eq(int, strncmp(err.text, "rank:  ", 7), 0));
}
