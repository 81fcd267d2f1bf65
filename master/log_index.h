/* log_index.h - where in log.lz4 the output of each instance stands.
 *
 *     log_index_open        scans the log
 *     log_index_write       at the end of a run: the same, into the file `index`, for others
 *
 * The file is never read here: each record of the log has to be read and its checksum compared
 * before anything of it is given out, so that the log may have been damaged since. That tells all
 * that the file does, in the same time.
 *
 * Ownership: the index owns its arrays.
 * Failure:   of a log that is torn or damaged, what stands before that is found; `torn` says what
 *            is lost.
 */
#ifndef MASTER_LOG_INDEX_H
#define MASTER_LOG_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"

#define LOG_INDEX_NAME "index"

struct log_index_frame {
    uint64_t map;
    uint64_t offset; /* in the file */
    uint64_t size;   /* bytes */
    bool is_partial; /* of partial values: its spans say where each of them begins */
};

/* Consecutive instances whose outputs follow each other in one frame. Of partial values, which
 * cover more than one instance, each has a span of its first one alone. */
struct log_index_span {
    uint64_t start;
    uint64_t count;
    uint64_t position; /* of the first one among the frame's outputs */
    uint64_t frame;    /* index in frames */
};

struct log_index {
    struct log_index_frame *frames; /* in the order of the log */
    size_t frame_count;
    struct log_index_span *spans; /* sorted by map and start, and apart from each other */
    size_t span_count;
    uint64_t log_size; /* bytes of the log that are whole records */
    char *torn;        /* why the log ends there, for people; NULL where it is whole */
};

/* A run without a log has an empty index. */
MUST_CHECK enum status log_index_open(const char *run_dir, struct log_index **index_out,
                                      struct error *err);
void log_index_destroy(struct log_index *index); /* NULL is allowed */

/* Scan the log and replace the file `index`, atomically. */
MUST_CHECK enum status log_index_write(const char *run_dir, struct error *err);

/* The spans of one map: the first of them; how many in *count_out. */
const struct log_index_span *log_index_map(const struct log_index *index, uint64_t map,
                                           size_t *count_out);

#endif
