#include "master/lease.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"

struct lease *lease_create(void)
{
    struct lease *lease = memory_take(1, sizeof(*lease));
    lease->spans = &lease->own;
    lease->span_capacity = 1;
    return lease;
}

void lease_destroy(struct lease *lease)
{
    if (lease != NULL) {
        free(lease->spans != &lease->own ? lease->spans : NULL);
        free(lease);
    }
}

static void reserve(struct lease *lease, size_t span_count)
{
    if (span_count <= lease->span_capacity) {
        return;
    }
    const bool is_own = lease->spans == &lease->own;
    lease->span_capacity = (uint32_t)(span_count + span_count / 2 + 1);
    lease->spans =
        memory_resize(is_own ? NULL : lease->spans, lease->span_capacity, sizeof(*lease->spans));
    if (is_own) {
        lease->spans[0] = lease->own;
    }
}

/* What is reported tells no growth, so that spans which differ in nothing else are one here. */
void lease_fill(struct lease *lease, uint64_t id, const struct span *spans, size_t span_count)
{
    reserve(lease, span_count);
    lease->span_count = 0;
    for (size_t i = 0; i < span_count; i++) {
        struct span *last = i > 0 ? &lease->spans[lease->span_count - 1] : NULL;
        if (last != NULL && last->start + last->count == spans[i].start &&
            last->attempt == spans[i].attempt) {
            last->count += spans[i].count;
        } else {
            lease->spans[lease->span_count] = spans[i];
            lease->spans[lease->span_count++].growth = 0;
        }
    }
    lease->id = id;
    lease->count = span_list_count(spans, span_count);
    lease->is_recalled = false;
    lease->is_copy = false;
    lease->shared_count = 0;
    lease->next = NULL;
}

/* The last span that starts at or before `index`; span_count where there is none. */
static size_t find(const struct lease *lease, uint64_t index)
{
    size_t low = 0;
    size_t high = lease->span_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (lease->spans[middle].start <= index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 ? low - 1 : lease->span_count;
}

bool lease_holds(const struct lease *lease, struct span span)
{
    const size_t at = find(lease, span.start);
    if (at == lease->span_count || span.count == 0) {
        return false;
    }
    const struct span *held = &lease->spans[at];
    const uint64_t offset = span.start - held->start;
    return held->attempt == span.attempt && offset < held->count &&
           span.count <= held->count - offset;
}

bool lease_find(const struct lease *lease, uint64_t index, struct span *instance_out)
{
    const size_t at = find(lease, index);
    if (at == lease->span_count || index - lease->spans[at].start >= lease->spans[at].count) {
        return false;
    }
    *instance_out = (struct span){.start = index, .count = 1, .attempt = lease->spans[at].attempt};
    return true;
}

static void move_tail(struct lease *lease, size_t from, size_t to)
{
    memmove(&lease->spans[to], &lease->spans[from],
            (lease->span_count - from) * sizeof(*lease->spans));
    lease->span_count = (uint32_t)(lease->span_count + to - from);
}

void lease_remove(struct lease *lease, struct span span)
{
    assert(lease_holds(lease, span));
    const size_t at = find(lease, span.start);
    const struct span held = lease->spans[at];
    const uint64_t before = span.start - held.start;
    const uint64_t after = held.count - before - span.count;
    lease->count -= span.count;

    if (before == 0 && after == 0) {
        move_tail(lease, at + 1, at);
        return;
    }
    if (before > 0 && after > 0) {
        reserve(lease, lease->span_count + 1);
        move_tail(lease, at, at + 1);
    }
    if (before > 0) {
        lease->spans[at].count = before;
        lease->spans[at].start = held.start;
        lease->spans[at].attempt = held.attempt;
    }
    if (after > 0) {
        lease->spans[at + (before > 0 ? 1 : 0)] = (struct span){
            .start = span.start + span.count, .count = after, .attempt = held.attempt};
    }
}
