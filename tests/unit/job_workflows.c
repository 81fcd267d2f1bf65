#include "shared/job.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "tests/unit/job_support.h"

TestSuite(job_workflows, .timeout = 20);

static void two(mf_registry *job)
{
    mf_register_task(job, &(mf_task){.name = "double", .fn = task});
    mf_register_workflow(job, &(mf_workflow_def){.name = "first", .fn = workflow});
    mf_register_workflow(job, &(mf_workflow_def){.name = "second", .fn = workflow});
}

static void one(mf_registry *job)
{
    mf_register_workflow(job, &(mf_workflow_def){.name = "only", .fn = workflow});
}

static void none(mf_registry *job)
{
    mf_register_task(job, &(mf_task){.name = "double", .fn = task});
}

static void named_as_a_task(mf_registry *job)
{
    none(job);
    mf_register_workflow(job, &(mf_workflow_def){.name = "double", .fn = workflow});
}

static void task_named_as_a_workflow(mf_registry *job)
{
    one(job);
    mf_register_task(job, &(mf_task){.name = "only", .fn = task});
}

static void badly_named(mf_registry *job)
{
    mf_register_workflow(job, &(mf_workflow_def){.name = "a b", .fn = workflow});
}

static void without_function(mf_registry *job)
{
    mf_register_workflow(job, &(mf_workflow_def){.name = "empty"});
}

static void of_a_list(mf_registry *job)
{
    mf_register_workflow(
        job, &(mf_workflow_def){.name = "listed", .fn = workflow, .input = "list<int>"});
}

static void of_a_bad_type(mf_registry *job)
{
    mf_register_workflow(job, &(mf_workflow_def){.name = "typed", .fn = workflow, .output = "itn"});
}

static void expect_refused(mf_job_function *function, const char *text)
{
    struct job *job = NULL;
    struct error err = {""};
    cr_expect(job_build(function, "program", &job, &err) != STATUS_OK);
    cr_expect(strstr(err.text, text) != NULL, "found \"%s\", expected \"%s\"", err.text, text);
}

Test(job_workflows, what_cannot_be_registered_is_refused_by_name)
{
    expect_refused(named_as_a_task, "task double is registered twice");
    expect_refused(task_named_as_a_workflow, "workflow only is registered twice");
    expect_refused(badly_named, "a workflow has the name \"a b\"");
    expect_refused(without_function, "workflow empty: it has no function");
    expect_refused(of_a_list, "workflow listed: input type \"list<int>\": expected a record");
    expect_refused(of_a_bad_type, "workflow typed: output type \"itn\"");
}

static void expect_found(mf_job_function *function, const char *name, const char *found)
{
    struct job *job = NULL;
    struct error err = {""};
    cr_assert(eq(int, job_build(function, "program", &job, &err), STATUS_OK), "%s", err.text);
    const struct workflow *workflow_found = job_workflow(job, name, &err);
    cr_assert(workflow_found != NULL, "%s", err.text);
    cr_expect(strcmp(workflow_found->name, found) == 0);
    job_destroy(job);
}

static void expect_not_found(mf_job_function *function, const char *name, const char *text)
{
    struct job *job = NULL;
    struct error err = {""};
    cr_assert(eq(int, job_build(function, "program", &job, &err), STATUS_OK), "%s", err.text);
    cr_expect(job_workflow(job, name, &err) == NULL);
    cr_expect(strcmp(err.text, text) == 0, "found \"%s\", expected \"%s\"", err.text, text);
    job_destroy(job);
}

Test(job_workflows, the_only_one_needs_no_name)
{
    expect_found(one, "", "only");
    expect_found(one, "only", "only");
    expect_found(two, "second", "second");
}

Test(job_workflows, one_that_is_not_there_is_refused_with_those_that_are)
{
    expect_not_found(two, "", "job program has several workflows, say which: first, second");
    expect_not_found(two, "third", "job program has no workflow \"third\"; it has first, second");
    expect_not_found(none, "", "job program has no workflow (mapfleet map runs one of its tasks)");
}
