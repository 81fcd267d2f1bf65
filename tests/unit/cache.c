#include "master/cache.h"

#include <poll.h>
#include <sys/stat.h>

#include "cache_support.h"
#include "master/inputs.h"
#include "shared/lz4_frame.h"
#include "shared/memory.h"
#include "shared/value.h"

TestSuite(cache, .init = folder_create, .fini = folder_remove, .timeout = 60);

/* A map of ints over a list, and what its cache has said. */
struct fixture {
    struct cache *cache;
    struct inputs *inputs;
    struct type *type;
    struct buffer base;
    struct buffer frame;
};

static struct inputs *open_inputs(const char *lines, const struct type *type)
{
    struct inputs *inputs;
    struct error err;
    const struct inputs_source source = {
        .kind = INPUTS_FILE, .path = write_file("in.jsonl", lines), .launch_dir = folder};
    const enum status status = inputs_open(&source, type, &inputs, &err);
    cr_assert(eq(int, status, STATUS_OK), "%s", err.text);
    return inputs;
}

/* Not yet looked up. */
static void create_in(struct fixture *f, enum cache_mode mode, const char *lines, const char *dir)
{
    const char *const texts[] = {"job", "task", "1", "int", "int"};
    *f = (struct fixture){0};
    OK(type_parse("int", &f->type, NULL));
    OK(key_base_make(texts, 5, 0, &f->base));
    f->inputs = open_inputs(lines, f->type);
    const struct cache_options options = {.mode = mode,
                                          .dir = dir,
                                          .base = f->base.data,
                                          .base_size = f->base.size,
                                          .input = f->type,
                                          .output = f->type,
                                          .task = "task",
                                          .run_dir = folder,
                                          .inputs = f->inputs};
    OK(cache_create(&options, &f->cache));
}

static void look_up(struct fixture *f)
{
    struct error err;
    OK(cache_look_up(f->cache, &err));
}

static void start_in(struct fixture *f, enum cache_mode mode, const char *lines, const char *dir)
{
    create_in(f, mode, lines, dir);
    look_up(f);
}

static void start(struct fixture *f, enum cache_mode mode, const char *lines)
{
    start_in(f, mode, lines, in_folder("store"));
}

static void finish(struct fixture *f)
{
    cache_destroy(f->cache);
    inputs_close(f->inputs);
    type_destroy(f->type);
    buffer_free(&f->base);
    buffer_free(&f->frame);
}

/* Wait for the next event. */
static struct cache_event *next_event(struct fixture *f)
{
    struct cache_event *event = cache_next_event(f->cache);
    while (event == NULL) {
        struct pollfd fd = {.fd = cache_descriptor(f->cache), .events = POLLIN};
        cr_assert(eq(int, poll(&fd, 1, 30000), 1));
        event = cache_next_event(f->cache);
    }
    return event;
}

/* As text: kind, spans and outputs of an event, such as "hits 0-1,3: 10 10 30". */
static const char *describe(const struct cache_event *event)
{
    static const char *const kinds[] = {"hits", "hold", "run", "looked up"};
    static char text[512];
    struct buffer outputs = {0};
    int size =
        snprintf(text, sizeof(text), "%s%s", event->were_held ? "held: " : "", kinds[event->kind]);
    for (size_t i = 0; i < event->span_count; i++) {
        size += snprintf(text + size, sizeof(text) - (size_t)size, "%s%d", i == 0 ? " " : ",",
                         (int)event->spans[i].start);
        if (event->spans[i].count > 1) {
            size += snprintf(text + size, sizeof(text) - (size_t)size, "-%d",
                             (int)(event->spans[i].start + event->spans[i].count - 1));
        }
    }
    if (event->frame.size > 0) {
        OK(lz4_frame_decompress(event->frame.data, event->frame.size, 1 << 20, &outputs));
        size += snprintf(text + size, sizeof(text) - (size_t)size, ":");
        for (size_t at = 0; at < outputs.size;) {
            struct arena arena = {0};
            mf_value value;
            size_t used;
            OK(value_decode(&arena, outputs.data + at, outputs.size - at, &used, &value, NULL));
            size += snprintf(text + size, sizeof(text) - (size_t)size, " %d", (int)mf_int(&value));
            at += used;
        }
        buffer_free(&outputs);
    }
    return text;
}

static void expect(struct fixture *f, const char *expected)
{
    struct cache_event *event = next_event(f);
    const char *found = describe(event);
    cr_assert(eq(int, strcmp(found, expected), 0), "found \"%s\", expected \"%s\"", found,
              expected);
    cache_event_free(event);
}

/* A batch of the instances from `start` on; those whose bit is not set failed. The output of each
 * is ten times its index. */
static void take(struct fixture *f, uint64_t start, uint64_t count, const uint8_t *bits,
                 bool reads_place)
{
    struct buffer packed = {0};
    const struct span span = {.start = start, .count = count};
    struct report_batch batch = {.spans = &span,
                                 .span_count = 1,
                                 .instance_count = count,
                                 .success_bits = bits,
                                 .reads_place = reads_place};
    for (uint64_t i = 0; i < count; i++) {
        if (report_batch_succeeded(&batch, i)) {
            const mf_value value = value_int((int64_t)(10 * (start + i)));
            OK(value_encode(&value, &packed));
            batch.success_count++;
        }
    }
    buffer_clear(&f->frame);
    OK(lz4_frame_compress(packed.data, packed.size, &f->frame));
    batch.frame = f->frame.data;
    batch.frame_size = f->frame.size;
    cache_take_batch(f->cache, &batch, NULL, 0);
    buffer_free(&packed);
}

Test(cache, gives_what_was_kept_to_the_next_map)
{
    struct fixture f;
    start(&f, CACHE_USE, "1\n2\n3\n");
    expect(&f, "looked up");
    take(&f, 0, 3, NULL, false);
    finish(&f);
    start(&f, CACHE_USE, "3\n4\n1\n2\n");
    expect(&f, "hits 0,2-3: 20 0 10");
    expect(&f, "looked up");
    finish(&f);
}

Test(cache, keeps_the_successes_of_a_batch_only)
{
    struct fixture f;
    const uint8_t bits = 0x5;
    start(&f, CACHE_USE, "1\n2\n3\n");
    expect(&f, "looked up");
    take(&f, 0, 3, &bits, false);
    finish(&f);
    start(&f, CACHE_USE, "1\n2\n3\n");
    expect(&f, "hits 0,2: 0 20");
    expect(&f, "looked up");
    finish(&f);
}

Test(cache, holds_equal_inputs_until_the_first_has_succeeded_and_shares_its_output)
{
    struct fixture f;
    start(&f, CACHE_USE, "5\n6\n5\n5\n6\n");
    expect(&f, "hold 2-4");
    expect(&f, "looked up");
    take(&f, 0, 1, NULL, false);
    expect(&f, "held: hits 2-3: 0 0");
    take(&f, 1, 1, NULL, false);
    expect(&f, "held: hits 4: 10");
    finish(&f);
}

Test(cache, gives_the_next_of_equal_inputs_where_the_first_has_failed)
{
    struct fixture f;
    uint64_t next;
    start(&f, CACHE_USE, "5\n5\n5\n");
    expect(&f, "hold 1-2");
    expect(&f, "looked up");
    cr_assert(cache_take_equal(f.cache, 0, &next));
    cr_assert(eq(u64, next, 1));
    take(&f, 1, 1, NULL, false);
    expect(&f, "held: hits 2: 10");
    cr_assert(not(cache_take_equal(f.cache, 2, &next)));
    finish(&f);
}

Test(cache, neither_keeps_nor_shares_what_depends_on_its_place)
{
    struct fixture f;
    start(&f, CACHE_USE, "5\n5\n6\n");
    expect(&f, "hold 1");
    expect(&f, "looked up");
    take(&f, 0, 1, NULL, true);
    expect(&f, "held: run 1");
    take(&f, 2, 1, NULL, true);
    finish(&f);
    start(&f, CACHE_USE, "5\n6\n");
    expect(&f, "looked up");
    finish(&f);
}

Test(cache, refreshing_looks_nothing_up_and_replaces_what_was_kept)
{
    struct fixture f;
    start(&f, CACHE_USE, "1\n2\n");
    expect(&f, "looked up");
    take(&f, 0, 2, NULL, false);
    finish(&f);
    start(&f, CACHE_REFRESH, "7\n1\n1\n");
    expect(&f, "hold 2");
    expect(&f, "looked up");
    take(&f, 0, 2, NULL, false);
    expect(&f, "held: hits 2: 10");
    finish(&f);
    start(&f, CACHE_USE, "1\n2\n");
    expect(&f, "hits 0-1: 10 10");
    expect(&f, "looked up");
    finish(&f);
}

Test(cache, without_a_store_shares_all_the_same)
{
    struct fixture f;
    (void)write_file("file", "");
    start_in(&f, CACHE_USE, "5\n5\n", in_folder("file/store"));
    expect(&f, "hold 1");
    expect(&f, "looked up");
    take(&f, 0, 1, NULL, false);
    expect(&f, "held: hits 1: 0");
    finish(&f);
}

Test(cache, lets_those_run_whose_output_cannot_be_read)
{
    struct fixture f;
    const struct span span = {.start = 0, .count = 1};
    const struct report_batch batch = {.spans = &span,
                                       .span_count = 1,
                                       .instance_count = 1,
                                       .success_count = 1,
                                       .frame = (const uint8_t *)"no frame",
                                       .frame_size = 8};
    start(&f, CACHE_USE, "5\n5\n5\n");
    expect(&f, "hold 1-2");
    expect(&f, "looked up");
    cache_take_batch(f.cache, &batch, NULL, 0);
    expect(&f, "held: run 1-2");
    finish(&f);
}

Test(cache, what_has_ended_before_is_neither_looked_up_nor_equal_to_any)
{
    struct fixture f;
    start(&f, CACHE_USE, "1\n2\n3\n");
    expect(&f, "looked up");
    take(&f, 0, 3, NULL, false);
    finish(&f);
    create_in(&f, CACHE_USE, "1\n2\n7\n7\n3\n7\n1\n", in_folder("store"));
    cache_skip(f.cache, 1, 2);
    cache_skip(f.cache, 6, 1);
    look_up(&f);
    expect(&f, "hits 0,4: 0 20");
    expect(&f, "hold 5");
    expect(&f, "looked up");
    take(&f, 3, 1, NULL, false);
    expect(&f, "held: hits 5: 30");
    finish(&f);
}

Test(cache, of_which_all_have_ended_finds_nothing)
{
    struct fixture f;
    create_in(&f, CACHE_USE, "1\n1\n", in_folder("store"));
    cache_skip(f.cache, 0, 2);
    look_up(&f);
    expect(&f, "looked up");
    finish(&f);
}

Test(cache, is_sharing_until_all_that_were_held_have_been_heard_of)
{
    struct fixture f;
    start(&f, CACHE_USE, "5\n6\n5\n6\n6\n");
    expect(&f, "hold 2-4");
    expect(&f, "looked up");
    cr_expect(not(cache_is_sharing(f.cache)));
    take(&f, 0, 2, NULL, false);
    cr_expect(cache_is_sharing(f.cache));
    expect(&f, "held: hits 2: 0");
    cr_expect(cache_is_sharing(f.cache));
    expect(&f, "held: hits 3-4: 10 10");
    cr_expect(not(cache_is_sharing(f.cache)));
    finish(&f);
}

Test(cache, of_an_empty_list_is_looked_up_at_once)
{
    struct fixture f;
    start(&f, CACHE_USE, "");
    expect(&f, "looked up");
    finish(&f);
}

Test(cache, may_be_ended_at_any_moment)
{
    struct buffer lines = {0};
    for (int i = 0; i < 50000; i++) {
        OK(buffer_printf(&lines, "%d\n", i % 40000));
    }
    OK(buffer_append_byte(&lines, '\0'));
    for (int i = 0; i < 5; i++) {
        struct fixture f;
        start(&f, CACHE_USE, (const char *)lines.data);
        finish(&f);
    }
    buffer_free(&lines);
}
