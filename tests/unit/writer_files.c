#include "shared/writer.h"

#include "writer_support.h"

/* ---- Files ---------------------------------------------------------------------------------- */

struct folder {
    char path[PATH_MAX / 4];
    char workdir[PATH_MAX / 2];
    char text[2 * PATH_MAX]; /* of the latest path in it */
};

static const char *in_folder(struct folder *folder, const char *name)
{
    (void)snprintf(folder->text, sizeof(folder->text), "%s/%s", folder->path, name);
    return folder->text;
}

static void make_file(struct folder *folder, const char *name)
{
    FILE *file = fopen(in_folder(folder, name), "w");
    cr_assert(file != NULL, "%s", name);
    cr_assert(eq(int, fclose(file), 0));
}

/* FOLDER: secret, work2/x, work (the working directory) with a.jpg, sub/b.tar.gz and links. */
static void make_folder(struct folder *folder)
{
    char made[] = "/tmp/mapfleet_writer_XXXXXX";
    cr_assert(mkdtemp(made) != NULL);
    cr_assert(realpath(made, folder->text) != NULL);
    (void)snprintf(folder->path, sizeof(folder->path), "%.1000s", folder->text);
    (void)snprintf(folder->workdir, sizeof(folder->workdir), "%s/work", folder->path);
    cr_assert(eq(int, mkdir(in_folder(folder, "work"), 0700), 0));
    cr_assert(eq(int, mkdir(in_folder(folder, "work2"), 0700), 0));
    cr_assert(eq(int, mkdir(in_folder(folder, "work/sub"), 0700), 0));
    make_file(folder, "secret");
    make_file(folder, "work2/x");
    make_file(folder, "work/a.jpg");
    make_file(folder, "work/sub/b.tar.gz");
    cr_assert(eq(int, symlink("../secret", in_folder(folder, "work/out")), 0));
    cr_assert(eq(int, symlink("a.jpg", in_folder(folder, "work/in.png")), 0));
    cr_assert(eq(int, symlink("..", in_folder(folder, "work/up")), 0));
}

static void remove_folder(struct folder *folder)
{
    static const char *const names[] = {
        "work/up",    "work/in.png", "work/out", "work/sub/b.tar.gz",
        "work/a.jpg", "work/sub",    "work2/x",  "secret",
        "work2",      "work",        ""};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        cr_expect(eq(int, remove(in_folder(folder, names[i])), 0), "%s", names[i]);
    }
}

static struct writer *writer_in(const struct folder *folder)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    writer->attempt = (struct writer_attempt){
        .index = 3, .attempt = 1, .workdir = folder->workdir, .launch_dir = folder->path};
    return writer;
}

Test(writer_file, is_published_under_index_attempt_ordinal_and_its_ending)
{
    struct folder folder;
    make_folder(&folder);
    struct writer *writer = writer_in(&folder);
    mf_begin_list(&writer->face);
    mf_put_file(&writer->face, "a.jpg");
    mf_put_file(&writer->face, "./sub/../sub/b.tar.gz");
    mf_end_list(&writer->face);
    expect_latest(writer, "[\"files/000003-1-1.jpg\",\"files/000003-1-2.gz\"]");
    cr_assert(eq(sz, writer->file_count, 2));
    EXPECT_STR(writer->files[0].source, in_folder(&folder, "work/a.jpg"));
    EXPECT_STR(writer->files[0].published, "files/000003-1-1.jpg");
    EXPECT_STR(writer->files[1].source, in_folder(&folder, "work/sub/b.tar.gz"));
    EXPECT_STR(writer->files[1].published, "files/000003-1-2.gz");

    writer->attempt.index = 12345678;
    writer->attempt.attempt = 0;
    writer_begin(writer);
    cr_expect(eq(sz, writer->file_count, 0));
    mf_put_file(&writer->face, in_folder(&folder, "work/a.jpg"));
    expect_latest(writer, "\"files/12345678-0-1.jpg\"");
    writer_destroy(writer);
    remove_folder(&folder);
}

Test(writer_file, goes_where_it_was_asked_for_with_the_tag_of_its_run)
{
    struct folder folder;
    make_folder(&folder);
    struct writer *writer = writer_in(&folder);
    writer->attempt.files_to = "s3://bucket/out";
    writer->attempt.files_tag = "0a1b2c3d";
    mf_put_file(&writer->face, "a.jpg");
    expect_latest(writer, "\"s3://bucket/out/000003-1-1-0a1b2c3d.jpg\"");
    writer->attempt.files_to = "/given";
    writer->attempt.map = 2;
    writer_begin(writer);
    mf_put_file(&writer->face, "a.jpg");
    expect_latest(writer, "\"/given/map-2-000003-1-1-0a1b2c3d.jpg\"");
    writer_destroy(writer);
    remove_folder(&folder);
}

Test(writer_file, of_several_maps_of_a_run_have_names_of_their_own)
{
    struct folder folder;
    make_folder(&folder);
    struct writer *writer = writer_in(&folder);
    writer->attempt.map = 1;
    mf_put_file(&writer->face, "a.jpg");
    expect_latest(writer, "\"files/map-1-000003-1-1.jpg\"");
    writer_destroy(writer);
    remove_folder(&folder);
}

Test(writer_path, that_is_a_url_is_put_as_it_is)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    mf_put_path(&writer->face, "https://host/a?b");
    expect_latest(writer, "\"https://host/a?b\"");
    writer_begin(writer);
    mf_put_path(&writer->face, "ftp://host/a");
    expect_end_fails(writer, STATUS_INVALID,
                     "ftp://host/a: the scheme \"ftp\" is not supported: expected http, https, s3 "
                     "or a path");
    writer_destroy(writer);
}

Test(writer_file, that_is_put_twice_is_published_once)
{
    struct folder folder;
    make_folder(&folder);
    struct writer *writer = writer_in(&folder);
    mf_begin_list(&writer->face);
    mf_put_file(&writer->face, "a.jpg");
    mf_put_file(&writer->face, "in.png");
    mf_end_list(&writer->face);
    expect_latest(writer, "[\"files/000003-1-1.jpg\",\"files/000003-1-1.jpg\"]");
    cr_expect(eq(sz, writer->file_count, 1));
    writer_destroy(writer);
    remove_folder(&folder);
}

Test(writer_file, has_an_ending_that_is_safe_and_short)
{
    struct folder folder;
    make_folder(&folder);
    struct writer *writer = writer_in(&folder);
    static const struct {
        const char *name;
        const char *published;
    } cases[] = {{"plain", "\"files/000003-1-1\""},
                 {".hidden", "\"files/000003-1-1\""},
                 {"dot.", "\"files/000003-1-1.\""},
                 {"a.b c$\xc3\xa4", "\"files/000003-1-1.b_c___\""},
                 {"a.A-z_09", "\"files/000003-1-1.A-z_09\""},
                 {"a.123456789012345", "\"files/000003-1-1.123456789012345\""},
                 {"a.1234567890123456", "\"files/000003-1-1.123456789012345\""}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char path[PATH_MAX];
        (void)snprintf(path, sizeof(path), "work/%s", cases[i].name);
        make_file(&folder, path);
        writer_begin(writer);
        mf_put_file(&writer->face, cases[i].name);
        expect_latest(writer, cases[i].published);
        cr_expect(eq(int, remove(in_folder(&folder, path)), 0));
    }
    writer_destroy(writer);
    remove_folder(&folder);
}

static void expect_file_fails(struct writer *writer, const char *path, const char *problem)
{
    char text[1024];
    (void)snprintf(text, sizeof(text), "%.500s: %s", path, problem);
    writer_begin(writer);
    mf_put_file(&writer->face, path);
    expect_end_fails(writer, STATUS_INVALID, text);
}

Test(writer_file, must_be_a_regular_file_in_the_working_directory)
{
    static const char outside[] = "the file lies outside of the working directory";
    struct folder folder;
    make_folder(&folder);
    struct writer *writer = writer_in(&folder);
    expect_file_fails(writer, "none", "No such file or directory");
    expect_file_fails(writer, "../secret", outside);
    expect_file_fails(writer, in_folder(&folder, "secret"), outside);
    expect_file_fails(writer, in_folder(&folder, "work2/x"), outside);
    expect_file_fails(writer, "out", outside);
    expect_file_fails(writer, "up/secret", outside);
    expect_file_fails(writer, ".", outside);
    expect_file_fails(writer, "sub", "no regular file");
    writer_begin(writer);
    mf_put_file(&writer->face, "");
    expect_end_fails(writer, STATUS_INVALID, "a file was put without a path");
    writer_begin(writer);
    mf_put_file(&writer->face, "up/work/a.jpg");
    expect_latest(writer, "\"files/000003-1-1.jpg\"");
    writer_destroy(writer);
    remove_folder(&folder);
}

Test(writer_file, needs_a_working_directory)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    expect_file_fails(writer, "a.jpg", "a file was put before mf_workdir() was asked for");
    writer_destroy(writer);
}

Test(writer_file, of_a_value_that_is_taken_back_is_forgotten)
{
    struct folder folder;
    make_folder(&folder);
    struct writer *writer = writer_in(&folder);
    mf_put_file(&writer->face, "a.jpg");
    mf_put_int(&writer->face, 1);
    expect_end_fails(writer, STATUS_INVALID, "2 outputs were written, expected one");
    writer_begin(writer);
    mf_put_file(&writer->face, "a.jpg");
    writer_rewind(writer);
    cr_expect(eq(sz, writer->file_count, 0));
    mf_put_file(&writer->face, "a.jpg");
    end_fine(writer);
    cr_expect(eq(sz, writer->file_count, 1));
    writer_destroy(writer);
    remove_folder(&folder);
}

Test(writer_path, becomes_absolute_and_is_not_published)
{
    struct folder folder;
    make_folder(&folder);
    struct writer *writer = writer_in(&folder);
    char expected[2 * PATH_MAX + 4];
    mf_put_path(&writer->face, "./work2//x");
    (void)snprintf(expected, sizeof(expected), "\"%s\"", in_folder(&folder, "work2/x"));
    expect_latest(writer, expected);
    writer_begin(writer);
    mf_put_path(&writer->face, in_folder(&folder, "work2/"));
    (void)snprintf(expected, sizeof(expected), "\"%s\"", in_folder(&folder, "work2"));
    expect_latest(writer, expected);
    cr_expect(eq(sz, writer->file_count, 0));
    writer_destroy(writer);
    remove_folder(&folder);
}

Test(writer_path, must_exist_as_a_file_or_folder)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    mf_put_path(&writer->face, "/no_such_place");
    expect_end_fails(writer, STATUS_INVALID, "/no_such_place: No such file or directory");
    writer_begin(writer);
    mf_put_path(&writer->face, "");
    expect_end_fails(writer, STATUS_INVALID, "the path is empty");
    writer_begin(writer);
    mf_put_path(&writer->face, "relative");
    expect_end_fails(writer, STATUS_INVALID, "relative: the path is not absolute");
    writer_begin(writer);
    mf_put_path(&writer->face, "/dev/null");
    expect_end_fails(writer, STATUS_INVALID, "/dev/null: neither a file nor a folder");
    writer_destroy(writer);
}
