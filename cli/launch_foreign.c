#include "cli/launch_foreign.h"

#include <stddef.h>
#include <string.h>

struct foreign {
    const char *names; /* between bars; each with one or two dashes */
    const char *hint;
};

static const struct foreign options[] = {
    {"|np|ntasks|nprocs|", "use -n COUNT"},
    {"|N|npernode|ppn|ntasks-per-node|tasks-per-node|perhost|",
     "use slots of the hosts (--hosts a:4,b:2, or slots=4 in a hostfile)"},
    {"|H|host|hosts|nodelist|w|", "use --hosts NAME:SLOTS,..."},
    {"|hostfile|machinefile|f|", "use --hostfile FILE"},
    {"|x|genv|genvlist|export|", "leave it out: launch takes the environment along to all hosts"},
    {"|mca|gmca|", "set it in the environment: export OMPI_MCA_NAME=VALUE"},
    {"|bind-to|map-by|rank-by|oversubscribe|bynode|byslot|mpi|c|cpus-per-task|",
     "leave it out: a rank uses all cores of its host (--slots, behind the verb, sets another "
     "number)"},
};

const char *launch_foreign_hint(const char *word)
{
    const char *name = word + (strncmp(word, "--", 2) == 0 ? 2 : 1);
    const size_t size = strcspn(name, "=");
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]) && size > 0; i++) {
        const char *at = strchr(options[i].names, '|');
        while (at[1] != '\0') {
            if (strncmp(at + 1, name, size) == 0 && at[1 + size] == '|') {
                return options[i].hint;
            }
            at = strchr(at + 1, '|');
        }
    }
    return NULL;
}
