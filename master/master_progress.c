/* master_progress.c - what is shown of a run while it runs. */
#include "master/master_private.h"
#include "master/progress.h"

/* Of which ranks, and how many of their slots are busy: what a rank holds beyond its slots waits
 * there. */
static void count_ranks(const struct master *master, struct progress_facts *facts)
{
    const uint32_t ranks = transport_size(master->options.transport);
    for (uint32_t rank = 0; rank < ranks; rank++) {
        if (!master_is_worker(master, rank) || master->slots[rank] == 0) {
            continue;
        }
        const enum presence_state state = presence_state(master->presence, rank);
        if (state != PRESENCE_HERE) {
            facts->lost_count += state != PRESENCE_LEFT ? 1 : 0;
            continue;
        }
        uint64_t held = 0;
        for (size_t i = 0; i < master->map_count; i++) {
            held += scheduler_held(master->maps[i]->scheduler, rank);
        }
        facts->rank_count++;
        facts->slots += master->slots[rank];
        facts->running += held < master->slots[rank] ? held : master->slots[rank];
    }
}

static struct progress_facts facts_of(const struct master *master, const char *state)
{
    struct progress_facts facts = {.state = state,
                                   .size = master->past_size,
                                   .counts = master_recorded(master),
                                   .retries = master->past_tally.retries};
    for (size_t i = 0; i < master->map_count; i++) {
        facts.size += inputs_count(master->maps[i]->inputs);
        facts.retries += master->maps[i]->tally.retries;
    }
    count_ranks(master, &facts);
    return facts;
}

void master_begin_progress(struct master *master, uint64_t now_us)
{
    const struct ledger_counts recorded = master_recorded(master);
    master->progress = progress_create(master->options.progress, progress_done(&recorded), now_us);
}

void master_show_progress(struct master *master, uint64_t now_us)
{
    if (progress_is_due(master->progress, now_us)) {
        struct progress_facts facts = facts_of(master, run_state_name(RUN_RUNNING));
        progress_note(master->progress, &facts, now_us);
    }
}

void master_end_progress(struct master *master, uint64_t now_us)
{
    if (master->progress != NULL) {
        const enum run_state state = master->options.run->state;
        struct progress_facts facts =
            facts_of(master, run_state_name(state == RUN_RUNNING ? RUN_INTERRUPTED : state));
        progress_end(master->progress, &facts, now_us);
    }
}
