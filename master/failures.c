#include "master/failures.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "master/index_set.h"
#include "shared/clean_text.h"
#include "shared/memory.h"
#include "shared/quantity.h"

struct group {
    enum failure_class class;
    char *text; /* not NUL-terminated */
    size_t text_size;
    uint64_t hash;        /* of the text */
    uint64_t count;       /* attempts */
    uint64_t index_first; /* the lowest, to sort by */
    struct index_set indices;
};

struct failures {
    struct group groups[FAILURES_GROUP_COUNT_MAX];
    size_t group_count;
    uint64_t count_beyond; /* attempts with texts that found no room */
};

enum status failures_create(struct failures **failures_out)
{
    struct failures *failures = calloc(1, sizeof(*failures));
    if (failures == NULL) {
        return STATUS_NO_MEMORY;
    }
    *failures_out = failures;
    return STATUS_OK;
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
                                const char *text, size_t text_size, uint64_t hash)
{
    for (size_t i = 0; i < failures->group_count; i++) {
        struct group *group = &failures->groups[i];
        if (group->hash == hash && group->class == class && group->text_size == text_size &&
            (text_size == 0 || memcmp(group->text, text, text_size) == 0)) {
            return group;
        }
    }
    return NULL;
}

/* NULL where there is no room. */
static struct group *add_group(struct failures *failures, enum failure_class class,
                               const char *text, size_t text_size, uint64_t hash)
{
    if (failures->group_count == FAILURES_GROUP_COUNT_MAX) {
        return NULL;
    }
    struct group *group = &failures->groups[failures->group_count++];
    *group = (struct group){.class = class,
                            .text = memory_take(text_size + 1, 1),
                            .text_size = text_size,
                            .hash = hash,
                            .index_first = UINT64_MAX};
    if (text_size > 0) {
        memcpy(group->text, text, text_size);
    }
    return group;
}

void failures_add(struct failures *failures, uint64_t index, enum failure_class class,
                  const char *text, size_t text_size)
{
    const uint64_t hash = XXH3_64bits(text_size == 0 ? "" : text, text_size);
    struct group *group = find_group(failures, class, text, text_size, hash);
    if (group == NULL) {
        group = add_group(failures, class, text, text_size, hash);
    }
    if (group == NULL) {
        failures->count_beyond++;
        return;
    }
    group->count++;
    group->index_first = index < group->index_first ? index : group->index_first;
    if (!index_set_contains(&group->indices, index)) {
        index_set_add(&group->indices, index, 1);
    }
}

void failures_share(struct failures *failures, uint64_t index, enum failure_class class,
                    const char *text, size_t text_size)
{
    const uint64_t hash = XXH3_64bits(text_size == 0 ? "" : text, text_size);
    struct group *group = find_group(failures, class, text, text_size, hash);
    if (group != NULL && !index_set_contains(&group->indices, index)) {
        index_set_add(&group->indices, index, 1);
    }
}

size_t failures_group_count(const struct failures *failures)
{
    return failures->group_count + (failures->count_beyond > 0 ? 1 : 0);
}

uint64_t failures_count(const struct failures *failures)
{
    uint64_t count = failures->count_beyond;
    for (size_t i = 0; i < failures->group_count; i++) {
        count += failures->groups[i].count;
    }
    return count;
}

/* ---- Printing ------------------------------------------------------------------------------- */

static int compare_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

/* Most frequent first, then by index. The order in which reports came in, which differs from run
 * to run, is no part of it: equal so far, groups differ in their class or their text. */
static int compare_groups(const void *a_pointer, const void *b_pointer)
{
    const struct group *a = *(const struct group *const *)a_pointer;
    const struct group *b = *(const struct group *const *)b_pointer;
    int order = compare_numbers(b->count, a->count);
    if (order == 0) {
        order = compare_numbers(a->index_first, b->index_first);
    }
    if (order == 0) {
        order = compare_numbers(a->class, b->class);
    }
    if (order == 0) {
        order = memcmp(a->text, b->text, a->text_size < b->text_size ? a->text_size : b->text_size);
    }
    return order != 0 ? order : compare_numbers(a->text_size, b->text_size);
}

static enum status print_ranges(const struct index_set *indices, size_t range_max,
                                struct buffer *out)
{
    uint64_t start;
    uint64_t count;
    uint64_t from = 0;
    enum status status = STATUS_OK;
    for (size_t i = 0;
         status == STATUS_OK && index_set_next_run(indices, from, UINT64_MAX, &start, &count);
         i++) {
        if (i == range_max) {
            return buffer_printf(out, "...");
        }
        status = count == 1
                     ? buffer_printf(out, "[%" PRIu64 "]", start)
                     : buffer_printf(out, "[%" PRIu64 "-%" PRIu64 "]", start, start + count - 1);
        from = start + count;
    }
    return status;
}

static bool is_break(char byte)
{
    return byte == '\n' || byte == '\r';
}

/* A run of line breaks is one " | "; none stands at the beginning or at the end. */
static enum status print_text(const char *text, size_t size, struct buffer *out)
{
    enum status status = STATUS_OK;
    bool is_first = true;
    for (size_t at = 0; at < size && status == STATUS_OK;) {
        size_t line_size = 0;
        while (at + line_size < size && !is_break(text[at + line_size])) {
            line_size++;
        }
        if (line_size > 0) {
            status = is_first ? STATUS_OK : buffer_printf(out, " | ");
            is_first = false;
        }
        if (line_size > 0 && status == STATUS_OK) {
            status = clean_text(text + at, line_size, out);
        }
        at += line_size + 1;
    }
    return status;
}

static enum status print_group(const struct group *group, size_t range_max, struct buffer *out)
{
    enum status status = print_ranges(&group->indices, range_max, out);
    if (status == STATUS_OK) {
        status = buffer_printf(out, ": %s%s", failure_class_name(group->class),
                               group->text_size > 0 ? ": " : "");
    }
    if (status == STATUS_OK) {
        status = print_text(group->text, group->text_size, out);
    }
    return status != STATUS_OK ? status : buffer_append_byte(out, '\n');
}

/* What the list leaves out: known groups, and attempts beyond all groups, which are of one more
 * group or of many. */
static enum status print_rest(const struct failures *failures, const struct group *const *groups,
                              size_t printed, struct buffer *out)
{
    uint64_t group_count = failures->group_count - printed;
    uint64_t attempt_count = failures->count_beyond;
    char groups_text[QUANTITY_TEXT_SIZE];
    char attempts_text[QUANTITY_TEXT_SIZE];
    for (size_t i = printed; i < failures->group_count; i++) {
        attempt_count += groups[i]->count;
    }
    if (attempt_count == 0) {
        return STATUS_OK;
    }
    group_count += failures->count_beyond > 0 ? 1 : 0;
    return buffer_printf(
        out, "%s%s more %s (%s %s)\n", failures->count_beyond > 1 ? "at least " : "",
        quantity_count_text(group_count, groups_text), group_count == 1 ? "group" : "groups",
        quantity_count_text(attempt_count, attempts_text),
        attempt_count == 1 ? "attempt" : "attempts");
}

static void sort_groups(const struct failures *failures,
                        const struct group *groups_out[FAILURES_GROUP_COUNT_MAX])
{
    for (size_t i = 0; i < failures->group_count; i++) {
        groups_out[i] = &failures->groups[i];
    }
    qsort(groups_out, failures->group_count, sizeof(const struct group *), compare_groups);
}

enum status failures_print(const struct failures *failures, size_t group_max, size_t range_max,
                           struct buffer *out)
{
    const struct group *groups[FAILURES_GROUP_COUNT_MAX];
    const size_t size_before = out->size;
    const size_t printed = failures->group_count < group_max ? failures->group_count : group_max;
    enum status status = STATUS_OK;
    sort_groups(failures, groups);
    for (size_t i = 0; i < printed && status == STATUS_OK; i++) {
        status = print_group(groups[i], range_max, out);
    }
    if (status == STATUS_OK) {
        status = print_rest(failures, groups, printed, out);
    }
    if (status != STATUS_OK) {
        out->size = size_before;
    }
    return status;
}

enum status failures_each(const struct failures *failures, size_t range_max, failures_visit *visit,
                          void *context)
{
    const struct group *groups[FAILURES_GROUP_COUNT_MAX];
    struct buffer instances = {0};
    struct buffer text = {0};
    enum status status = STATUS_OK;
    sort_groups(failures, groups);
    for (size_t i = 0; i < failures->group_count && status == STATUS_OK; i++) {
        buffer_clear(&instances);
        buffer_clear(&text);
        status = print_ranges(&groups[i]->indices, range_max, &instances);
        if (status == STATUS_OK) {
            status = print_text(groups[i]->text, groups[i]->text_size, &text);
        }
        if (status == STATUS_OK) {
            status = visit(context, groups[i]->class, groups[i]->count, &instances, &text);
        }
    }
    buffer_free(&instances);
    buffer_free(&text);
    return status;
}
