/* presence.h - which ranks are there, as far as rank 0 can tell, and what is known of each.
 *
 *     HERE --silent for too long--> SILENT --heard of--> RETURNING --ready again--> HERE
 *       |                              |                     |
 *       |<---- its process has ended --+---------------------+----------> GONE
 *       +----- says that it leaves -------------------------------------> LEFT
 *
 * Few MPIs tell of a rank that dies, so that silence must. A rank that is SILENT is lost as much as
 * one that is GONE, but may come back: what it then says of before is not to be believed, and it
 * starts anew, in a new life. What a GONE rank has sent before its end may still arrive for a
 * moment, and is waited for.
 *
 * Silence counts only while the observer looks: where half of it passed between two looks (a
 * process that was stopped, a laptop that slept, a disk that hung), all of it starts anew.
 *
 * Threads: one. Reads no clock.
 * Cost:    of a look, nothing; every eighth of the silence, a walk over the ranks.
 */
#ifndef MASTER_PRESENCE_H
#define MASTER_PRESENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"
#include "shared/wire.h"

/* What a process had sent before it ended arrives within this. */
#define PRESENCE_LAST_WORDS_US 100000

enum presence_state {
    PRESENCE_HERE,
    PRESENCE_SILENT,
    PRESENCE_RETURNING,
    PRESENCE_GONE,
    PRESENCE_LEFT
};

struct presence; /* fields: presence.c */

struct presence_loss {
    uint32_t rank;
    const char *end;    /* what is known of its end: it will not come back; NULL: it is silent */
    bool was_lost;      /* already, or it had left: it holds nothing */
    uint64_t silent_us; /* since it was heard of */
};

/* `silence_us_max` 0: silence tells nothing. */
MUST_CHECK enum status presence_create(uint32_t rank_count, uint64_t silence_us_max,
                                       struct presence **presence_out);
void presence_destroy(struct presence *presence); /* NULL is allowed */

/* From now on, this rank is to be heard of. */
void presence_expect(struct presence *presence, uint32_t rank, uint64_t now_us);

/* A message of it has come. */
void presence_heard(struct presence *presence, uint32_t rank, uint64_t now_us);
/* It has come to its end, which this text, kept as it is, says for people. The first one counts. */
void presence_ended(struct presence *presence, uint32_t rank, const char *end, uint64_t now_us);
/* It has said that it leaves. */
void presence_left(struct presence *presence, uint32_t rank);
/* One that was SILENT was heard of. Gives the number of the life that it is to begin. */
uint64_t presence_return(struct presence *presence, uint32_t rank, uint64_t now_us);
/* It is ready, in this life. False where that is not the one that it was to begin. */
MUST_CHECK bool presence_is_ready(struct presence *presence, uint32_t rank, uint64_t life);

/* The next rank that is lost by now. To be called in each turn of the loop. */
MUST_CHECK bool presence_next_loss(struct presence *presence, uint64_t now_us,
                                   struct presence_loss *loss_out);
/* When to look again. */
uint64_t presence_deadline_us(const struct presence *presence);

enum presence_state presence_state(const struct presence *presence, uint32_t rank);
/* Is it heard of, and hears? */
bool presence_hears(const struct presence *presence, uint32_t rank);
/* Was no rank lost that is not here again? */
bool presence_is_complete(const struct presence *presence);

/* What its slots were in when it last told; of one map: the indices, ascending. */
void presence_note_running(struct presence *presence, uint32_t rank,
                           const struct wire_beats *beats);
const uint64_t *presence_running(const struct presence *presence, uint32_t rank, uint64_t map,
                                 size_t *count_out);
/* That attempt has ended there, and another of this instance may be on its way to it. */
void presence_note_ended(struct presence *presence, uint32_t rank, uint64_t map, uint64_t index);
/* "rank 3 on node-2", or "rank 3" where its host is not known. Valid until the next call. */
void presence_note_host(struct presence *presence, uint32_t rank, const char *host);
const char *presence_host(const struct presence *presence, uint32_t rank); /* "": not known */
const char *presence_name(struct presence *presence, uint32_t rank);

#endif
