/* status_print.h - where a run stands, as a line, as lines for people, or as JSON.
 *
 * Failure: of memory only. The buffer is then as it was before, or longer.
 */
#ifndef CLI_STATUS_PRINT_H
#define CLI_STATUS_PRINT_H

#include "master/run_view.h"
#include "shared/buffer.h"
#include "shared/error.h"

/* Each is whole lines. */
MUST_CHECK enum status status_print_line(const struct run_view_facts *facts, struct buffer *out);
MUST_CHECK enum status status_print_lines(const struct run_view_facts *facts, struct buffer *out);
MUST_CHECK enum status status_print_json(const struct run_view_facts *facts, struct buffer *out);

#endif
