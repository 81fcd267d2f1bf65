#include "shared/key.h"

#include <string.h>

#include "cache_support.h"
#include "shared/value.h"

static struct arena arena;
static struct type *types[8];
static struct key_maker *makers[8];
static size_t type_count;
static size_t maker_count;

static struct type *parse(const char *text)
{
    OK(type_parse(text, &types[type_count], NULL));
    return types[type_count++];
}

static void tear_down(void)
{
    for (size_t i = 0; i < maker_count; i++) {
        key_maker_destroy(makers[i]);
    }
    for (size_t i = 0; i < type_count; i++) {
        type_destroy(types[i]);
    }
    arena_free(&arena);
    folder_remove();
}

TestSuite(key, .init = folder_create, .fini = tear_down);

static struct key_maker *maker_of(const char *version, const char *type_text, const char *ignore)
{
    const char *const texts[] = {"job", "task", version, type_text, "any"};
    struct buffer base = {0};
    OK(key_base_make(texts, 5, 0, &base));
    const struct key_options options = {
        .base = base.data, .base_size = base.size, .input = parse(type_text), .ignore = ignore};
    OK(key_maker_create(&options, &makers[maker_count]));
    buffer_free(&base);
    return makers[maker_count++];
}

static struct key make(struct key_maker *maker, const char *json)
{
    mf_value value;
    struct key key;
    struct key packed_key;
    struct buffer packed = {0};
    OK(value_from_json(&arena, json, strlen(json), &value, NULL));
    OK(key_make(maker, &value, &key, NULL));
    OK(value_encode(&value, &packed));
    OK(key_make_packed(maker, packed.data, packed.size, &packed_key, NULL));
    cr_assert(eq(int, memcmp(&key, &packed_key, sizeof(key)), 0)); /* packed or not: the same */
    buffer_free(&packed);
    return key;
}

static bool is_equal(struct key a, struct key b)
{
    return memcmp(a.bytes, b.bytes, KEY_SIZE) == 0;
}

Test(key, is_that_of_the_format_that_stores_hold)
{
    /* Fixed: who changes this makes all stores useless, and has to change KEY_FORMAT. */
    static const uint8_t expected[KEY_SIZE] = {0x07, 0xca, 0x16, 0x02, 0x89, 0x4e, 0x8a, 0x07,
                                               0xe7, 0x04, 0x13, 0x29, 0x39, 0xc2, 0x2c, 0xd7};
    struct key_maker *maker = maker_of("1", "int", NULL);
    const struct key key = make(maker, "5");
    cr_assert(eq(int, memcmp(key.bytes, expected, KEY_SIZE), 0));
}

Test(key, of_equal_inputs_is_equal_and_of_others_is_not)
{
    struct key_maker *maker = maker_of("1", "int", NULL);
    cr_assert(is_equal(make(maker, "5"), make(maker, "5")));
    cr_assert(not(is_equal(make(maker, "5"), make(maker, "6"))));
}

static bool is_same(const struct buffer *a, const struct buffer *b)
{
    return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

Test(key, differs_with_each_text_and_with_the_seed)
{
    const char *const one[] = {"a", "b"};
    const char *const joined[] = {"ab", ""};
    struct buffer a = {0};
    struct buffer b = {0};
    struct buffer c = {0};
    OK(key_base_make(one, 2, 0, &a));
    OK(key_base_make(joined, 2, 0, &b));
    OK(key_base_make(one, 2, 1, &c));
    cr_assert(not(is_same(&a, &b)));
    cr_assert(not(is_same(&a, &c)));
    buffer_free(&a);
    buffer_free(&b);
    buffer_free(&c);
    cr_assert(not(
        is_equal(make(maker_of("1", "int", NULL), "5"), make(maker_of("2", "int", NULL), "5"))));
}

Test(key, of_a_record_does_not_depend_on_the_order_of_its_fields)
{
    struct key_maker *maker = maker_of("1", "{b: int, a: list<{y: int, x: int}>}", NULL);
    cr_assert(is_equal(make(maker, "{\"a\": [{\"x\": 1, \"y\": 2}], \"b\": 3}"),
                       make(maker, "{\"b\": 3, \"a\": [{\"y\": 2, \"x\": 1}]}")));
    cr_assert(not(is_equal(make(maker, "{\"a\": [{\"x\": 1, \"y\": 2}], \"b\": 3}"),
                           make(maker, "{\"a\": [{\"x\": 2, \"y\": 1}], \"b\": 3}"))));
}

Test(key, of_anything_depends_on_the_order_since_a_task_may_see_it)
{
    struct key_maker *maker = maker_of("1", "any", NULL);
    cr_assert(
        not(is_equal(make(maker, "{\"a\": 1, \"b\": 2}"), make(maker, "{\"b\": 2, \"a\": 1}"))));
}

Test(key, leaves_out_the_fields_that_are_to_be_ignored_at_the_top_only)
{
    struct key_maker *maker = maker_of("1", "{a: int, note: str, deep: map<int>}", " note , b");
    cr_assert(is_equal(make(maker, "{\"a\": 1, \"note\": \"x\", \"deep\": {}}"),
                       make(maker, "{\"a\": 1, \"note\": \"y\", \"deep\": {}}")));
    cr_assert(not(is_equal(make(maker, "{\"a\": 1, \"note\": \"x\", \"deep\": {\"note\": 1}}"),
                           make(maker, "{\"a\": 1, \"note\": \"x\", \"deep\": {\"note\": 2}}"))));
    cr_assert(not(is_equal(make(maker, "{\"a\": 1, \"note\": \"x\", \"deep\": {}}"),
                           make(maker, "{\"a\": 2, \"note\": \"x\", \"deep\": {}}"))));
    struct key_maker *any = maker_of("1", "any", "note");
    cr_assert(is_equal(make(any, "{\"a\": 1, \"note\": 1}"), make(any, "{\"a\": 1}")));
}

Test(key, names_to_ignore_must_be_fields_of_the_input)
{
    const struct type *type = parse("{a: int, b: int}");
    struct error err;
    OK(key_check_ignore(type, "a, b", &err));
    OK(key_check_ignore(type, NULL, &err));
    STATUS_IS(STATUS_INVALID, key_check_ignore(type, "a,c", &err));
    cr_assert(ne(ptr, strstr(err.text, "\"c\""), NULL));
    type = parse("int");
    STATUS_IS(STATUS_INVALID, key_check_ignore(type, "a", &err));
}

Test(key, of_a_file_is_its_content_wherever_it_lies)
{
    struct key_maker *maker = maker_of("1", "{f: file}", NULL);
    char json[3][256];
    (void)snprintf(json[0], sizeof(json[0]), "{\"f\": \"%s\"}", write_file("one", "same"));
    (void)snprintf(json[1], sizeof(json[1]), "{\"f\": \"%s\"}", write_file("two", "same"));
    (void)snprintf(json[2], sizeof(json[2]), "{\"f\": \"%s\"}", write_file("three", "other"));
    cr_assert(is_equal(make(maker, json[0]), make(maker, json[1])));
    cr_assert(not(is_equal(make(maker, json[0]), make(maker, json[2]))));
}

Test(key, of_a_text_that_is_a_path_is_the_text_and_the_content)
{
    const struct key_options options = {
        .base = (const uint8_t *)"", .input = parse("any"), .paths_from = folder};
    OK(key_maker_create(&options, &makers[maker_count]));
    struct key_maker *maker = makers[maker_count++];
    (void)write_file("one", "same");
    (void)write_file("two", "same");
    const struct key before = make(maker, "\"one\"");
    cr_assert(is_equal(before, make(maker, "\"one\"")));
    cr_assert(not(is_equal(before, make(maker, "\"two\""))));
    (void)write_file("one", "other");
    cr_assert(not(is_equal(before, make(maker, "\"one\""))));
    struct key key;
    struct error err;
    const mf_value gone = value_text(MF_STR, "three", 5);
    STATUS_IS(STATUS_IO, key_make(maker, &gone, &key, &err));
    cr_assert(ne(ptr, strstr(err.text, "three"), NULL));
}

Test(key, of_a_url_is_its_text)
{
    struct key_maker *maker = maker_of("1", "file", NULL);
    cr_assert(not(is_equal(make(maker, "\"https://host/a\""), make(maker, "\"https://host/b\""))));
}

Test(key, of_a_file_that_is_gone_is_none_and_the_path_is_named)
{
    struct key_maker *maker = maker_of("1", "file", NULL);
    struct key key;
    struct error err;
    const mf_value path = value_text(MF_STR, "/nowhere/at all", 15);
    STATUS_IS(STATUS_IO, key_make(maker, &path, &key, &err));
    cr_assert(ne(ptr, strstr(err.text, "/nowhere/at all"), NULL));
    const mf_value url = value_text(MF_STR, "s3://a/b", 8);
    OK(key_make(maker, &url, &key, &err)); /* and the next one is not touched by it */
}

Test(key, of_a_folder_covers_names_and_contents)
{
    uint8_t before[FILE_DIGEST_SIZE];
    uint8_t after[FILE_DIGEST_SIZE];
    (void)write_file("a", "1");
    OK(file_digest_folder(folder, NULL, NULL, before, NULL));
    OK(file_digest_folder(folder, NULL, NULL, after, NULL));
    cr_assert(eq(int, memcmp(before, after, sizeof(before)), 0));
    (void)write_file("a", "2");
    OK(file_digest_folder(folder, NULL, NULL, after, NULL));
    cr_assert(ne(int, memcmp(before, after, sizeof(before)), 0));
    (void)write_file("a", "1");
    cr_assert(eq(int, rename(in_folder("a"), in_folder("b")), 0));
    OK(file_digest_folder(folder, NULL, NULL, after, NULL));
    cr_assert(ne(int, memcmp(before, after, sizeof(before)), 0));
}

Test(key, gives_the_seed)
{
    struct key a = key_of(1);
    struct key b = key_of(2);
    cr_assert(eq(u64, key_seed(&a), key_seed(&a)));
    cr_assert(ne(u64, key_seed(&a), key_seed(&b)));
}
