/* reduction.h - a reducer as a workflow names it, for values of one type.
 *
 *     "top_k(10, score)", {name: str, score: float} --reduction_open--> what it gives, and how
 *
 * The name is that of a reducer of the job, or of one that is built in (mapfleet.h has the list);
 * only those take arguments.
 *
 * Ownership: a reduction owns its types and texts; the job outlives it.
 * Failure:   what is unknown, has other arguments than it takes, or is not for that type is
 *            INVALID or NOT_FOUND, and the text names the reducer.
 */
#ifndef SHARED_REDUCTION_H
#define SHARED_REDUCTION_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/job.h"
#include "shared/type.h"

/* Of a top_k(), and of bins of a histogram(). */
#define REDUCTION_COUNT_MAX 1000000

enum reduction_kind {
    REDUCTION_OWN, /* of the job */
    REDUCTION_SUM,
    REDUCTION_COUNT,
    REDUCTION_MIN,
    REDUCTION_MAX,
    REDUCTION_MEAN,
    REDUCTION_TOP_K,
    REDUCTION_CONCAT,
    REDUCTION_HISTOGRAM
};

struct reduction {
    enum reduction_kind kind;
    const struct reducer *own; /* REDUCTION_OWN: of the job */
    char *name;                /* without its arguments */
    bool is_ordered;           /* only neighbours are combined, in the order of the inputs */
    enum type_kind of;         /* kind of what is reduced */
    struct type *output;       /* of the result */
    uint64_t count;            /* K of top_k(), N of histogram() */
    char *by;                  /* a field, of top_k(); NULL: the value itself */
    bool is_ascending;         /* top_k() */
    double from;               /* histogram() */
    double to;

    /* For a job's own, by whoever folds; they outlive it. Where relative paths in values start, as
     * those of files that tasks have given back; NULL: paths stay as they are. And where those
     * start that its functions put. */
    const char *run_dir;
    const char *launch_dir;
};

MUST_CHECK enum status reduction_open(const struct job *job, const char *text,
                                      const struct type *element, struct reduction **reduction_out,
                                      struct error *err);
void reduction_destroy(struct reduction *reduction); /* NULL is allowed */

/* Append the text that it was opened by and, where it is the job's own, what makes its partial
 * values such that another process can go on with them: "merge of map<int>", "join of str, in
 * order". */
MUST_CHECK enum status reduction_describe(const struct reduction *reduction, const char *text,
                                          struct buffer *out);

/* Is a reducer of that name built in? */
bool reduction_is_built_in(const char *name);

#endif
