#include "tests/unit/workflow_support.h"

TestSuite(workflow, .timeout = 40);

/* ---- Calls and maps --------------------------------------------------------------------------
 */

static mf_status total(mf_workflow *wf, const mf_value *in, mf_writer *out)
{
    const mf_value *squares = mf_map(wf, "square", mf_field(in, "xs"), NULL);
    return squares != NULL ? mf_call(wf, "sum", squares, out) : MF_FAIL;
}

static void register_total(mf_registry *job)
{
    register_tasks(job);
    mf_register_workflow(
        job, &(mf_workflow_def){
                 .name = "total", .fn = total, .input = "{xs: list<int>}", .output = "int"});
}

Test(workflow, a_map_flows_into_a_call)
{
    play(register_total, "total", "{\"xs\":[1,2,3]}");
    expect_output("14");
    cr_assert(eq(sz, played.map_count, 2));
    EXPECT_INPUTS(0, "1 2 3");
    EXPECT_INPUTS(1, "[1,4,9]");
    cr_expect(played.maps[0].is_call == false);
    cr_expect(played.maps[1].is_call);
}

Test(workflow, an_empty_list_flows)
{
    play(register_total, "total", "{\"xs\":[]}");
    expect_output("0");
    cr_expect(eq(u64, played.maps[0].size, 0));
}

Test(workflow, a_map_that_fails_fails_the_workflow_with_its_reason)
{
    play(register_total, "total", "{\"xs\":[1,-2]}");
    expect_failure("mf_map \"square\": map 0: some instances failed");
    cr_expect(eq(sz, played.map_count, 1));
}

static mf_status rounds(mf_workflow *wf, const mf_value *in, mf_writer *out)
{
    const mf_value *values = mf_field(in, "xs");
    for (int64_t i = 0; i < mf_int(mf_field(in, "n")) && values != NULL; i++) {
        mf_writer *made = mf_make(wf);
        mf_begin_list(made);
        for (size_t j = 0; j < mf_count(values); j++) {
            mf_put_int(made, mf_int(mf_item(values, j)) + 1);
        }
        mf_end_list(made);
        values = mf_map(wf, "square", mf_made(wf, made), NULL);
    }
    mf_put_value(out, values);
    return MF_OK;
}

static void register_rounds(mf_registry *job)
{
    register_tasks(job);
    mf_register_workflow(
        job,
        &(mf_workflow_def){.name = "rounds", .fn = rounds, .input = "{n: int, xs: list<int>}"});
}

Test(workflow, what_is_made_from_one_round_goes_into_the_next)
{
    play(register_rounds, "rounds", "{\"n\":3,\"xs\":[0,1]}");
    EXPECT_INPUTS(2, "5 26");
    expect_output("[25,676]");
}

static mf_status several(mf_workflow *wf, const mf_value *in, mf_writer *out)
{
    (void)in;
    mf_running *running[3];
    for (int64_t i = 0; i < 3; i++) {
        mf_writer *made = mf_make(wf);
        mf_begin_list(made);
        mf_put_int(made, i + 1);
        mf_end_list(made);
        running[i] = mf_map_start(wf, "square", mf_made(wf, made), NULL);
    }
    mf_begin_list(out);
    for (size_t i = 3; i > 0; i--) {
        mf_put_value(out, mf_wait(wf, running[i - 1]));
    }
    const mf_value *first = mf_wait(wf, running[1]);
    mf_put_bool(out, mf_wait(wf, running[1]) == first);
    mf_end_list(out);
    return MF_OK;
}

static void register_several(mf_registry *job)
{
    register_tasks(job);
    mf_register_workflow(job, &(mf_workflow_def){.name = "several", .fn = several});
}

/* Goal: maps run at once, and may end and be waited for in any order.
 * Method: rank 0 answers none before three are asked for, and then the last one first. */
Test(workflow, maps_that_are_started_run_at_once)
{
    held_max = 3;
    play(register_several, "several", "{}");
    expect_output("[[9],[4],[1],true]");
}

static mf_status many(mf_workflow *wf, const mf_value *in, mf_writer *out)
{
    mf_writer *made = mf_make(wf);
    mf_begin_list(made);
    for (int64_t i = 0; i < mf_int(mf_field(in, "n")); i++) {
        mf_put_int(made, i % 1000);
    }
    mf_end_list(made);
    const mf_value *squares = mf_map(wf, "square", mf_made(wf, made), NULL);
    return squares != NULL ? mf_call(wf, "sum", squares, out) : MF_FAIL;
}

static void register_many(mf_registry *job)
{
    register_tasks(job);
    mf_register_workflow(job, &(mf_workflow_def){.name = "many", .fn = many, .input = "{n: int}"});
}

Test(workflow, a_long_list_of_small_values_flows)
{
    play(register_many, "many", "{\"n\":100000}");
    expect_output("33283350000");
}

static mf_status nested(mf_workflow *wf, const mf_value *in, mf_writer *out)
{
    const mf_value *lists = mf_map(wf, "echo", mf_field(in, "xs"), NULL);
    mf_put_value(out, lists != NULL ? mf_map(wf, "sum", lists, NULL) : lists);
    return MF_OK;
}

static void register_nested(mf_registry *job)
{
    register_tasks(job);
    mf_register_workflow(
        job, &(mf_workflow_def){.name = "nested", .fn = nested, .input = "{xs: list<any>}"});
}

Test(workflow, a_nested_list_flows)
{
    play(register_nested, "nested", "{\"xs\":[[1,2],[],[3]]}");
    expect_output("[3,0,3]");
}

/* ---- Types -----------------------------------------------------------------------------------
 */

static mf_status tolerant(mf_workflow *wf, const mf_value *in, mf_writer *out)
{
    const mf_map_options options = {.min_success_ratio = "0.5"};
    const mf_value *squares = mf_map(wf, "square", mf_field(in, "xs"), &options);
    if (mf_bool(mf_field(in, "sums"))) {
        return squares != NULL ? mf_call(wf, "sum", squares, out) : MF_FAIL;
    }
    mf_put_value(out, squares);
    return MF_OK;
}

static void register_tolerant(mf_registry *job)
{
    register_tasks(job);
    mf_register_workflow(job, &(mf_workflow_def){.name = "tolerant",
                                                 .fn = tolerant,
                                                 .input = "{xs: list<int>, sums: bool}"});
}

Test(workflow, a_tolerant_map_has_holes)
{
    play(register_tolerant, "tolerant", "{\"xs\":[1,-2,3],\"sums\":false}");
    expect_output("[1,null,9]");
}

/* Also where this time nothing has failed. */
static mf_status lenient(mf_workflow *wf, const mf_value *in, mf_writer *out)
{
    const mf_map_options options = {.max_failures = "1"};
    const mf_value *square = mf_call_value(wf, "square", mf_item(mf_field(in, "xs"), 0), &options);
    return square != NULL ? mf_call(wf, "square", square, out) : MF_FAIL;
}

static void register_lenient(mf_registry *job)
{
    register_tasks(job);
    mf_register_workflow(
        job, &(mf_workflow_def){.name = "lenient", .fn = lenient, .input = "{xs: list<int>}"});
}

Test(workflow, the_output_of_a_tolerant_call_is_refused_where_no_null_is_taken)
{
    play(register_lenient, "lenient", "{\"xs\":[2]}");
    expect_failure("mf_call \"square\": an input of type int? for int");
}

Test(workflow, outputs_of_a_tolerant_map_are_refused_where_no_hole_is_taken)
{
    play(register_tolerant, "tolerant", "{\"xs\":[1,2,3],\"sums\":true}");
    expect_failure("mf_call \"sum\": an input of type list<int?> for list<int>: it may hold "
                   "nulls, as what a map gives that allows failures");
    cr_expect(eq(sz, played.map_count, 1), "nothing of the call was asked for");
}

static const mf_value *list_of(mf_workflow *wf, const char *text)
{
    mf_writer *made = mf_make(wf);
    mf_begin_list(made);
    mf_put_int(made, 1);
    mf_put_str(made, text);
    mf_end_list(made);
    return mf_made(wf, made);
}

static const mf_value *ints(mf_workflow *wf, int64_t count)
{
    mf_writer *made = mf_make(wf);
    mf_begin_list(made);
    for (int64_t i = 0; i < count; i++) {
        mf_put_int(made, i);
    }
    mf_end_list(made);
    return mf_made(wf, made);
}

static mf_status refused(mf_workflow *wf, const mf_value *in, mf_writer *out)
{
    const char *what = mf_str(mf_field(in, "what"));
    const mf_map_options bad = {.retries = "many"};
    const mf_map_options both = {.min_successes = "1", .max_failures = "1"};
    const mf_map_options more = {.min_successes = "3"};
    const mf_map_options kept = {.cache = "use"};
    const mf_map_options enough = {.policy = "enough", .min_successes = "0"};
    const struct {
        const char *what;
        const mf_map_options *options;
    } rows[] = {
        {"bad", &bad}, {"both", &both}, {"more", &more}, {"kept", &kept}, {"enough", &enough}};
    mf_put_null(out);
    if (strcmp(what, "task") == 0) {
        return mf_map(wf, "cube", ints(wf, 2), NULL) != NULL ? MF_OK : MF_FAIL;
    }
    if (strcmp(what, "input") == 0) {
        return mf_map(wf, "square", list_of(wf, "two"), NULL) != NULL ? MF_OK : MF_FAIL;
    }
    if (strcmp(what, "list") == 0) {
        return mf_map(wf, "square", in, NULL) != NULL ? MF_OK : MF_FAIL;
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(what, rows[i].what) == 0) {
            return mf_map(wf, "square", ints(wf, 2), rows[i].options) != NULL ? MF_OK : MF_FAIL;
        }
    }
    return mf_made(wf, mf_make(wf)) != NULL ? MF_OK : MF_FAIL;
}

static void register_refused(mf_registry *job)
{
    register_tasks(job);
    mf_register_workflow(
        job, &(mf_workflow_def){.name = "refused", .fn = refused, .input = "{what: str}"});
}

static void expect_refused(const char *what, const char *text)
{
    char parameters[64];
    (void)snprintf(parameters, sizeof(parameters), "{\"what\":\"%s\"}", what);
    play(register_refused, "refused", parameters);
    expect_failure(text);
    cr_expect(eq(sz, played.map_count, 0), "nothing was asked for");
    forget_played();
}

Test(workflow, a_call_that_makes_no_sense_is_refused_by_name_before_it_is_asked_for)
{
    expect_refused("task", "mf_map \"cube\": job program has no task \"cube\"; it has square, sum");
    expect_refused("input", "mf_map \"square\": index 1: expected int, found str \"two\"");
    expect_refused("list", "mf_map \"square\": its inputs are no list");
    expect_refused("bad", "mf_map \"square\": retries: ");
    expect_refused("both", "mf_map \"square\": min_successes and max_failures both say");
    expect_refused("more", "mf_map \"square\": ");
    expect_refused("kept", "mf_map \"square\": cache: the task has no cache_version");
    expect_refused("enough", "mf_map \"square\": policy enough with a minimum of 0");
    expect_refused("made", "mf_made: ");
}

/* ---- Zipped and bound ------------------------------------------------------------------------
 */

static mf_status zipped(mf_workflow *wf, const mf_value *in, mf_writer *out)
{
    const mf_named zip[] = {{"a", mf_field(in, "as")}, {"b", mf_field(in, "bs")}, {NULL, NULL}};
    const mf_named bind[] = {{mf_str(mf_field(in, "bound")), mf_field(in, "c")}, {NULL, NULL}};
    const mf_map_options options = {.zip = zip, .bind = bind};
    const mf_value *pairs = mf_map(wf, "pair", NULL, &options);
    mf_put_value(out, pairs);
    return pairs != NULL ? MF_OK : MF_FAIL;
}

static mf_status joined(mf_workflow *wf, const mf_value *in, mf_writer *out)
{
    const mf_map_options tolerant_options = {.max_failures = "1"};
    const mf_value *squares = mf_map(wf, "square", mf_field(in, "as"), &tolerant_options);
    const mf_named zip[] = {{"a", squares}, {"b", mf_field(in, "bs")}, {NULL, NULL}};
    const mf_map_options options = {.zip = zip};
    mf_put_null(out);
    return mf_map(wf, "pair", NULL, &options) != NULL ? MF_OK : MF_FAIL;
}

static mf_status lone(mf_workflow *wf, const mf_value *in, mf_writer *out)
{
    const mf_named zip[] = {{"a", mf_field(in, "as")}, {NULL, NULL}};
    const mf_map_options options = {.zip = zip};
    mf_put_null(out);
    return mf_map(wf, "pair", NULL, &options) != NULL ? MF_OK : MF_FAIL;
}

static void register_zipped(mf_registry *job)
{
    static const char input[] = "{as: list<int>, bs: list<int>, c: any, bound: str}";
    register_tasks(job);
    mf_register_workflow(job, &(mf_workflow_def){.name = "zipped", .fn = zipped, .input = input});
    mf_register_workflow(job, &(mf_workflow_def){.name = "joined", .fn = joined, .input = input});
    mf_register_workflow(job, &(mf_workflow_def){.name = "lone", .fn = lone, .input = input});
}

Test(workflow, zipped_and_bound_inputs_make_records)
{
    play(register_zipped, "zipped", "{\"as\":[1,2],\"bs\":[3,4],\"c\":5,\"bound\":\"c\"}");
    EXPECT_INPUTS(0, "{\"a\":1,\"b\":3,\"c\":5.0} {\"a\":2,\"b\":4,\"c\":5.0}");
    expect_output("[{\"a\":1,\"b\":3,\"c\":5.0},{\"a\":2,\"b\":4,\"c\":5.0}]");
}

Test(workflow, lists_of_unequal_length_are_refused_by_both_names)
{
    play(register_zipped, "zipped", "{\"as\":[1,2],\"bs\":[3],\"c\":5,\"bound\":\"c\"}");
    expect_failure("lists that are zipped have different lengths: a 2, b 1");
}

Test(workflow, a_bound_field_that_is_there_already_is_refused)
{
    play(register_zipped, "zipped", "{\"as\":[1],\"bs\":[3],\"c\":5,\"bound\":\"a\"}");
    expect_failure("index 0: field \"a\" is given twice");
}

Test(workflow, names_of_fields_are_checked_where_there_is_no_instance_too)
{
    play(register_zipped, "zipped", "{\"as\":[],\"bs\":[],\"c\":5,\"bound\":\"d\"}");
    expect_failure("mf_map \"pair\": there is no field \"d\" of {a: int, b: int, c");
    play(register_zipped, "lone", "{\"as\":[],\"bs\":[],\"c\":5,\"bound\":\"c\"}");
    expect_failure("mf_map \"pair\": nothing is given for field \"b\" of {a: int, b: int, c");
}

Test(workflow, zipped_outputs_of_a_tolerant_map_are_refused_where_no_hole_is_taken)
{
    play(register_zipped, "joined", "{\"as\":[1],\"bs\":[3],\"c\":5,\"bound\":\"a\"}");
    expect_failure("mf_map \"pair\": items of \"a\" of type int? for int");
}

/* ---- How it ends -----------------------------------------------------------------------------
 */

static mf_status ending(mf_workflow *wf, const mf_value *in, mf_writer *out)
{
    const char *how = mf_str(mf_field(in, "how"));
    if (strcmp(how, "says") == 0) {
        return mf_workflow_fail(wf, "no more than %d", 3);
    }
    if (strcmp(how, "seven") == 0) {
        return (mf_status)7;
    }
    if (strcmp(how, "type") == 0) {
        mf_put_str(out, "text");
    } else if (strcmp(how, "two") == 0) {
        mf_put_int(out, 1);
        mf_put_int(out, 2);
    } else if (strcmp(how, "crash") == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        (void)raise(SIGABRT);
    }
    return strcmp(how, "silent") == 0 ? MF_FAIL : MF_OK;
}

static void register_ending(mf_registry *job)
{
    mf_register_workflow(
        job,
        &(mf_workflow_def){.name = "ending", .fn = ending, .input = "{how: str}", .output = "int"});
}

Test(workflow, it_says_why_it_fails)
{
    play(register_ending, "ending", "{\"how\":\"says\"}");
    expect_failure("no more than 3");
}

Test(workflow, it_may_fail_without_a_word)
{
    play(register_ending, "ending", "{\"how\":\"silent\"}");
    expect_failure("it gave no reason");
}

Test(workflow, what_is_no_status_fails_it)
{
    play(register_ending, "ending", "{\"how\":\"seven\"}");
    expect_failure("returned 7, which is no mf_status");
}

Test(workflow, an_output_of_another_type_fails_it)
{
    play(register_ending, "ending", "{\"how\":\"type\"}");
    expect_failure("its output: expected int, found str \"text\"");
}

Test(workflow, no_output_fails_it)
{
    play(register_ending, "ending", "{\"how\":\"none\"}");
    expect_failure("its output: ");
}

Test(workflow, two_outputs_fail_it)
{
    play(register_ending, "ending", "{\"how\":\"two\"}");
    expect_failure("its output: ");
}

Test(workflow, a_crash_ends_its_process_alone)
{
    play(register_ending, "ending", "{\"how\":\"crash\"}");
    cr_expect(played.has_ended == false);
    const bool was_signalled = WIFSIGNALED(played.wait_status);
    cr_assert(was_signalled);
    cr_expect(eq(int, WTERMSIG(played.wait_status), SIGABRT));
}
