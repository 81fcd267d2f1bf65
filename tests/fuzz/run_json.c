/* run_json.c - any bytes as a run.json, and as the stamp in a run's lock. What is read of a
 * run.json writes one that means the same. */
#include <assert.h>
#include <stdlib.h>

#include <jansson.h>

#include "master/run_fields.h"
#include "master/run_stamp.h"
#include "shared/trials_form.h"
#include "tests/fuzz/fuzz.h"

/* As run_file_read() does; NULL where it would refuse. */
static struct run_description *decode(const json_t *root)
{
    struct error err;
    struct run_description *run = calloc(1, sizeof(*run));
    assert(run != NULL);
    if (run_fields_decode(root, run, &err) == STATUS_OK) {
        return run;
    }
    run_description_destroy(run);
    return NULL;
}

/* Trials that are taken are written as they were read. */
static void expect_same_trials(const struct formula *formula)
{
    struct error err;
    struct trials_form form;
    struct trials_form back;
    struct buffer packed = {0};
    if (formula->kind == FORMULA_TRIALS &&
        trials_form_read(formula->packed, formula->packed_size, &form, &err) == STATUS_OK) {
        enum status status = trials_form_write(&form, &packed);
        assert(status == STATUS_OK);
        status = trials_form_read(packed.data, packed.size, &back, &err);
        assert(status == STATUS_OK && back.space->count == form.space->count);
        trials_form_free(&back);
    }
    if (formula->kind == FORMULA_TRIALS) {
        trials_form_free(&form);
    }
    buffer_free(&packed);
}

static void expect_same(const struct run_description *run)
{
    struct error err;
    json_t *first = NULL;
    json_t *second = NULL;
    if (run_fields_encode(run, &first, &err) != STATUS_OK) {
        return; /* a time that has no text */
    }
    struct run_description *back = decode(first);
    assert(back != NULL);
    const enum status status = run_fields_encode(back, &second, &err);
    assert(status == STATUS_OK);
    assert(json_equal(first, second));
    run_description_destroy(back);
    json_decref(first);
    json_decref(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run_stamp stamp;
    (void)run_stamp_decode((const char *)data, size, &stamp);
    json_t *root = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    struct run_description *run = root != NULL ? decode(root) : NULL;
    if (run != NULL) {
        expect_same(run);
        expect_same_trials(&run->formula);
    }
    run_description_destroy(run);
    json_decref(root);
    return 0;
}
