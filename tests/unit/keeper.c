#include "worker/keeper.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/file.h"
#include "shared/lz4_frame.h"

static char folder[64];

static void create_folder(void)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/mapfleet-keeper-XXXXXX");
    cr_assert(mkdtemp(folder) != NULL);
}

static void remove_folder(void)
{
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    cr_assert(eq(int, system(command), 0));
}

TestSuite(keeper, .init = create_folder, .fini = remove_folder, .timeout = 50);

static const char *path_of(const char *name)
{
    static char path[128];
    (void)snprintf(path, sizeof(path), "%s/" STDIO_RECORD_FOLDER "/%s", folder, name);
    return path;
}

static void add(struct keeper *keeper, uint64_t index, const char *out, const char *err)
{
    char text[256];
    const struct stdio_entry entry = {
        .index = index, .attempt = 1, .sizes = {strlen(out), strlen(err)}};
    (void)snprintf(text, sizeof(text), "%s%s", out, err);
    keeper_add(keeper, 0, &entry, (const uint8_t *)text);
}

/* The plain text of a file's first record, and the number of records. */
static size_t read_file(const char *name, struct buffer *text)
{
    struct buffer bytes = {0};
    struct arena arena = {0};
    struct error err = {""};
    size_t count = 0;
    cr_assert(eq(int, file_read(path_of(name), &bytes, &err), STATUS_OK), "%s", err.text);
    for (size_t at = 0; at < bytes.size; count++) {
        struct stdio_record record;
        size_t used = 0;
        cr_assert(
            eq(int,
               stdio_record_decode(bytes.data + at, bytes.size - at, &arena, &record, &used, &err),
               STATUS_OK),
            "%s", err.text);
        cr_expect(eq(u32, record.rank, 12));
        if (count == 0) {
            cr_assert(eq(int,
                         lz4_frame_decompress(record.frame, record.frame_size,
                                              (size_t)record.text_size, text),
                         STATUS_OK));
        }
        at += used;
    }
    buffer_free(&bytes);
    arena_free(&arena);
    return count;
}

Test(keeper, nothing_kept_makes_no_file)
{
    struct keeper *keeper = keeper_create(folder, 12);
    struct stat about;
    keeper_flush(keeper);
    keeper_destroy(keeper);
    keeper_destroy(NULL);
    cr_expect(ne(int, stat(path_of(""), &about), 0));
}

Test(keeper, many_outputs_share_a_record)
{
    struct keeper *keeper = keeper_create(folder, 12);
    struct buffer text = {0};
    for (uint64_t i = 0; i < 100; i++) {
        add(keeper, i, "o", "e");
    }
    keeper_flush(keeper);
    cr_expect(eq(sz, read_file("000012-0.lz4", &text), 1));
    cr_expect(eq(sz, text.size, 200));
    cr_expect(memcmp(text.data, "oeoe", 4) == 0);
    add(keeper, 100, "last", "");
    keeper_destroy(keeper); /* which flushes */
    buffer_clear(&text);
    cr_expect(eq(sz, read_file("000012-0.lz4", &text), 2));
    buffer_free(&text);
}

Test(keeper, each_session_has_a_file_of_its_own)
{
    struct buffer text = {0};
    for (int i = 0; i < 3; i++) {
        struct keeper *keeper = keeper_create(folder, 12);
        add(keeper, 0, i == 0 ? "first" : i == 1 ? "second" : "third", "");
        keeper_destroy(keeper);
    }
    cr_expect(eq(sz, read_file("000012-1.lz4", &text), 1));
    cr_expect(text.size == 6 && memcmp(text.data, "second", 6) == 0);
    buffer_clear(&text);
    cr_expect(eq(sz, read_file("000012-2.lz4", &text), 1));
    buffer_free(&text);
}

Test(keeper, much_text_is_written_before_it_is_asked_for)
{
    struct keeper *keeper = keeper_create(folder, 12);
    const struct stdio_entry entry = {.sizes = {1 << 20, 1 << 20}};
    uint8_t *text = calloc(2, 1 << 20);
    struct stat about;
    keeper_add(keeper, 0, &entry, text);
    cr_expect(ne(int, stat(path_of("000012-0.lz4"), &about), 0));
    keeper_add(keeper, 0, &entry, text);
    cr_expect(eq(int, stat(path_of("000012-0.lz4"), &about), 0));
    keeper_destroy(keeper);
    free(text);
}

/* What is said on standard error, as a count of lines. */
static size_t count_lines_of(void (*act)(void))
{
    char line[1024];
    size_t count = 0;
    FILE *said = tmpfile();
    const int before = dup(STDERR_FILENO);
    cr_assert(ge(int, dup2(fileno(said), STDERR_FILENO), 0));
    act();
    (void)dup2(before, STDERR_FILENO);
    rewind(said);
    while (fgets(line, sizeof(line), said) != NULL) {
        count++;
        cr_expect(strstr(line, "rank 12 cannot keep what attempts print") != NULL, "%s", line);
    }
    (void)fclose(said);
    return count;
}

static void keep_nowhere(void)
{
    struct keeper *keeper = keeper_create("/nowhere/at/all", 12);
    for (uint64_t i = 0; i < 5; i++) {
        add(keeper, i, "x", "");
        keeper_flush(keeper);
    }
    keeper_destroy(keeper);
}

Test(keeper, a_folder_that_cannot_be_made_costs_one_warning)
{
    cr_expect(eq(sz, count_lines_of(keep_nowhere), 1));
}

/* Past the limit nothing can be written, as on a full disk; then there is room again. */
static void keep_on_a_full_disk(void)
{
    struct keeper *keeper = keeper_create(folder, 12);
    struct rlimit limit;
    char noise[200];
    for (size_t i = 0; i < sizeof(noise) - 1; i++) {
        noise[i] = (char)('0' + i * i * 7 % 75);
    }
    noise[sizeof(noise) - 1] = '\0';
    (void)signal(SIGXFSZ, SIG_IGN);
    cr_assert(eq(int, getrlimit(RLIMIT_FSIZE, &limit), 0));
    const struct rlimit small = {.rlim_cur = 1000, .rlim_max = limit.rlim_max};
    cr_assert(eq(int, setrlimit(RLIMIT_FSIZE, &small), 0));
    for (uint64_t i = 0; i < 10; i++) {
        add(keeper, i, noise, "");
        keeper_flush(keeper);
    }
    cr_assert(eq(int, setrlimit(RLIMIT_FSIZE, &limit), 0));
    add(keeper, 100, "room again", "");
    keeper_destroy(keeper);
}

Test(keeper, a_full_disk_costs_what_does_not_fit_and_leaves_whole_records)
{
    struct buffer text = {0};
    cr_expect(eq(sz, count_lines_of(keep_on_a_full_disk), 1));
    const size_t count = read_file("000012-0.lz4", &text);
    cr_expect(ge(sz, count, 2));
    cr_expect(lt(sz, count, 10));
    buffer_free(&text);
}
