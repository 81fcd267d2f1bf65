/* exec --dry-run: the first command lines, as a shell reads them back. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/exec.h"
#include "shared/computed.h"
#include "shared/shell_word.h"
#include "shared/span.h"
#include "shared/value.h"

#define LINE_COUNT_MAX 10

struct lines {
    const struct exec *exec;
    struct computed *computed; /* the inputs, where they are */
    struct arena arena;        /* of an input, and its texts */
    struct word_list words;
    struct buffer out;
};

static const char *text_of(void *context, const mf_value *value, size_t *size_out)
{
    struct lines *lines = context;
    struct buffer text = {0};
    const char *copy = NULL;
    if (value_to_text(value, &text) == STATUS_OK) {
        copy = arena_copy(&lines->arena, text.data, text.size);
        *size_out = text.size;
    }
    buffer_free(&text);
    return copy;
}

/* A shell's line is one already. */
static enum status put_words(struct lines *lines)
{
    char **words = words_list(&lines->words);
    enum status status = words != NULL ? STATUS_OK : STATUS_NO_MEMORY;
    for (size_t i = 0; status == STATUS_OK && words[i] != NULL; i++) {
        if (i > 0) {
            status = buffer_append_byte(&lines->out, ' ');
        }
        if (status == STATUS_OK) {
            status = lines->exec->shell != NULL ? buffer_printf(&lines->out, "%s", words[i])
                                                : shell_word_put(&lines->out, words[i]);
        }
    }
    return status;
}

static enum status put_line(struct lines *lines, uint64_t index, const mf_value *value,
                            struct error *err)
{
    struct template_error reason;
    const struct template_input input = {
        .value = value, .index = index, .slot = 1, .text = text_of, .context = lines};
    enum status status = STATUS_OK;
    if (lines->exec->template == NULL) {
        status = buffer_append(&lines->out, mf_str(value), mf_size(value));
    } else if (template_fill(lines->exec->template, &input, &lines->words, &reason)) {
        status = put_words(lines);
    } else {
        return error_set(err, STATUS_INVALID, "index %" PRIu64 ": %s", index, reason.text);
    }
    if (status == STATUS_OK) {
        status = buffer_append_byte(&lines->out, '\n');
    }
    return status == STATUS_OK ? STATUS_OK : error_set(err, status, "no memory for a line");
}

static enum status put_element(struct lines *lines, struct inputs *inputs, uint64_t index,
                               struct error *err)
{
    const struct span span = {.start = index, .count = 1};
    struct buffer packed = {0};
    mf_value value;
    size_t used;
    enum status status;
    arena_reset(&lines->arena);
    if (inputs_formula(inputs)->kind != FORMULA_NONE) {
        status = computed_value(inputs_formula(inputs), lines->computed, index, &value, err);
        return status == STATUS_OK ? put_line(lines, index, &value, err) : status;
    }
    status = inputs_pack(inputs, &span, 1, &packed, err);
    if (status == STATUS_OK) {
        status = value_decode(&lines->arena, packed.data, packed.size, &used, &value, err);
    }
    if (status == STATUS_OK) {
        status = put_line(lines, index, &value, err);
    }
    buffer_free(&packed);
    return status;
}

enum status exec_print_lines(const struct exec *exec, struct inputs *inputs,
                             const struct type *type, const char *launch_dir, struct error *err)
{
    struct lines lines = {.exec = exec};
    const uint64_t count = inputs_count(inputs);
    enum status status =
        computed_open(inputs_formula(inputs), type, launch_dir, &lines.computed, err);
    for (uint64_t i = 0; i < count && i < LINE_COUNT_MAX && status == STATUS_OK; i++) {
        status = put_element(&lines, inputs, i, err);
    }
    if (status == STATUS_OK) {
        (void)fwrite(lines.out.data, 1, lines.out.size, stdout);
        (void)fflush(stdout);
    }
    computed_close(lines.computed);
    arena_free(&lines.arena);
    words_free(&lines.words);
    buffer_free(&lines.out);
    return status;
}
