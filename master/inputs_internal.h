/* inputs_internal.h - how the readers of input files and the list meet.
 *
 *     inputs_bytes --> reader of a format --> inputs_sink_put --> inputs_store
 *                      (one mf_value a row)   (as the type)       (packed)
 *
 * Failure: a sink's text begins with the index; a reader puts file and line before it.
 */
#ifndef MASTER_INPUTS_INTERNAL_H
#define MASTER_INPUTS_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "master/inputs.h"
#include "master/inputs_bytes.h"
#include "shared/arena.h"
#include "shared/error.h"
#include "shared/mapfleet.h"
#include "shared/type.h"

struct inputs_store;

struct inputs_sink {
    const struct type *type;
    const char *launch_dir; /* where relative paths start */
    struct inputs_store *store;
    struct arena arena;    /* for the present row; put empties it */
    const mf_value *bound; /* the fields of every element: key, value, ...; NULL: none */
    size_t bound_count;
    inputs_check *check; /* NULL: none */
    void *check_context;
    uint64_t count; /* rows so far, and so the index of the next */
};

/* Convert a row to the type and keep it. The row may stand in the sink's arena. */
MUST_CHECK enum status inputs_sink_put(struct inputs_sink *sink, const mf_value *row,
                                       enum type_origin origin, struct error *err);

struct inputs_reader {
    const struct inputs_source *source;
    struct inputs_bytes bytes;
    struct inputs_sink *sink;
    bool is_in_header; /* the line at hand belongs to no row */
};

/* "FILE:LINE: index N: TEXT" (without the index in a header); gives the status back. */
enum status inputs_fail(const struct inputs_reader *reader, uint64_t line, enum status status,
                        struct error *err, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* The same with the present text. */
enum status inputs_fail_in_row(const struct inputs_reader *reader, uint64_t line,
                               enum status status, struct error *err);

/* The next line of text, which is UTF-8 without a NUL. */
MUST_CHECK enum status inputs_read_line(struct inputs_reader *reader, struct inputs_line *line_out,
                                        struct error *err);

/* A text as a value; false where it is too long for one. `text` is not copied. */
bool inputs_text(const char *text, size_t size, mf_value *value_out);
/* The same, as bytes where the source takes those and it is no UTF-8. */
bool inputs_text_or_bytes(const struct inputs_source *source, const char *text, size_t size,
                          mf_value *value_out);

/* The readers: each takes the bytes from their start to their end. */
MUST_CHECK enum status inputs_read_jsonl(struct inputs_reader *reader, struct error *err);
MUST_CHECK enum status inputs_read_json(struct inputs_reader *reader, struct error *err);
MUST_CHECK enum status inputs_read_csv(struct inputs_reader *reader, struct error *err);
MUST_CHECK enum status inputs_read_tsv(struct inputs_reader *reader, struct error *err);
MUST_CHECK enum status inputs_read_txt(struct inputs_reader *reader, struct error *err);
MUST_CHECK enum status inputs_read_msgpack(struct inputs_reader *reader, struct error *err);

/* All rows of the file that `source` names. */
MUST_CHECK enum status inputs_read_file(const struct inputs_source *source,
                                        struct inputs_sink *sink, struct error *err);

/* All rows of the lists of strings of `source`. */
MUST_CHECK enum status inputs_read_arguments(const struct inputs_source *source,
                                             struct inputs_sink *sink, struct error *err);

/* All rows of the files of `source`, side by side. */
MUST_CHECK enum status inputs_read_zip(const struct inputs_source *source, struct inputs_sink *sink,
                                       struct error *err);

/* The fields of --bind, in the arena. */
MUST_CHECK enum status inputs_parse_bounds(const struct inputs_source *source, struct arena *arena,
                                           const mf_value **bound_out, struct error *err);

/* The formula of a grid, whose `packed` is to be freed. */
MUST_CHECK enum status inputs_make_grid(const struct inputs_source *source, const struct type *type,
                                        struct formula *formula_out, struct error *err);

/* "V1,V2" as text, or "JSON,JSON": values of the field `name` of elements of that type. */
struct inputs_values {
    const char *name;
    const char *text;
    bool is_json;
    const struct type *type; /* of an element */
    const char *launch_dir;
};
/* Fill in all but type and folder from "NAME=V1,V2" or "NAME:=JSON,JSON". */
MUST_CHECK enum status inputs_split_axis(const char *text, struct arena *arena,
                                         struct inputs_values *values, struct error *err);
MUST_CHECK enum status inputs_read_values(const struct inputs_values *values, struct arena *arena,
                                          mf_value *list_out, struct error *err);
/* inputs_parse_bounds(), as the types of the fields. */
MUST_CHECK enum status inputs_convert_bounds(const struct inputs_source *source,
                                             const struct type *type, struct arena *arena,
                                             const mf_value **bound_out, struct error *err);

/* Is it "NAME~uniform(0,1)"? */
bool inputs_is_distribution(const char *text);
/* The formula of draws from such, whose `packed` is to be freed. */
MUST_CHECK enum status inputs_make_sample(const struct inputs_source *source,
                                          const struct type *type, struct formula *formula_out,
                                          struct error *err);

/* The formula of trials, whose `packed` is to be freed. */
MUST_CHECK enum status inputs_make_trials(const struct inputs_source *source,
                                          const struct type *type, struct formula *formula_out,
                                          struct error *err);

/* Are these trials that a sampler proposes, while they run? */
MUST_CHECK enum status inputs_trials_come_later(const struct formula *formula, bool *come_later_out,
                                                struct error *err);

/* The formula of recorded trials with another number of them. */
MUST_CHECK enum status inputs_grow_formula(const struct formula *recorded, uint64_t trial_count,
                                           struct formula *formula_out, struct error *err);

/* "NAME=..." of an option: the size of the name, which is not empty. */
MUST_CHECK enum status inputs_split_name(const char *option, const char *text, size_t *size_out,
                                         struct error *err);

/* Every path that a glob of `source` matches. */
MUST_CHECK enum status inputs_read_globs(const struct inputs_source *source,
                                         struct inputs_sink *sink, struct error *err);

#endif
