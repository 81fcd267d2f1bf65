/* mapfleet-simulate - how the scheduler does on machines that are not there.
 *
 *     mapfleet-simulate --ranks 10000 --slots 128 --instances 1e9 --mean 1s --durations lognormal
 *
 * Prints what a run on such a machine would take, against the least that it could; see
 * docs/performance.md, "Simulated machines".
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/simulate/simulation.h"
#include "shared/error.h"
#include "shared/quantity.h"

enum field_kind { FIELD_COUNT, FIELD_TIME, FIELD_SIZE, FIELD_PERCENT, FIELD_NUMBER };

struct field {
    const char *name;
    enum field_kind kind;
    const char *fallback;
    const char *help;
    void *value; /* uint64_t of COUNT, TIME (ns), SIZE; double of the others */
};

enum { FIELD_LIMIT = 40 };

struct arguments {
    struct simulation_options options;
    uint64_t ranks;
    uint64_t slots;
    uint64_t mean_ns;
    uint64_t seeds;
    const char *durations;
    double expected; /* least part of the bound that is good enough */
    struct field fields[FIELD_LIMIT];
    size_t field_count;
};

static void add(struct arguments *arguments, const char *name, enum field_kind kind,
                const char *fallback, void *value, const char *help)
{
    arguments->fields[arguments->field_count++] = (struct field){
        .name = name, .kind = kind, .fallback = fallback, .help = help, .value = value};
}

static void define(struct arguments *a)
{
    struct simulation_options *o = &a->options;
    add(a, "ranks", FIELD_COUNT, "16", &a->ranks, "worker ranks");
    add(a, "slots", FIELD_COUNT, "8", &a->slots, "of each rank");
    add(a, "instances", FIELD_COUNT, "1e6", &o->draw.size, "of the map");
    add(a, "mean", FIELD_TIME, "1s", &a->mean_ns, "duration of an instance");
    add(a, "straggler", FIELD_TIME, "0", &o->draw.straggler_ns, "duration of one instance");
    add(a, "straggler-at", FIELD_COUNT, "0", &o->draw.straggler_at, "its index");
    add(a, "seed", FIELD_COUNT, "1", &o->seed, "of everything that is drawn");
    add(a, "expect", FIELD_PERCENT, "0", &a->expected, "percent of the bound; less exits with 1");
    add(a, "seeds", FIELD_COUNT, "1", &a->seeds, "so many runs, one a seed");
    add(a, "interval", FIELD_TIME, "100ms", &o->interval_ns, "between reports");
    add(a, "latency", FIELD_TIME, "200000ns", &o->latency_ns, "of a message");
    add(a, "batch", FIELD_TIME, "10000ns", &o->batch_ns, "to hand a batch to its slot");
    add(a, "message", FIELD_TIME, "3000ns", &o->message_ns, "of the master, for a message");
    add(a, "byte", FIELD_NUMBER, "0.5", &o->byte_ns, "nanoseconds of the master, for a byte");
    add(a, "input", FIELD_SIZE, "0", &o->input_size, "of an instance; 0: a formula");
    add(a, "output", FIELD_SIZE, "8", &o->output_size, "of an instance");
    add(a, "unit-size", FIELD_COUNT, "0", &o->unit_size, "0: measured");
    add(a, "concurrency", FIELD_COUNT, "0", &o->concurrency, "0: no cap");
    add(a, "failures", FIELD_PERCENT, "0", &o->failures, "percent of the attempts");
    add(a, "slow", FIELD_PERCENT, "0", &o->slow, "percent of the ranks");
    add(a, "slow-factor", FIELD_NUMBER, "10", &o->slow_factor, "how much longer they take");
    add(a, "silent", FIELD_PERCENT, "0", &o->silent, "percent of the ranks, once each");
    add(a, "silent-for", FIELD_TIME, "5s", &o->silent_ns, "how long");
    add(a, "lost", FIELD_PERCENT, "0", &o->lost, "percent of the ranks");
    add(a, "lost-after", FIELD_TIME, "10s", &o->lost_after_ns, "silence until a loss is noticed");
    add(a, "return", FIELD_TIME, "0", &o->return_ns, "until a lost rank is back; 0: never");
    add(a, "doubled", FIELD_PERCENT, "0", &o->doubled, "percent of the messages to the master");
    add(a, "delayed", FIELD_PERCENT, "0", &o->delayed, "percent of them, by ten latencies");
}

static void print_help(const struct arguments *arguments)
{
    (void)printf("mapfleet-simulate --ranks 10000 --slots 128 --instances 1e8 --mean 1s\n\n"
                 "Runs mapfleet's scheduler against modelled ranks, and prints how it did.\n\n");
    (void)printf("  --durations KIND   constant, lognormal[:SIGMA], bimodal[:FACTOR], "
                 "drift[:FACTOR] (lognormal:0.5)\n");
    (void)printf("  --speculate        second copies of what runs for long at the end\n");
    (void)printf("  --exact            slot by slot from the start, not in bulk\n");
    for (size_t i = 0; i < arguments->field_count; i++) {
        const struct field *field = &arguments->fields[i];
        (void)printf("  --%-16s %s (%s)\n", field->name, field->help, field->fallback);
    }
}

/* Times in ns too, which the program's own options have no need for. */
static bool parse_time(const char *text, uint64_t *ns_out)
{
    const size_t length = strlen(text);
    char *end = NULL;
    struct error ignored;
    const double value = strtod(text, &end);
    if (length > 2 && strcmp(text + length - 2, "ns") == 0 && end == text + length - 2) {
        *ns_out = (uint64_t)value;
        return value >= 0;
    }
    if (length > 2 && strcmp(text + length - 2, "us") == 0 && end == text + length - 2) {
        *ns_out = (uint64_t)(value * 1e3);
        return value >= 0;
    }
    return quantity_parse_time(text, ns_out, &ignored) == STATUS_OK;
}

static bool parse_field(const struct field *field, const char *text)
{
    char *end = NULL;
    struct error ignored;
    const double number = strtod(text, &end);
    const bool is_number = end != text && *end == '\0' && number >= 0 && number < 1e18;
    switch (field->kind) {
    case FIELD_COUNT:
        *(uint64_t *)field->value = is_number ? (uint64_t)number : 0;
        return is_number && number == floor(number);
    case FIELD_TIME:
        return parse_time(text, field->value);
    case FIELD_SIZE:
        return quantity_parse_size(text, field->value, &ignored) == STATUS_OK;
    case FIELD_PERCENT:
        *(double *)field->value = number / 100;
        return is_number && number <= 100;
    case FIELD_NUMBER:
        *(double *)field->value = number;
        return is_number;
    }
    return false;
}

static const struct field *find(const struct arguments *arguments, const char *name)
{
    for (size_t i = 0; i < arguments->field_count; i++) {
        if (strcmp(arguments->fields[i].name, name) == 0) {
            return &arguments->fields[i];
        }
    }
    return NULL;
}

static bool refuse(const char *word, const char *value)
{
    (void)fprintf(stderr, "mapfleet-simulate: %s%s%s makes no sense; --help names the options\n",
                  word, value != NULL ? " " : "", value != NULL ? value : "");
    return false;
}

static bool take_word(struct arguments *arguments, const char *word, const char *value,
                      bool *takes_value_out)
{
    const struct field *field = strncmp(word, "--", 2) == 0 ? find(arguments, word + 2) : NULL;
    *takes_value_out = true;
    if (strcmp(word, "--speculate") == 0 || strcmp(word, "--exact") == 0) {
        *(word[2] == 's' ? &arguments->options.is_speculative : &arguments->options.is_exact) =
            true;
        *takes_value_out = false;
        return true;
    }
    if (value == NULL) {
        return refuse(word, NULL);
    }
    if (strcmp(word, "--durations") == 0) {
        arguments->durations = value;
        return draw_parse(value, &arguments->options.draw) || refuse(word, value);
    }
    return (field != NULL && parse_field(field, value)) || refuse(word, value);
}

static bool parse(struct arguments *arguments, int argc, char **argv)
{
    for (size_t i = 0; i < arguments->field_count; i++) {
        if (!parse_field(&arguments->fields[i], arguments->fields[i].fallback)) {
            return refuse(arguments->fields[i].name, arguments->fields[i].fallback);
        }
    }
    (void)draw_parse("lognormal", &arguments->options.draw);
    for (int i = 1; i < argc; i++) {
        bool takes_value;
        if (!take_word(arguments, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &takes_value)) {
            return false;
        }
        i += takes_value ? 1 : 0;
    }
    struct simulation_options *options = &arguments->options;
    if (arguments->ranks == 0 || arguments->ranks > 1000000 || arguments->slots == 0 ||
        arguments->slots > 4096 || options->draw.size == 0 || arguments->mean_ns == 0 ||
        options->interval_ns == 0 || options->slow_factor <= 0) {
        return refuse("a machine or map of such a size", NULL);
    }
    options->ranks = (uint32_t)arguments->ranks;
    options->slots = (uint32_t)arguments->slots;
    options->draw.mean_ns = (double)arguments->mean_ns;
    return true;
}

static void print_result(const struct simulation_result *result, uint64_t seed)
{
    (void)printf("seed           %" PRIu64 "\n", seed);
    (void)printf("makespan       %.6f s\n", result->makespan_seconds);
    (void)printf("bound          %.6f s\n", result->bound_seconds);
    (void)printf("efficiency     %.4f\n", result->bound_seconds / result->makespan_seconds);
    (void)printf("idle           %.4f, while something had not been started %.4f\n",
                 result->idle_share, result->idle_share_avoidable);
    (void)printf("messages       in %" PRIu64 ", out %" PRIu64 "\n", result->messages_in,
                 result->messages_out);
    (void)printf("bytes          in %" PRIu64 ", out %" PRIu64 "\n", result->bytes_in,
                 result->bytes_out);
    (void)printf("units          %" PRIu64 ", recalls %" PRIu64 " (%" PRIu64
                 " instances), copies %" PRIu64 ", ignored %" PRIu64 "\n",
                 result->units, result->recalls, result->returned, result->copies, result->ignored);
    (void)printf("lost ranks     %" PRIu64 "\n", result->lost_ranks);
    (void)printf("scheduler      %" PRIu64 " events, %.3f us an event, %.3f us a message\n",
                 result->events, result->scheduler_us_per_event, result->scheduler_us_per_message);
    (void)printf("master         busy %.4f, behind by %.6f s at most\n", result->master_busy_share,
                 result->master_lag_seconds_max);
    (void)printf("state          %.1f MiB\n", (double)result->state_bytes_max / 1048576);
    (void)printf("simulated in   %.1f s of a processor; %" PRIu64 " reports late\n",
                 result->simulating_seconds, result->ran_dry);
}

/* Large machines take hundreds of megabytes, all over which each event looks: in large pages that
 * takes a quarter less. The C library reads this when a process starts. Where the process cannot be
 * started again, it goes on with small ones. */
static void use_large_pages(char **argv)
{
    static const char name[] = "GLIBC_TUNABLES";
    if (getenv(name) == NULL && setenv(name, "glibc.malloc.hugetlb=1", 1) == 0) {
        (void)execv("/proc/self/exe", argv);
    }
}

int main(int argc, char **argv)
{
    static struct arguments arguments;
    use_large_pages(argv);
    define(&arguments);
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        print_help(&arguments);
        return 0;
    }
    if (!parse(&arguments, argc, argv)) {
        return 2;
    }
    struct simulation_options *options = &arguments.options;
    const uint64_t first = options->seed;
    for (uint64_t seed = first; seed < first + arguments.seeds; seed++) {
        options->seed = seed;
        options->draw.seed = seed;
        draw_prepare(&options->draw);
        const struct simulation_result result = simulation_run(options);
        print_result(&result, seed);
        if (result.bound_seconds < arguments.expected * result.makespan_seconds) {
            (void)fprintf(stderr,
                          "mapfleet-simulate: seed %" PRIu64 ": less than %g of the bound\n", seed,
                          arguments.expected);
            return 1;
        }
    }
    return 0;
}
