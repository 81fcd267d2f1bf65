#include "master/cache_equal.h"

#include "cache_support.h"

/* Keys of instances, by letter. */
static struct cache_equal add_all(const char *letters, bool *is_leader_out)
{
    struct cache_equal equal;
    static struct key keys[64];
    OK(cache_equal_create(&equal, strlen(letters)));
    for (uint32_t i = 0; letters[i] != '\0'; i++) {
        keys[i] = key_of((unsigned)letters[i]);
        const uint32_t leader = cache_equal_find(&equal, keys, i);
        is_leader_out[i] = leader == i;
        if (leader != i) {
            cache_equal_follow(&equal, leader, i);
        }
    }
    cache_equal_seal(&equal);
    return equal;
}

Test(cache_equal, the_first_of_equal_inputs_leads_and_the_others_follow_in_order)
{
    bool is_leader[6];
    uint32_t next;
    struct cache_equal equal = add_all("abacab", is_leader);
    cr_assert(is_leader[0]);
    cr_assert(is_leader[1]);
    cr_assert(not(is_leader[2]));
    cr_assert(is_leader[3]);
    cr_assert(cache_equal_is_any(&equal));
    cr_assert(cache_equal_take(&equal, 0, &next));
    cr_assert(eq(uint, next, 2u));
    cr_assert(not(cache_equal_take(&equal, 0, &next))); /* the rest is behind the next one */
    cr_assert(cache_equal_take(&equal, 2, &next));
    cr_assert(eq(uint, next, 4u));
    cr_assert(not(cache_equal_take(&equal, 4, &next)));
    cr_assert(not(cache_equal_take(&equal, 3, &next)));
    cr_assert(cache_equal_take(&equal, 1, &next));
    cr_assert(eq(uint, next, 5u));
    cr_assert(not(cache_equal_is_any(&equal)));
    cache_equal_free(&equal);
}

Test(cache_equal, without_equal_inputs_has_nobody_waiting)
{
    bool is_leader[3];
    struct cache_equal equal = add_all("abc", is_leader);
    cr_assert(not(cache_equal_is_any(&equal)));
    cache_equal_free(&equal);
}

Test(cache_equal, of_keys_that_begin_alike_are_told_apart)
{
    struct cache_equal equal;
    struct key keys[100] = {0};
    OK(cache_equal_create(&equal, 100));
    for (uint32_t i = 0; i < 100; i++) {
        keys[i].bytes[KEY_SIZE - 1] = (uint8_t)(i + 1);
        cr_assert(eq(uint, cache_equal_find(&equal, keys, i), i));
    }
    cache_equal_free(&equal);
}
