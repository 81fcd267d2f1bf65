#include "master/retry_queue.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "shared/seed.h"

Test(retry_queue, all_zero_is_an_empty_queue_that_is_never_due)
{
    struct retry_queue queue = {0};
    uint64_t index = 7;
    cr_expect(eq(u64, retry_queue_due_us(&queue), UINT64_MAX));
    cr_expect(not(retry_queue_take(&queue, UINT64_MAX, &index)));
    cr_expect(eq(u64, index, 7));
    retry_queue_free(&queue);
}

Test(retry_queue, nothing_leaves_before_its_time)
{
    struct retry_queue queue = {0};
    uint64_t index;
    retry_queue_put(&queue, (struct retry){.due_us = 100, .index = 1});
    cr_expect(eq(u64, retry_queue_due_us(&queue), 100));
    cr_expect(not(retry_queue_take(&queue, 99, &index)));
    cr_assert(retry_queue_take(&queue, 100, &index));
    cr_expect(eq(u64, index, 1));
    cr_expect(eq(u64, retry_queue_due_us(&queue), UINT64_MAX));
    retry_queue_free(&queue);
}

Test(retry_queue, of_equal_times_the_lowest_index_comes_first)
{
    struct retry_queue queue = {0};
    uint64_t index;
    for (uint64_t i = 0; i < 10; i++) {
        retry_queue_put(&queue, (struct retry){.due_us = 5, .index = (i * 7 + 3) % 10});
    }
    for (uint64_t i = 0; i < 10; i++) {
        cr_assert(retry_queue_take(&queue, 5, &index));
        cr_expect(eq(u64, index, i));
    }
    retry_queue_free(&queue);
}

/* Method: random puts between takes; each take must be no earlier than the last one unless
 * something earlier was put since, and all must come out. */
Test(retry_queue, gives_everything_back_in_order_of_time)
{
    struct retry_queue queue = {0};
    uint64_t random = 1;
    uint64_t now_us = 0;
    uint64_t index;
    uint64_t put = 0;
    uint64_t taken = 0;
    for (unsigned step = 0; step < 5000; step++) {
        random = seed_mix(random);
        if (step < 3000 && random % 3 > 0) {
            const uint64_t due_us = now_us + (random >> 32) % 100;
            retry_queue_put(&queue, (struct retry){.due_us = due_us, .index = due_us});
            put++;
            continue;
        }
        const uint64_t due_us = retry_queue_due_us(&queue);
        if (due_us != UINT64_MAX) {
            cr_assert(ge(u64, due_us, now_us));
            now_us = due_us;
            cr_assert(retry_queue_take(&queue, now_us, &index));
            cr_assert(eq(u64, index, now_us));
            taken++;
        }
    }
    cr_expect(eq(u64, taken, put));
    retry_queue_free(&queue);
}
