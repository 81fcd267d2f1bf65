/* log_reader.h - the records of a log.lz4, in the order in which they were written.
 *
 * The log of a live run may be read: after STATUS_NOT_FOUND (or a torn end, which there is the
 * normal sight of a write in progress) the next call looks again.
 *
 * Ownership: a record is valid until the next call.
 * Memory:    the largest record, and what is read ahead.
 * Failure:   a torn or corrupt record ends the reading: what stands before it is good, and
 *            log_reader_good_size() says how far. The reader never crashes on any bytes.
 */
#ifndef MASTER_LOG_READER_H
#define MASTER_LOG_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "master/record.h"
#include "shared/error.h"

struct log_reader;

/* STATUS_NOT_FOUND where the run has no log. */
MUST_CHECK enum status log_reader_open(const char *run_dir, struct log_reader **reader_out,
                                       struct error *err);
/* For a reader of headers alone, which is far cheaper where outputs are large: records have no data
 * frames, and no checksum is checked. Before the first record. */
void log_reader_skip_frames(struct log_reader *reader);
void log_reader_close(struct log_reader *reader); /* NULL is allowed */

/* The next record and the file offset of its first byte. STATUS_NOT_FOUND at the end of the file;
 * STATUS_INVALID where the log is torn or corrupt, with the offset and the reason. `err` is left
 * alone by STATUS_NOT_FOUND. */
MUST_CHECK enum status log_reader_next(struct log_reader *reader, struct record *record_out,
                                       uint64_t *offset_out, struct error *err);

/* Bytes from the start of the file that are whole records. */
uint64_t log_reader_good_size(const struct log_reader *reader);

/* File offset of a data frame of the present record. `frame` is not NULL. */
uint64_t log_reader_frame_offset(const struct log_reader *reader, const uint8_t *frame);

#endif
