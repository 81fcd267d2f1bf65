/* log.h - lines for people on standard error: "mapfleet: [warning: |error: ]event key=value ...".
 *
 * Each call is one line and one write(2), so that the lines of ranks and threads that share a
 * terminal do not mix. Line breaks within a text become spaces; a line past 4 KiB is cut.
 *
 * Threads: any thread may log. errno is left as it was.
 * Failure: none is reported; there is nowhere left to report it.
 */
#ifndef SHARED_LOG_H
#define SHARED_LOG_H

#include <stdbool.h>

void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Written only where MAPFLEET_DEBUG is set, not empty and not "0" in the environment, with the
 * rank in the prefix. */
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool log_debug_is_on(void);

/* The rank in the prefix of debug lines; before the first call, and where negative, none. */
void log_set_rank(int rank);

#endif
