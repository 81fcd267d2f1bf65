#include "cli/report_time.h"

#include <stdlib.h>
#include <string.h>

#include "shared/buffer.h"
#include "shared/clean_text.h"
#include "shared/memory.h"

struct report_time *report_time_create(const struct chronicle *chronicle)
{
    struct report_time *time = memory_take(1, sizeof(*time));
    time->total_us = chronicle_total_us(chronicle);
    time->life_count = chronicle_life_count(chronicle);
    time->lives = memory_take(time->life_count + 1, sizeof(*time->lives));
    for (size_t i = 0; i < time->life_count; i++) {
        time->lives[i].first_us = UINT64_MAX;
        time->lives[i].ended_us = UINT64_MAX;
    }
    return time;
}

void report_time_destroy(struct report_time *time)
{
    if (time == NULL) {
        return;
    }
    for (size_t i = 0; i < time->life_count; i++) {
        free(time->lives[i].host);
        free(time->lives[i].why);
    }
    free(time->lives);
    free(time);
}

/* ---- Bins -------------------------------------------------------------------------------------
 */

static size_t bin_of(const struct report_time *time, uint64_t at_us)
{
    const double part = time->total_us > 0 ? (double)at_us / (double)time->total_us : 0;
    return part < 1 ? (size_t)(part * REPORT_BIN_COUNT) : REPORT_BIN_COUNT - 1;
}

static uint64_t bin_end_us(const struct report_time *time, size_t bin)
{
    return bin + 1 >= REPORT_BIN_COUNT
               ? UINT64_MAX
               : (uint64_t)((double)time->total_us * (double)(bin + 1) / REPORT_BIN_COUNT);
}

/* Of several attempts in a piece, an even share ends in each part of its time. */
static void fill_bins(struct report_time *time, const struct chronicle_piece *piece)
{
    const size_t last = bin_of(time, piece->end_us);
    const uint64_t length_us = piece->end_us - piece->start_us;
    uint64_t from_us = piece->start_us;
    uint64_t counted = 0;
    for (size_t i = bin_of(time, piece->start_us); i <= last; i++) {
        struct report_bin *bin = &time->bins[i];
        const uint64_t end_us = bin_end_us(time, i);
        const uint64_t to_us = i == last || end_us > piece->end_us ? piece->end_us
                               : end_us < from_us                  ? from_us
                                                                   : end_us;
        const uint64_t up_to =
            i == last ? piece->count
                      : (uint64_t)((double)piece->count * (double)(to_us - piece->start_us) /
                                   (double)length_us);
        *(piece_state_is_success(piece->state) ? &bin->succeeded : &bin->failed) += up_to - counted;
        bin->busy_us += to_us - from_us;
        counted = up_to;
        from_us = to_us;
    }
}

void report_time_add(struct report_time *time, const struct chronicle_piece *piece)
{
    struct report_life *life = &time->lives[piece->life];
    fill_bins(time, piece);
    life->is_known = true;
    life->rank = piece->rank;
    life->slots = piece->slot >= life->slots ? piece->slot + 1 : life->slots;
    life->first_us = piece->start_us < life->first_us ? piece->start_us : life->first_us;
    life->attempts += piece->count;
    life->running_us += piece->end_us - piece->start_us;
    life->held_us += piece->held_us;
}

/* ---- Lives ------------------------------------------------------------------------------------
 */

static char *clean_copy(const char *text, size_t size)
{
    struct buffer clean = {0};
    if (clean_text(text, size, &clean) != STATUS_OK ||
        buffer_append_byte(&clean, '\0') != STATUS_OK) {
        buffer_free(&clean);
        return memory_copy_text("");
    }
    return (char *)buffer_take(&clean, &size);
}

static void end_all(struct report_time *time, uint64_t at_us)
{
    for (size_t i = 0; i < time->life_count; i++) {
        if (time->lives[i].is_known && time->lives[i].ended_us == UINT64_MAX) {
            time->lives[i].ended_us = at_us;
        }
    }
}

void report_time_note(struct report_time *time, const struct chronicle_event *event)
{
    struct report_life *life = NULL;
    switch (event->kind) {
    case CHRONICLE_SESSION:
        end_all(time, event->time_us);
        break;
    case CHRONICLE_RANK:
        life = &time->lives[event->life];
        life->is_known = true;
        life->rank = event->rank;
        life->slots = event->slots > life->slots ? event->slots : life->slots;
        life->joined_us = event->time_us;
        free(life->host);
        life->host = clean_copy(event->text, event->text_size);
        break;
    case CHRONICLE_LOST:
        if (event->life < time->life_count) {
            life = &time->lives[event->life];
            life->ended_us = event->time_us;
            free(life->why);
            life->why = clean_copy(event->text, event->text_size);
        }
        break;
    case CHRONICLE_CACHED:
        time->bins[bin_of(time, event->time_us)].cached += event->count;
        break;
    case CHRONICLE_LOST_ATTEMPT:
        time->bins[bin_of(time, event->time_us)].failed++;
        break;
    case CHRONICLE_MAP:
    case CHRONICLE_END:
        break;
    }
}

void report_time_finish(struct report_time *time)
{
    end_all(time, time->total_us);
}

static uint64_t less(uint64_t from, uint64_t taken)
{
    return from > taken ? from - taken : 0;
}

struct report_spent report_life_spent(const struct report_life *life)
{
    const uint64_t length_us = less(life->ended_us, life->joined_us);
    const uint64_t all_us = length_us * life->slots;
    struct report_spent spent = {.running_us = life->running_us, .held_us = life->held_us};
    if (life->first_us != UINT64_MAX) {
        spent.starting_us = less(life->first_us, life->joined_us) * life->slots;
    }
    spent.held_us = spent.held_us < less(all_us, spent.running_us) ? spent.held_us
                                                                   : less(all_us, spent.running_us);
    const uint64_t left_us = less(all_us, spent.running_us + spent.held_us);
    spent.starting_us = spent.starting_us < left_us ? spent.starting_us : left_us;
    spent.waiting_us = left_us - spent.starting_us;
    return spent;
}
