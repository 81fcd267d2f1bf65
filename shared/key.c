#include "shared/key.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <xxhash.h>

#include "shared/arena.h"
#include "shared/pack.h"
#include "shared/path.h"
#include "shared/seed.h"
#include "shared/value.h"

/* Changes when the encoding does, so that keys of different encodings never meet. */
#define KEY_FORMAT "mapfleet-key-1"

struct key_maker {
    const struct type *input;
    char *ignore;     /* NULL: nothing */
    char *paths_from; /* NULL: texts are no paths */
    bool has_index;
    uint64_t index;    /* of the next key */
    bool is_as_packed; /* the packed input is its canonical encoding */
    key_digest *digest;
    void *context;
    struct arena arena;  /* of one input that is decoded */
    struct buffer bytes; /* the base, then the input */
    size_t base_size;
};

enum status key_base_make(const char *const *texts, size_t text_count, uint64_t seed,
                          struct buffer *out)
{
    struct pack pack;
    pack_start(&pack, out);
    pack_array(&pack, text_count + 2);
    pack_text(&pack, KEY_FORMAT);
    pack_uint(&pack, seed);
    for (size_t i = 0; i < text_count; i++) {
        pack_text(&pack, texts[i]);
    }
    return pack_finish(&pack);
}

static enum status digest_plainly(void *context, bool is_folder, const char *path,
                                  uint8_t digest_out[FILE_DIGEST_SIZE], struct error *err)
{
    (void)context;
    return is_folder ? file_digest_folder(path, NULL, NULL, digest_out, err)
                     : file_digest(path, digest_out, err);
}

/* Does the type hold neither records, whose fields are sorted, nor files, which are read? */
static bool is_canonical_as_packed(const struct type *type)
{
    switch (type_kind(type)) {
    case TYPE_LIST:
    case TYPE_MAP:
        return is_canonical_as_packed(type_element(type));
    case TYPE_FILE:
    case TYPE_DIR:
    case TYPE_RECORD:
        return false;
    case TYPE_NULL:
    case TYPE_BOOL:
    case TYPE_INT:
    case TYPE_FLOAT:
    case TYPE_STR:
    case TYPE_BYTES:
    case TYPE_ANY:
        return true;
    }
    return false;
}

enum status key_maker_create(const struct key_options *options, struct key_maker **maker_out)
{
    struct key_maker *maker = calloc(1, sizeof(*maker));
    if (maker == NULL) {
        return STATUS_NO_MEMORY;
    }
    const bool is_ignoring = options->ignore != NULL && *options->ignore != '\0';
    maker->input = options->input;
    maker->is_as_packed =
        !is_ignoring && options->paths_from == NULL && is_canonical_as_packed(options->input);
    maker->digest = options->digest != NULL ? options->digest : digest_plainly;
    maker->context = options->context;
    maker->has_index = options->has_index;
    maker->base_size = options->base_size;
    enum status status = buffer_append(&maker->bytes, options->base, options->base_size);
    if (status == STATUS_OK && is_ignoring) {
        maker->ignore = strdup(options->ignore);
        status = maker->ignore != NULL ? STATUS_OK : STATUS_NO_MEMORY;
    }
    if (status == STATUS_OK && options->paths_from != NULL) {
        maker->paths_from = strdup(options->paths_from);
        status = maker->paths_from != NULL ? STATUS_OK : STATUS_NO_MEMORY;
    }
    if (status != STATUS_OK) {
        key_maker_destroy(maker);
        return status;
    }
    *maker_out = maker;
    return STATUS_OK;
}

void key_maker_at(struct key_maker *maker, uint64_t index)
{
    maker->index = index;
}

void key_maker_destroy(struct key_maker *maker)
{
    if (maker == NULL) {
        return;
    }
    free(maker->ignore);
    free(maker->paths_from);
    arena_free(&maker->arena);
    buffer_free(&maker->bytes);
    free(maker);
}

/* ---- Names to ignore --------------------------------------------------------------------------
 */

/* The next name of a list between commas, without the blanks around it. False at its end. */
static bool next_name(const char **at, const char **name_out, size_t *size_out)
{
    const char *name = *at + strspn(*at, ", \t");
    size_t size = strcspn(name, ",");
    *at = name + size;
    while (size > 0 && (name[size - 1] == ' ' || name[size - 1] == '\t')) {
        size--;
    }
    *name_out = name;
    *size_out = size;
    return size > 0;
}

static bool is_named(const char *list, const char *wanted)
{
    const char *at = list;
    const char *name;
    size_t size;
    while (next_name(&at, &name, &size)) {
        if (strlen(wanted) == size && memcmp(wanted, name, size) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_field(const struct type *type, const char *name, size_t size)
{
    for (size_t i = 0; i < type_field_count(type); i++) {
        const char *field = type_field_name(type, i);
        if (strlen(field) == size && memcmp(field, name, size) == 0) {
            return true;
        }
    }
    return false;
}

enum status key_check_ignore(const struct type *input, const char *ignore, struct error *err)
{
    const char *at = ignore != NULL ? ignore : "";
    const char *name;
    size_t size;
    while (next_name(&at, &name, &size)) {
        const bool is_field = type_kind(input) == TYPE_RECORD && has_field(input, name, size);
        const bool is_open = type_kind(input) == TYPE_ANY || type_kind(input) == TYPE_MAP;
        if (!is_field && !is_open) {
            return error_set(err, STATUS_INVALID,
                             "cache_ignore: the input has no field \"%.*s\": expected names of its "
                             "fields, by commas",
                             (int)size, name);
        }
    }
    return STATUS_OK;
}

/* ---- Encoding ---------------------------------------------------------------------------------
 */

static enum status put_header(struct key_maker *maker, mf_kind kind, size_t count)
{
    uint8_t header[VALUE_HEADER_SIZE_MAX];
    const uint8_t *end = value_pack_header(kind, (uint32_t)count, header);
    return buffer_append(&maker->bytes, header, (size_t)(end - header));
}

static const struct type *field_type(const struct type *record, const char *name)
{
    for (size_t i = 0; i < type_field_count(record); i++) {
        if (strcmp(type_field_name(record, i), name) == 0) {
            return type_field_type(record, i);
        }
    }
    return NULL;
}

static enum status put_value(struct key_maker *maker, const struct type *type,
                             const mf_value *value, struct error *err);

static enum status put_digest(struct key_maker *maker, bool is_folder, const char *path,
                              struct error *err)
{
    uint8_t digest[FILE_DIGEST_SIZE];
    enum status status = maker->digest(maker->context, is_folder, path, digest, err);
    if (status == STATUS_OK) {
        status = put_header(maker, MF_BYTES, sizeof(digest));
    }
    return status == STATUS_OK ? buffer_append(&maker->bytes, digest, sizeof(digest)) : status;
}

static enum status put_path(struct key_maker *maker, bool is_folder, const mf_value *value,
                            struct error *err)
{
    if (path_is_url(mf_str(value)) && maker->digest == digest_plainly) {
        return value_encode(value, &maker->bytes);
    }
    return put_digest(maker, is_folder, mf_str(value), err);
}

/* What lies where a text leads to. A device or a pipe has no content that could be read twice. */
static enum status put_content(struct key_maker *maker, const mf_value *text, struct error *err)
{
    char path[PATH_MAX];
    struct stat about;
    if (mf_kind_of(text) != MF_STR && mf_kind_of(text) != MF_BYTES) {
        return STATUS_OK;
    }
    const bool is_absolute = *mf_str(text) == '/';
    const int size = snprintf(path, sizeof(path), "%s%s%s", is_absolute ? "" : maker->paths_from,
                              is_absolute ? "" : "/", mf_str(text));
    if (size < 0 || (size_t)size >= sizeof(path)) {
        return error_set(err, STATUS_IO, "%s: the path is too long", mf_str(text));
    }
    if (stat(path, &about) != 0) {
        return error_set(err, STATUS_IO, "%s: %s", path, strerror(errno));
    }
    return S_ISREG(about.st_mode) || S_ISDIR(about.st_mode)
               ? put_digest(maker, S_ISDIR(about.st_mode), path, err)
               : STATUS_OK;
}

static enum status put_list(struct key_maker *maker, const struct type *element,
                            const mf_value *value, struct error *err)
{
    enum status status = put_header(maker, MF_LIST, mf_count(value));
    for (size_t i = 0; i < mf_count(value) && status == STATUS_OK; i++) {
        status = put_value(maker, element, mf_item(value, i), err);
    }
    return status;
}

/* Indices of the pairs that count, in `order`: as they stand, or sorted by key. */
static size_t order_pairs(const mf_value *value, bool is_sorted, const char *ignore, size_t *order)
{
    size_t count = 0;
    for (size_t i = 0; i < mf_count(value); i++) {
        const char *name = mf_key(value, i);
        size_t at = count;
        if (ignore != NULL && is_named(ignore, name)) {
            continue;
        }
        while (is_sorted && at > 0 && strcmp(mf_key(value, order[at - 1]), name) > 0) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
        count++;
    }
    return count;
}

/* `element` is the type of every pair's value; NULL: by the record's field, or any. */
static enum status put_pairs(struct key_maker *maker, const struct type *type,
                             const struct type *element, const char *ignore, const mf_value *value,
                             struct error *err)
{
    const bool is_record = type_kind(type) == TYPE_RECORD;
    size_t *order = malloc((mf_count(value) + 1) * sizeof(*order));
    if (order == NULL) {
        return STATUS_NO_MEMORY;
    }
    const size_t count = order_pairs(value, is_record, ignore, order);
    enum status status = put_header(maker, MF_MAP, count);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        const mf_value *pair = &value->mf_private_as.values[2 * order[i]];
        const struct type *of = is_record ? field_type(type, mf_key(value, order[i])) : element;
        status = value_encode(pair, &maker->bytes);
        if (status == STATUS_OK) {
            status = of != NULL ? put_value(maker, of, pair + 1, err)
                                : value_encode(pair + 1, &maker->bytes);
        }
    }
    free(order);
    return status;
}

static enum status put_value(struct key_maker *maker, const struct type *type,
                             const mf_value *value, struct error *err)
{
    const mf_kind kind = mf_kind_of(value);
    switch (type_kind(type)) {
    case TYPE_FILE:
    case TYPE_DIR:
        return kind == MF_STR ? put_path(maker, type_kind(type) == TYPE_DIR, value, err)
                              : value_encode(value, &maker->bytes);
    case TYPE_LIST:
        return kind == MF_LIST ? put_list(maker, type_element(type), value, err)
                               : value_encode(value, &maker->bytes);
    case TYPE_MAP:
    case TYPE_RECORD:
        return kind == MF_MAP ? put_pairs(maker, type, type_element(type), NULL, value, err)
                              : value_encode(value, &maker->bytes);
    case TYPE_NULL:
    case TYPE_BOOL:
    case TYPE_INT:
    case TYPE_FLOAT:
    case TYPE_STR:
    case TYPE_BYTES:
    case TYPE_ANY:
        return value_encode(value, &maker->bytes);
    }
    return STATUS_INVALID;
}

/* ---- Keys -------------------------------------------------------------------------------------
 */

static struct key hash(const uint8_t *bytes, size_t size)
{
    struct key key;
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, size));
    memcpy(key.bytes, canonical.digest, KEY_SIZE);
    return key;
}

/* `err` names what could not be read; what else can fail is memory. */
static enum status end_key(struct key_maker *maker, enum status status, struct key *key_out,
                           struct error *err)
{
    if (status == STATUS_OK && maker->has_index) {
        const mf_value index = value_int((int64_t)maker->index);
        status = value_encode(&index, &maker->bytes);
    }
    if (status == STATUS_NO_MEMORY) {
        (void)error_set(err, status, "no memory for the key of an input");
    }
    if (status == STATUS_OK) {
        *key_out = hash(maker->bytes.data, maker->bytes.size);
    }
    maker->bytes.size = maker->base_size;
    return status;
}

enum status key_make(struct key_maker *maker, const mf_value *input, struct key *key_out,
                     struct error *err)
{
    enum status status;
    if (maker->ignore != NULL && mf_kind_of(input) == MF_MAP) {
        status =
            put_pairs(maker, maker->input, type_element(maker->input), maker->ignore, input, err);
    } else {
        status = put_value(maker, maker->input, input, err);
    }
    if (status == STATUS_OK && maker->paths_from != NULL) {
        status = put_content(maker, input, err);
    }
    return end_key(maker, status, key_out, err);
}

enum status key_make_packed(struct key_maker *maker, const uint8_t *data, size_t size,
                            struct key *key_out, struct error *err)
{
    mf_value input;
    size_t used;
    if (maker->is_as_packed) {
        return end_key(maker, buffer_append(&maker->bytes, data, size), key_out, err);
    }
    arena_reset(&maker->arena);
    const enum status status = value_decode(&maker->arena, data, size, &used, &input, err);
    return status == STATUS_OK ? key_make(maker, &input, key_out, err) : status;
}

uint64_t key_seed(const struct key *key)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < sizeof(bits); i++) {
        bits = bits << 8 | key->bytes[i];
    }
    return seed_mix(bits);
}
