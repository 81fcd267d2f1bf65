#include "shared/fold_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Scalars with an order --------------------------------------------------------------------
 */

struct fold_scalar fold_scalar_read(struct unpack *in)
{
    struct fold_scalar scalar = {.kind = MF_NULL};
    const uint8_t first = unpack_left(in) > 0 ? *in->at : 0xc1; /* which msgpack never uses */
    if (unpack_nil(in)) {
        return scalar;
    }
    if (first == 0xca || first == 0xcb) {
        scalar.kind = MF_FLOAT;
        scalar.real = unpack_float(in);
    } else if ((first >= 0xa0 && first <= 0xbf) || (first >= 0xd9 && first <= 0xdb)) {
        scalar.kind = MF_STR;
        scalar.text = unpack_str(in, &scalar.size);
    } else {
        scalar.kind = MF_INT;
        scalar.integer = unpack_int(in);
    }
    return scalar;
}

static int compare_floats(double a, double b)
{
    if (isnan(a) || isnan(b)) {
        return (isnan(a) ? 1 : 0) - (isnan(b) ? 1 : 0);
    }
    if (a != b) {
        return a < b ? -1 : 1;
    }
    return (signbit(a) ? 0 : 1) - (signbit(b) ? 0 : 1);
}

/* Where an int and a float are as large, the int is less. Every int is a long double here, and a
 * double is one everywhere. */
static int compare_numbers(const struct fold_scalar *a, const struct fold_scalar *b)
{
    if (a->kind == b->kind) {
        return a->kind == MF_FLOAT ? compare_floats(a->real, b->real)
                                   : (a->integer > b->integer) - (a->integer < b->integer);
    }
    const bool is_swapped = a->kind == MF_FLOAT;
    const long double integer = (long double)(is_swapped ? b->integer : a->integer);
    const double real = is_swapped ? a->real : b->real;
    const int order = isnan(real) || integer <= (long double)real ? -1 : 1;
    return is_swapped ? -order : order;
}

static int compare_bytes(const void *a, size_t a_size, const void *b, size_t b_size)
{
    const size_t size = a_size < b_size ? a_size : b_size;
    const int order = size > 0 ? memcmp(a, b, size) : 0;
    return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}

int fold_scalar_compare(const struct fold_scalar *a, const struct fold_scalar *b)
{
    if (a->kind == MF_STR && b->kind == MF_STR) {
        return compare_bytes(a->text, a->size, b->text, b->size);
    }
    if (a->kind == MF_STR || b->kind == MF_STR) {
        return a->kind == MF_STR ? 1 : -1;
    }
    return compare_numbers(a, b);
}

static bool is_nan(const struct fold_scalar *scalar)
{
    return scalar->kind == MF_FLOAT && isnan(scalar->real);
}

/* ---- One value, kept ---------------------------------------------------------------------------
 */

struct kept {
    struct buffer bytes;       /* packed */
    struct fold_scalar scalar; /* that it is compared by; a text lies in the bytes */
};

/* The scalar was read from these bytes. */
static enum status keep(struct kept *kept, const struct fold_scalar *scalar, const uint8_t *data,
                        size_t size, struct error *err)
{
    buffer_clear(&kept->bytes);
    if (buffer_append(&kept->bytes, data, size) != STATUS_OK) {
        return error_set(err, STATUS_NO_MEMORY, "no memory");
    }
    kept->scalar = *scalar;
    if (scalar->kind == MF_STR) {
        kept->scalar.text = (const char *)kept->bytes.data + (scalar->text - (const char *)data);
    }
    return STATUS_OK;
}

static enum status put_bytes(const struct buffer *bytes, struct buffer *out, struct error *err)
{
    return buffer_append(out, bytes->data, bytes->size) == STATUS_OK
               ? STATUS_OK
               : error_set(err, STATUS_NO_MEMORY, "no memory");
}

/* ---- min and max -------------------------------------------------------------------------------
 */

static void best_clear(void *state)
{
    struct kept *best = state;
    buffer_free(&best->bytes);
    *best = (struct kept){.scalar = {.kind = MF_NULL}};
}

/* A NaN stays what there is, for min too. */
static bool is_better(const struct reduction *reduction, const struct fold_scalar *next,
                      const struct fold_scalar *best)
{
    if (best->kind == MF_NULL || is_nan(next)) {
        return !is_nan(best);
    }
    const int order = fold_scalar_compare(next, best);
    return !is_nan(best) && (reduction->kind == REDUCTION_MIN ? order < 0 : order > 0);
}

static enum status best_add(void *state, const struct reduction *reduction, struct unpack *in,
                            struct error *err)
{
    struct kept *best = state;
    const uint8_t *start = in->at;
    const struct fold_scalar next = fold_scalar_read(in);
    if (in->failed || next.kind == MF_NULL || !is_better(reduction, &next, &best->scalar)) {
        return STATUS_OK;
    }
    return keep(best, &next, start, (size_t)(in->at - start), err);
}

static enum status best_write(void *state, const struct reduction *reduction, struct buffer *out,
                              struct error *err)
{
    const struct kept *best = state;
    (void)reduction;
    if (best->scalar.kind == MF_NULL) {
        return buffer_append_byte(out, 0xc0) == STATUS_OK
                   ? STATUS_OK
                   : error_set(err, STATUS_NO_MEMORY, "no memory");
    }
    return put_bytes(&best->bytes, out, err);
}

const struct fold_kind fold_kind_best = {.state_size = sizeof(struct kept),
                                         .clear = best_clear,
                                         .add = best_add,
                                         .merge = best_add,
                                         .write = best_write,
                                         .finish = best_write};

/* ---- top_k -------------------------------------------------------------------------------------
 */

/* A heap, with the worst at its root. */
struct top {
    struct kept **kept;
    size_t count;
    size_t capacity;
};

static void top_clear(void *state)
{
    struct top *top = state;
    for (size_t i = 0; i < top->count; i++) {
        buffer_free(&top->kept[i]->bytes);
        free(top->kept[i]);
    }
    free(top->kept);
    *top = (struct top){.count = 0};
}

/* A value, kept or not. */
struct seen {
    const struct fold_scalar *scalar;
    const uint8_t *data;
    size_t size;
};

static struct seen see(const struct kept *kept)
{
    return (struct seen){
        .scalar = &kept->scalar, .data = kept->bytes.data, .size = kept->bytes.size};
}

/* Below 0: a comes before b in the result. What is equal in its key goes by its bytes, so that
 * nothing depends on who came first. */
static int rank(const struct reduction *reduction, struct seen a, struct seen b)
{
    const int order = fold_scalar_compare(a.scalar, b.scalar);
    if (order != 0) {
        return reduction->is_ascending ? order : -order;
    }
    return compare_bytes(a.data, a.size, b.data, b.size);
}

static bool is_worse(const struct reduction *reduction, const struct top *top, size_t a, size_t b)
{
    return rank(reduction, see(top->kept[a]), see(top->kept[b])) > 0;
}

static void swap(struct top *top, size_t a, size_t b)
{
    struct kept *kept = top->kept[a];
    top->kept[a] = top->kept[b];
    top->kept[b] = kept;
}

static void sift_up(const struct reduction *reduction, struct top *top, size_t at)
{
    while (at > 0 && is_worse(reduction, top, at, (at - 1) / 2)) {
        swap(top, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

static void sift_down(const struct reduction *reduction, struct top *top)
{
    size_t at = 0;
    for (;;) {
        size_t worst = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < top->count; child++) {
            if (is_worse(reduction, top, child, worst)) {
                worst = child;
            }
        }
        if (worst == at) {
            return;
        }
        swap(top, at, worst);
        at = worst;
    }
}

/* One more; where there are K, in the place of the worst. */
static enum status top_put(const struct reduction *reduction, struct top *top,
                           const struct fold_scalar *scalar, const uint8_t *data, size_t size,
                           struct error *err)
{
    struct kept *kept = top->count == reduction->count ? top->kept[0] : NULL;
    if (kept != NULL) {
        const enum status status = keep(kept, scalar, data, size, err);
        sift_down(reduction, top);
        return status;
    }
    if (top->count == top->capacity) {
        const size_t capacity = top->capacity > 0 ? 2 * top->capacity : 16;
        struct kept **grown = realloc(top->kept, capacity * sizeof(struct kept *));
        if (grown == NULL) {
            return error_set(err, STATUS_NO_MEMORY, "no memory");
        }
        top->kept = grown;
        top->capacity = capacity;
    }
    kept = calloc(1, sizeof(*kept));
    if (kept == NULL || keep(kept, scalar, data, size, err) != STATUS_OK) {
        free(kept);
        return error_set(err, STATUS_NO_MEMORY, "no memory");
    }
    top->kept[top->count++] = kept;
    sift_up(reduction, top, top->count - 1);
    return STATUS_OK;
}

/* The field of a record; NULL where it is not there. The whole value is passed over. */
static struct fold_scalar read_field(struct unpack *in, const char *name)
{
    struct fold_scalar scalar = {.kind = MF_NULL};
    if (unpack_nil(in)) {
        return scalar;
    }
    const uint32_t count = unpack_map(in);
    for (uint32_t i = 0; i < count && !in->failed; i++) {
        size_t size;
        const char *key = unpack_str(in, &size);
        if (size == strlen(name) && memcmp(key, name, size) == 0) {
            scalar = fold_scalar_read(in);
        } else {
            unpack_skip(in);
        }
    }
    return scalar;
}

static enum status top_add(void *state, const struct reduction *reduction, struct unpack *in,
                           struct error *err)
{
    struct top *top = state;
    const uint8_t *start = in->at;
    const struct fold_scalar scalar =
        reduction->by == NULL ? fold_scalar_read(in) : read_field(in, reduction->by);
    if (in->failed || scalar.kind == MF_NULL || is_nan(&scalar)) {
        return STATUS_OK;
    }
    const size_t size = (size_t)(in->at - start);
    const struct seen next = {.scalar = &scalar, .data = start, .size = size};
    if (top->count == reduction->count && rank(reduction, next, see(top->kept[0])) >= 0) {
        return STATUS_OK;
    }
    return top_put(reduction, top, &scalar, start, size, err);
}

static enum status top_merge(void *state, const struct reduction *reduction, struct unpack *in,
                             struct error *err)
{
    const uint32_t count = unpack_array(in);
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < count && !in->failed && status == STATUS_OK; i++) {
        status = top_add(state, reduction, in, err);
    }
    return status;
}

static int compare_kept(const void *a, const void *b, void *context)
{
    const struct reduction *const *reduction = context;
    return rank(*reduction, see(*(struct kept *const *)a), see(*(struct kept *const *)b));
}

/* Sorted the other way round, it is a heap again. */
static enum status top_write(void *state, const struct reduction *reduction, struct buffer *out,
                             struct error *err)
{
    struct top *top = state;
    struct pack pack;
    if (top->count > 0) {
        qsort_r(top->kept, top->count, sizeof(struct kept *), compare_kept, &reduction);
    }
    pack_start(&pack, out);
    pack_array(&pack, top->count);
    for (size_t i = 0; i < top->count; i++) {
        pack_raw(&pack, top->kept[i]->bytes.data, top->kept[i]->bytes.size);
    }
    for (size_t i = 0; i < top->count / 2; i++) {
        swap(top, i, top->count - 1 - i);
    }
    return pack_finish(&pack) == STATUS_OK ? STATUS_OK
                                           : error_set(err, STATUS_NO_MEMORY, "no memory");
}

const struct fold_kind fold_kind_top_k = {.state_size = sizeof(struct top),
                                          .clear = top_clear,
                                          .add = top_add,
                                          .merge = top_merge,
                                          .write = top_write,
                                          .finish = top_write};
