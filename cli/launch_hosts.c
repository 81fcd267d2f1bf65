#include "cli/launch_hosts.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"
#include "shared/quantity.h"

#define BLANKS " \t\r\n"

static bool is_name(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        const char c = text[i];
        if (!isalnum((unsigned char)c) && c != '.' && c != '_' && c != '@' &&
            (c != '-' || i == 0)) {
            return false;
        }
    }
    return size > 0;
}

static bool parse_slots(const char *text, uint64_t *slots_out)
{
    return quantity_parse_count(text, slots_out, NULL) == STATUS_OK && *slots_out > 0 &&
           *slots_out <= LAUNCH_SLOT_COUNT_MAX;
}

/* "b:2" */
static bool add_item(char *item, struct launch_hosts *hosts)
{
    uint64_t slots = 1;
    char *colon = strchr(item, ':');
    const size_t name_size = colon == NULL ? strlen(item) : (size_t)(colon - item);
    if (!is_name(item, name_size) || (colon != NULL && !parse_slots(colon + 1, &slots))) {
        return false;
    }
    hosts->host_count++;
    hosts->slot_count += slots;
    return true;
}

enum status launch_hosts_parse(const char *text, struct launch_hosts *hosts_out, struct error *err)
{
    struct launch_hosts hosts = {.has_slots = true};
    enum status status = STATUS_OK;
    char *copy = memory_copy_text(text);
    char *rest = copy;
    for (char *item = strsep(&rest, ","); item != NULL && status == STATUS_OK;
         item = strsep(&rest, ",")) {
        if (!add_item(item, &hosts)) {
            status = error_set(err, STATUS_INVALID,
                               "--hosts: \"%s\": expected NAME or NAME:SLOTS (1 to %d), as in "
                               "a:4,b:2",
                               item, LAUNCH_SLOT_COUNT_MAX);
        }
    }
    free(copy);
    *hosts_out = hosts;
    return status;
}

/* Words behind the name. */
static bool read_words(char **rest, bool *has_slots, uint64_t *slots_out)
{
    for (const char *word = strtok_r(NULL, BLANKS, rest); word != NULL;
         word = strtok_r(NULL, BLANKS, rest)) {
        if (strncmp(word, "slots=", 6) == 0) {
            *has_slots = true;
            if (!parse_slots(word + 6, slots_out)) {
                return false;
            }
        }
    }
    return true;
}

static enum status read_line(const char *path, uint32_t number, char *line,
                             struct launch_hosts *hosts, struct error *err)
{
    bool has_slots = false;
    uint64_t slots = 0;
    char *rest = NULL;
    if (strchr(line, '\r') != NULL) {
        return error_set(err, STATUS_INVALID,
                         "%s:%" PRIu32 ": the line ends with CR LF, as on Windows, which Open MPI "
                         "does not read: expected LF alone (dos2unix, or tr -d '\\r')",
                         path, number);
    }
    line[strcspn(line, "#")] = '\0';
    const char *name = strtok_r(line, BLANKS, &rest);
    if (name == NULL) {
        return STATUS_OK;
    }
    if (!is_name(name, strlen(name))) {
        return error_set(err, STATUS_INVALID,
                         "%s:%" PRIu32 ": \"%s\" is no name of a host: expected NAME slots=COUNT",
                         path, number, name);
    }
    if (!read_words(&rest, &has_slots, &slots)) {
        return error_set(err, STATUS_INVALID,
                         "%s:%" PRIu32 ": slots of %s: expected slots=COUNT, from 1 to %d", path,
                         number, name, LAUNCH_SLOT_COUNT_MAX);
    }
    hosts->has_slots = hosts->has_slots && has_slots;
    hosts->host_count++;
    hosts->slot_count += slots;
    return STATUS_OK;
}

enum status launch_hosts_read(const char *path, struct launch_hosts *hosts_out, struct error *err)
{
    struct launch_hosts hosts = {.has_slots = true};
    enum status status = STATUS_OK;
    char *line = NULL;
    size_t line_size = 0;
    uint32_t number = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return error_set(err, STATUS_IO, "--hostfile: %s: %s", path, strerror(errno));
    }
    while (status == STATUS_OK && getline(&line, &line_size, file) >= 0) {
        number++;
        status = read_line(path, number, line, &hosts, err);
    }
    if (status == STATUS_OK && ferror(file)) {
        status = error_set(err, STATUS_IO, "--hostfile: %s: %s", path, strerror(errno));
    }
    if (status == STATUS_OK && hosts.host_count == 0) {
        status = error_set(err, STATUS_INVALID,
                           "--hostfile: %s names no host: expected lines like node1 slots=1", path);
    }
    free(line);
    (void)fclose(file);
    *hosts_out = hosts;
    return status;
}
