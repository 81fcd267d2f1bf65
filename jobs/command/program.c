#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "jobs/command/command_private.h"

/* How often it is looked at how much a program has printed. */
#define LOOK_INTERVAL_MS 200
/* The same once it is to end. */
#define END_INTERVAL_MS 20
/* From one look at what a trial reports to the next, */
#define METRIC_REST_MS 5
/* and where nothing tells that there is something. */
#define METRIC_INTERVAL_MS 20
#define MARGIN_MS_MAX 500
#define PAGE ((off_t)4096)
#define SLACK ((off_t)1 << 20)

/* ---- Starting ---------------------------------------------------------------------------------
 */

/* A process group of its own, and no blocked signals. */
static int open_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none;
    (void)sigemptyset(&none);
    const int code = posix_spawnattr_init(attributes);
    if (code == 0) {
        (void)posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
        (void)posix_spawnattr_setpgroup(attributes, 0);
        (void)posix_spawnattr_setsigmask(attributes, &none);
    }
    return code;
}

static int open_actions(posix_spawn_file_actions_t *actions, int in, int out)
{
    int code = posix_spawn_file_actions_init(actions);
    if (code == 0 && in >= 0) {
        code = posix_spawn_file_actions_adddup2(actions, in, STDIN_FILENO);
    }
    if (code == 0 && out >= 0) {
        code = posix_spawn_file_actions_adddup2(actions, out, STDOUT_FILENO);
    }
    return code;
}

/* What is no program that the kernel knows runs as a script of sh, as with execvp(). */
static int start_as_script(pid_t *pid_out, const posix_spawn_file_actions_t *actions,
                           const posix_spawnattr_t *attributes, const char *path, char **arguments,
                           char **environment)
{
    size_t count = 0;
    while (arguments[count] != NULL) {
        count++;
    }
    char **script = calloc(count + 2, sizeof(*script));
    if (script == NULL) {
        return ENOMEM;
    }
    script[0] = arguments[0];
    script[1] = (char *)(uintptr_t)path;
    memcpy(script + 2, arguments + 1, (count - 1) * sizeof(*script));
    const int code = posix_spawn(pid_out, "/bin/sh", actions, attributes, script, environment);
    free(script);
    return code;
}

/* Gives an errno. */
static int start(const struct command *command, char **arguments, char **environment, int in,
                 pid_t *pid_out)
{
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    const char *program = command->program;
    int code = open_attributes(&attributes);
    if (code != 0) {
        return code;
    }
    code = open_actions(&actions, in, command->passes_on ? -1 : command->out);
    if (code == 0) {
        code = program != NULL
                   ? posix_spawn(pid_out, program, &actions, &attributes, arguments, environment)
                   : posix_spawnp(pid_out, arguments[0], &actions, &attributes, arguments,
                                  environment);
    }
    if (code == ENOEXEC) {
        code = start_as_script(pid_out, &actions, &attributes,
                               program != NULL ? program : arguments[0], arguments, environment);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attributes);
    return code;
}

/* ---- Waiting ----------------------------------------------------------------------------------
 */

/* What it has printed past the limit is of no use to anybody: give the memory back. */
static void bound_output(const struct command *command)
{
    struct stat about;
    const off_t keep = (off_t)command->output_size_max / PAGE * PAGE + PAGE;
    if (fstat(command->out, &about) != 0 || about.st_size < keep + SLACK) {
        return;
    }
    const off_t end = about.st_size / PAGE * PAGE;
    if (end > keep) {
        (void)fallocate(command->out, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, keep, end - keep);
    }
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* One that does not mind its SIGTERM is killed here, shortly before all of this process is: so what
 * it has printed is not lost. */
static void mind_end(mf_context *ctx, const struct command *command, pid_t pid, int64_t *ending_ms)
{
    const int64_t margin_ms =
        command->grace_ms / 4 < MARGIN_MS_MAX ? command->grace_ms / 4 : MARGIN_MS_MAX;
    if (!mf_should_stop(ctx)) {
        return;
    }
    if (*ending_ms == 0) {
        *ending_ms = now_ms();
    } else if (now_ms() - *ending_ms >= command->grace_ms - margin_ms) {
        (void)kill(-pid, SIGKILL);
    }
}

static int interval_ms(const struct command *command, bool is_ending, bool rests)
{
    const bool is_blind = command->metric_name != NULL && command->metric.events < 0;
    return rests       ? METRIC_REST_MS
           : is_ending ? END_INTERVAL_MS
           : is_blind  ? METRIC_INTERVAL_MS
                       : LOOK_INTERVAL_MS;
}

/* Until it has ended, and not been reaped. A program that prints all the time is not looked at each
 * time: after a look, what comes next rests. */
static void wait_for(mf_context *ctx, struct command *command, pid_t pid)
{
    siginfo_t info;
    int64_t ending_ms = 0;
    bool rests = false;
    const int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    while (fd >= 0) {
        const bool listens = command->metric_name != NULL && !rests;
        struct pollfd fds[] = {{.fd = fd, .events = POLLIN},
                               {.fd = listens ? command->metric.events : -1, .events = POLLIN}};
        const int count = poll(fds, 2, interval_ms(command, ending_ms != 0, rests));
        if ((count > 0 && fds[0].revents != 0) || (count < 0 && errno != EINTR)) {
            break;
        }
        if (listens) {
            command_metric_look(command, &command->metric);
        }
        rests = listens && count > 0;
        bound_output(command);
        mind_end(ctx, command, pid, &ending_ms);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
    }
}

/* What is left of its group is ended while its own number still holds it. Orphans come to this
 * process, which is a subreaper. */
static int reap(pid_t pid)
{
    int wait_status = 0;
    (void)kill(-pid, SIGKILL);
    while (waitpid(pid, &wait_status, 0) < 0 && errno == EINTR) {
    }
    while (waitpid(-pid, NULL, WNOHANG) > 0) {
    }
    return wait_status;
}

int command_run(mf_context *ctx, struct command *command, char **arguments, char **environment,
                int in, int *reason_out)
{
    sigset_t term;
    sigset_t before;
    pid_t pid = 0;
    int wait_status;
    (void)sigemptyset(&term);
    (void)sigaddset(&term, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &term, &before);
    *reason_out = start(command, arguments, environment, in, &pid);
    if (*reason_out == 0) {
        mf_child_group(ctx, pid);
    }
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    if (*reason_out != 0) {
        if (command->metric_name != NULL) {
            command_metric_end(command, &command->metric, false);
        }
        return W_EXITCODE(*reason_out == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN, 0);
    }
    wait_for(ctx, command, pid);
    mf_child_group(ctx, 0);
    wait_status = reap(pid);
    if (command->metric_name != NULL) {
        command_metric_end(command, &command->metric, WIFEXITED(wait_status));
    }
    return wait_status;
}
