#include "shared/pack.h"

#include <string.h>

#include <msgpack.h>

void pack_start(struct pack *out, struct buffer *buffer)
{
    *out = (struct pack){.buffer = buffer, .start = buffer->size, .status = STATUS_OK};
}

enum status pack_finish(struct pack *out)
{
    if (out->status != STATUS_OK) {
        out->buffer->size = out->start;
    }
    return out->status;
}

void pack_raw(struct pack *out, const void *bytes, size_t size)
{
    if (out->status == STATUS_OK) {
        out->status = buffer_append(out->buffer, bytes, size);
    }
}

static int write_packed(void *data, const char *bytes, size_t size)
{
    struct pack *out = data;
    pack_raw(out, bytes, size);
    return out->status == STATUS_OK ? 0 : -1;
}

static msgpack_packer packer_of(struct pack *out)
{
    return (msgpack_packer){.data = out, .callback = write_packed};
}

/* Lengths and counts have 32 bits. */
static bool fits(struct pack *out, size_t count)
{
    if (count > UINT32_MAX && out->status == STATUS_OK) {
        out->status = STATUS_LIMIT;
    }
    return out->status == STATUS_OK;
}

/* What the packing functions return is what write_packed() keeps in `status`. */

void pack_array(struct pack *out, size_t count)
{
    msgpack_packer packer = packer_of(out);
    if (fits(out, count)) {
        (void)msgpack_pack_array(&packer, count);
    }
}

void pack_map(struct pack *out, size_t count)
{
    msgpack_packer packer = packer_of(out);
    if (fits(out, count)) {
        (void)msgpack_pack_map(&packer, count);
    }
}

void pack_nil(struct pack *out)
{
    msgpack_packer packer = packer_of(out);
    (void)msgpack_pack_nil(&packer);
}

void pack_bool(struct pack *out, bool value)
{
    msgpack_packer packer = packer_of(out);
    (void)(value ? msgpack_pack_true(&packer) : msgpack_pack_false(&packer));
}

void pack_uint(struct pack *out, uint64_t value)
{
    msgpack_packer packer = packer_of(out);
    (void)msgpack_pack_uint64(&packer, value);
}

void pack_int(struct pack *out, int64_t value)
{
    msgpack_packer packer = packer_of(out);
    (void)msgpack_pack_int64(&packer, value);
}

void pack_float(struct pack *out, double value)
{
    msgpack_packer packer = packer_of(out);
    (void)msgpack_pack_double(&packer, value);
}

void pack_text(struct pack *out, const char *text)
{
    pack_str(out, text, strlen(text));
}

void pack_str(struct pack *out, const char *text, size_t size)
{
    msgpack_packer packer = packer_of(out);
    if (fits(out, size)) {
        (void)msgpack_pack_str(&packer, size);
        pack_raw(out, text, size);
    }
}

void pack_bytes(struct pack *out, const void *bytes, size_t size)
{
    msgpack_packer packer = packer_of(out);
    if (fits(out, size)) {
        (void)msgpack_pack_bin(&packer, size);
        pack_raw(out, bytes, size);
    }
}

void pack_spans(struct pack *out, const struct span *spans, size_t count)
{
    pack_array(out, count);
    for (size_t i = 0; i < count && out->status == STATUS_OK; i++) {
        pack_array(out, 3);
        pack_uint(out, spans[i].start);
        pack_uint(out, spans[i].count);
        pack_uint(out, spans[i].attempt);
    }
}
