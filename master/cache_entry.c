#include "master/cache_entry.h"

#include <string.h>

#include <xxhash.h>

#include "shared/pack.h"
#include "shared/typed_paths.h"
#include "shared/unpack.h"
#include "shared/value.h"

#define CHECKSUM_SIZE 16

/* Bound to the key, so that an entry that got under another is none. */
static void checksum(const struct key *key, const uint8_t *data, size_t size,
                     uint8_t checksum_out[CHECKSUM_SIZE])
{
    uint64_t seed = 0;
    XXH128_canonical_t canonical;
    for (size_t i = 0; i < sizeof(seed); i++) {
        seed = seed << 8 | key->bytes[i];
    }
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_withSeed(data, size, seed));
    memcpy(checksum_out, canonical.digest, CHECKSUM_SIZE);
}

/* ---- Writing ----------------------------------------------------------------------------------
 */

/* The files of an output, as they are found. */
struct gather {
    const struct cache_entry_options *options;
    struct buffer files; /* packed items of the list */
    size_t count;
};

static enum status gather_file(void *context, bool is_folder, mf_value *path, struct error *err)
{
    struct gather *gather = context;
    uint8_t digest[FILE_DIGEST_SIZE];
    struct pack out;
    const enum status status =
        cache_files_digest(gather->options->files, is_folder, mf_str(path), digest, err);
    if (status != STATUS_OK) {
        return status;
    }
    gather->count++;
    pack_start(&out, &gather->files);
    pack_array(&out, 3);
    pack_bytes(&out, mf_str(path), mf_size(path));
    pack_bool(&out, is_folder);
    pack_bytes(&out, digest, sizeof(digest));
    return pack_finish(&out);
}

/* The output with absolute paths, and its files. */
static enum status resolve(struct gather *gather, const uint8_t *output, size_t output_size,
                           struct buffer *resolved, struct error *err)
{
    const struct cache_entry_options *options = gather->options;
    mf_value value;
    size_t used;
    arena_reset(options->arena);
    enum status status = value_decode(options->arena, output, output_size, &used, &value, err);
    if (status == STATUS_OK) {
        status =
            typed_paths_resolve(options->output, options->run_dir, options->arena, &value, err);
    }
    if (status == STATUS_OK) {
        status =
            typed_paths_visit(options->output, options->arena, gather_file, gather, &value, err);
    }
    if (status == STATUS_OK) {
        status = typed_paths_visit_urls(options->output, options->arena, gather_file, gather,
                                        &value, err);
    }
    return status == STATUS_OK ? value_encode(&value, resolved) : status;
}

static enum status put_entry(const struct key *key, uint64_t made_ms, const uint8_t *output,
                             size_t output_size, const struct gather *gather, struct buffer *out)
{
    const size_t start = out->size;
    const uint8_t room[CHECKSUM_SIZE] = {0};
    struct pack pack;
    enum status status = buffer_append(out, room, sizeof(room));
    if (status != STATUS_OK) {
        return status;
    }
    pack_start(&pack, out);
    pack_array(&pack, 3);
    pack_uint(&pack, made_ms);
    pack_bytes(&pack, output, output_size);
    pack_array(&pack, gather->count);
    pack_raw(&pack, gather->files.data, gather->files.size);
    status = pack_finish(&pack);
    if (status != STATUS_OK) {
        out->size = start;
        return status;
    }
    uint8_t *at = out->data + start;
    checksum(key, at + CHECKSUM_SIZE, out->size - start - CHECKSUM_SIZE, at);
    return STATUS_OK;
}

enum status cache_entry_encode(const struct cache_entry_options *options, const struct key *key,
                               uint64_t made_ms, const uint8_t *output, size_t output_size,
                               struct buffer *out, struct error *err)
{
    struct gather gather = {.options = options};
    struct buffer resolved = {0};
    enum status status = STATUS_OK;
    if (typed_paths_may_be(options->output)) {
        status = resolve(&gather, output, output_size, &resolved, err);
        output = resolved.data;
        output_size = resolved.size;
    }
    if (status == STATUS_OK) {
        status = put_entry(key, made_ms, output, output_size, &gather, out);
    }
    if (status == STATUS_NO_MEMORY) {
        (void)error_set(err, status, "no memory to keep an output");
    }
    buffer_free(&gather.files);
    buffer_free(&resolved);
    return status;
}

/* ---- Reading ----------------------------------------------------------------------------------
 */

static enum status invalid(struct error *err, const char *what)
{
    return error_set(err, STATUS_INVALID, "%s", what);
}

enum status cache_entry_decode(const struct cache_entry_options *options, const struct key *key,
                               const uint8_t *data, size_t size, struct cache_entry *entry_out,
                               struct error *err)
{
    uint8_t expected[CHECKSUM_SIZE];
    size_t used;
    if (size < CHECKSUM_SIZE) {
        return invalid(err, "it is cut off");
    }
    checksum(key, data + CHECKSUM_SIZE, size - CHECKSUM_SIZE, expected);
    if (memcmp(expected, data, CHECKSUM_SIZE) != 0) {
        return invalid(err, "its checksum is wrong");
    }
    struct unpack in = unpack_start(data + CHECKSUM_SIZE, size - CHECKSUM_SIZE);
    unpack_array_of(&in, 3);
    entry_out->made_ms = unpack_uint(&in);
    entry_out->output = unpack_bin(&in, &entry_out->output_size);
    entry_out->files = in.at;
    entry_out->files_size = unpack_left(&in);
    unpack_skip(&in);
    if (!unpack_is_done(&in) ||
        value_skip(entry_out->output, entry_out->output_size, &used) != STATUS_OK ||
        used != entry_out->output_size) {
        return invalid(err, "it is malformed");
    }
    arena_reset(options->arena);
    return type_check_packed(options->output, entry_out->output, entry_out->output_size,
                             options->arena, err);
}

static enum status verify_file(const struct cache_entry_options *options, struct unpack *in,
                               struct error *err)
{
    uint8_t now[FILE_DIGEST_SIZE];
    size_t path_size;
    size_t digest_size;
    unpack_array_of(in, 3);
    const uint8_t *bytes = unpack_bin(in, &path_size);
    const bool is_folder = unpack_bool(in);
    const uint8_t *digest = unpack_bin(in, &digest_size);
    if (in->failed || digest_size != FILE_DIGEST_SIZE) {
        return invalid(err, "its list of files is malformed");
    }
    const char *path = arena_copy(options->arena, bytes, path_size);
    if (path == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a path");
    }
    if (cache_files_digest(options->files, is_folder, path, now, err) != STATUS_OK) {
        return STATUS_NOT_FOUND;
    }
    return memcmp(now, digest, sizeof(now)) == 0
               ? STATUS_OK
               : error_set(err, STATUS_NOT_FOUND, "%s has changed", path);
}

enum status cache_entry_verify(const struct cache_entry_options *options,
                               const struct cache_entry *entry, struct error *err)
{
    struct unpack in = unpack_start(entry->files, entry->files_size);
    const uint32_t count = unpack_array(&in);
    enum status status = STATUS_OK;
    arena_reset(options->arena);
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++) {
        status = verify_file(options, &in, err);
    }
    return status == STATUS_OK && !unpack_is_done(&in)
               ? invalid(err, "its list of files is malformed")
               : status;
}
