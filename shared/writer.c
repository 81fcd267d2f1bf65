/* The writer, and those functions of mapfleet.h that write. A failed writer has no room (its end
 * is where it stands), so that the inline functions of the public header come here and are told. */
#include "shared/writer.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/path.h"
#include "shared/url.h"

enum { CAPACITY_MIN = 4096 };

/* Up to here the content of a container is moved to make its header the shortest. */
enum { MOVED_SIZE_MAX = 64 * 1024 };

static struct writer *writer_of(mf_writer *face)
{
    return (struct writer *)face;
}

/* ---- Lifecycle ------------------------------------------------------------------------------ */

enum status writer_create(size_t size_max, struct writer **writer_out)
{
    struct writer *writer = calloc(1, sizeof(*writer));
    if (writer == NULL) {
        return STATUS_NO_MEMORY;
    }
    writer->size_max = size_max;
    writer->data = malloc(CAPACITY_MIN);
    if (writer->data == NULL) {
        writer_destroy(writer);
        return STATUS_NO_MEMORY;
    }
    writer->capacity = CAPACITY_MIN;
    writer_clear(writer);
    *writer_out = writer;
    return STATUS_OK;
}

enum status writer_create_in_place(size_t size_max, uint8_t *memory, size_t memory_size,
                                   struct writer **writer_out)
{
    struct writer *writer = calloc(1, sizeof(*writer));
    if (writer == NULL) {
        return STATUS_NO_MEMORY;
    }
    writer->size_max = size_max;
    writer->data = memory;
    writer->capacity = memory_size;
    writer->is_in_place = true;
    writer_clear(writer);
    *writer_out = writer;
    return STATUS_OK;
}

void writer_use(struct writer *writer, uint8_t *memory, size_t memory_size)
{
    assert(writer->is_in_place);
    writer->data = memory;
    writer->capacity = memory_size;
    writer_clear(writer);
}

void writer_destroy(struct writer *writer)
{
    if (writer != NULL) {
        writer_drop_files(writer);
        free(writer->files);
        if (!writer->is_in_place) {
            free(writer->data);
        }
        free(writer);
    }
}

void writer_drop_files(struct writer *writer)
{
    for (size_t i = 0; i < writer->file_count; i++) {
        free(writer->files[i].source);
        free(writer->files[i].published);
    }
    writer->file_count = 0;
}

void writer_rewind(struct writer *writer)
{
    writer->face.mf_private_at = writer->data + writer->value_start;
    writer->face.mf_private_end = writer->data + writer->capacity;
    writer->face.mf_private_count = 0;
    writer->depth = 0;
    writer->status = STATUS_OK;
    writer_drop_files(writer);
}

void writer_clear(struct writer *writer)
{
    writer->value_start = 0;
    writer_rewind(writer);
}

/* ---- Failure and room ----------------------------------------------------------------------- */

static void fail(struct writer *writer, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Remember what went wrong first, and leave no room for more. */
static void fail(struct writer *writer, enum status status, const char *format, ...)
{
    if (writer->status == STATUS_OK) {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(writer->error.text, sizeof(writer->error.text), format, arguments);
        va_end(arguments);
        writer->status = status;
    }
    writer->face.mf_private_end = writer->face.mf_private_at;
}

static void fail_size(struct writer *writer)
{
    fail(writer, STATUS_LIMIT, "the output is larger than %zu bytes", writer->size_max);
}

/* Make room for `size` bytes of the value. */
static bool make_room(struct writer *writer, size_t size)
{
    if (writer->status != STATUS_OK) {
        return false;
    }
    const size_t used = writer_size(writer);
    if (writer->capacity - used >= size) {
        return true;
    }
    if (used - writer->value_start > writer->size_max || size > SIZE_MAX / 4 ||
        writer->is_in_place) {
        fail_size(writer);
        return false;
    }
    size_t capacity = 2 * writer->capacity;
    while (capacity - used < size) {
        capacity *= 2;
    }
    uint8_t *data = realloc(writer->data, capacity);
    if (data == NULL) {
        fail(writer, STATUS_NO_MEMORY, "no memory for an output of more than %zu bytes",
             used - writer->value_start);
        return false;
    }
    writer->data = data;
    writer->capacity = capacity;
    writer->face.mf_private_at = data + used;
    writer->face.mf_private_end = data + capacity;
    return true;
}

bool mf_private_room(mf_writer *out)
{
    return make_room(writer_of(out), MF_PRIVATE_SCALAR_SIZE_MAX);
}

/* ---- Text and bytes ------------------------------------------------------------------------- */

/* A str or bytes without counting it: it may be a key. False when it was dropped. */
static bool put_raw(struct writer *writer, mf_kind kind, const void *data, size_t size)
{
    if (size > writer->size_max || size > UINT32_MAX) {
        fail_size(writer);
        return false;
    }
    if (!make_room(writer, VALUE_HEADER_SIZE_MAX + size)) {
        return false;
    }
    uint8_t *at = value_pack_header(kind, (uint32_t)size, writer->face.mf_private_at);
    if (size > 0) {
        memcpy(at, data, size);
    }
    writer->face.mf_private_at = at + size;
    return true;
}

void mf_put_text(mf_writer *out, const char *text, size_t size)
{
    struct writer *writer = writer_of(out);
    if (text == NULL && size > 0) {
        fail(writer, STATUS_INVALID, "a str was put from NULL");
    } else if (!value_is_utf8(text, size)) {
        fail(writer, STATUS_INVALID, "a str that is not UTF-8 was put; use mf_put_bytes()");
    } else if (put_raw(writer, MF_STR, text, size)) {
        out->mf_private_count++;
    }
}

void mf_put_str(mf_writer *out, const char *text)
{
    if (text == NULL) {
        fail(writer_of(out), STATUS_INVALID, "a str was put from NULL");
    } else {
        mf_put_text(out, text, strlen(text));
    }
}

void mf_put_bytes(mf_writer *out, const void *data, size_t size)
{
    struct writer *writer = writer_of(out);
    if (data == NULL && size > 0) {
        fail(writer, STATUS_INVALID, "bytes were put from NULL");
    } else if (put_raw(writer, MF_BYTES, data, size)) {
        out->mf_private_count++;
    }
}

bool mf_is_utf8(const char *text, size_t size)
{
    return value_is_utf8(text, size);
}

void mf_put_json(mf_writer *out, const char *text, size_t size)
{
    struct arena arena = {0};
    struct error err = {""};
    mf_value value;
    const enum status status = value_from_json(&arena, text, size, &value, &err);
    if (status == STATUS_OK) {
        mf_put_value(out, &value);
    } else {
        fail(writer_of(out), status, "no JSON: %s", err.text);
    }
    arena_free(&arena);
}

void mf_put_value(mf_writer *out, const mf_value *value)
{
    struct writer *writer = writer_of(out);
    if (value == NULL) {
        mf_put_null(out); /* what mf_field() gives for a field that is not there */
        return;
    }
    const size_t size = value_packed_size(value, VALUE_DEPTH_MAX - writer->depth);
    if (size == 0) {
        fail(writer, STATUS_INVALID, "the output nests more than %d deep", VALUE_DEPTH_MAX);
    } else if (size > writer->size_max) {
        fail_size(writer);
    } else if (make_room(writer, size)) {
        out->mf_private_at = value_pack(value, out->mf_private_at);
        out->mf_private_count++;
    }
}

/* ---- Containers ----------------------------------------------------------------------------- */

static void begin_container(struct writer *writer, bool is_map)
{
    if (!make_room(writer, VALUE_HEADER_SIZE_MAX)) {
        return;
    }
    if (writer->depth == VALUE_DEPTH_MAX) {
        fail(writer, STATUS_INVALID, "the output nests more than %d deep", VALUE_DEPTH_MAX);
        return;
    }
    writer->levels[writer->depth++] =
        (struct writer_level){.header_at = writer_size(writer),
                              .count_outer = writer->face.mf_private_count,
                              .is_map = is_map};
    writer->face.mf_private_at += VALUE_HEADER_SIZE_MAX;
    writer->face.mf_private_count = 0;
}

/* Write the header into the place that was kept for it, and close the gap behind a short one where
 * the content is not much to move. Otherwise the header is a long one, which reads the same. */
static void write_header(struct writer *writer, const struct writer_level *level, uint32_t count)
{
    uint8_t *header = writer->data + level->header_at;
    uint8_t *content = header + VALUE_HEADER_SIZE_MAX;
    const size_t content_size = (size_t)(writer->face.mf_private_at - content);
    if (content_size > MOVED_SIZE_MAX) {
        (void)value_put_be(header, level->is_map ? 0xdf : 0xdd, count, 4);
        return;
    }
    uint8_t *content_new = value_pack_header(level->is_map ? MF_MAP : MF_LIST, count, header);
    if (content_new != content) {
        memmove(content_new, content, content_size);
        writer->face.mf_private_at = content_new + content_size;
    }
}

static void end_container(struct writer *writer, bool is_map)
{
    const char *name = is_map ? "mf_end_map()" : "mf_end_list()";
    if (writer->status != STATUS_OK) {
        return;
    }
    if (writer->depth == 0) {
        fail(writer, STATUS_INVALID, "%s without its begin", name);
        return;
    }
    const struct writer_level *level = &writer->levels[writer->depth - 1];
    const uint64_t count = writer->face.mf_private_count;
    if (level->is_map != is_map) {
        fail(writer, STATUS_INVALID, "%s where a %s is open", name, is_map ? "list" : "map");
    } else if (is_map && count != level->key_count) {
        fail(writer, STATUS_INVALID, "a map with %" PRIu64 " keys and %" PRIu64 " values",
             level->key_count, count);
    } else if (count > UINT32_MAX) {
        fail_size(writer);
    } else {
        write_header(writer, level, (uint32_t)count);
        writer->face.mf_private_count = level->count_outer + 1;
        writer->depth--;
    }
}

void mf_begin_list(mf_writer *out)
{
    begin_container(writer_of(out), false);
}

void mf_end_list(mf_writer *out)
{
    end_container(writer_of(out), false);
}

void mf_begin_map(mf_writer *out)
{
    begin_container(writer_of(out), true);
}

void mf_end_map(mf_writer *out)
{
    end_container(writer_of(out), true);
}

void mf_put_key(mf_writer *out, const char *key)
{
    struct writer *writer = writer_of(out);
    struct writer_level *level = writer->depth > 0 ? &writer->levels[writer->depth - 1] : NULL;
    if (key == NULL) {
        fail(writer, STATUS_INVALID, "a key was put from NULL");
    } else if (level == NULL || !level->is_map) {
        fail(writer, STATUS_INVALID, "the key \"%.64s\" was put outside of a map", key);
    } else if (writer->face.mf_private_count != level->key_count) {
        fail(writer, STATUS_INVALID, "the key \"%.64s\" was put where a %s is due", key,
             writer->face.mf_private_count < level->key_count ? "value" : "key for the last value");
    } else if (!value_is_utf8(key, strlen(key))) {
        fail(writer, STATUS_INVALID, "a key that is not UTF-8 was put");
    } else if (put_raw(writer, MF_STR, key, strlen(key))) {
        level->key_count++;
    }
}

/* ---- Files ---------------------------------------------------------------------------------- */

void mf_put_path(mf_writer *out, const char *path)
{
    struct writer *writer = writer_of(out);
    char resolved[PATH_MAX];
    struct stat found;
    struct error reason;
    if (writer->status != STATUS_OK) {
        return;
    }
    if (path == NULL) {
        fail(writer, STATUS_INVALID, "a path was put from NULL");
    } else if (path_is_url(path)) {
        struct url url;
        if (url_parse(path, &url, &reason) == STATUS_OK) {
            mf_put_text(out, path, strlen(path));
        } else {
            fail(writer, STATUS_INVALID, "%s", reason.text);
        }
    } else if (path_resolve(writer->attempt.launch_dir, path, resolved, &found, &reason) !=
               STATUS_OK) {
        fail(writer, STATUS_INVALID, "%s", reason.text);
    } else if (!S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode)) {
        fail(writer, STATUS_INVALID, "%s: neither a file nor a folder", resolved);
    } else {
        mf_put_text(out, resolved, strlen(resolved));
    }
}

enum { ENDING_SIZE_MAX = 16 };

/* The ending of a file's name, as ".jpg", in letters that are safe everywhere. A name that only
 * starts with its one dot has none. */
static void ending_of(const char *path, char ending[ENDING_SIZE_MAX + 1])
{
    static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    const char *dot = strrchr(name, '.');
    size_t size = 0;
    if (dot != NULL && dot != name) {
        for (; dot[size] != '\0' && size < ENDING_SIZE_MAX; size++) {
            ending[size] = strchr(safe, dot[size]) != NULL ? dot[size] : '_';
        }
    }
    ending[size] = '\0';
}

static struct writer_file *add_file(struct writer *writer)
{
    if (writer->file_count == writer->file_capacity) {
        const size_t capacity = writer->file_capacity == 0 ? 4 : 2 * writer->file_capacity;
        struct writer_file *files = reallocarray(writer->files, capacity, sizeof(*files));
        if (files == NULL) {
            return NULL;
        }
        writer->files = files;
        writer->file_capacity = capacity;
    }
    struct writer_file *file = &writer->files[writer->file_count++];
    *file = (struct writer_file){0};
    return file;
}

/* Index and attempt keep files of a map apart, its number those of several maps of a run, the tag
 * those of several runs. NULL: no memory. */
static char *published_name(const struct writer *writer, const char *ending)
{
    const struct writer_attempt *attempt = &writer->attempt;
    const bool is_elsewhere = attempt->files_to != NULL && attempt->files_to[0] != '\0';
    char map[32] = "";
    char *name = NULL;
    if (attempt->map > 0) {
        (void)snprintf(map, sizeof(map), "map-%" PRIu64 "-", attempt->map);
    }
    const int size = asprintf(&name, "%s/%s%06" PRIu64 "-%" PRIu64 "-%zu%s%s%s",
                              is_elsewhere ? attempt->files_to : "files", map, attempt->index,
                              attempt->attempt, writer->file_count + 1, is_elsewhere ? "-" : "",
                              is_elsewhere ? attempt->files_tag : "", ending);
    return size >= 0 ? name : NULL;
}

/* The published name of a file of the value; a file that is put twice is published once. */
static const char *publish(struct writer *writer, const char *source, const char *path)
{
    for (size_t i = 0; i < writer->file_count; i++) {
        if (strcmp(writer->files[i].source, source) == 0) {
            return writer->files[i].published;
        }
    }
    char ending[ENDING_SIZE_MAX + 1];
    ending_of(path, ending);
    char *source_copy = strdup(source);
    char *published_copy = published_name(writer, ending);
    struct writer_file *file =
        source_copy != NULL && published_copy != NULL ? add_file(writer) : NULL;
    if (file == NULL) {
        free(source_copy);
        free(published_copy);
        fail(writer, STATUS_NO_MEMORY, "no memory for the name of a file");
        return NULL;
    }
    *file = (struct writer_file){.source = source_copy, .published = published_copy};
    return file->published;
}

static bool is_inside(const char *path, const char *dir)
{
    const size_t size = strlen(dir);
    return strncmp(path, dir, size) == 0 && path[size] == '/';
}

/* Where the file really is: links are followed, so that none leads out of the working directory.
 * False when it may not be published, which is remembered. */
static bool find_source(struct writer *writer, const char *path, char source[PATH_MAX])
{
    const char *workdir = writer->attempt.workdir;
    char joined[PATH_MAX];
    char workdir_real[PATH_MAX];
    struct stat found;
    if (workdir == NULL) {
        fail(writer, STATUS_INVALID, "%.512s: a file was put before mf_workdir() was asked for",
             path);
        return false;
    }
    const int size = path[0] == '/' ? snprintf(joined, sizeof(joined), "%s", path)
                                    : snprintf(joined, sizeof(joined), "%s/%s", workdir, path);
    if (size < 0 || (size_t)size >= sizeof(joined)) {
        fail(writer, STATUS_INVALID, "%.64s...: the path is too long", path);
        return false;
    }
    if (realpath(workdir, workdir_real) == NULL || realpath(joined, source) == NULL ||
        stat(source, &found) != 0) {
        fail(writer, STATUS_INVALID, "%.512s: %s", path, strerror(errno));
        return false;
    }
    if (!is_inside(source, workdir_real)) {
        fail(writer, STATUS_INVALID, "%.512s: the file lies outside of the working directory",
             path);
        return false;
    }
    if (!S_ISREG(found.st_mode)) {
        fail(writer, STATUS_INVALID, "%.512s: no regular file", path);
        return false;
    }
    return true;
}

void mf_put_file(mf_writer *out, const char *path)
{
    struct writer *writer = writer_of(out);
    char source[PATH_MAX];
    if (writer->status != STATUS_OK) {
        return;
    }
    if (path == NULL || path[0] == '\0') {
        fail(writer, STATUS_INVALID, "a file was put without a path");
    } else if (find_source(writer, path, source)) {
        const char *published = publish(writer, source, path);
        if (published != NULL) {
            mf_put_text(out, published, strlen(published));
        }
    }
}

/* ---- The end of a value --------------------------------------------------------------------- */

static enum status end_status(struct writer *writer, struct error *err)
{
    if (writer->status != STATUS_OK) {
        return error_set(err, writer->status, "%s", writer->error.text);
    }
    if (writer->depth > 0) {
        return error_set(err, STATUS_INVALID, "%u lists or maps of the output were not ended",
                         writer->depth);
    }
    const uint64_t count = writer->face.mf_private_count;
    if (count == 0) {
        return error_set(err, STATUS_NOT_FOUND, "no output was written");
    }
    if (count > 1) {
        return error_set(err, STATUS_INVALID, "%" PRIu64 " outputs were written, expected one",
                         count);
    }
    if (writer_size(writer) - writer->value_start > writer->size_max) {
        return error_set(err, STATUS_LIMIT, "the output is larger than %zu bytes",
                         writer->size_max);
    }
    return STATUS_OK;
}

enum status writer_end_checked(struct writer *writer, struct error *err)
{
    const enum status status = end_status(writer, err);
    if (status != STATUS_OK) {
        writer_rewind(writer);
    }
    return status;
}
