/* sweep.c - one configuration of XGBoost, judged by cross-validation: the trial of a sweep.
 *
 *     table --deal--> folds --a booster each--> one more round of each --predict--> accuracy
 *                                                         ^                            |
 *                                                         +---------- mf_report -------+
 *
 * The boosters of all folds grow together, so that the accuracy over the whole table is there after
 * each round, and a sweep can stop a trial that does badly.
 *
 * Random: which rows a fold holds out depends on `split` alone, so that all configurations are
 * judged by the same folds; the rows and columns that XGBoost draws, on the instance's seed. Every
 *         attempt, on every rank, gives the same accuracies.
 * Failure: a setting out of its limits fails for good; what XGBoost refuses besides may be retried.
 */
#include <mapfleet.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xgboost/c_api.h>

#include "settings.h"
#include "table.h"

#define NUMBER_SIZE 24

/* What XGBoost takes for a seed. */
#define SEED_MASK UINT64_C(0x7fffffff)

/* Of one process: all tables, read once. */
struct tables {
    struct table all[TABLE_COUNT];
};

struct fold {
    DMatrixHandle training;
    DMatrixHandle held_out;
    BoosterHandle booster;
    float *labels; /* of what is held out */
    size_t held_out_count;
};

struct trial {
    mf_context *ctx;
    const mf_value *input;
    const struct table *table;
    struct settings settings;
    int thread_count;
    struct fold *folds;
};

/* ---- What XGBoost says ------------------------------------------------------------------------
 */

/* Its text without the place in its source and the stack below: "Check failed: ...". */
static mf_status fail_as_xgboost(mf_context *ctx)
{
    const char *text = XGBGetLastError();
    const char *begin = strstr(text, "Check failed");
    if (begin == NULL) {
        begin = text;
    }
    return mf_fail(ctx, "XGBoost: %.*s", (int)strcspn(begin, "\n"), begin);
}

/* ---- Folds ------------------------------------------------------------------------------------
 */

/* A matrix of the rows that fold `index` holds out, or of all others. The labels go to `labels`,
 * which has room for them. */
static mf_status make_matrix(const struct trial *trial, const size_t *fold_of, size_t index,
                             bool is_held_out, float *labels, DMatrixHandle *matrix_out,
                             size_t *count_out)
{
    const struct table *table = trial->table;
    const size_t columns = table->column_count;
    float *cells = calloc(table->row_count * columns, sizeof(*cells));
    size_t count = 0;
    if (cells == NULL) {
        return mf_fail(trial->ctx, "no memory for a fold");
    }
    for (size_t row = 0; row < table->row_count; row++) {
        if ((fold_of[row] == index) == is_held_out) {
            memcpy(&cells[count * columns], &table->cells[row * columns], columns * sizeof(*cells));
            labels[count++] = table->labels[row];
        }
    }
    *count_out = count;
    const int found =
        XGDMatrixCreateFromMat_omp(cells, count, columns, NAN, matrix_out, trial->thread_count);
    free(cells);
    if (found != 0 || XGDMatrixSetFloatInfo(*matrix_out, "label", labels, count) != 0) {
        return fail_as_xgboost(trial->ctx);
    }
    return MF_OK;
}

static int set_parameter(void *booster, const char *name, const char *value)
{
    return XGBoosterSetParam(booster, name, value);
}

static int set_number(BoosterHandle booster, const char *name, uint64_t number)
{
    char text[NUMBER_SIZE];
    (void)snprintf(text, sizeof(text), "%" PRIu64, number);
    return XGBoosterSetParam(booster, name, text);
}

/* What a configuration does not choose: softmax for any number of classes, so that a prediction is
 * a class; histograms, which are fast where a column has few values. */
static mf_status make_booster(const struct trial *trial, struct fold *fold)
{
    const DMatrixHandle matrices[] = {fold->training, fold->held_out};
    if (XGBoosterCreate(matrices, 2, &fold->booster) != 0) {
        return fail_as_xgboost(trial->ctx);
    }
    BoosterHandle booster = fold->booster;
    if (set_parameter(booster, "objective", "multi:softmax") != 0 ||
        set_parameter(booster, "tree_method", "hist") != 0 ||
        set_number(booster, "num_class", trial->table->class_count) != 0 ||
        set_number(booster, "nthread", (uint64_t)trial->thread_count) != 0 ||
        set_number(booster, "seed", mf_seed(trial->ctx) & SEED_MASK) != 0 ||
        settings_each(trial->input, set_parameter, booster) != 0) {
        return fail_as_xgboost(trial->ctx);
    }
    return MF_OK;
}

static mf_status make_fold(const struct trial *trial, const size_t *fold_of, size_t index)
{
    struct fold *fold = &trial->folds[index];
    size_t training_count = 0;
    float *training_labels = calloc(trial->table->row_count, sizeof(*training_labels));
    fold->labels = calloc(trial->table->row_count, sizeof(*fold->labels));
    mf_status status = MF_OK;
    if (training_labels == NULL || fold->labels == NULL) {
        status = mf_fail(trial->ctx, "no memory for a fold");
    }
    if (status == MF_OK) {
        status = make_matrix(trial, fold_of, index, false, training_labels, &fold->training,
                             &training_count);
    }
    if (status == MF_OK) {
        status = make_matrix(trial, fold_of, index, true, fold->labels, &fold->held_out,
                             &fold->held_out_count);
    }
    free(training_labels);
    return status == MF_OK ? make_booster(trial, fold) : status;
}

static mf_status make_folds(struct trial *trial)
{
    const size_t count = trial->settings.fold_count;
    size_t *fold_of = calloc(trial->table->row_count, sizeof(*fold_of));
    mf_status status = MF_OK;
    trial->folds = calloc(count, sizeof(*trial->folds));
    if (fold_of == NULL || trial->folds == NULL ||
        !table_deal(trial->table, count, trial->settings.split, fold_of)) {
        status = mf_fail(trial->ctx, "no memory for the folds");
    }
    for (size_t i = 0; i < count && status == MF_OK; i++) {
        status = make_fold(trial, fold_of, i);
    }
    free(fold_of);
    return status;
}

static void free_folds(struct trial *trial)
{
    for (size_t i = 0; trial->folds != NULL && i < trial->settings.fold_count; i++) {
        struct fold *fold = &trial->folds[i];
        if (fold->booster != NULL) {
            (void)XGBoosterFree(fold->booster);
        }
        if (fold->training != NULL) {
            (void)XGDMatrixFree(fold->training);
        }
        if (fold->held_out != NULL) {
            (void)XGDMatrixFree(fold->held_out);
        }
        free(fold->labels);
    }
    free(trial->folds);
}

/* ---- Rounds -----------------------------------------------------------------------------------
 */

/* One more round of a fold's booster; adds to *correct how many of the rows that are held out it
 * now gets right. */
static mf_status boost_fold(const struct trial *trial, const struct fold *fold, int round,
                            size_t *correct)
{
    static const char all_rounds[] = "{\"type\": 0, \"training\": false, \"iteration_begin\": 0, "
                                     "\"iteration_end\": 0, \"strict_shape\": false}";
    const bst_ulong *shape = NULL;
    bst_ulong dimensions = 0;
    const float *classes = NULL;
    if (XGBoosterUpdateOneIter(fold->booster, round, fold->training) != 0 ||
        XGBoosterPredictFromDMatrix(fold->booster, fold->held_out, all_rounds, &shape, &dimensions,
                                    &classes) != 0) {
        return fail_as_xgboost(trial->ctx);
    }
    for (size_t i = 0; i < fold->held_out_count; i++) {
        *correct += classes[i] == fold->labels[i] ? 1 : 0;
    }
    return MF_OK;
}

static mf_status boost(const struct trial *trial, size_t *correct_out)
{
    for (int round = 0; round < trial->settings.round_count; round++) {
        size_t correct = 0;
        for (size_t i = 0; i < trial->settings.fold_count; i++) {
            const mf_status status = boost_fold(trial, &trial->folds[i], round, &correct);
            if (status != MF_OK) {
                return status;
            }
        }
        mf_report(trial->ctx, round + 1, (double)correct / (double)trial->table->row_count);
        *correct_out = correct;
    }
    return MF_OK;
}

/* ---- The task ---------------------------------------------------------------------------------
 */

/* The cores that the attempt has been given. */
static int count_cpus(void)
{
    const char *text = getenv("MAPFLEET_CPUS");
    const long count = text != NULL ? strtol(text, NULL, 10) : 1;
    return count >= 1 && count <= 1024 ? (int)count : 1;
}

static void put_outcome(const struct trial *trial, size_t correct, mf_writer *output)
{
    const size_t rows = trial->table->row_count;
    mf_begin_map(output);
    mf_put_key(output, "accuracy");
    mf_put_float(output, (double)correct / (double)rows);
    mf_put_key(output, "correct");
    mf_put_int(output, (int64_t)correct);
    mf_put_key(output, "rows");
    mf_put_int(output, (int64_t)rows);
    mf_put_key(output, "rounds");
    mf_put_int(output, trial->settings.round_count);
    mf_end_map(output);
}

static mf_status train(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const struct tables *tables = mf_state(ctx);
    struct trial trial = {.ctx = ctx, .input = input, .thread_count = count_cpus()};
    size_t correct = 0;

    mf_status status = settings_read(ctx, input, &trial.settings);
    if (status != MF_OK) {
        return status;
    }
    trial.table = &tables->all[trial.settings.table];
    status = make_folds(&trial);
    if (status == MF_OK) {
        status = boost(&trial, &correct);
    }
    if (status == MF_OK) {
        put_outcome(&trial, correct, output);
    }
    free_folds(&trial);
    return status;
}

/* ---- The job ----------------------------------------------------------------------------------
 */

static void teardown(void *state)
{
    struct tables *tables = state;
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        table_free(&tables->all[i]);
    }
    free(tables);
}

static mf_status setup(mf_context *ctx, void **state)
{
    struct tables *tables = calloc(1, sizeof(*tables));
    if (tables == NULL) {
        return mf_fail(ctx, "no memory for the tables");
    }
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (!table_load((enum table_id)i, &tables->all[i])) {
            teardown(tables);
            return mf_fail(ctx, "the table %s can't be read", table_name((enum table_id)i));
        }
    }
    if (XGBSetGlobalConfig("{\"verbosity\": 0}") != 0) {
        teardown(tables);
        return fail_as_xgboost(ctx);
    }
    *state = tables;
    return MF_OK;
}

void mf_job(mf_registry *job)
{
    mf_register_setup(job, setup, teardown);
    mf_register_task(job, &(mf_task){.name = "train",
                                     .fn = train,
                                     .input = SETTINGS_TYPE,
                                     .output = "{accuracy: float, correct: int, rows: int, "
                                               "rounds: int}",
                                     .help = "Accuracy of XGBoost by cross-validation."});
}
