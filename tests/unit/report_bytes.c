#include "cli/report_bytes.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

static struct buffer out;

static const char *text(void)
{
    cr_assert(eq(int, buffer_append_byte(&out, '\0'), STATUS_OK));
    return (const char *)out.data;
}

Test(report_bytes, markup_in_text_is_escaped)
{
    const char *bad = "</script><b a=\"x\" c='y'>&amp;";
    cr_assert(eq(int, report_put_escaped(&out, bad, strlen(bad)), STATUS_OK));
    cr_expect(eq(str, (char *)(uintptr_t)text(),
                 "&lt;/script&gt;&lt;b a=&quot;x&quot; c=&#39;y&#39;&gt;&amp;amp;"));
    buffer_free(&out);
}

Test(report_bytes, what_is_no_text_is_shown_as_such)
{
    cr_assert(eq(int, report_put_escaped(&out, "a\0\xff\x1b", 4), STATUS_OK));
    cr_expect(eq(str, (char *)(uintptr_t)text(), "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"));
    buffer_free(&out);
}

Test(report_bytes, json_cannot_end_its_script)
{
    cr_assert(eq(int, report_put_json(&out, "[\"</script><!--\"]"), STATUS_OK));
    cr_expect(eq(str, (char *)(uintptr_t)text(), "[\"\\u003c/script>\\u003c!--\"]"));
    buffer_free(&out);
}

Test(report_bytes, small_numbers_of_either_sign_are_small)
{
    cr_expect(eq(u64, report_zigzag(0), 0));
    cr_expect(eq(u64, report_zigzag(-1), 1));
    cr_expect(eq(u64, report_zigzag(1), 2));
    cr_expect(eq(u64, report_zigzag(INT64_MIN), UINT64_MAX));
}

static unsigned digit(char character)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return (unsigned)(strchr(digits, character) - digits);
}

static size_t decode(const char *base64, uint8_t *bytes)
{
    size_t size = 0;
    for (; *base64 != '\0'; base64 += 4) {
        const unsigned bits = digit(base64[0]) << 18 | digit(base64[1]) << 12 |
                              (base64[2] == '=' ? 0 : digit(base64[2]) << 6) |
                              (base64[3] == '=' ? 0 : digit(base64[3]));
        bytes[size++] = (uint8_t)(bits >> 16);
        if (base64[2] != '=') {
            bytes[size++] = (uint8_t)(bits >> 8);
        }
        if (base64[3] != '=') {
            bytes[size++] = (uint8_t)bits;
        }
    }
    return size;
}

Test(report_bytes, deflated_data_comes_back)
{
    const size_t sizes[] = {0, 1, 2, 3, 100000, 300001};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct buffer data = {0};
        buffer_clear(&out);
        for (size_t k = 0; k < sizes[i]; k++) {
            cr_assert(eq(int, buffer_append_byte(&data, (uint8_t)(k * k >> 7)), STATUS_OK));
        }
        cr_assert(eq(int, report_put_deflated(&out, &data), STATUS_OK));
        const char *base64 = text();
        uint8_t *packed = malloc(strlen(base64));
        uint8_t *back = malloc(sizes[i] + 1);
        uLongf size = sizes[i] + 1;
        cr_assert(eq(int, uncompress(back, &size, packed, decode(base64, packed)), Z_OK));
        cr_assert(eq(sz, size, sizes[i]));
        cr_expect(size == 0 || memcmp(back, data.data, size) == 0);
        free(packed);
        free(back);
        buffer_free(&data);
    }
    buffer_free(&out);
}
