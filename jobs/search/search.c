/* search.c - a pattern search: the lowest point of a function, by rounds of a map.
 *
 *     centre and step --a map over the points around--> the best --> the next centre, or half a
 * step
 *
 * Each round's inputs depend on the outputs of the last: the points around the best so far, one
 * step away along each axis. Where none of them is better, the step is halved. The search ends when
 * the step is below `precision`, or after so many rounds.
 *
 * The function is a tilted bowl, whose lowest point, 0, is at (1, 2, 3, ...).
 */
#include <mapfleet.h>

#include <stdlib.h>
#include <time.h>

#define ROUNDS_DEFAULT 1000
#define PRECISION_DEFAULT 1e-3
#define FIRST_STEP 1.0
#define DIMENSION_MAX 1000

/* ---- The task -------------------------------------------------------------------------------- */

static mf_status evaluate(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const mf_value *at = mf_field(input, "at");
    const mf_value *pause = mf_field(input, "pause_ms");
    const int64_t pause_ms = pause != NULL ? mf_int(pause) : 0;
    double sum = 0;
    if (mf_count(at) == 0) {
        return mf_fail_permanently(ctx, "a point without coordinates");
    }
    for (size_t i = 0; i < mf_count(at); i++) {
        const double off = mf_float(mf_item(at, i)) - (double)(i + 1);
        const double next =
            i + 1 < mf_count(at) ? mf_float(mf_item(at, i + 1)) - (double)(i + 2) : 0;
        sum += off * off + (off - next) * (off - next) / 2;
    }
    if (pause_ms > 0) { /* as a real one would take */
        (void)nanosleep(
            &(struct timespec){.tv_sec = pause_ms / 1000, .tv_nsec = pause_ms % 1000 * 1000000},
            NULL);
    }
    mf_put_float(output, sum);
    return MF_OK;
}

/* ---- The workflow ---------------------------------------------------------------------------- */

struct search {
    mf_workflow *flow;
    const mf_value *pause; /* NULL: none was given */
    double at[DIMENSION_MAX];
    size_t dimension;
    double value; /* there */
    double step;
};

/* Point `i` of a round: the centre, moved along axis i / 2, forth and back. */
static void put_point(mf_writer *out, const struct search *search, size_t i)
{
    mf_begin_map(out);
    mf_put_key(out, "at");
    mf_begin_list(out);
    for (size_t axis = 0; axis < search->dimension; axis++) {
        const double move = i % 2 == 0 ? search->step : -search->step;
        mf_put_float(out, search->at[axis] + (axis == i / 2 ? move : 0));
    }
    mf_end_list(out);
    if (search->pause != NULL) {
        mf_put_key(out, "pause_ms");
        mf_put_value(out, search->pause);
    }
    mf_end_map(out);
}

/* The points from `first` to before `end`; one behind all others is the centre itself. */
static const mf_value *evaluate_points(struct search *search, size_t first, size_t end)
{
    mf_writer *points = mf_make(search->flow);
    mf_begin_list(points);
    for (size_t i = first; i < end; i++) {
        put_point(points, search, i);
    }
    mf_end_list(points);
    return mf_map(search->flow, "evaluate", mf_made(search->flow, points), NULL);
}

/* Move to the best of the points around, or look closer. False where the map failed. */
static bool search_on(struct search *search)
{
    const mf_value *values = evaluate_points(search, 0, 2 * search->dimension);
    size_t best = 2 * search->dimension;
    if (values == NULL) {
        return false;
    }
    for (size_t i = 0; i < mf_count(values); i++) {
        if (mf_float(mf_item(values, i)) < search->value) {
            best = i;
            search->value = mf_float(mf_item(values, i));
        }
    }
    if (best == 2 * search->dimension) {
        search->step /= 2;
    } else {
        search->at[best / 2] += best % 2 == 0 ? search->step : -search->step;
    }
    return true;
}

static void put_result(mf_writer *out, const struct search *search, int64_t rounds)
{
    mf_begin_map(out);
    mf_put_key(out, "at");
    mf_begin_list(out);
    for (size_t axis = 0; axis < search->dimension; axis++) {
        mf_put_float(out, search->at[axis]);
    }
    mf_end_list(out);
    mf_put_key(out, "value");
    mf_put_float(out, search->value);
    mf_put_key(out, "rounds");
    mf_put_int(out, rounds);
    mf_end_map(out);
}

static mf_status start(struct search *search, const mf_value *input)
{
    const mf_value *from = mf_field(input, "from");
    search->dimension = mf_count(from);
    if (search->dimension == 0 || search->dimension > DIMENSION_MAX) {
        return mf_workflow_fail(search->flow, "from has %zu coordinates: expected 1 to %d",
                                search->dimension, DIMENSION_MAX);
    }
    for (size_t axis = 0; axis < search->dimension; axis++) {
        search->at[axis] = mf_float(mf_item(from, axis));
    }
    /* Behind all axes: not moved along any. */
    const mf_value *values =
        evaluate_points(search, 2 * search->dimension, 2 * search->dimension + 1);
    if (values == NULL) {
        return MF_FAIL;
    }
    search->value = mf_float(mf_item(values, 0));
    return MF_OK;
}

static mf_status minimise(mf_workflow *flow, const mf_value *input, mf_writer *output)
{
    const mf_value *rounds_max = mf_field(input, "rounds");
    const mf_value *precision = mf_field(input, "precision");
    const double step_min = precision != NULL ? mf_float(precision) : PRECISION_DEFAULT;
    const int64_t end = rounds_max != NULL ? mf_int(rounds_max) : ROUNDS_DEFAULT;
    struct search search = {.flow = flow, .pause = mf_field(input, "pause_ms"), .step = FIRST_STEP};
    int64_t round = 0;
    if (start(&search, input) != MF_OK) {
        return MF_FAIL;
    }
    for (; round < end && search.step >= step_min; round++) {
        mf_workflow_log(flow, "round %" PRId64 ": %g, step %g", round + 1, search.value,
                        search.step);
        if (!search_on(&search)) {
            return MF_FAIL;
        }
    }
    put_result(output, &search, round);
    return MF_OK;
}

void mf_job(mf_registry *job)
{
    mf_register_task(job, &(mf_task){.name = "evaluate",
                                     .fn = evaluate,
                                     .input = "{at: list<float>, pause_ms?: int}",
                                     .output = "float",
                                     .help = "How high the bowl is at a point."});
    mf_register_workflow(
        job, &(mf_workflow_def){.name = "minimise",
                                .fn = minimise,
                                .input = "{from: list<float>, rounds?: int, precision?: float, "
                                         "pause_ms?: int}",
                                .output = "{at: list<float>, value: float, rounds: int}",
                                .help = "Its lowest point, by a pattern search."});
}
