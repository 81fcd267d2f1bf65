/* Grids: elements are computed from their index, the last axis fastest. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "shared/buffer.h"
#include "shared/grid.h"
#include "shared/value.h"

static enum status opened(const char *json, struct grid **grid_out, struct error *err)
{
    struct arena arena = {0};
    struct buffer packed = {0};
    mf_value axes;
    cr_assert(value_from_json(&arena, json, strlen(json), &axes, err) == STATUS_OK);
    cr_assert(value_encode(&axes, &packed) == STATUS_OK);
    const enum status status = grid_open(packed.data, packed.size, grid_out, err);
    buffer_free(&packed);
    arena_free(&arena);
    return status;
}

static void expect_element(struct grid *grid, uint64_t index, const char *json)
{
    struct buffer text = {0};
    const mf_value element = grid_value(grid, index);
    cr_assert(value_to_json(&element, &text) == STATUS_OK);
    cr_expect(text.size == strlen(json) && memcmp(text.data, json, text.size) == 0, "%.*s",
              (int)text.size, (const char *)text.data);
    buffer_free(&text);
}

Test(grid, the_last_axis_is_the_fastest)
{
    struct grid *grid = NULL;
    struct error err;
    cr_assert(opened("[[\"a\",[1,2]],[\"b\",[\"x\",[3],null]]]", &grid, &err) == STATUS_OK);
    cr_expect(eq(u64, grid_count(grid), 6));
    expect_element(grid, 0, "{\"a\":1,\"b\":\"x\"}");
    expect_element(grid, 1, "{\"a\":1,\"b\":[3]}");
    expect_element(grid, 3, "{\"a\":2,\"b\":\"x\"}");
    expect_element(grid, 5, "{\"a\":2,\"b\":null}");
    grid_close(grid);
}

Test(grid, what_is_none_is_refused)
{
    static const struct {
        const char *json;
        const char *text;
    } rows[] = {{"[]", "malformed"},
                {"[1]", "malformed"},
                {"[[\"a\",[1]],[\"a\",[2]]]", "the name a is given twice"},
                {"[[\"a\",[]]]", "a has no values"},
                {"[[1,[1]]]", "malformed"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct grid *grid = NULL;
        struct error err;
        cr_assert(opened(rows[i].json, &grid, &err) == STATUS_INVALID, "%s", rows[i].json);
        cr_expect(strstr(err.text, rows[i].text) != NULL, "%s", err.text);
    }
}

Test(grid, more_combinations_than_can_be_counted_are_refused)
{
    struct grid *grid = NULL;
    struct error err;
    struct buffer json = {0};
    cr_assert(buffer_printf(&json, "[") == STATUS_OK);
    for (int i = 0; i < 63; i++) {
        cr_assert(buffer_printf(&json, "%s[\"a%d\",[0,1]]", i > 0 ? "," : "", i) == STATUS_OK);
    }
    cr_assert(buffer_printf(&json, "]") == STATUS_OK && buffer_append_byte(&json, 0) == STATUS_OK);
    cr_expect(opened((const char *)json.data, &grid, &err) == STATUS_INVALID);
    cr_expect(strstr(err.text, "2^63 - 1") != NULL, "%s", err.text);
    buffer_free(&json);
}
