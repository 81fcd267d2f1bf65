#include "cli/cache_options.h"

#include <stdlib.h>
#include <string.h>

#include "master/cache_store.h"
#include "shared/key.h"
#include "shared/memory.h"

static enum cache_mode mode_of(const struct options *options, const char *version)
{
    const char *mode = options->values[OPTION_CACHE];
    if (mode == NULL) {
        return version != NULL ? CACHE_USE : CACHE_OFF;
    }
    return strcmp(mode, "off") == 0   ? CACHE_OFF
           : strcmp(mode, "use") == 0 ? CACHE_USE
                                      : CACHE_REFRESH;
}

enum status cache_request_check(const struct options *options, const struct task *task,
                                bool is_command, const char *launch_dir,
                                struct cache_request *request_out, struct error *err)
{
    const char *given = options->values[OPTION_CACHE_VERSION];
    const char *version = given != NULL ? given : task->cache_version;
    const enum cache_mode mode = mode_of(options, version);
    version = version == NULL && is_command ? "" : version;
    *request_out = (struct cache_request){.mode = mode};
    if (given != NULL && *given == '\0') {
        return error_set(err, STATUS_INVALID, "--cache-version: expected a text, found nothing");
    }
    if (mode == CACHE_OFF) {
        return STATUS_OK;
    }
    if (version == NULL) {
        return error_set(err, STATUS_INVALID,
                         "--cache %s: task %s has no cache_version: give --cache-version TEXT, and "
                         "another one whenever the task changes",
                         cache_mode_name(mode), task->name);
    }
    enum status status = key_check_ignore(task->input, task->cache_ignore, err);
    if (status != STATUS_OK) {
        error_prefix(err, "task %s: ", task->name);
        return status;
    }
    request_out->version = version;
    return cache_store_choose(options->values[OPTION_CACHE_DIR], launch_dir, &request_out->dir,
                              err);
}

void cache_request_free(struct cache_request *request)
{
    free(request->dir);
    *request = (struct cache_request){.mode = CACHE_OFF};
}

static enum status add_type(const struct type *type, struct buffer *text)
{
    const enum status status = type_format(type, text);
    return status == STATUS_OK ? buffer_append_byte(text, '\0') : status;
}

static size_t count_words(const struct buffer *words)
{
    size_t count = 0;
    for (size_t i = 0; i < words->size; i++) {
        count += words->data[i] == '\0' ? 1 : 0;
    }
    return count;
}

enum status cache_request_base(const struct cache_request *request, const struct job *job,
                               const struct task *task, uint64_t seed, const struct buffer *words,
                               struct buffer *out)
{
    enum { OWN_COUNT = 5 };
    struct buffer types = {0};
    const size_t word_count = count_words(words);
    const char **texts = memory_take(OWN_COUNT + word_count, sizeof(*texts));
    enum status status = add_type(task->input, &types);
    const size_t output_at = types.size;
    if (status == STATUS_OK) {
        status = add_type(task->output, &types);
    }
    if (status == STATUS_OK) {
        texts[0] = job->name;
        texts[1] = task->name;
        texts[2] = request->version;
        texts[3] = (const char *)types.data;
        texts[4] = (const char *)types.data + output_at;
        const char *at = (const char *)words->data;
        for (size_t i = 0; i < word_count; i++) {
            texts[OWN_COUNT + i] = at;
            at += strlen(at) + 1;
        }
        status = key_base_make(texts, OWN_COUNT + word_count, seed, out);
    }
    free(texts);
    buffer_free(&types);
    return status;
}
