#include "cli/status_print.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "cli/options.h"
#include "shared/clean_text.h"
#include "shared/clock.h"
#include "shared/quantity.h"
#include "shared/shell_word.h"

#define GROUP_COUNT_MAX 10
#define RANGE_COUNT_MAX 8
#define JSON_RANGE_COUNT_MAX 64
#define TIME_TEXT_SIZE 32

/* ---- Lines for people ----------------------------------------------------------------------- */

/* Lines that are put together; the first failure stays. */
struct text {
    struct buffer *out;
    enum status status;
};

static void put(struct text *text, const char *before, const char *value, const char *after)
{
    if (text->status == STATUS_OK) {
        text->status = buffer_printf(text->out, "%s%s%s", before, value, after);
    }
}

static void put_count(struct text *text, const char *before, uint64_t count, const char *after)
{
    char digits[QUANTITY_TEXT_SIZE];
    put(text, before, quantity_count_text(count, digits), after);
}

static void put_seconds(struct text *text, const char *before, uint64_t ms, const char *after)
{
    char time[QUANTITY_TEXT_SIZE];
    put(text, before,
        quantity_time_text(ms < UINT64_MAX / 1000000 ? ms * 1000000 : UINT64_MAX, time), after);
}

static void put_rate(struct text *text, double rate)
{
    if (rate >= 10) {
        put_count(text, ", ", rate < 1e18 ? (uint64_t)(rate + 0.5) : UINT64_MAX, "/s");
    } else if (text->status == STATUS_OK) {
        text->status = buffer_printf(text->out, ", %.2g/s", rate);
    }
}

static const char *state_text(const struct run_view_facts *facts)
{
    return facts->is_cut_off ? "was cut off" : run_state_name(facts->state);
}

static void put_first_line(struct text *text, const struct run_view_facts *facts)
{
    const uint64_t now_ms = clock_day_ms();
    const bool is_of_commands =
        strcmp(facts->run->verb, verb_name(VERB_EXEC)) == 0 || facts->run->sweep.path != NULL;
    put(text, is_of_commands ? facts->run->verb : facts->run->job, is_of_commands ? "" : ":",
        is_of_commands ? "" : facts->run->task);
    put(text, " ", state_text(facts), "");
    if (facts->lost > 0) {
        put_count(text, ", but has lost ", facts->lost, " of its results");
    }
    put_count(text, ": ", facts->ended, " of ");
    put_count(text, "", facts->size, " done");
    if (facts->is_live) {
        put_rate(text, facts->rate);
    }
    if (facts->estimate_ms > now_ms) {
        put_seconds(text, ", to end in ", facts->estimate_ms - now_ms, "");
    }
    put(text, "\n", "", "");
}

static void put_states(struct text *text, const struct run_view_facts *facts)
{
    const char *separator = "";
    for (unsigned state = 0; state < INSTANCE_STATE_COUNT; state++) {
        if (facts->counts[state] > 0) {
            put_count(text, separator, facts->counts[state], " ");
            put(text, instance_state_name((enum instance_state)state), "", "");
            separator = ", ";
        }
    }
    put_count(text, *separator == '\0' ? "no instances; " : "; ", facts->retries,
              facts->retries == 1 ? " retry\n" : " retries\n");
}

static void put_failures(struct text *text, const struct run_view_facts *facts)
{
    const uint64_t failed = failures_count(facts->failures);
    if (failed == 0) {
        return;
    }
    put_count(text, "", failed, failed == 1 ? " attempt failed:\n" : " attempts failed:\n");
    if (text->status == STATUS_OK) {
        text->status = failures_print(facts->failures, GROUP_COUNT_MAX, RANGE_COUNT_MAX, text->out);
    }
}

static void put_loss(struct text *text, const struct run_view_rank *rank, uint64_t now_ms)
{
    if (rank->lost_ms > 0) {
        put_count(text, "rank ", rank->rank, ": ");
        put_seconds(text, "lost ", now_ms > rank->lost_ms ? now_ms - rank->lost_ms : 0, " ago: ");
        put(text, "", rank->why != NULL ? rank->why : "", "\n");
    }
}

static void put_ranks(struct text *text, const struct run_view_facts *facts)
{
    const uint64_t now_ms = clock_day_ms();
    for (size_t i = 0; i < facts->rank_count; i++) {
        const struct run_view_rank *rank = &facts->ranks[i];
        const uint64_t age_ms = now_ms > rank->reported_ms ? now_ms - rank->reported_ms : 0;
        put_loss(text, rank, now_ms);
        if (rank->instance_count == 0) {
            continue;
        }
        put_count(text, "rank ", rank->rank, ": ");
        put_count(text, "", rank->instance_count,
                  rank->instance_count == 1 ? " attempt, " : " attempts, ");
        put_seconds(text, "last report ", age_ms, " ago\n");
    }
}

static void put_how_to_go_on(struct text *text, const struct run_view_facts *facts)
{
    if (facts->torn != NULL) {
        put(text, "the log is cut off or damaged: ", facts->torn, "\n");
    }
    if (facts->state == RUN_INTERRUPTED || facts->lost > 0) {
        put(text, "go on with: mapfleet resume ", "", "");
        text->status =
            text->status == STATUS_OK ? shell_word_put(text->out, facts->run_dir) : text->status;
        put(text, "\n", "", "");
    }
}

enum status status_print_line(const struct run_view_facts *facts, struct buffer *out)
{
    struct text text = {.out = out, .status = STATUS_OK};
    put_first_line(&text, facts);
    return text.status;
}

enum status status_print_lines(const struct run_view_facts *facts, struct buffer *out)
{
    struct text text = {.out = out, .status = STATUS_OK};
    put_first_line(&text, facts);
    put_states(&text, facts);
    put_failures(&text, facts);
    put_ranks(&text, facts);
    put_how_to_go_on(&text, facts);
    return text.status;
}

/* ---- JSON ----------------------------------------------------------------------------------- */

/* UTC, or null for 0. */
static json_t *time_value(uint64_t time_ms)
{
    struct tm parts;
    char text[TIME_TEXT_SIZE];
    const time_t time_s = (time_t)(time_ms / 1000);
    if (time_ms == 0 || gmtime_r(&time_s, &parts) == NULL ||
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts) == 0) {
        return json_null();
    }
    return json_string(text);
}

static json_t *count_value(uint64_t count)
{
    return json_integer(count <= INT64_MAX ? (json_int_t)count : INT64_MAX);
}

static json_t *text_value(const char *text, size_t size)
{
    struct buffer clean = {0};
    json_t *value = NULL;
    if (clean_text(text, size, &clean) == STATUS_OK) {
        value = json_stringn(clean.size > 0 ? (const char *)clean.data : "", clean.size);
    }
    buffer_free(&clean);
    return value;
}

static json_t *counts_value(const struct run_view_facts *facts)
{
    json_t *object = json_object();
    for (unsigned state = 0; state < INSTANCE_STATE_COUNT; state++) {
        (void)json_object_set_new(object, instance_state_name((enum instance_state)state),
                                  count_value(facts->counts[state]));
    }
    return object;
}

static enum status add_failure(void *context, enum failure_class class, uint64_t count,
                               const struct buffer *instances, const struct buffer *text)
{
    json_t *object = json_object();
    (void)json_object_set_new(object, "class", json_string(failure_class_name(class)));
    (void)json_object_set_new(object, "error", text_value((const char *)text->data, text->size));
    (void)json_object_set_new(object, "instances",
                              text_value((const char *)instances->data, instances->size));
    (void)json_object_set_new(object, "count", count_value(count));
    return json_array_append_new(context, object) == 0 ? STATUS_OK : STATUS_NO_MEMORY;
}

static json_t *failures_value(const struct run_view_facts *facts)
{
    json_t *list = json_array();
    if (failures_each(facts->failures, JSON_RANGE_COUNT_MAX, add_failure, list) != STATUS_OK) {
        json_decref(list);
        return NULL;
    }
    return list;
}

static json_t *ranks_value(const struct run_view_facts *facts)
{
    json_t *list = json_array();
    for (size_t i = 0; i < facts->rank_count; i++) {
        const struct run_view_rank *rank = &facts->ranks[i];
        json_t *object = json_object();
        (void)json_object_set_new(object, "rank", json_integer(rank->rank));
        (void)json_object_set_new(object, "attempts", count_value(rank->instance_count));
        (void)json_object_set_new(object, "reported", time_value(rank->reported_ms));
        (void)json_object_set_new(object, "lost", time_value(rank->lost_ms));
        (void)json_object_set_new(object, "why",
                                  rank->lost_ms > 0 && rank->why != NULL
                                      ? text_value(rank->why, strlen(rank->why))
                                      : json_null());
        (void)json_array_append_new(list, object);
    }
    return list;
}

static int append_text(const char *text, size_t size, void *buffer)
{
    return buffer_append(buffer, text, size) == STATUS_OK ? 0 : -1;
}

enum status status_print_json(const struct run_view_facts *facts, struct buffer *out)
{
    const struct {
        const char *name;
        json_t *value;
    } fields[] = {
        {"job", json_string(facts->run->job)},
        {"task", json_string(facts->run->task)},
        {"state", json_string(run_state_name(facts->state))},
        {"exit", facts->has_exit ? json_integer(facts->exit_status) : json_null()},
        {"live", json_boolean(facts->is_live)},
        {"size", count_value(facts->size)},
        {"counts", counts_value(facts)},
        {"attempts", count_value(facts->attempts)},
        {"retries", count_value(facts->retries)},
        {"failures", failures_value(facts)},
        {"rate", facts->is_live ? json_real(round(facts->rate * 1000) / 1000) : json_null()},
        {"estimate", time_value(facts->estimate_ms)},
        {"ranks", ranks_value(facts)},
        {"lost", count_value(facts->lost)},
        {"torn", facts->torn != NULL ? text_value(facts->torn, strlen(facts->torn)) : json_null()},
    };
    json_t *root = json_object();
    bool is_whole = root != NULL;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        is_whole = json_object_set_new(root, fields[i].name, fields[i].value) == 0 && is_whole;
    }
    is_whole = is_whole && json_dump_callback(root, append_text, out, JSON_COMPACT) == 0 &&
               buffer_append_byte(out, '\n') == STATUS_OK;
    json_decref(root);
    return is_whole ? STATUS_OK : STATUS_NO_MEMORY;
}
