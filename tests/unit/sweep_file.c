#include "cli/sweep_file.h"

#include "space_support.h"

static struct sweep_file *read_good(const char *text)
{
    struct problems problems = {.path = "s.yaml"};
    struct sweep_file *sweep = NULL;
    const enum status status = sweep_file_read(text, strlen(text), &problems, &sweep);
    cr_assert(eq(int, status, STATUS_OK), "%s: %s", text,
              problems_kept(&problems) > 0 ? problems_text(&problems, 0) : "");
    problems_free(&problems);
    return sweep;
}

static void expect_problems(const char *text, const char *const *expected, size_t count)
{
    struct problems problems = {.path = "s.yaml"};
    struct sweep_file *sweep = NULL;
    cr_expect(eq(int, sweep_file_read(text, strlen(text), &problems, &sweep), STATUS_INVALID), "%s",
              text);
    cr_expect(eq(sz, problems.count, count), "%s", text);
    for (size_t i = 0; i < count && i < problems_kept(&problems); i++) {
        const char *found = problems_text(&problems, i);
        cr_expect(zero(strcmp(found, expected[i])), "%s\nfound:    %s\nexpected: %s", text, found,
                  expected[i]);
    }
    problems_free(&problems);
    sweep_file_destroy(sweep);
}

#define EXPECT_PROBLEMS(text, ...)                                                                 \
    expect_problems(text, (const char *const[]){__VA_ARGS__},                                      \
                    sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

#define HEAD "method: random\nprogram: train.py\n"
#define PARAMETERS "parameters:\n  lr: {min: 0.0, max: 1}\n"

/* Goal: libfyaml never sees it; it would not end on the first of these. */
Test(sweep_file, bytes_that_are_no_text_are_refused_with_their_place)
{
    EXPECT_PROBLEMS("%p\x98 a\n", "s.yaml:1:3: a byte that is no UTF-8; expected a text file");
    EXPECT_PROBLEMS("method: grid\n# \xc3\xa9\xff\n",
                    "s.yaml:2:4: a byte that is no UTF-8; expected a text file");
    EXPECT_PROBLEMS("a: \xe2\x82", "s.yaml:1:4: a byte that is no UTF-8; expected a text file");
}

/* ---- What is read -------------------------------------------------------------------------------
 */

Test(sweep_file, every_key_is_read)
{
    struct sweep_file *sweep =
        read_good("method: bayes\n"
                  "command: [\"${env}\", python, train.py, 3, 1e-5, true, null, \"${args}\"]\n"
                  "metric: {name: val/acc, goal: maximize, target: 0.9, impute: latest,\n"
                  "         impute_while_running: best}\n"
                  "run_cap: 1_000\n"
                  "early_terminate: {type: hyperband, min_iter: 3, eta: 2, strict: false}\n"
                  "retries: 2\ntimeout: 1h\nmin_success_ratio: 0.9\n"
                  "resources: {cpus: 4, mem: 2Gi, gpus: 1}\n"
                  "project: p\nentity: e\nname: n\ndescription: d\n"
                  "controller: {type: local}\napiVersion: v1\nkind: sweep\nsampler: gp\n"
                  "constraints: [\"a > 1\"]\n"
                  "parameters:\n  a: {values: [1, 2]}\n");
    cr_expect(eq(int, sweep->method, SWEEP_ADAPTIVE));
    cr_expect(zero(strcmp(sweep->sampler, "gp")));
    cr_assert(eq(sz, sweep->command_count, 8));
    cr_expect(zero(strcmp(sweep->command[3], "3")));
    cr_expect(zero(strcmp(sweep->command[4], "1e-05")));
    cr_expect(zero(strcmp(sweep->command[5], "True")));
    cr_expect(zero(strcmp(sweep->command[6], "None")));
    cr_expect(zero(strcmp(sweep->command[7], "${args}")));
    cr_expect(zero(strcmp(sweep->metric.name, "val/acc")));
    cr_expect(sweep->metric.is_maximised && sweep->metric.has_target);
    cr_expect(eq(dbl, sweep->metric.target, 0.9));
    cr_expect(eq(int, sweep->metric.impute, IMPUTE_LATEST));
    cr_expect(eq(u64, sweep->run_cap, 1000));
    cr_expect(sweep->has_early_stop && sweep->early_stop.is_maximised);
    cr_expect(not(sweep->early_stop.is_strict));
    cr_expect(eq(u64, sweep->early_stop.min_iter, 3));
    cr_expect(eq(dbl, sweep->early_stop.eta, 2));
    cr_assert(eq(sz, sweep->option_count, 6));
    cr_expect(zero(strcmp(sweep->options[0].text, "2")));
    cr_expect(zero(strcmp(sweep->options[2].name, "min-success-ratio")));
    cr_expect(zero(strcmp(sweep->options[4].text, "2Gi")));
    cr_expect(eq(sz, sweep->space->constraint_count, 1));
    expect_json(&sweep->labels, "{\"project\":\"p\",\"entity\":\"e\",\"name\":\"n\","
                                "\"description\":\"d\",\"controller\":{\"type\":\"local\"},"
                                "\"apiVersion\":\"v1\",\"kind\":\"sweep\"}");
    sweep_file_destroy(sweep);
}

Test(sweep_file, a_task_stands_in_the_place_of_a_program)
{
    struct sweep_file *sweep =
        read_good("method: random\ntask: sweep:train\nseeds: 3\n" PARAMETERS);
    cr_expect(zero(strcmp(sweep->task, "sweep:train")));
    cr_expect(eq(u64, sweep->seeds, 3));
    sweep_file_destroy(sweep);
    EXPECT_PROBLEMS("method: random\ntask: train\n" PARAMETERS,
                    "s.yaml:2:7: task: found train, expected JOB:TASK");
    EXPECT_PROBLEMS(HEAD "task: a:b\n" PARAMETERS,
                    "s.yaml:3:7: task beside program or command: the file says twice what runs");
}

Test(sweep_file, nests_keep_their_place_and_pass_on_their_when)
{
    struct sweep_file *sweep = read_good(HEAD "parameters:\n"
                                              "  a: {value: 1}\n"
                                              "  opt:\n"
                                              "    when: a == 1\n"
                                              "    parameters:\n"
                                              "      lr: {min: 0.0, max: 1}\n"
                                              "      inner:\n"
                                              "        parameters:\n"
                                              "          x: {value: 3, when: opt.lr > 0.5}\n"
                                              "  b: {values: [x, y]}\n");
    const struct space *space = sweep->space;
    cr_assert(eq(sz, space->count, 4));
    cr_expect(zero(strcmp(space->parameters[1].name, "opt.lr")));
    cr_expect(zero(strcmp(space->parameters[2].name, "opt.inner.x")));
    cr_expect(zero(strcmp(space->parameters[1].when, "a == 1")));
    cr_expect(zero(strcmp(space->parameters[2].when, "(a == 1) and (opt.lr > 0.5)")));
    cr_expect(space->parameters[3].when == NULL);
    sweep_file_destroy(sweep);
}

Test(sweep_file, scalars_mean_what_yaml_1_2_says)
{
    struct sweep_file *sweep =
        read_good(HEAD "parameters:\n  a:\n    values: [1e-5, 1_000, !!float 3, !!str 4, \"yes\", "
                       "0x1F, ~, -0.5, .5, 1., true, 2020-01-01, 1.2.3, !!int \"7\", 'no', a b,"
                       " [1, {x: 2}], +5]\n");
    expect_json(&sweep->space->parameters[0].values,
                "[1e-05,1000,3.0,\"4\",\"yes\",31,null,-0.5,0.5,1.0,true,\"2020-01-01\",\"1.2.3\","
                "7,\"no\",\"a b\",[1,{\"x\":2}],5]");
    sweep_file_destroy(sweep);
}

Test(sweep_file, anchors_and_aliases_are_read)
{
    struct sweep_file *sweep =
        read_good(HEAD "parameters:\n  a: &r {min: 0, max: 3}\n  b: *r\n  c: {values: &v [1, 2]}\n"
                       "  d: {values: *v}\n");
    cr_assert(eq(sz, sweep->space->count, 4));
    cr_expect(eq(int, sweep->space->parameters[1].shape, SHAPE_INT_UNIFORM));
    cr_expect(eq(sz, mf_count(&sweep->space->parameters[3].values), 2));
    sweep_file_destroy(sweep);
}

/* ---- What is refused ----------------------------------------------------------------------------
 */

Test(sweep_file, unknown_keys_name_the_nearest_and_all_are_reported_together)
{
    EXPECT_PROBLEMS("metod: random\nprogram: t.py\nparameters:\n  a: {vales: [1]}\n"
                    "  b: {value: 1, mni: 3}\nmetric: {nmae: x}\n",
                    "s.yaml:1:1: metod is no key of a sweep: did you mean method?",
                    ("s.yaml:1:1: method is missing: expected grid, random, quasi, bayes or "
                     "adaptive"),
                    "s.yaml:4:7: vales is no key of a parameter: did you mean values?",
                    "s.yaml:5:17: mni is no key of a parameter: did you mean min?",
                    "s.yaml:6:9: metric: name is missing",
                    "s.yaml:6:10: nmae is no key of a metric: did you mean name?");
}

Test(sweep_file, what_yaml_1_1_reads_otherwise_is_refused_with_the_way_out)
{
#define BOOLEAN                                                                                    \
    ": YAML 1.1 reads this as true or false: write true or false, or quote it if it is meant as "  \
    "text"
    EXPECT_PROBLEMS(HEAD "parameters:\n"
                         "  a: {values: [yes, No, ON, off]}\n"
                         "  b: {values: [007, 0b11, 1:30, 0o17]}\n",
                    "s.yaml:4:16: found yes" BOOLEAN, "s.yaml:4:21: found No" BOOLEAN,
                    "s.yaml:4:25: found ON" BOOLEAN, "s.yaml:4:29: found off" BOOLEAN,
                    "s.yaml:5:16: found 007: an integer with a leading zero is octal in YAML 1.1 "
                    "and decimal in 1.2: leave the zero out, or quote it if it is meant as text",
                    "s.yaml:5:21: found 0b11: YAML 1.1 reads this as an integer in base 2: write "
                    "it in decimal, or quote it if it is meant as text",
                    "s.yaml:5:27: found 1:30: YAML 1.1 reads this as a number in base 60: write "
                    "the number, or quote it if it is meant as text",
                    "s.yaml:5:33: found 0o17: YAML 1.2 reads this as octal, and 1.1 as text: "
                    "write it in decimal, or quote it if it is meant as text");
}

Test(sweep_file, what_no_sweep_needs_of_yaml_is_refused)
{
    EXPECT_PROBLEMS(HEAD "parameters:\n  a: {value: 1}\n  a: {value: 2}\n",
                    "s.yaml:5:3: a stands twice (line 4)");
    EXPECT_PROBLEMS(HEAD "parameters:\n  1: {value: 1}\n",
                    "s.yaml:4:3: found 1 as a key, expected a string (quote it)");
    EXPECT_PROBLEMS(HEAD "x: &x {value: 1}\nparameters:\n  a: {<<: *x}\n",
                    "s.yaml:3:1: x is no key of a sweep",
                    "s.yaml:5:7: merge keys are not read: write the keys out",
                    "s.yaml:5:7: << is no key of a parameter");
    EXPECT_PROBLEMS(HEAD PARAMETERS "---\nmethod: grid\n",
                    "s.yaml:5:1: a second document: a sweep is one");
    EXPECT_PROBLEMS(HEAD "parameters:\n  a: {value: !!set 1}\n",
                    "s.yaml:4:20: the tag !!set is not known here: expected !!str, !!int, "
                    "!!float, !!bool or !!null of a scalar");
    EXPECT_PROBLEMS(HEAD "parameters:\n  a: {value: 9223372036854775808}\n",
                    "s.yaml:4:14: found 9223372036854775808: this integer does not fit in 64 "
                    "bits: quote it if it is meant as text");
    EXPECT_PROBLEMS(HEAD "parameters:\n  a: {value: .inf}\n",
                    "s.yaml:4:14: found .inf: expected a number that is finite");
    EXPECT_PROBLEMS("", "s.yaml: the file is empty");
    EXPECT_PROBLEMS("[1, 2]", "s.yaml:1:1: expected a record with method and parameters");
    EXPECT_PROBLEMS(HEAD "parameters: &a {x: *a}\n", "s.yaml:3:21: an alias within its anchor");
}

Test(sweep_file, malformed_yaml_has_line_and_column)
{
    struct problems problems = {.path = "s.yaml"};
    struct sweep_file *sweep = NULL;
    const char *text = HEAD "parameters:\n  a: {value: 1\n  b: 2\n";
    cr_expect(eq(int, sweep_file_read(text, strlen(text), &problems, &sweep), STATUS_INVALID));
    cr_assert(ge(sz, problems.count, 1));
    cr_expect(zero(strncmp(problems_text(&problems, 0), "s.yaml:5:", 9)), "%s",
              problems_text(&problems, 0));
    problems_free(&problems);
    sweep_file_destroy(sweep);
}

Test(sweep_file, faults_of_parameters_have_the_place_of_their_key)
{
    EXPECT_PROBLEMS(HEAD "parameters:\n"
                         "  lr:\n"
                         "    min: 2\n"
                         "    max: 1\n"
                         "  n:\n"
                         "    parameters:\n"
                         "      x:\n"
                         "        distribution: log_uniform_values\n"
                         "        max: 1\n"
                         "        min: 0\n"
                         "      y: 3\n"
                         "  p: {values: [1, 2], probabilities: [0.5, 0.6]}\n",
                    "s.yaml:5:5: lr: min: min 2 is above max 1",
                    "s.yaml:12:9: x: min: found 0, expected more than 0 for log_uniform_values",
                    "s.yaml:13:10: y: expected a record with value, values, or min and max",
                    "s.yaml:14:23: p: probabilities: their sum is 1.1, expected 1");
}

Test(sweep_file, what_no_grid_takes_has_its_place)
{
    EXPECT_PROBLEMS("method: grid\nprogram: train.py\n"
                    "parameters:\n  x: {min: 0.0, max: 1}\n"
                    "  n:\n    parameters:\n      y: {distribution: normal}\n",
                    "s.yaml:4:6: x: a range without steps is no grid: list values, or use "
                    "q_uniform",
                    "s.yaml:7:10: n.y: a grid takes value, values, int_uniform and q_uniform only");
    EXPECT_PROBLEMS("method: grid\nprogram: train.py\n"
                    "parameters:\n  a: {min: 1, max: 9000000000000000000}\n  b: {values: [1, 2]}\n"
                    "  c: {values: [1, 2]}\n",
                    "s.yaml:5:6: b: the grid has more than 2^63 - 1 points with it");
}

Test(sweep_file, expressions_are_checked_where_they_stand)
{
    EXPECT_PROBLEMS(HEAD PARAMETERS "constraints:\n  - lr < 1\n  - lrr > 0\n",
                    "s.yaml:7:5: constraint lrr > 0: lrr is no parameter: did you mean lr?");
    EXPECT_PROBLEMS(HEAD "parameters:\n  a: {value: 1}\n  n:\n    parameters:\n"
                         "      b: {value: 1, when: a >}\n",
                    "s.yaml:7:27: n.b: when: unexpected symbol near <eof>");
    EXPECT_PROBLEMS(HEAD PARAMETERS "constraints: lr < 1\n",
                    "s.yaml:5:14: constraints: expected a list of expressions");
    EXPECT_PROBLEMS(HEAD PARAMETERS "constraints: [true]\n",
                    "s.yaml:5:15: constraints: expected an expression as text");
}

Test(sweep_file, what_needs_a_metric_says_so)
{
    EXPECT_PROBLEMS(HEAD "sampler: tpe\n" PARAMETERS,
                    "s.yaml:3:1: sampler: only method: bayes, or adaptive, asks one");
    EXPECT_PROBLEMS("method: bayes\nprogram: t.py\n" PARAMETERS,
                    "s.yaml:1:9: method: bayes needs metric, with its name");
    EXPECT_PROBLEMS(HEAD PARAMETERS "early_terminate: {type: hyperband, min_iter: 3}\n",
                    "s.yaml:5:1: early_terminate needs metric, with its name");
    EXPECT_PROBLEMS(HEAD PARAMETERS "metric: {name: loss, goal: minimise}\n",
                    "s.yaml:5:28: goal: found minimise, expected minimize or maximize");
    EXPECT_PROBLEMS(HEAD PARAMETERS "metric: {name: loss}\nseeds: 2\n"
                                    "early_terminate: {type: hyperband, min_iter: 3}\n",
                    "s.yaml:6:1: seeds beside early_terminate: a configuration is judged by the "
                    "mean of its seeds, and no trial can be stopped by that");
}

Test(sweep_file, early_terminate_is_checked)
{
#define METRIC HEAD PARAMETERS "metric: {name: loss}\n"
    EXPECT_PROBLEMS(METRIC "early_terminate: {type: hyperband, min_iter: 3, max_iter: 9}\n",
                    "s.yaml:6:18: early_terminate: min_iter and max_iter: expected one of them "
                    "(min_iter is the first bracket; max_iter is divided by eta, s times)");
    EXPECT_PROBLEMS(METRIC "early_terminate: {type: envelope, min_iter: 3}\n",
                    "s.yaml:6:25: type: found envelope, expected hyperband");
    EXPECT_PROBLEMS(METRIC "early_terminate: {min_iter: 0}\n",
                    "s.yaml:6:18: early_terminate: type is missing: expected hyperband",
                    "s.yaml:6:29: min_iter: found 0, expected a whole number above 0");
}

Test(sweep_file, keys_of_that_service_are_refused_with_their_own_sentence)
{
    EXPECT_PROBLEMS("method: custom\nprogram: t.py\njob: x\nimage_uri: y\nscheduler: {}\n"
                    "metrics: []\n" PARAMETERS,
                    "s.yaml:1:9: method: custom is driven by a controller of that service: "
                    "--sampler 'COMMAND' takes a program of your own",
                    "s.yaml:3:1: job: it names a job of that service: name a program or a command",
                    "s.yaml:4:1: image_uri: no images are run here: name a program or a command, "
                    "which may start a container",
                    "s.yaml:5:1: scheduler: trials are started on the ranks of this run; mpirun or "
                    "Slurm give them",
                    "s.yaml:6:1: metrics: a sweep has one metric: write metric, with name and "
                    "goal");
}

Test(sweep_file, commands_are_lists_of_words)
{
    EXPECT_PROBLEMS("method: random\ncommand: python train.py\n" PARAMETERS,
                    "s.yaml:2:10: command: found python train.py, expected a list of words, such "
                    "as [python, train.py, \"${args}\"]");
    EXPECT_PROBLEMS("method: random\ncommand: []\n" PARAMETERS,
                    "s.yaml:2:10: command: found an empty list, expected a list of words, such as "
                    "[python, train.py, \"${args}\"]");
    EXPECT_PROBLEMS("method: random\ncommand: [a, [b], off]\n" PARAMETERS,
                    "s.yaml:2:14: command: found a list, expected a word",
                    "s.yaml:2:19: found off" BOOLEAN);
}

Test(sweep_file, ten_problems_are_kept)
{
    struct problems problems = {.path = "s.yaml"};
    struct sweep_file *sweep = NULL;
    const char *text = HEAD "parameters:\n  a: {values: [no,no,no,no,no,no,no,no,no,no,no,no]}\n";
    cr_expect(eq(int, sweep_file_read(text, strlen(text), &problems, &sweep), STATUS_INVALID));
    cr_expect(eq(sz, problems.count, 12));
    cr_expect(eq(sz, problems_kept(&problems), PROBLEMS_KEPT_MAX));
    problems_free(&problems);
    sweep_file_destroy(sweep);
}

/* Nine levels of aliases, ten each: a thousand million values. */
Test(sweep_file, aliases_of_aliases_end)
{
    char text[2048] = HEAD "parameters:\n  a0: {value: &a0 [1,1,1,1,1,1,1,1,1,1]}\n";
    struct problems problems = {.path = "s.yaml"};
    struct sweep_file *sweep = NULL;
    for (int i = 1; i < 9; i++) {
        const size_t size = strlen(text);
        const int b = i - 1;
        (void)snprintf(text + size, sizeof(text) - size,
                       "  a%d: {value: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]}\n",
                       i, i, b, b, b, b, b, b, b, b, b, b);
    }
    cr_expect(eq(int, sweep_file_read(text, strlen(text), &problems, &sweep), STATUS_INVALID));
    cr_expect(ne(ptr, strstr(problems_text(&problems, 0), "more than 1000000 values"), NULL));
    problems_free(&problems);
    sweep_file_destroy(sweep);
}
