#include "cli/results_stdio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/arena.h"
#include "shared/buffer.h"
#include "shared/log.h"
#include "shared/lz4_frame.h"
#include "shared/memory.h"
#include "shared/stdio_record.h"
#include "shared/value.h"

#define READ_SIZE ((size_t)1 << 20)

/* What was kept of one attempt. */
struct found {
    uint64_t attempt;
    uint64_t time_ms;
    struct buffer text;
};

struct search {
    uint64_t map;
    uint64_t index;
    struct found *found;
    size_t count;
    size_t capacity;
    /* Of the file at hand: */
    char path[PATH_MAX];
    int file;
    uint64_t offset;      /* of the bytes in `bytes` */
    struct buffer bytes;  /* the record that begins there, as far as it is read */
    struct buffer text;   /* of it, decompressed */
    struct arena entries; /* of it */
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

static MUST_CHECK enum status take_entry(struct search *search, const struct stdio_record *record,
                                         const struct stdio_entry *entry, uint64_t at)
{
    struct found *found = place_of(search, entry->attempt, record->time_ms);
    if (found == NULL) {
        return STATUS_OK;
    }
    buffer_clear(&found->text);
    if (search->text.size == 0) {
        const enum status status = lz4_frame_decompress(record->frame, record->frame_size,
                                                        (size_t)record->text_size, &search->text);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (search->text.size != record->text_size) {
        return STATUS_INVALID;
    }
    return buffer_append(&found->text, search->text.data + at,
                         (size_t)(entry->sizes[STDIO_OUT] + entry->sizes[STDIO_ERR]));
}

static MUST_CHECK enum status take_record(struct search *search, const struct stdio_record *record)
{
    enum status status = STATUS_OK;
    uint64_t at = 0;
    buffer_clear(&search->text);
    for (size_t i = 0; i < record->entry_count && status == STATUS_OK; i++) {
        const struct stdio_entry *entry = &record->entries[i];
        if (record->map == search->map && entry->index == search->index) {
            status = take_entry(search, record, entry, at);
        }
        at += entry->sizes[STDIO_OUT] + entry->sizes[STDIO_ERR];
    }
    return status;
}

/* Have at least `needed` bytes of the record, if the file has them: what is needed was said by the
 * file itself. */
static MUST_CHECK enum status read_more(struct search *search, uint64_t needed, struct error *err)
{
    struct stat about;
    if (fstat(search->file, &about) != 0) {
        return error_set(err, STATUS_IO, "%s: %s", search->path, strerror(errno));
    }
    const uint64_t left = (uint64_t)about.st_size - search->offset;
    uint64_t end = needed < READ_SIZE ? READ_SIZE : needed;
    end = end < left ? end : left;
    while (search->bytes.size < end) {
        const size_t more = (size_t)end - search->bytes.size;
        if (buffer_reserve(&search->bytes, more) != STATUS_OK) {
            return error_set(err, STATUS_NO_MEMORY, "%s: out of memory", search->path);
        }
        const ssize_t count = pread(search->file, search->bytes.data + search->bytes.size, more,
                                    (off_t)(search->offset + search->bytes.size));
        if (count < 0 && errno != EINTR) {
            return error_set(err, STATUS_IO, "%s: %s", search->path, strerror(errno));
        }
        if (count == 0) {
            break; /* it became shorter under our eyes */
        }
        search->bytes.size += count > 0 ? (size_t)count : 0;
    }
    return STATUS_OK;
}

static void drop_record(struct search *search, size_t size)
{
    search->offset += size;
    search->bytes.size -= size;
    memmove(search->bytes.data, search->bytes.data + size, search->bytes.size);
}

/* A tail that is torn, or being written, is not shown; nor is what stands behind damage. */
static MUST_CHECK enum status search_file(struct search *search, struct error *err)
{
    for (;;) {
        struct stdio_record record;
        struct error reason = {""};
        size_t used;
        const uint8_t *data = search->bytes.size > 0 ? search->bytes.data : (const uint8_t *)"";
        arena_reset(&search->entries);
        enum status status = stdio_record_decode(data, search->bytes.size, &search->entries,
                                                 &record, &used, &reason);
        if (status == STATUS_LIMIT && search->bytes.size < used) {
            const size_t had = search->bytes.size;
            status = read_more(search, used, err);
            if (status != STATUS_OK || search->bytes.size == 0) {
                return status;
            }
            if (search->bytes.size > had) {
                continue;
            }
            status = STATUS_LIMIT;
        }
        if (status == STATUS_OK) {
            status = take_record(search, &record);
            (void)error_set(&reason, status, "%s", status_text(status));
        }
        if (status != STATUS_OK) {
            log_warning("%s: record at byte %" PRIu64
                        ": %s; only what stands before it is shown of this file",
                        search->path, search->offset, reason.text);
            return STATUS_OK;
        }
        drop_record(search, used);
    }
}

static int is_kept_file(const struct dirent *entry)
{
    const char *ending = strrchr(entry->d_name, '.');
    return ending != NULL && strcmp(ending, STDIO_RECORD_ENDING) == 0;
}

static MUST_CHECK enum status search_named(struct search *search, const char *folder,
                                           const char *name, struct error *err)
{
    if (snprintf(search->path, sizeof(search->path), "%s/%s", folder, name) >=
        (int)sizeof(search->path)) {
        return error_set(err, STATUS_LIMIT, "%s: the path is too long", folder);
    }
    search->file = open(search->path, O_RDONLY | O_CLOEXEC);
    if (search->file < 0) {
        return error_set(err, STATUS_IO, "%s: %s", search->path, strerror(errno));
    }
    search->offset = 0;
    buffer_clear(&search->bytes);
    const enum status status = search_file(search, err);
    (void)close(search->file);
    return status;
}

static MUST_CHECK enum status search_all(struct search *search, const char *run_dir,
                                         struct error *err)
{
    char folder[PATH_MAX];
    struct dirent **names = NULL;
    enum status status = STATUS_OK;
    if (snprintf(folder, sizeof(folder), "%s/" STDIO_RECORD_FOLDER, run_dir) >=
        (int)sizeof(folder)) {
        return error_set(err, STATUS_LIMIT, "%s: the path is too long", run_dir);
    }
    const int count = scandir(folder, &names, is_kept_file, alphasort);
    if (count < 0) {
        return errno == ENOENT ? STATUS_OK
                               : error_set(err, STATUS_IO, "%s: %s", folder, strerror(errno));
    }
    for (int i = 0; i < count; i++) {
        if (status == STATUS_OK) {
            status = search_named(search, folder, names[i]->d_name, err);
        }
        free(names[i]);
    }
    free(names);
    return status;
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
    enum status status = search_all(&search, run_dir, err);
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
    buffer_free(&search.bytes);
    buffer_free(&search.text);
    arena_free(&search.entries);
    return status;
}
