#include <stdio.h>
#include <string.h>

#include "cli/options.h"
#include "cli/options_private.h"

#define HELP_COLUMN 28 /* where the texts start */

/* "  --retries COUNT         ": up to HELP_COLUMN. A name that is longer has its text below. */
static void print_option(const struct option *option)
{
    char name[64];
    const char *argument = option->argument == NULL ? "" : option->argument;
    if (option->letter != '\0') {
        (void)snprintf(name, sizeof(name), "  -%c, %s %s", option->letter, option->name, argument);
    } else if (option->value == VALUE_OPTIONAL) {
        (void)snprintf(name, sizeof(name), "  %s[=%s]", option->name, argument);
    } else {
        (void)snprintf(name, sizeof(name), "  %s %s", option->name, argument);
    }
    const char *line = option->help;
    const char *end = strchr(line, '\n');
    (void)printf("%-*s %.*s\n", HELP_COLUMN - 1, name,
                 end == NULL ? (int)strlen(line) : (int)(end - line), line);
    if (end != NULL) {
        (void)printf("%*s%s\n", HELP_COLUMN, "", end + 1);
    }
}

static void print_group(enum verb verb, enum option_group group)
{
    bool is_first = true;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (options_table[i].group != group || !options_is_of(&options_table[i], verb)) {
            continue;
        }
        if (is_first) {
            (void)printf("\n%s\n", options_group_titles[group]);
        }
        is_first = false;
        print_option(&options_table[i]);
    }
}

void options_print_help(enum verb verb)
{
    const struct verb_text *text = &options_verbs[verb];
    (void)printf("Example:\n%s\n", text->examples);
    (void)printf("mapfleet %s %s\n  %s\n", text->name, text->arguments, text->summary);
    for (size_t group = 0; group < GROUP_COUNT; group++) {
        print_group(verb, (enum option_group)group);
    }
    (void)printf("\n%s", text->notes);
}

void options_print_overview(void)
{
    (void)printf("mapfleet " MAPFLEET_VERSION ": one task over many inputs, on MPI ranks\n\n"
                 "Example:\n%s\n",
                 options_verbs[VERB_MAP].examples);
    for (size_t i = 0; i < VERB_COUNT; i++) {
        (void)printf("  %-9s %s\n", options_verbs[i].name, options_verbs[i].summary);
    }
    (void)printf("\nmapfleet help VERB, or mapfleet VERB --help, explains a verb.\n");
}
