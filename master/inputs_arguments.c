/* Literal inputs: lists of words of the command line. One list gives a string for each of its
 * words; of several, each combination is a list of strings. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "master/inputs_columns.h"
#include "master/inputs_internal.h"
#include "shared/buffer.h"

/* Lists that go side by side, and so count once in the product. */
struct block {
    const struct inputs_arguments *lists;
    size_t list_count;
    size_t count; /* of words in each */
    size_t at;    /* of the row in hand */
};

struct product {
    const struct inputs_source *source;
    struct inputs_sink *sink;
    struct inputs_columns *columns; /* NULL: words are not split */
    struct block *blocks;
    size_t block_count;
    struct buffer values; /* mf_value, of the row in hand */
};

static enum status fail_memory(struct error *err)
{
    return error_set(err, STATUS_NO_MEMORY, "inputs: %s", status_text(STATUS_NO_MEMORY));
}

/* ---- Blocks -----------------------------------------------------------------------------------
 */

static enum status check_pair(const struct inputs_arguments *list, size_t count, struct error *err)
{
    return list->count == count
               ? STATUS_OK
               : error_set(err, STATUS_INVALID,
                           "::: and :::+ go side by side, and have %zu and %zu words: expected as "
                           "many",
                           count, list->count);
}

static enum status make_blocks(struct product *product, struct error *err)
{
    const struct inputs_source *source = product->source;
    product->blocks = calloc(source->argument_list_count + 1, sizeof(*product->blocks));
    if (product->blocks == NULL) {
        return fail_memory(err);
    }
    enum status status = STATUS_OK;
    for (size_t i = 0; i < source->argument_list_count && status == STATUS_OK; i++) {
        const struct inputs_arguments *list = &source->arguments[i];
        assert(i > 0 || !list->is_paired);
        if (!list->is_paired) {
            product->blocks[product->block_count++] =
                (struct block){.lists = list, .count = list->count};
        }
        struct block *block = &product->blocks[product->block_count - 1];
        block->list_count++;
        status = check_pair(list, block->count, err);
    }
    return status;
}

/* The next combination, the last block fastest; false behind the last one. */
static bool step(struct product *product)
{
    for (size_t i = product->block_count; i > 0; i--) {
        struct block *block = &product->blocks[i - 1];
        if (++block->at < block->count) {
            return true;
        }
        block->at = 0;
    }
    return false;
}

static bool is_empty(const struct product *product)
{
    for (size_t i = 0; i < product->block_count; i++) {
        if (product->blocks[i].count == 0) {
            return true;
        }
    }
    return product->block_count == 0;
}

/* ---- Rows -------------------------------------------------------------------------------------
 */

static enum status add_text(struct product *product, const char *text, size_t size,
                            struct error *err)
{
    mf_value value;
    const char *copy = arena_copy(&product->sink->arena, text, size);
    if (copy == NULL) {
        return fail_memory(err);
    }
    if (!inputs_text_or_bytes(product->source, copy, size, &value)) {
        return error_set(err, STATUS_LIMIT, "a word of ::: is longer than 4 GiB");
    }
    return buffer_append(&product->values, &value, sizeof(value)) == STATUS_OK ? STATUS_OK
                                                                               : fail_memory(err);
}

static enum status add_word(struct product *product, const char *word, struct error *err)
{
    struct inputs_split split = {.text = word, .size = strlen(word)};
    const char *text;
    size_t size;
    enum status status = STATUS_OK;
    if (product->columns == NULL) {
        return add_text(product, word, strlen(word), err);
    }
    while (status == STATUS_OK && inputs_columns_next(product->columns, &split, &text, &size)) {
        status = add_text(product, text, size, err);
    }
    return status;
}

static enum status put_row(struct product *product, struct error *err)
{
    enum status status = STATUS_OK;
    buffer_clear(&product->values);
    for (size_t i = 0; i < product->block_count && status == STATUS_OK; i++) {
        const struct block *block = &product->blocks[i];
        for (size_t k = 0; k < block->list_count && status == STATUS_OK; k++) {
            status = add_word(product, block->lists[k].items[block->at], err);
        }
    }
    const mf_value *values = (const mf_value *)(void *)product->values.data;
    const bool is_text = product->source->argument_list_count == 1 && product->columns == NULL;
    const mf_value list = {.mf_private_kind = MF_LIST,
                           .mf_private_count = (uint32_t)(product->values.size / sizeof(mf_value)),
                           .mf_private_as = {.values = values}};
    return status == STATUS_OK
               ? inputs_sink_put(product->sink, is_text ? values : &list, TYPE_ORIGIN_TEXT, err)
               : status;
}

enum status inputs_read_arguments(const struct inputs_source *source, struct inputs_sink *sink,
                                  struct error *err)
{
    struct product product = {.source = source, .sink = sink};
    enum status status = STATUS_OK;
    if (source->column_separator != NULL) {
        status = inputs_columns_create(source->column_separator, &product.columns, err);
    }
    if (status == STATUS_OK) {
        status = make_blocks(&product, err);
    }
    if (status == STATUS_OK && !is_empty(&product)) {
        do {
            status = put_row(&product, err);
        } while (status == STATUS_OK && step(&product));
    }
    inputs_columns_destroy(product.columns);
    free(product.blocks);
    buffer_free(&product.values);
    return status;
}
