#include "master/cache_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cache_support.h"

TestSuite(cache_files, .init = folder_create, .fini = folder_remove, .timeout = 60);

static struct cache_store *store;
static struct cache_files *files;

static void open_all(void)
{
    OK(cache_store_open(in_folder("store"), NULL, &store, NULL));
    OK(cache_files_create(store, &files));
    OK(cache_store_begin_read(store, NULL));
}

static void close_all(void)
{
    cache_store_end_read(store);
    OK(cache_files_save(files, NULL));
    OK(cache_store_commit(store, NULL));
    cache_files_destroy(files);
    cache_store_close(store);
}

/* Its change time is now, whatever else is set: a file counts as settled two seconds later. */
static void settle(void)
{
    (void)sleep(3);
}

static uint64_t digest(const char *path, uint8_t digest_out[FILE_DIGEST_SIZE])
{
    const uint64_t before = cache_files_read_count(files);
    OK(cache_files_digest(files, false, path, digest_out, NULL));
    return cache_files_read_count(files) - before;
}

Test(cache_files, read_a_file_once_also_over_processes)
{
    uint8_t first[FILE_DIGEST_SIZE];
    uint8_t second[FILE_DIGEST_SIZE];
    const char *path = write_file("file", "content");
    settle();
    open_all();
    cr_assert(eq(u64, digest(path, first), 1));
    cr_assert(eq(u64, digest(path, second), 0));
    cr_assert(eq(int, memcmp(first, second, sizeof(first)), 0));
    close_all();
    open_all();
    cr_assert(eq(u64, digest(path, second), 0));
    cr_assert(eq(int, memcmp(first, second, sizeof(first)), 0));
    (void)write_file("file", "changed");
    cr_assert(eq(u64, digest(path, second), 1));
    cr_assert(ne(int, memcmp(first, second, sizeof(first)), 0));
    close_all();
}

Test(cache_files, see_a_change_that_keeps_size_and_time)
{
    uint8_t first[FILE_DIGEST_SIZE];
    uint8_t second[FILE_DIGEST_SIZE];
    struct stat about;
    const char *path = write_file("file", "one");
    settle();
    open_all();
    cr_assert(eq(u64, digest(path, first), 1));
    cr_assert(eq(int, stat(path, &about), 0));
    (void)write_file("file", "two");
    const struct timespec times[2] = {about.st_atim, about.st_mtim};
    cr_assert(eq(int, utimensat(AT_FDCWD, path, times, 0), 0));
    cr_assert(eq(u64, digest(path, second), 1));
    cr_assert(ne(int, memcmp(first, second, sizeof(first)), 0));
    close_all();
}

Test(cache_files, remember_nothing_of_a_file_that_has_just_changed)
{
    uint8_t bytes[FILE_DIGEST_SIZE];
    const char *path = write_file("file", "content");
    open_all();
    cr_assert(eq(u64, digest(path, bytes), 1));
    cr_assert(eq(u64, digest(path, bytes), 1));
    close_all();
}

Test(cache_files, work_without_a_store)
{
    uint8_t bytes[FILE_DIGEST_SIZE];
    OK(cache_files_create(NULL, &files));
    cr_assert(eq(u64, digest(write_file("file", "content"), bytes), 1));
    OK(cache_files_save(files, NULL));
    cache_files_destroy(files);
}

Test(cache_files, name_the_file_that_is_not_there_and_refuse_what_is_no_file)
{
    uint8_t bytes[FILE_DIGEST_SIZE];
    struct error err;
    OK(cache_files_create(NULL, &files));
    STATUS_IS(STATUS_IO, cache_files_digest(files, false, "/nowhere", bytes, &err));
    cr_assert(ne(ptr, strstr(err.text, "/nowhere"), NULL));
    STATUS_IS(STATUS_IO, cache_files_digest(files, false, folder, bytes, &err));
    STATUS_IS(STATUS_IO, cache_files_digest(files, false, "/dev/zero", bytes, &err));
    cache_files_destroy(files);
}

Test(cache_files, pass_over_a_remembered_digest_that_makes_no_sense)
{
    uint8_t bytes[FILE_DIGEST_SIZE];
    uint32_t hour;
    open_all();
    cr_assert(not(cache_files_hour((const uint8_t *)"\x97garbage", 8, &hour)));
    cr_assert(not(cache_files_hour(bytes, 0, &hour)));
    close_all();
}
