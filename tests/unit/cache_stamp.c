#include "master/cache_stamp.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache_support.h"

TestSuite(cache_stamp, .init = folder_create, .fini = folder_remove, .timeout = 60);

#define FOREIGN "other-boot/pid:[1] faraway 4711 %d\n"

static void write_foreign(int count)
{
    char text[128];
    (void)snprintf(text, sizeof(text), FOREIGN, count);
    (void)write_file(CACHE_STAMP_NAME, text);
}

static struct cache_stamp_options options_of(uint32_t renew_ms, uint32_t stale_ms)
{
    return (struct cache_stamp_options){.dir = folder, .renew_ms = renew_ms, .stale_ms = stale_ms};
}

static void read_text(char text_out[256])
{
    struct buffer bytes = {0};
    OK(file_read(in_folder(CACHE_STAMP_NAME), &bytes, NULL));
    (void)snprintf(text_out, 256, "%.*s", (int)bytes.size, (const char *)bytes.data);
    buffer_free(&bytes);
}

Test(cache_stamp, stands_while_it_is_held_and_is_gone_after)
{
    const struct cache_stamp_options options = options_of(5000, 30000);
    struct cache_stamp *stamp;
    OK(cache_stamp_take(&options, &stamp, NULL));
    cr_assert(eq(int, access(in_folder(CACHE_STAMP_NAME), F_OK), 0));
    cr_assert(cache_stamp_is_held(stamp));
    cache_stamp_release(stamp);
    cr_assert(ne(int, access(in_folder(CACHE_STAMP_NAME), F_OK), 0));
}

Test(cache_stamp, changes_while_it_is_held)
{
    const struct cache_stamp_options options = options_of(10, 30000);
    struct cache_stamp *stamp;
    char first[256];
    char now[256];
    OK(cache_stamp_take(&options, &stamp, NULL));
    read_text(first);
    do {
        (void)usleep(1000);
        read_text(now);
    } while (strcmp(first, now) == 0);
    cache_stamp_release(stamp);
}

Test(cache_stamp, is_shared_by_processes_of_a_host_and_the_last_one_removes_it)
{
    const struct cache_stamp_options options = options_of(5000, 30000);
    struct cache_stamp *stamp;
    int status;
    int go[2];
    char byte = 0;
    cr_assert(eq(int, pipe(go), 0));
    const pid_t child = fork(); /* before there is a second thread */
    if (child == 0) {
        struct cache_stamp *second;
        (void)!read(go[0], &byte, 1);
        OK(cache_stamp_take(&options, &second, NULL));
        cr_assert(not(cache_stamp_make_exclusive(second)));
        cache_stamp_release(second);
        _exit(0);
    }
    OK(cache_stamp_take(&options, &stamp, NULL));
    (void)!write(go[1], "x", 1);
    cr_assert(eq(int, (int)waitpid(child, &status, 0), (int)child));
    cr_assert(eq(int, status, 0));
    cr_assert(eq(int, access(in_folder(CACHE_STAMP_NAME), F_OK), 0));
    cr_assert(cache_stamp_make_exclusive(stamp));
    cache_stamp_release(stamp);
    cr_assert(ne(int, access(in_folder(CACHE_STAMP_NAME), F_OK), 0));
}

static void *keep_changing(void *context)
{
    atomic_bool *is_to_end = context;
    for (int count = 2; !atomic_load(is_to_end); count++) {
        char text[128];
        (void)snprintf(text, sizeof(text), FOREIGN, count);
        OK(file_replace(folder, CACHE_STAMP_NAME, text, strlen(text), NULL));
        (void)usleep(20000);
    }
    return NULL;
}

Test(cache_stamp, of_another_host_that_changes_is_alive_and_refused)
{
    const struct cache_stamp_options options = options_of(5000, 30000);
    struct cache_stamp *stamp;
    struct error err;
    pthread_t thread;
    atomic_bool is_to_end = false;
    write_foreign(1);
    cr_assert(eq(int, pthread_create(&thread, NULL, keep_changing, &is_to_end), 0));
    STATUS_IS(STATUS_EXISTS, cache_stamp_take(&options, &stamp, &err));
    atomic_store(&is_to_end, true);
    (void)pthread_join(thread, NULL);
    cr_assert(ne(ptr, strstr(err.text, "faraway"), NULL));
    cr_assert(eq(int, access(in_folder(CACHE_STAMP_NAME), F_OK), 0)); /* it is not ours to remove */
}

Test(cache_stamp, of_another_host_that_stays_the_same_is_taken_over)
{
    const struct cache_stamp_options options = options_of(5000, 300);
    struct cache_stamp *stamp;
    char text[256];
    write_foreign(1);
    OK(cache_stamp_take(&options, &stamp, NULL));
    read_text(text);
    cr_assert(eq(ptr, strstr(text, "faraway"), NULL));
    cache_stamp_release(stamp);
}

Test(cache_stamp, is_not_held_any_more_once_another_host_has_taken_it)
{
    const struct cache_stamp_options options = options_of(10, 300);
    struct cache_stamp *stamp;
    OK(cache_stamp_take(&options, &stamp, NULL));
    while (cache_stamp_is_held(stamp)) {
        write_foreign(1); /* may be lost to a renewal that has just looked */
        (void)usleep(20000);
    }
    cache_stamp_release(stamp);
    cr_assert(eq(int, access(in_folder(CACHE_STAMP_NAME), F_OK), 0));
}
