#include "master/inputs_store.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "master/lz4_input.h"
#include "master/spool.h"
#include "shared/lz4_frame.h"
#include "shared/value.h"

/* A block is closed by the element that makes it at least this large. Small enough to decode in a
 * tenth of a millisecond, large enough to compress well and to keep the list of blocks short. */
#define BLOCK_SIZE ((size_t)256 * 1024)

#define FILE_NAME "inputs.lz4"

#define NO_BLOCK SIZE_MAX

/* Block i holds the elements from its first_index up to that of block i + 1. */
struct block {
    uint64_t first_index;
    uint64_t offset; /* in the file */
    size_t packed_size;
    size_t raw_size;
};

struct inputs_store {
    struct spool spool; /* has a file as soon as there is a block to write */

    struct block *blocks;
    size_t block_count;
    size_t block_capacity;

    uint64_t count; /* elements */
    uint64_t size;  /* bytes of all elements */
    XXH3_state_t *digest;

    /* While elements are appended: those behind the last block. Then: block `decoded`. */
    struct buffer raw;
    uint64_t raw_first_index;
    size_t decoded; /* NO_BLOCK: none */
    struct {
        uint64_t index; /* an element of the decoded block, */
        size_t offset;  /* and where it begins in `raw` */
    } cursor;

    struct buffer frame; /* a block compressed; kept for its memory */
};

static enum status fail_memory(struct error *err)
{
    return error_set(err, STATUS_NO_MEMORY, "list of inputs: %s", status_text(STATUS_NO_MEMORY));
}

/* NULL where memory ran out. */
static struct inputs_store *create(void)
{
    struct inputs_store *store = calloc(1, sizeof(*store));
    if (store == NULL) {
        return NULL;
    }
    store->spool = SPOOL_NONE;
    store->decoded = NO_BLOCK;
    store->digest = XXH3_createState();
    if (store->digest == NULL || XXH3_128bits_reset(store->digest) != XXH_OK) {
        inputs_store_destroy(store);
        return NULL;
    }
    return store;
}

enum status inputs_store_create(struct inputs_store **store_out, struct error *err)
{
    struct inputs_store *store = create();
    if (store == NULL) {
        return fail_memory(err);
    }
    *store_out = store;
    return STATUS_OK;
}

void inputs_store_destroy(struct inputs_store *store)
{
    if (store == NULL) {
        return;
    }
    spool_close(&store->spool);
    (void)XXH3_freeState(store->digest);
    buffer_free(&store->raw);
    buffer_free(&store->frame);
    free(store->blocks);
    free(store);
}

uint64_t inputs_store_count(const struct inputs_store *store)
{
    return store->count;
}

uint64_t inputs_store_packed_size(const struct inputs_store *store)
{
    return store->size;
}

void inputs_store_digest(const struct inputs_store *store, uint8_t digest_out[INPUTS_DIGEST_SIZE])
{
    XXH128_canonical_t canonical;
    _Static_assert(sizeof(canonical.digest) == INPUTS_DIGEST_SIZE, "XXH3-128 has 16 bytes");
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(store->digest));
    memcpy(digest_out, canonical.digest, INPUTS_DIGEST_SIZE);
}

/* ---- Appending ------------------------------------------------------------------------------ */

static enum status add_block(struct inputs_store *store, struct block block, struct error *err)
{
    if (store->block_count == store->block_capacity) {
        const size_t capacity = store->block_capacity > 0 ? 2 * store->block_capacity : 16;
        struct block *blocks = realloc(store->blocks, capacity * sizeof(*blocks));
        if (blocks == NULL) {
            return fail_memory(err);
        }
        store->blocks = blocks;
        store->block_capacity = capacity;
    }
    store->blocks[store->block_count++] = block;
    return STATUS_OK;
}

/* Write what `raw` holds as a block. It stays in `raw`. */
static enum status write_block(struct inputs_store *store, struct error *err)
{
    buffer_clear(&store->frame);
    enum status status = lz4_frame_compress(store->raw.data, store->raw.size, &store->frame);
    if (status != STATUS_OK) {
        return fail_memory(err);
    }
    const uint64_t offset = store->spool.size;
    status = spool_append(&store->spool, store->frame.data, store->frame.size, err);
    if (status == STATUS_OK) {
        status = add_block(store,
                           (struct block){.first_index = store->raw_first_index,
                                          .offset = offset,
                                          .packed_size = store->frame.size,
                                          .raw_size = store->raw.size},
                           err);
    }
    if (status == STATUS_OK) {
        (void)XXH3_128bits_update(store->digest, store->raw.data, store->raw.size);
        store->size += store->raw.size;
    }
    return status;
}

enum status inputs_store_append(struct inputs_store *store, const mf_value *value,
                                struct error *err)
{
    enum status status = value_encode(value, &store->raw);
    if (status != STATUS_OK) {
        return error_set(err, status, "cannot be packed: %s", status_text(status));
    }
    store->count++;
    if (store->raw.size >= BLOCK_SIZE) {
        status = write_block(store, err);
        buffer_clear(&store->raw);
        store->raw_first_index = store->count;
    }
    return status;
}

/* The last block stays decoded, so that a short list is never read back. */
enum status inputs_store_finish(struct inputs_store *store, struct error *err)
{
    if (store->raw.size == 0) {
        return STATUS_OK;
    }
    const enum status status = write_block(store, err);
    store->cursor.index = store->raw_first_index;
    store->cursor.offset = 0;
    store->decoded = store->block_count - 1;
    return status;
}

/* ---- Packing -------------------------------------------------------------------------------- */

/* The last block that begins at or before the element. */
static size_t find_block(const struct inputs_store *store, uint64_t index)
{
    size_t low = 0;
    size_t high = store->block_count;
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (store->blocks[middle].first_index <= index) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

static uint64_t block_end_index(const struct inputs_store *store, size_t block_index)
{
    return block_index + 1 < store->block_count ? store->blocks[block_index + 1].first_index
                                                : store->count;
}

static enum status fail_corrupt(const struct inputs_store *store, struct error *err)
{
    return error_set(err, STATUS_INVALID, "%s: has changed since it was written",
                     store->spool.name);
}

static enum status decode_block(struct inputs_store *store, size_t block_index, struct error *err)
{
    if (store->decoded == block_index) {
        return STATUS_OK;
    }
    const struct block *block = &store->blocks[block_index];
    store->decoded = NO_BLOCK;
    buffer_clear(&store->raw);
    buffer_clear(&store->frame);
    enum status status = buffer_reserve(&store->frame, block->packed_size);
    if (status != STATUS_OK) {
        return fail_memory(err);
    }
    status = spool_read(&store->spool, block->offset, store->frame.data, block->packed_size, err);
    if (status != STATUS_OK) {
        return status;
    }
    status =
        lz4_frame_decompress(store->frame.data, block->packed_size, block->raw_size, &store->raw);
    if (status == STATUS_NO_MEMORY) {
        return fail_memory(err);
    }
    if (status != STATUS_OK || store->raw.size != block->raw_size) {
        return fail_corrupt(store, err);
    }
    store->decoded = block_index;
    store->raw_first_index = block->first_index;
    store->cursor.index = block->first_index;
    store->cursor.offset = 0;
    return STATUS_OK;
}

/* Move the cursor to an element of the decoded block. */
static enum status seek(struct inputs_store *store, uint64_t index, struct error *err)
{
    if (index < store->cursor.index) {
        store->cursor.index = store->raw_first_index;
        store->cursor.offset = 0;
    }
    while (store->cursor.index < index) {
        size_t size = 0;
        if (value_skip(store->raw.data + store->cursor.offset,
                       store->raw.size - store->cursor.offset, &size) != STATUS_OK) {
            return fail_corrupt(store, err);
        }
        store->cursor.offset += size;
        store->cursor.index++;
    }
    return STATUS_OK;
}

/* Append the elements from `start` to before `end`, all in the decoded block. */
static enum status pack_from_block(struct inputs_store *store, uint64_t start, uint64_t end,
                                   struct buffer *out, struct error *err)
{
    enum status status = seek(store, start, err);
    if (status != STATUS_OK) {
        return status;
    }
    const size_t start_offset = store->cursor.offset;
    size_t end_offset = store->raw.size;
    if (end < block_end_index(store, store->decoded)) {
        status = seek(store, end, err);
        if (status != STATUS_OK) {
            return status;
        }
        end_offset = store->cursor.offset;
    }
    status = buffer_append(out, store->raw.data + start_offset, end_offset - start_offset);
    return status == STATUS_OK ? STATUS_OK : fail_memory(err);
}

enum status inputs_store_pack(struct inputs_store *store, uint64_t start, uint64_t count,
                              struct buffer *out, struct error *err)
{
    assert(start <= store->count && count <= store->count - start);
    const size_t out_size = out->size;
    const uint64_t end = start + count;
    while (start < end) {
        const size_t block_index = find_block(store, start);
        const uint64_t block_end = block_end_index(store, block_index);
        const uint64_t stop = end < block_end ? end : block_end;
        enum status status = decode_block(store, block_index, err);
        if (status == STATUS_OK) {
            status = pack_from_block(store, start, stop, out, err);
        }
        if (status != STATUS_OK) {
            out->size = out_size;
            return status;
        }
        start = stop;
    }
    return STATUS_OK;
}

/* ---- Blocks as they are -------------------------------------------------------------------------
 */

/* Of what is handed on, at most this part may belong to others. */
#define FOREIGN_DIVISOR 4

/* From the first block that holds some of the elements to behind the last. */
struct block_range {
    size_t first;
    size_t end;
    uint64_t raw_size;
    uint64_t packed_size;
};

static struct block_range blocks_of(const struct inputs_store *store, uint64_t start,
                                    uint64_t count)
{
    struct block_range range = {.first = find_block(store, start),
                                .end = find_block(store, start + count - 1) + 1};
    for (size_t i = range.first; i < range.end; i++) {
        range.raw_size += store->blocks[i].raw_size;
        range.packed_size += store->blocks[i].packed_size;
    }
    return range;
}

/* About how many bytes of a block belong to its elements outside of [start, end). */
static uint64_t foreign_size(const struct inputs_store *store, size_t block_index, uint64_t start,
                             uint64_t end)
{
    const struct block *block = &store->blocks[block_index];
    const uint64_t block_end = block_end_index(store, block_index);
    const uint64_t before = start > block->first_index ? start - block->first_index : 0;
    const uint64_t behind = block_end > end ? block_end - end : 0;
    const double share = (double)(before + behind) / (double)(block_end - block->first_index);
    return (uint64_t)(share * (double)block->raw_size);
}

bool inputs_store_fills_blocks(const struct inputs_store *store, uint64_t start, uint64_t count)
{
    if (count == 0) {
        return false;
    }
    const struct block_range range = blocks_of(store, start, count);
    uint64_t foreign = foreign_size(store, range.first, start, start + count);
    if (range.end - 1 > range.first) {
        foreign += foreign_size(store, range.end - 1, start, start + count);
    }
    return range.packed_size < range.raw_size && foreign <= range.raw_size / FOREIGN_DIVISOR;
}

/* In the file they stand one behind the other. */
enum status inputs_store_blocks(struct inputs_store *store, uint64_t start, uint64_t count,
                                struct buffer *out, struct inputs_frames *frames_out,
                                struct error *err)
{
    assert(count > 0 && start <= store->count && count <= store->count - start);
    const struct block_range range = blocks_of(store, start, count);
    const struct block *first = &store->blocks[range.first];
    enum status status = buffer_reserve(out, (size_t)range.packed_size);
    if (status != STATUS_OK) {
        return fail_memory(err);
    }
    status = spool_read(&store->spool, first->offset, out->data + out->size,
                        (size_t)range.packed_size, err);
    if (status == STATUS_OK) {
        out->size += (size_t)range.packed_size;
        *frames_out =
            (struct inputs_frames){.skip = start - first->first_index, .raw_size = range.raw_size};
    }
    return status;
}

/* ---- Saving --------------------------------------------------------------------------------- */

enum status inputs_store_save(struct inputs_store *store, const char *run_dir, struct error *err)
{
    return spool_save(&store->spool, run_dir, FILE_NAME, err);
}

/* ---- Loading -------------------------------------------------------------------------------- */

/* Count the elements of the frame that `raw` holds. */
static enum status count_raw(struct inputs_store *store, struct error *err)
{
    size_t at = 0;
    while (at < store->raw.size) {
        size_t size = 0;
        if (value_skip(store->raw.data + at, store->raw.size - at, &size) != STATUS_OK) {
            return error_set(err, STATUS_INVALID,
                             "%s: index %" PRIu64 ": found bytes that are no value",
                             store->spool.name, store->count);
        }
        at += size;
        store->count++;
    }
    return STATUS_OK;
}

/* `raw` holds a whole frame, which ends at `packed_end` of the file. */
static enum status take_frame(struct inputs_store *store, uint64_t packed_end, struct error *err)
{
    const struct block block = {.first_index = store->count,
                                .offset = store->spool.size,
                                .packed_size = (size_t)(packed_end - store->spool.size),
                                .raw_size = store->raw.size};
    store->spool.size = packed_end;
    if (store->raw.size == 0) {
        return STATUS_OK;
    }
    (void)XXH3_128bits_update(store->digest, store->raw.data, store->raw.size);
    store->size += store->raw.size;
    enum status status = count_raw(store, err);
    if (status == STATUS_OK) {
        status = add_block(store, block, err);
    }
    buffer_clear(&store->raw);
    return status;
}

static enum status load_frames(struct inputs_store *store, struct error *err)
{
    struct lz4_input *input = NULL;
    struct lz4_piece piece = {0};
    enum status status = lz4_input_create(store->spool.file, store->spool.name, &input, err);
    while (status == STATUS_OK && !piece.is_end) {
        if (buffer_reserve(&store->raw, BLOCK_SIZE) != STATUS_OK) {
            status = fail_memory(err);
            break;
        }
        status = lz4_input_read(input, store->raw.data + store->raw.size, BLOCK_SIZE, &piece, err);
        if (status == STATUS_OK) {
            store->raw.size += piece.size;
        }
        if (status == STATUS_OK && piece.is_frame_end) {
            status = take_frame(store, piece.packed_end, err);
        }
    }
    lz4_input_destroy(input);
    return status;
}

/* Is it what the run recorded? */
static enum status verify(const struct inputs_store *store, uint64_t count,
                          const uint8_t digest[INPUTS_DIGEST_SIZE], struct error *err)
{
    if (store->count != count) {
        return error_set(err, STATUS_INVALID,
                         "%s: found %" PRIu64 " elements, expected the %" PRIu64
                         " that the run recorded",
                         store->spool.name, store->count, count);
    }
    uint8_t found[INPUTS_DIGEST_SIZE];
    inputs_store_digest(store, found);
    if (memcmp(found, digest, sizeof(found)) != 0) {
        return error_set(err, STATUS_INVALID, "%s: its digest is not the one that the run recorded",
                         store->spool.name);
    }
    return STATUS_OK;
}

enum status inputs_store_load(const char *run_dir, uint64_t count,
                              const uint8_t digest[INPUTS_DIGEST_SIZE],
                              struct inputs_store **store_out, struct error *err)
{
    struct inputs_store *store = create();
    if (store == NULL) {
        return fail_memory(err);
    }
    enum status status = spool_open(run_dir, FILE_NAME, &store->spool, err);
    if (status == STATUS_OK) {
        status = load_frames(store, err);
    }
    if (status == STATUS_OK) {
        status = verify(store, count, digest, err);
    }
    if (status != STATUS_OK) {
        inputs_store_destroy(store);
        return status;
    }
    *store_out = store;
    return STATUS_OK;
}
