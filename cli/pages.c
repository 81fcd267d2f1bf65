/* pages.c - what the build makes of the table of options: man pages, and completion for shells.
 *
 *     mapfleet-pages FOLDER TEMPLATES
 *
 * FOLDER has man/ and completion/; TEMPLATES are cli/completion/, whose files have one line,
 * "# @tables@", that is replaced.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/completion.h"
#include "cli/manual.h"
#include "cli/options.h"
#include "shared/log.h"

#define TABLES_LINE "# @tables@\n"

static const struct manual_edition edition = {.version = MAPFLEET_VERSION, .date = MAPFLEET_DATE};

static FILE *open_page(const char *folder, const char *name, const char *mode)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, mode);
    if (file == NULL) {
        log_error("%s: %s", path, strerror(errno));
    }
    return file;
}

static bool close_page(FILE *file, const char *name)
{
    const bool is_bad = ferror(file) != 0;
    if (fclose(file) != 0 || is_bad) {
        log_error("%s: %s", name, strerror(errno));
        return false;
    }
    return true;
}

static bool write_manuals(const char *folder)
{
    FILE *out = open_page(folder, "man/mapfleet.1", "w");
    if (out == NULL) {
        return false;
    }
    manual_write_overview(edition, out);
    bool is_good = close_page(out, "mapfleet.1");
    for (int verb = 0; verb < VERB_COUNT && is_good; verb++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "man/mapfleet-%s.1", verb_name((enum verb)verb));
        out = open_page(folder, name, "w");
        if (out == NULL) {
            return false;
        }
        manual_write((enum verb)verb, edition, out);
        is_good = close_page(out, name);
    }
    return is_good;
}

static bool write_completion(const char *folder, const char *templates, const char *name,
                             void (*write_tables)(FILE *out))
{
    char line[256];
    char page[64];
    (void)snprintf(page, sizeof(page), "completion/%s", name);
    FILE *in = open_page(templates, name, "r");
    FILE *out = in == NULL ? NULL : open_page(folder, page, "w");
    if (out == NULL) {
        if (in != NULL) {
            (void)fclose(in);
        }
        return false;
    }
    while (fgets(line, sizeof(line), in) != NULL) {
        if (strcmp(line, TABLES_LINE) == 0) {
            write_tables(out);
        } else {
            (void)fputs(line, out);
        }
    }
    const bool is_read = close_page(in, name);
    return close_page(out, page) && is_read;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        log_error("expected FOLDER TEMPLATES, found %d words", argc - 1);
        return 2;
    }
    return write_manuals(argv[1]) &&
                   write_completion(argv[1], argv[2], "mapfleet.bash", completion_write_bash) &&
                   write_completion(argv[1], argv[2], "_mapfleet", completion_write_zsh)
               ? 0
               : 1;
}
