#include "master/sampler.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "master/sampler_lines.h"
#include "shared/arena.h"
#include "shared/clock.h"
#include "shared/environment.h"
#include "shared/log.h"

#define READ_SIZE ((size_t)64 << 10)
/* A turn takes no more than this of it, so that one that floods does not hold the loop up. */
#define READS_A_TURN_MAX 16
/* How long it has to hear the rest and to end by itself, and then after SIGTERM. */
#define LEAVE_US_MAX 500000
#define TERM_US_MAX 2000000
#define LOOK_MS 10
/* One that has closed its output is about to end, most often. */
#define END_US_MAX 500000
#define ERROR_LINE_SIZE_MAX 4000
#define TEXT_SIZE 128

struct sampler {
    pid_t pid;     /* 0: it was reaped */
    int end;       /* a pidfd; -1: the kernel has none */
    int in;        /* of its standard input, ours to write; -1: closed */
    int out;       /* -1: closed */
    int error_out; /* -1: closed */
    struct buffer outbox;
    size_t sent; /* of the outbox */
    struct buffer inbox;
    size_t taken; /* of the inbox */
    struct buffer errors;
    uint64_t closed_us;  /* when its output was found closed; 0: it is not */
    char how[TEXT_SIZE]; /* it has ended; empty: it has not */
};

/* ---- Starting ---------------------------------------------------------------------------------
 */

/* Both ends of three pipes, by what they are to the process: [0] it reads, or we do. */
struct pipes {
    int in[2];
    int out[2];
    int error_out[2];
};

static void close_all(struct pipes *pipes)
{
    int *const ends[] = {&pipes->in[0],  &pipes->in[1],        &pipes->out[0],
                         &pipes->out[1], &pipes->error_out[0], &pipes->error_out[1]};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        if (*ends[i] >= 0) {
            (void)close(*ends[i]);
            *ends[i] = -1;
        }
    }
}

/* Only our ends never wait: the others are the process's standard streams. */
static bool open_pipes(struct pipes *pipes)
{
    *pipes = (struct pipes){{-1, -1}, {-1, -1}, {-1, -1}};
    if (pipe2(pipes->in, O_CLOEXEC) == 0 && pipe2(pipes->out, O_CLOEXEC) == 0 &&
        pipe2(pipes->error_out, O_CLOEXEC) == 0 && fcntl(pipes->in[1], F_SETFL, O_NONBLOCK) == 0 &&
        fcntl(pipes->out[0], F_SETFL, O_NONBLOCK) == 0 &&
        fcntl(pipes->error_out[0], F_SETFL, O_NONBLOCK) == 0) {
        return true;
    }
    close_all(pipes);
    return false;
}

/* A process group of its own, and signals as at a program's start. */
static int open_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none;
    sigset_t defaults;
    (void)sigemptyset(&none);
    (void)sigfillset(&defaults);
    const int code = posix_spawnattr_init(attributes);
    if (code == 0) {
        (void)posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                       POSIX_SPAWN_SETSIGDEF);
        (void)posix_spawnattr_setpgroup(attributes, 0);
        (void)posix_spawnattr_setsigmask(attributes, &none);
        (void)posix_spawnattr_setsigdefault(attributes, &defaults);
    }
    return code;
}

/* Nothing of ours stays open in it, MPI's least of all: its launcher would wait for them. */
static int open_actions(posix_spawn_file_actions_t *actions, const struct pipes *pipes)
{
    int code = posix_spawn_file_actions_init(actions);
    if (code != 0) {
        return code;
    }
    code = posix_spawn_file_actions_adddup2(actions, pipes->in[0], STDIN_FILENO);
    if (code == 0) {
        code = posix_spawn_file_actions_adddup2(actions, pipes->out[1], STDOUT_FILENO);
    }
    if (code == 0) {
        code = posix_spawn_file_actions_adddup2(actions, pipes->error_out[1], STDERR_FILENO);
    }
    return code == 0 ? posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1) : code;
}

/* Gives an errno. */
static int spawn(const char *const *arguments, char *const *variables, const struct pipes *pipes,
                 pid_t *pid_out)
{
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    int code = open_attributes(&attributes);
    if (code != 0) {
        return code;
    }
    code = open_actions(&actions, pipes);
    if (code == 0) {
        code = posix_spawnp(pid_out, arguments[0], &actions, &attributes,
                            (char *const *)(uintptr_t)arguments, variables);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attributes);
    return code;
}

static struct sampler *create(pid_t pid, const struct pipes *pipes)
{
    struct sampler *sampler = calloc(1, sizeof(*sampler));
    if (sampler != NULL) {
        *sampler = (struct sampler){.pid = pid,
                                    .end = (int)syscall(SYS_pidfd_open, pid, 0),
                                    .in = pipes->in[1],
                                    .out = pipes->out[0],
                                    .error_out = pipes->error_out[0]};
    }
    return sampler;
}

static enum status start(const char *const *arguments, char *const *variables,
                         struct sampler **sampler_out, struct error *err)
{
    struct pipes pipes;
    pid_t pid = 0;
    if (!open_pipes(&pipes)) {
        return error_set(err, STATUS_IO, "no pipe to a sampler: %s", strerror(errno));
    }
    const int code = spawn(arguments, variables, &pipes, &pid);
    if (code != 0) {
        close_all(&pipes);
        return error_set(err, STATUS_INVALID, "the sampler %s cannot be started: %s", arguments[0],
                         strerror(code));
    }
    struct sampler *sampler = create(pid, &pipes);
    if (sampler == NULL) {
        (void)kill(-pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        close_all(&pipes);
        return error_set(err, STATUS_NO_MEMORY, "no memory for a sampler");
    }
    (void)close(pipes.in[0]);
    (void)close(pipes.out[1]);
    (void)close(pipes.error_out[1]);
    *sampler_out = sampler;
    return STATUS_OK;
}

enum status sampler_start(const char *const *arguments, struct sampler **sampler_out,
                          struct error *err)
{
    struct arena arena = {0};
    char *const *variables = NULL;
    enum status status = environment_of_helper(&arena, &variables, err);
    if (status == STATUS_OK) {
        status = start(arguments, variables, sampler_out, err);
    }
    arena_free(&arena);
    return status;
}

/* ---- Its end ----------------------------------------------------------------------------------
 */

static void close_one(int *descriptor)
{
    if (*descriptor >= 0) {
        (void)close(*descriptor);
        *descriptor = -1;
    }
}

static void say_how(struct sampler *sampler, int wait_status)
{
    if (WIFSIGNALED(wait_status)) {
        (void)snprintf(sampler->how, sizeof(sampler->how), "was ended by SIG%s",
                       sigabbrev_np(WTERMSIG(wait_status)));
    } else {
        (void)snprintf(sampler->how, sizeof(sampler->how), "has ended with status %d",
                       WEXITSTATUS(wait_status));
    }
}

/* Is it dead? It keeps its number until it is reaped. */
static bool is_dead(const struct sampler *sampler)
{
    siginfo_t info = {.si_pid = 0};
    return waitid(P_PID, (id_t)sampler->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid != 0;
}

/* What is left of its group goes with it, while the group's number is still its own. */
static void reap(struct sampler *sampler)
{
    int wait_status = 0;
    (void)kill(-sampler->pid, SIGKILL);
    while (waitpid(sampler->pid, &wait_status, 0) < 0 && errno == EINTR) {
    }
    sampler->pid = 0;
    say_how(sampler, wait_status);
    close_one(&sampler->in);
}

/* False where it has not ended by then. */
static bool wait_for_end(const struct sampler *sampler, uint64_t until_us)
{
    struct pollfd end = {.fd = sampler->end, .events = POLLIN};
    uint64_t now_us = clock_us();
    while (!is_dead(sampler) && now_us < until_us) {
        const int left_ms = (int)((until_us - now_us + 999) / 1000);
        (void)poll(&end, sampler->end >= 0 ? 1 : 0, sampler->end >= 0 ? left_ms : LOOK_MS);
        now_us = clock_us();
    }
    return is_dead(sampler);
}

/* What it has yet to hear. It may write meanwhile: that is taken, and of no use any more. */
static void send_rest(struct sampler *sampler, uint64_t until_us)
{
    struct pollfd fds[SAMPLER_FD_COUNT_MAX];
    while (sampler->pid > 0 && sampler->in >= 0 && sampler->outbox.size > sampler->sent &&
           clock_us() < until_us) {
        bool did_something = false;
        buffer_clear(&sampler->inbox);
        sampler->taken = 0;
        sampler_turn(sampler, &did_something);
        if (!did_something) {
            (void)poll(fds, sampler_descriptors(sampler, fds), LOOK_MS);
        }
    }
}

void sampler_destroy(struct sampler *sampler)
{
    if (sampler == NULL) {
        return;
    }
    const uint64_t leave_us = clock_us() + LEAVE_US_MAX;
    send_rest(sampler, leave_us);
    close_one(&sampler->in);
    if (sampler->pid > 0) {
        if (!wait_for_end(sampler, leave_us)) {
            (void)kill(-sampler->pid, SIGTERM);
            (void)wait_for_end(sampler, clock_us() + TERM_US_MAX);
        }
        reap(sampler);
    }
    close_one(&sampler->out);
    close_one(&sampler->error_out);
    close_one(&sampler->end);
    buffer_free(&sampler->outbox);
    buffer_free(&sampler->inbox);
    buffer_free(&sampler->errors);
    free(sampler);
}

/* ---- To it ------------------------------------------------------------------------------------
 */

struct buffer *sampler_outbox(struct sampler *sampler)
{
    return &sampler->outbox;
}

/* SIGPIPE is ignored in ranks. Where it reads no more, its end says so. */
static void send_some(struct sampler *sampler, bool *did_something)
{
    struct buffer *outbox = &sampler->outbox;
    while (sampler->in >= 0 && sampler->sent < outbox->size) {
        const ssize_t written =
            write(sampler->in, outbox->data + sampler->sent, outbox->size - sampler->sent);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0 && errno != EAGAIN) {
            close_one(&sampler->in);
        }
        if (written <= 0) {
            return;
        }
        *did_something = true;
        sampler->sent += (size_t)written;
    }
    buffer_clear(outbox);
    sampler->sent = 0;
}

/* ---- From it ----------------------------------------------------------------------------------
 */

/* False when there is no more for now; closed where there never will be. */
static bool read_some(int *descriptor, struct buffer *into, bool *did_something)
{
    if (*descriptor < 0 || buffer_reserve(into, READ_SIZE) != STATUS_OK) {
        return false;
    }
    const ssize_t count = read(*descriptor, into->data + into->size, READ_SIZE);
    if (count < 0) {
        return errno == EINTR;
    }
    if (count == 0) {
        close_one(descriptor);
        return false;
    }
    into->size += (size_t)count;
    *did_something = true;
    return true;
}

/* A line that has no end within reason is as good as one. */
static void pass_errors_on(struct sampler *sampler)
{
    struct buffer *errors = &sampler->errors;
    size_t at = 0;
    while (at < errors->size) {
        const char *line = (const char *)errors->data + at;
        const size_t left = errors->size - at;
        const char *newline = memchr(line, '\n', left);
        if (newline == NULL && left < ERROR_LINE_SIZE_MAX && sampler->error_out >= 0) {
            break;
        }
        const size_t whole = newline != NULL ? (size_t)(newline - line) : left;
        const size_t size = whole < ERROR_LINE_SIZE_MAX ? whole : ERROR_LINE_SIZE_MAX;
        log_info("sampler: %.*s", (int)size, line);
        at += size + (size == whole && newline != NULL ? 1 : 0);
    }
    if (at > 0) {
        memmove(errors->data, errors->data + at, errors->size - at);
        errors->size -= at;
    }
}

/* Room is made before more is read, not with each line. */
static void drop_taken(struct sampler *sampler)
{
    struct buffer *inbox = &sampler->inbox;
    if (sampler->taken > 0) {
        memmove(inbox->data, inbox->data + sampler->taken, inbox->size - sampler->taken);
        inbox->size -= sampler->taken;
        sampler->taken = 0;
    }
}

/* Of one that has ended there will be no more, even if another process holds its pipe. */
static void receive(const struct sampler *sampler, int *descriptor, struct buffer *into,
                    bool *did_something)
{
    bool is_more = true;
    for (int i = 0; i < READS_A_TURN_MAX && is_more && into->size <= SAMPLER_LINE_SIZE_MAX; i++) {
        is_more = read_some(descriptor, into, did_something);
    }
    if (!is_more && sampler->pid == 0) {
        close_one(descriptor);
    }
}

void sampler_turn(struct sampler *sampler, bool *did_something)
{
    if (sampler->pid > 0 && is_dead(sampler)) { /* first: what it said last is read after it */
        reap(sampler);
        *did_something = true;
    }
    send_some(sampler, did_something);
    drop_taken(sampler);
    receive(sampler, &sampler->out, &sampler->inbox, did_something);
    receive(sampler, &sampler->error_out, &sampler->errors, did_something);
    pass_errors_on(sampler);
    if (sampler->out < 0 && sampler->closed_us == 0) {
        sampler->closed_us = clock_us();
    }
}

/* One that is too long is given as far as it goes: sampler_read() refuses it. */
bool sampler_next_line(struct sampler *sampler, const char **line_out, size_t *size_out)
{
    const char *line = (const char *)sampler->inbox.data + sampler->taken;
    const size_t left = sampler->inbox.size - sampler->taken;
    const char *newline = left > 0 ? memchr(line, '\n', left) : NULL;
    if (left == 0 || (newline == NULL && left <= SAMPLER_LINE_SIZE_MAX)) {
        return false;
    }
    *line_out = line;
    *size_out = newline != NULL ? (size_t)(newline - line) : left;
    sampler->taken += *size_out + (newline != NULL ? 1 : 0);
    return true;
}

bool sampler_has_ended(const struct sampler *sampler, const char **how_out)
{
    const size_t left = sampler->inbox.size - sampler->taken;
    const bool is_line_left =
        left > 0 && memchr(sampler->inbox.data + sampler->taken, '\n', left) != NULL;
    const bool is_over = sampler->pid == 0 ||
                         (sampler->closed_us > 0 && clock_us() - sampler->closed_us > END_US_MAX);
    *how_out = sampler->pid == 0 ? sampler->how : "has closed its standard output";
    return sampler->out < 0 && is_over && !is_line_left;
}

size_t sampler_descriptors(const struct sampler *sampler, struct pollfd *fds_out)
{
    size_t count = 0;
    if (sampler->in >= 0 && sampler->outbox.size > sampler->sent) {
        fds_out[count++] = (struct pollfd){.fd = sampler->in, .events = POLLOUT};
    }
    if (sampler->out >= 0) {
        fds_out[count++] = (struct pollfd){.fd = sampler->out, .events = POLLIN};
    }
    if (sampler->error_out >= 0) {
        fds_out[count++] = (struct pollfd){.fd = sampler->error_out, .events = POLLIN};
    }
    if (sampler->pid > 0 && sampler->end >= 0) {
        fds_out[count++] = (struct pollfd){.fd = sampler->end, .events = POLLIN};
    }
    return count;
}
