#include "shared/exact_sum.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

TestSuite(exact_sum, .timeout = 50);

static double sum_of(const double *terms, size_t count)
{
    struct exact_sum sum = {.pending = 0};
    for (size_t i = 0; i < count; i++) {
        exact_sum_add(&sum, terms[i]);
    }
    return exact_sum_value(&sum);
}

/* As it comes back from bytes. */
static struct exact_sum packed_and_back(const struct exact_sum *sum)
{
    struct buffer bytes = {0};
    struct exact_sum back;
    struct pack out;
    pack_start(&out, &bytes);
    exact_sum_pack(sum, &out);
    cr_assert(eq(int, pack_finish(&out), STATUS_OK));
    struct unpack in = unpack_start(bytes.data, bytes.size);
    exact_sum_unpack(&in, &back);
    cr_assert(unpack_is_done(&in));
    buffer_free(&bytes);
    return back;
}

Test(exact_sum, what_is_lost_by_rounding_each_step_is_kept)
{
    const double terms[] = {1, 1e100, 1, -1e100};
    cr_expect(eq(dbl, sum_of(terms, 4), 2));
    const double tenths[] = {0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1};
    cr_expect(eq(dbl, sum_of(tenths, 10), 1));
}

Test(exact_sum, a_sum_may_pass_the_largest_double_on_its_way)
{
    const double terms[] = {DBL_MAX, DBL_MAX, -DBL_MAX, 1, -DBL_MAX};
    cr_expect(eq(dbl, sum_of(terms, 5), 1));
    cr_expect(isinf(sum_of(terms, 2)));
}

Test(exact_sum, its_mean_is_finite_where_the_sum_is_not)
{
    struct exact_sum sum = {.pending = 0};
    exact_sum_add(&sum, DBL_MAX);
    exact_sum_add(&sum, DBL_MAX);
    cr_expect(eq(dbl, exact_sum_mean(&sum, 2), DBL_MAX));
}

Test(exact_sum, the_smallest_doubles_count)
{
    const double tiny = nextafter(0, 1);
    const double terms[] = {tiny, tiny, tiny};
    cr_expect(eq(dbl, sum_of(terms, 3), 3 * tiny));
    const double around[] = {DBL_MIN, -tiny};
    cr_expect(eq(dbl, sum_of(around, 2), DBL_MIN - tiny));
}

Test(exact_sum, ties_go_to_even_and_anything_more_goes_up)
{
    const double half = ldexp(1, -53);
    const double tie[] = {1, half};
    const double more[] = {1, half, ldexp(1, -1074)};
    const double odd[] = {1, ldexp(1, -52), half};
    cr_expect(eq(dbl, sum_of(tie, 2), 1));
    cr_expect(eq(dbl, sum_of(more, 3), 1 + ldexp(1, -52)));
    cr_expect(eq(dbl, sum_of(odd, 3), 1 + ldexp(1, -51)));
}

Test(exact_sum, infinities_and_nan_are_what_they_are_in_any_order)
{
    const double both[] = {INFINITY, 1, -INFINITY};
    const double one[] = {1, -INFINITY, 5};
    const double none[] = {1, NAN};
    cr_expect(isnan(sum_of(both, 3)));
    cr_expect(eq(dbl, sum_of(one, 3), -INFINITY));
    cr_expect(isnan(sum_of(none, 2)));
    cr_expect(eq(dbl, sum_of(NULL, 0), 0));
}

/* Goal: however terms are put into groups, and in whatever order, the sum is the same to the last
 * bit, and that of long double where that is exact.
 * Method: random terms of many sizes, summed at once, and in random groups that travel as bytes. */
Test(exact_sum, groups_and_order_do_not_matter)
{
    enum { COUNT = 1000, GROUPS = 7 };
    double terms[COUNT];
    struct exact_sum groups[GROUPS] = {{.pending = 0}};
    struct exact_sum all = {.pending = 0};
    srand(5);
    for (size_t i = 0; i < COUNT; i++) {
        terms[i] = ldexp((double)rand() - (double)(RAND_MAX / 2), rand() % 200 - 100);
    }
    for (size_t i = 0; i < COUNT; i++) {
        exact_sum_add(&groups[rand() % GROUPS], terms[COUNT - 1 - i]);
    }
    for (size_t i = 0; i < GROUPS; i++) {
        const struct exact_sum group = packed_and_back(&groups[i]);
        exact_sum_merge(&all, &group);
    }
    cr_expect(eq(dbl, exact_sum_value(&all), sum_of(terms, COUNT)));
}

Test(exact_sum, bytes_that_make_no_sense_are_refused)
{
    struct exact_sum back;
    const uint8_t bad[][8] = {
        {0x93, 0x10, 0x00, 0x90},       /* flags that there are not */
        {0x93, 0x00, 0x46, 0x91, 0x01}, /* a digit too far */
        {0x93, 0x00, 0x00, 0x91, 0xff}, /* a negative one */
        {0x92, 0x00, 0x00},             /* too few items */
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct unpack in = unpack_start(bad[i], sizeof(bad[i]));
        exact_sum_unpack(&in, &back);
        cr_expect(in.failed);
    }
}
