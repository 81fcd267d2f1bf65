#include "master/master_inputs.h"

#include <assert.h>

#include "master/master_private.h"
#include "shared/clock.h"
#include "shared/criterion.h"

/* Of the places there are, so many in addition are asked for ahead: one of eight, and one. */
#define AHEAD_DIVISOR 8

static struct master_map *map_of(const struct master *master)
{
    assert(master_is_one_map(master) && inputs_come_later(master->maps[0]->inputs));
    return master->maps[0];
}

static bool may_start(const struct master *master, const struct master_map *map)
{
    return master->state == MASTER_RUNNING && map->have_joined && !master->is_stopped &&
           master->paused_us == 0 && master->turn_us >= master->hold_us &&
           !scheduler_is_stopping(map->scheduler);
}

static uint64_t at_work(const struct master_map *map)
{
    const struct ledger_counts counts = scheduler_counts(map->scheduler);
    return counts.ready + counts.leased + counts.waiting;
}

bool master_is_at_work(const struct master *master)
{
    return at_work(map_of(master)) > 0;
}

uint64_t master_asks_for(const struct master *master)
{
    const struct master_map *map = map_of(master);
    const uint64_t taken = at_work(map);
    const uint64_t places = scheduler_places(map->scheduler);
    uint64_t wanted = places > 0 ? places + places / AHEAD_DIVISOR + 1 : 0;
    if (!may_start(master, map)) {
        return 0;
    }
    if (master->is_held) {
        wanted = master->has_begun ? 0 : 1;
    }
    return wanted > taken ? wanted - taken : 0;
}

enum status master_add_inputs(struct master *master, const uint8_t *packed, size_t size,
                              uint64_t count, struct error *err)
{
    struct master_map *map = map_of(master);
    const struct record record = {.kind = RECORD_INPUTS,
                                  .map = map->number,
                                  .time_ms = clock_day_ms(),
                                  .first = inputs_available(map->inputs),
                                  .input_count = count,
                                  .inputs = packed,
                                  .inputs_size = size};
    enum status status = inputs_add(map->inputs, packed, size, count, err);
    if (status == STATUS_OK) {
        status = run_log_append(master->log, &record, err);
    }
    if (status == STATUS_OK) {
        scheduler_raise(map->scheduler, inputs_available(map->inputs));
    }
    return status;
}

/* A number of successes that was given may be more than there are: then it is not reached. */
void master_end_inputs(struct master *master)
{
    struct master_map *map = map_of(master);
    struct error ignored;
    uint64_t minimum = 0;
    if (criterion_minimum(&map->options.criterion, inputs_available(map->inputs), &minimum,
                          &ignored) != STATUS_OK) {
        minimum = map->minimum;
    }
    map->minimum = minimum;
    scheduler_close(map->scheduler, minimum);
}

bool master_takes_inputs(const struct master *master)
{
    return master->state == MASTER_RUNNING && !scheduler_is_stopping(map_of(master)->scheduler);
}

enum status master_stop_for(struct master *master, const char *why, uint64_t now_us,
                            struct error *err)
{
    return master->is_stopped ? STATUS_OK
                              : master_interrupt(master, MASTER_WITH_GRACE, why, now_us, err);
}
