/* Inputs: which form a file has, what may be said of it, LZ4, ranges, and globs. */
#include "tests/unit/inputs_support.h"

#include <fcntl.h>
#include <lz4frame.h>

#include "shared/lz4_frame.h"

TestSuite(inputs, .init = folder_create, .fini = folder_remove);

/* ---- The form of a file --------------------------------------------------------------------- */

Test(inputs, the_ending_names_the_form_whatever_its_case)
{
    expect_file("a.b.jsonl", "1\n", "any", "1\n");
    expect_file("a.JSON", "[1]", "any", "1\n");
    expect_file("a.Csv", "x\n1\n", "any", "{\"x\":\"1\"}\n");
    expect_file("a.tsv", "x\n1\n", "any", "{\"x\":\"1\"}\n");
    expect_file("a.txt", "1\n", "any", "\"1\"\n");
    expect_file("a.msgpack", "\x01", "any", "1\n");
}

Test(inputs, a_named_form_wins_over_the_ending)
{
    static const char *const names[] = {"jsonl", "json", "csv", "tsv", "txt", "msgpack"};
    enum inputs_format format = INPUTS_FORMAT_BY_NAME;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        cr_expect(inputs_format_by_name(names[i], &format), "%s", names[i]);
        cr_expect(eq(int, format, INPUTS_FORMAT_JSONL + (int)i));
    }
    cr_expect(not(inputs_format_by_name("yaml", &format)));

    write_text("a.dat", "1\n");
    write_text("a.csv", "1\n");
    struct inputs_source source = file_source("a.dat");
    source.format = INPUTS_FORMAT_JSONL;
    expect_elements(source, "int", "1\n");
    source.path = "a.csv";
    expect_elements(source, "int", "1\n");
}

Test(inputs, an_unknown_ending_is_refused_with_the_known_ones)
{
    expect_file_refused("a.dat", "1\n", "any",
                        "a.dat: its ending says nothing of its form; known are .jsonl, .json, "
                        ".csv, .tsv, .txt and .msgpack, each also with .lz4; --input-format names "
                        "the form of others");
    (void)mkdir(in_folder("b.csv"), 0700);
    expect_file_refused("b.csv/a", "1\n", "any",
                        "b.csv/a: its ending says nothing of its form; known are .jsonl, .json, "
                        ".csv, .tsv, .txt and .msgpack, each also with .lz4; --input-format names "
                        "the form of others");
}

Test(inputs, foreign_endings_are_refused_with_the_way_round)
{
    expect_file_refused("a.csv.gz", "", "any",
                        "a.csv.gz: files that end in .gz are not read; `zcat FILE | mapfleet ... "
                        "--inputs - --input-format NAME` reads it");
    expect_file_refused("a.parquet", "", "any",
                        "a.parquet: files that end in .parquet are not read; save it as .csv or "
                        ".jsonl");
    expect_file_refused("a.ndjson", "", "any",
                        "a.ndjson: files that end in .ndjson are not read; --input-format jsonl "
                        "reads it");
}

Test(inputs, options_on_a_form_that_has_none_of_that_are_refused)
{
    write_text("a.jsonl", "1\n");
    write_text("a.csv", "x\n");
    struct inputs_source source = file_source("a.jsonl");
    source.no_header = true;
    expect_refusal(source, "any", "--no-header is for csv and tsv, and a.jsonl is read as jsonl");
    source = file_source("a.csv");
    source.column_separator = ",";
    expect_refusal(source, "any",
                   "--colsep is for lines of text (--input-format txt), and a.csv is read as csv");
    source.path = "-";
    expect_refusal(source, "any",
                   "--colsep is for lines of text (--input-format txt), and - is read as jsonl");
}

Test(inputs, a_file_that_cannot_be_read_is_refused)
{
    expect_refusal(file_source("none.jsonl"), "any", "none.jsonl: No such file or directory");
    (void)mkdir(in_folder("dir.jsonl"), 0700);
    expect_refusal(file_source("dir.jsonl"), "any", "dir.jsonl: Is a directory");
}

Test(inputs, an_absolute_path_stays_what_it_is)
{
    write_text("a.jsonl", "1\n");
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/a.jsonl", folder);
    struct inputs_source source = file_source(path);
    source.launch_dir = "/nowhere";
    expect_elements(source, "int", "1\n");
}

static void standard_input(const char *text)
{
    write_text("stdin", text);
    const int file = open(in_folder("stdin"), O_RDONLY);
    cr_assert(eq(int, dup2(file, STDIN_FILENO), STDIN_FILENO));
    (void)close(file);
}

Test(inputs, standard_input_is_json_lines_unless_a_form_is_named)
{
    standard_input("1\n\n2\n");
    expect_elements(file_source("-"), "int", "1\n2\n");

    standard_input("1\nb\n");
    expect_refusal(file_source("-"), "int",
                   "standard input:2: index 1: column 1: invalid token near 'b'");

    standard_input("1 2\n");
    struct inputs_source source = file_source("-");
    source.format = INPUTS_FORMAT_TXT;
    source.column_separator = " ";
    expect_elements(source, "any", "[\"1\",\"2\"]\n");
}

/* ---- LZ4 ------------------------------------------------------------------------------------ */

static void write_buffer(const char *name, struct buffer *buffer)
{
    write_bytes(name, buffer->data, buffer->size);
    buffer_free(buffer);
}

Test(inputs, lz4_is_read_through_frame_after_frame)
{
    struct buffer frames = {0};
    uint8_t header[LZ4_FRAME_SKIPPABLE_HEADER_SIZE];
    cr_assert(eq(int, lz4_frame_compress("x,y\n1,", 6, &frames), STATUS_OK));
    lz4_frame_skippable_header(3, header);
    cr_assert(eq(int, buffer_append(&frames, header, sizeof(header)), STATUS_OK));
    cr_assert(eq(int, buffer_append(&frames, "abc", 3), STATUS_OK));
    cr_assert(eq(int, lz4_frame_compress("", 0, &frames), STATUS_OK));
    cr_assert(eq(int, lz4_frame_compress("2\n3,4\n", 6, &frames), STATUS_OK));
    write_buffer("a.csv.lz4", &frames);
    expect_elements(file_source("a.csv.lz4"), "{x: int, y: int}",
                    "{\"x\":1,\"y\":2}\n{\"x\":3,\"y\":4}\n");
}

Test(inputs, an_empty_lz4_file_is_an_empty_list)
{
    expect_file("a.jsonl.lz4", "", "any", "");
}

Test(inputs, lz4_with_checksums_and_linked_blocks_is_read)
{
    enum { COUNT = 200000 };
    struct buffer text = {0};
    for (int i = 0; i < COUNT; i++) {
        cr_assert(eq(int, buffer_printf(&text, "%d\n", i), STATUS_OK));
    }
    const LZ4F_preferences_t preferences = {
        .frameInfo = {.blockSizeID = LZ4F_max64KB,
                      .blockMode = LZ4F_blockLinked,
                      .contentChecksumFlag = LZ4F_contentChecksumEnabled,
                      .blockChecksumFlag = LZ4F_blockChecksumEnabled}};
    const size_t room = LZ4F_compressFrameBound(text.size, &preferences);
    struct buffer frame = {0};
    cr_assert(eq(int, buffer_reserve(&frame, room), STATUS_OK));
    frame.size = LZ4F_compressFrame(frame.data, room, text.data, text.size, &preferences);
    cr_assert(not(LZ4F_isError(frame.size)));
    buffer_free(&text);

    write_bytes("a.jsonl.lz4", frame.data, frame.size);
    const struct inputs_source source = file_source("a.jsonl.lz4");
    struct inputs *inputs = open_fine(&source, "int");
    cr_expect(eq(u64, inputs_count(inputs), COUNT));
    expect_text(elements_json(inputs, COUNT - 1, 1), "199999\n");
    inputs_close(inputs);

    frame.data[frame.size / 2] ^= 0x40;
    write_buffer("a.jsonl.lz4", &frame);
    struct inputs *none = NULL;
    struct error err = {.text = ""};
    cr_expect(eq(int, open_as(&source, "int", &none, &err), STATUS_INVALID));
    cr_expect(zero(strncmp(err.text, "a.jsonl.lz4: not made of whole LZ4 frames (ERROR_", 49)),
              "%s", err.text);
}

Test(inputs, lz4_that_is_cut_anywhere_within_a_frame_is_refused)
{
    struct buffer frames = {0};
    cr_assert(eq(int, lz4_frame_compress("1\n2\n", 4, &frames), STATUS_OK));
    const size_t first_size = frames.size;
    cr_assert(eq(int, lz4_frame_compress("3\n", 2, &frames), STATUS_OK));
    const struct inputs_source source = file_source("a.jsonl.lz4");
    for (size_t cut = 1; cut < frames.size; cut++) {
        write_bytes("a.jsonl.lz4", frames.data, cut);
        if (cut == first_size) {
            expect_elements(source, "int", "1\n2\n");
        } else {
            expect_refusal(source, "int", "a.jsonl.lz4: ends in the middle of an LZ4 frame");
        }
    }
    buffer_free(&frames);
}

Test(inputs, what_is_no_lz4_is_refused)
{
    expect_file_refused("a.jsonl.lz4", "1\n2\n3\n4\n5\n6\n7\n8\n", "int",
                        "a.jsonl.lz4: not made of whole LZ4 frames (ERROR_frameType_unknown)");
}

/* ---- Ranges --------------------------------------------------------------------------------- */

static struct inputs_source range_source(const char *range)
{
    return (struct inputs_source){.kind = INPUTS_RANGE, .range = range, .launch_dir = "/"};
}

Test(inputs, a_range_is_a_formula_and_packs_nothing)
{
    const struct inputs_source source = range_source("0:9223372036854775807");
    struct inputs *inputs = open_fine(&source, "int");
    cr_expect(eq(u64, inputs_count(inputs), INT64_MAX));
    cr_expect(eq(int, inputs_formula(inputs)->kind, FORMULA_RANGE));
    cr_expect(eq(u64, inputs_packed_size(inputs), 0));
    struct buffer packed = {0};
    const struct span span = {.start = 5, .count = 10};
    cr_expect(eq(int, inputs_pack(inputs, &span, 1, &packed, NULL), STATUS_OK));
    cr_expect(eq(sz, packed.size, 0));
    cr_expect(eq(int, inputs_save(inputs, folder, NULL), STATUS_OK));
    cr_expect(ne(int, access(in_folder("inputs.lz4"), F_OK), 0));
    inputs_close(inputs);
}

Test(inputs, a_range_gives_ints_or_floats_and_nothing_else)
{
    static const char *const fine[] = {"int", "float", "any", "int?", "float?"};
    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
        const struct inputs_source source = range_source("0:3");
        struct inputs *inputs = open_fine(&source, fine[i]);
        cr_expect(eq(int, inputs_formula(inputs)->is_float, strncmp(fine[i], "float", 5) == 0));
        inputs_close(inputs);
    }
    expect_refusal(range_source("0:3"), "str", "a range gives integers, task input is str");
    expect_refusal(range_source("0:3"), "{x: list<int>}",
                   "a range gives integers, task input is {x: list<int>}");
}

Test(inputs, a_bad_range_is_refused)
{
    expect_refusal(range_source("0:3:0"), "int", "range \"0:3:0\": its step is 0");
}

Test(inputs, options_of_files_are_refused_for_ranges_and_globs)
{
    struct inputs_source source = range_source("0:3");
    source.format = INPUTS_FORMAT_CSV;
    expect_refusal(source, "int", "--input-format is for files of inputs, not for --range");
    source = range_source("0:3");
    source.no_header = true;
    expect_refusal(source, "int", "--no-header is for files of inputs, not for --range");
    source = range_source("0:3");
    source.column_separator = ",";
    expect_refusal(source, "int", "--colsep is for files of inputs, not for --range");
    source.kind = INPUTS_GLOBS;
    expect_refusal(source, "int", "--colsep is for files of inputs, not for --files");
}

/* ---- Globs ---------------------------------------------------------------------------------- */

static struct inputs_source globs_source(const char *const *globs, size_t count)
{
    return (struct inputs_source){
        .kind = INPUTS_GLOBS, .globs = globs, .glob_count = count, .launch_dir = folder};
}

static void expect_paths(const char *glob, const char *json)
{
    expect_elements(globs_source(&glob, 1), "str", json);
}

static void make_files(void)
{
    (void)mkdir(in_folder("d"), 0700);
    (void)mkdir(in_folder("d/e"), 0700);
    (void)mkdir(in_folder("D"), 0700);
    (void)mkdir(in_folder(".hidden"), 0700);
    static const char *const names[] = {"b.txt",   "B.txt",        "a 1.txt", ".c.txt",
                                        "d/a.txt", "d/e/x.txt",    "D/a.txt", "\xC3\xA4.txt",
                                        "[x].txt", ".hidden/a.txt"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        write_text(names[i], "");
    }
}

Test(inputs, paths_are_sorted_bytewise_and_hidden_ones_are_left_out)
{
    make_files();
    expect_paths("*.txt", "\"B.txt\"\n\"[x].txt\"\n\"a 1.txt\"\n\"b.txt\"\n\"\xC3\xA4.txt\"\n");
    expect_paths("*", "\"B.txt\"\n\"D\"\n\"[x].txt\"\n\"a 1.txt\"\n\"b.txt\"\n\"d\"\n"
                      "\"\xC3\xA4.txt\"\n");
    expect_paths(".*", "\".c.txt\"\n\".hidden\"\n");
}

Test(inputs, patterns_may_stand_in_folders_too)
{
    make_files();
    expect_paths("*/a.txt", "\"D/a.txt\"\n\"d/a.txt\"\n");
    expect_paths("[dD]/*", "\"D/a.txt\"\n\"d/a.txt\"\n\"d/e\"\n");
    expect_paths("d/?/*.txt", "\"d/e/x.txt\"\n");
    expect_paths("*/", "\"D/\"\n\"d/\"\n");
    expect_paths("./d//*.txt", "\"./d//a.txt\"\n");
}

Test(inputs, a_path_without_pattern_matches_itself)
{
    make_files();
    expect_paths("b.txt", "\"b.txt\"\n");
    expect_paths("\\[x].txt", "\"[x].txt\"\n");
    expect_paths("d/../b.txt", "\"d/../b.txt\"\n");
}

Test(inputs, several_globs_are_one_sorted_list_with_each_path_once)
{
    make_files();
    const char *globs[] = {"d/*", "b.txt", "./b.*", "*/a.txt", printed("%s/b.txt", folder)};
    expect_elements(globs_source(globs, 4), "str",
                    "\"./b.txt\"\n\"D/a.txt\"\n\"d/a.txt\"\n\"d/e\"\n");

    char absolute[128];
    (void)snprintf(absolute, sizeof(absolute), "%s/b.txt", folder);
    globs[0] = absolute;
    expect_elements(globs_source(globs, 2), "any", printed("\"%s\"\n", absolute));
}

Test(inputs, paths_of_a_file_type_become_absolute_and_are_checked)
{
    make_files();
    const char *glob = "./d/*";
    expect_elements(globs_source(&glob, 1), "any", "\"./d/a.txt\"\n\"./d/e\"\n");
    expect_refusal(
        globs_source(&glob, 1), "file",
        printed("--files: index 1: expected file, but %s/d/e is no regular file", folder));
    glob = "d/*.txt";
    expect_elements(globs_source(&glob, 1), "file", printed("\"%s/d/a.txt\"\n", folder));
    glob = "d/e";
    expect_elements(globs_source(&glob, 1), "dir", printed("\"%s/d/e\"\n", folder));
}

Test(inputs, a_launch_directory_may_have_a_name_that_looks_like_a_pattern)
{
    (void)mkdir(in_folder("a[*]"), 0700);
    write_text("a[*]/b.txt", "");
    char launch_dir[128];
    (void)snprintf(launch_dir, sizeof(launch_dir), "%s/a[*]", folder);
    const char *glob = "*";
    struct inputs_source source = globs_source(&glob, 1);
    source.launch_dir = launch_dir;
    expect_elements(source, "str", "\"b.txt\"\n");
}

Test(inputs, a_glob_that_matches_nothing_is_refused)
{
    make_files();
    const char *globs[] = {"*.txt", "*.png"};
    expect_refusal(globs_source(globs, 2), "str", "--files \"*.png\": matches nothing");
    globs[0] = "b.txt/*";
    expect_refusal(globs_source(globs, 1), "str", "--files \"b.txt/*\": matches nothing");
    globs[0] = "b.txt/";
    expect_refusal(globs_source(globs, 1), "str", "--files \"b.txt/\": matches nothing");
    globs[0] = "";
    expect_refusal(globs_source(globs, 1), "str", "--files \"\": found nothing, expected a glob");
    expect_refusal(globs_source(globs, 0), "str", "--files: found nothing, expected a glob");
}

Test(inputs, a_double_star_is_refused)
{
    const char *glob = "d/**/x.txt";
    make_files();
    expect_refusal(globs_source(&glob, 1), "str",
                   "--files \"d/**/x.txt\": ** is not supported; name each level (*/*), or give "
                   "what find prints as lines (--inputs - --input-format txt)");
}

Test(inputs, a_folder_that_cannot_be_read_is_refused_and_not_left_out)
{
    const uid_t user = geteuid();
    make_files();
    cr_assert(zero(chmod(folder, 0755)));
    cr_assert(zero(chmod(in_folder("d"), user == 0 ? 0700 : 0)));
    cr_assert(zero(chmod(in_folder("D"), 0755)));
    if (user == 0) {
        cr_assert(zero(seteuid(65534))); /* root would read everything */
    }
    const char *glob = "*/*.txt";
    expect_refusal(globs_source(&glob, 1), "str",
                   printed("--files \"*/*.txt\": %s/d/: Permission denied", folder));
    glob = "*/a.txt";
    expect_refusal(globs_source(&glob, 1), "str",
                   printed("--files \"*/a.txt\": %s/d/a.txt: Permission denied", folder));
    cr_assert(zero(seteuid(user)));
    cr_assert(zero(chmod(in_folder("d"), 0700)));
}

Test(inputs, a_name_that_is_not_utf8_is_refused)
{
    const char *glob = "*.bin";
    write_text("a\xFF.bin", "");
    struct inputs *inputs = NULL;
    struct error err = {.text = ""};
    const struct inputs_source source = globs_source(&glob, 1);
    cr_expect(eq(int, open_as(&source, "any", &inputs, &err), STATUS_INVALID));
    cr_expect(zero(strncmp(err.text, "--files: index 0: found a name that is not UTF-8", 48)), "%s",
              err.text);
}
