/* manual.h - man pages, made from the table of options and the texts of the help.
 *
 * The pages are man(7), for groff and mandoc. They have what `--help` has and nothing else of a
 * verb, so that neither can be older than the other.
 *
 * Failure: of the file, as ferror() tells.
 */
#ifndef CLI_MANUAL_H
#define CLI_MANUAL_H

#include <stdio.h>

#include "cli/options.h"

/* Of one release. */
struct manual_edition {
    const char *version;
    const char *date; /* 2026-01-31 */
};

/* mapfleet-VERB(1) */
void manual_write(enum verb verb, struct manual_edition edition, FILE *out);
/* mapfleet(1) */
void manual_write_overview(struct manual_edition edition, FILE *out);

#endif
