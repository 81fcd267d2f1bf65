#include "bench/simulate/post.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"

/* Four children a node: half as many levels as two, in as many cache lines. */
#define CHILDREN 4

static bool is_before(const struct event *a, const struct event *b)
{
    return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->number < b->number;
}

void post_free(struct post *post)
{
    while (!post_is_empty(post)) {
        post_release(post, post_take(post).message);
    }
    while (post->spare != NULL) {
        struct message *next = post->spare->next;
        free(post->spare->spans);
        free(post->spare->ended);
        free(post->spare);
        post->spare = next;
    }
    for (size_t i = 0; i < POST_DAY_COUNT; i++) {
        free(post->days[i].events);
    }
    free(post->heap);
    *post = (struct post){0};
}

static void heap_put(struct post *post, struct event event)
{
    post->heap = memory_grow(post->heap, post->count, &post->capacity, sizeof(*post->heap));
    size_t at = post->count++;
    for (; at > 0 && is_before(&event, &post->heap[(at - 1) / CHILDREN]);
         at = (at - 1) / CHILDREN) {
        post->heap[at] = post->heap[(at - 1) / CHILDREN];
    }
    post->heap[at] = event;
}

static struct event heap_take(struct post *post)
{
    const struct event first = post->heap[0];
    const struct event last = post->heap[--post->count];
    size_t at = 0;
    for (;;) {
        const size_t from = CHILDREN * at + 1;
        size_t least = from;
        for (size_t i = from + 1; i < from + CHILDREN && i < post->count; i++) {
            least = is_before(&post->heap[i], &post->heap[least]) ? i : least;
        }
        if (from >= post->count || !is_before(&post->heap[least], &last)) {
            break;
        }
        post->heap[at] = post->heap[least];
        at = least;
    }
    post->heap[at] = last;
    return first;
}

static struct day *day_of(struct post *post, uint64_t number)
{
    return &post->days[number % POST_DAY_COUNT];
}

/* Behind the events of the day from `first` on that come before it. */
static void day_insert(struct day *day, size_t first, struct event event)
{
    day->events = memory_grow(day->events, day->count, &day->capacity, sizeof(*day->events));
    size_t at = day->count++;
    for (; at > first && is_before(&event, &day->events[at - 1]); at--) {
        day->events[at] = day->events[at - 1];
    }
    day->events[at] = event;
}

static void day_append(struct day *day, struct event event)
{
    day->events = memory_grow(day->events, day->count, &day->capacity, sizeof(*day->events));
    day->events[day->count++] = event;
}

/* An event of the past is one of today. */
static void put(struct post *post, struct event event)
{
    const uint64_t number = event.time_ns / POST_DAY_NS;
    if (number >= post->today + POST_DAY_COUNT) {
        heap_put(post, event);
        return;
    }
    post->day_events++;
    if (number <= post->today) {
        day_insert(day_of(post, post->today), post->next, event);
    } else {
        day_append(day_of(post, number), event);
    }
}

void post_put(struct post *post, struct event event)
{
    event.number = post->number++;
    put(post, event);
}

static int compare_events(const void *a, const void *b)
{
    return is_before(a, b) ? -1 : 1;
}

/* The next day that has an event. */
static void turn_page(struct post *post)
{
    day_of(post, post->today)->count = 0;
    post->next = 0;
    post->today = post->day_events > 0 ? post->today + 1 : post->heap[0].time_ns / POST_DAY_NS;
    struct day *day = day_of(post, post->today);
    if (day->count > 1) {
        qsort(day->events, day->count, sizeof(*day->events), compare_events);
    }
    while (post->count > 0 && post->heap[0].time_ns / POST_DAY_NS < post->today + POST_DAY_COUNT) {
        put(post, heap_take(post));
    }
}

bool post_is_empty(const struct post *post)
{
    return post->day_events == 0 && post->count == 0;
}

struct event post_take(struct post *post)
{
    assert(!post_is_empty(post));
    while (post->next == day_of(post, post->today)->count) {
        turn_page(post);
    }
    post->day_events--;
    return day_of(post, post->today)->events[post->next++];
}

const struct event *post_peek(const struct post *post, size_t ahead)
{
    const struct day *day = &post->days[post->today % POST_DAY_COUNT];
    return post->next + ahead < day->count ? &day->events[post->next + ahead] : NULL;
}

static size_t message_bytes(const struct message *message)
{
    return message == NULL ? 0
                           : sizeof(*message) + message->span_capacity * sizeof(struct span) +
                                 message->ended_capacity * sizeof(struct ended);
}

size_t post_bytes(const struct post *post)
{
    size_t bytes = post->capacity * sizeof(*post->heap);
    for (size_t i = 0; i < post->count; i++) {
        bytes += message_bytes(post->heap[i].message);
    }
    for (size_t i = 0; i < POST_DAY_COUNT; i++) {
        const struct day *day = &post->days[i];
        const size_t first = i == post->today % POST_DAY_COUNT ? post->next : 0;
        bytes += day->capacity * sizeof(*day->events);
        for (size_t k = first; k < day->count; k++) {
            bytes += message_bytes(day->events[k].message);
        }
    }
    for (const struct message *message = post->spare; message != NULL; message = message->next) {
        bytes += message_bytes(message);
    }
    return bytes;
}

struct message *post_message(struct post *post)
{
    struct message *message = post->spare;
    if (message == NULL) {
        message = memory_take(1, sizeof(*message));
    } else {
        post->spare = message->next;
    }
    message->span_count = 0;
    message->ended_count = 0;
    message->references = 1;
    return message;
}

void post_release(struct post *post, struct message *message)
{
    if (message != NULL && --message->references == 0) {
        message->next = post->spare;
        post->spare = message;
    }
}

void message_set_spans(struct message *message, const struct span *spans, size_t span_count)
{
    if (span_count > message->span_capacity) {
        message->span_capacity = 2 * span_count;
        message->spans =
            memory_resize(message->spans, message->span_capacity, sizeof(*message->spans));
    }
    if (span_count > 0) {
        memcpy(message->spans, spans, span_count * sizeof(*spans));
    }
    message->span_count = span_count;
}
