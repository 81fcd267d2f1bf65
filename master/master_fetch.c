/* The job's library, to ranks that lack it, one of each node: in parts that they ask for, in turns,
 * and never so much at once that rank 0 has to keep it all while it is on its way. */
#include "master/master_private.h"

#include <inttypes.h>

#include "shared/log.h"

#define PART_SIZE_MAX ((size_t)512 << 10)
#define PENDING_SIZE_MAX (UINT64_C(32) << 20)

void master_on_fetch(struct master *master, uint32_t rank, const struct wire_fetch *fetch)
{
    const struct library *library = master->options.library;
    const char *ignored = library == NULL                  ? "not_sent"
                          : fetch->offset >= library->size ? "no_such_bytes"
                          : master->state > MASTER_RUNNING ? "the_run_ends"
                                                           : NULL;
    if (ignored != NULL) {
        log_warning("fetch ignored reason=%s rank=%" PRIu32, ignored, rank);
        return;
    }
    master->fetch_count += master->fetches[rank] == 0 ? 1 : 0;
    master->fetches[rank] = fetch->offset + 1;
}

static enum status send_part(struct master *master, uint32_t rank, struct error *err)
{
    const struct library *library = master->options.library;
    const size_t offset = (size_t)(master->fetches[rank] - 1);
    const size_t left = library->size - offset;
    const struct wire_message message = {
        .kind = WIRE_LIBRARY,
        .as.library = {.offset = offset,
                       .total_size = library->size,
                       .bytes = library->bytes + offset,
                       .size = left < PART_SIZE_MAX ? left : PART_SIZE_MAX},
    };
    master->fetches[rank] = 0;
    master->fetch_count--;
    return master_send(master, rank, &message, err);
}

enum status master_serve_fetches(struct master *master, bool *did_something, struct error *err)
{
    const struct transport *transport = master->options.transport;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && master->fetch_count > 0 &&
           transport_pending_all(transport) < PENDING_SIZE_MAX) {
        master->fetch_rank = (master->fetch_rank + 1) % transport_size(transport);
        if (master->fetches[master->fetch_rank] > 0) {
            *did_something = true;
            status = send_part(master, master->fetch_rank, err);
        }
    }
    return status;
}
