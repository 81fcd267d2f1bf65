/* log.c - any bytes as the log of a run of MAP_SIZE instances: what results, their table, a resume
 * and a report make of it. Where libFuzzer builds this, checksums always fit, so that it gets past
 * them.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/chronicle.h"
#include "master/instances.h"
#include "master/ledger.h"
#include "master/outputs.h"
#include "master/replay.h"
#include "master/run_log.h"
#include "tests/fuzz/fuzz.h"

#define MAP_SIZE 200
#define SPAN_COUNT 64

static char folder[] = "/dev/shm/mapfleet-fuzz-XXXXXX"; /* in memory: there are many runs */
static int file = -1;

static void remove_folder(void)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "%s/" RUN_LOG_NAME, folder);
    (void)unlink(path);
    (void)rmdir(folder);
}

static void write_log(const uint8_t *data, size_t size)
{
    if (file < 0) {
        char path[64];
        const char *made = mkdtemp(folder);
        assert(made != NULL);
        (void)atexit(remove_folder);
        (void)snprintf(path, sizeof(path), "%s/" RUN_LOG_NAME, folder);
        file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        assert(file >= 0);
    }
    const bool is_written =
        pwrite(file, data, size, 0) == (ssize_t)size && ftruncate(file, (off_t)size) == 0;
    assert(is_written);
}

/* Everything that has not ended is taken once, and nothing else. */
static void resume(struct replay *replay)
{
    struct span spans[SPAN_COUNT];
    struct ledger *ledger = NULL;
    uint64_t taken = 0;
    const struct ledger_options options = {.size = MAP_SIZE, .retries = 1, .system_retries = 1};
    const enum status status = ledger_create(options, &ledger);
    assert(status == STATUS_OK);
    ledger_restore(ledger, &replay->history);
    const uint64_t ended = ledger_ended(ledger);
    assert(ledger_counts(ledger).ready + ended == MAP_SIZE);
    assert(ledger_begun(ledger) <= MAP_SIZE);
    for (;;) {
        const size_t count = ledger_take(ledger, 100, 0, false, spans, SPAN_COUNT);
        assert(span_list_is_valid(spans, count, MAP_SIZE));
        if (count == 0) {
            break;
        }
        taken += span_list_count(spans, count);
    }
    assert(taken + ended == MAP_SIZE);
    ledger_destroy(ledger);
}

static void read_results(void)
{
    struct outputs *outputs = NULL;
    struct instances *instances = NULL;
    const uint8_t *data = NULL;
    size_t size = 0;
    if (outputs_open(folder, 0, MAP_SIZE, &outputs, NULL) == STATUS_OK) {
        for (uint64_t i = 0; i < MAP_SIZE; i++) {
            (void)!outputs_get(outputs, i, &data, &size, NULL);
        }
        outputs_close(outputs);
    }
    if (instances_open(folder, 0, MAP_SIZE, &instances, NULL) == STATUS_OK) {
        for (uint64_t i = 0; i < MAP_SIZE; i++) {
            const struct instance instance = instances_get(instances, i);
            assert(instance.error == NULL || strlen(instance.error) < SIZE_MAX);
        }
        instances_close(instances);
    }
}

/* Every attempt that was counted beforehand is told, however the log is read. */
static enum status on_piece(void *context, const struct chronicle_piece *piece, struct error *err)
{
    uint64_t *count = context;
    (void)err;
    assert(piece->count > 0 && (unsigned)piece->state < PIECE_STATE_COUNT);
    *count += piece->count;
    return STATUS_OK;
}

static enum status on_event(void *context, const struct chronicle_event *event, struct error *err)
{
    (void)context;
    (void)err;
    assert(event->record != NULL);
    return STATUS_OK;
}

static void tell(bool is_quick)
{
    uint64_t count = 0;
    struct chronicle *chronicle = NULL;
    const struct chronicle_visitor visitor = {
        .on_piece = on_piece, .on_event = on_event, .context = &count};
    if (chronicle_open(folder, is_quick, &chronicle, NULL) != STATUS_OK) {
        return;
    }
    const enum status status = chronicle_each(chronicle, &visitor, NULL);
    assert(status == STATUS_INVALID || count == chronicle_attempt_count(chronicle));
    chronicle_close(chronicle);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct failures *failures = NULL;
    struct replay replay;
    write_log(data, size);
    const enum status status = failures_create(&failures);
    assert(status == STATUS_OK);
    if (replay_log(folder, 0, MAP_SIZE, failures, &replay, NULL) == STATUS_OK) {
        assert(replay.good_size + replay.cut_size == size);
        resume(&replay);
        replay_free(&replay);
    }
    failures_destroy(failures);
    read_results();
    tell(false);
    tell(true);
    return 0;
}
