/* printer.h - what attempts print, on its way to standard output: --print=live and --print=ordered.
 *
 *     printer_create --> printer_recorded (of a run that goes on) --> printer_batch, printer_pass,
 *     as results come --> printer_end, when no more will --> printer_finish
 *
 * Live, it is what each instance printed in its last attempt, when it has its final result, whole.
 * Ordered, the same in the order of the inputs. What comes from the record or the cache, and what
 * an attempt has said nothing of, is the text of the output and a newline.
 *
 * Who calls never waits for a reader: a thread writes, and what it has not come to is kept, past
 * PRINTER_MEMORY_MAX on disk. A reader that closes the pipe ends the printing, and nothing else.
 *
 * Ownership: what is given is copied.
 * Threads:   one calls; the printer has one of its own.
 * Failure:   standard output that can't be written, and texts for which there was no room, are told
 *            of once, as a warning.
 */
#ifndef MASTER_PRINTER_H
#define MASTER_PRINTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"
#include "shared/report.h"

#define PRINTER_MEMORY_MAX ((size_t)64 << 20)

struct index_set;
struct printer; /* fields: printer.c */

struct printer_options {
    int file; /* standard output */
    bool is_ordered;
    uint64_t first;      /* ordered: where to begin */
    uint64_t size;       /* instances */
    const char *run_dir; /* of the record */
    bool has_files;      /* outputs are files, and have no text */
    size_t memory_max;   /* bytes that are kept in memory */
};

MUST_CHECK enum status printer_create(const struct printer_options *options,
                                      struct printer **printer_out, struct error *err);

/* Ordered: these have ended before this session, with an output in the log, or without one. */
void printer_recorded(struct printer *printer, const struct index_set *set, bool has_output);
/* A batch that counts. `is_final` has a byte for each of its failures, in order: is it its
 * instance's last? NULL where there is no failure. */
void printer_batch(struct printer *printer, const struct report_batch *batch,
                   const uint8_t *is_final);
/* An instance has ended, and has printed nothing that is known. */
void printer_pass(struct printer *printer, uint64_t index);

/* Nothing more comes. With a verdict, what has not ended has no turn. */
void printer_end(struct printer *printer, bool has_verdict);
/* Wait until it has come to its end, at most for so long. */
void printer_wait(struct printer *printer, uint64_t time_us_max);
/* Wait until all is written, or nobody reads; *next_out is where ordered printing is to go on. NULL
 * is allowed, and `is_written_out` tells whether nothing was lost. */
void printer_finish(struct printer *printer, uint64_t *next_out, bool *is_written_out);

#endif
