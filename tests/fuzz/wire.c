/* wire.c - any bytes as a message between master and worker. What is decoded encodes to a message
 * that means the same. */
#include <assert.h>
#include <string.h>

#include "shared/arena.h"
#include "shared/wire.h"
#include "tests/fuzz/fuzz.h"

/* Decode and encode; false where the bytes are no message. */
static bool convert(const uint8_t *data, size_t size, struct buffer *out)
{
    struct arena arena = {0};
    struct wire_message message;
    struct error err;
    const bool is_message = wire_decode(data, size, &arena, &message, &err) == STATUS_OK;
    if (is_message) {
        const enum status status = wire_encode(&message, out);
        assert(status == STATUS_OK);
    }
    arena_free(&arena);
    return is_message;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer once = {0};
    struct buffer twice = {0};
    if (convert(data, size, &once)) {
        const bool is_message = convert(once.data, once.size, &twice);
        assert(is_message);
        assert(once.size == twice.size && memcmp(once.data, twice.data, once.size) == 0);
    }
    buffer_free(&once);
    buffer_free(&twice);
    return 0;
}
