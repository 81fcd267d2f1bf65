#include "master/workflow.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/memory.h"
#include "shared/value.h"
#include "shared/workflow_port.h"
#include "tests/unit/job_support.h"

#define OK(call) cr_assert(eq(int, (call), STATUS_OK))
#define BEGUN_MAX 2000

TestSuite(workflow_host, .timeout = 30);

/* Rank 0's side, and the other end of its socket, which the tests speak for the process. */
static struct {
    struct job *job;
    struct workflow_host *host;
    int process;
    struct arena arena;
    /* What the engine was asked for, and what it says. */
    size_t begun_count;
    struct workflow_request begun[BEGUN_MAX];
    enum status answer;
} at;

static enum status begin(void *context, const struct workflow_request *request, struct error *err)
{
    (void)context;
    if (at.answer != STATUS_OK) {
        return error_set(err, at.answer, "the engine says no");
    }
    cr_assert(at.begun_count < BEGUN_MAX);
    at.begun[at.begun_count++] = *request;
    return STATUS_OK;
}

static void register_all(mf_registry *job)
{
    mf_register_task(job, &(mf_task){.name = "square",
                                     .fn = task,
                                     .input = "int",
                                     .output = "int",
                                     .retries = 2,
                                     .mem = "600Mi"});
    mf_register_workflow(job, &(mf_workflow_def){.name = "wf", .fn = workflow});
}

static struct workflow_message hear(int *file_out)
{
    struct workflow_message message;
    bool is_message = false;
    OK(workflow_port_receive(at.process, false, &at.arena, &message, file_out, &is_message, NULL));
    cr_assert(is_message, "it says nothing");
    return message;
}

static void start(void)
{
    int sockets[2];
    OK(job_build(register_all, "program", &at.job, NULL));
    OK(workflow_port_pair(sockets, NULL));
    at.process = sockets[1];
    const struct workflow_options options = {
        .job = at.job,
        .workflow = &at.job->workflows[0],
        .run_dir = "/run",
        .launch_dir = "/tmp",
        .run = {.seed = 7, .grace_ns = 5, .output_size_max = 1000, .capture = MAP_CAPTURE_ALL},
        .parameters = (const uint8_t *)"\x80",
        .parameters_size = 1,
        .engine = {.begin = begin},
        .socket = sockets[0]};
    OK(workflow_start(&options, &at.host, NULL));
}

static void stop(void)
{
    for (size_t i = 0; i < at.begun_count; i++) {
        inputs_close(at.begun[i].inputs);
    }
    workflow_destroy(at.host);
    job_destroy(at.job);
    (void)close(at.process);
    arena_free(&at.arena);
}

static void start_past_begin(void)
{
    int file = -1;
    start();
    (void)hear(&file);
    (void)close(file);
}

static void turn(void)
{
    bool did_something = true;
    while (did_something) {
        did_something = false;
        workflow_turn(at.host, &did_something);
    }
}

static void say(const struct workflow_message *message, const void *values, size_t size)
{
    struct buffer bytes = {0};
    int file = -1;
    OK(buffer_append(&bytes, values, size));
    OK(workflow_port_file(&bytes, &file, NULL));
    OK(workflow_port_send(at.process, message, file, NULL));
    (void)close(file);
    buffer_free(&bytes);
    turn();
}

static struct workflow_message map_of(uint64_t number, uint64_t size)
{
    return (struct workflow_message){.kind = WORKFLOW_MAP,
                                     .as.map = {.number = number, .task = "square", .size = size}};
}

/* With outputs at places that say its number. */
static void succeed(uint64_t number)
{
    struct buffer places = {0};
    OK(buffer_append_byte(&places, (uint8_t)number));
    workflow_map_succeeded(at.host, number, 0, &places);
    cr_expect(places.data == NULL);
}

static void expect_places(int file, uint64_t number)
{
    struct buffer places = {0};
    OK(workflow_port_read_file(file, 100, &places, NULL));
    cr_assert(eq(sz, places.size, 1));
    cr_expect(eq(u8, places.data[0], (uint8_t)number));
    (void)close(file);
    buffer_free(&places);
}

static void expect_over(uint64_t number, bool is_success, const char *text)
{
    int file = -1;
    const struct workflow_message message = hear(&file);
    cr_assert(eq(int, message.kind, WORKFLOW_OVER));
    cr_expect(eq(u64, message.as.over.number, number));
    cr_expect(eq(int, message.as.over.is_success, is_success));
    cr_expect(strstr(message.as.over.text, text) != NULL, "%s", message.as.over.text);
    if (is_success) {
        expect_places(file, number);
    } else {
        cr_expect(eq(int, file, -1));
    }
}

static void expect_end(enum workflow_end_kind kind, const char *text)
{
    const struct workflow_outcome outcome = workflow_outcome(at.host);
    cr_assert(eq(int, outcome.kind, kind));
    cr_expect(strstr(outcome.text, text) != NULL, "found \"%s\", expected \"%s\"", outcome.text,
              text);
}

/* ---- What it does ----------------------------------------------------------------------------
 */

Test(workflow_host, the_process_is_told_what_it_runs)
{
    struct buffer values = {0};
    int file = -1;
    start();
    const struct workflow_message message = hear(&file);
    cr_assert(eq(int, message.kind, WORKFLOW_BEGIN));
    cr_expect(strcmp(message.as.begin.workflow, "wf") == 0);
    cr_expect(strcmp(message.as.begin.run_dir, "/run") == 0);
    OK(workflow_port_read_file(file, 100, &values, NULL));
    cr_assert(eq(sz, values.size, 1));
    cr_expect(eq(u8, values.data[0], 0x80));
    (void)close(file);
    buffer_free(&values);
    stop();
}

Test(workflow_host, a_map_is_begun_with_the_options_of_task_run_and_map)
{
    struct workflow_message message = map_of(0, 3);
    start_past_begin();
    message.as.map.options[MAP_OPTION_MIN_SUCCESS_RATIO] = "0.5";
    message.as.map.options[MAP_OPTION_MEM] = "1Gi";
    message.as.map.cache = "refresh";
    say(&message, "\x01\x02\x03", 3);
    cr_assert(eq(sz, at.begun_count, 1));
    const struct workflow_request *request = &at.begun[0];
    cr_expect(strcmp(request->task->name, "square") == 0);
    cr_expect(eq(u64, request->options.retries, 2));
    cr_expect(eq(u64, request->options.mem, (uint64_t)1 << 30));
    cr_expect(eq(u64, request->options.seed, 7));
    cr_expect(eq(u64, request->options.grace_ns, 5));
    cr_expect(eq(u64, request->options.output_size_max, 1000));
    cr_expect(eq(int, request->options.capture, MAP_CAPTURE_ALL));
    cr_expect(eq(u64, request->minimum, 2));
    cr_expect(eq(u64, inputs_count(request->inputs), 3));
    stop();
}

Test(workflow_host, the_process_is_told_how_maps_end)
{
    start_past_begin();
    const struct workflow_message first = map_of(0, 1);
    const struct workflow_message second = map_of(1, 0);
    say(&first, "\x01", 1);
    say(&second, "", 0);
    succeed(1);
    workflow_map_failed(at.host, 0, "it was too hard");
    turn();
    expect_over(1, true, "");
    expect_over(0, false, "it was too hard");
    expect_end(WORKFLOW_GOES_ON, "");
    stop();
}

/* Rank 0 never waits for a process that does not read. */
Test(workflow_host, what_the_process_does_not_take_is_kept)
{
    bool wants_to_send = false;
    start_past_begin();
    for (uint64_t i = 0; i < BEGUN_MAX; i++) {
        const struct workflow_message message = map_of(i, 0);
        say(&message, "", 0);
        succeed(i);
    }
    turn();
    cr_expect(workflow_descriptor(at.host, &wants_to_send) >= 0);
    cr_expect(wants_to_send);
    for (uint64_t i = 0; i < BEGUN_MAX; i++) {
        turn();
        expect_over(i, true, "");
    }
    (void)workflow_descriptor(at.host, &wants_to_send);
    cr_expect(wants_to_send == false);
    stop();
}

Test(workflow_host, a_map_that_the_engine_refuses_is_over)
{
    const struct workflow_message message = map_of(0, 1);
    start_past_begin();
    at.answer = STATUS_INVALID;
    say(&message, "\x01", 1);
    expect_over(0, false, "the engine says no");
    expect_end(WORKFLOW_GOES_ON, "");
    stop();
}

Test(workflow_host, a_map_that_departs_from_the_record_ends_the_workflow)
{
    const struct workflow_message message = map_of(0, 1);
    start_past_begin();
    at.answer = STATUS_EXISTS;
    say(&message, "\x01", 1);
    expect_end(WORKFLOW_DEPARTED, "the engine says no");
    stop();
}

Test(workflow_host, its_output_is_taken)
{
    const struct workflow_message message = {.kind = WORKFLOW_END,
                                             .as.end = {.is_success = true, .text = ""}};
    start_past_begin();
    say(&message, "\x93\x01\x02\x03", 4);
    expect_end(WORKFLOW_SUCCEEDED, "");
    cr_expect(eq(sz, workflow_outcome(at.host).output->size, 4));
    workflow_process_ended(at.host, 0);
    expect_end(WORKFLOW_SUCCEEDED, "");
    stop();
}

Test(workflow_host, its_reason_is_taken)
{
    const struct workflow_message message = {.kind = WORKFLOW_END, .as.end = {.text = "no luck"}};
    start_past_begin();
    say(&message, "", 0);
    expect_end(WORKFLOW_FAILED, "no luck");
    stop();
}

/* ---- How it ends without a word --------------------------------------------------------------
 */

Test(workflow_host, a_crash_is_said_by_class_and_signal)
{
    start_past_begin();
    workflow_process_ended(at.host, SIGSEGV);
    expect_end(WORKFLOW_FAILED, "crash: its process ended with SIGSEGV");
    stop();
}

Test(workflow_host, a_kill_by_somebody_else_is_no_failure_of_its_own)
{
    start_past_begin();
    workflow_process_ended(at.host, SIGKILL);
    expect_end(WORKFLOW_KILLED, "SIGKILL");
    stop();
}

Test(workflow_host, an_exit_is_said_by_class_and_status)
{
    start_past_begin();
    workflow_process_ended(at.host, 3 << 8);
    expect_end(WORKFLOW_FAILED, "exit: its process ended with exit status 3");
    stop();
}

Test(workflow_host, what_it_said_before_it_ended_counts)
{
    const struct workflow_message message = {.kind = WORKFLOW_END, .as.end = {.text = "no luck"}};
    start_past_begin();
    OK(workflow_port_send(at.process, &message, -1, NULL));
    workflow_process_ended(at.host, 0);
    expect_end(WORKFLOW_FAILED, "no luck");
    stop();
}

/* ---- What makes no sense ---------------------------------------------------------------------
 */

Test(workflow_host, bytes_that_are_no_message_end_the_workflow)
{
    start_past_begin();
    cr_assert(eq(int, (int)write(at.process, "garbage", 7), 7));
    turn();
    expect_end(WORKFLOW_FAILED, "malformed");
    stop();
}

Test(workflow_host, a_map_out_of_turn_ends_the_workflow)
{
    const struct workflow_message message = map_of(1, 1);
    start_past_begin();
    say(&message, "\x01", 1);
    expect_end(WORKFLOW_FAILED, "map 1");
    cr_expect(eq(sz, at.begun_count, 0));
    stop();
}

Test(workflow_host, a_message_of_rank_0_ends_the_workflow)
{
    const struct workflow_message message = {.kind = WORKFLOW_OVER, .as.over = {.text = ""}};
    start_past_begin();
    say(&message, "", 0);
    expect_end(WORKFLOW_FAILED, "only rank 0");
    stop();
}

Test(workflow_host, inputs_and_tasks_are_not_believed)
{
    struct workflow_message message = map_of(0, 2);
    start_past_begin();
    say(&message, "\x01", 1);
    expect_over(0, false, "2 inputs were announced, and 1 came");
    message = map_of(1, 1);
    say(&message, "\xa1x", 2);
    expect_over(1, false, "expected int");
    message = map_of(2, 1);
    message.as.map.task = "cube";
    say(&message, "\x01", 1);
    expect_over(2, false, "no task \"cube\"");
    message = map_of(3, 1);
    message.as.map.options[MAP_OPTION_RETRIES] = "many";
    say(&message, "\x01", 1);
    expect_over(3, false, "many");
    message = map_of(4, 1);
    say(&message, "\xc1", 1);
    expect_over(4, false, "");
    expect_end(WORKFLOW_GOES_ON, "");
    cr_expect(eq(sz, at.begun_count, 0));
    stop();
}
