#include "shared/transport_remains.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEGMENT_PREFIX "/dev/shm/vader_segment."

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
        if (path != NULL && strncmp(path, SEGMENT_PREFIX, strlen(SEGMENT_PREFIX)) == 0) {
            path[strcspn(path, " \n")] = '\0'; /* " (deleted)" follows where it is gone */
            (void)unlink(path);
        }
    }
    free(line);
    (void)fclose(maps);
}
