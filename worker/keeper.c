#include "worker/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/clock.h"
#include "shared/log.h"
#include "shared/memory.h"

/* One record holds no more than about this. */
#define TEXT_SIZE_GOAL ((size_t)4 << 20)
#define SESSION_COUNT_MAX 100000

struct keeper {
    char *folder;
    uint32_t rank;
    uint64_t map; /* of what is not written yet */
    int file;     /* -1: not created yet */
    off_t good_size;
    bool is_warned;
    struct stdio_entry *entries; /* not written yet, */
    size_t entry_count;
    size_t entry_capacity;
    struct buffer text; /* and their text */
    struct buffer record;
};

struct keeper *keeper_create(const char *run_dir, uint32_t rank)
{
    struct keeper *keeper = memory_take(1, sizeof(*keeper));
    char folder[PATH_MAX];
    (void)snprintf(folder, sizeof(folder), "%s/" STDIO_RECORD_FOLDER, run_dir);
    *keeper = (struct keeper){.folder = memory_copy_text(folder), .rank = rank, .file = -1};
    return keeper;
}

void keeper_destroy(struct keeper *keeper)
{
    if (keeper == NULL) {
        return;
    }
    keeper_flush(keeper);
    if (keeper->file >= 0) {
        (void)close(keeper->file);
    }
    buffer_free(&keeper->text);
    buffer_free(&keeper->record);
    free(keeper->entries);
    free(keeper->folder);
    free(keeper);
}

/* ---- The file ------------------------------------------------------------------------------- */

static void warn(struct keeper *keeper, const char *reason)
{
    if (!keeper->is_warned) {
        log_warning("rank %" PRIu32 " cannot keep what attempts print: %s: %s", keeper->rank,
                    keeper->folder, reason);
    }
    keeper->is_warned = true;
}

static int create_file(const struct keeper *keeper)
{
    int file = -1;
    if (mkdir(keeper->folder, 0700) != 0 && errno != EEXIST) {
        return -1;
    }
    for (unsigned number = 0; file < 0 && number < SESSION_COUNT_MAX; number++) {
        char path[PATH_MAX];
        const int length = snprintf(path, sizeof(path), "%s/%06" PRIu32 "-%u" STDIO_RECORD_ENDING,
                                    keeper->folder, keeper->rank, number);
        if (length >= (int)sizeof(path)) {
            errno = ENAMETOOLONG;
            return -1;
        }
        file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (file < 0 && errno != EEXIST) {
            return -1;
        }
    }
    return file;
}

static bool write_all(int file, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        const ssize_t written = write(file, bytes, size);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            errno = written == 0 ? ENOSPC : errno;
            return false;
        }
        bytes += written;
        size -= (size_t)written;
    }
    return true;
}

/* A record that was written in part is cut off, so that others may follow. */
static bool append(struct keeper *keeper, const struct buffer *record)
{
    if (keeper->file < 0) {
        keeper->file = create_file(keeper);
    }
    if (keeper->file < 0) {
        return false;
    }
    if (!write_all(keeper->file, record->data, record->size)) {
        const int reason = errno;
        if (ftruncate(keeper->file, keeper->good_size) != 0) {
            (void)close(keeper->file);
            keeper->file = -1; /* the next record begins another file */
            keeper->good_size = 0;
        }
        errno = reason;
        return false;
    }
    keeper->good_size += (off_t)record->size;
    return true;
}

/* ---- Keeping -------------------------------------------------------------------------------- */

void keeper_add(struct keeper *keeper, uint64_t map, const struct stdio_entry *entry,
                const uint8_t *text)
{
    const uint64_t size = entry->sizes[STDIO_OUT] + entry->sizes[STDIO_ERR];
    if (map != keeper->map) {
        keeper_flush(keeper); /* a record is of one map */
        keeper->map = map;
    }
    if (buffer_append(&keeper->text, text, (size_t)size) != STATUS_OK) {
        warn(keeper, "no memory");
        return;
    }
    keeper->entries = memory_grow(keeper->entries, keeper->entry_count, &keeper->entry_capacity,
                                  sizeof(*keeper->entries));
    keeper->entries[keeper->entry_count++] = *entry;
    if (keeper->text.size >= TEXT_SIZE_GOAL) {
        keeper_flush(keeper);
    }
}

void keeper_flush(struct keeper *keeper)
{
    const struct stdio_record record = {.map = keeper->map,
                                        .rank = keeper->rank,
                                        .time_ms = clock_day_ms(),
                                        .entries = keeper->entries,
                                        .entry_count = keeper->entry_count,
                                        .text_size = keeper->text.size};
    if (keeper->entry_count == 0) {
        return;
    }
    buffer_clear(&keeper->record);
    if (stdio_record_encode(&record, keeper->text.data, &keeper->record) != STATUS_OK) {
        warn(keeper, "no memory");
    } else if (!append(keeper, &keeper->record)) {
        warn(keeper, strerror(errno));
    }
    keeper->entry_count = 0;
    buffer_clear(&keeper->text);
}
