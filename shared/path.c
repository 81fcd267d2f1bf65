#include "shared/path.h"

#include <dlfcn.h>
#include <errno.h>
#include <libgen.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool path_is_url(const char *text)
{
    static const char others[] = "0123456789+.-";
    if (!is_letter(text[0])) {
        return false;
    }
    size_t i = 1;
    while (is_letter(text[i]) || (text[i] != '\0' && strchr(others, text[i]) != NULL)) {
        i++;
    }
    return strncmp(text + i, "://", 3) == 0;
}

/* Drop what says nothing from an absolute path; `..` takes the name before it along. */
static bool normalise(const char *path, char *out)
{
    bool has_up = false;
    size_t size = 0;
    for (const char *at = path; *at != '\0';) {
        at += strspn(at, "/");
        const size_t name_size = strcspn(at, "/");
        if (name_size == 2 && memcmp(at, "..", 2) == 0) {
            has_up = true;
            while (size > 0 && out[--size] != '/') {
            }
        } else if (name_size > 0 && !(name_size == 1 && *at == '.')) {
            out[size++] = '/';
            memcpy(out + size, at, name_size);
            size += name_size;
        }
        at += name_size;
    }
    if (size == 0) {
        out[size++] = '/';
    }
    out[size] = '\0';
    return has_up;
}

static bool is_same_file(const char *path, const struct stat *file)
{
    struct stat other;
    return stat(path, &other) == 0 && other.st_dev == file->st_dev && other.st_ino == file->st_ino;
}

enum status path_resolve(const char *base_dir, const char *path, char resolved_out[PATH_MAX],
                         struct stat *stat_out, struct error *err)
{
    if (path[0] == '\0') {
        return error_set(err, STATUS_INVALID, "the path is empty");
    }
    if (path[0] != '/' && (base_dir == NULL || base_dir[0] != '/')) {
        return error_set(err, STATUS_INVALID, "%s: the path is not absolute", path);
    }
    char joined[PATH_MAX];
    const bool is_absolute = path[0] == '/';
    const bool has_slash = !is_absolute && base_dir[strlen(base_dir) - 1] == '/';
    const int size = snprintf(joined, sizeof(joined), "%s%s%s", is_absolute ? "" : base_dir,
                              is_absolute || has_slash ? "" : "/", path);
    if (size < 0 || (size_t)size >= sizeof(joined)) {
        return error_set(err, STATUS_LIMIT, "%.64s...: the path is too long", path);
    }
    if (stat(joined, stat_out) != 0) {
        return error_set(err, STATUS_IO, "%s: %s", joined, strerror(errno));
    }
    /* In `link/..` the kernel goes up from where the link leads; so must we. */
    if (normalise(joined, resolved_out) && !is_same_file(resolved_out, stat_out) &&
        realpath(joined, resolved_out) == NULL) {
        return error_set(err, STATUS_IO, "%s: %s", joined, strerror(errno));
    }
    return STATUS_OK;
}

bool path_own_folder(char *path_out, size_t path_size)
{
    static const char mark = 0; /* an object of this file */
    Dl_info info;
    struct link_map *map = NULL;
    if (dladdr1(&mark, &info, (void **)&map, RTLD_DL_LINKMAP) == 0) {
        return false;
    }
    /* A program has no name here, and its argv[0] may be no path. */
    const char *file = map->l_name[0] == '\0' ? "/proc/self/exe" : map->l_name;
    char *path = realpath(file, NULL);
    if (path == NULL) {
        return false;
    }
    const int length = snprintf(path_out, path_size, "%s", dirname(path));
    free(path);
    return length >= 0 && (size_t)length < path_size;
}

void path_of_module(const char *name, char *path_out, size_t path_size)
{
    static const char *const places[] = {"mapfleet", "../lib/mapfleet", "mapfleet"};
    char folder[PATH_MAX];
    if (!path_own_folder(folder, sizeof(folder))) {
        (void)snprintf(folder, sizeof(folder), ".");
    }
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        (void)snprintf(path_out, path_size, "%s/%s/%s", folder, places[i], name);
        if (access(path_out, R_OK) == 0) {
            return;
        }
    }
}
