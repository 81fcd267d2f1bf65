#include "worker/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/quantity.h"

#define PAGE ((off_t)4096)
#define LINE_COUNT 3
#define LINE_SIZE_MAX ((CAPTURE_LINES_SIZE_MAX / LINE_COUNT) - SEPARATOR_SIZE)
#define SEPARATOR " | "
#define SEPARATOR_SIZE (sizeof(SEPARATOR) - 1)

/* ---- Life ----------------------------------------------------------------------------------- */

static int open_one(const char *name)
{
    const int fd = memfd_create(name, MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, CAPTURE_MARK_SIZE) != 0 || fcntl(fd, F_SETFL, O_APPEND) != 0) {
        const int reason = errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        errno = reason;
        return -1;
    }
    return fd;
}

enum status capture_open(int fds_out[STDIO_STREAM_COUNT], struct error *err)
{
    fds_out[STDIO_OUT] = open_one("mapfleet-stdout");
    fds_out[STDIO_ERR] = fds_out[STDIO_OUT] < 0 ? -1 : open_one("mapfleet-stderr");
    if (fds_out[STDIO_ERR] < 0) {
        const int reason = errno;
        capture_close(fds_out);
        return error_set(err, STATUS_IO, "no memory for what attempts print: %s", strerror(reason));
    }
    return STATUS_OK;
}

void capture_close(int fds[STDIO_STREAM_COUNT])
{
    for (size_t i = 0; i < STDIO_STREAM_COUNT; i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
        fds[i] = -1;
    }
}

/* ---- Reading -------------------------------------------------------------------------------- */

static size_t read_at(int fd, off_t at, uint8_t *out, size_t size)
{
    size_t got = 0;
    while (got < size) {
        const ssize_t count = pread(fd, out + got, size - got, at + (off_t)got);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            break;
        }
        got += (size_t)count;
    }
    return got;
}

static size_t put_left_out(uint8_t *out, bool is_line_open, uint64_t left_out)
{
    char size[QUANTITY_TEXT_SIZE];
    char line[64];
    (void)snprintf(line, sizeof(line), "%s[mapfleet: %s left out]\n", is_line_open ? "\n" : "",
                   quantity_size_text(left_out, size));
    memcpy(out, line, strlen(line));
    return strlen(line);
}

size_t capture_read(int fd, uint8_t *text_out, uint64_t *left_out_out)
{
    struct stat about;
    uint8_t mark = 0;
    *left_out_out = 0;
    if (fstat(fd, &about) != 0 || about.st_size <= 0) {
        return 0;
    }
    (void)read_at(fd, 0, &mark, sizeof(mark));
    const off_t start = mark == 0 ? CAPTURE_MARK_SIZE : 0;
    const size_t size = (size_t)(about.st_size - start);
    if (size <= 2 * CAPTURE_PART_SIZE) {
        return read_at(fd, start, text_out, size);
    }
    size_t used = read_at(fd, start, text_out, CAPTURE_PART_SIZE);
    *left_out_out = size - 2 * CAPTURE_PART_SIZE;
    used += put_left_out(text_out + used, used > 0 && text_out[used - 1] != '\n', *left_out_out);
    return used + read_at(fd, about.st_size - (off_t)CAPTURE_PART_SIZE, text_out + used,
                          CAPTURE_PART_SIZE);
}

/* ---- Bounding ------------------------------------------------------------------------------- */

bool capture_is_large(int fd)
{
    struct stat about;
    return fstat(fd, &about) == 0 && about.st_blocks * 512 > (blkcnt_t)(4 * CAPTURE_PART_SIZE);
}

void capture_bound(int fd)
{
    struct stat about;
    const off_t start = (off_t)CAPTURE_PART_SIZE + PAGE; /* the mark moves the first part */
    if (fstat(fd, &about) != 0) {
        return;
    }
    const off_t end = (about.st_size - (off_t)CAPTURE_PART_SIZE) / PAGE * PAGE;
    if (end > start) {
        (void)fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, start, end - start);
    }
}

/* ---- Last lines ----------------------------------------------------------------------------- */

struct line {
    const uint8_t *start;
    size_t size;
};

static bool is_blank(uint8_t byte)
{
    return byte <= ' ' || byte == 0x7f;
}

static struct line trimmed(const uint8_t *start, const uint8_t *end)
{
    while (start < end && is_blank(end[-1])) {
        end--;
    }
    while (start < end && is_blank(*start)) {
        start++;
    }
    return (struct line){.start = start, .size = (size_t)(end - start)};
}

/* The last lines, the last of them first. Carriage returns end lines too: of what overwrites itself
 * on a terminal, such as progress, the last state counts. */
static size_t find_lines(const uint8_t *text, size_t size, struct line lines[LINE_COUNT])
{
    size_t count = 0;
    const uint8_t *end = text + size;
    while (count < LINE_COUNT && end > text) {
        const uint8_t *start = end;
        while (start > text && start[-1] != '\n' && start[-1] != '\r') {
            start--;
        }
        lines[count] = trimmed(start, end);
        count += lines[count].size > 0 ? 1 : 0;
        end = start > text ? start - 1 : text;
    }
    return count;
}

/* At most `room` bytes of the line, not ending within a character. */
static size_t cut(struct line line, size_t room)
{
    if (line.size <= room) {
        return line.size;
    }
    size_t size = room;
    while (size > 0 && (line.start[size] & 0xc0) == 0x80 && room - size < 4) {
        size--;
    }
    return size;
}

static size_t add_line(char *message, size_t size, struct line line)
{
    const size_t line_size = cut(line, LINE_SIZE_MAX);
    if (size > 0) {
        memcpy(message + size, SEPARATOR, SEPARATOR_SIZE);
        size += SEPARATOR_SIZE;
    }
    for (size_t i = 0; i < line_size; i++) {
        message[size++] = is_blank(line.start[i]) ? ' ' : (char)line.start[i];
    }
    return size;
}

size_t capture_add_lines(char *message, size_t message_size, size_t room, const uint8_t *printed,
                         size_t printed_size)
{
    struct line lines[LINE_COUNT];
    const size_t count = find_lines(printed, printed_size, lines);
    const struct line all = {.start = (const uint8_t *)message, .size = message_size};
    size_t size = count > 0 ? cut(all, room - CAPTURE_LINES_SIZE_MAX) : message_size;
    for (size_t i = count; i > 0; i--) {
        size = add_line(message, size, lines[i - 1]);
    }
    return size;
}
