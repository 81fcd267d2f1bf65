#include "shared/fold_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/value.h"

static enum status fail_memory(struct error *err)
{
    return error_set(err, STATUS_NO_MEMORY, "no memory");
}

/* ---- concat ------------------------------------------------------------------------------------
 */

/* What is between the header and the end, of all of them. */
struct parts {
    struct buffer body;
    uint64_t count; /* items of a list */
};

static void parts_clear(void *state)
{
    struct parts *parts = state;
    buffer_free(&parts->body);
    parts->count = 0;
}

static enum status append(struct parts *parts, const void *bytes, size_t size, struct error *err)
{
    return buffer_append(&parts->body, bytes, size) == STATUS_OK ? STATUS_OK : fail_memory(err);
}

/* The reader skips the list once to find its end: its header may be of any width. */
static enum status append_list(struct parts *parts, struct unpack *in, struct error *err)
{
    struct unpack ahead = *in;
    const uint32_t count = unpack_array(&ahead);
    unpack_skip(in);
    if (in->failed || ahead.failed) {
        unpack_fail(in);
        return STATUS_OK;
    }
    parts->count += count;
    return append(parts, ahead.at, (size_t)(in->at - ahead.at), err);
}

static enum status parts_add(void *state, const struct reduction *reduction, struct unpack *in,
                             struct error *err)
{
    struct parts *parts = state;
    size_t size = 0;
    if (unpack_nil(in)) {
        return STATUS_OK;
    }
    if (reduction->of == TYPE_LIST) {
        return append_list(parts, in, err);
    }
    const void *bytes = reduction->of == TYPE_STR ? (const void *)unpack_str(in, &size)
                                                  : (const void *)unpack_bin(in, &size);
    return append(parts, bytes, size, err);
}

static enum status parts_write(void *state, const struct reduction *reduction, struct buffer *out,
                               struct error *err)
{
    const struct parts *parts = state;
    uint8_t header[VALUE_HEADER_SIZE_MAX];
    const uint64_t count = reduction->of == TYPE_LIST ? parts->count : parts->body.size;
    const mf_kind kind = reduction->of == TYPE_LIST  ? MF_LIST
                         : reduction->of == TYPE_STR ? MF_STR
                                                     : MF_BYTES;
    if (count > UINT32_MAX) {
        return error_set(err, STATUS_LIMIT,
                         "all together are more than the 2^32 - 1 %s a value has",
                         kind == MF_LIST ? "items" : "bytes");
    }
    const size_t header_size = (size_t)(value_pack_header(kind, (uint32_t)count, header) - header);
    if (buffer_append(out, header, header_size) != STATUS_OK ||
        buffer_append(out, parts->body.data, parts->body.size) != STATUS_OK) {
        return fail_memory(err);
    }
    return STATUS_OK;
}

const struct fold_kind fold_kind_concat = {.state_size = sizeof(struct parts),
                                           .clear = parts_clear,
                                           .add = parts_add,
                                           .merge = parts_add,
                                           .write = parts_write,
                                           .finish = parts_write};

/* ---- histogram ---------------------------------------------------------------------------------
 */

/* As packed: [below, above, nan, bin, bin, ...]. */
enum { OUTSIDE_COUNT = 3 };

struct bins {
    uint64_t below;
    uint64_t above;
    uint64_t nan;
    uint64_t *counts; /* NULL: all are 0 */
};

static void bins_clear(void *state)
{
    struct bins *bins = state;
    free(bins->counts);
    *bins = (struct bins){.counts = NULL};
}

static bool bins_make(struct bins *bins, const struct reduction *reduction)
{
    if (bins->counts == NULL) {
        bins->counts = calloc((size_t)reduction->count, sizeof(*bins->counts));
    }
    return bins->counts != NULL;
}

static enum status bins_add(void *state, const struct reduction *reduction, struct unpack *in,
                            struct error *err)
{
    struct bins *bins = state;
    if (unpack_nil(in)) {
        return STATUS_OK;
    }
    const double value = unpack_float(in);
    if (in->failed) {
        return STATUS_OK;
    }
    if (isnan(value)) {
        bins->nan++;
    } else if (value < reduction->from) {
        bins->below++;
    } else if (value > reduction->to) {
        bins->above++;
    } else if (!bins_make(bins, reduction)) {
        return fail_memory(err);
    } else {
        const double part = (value - reduction->from) / (reduction->to - reduction->from);
        const uint64_t bin = (uint64_t)(part * (double)reduction->count);
        bins->counts[bin < reduction->count ? bin : reduction->count - 1]++;
    }
    return STATUS_OK;
}

static enum status bins_merge(void *state, const struct reduction *reduction, struct unpack *in,
                              struct error *err)
{
    struct bins *bins = state;
    if (unpack_array(in) != reduction->count + OUTSIDE_COUNT) {
        unpack_fail(in);
        return STATUS_OK;
    }
    bins->below += unpack_uint_max(in, INT64_MAX);
    bins->above += unpack_uint_max(in, INT64_MAX);
    bins->nan += unpack_uint_max(in, INT64_MAX);
    if (!bins_make(bins, reduction)) {
        return fail_memory(err);
    }
    for (uint64_t i = 0; i < reduction->count; i++) {
        bins->counts[i] += unpack_uint_max(in, INT64_MAX);
    }
    return STATUS_OK;
}

static void put_counts(const struct bins *bins, const struct reduction *reduction, struct pack *out)
{
    for (uint64_t i = 0; i < reduction->count; i++) {
        pack_uint(out, bins->counts != NULL ? bins->counts[i] : 0);
    }
}

static enum status bins_write(void *state, const struct reduction *reduction, struct buffer *out,
                              struct error *err)
{
    const struct bins *bins = state;
    struct pack pack;
    pack_start(&pack, out);
    pack_array(&pack, (size_t)reduction->count + OUTSIDE_COUNT);
    pack_uint(&pack, bins->below);
    pack_uint(&pack, bins->above);
    pack_uint(&pack, bins->nan);
    put_counts(bins, reduction, &pack);
    return pack_finish(&pack) == STATUS_OK ? STATUS_OK : fail_memory(err);
}

static enum status bins_finish(void *state, const struct reduction *reduction, struct buffer *out,
                               struct error *err)
{
    const struct bins *bins = state;
    struct pack pack;
    pack_start(&pack, out);
    pack_map(&pack, 4);
    pack_text(&pack, "below");
    pack_uint(&pack, bins->below);
    pack_text(&pack, "counts");
    pack_array(&pack, (size_t)reduction->count);
    put_counts(bins, reduction, &pack);
    pack_text(&pack, "above");
    pack_uint(&pack, bins->above);
    pack_text(&pack, "nan");
    pack_uint(&pack, bins->nan);
    return pack_finish(&pack) == STATUS_OK ? STATUS_OK : fail_memory(err);
}

const struct fold_kind fold_kind_histogram = {.state_size = sizeof(struct bins),
                                              .clear = bins_clear,
                                              .add = bins_add,
                                              .merge = bins_merge,
                                              .write = bins_write,
                                              .finish = bins_finish};
