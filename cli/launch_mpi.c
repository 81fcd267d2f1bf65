#include "cli/launch_mpi.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/memory.h"

#define MAJOR_MIN 4
#define NAME "(Open MPI) "

enum status launch_mpi_look(const char *program, struct error *err)
{
    const char *path = getenv("PATH");
    char *folders = memory_copy_text(path != NULL ? path : "");
    char *rest = folders;
    bool is_there = false;
    for (const char *folder = strsep(&rest, ":"); folder != NULL && !is_there;
         folder = strsep(&rest, ":")) {
        const size_t size = strlen(folder) + strlen(program) + 3;
        char *file = memory_take(size, 1);
        (void)snprintf(file, size, "%s/%s", *folder == '\0' ? "." : folder, program);
        is_there = access(file, X_OK) == 0;
        free(file);
    }
    free(folders);
    return is_there ? STATUS_OK
                    : error_set(err, STATUS_NOT_FOUND,
                                "there is no %s in $PATH to start ranks with", program);
}

enum status launch_mpi_read(const char *line, int *major_out, struct error *err)
{
    const char *at = strstr(line, NAME);
    if (at == NULL) {
        return error_set(
            err, STATUS_INVALID,
            "mpirun --version says \"%.*s\": expected Open MPI; start the run with that "
            "MPI's own launcher, or put Open MPI's mpirun first in $PATH",
            (int)strcspn(line, "\n"), line);
    }
    *major_out = (int)strtol(at + strlen(NAME), NULL, 10);
    return *major_out >= MAJOR_MIN
               ? STATUS_OK
               : error_set(err, STATUS_INVALID, "mpirun is of Open MPI %.*s: expected %d or later",
                           (int)strcspn(at + strlen(NAME), "\n"), at + strlen(NAME), MAJOR_MIN);
}

enum status launch_mpi_find(int *major_out, struct error *err)
{
    char line[256] = "";
    const enum status status = launch_mpi_look("mpirun", err);
    if (status != STATUS_OK) {
        return status;
    }
    FILE *answer = popen("mpirun --version 2>&1", "re");
    if (answer == NULL) {
        return error_set(err, STATUS_IO, "mpirun could not be asked for its version");
    }
    if (fgets(line, sizeof(line), answer) == NULL) {
        line[0] = '\0';
    }
    char rest[256]; /* what it has to say it shall say, or it may fail */
    char *more = rest;
    while (more != NULL) {
        more = fgets(rest, sizeof(rest), answer);
    }
    (void)pclose(answer);
    return launch_mpi_read(line, major_out, err);
}
