#include "worker/job_place.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "master/library.h"

#define TOKEN "0123456789abcdef"
#define PATH_OF_JOB "/some/where/squares.so"

static const uint8_t bytes[] = "what a library may hold";

/* Places lie in a temporary folder of the test's own. */
static char base[] = "/tmp/mapfleet-test-XXXXXX";
static char folder[sizeof(base) + sizeof("/mapfleet-job-" TOKEN)];
static char library[sizeof(folder) + sizeof("/squares.so")];

static void set_up(void)
{
    cr_assert(ne(ptr, mkdtemp(base), NULL));
    cr_assert(eq(int, setenv("TMPDIR", base, 1), 0));
    (void)snprintf(folder, sizeof(folder), "%s/mapfleet-job-" TOKEN, base);
    (void)snprintf(library, sizeof(library), "%s/squares.so", folder);
}

/* Nothing of it may be left: an empty folder can be removed. */
static void tear_down(void)
{
    cr_expect(eq(int, rmdir(base), 0), "something is left in %s", base);
}

TestSuite(job_place, .init = set_up, .fini = tear_down);

static struct job_place *place(void)
{
    struct job_place *place = NULL;
    struct error err = {""};
    cr_assert(eq(int, job_place_create(TOKEN, PATH_OF_JOB, &place, &err), STATUS_OK), "%s",
              err.text);
    return place;
}

static enum job_place_state look(struct job_place *place)
{
    enum job_place_state state = JOB_PLACE_BUSY;
    struct error err = {""};
    cr_assert(eq(int, job_place_look(place, &state, &err), STATUS_OK), "%s", err.text);
    return state;
}

static void add(struct job_place *place, const uint8_t *from, size_t size)
{
    struct error err = {""};
    cr_assert(eq(int, job_place_add(place, from, size, &err), STATUS_OK), "%s", err.text);
}

static enum status finish(struct job_place *place, const char *content, struct error *err)
{
    XXH128_canonical_t digest;
    XXH128_canonicalFromHash(&digest, XXH3_128bits(content, strlen(content)));
    return job_place_finish(place, digest.digest, err);
}

static void bring(struct job_place *place)
{
    struct error err = {""};
    cr_assert(eq(int, look(place), JOB_PLACE_MINE));
    add(place, bytes, 4);
    add(place, bytes + 4, strlen((const char *)bytes) - 4);
    cr_assert(eq(int, finish(place, (const char *)bytes, &err), STATUS_OK), "%s", err.text);
    cr_assert(eq(int, look(place), JOB_PLACE_HERE));
}

static bool exists(const char *path)
{
    struct stat about;
    return lstat(path, &about) == 0;
}

Test(job_place, the_first_brings_the_job_and_the_others_find_it)
{
    struct job_place *first = place();
    struct job_place *second = place();
    struct stat about;
    cr_assert(eq(int, look(first), JOB_PLACE_MINE));
    cr_assert(eq(int, look(second), JOB_PLACE_BUSY));
    add(first, bytes, 4);
    cr_expect(eq(u64, job_place_size(second), 4));
    add(first, bytes + 4, strlen((const char *)bytes) - 4);
    cr_expect(not(exists(library)), "it has its name before it is whole");
    cr_assert(eq(int, finish(first, (const char *)bytes, NULL), STATUS_OK));
    cr_assert(eq(int, look(first), JOB_PLACE_HERE));
    cr_assert(eq(int, look(second), JOB_PLACE_HERE));
    cr_expect(eq(int, strcmp(job_place_library(second), library), 0));
    cr_assert(eq(int, stat(folder, &about), 0));
    cr_expect(eq(int, (int)(about.st_mode & 07777), 0700));
    job_place_destroy(first);
    job_place_destroy(second);
}

Test(job_place, the_last_one_removes_it)
{
    struct job_place *first = place();
    struct job_place *second = place();
    bring(first);
    cr_assert(eq(int, look(second), JOB_PLACE_HERE));
    job_place_destroy(first);
    cr_expect(exists(library), "it is gone while another uses it");
    job_place_destroy(second);
    cr_expect(not(exists(folder)));
}

Test(job_place, where_the_one_that_brings_it_fails_another_does)
{
    struct job_place *first = place();
    struct job_place *second = place();
    cr_assert(eq(int, look(first), JOB_PLACE_MINE));
    cr_assert(eq(int, look(second), JOB_PLACE_BUSY));
    add(first, bytes, 10);
    job_place_destroy(first);
    while (look(second) == JOB_PLACE_BUSY) { /* once, where the first has removed what it had */
    }
    struct error err = {""};
    add(second, bytes, strlen((const char *)bytes));
    cr_assert(eq(int, finish(second, (const char *)bytes, &err), STATUS_OK), "%s", err.text);
    cr_assert(eq(int, look(second), JOB_PLACE_HERE));
    job_place_destroy(second);
}

Test(job_place, what_has_another_digest_gets_no_name)
{
    struct job_place *first = place();
    struct error err = {""};
    cr_assert(eq(int, look(first), JOB_PLACE_MINE));
    add(first, bytes, 5);
    cr_expect(eq(int, finish(first, (const char *)bytes, &err), STATUS_INVALID));
    cr_expect(ne(ptr, strstr(err.text, "differs"), NULL), "%s", err.text);
    cr_expect(not(exists(library)));
    job_place_destroy(first);
}

Test(job_place, what_a_rank_that_was_killed_has_left_is_removed_by_its_zygote)
{
    struct job_place *of_zygote = place();
    cr_assert(eq(int, mkdir(folder, 0700), 0));
    job_place_destroy(of_zygote);
    cr_expect(not(exists(folder)));
}

Test(job_place, a_folder_that_others_may_write_is_refused)
{
    struct job_place *first = place();
    enum job_place_state state;
    struct error err = {""};
    cr_assert(eq(int, mkdir(folder, 0700), 0));
    cr_assert(eq(int, chmod(folder, 0770), 0));
    cr_expect(eq(int, job_place_look(first, &state, &err), STATUS_INVALID));
    cr_expect(ne(ptr, strstr(err.text, folder), NULL), "%s", err.text);
    job_place_destroy(first);
    cr_assert(eq(int, rmdir(folder), 0));
}

Test(job_place, a_link_in_its_place_is_refused)
{
    struct job_place *first = place();
    enum job_place_state state;
    struct error err = {""};
    cr_assert(eq(int, symlink(base, folder), 0));
    cr_expect(eq(int, job_place_look(first, &state, &err), STATUS_IO));
    job_place_destroy(first);
    cr_assert(eq(int, unlink(folder), 0));
}

Test(job_place, a_token_that_would_leave_the_folder_is_refused)
{
    static const char *const tokens[] = {"", "../up", "a/b", "A", "a b"};
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        struct job_place *none = NULL;
        struct error err = {""};
        cr_expect(eq(int, job_place_create(tokens[i], PATH_OF_JOB, &none, &err), STATUS_INVALID));
        cr_expect(eq(ptr, none, NULL));
    }
}

/* ---- What rank 0 sends ------------------------------------------------------------------------
 */

Test(job_place, a_library_that_has_changed_since_it_was_loaded_is_not_sent)
{
    char path[sizeof(base) + sizeof("/job.so")];
    struct library read = {.size = 0};
    struct error err = {""};
    XXH128_canonical_t digest;
    XXH128_canonicalFromHash(&digest, XXH3_128bits(bytes, sizeof(bytes)));
    (void)snprintf(path, sizeof(path), "%s/job.so", base);
    FILE *file = fopen(path, "w");
    cr_assert(ne(ptr, file, NULL));
    cr_assert(eq(sz, fwrite(bytes, 1, sizeof(bytes), file), sizeof(bytes)));
    cr_assert(eq(int, fflush(file), 0));

    cr_assert(eq(int, library_read(path, digest.digest, &read, &err), STATUS_OK), "%s", err.text);
    cr_expect(eq(sz, read.size, sizeof(bytes)));
    cr_expect(eq(int, memcmp(read.bytes, bytes, sizeof(bytes)), 0));
    cr_expect(eq(sz, strlen(read.token), LIBRARY_TOKEN_SIZE - 1));
    library_free(&read);

    cr_assert(eq(int, fputc('x', file), 'x'));
    cr_assert(eq(int, fclose(file), 0));
    cr_expect(eq(int, library_read(path, digest.digest, &read, &err), STATUS_INVALID));
    cr_expect(ne(ptr, strstr(err.text, "has changed"), NULL), "%s", err.text);
    cr_assert(eq(int, unlink(path), 0));
}
