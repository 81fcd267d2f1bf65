#include "master/cache_entry.h"

#include <sys/stat.h>
#include <unistd.h>

#include "cache_support.h"
#include "shared/value.h"

static struct arena arena;
static struct buffer packed;
static struct buffer bytes;
static struct type *types[2];
static struct cache_files *files[2];
static size_t made_count;

static void tear_down(void)
{
    for (size_t i = 0; i < made_count; i++) {
        type_destroy(types[i]);
        cache_files_destroy(files[i]);
    }
    arena_free(&arena);
    buffer_free(&packed);
    buffer_free(&bytes);
    folder_remove();
}

TestSuite(cache_entry, .init = folder_create, .fini = tear_down);

static struct cache_entry_options options_of(const char *type_text)
{
    struct cache_entry_options options = {.run_dir = folder, .arena = &arena};
    OK(type_parse(type_text, &types[made_count], NULL));
    OK(cache_files_create(NULL, &files[made_count]));
    options.output = types[made_count];
    options.files = files[made_count++];
    return options;
}

static void encode(const struct cache_entry_options *options, const struct key *key,
                   const char *json)
{
    struct arena values = {0};
    mf_value value;
    struct error err;
    OK(value_from_json(&values, json, strlen(json), &value, NULL));
    buffer_clear(&packed);
    buffer_clear(&bytes);
    OK(value_encode(&value, &packed));
    arena_free(&values);
    const enum status status =
        cache_entry_encode(options, key, 1234, packed.data, packed.size, &bytes, &err);
    cr_assert(eq(int, status, STATUS_OK), "%s", err.text);
}

Test(cache_entry, gives_back_the_output)
{
    const struct cache_entry_options options = options_of("list<int>");
    const struct key key = key_of(1);
    struct cache_entry entry;
    encode(&options, &key, "[1, 2, 3]");
    OK(cache_entry_decode(&options, &key, bytes.data, bytes.size, &entry, NULL));
    cr_assert(eq(u64, entry.made_ms, 1234));
    cr_assert(eq(sz, entry.output_size, packed.size));
    cr_assert(eq(int, memcmp(entry.output, packed.data, packed.size), 0));
    OK(cache_entry_verify(&options, &entry, NULL));
}

Test(cache_entry, under_another_key_is_none)
{
    const struct cache_entry_options options = options_of("int");
    const struct key key = key_of(1);
    const struct key other = key_of(2);
    struct cache_entry entry;
    encode(&options, &key, "1");
    STATUS_IS(STATUS_INVALID,
              cache_entry_decode(&options, &other, bytes.data, bytes.size, &entry, NULL));
}

Test(cache_entry, with_any_byte_changed_or_missing_is_none)
{
    const struct cache_entry_options options = options_of("str");
    const struct key key = key_of(1);
    struct cache_entry entry;
    encode(&options, &key, "\"some text\"");
    for (size_t i = 0; i < bytes.size; i++) {
        STATUS_IS(STATUS_INVALID, cache_entry_decode(&options, &key, bytes.data, i, &entry, NULL));
        bytes.data[i] ^= 1;
        STATUS_IS(STATUS_INVALID,
                  cache_entry_decode(&options, &key, bytes.data, bytes.size, &entry, NULL));
        bytes.data[i] ^= 1;
    }
}

Test(cache_entry, with_an_output_of_another_type_is_none)
{
    const struct cache_entry_options written = options_of("str");
    const struct cache_entry_options read = options_of("int");
    const struct key key = key_of(1);
    struct cache_entry entry;
    struct error err;
    encode(&written, &key, "\"text\"");
    STATUS_IS(STATUS_INVALID,
              cache_entry_decode(&read, &key, bytes.data, bytes.size, &entry, &err));
}

Test(cache_entry, holds_absolute_paths_and_wants_their_files_unchanged)
{
    const struct cache_entry_options options = options_of("{f: file, n: int}");
    const struct key key = key_of(1);
    struct cache_entry entry;
    struct error err;
    mf_value value;
    size_t used;
    const char *path = write_file("made", "content");
    encode(&options, &key, "{\"f\": \"made\", \"n\": 1}");
    OK(cache_entry_decode(&options, &key, bytes.data, bytes.size, &entry, NULL));
    OK(value_decode(&arena, entry.output, entry.output_size, &used, &value, NULL));
    cr_assert(eq(int, strcmp(mf_str(mf_field(&value, "f")), path), 0));
    OK(cache_entry_verify(&options, &entry, &err));

    (void)write_file("made", "something else");
    STATUS_IS(STATUS_NOT_FOUND, cache_entry_verify(&options, &entry, &err));
    cr_assert(ne(ptr, strstr(err.text, path), NULL));
    (void)unlink(path);
    STATUS_IS(STATUS_NOT_FOUND, cache_entry_verify(&options, &entry, &err));
    (void)write_file("made", "content");
    OK(cache_entry_verify(&options, &entry, &err));
}

Test(cache_entry, covers_what_a_folder_holds)
{
    const struct cache_entry_options options = options_of("dir");
    const struct key key = key_of(1);
    struct cache_entry entry;
    struct error err;
    cr_assert(eq(int, mkdir(in_folder("made"), 0700), 0));
    (void)write_file("made/a", "1");
    encode(&options, &key, "\"made\"");
    OK(cache_entry_decode(&options, &key, bytes.data, bytes.size, &entry, NULL));
    OK(cache_entry_verify(&options, &entry, &err));
    (void)write_file("made/b", "2");
    STATUS_IS(STATUS_NOT_FOUND, cache_entry_verify(&options, &entry, &err));
}

Test(cache_entry, of_an_output_whose_file_is_gone_is_not_made)
{
    const struct cache_entry_options options = options_of("file");
    const struct key key = key_of(1);
    const mf_value value = value_text(MF_STR, "gone", 4);
    struct error err;
    buffer_clear(&packed);
    buffer_clear(&bytes);
    OK(value_encode(&value, &packed));
    STATUS_IS(STATUS_IO,
              cache_entry_encode(&options, &key, 1, packed.data, packed.size, &bytes, &err));
    cr_assert(eq(sz, bytes.size, 0));
}
