/* inputs.h - the input list of a map: read, checked against the task's type, kept, handed out.
 *
 *     inputs_open --> inputs_save --> inputs_pack (for each unit)
 *     inputs_load (resume) ---------> inputs_pack
 *
 * A list is held as compressed blocks in an unnamed temporary file until inputs_save() moves it to
 * the run directory, so that memory does not grow with it; one recent block is kept decoded.
 * A formula (a range, a grid, trials) is never materialised.
 *
 * Ownership: inputs own their file and blocks.
 * Threads:   one.
 * Failure:   texts name the file, line and index, the path within the element, what was found and
 *            what was expected. Nothing is left behind on failure.
 */
#ifndef MASTER_INPUTS_H
#define MASTER_INPUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/formula.h"
#include "shared/span.h"
#include "shared/trials_form.h"
#include "shared/type.h"

#define INPUTS_DIGEST_SIZE 16 /* bytes of XXH3-128 */

enum inputs_source_kind {
    INPUTS_FILE,
    INPUTS_RANGE,
    INPUTS_GLOBS,
    INPUTS_ARGUMENTS,
    INPUTS_ZIP,
    INPUTS_GRID,
    INPUTS_TRIALS,
    INPUTS_SAMPLE
};

enum inputs_format {
    INPUTS_FORMAT_BY_NAME, /* by the ending of the file's name; `-` is JSON Lines */
    INPUTS_FORMAT_JSONL,
    INPUTS_FORMAT_JSON,
    INPUTS_FORMAT_CSV,
    INPUTS_FORMAT_TSV,
    INPUTS_FORMAT_TXT,
    INPUTS_FORMAT_MSGPACK
};

/* False when no format has that name ("jsonl", "json", "csv", "tsv", "txt", "msgpack"). */
bool inputs_format_by_name(const char *name, enum inputs_format *format_out);

/* A list of literal strings. One that is paired goes along with the one before it, as a further
 * column; all others make a product, of which the last changes fastest. */
struct inputs_arguments {
    const char *const *items;
    size_t count;
    bool is_paired;
};

/* Is this element of use? Its text does not name the element. */
typedef enum status inputs_check(void *context, const mf_value *element, struct error *err);

struct inputs_source {
    enum inputs_source_kind kind;
    const char *path;             /* INPUTS_FILE: as given; "-" is standard input */
    enum inputs_format format;    /* INPUTS_FILE */
    bool no_header;               /* CSV and TSV: rows are lists */
    const char *column_separator; /* TXT: lines are lists (--colsep, a POSIX ERE); NULL: strings */
    const char *range;            /* INPUTS_RANGE: the option's text */
    const char *const *globs;     /* INPUTS_GLOBS */
    size_t glob_count;
    const char *launch_dir;                   /* relative paths start here; absolute */
    const struct inputs_arguments *arguments; /* INPUTS_ARGUMENTS */
    size_t argument_list_count;
    const char *const *zips; /* INPUTS_ZIP: "NAME=FILE" */
    size_t zip_count;
    /* INPUTS_GRID: "NAME=V1,V2" or "NAME:=JSON,JSON"; INPUTS_SAMPLE: also "NAME~uniform(0,1)" */
    const char *const *grids;
    size_t grid_count;
    uint64_t sample_count; /* INPUTS_SAMPLE: how many draws, at least 1, from which seed */
    uint64_t sample_seed;
    const struct trials_form *trials; /* INPUTS_TRIALS */
    const char *const *bounds;        /* "NAME=JSON": a field of every element, which are records */
    size_t bound_count;
    /* Of text, for commands: */
    bool is_text_default; /* what says nothing of its form is lines of text */
    bool takes_bytes;     /* text that is not UTF-8 is bytes */
    bool skips_comments;  /* TXT: so are not: lines that are blank, or start with # */
    inputs_check *check;  /* of each element; NULL: none */
    void *check_context;
};

struct inputs;

MUST_CHECK enum status inputs_open(const struct inputs_source *source, const struct type *type,
                                   struct inputs **inputs_out, struct error *err);
void inputs_close(struct inputs *inputs); /* NULL is allowed */

/* Where they come later, how many there may be. */
uint64_t inputs_count(const struct inputs *inputs);
/* Do they come while the map runs? So do the trials of a sampler. Then there are none at first. */
bool inputs_come_later(const struct inputs *inputs);
/* How many are there: all, unless they come later. */
uint64_t inputs_available(const struct inputs *inputs);
/* The next `count`, packed one after the other; there is room for as many. The log keeps them, see
 * master_inputs.h. */
MUST_CHECK enum status inputs_add(struct inputs *inputs, const uint8_t *packed, size_t size,
                                  uint64_t count, struct error *err);
/* kind FORMULA_NONE where the inputs are a list. Where they come later, it says what they will be
 * like, and workers have no use for it. */
const struct formula *inputs_formula(const struct inputs *inputs);
/* Bytes of all elements, packed and not compressed; 0 for a formula. */
uint64_t inputs_packed_size(const struct inputs *inputs);
/* XXH3-128 (big-endian) of the packed elements, or of a range's text "range:START:STEP:COUNT",
 * or of a grid's packed axes, or of trials packed. */
void inputs_digest(const struct inputs *inputs, uint8_t digest_out[INPUTS_DIGEST_SIZE]);

/* Write and sync `inputs.lz4` in the run directory: LZ4 frames one after the other, together a
 * msgpack stream of all elements. Does nothing for a formula. */
MUST_CHECK enum status inputs_save(struct inputs *inputs, const char *run_dir, struct error *err);

/* Take up the inputs of a recorded run: the formula, or `inputs.lz4` of `count` elements with that
 * digest. A file that differs from what is recorded is refused. */
MUST_CHECK enum status inputs_load(const char *run_dir, const struct formula *formula,
                                   uint64_t count, const uint8_t digest[INPUTS_DIGEST_SIZE],
                                   struct inputs **inputs_out, struct error *err);

/* Take up the recorded trials of a sweep, but that many of them: the first are the same. */
MUST_CHECK enum status inputs_grow(const struct formula *recorded, uint64_t trial_count,
                                   struct inputs **inputs_out, struct error *err);

/* Where they come later: those that the log has of map number `map`, once. Of a log with a torn
 * tail, what stands before it counts. */
MUST_CHECK enum status inputs_load_later(struct inputs *inputs, const char *run_dir, uint64_t map,
                                         struct error *err);

/* Append the packed elements of the spans, one after the other. Nothing for a formula. */
MUST_CHECK enum status inputs_pack(struct inputs *inputs, const struct span *spans,
                                   size_t span_count, struct buffer *out, struct error *err);

/* LZ4 frames in which the packed elements stand, with others before and behind them. */
struct inputs_frames {
    uint64_t skip;     /* elements before the first */
    uint64_t raw_size; /* bytes of all that is in the frames; 0: nothing was appended */
};

/* Append instead the frames of `inputs.lz4` as they are, so that nobody decodes them here. Nothing
 * where that would be wasteful: then it is inputs_pack() that is wanted. */
MUST_CHECK enum status inputs_pack_frames(struct inputs *inputs, const struct span *spans,
                                          size_t span_count, struct buffer *out,
                                          struct inputs_frames *frames_out, struct error *err);

#endif
