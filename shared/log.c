#include "shared/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_SIZE_MAX 4096

enum debug_state { DEBUG_UNKNOWN, DEBUG_OFF, DEBUG_ON };

static atomic_int debug_state = DEBUG_UNKNOWN;
static atomic_int own_rank = -1;

void log_set_rank(int rank)
{
    atomic_store(&own_rank, rank);
}

bool log_debug_is_on(void)
{
    int state = atomic_load_explicit(&debug_state, memory_order_relaxed);
    if (state == DEBUG_UNKNOWN) {
        const char *value = getenv("MAPFLEET_DEBUG");
        const bool on = value != NULL && value[0] != '\0' && strcmp(value, "0") != 0;
        state = on ? DEBUG_ON : DEBUG_OFF;
        atomic_store_explicit(&debug_state, state, memory_order_relaxed);
    }
    return state == DEBUG_ON;
}

static void write_line(const char *line, size_t size)
{
    ssize_t written = 0;
    do {
        written = write(STDERR_FILENO, line, size);
    } while (written < 0 && errno == EINTR);
}

static void log_line(const char *prefix, const char *format, va_list args)
{
    const int errno_before = errno;
    char line[LINE_SIZE_MAX];
    const size_t room = sizeof(line) - 1; /* the last byte is kept for the line's end */

    const size_t prefix_size = strlen(prefix);
    memcpy(line, prefix, prefix_size);
    (void)vsnprintf(line + prefix_size, room - prefix_size, format, args);

    const size_t size = strlen(line);
    for (size_t i = 0; i < size; i++) {
        if (line[i] == '\n' || line[i] == '\r') {
            line[i] = ' ';
        }
    }
    line[size] = '\n';
    write_line(line, size + 1);
    errno = errno_before;
}

void log_info(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_line("mapfleet: ", format, args);
    va_end(args);
}

void log_warning(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_line("mapfleet: warning: ", format, args);
    va_end(args);
}

void log_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_line("mapfleet: error: ", format, args);
    va_end(args);
}

void log_debug(const char *format, ...)
{
    if (!log_debug_is_on()) {
        return;
    }
    char prefix[64] = "mapfleet: debug: ";
    const int rank = atomic_load(&own_rank);
    if (rank >= 0) {
        (void)snprintf(prefix, sizeof(prefix), "mapfleet: debug: rank=%d ", rank);
    }
    va_list args;
    va_start(args, format);
    log_line(prefix, format, args);
    va_end(args);
}
