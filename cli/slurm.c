#include "cli/slurm.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

#include "shared/memory.h"

/* mpirun gives its ranks terminals of their own: sbatch says in the environment what it is. */
bool slurm_is_batch(void)
{
    const char *environment = getenv("ENVIRONMENT");
    if (getenv("SLURM_JOB_ID") == NULL || getenv("MAPFLEET_RUN_DIR") != NULL) {
        return false;
    }
    return (environment != NULL && strcmp(environment, "BATCH") == 0) ||
           (!isatty(STDIN_FILENO) && !isatty(STDOUT_FILENO) && !isatty(STDERR_FILENO));
}

bool slurm_is_restarted(void)
{
    const char *count = getenv("SLURM_RESTART_COUNT");
    return slurm_is_batch() && count != NULL && strtoull(count, NULL, 10) > 0;
}

/* How many words from here on say nothing about the run. */
static int passed_over(int left, char *const *argv)
{
    static const char *const names[] = {"--resume", "--print", "--progress"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const size_t size = strlen(names[i]);
        if (strncmp(argv[0], names[i], size) == 0 && argv[0][size] == '=') {
            return 1;
        }
        if (strcmp(argv[0], names[i]) == 0) {
            return strcmp(names[i], "--progress") == 0 && left > 1 ? 2 : 1;
        }
    }
    return 0;
}

char *slurm_run_dir_tail(int argc, char *const *argv)
{
    XXH3_state_t *state = XXH3_createState();
    char text[96];
    bool is_ended = false;
    (void)XXH3_64bits_reset(state);
    for (int at = 0; at < argc;) {
        const int passed = is_ended ? 0 : passed_over(argc - at, &argv[at]);
        if (passed == 0) {
            is_ended = is_ended || strcmp(argv[at], "--") == 0;
            (void)XXH3_64bits_update(state, argv[at], strlen(argv[at]) + 1);
        }
        at += passed > 0 ? passed : 1;
    }
    const uint64_t digest = XXH3_64bits_digest(state);
    (void)XXH3_freeState(state);
    (void)snprintf(text, sizeof(text), "slurm%.32s-%012" PRIx64, getenv("SLURM_JOB_ID"),
                   digest >> 16);
    return memory_copy_text(text);
}
