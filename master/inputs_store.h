/* inputs_store.h - the packed elements of an input list, in compressed blocks on disk.
 *
 *     create --> append ... --> finish --> save --> pack ...
 *     load ---------------------------------------> pack ...
 *
 * A block is one LZ4 frame of some 256 KiB of whole elements. Blocks stand in an unnamed temporary
 * file until save() copies them to the run directory. In memory is one entry a block, and one block
 * decoded, with the place in it up to which elements were last looked up: packing in ascending
 * order decodes each block and passes over each element once.
 *
 * Ownership: the store owns its file.
 * Threads:   one.
 * Failure:   nothing is left behind; an append that failed may be followed by destroy only.
 */
#ifndef MASTER_INPUTS_STORE_H
#define MASTER_INPUTS_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "master/inputs.h"
#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/mapfleet.h"

struct inputs_store; /* fields: inputs_store.c */

MUST_CHECK enum status inputs_store_create(struct inputs_store **store_out, struct error *err);
void inputs_store_destroy(struct inputs_store *store); /* NULL is allowed */

MUST_CHECK enum status inputs_store_append(struct inputs_store *store, const mf_value *value,
                                           struct error *err);
/* No element follows. */
MUST_CHECK enum status inputs_store_finish(struct inputs_store *store, struct error *err);

uint64_t inputs_store_count(const struct inputs_store *store);
uint64_t inputs_store_packed_size(const struct inputs_store *store);
void inputs_store_digest(const struct inputs_store *store, uint8_t digest_out[INPUTS_DIGEST_SIZE]);

/* Write and sync `inputs.lz4` in the folder, and read from there from then on. */
MUST_CHECK enum status inputs_store_save(struct inputs_store *store, const char *run_dir,
                                         struct error *err);

/* Take up what was saved; `count` and `digest` are what the run recorded. */
MUST_CHECK enum status inputs_store_load(const char *run_dir, uint64_t count,
                                         const uint8_t digest[INPUTS_DIGEST_SIZE],
                                         struct inputs_store **store_out, struct error *err);

/* Append the packed elements from `start`, `count` of them, all below the store's count. On failure
 * `out` is as it was. */
MUST_CHECK enum status inputs_store_pack(struct inputs_store *store, uint64_t start, uint64_t count,
                                         struct buffer *out, struct error *err);

/* Do these elements fill most of the blocks that they are in, so that the blocks may be handed on
 * as they stand in the file? */
bool inputs_store_fills_blocks(const struct inputs_store *store, uint64_t start, uint64_t count);
/* Append those blocks: frames, one after the other, and what stands in them. On failure `out` is as
 * it was. */
MUST_CHECK enum status inputs_store_blocks(struct inputs_store *store, uint64_t start,
                                           uint64_t count, struct buffer *out,
                                           struct inputs_frames *frames_out, struct error *err);

#endif
