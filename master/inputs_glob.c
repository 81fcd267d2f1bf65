/* Reader of --files: the paths that globs match.
 *
 * Not glob(3): its order depends on the locale, it does not say which folder could not be read, and
 * it starts at the process's folder instead of the launch directory. */
#include "master/inputs_internal.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "shared/buffer.h"
#include "shared/value.h"

/* A match. Two spellings of one path (`a`, `./a`, `/launch/dir/a`) have the same key. */
struct path {
    char *text; /* as matched */
    char *key;
};

struct path_list {
    struct path *paths;
    size_t count;
    size_t capacity;
};

/* A walk along one glob. */
struct walk {
    const char *glob;
    const char *launch_dir;
    struct path_list *list;
    struct buffer path; /* as matched so far */
    struct error *err;
};

static enum status fail_memory(struct error *err)
{
    return error_set(err, STATUS_NO_MEMORY, "--files: %s", status_text(STATUS_NO_MEMORY));
}

static void path_list_free(struct path_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->paths[i].text);
        free(list->paths[i].key);
    }
    free(list->paths);
}

/* ---- Paths ---------------------------------------------------------------------------------- */

/* `absolute` without `.` and doubled slashes, in place. `..` stays: behind a symbolic link it is
 * not the folder before it. */
static void shorten(char *absolute)
{
    char *to = absolute;
    const char *from = absolute;
    while (*from != '\0') {
        const size_t slashes = strspn(from, "/");
        const size_t size = strcspn(from + slashes, "/");
        const char *name = from + slashes;
        if (size > 0 && !(size == 1 && name[0] == '.')) {
            *to++ = '/';
            memmove(to, name, size);
            to += size;
        }
        from = name + size;
    }
    *to = '\0';
}

static char *absolute_path(const char *launch_dir, const char *path)
{
    const bool is_absolute = path[0] == '/';
    const size_t dir_size = is_absolute ? 0 : strlen(launch_dir);
    const size_t path_size = strlen(path);
    char *absolute = malloc(dir_size + path_size + 2);
    if (absolute != NULL) {
        char *at = absolute;
        if (!is_absolute) {
            memcpy(at, launch_dir, dir_size);
            at += dir_size;
            *at++ = '/';
        }
        memcpy(at, path, path_size + 1);
    }
    return absolute;
}

static enum status add_path(struct walk *walk)
{
    struct path_list *list = walk->list;
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity > 0 ? 2 * list->capacity : 64;
        struct path *paths = realloc(list->paths, capacity * sizeof(*paths));
        if (paths == NULL) {
            return fail_memory(walk->err);
        }
        list->paths = paths;
        list->capacity = capacity;
    }
    struct path path = {
        .text = strndup((const char *)walk->path.data, walk->path.size),
        .key = NULL,
    };
    if (path.text != NULL) {
        path.key = absolute_path(walk->launch_dir, path.text);
    }
    if (path.key == NULL) {
        free(path.text);
        return fail_memory(walk->err);
    }
    shorten(path.key);
    list->paths[list->count++] = path;
    return STATUS_OK;
}

/* ---- Walking -------------------------------------------------------------------------------- */

static enum status append(struct walk *walk, const char *text, size_t size)
{
    return buffer_append(&walk->path, text, size) == STATUS_OK ? STATUS_OK : fail_memory(walk->err);
}

/* The path so far, as the system finds it. NULL where memory ran out. */
static char *path_so_far(const struct walk *walk)
{
    char *text = strndup((const char *)walk->path.data, walk->path.size);
    char *path = text != NULL ? absolute_path(walk->launch_dir, text) : NULL;
    free(text);
    return path;
}

/* What cannot be looked at may hide inputs, which must not be left out in silence. That there is
 * nothing of that name, or no folder, is an answer. */
static enum status fail_unless_absent(struct walk *walk, const char *path)
{
    if (errno == ENOENT || errno == ENOTDIR) {
        return STATUS_OK;
    }
    return error_set(walk->err, STATUS_IO, "--files \"%s\": %s: %s", walk->glob, path,
                     strerror(errno));
}

/* The end of the glob is reached: is there such a path? Behind a slash it must be a folder. */
static enum status take_existing(struct walk *walk)
{
    char *path = path_so_far(walk);
    if (path == NULL) {
        return fail_memory(walk->err);
    }
    enum status status = STATUS_OK;
    struct stat about;
    if (lstat(path, &about) == 0) {
        status = add_path(walk);
    } else {
        status = fail_unless_absent(walk, path);
    }
    free(path);
    return status;
}

static enum status walk_on(struct walk *walk, const char *rest);

static bool is_wanted(const char *pattern, const char *name)
{
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
           fnmatch(pattern, name, FNM_PERIOD) == 0;
}

/* Each entry of the folder that `pattern` matches, and from there the rest of the glob. */
static enum status walk_folder(struct walk *walk, DIR *folder, const char *folder_path,
                               const char *pattern, const char *rest)
{
    const size_t path_size = walk->path.size;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            return errno == 0 ? STATUS_OK : fail_unless_absent(walk, folder_path);
        }
        if (!is_wanted(pattern, entry->d_name)) {
            continue;
        }
        enum status status = append(walk, entry->d_name, strlen(entry->d_name));
        if (status == STATUS_OK) {
            status = rest[0] == '\0' ? add_path(walk) : walk_on(walk, rest);
        }
        walk->path.size = path_size;
        if (status != STATUS_OK) {
            return status;
        }
    }
}

static enum status walk_pattern(struct walk *walk, const char *pattern, const char *rest)
{
    char *path = path_so_far(walk);
    if (path == NULL) {
        return fail_memory(walk->err);
    }
    enum status status = STATUS_OK;
    DIR *folder = opendir(path);
    if (folder == NULL) {
        status = fail_unless_absent(walk, path);
    } else {
        status = walk_folder(walk, folder, path, pattern, rest);
        (void)closedir(folder);
    }
    free(path);
    return status;
}

/* A backslash makes the next character ordinary. */
static enum status walk_name(struct walk *walk, const char *name, const char *rest)
{
    const size_t path_size = walk->path.size;
    enum status status = STATUS_OK;
    for (const char *c = name; *c != '\0' && status == STATUS_OK; c++) {
        c += *c == '\\' && c[1] != '\0' ? 1 : 0;
        status = append(walk, c, 1);
    }
    if (status == STATUS_OK) {
        status = walk_on(walk, rest);
    }
    walk->path.size = path_size;
    return status;
}

static bool is_pattern(const char *component)
{
    for (const char *c = component; *c != '\0'; c++) {
        if (*c == '*' || *c == '?' || *c == '[') {
            return true;
        }
        c += *c == '\\' && c[1] != '\0' ? 1 : 0;
    }
    return false;
}

/* `rest` is empty, or begins with slashes, or (the glob's very start) with a name. */
static enum status walk_on(struct walk *walk, const char *rest)
{
    if (rest[0] == '\0') {
        return take_existing(walk);
    }
    const size_t path_size = walk->path.size;
    const size_t slashes = strspn(rest, "/");
    const size_t size = strcspn(rest + slashes, "/");
    enum status status = append(walk, rest, slashes);
    if (status == STATUS_OK && size == 0) {
        status = take_existing(walk);
    } else if (status == STATUS_OK) {
        char *component = strndup(rest + slashes, size);
        const char *behind = rest + slashes + size;
        if (component == NULL) {
            status = fail_memory(walk->err);
        } else {
            status = is_pattern(component) ? walk_pattern(walk, component, behind)
                                           : walk_name(walk, component, behind);
        }
        free(component);
    }
    walk->path.size = path_size;
    return status;
}

/* ---- All globs ------------------------------------------------------------------------------ */

static bool has_double_star(const char *glob)
{
    for (const char *c = glob; *c != '\0'; c++) {
        if (c[0] == '*' && c[1] == '*') {
            return true;
        }
        c += *c == '\\' && c[1] != '\0' ? 1 : 0;
    }
    return false;
}

static enum status expand(const char *glob, const char *launch_dir, struct path_list *list,
                          struct error *err)
{
    if (glob[0] == '\0') {
        return error_set(err, STATUS_INVALID, "--files \"\": found nothing, expected a glob");
    }
    if (has_double_star(glob)) {
        return error_set(err, STATUS_INVALID,
                         "--files \"%s\": ** is not supported; name each level (*/*), or give "
                         "what find prints as lines (--inputs - --input-format txt)",
                         glob);
    }
    struct walk walk = {.glob = glob, .launch_dir = launch_dir, .list = list, .err = err};
    const size_t count = list->count;
    enum status status = STATUS_NO_MEMORY;
    if (buffer_reserve(&walk.path, strlen(glob) + 1) == STATUS_OK) {
        status = walk_on(&walk, glob);
    } else {
        (void)fail_memory(err);
    }
    buffer_free(&walk.path);
    if (status == STATUS_OK && list->count == count) {
        return error_set(err, STATUS_NOT_FOUND, "--files \"%s\": matches nothing", glob);
    }
    return status;
}

static int compare_keys(const void *a, const void *b)
{
    const struct path *left = a;
    const struct path *right = b;
    const int order = strcmp(left->key, right->key);
    return order != 0 ? order : strcmp(left->text, right->text);
}

static int compare_texts(const void *a, const void *b)
{
    const struct path *left = a;
    const struct path *right = b;
    return strcmp(left->text, right->text);
}

/* Each path once, in bytewise order of what was matched. */
static void sort_paths(struct path_list *list)
{
    assert(list->count > 0);
    qsort(list->paths, list->count, sizeof(*list->paths), compare_keys);
    size_t kept = 1;
    for (size_t i = 1; i < list->count; i++) {
        if (strcmp(list->paths[i].key, list->paths[kept - 1].key) == 0) {
            free(list->paths[i].text);
            free(list->paths[i].key);
        } else {
            list->paths[kept++] = list->paths[i];
        }
    }
    list->count = kept;
    qsort(list->paths, list->count, sizeof(*list->paths), compare_texts);
}

static enum status put_path(const struct inputs_source *source, struct inputs_sink *sink,
                            const char *path, struct error *err)
{
    mf_value value;
    const size_t size = strlen(path);
    if (!inputs_text_or_bytes(source, path, size, &value) ||
        (!source->takes_bytes && !value_is_utf8(path, size))) {
        return error_set(err, STATUS_INVALID,
                         "--files: index %" PRIu64
                         ": found a name that is not UTF-8 (%s), expected text",
                         sink->count, path);
    }
    const enum status status = inputs_sink_put(sink, &value, TYPE_ORIGIN_TEXT, err);
    if (status != STATUS_OK) {
        error_prefix(err, "--files: ");
    }
    return status;
}

enum status inputs_read_globs(const struct inputs_source *source, struct inputs_sink *sink,
                              struct error *err)
{
    struct path_list list = {0};
    enum status status = STATUS_OK;
    if (source->glob_count == 0) {
        return error_set(err, STATUS_INVALID, "--files: found nothing, expected a glob");
    }
    for (size_t i = 0; i < source->glob_count && status == STATUS_OK; i++) {
        status = expand(source->globs[i], source->launch_dir, &list, err);
    }
    if (status == STATUS_OK) {
        sort_paths(&list);
    }
    for (size_t i = 0; i < list.count && status == STATUS_OK; i++) {
        status = put_path(source, sink, list.paths[i].text, err);
    }
    path_list_free(&list);
    return status;
}
