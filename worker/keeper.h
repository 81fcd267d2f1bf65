/* keeper.h - a rank's file of what attempts printed: <run directory>/stdio/<rank>-<number>.lz4.
 *
 *     keeper_create --> keeper_add ... keeper_flush ... --> keeper_destroy
 *
 * The file is created with the first thing that is kept, under a number that no session before has
 * used. What is added stands in memory until it is flushed, or until it is much: the caller flushes
 * before it reports the attempts. shared/stdio_record.h has the format.
 *
 * Threads: one.
 * Failure: what cannot be written is dropped, with one warning for all of the run.
 */
#ifndef WORKER_KEEPER_H
#define WORKER_KEEPER_H

#include <stddef.h>
#include <stdint.h>

#include "shared/stdio_record.h"

struct keeper; /* fields: keeper.c */

struct keeper *keeper_create(const char *run_dir, uint32_t rank);
void keeper_destroy(struct keeper *keeper); /* flushes. NULL is allowed */

/* Of an attempt of this map: `text` holds standard output, then standard error, of the sizes that
 * the entry says. It is copied. */
void keeper_add(struct keeper *keeper, uint64_t map, const struct stdio_entry *entry,
                const uint8_t *text);
void keeper_flush(struct keeper *keeper);

#endif
