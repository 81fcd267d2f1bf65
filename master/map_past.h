/* map_past.h - the maps of a run of several, as its log has them.
 *
 *     map_past_read --> map_past_find ..., whose replay and failures may be moved out --> free
 *     map_past_take, for each record, as they come
 *     map_past_read_definitions --> map_past_find ..., without what became of their instances
 *
 * Ownership: the list owns its maps, with what was not moved out of them.
 * Failure:   of a torn or damaged log, what stands before that is read.
 * Cost:      of the log's bytes, once, for all maps.
 */
#ifndef MASTER_MAP_PAST_H
#define MASTER_MAP_PAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/failures.h"
#include "master/index_set.h"
#include "master/record.h"
#include "master/replay.h"
#include "shared/error.h"

/* One map, as it was defined when it was begun first. */
struct map_past {
    uint64_t number;
    char *task;
    char *output_type; /* NULL where it was put in */
    char *reducer;     /* "" where it is not reduced; NULL where it was put in */
    uint64_t size;     /* instances */
    uint64_t minimum;
    uint8_t inputs_digest[RECORD_DIGEST_SIZE];
    struct replay replay;      /* as it begins, where there are definitions only */
    struct failures *failures; /* NULL where the list has some for all, or definitions only */
    struct index_set tried;    /* for a reader to keep: instances between attempts */
};

struct map_past_list {
    struct map_past *maps; /* by number; what was refused has left a gap */
    size_t count;
    size_t capacity;
    struct failures *shared;   /* of all maps together; the caller's. NULL: each has its own */
    bool is_of_several;        /* the run is one of several maps, however many there are so far */
    bool has_revived;          /* some session gave what had failed fresh budgets */
    bool has_output;           /* of the run itself, and nothing was revived after it */
    bool has_definitions_only; /* what became of instances is passed over */
};

/* Put one in, as if it had been defined; there is none of its number. */
MUST_CHECK enum status map_past_add(struct map_past_list *list, uint64_t number, const char *task,
                                    size_t task_size, uint64_t size, struct error *err);
/* One record of the log. INVALID where it does not fit what was defined before. */
MUST_CHECK enum status map_past_take(struct map_past_list *list, const struct record *record,
                                     struct error *err);

/* A run without a log has none. */
MUST_CHECK enum status map_past_read(const char *run_dir, struct map_past_list *list_out,
                                     struct error *err);
MUST_CHECK enum status map_past_read_definitions(const char *run_dir,
                                                 struct map_past_list *list_out, struct error *err);
void map_past_free(struct map_past_list *list);

/* NULL where the run has no map of that number. */
struct map_past *map_past_find(const struct map_past_list *list, uint64_t number);

#endif
