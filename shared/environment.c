#include "shared/environment.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/buffer.h"
#include "shared/memory.h"
#include "shared/value.h"

#define NUMBER_SIZE 24
#define THREADS "OMP_NUM_THREADS"
#define UNBUFFERED "PYTHONUNBUFFERED"

static const char *const mpi_prefixes[] = {"OMPI_", "PMIX_", "PMI_", "ORTE_", "PRTE_"};

/* Of an attempt; the rest of ours are of the process. */
static const char *const attempt_names[] = {"MAPFLEET_INDEX", "MAPFLEET_ATTEMPT",
                                            "MAPFLEET_WORKDIR", "MAPFLEET_SEED", "MAPFLEET_INPUT"};
static const char *const process_names[] = {"MAPFLEET_SIZE", "MAPFLEET_RUN_DIR", "MAPFLEET_RANK",
                                            "MAPFLEET_SLOT", "MAPFLEET_CPUS"};
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static bool is_of_mpi(const char *variable)
{
    for (size_t i = 0; i < COUNT_OF(mpi_prefixes); i++) {
        if (strncmp(variable, mpi_prefixes[i], strlen(mpi_prefixes[i])) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_name(const char *variable, const char *name)
{
    const size_t size = strlen(name);
    return strncmp(variable, name, size) == 0 && variable[size] == '=';
}

static bool has_one_of(const char *variable, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (has_name(variable, names[i])) {
            return true;
        }
    }
    return false;
}

/* ---- Of this process --------------------------------------------------------------------------
 */

void environment_leave_mpi(void)
{
    for (char **at = environ; at != NULL && *at != NULL;) {
        const size_t size = strcspn(*at, "=");
        if (!is_of_mpi(*at) || (*at)[size] == '\0') {
            at++;
            continue;
        }
        char *name = memory_copy_text(*at);
        name[size] = '\0';
        (void)unsetenv(name); /* moves the ones behind it here */
        free(name);
    }
}

static void set_number(const char *name, uint64_t number, bool replaces)
{
    char text[NUMBER_SIZE];
    (void)snprintf(text, sizeof(text), "%" PRIu64, number);
    (void)setenv(name, text, replaces ? 1 : 0);
}

void environment_set_process(const struct environment *environment)
{
    for (size_t i = 0; i < COUNT_OF(attempt_names); i++) {
        (void)unsetenv(attempt_names[i]);
    }
    set_number("MAPFLEET_SIZE", environment->map_size, true);
    (void)setenv("MAPFLEET_RUN_DIR", environment->run_dir, 1);
    set_number("MAPFLEET_RANK", environment->rank, true);
    set_number("MAPFLEET_SLOT", environment->slot, true);
    set_number("MAPFLEET_CPUS", environment->cpus, true);
    set_number(THREADS, environment->cpus, false);
}

/* ---- Of a child -------------------------------------------------------------------------------
 */

struct list {
    struct arena *arena;
    char **variables; /* room for all, and a NULL */
    size_t count;
    bool failed; /* no memory */
};

static void add(struct list *list, char *variable)
{
    if (variable == NULL) {
        list->failed = true;
    } else {
        list->variables[list->count++] = variable;
    }
}

static void add_text(struct list *list, const char *name, const char *text, size_t size)
{
    const size_t name_size = strlen(name);
    char *variable = arena_take(list->arena, name_size + 1 + size + 1);
    if (variable != NULL) {
        memcpy(variable, name, name_size);
        variable[name_size] = '=';
        memcpy(variable + name_size + 1, text, size);
        variable[name_size + 1 + size] = '\0';
    }
    add(list, variable);
}

static void add_number(struct list *list, const char *name, uint64_t number)
{
    char text[NUMBER_SIZE];
    const int size = snprintf(text, sizeof(text), "%" PRIu64, number);
    add_text(list, name, text, (size_t)size);
}

static bool is_kept(const char *variable)
{
    return !is_of_mpi(variable) && !has_one_of(variable, attempt_names, COUNT_OF(attempt_names)) &&
           !has_one_of(variable, process_names, COUNT_OF(process_names));
}

/* Copied, since the function may change its environment before it starts the child. */
static void add_own(struct list *list)
{
    for (char *const *at = environ; at != NULL && *at != NULL; at++) {
        if (is_kept(*at)) {
            add(list, arena_copy(list->arena, *at, strlen(*at)));
        }
    }
}

static bool has(const struct list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (has_name(list->variables[i], name)) {
            return true;
        }
    }
    return false;
}

static void add_input(struct list *list, const mf_value *input)
{
    struct buffer text = {0};
    const bool is_bytes = mf_kind_of(input) == MF_BYTES;
    const enum status status = is_bytes ? buffer_append(&text, mf_bytes(input), mf_size(input))
                                        : value_to_text(input, &text);
    if (status != STATUS_OK) {
        list->failed = true;
    } else if (text.size <= ENVIRONMENT_INPUT_SIZE_MAX &&
               (text.size == 0 || memchr(text.data, '\0', text.size) == NULL)) {
        add_text(list, "MAPFLEET_INPUT", text.size > 0 ? (const char *)text.data : "", text.size);
    }
    buffer_free(&text);
}

static void add_of_process(struct list *list, const struct environment *environment)
{
    add_number(list, "MAPFLEET_SIZE", environment->map_size);
    add_text(list, "MAPFLEET_RUN_DIR", environment->run_dir, strlen(environment->run_dir));
    add_number(list, "MAPFLEET_RANK", environment->rank);
    add_number(list, "MAPFLEET_SLOT", environment->slot);
    add_number(list, "MAPFLEET_CPUS", environment->cpus);
    if (!has(list, THREADS)) {
        add_number(list, THREADS, environment->cpus);
    }
}

static void add_of_attempt(struct list *list, const struct environment_attempt *attempt)
{
    add_text(list, "MAPFLEET_WORKDIR", attempt->workdir, strlen(attempt->workdir));
    if (attempt->input != NULL) {
        add_number(list, "MAPFLEET_INDEX", attempt->index);
        add_number(list, "MAPFLEET_ATTEMPT", attempt->attempt);
        add_number(list, "MAPFLEET_SEED", attempt->seed);
        add_input(list, attempt->input);
    }
}

/* Room for all that may be added; without variables where there is no memory. */
static struct list make_list(struct arena *arena)
{
    size_t room =
        COUNT_OF(process_names) + COUNT_OF(attempt_names) + 2; /* one more, and the NULL */
    for (char *const *at = environ; at != NULL && *at != NULL; at++) {
        room++;
    }
    return (struct list){.arena = arena, .variables = arena_take(arena, room * sizeof(char *))};
}

static enum status finish_list(struct list *list, char *const **variables_out, struct error *err)
{
    if (list->variables == NULL || list->failed) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for the environment of a child");
    }
    list->variables[list->count] = NULL;
    *variables_out = list->variables;
    return STATUS_OK;
}

enum status environment_of_attempt(const struct environment *environment,
                                   const struct environment_attempt *attempt, struct arena *arena,
                                   char *const **variables_out, struct error *err)
{
    struct list list = make_list(arena);
    if (list.variables != NULL) {
        add_own(&list);
        add_of_process(&list, environment);
        add_of_attempt(&list, attempt);
    }
    return finish_list(&list, variables_out, err);
}

enum status environment_of_helper(struct arena *arena, char *const **variables_out,
                                  struct error *err)
{
    struct list list = make_list(arena);
    if (list.variables != NULL) {
        add_own(&list);
        if (!has(&list, UNBUFFERED)) {
            add_number(&list, UNBUFFERED, 1);
        }
    }
    return finish_list(&list, variables_out, err);
}
