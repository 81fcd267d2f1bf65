#include "master/progress.h"

#include <stdlib.h>
#include <unistd.h>

#include "master/bottom_line.h"
#include "master/estimate.h"
#include "shared/memory.h"

#define SECOND_US UINT64_C(1000000)
#define NOTE_EVERY_US SECOND_US /* of the estimate, between plain lines */
#define BAR_EVERY_US (SECOND_US / 2)
#define LOOK_EVERY_US (SECOND_US / 20)
#define JSON_EVERY_US SECOND_US
#define PLAIN_FIRST_US (2 * SECOND_US)
#define PLAIN_EVERY_US (10 * SECOND_US)
#define PLAIN_EVERY_US_MAX (60 * SECOND_US)

struct progress {
    enum progress_form form; /* BAR, PLAIN or JSON; NONE after the end */
    struct bottom_line *line;
    struct estimate estimate;
    uint64_t began_us;
    uint64_t show_us; /* when it is shown next */
    uint64_t look_us; /* when the terminal's size is looked at next */
    uint64_t note_us; /* when the estimate is to know how the run stands, at the latest */
};

struct progress *progress_create(enum progress_form form, uint64_t done, uint64_t now_us)
{
    if (form == PROGRESS_NONE) {
        return NULL;
    }
    struct progress *progress = memory_take(1, sizeof(*progress));
    if (form == PROGRESS_AUTO || form == PROGRESS_BAR) {
        progress->line = bottom_line_open();
        form = progress->line != NULL ? PROGRESS_BAR : PROGRESS_PLAIN;
    }
    progress->form = form;
    progress->began_us = now_us;
    progress->show_us = form == PROGRESS_PLAIN ? now_us + PLAIN_FIRST_US : now_us;
    progress->note_us = now_us + NOTE_EVERY_US;
    progress->look_us = progress->line != NULL ? now_us : UINT64_MAX;
    estimate_begin(&progress->estimate, done, now_us);
    return progress;
}

void progress_destroy(struct progress *progress)
{
    if (progress != NULL) {
        bottom_line_close(progress->line);
        free(progress);
    }
}

static uint64_t earliest(uint64_t a_us, uint64_t b_us)
{
    return a_us < b_us ? a_us : b_us;
}

uint64_t progress_due_us(const struct progress *progress)
{
    return progress != NULL
               ? earliest(progress->look_us, earliest(progress->show_us, progress->note_us))
               : UINT64_MAX;
}

bool progress_is_due(struct progress *progress, uint64_t now_us)
{
    if (progress == NULL) {
        return false;
    }
    if (now_us >= progress->look_us) {
        progress->look_us = now_us + LOOK_EVERY_US;
        if (bottom_line_is_displaced(progress->line)) {
            progress->show_us = now_us;
        }
    }
    return now_us >= earliest(progress->show_us, progress->note_us);
}

static void write_line(struct buffer *text)
{
    size_t written = 0;
    if (buffer_append_byte(text, '\n') != STATUS_OK) {
        return;
    }
    while (written < text->size) {
        const ssize_t count = write(STDERR_FILENO, text->data + written, text->size - written);
        if (count <= 0) {
            return;
        }
        written += (size_t)count;
    }
}

static void draw(const struct progress *progress, const struct progress_facts *facts)
{
    struct buffer text = {0};
    const size_t width = bottom_line_width(progress->line);
    if (width > 0 && progress_bar_text(facts, width, &text) == STATUS_OK) {
        bottom_line_draw(progress->line, (const char *)text.data, text.size);
    }
    buffer_free(&text);
}

static void show(const struct progress *progress, const struct progress_facts *facts)
{
    struct buffer text = {0};
    switch (progress->form) {
    case PROGRESS_BAR:
        draw(progress, facts);
        break;
    case PROGRESS_PLAIN:
        if (progress_plain_text(facts, &text) == STATUS_OK) {
            write_line(&text);
        }
        break;
    case PROGRESS_JSON:
        if (progress_json_text(facts, &text) == STATUS_OK) {
            write_line(&text);
        }
        break;
    case PROGRESS_NONE:
    case PROGRESS_AUTO:
        break;
    }
    buffer_free(&text);
}

/* Plain lines stay: the longer the run, the fewer are worth it. */
static uint64_t pause_us(const struct progress *progress, uint64_t now_us)
{
    switch (progress->form) {
    case PROGRESS_BAR:
        return BAR_EVERY_US;
    case PROGRESS_JSON:
        return JSON_EVERY_US;
    case PROGRESS_PLAIN:
    case PROGRESS_NONE:
    case PROGRESS_AUTO:
        break;
    }
    const uint64_t tenth_us = (now_us - progress->began_us) / 10;
    return tenth_us < PLAIN_EVERY_US       ? PLAIN_EVERY_US
           : tenth_us > PLAIN_EVERY_US_MAX ? PLAIN_EVERY_US_MAX
                                           : tenth_us;
}

static void fill_in(struct progress *progress, struct progress_facts *facts, uint64_t now_us)
{
    const uint64_t done = progress_done(&facts->counts);
    const uint64_t remaining = facts->size > done ? facts->size - done : 0;
    estimate_note(&progress->estimate, done, now_us);
    facts->elapsed_us = now_us - progress->began_us;
    facts->rate = estimate_rate(&progress->estimate);
    facts->has_estimate = estimate_end_us(&progress->estimate, remaining, facts->running,
                                          &facts->earliest_us, &facts->latest_us);
}

void progress_note(struct progress *progress, struct progress_facts *facts, uint64_t now_us)
{
    fill_in(progress, facts, now_us);
    progress->note_us = now_us + NOTE_EVERY_US;
    if (now_us >= progress->show_us) {
        show(progress, facts);
        progress->show_us = now_us + pause_us(progress, now_us);
    }
}

void progress_end(struct progress *progress, struct progress_facts *facts, uint64_t now_us)
{
    if (progress == NULL) {
        return;
    }
    if (progress->form == PROGRESS_JSON) {
        fill_in(progress, facts, now_us);
        show(progress, facts);
    }
    bottom_line_close(progress->line);
    progress->line = NULL;
    progress->form = PROGRESS_NONE;
    progress->show_us = UINT64_MAX;
    progress->note_us = UINT64_MAX;
    progress->look_us = UINT64_MAX;
}
