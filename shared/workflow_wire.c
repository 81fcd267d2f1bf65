#include "shared/workflow_wire.h"

#include <string.h>

#include "shared/pack.h"
#include "shared/unpack.h"

#define BEGIN_ITEMS 4
#define MAP_ITEMS 10
#define OVER_ITEMS 5
#define END_ITEMS 3

/* ---- Encoding ---------------------------------------------------------------------------------
 */

static void put_text_or_nil(struct pack *out, const char *text)
{
    if (text == NULL) {
        pack_nil(out);
    } else {
        pack_text(out, text);
    }
}

/* A text for people, which is cut. */
static void put_reason(struct pack *out, const char *text)
{
    pack_str(out, text, strnlen(text, WORKFLOW_TEXT_SIZE_MAX));
}

static void put_map(struct pack *out, const struct workflow_map *map)
{
    pack_array(out, MAP_ITEMS);
    pack_uint(out, WORKFLOW_MAP);
    pack_uint(out, map->number);
    pack_bool(out, map->is_call);
    pack_text(out, map->task);
    pack_array(out, MAP_OPTION_COUNT);
    for (size_t i = 0; i < MAP_OPTION_COUNT; i++) {
        put_text_or_nil(out, map->options[i]);
    }
    put_text_or_nil(out, map->cache);
    put_text_or_nil(out, map->cache_version);
    put_text_or_nil(out, map->reducer);
    put_text_or_nil(out, map->range);
    pack_uint(out, map->size);
}

static void put_message(struct pack *out, const struct workflow_message *message)
{
    switch (message->kind) {
    case WORKFLOW_BEGIN:
        pack_array(out, BEGIN_ITEMS);
        pack_uint(out, WORKFLOW_BEGIN);
        pack_text(out, message->as.begin.workflow);
        pack_text(out, message->as.begin.run_dir);
        pack_text(out, message->as.begin.launch_dir);
        break;
    case WORKFLOW_MAP:
        put_map(out, &message->as.map);
        break;
    case WORKFLOW_OVER:
        pack_array(out, OVER_ITEMS);
        pack_uint(out, WORKFLOW_OVER);
        pack_uint(out, message->as.over.number);
        pack_bool(out, message->as.over.is_success);
        pack_uint(out, message->as.over.missing);
        put_reason(out, message->as.over.text);
        break;
    case WORKFLOW_END:
        pack_array(out, END_ITEMS);
        pack_uint(out, WORKFLOW_END);
        pack_bool(out, message->as.end.is_success);
        put_reason(out, message->as.end.text);
        break;
    }
}

enum status workflow_encode(const struct workflow_message *message, struct buffer *out,
                            struct error *err)
{
    struct pack pack;
    const size_t start = out->size;
    pack_start(&pack, out);
    put_message(&pack, message);
    const enum status status = pack_finish(&pack);
    if (status != STATUS_OK) {
        return error_set(err, status, "no memory for a message of a workflow");
    }
    if (out->size - start > WORKFLOW_MESSAGE_SIZE_MAX) {
        const size_t size = out->size - start;
        out->size = start;
        return error_set(err, STATUS_LIMIT, "its options take %zu bytes; at most %zu are possible",
                         size, WORKFLOW_MESSAGE_SIZE_MAX);
    }
    return STATUS_OK;
}

/* ---- Decoding ---------------------------------------------------------------------------------
 */

struct decoder {
    struct unpack in;
    struct arena *arena;
};

/* NUL-terminated, in the arena. A NUL within fails. */
static const char *get_text(struct decoder *decoder)
{
    size_t size;
    const char *text = unpack_str(&decoder->in, &size);
    const char *copy = arena_copy(decoder->arena, text, size);
    if (copy == NULL || memchr(text, '\0', size) != NULL) {
        unpack_fail(&decoder->in);
        return "";
    }
    return copy;
}

static const char *get_text_or_nil(struct decoder *decoder)
{
    return unpack_nil(&decoder->in) ? NULL : get_text(decoder);
}

static void get_map(struct decoder *decoder, struct workflow_map *map)
{
    struct unpack *in = &decoder->in;
    map->number = unpack_uint(in);
    map->is_call = unpack_bool(in);
    map->task = get_text(decoder);
    unpack_array_of(in, MAP_OPTION_COUNT);
    for (size_t i = 0; i < MAP_OPTION_COUNT; i++) {
        map->options[i] = get_text_or_nil(decoder);
    }
    map->cache = get_text_or_nil(decoder);
    map->cache_version = get_text_or_nil(decoder);
    map->reducer = get_text_or_nil(decoder);
    map->range = get_text_or_nil(decoder);
    map->size = unpack_uint(in);
    if (map->is_call && map->size != 1) {
        unpack_fail(in);
    }
}

static void get_body(struct decoder *decoder, struct workflow_message *message)
{
    switch (message->kind) {
    case WORKFLOW_BEGIN:
        message->as.begin.workflow = get_text(decoder);
        message->as.begin.run_dir = get_text(decoder);
        message->as.begin.launch_dir = get_text(decoder);
        break;
    case WORKFLOW_MAP:
        get_map(decoder, &message->as.map);
        break;
    case WORKFLOW_OVER:
        message->as.over.number = unpack_uint(&decoder->in);
        message->as.over.is_success = unpack_bool(&decoder->in);
        message->as.over.missing = unpack_uint(&decoder->in);
        message->as.over.text = get_text(decoder);
        break;
    case WORKFLOW_END:
        message->as.end.is_success = unpack_bool(&decoder->in);
        message->as.end.text = get_text(decoder);
        break;
    }
}

enum status workflow_decode(const uint8_t *data, size_t size, struct arena *arena,
                            struct workflow_message *message_out, struct error *err)
{
    static const uint32_t item_counts[] = {[WORKFLOW_BEGIN] = BEGIN_ITEMS,
                                           [WORKFLOW_MAP] = MAP_ITEMS,
                                           [WORKFLOW_OVER] = OVER_ITEMS,
                                           [WORKFLOW_END] = END_ITEMS};
    struct decoder decoder = {.in = unpack_start(data, size), .arena = arena};
    memset(message_out, 0, sizeof(*message_out));
    const uint32_t item_count = unpack_array(&decoder.in);
    const uint64_t kind = unpack_uint_max(&decoder.in, WORKFLOW_END);
    message_out->kind = (enum workflow_message_kind)kind;
    if (!decoder.in.failed && item_count == item_counts[kind]) {
        get_body(&decoder, message_out);
    } else {
        unpack_fail(&decoder.in);
    }
    return unpack_is_done(&decoder.in)
               ? STATUS_OK
               : error_set(err, STATUS_PROTOCOL,
                           "a message of a workflow, of %zu bytes, is malformed", size);
}
