/* report_page.h - the page of a report, as one HTML file that needs no other.
 *
 * What can be read without a script is HTML: totals, failures, where time went, what happened. The
 * script draws the rest from data that the page carries.
 */
#ifndef CLI_REPORT_PAGE_H
#define CLI_REPORT_PAGE_H

#include "cli/report_data.h"
#include "shared/buffer.h"
#include "shared/error.h"

MUST_CHECK enum status report_page(const struct report_data *data, struct buffer *out);

#endif
