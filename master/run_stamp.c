#include "master/run_stamp.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <jansson.h>

#define TOKEN_SIZE 16

/* ---- Making --------------------------------------------------------------------------------- */

static void put_text(char text_out[RUN_STAMP_TEXT_SIZE], const char *text)
{
    (void)snprintf(text_out, RUN_STAMP_TEXT_SIZE, "%s", text != NULL ? text : "");
}

/* State and start of a process, from the fields behind the name, which may hold anything. */
static bool read_process(uint64_t process, char *state_out, uint64_t *started_out)
{
    char path[64];
    char text[1024];
    (void)snprintf(path, sizeof(path), "/proc/%" PRIu64 "/stat", process);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    const size_t size = fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    text[size] = '\0';
    const char *at = strrchr(text, ')');
    return at != NULL && sscanf(at + 1,
                                " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                                "%*s %*s %*s %" SCNu64,
                                state_out, started_out) == 2;
}

static void put_machine(char text_out[RUN_STAMP_TEXT_SIZE])
{
    char boot[64] = "";
    char names[64] = "";
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file != NULL) {
        if (fgets(boot, sizeof(boot), file) == NULL) {
            boot[0] = '\0';
        }
        (void)fclose(file);
    }
    boot[strcspn(boot, "\n")] = '\0';
    const ssize_t size = readlink("/proc/self/ns/pid", names, sizeof(names) - 1);
    names[size > 0 ? size : 0] = '\0';
    (void)snprintf(text_out, RUN_STAMP_TEXT_SIZE, "%s %s", boot, names);
}

void run_stamp_make(struct run_stamp *stamp_out)
{
    uint8_t token[TOKEN_SIZE] = {0};
    char state;
    const char *restarts = getenv("SLURM_RESTART_COUNT");
    *stamp_out = (struct run_stamp){.process = (uint64_t)getpid()};
    (void)!getrandom(token, sizeof(token), 0);
    for (size_t i = 0; i < sizeof(token); i++) {
        (void)snprintf(&stamp_out->token[2 * i], 3, "%02x", token[i]);
    }
    (void)gethostname(stamp_out->host, sizeof(stamp_out->host) - 1);
    put_machine(stamp_out->machine);
    (void)!read_process(stamp_out->process, &state, &stamp_out->process_started);
    put_text(stamp_out->slurm_job, getenv("SLURM_JOB_ID"));
    stamp_out->slurm_restarts = restarts != NULL ? strtoull(restarts, NULL, 10) : 0;
}

/* ---- Text ----------------------------------------------------------------------------------- */

void run_stamp_encode(const struct run_stamp *stamp, char text_out[RUN_STAMP_SIZE])
{
    json_t *root = json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:s, s:I, s:I}", "token", stamp->token, "host", stamp->host,
        "machine", stamp->machine, "process", (json_int_t)stamp->process, "process_started",
        (json_int_t)stamp->process_started, "slurm_job", stamp->slurm_job, "slurm_restarts",
        (json_int_t)stamp->slurm_restarts, "renewed", (json_int_t)stamp->renewed);
    memset(text_out, ' ', RUN_STAMP_SIZE);
    text_out[RUN_STAMP_SIZE - 1] = '\n';
    if (root != NULL) {
        (void)json_dumpb(root, text_out, RUN_STAMP_SIZE - 1, 0);
        json_decref(root);
    }
}

static bool get_text(const json_t *root, const char *name, char text_out[RUN_STAMP_TEXT_SIZE])
{
    const char *text = json_string_value(json_object_get(root, name));
    put_text(text_out, text);
    return text != NULL;
}

static bool get_number(const json_t *root, const char *name, uint64_t *number_out)
{
    const json_t *value = json_object_get(root, name);
    *number_out = (uint64_t)json_integer_value(value);
    return json_is_integer(value) && json_integer_value(value) >= 0;
}

bool run_stamp_decode(const char *text, size_t size, struct run_stamp *stamp_out)
{
    json_t *root = json_loadb(text, size, 0, NULL);
    *stamp_out = (struct run_stamp){0};
    const bool is_stamp = get_text(root, "token", stamp_out->token) &&
                          get_text(root, "host", stamp_out->host) &&
                          get_text(root, "machine", stamp_out->machine) &&
                          get_number(root, "process", &stamp_out->process) &&
                          get_number(root, "process_started", &stamp_out->process_started) &&
                          get_text(root, "slurm_job", stamp_out->slurm_job) &&
                          get_number(root, "slurm_restarts", &stamp_out->slurm_restarts) &&
                          get_number(root, "renewed", &stamp_out->renewed);
    json_decref(root);
    return is_stamp;
}

/* ---- Judging -------------------------------------------------------------------------------- */

static bool is_same_machine(const struct run_stamp_facts *facts)
{
    return strcmp(facts->theirs.machine, facts->ours.machine) == 0;
}

void run_stamp_look_at_process(struct run_stamp_facts *facts)
{
    char state = 'X';
    uint64_t started = 0;
    if (!facts->is_readable || !is_same_machine(facts)) {
        return;
    }
    facts->is_process_there = read_process(facts->theirs.process, &state, &started) &&
                              started == facts->theirs.process_started && state != 'Z' &&
                              state != 'X';
    facts->is_process_stopped = state == 'T' || state == 't';
}

static bool is_same_job_before(const struct run_stamp *theirs, const struct run_stamp *ours)
{
    return *ours->slurm_job != '\0' && strcmp(theirs->slurm_job, ours->slurm_job) == 0 &&
           theirs->slurm_restarts < ours->slurm_restarts;
}

enum run_stamp_verdict run_stamp_judge(const struct run_stamp_facts *facts)
{
    if (facts->is_empty) {
        return facts->lock == RUN_STAMP_LOCK_OTHERS ? RUN_STAMP_TAKEN : RUN_STAMP_FREE;
    }
    if (facts->is_readable && is_same_job_before(&facts->theirs, &facts->ours)) {
        return RUN_STAMP_FREE;
    }
    if (facts->is_readable && is_same_machine(facts)) {
        return !facts->is_process_there    ? RUN_STAMP_FREE
               : facts->is_process_stopped ? RUN_STAMP_WATCH
                                           : RUN_STAMP_TAKEN;
    }
    return facts->lock == RUN_STAMP_LOCK_TAKEN && facts->is_local ? RUN_STAMP_FREE
                                                                  : RUN_STAMP_WATCH;
}
