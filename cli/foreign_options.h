/* foreign_options.h - options of GNU Parallel and xargs that have another name here, or none. */
#ifndef CLI_FOREIGN_OPTIONS_H
#define CLI_FOREIGN_OPTIONS_H

/* What to do instead of an option as it was typed ("--halt=now,fail=1", "-N2"); NULL where it is
 * none that people know from there, or where it means the same here. */
const char *foreign_option_advice(const char *word);

#endif
