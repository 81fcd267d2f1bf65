#include "master/run_file.h"

#include <jansson.h>

#include "tests/unit/log_support.h"

static char *arguments[] = {"mapfleet", "map", "caf\xc3\xa9", "not \xff UTF-8", ""};

static char *given[] = {"--retries=\xff", "--no-header"};

static struct run_description make_run(void)
{
    return (struct run_description){
        .version = "0.1.0",
        .verb = "map",
        .state = RUN_FAILED,
        .created_s = 1735689599,
        .launch_dir = "/home/\xff/x",
        .arguments = arguments,
        .argument_count = 5,
        .given = given,
        .given_count = 2,
        .job = "basics",
        .job_path = "/opt/basics.so",
        .job_digest = "00112233445566778899aabbccddeeff",
        .task = "square",
        .input_type = "{a: int, b?: list<float>}",
        .output_type = "int?",
        .options = {.retries = INT64_MAX,
                    .system_retries = 3,
                    .retry_delay_ns = 5,
                    .timeout_ns = 6,
                    .mem = 7,
                    .mem_growth = 1.1,
                    .speculate = true,
                    .cpus = 8,
                    .gpus = 9,
                    .concurrency = 10,
                    .delay_ns = 11,
                    .grace_ns = 15,
                    .time_limit_ns = 16,
                    .lost_after_ns = 17,
                    .unit_size = 12,
                    .seed = 13,
                    .output_size_max = 14,
                    .policy = POLICY_RUN_ALL,
                    .capture = MAP_CAPTURE_DISCARD,
                    .criterion = {.kind = CRITERION_MIN_RATIO, .ratio = "0.070"}},
        .formula =
            {.kind = FORMULA_RANGE, .start = INT64_MIN, .step = -3, .count = 100, .is_float = true},
        .input_count = 100,
        .input_digest = {0, 1, 2, 0xfe, 0xff},
        .cache_mode = CACHE_REFRESH,
        .cache_version = "1.\xff",
        .cache_dir = "/cache",
        .ranks = 4,
        .verdict = {.exit_status = 1,
                    .ended_s = 1735689600,
                    .wall_seconds = 12.5,
                    .counts = {90, 1, 2, 3, 4, 0, 0},
                    .attempts = 120,
                    .retries = 20},
    };
}

static struct run_description *round_trip(const struct run_description *run)
{
    struct run_description *back = NULL;
    struct error err = {0};
    cr_assert(eq(int, run_file_write(folder, run, &err), STATUS_OK), "%s", err.text);
    cr_assert(eq(int, run_file_read(folder, &back, &err), STATUS_OK), "%s", err.text);
    return back;
}

static void expect_same_options(const struct map_options *a, const struct map_options *b)
{
    cr_expect(eq(u64, a->retries, b->retries));
    cr_expect(eq(u64, a->system_retries, b->system_retries));
    cr_expect(eq(u64, a->retry_delay_ns, b->retry_delay_ns));
    cr_expect(eq(u64, a->timeout_ns, b->timeout_ns));
    cr_expect(eq(u64, a->mem, b->mem));
    cr_expect(eq(dbl, a->mem_growth, b->mem_growth));
    cr_expect(eq(u64, a->cpus, b->cpus));
    cr_expect(eq(u64, a->gpus, b->gpus));
    cr_expect(eq(u64, a->concurrency, b->concurrency));
    cr_expect(eq(u64, a->delay_ns, b->delay_ns));
    cr_expect(eq(u64, a->grace_ns, b->grace_ns));
    cr_expect(eq(u64, a->time_limit_ns, b->time_limit_ns));
    cr_expect(eq(u64, a->lost_after_ns, b->lost_after_ns));
    cr_expect(eq(u64, a->unit_size, b->unit_size));
    cr_expect(eq(u64, a->seed, b->seed));
    cr_expect(eq(u64, a->output_size_max, b->output_size_max));
    cr_expect(eq(int, a->policy, b->policy));
    cr_expect(eq(int, a->capture, b->capture));
    cr_expect(eq(int, a->criterion.kind, b->criterion.kind));
    cr_expect(strcmp(a->criterion.ratio, b->criterion.ratio) == 0);
    cr_expect(eq(u64, a->criterion.count, b->criterion.count));
}

static void expect_same(const struct run_description *a, const struct run_description *b)
{
    cr_expect(eq(str, a->version, b->version));
    cr_expect(eq(str, a->verb, b->verb));
    cr_expect(eq(int, a->state, b->state));
    cr_expect(eq(i64, a->created_s, b->created_s));
    cr_expect(eq(str, a->launch_dir, b->launch_dir));
    cr_assert(eq(sz, a->argument_count, b->argument_count));
    for (size_t i = 0; i < a->argument_count; i++) {
        cr_expect(eq(str, a->arguments[i], b->arguments[i]));
    }
    cr_assert(eq(sz, a->given_count, b->given_count));
    for (size_t i = 0; i < a->given_count; i++) {
        cr_expect(eq(str, a->given[i], b->given[i]));
    }
    cr_expect(eq(str, a->job, b->job));
    cr_expect(eq(str, a->job_path, b->job_path));
    cr_expect(eq(str, a->job_digest, b->job_digest));
    cr_expect(eq(str, a->task, b->task));
    cr_expect(eq(str, a->input_type, b->input_type));
    cr_expect(eq(str, a->output_type, b->output_type));
    expect_same_options(&a->options, &b->options);
    cr_expect(eq(int, a->formula.kind, b->formula.kind));
    cr_expect(eq(i64, a->formula.start, b->formula.start));
    cr_expect(eq(i64, a->formula.step, b->formula.step));
    cr_expect(eq(u64, a->formula.count, b->formula.count));
    cr_expect(eq(int, a->formula.is_float, b->formula.is_float));
    cr_expect(eq(u64, a->input_count, b->input_count));
    cr_expect(memcmp(a->input_digest, b->input_digest, sizeof(a->input_digest)) == 0);
    cr_expect(eq(int, a->cache_mode, b->cache_mode));
    cr_assert(eq(int, a->cache_version == NULL, b->cache_version == NULL));
    if (a->cache_version != NULL) {
        cr_expect(eq(str, a->cache_version, b->cache_version));
        cr_expect(eq(str, a->cache_dir, b->cache_dir));
    }
    cr_expect(eq(u32, a->ranks, b->ranks));
    cr_expect(eq(int, a->verdict.exit_status, b->verdict.exit_status));
    cr_expect(eq(i64, a->verdict.ended_s, b->verdict.ended_s));
    cr_expect(eq(dbl, a->verdict.wall_seconds, b->verdict.wall_seconds));
    for (unsigned i = 0; i < INSTANCE_STATE_COUNT; i++) {
        cr_expect(eq(u64, a->verdict.counts[i], b->verdict.counts[i]));
    }
    cr_expect(eq(u64, a->verdict.attempts, b->verdict.attempts));
    cr_expect(eq(u64, a->verdict.retries, b->verdict.retries));
}

Test(run_file, an_ended_run_over_a_formula_comes_back)
{
    folder_create();
    const struct run_description run = make_run();
    struct run_description *back = round_trip(&run);
    expect_same(&run, back);
    run_description_destroy(back);
    folder_remove();
}

Test(run_file, a_running_run_over_a_list_comes_back_without_a_verdict)
{
    folder_create();
    struct run_description run = make_run();
    run.state = RUN_RUNNING;
    run.formula = (struct formula){.kind = FORMULA_NONE};
    run.cache_mode = CACHE_OFF;
    run.cache_version = NULL;
    run.cache_dir = NULL;
    run.verdict = (struct run_verdict){0};
    struct run_description *back = round_trip(&run);
    expect_same(&run, back);
    run_description_destroy(back);
    folder_remove();
}

Test(run_file, every_criterion_and_policy_comes_back)
{
    folder_create();
    struct run_description run = make_run();
    const struct criterion criteria[] = {{.kind = CRITERION_ALL},
                                         {.kind = CRITERION_MIN_SUCCESSES, .count = 5},
                                         {.kind = CRITERION_MAX_FAILURES, .count = INT64_MAX}};
    const enum map_policy policies[] = {POLICY_STOP, POLICY_RUN_ALL, POLICY_ENOUGH};
    for (size_t i = 0; i < 3; i++) {
        run.options.criterion = criteria[i];
        run.options.policy = policies[i];
        struct run_description *back = round_trip(&run);
        expect_same_options(&run.options, &back->options);
        run_description_destroy(back);
    }
    folder_remove();
}

Test(run_file, a_number_that_json_cannot_hold_is_refused_and_the_old_file_stays)
{
    struct error err;
    folder_create();
    struct run_description run = make_run();
    run_description_destroy(round_trip(&run));
    run.options.seed = (uint64_t)INT64_MAX + 1;
    STATUS_IS(STATUS_INVALID, run_file_write(folder, &run, &err));
    cr_expect(ne(ptr, strstr(err.text, "seed"), NULL), "%s", err.text);
    struct run_description *back = NULL;
    OK(run_file_read(folder, &back, NULL));
    cr_expect(eq(u64, back->options.seed, 13));
    run_description_destroy(back);
    folder_remove();
}

Test(run_file, a_folder_without_the_file_is_no_run_directory)
{
    struct run_description *run = NULL;
    struct error err;
    folder_create();
    STATUS_IS(STATUS_NOT_FOUND, run_file_read(folder, &run, &err));
    cr_expect(ne(ptr, strstr(err.text, "not a run directory"), NULL), "%s", err.text);
    cr_expect(ne(ptr, strstr(err.text, folder), NULL), "%s", err.text);
    folder_remove();
}

Test(run_file, a_file_that_is_no_json_is_refused_with_its_line)
{
    struct run_description *run = NULL;
    struct error err;
    folder_create();
    OK(file_replace(folder, RUN_FILE_NAME, "{\n\"a\": }", 8, NULL));
    STATUS_IS(STATUS_INVALID, run_file_read(folder, &run, &err));
    cr_expect(ne(ptr, strstr(err.text, "line 2"), NULL), "%s", err.text);
    OK(file_replace(folder, RUN_FILE_NAME, "[]", 2, NULL));
    STATUS_IS(STATUS_INVALID, run_file_read(folder, &run, &err));
    folder_remove();
}

/* Write the tree, expect it to be refused, and the text to hold the file and the field. */
static void expect_refused(const json_t *root, const char *field)
{
    struct run_description *run = NULL;
    struct error err = {0};
    char *text = json_dumps(root, 0);
    OK(file_replace(folder, RUN_FILE_NAME, text, strlen(text), NULL));
    free(text);
    cr_assert(eq(int, run_file_read(folder, &run, &err), STATUS_INVALID), "%s", field);
    cr_expect(ne(ptr, strstr(err.text, field), NULL), "%s: %s", field, err.text);
    cr_expect(ne(ptr, strstr(err.text, RUN_FILE_NAME), NULL), "%s", err.text);
}

/* Each field of the object is taken away, and replaced by a value that no field has, in turn. The
 * names are walked in a copy, because a field that is put back goes to the end. */
static void spoil_fields(json_t *root, json_t *object, const char *prefix)
{
    const char *name;
    json_t *value;
    json_t *copy = json_copy(object);
    json_object_foreach(copy, name, value)
    {
        char field[128];
        (void)snprintf(field, sizeof(field), "%s%s", prefix, name);
        (void)json_object_del(object, name);
        expect_refused(root, field);
        (void)json_object_set_new(object, name, json_pack("[[]]"));
        expect_refused(root, field);
        (void)json_object_set(object, name, value);
    }
    json_decref(copy);
}

Test(run_file, each_missing_or_mistyped_field_is_refused_by_name)
{
    json_error_t failure;
    folder_create();
    const struct run_description run = make_run();
    OK(run_file_write(folder, &run, NULL));
    json_t *root = json_load_file(in_folder(RUN_FILE_NAME), 0, &failure);
    cr_assert(ne(ptr, root, NULL));
    json_t *options = json_object_get(root, "options");
    json_t *verdict = json_object_get(root, "verdict");
    spoil_fields(root, root, "");
    spoil_fields(root, options, "options.");
    spoil_fields(root, json_object_get(options, "criterion"), "options.criterion.");
    spoil_fields(root, json_object_get(root, "inputs"), "inputs.");
    spoil_fields(root, json_object_get(root, "cache"), "cache.");
    spoil_fields(root, verdict, "verdict.");
    spoil_fields(root, json_object_get(verdict, "counts"), "verdict.counts.");
    json_decref(root);
    folder_remove();
}

Test(run_file, values_outside_their_range_are_refused_by_name)
{
    static const struct {
        const char *object;
        const char *name;
        const char *json;
    } wrong[] = {
        {NULL, "format", "2"},
        {NULL, "state", "\"ended\""},
        {NULL, "created", "\"2024-12-31\""},
        {NULL, "created", "\"2024-12-31T23:59:59Z \""},
        {NULL, "ranks", "0"},
        {NULL, "ranks", "4294967296"},
        {NULL, "input_type", "\"list<\""},
        {NULL, "output_type", "\"integer\""},
        {NULL, "job_digest", "\"0x12\""},
        {NULL, "launch_dir", "{\"hex\": \"2f7\"}"},
        {NULL, "launch_dir", "{\"hex\": \"2f00\"}"},
        {NULL, "arguments", "[\"a\", 1]"},
        {"options", "retries", "-1"},
        {"options", "retries", "1.0"},
        {"options", "cpus", "0"},
        {"options", "mem_growth", "0.5"},
        {"options", "policy", "\"go\""},
        {"options", "capture", "\"some\""},
        {"inputs", "step", "0"},
        {"inputs", "count", "-5"},
        {"inputs", "kind", "\"lattice\""},
        {"inputs", "digest", "\"00\""},
        {"inputs", "digest", "\"0001020304050607080910111213141X\""},
        {"verdict", "exit", "256"},
        {"verdict", "wall_seconds", "-0.5"},
    };
    json_error_t failure;
    folder_create();
    const struct run_description run = make_run();
    OK(run_file_write(folder, &run, NULL));
    json_t *root = json_load_file(in_folder(RUN_FILE_NAME), 0, &failure);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        json_t *object = wrong[i].object != NULL ? json_object_get(root, wrong[i].object) : root;
        json_t *kept = json_incref(json_object_get(object, wrong[i].name));
        (void)json_object_set_new(object, wrong[i].name,
                                  json_loads(wrong[i].json, JSON_DECODE_ANY, &failure));
        expect_refused(root, wrong[i].name);
        (void)json_object_set_new(object, wrong[i].name, kept);
    }
    json_t *criterion = json_object_get(json_object_get(root, "options"), "criterion");
    (void)json_object_set_new(criterion, "ratio", json_string("1.5"));
    expect_refused(root, "options.criterion.ratio");
    json_decref(root);
    folder_remove();
}

Test(run_file, fields_of_later_versions_are_passed_over)
{
    json_error_t failure;
    struct run_description *back = NULL;
    folder_create();
    const struct run_description run = make_run();
    OK(run_file_write(folder, &run, NULL));
    json_t *root = json_load_file(in_folder(RUN_FILE_NAME), 0, &failure);
    (void)json_object_set_new(root, "later", json_integer(1));
    char *text = json_dumps(root, 0);
    OK(file_replace(folder, RUN_FILE_NAME, text, strlen(text), NULL));
    OK(run_file_read(folder, &back, NULL));
    expect_same(&run, back);
    run_description_destroy(back);
    json_decref(root);
    free(text);
    folder_remove();
}
