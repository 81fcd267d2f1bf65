#include "worker/file_store.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/log_support.h"

static struct file_store *store;
static char dir[128];

static void create(void)
{
    folder_create();
    (void)snprintf(dir, sizeof(dir), "%s/above/store", folder);
    OK(file_store_open(dir, 1000, &store, NULL));
}

static void destroy(void)
{
    file_store_close(store);
    folder_remove();
}

TestSuite(file_store, .init = create, .fini = destroy);

static void lock(uint8_t number, struct file_store_place *place_out)
{
    const uint8_t key[FILE_STORE_KEY_SIZE] = {number};
    OK(file_store_lock(store, key, place_out, NULL));
}

/* A content of so many bytes comes to this place, which is left locked. */
static void fill(uint8_t number, size_t size, struct file_store_place *place_out)
{
    char bytes[1024];
    struct remote_about about;
    uint64_t there;
    int file;
    memset(bytes, 'x', sizeof(bytes));
    lock(number, place_out);
    OK(file_store_reserve(store, size, NULL));
    OK(file_store_part(place_out, &file, &about, &there, NULL));
    cr_assert(eq(sz, (size_t)write(file, bytes, size), size));
    (void)close(file);
    place_out->record.checked_ms = number;
    OK(file_store_keep(store, place_out, false, "a.dat", size, NULL));
}

static void add(uint8_t number, size_t size)
{
    struct file_store_place place;
    fill(number, size, &place);
    file_store_unlock(&place);
}

/* Is it there, whole? */
static bool has(uint8_t number)
{
    struct file_store_place place;
    char path[PATH_MAX];
    int pin;
    lock(number, &place);
    const bool is_there = file_store_pin(store, &place, &pin, path, NULL) == STATUS_OK;
    if (is_there) {
        file_store_unpin(pin);
    }
    file_store_unlock(&place);
    return is_there;
}

Test(file_store, what_was_kept_is_found_under_its_name)
{
    struct file_store_place place;
    char path[PATH_MAX];
    int pin;
    struct stat found;
    add(7, 100);
    lock(7, &place);
    cr_assert(eq(u64, place.record.checked_ms, 7));
    OK(file_store_pin(store, &place, &pin, path, NULL));
    cr_assert(eq(str, strrchr(path, '/'), (char *)"/a.dat"));
    cr_assert(eq(int, stat(path, &found), 0));
    cr_assert(eq(int, (int)found.st_size, 100));
    cr_assert(eq(int, (int)(found.st_mode & 0777), 0400));
    file_store_unpin(pin);
    file_store_unlock(&place);
    cr_assert(not(has(8)));
}

Test(file_store, is_this_users_alone)
{
    struct stat found;
    cr_assert(eq(int, stat(dir, &found), 0));
    cr_assert(eq(int, (int)(found.st_mode & 0777), 0700));
}

Test(file_store, of_another_user_or_open_to_all_is_refused)
{
    struct file_store *other = NULL;
    struct error err;
    OK(chmod(dir, 0777) == 0 ? STATUS_OK : STATUS_IO);
    STATUS_IS(STATUS_INVALID, file_store_open(dir, 0, &other, &err));
    cr_assert(ne(ptr, strstr(err.text, "not this user's alone"), NULL), "%s", err.text);
    cr_assert(eq(int, symlink("/tmp", in_folder("link")), 0));
    STATUS_IS(STATUS_INVALID, file_store_open(in_folder("link"), 0, &other, &err));
}

Test(file_store, what_was_used_longest_ago_makes_room)
{
    add(1, 400);
    add(2, 400);
    cr_assert(has(1)); /* it is the one used last */
    add(3, 400);
    cr_assert(has(1));
    cr_assert(not(has(2)));
    cr_assert(has(3));
}

Test(file_store, what_is_in_use_stays)
{
    struct file_store_place place;
    char path[PATH_MAX];
    int pin;
    fill(1, 600, &place);
    OK(file_store_pin(store, &place, &pin, path, NULL));
    file_store_unlock(&place);
    add(2, 600);
    add(3, 300);
    cr_assert(has(1));
    cr_assert(not(has(2)));
    file_store_unpin(pin);
    add(4, 900);
    cr_assert(not(has(1)));
}

Test(file_store, what_is_larger_than_the_bound_is_refused)
{
    struct error err;
    STATUS_IS(STATUS_LIMIT, file_store_reserve(store, 1001, &err));
    cr_assert(ne(ptr, strstr(err.text, "at most 1000 B"), NULL), "%s", err.text);
}

Test(file_store, what_killed_processes_had_reserved_is_found_out)
{
    add(1, 300);
    OK(file_store_reserve(store, 700, NULL)); /* and never given back */
    OK(file_store_reserve(store, 600, NULL));
    cr_assert(has(1));
}

Test(file_store, a_part_is_of_the_content_that_was_noted)
{
    struct file_store_place place;
    struct remote_about about = {.size = 10, .etag = "\"v1\""};
    uint64_t size;
    int file;
    lock(1, &place);
    OK(file_store_part(&place, &file, &about, &size, NULL));
    cr_assert(eq(u64, size, 0));
    about = (struct remote_about){.size = 10, .etag = "\"v1\"", .hash_name = "sha1", .hash = {7}};
    OK(file_store_note_part(&place, &about, NULL));
    cr_assert(eq(int, (int)write(file, "12345", 5), 5));
    (void)close(file);
    file_store_unlock(&place);
    lock(1, &place);
    OK(file_store_part(&place, &file, &about, &size, NULL));
    cr_assert(eq(u64, size, 5));
    cr_assert(eq(str, about.etag, (char *)"\"v1\""));
    cr_assert(ne(ptr, (void *)(uintptr_t)about.hash_name, NULL), "its hash is forgotten");
    cr_assert(eq(str, (char *)(uintptr_t)about.hash_name, (char *)"sha1"));
    cr_assert(eq(u8, about.hash[0], 7));
    (void)close(file);
    file_store_unlock(&place);
}

Test(file_store, a_tree_of_another_state_is_emptied)
{
    struct file_store_place place;
    const uint8_t first[REMOTE_DIGEST_SIZE] = {1};
    const uint8_t second[REMOTE_DIGEST_SIZE] = {2};
    char path[PATH_MAX];
    char below[PATH_MAX + 8];
    lock(1, &place);
    OK(file_store_tree(&place, first, path, NULL));
    (void)snprintf(below, sizeof(below), "%s/x", path);
    cr_assert(eq(int, mkdir(below, 0700), 0));
    OK(file_store_tree(&place, first, path, NULL));
    cr_assert(eq(int, access(below, F_OK), 0));
    OK(file_store_tree(&place, second, path, NULL));
    cr_assert(ne(int, access(below, F_OK), 0));
    file_store_unlock(&place);
}

/* Also where all is counted anew, since there is no room. */
Test(file_store, a_tree_that_is_coming_counts)
{
    struct file_store_place place;
    const uint8_t of[REMOTE_DIGEST_SIZE] = {1};
    char path[PATH_MAX];
    char below[PATH_MAX + 8];
    char bytes[600] = "";
    struct buffer size = {0};
    lock(1, &place);
    OK(file_store_reserve(store, sizeof(bytes), NULL));
    OK(file_store_tree(&place, of, path, NULL));
    (void)snprintf(below, sizeof(below), "%s/x", path);
    const int file = open(below, O_WRONLY | O_CREAT, 0600);
    cr_assert(eq(int, (int)write(file, bytes, sizeof(bytes)), (int)sizeof(bytes)));
    (void)close(file);
    OK(file_store_reserve(store, 500, NULL));
    (void)snprintf(below, sizeof(below), "%s/size", dir);
    OK(file_read(below, &size, NULL));
    OK(buffer_append_byte(&size, '\0'));
    cr_expect(eq(int, atoi((const char *)size.data), 1100));
    buffer_free(&size);
    file_store_unlock(&place);
}

Test(file_store, half_an_entry_is_none)
{
    struct file_store_place place;
    char path[PATH_MAX];
    int pin;
    fill(1, 100, &place);
    OK(file_store_pin(store, &place, &pin, path, NULL));
    file_store_unpin(pin);
    cr_assert(eq(int, truncate(path, 50), 0));
    STATUS_IS(STATUS_NOT_FOUND, file_store_pin(store, &place, &pin, path, NULL));
    file_store_unlock(&place);
}

Test(file_store, a_record_that_makes_no_sense_is_none)
{
    struct file_store_place place;
    fill(1, 100, &place);
    cr_assert(eq(int, (int)pwrite(place.lock, "garbage", 7, 3), 7));
    file_store_unlock(&place);
    cr_assert(not(has(1)));
}

/* ---- Ends at any moment ----
 *
 * The calls by which the store changes folders and files can be each the last one of a process. */

static unsigned calls_left; /* 0: no bound */

static void count_call(void)
{
    if (calls_left > 0 && --calls_left == 0) {
        _exit(9);
    }
}

#define DYING(name, parameters, arguments)                                                         \
    int __real_##name parameters;                                                                  \
    int __wrap_##name parameters;                                                                  \
    int __wrap_##name parameters                                                                   \
    {                                                                                              \
        count_call();                                                                              \
        return __real_##name arguments;                                                            \
    }

DYING(chmod, (const char *path, mode_t mode), (path, mode))
DYING(ftruncate, (int file, off_t size), (file, size))
DYING(mkdir, (const char *path, mode_t mode), (path, mode))
DYING(rename, (const char *from, const char *to), (from, to))
DYING(symlink, (const char *to, const char *path), (to, path))
DYING(unlink, (const char *path), (path))

/* NOLINTBEGIN(readability-identifier-naming): the linker's names. */
ssize_t __real_pwrite(int file, const void *data, size_t size, off_t at);
ssize_t __wrap_pwrite(int file, const void *data, size_t size, off_t at);
ssize_t __wrap_pwrite(int file, const void *data, size_t size, off_t at)
{
    count_call();
    return __real_pwrite(file, data, size, at);
}
/* NOLINTEND(readability-identifier-naming) */

#define CONTENT "one content of two halves"

/* As a fetch does it: what of the content is there already is not asked for again. */
static void fetch_content(void)
{
    struct file_store_place place;
    struct remote_about about;
    char path[PATH_MAX];
    const size_t size = strlen(CONTENT);
    uint64_t there;
    int file;
    int pin;
    lock(1, &place);
    if (file_store_pin(store, &place, &pin, path, NULL) != STATUS_OK) {
        OK(file_store_part(&place, &file, &about, &there, NULL));
        if (there == 0) {
            OK(file_store_reserve(store, size, NULL));
            about = (struct remote_about){.size = (int64_t)size, .etag = "\"v1\""};
            cr_assert(eq(int, ftruncate(file, 0), 0));
            OK(file_store_note_part(&place, &about, NULL));
        }
        cr_assert(eq(str, about.etag, (char *)"\"v1\""));
        for (; there < size; there += 5) {
            cr_assert(eq(int, (int)pwrite(file, CONTENT + there, 5, (off_t)there), 5));
        }
        (void)close(file);
        OK(file_store_keep(store, &place, false, "a.dat", size, NULL));
        OK(file_store_pin(store, &place, &pin, path, NULL));
    }
    struct buffer bytes = {0};
    OK(file_read(path, &bytes, NULL));
    cr_assert(eq(sz, bytes.size, size));
    cr_assert(eq(int, memcmp(bytes.data, CONTENT, size), 0));
    buffer_free(&bytes);
    file_store_unpin(pin);
    file_store_unlock(&place);
}

/* Root may write to everything, which would hide what others trip over. */
Test(file_store, who_dies_at_any_step_leaves_what_the_next_one_can_go_on_with, .timeout = 60)
{
    unsigned deaths = 0;
    int status = -1;
    cr_assert(eq(int, geteuid() == 0 ? chown(folder, 65534, 65534) : 0, 0));
    cr_assert(eq(int, geteuid() == 0 ? seteuid(65534) : 0, 0));
    for (unsigned step = 1; status != 0; step++) {
        (void)snprintf(dir, sizeof(dir), "%s/store-%u", folder, step);
        const pid_t child = fork();
        if (child == 0) {
            calls_left = step;
            OK(file_store_open(dir, 1000, &store, NULL));
            fetch_content();
            _exit(0);
        }
        cr_assert(eq(int, waitpid(child, &status, 0), child));
        cr_assert(status == 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 9));
        deaths += status != 0;
        file_store_close(store);
        OK(file_store_open(dir, 1000, &store, NULL));
        fetch_content();
    }
    cr_expect(gt(uint, deaths, 15));
    cr_assert(eq(int, getuid() == 0 ? seteuid(0) : 0, 0));
}

/* What a process that was killed held is free, and what it had half made is not seen. */
Test(file_store, who_is_killed_holds_nothing)
{
    struct file_store_place place;
    int ready[2];
    char byte;
    cr_assert(eq(int, pipe(ready), 0));
    const pid_t child = fork();
    if (child == 0) {
        struct remote_about about;
        uint64_t size;
        int file;
        (void)!file_store_open(dir, 1000, &store, NULL);
        lock(1, &place);
        (void)!file_store_part(&place, &file, &about, &size, NULL);
        (void)!write(file, "half", 4);
        (void)!write(ready[1], "x", 1);
        (void)pause();
    }
    cr_assert(eq(int, (int)read(ready[0], &byte, 1), 1));
    cr_assert(eq(int, kill(child, SIGKILL), 0));
    cr_assert(eq(int, waitpid(child, NULL, 0), child));
    cr_assert(not(has(1)));
    add(1, 100);
    cr_assert(has(1));
}

/* Several processes, each through the same few places, more than there is room for. */
Test(file_store, many_processes_share_it, .timeout = 60)
{
    enum { PROCESSES = 4, ROUNDS = 60, PLACES = 5 };
    for (unsigned p = 0; p < PROCESSES; p++) {
        if (fork() != 0) {
            continue;
        }
        OK(file_store_open(dir, 1000, &store, NULL));
        for (unsigned round = 0; round < ROUNDS; round++) {
            struct file_store_place place;
            char path[PATH_MAX];
            struct stat found;
            int pin;
            const uint8_t number = (uint8_t)((round * 7 + p) % PLACES + 1);
            lock(number, &place);
            if (file_store_pin(store, &place, &pin, path, NULL) != STATUS_OK) {
                file_store_unlock(&place);
                fill(number, 300, &place);
                if (file_store_pin(store, &place, &pin, path, NULL) != STATUS_OK) {
                    file_store_unlock(&place);
                    continue; /* others needed the room */
                }
            }
            file_store_unlock(&place);
            if (stat(path, &found) != 0 || found.st_size != 300) {
                _exit(1);
            }
            file_store_unpin(pin);
        }
        _exit(0);
    }
    for (unsigned p = 0; p < PROCESSES; p++) {
        int status = -1;
        cr_assert(gt(int, (int)wait(&status), 0));
        cr_assert(eq(int, status, 0));
    }
}

Test(file_store, goes_with_the_last_who_uses_it)
{
    struct file_store *other = NULL;
    add(1, 100);
    OK(file_store_open(dir, 1000, &other, NULL));
    file_store_close(store);
    store = NULL;
    file_store_leave(dir);
    cr_assert(eq(int, access(dir, F_OK), 0));
    file_store_close(other);
    file_store_leave(dir);
    cr_assert(ne(int, access(dir, F_OK), 0));
    OK(file_store_open(dir, 1000, &store, NULL)); /* and may come again */
    cr_assert(not(has(1)));
}
