/* report_tables.h - the parts of a report's page that are text and tables. */
#ifndef CLI_REPORT_TABLES_H
#define CLI_REPORT_TABLES_H

#include "cli/report_data.h"
#include "cli/report_html.h"

/* "succeeded", "failed", "interrupted", "not finished". */
const char *report_verdict(const struct report_data *data);

void report_put_summary(struct html *html, const struct report_data *data);
void report_put_quantiles(struct html *html, const struct report_data *data);
void report_put_failures(struct html *html, const struct report_data *data);
/* Where the time of the ranks' slots went. */
void report_put_spent(struct html *html, const struct report_data *data);
/* The maps of a workflow; nothing where the run is one map. */
void report_put_maps(struct html *html, const struct report_data *data);
/* What happened: sessions, ranks that came and were lost. */
void report_put_notes(struct html *html, const struct report_data *data);

#endif
