#include "cli/files_options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "shared/memory.h"
#include "shared/path.h"
#include "shared/typed_paths.h"
#include "shared/url.h"

static enum status check_prefix(const char *text, const struct remote_settings *settings,
                                struct error *err)
{
    struct url url;
    char shown[URL_SIZE_MAX];
    const enum status status = url_parse(text, &url, err);
    if (status != STATUS_OK) {
        error_prefix(err, "--files-to: ");
        return status;
    }
    if (url.scheme == URL_S3) {
        return remote_settings_check_s3(settings, err);
    }
    if (memchr(url.host, '@', url.host_size) != NULL) {
        return error_set(err, STATUS_INVALID,
                         "--files-to: %s: outputs hold it: user and password belong into ~/.netrc",
                         url_show(text, shown));
    }
    if (strpbrk(url.path, "?#") != NULL) {
        return error_set(err, STATUS_INVALID,
                         "--files-to: %s: names are put behind it: expected a URL without a query",
                         url_show(text, shown));
    }
    return STATUS_OK;
}

/* One that is not there yet is made when the first file comes. */
static enum status check_folder(const char *path, struct error *err)
{
    struct stat found;
    if (stat(path, &found) != 0) {
        return errno == ENOENT
                   ? STATUS_OK
                   : error_set(err, STATUS_INVALID, "--files-to: %s: %s", path, strerror(errno));
    }
    if (!S_ISDIR(found.st_mode)) {
        return error_set(err, STATUS_INVALID, "--files-to: %s is no folder", path);
    }
    return access(path, W_OK | X_OK) == 0
               ? STATUS_OK
               : error_set(err, STATUS_INVALID, "--files-to: %s: %s", path, strerror(errno));
}

static char *without_slashes(char *text)
{
    size_t size = strlen(text);
    while (size > 1 && text[size - 1] == '/') {
        text[--size] = '\0';
    }
    return text;
}

static enum status check_to(const char *given, const char *launch_dir,
                            struct files_request *request, struct error *err)
{
    const struct remote_settings settings = {.data = request->remote.data,
                                             .size = request->remote.size};
    if (*given == '\0') {
        return error_set(err, STATUS_INVALID, "--files-to: expected a folder or a URL");
    }
    if (path_is_url(given)) {
        request->to = without_slashes(memory_copy_text(given));
        return check_prefix(request->to, &settings, err);
    }
    const size_t size = strlen(launch_dir) + strlen(given) + 2;
    request->to = memory_take(size, 1);
    (void)snprintf(request->to, size, "%s%s%s", given[0] == '/' ? "" : launch_dir,
                   given[0] == '/' ? "" : "/", given);
    without_slashes(request->to);
    return check_folder(request->to, err);
}

enum status files_request_check(const struct options *options, const struct task *task,
                                const char *launch_dir, struct files_request *request_out,
                                struct error *err)
{
    const char *given = options->values[OPTION_FILES_TO];
    files_request_free(request_out);
    enum status status = remote_settings_take(&request_out->remote);
    if (status != STATUS_OK) {
        return error_set(err, status, "no memory to start with");
    }
    const struct remote_settings settings = {.data = request_out->remote.data,
                                             .size = request_out->remote.size};
    status = remote_settings_check(&settings, err);
    if (status == STATUS_OK && given != NULL) {
        status = check_to(given, launch_dir, request_out, err);
    }
    const bool is_remote_possible =
        task == NULL || typed_paths_may_be(task->input) || (given != NULL && path_is_url(given));
    if (!is_remote_possible) {
        buffer_free(&request_out->remote); /* what nobody needs stays here */
    }
    return status;
}

void files_request_free(struct files_request *request)
{
    free(request->to);
    buffer_free(&request->remote);
    *request = (struct files_request){.to = NULL};
}

void files_request_tag(struct files_request *request, const char *run_dir,
                       const struct run_description *run)
{
    char created[32];
    XXH3_state_t *state = XXH3_createState();
    if (state == NULL) {
        return;
    }
    (void)snprintf(created, sizeof(created), "%" PRId64, run->created_s);
    (void)XXH3_64bits_reset(state);
    (void)XXH3_64bits_update(state, created, strlen(created));
    (void)XXH3_64bits_update(state, run_dir, strlen(run_dir));
    (void)XXH3_64bits_update(state, run->input_digest, sizeof(run->input_digest));
    (void)snprintf(request->tag, sizeof(request->tag), "%08" PRIx32,
                   (uint32_t)XXH3_64bits_digest(state));
    (void)XXH3_freeState(state);
}
