/* command_private.h - what an executor keeps of the command that it runs, for the files of the job:
 *
 *     command.c   what is registered, and an attempt
 *     setup.c     what the map's constant says, taken up once
 *     program.c   one run of the program
 *     output.c    what its standard output becomes
 *     metric.c    what a trial of a sweep reports while it runs
 *     surroundings.c  its arguments, its environment, what it reads
 *     trial.c     the same of a sweep's trial: arguments and environment
 */
#ifndef COMMAND_COMMAND_PRIVATE_H
#define COMMAND_COMMAND_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <mapfleet.h>

#include "jobs/command/metric_line.h"
#include "jobs/command/template.h"
#include "jobs/command/words.h"

#define EXIT_STATUS_COUNT 256
#define EXIT_CANNOT_RUN 126
#define EXIT_NOT_FOUND 127
#define EXIT_KILLED 137 /* as a shell reports it */

enum stdin_form { STDIN_NONE, STDIN_JSON, STDIN_VALUE };
enum output_form { OUTPUT_TEXT, OUTPUT_STR, OUTPUT_JSON, OUTPUT_LINES, OUTPUT_NONE };

/* What a command of a sweep has instead of a template. */
struct trial {
    const char **words; /* with macros; NULL: it is of no sweep */
    size_t word_count;
    const mf_value *paths; /* of the parameters */
    struct trial_name *names;
    int64_t repeats; /* instances of a trial */
    bool has_place;  /* the words hold the place in the list */
    const char *modules;
};

/* Of an attempt whose program reports a metric. */
struct metric {
    mf_context *ctx;
    int events; /* of inotify; -1: there is none */
    int file;   /* $MAPFLEET_METRICS */
    char *path; /* of it */
    off_t file_at;
    off_t out_at; /* how much of its standard output has been seen */
    struct metric_stream out_stream;
    struct metric_stream file_stream;
    uint64_t count; /* of reports */
    bool is_odd;    /* a line that names the metric was none */
};

struct command {
    struct template *template; /* NULL: each input is a line for the shell, or there is a trial */
    struct trial trial;
    const char *shell; /* NULL: none */
    enum stdin_form stdin_form;
    enum output_form output_form;
    const mf_value *files; /* globs */
    bool is_permanent[EXIT_STATUS_COUNT];
    bool keeps_failed; /* of what failed attempts print, standard output is captured, too */
    bool keeps_all;    /* the same of all attempts */
    bool copies_on;    /* the same, and it is looked at all the same */
    bool passes_on;    /* standard output is nobody's, and goes where the executor's goes */
    size_t output_size_max;
    int64_t grace_ms;        /* that it has after a SIGTERM */
    char *program;           /* where the first word was found; NULL: it is looked for each time */
    const char *metric_name; /* NULL: nothing is to be reported */
    const char *metric_hint; /* for people: how a program reports it */
    bool needs_report;
    struct metric metric;
    uint64_t slot; /* from 1 */
    int out;       /* a file in memory for the standard output of an attempt */
    /* Of the attempt: */
    struct word_list arguments;
    struct word_list variables;
    char **environment;
    size_t environment_capacity;
    char *text; /* its standard output, cut at output_size_max, with a NUL behind it */
    size_t text_size;
    size_t text_capacity;
    uint64_t printed_size; /* all of it */
};

/* ---- setup.c ---- */

mf_status command_set_up(mf_context *ctx, void **state);
void command_tear_down(void *state);

/* ---- surroundings.c ---- NULL and -2 where the attempt fails, with the reason as its error. */

char **command_arguments(mf_context *ctx, struct command *command, const mf_value *input);
char **command_environment(mf_context *ctx, struct command *command, const mf_value *input);
/* A descriptor to read from; -1: standard input is empty. */
int command_stdin(mf_context *ctx, const struct command *command, const mf_value *input);

/* MF_name=text into the variables, unless the text is one that no variable can hold. */
void command_add_variable(mf_context *ctx, struct command *command, const char *name,
                          const char *text, size_t size);

/* ---- trial.c ---- */

bool trial_is_of(const struct command *command); /* a sweep */
mf_status trial_set_up(mf_context *ctx, struct command *command, const mf_value *words,
                       const mf_value *trial);
void trial_tear_down(struct command *command);
/* Fill in the words, and the variables. False where the attempt fails, with its reason. */
bool trial_fill(mf_context *ctx, struct command *command, const mf_value *record);
bool trial_add_variables(mf_context *ctx, struct command *command, const mf_value *record);

/* ---- metric.c ---- Where the command has a metric. */

/* In the working directory; NULL where the attempt fails. */
const char *command_metric_path(mf_context *ctx, struct command *command);
/* Make the file, before the program is started; false where the attempt fails. */
bool command_metric_begin(mf_context *ctx, struct command *command);
/* Report what has come since the last look. */
void command_metric_look(const struct command *command, struct metric *metric);
/* The program has ended: its last lines are whole, unless it was ended by a signal. */
void command_metric_end(const struct command *command, struct metric *metric, bool is_whole);
void command_metric_free(struct metric *metric);

/* ---- program.c ---- */

/* Run it to its end. Gives what waitpid() does; where it could not be started, as a shell would
 * say so, and *reason_out is why (an errno; else 0). */
int command_run(mf_context *ctx, struct command *command, char **arguments, char **environment,
                int in, int *reason_out);

/* ---- output.c ---- */

/* A file in memory for the standard output of an attempt; -1 where there is no memory. */
int command_open_output(void);
/* Take up what the program has printed. False where there is no memory for it. */
bool command_take_output(mf_context *ctx, struct command *command);
/* Give it as the output of a success. */
mf_status command_put_output(mf_context *ctx, const struct command *command, mf_writer *out);
/* The files that it has made. */
mf_status command_put_files(mf_context *ctx, const struct command *command, mf_writer *out);
/* What --print=live shows of it, and what is captured. */
void command_show_output(mf_context *ctx, const struct command *command, bool has_succeeded);

#endif
