/* workflow_support.h - a rank 0 for the process of a workflow: it answers maps itself, without
 * ranks and executors, and writes their outputs where the real one does.
 *
 * Tasks: `square` fails for negative integers, `sum` adds a list up, `echo` gives its input.
 *
 * Each Criterion test is a process of its own, so that what is here may be global. */
#ifndef TESTS_UNIT_WORKFLOW_SUPPORT_H
#define TESTS_UNIT_WORKFLOW_SUPPORT_H

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "master/workflow_process.h"
#include "shared/job.h"
#include "shared/memory.h"
#include "shared/value.h"
#include "shared/workflow_places.h"
#include "shared/workflow_port.h"
#include "tests/unit/log_support.h"

#define MAPS_MAX 4096

/* What was asked for and what came of it. */
static struct {
    struct arena arena;
    size_t map_count;
    struct workflow_map maps[MAPS_MAX];
    struct buffer inputs[MAPS_MAX]; /* as JSON, a blank between them */
    bool has_ended;
    bool is_success;
    char text[WORKFLOW_TEXT_SIZE_MAX + 1];
    struct buffer output; /* as JSON */
    int wait_status;
} played;

/* Answers are kept until so many maps wait, and are then given in the opposite order. */
static size_t held_max = 1;
static struct workflow_over held[MAPS_MAX];
static struct buffer held_places[MAPS_MAX];
static size_t held_count;

UNUSED static mf_status task_function(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    mf_put_value(output, input);
    return MF_OK;
}

/* The tasks that the fake rank 0 knows. */
UNUSED static void register_tasks(mf_registry *job)
{
    mf_register_task(
        job, &(mf_task){.name = "square", .fn = task_function, .input = "int", .output = "int"});
    mf_register_task(
        job, &(mf_task){.name = "sum", .fn = task_function, .input = "list<int>", .output = "int"});
    mf_register_task(job, &(mf_task){.name = "echo", .fn = task_function});
    mf_register_task(job, &(mf_task){.name = "pair",
                                     .fn = task_function,
                                     .input = "{a: int, b: int, c?: float}",
                                     .output = "{a: int, b: int, c?: float}"});
}

/* False where the instance fails. */
static bool answer(const char *task, const mf_value *input, struct buffer *packed)
{
    mf_value output = *input;
    if (strcmp(task, "square") == 0) {
        output = value_int(mf_int(input) * mf_int(input));
        if (mf_int(input) < 0) {
            return false;
        }
    } else if (strcmp(task, "sum") == 0) {
        int64_t sum = 0;
        for (size_t i = 0; i < mf_count(input); i++) {
            sum += mf_int(mf_item(input, i));
        }
        output = value_int(sum);
    }
    OK(value_encode(&output, packed));
    return true;
}

/* Each success alone, the last first: whoever takes them has to put them in order. */
static void pack_places(uint64_t size, const uint8_t *bits, uint64_t success_count,
                        struct workflow_place place, struct buffer *places)
{
    place.position = success_count;
    place.count = 1;
    for (uint64_t i = size; i > 0; i--) {
        if ((bits[(i - 1) / 8] >> ((i - 1) % 8) & 1) != 0) {
            place.position--;
            place.start = i - 1;
            OK(workflow_places_pack(&place, places));
        }
    }
}

static void append_outputs(struct run_log *log, const struct workflow_map *map, const uint8_t *bits,
                           uint64_t success_count, const struct buffer *packed,
                           struct buffer *places)
{
    struct buffer frame = {0};
    const struct span span = {.start = 0, .count = map->size};
    struct report_batch batch = {.spans = &span,
                                 .span_count = 1,
                                 .instance_count = map->size,
                                 .success_count = success_count,
                                 .success_bits = bits};
    if (success_count > 0) {
        OK(lz4_frame_compress(packed->data, packed->size, &frame));
        batch.frame = frame.data;
        batch.frame_size = frame.size;
    }
    struct record record = make_report(&batch, 1);
    record.map = map->number;
    OK(run_log_append(log, &record, NULL));
    OK(run_log_flush(log, NULL));
    const struct workflow_place place = {.offset = run_log_written(log) - frame.size,
                                         .size = frame.size};
    pack_places(map->size, bits, success_count, place, places);
    buffer_free(&frame);
}

/* Run the map, and say how it ended. */
static struct workflow_over run_map(struct run_log *log, const struct workflow_map *map,
                                    const struct buffer *inputs, struct buffer *json,
                                    struct buffer *places)
{
    struct buffer packed = {0};
    uint8_t *bits = memory_take(map->size / 8 + 1, 1);
    uint64_t success_count = 0;
    size_t at = 0;
    for (uint64_t i = 0; i < map->size; i++) {
        mf_value input;
        size_t used = 0;
        OK(value_decode(&played.arena, inputs->data + at, inputs->size - at, &used, &input, NULL));
        at += used;
        if (map->size < 100) {
            OK(buffer_printf(json, "%s", i > 0 ? " " : ""));
            OK(value_to_json(&input, json));
        }
        if (answer(map->task, &input, &packed)) {
            bits[i / 8] |= (uint8_t)(1u << (i % 8));
            success_count++;
        }
    }
    cr_assert(eq(sz, at, inputs->size));
    OK(buffer_append_byte(json, '\0'));
    if (map->size > 0) {
        append_outputs(log, map, bits, success_count, &packed, places);
    }
    buffer_free(&packed);
    free(bits);
    const bool is_success =
        success_count == map->size || map->options[MAP_OPTION_MIN_SUCCESS_RATIO] != NULL;
    return (struct workflow_over){.number = map->number,
                                  .is_success = is_success,
                                  .text = is_success ? "" : "some instances failed"};
}

static void send_held(int socket)
{
    while (held_count > 0) {
        const struct workflow_message message = {.kind = WORKFLOW_OVER,
                                                 .as.over = held[--held_count]};
        int file = -1;
        OK(workflow_port_file(&held_places[held_count], &file, NULL));
        OK(workflow_port_send(socket, &message, file, NULL));
        (void)close(file);
        buffer_clear(&held_places[held_count]);
    }
}

static void on_map(int socket, struct run_log *log, const struct workflow_map *map, int file)
{
    struct buffer inputs = {0};
    const size_t number = played.map_count++;
    cr_assert(number < MAPS_MAX);
    cr_assert(eq(u64, map->number, number));
    played.maps[number] = *map;
    OK(workflow_port_read_file(file, UINT32_MAX, &inputs, NULL));
    held[held_count] = run_map(log, map, &inputs, &played.inputs[number], &held_places[held_count]);
    held_count++;
    buffer_free(&inputs);
    if (held_count >= held_max) {
        send_held(socket);
    }
}

static void on_end(const struct workflow_end *end, int file)
{
    struct buffer packed = {0};
    mf_value output;
    size_t used = 0;
    played.has_ended = true;
    played.is_success = end->is_success;
    (void)strncpy(played.text, end->text, sizeof(played.text) - 1);
    if (end->is_success) {
        OK(workflow_port_read_file(file, UINT32_MAX, &packed, NULL));
        OK(value_decode(&played.arena, packed.data, packed.size, &used, &output, NULL));
        OK(value_to_json(&output, &played.output));
    }
    OK(buffer_append_byte(&played.output, '\0'));
    buffer_free(&packed);
}

static void serve(int socket, struct run_log *log)
{
    struct workflow_message message;
    bool is_message = false;
    int file = -1;
    while (workflow_port_receive(socket, true, &played.arena, &message, &file, &is_message, NULL) ==
           STATUS_OK) {
        if (message.kind == WORKFLOW_MAP) {
            on_map(socket, log, &message.as.map, file);
        } else if (message.kind == WORKFLOW_END) {
            on_end(&message.as.end, file);
        }
        if (file >= 0) {
            (void)close(file);
        }
    }
}

static void send_begin(int socket, const char *workflow, const char *parameters)
{
    struct buffer packed = {0};
    mf_value input;
    int file = -1;
    const struct workflow_message message = {
        .kind = WORKFLOW_BEGIN,
        .as.begin = {.workflow = workflow, .run_dir = folder, .launch_dir = "/tmp"}};
    OK(value_from_json(&played.arena, parameters, strlen(parameters), &input, NULL));
    OK(value_encode(&input, &packed));
    OK(workflow_port_file(&packed, &file, NULL));
    OK(workflow_port_send(socket, &message, file, NULL));
    (void)close(file);
    buffer_free(&packed);
}

/* Forget it all, for the next one. */
UNUSED static void forget_played(void)
{
    for (size_t i = 0; i < played.map_count; i++) {
        buffer_free(&played.inputs[i]);
    }
    buffer_free(&played.output);
    arena_free(&played.arena);
    memset(&played, 0, sizeof(played));
}

/* Run a workflow of the job in a process of its own, with parameters as JSON. */
UNUSED static void play(mf_job_function *function, const char *workflow, const char *parameters)
{
    struct job *job = NULL;
    struct run_log *log = NULL;
    struct error err = {""};
    int sockets[2];
    folder_create();
    cr_assert(eq(int, job_build(function, "program", &job, &err), STATUS_OK), "%s", err.text);
    OK(run_log_create(folder, &log, NULL));
    OK(workflow_port_pair(sockets, NULL));
    const pid_t pid = fork();
    cr_assert(pid >= 0);
    if (pid == 0) {
        (void)close(sockets[0]);
        _exit(workflow_process_run(job, sockets[1]));
    }
    (void)close(sockets[1]);
    send_begin(sockets[0], workflow, parameters);
    serve(sockets[0], log);
    (void)close(sockets[0]);
    cr_assert(eq(int, waitpid(pid, &played.wait_status, 0), pid));
    run_log_close(log);
    job_destroy(job);
    folder_remove();
}

UNUSED static void expect_output(const char *json)
{
    cr_assert(played.has_ended);
    cr_assert(played.is_success, "%s", played.text);
    cr_expect(strcmp((const char *)played.output.data, json) == 0, "found %s, expected %s",
              (const char *)played.output.data, json);
    cr_expect(eq(int, played.wait_status, 0));
}

/* It failed, and says this. */
UNUSED static void expect_failure(const char *text)
{
    cr_assert(played.has_ended);
    cr_assert(played.is_success == false);
    cr_expect(strstr(played.text, text) != NULL, "found \"%s\", expected \"%s\"", played.text,
              text);
}

#define EXPECT_INPUTS(number, json)                                                                \
    cr_expect(strcmp((const char *)played.inputs[number].data, json) == 0,                         \
              "found %s, expected %s", (const char *)played.inputs[number].data, json)

#endif
