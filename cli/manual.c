#include "cli/manual.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "cli/options_private.h"

#define STATUS_HEADING "Exit status:"

/* ---- Text ------------------------------------------------------------------------------------ */

/* What roff would read as its own, or print as another character: dashes and quotes that are to be
 * copied stay what they are. */
static void put_char(char c, FILE *out)
{
    static const struct {
        char c;
        const char *roff;
    } table[] = {{'\\', "\\e"},  {'-', "\\-"},   {'\'', "\\(aq"},
                 {'`', "\\(ga"}, {'^', "\\(ha"}, {'~', "\\(ti"}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].c == c) {
            (void)fputs(table[i].roff, out);
            return;
        }
    }
    (void)fputc(c, out);
}

static void put_span(const char *text, size_t size, FILE *out)
{
    for (size_t i = 0; i < size; i++) {
        put_char(text[i], out);
    }
}

static void put_text(const char *text, FILE *out)
{
    put_span(text, strlen(text), out);
}

/* One line, which is none of roff's requests. */
static void put_line(const char *line, size_t size, FILE *out)
{
    if (size > 0 && line[0] == '.') {
        (void)fputs("\\&", out);
    }
    put_span(line, size, out);
    (void)fputc('\n', out);
}

/* Lines up to `end`, without the blanks before them; roff fills them anew. A blank line begins a
 * paragraph. */
static void put_filled(const char *text, const char *end, FILE *out)
{
    bool is_first = true;
    while (text < end) {
        const size_t size = strcspn(text, "\n");
        const size_t blanks = strspn(text, " ");
        if (size > blanks) {
            put_line(text + blanks, size - blanks, out);
        } else if (!is_first && text + size + 1 < end) {
            (void)fputs(".PP\n", out);
        }
        is_first = false;
        text += size + (text[size] == '\n' ? 1 : 0);
    }
}

/* Lines as they are. */
static void put_examples(const char *text, FILE *out)
{
    (void)fputs(".SH EXAMPLES\n.EX\n", out);
    while (*text != '\0') {
        const size_t size = strcspn(text, "\n");
        const size_t blanks = strspn(text, " ");
        put_line(text + blanks, size - blanks, out);
        text += size + (text[size] == '\n' ? 1 : 0);
    }
    (void)fputs(".EE\n", out);
}

/* ---- Parts of a page ------------------------------------------------------------------------- */

static void put_title(const char *verb, struct manual_edition edition, FILE *out)
{
    (void)fputs(".TH MAPFLEET", out);
    if (verb != NULL) {
        (void)fputs("\\-", out);
        for (; *verb != '\0'; verb++) {
            (void)fputc(toupper((unsigned char)*verb), out);
        }
    }
    (void)fprintf(out, " 1 %s \"mapfleet %s\" \"mapfleet\"\n", edition.date, edition.version);
}

/* "Run a job's task ...": as the line of a page's name, which has neither capital nor full stop. */
static void put_name(const struct verb_text *text, FILE *out)
{
    const size_t size = strlen(text->summary);
    (void)fprintf(out, ".SH NAME\nmapfleet\\-%s \\- ", text->name);
    (void)fputc(tolower((unsigned char)text->summary[0]), out);
    put_span(text->summary + 1, size - 1 - (text->summary[size - 1] == '.' ? 1 : 0), out);
    (void)fputc('\n', out);
}

static void put_synopsis(const struct verb_text *text, FILE *out)
{
    (void)fprintf(out, ".SH SYNOPSIS\n.B mapfleet %s\n", text->name);
    put_line(text->arguments, strlen(text->arguments), out);
}

static void put_option(const struct option *option, FILE *out)
{
    (void)fputs(".TP\n", out);
    if (option->letter != '\0') {
        (void)fprintf(out, "\\fB\\-%c\\fR, ", option->letter);
    }
    (void)fputs("\\fB", out);
    put_text(option->name, out);
    (void)fputs("\\fR", out);
    if (option->value != VALUE_NONE) {
        (void)fputs(option->value == VALUE_OPTIONAL ? "[=\\fI" : " \\fI", out);
        put_text(option->argument, out);
        (void)fputs(option->value == VALUE_OPTIONAL ? "\\fR]" : "\\fR", out);
    }
    (void)fputc('\n', out);
    put_filled(option->help, option->help + strlen(option->help), out);
}

/* "Attempts (times: ...):" without the colon. */
static void put_group(enum verb verb, enum option_group group, FILE *out)
{
    bool is_first = true;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *option = &options_table[i];
        if (option->group != group || !options_is_of(option, verb)) {
            continue;
        }
        if (is_first) {
            const char *title = options_group_titles[group];
            (void)fputs(".SS ", out);
            put_span(title, strlen(title) - 1, out);
            (void)fputc('\n', out);
        }
        is_first = false;
        put_option(option, out);
    }
}

static void put_status(const char *text, FILE *out)
{
    (void)fputs(".SH EXIT STATUS\n", out);
    put_filled(text, text + strlen(text), out);
}

/* ---- Pages ----------------------------------------------------------------------------------- */

void manual_write(enum verb verb, struct manual_edition edition, FILE *out)
{
    const struct verb_text *text = &options_verbs[verb];
    const char *heading = strstr(text->notes, STATUS_HEADING);
    const char *notes_end = heading == NULL ? text->notes + strlen(text->notes) : heading;
    put_title(text->name, edition, out);
    put_name(text, out);
    put_synopsis(text, out);
    (void)fputs(".SH DESCRIPTION\n", out);
    put_line(text->summary, strlen(text->summary), out);
    if (notes_end > text->notes) {
        (void)fputs(".PP\n", out);
        put_filled(text->notes, notes_end, out);
    }
    (void)fputs(".SH OPTIONS\n", out);
    for (size_t group = 0; group < GROUP_COUNT; group++) {
        put_group(verb, (enum option_group)group, out);
    }
    if (heading != NULL) {
        put_status(heading + strlen(STATUS_HEADING), out);
    }
    put_examples(text->examples, out);
    (void)fputs(".SH SEE ALSO\n.BR mapfleet (1)\n", out);
}

static void put_environment(FILE *out)
{
    (void)fputs(".SH ENVIRONMENT\n"
                ".TP\n.B MAPFLEET_JOBS\n"
                "Folders, by colons, in which jobs are looked up by name, before those that are\n"
                "installed.\n"
                ".TP\n.B MAPFLEET_LOAD_PATIENCE\n"
                "How long a job may take to say what it has (5m); default: a minute.\n"
                ".TP\n.B XDG_CACHE_HOME\n"
                "Where the folder mapfleet of memoised outputs is; default:\n"
                ".IR \\(ti/.cache .\n",
                out);
}

void manual_write_overview(struct manual_edition edition, FILE *out)
{
    put_title(NULL, edition, out);
    (void)fputs(
        ".SH NAME\nmapfleet \\- map one task over many inputs on MPI ranks\n"
        ".SH SYNOPSIS\n.B mapfleet\nVERB ...\n.br\n.B mpirun \\-n 4 mapfleet\nVERB ...\n"
        ".SH DESCRIPTION\n"
        "Maps one task, a function of a job or a command, over a list of inputs: alone on\n"
        "the cores of a machine, or on the ranks of an MPI job.\n"
        "What fails is tried again, what is lost with a rank or a host runs elsewhere, and\n"
        "the outputs are a list in the order of the inputs.\n"
        "Each run leaves a folder, its record, from which it can be resumed and read.\n"
        ".SH COMMANDS\n",
        out);
    for (size_t i = 0; i < VERB_COUNT; i++) {
        const struct verb_text *text = &options_verbs[i];
        (void)fprintf(out, ".TP\n.BR mapfleet\\-%s (1)\n", text->name);
        put_line(text->summary, strlen(text->summary), out);
    }
    (void)fputs(".SH OPTIONS\n"
                ".TP\n\\fB\\-\\-version\\fR\n"
                "The version, and those of MPI and of the libraries that it runs with.\n"
                ".TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\n"
                "The verbs, each in a line; behind a verb, its options.\n",
                out);
    put_environment(out);
    const char *status = strstr(options_verbs[VERB_MAP].notes, STATUS_HEADING);
    if (status != NULL) {
        put_status(status + strlen(STATUS_HEADING), out);
    }
    put_examples(options_verbs[VERB_MAP].examples, out);
    (void)fputs(".SH SEE ALSO\n", out);
    for (size_t i = 0; i < VERB_COUNT; i++) {
        (void)fprintf(out, ".BR mapfleet\\-%s (1)%s\n", options_verbs[i].name,
                      i + 1 < VERB_COUNT ? "," : "");
    }
    (void)fputs(".PP\nThe guides are installed beside this, in the folder doc/mapfleet.\n", out);
}
