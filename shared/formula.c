#include "shared/formula.h"

#include <string.h>

#include "shared/value.h"

#define RANGE_PART_COUNT_MAX 3

/* A piece of the text between two colons. */
struct part {
    const char *text;
    size_t size;
};

/* Returns how many parts there are; only the first RANGE_PART_COUNT_MAX are stored. */
static size_t split(const char *text, struct part parts[RANGE_PART_COUNT_MAX])
{
    size_t count = 0;
    for (;;) {
        const size_t size = strcspn(text, ":");
        if (count < RANGE_PART_COUNT_MAX) {
            parts[count] = (struct part){.text = text, .size = size};
        }
        count++;
        if (text[size] == '\0') {
            return count;
        }
        text += size + 1;
    }
}

static enum status parse_part(const char *range, const char *noun, struct part part,
                              int64_t *value_out, struct error *err)
{
    if (part.size == 0) {
        return error_set(err, STATUS_INVALID,
                         "range \"%s\": its %s is missing, expected A:B or A:B:STEP", range, noun);
    }
    const enum status status = value_parse_int(part.text, part.size, value_out);
    if (status != STATUS_OK) {
        return error_set(
            err, STATUS_INVALID, "range \"%s\": found \"%.*s\" as its %s, expected an integer%s",
            range, (int)part.size, part.text, noun, status == STATUS_LIMIT ? " of 64 bits" : "");
    }
    return STATUS_OK;
}

/* Unsigned, because the distance of two int64_t does not fit in a third. */
static uint64_t range_count(int64_t start, int64_t end, int64_t step)
{
    const bool is_empty = step > 0 ? start >= end : start <= end;
    if (is_empty) {
        return 0;
    }
    const uint64_t distance =
        step > 0 ? (uint64_t)end - (uint64_t)start : (uint64_t)start - (uint64_t)end;
    const uint64_t stride = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;
    return (distance - 1) / stride + 1;
}

enum status formula_parse_range(const char *text, struct formula *formula_out, struct error *err)
{
    struct part parts[RANGE_PART_COUNT_MAX];
    const size_t part_count = split(text, parts);
    if (part_count < 2 || part_count > RANGE_PART_COUNT_MAX) {
        return error_set(err, STATUS_INVALID, "range \"%s\": expected A:B or A:B:STEP", text);
    }
    int64_t start = 0;
    int64_t end = 0;
    int64_t step = 1;
    enum status status = STATUS_OK;
    if (parts[0].size > 0) {
        status = parse_part(text, "start", parts[0], &start, err);
    }
    if (status == STATUS_OK) {
        status = parse_part(text, "end", parts[1], &end, err);
    }
    if (status == STATUS_OK && part_count == 3) {
        status = parse_part(text, "step", parts[2], &step, err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (step == 0) {
        return error_set(err, STATUS_INVALID, "range \"%s\": its step is 0", text);
    }
    const uint64_t count = range_count(start, end, step);
    if (count > FORMULA_COUNT_MAX) {
        return error_set(err, STATUS_INVALID,
                         "range \"%s\": found %" PRIu64 " elements, expected at most 2^63 - 1",
                         text, count);
    }
    *formula_out =
        (struct formula){.kind = FORMULA_RANGE, .start = start, .step = step, .count = count};
    return STATUS_OK;
}
