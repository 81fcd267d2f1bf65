/* metric_line.h - is a line of text a report of a metric?
 *
 * Reports are {"NAME": value, ...} and NAME=value, with or without blanks: the name is everything
 * before the last " = " or "=". Values are numbers, NaN and infinities, as JSON or Python writes
 * them.
 *
 * Failure: none; any bytes are a line.
 */
#ifndef COMMAND_METRIC_LINE_H
#define COMMAND_METRIC_LINE_H

#include <stdbool.h>
#include <stddef.h>

/* ODD: the line holds the name, as a word, and is no report. */
enum metric_line { METRIC_LINE_PLAIN, METRIC_LINE_REPORT, METRIC_LINE_ODD };

/* `line` is without its end; *value_out is set where it is a report. */
enum metric_line metric_line_read(const char *name, const char *line, size_t size,
                                  double *value_out);

/* Lines out of a stream: each ends with a newline or a carriage return. All zero but for the name
 * is one at its start. */
struct metric_stream {
    const char *name;
    char *text; /* of the line so far */
    size_t size;
    size_t capacity;
    bool is_too_long; /* the line so far: it is plain */
};

typedef void metric_stream_take(void *context, enum metric_line kind, double value);

/* More of it; each line that is not plain is given to `take`. */
void metric_stream_put(struct metric_stream *stream, const char *text, size_t size,
                       metric_stream_take *take, void *context);
/* It has come to its end; so has its last line, where that `is_whole`. */
void metric_stream_end(struct metric_stream *stream, bool is_whole, metric_stream_take *take,
                       void *context);
void metric_stream_free(struct metric_stream *stream);

#endif
