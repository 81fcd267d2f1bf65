#include "shared/exact_sum.h"
#include "shared/fold_private.h"

#include <string.h>

/* ---- Of integers: 128 bits, so that only the result can be too large --------------------------
 */

/* As packed: two integers, HIGH x 2^LOW_BITS + LOW. */
#define LOW_BITS 62

__extension__ typedef __int128 wide;
__extension__ typedef unsigned __int128 wide_bits;

static wide wide_add(wide a, wide b)
{
    return (wide)((wide_bits)a + (wide_bits)b);
}

static void wide_pack(wide value, struct pack *out)
{
    const wide high = value >> LOW_BITS;
    pack_array(out, 2);
    pack_int(out, (int64_t)high);
    pack_int(out, (int64_t)(value & (((wide)1 << LOW_BITS) - 1)));
}

static wide wide_unpack(struct unpack *in)
{
    unpack_array_of(in, 2);
    const wide high = unpack_int(in);
    const wide low = (wide)unpack_uint_max(in, (UINT64_C(1) << LOW_BITS) - 1);
    return wide_add((wide)((wide_bits)high << LOW_BITS), low);
}

/* ---- Both ------------------------------------------------------------------------------------ */

struct sum {
    wide integers;
    struct exact_sum floats;
    uint64_t count; /* that were not null */
};

static void clear(void *state)
{
    memset(state, 0, sizeof(struct sum));
}

static enum status add(void *state, const struct reduction *reduction, struct unpack *in,
                       struct error *err)
{
    struct sum *sum = state;
    (void)err;
    if (unpack_nil(in)) {
        return STATUS_OK;
    }
    sum->count++;
    if (reduction->of == TYPE_INT) {
        sum->integers = wide_add(sum->integers, unpack_int(in));
    } else {
        exact_sum_add(&sum->floats, unpack_float(in));
    }
    return STATUS_OK;
}

static void put(const struct sum *sum, const struct reduction *reduction, struct pack *out)
{
    if (reduction->of == TYPE_INT) {
        wide_pack(sum->integers, out);
    } else {
        exact_sum_pack(&sum->floats, out);
    }
}

static void get(struct sum *sum, const struct reduction *reduction, struct unpack *in)
{
    struct exact_sum floats;
    if (reduction->of == TYPE_INT) {
        sum->integers = wide_add(sum->integers, wide_unpack(in));
        return;
    }
    exact_sum_unpack(in, &floats);
    exact_sum_merge(&sum->floats, &floats);
}

static enum status finish_pack(struct pack *out, struct error *err)
{
    const enum status status = pack_finish(out);
    return status == STATUS_OK ? STATUS_OK : error_set(err, status, "no memory");
}

static enum status sum_merge(void *state, const struct reduction *reduction, struct unpack *in,
                             struct error *err)
{
    (void)err;
    get(state, reduction, in);
    return STATUS_OK;
}

static enum status sum_write(void *state, const struct reduction *reduction, struct buffer *out,
                             struct error *err)
{
    struct pack pack;
    pack_start(&pack, out);
    put(state, reduction, &pack);
    return finish_pack(&pack, err);
}

static enum status sum_finish(void *state, const struct reduction *reduction, struct buffer *out,
                              struct error *err)
{
    const struct sum *sum = state;
    struct pack pack;
    pack_start(&pack, out);
    if (reduction->of != TYPE_INT) {
        pack_float(&pack, exact_sum_value(&sum->floats));
    } else if (sum->integers > INT64_MAX || sum->integers < INT64_MIN) {
        return error_set(err, STATUS_LIMIT,
                         "the sum is %s than an int can be (64 bits): make floats of them",
                         sum->integers > 0 ? "larger" : "less");
    } else {
        pack_int(&pack, (int64_t)sum->integers);
    }
    return finish_pack(&pack, err);
}

const struct fold_kind fold_kind_sum = {.state_size = sizeof(struct sum),
                                        .clear = clear,
                                        .add = add,
                                        .merge = sum_merge,
                                        .write = sum_write,
                                        .finish = sum_finish};

/* ---- The mean: [count, sum] -------------------------------------------------------------------
 */

static enum status mean_merge(void *state, const struct reduction *reduction, struct unpack *in,
                              struct error *err)
{
    struct sum *sum = state;
    (void)err;
    unpack_array_of(in, 2);
    sum->count += unpack_uint_max(in, INT64_MAX);
    get(sum, reduction, in);
    return STATUS_OK;
}

static enum status mean_write(void *state, const struct reduction *reduction, struct buffer *out,
                              struct error *err)
{
    const struct sum *sum = state;
    struct pack pack;
    pack_start(&pack, out);
    pack_array(&pack, 2);
    pack_uint(&pack, sum->count);
    put(sum, reduction, &pack);
    return finish_pack(&pack, err);
}

/* The whole part and the rest have their own roundings, which depend on nothing but the sum. */
static double divide(wide sum, uint64_t count)
{
    const wide whole = sum / (wide)count;
    const wide rest = sum % (wide)count;
    return (double)whole + (double)rest / (double)count;
}

static enum status mean_finish(void *state, const struct reduction *reduction, struct buffer *out,
                               struct error *err)
{
    const struct sum *sum = state;
    struct pack pack;
    pack_start(&pack, out);
    if (sum->count == 0) {
        pack_nil(&pack);
    } else {
        pack_float(&pack, reduction->of == TYPE_INT ? divide(sum->integers, sum->count)
                                                    : exact_sum_mean(&sum->floats, sum->count));
    }
    return finish_pack(&pack, err);
}

const struct fold_kind fold_kind_mean = {.state_size = sizeof(struct sum),
                                         .clear = clear,
                                         .add = add,
                                         .merge = mean_merge,
                                         .write = mean_write,
                                         .finish = mean_finish};

/* ---- How many ---------------------------------------------------------------------------------
 */

static enum status count_add(void *state, const struct reduction *reduction, struct unpack *in,
                             struct error *err)
{
    struct sum *sum = state;
    (void)reduction;
    (void)err;
    unpack_skip(in);
    sum->count++;
    return STATUS_OK;
}

static enum status count_merge(void *state, const struct reduction *reduction, struct unpack *in,
                               struct error *err)
{
    struct sum *sum = state;
    (void)reduction;
    (void)err;
    sum->count += unpack_uint_max(in, INT64_MAX);
    return STATUS_OK;
}

static enum status count_write(void *state, const struct reduction *reduction, struct buffer *out,
                               struct error *err)
{
    const struct sum *sum = state;
    struct pack pack;
    (void)reduction;
    pack_start(&pack, out);
    pack_uint(&pack, sum->count);
    return finish_pack(&pack, err);
}

const struct fold_kind fold_kind_count = {.state_size = sizeof(struct sum),
                                          .clear = clear,
                                          .add = count_add,
                                          .merge = count_merge,
                                          .write = count_write,
                                          .finish = count_write};
