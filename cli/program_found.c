#include "cli/program_found.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/memory.h"

static bool is_program(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISREG(about.st_mode) && access(path, X_OK) == 0;
}

char *program_find(const char *name)
{
    const char *list = getenv("PATH");
    if (strchr(name, '/') != NULL) {
        return is_program(name) ? memory_copy_text(name) : NULL;
    }
    for (const char *at = list != NULL ? list : "/bin:/usr/bin"; at != NULL;) {
        const size_t size = strcspn(at, ":");
        char *path = NULL;
        if (asprintf(&path, "%.*s%s%s", (int)size, at, size > 0 ? "/" : "./", name) >= 0 &&
            is_program(path)) {
            return path;
        }
        free(path);
        at = at[size] == ':' ? at + size + 1 : NULL;
    }
    return NULL;
}

enum status program_check_found(const char *name, struct error *err)
{
    char here[512];
    if (*name == '\0') {
        return error_set(err, STATUS_INVALID,
                         "the command is an empty word: expected the name of a program");
    }
    char *path = program_find(name);
    if (path != NULL) {
        free(path);
        return STATUS_OK;
    }
    (void)snprintf(here, sizeof(here), "./%s", name);
    if (strchr(name, '/') == NULL && access(here, F_OK) == 0) {
        return error_set(err, STATUS_NOT_FOUND,
                         "the command %s is not found in $PATH; a file of that name lies here: "
                         "./%s runs it%s",
                         name, name, is_program(here) ? "" : ", once it is executable (chmod +x)");
    }
    if (access(name, F_OK) == 0) {
        return error_set(err, STATUS_NOT_FOUND, "the command %s is no executable file", name);
    }
    return error_set(err, STATUS_NOT_FOUND, "the command %s is not found%s", name,
                     strchr(name, ' ') != NULL
                         ? ": each word is one argument; --shell runs a whole "
                           "line"
                         : "");
}
