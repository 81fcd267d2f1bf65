#include "shared/attempt_times.h"

#include <assert.h>

#define GROUP_BITS 7
#define MORE 0x80u

size_t attempt_times_pack(const uint64_t *ends_us, size_t count, uint64_t elapsed_us,
                          uint8_t out[ATTEMPT_TIMES_COUNT_MAX * ATTEMPT_TIME_SIZE_MAX])
{
    size_t size = 0;
    uint64_t before_us = 0;
    assert(count <= ATTEMPT_TIMES_COUNT_MAX);
    for (size_t i = 0; i < count; i++) {
        uint64_t end_us = ends_us[i] < elapsed_us ? ends_us[i] : elapsed_us;
        end_us = end_us > before_us ? end_us : before_us;
        uint64_t rest = end_us - before_us;
        for (; rest >= MORE; rest >>= GROUP_BITS) {
            out[size++] = (uint8_t)(rest | MORE);
        }
        out[size++] = (uint8_t)rest;
        before_us = end_us;
    }
    return size;
}

/* False where the bytes end within one, or it has more bits than fit. */
static bool read_one(const uint8_t *data, size_t size, size_t *at_io, uint64_t *duration_out)
{
    uint64_t duration = 0;
    for (unsigned shift = 0; *at_io < size && shift < 64; shift += GROUP_BITS) {
        const uint8_t byte = data[(*at_io)++];
        const uint64_t bits = byte & (MORE - 1);
        if (bits << shift >> shift != bits) {
            return false;
        }
        duration |= bits << shift;
        if ((byte & MORE) == 0) {
            *duration_out = duration;
            return true;
        }
    }
    return false;
}

bool attempt_times_are_valid(const uint8_t *data, size_t size, uint64_t count, uint64_t elapsed_us)
{
    size_t at = 0;
    if (count > ATTEMPT_TIMES_COUNT_MAX) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        uint64_t duration_us = 0;
        if (!read_one(data, size, &at, &duration_us) || duration_us > elapsed_us) {
            return false;
        }
        elapsed_us -= duration_us;
    }
    return at == size;
}

uint64_t attempt_times_next(const uint8_t **at_io)
{
    uint64_t duration_us = 0;
    size_t at = 0;
    const bool is_one = read_one(*at_io, ATTEMPT_TIME_SIZE_MAX, &at, &duration_us);
    assert(is_one);
    *at_io += at;
    return duration_us;
}
