#include "master/inputs_bytes.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/lz4_input.h"

/* How much is asked for at a time. */
#define FILL_SIZE ((size_t)256 * 1024)

static const char byte_order_mark[] = "\xEF\xBB\xBF";

static enum status open_file(const char *path, const char *launch_dir, int *file_out,
                             struct error *err)
{
    char *joined = NULL;
    if (path[0] != '/' && asprintf(&joined, "%s/%s", launch_dir, path) < 0) {
        return error_set(err, STATUS_NO_MEMORY, "%s: %s", path, status_text(STATUS_NO_MEMORY));
    }
    const int file = open(path[0] == '/' ? path : joined, O_RDONLY | O_CLOEXEC);
    const int reason = errno;
    free(joined);
    if (file < 0) {
        return error_set(err, reason == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "%s: %s", path,
                         strerror(reason));
    }
    *file_out = file;
    return STATUS_OK;
}

enum status inputs_bytes_open(const char *path, const char *launch_dir, bool is_lz4,
                              struct inputs_bytes *bytes_out, struct error *err)
{
    struct inputs_bytes bytes = {.name = path, .file = STDIN_FILENO};
    enum status status = STATUS_OK;
    if (strcmp(path, "-") == 0) {
        bytes.name = "standard input";
    } else {
        status = open_file(path, launch_dir, &bytes.file, err);
    }
    if (status == STATUS_OK && is_lz4) {
        status = lz4_input_create(bytes.file, bytes.name, &bytes.lz4, err);
    }
    if (status != STATUS_OK) {
        inputs_bytes_close(&bytes);
        return status;
    }
    *bytes_out = bytes;
    return STATUS_OK;
}

void inputs_bytes_close(struct inputs_bytes *bytes)
{
    lz4_input_destroy(bytes->lz4);
    free(bytes->data);
    if (bytes->file > STDIN_FILENO) {
        (void)close(bytes->file);
    }
    *bytes = (struct inputs_bytes){0};
}

/* Room for FILL_SIZE bytes behind the window, and one for a NUL. */
static enum status make_room(struct inputs_bytes *bytes, struct error *err)
{
    const size_t size = bytes->end - bytes->begin;
    if (bytes->begin > 0) {
        memmove(bytes->data, bytes->data + bytes->begin, size);
        bytes->begin = 0;
        bytes->end = size;
    }
    if (bytes->capacity > FILL_SIZE && size < bytes->capacity - FILL_SIZE) {
        return STATUS_OK;
    }
    const size_t capacity = 2 * size + 2 * FILL_SIZE;
    char *data = realloc(bytes->data, capacity);
    if (data == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "%s: out of memory after %zu bytes of one element",
                         bytes->name, size);
    }
    bytes->data = data;
    bytes->capacity = capacity;
    return STATUS_OK;
}

static enum status read_plain(struct inputs_bytes *bytes, struct error *err)
{
    ssize_t size = 0;
    do {
        size = read(bytes->file, bytes->data + bytes->end, FILL_SIZE);
    } while (size < 0 && errno == EINTR);
    if (size < 0) {
        return error_set(err, STATUS_IO, "%s: %s", bytes->name, strerror(errno));
    }
    bytes->end += (size_t)size;
    bytes->is_ended = size == 0;
    return STATUS_OK;
}

enum status inputs_bytes_fill(struct inputs_bytes *bytes, struct error *err)
{
    assert(!bytes->is_ended);
    enum status status = make_room(bytes, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (bytes->lz4 == NULL) {
        return read_plain(bytes, err);
    }
    struct lz4_piece piece;
    status = lz4_input_read(bytes->lz4, bytes->data + bytes->end, FILL_SIZE, &piece, err);
    if (status == STATUS_OK) {
        bytes->end += piece.size;
        bytes->is_ended = piece.is_end;
    }
    return status;
}

enum status inputs_bytes_drop_mark(struct inputs_bytes *bytes, struct error *err)
{
    const size_t mark_size = sizeof(byte_order_mark) - 1;
    while (!bytes->is_ended && bytes->end - bytes->begin < mark_size) {
        const enum status status = inputs_bytes_fill(bytes, err);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (bytes->end - bytes->begin >= mark_size &&
        memcmp(bytes->data + bytes->begin, byte_order_mark, mark_size) == 0) {
        bytes->begin += mark_size;
    }
    return STATUS_OK;
}

/* The size of the line that begins the window, without its LF. At the end of the file, what is left
 * is a line. */
static enum status find_line(struct inputs_bytes *bytes, size_t *size_out, bool *has_lf_out,
                             struct error *err)
{
    size_t searched = 0;
    for (;;) {
        const size_t size = bytes->end - bytes->begin;
        if (size > searched) {
            const char *start = bytes->data + bytes->begin;
            const char *lf = memchr(start + searched, '\n', size - searched);
            if (lf != NULL) {
                *size_out = (size_t)(lf - start);
                *has_lf_out = true;
                return STATUS_OK;
            }
            searched = size;
        }
        if (bytes->is_ended) {
            *size_out = size;
            *has_lf_out = false;
            return STATUS_OK;
        }
        const enum status status = inputs_bytes_fill(bytes, err);
        if (status != STATUS_OK) {
            return status;
        }
    }
}

enum status inputs_bytes_line(struct inputs_bytes *bytes, struct inputs_line *line_out,
                              struct error *err)
{
    size_t size = 0;
    bool has_lf = false;
    const enum status status = find_line(bytes, &size, &has_lf, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (size == 0 && !has_lf) {
        *line_out = (struct inputs_line){0};
        return STATUS_OK;
    }
    char *text = bytes->data + bytes->begin;
    const bool has_cr = has_lf && size > 0 && text[size - 1] == '\r';
    bytes->begin += size + (has_lf ? 1 : 0);
    bytes->line_number++;
    size -= has_cr ? 1 : 0;
    text[size] = '\0';
    *line_out = (struct inputs_line){
        .text = text, .size = size, .ending = has_cr ? "\r\n" : (has_lf ? "\n" : "")};
    return STATUS_OK;
}
