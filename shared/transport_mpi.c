/* The MPI module. The protocol, and why it is safe:
 *
 * A message to another rank is a head (TAG_HEAD), which holds a small message whole. A larger one
 * follows at once from the sender's own memory, in parts of at most PART_SIZE_MAX (TAG_BODY). The
 * receiver always has receives posted for heads from anyone; seeing the head of a larger message,
 * it posts receives of just the right sizes for that sender's parts.
 *
 * Nothing blocks: there are only MPI_Isend, MPI_Irecv and MPI_Testsome. Both sides may send as much
 * as they like before they receive.
 *
 * Parts find their message: between two ranks, MPI matches sends and receives of one tag in the
 * order in which they were posted. A sender posts parts in the order of its heads, and so does the
 * inbox, which puts heads back into that order by their numbers.
 *
 * The dead don't hold up the living: requests are kept by message, not by slot, and each test looks
 * at a window of them, another one each time, so that requests that never end cost nothing but
 * their place. A head is small enough to arrive at once or not at all; where a network sends it in
 * two steps after all, a posted receive can be lost with its sender, so that for each rank that is
 * given up, another is posted.
 */
#include "shared/transport_face.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <mpi.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shared/block_pool.h"
#include "shared/inbox.h"
#include "shared/log.h"
#include "shared/transport_failed.h"
#include "shared/transport_join.h"
#include "shared/transport_requests.h"

#define TAG_HEAD 1
#define TAG_BODY 2
#ifndef PART_SIZE_MAX /* smaller in a test */
#define PART_SIZE_MAX ((size_t)1 << 30)
#endif
_Static_assert(PART_SIZE_MAX <= INT_MAX, "MPI counts in int");

/* Posted receives of heads: at the master two a rank, as it hears of all of them at once. */
#define HEADS_OF_MASTER_MIN 64u
#define HEADS_OF_MASTER_MAX 256u
#define HEADS_OF_WORKER 8u
#define HEADS_MAX ((size_t)2 * HEADS_OF_MASTER_MAX) /* those for lost ranks included */

/* A message that is being sent. */
struct letter {
    struct letter *next; /* in free_letters */
    struct block *head;
    uint8_t *data; /* of a large message, else NULL */
    uint64_t size;
    uint32_t rank;
    uint32_t request_count; /* not complete yet */
};

struct peer {
    uint64_t sequence; /* of the next head to it */
    uint64_t pending;  /* bytes */
    uint64_t arrivals; /* of heads and parts */
    bool is_abandoned;
};

struct transport_mpi {
    MPI_Comm comm;
    struct transport_place place;
    struct peer *peers; /* by rank */
    uint64_t pending_all;
    bool has_abandoned;
    struct letter *free_letters;
    struct block_pool blocks;
    struct inbox *inbox;
    struct request_set heads;
    struct request_set bodies;
    struct request_set sends;
    struct failed_ranks failed;
};

static enum status no_memory(struct error *err)
{
    return error_set(err, STATUS_NO_MEMORY, "messages of MPI: out of memory");
}

/* ---- Sending --------------------------------------------------------------------------------- */

static struct letter *letter_create(struct transport_mpi *mpi, uint32_t rank, uint64_t size)
{
    struct letter *letter = mpi->free_letters;
    if (letter != NULL) {
        mpi->free_letters = letter->next;
    } else {
        letter = malloc(sizeof(*letter));
        if (letter == NULL) {
            return NULL;
        }
    }
    *letter = (struct letter){.rank = rank, .size = size};
    letter->head = block_pool_take(&mpi->blocks, HEAD_SIZE_MAX);
    if (letter->head == NULL) {
        free(letter);
        return NULL;
    }
    return letter;
}

static void letter_recycle(struct transport_mpi *mpi, struct letter *letter)
{
    block_pool_give(&mpi->blocks, letter->head);
    free(letter->data);
    letter->next = mpi->free_letters;
    mpi->free_letters = letter;
}

static enum status letter_post(struct transport_mpi *mpi, struct letter *letter, const void *bytes,
                               size_t size, int tag, struct error *err)
{
    MPI_Request *request = request_set_add(&mpi->sends, letter);
    const enum status status =
        mpi_check(MPI_Isend(bytes, (int)size, MPI_BYTE, (int)letter->rank, tag, mpi->comm, request),
                  "MPI_Isend", err);
    if (status != STATUS_OK) {
        request_set_remove(&mpi->sends, mpi->sends.count - 1);
        return status;
    }
    letter->request_count++;
    return STATUS_OK;
}

static size_t part_count_of(uint64_t size)
{
    return (size_t)((size + PART_SIZE_MAX - 1) / PART_SIZE_MAX);
}

static size_t part_size_at(uint64_t size, uint64_t offset)
{
    const uint64_t left = size - offset;
    return left < PART_SIZE_MAX ? (size_t)left : PART_SIZE_MAX;
}

static enum status post_head(struct transport_mpi *mpi, struct letter *letter,
                             const struct buffer *bytes, struct error *err)
{
    const struct message_head head = {
        .magic = HEAD_MAGIC,
        .sequence = mpi->peers[letter->rank].sequence,
        .size = bytes->size,
    };
    size_t size = sizeof(head);
    memcpy(letter->head->bytes, &head, sizeof(head));
    if (bytes->size > 0 && bytes->size <= HEAD_ROOM) {
        memcpy(letter->head->bytes + sizeof(head), bytes->data, bytes->size);
        size += bytes->size;
    }
    return letter_post(mpi, letter, letter->head->bytes, size, TAG_HEAD, err);
}

static enum status post_parts(struct transport_mpi *mpi, struct letter *letter, struct error *err)
{
    enum status status = STATUS_OK;
    for (uint64_t offset = 0; status == STATUS_OK && offset < letter->size;) {
        const size_t size = part_size_at(letter->size, offset);
        status = letter_post(mpi, letter, letter->data + offset, size, TAG_BODY, err);
        offset += size;
    }
    return status;
}

static enum status mpi_send(struct transport_mpi *mpi, uint32_t rank, struct buffer *bytes,
                            struct error *err)
{
    struct peer *peer = &mpi->peers[rank];
    if (peer->is_abandoned) {
        buffer_free(bytes);
        return STATUS_OK;
    }
    if (bytes->size > MESSAGE_SIZE_MAX) {
        return error_set(err, STATUS_LIMIT, "message of %zu bytes: too large", bytes->size);
    }
    struct letter *letter = NULL;
    if (request_set_reserve(&mpi->sends, 1 + part_count_of(bytes->size)) != STATUS_OK ||
        (letter = letter_create(mpi, rank, bytes->size)) == NULL) {
        return no_memory(err);
    }
    enum status status = post_head(mpi, letter, bytes, err);
    if (status != STATUS_OK) {
        letter_recycle(mpi, letter);
        return status;
    }
    peer->sequence++;
    peer->pending += letter->size;
    mpi->pending_all += letter->size;
    if (letter->size <= HEAD_ROOM) {
        buffer_free(bytes);
        return STATUS_OK;
    }
    size_t size = 0;
    letter->data = buffer_take(bytes, &size);
    return post_parts(mpi, letter, err);
}

static enum status on_sent(void *context, struct request_set *set, size_t index,
                           const MPI_Status *mpi_status, struct error *err)
{
    struct transport_mpi *mpi = context;
    struct letter *letter = set->owners[index];
    if (--letter->request_count == 0) {
        mpi->peers[letter->rank].pending -= letter->size;
        mpi->pending_all -= letter->size;
        letter_recycle(mpi, letter);
    }
    if (mpi_is_failure(mpi_status->MPI_ERROR)) {
        mpi->failed.is_noted = true;
        return STATUS_OK;
    }
    return mpi_check(mpi_status->MPI_ERROR, "MPI_Isend", err);
}

static uint64_t mpi_pending(const struct transport_mpi *mpi, uint32_t rank)
{
    return mpi->peers[rank].pending;
}

static uint64_t mpi_pending_all(const struct transport_mpi *mpi)
{
    return mpi->pending_all;
}

static uint64_t mpi_arrivals(const struct transport_mpi *mpi, uint32_t rank)
{
    return mpi->peers[rank].arrivals;
}

/* ---- Receiving ------------------------------------------------------------------------------- */

/* Post a receive at `index` of the heads. Its block is reserved. */
static enum status head_post(struct transport_mpi *mpi, size_t index, struct error *err)
{
    struct block *block = block_pool_take(&mpi->blocks, HEAD_SIZE_MAX);
    if (block == NULL) {
        return no_memory(err);
    }
    mpi->heads.owners[index] = block;
    return mpi_check(MPI_Irecv(block->bytes, (int)HEAD_SIZE_MAX, MPI_BYTE, MPI_ANY_SOURCE, TAG_HEAD,
                               mpi->comm, &mpi->heads.requests[index]),
                     "MPI_Irecv", err);
}

static enum status heads_add(struct transport_mpi *mpi, uint32_t count, struct error *err)
{
    if (request_set_reserve(&mpi->heads, count) != STATUS_OK) {
        return no_memory(err);
    }
    enum status status = STATUS_OK;
    for (uint32_t i = 0; status == STATUS_OK && i < count; i++) {
        (void)request_set_add(&mpi->heads, NULL);
        status = head_post(mpi, mpi->heads.count - 1, err);
    }
    if (status != STATUS_OK) {
        request_set_remove(&mpi->heads, mpi->heads.count - 1);
    }
    return status;
}

static enum status on_head(void *context, struct request_set *set, size_t index,
                           const MPI_Status *mpi_status, struct error *err)
{
    struct transport_mpi *mpi = context;
    struct block *block = set->owners[index];
    const int code = mpi_status->MPI_ERROR;
    int size = 0;
    if (code == MPI_SUCCESS && MPI_Get_count(mpi_status, MPI_BYTE, &size) == MPI_SUCCESS) {
        mpi->peers[mpi_status->MPI_SOURCE].arrivals++;
        inbox_on_head(mpi->inbox, (uint32_t)mpi_status->MPI_SOURCE, block, (size_t)size);
    } else {
        block_pool_give(&mpi->blocks, block);
    }
    const enum status status = head_post(mpi, index, err);
    if (mpi_is_error(code, MPI_ERR_TRUNCATE)) {
        log_warning("message ignored reason=long rank=%d", mpi_status->MPI_SOURCE);
        return status;
    }
    return status != STATUS_OK ? status : mpi_check(code, "MPI_Irecv", err);
}

static enum status on_part(void *context, struct request_set *set, size_t index,
                           const MPI_Status *mpi_status, struct error *err)
{
    struct transport_mpi *mpi = context;
    const int code = mpi_status->MPI_ERROR;
    int size = 0;
    if (mpi_is_failure(code)) {
        mpi->failed.is_noted = true;
        return STATUS_OK; /* the arrival waits until its rank is given up */
    }
    if (code == MPI_SUCCESS && MPI_Get_count(mpi_status, MPI_BYTE, &size) != MPI_SUCCESS) {
        size = 0;
    }
    const struct arrival *arrival = set->owners[index];
    mpi->peers[arrival->rank].arrivals++;
    /* A part of the wrong size is the inbox's to refuse. */
    inbox_on_part(mpi->inbox, set->owners[index], (size_t)size);
    return mpi_is_error(code, MPI_ERR_TRUNCATE) ? STATUS_OK : mpi_check(code, "MPI_Irecv", err);
}

static enum status body_post(struct transport_mpi *mpi, struct arrival *arrival, struct error *err)
{
    const size_t part_count = part_count_of(arrival->size);
    struct block *block = NULL;
    if (request_set_reserve(&mpi->bodies, part_count) != STATUS_OK ||
        (block = block_pool_take(&mpi->blocks, arrival->size)) == NULL) {
        return no_memory(err);
    }
    inbox_start_body(mpi->inbox, arrival, block, (uint32_t)part_count);
    enum status status = STATUS_OK;
    for (uint64_t offset = 0; status == STATUS_OK && offset < arrival->size;) {
        const size_t size = part_size_at(arrival->size, offset);
        MPI_Request *request = request_set_add(&mpi->bodies, arrival);
        status = mpi_check(MPI_Irecv(block->bytes + offset, (int)size, MPI_BYTE, (int)arrival->rank,
                                     TAG_BODY, mpi->comm, request),
                           "MPI_Irecv", err);
        if (status != STATUS_OK) {
            request_set_remove(&mpi->bodies, mpi->bodies.count - 1);
        }
        offset += size;
    }
    return status;
}

static enum status bodies_post(struct transport_mpi *mpi, struct error *err)
{
    enum status status = STATUS_OK;
    struct arrival *arrival = inbox_next_body(mpi->inbox);
    while (status == STATUS_OK && arrival != NULL) {
        status = body_post(mpi, arrival, err);
        arrival = inbox_next_body(mpi->inbox);
    }
    return status;
}

/* All that memory could fail for is had before a head is taken from MPI, so nothing gets lost. */
static enum status reserve(struct transport_mpi *mpi, struct error *err)
{
    if (block_pool_reserve(&mpi->blocks, HEAD_SIZE_MAX, REQUEST_WINDOW) != STATUS_OK ||
        inbox_reserve(mpi->inbox, REQUEST_WINDOW) != STATUS_OK) {
        return no_memory(err);
    }
    return STATUS_OK;
}

/* Heads come last: what was done before has made them progress already. */
static enum status progress(struct transport_mpi *mpi, struct error *err)
{
    enum status status = request_set_test(&mpi->sends, on_sent, mpi, err);
    if (status == STATUS_OK) {
        status = request_set_test(&mpi->bodies, on_part, mpi, err);
    }
    if (status == STATUS_OK) {
        status = reserve(mpi, err);
    }
    if (status == STATUS_OK) {
        status = request_set_test(&mpi->heads, on_head, mpi, err);
    }
    if (status == STATUS_OK) {
        status = bodies_post(mpi, err);
    }
    if (mpi->heads.is_held_up) {
        mpi->heads.is_held_up = false;
        mpi->failed.is_noted = true;
    }
    return status == STATUS_OK ? failed_ranks_look(&mpi->failed, mpi->comm, err) : status;
}

/* MPI is only asked when nothing is ready, so no more than a window gets ready at once. It is asked
 * twice, because a test looks first and moves messages afterwards. */
static enum status mpi_receive(struct transport_mpi *mpi, struct transport_message *message_out,
                               bool *is_message_out, struct error *err)
{
    struct inbox_message message;
    *is_message_out = inbox_take(mpi->inbox, &message);
    for (int turn = 0; turn < 2 && !*is_message_out; turn++) {
        const enum status status = progress(mpi, err);
        if (status != STATUS_OK) {
            return status;
        }
        *is_message_out = inbox_take(mpi->inbox, &message);
    }
    if (*is_message_out) {
        *message_out = (struct transport_message){
            .rank = message.rank,
            .data = message.data,
            .size = message.size,
            .block = message.block,
        };
    }
    return STATUS_OK;
}

static void mpi_release(struct transport_mpi *mpi, struct transport_message *message)
{
    block_pool_give(&mpi->blocks, message->block);
}

/* ---- Loss ------------------------------------------------------------------------------------ */

static bool mpi_next_failed(struct transport_mpi *mpi, uint32_t *rank_out)
{
    return failed_ranks_take(&mpi->failed, rank_out);
}

/* Letters to a lost rank, and the blocks of bodies from it, are neither used nor freed again: MPI
 * may still read or write them. */
static void mpi_abandon(struct transport_mpi *mpi, uint32_t rank)
{
    struct peer *peer = &mpi->peers[rank];
    if (peer->is_abandoned) {
        return;
    }
    peer->is_abandoned = true;
    mpi->has_abandoned = true;
    for (size_t i = mpi->sends.count; i-- > 0;) {
        const struct letter *letter = mpi->sends.owners[i];
        if (letter->rank == rank) {
            request_set_remove(&mpi->sends, i);
        }
    }
    for (size_t i = mpi->bodies.count; i-- > 0;) {
        const struct arrival *arrival = mpi->bodies.owners[i];
        if (arrival->rank == rank) {
            request_set_remove(&mpi->bodies, i);
        }
    }
    mpi->pending_all -= peer->pending;
    peer->pending = 0;
    inbox_abandon(mpi->inbox, rank);

    struct error err;
    if (mpi->heads.count < HEADS_MAX && heads_add(mpi, 1, &err) != STATUS_OK) {
        log_warning("receive not posted rank=%" PRIu32 " error=%s", rank, err.text);
    }
}

/* ---- Opening and closing --------------------------------------------------------------------- */

static uint32_t head_count_of(const struct transport_place *place)
{
    if (place->rank != 0) {
        return HEADS_OF_WORKER;
    }
    if (place->size >= HEADS_OF_MASTER_MAX / 2) {
        return HEADS_OF_MASTER_MAX;
    }
    const uint32_t count = 2 * place->size;
    return count < HEADS_OF_MASTER_MIN ? HEADS_OF_MASTER_MIN : count;
}

static void mpi_destroy(struct transport_mpi *mpi)
{
    failed_ranks_free(&mpi->failed);
    inbox_destroy(mpi->inbox);
    block_pool_clear(&mpi->blocks);
    while (mpi->free_letters != NULL) {
        struct letter *next = mpi->free_letters->next;
        free(mpi->free_letters);
        mpi->free_letters = next;
    }
    request_set_free(&mpi->heads);
    request_set_free(&mpi->bodies);
    request_set_free(&mpi->sends);
    free(mpi->peers);
    free(mpi);
}

/* Once MPI may write to the receives, a failure leaves all as it is: the process is about to end.
 */
static enum status mpi_open(struct transport_mpi **mpi_out, struct transport_place *place_out,
                            struct error *err)
{
    struct transport_mpi *mpi = calloc(1, sizeof(*mpi));
    if (mpi == NULL) {
        return no_memory(err);
    }
    enum status status = transport_join(&mpi->comm, &mpi->place, err);
    if (status != STATUS_OK) {
        goto fail;
    }
    assert(mpi->place.size > 0);
    log_set_rank((int)mpi->place.rank);
    mpi->peers = calloc(mpi->place.size, sizeof(*mpi->peers));
    if (mpi->peers == NULL ||
        inbox_create(mpi->place.size, &mpi->blocks, &mpi->inbox) != STATUS_OK ||
        failed_ranks_create(&mpi->failed, mpi->place.size) != STATUS_OK) {
        status = no_memory(err);
        goto fail;
    }
    status = heads_add(mpi, head_count_of(&mpi->place), err);
    if (status != STATUS_OK) {
        return status;
    }
    *place_out = mpi->place;
    *mpi_out = mpi;
    return STATUS_OK;

fail:
    mpi_destroy(mpi);
    return status;
}

static enum status close_sends(struct transport_mpi *mpi, time_t deadline, struct error *err)
{
    while (mpi->sends.count > 0) {
        const enum status status = progress(mpi, err);
        if (status != STATUS_OK) {
            return status;
        }
        if (time(NULL) > deadline) {
            return error_set(err, STATUS_TRANSPORT, "%zu messages were not taken",
                             mpi->sends.count);
        }
        (void)sched_yield();
    }
    return STATUS_OK;
}

/* A receive that matched nothing is ended by MPI_Cancel; one that just did ends by itself. */
static enum status close_heads(struct transport_mpi *mpi, time_t deadline, struct error *err)
{
    for (size_t i = 0; i < mpi->heads.count; i++) {
        enum status status = mpi_check(MPI_Cancel(&mpi->heads.requests[i]), "MPI_Cancel", err);
        int is_done = 0;
        while (status == STATUS_OK && !is_done) {
            status = mpi_check(MPI_Test(&mpi->heads.requests[i], &is_done, MPI_STATUS_IGNORE),
                               "MPI_Test", err);
            if (status == STATUS_OK && !is_done && time(NULL) > deadline) {
                status = error_set(err, STATUS_TRANSPORT, "a receive does not end");
            }
        }
        if (status != STATUS_OK) {
            return status;
        }
        block_pool_give(&mpi->blocks, mpi->heads.owners[i]);
    }
    mpi->heads.count = 0;
    return STATUS_OK;
}

static void mpi_close(struct transport_mpi *mpi, bool is_clean, int late_status)
{
    if (!is_clean || mpi->has_abandoned) {
        return;
    }
    struct error err = {0};
    const time_t deadline = time(NULL) + TRANSPORT_END_SECONDS_MAX;
    enum status status = close_sends(mpi, deadline, &err);
    if (status == STATUS_OK && mpi->bodies.count > 0) {
        status = error_set(&err, STATUS_TRANSPORT, "a message is still under way");
    }
    if (status == STATUS_OK) {
        status = close_heads(mpi, deadline, &err);
    }
    if (status == STATUS_OK) {
        status = mpi_check(MPI_Comm_free(&mpi->comm), "MPI_Comm_free", &err);
    }
    if (status == STATUS_OK) {
        status = transport_finalize(late_status, &err);
    }
    if (status != STATUS_OK) {
        log_warning("MPI was not ended cleanly rank=%" PRIu32 " error=%s", mpi->place.rank,
                    err.text);
        return;
    }
    mpi_destroy(mpi);
}

static void mpi_abort(int exit_status)
{
    (void)MPI_Abort(MPI_COMM_WORLD, exit_status);
}

/* ---- The face -------------------------------------------------------------------------------- */

#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)
#if defined(OMPI_MAJOR_VERSION)
#define BUILT_FOR                                                                                  \
    "Open MPI " TEXT(OMPI_MAJOR_VERSION) "." TEXT(OMPI_MINOR_VERSION) "." TEXT(OMPI_RELEASE_VERSION)
#elif defined(MPICH_VERSION)
#define BUILT_FOR "MPICH " MPICH_VERSION
#else
#define BUILT_FOR "another MPI"
#endif

const struct transport_face *transport_mpi_face(void)
{
    static const struct transport_face face = {
        .version = MAPFLEET_VERSION,
        .built_for = BUILT_FOR,
        .describe = transport_read_name,
        .open = mpi_open,
        .close = mpi_close,
        .abort = mpi_abort,
        .send = mpi_send,
        .receive = mpi_receive,
        .release = mpi_release,
        .pending = mpi_pending,
        .pending_all = mpi_pending_all,
        .arrivals = mpi_arrivals,
        .next_failed = mpi_next_failed,
        .abandon = mpi_abandon,
    };
    return &face;
}
