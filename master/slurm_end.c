#include "master/slurm_end.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shared/value.h"

#define ASK_EVERY_MS 60000
#define ANSWER_SIZE_MAX 64

bool slurm_end_parse(const char *text, int64_t *end_s_out)
{
    struct tm parts = {.tm_isdst = -1};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
    if (rest == NULL || rest[strspn(rest, " \n")] != '\0') {
        return false;
    }
    const time_t end = mktime(&parts);
    *end_s_out = (int64_t)end;
    return end > 0;
}

/* ---- The child --------------------------------------------------------------------------------
 */

/* Standard streams are /dev/null, for which nobody waits; of all else the socket stays. */
static bool keep_only(int *socket)
{
    const int kept = fcntl(*socket, F_DUPFD_CLOEXEC, STDERR_FILENO + 2);
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (kept < 0 || null < 0) {
        return false;
    }
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fd == null ? fcntl(fd, F_SETFD, 0) < 0 : dup2(null, fd) < 0) {
            return false;
        }
    }
    *socket = dup3(kept, STDERR_FILENO + 1, O_CLOEXEC);
    return *socket >= 0 && close_range((unsigned)*socket + 1, ~0U, 0) == 0;
}

static _Noreturn void become_squeue(const char *job, int output)
{
    char name[] = "squeue";
    char no_header[] = "-h";
    char by_job[] = "-j";
    char form[] = "-o";
    char end[] = "%e";
    char number[ANSWER_SIZE_MAX];
    (void)snprintf(number, sizeof(number), "%s", job);
    char *argv[] = {name, no_header, by_job, number, form, end, NULL};
    (void)prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL, 0ul, 0ul, 0ul);
    (void)dup2(output, STDOUT_FILENO);
    (void)setenv("SLURM_TIME_FORMAT", "standard", 1);
    (void)execvp(name, argv);
    _exit(EXIT_FAILURE);
}

/* The first bytes that it prints; nothing where it fails. */
static void ask(const char *job, char answer_out[ANSWER_SIZE_MAX])
{
    int ends[2];
    size_t size = 0;
    answer_out[0] = '\0';
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return;
    }
    const pid_t pid = fork();
    if (pid == 0) {
        become_squeue(job, ends[1]);
    }
    (void)close(ends[1]);
    while (pid > 0 && size < ANSWER_SIZE_MAX - 1) {
        const ssize_t count = read(ends[0], answer_out + size, ANSWER_SIZE_MAX - 1 - size);
        if (count <= 0) {
            break;
        }
        size += (size_t)count;
    }
    answer_out[size] = '\0';
    (void)close(ends[0]);
    if (pid > 0) {
        (void)waitpid(pid, NULL, 0);
    }
}

/* Signals that end the run are the rank's: this process ends with the socket, or with the rank. */
static _Noreturn void become_watch(int socket, const char *job, pid_t rank)
{
    static const int ignored[] = {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
    char answer[ANSWER_SIZE_MAX];
    char word;
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++) {
        (void)signal(ignored[i], SIG_IGN);
    }
    (void)signal(SIGCHLD, SIG_DFL);
    (void)prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL, 0ul, 0ul, 0ul);
    if (getppid() != rank || !keep_only(&socket) || read(socket, &word, 1) != 1) {
        _exit(EXIT_SUCCESS);
    }
    struct pollfd fd = {.fd = socket, .events = POLLIN};
    do {
        int64_t end_s;
        ask(job, answer);
        if (slurm_end_parse(answer, &end_s)) {
            (void)!write(socket, &end_s, sizeof(end_s));
        }
    } while (poll(&fd, 1, ASK_EVERY_MS) == 0);
    _exit(EXIT_SUCCESS);
}

/* ---- The rank ---------------------------------------------------------------------------------
 */

static struct {
    pid_t pid;       /* of the child; 0: none */
    int socket;      /* to it; -1: none */
    int64_t first_s; /* of the environment; 0: none, or taken */
} watch = {.socket = -1};

static void start_child(const char *job)
{
    int sockets[2];
    const pid_t rank = getpid();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
        return;
    }
    (void)fflush(NULL); /* what is buffered is not the child's to write */
    watch.pid = fork();
    if (watch.pid == 0) {
        become_watch(sockets[1], job, rank);
    }
    (void)close(sockets[1]);
    watch.socket = sockets[0];
}

void slurm_end_open(void)
{
    const char *job = getenv("SLURM_JOB_ID");
    const char *first = getenv("SLURM_JOB_END_TIME");
    if (job == NULL || *job == '\0') {
        return;
    }
    if (first == NULL || value_parse_int(first, strlen(first), &watch.first_s) != STATUS_OK) {
        watch.first_s = 0;
    }
    start_child(job);
}

void slurm_end_start(void)
{
    if (watch.socket >= 0) {
        (void)send(watch.socket, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

void slurm_end_close(void)
{
    if (watch.socket >= 0) {
        (void)close(watch.socket);
        watch.socket = -1;
    }
    if (watch.pid > 0) {
        (void)kill(watch.pid, SIGKILL);
        (void)waitpid(watch.pid, NULL, 0);
        watch.pid = 0;
    }
}

int slurm_end_descriptor(void)
{
    return watch.socket;
}

bool slurm_end_take(int64_t *end_s_out)
{
    bool is_told = watch.first_s > 0;
    int64_t end_s = 0;
    ssize_t count = 1;
    *end_s_out = watch.first_s;
    watch.first_s = 0;
    while (watch.socket >= 0 && count > 0) {
        count = recv(watch.socket, &end_s, sizeof(end_s), MSG_DONTWAIT);
        if (count == (ssize_t)sizeof(end_s)) {
            *end_s_out = end_s;
            is_told = true;
        }
    }
    if (count == 0) {
        slurm_end_close(); /* the child is gone */
    }
    return is_told;
}
