#include "cli/printing.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "jobs/command/command.h"
#include "shared/log.h"

#define EXIT_INTERNAL 70
#define EXIT_RESUMABLE 75

enum printing printing_of(const struct options *options, enum verb verb)
{
    const char *form = options->values[OPTION_PRINT];
    enum printing printing = verb == VERB_EXEC ? PRINTING_LIVE : PRINTING_NONE;
    if (form != NULL) {
        printing = strcmp(form, "live") == 0      ? PRINTING_LIVE
                   : strcmp(form, "ordered") == 0 ? PRINTING_ORDERED
                   : strcmp(form, "none") == 0    ? PRINTING_NONE
                                                  : PRINTING_JSON;
    }
    return printing == PRINTING_LIVE && options_has(options, OPTION_KEEP_ORDER) ? PRINTING_ORDERED
                                                                                : printing;
}

enum status printing_check(const struct options *options, enum verb verb, struct error *err)
{
    const enum printing printing = printing_of(options, verb);
    if (verb == VERB_EXEC || verb == VERB_SWEEP || printing == PRINTING_NONE ||
        printing == PRINTING_JSON) {
        return STATUS_OK;
    }
    return error_set(err, STATUS_INVALID,
                     "--print: \"%s\" is about what commands print, and a map runs none: expected "
                     "json or none",
                     options->values[OPTION_PRINT]);
}

/* ---- Where it has come to ---------------------------------------------------------------------
 */

static void make_path(const struct request *request, char path_out[PATH_MAX])
{
    const int length = snprintf(path_out, PATH_MAX, "%s/" PRINTING_FILE, request->run_dir);
    if (length < 0 || length >= PATH_MAX) {
        path_out[0] = '\0';
    }
}

/* Nothing is recorded while a session runs: one that is killed leaves none, and the next begins at
 * the first instance. */
static uint64_t take_place(const struct request *request)
{
    char path[PATH_MAX];
    uint64_t place = 0;
    make_path(request, path);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    if (fscanf(file, "%" SCNu64, &place) != 1) {
        place = 0;
    }
    (void)fclose(file);
    (void)unlink(path);
    return place;
}

static void keep_place(const struct request *request, uint64_t place)
{
    char path[PATH_MAX];
    make_path(request, path);
    FILE *file = fopen(path, "we");
    if (file == NULL || fprintf(file, "%" PRIu64 "\n", place) < 0) {
        log_warning("%s: cannot be written: resumed, the run prints from its first input on", path);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
}

/* ---- Printing ---------------------------------------------------------------------------------
 */

static enum status create(const struct request *request, bool is_ordered, uint64_t first,
                          const char *task, struct printer **printer_out, struct error *err)
{
    const struct printer_options options = {
        .file = STDOUT_FILENO,
        .is_ordered = is_ordered,
        .first = first,
        .size = request->recorded != NULL && !request->grows ? request->recorded->input_count
                                                             : inputs_count(request->inputs),
        .run_dir = request->run_dir,
        .has_files = strcmp(task, COMMAND_TASK_FILES) == 0,
        .memory_max = PRINTER_MEMORY_MAX,
    };
    return printer_create(&options, printer_out, err);
}

enum status printing_start(const struct request *request, struct printer **printer_out)
{
    struct error err;
    const enum printing printing = printing_of(&request->options, request->verb);
    const bool is_ordered = printing == PRINTING_ORDERED;
    *printer_out = NULL;
    if (!is_ordered && printing != PRINTING_LIVE) {
        return STATUS_OK;
    }
    const enum status status = create(request, is_ordered, is_ordered ? take_place(request) : 0,
                                      request->task->name, printer_out, &err);
    if (status != STATUS_OK) {
        log_error("%s", err.text);
    }
    return status;
}

int printing_finish(struct printer *printer, const struct request *request, int exit_status)
{
    uint64_t place = 0;
    bool is_written = true;
    if (printer == NULL) {
        return exit_status;
    }
    printer_finish(printer, &place, &is_written);
    if (exit_status == EXIT_RESUMABLE &&
        printing_of(&request->options, request->verb) == PRINTING_ORDERED &&
        access(request->run_dir, F_OK) == 0) {
        keep_place(request, place);
    }
    return is_written || exit_status > 1 ? exit_status : EXIT_INTERNAL;
}

int printing_of_finished(const struct request *request, int exit_status)
{
    const enum printing printing = printing_of(&request->options, request->verb);
    const struct history *history = &request->replay.history;
    struct printer *printer = NULL;
    struct error err;
    uint64_t place;
    bool is_written;
    if (printing != PRINTING_LIVE && printing != PRINTING_ORDERED) {
        return exit_status;
    }
    if (create(request, true, 0, request->recorded->task, &printer, &err) != STATUS_OK) {
        log_error("%s", err.text);
        return EXIT_INTERNAL;
    }
    printer_recorded(printer, &history->succeeded, true);
    printer_recorded(printer, &history->cached, true);
    printer_end(printer, true);
    printer_finish(printer, &place, &is_written);
    return is_written ? exit_status : EXIT_INTERNAL;
}
