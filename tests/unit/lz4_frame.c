#include "shared/lz4_frame.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <lz4frame.h>
#include <stdlib.h>
#include <string.h>

#define OK(call) cr_assert(eq(int, (call), STATUS_OK))

/* Text of words, so that it shrinks; every fourth block of it is noise, so that it does not. */
static uint8_t *make_content(size_t size)
{
    uint8_t *content = malloc(size + 1);
    uint32_t random = 1;
    cr_assert(ne(ptr, content, NULL));
    for (size_t i = 0; i < size; i++) {
        random = random * 1664525u + 1013904223u;
        content[i] = i / 4096 % 4 == 3 ? (uint8_t)(random >> 24) : (uint8_t)("abcdefg "[i % 8]);
    }
    return content;
}

Test(lz4_frame, content_of_any_size_comes_back)
{
    const size_t sizes[] = {0, 1, 100, 65535, 65536, 65537, 262144, 262145, 3000000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint8_t *content = make_content(sizes[i]);
        struct buffer frame = {0};
        struct buffer back = {0};
        OK(lz4_frame_compress(content, sizes[i], &frame));
        OK(lz4_frame_decompress(frame.data, frame.size, sizes[i], &back));
        cr_assert(eq(sz, back.size, sizes[i]));
        cr_expect(back.size == 0 || memcmp(back.data, content, back.size) == 0);
        buffer_free(&frame);
        buffer_free(&back);
        free(content);
    }
}

Test(lz4_frame, both_append_behind_what_is_there)
{
    struct buffer frame = {0};
    struct buffer back = {0};
    OK(buffer_append(&frame, "xy", 2));
    OK(buffer_append(&back, "xy", 2));
    OK(lz4_frame_compress("content", 7, &frame));
    OK(lz4_frame_decompress(frame.data + 2, frame.size - 2, 7, &back));
    cr_assert(eq(sz, back.size, 9));
    cr_expect(memcmp(back.data, "xycontent", 9) == 0);
    buffer_free(&frame);
    buffer_free(&back);
}

Test(lz4_frame, frames_say_their_content_size_and_carry_no_checksums)
{
    struct buffer frame = {0};
    OK(lz4_frame_compress("content", 7, &frame));
    LZ4F_dctx *context = NULL;
    LZ4F_frameInfo_t info;
    size_t size = frame.size;
    cr_assert(LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)) == 0);
    cr_assert(LZ4F_isError(LZ4F_getFrameInfo(context, &info, frame.data, &size)) == 0);
    cr_expect(eq(u64, info.contentSize, 7));
    cr_expect(eq(int, info.contentChecksumFlag, LZ4F_noContentChecksum));
    cr_expect(eq(int, info.blockChecksumFlag, LZ4F_noBlockChecksum));
    cr_expect(eq(int, info.blockMode, LZ4F_blockIndependent));
    (void)LZ4F_freeDecompressionContext(context);
    buffer_free(&frame);
}

/* Goal: a reader knows the whole of a frame from a part of it, and from more than it. */
Test(lz4_frame, a_frame_that_is_cut_or_followed_by_more_is_refused)
{
    uint8_t *content = make_content(5000);
    struct buffer frame = {0};
    struct buffer back = {0};
    OK(lz4_frame_compress(content, 5000, &frame));
    for (size_t size = 0; size < frame.size; size++) {
        cr_assert(eq(int, lz4_frame_decompress(frame.data, size, 1 << 20, &back), STATUS_INVALID),
                  "cut to %zu bytes", size);
        cr_assert(eq(sz, back.size, 0));
    }
    OK(buffer_append_byte(&frame, 0));
    cr_expect(
        eq(int, lz4_frame_decompress(frame.data, frame.size, 1 << 20, &back), STATUS_INVALID));
    buffer_free(&frame);
    buffer_free(&back);
    free(content);
}

Test(lz4_frame, frames_one_after_the_other_decode_one_by_one)
{
    static const size_t sizes[] = {100, 65536, 300000};
    const size_t size = 100 + 65536 + 300000;
    uint8_t *content = make_content(size);
    struct buffer frames = {0};
    struct buffer back = {0};
    size_t at = 0;
    size_t used = 0;
    for (size_t i = 0; i < 3; i++) {
        OK(lz4_frame_compress(content + at, sizes[i], &frames));
        at += sizes[i];
    }
    OK(buffer_append(&back, "xy", 2));
    cr_expect(eq(int,
                 lz4_frame_decompress_first(frames.data, frames.size, sizes[0] - 1, &back, &used),
                 STATUS_LIMIT));
    cr_expect(
        eq(int, lz4_frame_decompress_first(frames.data, 0, size, &back, &used), STATUS_INVALID));
    cr_expect(eq(int, lz4_frame_decompress(frames.data, frames.size, size, &back), STATUS_INVALID),
              "one is asked for");
    cr_expect(eq(sz, back.size, 2));
    at = 0;
    for (size_t i = 0; i < 3; i++) {
        OK(lz4_frame_decompress_first(frames.data + at, frames.size - at, sizes[i], &back, &used));
        at += used;
    }
    cr_expect(eq(sz, at, frames.size));
    cr_assert(eq(sz, back.size, size + 2));
    cr_expect(memcmp(back.data + 2, content, size) == 0);
    buffer_free(&frames);
    buffer_free(&back);
    free(content);
}

Test(lz4_frame, content_above_the_bound_is_refused_whether_the_frame_says_so_or_not)
{
    uint8_t *content = make_content(200000);
    struct buffer frame = {0};
    struct buffer back = {0};
    OK(lz4_frame_compress(content, 200000, &frame));
    cr_expect(eq(int, lz4_frame_decompress(frame.data, frame.size, 199999, &back), STATUS_LIMIT));
    OK(lz4_frame_decompress(frame.data, frame.size, 200000, &back));
    buffer_clear(&back);

    const LZ4F_preferences_t silent = {.frameInfo = {.contentSize = 0}};
    uint8_t *bytes = malloc(LZ4F_compressFrameBound(200000, &silent));
    const size_t size = LZ4F_compressFrame(bytes, LZ4F_compressFrameBound(200000, &silent), content,
                                           200000, &silent);
    cr_assert(LZ4F_isError(size) == 0);
    cr_expect(eq(int, lz4_frame_decompress(bytes, size, 199999, &back), STATUS_LIMIT));
    OK(lz4_frame_decompress(bytes, size, 200000, &back));
    cr_assert(eq(sz, back.size, 200000));
    cr_expect(memcmp(back.data, content, 200000) == 0);
    free(bytes);
    free(content);
    buffer_free(&frame);
    buffer_free(&back);
}

/* Goal: no memory is taken for a size that the frame's own bytes cannot hold. Method: the content
 * size of a small frame is set to 2^40, within the bound, and its header checksum made right by
 * trying all 256. */
Test(lz4_frame, a_claimed_size_that_cannot_be_true_is_refused)
{
    struct buffer frame = {0};
    struct buffer back = {0};
    OK(lz4_frame_compress("content", 7, &frame));
    memset(frame.data + 6, 0, 8);
    frame.data[11] = 1;
    for (unsigned checksum = 0; checksum < 256; checksum++) {
        frame.data[14] = (uint8_t)checksum;
        cr_assert(eq(int, lz4_frame_decompress(frame.data, frame.size, (size_t)1 << 50, &back),
                     STATUS_INVALID));
    }
    cr_expect(lt(sz, back.capacity, (size_t)1 << 20));
    buffer_free(&frame);
    buffer_free(&back);
}

Test(lz4_frame, corrupt_bytes_never_crash_and_a_good_frame_decodes_after_them)
{
    uint8_t *content = make_content(3000);
    struct buffer frame = {0};
    struct buffer back = {0};
    OK(lz4_frame_compress(content, 3000, &frame));
    for (size_t i = 0; i < frame.size; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            frame.data[i] ^= (uint8_t)(1u << bit);
            buffer_clear(&back);
            (void)!lz4_frame_decompress(frame.data, frame.size, 1 << 20, &back);
            frame.data[i] ^= (uint8_t)(1u << bit);
        }
    }
    buffer_clear(&back);
    OK(lz4_frame_decompress(frame.data, frame.size, 1 << 20, &back));
    cr_expect(memcmp(back.data, content, 3000) == 0);
    buffer_free(&frame);
    buffer_free(&back);
    free(content);
}

Test(lz4_frame, a_skippable_frame_is_no_data_frame)
{
    uint8_t header[LZ4_FRAME_SKIPPABLE_HEADER_SIZE];
    uint32_t size = 0;
    struct buffer back = {0};
    lz4_frame_skippable_header(0x01020304, header);
    cr_expect(memcmp(header, "\x50\x2a\x4d\x18\x04\x03\x02\x01", sizeof(header)) == 0);
    cr_assert(lz4_frame_is_skippable(header, &size));
    cr_expect(eq(u32, size, 0x01020304));
    cr_expect(eq(int, lz4_frame_decompress(header, sizeof(header), 100, &back), STATUS_INVALID));
    header[0] ^= 1;
    cr_expect(lz4_frame_is_skippable(header, &size) == false);
    buffer_free(&back);
}

/* Content that goes through the writer of records where that pays, and comes back. */
static void expect_records_back(const uint8_t *content, size_t size, size_t width)
{
    uint8_t *frame = malloc(lz4_frame_room(size));
    struct buffer back = {0};
    cr_assert(ne(ptr, frame, NULL));
    const size_t frame_size = lz4_frame_compress_records(content, size, width, frame);
    cr_assert(gt(sz, frame_size, 0));
    cr_assert(le(sz, frame_size, lz4_frame_room(size)));
    OK(lz4_frame_decompress(frame, frame_size, size, &back));
    cr_assert(eq(sz, back.size, size));
    cr_expect(memcmp(back.data, content, size) == 0);
    buffer_free(&back);
    free(frame);
}

Test(lz4_frame, records_of_any_number_come_back)
{
    const size_t counts[] = {1, 2, 1000, 20000, 29127, 29128, 29129, 100000};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        const size_t size = 9 * counts[i];
        uint8_t *content = malloc(size);
        cr_assert(ne(ptr, content, NULL));
        for (size_t k = 0; k < size; k++) {
            content[k] = k % 9 < 5 ? 7 : (uint8_t)(k * k >> 3);
        }
        expect_records_back(content, size, 9);
        free(content);
    }
}

Test(lz4_frame, records_that_do_not_shrink_and_those_without_a_width_are_the_librarys)
{
    uint8_t *content = make_content(700000);
    expect_records_back(content, 700000, 9);
    expect_records_back(content, 700000, 0);
    free(content);
}

Test(lz4_frame, frames_of_records_say_their_content_size_and_carry_no_checksums)
{
    static uint8_t content[9000];
    uint8_t *frame = malloc(lz4_frame_room(sizeof(content)));
    cr_assert(ne(ptr, frame, NULL));
    size_t size = lz4_frame_compress_records(content, sizeof(content), 9, frame);
    LZ4F_dctx *context = NULL;
    LZ4F_frameInfo_t info;
    cr_assert(not(LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION))));
    cr_assert(not(LZ4F_isError(LZ4F_getFrameInfo(context, &info, frame, &size))));
    cr_expect(eq(u64, info.contentSize, sizeof(content)));
    cr_expect(eq(int, info.blockMode, LZ4F_blockIndependent));
    cr_expect(eq(int, info.contentChecksumFlag, LZ4F_noContentChecksum));
    cr_expect(eq(int, info.blockChecksumFlag, LZ4F_noBlockChecksum));
    (void)LZ4F_freeDecompressionContext(context);
    free(frame);
}
