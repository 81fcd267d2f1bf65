#include "master/progress_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "shared/attempt.h"
#include "shared/quantity.h"

#define SECOND_US UINT64_C(1000000)
#define BAR_WIDTH_MIN 10
#define BAR_WIDTH_MAX 40

uint64_t progress_done(const struct ledger_counts *counts)
{
    return counts->succeeded + counts->cached + counts->stopped_early + counts->failed +
           counts->timed_out;
}

static uint64_t failed_of(const struct progress_facts *facts)
{
    return facts->counts.failed + facts->counts.timed_out;
}

/* ---- Spans of time -------------------------------------------------------------------------- */

static const struct unit {
    const char *name;
    uint64_t us;
    uint64_t below_us; /* from here on, the next unit is used */
} units[] = {{"s", SECOND_US, 100 * SECOND_US},
             {"min", 60 * SECOND_US, 100 * (60 * SECOND_US)},
             {"h", 3600 * SECOND_US, 48 * (3600 * SECOND_US)},
             {"d", 24 * (3600 * SECOND_US), UINT64_MAX}};

static const struct unit *unit_of(uint64_t time_us)
{
    const struct unit *unit = units;
    while (time_us >= unit->below_us) {
        unit++;
    }
    return unit;
}

static uint64_t in_units(uint64_t time_us, const struct unit *unit)
{
    const uint64_t count = time_us / unit->us + (time_us % unit->us >= unit->us / 2 ? 1 : 0);
    return count > 0 ? count : 1;
}

const char *progress_span_text(uint64_t earliest_us, uint64_t latest_us,
                               char text[PROGRESS_SPAN_SIZE])
{
    const bool is_narrow = latest_us - earliest_us <= earliest_us / 8;
    const uint64_t middle_us = earliest_us + (latest_us - earliest_us) / 2;
    const struct unit *from = unit_of(is_narrow ? middle_us : earliest_us);
    const struct unit *to = unit_of(is_narrow ? middle_us : latest_us);
    const uint64_t first = in_units(is_narrow ? middle_us : earliest_us, from);
    const uint64_t last = in_units(is_narrow ? middle_us : latest_us, to);
    if (from != to) {
        (void)snprintf(text, PROGRESS_SPAN_SIZE, "%" PRIu64 " %s to %" PRIu64 " %s", first,
                       from->name, last, to->name);
    } else if (first != last) {
        (void)snprintf(text, PROGRESS_SPAN_SIZE, "%" PRIu64 " to %" PRIu64 " %s", first, last,
                       to->name);
    } else {
        (void)snprintf(text, PROGRESS_SPAN_SIZE, "%" PRIu64 " %s", last, to->name);
    }
    return text;
}

/* ---- Parts ---------------------------------------------------------------------------------- */

enum part {
    PART_DONE,
    PART_RATE,
    PART_END,
    PART_SLOTS,
    PART_FAILED,
    PART_STOPPED,
    PART_RETRIES,
    PART_LOST,
    PART_WAITING,
    PART_COUNT
};

#define PART_SIZE 128

static void put_rate(double rate, char text[PART_SIZE])
{
    char digits[QUANTITY_TEXT_SIZE];
    if (rate >= 10) {
        const uint64_t whole = rate < 1e18 ? (uint64_t)(rate + 0.5) : UINT64_MAX;
        (void)snprintf(text, PART_SIZE, "%s/s", quantity_count_text(whole, digits));
    } else if (rate > 0) {
        (void)snprintf(text, PART_SIZE, "%.2g/s", rate);
    }
}

/* A count that is not 0. */
static void put_count(uint64_t count, const char *what, const char *of_several,
                      char text[PART_SIZE])
{
    char digits[QUANTITY_TEXT_SIZE];
    if (count > 0) {
        (void)snprintf(text, PART_SIZE, "%s %s%s", quantity_count_text(count, digits), what,
                       count > 1 ? of_several : "");
    }
}

/* How much of a run is there to say: "" where there is nothing. */
static void put_part(const struct progress_facts *facts, enum part part, char text[PART_SIZE])
{
    char first[QUANTITY_TEXT_SIZE];
    char second[QUANTITY_TEXT_SIZE];
    char span[PROGRESS_SPAN_SIZE];
    *text = '\0';
    switch (part) {
    case PART_DONE:
        (void)snprintf(text, PART_SIZE, "%s of %s done",
                       quantity_count_text(progress_done(&facts->counts), first),
                       quantity_count_text(facts->size, second));
        break;
    case PART_RATE:
        put_rate(facts->rate, text);
        break;
    case PART_END:
        if (facts->has_estimate) {
            (void)snprintf(text, PART_SIZE, "ends in %s",
                           progress_span_text(facts->earliest_us, facts->latest_us, span));
        }
        break;
    case PART_SLOTS:
        if (facts->slots > 0) {
            (void)snprintf(text, PART_SIZE, "%s of %s slots busy",
                           quantity_count_text(facts->running, first),
                           quantity_count_text(facts->slots, second));
        }
        break;
    case PART_FAILED:
        put_count(failed_of(facts), "failed", "", text);
        break;
    case PART_STOPPED:
        put_count(facts->counts.stopped_early, "stopped early", "", text);
        break;
    case PART_RETRIES:
        put_count(facts->retries, "retr", "ies", text);
        (void)strncat(text, facts->retries == 1 ? "y" : "", PART_SIZE - strlen(text) - 1);
        break;
    case PART_LOST:
        put_count(facts->lost_count, "rank", "s", text);
        (void)strncat(text, facts->lost_count > 0 ? " lost" : "", PART_SIZE - strlen(text) - 1);
        break;
    case PART_WAITING:
        put_count(facts->counts.waiting, "waiting", "", text);
        break;
    case PART_COUNT:
        break;
    }
}

enum status progress_plain_text(const struct progress_facts *facts, struct buffer *out)
{
    const size_t size = out->size;
    const char *before = "mapfleet: ";
    enum status status = STATUS_OK;
    for (int part = 0; part < PART_COUNT && status == STATUS_OK; part++) {
        char text[PART_SIZE];
        put_part(facts, (enum part)part, text);
        if (*text != '\0') {
            status = buffer_printf(out, "%s%s", before, text);
            before = ", ";
        }
    }
    if (status != STATUS_OK) {
        out->size = size;
    }
    return status;
}

/* ---- The bar -------------------------------------------------------------------------------- */

/* In hundredths, 100 only of all. */
static unsigned percent_of(const struct progress_facts *facts)
{
    const uint64_t done = progress_done(&facts->counts);
    return done >= facts->size ? 100 : (unsigned)((double)done / (double)facts->size * 100);
}

static MUST_CHECK enum status put_gauge(unsigned percent, size_t width, struct buffer *out)
{
    char gauge[BAR_WIDTH_MAX + 1];
    const size_t full = width * percent / 100;
    memset(gauge, ' ', width);
    memset(gauge, '=', full);
    if (full > 0 && full < width) {
        gauge[full - 1] = '>';
    }
    return buffer_printf(out, " [%.*s]", (int)width, gauge);
}

/* Which parts fit, the most important first; gives how many columns they take. */
static size_t choose(char texts[PART_COUNT][PART_SIZE], size_t width, bool is_shown[PART_COUNT])
{
    static const enum part by_importance[] = {PART_DONE,    PART_FAILED, PART_LOST,
                                              PART_END,     PART_RATE,   PART_STOPPED,
                                              PART_RETRIES, PART_SLOTS,  PART_WAITING};
    size_t used = 0;
    for (size_t i = 0; i < PART_COUNT; i++) {
        const enum part part = by_importance[i];
        const size_t size = strlen(texts[part]) + 2;
        is_shown[part] = size > 2 && used + size <= width;
        used += is_shown[part] ? size : 0;
    }
    return used;
}

enum status progress_bar_text(const struct progress_facts *facts, size_t width, struct buffer *out)
{
    char texts[PART_COUNT][PART_SIZE];
    bool is_shown[PART_COUNT];
    char percent[8];
    const size_t start = out->size;
    for (int part = 0; part < PART_COUNT; part++) {
        put_part(facts, (enum part)part, texts[part]);
    }
    (void)snprintf(percent, sizeof(percent), "%3u%%", percent_of(facts));
    size_t left = width > strlen(percent) ? width - strlen(percent) : 0;
    left -= choose(texts, left, is_shown);
    enum status status = buffer_printf(out, "%.*s", (int)width, percent);
    if (status == STATUS_OK && left >= BAR_WIDTH_MIN + 3) {
        const size_t room = left - 3;
        status = put_gauge(percent_of(facts), room < BAR_WIDTH_MAX ? room : BAR_WIDTH_MAX, out);
    }
    for (int part = 0; part < PART_COUNT && status == STATUS_OK; part++) {
        if (is_shown[part]) {
            status = buffer_printf(out, "  %s", texts[part]);
        }
    }
    if (status != STATUS_OK) {
        out->size = start;
    }
    return status;
}

/* ---- JSON ----------------------------------------------------------------------------------- */

enum status progress_json_text(const struct progress_facts *facts, struct buffer *out)
{
    const size_t size = out->size;
    const struct ledger_counts *counts = &facts->counts;
    enum status status = buffer_printf(
        out,
        "{\"state\":\"%s\",\"size\":%" PRIu64 ",\"done\":%" PRIu64 ",\"succeeded\":%" PRIu64
        ",\"cached\":%" PRIu64 ",\"stopped_early\":%" PRIu64 ",\"failed\":%" PRIu64
        ",\"timed_out\":%" PRIu64 ",\"waiting\":%" PRIu64 ",\"retries\":%" PRIu64
        ",\"running\":%" PRIu64 ",\"slots\":%" PRIu64 ",\"ranks\":%" PRIu64
        ",\"ranks_lost\":%" PRIu64 ",\"elapsed\":%.3f,\"rate\":%.3f",
        facts->state, facts->size, progress_done(&facts->counts), counts->succeeded, counts->cached,
        counts->stopped_early, counts->failed, counts->timed_out, counts->waiting, facts->retries,
        facts->running, facts->slots, facts->rank_count, facts->lost_count,
        (double)facts->elapsed_us / 1e6, facts->rate);
    if (status == STATUS_OK && facts->has_estimate) {
        status = buffer_printf(out, ",\"ends_in\":[%.3f,%.3f]}", (double)facts->earliest_us / 1e6,
                               (double)facts->latest_us / 1e6);
    } else if (status == STATUS_OK) {
        status = buffer_printf(out, ",\"ends_in\":null}");
    }
    if (status != STATUS_OK) {
        out->size = size;
    }
    return status;
}
