/* The constant of a map of commands: all that an executor needs to know of the command. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/exec.h"
#include "shared/pack.h"
#include "shared/quantity.h"
#include "shared/value.h"

#define FIELD_COUNT 9 /* and those of a trial and its metric */
#define EXIT_STATUS_MAX 255

static const char *const captures[] = {[MAP_CAPTURE_FAILED] = "failed",
                                       [MAP_CAPTURE_ALL] = "all",
                                       [MAP_CAPTURE_NONE] = "none",
                                       [MAP_CAPTURE_DISCARD] = "discard"};

/* Words may be any bytes. */
static void put_word(struct pack *out, const char *word)
{
    const size_t size = strlen(word);
    if (value_is_utf8(word, size)) {
        pack_str(out, word, size);
    } else {
        pack_bytes(out, word, size);
    }
}

static void put_words(struct pack *out, const char *const *words, size_t count)
{
    pack_array(out, count);
    for (size_t i = 0; i < count; i++) {
        put_word(out, words[i]);
    }
}

/* "2,64,137" */
static enum status put_statuses(struct pack *out, const char *list, struct error *err)
{
    size_t count = list != NULL ? 1 : 0;
    for (const char *at = list; at != NULL && *at != '\0'; at++) {
        count += *at == ',' ? 1 : 0;
    }
    pack_array(out, count);
    for (const char *at = list; at != NULL;) {
        const size_t size = strcspn(at, ",");
        int64_t status = 0;
        if (value_parse_int(at, size, &status) != STATUS_OK || status < 1 ||
            status > EXIT_STATUS_MAX) {
            return error_set(err, STATUS_INVALID,
                             "--permanent-exit: \"%.*s\": expected exit statuses from 1 to 255, by "
                             "commas",
                             (int)size, at);
        }
        pack_int(out, status);
        at = at[size] == ',' ? at + size + 1 : NULL;
    }
    return STATUS_OK;
}

static const char *text_or(const char *text, const char *otherwise)
{
    return text != NULL ? text : otherwise;
}

static void put_files(struct pack *out, const struct options *options)
{
    size_t count;
    const char **globs = options_uses(options, OPTION_OUTPUT_FILE, &count);
    put_words(out, globs, count);
    free(globs);
}

static enum status put_trial(struct pack *pack, const struct exec_trial *trial, struct buffer *out)
{
    if (trial == NULL) {
        return pack_finish(pack);
    }
    pack_text(pack, "trial");
    pack_map(pack, 3);
    pack_text(pack, "repeats");
    pack_uint(pack, trial->repeats);
    pack_text(pack, "modules");
    put_word(pack, trial->modules);
    pack_text(pack, "paths");
    const enum status status = pack_finish(pack);
    return status == STATUS_OK ? value_encode(trial->paths, out) : status;
}

static bool has_metric(const struct exec *exec)
{
    return exec->trial != NULL && exec->trial->metric->name != NULL;
}

static void put_metric(struct pack *pack, const struct metric_options *metric)
{
    pack_text(pack, "metric");
    pack_map(pack, 3);
    pack_text(pack, "name");
    put_word(pack, metric->name);
    pack_text(pack, "hint");
    put_word(pack, text_or(metric->hint, ""));
    pack_text(pack, "is_required");
    pack_bool(pack, metric->is_required);
}

enum status exec_constant(const struct exec *exec, const char *statuses,
                          const struct map_options *map, struct buffer *out, struct error *err)
{
    const struct options *options = exec->options;
    const char *const *words = (const char *const *)exec->command;
    struct pack pack;
    pack_start(&pack, out);
    pack_map(&pack, FIELD_COUNT + (exec->trial != NULL ? 1u : 0u) + (has_metric(exec) ? 1u : 0u));
    pack_text(&pack, "words");
    put_words(&pack, words, exec->command_count);
    pack_text(&pack, "shell");
    put_word(&pack, text_or(exec->shell, ""));
    pack_text(&pack, "stdin");
    pack_text(&pack, text_or(options->values[OPTION_STDIN], ""));
    pack_text(&pack, "output");
    pack_text(&pack, text_or(options->values[OPTION_OUTPUT], "text"));
    pack_text(&pack, "files");
    put_files(&pack, options);
    pack_text(&pack, "permanent");
    const enum status status = put_statuses(&pack, statuses, err);
    if (status != STATUS_OK) {
        return status;
    }
    pack_text(&pack, "capture");
    pack_text(&pack, captures[map->capture]);
    pack_text(&pack, "output_size_max");
    pack_uint(&pack, map->output_size_max);
    pack_text(&pack, "grace_ms");
    pack_uint(&pack, map->grace_ns / 1000000);
    if (has_metric(exec)) {
        put_metric(&pack, exec->trial->metric);
    }
    return put_trial(&pack, exec->trial, out) == STATUS_OK
               ? STATUS_OK
               : error_set(err, STATUS_NO_MEMORY, "no memory for a command");
}

static enum status add_text(struct buffer *out, const char *text, size_t *count)
{
    (*count)++;
    return buffer_append(out, text, strlen(text) + 1);
}

enum status exec_key_texts(const struct exec *exec, struct buffer *out, size_t *count_out)
{
    static const enum option_id ids[] = {OPTION_STDIN, OPTION_OUTPUT};
    size_t glob_count;
    const char **globs = options_uses(exec->options, OPTION_OUTPUT_FILE, &glob_count);
    *count_out = 0;
    enum status status = add_text(out, exec->shell != NULL ? "shell" : "", count_out);
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]) && status == STATUS_OK; i++) {
        status = add_text(out, text_or(exec->options->values[ids[i]], ""), count_out);
    }
    for (size_t i = 0; i < glob_count && status == STATUS_OK; i++) {
        status = add_text(out, globs[i], count_out);
    }
    if (status == STATUS_OK) {
        status = add_text(out, "--", count_out);
    }
    for (size_t i = 0; i < exec->command_count && status == STATUS_OK; i++) {
        status = add_text(out, exec->command[i], count_out);
    }
    free(globs);
    return status;
}
