#include "cli/report_failures.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <xxhash.h>

#include "cli/stdio_search.h"
#include "shared/memory.h"

static struct report_group *group_of(struct report_failures *failures,
                                     const struct report_failure *failure)
{
    const uint64_t hash =
        XXH3_64bits(failure->text_size == 0 ? "" : failure->text, failure->text_size);
    for (size_t i = 0; i < failures->group_count; i++) {
        struct report_group *group = &failures->groups[i];
        if (group->hash == hash && group->class == failure->class &&
            group->text_size == failure->text_size &&
            (group->text_size == 0 || memcmp(group->text, failure->text, group->text_size) == 0)) {
            return group;
        }
    }
    if (failures->group_count == REPORT_GROUP_COUNT_MAX) {
        return NULL;
    }
    struct report_group *group = &failures->groups[failures->group_count++];
    *group = (struct report_group){.class = failure->class,
                                   .text = memory_take(failure->text_size + 1, 1),
                                   .text_size = failure->text_size,
                                   .hash = hash};
    if (failure->text_size > 0) {
        memcpy(group->text, failure->text, failure->text_size);
    }
    return group;
}

void report_failures_add(struct report_failures *failures, uint64_t map,
                         const struct report_failure *failure)
{
    struct report_group *group = group_of(failures, failure);
    failures->count++;
    if (group == NULL) {
        failures->count_beyond++;
        return;
    }
    if (group->count++ == 0) {
        group->map = map;
        group->index = failure->index;
        group->attempt = failure->attempt;
    }
    if (group->map == map) {
        index_set_put(&group->indices, failure->index, 1);
    }
}

static int by_count(const void *a, const void *b)
{
    const struct report_group *left = a;
    const struct report_group *right = b;
    return left->count > right->count   ? -1
           : left->count < right->count ? 1
           : left->index < right->index ? -1
                                        : left->index > right->index;
}

void report_failures_settle(struct report_failures *failures)
{
    if (failures->group_count > 0) {
        qsort(failures->groups, failures->group_count, sizeof(failures->groups[0]), by_count);
    }
}

void report_failures_free(struct report_failures *failures)
{
    for (size_t i = 0; i < failures->group_count; i++) {
        struct report_group *group = &failures->groups[i];
        free(group->text);
        index_set_free(&group->indices);
        buffer_free(&group->printed);
    }
    failures->group_count = 0;
}

/* ---- Examples ---------------------------------------------------------------------------------
 */

static struct report_group *example_of(struct report_failures *failures, uint64_t map,
                                       const struct stdio_entry *entry)
{
    for (size_t i = 0; i < failures->group_count; i++) {
        struct report_group *group = &failures->groups[i];
        if (group->map == map && group->index == entry->index && group->attempt == entry->attempt) {
            return group;
        }
    }
    return NULL;
}

static bool wants(void *context, const struct stdio_record *record, const struct stdio_entry *entry)
{
    return example_of(context, record->map, entry) != NULL;
}

/* The last words of an attempt tell most. What was kept last of it counts. */
static enum status take(void *context, const struct stdio_record *record,
                        const struct stdio_entry *entry, const uint8_t *text)
{
    struct report_group *group = example_of(context, record->map, entry);
    const size_t size = (size_t)(entry->sizes[STDIO_OUT] + entry->sizes[STDIO_ERR]);
    const size_t kept = size < REPORT_EXAMPLE_SIZE_MAX ? size : REPORT_EXAMPLE_SIZE_MAX;
    if (record->time_ms < group->printed_ms) {
        return STATUS_OK;
    }
    group->printed_ms = record->time_ms;
    group->printed_before = size - kept;
    buffer_clear(&group->printed);
    return buffer_append(&group->printed, text + (size - kept), kept);
}

static uint64_t size_of_stdio(const char *run_dir)
{
    char *path = NULL;
    uint64_t size = 0;
    struct stat about;
    if (asprintf(&path, "%s/" STDIO_RECORD_FOLDER, run_dir) < 0) {
        return 0;
    }
    DIR *folder = opendir(path);
    const struct dirent *entry = folder != NULL ? readdir(folder) : NULL;
    while (entry != NULL) {
        const bool is_there = fstatat(dirfd(folder), entry->d_name, &about, 0) == 0;
        size += is_there && S_ISREG(about.st_mode) ? (uint64_t)about.st_size : 0;
        entry = readdir(folder);
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
    free(path);
    return size;
}

enum status report_failures_find_examples(struct report_failures *failures, const char *run_dir,
                                          struct error *err)
{
    const struct stdio_visitor visitor = {.wants = wants, .take = take, .context = failures};
    if (failures->group_count == 0) {
        return STATUS_OK;
    }
    failures->is_unsearched = size_of_stdio(run_dir) > REPORT_STDIO_SIZE_MAX;
    return failures->is_unsearched ? STATUS_OK : stdio_search(run_dir, &visitor, err);
}
