/* command.h - the job behind `mapfleet exec`: an attempt runs a program and waits for it.
 *
 * It is a job like any other, of the public interface, and is built into every program under the
 * name COMMAND_JOB. What it runs is the constant of its map, of type COMMAND_CONSTANT; an input
 * fills in the command line's placeholders (template.h). Task "run" gives back what the program has
 * printed, task "files" the files that it has made.
 */
#ifndef COMMAND_COMMAND_H
#define COMMAND_COMMAND_H

#include <mapfleet.h>

#define COMMAND_JOB ":command"
#define COMMAND_TASK_RUN "run"
#define COMMAND_TASK_FILES "files"

/* words    the command line, each a str or bytes; none: each input is a line for the shell
 * shell    the shell that runs the words as one line; "" for none
 * stdin    what a program reads: "json" or "value" of its input, or ""
 * output   what its standard output is: "text", "str", "json", "lines" or "none"
 * files    globs of the files that it gives back
 * permanent  exit statuses that are not to be tried again
 * capture  what becomes of what a failed one has printed: as --capture
 * grace_ms  between the SIGTERM of an attempt that is to end and its SIGKILL
 * trial    of a sweep: the words hold macros (arguments.h), and the input is a record of
 * parameters, at these paths, in the order of the file; each trial is so many instances; and a
 * folder of Python modules that come before all others, or ""
 * metric   that it reports while it runs: its name, how to report it, and whether it has to */
#define COMMAND_CONSTANT                                                                           \
    "{words: list<any>, shell: str, stdin: str, output: str, files: list<any>, "                   \
    "permanent: list<int>, capture: str, output_size_max: int, grace_ms: int, "                    \
    "trial?: {paths: list<list<str>>, repeats: int, modules: str}, "                               \
    "metric?: {name: str, hint: str, is_required: bool}}"

void command_job(mf_registry *job);

#endif
