#include "cli/sweep_metric.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Imports stand at the start of a program. */
#define LOOK_SIZE ((size_t)256 << 10)

/* ---- How to report it ---------------------------------------------------------------------------
 */

/* A line that begins, behind blanks, with these words and ends them there. */
static bool has_import(const char *text)
{
    static const char *const starts[] = {"import wandb", "from wandb"};
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += strspn(line, " \t\r\n");
        for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
            const size_t size = strlen(starts[i]);
            if (strncmp(line, starts[i], size) == 0 && !isalnum((unsigned char)line[size]) &&
                line[size] != '_') {
                return true;
            }
        }
    }
    return false;
}

static bool imports_wandb(const char *path, struct arena *arena)
{
    const size_t size = strlen(path);
    const bool is_python = size > 3 && strcmp(path + size - 3, ".py") == 0;
    const int file = is_python ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    char *text = file >= 0 ? arena_take(arena, LOOK_SIZE + 1) : NULL;
    const ssize_t count = text != NULL ? read(file, text, LOOK_SIZE) : -1;
    if (file >= 0) {
        (void)close(file);
    }
    if (count <= 0) {
        return false;
    }
    text[count] = '\0';
    return has_import(text);
}

bool sweep_imports_wandb(const struct sweep_command *command, struct arena *arena)
{
    for (size_t i = 0; i < command->word_count; i++) {
        if (imports_wandb(command->words[i], arena)) {
            return true;
        }
    }
    return false;
}

static const char *hint_of(const char *name, const struct sweep_command *command, bool is_wandb,
                           struct arena *arena)
{
    char text[1024];
    if (command->word_count == 0) {
        return "mf_report(ctx, step, value) reports it";
    }
    const bool imports = !is_wandb && sweep_imports_wandb(command, arena);
    (void)snprintf(
        text, sizeof(text),
        "a line %.200s=VALUE or {\"%.200s\": VALUE} reports it, on standard output or in "
        "the file $MAPFLEET_METRICS, and so does mf_report()%s",
        name, name,
        imports ? "; the program imports wandb: --wandb makes a report of what it logs" : "");
    return arena_copy(arena, text, strlen(text));
}

/* ---- What the file says -------------------------------------------------------------------------
 */

struct metric_options sweep_metric_make(const struct sweep_file *file,
                                        const struct sweep_command *command, bool is_wandb,
                                        struct arena *arena)
{
    static const enum metric_impute imputes[] = {[IMPUTE_WORST] = METRIC_IMPUTE_WORST,
                                                 [IMPUTE_BEST] = METRIC_IMPUTE_BEST,
                                                 [IMPUTE_LATEST] = METRIC_IMPUTE_LATEST};
    const struct sweep_metric *metric = &file->metric;
    return (struct metric_options){
        .name = metric->name,
        .is_maximised = metric->is_maximised,
        .has_target = metric->has_target,
        .target = metric->target,
        .impute = imputes[metric->impute],
        .is_required = file->method == SWEEP_ADAPTIVE || file->has_early_stop ||
                       metric->has_target || file->seeds > 1,
        .has_early_stop = file->has_early_stop,
        .early_stop = file->early_stop,
        .hint = metric->name != NULL ? hint_of(metric->name, command, is_wandb, arena) : NULL,
        .seeds = file->seeds,
    };
}

enum status sweep_metric_check(const struct metric_options *metric, const struct options *given,
                               enum cache_mode cache, struct error *err)
{
    const char *isolation = given->values[OPTION_ISOLATION];
    if (metric->name == NULL) {
        return STATUS_OK;
    }
    if (metric->is_required && cache != CACHE_OFF) {
        return error_set(err, STATUS_INVALID,
                         "--cache: what trials report is not kept with their outputs, and this "
                         "sweep is judged by reports: leave it out (of a task, --cache off)");
    }
    if (metric->has_early_stop && isolation != NULL && strcmp(isolation, "none") == 0) {
        return error_set(err, STATUS_INVALID,
                         "--isolation none: a trial that runs in the rank itself cannot be ended, "
                         "and early_terminate ends some: leave one of the two out");
    }
    return STATUS_OK;
}
