#include "cli/results_stdio.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/stdio_search.h"
#include "shared/buffer.h"
#include "shared/log.h"
#include "shared/memory.h"
#include "shared/value.h"

/* What was kept of one attempt. */
struct found {
    uint64_t attempt;
    uint64_t time_ms;
    struct buffer text;
};

/* For what an instance's attempts printed. */
struct search {
    uint64_t map;
    uint64_t index;
    struct found *found;
    size_t count;
    size_t capacity;
};

/* ---- The index ------------------------------------------------------------------------------ */

enum status results_stdio_index(const char *text, uint64_t size, uint64_t *index_out,
                                struct error *err)
{
    int64_t index = 0;
    if (value_parse_int(text, strlen(text), &index) != STATUS_OK || index < 0) {
        return error_set(err, STATUS_INVALID, "--stdio: expected an index from 0, found \"%s\"",
                         text);
    }
    if ((uint64_t)index >= size) {
        return error_set(err, STATUS_INVALID,
                         "--stdio: there is no instance %" PRId64 ": the run has %" PRIu64
                         ", numbered from 0",
                         index, size);
    }
    *index_out = (uint64_t)index;
    return STATUS_OK;
}

/* ---- Searching ------------------------------------------------------------------------------ */

/* An attempt that we had ended was run again under its number: what was kept last counts. NULL
 * where what is there came later. */
static struct found *place_of(struct search *search, uint64_t attempt, uint64_t time_ms)
{
    for (size_t i = 0; i < search->count; i++) {
        struct found *found = &search->found[i];
        if (found->attempt == attempt) {
            const bool is_later = time_ms >= found->time_ms;
            found->time_ms = is_later ? time_ms : found->time_ms;
            return is_later ? found : NULL;
        }
    }
    search->found =
        memory_grow(search->found, search->count, &search->capacity, sizeof(*search->found));
    search->found[search->count] = (struct found){.attempt = attempt, .time_ms = time_ms};
    return &search->found[search->count++];
}

static bool wants(void *context, const struct stdio_record *record, const struct stdio_entry *entry)
{
    const struct search *search = context;
    return record->map == search->map && entry->index == search->index;
}

static enum status take(void *context, const struct stdio_record *record,
                        const struct stdio_entry *entry, const uint8_t *text)
{
    struct found *found = place_of(context, entry->attempt, record->time_ms);
    if (found == NULL) {
        return STATUS_OK;
    }
    buffer_clear(&found->text);
    return buffer_append(&found->text, text,
                         (size_t)(entry->sizes[STDIO_OUT] + entry->sizes[STDIO_ERR]));
}

/* ---- Printing ------------------------------------------------------------------------------- */

static int by_attempt(const void *a, const void *b)
{
    const struct found *left = a;
    const struct found *right = b;
    return left->attempt < right->attempt ? -1 : left->attempt > right->attempt ? 1 : 0;
}

/* Whoever stops reading has seen enough. */
static MUST_CHECK enum status write_all(const struct buffer *text, struct error *err)
{
    for (size_t at = 0; at < text->size;) {
        const ssize_t written = write(STDOUT_FILENO, text->data + at, text->size - at);
        if (written < 0 && errno == EPIPE) {
            return STATUS_OK;
        }
        if (written < 0 && errno != EINTR) {
            return error_set(err, STATUS_IO, "standard output: %s", strerror(errno));
        }
        at += written > 0 ? (size_t)written : 0;
    }
    return STATUS_OK;
}

static void say_nothing_is_kept(const struct run_description *run, uint64_t index)
{
    static const char *const reasons[] = {
        [MAP_CAPTURE_FAILED] =
            "it has printed nothing, or no attempt of it has failed (--capture failed)",
        [MAP_CAPTURE_ALL] = "it has printed nothing, or has not ended",
        [MAP_CAPTURE_NONE] = "the run passed it on (--capture none)",
        [MAP_CAPTURE_DISCARD] = "the run dropped it (--capture discard)",
    };
    log_info("nothing is kept of what instance %" PRIu64 " printed: %s", index,
             reasons[run->options.capture]);
}

enum status results_stdio_print(const char *run_dir, const struct run_description *run,
                                uint64_t map, uint64_t index, struct error *err)
{
    struct search search = {.map = map, .index = index};
    const struct stdio_visitor visitor = {.wants = wants, .take = take, .context = &search};
    enum status status = stdio_search(run_dir, &visitor, err);
    if (status == STATUS_OK && search.count == 0) {
        say_nothing_is_kept(run, index);
    }
    if (search.count > 0) {
        qsort(search.found, search.count, sizeof(*search.found), by_attempt);
    }
    for (size_t i = 0; i < search.count; i++) {
        if (status == STATUS_OK && search.count > 1) {
            log_info("attempt %" PRIu64 " of instance %" PRIu64 ":", search.found[i].attempt,
                     index);
        }
        if (status == STATUS_OK) {
            status = write_all(&search.found[i].text, err);
        }
        buffer_free(&search.found[i].text);
    }
    free(search.found);
    return status;
}
