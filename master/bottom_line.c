#include "master/bottom_line.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "shared/buffer.h"
#include "shared/memory.h"

#define ANCESTORS_MAX 8
#define ROWS_MIN 4
#define COLUMNS_MIN 20

/* Control sequences of ECMA-48 and of DEC's terminals, which all that are in use obey. */
#define SAVE_CURSOR "\0337"
#define RESTORE_CURSOR "\0338"
#define CURSOR_UP "\033[A"
#define WHOLE_REGION "\033[r"
#define CLEAR_LINE "\033[2K"
#define CLEAR_BELOW "\033[J"

struct bottom_line {
    int fd;               /* of its own, which never blocks */
    pid_t owner;          /* the process through which the user sees it */
    unsigned rows;        /* of which the last is the line; 0: the terminal is as it was */
    unsigned columns;     /* as last looked */
    unsigned seen_rows;   /* likewise */
    struct buffer unsent; /* what the terminal has not taken of what was begun */
};

/* ---- Whose terminal ------------------------------------------------------------------------- */

struct process {
    char name[32];
    pid_t parent;
    pid_t group;
    pid_t foreground; /* the group that is in front on its terminal; below 1: it has none */
};

static bool look_up(pid_t pid, struct process *process)
{
    char path[64];
    char text[512];
    (void)snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t size = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
    if (fd >= 0) {
        (void)close(fd);
    }
    if (size <= 0) {
        return false;
    }
    text[size] = '\0';
    const char *name = strchr(text, '(');
    const char *end = strrchr(text, ')'); /* a name may hold anything */
    long parent = 0;
    long group = 0;
    long foreground = 0;
    if (name == NULL || end == NULL ||
        sscanf(end, ") %*c %ld %ld %*d %*d %ld", &parent, &group, &foreground) != 3) {
        return false;
    }
    (void)snprintf(process->name, sizeof(process->name), "%.*s", (int)(end - name - 1), name + 1);
    process->parent = (pid_t)parent;
    process->group = (pid_t)group;
    process->foreground = (pid_t)foreground;
    return true;
}

/* Does it write what its children write to its own standard error? */
static bool passes_on(const struct process *process)
{
    static const char *const names[] = {"mpirun", "mpiexec", "orterun", "prterun", "mapfleet"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(process->name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Its standard error, where that is a terminal; else -1. */
static int open_terminal(pid_t pid)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%ld/fd/2", (long)pid);
    const int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0 && !isatty(fd)) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static int find_terminal(pid_t *owner_out)
{
    struct process process;
    pid_t pid = getpid();
    int fd = open_terminal(pid);
    for (int i = 0; fd < 0 && i < ANCESTORS_MAX; i++) {
        if (!look_up(pid, &process) || process.parent <= 1) {
            return -1;
        }
        pid = process.parent;
        if (!look_up(pid, &process) || !passes_on(&process)) {
            return -1;
        }
        fd = open_terminal(pid);
    }
    *owner_out = pid;
    return fd;
}

static bool is_in_front(pid_t owner)
{
    struct process process;
    return look_up(owner, &process) &&
           (process.foreground < 1 || process.foreground == process.group);
}

/* ---- Drawing -------------------------------------------------------------------------------- */

static void send_unsent(struct bottom_line *line)
{
    size_t sent = 0;
    while (sent < line->unsent.size) {
        const ssize_t count = write(line->fd, line->unsent.data + sent, line->unsent.size - sent);
        if (count > 0) {
            sent += (size_t)count;
        } else if (count == 0 || errno != EINTR) {
            break;
        }
    }
    line->unsent.size -= sent;
    if (sent > 0 && line->unsent.size > 0) {
        memmove(line->unsent.data, line->unsent.data + sent, line->unsent.size);
    }
}

/* In one write, so that nothing of others comes between. What was begun before goes first. */
static void send_whole(struct bottom_line *line, const struct buffer *sequence)
{
    send_unsent(line);
    if (line->unsent.size == 0 &&
        buffer_append(&line->unsent, sequence->data, sequence->size) == STATUS_OK) {
        send_unsent(line);
    }
}

static void give_back(struct bottom_line *line)
{
    struct buffer sequence = {0};
    if (line->rows > 0 &&
        buffer_printf(&sequence, SAVE_CURSOR "\033[%u;1H" CLEAR_LINE WHOLE_REGION RESTORE_CURSOR,
                      line->rows) == STATUS_OK) {
        send_whole(line, &sequence);
    }
    line->rows = 0;
    buffer_free(&sequence);
}

static struct winsize size_of(const struct bottom_line *line)
{
    struct winsize size = {0};
    return ioctl(line->fd, TIOCGWINSZ, &size) == 0 ? size : (struct winsize){0};
}

bool bottom_line_is_displaced(const struct bottom_line *line)
{
    const struct winsize size = size_of(line);
    return line->rows > 0 && (size.ws_row != line->seen_rows || size.ws_col != line->columns);
}

size_t bottom_line_width(struct bottom_line *line)
{
    const struct winsize size = size_of(line);
    line->seen_rows = size.ws_row;
    line->columns = size.ws_col;
    if (line->seen_rows >= ROWS_MIN && line->columns >= COLUMNS_MIN && is_in_front(line->owner)) {
        return line->columns - 1; /* in the last column some terminals begin a new line */
    }
    give_back(line);
    return 0;
}

/* All lines but the last scroll from here on. Where the cursor is on the last one, everything moves
 * up first. What is below the cursor is nothing, or a line that was drawn before the terminal was
 * resized. Setting the region moves the cursor to the top. */
static MUST_CHECK enum status put_region(const struct bottom_line *line, struct buffer *sequence)
{
    return buffer_printf(sequence,
                         "\n" CURSOR_UP CLEAR_BELOW SAVE_CURSOR "\033[1;%ur" RESTORE_CURSOR,
                         line->seen_rows - 1);
}

void bottom_line_draw(struct bottom_line *line, const char *text, size_t size)
{
    struct buffer sequence = {0};
    enum status status = STATUS_OK;
    if (line->rows != line->seen_rows) {
        status = put_region(line, &sequence);
        line->rows = line->seen_rows;
    }
    if (status == STATUS_OK) {
        status = buffer_printf(&sequence, SAVE_CURSOR "\033[%u;1H" CLEAR_LINE "%.*s" RESTORE_CURSOR,
                               line->rows, (int)size, text);
    }
    if (status == STATUS_OK) {
        send_whole(line, &sequence);
    }
    buffer_free(&sequence);
}

/* ---- Opening -------------------------------------------------------------------------------- */

static bool can_move_cursor(void)
{
    const char *term = getenv("TERM");
    return term != NULL && *term != '\0' && strcmp(term, "dumb") != 0;
}

struct bottom_line *bottom_line_open(void)
{
    pid_t owner = 0;
    const int fd = can_move_cursor() ? find_terminal(&owner) : -1;
    if (fd < 0) {
        return NULL;
    }
    struct bottom_line *line = memory_take(1, sizeof(*line));
    line->fd = fd;
    line->owner = owner;
    return line;
}

void bottom_line_close(struct bottom_line *line)
{
    if (line == NULL) {
        return;
    }
    give_back(line);
    (void)close(line->fd);
    buffer_free(&line->unsent);
    free(line);
}
