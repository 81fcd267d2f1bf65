#include "shared/transport_remains.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of Open MPI 4, and of 5. */
static const char *const prefixes[] = {"/dev/shm/vader_segment.", "/dev/shm/sm_segment."};

static bool is_segment(const char *path)
{
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (strncmp(path, prefixes[i], strlen(prefixes[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* The path of a line of /proc/self/maps is the rest of it, from its first slash on. */
void transport_remains_remove(void)
{
    char *line = NULL;
    size_t capacity = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    if (maps == NULL) {
        return;
    }
    while (getline(&line, &capacity, maps) >= 0) {
        char *path = strchr(line, '/');
        if (path != NULL && is_segment(path)) {
            path[strcspn(path, " \n")] = '\0'; /* " (deleted)" follows where it is gone */
            (void)unlink(path);
        }
    }
    free(line);
    (void)fclose(maps);
}
