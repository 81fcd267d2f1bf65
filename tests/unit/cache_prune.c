#include "master/cache_prune.h"

#include <sys/stat.h>

#include "cache_support.h"

TestSuite(cache_prune, .init = folder_create, .fini = folder_remove, .timeout = 60);

#define DAY_MS (24 * CACHE_HOUR_MS)
#define NOW_MS (1000 * DAY_MS)

static struct cache_store *store;

/* Entry `number` of `size` bytes, last used so many days ago. */
static void put(unsigned number, size_t size, uint64_t days)
{
    const struct key key = key_of(number);
    char *bytes = calloc(size, 1);
    OK(cache_store_put(store, CACHE_TABLE_ENTRIES, key.bytes, bytes, size, NULL));
    OK(cache_prune_note_use(store, &key, NOW_MS - days * DAY_MS, NULL));
    free(bytes);
}

static bool has(unsigned number)
{
    const struct key key = key_of(number);
    const uint8_t *data;
    size_t size;
    OK(cache_store_begin_read(store, NULL));
    const enum status status =
        cache_store_get(store, CACHE_TABLE_ENTRIES, key.bytes, &data, &size, NULL);
    cache_store_end_read(store);
    return status == STATUS_OK;
}

static void open_store(void)
{
    OK(cache_store_open(in_folder("store"), NULL, &store, NULL));
}

static struct cache_prune_result prune(struct cache_prune_options options)
{
    struct cache_prune_result result;
    OK(cache_store_commit(store, NULL));
    options.now_ms = NOW_MS;
    struct error err = {""};
    const enum status status = cache_prune(store, &options, &result, &err);
    cr_assert(eq(int, status, STATUS_OK), "%s", err.text);
    return result;
}

Test(cache_prune, by_age_removes_what_was_not_used_for_longer)
{
    open_store();
    put(1, 100, 40);
    put(2, 100, 31);
    put(3, 100, 29);
    put(4, 100, 0);
    const struct cache_prune_result result =
        prune((struct cache_prune_options){.has_age = true, .age_max_ms = 30 * DAY_MS});
    cr_assert(eq(u64, result.removed, 2));
    cr_assert(eq(u64, result.kept, 2));
    cr_assert(not(has(1)));
    cr_assert(not(has(2)));
    cr_assert(has(3));
    cr_assert(has(4));
    cache_store_close(store);
}

Test(cache_prune, by_an_age_of_nothing_removes_all)
{
    open_store();
    for (unsigned i = 0; i < 25000; i++) { /* more than go at once */
        put(i, 10, i % 7);
    }
    const struct cache_prune_result result =
        prune((struct cache_prune_options){.has_age = true, .age_max_ms = 0});
    cr_assert(eq(u64, result.removed, 25000));
    cr_assert(eq(u64, result.kept, 0));
    cache_store_close(store);
}

Test(cache_prune, by_size_removes_what_was_used_longest_ago_and_shrinks_the_file)
{
    struct stat about;
    open_store();
    for (unsigned i = 0; i < 100; i++) {
        put(i, 100000, i);
    }
    const struct cache_prune_result result =
        prune((struct cache_prune_options){.has_size = true, .size_max = 5000000});
    cr_assert(result.is_compact);
    cr_assert(gt(u64, result.kept, 40));
    cr_assert(lt(u64, result.kept, 51));
    for (unsigned i = 0; i < 100; i++) {
        cr_assert(eq(int, has(i), i < result.kept), "entry %u of %u", i, (unsigned)result.kept);
    }
    cr_assert(eq(int, stat(in_folder("store/data.mdb"), &about), 0));
    cr_assert(le(i64, about.st_size, 5000000 + 8 * 4096));
    cache_store_close(store);
}

Test(cache_prune, by_size_of_small_entries_meets_it_too)
{
    struct cache_stats stats;
    open_store();
    for (unsigned i = 0; i < 30000; i++) {
        put(i, 50, i % 3);
    }
    const struct cache_prune_result result =
        prune((struct cache_prune_options){.has_size = true, .size_max = 1000000});
    cr_assert(gt(u64, result.kept, 5000));
    OK(cache_prune_stats(store, &stats, NULL));
    cr_assert(le(u64, stats.sizes.used, 1000000));
    cache_store_close(store);
}

Test(cache_prune, by_a_size_that_holds_all_removes_nothing)
{
    open_store();
    put(1, 100, 400);
    const struct cache_prune_result result =
        prune((struct cache_prune_options){.has_size = true, .size_max = UINT64_C(1) << 40});
    cr_assert(eq(u64, result.removed, 0));
    cr_assert(has(1));
    cache_store_close(store);
}

Test(cache_prune, by_a_size_of_nothing_ends_with_nothing)
{
    open_store();
    put(1, 100, 1);
    const struct cache_prune_result result =
        prune((struct cache_prune_options){.has_size = true, .size_max = 0});
    cr_assert(eq(u64, result.kept, 0));
    cache_store_close(store);
}

Test(cache_prune, stats_count_entries_and_tell_when_they_were_used)
{
    struct cache_stats stats;
    open_store();
    OK(cache_prune_stats(store, &stats, NULL));
    cr_assert(not(stats.has_uses));
    put(1, 100, 40);
    put(2, 100, 2);
    OK(cache_store_commit(store, NULL));
    OK(cache_prune_stats(store, &stats, NULL));
    cr_assert(eq(u64, stats.sizes.counts[CACHE_TABLE_ENTRIES], 2));
    cr_assert(eq(u64, stats.oldest_ms, NOW_MS - 40 * DAY_MS));
    cr_assert(eq(u64, stats.newest_ms, NOW_MS - 2 * DAY_MS));
    cr_assert(gt(u64, stats.sizes.used, 0));
    cache_store_close(store);
}

Test(cache_prune, a_use_is_noted_once_an_hour)
{
    const struct key key = key_of(1);
    open_store();
    put(1, 100, 1);
    OK(cache_store_commit(store, NULL));
    OK(cache_store_begin_read(store, NULL));
    cr_assert(cache_prune_is_use_noted(store, &key, NOW_MS - DAY_MS));
    cr_assert(not(cache_prune_is_use_noted(store, &key, NOW_MS)));
    cache_store_end_read(store);
    cache_store_close(store);
}
