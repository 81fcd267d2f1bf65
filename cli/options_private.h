/* options_private.h - what the table of options, their parser and their help share. */
#ifndef CLI_OPTIONS_PRIVATE_H
#define CLI_OPTIONS_PRIVATE_H

#include <stdbool.h>

#include "cli/options.h"

enum option_value { VALUE_NONE, VALUE_REQUIRED, VALUE_OPTIONAL };

enum option_group {
    GROUP_INPUTS,
    GROUP_SWEEP,
    GROUP_COMMAND,
    GROUP_SUCCESS,
    GROUP_ATTEMPTS,
    GROUP_CACHE,
    GROUP_RUN,
    GROUP_RESULTS,
    GROUP_HELP
};
enum { GROUP_COUNT = GROUP_HELP + 1 };

struct option {
    const char *name;  /* with its dashes */
    char letter;       /* `-x`; 0: none */
    bool is_forgotten; /* of one start of a run: a resume does not take it up */
    bool is_repeatable;
    enum option_value value;
    enum option_group group;
    unsigned verbs;       /* bits: BIT(VERB_MAP), ... */
    const char *argument; /* its name in the help; NULL where there is no value */
    const char *choices;  /* the only values, between bars; NULL: any */
    const char *refused;  /* of them, those that `refusing` verbs have not ... */
    const char *reason;   /* ... and why not */
    unsigned refusing;    /* bits of verbs */
    const char *help;     /* at most two lines */
};

struct verb_text {
    const char *name;
    const char *arguments;
    const char *summary;
    const char *examples;
    const char *notes; /* behind the options; may be empty */
};

/* Of options_table.c. */
extern const struct option options_table[OPTION_COUNT];
extern const struct verb_text options_verbs[VERB_COUNT];
extern const char *const options_group_titles[GROUP_COUNT];

/* `resume` takes what a map was asked for, but for its inputs and where it is. */
bool options_is_of(const struct option *option, enum verb verb);

/* The only values of an option, between bars: of a verb that refuses some, those behind them. */
const char *options_choices(const struct option *option, enum verb verb);

#endif
