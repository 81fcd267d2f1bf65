#include "cli/launch_line.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/launch_agent.h"
#include "shared/memory.h"

/* ---- Words ------------------------------------------------------------------------------------
 */

static void add(struct launch_line *line, const char *word)
{
    line->words = memory_resize(line->words, line->count + 2, sizeof(*line->words));
    line->words[line->count++] = memory_copy_text(word);
    line->words[line->count] = NULL;
}

static void add_pair(struct launch_line *line, const char *option, const char *value)
{
    add(line, option);
    add(line, value);
}

static void add_number(struct launch_line *line, const char *option, uint64_t number)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%" PRIu64, number);
    add_pair(line, option, text);
}

void launch_line_free(struct launch_line *line)
{
    for (size_t i = 0; i < line->count; i++) {
        free(line->words[i]);
    }
    free(line->words);
    *line = (struct launch_line){0};
}

/* ---- Open MPI's parameters --------------------------------------------------------------------
 */

static const char *user_setting(const char *prefix, const char *parameter)
{
    char name[96];
    (void)snprintf(name, sizeof(name), "%s%s", prefix, parameter);
    return getenv(name);
}

static void add_parameter(struct launch_line *line, const char *parameter, const char *value)
{
    if (user_setting("OMPI_MCA_", parameter) == NULL) {
        add(line, "--mca");
        add_pair(line, parameter, value);
    }
}

/* Of Open MPI 5's launcher. */
static void add_launcher_parameter(struct launch_line *line, const char *parameter,
                                   const char *value)
{
    if (user_setting("PRTE_MCA_", parameter) == NULL) {
        add(line, "--prtemca");
        add_pair(line, parameter, value);
    }
}

static bool begins_with(const char *name, size_t name_size, const char *prefix)
{
    return name_size >= strlen(prefix) && strncmp(name, prefix, strlen(prefix)) == 0;
}

bool launch_line_is_local_variable(const char *name, size_t name_size)
{
    static const char *const prefixes[] = {"OMPI_", "OPAL_", "ORTE_",    "PMIX_", "PMI_",
                                           "PRTE_", "SSH_",  "XDG_SESS", "DBUS_"};
    static const char *const names[] = {"_",        "COLUMNS",    "DISPLAY",
                                        "HOST",     "HOSTNAME",   "LINES",
                                        "OLDPWD",   "PWD",        "SHLVL",
                                        "TEMP",     "TERM",       "TMP",
                                        "TMPDIR",   "TTY",        "VNCDESKTOP",
                                        "WINDOWID", "XAUTHORITY", "XDG_RUNTIME_DIR",
                                        "XDG_SEAT", "XDG_VTNR",   LAUNCH_AGENT_VARIABLE};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (begins_with(name, name_size, prefixes[i])) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strlen(names[i]) == name_size && strncmp(name, names[i], name_size) == 0) {
            return true;
        }
    }
    return false;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of variables, sorted: those that every rank shall have. What the list cannot hold, or Open
 * MPI takes for a pattern, stays here. */
static size_t variables(char ***names_out)
{
    char **names = NULL;
    size_t count = 0;
    size_t capacity = 0;
    for (char *const *variable = environ; variable != NULL && *variable != NULL; variable++) {
        const size_t size = strcspn(*variable, "=");
        if (size > 0 && strcspn(*variable, ";*\\\"") > size &&
            !launch_line_is_local_variable(*variable, size)) {
            names = memory_grow(names, count, &capacity, sizeof(*names));
            names[count] = memory_copy_text(*variable);
            names[count++][size] = '\0';
        }
    }
    if (count > 1) {
        qsort(names, count, sizeof(*names), by_text);
    }
    *names_out = names;
    return count;
}

/* mpirun takes nothing along to other hosts but its own. */
static void add_environment(struct launch_line *line, int mpi_major)
{
    const char *given = user_setting("OMPI_MCA_", "mca_base_env_list");
    char **names;
    const size_t count = variables(&names);
    size_t size = given != NULL ? strlen(given) + 2 : 1;
    for (size_t i = 0; i < count; i++) {
        size += strlen(names[i]) + 1;
    }
    char *list = memory_take(size, 1);
    char *end = list + (given != NULL ? sprintf(list, "%s", given) : 0);
    for (size_t i = 0; i < count; i++) {
        if (mpi_major >= 5) {
            add_pair(line, "-x", names[i]);
        }
        end += sprintf(end, "%s%s", end == list ? "" : ";", names[i]);
        free(names[i]);
    }
    if (mpi_major < 5 && *list != '\0') {
        add(line, "--mca");
        add_pair(line, "mca_base_env_list", list);
    }
    free(list);
    free(names);
}

/* Who starts the daemons: the user's own way, or ours around ssh. The path is split at blanks and
 * colons. */
static void add_agent(struct launch_line *line, const char *program, int mpi_major)
{
    const char *parameter = mpi_major >= 5 ? "plm_ssh_agent" : "plm_rsh_agent";
    const bool is_set = user_setting("OMPI_MCA_", parameter) != NULL ||
                        user_setting("PRTE_MCA_", parameter) != NULL ||
                        user_setting("OMPI_MCA_", "orte_rsh_agent") != NULL;
    if (is_set || strpbrk(program, " \t:") != NULL) {
        return;
    }
    const size_t size = strlen(program) + sizeof(" " LAUNCH_AGENT_VERB);
    char *agent = memory_take(size, 1);
    (void)snprintf(agent, size, "%s " LAUNCH_AGENT_VERB, program);
    add(line, mpi_major >= 5 ? "--prtemca" : "--mca");
    add_pair(line, parameter, agent);
    free(agent);
}

/* A dead host is noticed in some five seconds; Open MPI's own 480 outlast most runs. */
static void add_keepalive(struct launch_line *line)
{
    add_parameter(line, "oob_tcp_keepalive_time", "2");
    add_parameter(line, "oob_tcp_keepalive_intvl", "1");
    add_parameter(line, "oob_tcp_keepalive_probes", "3");
}

/* mpirun of Open MPI 5 ends the job once it notices that a daemon is lost, and is not to look for
 * it: rank 0 notices the loss of a host, and goes on. */
static void add_endurance(struct launch_line *line)
{
    add_pair(line, "--with-ft", "ulfm");
    add_parameter(line, "async_mpi_finalize", "1");
    add_launcher_parameter(line, "oob_tcp_keepalive_time", "0");
}

/* Has the user a say in this already? Open MPI 5's launcher has parameters of its own. */
static bool is_users_own(const struct launch_plan *plan, const char *before_5, const char *since_5)
{
    return plan->mpi_major >= 5 ? user_setting("PRTE_MCA_", since_5) != NULL
                                : user_setting("OMPI_MCA_", before_5) != NULL;
}

static bool is_mapping_users_own(const struct launch_plan *plan)
{
    return is_users_own(plan, "rmaps_base_mapping_policy", "rmaps_default_mapping_policy");
}

/* Open MPI 5 has this among its mappings. */
static bool is_oversubscription_users_own(const struct launch_plan *plan)
{
    return is_users_own(plan, "rmaps_base_oversubscribe", "rmaps_default_mapping_policy");
}

static bool has_hosts(const struct launch_plan *plan)
{
    return plan->hosts != NULL || plan->hostfile != NULL;
}

/* ---- The lines --------------------------------------------------------------------------------
 */

/* Where the hosts are named, each gets a rank before any gets a second. */
static void add_places(const struct launch_plan *plan, struct launch_line *line)
{
    if (plan->ranks > 0) {
        add_number(line, "-n", plan->ranks);
    }
    if (plan->hostfile != NULL) {
        add_pair(line, "--hostfile", plan->hostfile);
    }
    if (plan->hosts != NULL) {
        add_pair(line, "--host", plan->hosts);
    }
    if (has_hosts(plan) && !is_mapping_users_own(plan)) {
        add_pair(line, "--map-by", "node");
    }
    if (!is_users_own(plan, "hwloc_base_binding_policy", "hwloc_default_binding_policy")) {
        add_pair(line, "--bind-to", "none");
    }
    if (!has_hosts(plan) && !plan->is_batch && plan->ranks > 1 &&
        !is_oversubscription_users_own(plan)) {
        add(line, "--oversubscribe");
    }
    if (plan->is_root) {
        add(line, "--allow-run-as-root");
    }
}

static void make_mpirun(const struct launch_plan *plan, struct launch_line *line)
{
    add(line, "mpirun");
    add_places(plan, line);
    if (plan->mpi_major >= 5) {
        add_endurance(line);
    } else {
        add(line, "--enable-recovery");
        add_keepalive(line);
        if (plan->is_batch && !has_hosts(plan)) { /* else Slurm ends all of its daemons with one */
            add_parameter(line, "plm_slurm_args", "--no-kill --kill-on-bad-exit=0");
        }
    }
    if (has_hosts(plan)) {
        add_agent(line, plan->program, plan->mpi_major);
        if (plan->mpi_major < 5) { /* else the loss of a host takes those along that it started */
            add_parameter(line, "plm_rsh_no_tree_spawn", "1");
        }
        add_environment(line, plan->mpi_major);
    }
}

/* srun does not take -c from the job. */
static void make_srun(const struct launch_plan *plan, struct launch_line *line)
{
    const char *cpus = getenv("SLURM_CPUS_PER_TASK");
    add(line, "srun");
    add(line, "--mpi=pmix");
    if (plan->ranks > 0) {
        add_number(line, "-n", plan->ranks);
    }
    if (cpus != NULL && *cpus != '\0') {
        add_pair(line, "-c", cpus);
    }
    add(line, "--kill-on-bad-exit=0");
    add(line, "--no-kill");
    add(line, "--cpu-bind=none");
}

void launch_line_make(const struct launch_plan *plan, char *const *arguments, size_t argument_count,
                      struct launch_line *line_out)
{
    *line_out = (struct launch_line){0};
    if (plan->is_srun) {
        make_srun(plan, line_out);
    } else {
        make_mpirun(plan, line_out);
    }
    add(line_out, plan->program);
    for (size_t i = 0; i < argument_count; i++) {
        add(line_out, arguments[i]);
    }
}

/* ---- For a shell ------------------------------------------------------------------------------
 */

static void print_word(const char *word, FILE *file)
{
    const char *plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@_";
    if (*word != '\0' && word[strspn(word, plain)] == '\0') {
        (void)fputs(word, file);
        return;
    }
    (void)fputc('\'', file);
    for (const char *c = word; *c != '\0'; c++) {
        if (*c == '\'') {
            (void)fputs("'\\''", file);
        } else {
            (void)fputc(*c, file);
        }
    }
    (void)fputc('\'', file);
}

void launch_line_print(const struct launch_line *line, FILE *file)
{
    for (size_t i = 0; i < line->count; i++) {
        if (i > 0) {
            (void)fputc(' ', file);
        }
        print_word(line->words[i], file);
    }
    (void)fputc('\n', file);
}
