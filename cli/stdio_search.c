#include "cli/stdio_search.h"

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

#define READ_SIZE ((size_t)1 << 20)

struct search {
    const struct stdio_visitor *visitor;
    /* Of the file at hand: */
    char path[PATH_MAX];
    int file;
    uint64_t offset;      /* of the bytes in `bytes` */
    struct buffer bytes;  /* the record that begins there, as far as it is read */
    struct buffer text;   /* of it, decompressed */
    struct arena entries; /* of it */
};

/* A record is decompressed where something of it is wanted. */
static MUST_CHECK enum status take_entry(struct search *search, const struct stdio_record *record,
                                         const struct stdio_entry *entry, uint64_t at)
{
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
    return search->visitor->take(search->visitor->context, record, entry, search->text.data + at);
}

static MUST_CHECK enum status take_record(struct search *search, const struct stdio_record *record)
{
    enum status status = STATUS_OK;
    uint64_t at = 0;
    buffer_clear(&search->text);
    for (size_t i = 0; i < record->entry_count && status == STATUS_OK; i++) {
        const struct stdio_entry *entry = &record->entries[i];
        if (search->visitor->wants(search->visitor->context, record, entry)) {
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

enum status stdio_search(const char *run_dir, const struct stdio_visitor *visitor,
                         struct error *err)
{
    struct search search = {.visitor = visitor};
    const enum status status = search_all(&search, run_dir, err);
    buffer_free(&search.bytes);
    buffer_free(&search.text);
    arena_free(&search.entries);
    return status;
}
