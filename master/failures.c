#include "master/failures.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "master/index_set.h"
#include "shared/memory.h"

struct group {
    enum failure_class class;
    char *text;
    size_t text_size;
    uint64_t count; /* attempts */
    struct index_set indices;
};

struct failures {
    struct group groups[FAILURES_GROUP_COUNT_MAX]; /* in the order in which they were first seen */
    size_t group_count;
    uint64_t count;        /* attempts, of all groups and of none */
    uint64_t beyond_count; /* attempts of no group */
};

enum status failures_create(struct failures **failures_out)
{
    *failures_out = calloc(1, sizeof(**failures_out));
    return *failures_out == NULL ? STATUS_NO_MEMORY : STATUS_OK;
}

void failures_destroy(struct failures *failures)
{
    if (failures == NULL) {
        return;
    }
    for (size_t i = 0; i < failures->group_count; i++) {
        free(failures->groups[i].text);
        index_set_free(&failures->groups[i].indices);
    }
    free(failures);
}

static struct group *find_group(struct failures *failures, enum failure_class class,
                                const char *text, size_t text_size)
{
    for (size_t i = 0; i < failures->group_count; i++) {
        struct group *group = &failures->groups[i];
        if (group->class == class && group->text_size == text_size &&
            memcmp(group->text, text, text_size) == 0) {
            return group;
        }
    }
    if (failures->group_count == FAILURES_GROUP_COUNT_MAX) {
        return NULL;
    }
    struct group *group = &failures->groups[failures->group_count++];
    *group = (struct group){
        .class = class, .text = memory_take(text_size + 1, 1), .text_size = text_size};
    memcpy(group->text, text, text_size);
    return group;
}

void failures_add(struct failures *failures, uint64_t index, enum failure_class class,
                  const char *text, size_t text_size)
{
    struct group *group = find_group(failures, class, text, text_size);
    failures->count++;
    if (group == NULL) {
        failures->beyond_count++;
        return;
    }
    group->count++;
    if (!index_set_contains(&group->indices, index)) {
        index_set_add(&group->indices, index, 1);
    }
}

uint64_t failures_count(const struct failures *failures)
{
    return failures->count;
}

/* ---- Printing ---------------------------------------------------------------------------------
 */

static int by_count(const void *a, const void *b)
{
    const struct group *const *left = a;
    const struct group *const *right = b;
    if ((*left)->count != (*right)->count) {
        return (*left)->count > (*right)->count ? -1 : 1;
    }
    return *left < *right ? -1 : 1; /* who came first */
}

static enum status print_ranges(const struct group *group, size_t range_max, struct buffer *out)
{
    enum status status = STATUS_OK;
    uint64_t from = 0;
    uint64_t start;
    uint64_t count;
    for (size_t i = 0; status == STATUS_OK &&
                       index_set_next_run(&group->indices, from, UINT64_MAX, &start, &count);
         i++, from = start + count) {
        if (i == range_max) {
            return buffer_printf(out, "...");
        }
        status = count == 1
                     ? buffer_printf(out, "[%" PRIu64 "]", start)
                     : buffer_printf(out, "[%" PRIu64 "-%" PRIu64 "]", start, start + count - 1);
    }
    return status;
}

static enum status print_text(const struct group *group, struct buffer *out)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < group->text_size && status == STATUS_OK; i++) {
        status = group->text[i] == '\n' ? buffer_append(out, " | ", 3)
                                        : buffer_append_byte(out, (uint8_t)group->text[i]);
    }
    return status;
}

static enum status print_group(const struct group *group, size_t range_max, struct buffer *out)
{
    enum status status = print_ranges(group, range_max, out);
    if (status == STATUS_OK) {
        status = buffer_printf(out, ": %s%s", failure_class_name(group->class),
                               group->text_size > 0 ? ": " : "");
    }
    if (status == STATUS_OK) {
        status = print_text(group, out);
    }
    return status == STATUS_OK ? buffer_append_byte(out, '\n') : status;
}

enum status failures_print(const struct failures *failures, size_t group_max, size_t range_max,
                           struct buffer *out)
{
    const struct group *sorted[FAILURES_GROUP_COUNT_MAX];
    enum status status = STATUS_OK;
    uint64_t left = failures->beyond_count;
    for (size_t i = 0; i < failures->group_count; i++) {
        sorted[i] = &failures->groups[i];
    }
    qsort(sorted, failures->group_count, sizeof(sorted[0]), by_count);
    for (size_t i = 0; i < failures->group_count && status == STATUS_OK; i++) {
        if (i < group_max) {
            status = print_group(sorted[i], range_max, out);
        } else {
            left += sorted[i]->count;
        }
    }
    if (left == 0 || status != STATUS_OK) {
        return status;
    }
    const size_t more = failures->group_count > group_max ? failures->group_count - group_max : 0;
    return buffer_printf(out, "%s%zu more group%s (%" PRIu64 " attempts)\n",
                         failures->beyond_count > 0 ? "at least " : "", more > 0 ? more : 1,
                         more > 1 ? "s" : "", left);
}
