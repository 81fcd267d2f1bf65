#include "cli/status.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/status_print.h"
#include "master/run_view.h"
#include "shared/log.h"

#define EXIT_REFUSED 2
#define EXIT_RESUMABLE 75
#define EXIT_INTERNAL 70
#define WATCH_EVERY_S 1

/* How it is shown. */
struct display {
    bool is_json;
    bool is_watch;
    bool is_terminal;
    struct buffer text;  /* to be shown */
    struct buffer shown; /* what was shown last */
    bool is_closed;      /* nobody reads any more */
};

static void write_out(struct display *display, const void *data, size_t size)
{
    const char *bytes = data;
    size_t done = 0;
    while (done < size && !display->is_closed) {
        const ssize_t count = write(STDOUT_FILENO, bytes + done, size - done);
        if (count > 0) {
            done += (size_t)count;
        } else if (errno != EINTR) {
            display->is_closed = true;
        }
    }
}

static size_t line_count(const struct buffer *text)
{
    size_t count = 0;
    for (size_t i = 0; i < text->size; i++) {
        count += text->data[i] == '\n' ? 1 : 0;
    }
    return count;
}

/* Back to the first line of what was shown, and clear from there on. */
static void rewind_terminal(struct display *display)
{
    char order[32];
    const size_t lines = line_count(&display->shown);
    if (lines > 0) {
        const int size = snprintf(order, sizeof(order), "\033[%zuF\033[J", lines);
        write_out(display, order, (size_t)size);
    }
}

/* In place on a terminal; elsewhere a line whenever something has changed, and all at the end. */
static enum status show(struct display *display, const struct run_view_facts *facts)
{
    const bool is_place = display->is_watch && display->is_terminal && !display->is_json;
    const bool is_line = display->is_watch && !is_place && facts->is_live;
    buffer_clear(&display->text);
    const enum status status = display->is_json ? status_print_json(facts, &display->text)
                               : is_line        ? status_print_line(facts, &display->text)
                                                : status_print_lines(facts, &display->text);
    const bool is_same = display->text.size == display->shown.size &&
                         (display->text.size == 0 ||
                          memcmp(display->text.data, display->shown.data, display->text.size) == 0);
    if (status != STATUS_OK || is_same) {
        return status;
    }
    if (is_place) {
        rewind_terminal(display);
    }
    write_out(display, display->text.data, display->text.size);
    buffer_clear(&display->shown);
    return buffer_append(&display->shown, display->text.data, display->text.size);
}

static int exit_status_of(const struct run_view_facts *facts)
{
    return facts->has_exit ? facts->exit_status : EXIT_RESUMABLE;
}

static enum status watch(struct display *display, struct run_view *view, int *exit_out,
                         struct error *err)
{
    const struct timespec pause = {.tv_sec = WATCH_EVERY_S};
    enum status status = STATUS_OK;
    bool is_live = true;
    while (status == STATUS_OK && is_live) {
        const struct run_view_facts facts = run_view_facts(view);
        *exit_out = exit_status_of(&facts);
        is_live = display->is_watch && facts.is_live && !display->is_closed;
        if (show(display, &facts) != STATUS_OK) {
            return error_set(err, STATUS_NO_MEMORY, "out of memory");
        }
        if (is_live) {
            (void)nanosleep(&pause, NULL);
            status = run_view_update(view, err);
        }
    }
    return status;
}

int status_main(const struct options *options)
{
    struct error err;
    struct run_view *view = NULL;
    struct display display = {.is_json = options_has(options, OPTION_JSON),
                              .is_watch = options_has(options, OPTION_WATCH),
                              .is_terminal = isatty(STDOUT_FILENO) == 1};
    int exit_status = EXIT_REFUSED;
    if (options->word_count != 1) {
        log_error("status: expected one run directory, found %zu", options->word_count);
        return EXIT_REFUSED;
    }
    if (run_view_open(options->words[0], &view, &err) != STATUS_OK) {
        log_error("status: %s", err.text);
    } else if (watch(&display, view, &exit_status, &err) != STATUS_OK) {
        log_error("status: %s", err.text);
        exit_status = EXIT_INTERNAL;
    }
    run_view_close(view);
    buffer_free(&display.text);
    buffer_free(&display.shown);
    return exit_status;
}
