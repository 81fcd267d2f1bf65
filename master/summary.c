#include "master/summary.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "shared/buffer.h"
#include "shared/log.h"
#include "shared/quantity.h"
#include "shared/shell_word.h"

#define GROUP_COUNT_MAX 10
#define RANGE_COUNT_MAX 8

/* Lines for a person are gathered, so that they leave in one piece. */
struct text {
    struct buffer buffer;
    enum status status;
};

static void text_put(struct text *text, const char *label, const char *value)
{
    if (text->status == STATUS_OK) {
        text->status = buffer_printf(&text->buffer, "%s%s", label, value);
    }
}

static void text_put_count(struct text *text, const char *before, uint64_t count, const char *after)
{
    char digits[QUANTITY_TEXT_SIZE];
    text_put(text, before, quantity_count_text(count, digits));
    text_put(text, after, "");
}

static void text_write(struct text *text)
{
    size_t written = 0;
    while (text->status == STATUS_OK && written < text->buffer.size) {
        const ssize_t count =
            write(STDERR_FILENO, text->buffer.data + written, text->buffer.size - written);
        if (count <= 0) {
            break;
        }
        written += (size_t)count;
    }
    buffer_free(&text->buffer);
}

static uint64_t rate_of(uint64_t count, double seconds)
{
    return seconds > 0 ? (uint64_t)((double)count / seconds + 0.5) : count;
}

static void put_counts(struct text *text, const struct run_verdict *verdict)
{
    const char *separator = "";
    for (int state = 0; state < INSTANCE_STATE_COUNT; state++) {
        if (verdict->counts[state] > 0) {
            text_put_count(text, separator, verdict->counts[state], " ");
            text_put(text, instance_state_name((enum instance_state)state), "");
            separator = ", ";
        }
    }
    text_put(text, *separator == '\0' ? "no instances" : "", "");
}

/* "BEFORE RUN AFTER\n", to be copied into a shell. */
static void put_command(struct text *text, const char *before, const char *run_dir,
                        const char *after)
{
    text_put(text, before, " ");
    if (text->status == STATUS_OK) {
        text->status = shell_word_put(&text->buffer, run_dir);
    }
    text_put(text, after, "\n");
}

static void put_how_to_go_on(struct text *text, const char *run_dir)
{
    put_command(text, "mapfleet: go on with: mapfleet resume", run_dir, "");
}

void summary_print_how_to_go_on(const char *run_dir)
{
    struct text text = {.status = STATUS_OK};
    put_how_to_go_on(&text, run_dir);
    text_write(&text);
}

static void put_run_dir(struct text *text, const struct run_description *run, const char *run_dir)
{
    if (run->state == RUN_INTERRUPTED) {
        put_how_to_go_on(text, run_dir);
    } else {
        text_put(text, "mapfleet: run directory ", run_dir);
        text_put(text, "\n", "");
    }
}

static uint64_t instances_ended(const struct run_verdict *verdict)
{
    return verdict->counts[INSTANCE_SUCCEEDED] + verdict->counts[INSTANCE_CACHED] +
           verdict->counts[INSTANCE_STOPPED_EARLY] + verdict->counts[INSTANCE_FAILED] +
           verdict->counts[INSTANCE_TIMED_OUT];
}

static void put_failures(struct text *text, const struct run_verdict *verdict,
                         const struct failures *failures, const char *run_dir)
{
    const uint64_t count = failures_count(failures);
    const uint64_t final = verdict->counts[INSTANCE_FAILED] + verdict->counts[INSTANCE_TIMED_OUT];
    if (count == 0) {
        return;
    }
    text_put_count(text, "mapfleet: ", count,
                   count == 1 ? " attempt failed:\n" : " attempts failed:\n");
    if (text->status == STATUS_OK) {
        text->status = failures_print(failures, GROUP_COUNT_MAX, RANGE_COUNT_MAX, &text->buffer);
    }
    if (failures_group_count(failures) > GROUP_COUNT_MAX && final > 0) {
        put_command(text, "mapfleet: all that failed: mapfleet results", run_dir,
                    " --table --state failed,timed-out");
    }
}

/* Many expect the rest to run all the same. */
static void put_what_was_left(struct text *text, const struct run_description *run,
                              const char *run_dir)
{
    const uint64_t left =
        run->verdict.counts[INSTANCE_NOT_STARTED] + run->verdict.counts[INSTANCE_ABORTED];
    if (run->state != RUN_FAILED) {
        return;
    }
    if (strcmp(run->verb, RUN_VERB_WORKFLOW) == 0) {
        put_command(text, "mapfleet: to go on where it failed: mapfleet resume", run_dir,
                    " --failed");
        return;
    }
    if (run->options.policy != POLICY_STOP || left == 0) {
        return;
    }
    const bool is_default = strcmp(run->verb, "exec") != 0;
    text_put_count(text,
                   is_default ? "mapfleet: --policy stop, the default, has left out "
                              : "mapfleet: --policy stop has left out ",
                   left, left == 1 ? " instance" : " instances");
    text_put(text, " (--policy run-all runs all; --max-failures N bears with some)\n", "");
    put_command(text, "mapfleet: to run them, and again what failed: mapfleet resume", run_dir,
                " --failed --policy run-all");
}

void summary_print(const struct run_description *run, const struct failures *failures,
                   const char *lost, const char *run_dir)
{
    char time[QUANTITY_TEXT_SIZE];
    const struct run_verdict *verdict = &run->verdict;
    struct text text = {.status = STATUS_OK};
    const bool is_of_commands = strcmp(run->verb, "exec") == 0;
    text_put(&text, "mapfleet: ", is_of_commands ? run->verb : run->job);
    text_put(&text, is_of_commands ? "" : ":", is_of_commands ? "" : run->task);
    text_put(&text, " ", run_state_name(run->state));
    text_put(&text, ": ", "");
    put_counts(&text, verdict);
    text_put_count(&text, "; ", verdict->retries, verdict->retries == 1 ? " retry" : " retries");
    text_put(&text, "; ", quantity_time_text((uint64_t)(verdict->wall_seconds * 1e9), time));
    const uint64_t rate = rate_of(instances_ended(verdict), verdict->wall_seconds);
    text_put_count(&text, ", ", rate, rate == 1 ? " instance/s\n" : " instances/s\n");
    put_failures(&text, verdict, failures, run_dir);
    put_what_was_left(&text, run, run_dir);
    if (lost != NULL) {
        text_put(&text, "mapfleet: lost: ", lost);
        text_put(&text, "\n", "");
    }
    put_run_dir(&text, run, run_dir);
    text_write(&text);
}
