/* Fields of records from elsewhere: --zip NAME=FILE, lists side by side, and --bind NAME=JSON, a
 * field of every element. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "master/inputs_internal.h"
#include "shared/span.h"
#include "shared/value.h"

/* So many elements of each file are decoded at a time. */
#define CHUNK_COUNT 256

static enum status fail_memory(struct error *err)
{
    return error_set(err, STATUS_NO_MEMORY, "inputs: %s", status_text(STATUS_NO_MEMORY));
}

enum status inputs_split_name(const char *option, const char *text, size_t *size_out,
                              struct error *err)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text) {
        return error_set(err, STATUS_INVALID, "%s \"%s\": expected NAME=...", option, text);
    }
    *size_out = (size_t)(equals - text);
    return value_is_utf8(text, *size_out)
               ? STATUS_OK
               : error_set(err, STATUS_INVALID, "%s \"%s\": its name is not UTF-8", option, text);
}

/* The names before the = of the first `count` options, of which the last is a new one. */
static enum status check_new(const char *option, const char *const *texts, size_t count,
                             size_t name_size, struct error *err)
{
    const char *name = texts[count - 1];
    for (size_t i = 0; i + 1 < count; i++) {
        if (strncmp(texts[i], name, name_size + 1) == 0) {
            return error_set(err, STATUS_INVALID, "%s: the name %.*s is given twice", option,
                             (int)name_size, name);
        }
    }
    return STATUS_OK;
}

/* ---- --bind -----------------------------------------------------------------------------------
 */

static enum status parse_bound(const char *text, size_t name_size, struct arena *arena,
                               mf_value *pair, struct error *err)
{
    const char *json = text + name_size + 1;
    const char *name = arena_copy(arena, text, name_size);
    if (name == NULL) {
        return fail_memory(err);
    }
    pair[0] = value_text(MF_STR, name, (uint32_t)name_size);
    const enum status status = value_from_json(arena, json, strlen(json), &pair[1], err);
    if (status != STATUS_OK) {
        error_prefix(err, "--bind \"%s\": expected NAME=JSON: ", text);
    }
    return status;
}

enum status inputs_parse_bounds(const struct inputs_source *source, struct arena *arena,
                                const mf_value **bound_out, struct error *err)
{
    mf_value *pairs = arena_take(arena, (2 * source->bound_count + 1) * sizeof(*pairs));
    if (pairs == NULL) {
        return fail_memory(err);
    }
    enum status status = STATUS_OK;
    for (size_t i = 0; i < source->bound_count && status == STATUS_OK; i++) {
        size_t name_size = 0;
        status = inputs_split_name("--bind", source->bounds[i], &name_size, err);
        if (status == STATUS_OK) {
            status = check_new("--bind", source->bounds, i + 1, name_size, err);
        }
        if (status == STATUS_OK) {
            status = parse_bound(source->bounds[i], name_size, arena, &pairs[2 * i], err);
        }
    }
    *bound_out = pairs;
    return status;
}

/* ---- --zip ------------------------------------------------------------------------------------
 */

/* One of the files: all of it, and a piece that is decoded. */
struct column {
    const char *text; /* of the option */
    size_t name_size;
    struct inputs *inputs;
    struct arena arena;
    struct buffer packed;
    mf_value *values; /* of the piece, in the arena */
};

static enum status open_column(const struct inputs_source *source, struct column *column,
                               struct error *err)
{
    struct type *any = NULL;
    enum status status = type_parse("any", &any, err);
    const struct inputs_source file = {.kind = INPUTS_FILE,
                                       .path = column->text + column->name_size + 1,
                                       .format = source->format,
                                       .column_separator = source->column_separator,
                                       .launch_dir = source->launch_dir,
                                       .is_text_default = true,
                                       .takes_bytes = source->takes_bytes};
    if (status == STATUS_OK) {
        status = inputs_open(&file, any, &column->inputs, err);
    }
    if (status != STATUS_OK) {
        error_prefix(err, "--zip %.*s: ", (int)column->name_size, column->text);
    }
    type_destroy(any);
    return status;
}

static enum status open_columns(const struct inputs_source *source, struct column *columns,
                                struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < source->zip_count && status == STATUS_OK; i++) {
        columns[i].text = source->zips[i];
        status = inputs_split_name("--zip", source->zips[i], &columns[i].name_size, err);
        if (status == STATUS_OK) {
            status = check_new("--zip", source->zips, i + 1, columns[i].name_size, err);
        }
        if (status == STATUS_OK) {
            status = open_column(source, &columns[i], err);
        }
        if (status == STATUS_OK &&
            inputs_count(columns[i].inputs) != inputs_count(columns[0].inputs)) {
            status = error_set(err, STATUS_INVALID,
                               "--zip %s has %" PRIu64 " elements, and %s has %" PRIu64
                               ": expected as many",
                               columns[0].text, inputs_count(columns[0].inputs), columns[i].text,
                               inputs_count(columns[i].inputs));
        }
    }
    return status;
}

static enum status decode_piece(struct column *column, uint64_t start, uint64_t count,
                                struct error *err)
{
    const struct span span = {.start = start, .count = count};
    size_t at = 0;
    buffer_clear(&column->packed);
    arena_reset(&column->arena);
    column->values = arena_take(&column->arena, (size_t)count * sizeof(*column->values));
    enum status status = column->values != NULL
                             ? inputs_pack(column->inputs, &span, 1, &column->packed, err)
                             : fail_memory(err);
    for (uint64_t i = 0; i < count && status == STATUS_OK; i++) {
        size_t used = 0;
        status = value_decode(&column->arena, column->packed.data + at, column->packed.size - at,
                              &used, &column->values[i], err);
        at += used;
    }
    return status;
}

static enum status put_record(const struct inputs_source *source, struct inputs_sink *sink,
                              const struct column *columns, uint64_t at, struct error *err)
{
    const size_t count = source->zip_count;
    mf_value *pairs = arena_take(&sink->arena, 2 * count * sizeof(*pairs));
    for (size_t i = 0; pairs != NULL && i < count; i++) {
        const char *name = arena_copy(&sink->arena, columns[i].text, columns[i].name_size);
        if (name == NULL) {
            return fail_memory(err);
        }
        pairs[2 * i] = value_text(MF_STR, name, (uint32_t)columns[i].name_size);
        pairs[2 * i + 1] = columns[i].values[at];
    }
    const mf_value record = {.mf_private_kind = MF_MAP,
                             .mf_private_count = (uint32_t)count,
                             .mf_private_as = {.values = pairs}};
    return pairs != NULL ? inputs_sink_put(sink, &record, TYPE_ORIGIN_TEXT, err) : fail_memory(err);
}

static enum status put_records(const struct inputs_source *source, struct inputs_sink *sink,
                               struct column *columns, struct error *err)
{
    const uint64_t count = inputs_count(columns[0].inputs);
    enum status status = STATUS_OK;
    for (uint64_t start = 0; start < count && status == STATUS_OK; start += CHUNK_COUNT) {
        const uint64_t left = count - start;
        const uint64_t piece = left < CHUNK_COUNT ? left : CHUNK_COUNT;
        for (size_t i = 0; i < source->zip_count && status == STATUS_OK; i++) {
            status = decode_piece(&columns[i], start, piece, err);
        }
        for (uint64_t at = 0; at < piece && status == STATUS_OK; at++) {
            status = put_record(source, sink, columns, at, err);
        }
    }
    return status;
}

enum status inputs_read_zip(const struct inputs_source *source, struct inputs_sink *sink,
                            struct error *err)
{
    struct column *columns = calloc(source->zip_count + 1, sizeof(*columns));
    if (columns == NULL) {
        return fail_memory(err);
    }
    enum status status = open_columns(source, columns, err);
    if (status == STATUS_OK) {
        status = put_records(source, sink, columns, err);
    }
    for (size_t i = 0; i < source->zip_count; i++) {
        inputs_close(columns[i].inputs);
        arena_free(&columns[i].arena);
        buffer_free(&columns[i].packed);
    }
    free(columns);
    return status;
}
