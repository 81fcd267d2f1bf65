#include "cli/launch_agent.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/log.h"
#include "shared/memory.h"

#define EXIT_FAILED_SSH 255 /* as ssh itself has it */
#define EXIT_NOT_FOUND 127

/* mpirun ends its agents by a signal, and this ssh shall not outlive that. */
static _Noreturn void become_ssh(int argc, char **argv)
{
    char name[] = "ssh";
    char no_display[] = "-x";
    char **words = memory_take((size_t)argc + 2, sizeof(*words));
    words[0] = name;
    words[1] = no_display;
    memcpy(&words[2], &argv[1], (size_t)argc * sizeof(*words)); /* with the NULL */
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void)execvp(name, words);
    log_error("ssh: %s", strerror(errno));
    _exit(EXIT_NOT_FOUND);
}

static bool were_ranks_there(void)
{
    const char *path = getenv(LAUNCH_AGENT_VARIABLE);
    return path != NULL && access(path, F_OK) == 0;
}

int launch_agent_main(int argc, char **argv)
{
    int ended = 0;
    const pid_t pid = fork();
    if (pid < 0) {
        log_error("no process for ssh: %s", strerror(errno));
        return EXIT_FAILED_SSH;
    }
    if (pid == 0) {
        become_ssh(argc, argv);
    }
    pid_t waited;
    do {
        waited = waitpid(pid, &ended, 0);
    } while (waited < 0 && errno == EINTR);
    const int exit_status = WIFEXITED(ended) ? WEXITSTATUS(ended) : EXIT_FAILED_SSH;
    return were_ranks_there() ? 0 : exit_status;
}
