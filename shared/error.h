/* error.h - one status for code to act on, one text for people to read.
 *
 * Ownership: a struct error is the caller's, passed as an optional last argument (NULL: no text).
 * Threads:   safe, as long as two threads do not share one struct error.
 * Failure:   nothing here can fail; a text that is too long is cut.
 */
#ifndef SHARED_ERROR_H
#define SHARED_ERROR_H

/* One row per failure that a caller can act on. Anything else is a bug, and asserts. */
#define STATUS_LIST(X)                                                                             \
    X(OK, "success")                                                                               \
    X(NO_MEMORY, "out of memory")                                                                  \
    X(INVALID, "malformed input")                                                                  \
    X(IO, "file or system call failed")                                                            \
    X(TRANSPORT, "message transport failed")                                                       \
    X(PROTOCOL, "peer broke the wire protocol")                                                    \
    X(LIMIT, "a configured limit was reached")                                                     \
    X(NOT_FOUND, "not found")                                                                      \
    X(EXISTS, "exists already")                                                                    \
    X(UNWRITABLE, "the run directory cannot be written")                                           \
    X(NO_JOB, "the job is not there, or another lies there")

enum status {
#define STATUS_ENUM(name, text) STATUS_##name,
    STATUS_LIST(STATUS_ENUM)
#undef STATUS_ENUM
};

/* Text for people: filled where a path, a line or a rank is known. */
struct error {
    char text[1024];
};

#define MUST_CHECK __attribute__((warn_unused_result))

/* A static text; "unknown status" for a value that is none of the above. */
const char *status_text(enum status status);

/* Write the text and give `status` back, so that a failure is one statement:
 *     return error_set(err, STATUS_INVALID, "%s:%u: no such job", path, line_number);
 * The arguments may include err->text itself. */
enum status error_set(struct error *err, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Of a failed write, by errno: STATUS_UNWRITABLE where the disk is full, read-only or gives errors,
 * which passes, or is for people to mend; STATUS_IO for everything else. */
enum status status_of_write(int reason);

/* Put a prefix before the present text. The separator belongs to the prefix: "%s: ". */
void error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
