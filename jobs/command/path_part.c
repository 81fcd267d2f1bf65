#include "jobs/command/path_part.h"

#include <stdbool.h>
#include <string.h>

static struct piece without_ending(struct piece path)
{
    const char *point = memrchr(path.text, '.', path.size);
    const char *slash = memrchr(path.text, '/', path.size);
    const bool is_ending = point != NULL && (slash == NULL || slash < point);
    return is_ending ? (struct piece){path.text, (size_t)(point - path.text)} : path;
}

static struct piece last_name(struct piece path)
{
    const char *slash = memrchr(path.text, '/', path.size);
    if (slash == NULL) {
        return path;
    }
    const size_t before = (size_t)(slash + 1 - path.text);
    return (struct piece){slash + 1, path.size - before};
}

static struct piece trim_slashes(struct piece path)
{
    while (path.size > 1 && path.text[path.size - 1] == '/') {
        path.size--;
    }
    return path;
}

/* As dirname(1): slashes at the end do not count. */
static struct piece folder(struct piece path)
{
    path = trim_slashes(path);
    const char *slash = memrchr(path.text, '/', path.size);
    if (slash == NULL) {
        return (struct piece){".", 1};
    }
    return trim_slashes((struct piece){path.text, (size_t)(slash + 1 - path.text)});
}

struct piece path_part(struct piece path, enum path_part part)
{
    switch (part) {
    case PATH_WHOLE:
        return path;
    case PATH_NO_ENDING:
        return without_ending(path);
    case PATH_NAME:
        return last_name(path);
    case PATH_FOLDER:
        return folder(path);
    case PATH_NAME_NO_ENDING:
        return without_ending(last_name(path));
    }
    return path;
}
