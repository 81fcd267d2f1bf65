/* key.h - the keys under which outputs are memoised: what an instance's output depends on.
 *
 *     key_base_make (for a map) --> key_maker_create --> key_make (for each input)
 *
 * A key is XXH3-128 of the base and of the input in one canonical encoding: msgpack in its shortest
 * form, the fields of record types sorted by name, fields that are to be ignored left out, and each
 * file or folder replaced by the digest of its content. So equal inputs have equal keys, whatever
 * list they stand in; nothing about scheduling is in a key.
 *
 * Where outputs are memoised, an instance's seed comes from its key: key_seed().
 *
 * Ownership: a maker copies its base; the type belongs to the caller and outlives it.
 * Threads:   one a maker.
 * Failure:   IO where a file of the input cannot be read, with its path.
 */
#ifndef SHARED_KEY_H
#define SHARED_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/file_digest.h"
#include "shared/mapfleet.h"
#include "shared/type.h"

#define KEY_SIZE 16

struct key {
    uint8_t bytes[KEY_SIZE];
};

/* Append the part of the key that all instances of a map share: these texts, kept apart, and the
 * run's seed. For a function: job, task, version, input type, output type. */
MUST_CHECK enum status key_base_make(const char *const *texts, size_t text_count, uint64_t seed,
                                     struct buffer *out);

/* Gives the digest of a file or folder, or of what a URL stands for; `context` is the caller's. */
typedef enum status key_digest(void *context, bool is_folder, const char *path,
                               uint8_t digest_out[FILE_DIGEST_SIZE], struct error *err);

struct key_options {
    const uint8_t *base;
    size_t base_size;
    const struct type *input;
    const char *ignore; /* fields of the input, by commas; NULL: none */
    key_digest *digest; /* NULL: by reading the file; a URL counts by its text */
    void *context;
    bool has_index; /* equal inputs at different places are different: key_maker_at() */
    /* Texts are paths that start in this folder: the key also holds the content of the file or
     * folder there. NULL: they are texts. */
    const char *paths_from;
};

struct key_maker; /* fields: key.c */

MUST_CHECK enum status key_maker_create(const struct key_options *options,
                                        struct key_maker **maker_out);
void key_maker_destroy(struct key_maker *maker); /* NULL is allowed */
/* The next key is that of this instance. Does nothing where the index is in no key. */
void key_maker_at(struct key_maker *maker, uint64_t index);

MUST_CHECK enum status key_make(struct key_maker *maker, const mf_value *input, struct key *key_out,
                                struct error *err);

/* The same of a packed input (in the encoding of value.h, that is canonical but for records). */
MUST_CHECK enum status key_make_packed(struct key_maker *maker, const uint8_t *data, size_t size,
                                       struct key *key_out, struct error *err);

/* Does each name of `ignore` stand for a field of the type? Anything may be ignored of `any`. */
MUST_CHECK enum status key_check_ignore(const struct type *input, const char *ignore,
                                        struct error *err);

uint64_t key_seed(const struct key *key);

#endif
