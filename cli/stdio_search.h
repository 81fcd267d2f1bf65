/* stdio_search.h - what attempts printed, found in the files of a run's stdio/ folder.
 *
 * Works from the run directory alone, also of a live, unfinished or torn run: what is damaged is
 * passed over with a warning, to the end of its file.
 */
#ifndef CLI_STDIO_SEARCH_H
#define CLI_STDIO_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/error.h"
#include "shared/stdio_record.h"

struct stdio_visitor {
    bool (*wants)(void *context, const struct stdio_record *record,
                  const struct stdio_entry *entry);
    /* What it has printed, standard output first; valid during the call. */
    enum status (*take)(void *context, const struct stdio_record *record,
                        const struct stdio_entry *entry, const uint8_t *text);
    void *context;
};

/* Every attempt of which something is kept, file after file. A run without any is STATUS_OK. */
MUST_CHECK enum status stdio_search(const char *run_dir, const struct stdio_visitor *visitor,
                                    struct error *err);

#endif
