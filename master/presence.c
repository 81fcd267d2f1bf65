#include "master/presence.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"

#define LOOKS_A_SILENCE 8
#define NAME_SIZE_MAX 320

struct rank {
    enum presence_state state;
    bool is_expected;
    uint64_t heard_us;
    const char *end;   /* NULL: it has come to none */
    uint64_t ended_us; /* when */
    uint64_t life;
    char *host;
    uint64_t *running;      /* indices, */
    uint64_t *running_maps; /* and whose they are; both sorted by map and index */
    size_t running_count;
    size_t running_capacity;
    size_t running_maps_capacity;
};

struct presence {
    struct rank *ranks;
    uint32_t rank_count;
    uint32_t missing_count; /* SILENT, RETURNING and GONE */
    uint64_t silence_us_max;
    uint64_t looked_us; /* last; 0: never */
    uint64_t look_us;   /* when to walk over them again */
    char name[NAME_SIZE_MAX];
};

enum status presence_create(uint32_t rank_count, uint64_t silence_us_max,
                            struct presence **presence_out)
{
    struct presence *presence = memory_take(1, sizeof(*presence));
    presence->ranks = memory_take(rank_count, sizeof(*presence->ranks));
    presence->rank_count = rank_count;
    presence->silence_us_max = silence_us_max;
    presence->look_us = UINT64_MAX;
    *presence_out = presence;
    return STATUS_OK;
}

void presence_destroy(struct presence *presence)
{
    if (presence == NULL) {
        return;
    }
    for (uint32_t i = 0; i < presence->rank_count; i++) {
        free(presence->ranks[i].host);
        free(presence->ranks[i].running);
        free(presence->ranks[i].running_maps);
    }
    free(presence->ranks);
    free(presence);
}

/* ---- Moves ------------------------------------------------------------------------------------
 */

static bool is_missing(enum presence_state state)
{
    return state == PRESENCE_SILENT || state == PRESENCE_RETURNING || state == PRESENCE_GONE;
}

static void move(struct presence *presence, struct rank *rank, enum presence_state next)
{
    presence->missing_count += is_missing(next) ? 1 : 0;
    presence->missing_count -= is_missing(rank->state) ? 1 : 0;
    rank->state = next;
}

/* Not later than this. */
static void look_by(struct presence *presence, uint64_t time_us)
{
    presence->look_us = time_us < presence->look_us ? time_us : presence->look_us;
}

void presence_expect(struct presence *presence, uint32_t rank, uint64_t now_us)
{
    presence->ranks[rank].is_expected = true;
    presence->ranks[rank].heard_us = now_us;
    if (presence->silence_us_max > 0) {
        look_by(presence, now_us + presence->silence_us_max / LOOKS_A_SILENCE);
    }
}

void presence_heard(struct presence *presence, uint32_t rank, uint64_t now_us)
{
    presence->ranks[rank].heard_us = now_us;
}

void presence_ended(struct presence *presence, uint32_t rank, const char *end, uint64_t now_us)
{
    struct rank *self = &presence->ranks[rank];
    if (self->end == NULL) {
        self->end = end;
        self->ended_us = now_us;
        look_by(presence, now_us + PRESENCE_LAST_WORDS_US);
    }
}

void presence_left(struct presence *presence, uint32_t rank)
{
    move(presence, &presence->ranks[rank], PRESENCE_LEFT);
}

uint64_t presence_return(struct presence *presence, uint32_t rank, uint64_t now_us)
{
    assert(presence->ranks[rank].state == PRESENCE_SILENT);
    move(presence, &presence->ranks[rank], PRESENCE_RETURNING);
    presence->ranks[rank].heard_us = now_us;
    presence->ranks[rank].running_count = 0;
    return ++presence->ranks[rank].life;
}

bool presence_is_ready(struct presence *presence, uint32_t rank, uint64_t life)
{
    struct rank *self = &presence->ranks[rank];
    if (life != self->life || (self->state != PRESENCE_HERE && self->state != PRESENCE_RETURNING)) {
        return false;
    }
    move(presence, self, PRESENCE_HERE);
    return true;
}

/* ---- Losses -----------------------------------------------------------------------------------
 */

/* All silence starts anew. */
static void forgive(struct presence *presence, uint64_t now_us)
{
    for (uint32_t i = 0; i < presence->rank_count; i++) {
        presence->ranks[i].heard_us = now_us;
    }
}

static bool is_lost_by_end(const struct rank *rank, uint64_t now_us)
{
    return rank->end != NULL && rank->state != PRESENCE_GONE &&
           now_us >= rank->ended_us + PRESENCE_LAST_WORDS_US;
}

static bool is_lost_by_silence(const struct presence *presence, const struct rank *rank,
                               uint64_t now_us)
{
    return presence->silence_us_max > 0 && rank->is_expected &&
           (rank->state == PRESENCE_HERE || rank->state == PRESENCE_RETURNING) &&
           now_us - rank->heard_us >= presence->silence_us_max;
}

/* One that had left is missing all the same: others may wait for it when they end MPI. */
static bool take_loss(struct presence *presence, uint32_t at, uint64_t now_us,
                      struct presence_loss *loss_out)
{
    struct rank *rank = &presence->ranks[at];
    const bool has_ended = is_lost_by_end(rank, now_us);
    if (!has_ended && !is_lost_by_silence(presence, rank, now_us)) {
        return false;
    }
    *loss_out = (struct presence_loss){.rank = at,
                                       .end = has_ended ? rank->end : NULL,
                                       .was_lost = rank->state != PRESENCE_HERE,
                                       .silent_us = now_us - rank->heard_us};
    move(presence, rank, has_ended ? PRESENCE_GONE : PRESENCE_SILENT);
    return true;
}

static uint64_t next_look_us(const struct presence *presence, uint64_t now_us)
{
    uint64_t look_us = presence->silence_us_max > 0
                           ? now_us + presence->silence_us_max / LOOKS_A_SILENCE
                           : UINT64_MAX;
    for (uint32_t i = 0; i < presence->rank_count; i++) {
        const struct rank *rank = &presence->ranks[i];
        const uint64_t end_us = rank->ended_us + PRESENCE_LAST_WORDS_US;
        if (rank->end != NULL && rank->state != PRESENCE_GONE && end_us < look_us) {
            look_us = end_us;
        }
    }
    return look_us;
}

bool presence_next_loss(struct presence *presence, uint64_t now_us, struct presence_loss *loss_out)
{
    const uint64_t gap_us = presence->looked_us > 0 ? now_us - presence->looked_us : 0;
    presence->looked_us = now_us;
    if (presence->silence_us_max > 0 && gap_us > presence->silence_us_max / 2) {
        forgive(presence, now_us);
    }
    if (now_us < presence->look_us) {
        return false;
    }
    for (uint32_t i = 0; i < presence->rank_count; i++) {
        if (take_loss(presence, i, now_us, loss_out)) {
            return true;
        }
    }
    presence->look_us = next_look_us(presence, now_us);
    return false;
}

uint64_t presence_deadline_us(const struct presence *presence)
{
    return presence->look_us;
}

/* ---- What is known ----------------------------------------------------------------------------
 */

enum presence_state presence_state(const struct presence *presence, uint32_t rank)
{
    return presence->ranks[rank].state;
}

bool presence_hears(const struct presence *presence, uint32_t rank)
{
    return presence->ranks[rank].state == PRESENCE_HERE ||
           presence->ranks[rank].state == PRESENCE_RETURNING;
}

bool presence_is_complete(const struct presence *presence)
{
    return presence->missing_count == 0;
}

static void add_running(struct rank *self, uint64_t map, uint64_t index)
{
    self->running =
        memory_grow(self->running, self->running_count, &self->running_capacity, sizeof(uint64_t));
    self->running_maps = memory_grow(self->running_maps, self->running_count,
                                     &self->running_maps_capacity, sizeof(uint64_t));
    self->running_maps[self->running_count] = map;
    self->running[self->running_count++] = index;
}

void presence_note_running(struct presence *presence, uint32_t rank, const struct wire_beats *beats)
{
    struct rank *self = &presence->ranks[rank];
    self->running_count = 0;
    for (size_t i = 0; i < beats->count; i++) {
        for (size_t k = 0; k < beats->beats[i].running_count; k++) {
            add_running(self, beats->beats[i].map, beats->beats[i].running[k].index);
        }
    }
}

const uint64_t *presence_running(const struct presence *presence, uint32_t rank, uint64_t map,
                                 size_t *count_out)
{
    const struct rank *self = &presence->ranks[rank];
    size_t from = 0;
    while (from < self->running_count && self->running_maps[from] < map) {
        from++;
    }
    size_t to = from;
    while (to < self->running_count && self->running_maps[to] == map) {
        to++;
    }
    *count_out = to - from;
    return to > from ? &self->running[from] : NULL;
}

void presence_note_ended(struct presence *presence, uint32_t rank, uint64_t map, uint64_t index)
{
    struct rank *self = &presence->ranks[rank];
    for (size_t i = 0; i < self->running_count; i++) {
        if (self->running_maps[i] == map && self->running[i] == index) {
            const size_t behind = --self->running_count - i;
            memmove(&self->running[i], &self->running[i + 1], behind * sizeof(*self->running));
            memmove(&self->running_maps[i], &self->running_maps[i + 1],
                    behind * sizeof(*self->running_maps));
            return;
        }
    }
}

const char *presence_host(const struct presence *presence, uint32_t rank)
{
    return presence->ranks[rank].host != NULL ? presence->ranks[rank].host : "";
}

void presence_note_host(struct presence *presence, uint32_t rank, const char *host)
{
    free(presence->ranks[rank].host);
    presence->ranks[rank].host = memory_copy_text(host);
}

const char *presence_name(struct presence *presence, uint32_t rank)
{
    const char *host = presence->ranks[rank].host;
    (void)snprintf(presence->name, sizeof(presence->name), "rank %" PRIu32 "%s%s", rank,
                   host != NULL ? " on " : "", host != NULL ? host : "");
    return presence->name;
}
