#include "master/cache_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache_support.h"

TestSuite(cache_store, .init = folder_create, .fini = folder_remove, .timeout = 60);

static struct cache_store *open_store(void)
{
    struct cache_store *store;
    struct error err;
    const enum status status = cache_store_open(in_folder("store"), NULL, &store, &err);
    cr_assert(eq(int, status, STATUS_OK), "%s", err.text);
    return store;
}

static void put(struct cache_store *store, unsigned number, const char *text)
{
    const struct key key = key_of(number);
    OK(cache_store_put(store, CACHE_TABLE_ENTRIES, key.bytes, text, strlen(text), NULL));
}

/* The text, "" where there is none. */
static const char *get(struct cache_store *store, unsigned number)
{
    static char text[256];
    const uint8_t *data;
    size_t size;
    const struct key key = key_of(number);
    OK(cache_store_begin_read(store, NULL));
    const enum status status =
        cache_store_get(store, CACHE_TABLE_ENTRIES, key.bytes, &data, &size, NULL);
    text[0] = '\0';
    if (status == STATUS_OK) {
        (void)snprintf(text, sizeof(text), "%.*s", (int)size, (const char *)data);
    }
    cache_store_end_read(store);
    return text;
}

Test(cache_store, gives_back_what_was_committed_also_to_the_next_process)
{
    struct cache_store *store = open_store();
    put(store, 1, "one");
    put(store, 2, "two");
    cr_assert(eq(int, strcmp(get(store, 1), "one"), 0)); /* seen by its own transaction */
    OK(cache_store_commit(store, NULL));
    cache_store_close(store);
    store = open_store();
    cr_assert(eq(int, strcmp(get(store, 1), "one"), 0));
    cr_assert(eq(int, strcmp(get(store, 2), "two"), 0));
    cr_assert(eq(int, strcmp(get(store, 3), ""), 0));
    cache_store_close(store);
}

Test(cache_store, forgets_what_was_not_committed)
{
    struct cache_store *store = open_store();
    put(store, 1, "one");
    cache_store_close(store);
    store = open_store();
    cr_assert(eq(int, strcmp(get(store, 1), ""), 0));
    cache_store_close(store);
}

Test(cache_store, is_made_for_its_owner_only)
{
    struct stat about;
    cache_store_close(open_store());
    cr_assert(eq(int, stat(in_folder("store"), &about), 0));
    cr_assert(eq(int, about.st_mode & 0777, 0700));
    cr_assert(eq(int, stat(in_folder("store/data.mdb"), &about), 0));
    cr_assert(eq(int, about.st_mode & 0777, 0600));
}

Test(cache_store, is_shared_by_processes_of_one_host)
{
    struct cache_store *store;
    int ready[2];
    int go[2];
    char byte = 0;
    int code;
    cr_assert(eq(int, pipe(ready), 0));
    cr_assert(eq(int, pipe(go), 0));
    const pid_t child = fork();
    if (child == 0) {
        store = open_store();
        put(store, 7, "of the child");
        OK(cache_store_commit(store, NULL));
        (void)!write(ready[1], "x", 1);
        (void)!read(go[0], &byte, 1);
        cache_store_close(store);
        _exit(0);
    }
    cr_assert(eq(int, (int)read(ready[0], &byte, 1), 1));
    store = open_store();
    cr_assert(eq(int, strcmp(get(store, 7), "of the child"), 0));
    put(store, 8, "of the parent");
    OK(cache_store_commit(store, NULL));
    bool is_done;
    OK(cache_store_compact(store, &is_done, NULL));
    cr_assert(not(is_done)); /* the child is at it */
    (void)!write(go[1], "x", 1);
    cr_assert(eq(int, (int)waitpid(child, &code, 0), (int)child));
    cr_assert(eq(int, code, 0));
    cr_assert(eq(int, strcmp(get(store, 8), "of the parent"), 0));
    OK(cache_store_compact(store, &is_done, NULL));
    cr_assert(is_done);
    cr_assert(eq(int, strcmp(get(store, 7), "of the child"), 0));
    cache_store_close(store);
}

Test(cache_store, is_opened_once_for_all_maps_of_a_process)
{
    struct cache_store *first = open_store();
    struct cache_store *second = open_store();
    put(first, 1, "of the first");
    OK(cache_store_commit(first, NULL));
    cr_expect(eq(int, strcmp(get(second, 1), "of the first"), 0));
    bool is_done;
    OK(cache_store_compact(second, &is_done, NULL));
    cr_expect(not(is_done), "the other one is at it");
    cache_store_close(first);
    put(second, 2, "of the second");
    OK(cache_store_commit(second, NULL));
    cr_expect(eq(int, strcmp(get(second, 1), "of the first"), 0));
    OK(cache_store_compact(second, &is_done, NULL));
    cr_expect(is_done);
    struct cache_store *third = open_store();
    cr_expect(eq(int, strcmp(get(third, 2), "of the second"), 0), "what is open was written anew");
    cache_store_close(second);
    cache_store_close(third);
}

Test(cache_store, that_cannot_be_made_names_its_folder)
{
    struct cache_store *store;
    struct error err;
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/below", write_file("file", "no folder"));
    STATUS_IS(STATUS_IO, cache_store_open(path, NULL, &store, &err));
    cr_assert(ne(ptr, strstr(err.text, path), NULL));
}

Test(cache_store, of_garbage_is_refused_and_left_alone)
{
    struct cache_store *store;
    struct error err;
    struct buffer kept = {0};
    cr_assert(eq(int, mkdir(in_folder("store"), 0700), 0));
    char garbage[20000];
    memset(garbage, 'x', sizeof(garbage));
    garbage[sizeof(garbage) - 1] = '\0';
    (void)write_file("store/data.mdb", garbage);
    STATUS_IS(STATUS_INVALID, cache_store_open(in_folder("store"), NULL, &store, &err));
    cr_assert(ne(ptr, strstr(err.text, "data.mdb"), NULL));
    OK(file_read(in_folder("store/data.mdb"), &kept, NULL));
    cr_assert(eq(sz, kept.size, sizeof(garbage) - 1));
    buffer_free(&kept);
}

/* A store with enough entries for branches, values of their own pages, and free pages. */
static void fill_store(void)
{
    struct cache_store *store = open_store();
    char text[200];
    char large[10000];
    memset(large, 'l', sizeof(large));
    for (unsigned i = 0; i < 2000; i++) {
        (void)snprintf(text, sizeof(text), "entry %u of a store that has more than one page", i);
        put(store, i, text);
        if (i % 500 == 0) {
            const struct key key = key_of(100000 + i);
            OK(cache_store_put(store, CACHE_TABLE_ENTRIES, key.bytes, large, sizeof(large), NULL));
        }
    }
    OK(cache_store_commit(store, NULL));
    for (unsigned i = 0; i < 1000; i += 2) {
        const struct key key = key_of(i);
        OK(cache_store_remove(store, CACHE_TABLE_ENTRIES, key.bytes, NULL));
    }
    OK(cache_store_commit(store, NULL));
    cache_store_close(store);
}

static void rewrite(const struct buffer *bytes)
{
    const int file = open(in_folder("store/data.mdb"), O_WRONLY | O_TRUNC);
    cr_assert(ge(int, file, 0));
    cr_assert(eq(sz, (size_t)write(file, bytes->data, bytes->size), bytes->size));
    (void)close(file);
}

/* Open, read and write whatever the file has become: refused or not, it must not crash. Gives
 * whether it was refused. */
static bool use_store(void)
{
    struct cache_store *store;
    struct error err;
    const uint8_t *data;
    size_t size;
    if (cache_store_open(in_folder("store"), NULL, &store, &err) != STATUS_OK) {
        return true;
    }
    if (cache_store_begin_read(store, &err) == STATUS_OK) {
        for (unsigned i = 0; i < 2000; i++) {
            const struct key key = key_of(i);
            (void)!cache_store_get(store, CACHE_TABLE_ENTRIES, key.bytes, &data, &size, &err);
        }
        cache_store_end_read(store);
    }
    for (unsigned i = 0; i < 300; i++) {
        const struct key key = key_of(i + 1500);
        if (cache_store_remove(store, CACHE_TABLE_ENTRIES, key.bytes, &err) != STATUS_OK ||
            cache_store_put(store, CACHE_TABLE_ENTRIES, key_of(i + 50000).bytes, "text", 4, &err) !=
                STATUS_OK) {
            break;
        }
    }
    (void)!cache_store_commit(store, &err);
    cache_store_close(store);
    return false;
}

Test(cache_store, that_is_cut_off_anywhere_is_refused)
{
    struct buffer whole = {0};
    fill_store();
    OK(file_read(in_folder("store/data.mdb"), &whole, NULL));
    const size_t size = whole.size;
    for (size_t cut = 1; cut < 20; cut++) {
        whole.size = size * cut / 40 + cut; /* the last pages may be free ones */
        rewrite(&whole);
        cr_assert(use_store(), "cut at %zu of %zu", whole.size, size);
    }
    whole.size = size;
    rewrite(&whole);
    cr_assert(not(use_store()));
    buffer_free(&whole);
}

/* Goal: no damage of the file makes LMDB crash the process that uses it.
 * Method: bytes at random places are changed, more often those that LMDB believes; seeded. */
Test(cache_store, with_damage_anywhere_never_crashes)
{
    struct buffer whole = {0};
    struct buffer damaged = {0};
    unsigned refused = 0;
    fill_store();
    OK(file_read(in_folder("store/data.mdb"), &whole, NULL));
    srand(20261);
    for (unsigned round = 0; round < 300; round++) {
        buffer_clear(&damaged);
        OK(buffer_append(&damaged, whole.data, whole.size));
        const size_t pages = whole.size / 4096;
        for (unsigned i = 0; i <= (unsigned)rand() % 4; i++) {
            const size_t page = (size_t)rand() % (round % 3 == 0 ? 2 : pages);
            const size_t at = (size_t)rand() % (round % 2 == 0 ? 160 : 4096);
            damaged.data[page * 4096 + at] = (uint8_t)rand();
        }
        rewrite(&damaged);
        refused += use_store() ? 1 : 0;
    }
    cr_assert(gt(uint, refused, 50u));
    buffer_free(&whole);
    buffer_free(&damaged);
}

Test(cache_store, that_another_host_uses_is_left_alone)
{
    struct cache_store *store;
    struct error err;
    fill_store();
    const atomic_bool is_cancelled = true; /* do not wait to see whether it is alive */
    (void)write_file("store/in-use", "other-boot/pid:[1] faraway 4711 1\n");
    STATUS_IS(STATUS_EXISTS, cache_store_open(in_folder("store"), &is_cancelled, &store, &err));
    cr_assert(ne(ptr, strstr(err.text, "faraway"), NULL));
    cr_assert(ne(ptr, strstr(err.text, "4711"), NULL));
}

Test(cache_store, is_chosen_by_option_then_environment_then_home)
{
    char *path = NULL;
    OK(cache_store_choose("/a/b", "/launch", &path, NULL));
    cr_assert(eq(str, path, "/a/b"));
    free(path);
    OK(cache_store_choose("b", "/launch", &path, NULL));
    cr_assert(eq(str, path, "/launch/b"));
    free(path);
    (void)setenv("XDG_CACHE_HOME", "/cache", 1);
    OK(cache_store_choose(NULL, "/launch", &path, NULL));
    cr_assert(eq(str, path, "/cache/mapfleet"));
    free(path);
    (void)unsetenv("XDG_CACHE_HOME");
    (void)setenv("HOME", "/home/someone", 1);
    OK(cache_store_choose(NULL, "/launch", &path, NULL));
    cr_assert(eq(str, path, "/home/someone/.cache/mapfleet"));
    free(path);
    STATUS_IS(STATUS_INVALID, cache_store_choose("", "/launch", &path, NULL));
}
