#include "shared/stdio_record.h"

#include <string.h>

/* The state of the streaming hash is then a type that can stand on the stack. */
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "shared/lz4_frame.h"
#include "shared/pack.h"
#include "shared/unpack.h"

#define CHECKSUM_SIZE sizeof(XXH128_canonical_t)
#define PAIR_COUNT 6
#define ENTRY_ITEMS 6
/* Larger than any that is written, and small enough that sums do not overflow. */
#define SIZE_MAX_OF_ANY ((uint64_t)1 << 40)

/* Over the header's payload up to the checksum itself, and the data frame. */
static XXH128_canonical_t checksum_of(const uint8_t *payload, size_t payload_size,
                                      const uint8_t *frame, size_t frame_size)
{
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    (void)XXH3_128bits_reset(&state);
    (void)XXH3_128bits_update(&state, payload, payload_size - CHECKSUM_SIZE);
    (void)XXH3_128bits_update(&state, frame, frame_size);
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state));
    return canonical;
}

/* ---- Encoding ------------------------------------------------------------------------------- */

/* The whole payload, with zeroes for the checksum. */
static MUST_CHECK enum status pack_payload(const struct stdio_record *record, size_t frame_size,
                                           struct buffer *buffer)
{
    static const uint8_t no_checksum[CHECKSUM_SIZE];
    struct pack out;
    pack_start(&out, buffer);
    pack_map(&out, PAIR_COUNT);
    pack_text(&out, "map");
    pack_uint(&out, record->map);
    pack_text(&out, "rank");
    pack_uint(&out, record->rank);
    pack_text(&out, "time_ms");
    pack_uint(&out, record->time_ms);
    pack_text(&out, "kept");
    pack_array(&out, record->entry_count);
    for (size_t i = 0; i < record->entry_count; i++) {
        const struct stdio_entry *entry = &record->entries[i];
        pack_array(&out, ENTRY_ITEMS);
        pack_uint(&out, entry->index);
        pack_uint(&out, entry->attempt);
        pack_uint(&out, entry->sizes[STDIO_OUT]);
        pack_uint(&out, entry->sizes[STDIO_ERR]);
        pack_uint(&out, entry->left_out[STDIO_OUT]);
        pack_uint(&out, entry->left_out[STDIO_ERR]);
    }
    pack_text(&out, "frame");
    pack_uint(&out, frame_size);
    pack_text(&out, "checksum");
    pack_bytes(&out, no_checksum, CHECKSUM_SIZE);
    return pack_finish(&out);
}

/* The header tells the size of the frame that follows it. */
static MUST_CHECK enum status join(const struct stdio_record *record, const struct buffer *frame,
                                   struct buffer *out)
{
    static const uint8_t no_header[LZ4_FRAME_SKIPPABLE_HEADER_SIZE];
    const size_t start = out->size;
    enum status status = buffer_append(out, no_header, sizeof(no_header));
    if (status == STATUS_OK) {
        status = pack_payload(record, frame->size, out);
    }
    const size_t payload_start = start + sizeof(no_header);
    const size_t payload_size = out->size - payload_start;
    if (status == STATUS_OK && payload_size > UINT32_MAX) {
        status = STATUS_LIMIT;
    }
    if (status == STATUS_OK) {
        status = buffer_append(out, frame->data, frame->size);
    }
    if (status != STATUS_OK) {
        out->size = start;
        return status;
    }
    uint8_t *payload = out->data + payload_start;
    lz4_frame_skippable_header((uint32_t)payload_size, out->data + start);
    const XXH128_canonical_t checksum =
        checksum_of(payload, payload_size, payload + payload_size, frame->size);
    memcpy(payload + payload_size - CHECKSUM_SIZE, &checksum, CHECKSUM_SIZE);
    return STATUS_OK;
}

enum status stdio_record_encode(const struct stdio_record *record, const uint8_t *text,
                                struct buffer *out)
{
    struct buffer frame = {0};
    enum status status = lz4_frame_compress(text, (size_t)record->text_size, &frame);
    if (status == STATUS_OK) {
        status = join(record, &frame, out);
    }
    buffer_free(&frame);
    return status;
}

/* ---- Decoding ------------------------------------------------------------------------------- */

static void get_entry(struct unpack *in, struct stdio_entry *entry)
{
    unpack_array_of(in, ENTRY_ITEMS);
    entry->index = unpack_uint_max(in, INT64_MAX);
    entry->attempt = unpack_uint(in);
    entry->sizes[STDIO_OUT] = unpack_uint_max(in, SIZE_MAX_OF_ANY);
    entry->sizes[STDIO_ERR] = unpack_uint_max(in, SIZE_MAX_OF_ANY);
    entry->left_out[STDIO_OUT] = unpack_uint(in);
    entry->left_out[STDIO_ERR] = unpack_uint(in);
}

static MUST_CHECK enum status get_entries(struct unpack *in, struct arena *arena,
                                          struct stdio_record *record)
{
    const uint32_t count = unpack_array(in);
    struct stdio_entry *entries = arena_take(arena, count * sizeof(*entries) + 1);
    if (entries == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (uint32_t i = 0; i < count && !in->failed; i++) {
        get_entry(in, &entries[i]);
        record->text_size += entries[i].sizes[STDIO_OUT] + entries[i].sizes[STDIO_ERR];
        if (record->text_size > SIZE_MAX_OF_ANY) {
            unpack_fail(in);
        }
    }
    record->entries = entries;
    record->entry_count = count;
    return STATUS_OK;
}

static MUST_CHECK enum status get_payload(const uint8_t *payload, size_t size, struct arena *arena,
                                          struct stdio_record *record, const uint8_t **checksum_out)
{
    struct unpack in = unpack_start(payload, size);
    size_t checksum_size = 0;
    *record = (struct stdio_record){0};
    if (unpack_map(&in) != PAIR_COUNT) {
        return STATUS_INVALID;
    }
    unpack_key(&in, "map");
    record->map = unpack_uint(&in);
    unpack_key(&in, "rank");
    record->rank = (uint32_t)unpack_uint_max(&in, UINT32_MAX);
    unpack_key(&in, "time_ms");
    record->time_ms = unpack_uint(&in);
    unpack_key(&in, "kept");
    const enum status status = get_entries(&in, arena, record);
    if (status != STATUS_OK) {
        return status;
    }
    unpack_key(&in, "frame");
    record->frame_size = (size_t)unpack_uint_max(&in, SIZE_MAX_OF_ANY);
    unpack_key(&in, "checksum");
    *checksum_out = unpack_bin(&in, &checksum_size);
    return unpack_is_done(&in) && checksum_size == CHECKSUM_SIZE ? STATUS_OK : STATUS_INVALID;
}

enum status stdio_record_decode(const uint8_t *data, size_t size, struct arena *arena,
                                struct stdio_record *record_out, size_t *used_out,
                                struct error *err)
{
    uint32_t payload_size = 0;
    *used_out = LZ4_FRAME_SKIPPABLE_HEADER_SIZE;
    if (size < *used_out) {
        return error_set(err, STATUS_LIMIT, "cut off within its first bytes");
    }
    if (!lz4_frame_is_skippable(data, &payload_size)) {
        return error_set(err, STATUS_INVALID, "no record begins here");
    }
    *used_out += payload_size;
    if (size < *used_out) {
        return error_set(err, STATUS_LIMIT, "cut off within its header");
    }
    struct stdio_record record;
    const uint8_t *checksum = NULL;
    const uint8_t *payload = data + LZ4_FRAME_SKIPPABLE_HEADER_SIZE;
    const enum status status = get_payload(payload, payload_size, arena, &record, &checksum);
    if (status != STATUS_OK) {
        return error_set(err, status, "%s",
                         status == STATUS_INVALID ? "malformed header" : status_text(status));
    }
    *used_out += record.frame_size;
    if (size < *used_out) {
        return error_set(err, STATUS_LIMIT, "cut off within its text");
    }
    record.frame = payload + payload_size;
    const XXH128_canonical_t expected =
        checksum_of(payload, payload_size, record.frame, record.frame_size);
    if (memcmp(checksum, &expected, CHECKSUM_SIZE) != 0) {
        return error_set(err, STATUS_INVALID, "the checksum differs");
    }
    *record_out = record;
    return STATUS_OK;
}
