#include "shared/job_description.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/pack.h"
#include "tests/unit/job_support.h"

#define MUTATION_COUNT 20000

TestSuite(job_description, .timeout = 50);

static mf_status set_up(mf_context *ctx, void **state)
{
    (void)ctx;
    *state = NULL;
    return MF_OK;
}

static void register_all(mf_registry *job)
{
    mf_register_task(job, &(mf_task){.name = "full",
                                     .fn = task,
                                     .input = "{a: int, b?: list<float>}",
                                     .output = "map<str?>",
                                     .help = "Says what it does.",
                                     .retries = 3,
                                     .system_retries = MF_NO_SYSTEM_RETRIES,
                                     .retry_delay = "500ms",
                                     .timeout = "15m",
                                     .mem = "600Mi",
                                     .mem_growth = 1.5,
                                     .cpus = 4,
                                     .gpus = 2,
                                     .cache_version = "1.0",
                                     .cache_ignore = "a",
                                     .idempotent = true});
    mf_register_task(job, &(mf_task){.name = "bare", .fn = task});
    mf_register_setup(job, set_up, NULL);
    mf_register_workflow(job, &(mf_workflow_def){.name = "flow",
                                                 .fn = workflow,
                                                 .input = "{xs: list<int>, n?: int}",
                                                 .output = "list<float?>",
                                                 .help = "Adds up."});
    mf_register_workflow(job, &(mf_workflow_def){.name = "plain", .fn = workflow});
}

static void register_one(mf_registry *job)
{
    mf_register_task(job, &(mf_task){.name = "bare", .fn = task});
}

static struct job *build(mf_job_function *function)
{
    struct job *job = NULL;
    struct error err = {""};
    cr_assert(eq(int, job_build(function, "program", &job, &err), STATUS_OK), "%s", err.text);
    return job;
}

static struct buffer describe(const struct job *job)
{
    struct buffer bytes = {0};
    struct error err = {""};
    cr_assert(eq(int, job_describe(job, &bytes, &err), STATUS_OK), "%s", err.text);
    return bytes;
}

static void expect_type(const struct type *type, const char *text)
{
    struct buffer buffer = {0};
    cr_assert(eq(int, type_format(type, &buffer), STATUS_OK));
    cr_expect(eq(sz, buffer.size, strlen(text)));
    cr_expect(eq(int, memcmp(buffer.data, text, strlen(text)), 0), "expected %s", text);
    buffer_free(&buffer);
}

Test(job_description, workflows_come_back_without_their_functions)
{
    struct job *job = build(register_all);
    struct job *again = NULL;
    struct buffer bytes = describe(job);
    cr_assert(eq(int, job_of_description(bytes.data, bytes.size, &again, NULL), STATUS_OK));
    cr_assert(eq(sz, again->workflow_count, 2));
    const struct workflow *flow = &again->workflows[0];
    cr_expect(strcmp(flow->name, "flow") == 0);
    cr_expect(strcmp(flow->help, "Adds up.") == 0);
    cr_expect(flow->fn == NULL);
    expect_type(flow->input, "{xs: list<int>, n?: int}");
    expect_type(flow->output, "list<float?>");
    expect_type(again->workflows[1].input, "{}");
    expect_type(again->workflows[1].output, "any");
    cr_expect(again->workflows[1].help == NULL);
    job_destroy(job);
    job_destroy(again);
    buffer_free(&bytes);
}

Test(job_description, all_but_the_functions_comes_back)
{
    struct job *job = build(register_all);
    struct job *again = NULL;
    struct error err = {""};
    memset(job->digest, 7, sizeof(job->digest));
    struct buffer bytes = describe(job);
    cr_assert(eq(int, job_of_description(bytes.data, bytes.size, &again, &err), STATUS_OK), "%s",
              err.text);
    cr_expect(strcmp(again->name, "program") == 0);
    cr_expect(strcmp(again->path, "") == 0);
    cr_expect(eq(int, memcmp(again->digest, job->digest, JOB_DIGEST_SIZE), 0));
    cr_expect(again->has_setup);
    cr_expect(again->setup == NULL);
    cr_assert(eq(sz, again->task_count, 2));
    const struct task *full = &again->tasks[0];
    cr_expect(strcmp(full->name, "full") == 0);
    cr_expect(strcmp(full->help, "Says what it does.") == 0);
    cr_expect(full->fn == NULL);
    expect_type(full->input, "{a: int, b?: list<float>}");
    expect_type(full->output, "map<str?>");
    cr_expect(eq(u64, full->options.retries, 3));
    cr_expect(eq(u64, full->options.system_retries, 0));
    cr_expect(eq(u64, full->options.retry_delay_ns, 500000000));
    cr_expect(eq(u64, full->options.timeout_ns, 900000000000));
    cr_expect(eq(u64, full->options.mem, (uint64_t)600 << 20));
    cr_expect(eq(dbl, full->options.mem_growth, 1.5));
    cr_expect(eq(u64, full->options.cpus, 4));
    cr_expect(eq(u64, full->options.gpus, 2));
    cr_expect(eq(u64, full->options.output_size_max, JOB_OUTPUT_SIZE_MAX_DEFAULT));
    cr_expect(eq(u64, full->options.grace_ns, JOB_GRACE_NS_DEFAULT));
    cr_expect(eq(u64, full->options.lost_after_ns, JOB_LOST_AFTER_NS_DEFAULT));
    cr_expect(strcmp(full->cache_version, "1.0") == 0);
    cr_expect(strcmp(full->cache_ignore, "a") == 0);
    cr_expect(full->is_idempotent);
    const struct task *bare = &again->tasks[1];
    cr_expect(bare->help == NULL);
    cr_expect(bare->cache_version == NULL);
    expect_type(bare->input, "any");
    cr_expect(eq(u64, bare->options.system_retries, JOB_SYSTEM_RETRIES_DEFAULT));
    buffer_free(&bytes);
    job_destroy(job);
    job_destroy(again);
}

Test(job_description, a_real_job_comes_back_as_the_same_bytes)
{
    char path[4096];
    struct job *job = NULL;
    struct job *again = NULL;
    struct error err = {""};
    (void)snprintf(path, sizeof(path), "%s/jobs/basics.so", getenv("MAPFLEET_BUILD_DIR"));
    cr_assert(eq(int, job_load(path, NULL, &job, &err), STATUS_OK), "%s", err.text);
    struct buffer bytes = describe(job);
    cr_assert(eq(int, job_of_description(bytes.data, bytes.size, &again, &err), STATUS_OK), "%s",
              err.text);
    struct buffer same = describe(again);
    cr_assert(eq(sz, same.size, bytes.size));
    cr_expect(eq(int, memcmp(same.data, bytes.data, bytes.size), 0));
    buffer_free(&bytes);
    buffer_free(&same);
    job_destroy(job);
    job_destroy(again);
}

static void expect_refused(const uint8_t *data, size_t size, const char *what)
{
    struct job *job = NULL;
    struct error err = {""};
    cr_expect(eq(int, job_of_description(data, size, &job, &err), STATUS_PROTOCOL), "%s", what);
    cr_expect(job == NULL, "%s", what);
    cr_expect(strlen(err.text) > 0, "%s", what);
}

Test(job_description, every_cut_and_a_byte_too_much_is_refused)
{
    struct job *job = build(register_all);
    struct buffer bytes = describe(job);
    for (size_t size = 0; size < bytes.size; size++) {
        expect_refused(bytes.data, size, "a cut");
    }
    cr_assert(eq(int, buffer_append_byte(&bytes, 0), STATUS_OK));
    expect_refused(bytes.data, bytes.size, "one byte more");
    buffer_free(&bytes);
    job_destroy(job);
}

/* Describe a job of one task, of which `change` has spoilt something. */
static void expect_spoilt(void (*change)(struct job *job), const char *what)
{
    struct job *job = build(register_one);
    change(job);
    struct buffer bytes = describe(job);
    expect_refused(bytes.data, bytes.size, what);
    buffer_free(&bytes);
    job->task_count = 1;
    job_destroy(job);
}

static void spoil_job_name(struct job *job)
{
    job->name[0] = '/';
}

static void empty_job_name(struct job *job)
{
    job->name[0] = '\0';
}

static void spoil_task_name(struct job *job)
{
    job->tasks[0].name[0] = '-';
}

static void spoil_growth(struct job *job)
{
    job->tasks[0].options.mem_growth = 0.5;
}

static void spoil_growth_to_nan(struct job *job)
{
    job->tasks[0].options.mem_growth = __builtin_nan("");
}

static void spoil_cpus(struct job *job)
{
    job->tasks[0].options.cpus = 0;
}

static void spoil_retries(struct job *job)
{
    job->tasks[0].options.retries = UINT64_MAX;
}

static void drop_tasks(struct job *job)
{
    job->task_count = 0;
}

Test(job_description, what_no_job_registers_is_refused)
{
    expect_spoilt(spoil_job_name, "a name with a slash");
    expect_spoilt(empty_job_name, "no name");
    expect_spoilt(spoil_task_name, "no name of a task");
    expect_spoilt(spoil_growth, "a growth below 1");
    expect_spoilt(spoil_growth_to_nan, "a growth that is no number");
    expect_spoilt(spoil_cpus, "no cores");
    expect_spoilt(spoil_retries, "a count past 63 bits");
    expect_spoilt(drop_tasks, "no tasks");
}

Test(job_description, a_text_with_a_nul_and_a_type_that_is_none_are_refused)
{
    struct job *job = build(register_one);
    struct buffer bytes = describe(job);
    uint8_t *name = memmem(bytes.data, bytes.size, "program", 7);
    cr_assert(name != NULL);
    name[3] = '\0';
    expect_refused(bytes.data, bytes.size, "a NUL in a name");
    name[3] = 'g';
    uint8_t *type = memmem(bytes.data, bytes.size, "any", 3);
    cr_assert(type != NULL);
    type[0] = 'x';
    expect_refused(bytes.data, bytes.size, "a type that is none");
    buffer_free(&bytes);
    job_destroy(job);
}

Test(job_description, one_that_is_too_long_is_refused_by_both_sides)
{
    struct job *job = build(register_one);
    struct buffer bytes = {0};
    struct error err = {""};
    job->tasks[0].help = malloc(JOB_DESCRIPTION_SIZE_MAX + 1);
    cr_assert(job->tasks[0].help != NULL);
    memset(job->tasks[0].help, 'x', JOB_DESCRIPTION_SIZE_MAX);
    job->tasks[0].help[JOB_DESCRIPTION_SIZE_MAX] = '\0';
    cr_expect(eq(int, job_describe(job, &bytes, &err), STATUS_LIMIT));
    cr_expect(gt(sz, bytes.size, JOB_DESCRIPTION_SIZE_MAX));
    expect_refused(bytes.data, bytes.size, "too long");
    buffer_free(&bytes);
    job_destroy(job);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void mutate(struct buffer *bytes, uint64_t *random)
{
    const uint64_t count = 1 + next_random(random) % 4;
    for (uint64_t i = 0; i < count; i++) {
        bytes->data[next_random(random) % bytes->size] = (uint8_t)next_random(random);
    }
    if (next_random(random) % 8 == 0) {
        bytes->size -= next_random(random) % bytes->size;
    }
}

/* Goal: no bytes whatever do harm, and what is taken is a job that can be described again.
 * Method: a description with a few random bytes changed, many times, from a seed. */
Test(job_description, changed_bytes_are_refused_or_give_a_whole_job)
{
    struct job *job = build(register_all);
    struct buffer whole = describe(job);
    uint64_t random = 20250131;
    unsigned taken = 0;
    for (unsigned i = 0; i < MUTATION_COUNT; i++) {
        struct job *again = NULL;
        struct buffer bytes = {0};
        cr_assert(eq(int, buffer_append(&bytes, whole.data, whole.size), STATUS_OK));
        mutate(&bytes, &random);
        if (job_of_description(bytes.data, bytes.size, &again, NULL) == STATUS_OK) {
            struct buffer same = describe(again);
            buffer_free(&same);
            taken++;
        }
        job_destroy(again);
        buffer_free(&bytes);
    }
    cr_expect(gt(uint, taken, 0u));
    cr_expect(lt(uint, taken, (unsigned)MUTATION_COUNT));
    buffer_free(&whole);
    job_destroy(job);
}
