/* Reader of a msgpack stream: values one after the other. */
#include "master/inputs_internal.h"

#include <inttypes.h>

#include "shared/value.h"

/* How far the first value of the window goes, as a scan that goes on where more bytes have come.
 * It only measures: what is wrong with a value, value_decode() says. */
struct value_scan {
    size_t size;     /* bytes of the value seen so far; may be ahead of the window */
    uint64_t wanted; /* values still to come, the first one included */
};

/* For the first bytes 0xc0 to 0xdf: the bytes of number or count that follow, the bytes of content
 * beside those (of an ext: its type and what is fixed), and what the number counts. */
enum counted { NOTHING, BYTES, ITEMS, PAIRS };
static const struct {
    uint8_t number_size;
    uint8_t content_size;
    uint8_t counted;
} heads[32] = {
    {0, 0, NOTHING},  {0, 0, NOTHING}, {0, 0, NOTHING}, {0, 0, NOTHING}, /* nil, -, bools */
    {1, 0, BYTES},    {2, 0, BYTES},   {4, 0, BYTES},                    /* bin */
    {1, 1, BYTES},    {2, 1, BYTES},   {4, 1, BYTES},                    /* ext */
    {0, 4, NOTHING},  {0, 8, NOTHING},                                   /* floats */
    {0, 1, NOTHING},  {0, 2, NOTHING}, {0, 4, NOTHING}, {0, 8, NOTHING}, /* uints */
    {0, 1, NOTHING},  {0, 2, NOTHING}, {0, 4, NOTHING}, {0, 8, NOTHING}, /* ints */
    {0, 2, NOTHING},  {0, 3, NOTHING}, {0, 5, NOTHING}, {0, 9, NOTHING}, /* fixext */
    {0, 17, NOTHING},                                                    /* fixext 16 */
    {1, 0, BYTES},    {2, 0, BYTES},   {4, 0, BYTES},                    /* str */
    {2, 0, ITEMS},    {4, 0, ITEMS},   {2, 0, PAIRS},   {4, 0, PAIRS},   /* array, map */
};

/* Pass over a head of one byte, with what it counts in that byte. */
static void pass_short(struct value_scan *scan, uint8_t first)
{
    scan->size++;
    if (first >= 0x80 && first <= 0x8f) {
        scan->wanted += 2 * (uint64_t)(first & 0x0f);
    } else if (first >= 0x90 && first <= 0x9f) {
        scan->wanted += first & 0x0f;
    } else if (first >= 0xa0 && first <= 0xbf) {
        scan->size += first & 0x1f;
    }
}

/* False where the window ends within the head. */
static bool pass_long(struct value_scan *scan, const uint8_t *data, size_t size)
{
    const uint8_t *at = data + scan->size;
    const size_t row = at[0] - 0xc0u;
    if (size - scan->size < 1u + heads[row].number_size) {
        return false;
    }
    uint64_t number = 0;
    for (size_t i = 0; i < heads[row].number_size; i++) {
        number = number << 8 | at[1 + i];
    }
    scan->size += 1u + heads[row].number_size + heads[row].content_size;
    if (heads[row].counted == BYTES) {
        scan->size += number;
    } else if (heads[row].counted != NOTHING) {
        scan->wanted += heads[row].counted == PAIRS ? 2 * number : number;
    }
    return true;
}

/* True when the window holds the whole value. */
static bool scan_on(struct value_scan *scan, const uint8_t *data, size_t size)
{
    while (scan->wanted > 0 && scan->size < size) {
        const uint8_t first = data[scan->size];
        if (first < 0xc0 || first > 0xdf) {
            pass_short(scan, first);
        } else if (!pass_long(scan, data, size)) {
            return false;
        }
        scan->wanted--;
    }
    return scan->wanted == 0 && scan->size <= size;
}

/* Make the window hold a whole value, or what is left of the file. */
static enum status fill_value(struct inputs_bytes *bytes, struct error *err)
{
    struct value_scan scan = {.wanted = 1};
    while (
        !scan_on(&scan, (const uint8_t *)bytes->data + bytes->begin, bytes->end - bytes->begin) &&
        !bytes->is_ended) {
        const enum status status = inputs_bytes_fill(bytes, err);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

static enum status put_value(struct inputs_reader *reader, struct error *err)
{
    struct inputs_bytes *bytes = &reader->bytes;
    struct inputs_sink *sink = reader->sink;
    mf_value value;
    size_t used = 0;
    enum status status = value_decode(&sink->arena, (const uint8_t *)bytes->data + bytes->begin,
                                      bytes->end - bytes->begin, &used, &value, err);
    if (status != STATUS_OK) {
        error_prefix(err, "%s: index %" PRIu64 ": ", bytes->name, sink->count);
        return status;
    }
    bytes->begin += used;
    status = inputs_sink_put(sink, &value, TYPE_ORIGIN_DATA, err);
    if (status != STATUS_OK) {
        error_prefix(err, "%s: ", bytes->name);
    }
    return status;
}

enum status inputs_read_msgpack(struct inputs_reader *reader, struct error *err)
{
    for (;;) {
        enum status status = fill_value(&reader->bytes, err);
        if (status != STATUS_OK || reader->bytes.begin == reader->bytes.end) {
            return status;
        }
        status = put_value(reader, err);
        if (status != STATUS_OK) {
            return status;
        }
    }
}
