#include "worker/publish.h"

#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/log_support.h"

/* Another file system than the folder's, so that files are copied. */
#define ELSEWHERE "/dev/shm"

static char source[128];
static char published[] = "files/000003-0-1.txt";

static void make_source(const char *folder_of_it)
{
    (void)snprintf(source, sizeof(source), "%s/mapfleet-source-%ld", folder_of_it, (long)getpid());
    FILE *file = fopen(source, "w");
    cr_assert(ne(ptr, file, NULL), "%s", source);
    (void)fputs("made", file);
    cr_assert(eq(int, fclose(file), 0));
}

static enum status publish(struct error *err)
{
    const struct writer_file file = {.source = source, .published = published};
    const struct publish_target target = {.run_dir = folder};
    return publish_files(&target, &file, 1, err);
}

static void expect_whole(void)
{
    struct buffer bytes = {0};
    OK(file_read(in_folder(published), &bytes, NULL));
    cr_expect(eq(sz, bytes.size, 4));
    buffer_free(&bytes);
}

Test(publish, a_file_is_moved_and_its_folder_made)
{
    struct error err;
    folder_create();
    make_source(folder);
    OK(publish(&err));
    expect_whole();
    cr_expect(ne(int, access(source, F_OK), 0));
    folder_remove();
}

Test(publish, a_file_of_another_file_system_is_copied)
{
    struct error err;
    folder_create();
    make_source(ELSEWHERE);
    OK(publish(&err));
    expect_whole();
    (void)unlink(source);
    folder_remove();
}

Test(publish, what_was_published_before_a_failure_is_taken_back)
{
    static char second[] = "files/000003-0-2.txt";
    static char nowhere[] = "/nowhere/at/all";
    struct error err;
    folder_create();
    make_source(folder);
    const struct writer_file files[] = {{.source = source, .published = published},
                                        {.source = nowhere, .published = second}};
    const struct publish_target target = {.run_dir = folder};
    cr_assert(ne(int, publish_files(&target, files, 2, &err), STATUS_OK));
    cr_expect(ne(int, access(in_folder(published), F_OK), 0));
    folder_remove();
}

Test(publish, an_absolute_name_is_a_file_there)
{
    struct error err;
    char elsewhere[128];
    folder_create();
    make_source(folder);
    (void)snprintf(elsewhere, sizeof(elsewhere), "%s/given/back/x.txt", folder);
    const struct writer_file file = {.source = source, .published = elsewhere};
    const struct publish_target target = {.run_dir = "/nowhere"};
    OK(publish_files(&target, &file, 1, &err));
    cr_expect(eq(int, access(elsewhere, F_OK), 0));
    folder_remove();
}

Test(publish, no_room_is_told_from_what_an_attempt_did_and_leaves_nothing)
{
    struct error err;
    char partial[256];
    folder_create();
    make_source(ELSEWHERE);
    cr_assert(eq(int, mkdir(in_folder("files"), 0700), 0));
    (void)snprintf(partial, sizeof(partial), "%s.partial", in_folder(published));
    cr_assert(eq(int, symlink("/dev/full", partial), 0));
    STATUS_IS(STATUS_UNWRITABLE, publish(&err));
    cr_expect(ne(ptr, strstr(err.text, "No space left on device"), NULL), "%s", err.text);
    cr_expect(ne(int, access(in_folder(published), F_OK), 0));
    cr_expect(ne(int, access(partial, F_OK), 0));
    OK(publish(&err));
    expect_whole();
    (void)unlink(source);
    folder_remove();
}

Test(publish, a_file_that_is_gone_is_the_attempts_own_failure)
{
    struct error err;
    folder_create();
    (void)snprintf(source, sizeof(source), "%s/nothing", folder);
    STATUS_IS(STATUS_IO, publish(&err));
    cr_expect(ne(ptr, strstr(err.text, source), NULL), "%s", err.text);
    folder_remove();
}

Test(publish, a_folder_that_cannot_be_made_is_named)
{
    struct error err;
    folder_create();
    make_source(folder);
    OK(file_replace(folder, "files", "x", 1, NULL));
    STATUS_IS(STATUS_IO, publish(&err));
    cr_expect(ne(ptr, strstr(err.text, "/files"), NULL), "%s", err.text);
    folder_remove();
}
