#include "cli/launch_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/launch_noise.h"
#include "cli/launch_note.h"
#include "master/run_file.h"
#include "master/run_liveness.h"
#include "shared/clock.h"
#include "shared/log.h"

#define STREAM_SIZE 65536
#define WRITE_SIZE 4096 /* PIPE_BUF: where poll() says that there is room, so much goes in */
/* Without anything on standard output for so long, what was printed is through. */
#define QUIET_US 1000000
/* What rank 0 said last may be under way when it is seen to be gone; and workers leave. */
#define LOST_US 3000000
/* How often a run is looked at whose rank 0 is on another machine. */
#define LOOK_US 5000000
/* From TERM to KILL: mpirun gives its ranks some of it. */
#define KILL_US 6000000
/* A run that was asked for its end twice, and does not come to it. */
#define STUCK_US 20000000
/* The rest of a text that may be left out comes at once. */
#define HELD_US 300000
/* timeout(1) and batch systems send a signal twice, to the process and to its group. */
#define SAME_SIGNAL_US 300000
#define EXIT_NOT_STARTED 127

static const int taken_signals[] = {SIGINT, SIGTERM, SIGUSR1, SIGUSR2}; /* and HUP */
enum { SIGNAL_COUNT = sizeof(taken_signals) / sizeof(taken_signals[0]) };

enum phase { PHASE_STARTING, PHASE_RUNNING, PHASE_OVER, PHASE_LOST };

struct launch {
    const char *word;
    const char *up_path;
    struct launch_outcome *outcome;
    enum phase phase;
    pid_t launcher;
    bool has_ended;     /* the launcher */
    int signals;        /* signalfd */
    int rank_0;         /* pidfd; -1: on another machine, or not known */
    int streams[2];     /* read ends of standard output and error; -1: closed */
    bool is_out_closed; /* nobody reads our standard output */
    char out[STREAM_SIZE];
    size_t out_size;
    size_t out_at;
    struct launch_noise noise;
    int signal_count; /* that asked for an end */
    int last_signal;
    uint64_t last_signal_us;
    uint64_t held_us; /* until then, what is held on standard error is held */
    uint64_t term_us; /* when the launcher is ended; UINT64_MAX: not to be */
    uint64_t kill_us;
    uint64_t look_us; /* when the run is looked at */
    bool was_running; /* ... and its record said so */
    bool is_orphaned; /* a worker has left because rank 0 is silent */
};

/* ---- Ending the launcher ------------------------------------------------------------------------
 */

static void end_by(struct launch *launch, uint64_t delay_us)
{
    const uint64_t at_us = clock_us() + delay_us;
    launch->term_us =
        launch->kill_us == UINT64_MAX && at_us < launch->term_us ? at_us : launch->term_us;
}

/* The launcher alone gets TERM, which it passes on; KILL goes to what else is of its group. */
static void end_launcher(struct launch *launch, uint64_t now_us)
{
    if (now_us >= launch->term_us) {
        launch->term_us = UINT64_MAX;
        launch->kill_us = now_us + KILL_US;
        (void)kill(launch->launcher, SIGTERM);
    } else if (now_us >= launch->kill_us) {
        launch->kill_us = now_us + KILL_US;
        (void)kill(-launch->launcher, SIGKILL);
    }
}

/* ---- Notes -------------------------------------------------------------------------------------
 */

static void on_up(struct launch *launch, const struct launch_note *note)
{
    if (launch->phase != PHASE_STARTING) {
        return;
    }
    launch->phase = PHASE_RUNNING;
    launch->outcome->was_up = true;
    launch->noise.stage = LAUNCH_UP;
    if (note->process > 0) {
        launch->rank_0 = (int)syscall(SYS_pidfd_open, (pid_t)note->process, 0);
    }
    launch->look_us = clock_us() + LOOK_US;
    if (launch->up_path != NULL) {
        const int up = open(launch->up_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        if (up >= 0) {
            (void)close(up);
        }
    }
}

static void on_over(struct launch *launch, const struct launch_note *note)
{
    if (launch->phase != PHASE_OVER) {
        launch->phase = PHASE_OVER;
        launch->outcome->is_over = true;
        launch->outcome->exit_status = note->exit_status;
        launch->noise.stage = LAUNCH_OVER;
        launch->term_us = UINT64_MAX;
        end_by(launch, QUIET_US);
    }
}

/* What is true of a run whose rank 0 is on another machine: after the loss of a host, mpirun may
 * pass nothing on, rank 0's last word included. */
static bool is_at_work(struct launch *launch)
{
    const char *run_dir = launch->outcome->run_dir;
    struct run_description *run = NULL;
    if (*run_dir == '\0' || run_file_read(run_dir, &run, NULL) != STATUS_OK) {
        return true; /* as far as is known */
    }
    const bool is_running = run->state == RUN_RUNNING;
    const bool has_ended = launch->was_running && !is_running;
    run_description_destroy(run);
    launch->was_running = launch->was_running || is_running;
    if (launch->is_orphaned && is_running) { /* a worker alone may be cut off */
        launch->is_orphaned = false;
        return run_liveness(run_dir);
    }
    return !has_ended;
}

static void look_for_rank_0(struct launch *launch)
{
    launch->look_us = UINT64_MAX;
    if (launch->phase != PHASE_RUNNING || launch->rank_0 >= 0) {
        return;
    }
    if (is_at_work(launch)) {
        launch->look_us = clock_us() + LOOK_US;
        return;
    }
    launch->phase = PHASE_LOST;
    end_by(launch, LOST_US);
}

static void take_note(void *context, const char *text, size_t size)
{
    struct launch *launch = context;
    struct launch_note note;
    if (!launch_note_read(launch->word, text, size, &note)) {
        return; /* one of the two is damaged */
    }
    switch (note.kind) {
    case LAUNCH_NOTE_UP:
        on_up(launch, &note);
        break;
    case LAUNCH_NOTE_RUN:
        memcpy(launch->outcome->run_dir, note.run_dir, sizeof(note.run_dir));
        break;
    case LAUNCH_NOTE_OVER:
        on_over(launch, &note);
        break;
    case LAUNCH_NOTE_ORPHANED:
        launch->is_orphaned = true;
        break;
    }
}

/* ---- Streams -----------------------------------------------------------------------------------
 */

static void pass_on(void *context, const char *text, size_t size)
{
    (void)context;
    while (size > 0) {
        const ssize_t written = write(STDERR_FILENO, text, size);
        if (written < 0 && errno != EINTR) {
            return;
        }
        text += written > 0 ? written : 0;
        size -= written > 0 ? (size_t)written : 0;
    }
}

/* Gives whether there was something. */
static bool read_stream(int *stream, char *bytes, size_t *size_out)
{
    const ssize_t size = read(*stream, bytes, STREAM_SIZE);
    *size_out = size > 0 ? (size_t)size : 0;
    if (size == 0 || (size < 0 && errno != EINTR && errno != EAGAIN)) {
        (void)close(*stream);
        *stream = -1;
    }
    return size > 0;
}

static void read_error(struct launch *launch)
{
    static char bytes[STREAM_SIZE];
    size_t size;
    if (read_stream(&launch->streams[1], bytes, &size)) {
        launch_noise_feed(&launch->noise, bytes, size);
        launch->held_us = launch->noise.held_size > 0 ? clock_us() + HELD_US : UINT64_MAX;
    }
}

static void still_printing(struct launch *launch)
{
    if (launch->phase == PHASE_OVER && launch->term_us != UINT64_MAX) {
        launch->term_us = clock_us() + QUIET_US;
    }
}

static void read_output(struct launch *launch)
{
    launch->out_at = 0;
    if (read_stream(&launch->streams[0], launch->out, &launch->out_size)) {
        still_printing(launch);
        launch->out_size = launch->is_out_closed ? 0 : launch->out_size;
    }
}

static void write_output(struct launch *launch)
{
    const size_t left = launch->out_size - launch->out_at;
    const ssize_t written =
        write(STDOUT_FILENO, &launch->out[launch->out_at], left < WRITE_SIZE ? left : WRITE_SIZE);
    still_printing(launch);
    if (written < 0 && errno != EINTR && errno != EAGAIN) {
        launch->is_out_closed = true; /* the run goes on, and nobody sees what it prints */
        launch->out_size = 0;
    }
    launch->out_at += written > 0 ? (size_t)written : 0;
    if (launch->out_at >= launch->out_size) {
        launch->out_at = 0;
        launch->out_size = 0;
    }
}

/* ---- Signals -----------------------------------------------------------------------------------
 */

static void on_request(struct launch *launch, int number)
{
    const uint64_t now_us = clock_us();
    if (number == launch->last_signal && now_us - launch->last_signal_us < SAME_SIGNAL_US) {
        return;
    }
    launch->last_signal = number;
    launch->last_signal_us = now_us;
    launch->signal_count++;
    launch->outcome->is_interrupted = true;
    if (launch->phase != PHASE_RUNNING || launch->signal_count > 2) {
        end_by(launch, 0);
    } else if (launch->signal_count == 1) {
        (void)kill(launch->launcher, SIGUSR1);
    } else {
        (void)kill(launch->launcher, SIGUSR2);
        end_by(launch, STUCK_US);
    }
}

static void reap(struct launch *launch)
{
    int ended;
    if (waitpid(launch->launcher, &ended, WNOHANG) == launch->launcher) {
        launch->has_ended = true;
        launch->outcome->launcher_status = ended;
    }
}

static void take_signals(struct launch *launch)
{
    struct signalfd_siginfo info;
    while (read(launch->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGCHLD) {
            reap(launch);
        } else {
            on_request(launch, (int)info.ssi_signo);
        }
    }
}

static void on_rank_0_gone(struct launch *launch)
{
    (void)close(launch->rank_0);
    launch->rank_0 = -1;
    if (launch->phase == PHASE_RUNNING) {
        launch->phase = PHASE_LOST;
        end_by(launch, LOST_US);
    }
}

/* ---- The loop ----------------------------------------------------------------------------------
 */

enum { FD_SIGNALS, FD_RANK_0, FD_OUT, FD_ERROR, FD_PRINT, FD_COUNT };

static int wait_ms(const struct launch *launch)
{
    const uint64_t now_us = clock_us();
    uint64_t until_us = launch->term_us;
    until_us = launch->kill_us < until_us ? launch->kill_us : until_us;
    until_us = launch->held_us < until_us ? launch->held_us : until_us;
    until_us = launch->look_us < until_us ? launch->look_us : until_us;
    if (until_us == UINT64_MAX) {
        return -1;
    }
    return until_us > now_us ? (int)((until_us - now_us) / 1000 + 1) : 0;
}

static void turn(struct launch *launch)
{
    const bool has_out = launch->out_size > 0;
    struct pollfd fds[FD_COUNT] = {
        [FD_SIGNALS] = {.fd = launch->signals, .events = POLLIN},
        [FD_RANK_0] = {.fd = launch->rank_0, .events = POLLIN},
        [FD_OUT] = {.fd = has_out ? -1 : launch->streams[0], .events = POLLIN},
        [FD_ERROR] = {.fd = launch->streams[1], .events = POLLIN},
        [FD_PRINT] = {.fd = has_out ? STDOUT_FILENO : -1, .events = POLLOUT},
    };
    if (poll(fds, FD_COUNT, wait_ms(launch)) > 0) {
        if (fds[FD_ERROR].revents != 0) {
            read_error(launch);
        }
        if (fds[FD_OUT].revents != 0) {
            read_output(launch);
        }
        if (fds[FD_PRINT].revents != 0) {
            write_output(launch);
        }
        if (fds[FD_RANK_0].revents != 0) {
            on_rank_0_gone(launch);
        }
        if (fds[FD_SIGNALS].revents != 0) {
            take_signals(launch);
        }
    }
    const uint64_t now_us = clock_us();
    if (now_us >= launch->held_us) {
        launch_noise_end(&launch->noise);
        launch->held_us = UINT64_MAX;
    }
    if (now_us >= launch->look_us) {
        look_for_rank_0(launch);
    }
    if (launch->out_size > 0) {
        still_printing(launch); /* to somebody who takes their time */
    }
    end_launcher(launch, now_us);
}

/* What the launcher has left in the pipes; others that it started may hold them open. */
static void drain(struct launch *launch)
{
    for (;;) {
        struct pollfd fds[] = {{.fd = launch->streams[0], .events = POLLIN},
                               {.fd = launch->streams[1], .events = POLLIN}};
        while (launch->out_size > 0) {
            write_output(launch);
        }
        if (poll(fds, 2, 0) <= 0) {
            break;
        }
        if (fds[0].revents != 0) {
            read_output(launch);
        }
        if (fds[1].revents != 0) {
            read_error(launch);
        }
    }
    launch_noise_end(&launch->noise);
}

/* ---- Starting ----------------------------------------------------------------------------------
 */

static _Noreturn void become_launcher(const struct launch_line *line, const int ends[4],
                                      bool has_input, const sigset_t *mask, pid_t parent)
{
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) {
        _exit(EXIT_NOT_STARTED);
    }
    const int nothing = has_input ? -1 : open("/dev/null", O_RDONLY);
    if (nothing > STDIN_FILENO) {
        (void)dup2(nothing, STDIN_FILENO);
        (void)close(nothing);
    }
    (void)dup2(ends[1], STDOUT_FILENO);
    (void)dup2(ends[3], STDERR_FILENO);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)signal(SIGXFSZ, SIG_DFL);
    (void)sigprocmask(SIG_SETMASK, mask, NULL);
    (void)execvp(line->words[0], line->words);
    log_error("%s: %s", line->words[0], strerror(errno));
    _exit(EXIT_NOT_STARTED);
}

static void close_all(int *ends, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ends[i] >= 0) {
            (void)close(ends[i]);
            ends[i] = -1;
        }
    }
}

static enum status spawn(struct launch *launch, const struct launch_line *line, bool has_input,
                         const sigset_t *mask, struct error *err)
{
    int ends[4] = {-1, -1, -1, -1};
    const pid_t own = getpid();
    if (pipe2(&ends[0], O_CLOEXEC) != 0 || pipe2(&ends[2], O_CLOEXEC) != 0) {
        close_all(ends, 4);
        return error_set(err, STATUS_IO, "pipe: %s", strerror(errno));
    }
    launch->launcher = fork();
    if (launch->launcher == 0) {
        become_launcher(line, ends, has_input, mask, own);
    }
    if (launch->launcher < 0) {
        close_all(ends, 4);
        return error_set(err, STATUS_IO, "no process for %s: %s", line->words[0], strerror(errno));
    }
    (void)setpgid(launch->launcher, launch->launcher);
    (void)close(ends[1]);
    (void)close(ends[3]);
    launch->streams[0] = ends[0];
    launch->streams[1] = ends[2];
    return STATUS_OK;
}

/* HUP stays ignored where it is, as under nohup. */
static sigset_t signals_to_take(void)
{
    struct sigaction action;
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        (void)sigaddset(&set, taken_signals[i]);
        (void)signal(taken_signals[i], SIG_DFL);
    }
    if (sigaction(SIGHUP, NULL, &action) == 0 && action.sa_handler != SIG_IGN) {
        (void)sigaddset(&set, SIGHUP);
    }
    return set;
}

enum status launch_run(const struct launch_line *line, const char *word, const char *up_path,
                       bool has_input, struct launch_outcome *outcome_out, struct error *err)
{
    static struct launch launch;
    const sigset_t taken = signals_to_take();
    sigset_t mask_before;
    launch = (struct launch){.word = word,
                             .up_path = up_path,
                             .outcome = outcome_out,
                             .rank_0 = -1,
                             .streams = {-1, -1},
                             .held_us = UINT64_MAX,
                             .term_us = UINT64_MAX,
                             .kill_us = UINT64_MAX,
                             .look_us = UINT64_MAX};
    launch.noise = (struct launch_noise){.pass = pass_on, .note = take_note, .context = &launch};
    *outcome_out = (struct launch_outcome){0};
    (void)sigprocmask(SIG_BLOCK, &taken, &mask_before);
    launch.signals = signalfd(-1, &taken, SFD_NONBLOCK | SFD_CLOEXEC);
    enum status status = launch.signals >= 0
                             ? spawn(&launch, line, has_input, &mask_before, err)
                             : error_set(err, STATUS_IO, "signalfd: %s", strerror(errno));
    while (status == STATUS_OK && !launch.has_ended) {
        turn(&launch);
    }
    if (status == STATUS_OK) {
        drain(&launch);
        (void)kill(-launch.launcher, SIGKILL);
    }
    close_all(launch.streams, 2);
    close_all((int[]){launch.rank_0, launch.signals}, 2);
    (void)sigprocmask(SIG_SETMASK, &mask_before, NULL);
    return status;
}
