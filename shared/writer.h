/* writer.h - the private side of mf_writer: packed outputs, one after the other, in one buffer.
 *
 *     writer_begin --mf_put_...--> writer_end: the value stays, or is taken back and says why
 *
 * Ownership: the writer owns its buffer. The list of files to publish is that of the latest value,
 *            and is valid until the next begin, rewind or clear.
 * Threads:   one.
 * Failure:   the first thing that goes wrong within a value (no memory, a container left open, a
 *            file outside the working directory, more than size_max bytes) is remembered; what is
 *            put after it is dropped, and writer_end() gives it.
 */
#ifndef SHARED_WRITER_H
#define SHARED_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"
#include "shared/mapfleet.h"
#include "shared/value.h"

/* A file that the value names, to be published if the attempt succeeds. */
struct writer_file {
    char *source;    /* absolute path in the working directory */
    char *published; /* relative to the run directory, as "files/000003-0-1.jpg"; or an absolute
                      * path or a URL, as it was asked for */
};

struct writer_level {
    size_t header_at;     /* of the container's header in the buffer: 5 bytes are kept for it */
    uint64_t count_outer; /* values written at the level around it */
    uint64_t key_count;   /* of a map: as many keys as values, but where a value is due */
    bool is_map;
};

/* What mf_put_file() and mf_put_path() need to know of the attempt. */
struct writer_attempt {
    uint64_t index;
    uint64_t attempt;
    uint64_t map;           /* number of it within the run */
    const char *workdir;    /* NULL: none was made, so that no file can be put */
    const char *launch_dir; /* relative paths of mf_put_path() start here */
    const char *files_to;   /* absolute folder or URL for files; NULL, "": the run directory */
    const char *files_tag;  /* in their names there */
};

struct writer {
    mf_writer face; /* first: an mf_writer * of ours is a struct writer * */
    uint8_t *data;
    size_t capacity;
    bool is_in_place; /* the memory is the caller's, and cannot grow */
    size_t value_start;
    size_t size_max; /* of one value, in bytes */
    unsigned depth;
    struct writer_level levels[VALUE_DEPTH_MAX];
    enum status status;
    struct error error;
    struct writer_attempt attempt;
    struct writer_file *files;
    size_t file_count;
    size_t file_capacity;
};

MUST_CHECK enum status writer_create(size_t size_max, struct writer **writer_out);
/* The same, writing into the caller's memory, which outlives it: for outputs that are shared with
 * another process while they are made. What does not fit fails its value. */
MUST_CHECK enum status writer_create_in_place(size_t size_max, uint8_t *memory, size_t memory_size,
                                              struct writer **writer_out);
/* Of such a writer: go on in other memory, with no values. */
void writer_use(struct writer *writer, uint8_t *memory, size_t memory_size);
void writer_destroy(struct writer *writer); /* NULL is allowed */

static inline size_t writer_size(const struct writer *writer)
{
    return (size_t)(writer->face.mf_private_at - writer->data);
}

/* Forget the list of files to publish. */
void writer_drop_files(struct writer *writer);

/* Start a value, where no file was put since the last ones were dropped. */
static inline void writer_step(struct writer *writer)
{
    writer->value_start = writer_size(writer);
    writer->face.mf_private_count = 0;
}

/* Start a value. The attempt's own facts are set in `attempt` before, where files may be put. */
static inline void writer_begin(struct writer *writer)
{
    writer_step(writer);
    if (writer->file_count > 0) {
        writer_drop_files(writer);
    }
}

/* Take back what was written since writer_begin(), with its files and its error. */
void writer_rewind(struct writer *writer);

/* Is there one whole value since writer_begin(), and nothing wrong with it? On failure the text
 * says what (STATUS_NOT_FOUND: none was written), and the value is taken back. */
MUST_CHECK enum status writer_end_checked(struct writer *writer, struct error *err);
MUST_CHECK static inline enum status writer_end(struct writer *writer, struct error *err)
{
    if (writer->face.mf_private_count == 1 && writer->depth == 0 && writer->status == STATUS_OK &&
        writer->file_count == 0 && writer_size(writer) - writer->value_start <= writer->size_max) {
        return STATUS_OK;
    }
    return writer_end_checked(writer, err);
}

/* Forget all values, keep the memory. */
void writer_clear(struct writer *writer);

#endif
