/* The list of inputs: kept in blocks, packed, digested, saved, loaded. */
#include "tests/unit/inputs_support.h"

#include <lz4frame.h>
#include <xxhash.h>

#include "shared/lz4_frame.h"

TestSuite(inputs_store, .init = folder_create, .fini = folder_remove);

/* Enough for several blocks of 256 KiB, elements of many sizes. */
enum { COUNT = 40000 };

static const char *element_text(uint64_t index)
{
    return printed("{\"i\":%d,\"s\":\"%*s\"}\n", (int)index, (int)(index * 7 % 61), "");
}

static struct inputs *open_many(void)
{
    struct buffer text = {0};
    for (uint64_t i = 0; i < COUNT; i++) {
        const char *line = element_text(i);
        cr_assert(eq(int, buffer_append(&text, line, strlen(line)), STATUS_OK));
    }
    write_bytes("many.jsonl", text.data, text.size);
    buffer_free(&text);
    const struct inputs_source source = file_source("many.jsonl");
    struct inputs *inputs = open_fine(&source, "{i: int, s: str}");
    cr_assert(eq(u64, inputs_count(inputs), COUNT));
    return inputs;
}

static void pack_all(struct inputs *inputs, struct buffer *out)
{
    const struct span all = {.start = 0, .count = inputs_count(inputs)};
    cr_assert(eq(int, inputs_pack(inputs, &all, 1, out, NULL), STATUS_OK));
}

static void read_saved(struct buffer *out)
{
    FILE *file = fopen(in_folder("inputs.lz4"), "r");
    cr_assert(ne(ptr, file, NULL));
    size_t size = 0;
    do {
        cr_assert(eq(int, buffer_reserve(out, 65536), STATUS_OK));
        size = fread(out->data + out->size, 1, 65536, file);
        out->size += size;
    } while (size > 0);
    cr_assert(eq(int, fclose(file), 0));
}

static struct inputs *load(uint64_t count, const uint8_t digest[INPUTS_DIGEST_SIZE],
                           struct error *err)
{
    struct inputs *inputs = NULL;
    const enum status status = inputs_load(folder, NULL, count, digest, &inputs, err);
    cr_assert(eq(int, status == STATUS_OK, inputs != NULL));
    return inputs;
}

/* ---- Packing -------------------------------------------------------------------------------- */

static void expect_each(struct inputs *inputs)
{
    for (uint64_t i = 0; i < COUNT; i += 37) { /* ascending */
        expect_text(elements_json(inputs, i, 1), element_text(i));
    }
    for (uint64_t i = COUNT; i > 501; i -= 501) { /* descending */
        expect_text(elements_json(inputs, i - 1, 1), element_text(i - 1));
    }
    uint64_t seed = 1;
    for (int n = 0; n < 300; n++) { /* anywhere */
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        const uint64_t i = (seed >> 33) % COUNT;
        expect_text(elements_json(inputs, i, 1), element_text(i));
    }
}

Test(inputs_store, each_element_is_found_in_any_order_before_and_after_saving)
{
    struct inputs *inputs = open_many();
    expect_each(inputs);
    cr_assert(eq(int, inputs_save(inputs, folder, NULL), STATUS_OK));
    expect_each(inputs);
    inputs_close(inputs);
}

/* Units as a map cuts them: together they are the whole stream. */
Test(inputs_store, units_in_ascending_order_are_the_whole_stream)
{
    struct inputs *inputs = open_many();
    struct buffer whole = {0};
    struct buffer units = {0};
    pack_all(inputs, &whole);
    cr_expect(eq(u64, whole.size, inputs_packed_size(inputs)));
    uint64_t start = 0;
    for (uint64_t size = 1; start < COUNT; size = size * 5 / 3 + 1) {
        const uint64_t count = size < COUNT - start ? size : COUNT - start;
        const struct span span = {.start = start, .count = count};
        cr_assert(eq(int, inputs_pack(inputs, &span, 1, &units, NULL), STATUS_OK));
        start += count;
    }
    cr_assert(eq(sz, units.size, whole.size));
    cr_expect(zero(memcmp(units.data, whole.data, whole.size)));
    buffer_free(&whole);
    buffer_free(&units);
    inputs_close(inputs);
}

Test(inputs_store, spans_are_packed_one_after_the_other_behind_what_is_there)
{
    write_text("a.jsonl", "0\n1\n2\n3\n4\n5\n");
    const struct inputs_source source = file_source("a.jsonl");
    struct inputs *inputs = open_fine(&source, "int");
    struct buffer out = {0};
    cr_assert(eq(int, buffer_append_byte(&out, 0x7f), STATUS_OK));
    const struct span spans[] = {{.start = 1, .count = 1}, {.start = 3, .count = 2}};
    cr_assert(eq(int, inputs_pack(inputs, spans, 2, &out, NULL), STATUS_OK));
    cr_assert(eq(sz, out.size, 4));
    cr_expect(zero(memcmp(out.data, "\x7f\x01\x03\x04", 4)));
    buffer_free(&out);
    inputs_close(inputs);
}

/* Large units take whole blocks, decoded here as a worker does; others, and those of several spans,
 * are none of it. */
Test(inputs_store, blocks_that_are_most_of_a_units_are_handed_on_as_they_stand)
{
    static const struct span units[] = {
        {.start = 0, .count = COUNT},       {.start = 0, .count = COUNT - 5},
        {.start = 3, .count = COUNT - 3},   {.start = 1000, .count = 35000},
        {.start = 7777, .count = 30000},    {.start = 20001, .count = 15000},
        {.start = COUNT - 1000, .count = 1}};
    struct inputs *inputs = open_many();
    struct inputs_frames frames;
    unsigned handed_on = 0;
    cr_assert(eq(int, inputs_save(inputs, folder, NULL), STATUS_OK));
    for (size_t k = 0; k < sizeof(units) / sizeof(units[0]); k++) {
        const struct span span = units[k];
        struct buffer packed = {0};
        struct buffer out = {0};
        struct buffer whole = {0};
        cr_assert(eq(int, inputs_pack(inputs, &span, 1, &packed, NULL), STATUS_OK));
        cr_assert(eq(int, inputs_pack_frames(inputs, &span, 1, &out, &frames, NULL), STATUS_OK));
        if (frames.raw_size == 0) {
            cr_expect(eq(sz, out.size, 0));
            buffer_free(&packed);
            continue;
        }
        handed_on++;
        for (size_t used = 0, from = 0; from < out.size; from += used) {
            cr_assert(eq(int,
                         lz4_frame_decompress_first(out.data + from, out.size - from,
                                                    (size_t)frames.raw_size, &whole, &used),
                         STATUS_OK));
        }
        cr_assert(eq(sz, whole.size, (size_t)frames.raw_size));
        cr_expect(le(sz, whole.size - packed.size, whole.size / 3));
        size_t at = 0;
        for (uint64_t i = 0; i < frames.skip; i++) {
            size_t used = 0;
            cr_assert(eq(int, value_skip(whole.data + at, whole.size - at, &used), STATUS_OK));
            at += used;
        }
        cr_assert(ge(sz, whole.size - at, packed.size));
        cr_expect(zero(memcmp(whole.data + at, packed.data, packed.size)));
        buffer_free(&packed);
        buffer_free(&out);
        buffer_free(&whole);
    }
    cr_expect(gt(uint, handed_on, 2));
    inputs_close(inputs);
}

Test(inputs_store, of_several_spans_or_a_small_part_no_block_is_handed_on)
{
    static const struct span several[] = {{.start = 0, .count = COUNT / 2},
                                          {.start = COUNT / 2 + 1, .count = 100}};
    static const struct span small = {.start = 10, .count = 10};
    struct inputs *inputs = open_many();
    struct inputs_frames frames;
    struct buffer out = {0};
    cr_assert(eq(int, inputs_pack_frames(inputs, several, 2, &out, &frames, NULL), STATUS_OK));
    cr_expect(eq(u64, frames.raw_size, 0));
    cr_assert(eq(int, inputs_pack_frames(inputs, &small, 1, &out, &frames, NULL), STATUS_OK));
    cr_expect(eq(u64, frames.raw_size, 0));
    cr_expect(eq(sz, out.size, 0));
    inputs_close(inputs);
}

Test(inputs_store, an_element_larger_than_a_block_is_kept_whole)
{
    const size_t size = 700000;
    char *line = malloc(size + 1);
    cr_assert(ne(ptr, line, NULL));
    struct buffer text = {0};
    for (int i = 0; i < 3; i++) {
        for (size_t k = 0; k < size; k++) {
            line[k] = (char)('a' + (k * k + (size_t)i) % 26);
        }
        cr_assert(eq(int, buffer_append(&text, line, size), STATUS_OK));
        cr_assert(eq(int, buffer_append(&text, "\nshort\n", 7), STATUS_OK));
    }
    write_bytes("a.txt", text.data, text.size);
    buffer_free(&text);
    const struct inputs_source source = file_source("a.txt");
    struct inputs *inputs = open_fine(&source, "str");
    cr_assert(eq(u64, inputs_count(inputs), 6));
    cr_expect(eq(u64, inputs_packed_size(inputs), 3 * (5 + size) + 3 * 6));
    for (uint64_t i = 0; i < 6; i++) {
        const size_t length = strlen(elements_json(inputs, i, 1));
        cr_expect(eq(sz, length, i % 2 == 0 ? size + 3 : 8));
    }
    inputs_close(inputs);
    free(line);
}

/* ---- Saving --------------------------------------------------------------------------------- */

/* What `lz4 -dc inputs.lz4` prints, by the library that lz4 uses. */
static void decode_all(const struct buffer *file, struct buffer *out, size_t *frame_count_out)
{
    LZ4F_dctx *context = NULL;
    cr_assert(not(LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION))));
    size_t at = 0;
    size_t hint = 0;
    *frame_count_out = 0;
    while (at < file->size) {
        cr_assert(eq(int, buffer_reserve(out, 65536), STATUS_OK));
        size_t produced = 65536;
        size_t consumed = file->size - at;
        hint = LZ4F_decompress(context, out->data + out->size, &produced, file->data + at,
                               &consumed, NULL);
        cr_assert(not(LZ4F_isError(hint)));
        at += consumed;
        out->size += produced;
        *frame_count_out += hint == 0 ? 1 : 0;
    }
    cr_expect(eq(sz, hint, 0));
    (void)LZ4F_freeDecompressionContext(context);
}

Test(inputs_store, the_saved_file_is_lz4_frames_that_are_together_the_msgpack_stream)
{
    struct inputs *inputs = open_many();
    struct buffer packed = {0};
    struct buffer file = {0};
    struct buffer decoded = {0};
    size_t frame_count = 0;
    pack_all(inputs, &packed);
    cr_assert(eq(int, inputs_save(inputs, folder, NULL), STATUS_OK));
    read_saved(&file);
    decode_all(&file, &decoded, &frame_count);
    cr_assert(eq(sz, decoded.size, packed.size));
    cr_expect(zero(memcmp(decoded.data, packed.data, packed.size)));
    cr_expect(eq(sz, frame_count, packed.size / (256 * 1024) + 1));
    buffer_free(&packed);
    buffer_free(&file);
    buffer_free(&decoded);
    inputs_close(inputs);
}

Test(inputs_store, saving_leaves_one_file_and_replaces_an_older_one)
{
    write_text("inputs.lz4", "old");
    write_text("a.jsonl", "7\n");
    const struct inputs_source source = file_source("a.jsonl");
    struct inputs *inputs = open_fine(&source, "int");
    cr_assert(eq(int, inputs_save(inputs, folder, NULL), STATUS_OK));
    cr_expect(ne(int, access(in_folder("inputs.lz4.new"), F_OK), 0));
    uint8_t digest[INPUTS_DIGEST_SIZE];
    inputs_digest(inputs, digest);
    struct inputs *again = load(1, digest, NULL);
    cr_assert(ne(ptr, again, NULL));
    expect_text(elements_json(again, 0, 1), "7\n");
    inputs_close(again);
    inputs_close(inputs);
}

Test(inputs_store, a_save_that_fails_says_where_and_leaves_the_list_as_it_was)
{
    write_text("a.jsonl", "7\n");
    const struct inputs_source source = file_source("a.jsonl");
    struct inputs *inputs = open_fine(&source, "int");
    struct error err = {.text = ""};
    char run_dir[128];
    (void)snprintf(run_dir, sizeof(run_dir), "%s/none", folder);
    cr_expect(eq(int, inputs_save(inputs, run_dir, &err), STATUS_IO));
    expect_text(err.text, printed("%s/inputs.lz4.new: No such file or directory", run_dir));

    /* The rename fails: a folder stands where the file is to be. */
    (void)mkdir(in_folder("inputs.lz4"), 0700);
    cr_expect(eq(int, inputs_save(inputs, folder, &err), STATUS_IO));
    expect_text(err.text, printed("%s/inputs.lz4: Is a directory", folder));
    cr_expect(ne(int, access(in_folder("inputs.lz4.new"), F_OK), 0));
    expect_text(elements_json(inputs, 0, 1), "7\n");
    inputs_close(inputs);
}

Test(inputs_store, a_temporary_folder_that_is_not_there_is_named)
{
    (void)setenv("TMPDIR", "/nowhere", 1);
    expect_file_refused("a.jsonl", "7\n", "int",
                        "temporary file in /nowhere (TMPDIR names another folder): No such file "
                        "or directory");
}

Test(inputs_store, nothing_stays_in_the_temporary_folder)
{
    (void)mkdir(in_folder("tmp"), 0700);
    (void)setenv("TMPDIR", in_folder("tmp"), 1);
    struct inputs *inputs = open_many();
    cr_expect(zero(rmdir(in_folder("tmp")))); /* possible only where it is empty */
    inputs_close(inputs);
}

/* ---- Digest --------------------------------------------------------------------------------- */

Test(inputs_store, the_digest_is_that_of_the_packed_elements)
{
    struct inputs *inputs = open_many();
    struct buffer packed = {0};
    pack_all(inputs, &packed);
    XXH128_canonical_t expected;
    XXH128_canonicalFromHash(&expected, XXH3_128bits(packed.data, packed.size));
    uint8_t digest[INPUTS_DIGEST_SIZE];
    inputs_digest(inputs, digest);
    cr_expect(zero(memcmp(digest, expected.digest, sizeof(digest))));
    buffer_free(&packed);
    inputs_close(inputs);
}

Test(inputs_store, the_digest_of_a_range_is_that_of_its_formula)
{
    const struct inputs_source source = {
        .kind = INPUTS_RANGE, .range = "10:0:-3", .launch_dir = "/"};
    struct inputs *inputs = open_fine(&source, "int");
    XXH128_canonical_t expected;
    XXH128_canonicalFromHash(&expected, XXH3_128bits("range:10:-3:4", 13));
    uint8_t digest[INPUTS_DIGEST_SIZE];
    inputs_digest(inputs, digest);
    cr_expect(zero(memcmp(digest, expected.digest, sizeof(digest))));
    inputs_close(inputs);
}

Test(inputs_store, equal_elements_have_equal_digests_wherever_they_came_from)
{
    static const char *const names[] = {"a.jsonl", "a.json", "a.csv"};
    static const char *const texts[] = {"{\"x\": 1, \"y\": \"z\"}\n", "[{\"x\": 1, \"y\": \"z\"}]",
                                        "x,y\n1,z\n"};
    uint8_t digests[3][INPUTS_DIGEST_SIZE];
    for (size_t i = 0; i < 3; i++) {
        write_text(names[i], texts[i]);
        const struct inputs_source source = file_source(names[i]);
        struct inputs *inputs = open_fine(&source, "{x: float, y: str}");
        inputs_digest(inputs, digests[i]);
        inputs_close(inputs);
        cr_expect(zero(memcmp(digests[i], digests[0], INPUTS_DIGEST_SIZE)));
    }
}

/* ---- Loading -------------------------------------------------------------------------------- */

Test(inputs_store, what_was_saved_is_loaded)
{
    struct inputs *inputs = open_many();
    uint8_t digest[INPUTS_DIGEST_SIZE];
    inputs_digest(inputs, digest);
    const uint64_t packed_size = inputs_packed_size(inputs);
    cr_assert(eq(int, inputs_save(inputs, folder, NULL), STATUS_OK));
    inputs_close(inputs);

    struct error err = {.text = ""};
    struct inputs *loaded = load(COUNT, digest, &err);
    cr_assert(ne(ptr, loaded, NULL), "%s", err.text);
    cr_expect(eq(u64, inputs_count(loaded), COUNT));
    cr_expect(eq(u64, inputs_packed_size(loaded), packed_size));
    cr_expect(eq(int, inputs_formula(loaded)->kind, FORMULA_NONE));
    uint8_t again[INPUTS_DIGEST_SIZE];
    inputs_digest(loaded, again);
    cr_expect(zero(memcmp(digest, again, sizeof(again))));
    expect_each(loaded);
    inputs_close(loaded);
}

Test(inputs_store, an_empty_list_is_saved_and_loaded)
{
    write_text("a.jsonl", "");
    const struct inputs_source source = file_source("a.jsonl");
    struct inputs *inputs = open_fine(&source, "int");
    uint8_t digest[INPUTS_DIGEST_SIZE];
    inputs_digest(inputs, digest);
    cr_assert(eq(int, inputs_save(inputs, folder, NULL), STATUS_OK));
    inputs_close(inputs);
    struct inputs *loaded = load(0, digest, NULL);
    cr_assert(ne(ptr, loaded, NULL));
    cr_expect(eq(u64, inputs_count(loaded), 0));
    inputs_close(loaded);
}

Test(inputs_store, a_range_is_loaded_from_its_formula)
{
    const struct inputs_source source = {.kind = INPUTS_RANGE, .range = "0:5", .launch_dir = "/"};
    struct inputs *inputs = open_fine(&source, "float");
    uint8_t digest[INPUTS_DIGEST_SIZE];
    inputs_digest(inputs, digest);
    struct formula formula = *inputs_formula(inputs);
    inputs_close(inputs);

    struct inputs *loaded = NULL;
    cr_assert(eq(int, inputs_load("/nowhere", &formula, 5, digest, &loaded, NULL), STATUS_OK));
    cr_expect(eq(u64, inputs_count(loaded), 5));
    cr_expect(inputs_formula(loaded)->is_float);
    inputs_close(loaded);

    struct error err = {.text = ""};
    loaded = NULL;
    cr_expect(eq(int, inputs_load("/nowhere", &formula, 6, digest, &loaded, &err), STATUS_INVALID));
    formula.start = 1;
    cr_expect(eq(int, inputs_load("/nowhere", &formula, 5, digest, &loaded, &err), STATUS_INVALID));
    expect_text(err.text, "the recorded inputs do not fit their recorded count and digest");
    cr_expect(eq(ptr, loaded, NULL));
}

Test(inputs_store, a_file_with_another_count_or_digest_than_recorded_is_refused)
{
    write_text("a.jsonl", "1\n2\n");
    const struct inputs_source source = file_source("a.jsonl");
    struct inputs *inputs = open_fine(&source, "int");
    uint8_t digest[INPUTS_DIGEST_SIZE];
    inputs_digest(inputs, digest);
    cr_assert(eq(int, inputs_save(inputs, folder, NULL), STATUS_OK));
    inputs_close(inputs);

    struct error err = {.text = ""};
    cr_expect(eq(ptr, load(3, digest, &err), NULL));
    expect_text(err.text, printed("%s/inputs.lz4: found 2 elements, expected the 3 that the run "
                                  "recorded",
                                  folder));
    digest[15] ^= 1;
    cr_expect(eq(ptr, load(2, digest, &err), NULL));
    expect_text(err.text,
                printed("%s/inputs.lz4: its digest is not the one that the run recorded", folder));
}

Test(inputs_store, a_file_that_is_missing_is_said_to_be)
{
    const uint8_t digest[INPUTS_DIGEST_SIZE] = {0};
    struct error err = {.text = ""};
    struct inputs *inputs = NULL;
    cr_expect(eq(int, inputs_load(folder, NULL, 0, digest, &inputs, &err), STATUS_NOT_FOUND));
    expect_text(err.text, printed("%s/inputs.lz4: No such file or directory", folder));
}

/* Goal: no damage to the file gives other elements.
 * Method: each byte of a small file flipped in one bit, and the file cut at each byte. It may be
 * loaded only where LZ4 has two ways to say the same. */
Test(inputs_store, a_file_that_was_cut_or_changed_is_refused_or_has_the_same_elements)
{
    static const char elements[] = "\"abcabcabcabc\"\n[1,2.5,null,{\"x\":true}]\n300\n";
    write_text("a.jsonl", elements);
    const struct inputs_source source = file_source("a.jsonl");
    struct inputs *inputs = open_fine(&source, "any");
    uint8_t digest[INPUTS_DIGEST_SIZE];
    inputs_digest(inputs, digest);
    cr_assert(eq(int, inputs_save(inputs, folder, NULL), STATUS_OK));
    inputs_close(inputs);
    struct buffer file = {0};
    read_saved(&file);

    for (size_t cut = 0; cut < file.size; cut++) {
        write_bytes("inputs.lz4", file.data, cut);
        cr_expect(eq(ptr, load(3, digest, NULL), NULL), "cut at %zu", cut);
    }
    size_t accepted_count = 0;
    for (size_t at = 0; at < file.size; at++) {
        file.data[at] ^= (uint8_t)(1u << at % 8);
        write_bytes("inputs.lz4", file.data, file.size);
        struct inputs *loaded = load(3, digest, NULL);
        if (loaded != NULL) {
            expect_text(elements_json(loaded, 0, 3), elements);
            accepted_count++;
            inputs_close(loaded);
        }
        file.data[at] ^= (uint8_t)(1u << at % 8);
    }
    cr_expect(lt(sz, accepted_count, 3));
    buffer_free(&file);
}
