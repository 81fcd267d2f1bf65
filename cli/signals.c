#include "cli/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* What the handler writes: less than PIPE_BUF, so it arrives whole. */
struct note {
    int number;
    pid_t sender; /* 0: of another namespace */
};

static const int passed_on[] = {SIGUSR1, SIGUSR2};
static const int ending[] = {SIGINT, SIGTERM};
enum { SIGNAL_COUNT = 2 }; /* of each */

static int ends[2] = {-1, -1}; /* of the pipe */
static bool is_under_mpirun;

static void note_signal(int number, siginfo_t *info, void *context)
{
    const int errno_before = errno;
    const struct note note = {.number = number, .sender = info->si_pid};
    (void)context;
    (void)!write(ends[1], &note, sizeof(note));
    errno = errno_before;
}

static void take_in(const int numbers[SIGNAL_COUNT], int flags)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_RESTART | flags};
    action.sa_sigaction = note_signal;
    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        (void)sigaction(numbers[i], &action, NULL);
    }
}

enum status signals_open(struct error *err)
{
    /* MPI_Init() may set it in jobs of other launchers too. */
    is_under_mpirun = getenv("OMPI_COMM_WORLD_SIZE") != NULL;
    if (ends[0] < 0 && pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        return error_set(err, STATUS_IO, "pipe: %s", strerror(errno));
    }
    take_in(passed_on, 0);
    return STATUS_OK;
}

void signals_listen(bool is_once)
{
    take_in(ending, is_once ? (int)SA_RESETHAND : 0);
}

void signals_close(void)
{
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        (void)signal(ending[i], SIG_DFL);
    }
}

int signals_descriptor(void)
{
    return ends[0];
}

bool signals_take(struct signal_event *event_out)
{
    struct note note;
    if (ends[0] < 0 || read(ends[0], &note, sizeof(note)) != (ssize_t)sizeof(note)) {
        return false;
    }
    const bool is_ending = note.number == SIGINT || note.number == SIGTERM;
    const bool is_from_launcher = note.sender == 0 || note.sender == getppid();
    *event_out = (struct signal_event){
        .number = note.number, .is_last_word = is_ending && is_under_mpirun && is_from_launcher};
    return true;
}
