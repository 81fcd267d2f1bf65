#include "cli/report_page.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "cli/options.h"
#include "cli/report_assets.h"
#include "cli/report_bytes.h"
#include "cli/report_html.h"
#include "cli/report_sweep.h"
#include "cli/report_tables.h"
#include "shared/log.h"
#include "shared/quantity.h"

#define TIME_TEXT_SIZE 32
#define NAME_SIZE_MAX 60

static void put_asset(struct html *html, struct report_asset asset)
{
    if (html->status == STATUS_OK) {
        html->status = buffer_append(html->out, asset.text, asset.size);
    }
}

/* ---- Head -------------------------------------------------------------------------------------
 */

/* Of a command its words, as far as a line has room for them. */
static void put_name(struct html *html, const struct run_description *run)
{
    size_t left = NAME_SIZE_MAX;
    size_t i = 0;
    if (run->sweep.path != NULL) {
        html_text(html, verb_name(VERB_SWEEP));
        html_put(html, " ");
        html_text(html, run->sweep.path);
        return;
    }
    if (strcmp(run->verb, verb_name(VERB_EXEC)) != 0) {
        html_text(html, run->job);
        html_put(html, ":");
        html_text(html, run->task);
        return;
    }
    html_text(html, run->verb);
    while (i < run->argument_count && strcmp(run->arguments[i], "--") != 0) {
        i++;
    }
    for (i++; i < run->argument_count && left > 0; i++) {
        const size_t size = strlen(run->arguments[i]);
        html_put(html, " ");
        html_text_of(html, run->arguments[i], size < left ? size : left);
        html_put(html, size < left ? "" : "&hellip;");
        left -= size < left ? size : left;
    }
}

/* The policy has browsers refuse whatever would leave the file. */
static void put_head(struct html *html, const struct report_data *data)
{
    html_put(html, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                   "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                   "script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:\">\n"
                   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                   "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
    put_name(html, data->run);
    html_put(html, ": ");
    html_text(html, report_verdict(data));
    html_put(html, "</title>\n<style>\n");
    put_asset(html, report_asset_plot_css());
    html_put(html, "</style>\n<style>\n");
    put_asset(html, report_asset_css());
    html_put(
        html,
        "</style>\n<noscript><style>.scripted { display: none; }</style></noscript>\n</head>\n");
}

static const char *day_text(int64_t seconds, char text[TIME_TEXT_SIZE])
{
    const time_t since = (time_t)seconds;
    struct tm day;
    if (gmtime_r(&since, &day) == NULL ||
        strftime(text, TIME_TEXT_SIZE, "%Y-%m-%d %H:%M:%S UTC", &day) == 0) {
        text[0] = '\0';
    }
    return text;
}

static void put_fact(struct html *html, const char *name, const char *text)
{
    html_printf(html, "<dt>%s</dt><dd>", name);
    html_text(html, text);
    html_put(html, "</dd>\n");
}

static void put_command(struct html *html, const struct run_description *run)
{
    html_put(html, "<dt>Command</dt><dd><code>");
    for (size_t i = 0; i < run->argument_count; i++) {
        html_put(html, i > 0 ? " " : "");
        html_text(html, run->arguments[i]);
    }
    html_put(html, "</code></dd>\n");
}

/* Of a sweep: project, name, ... as its file has them. */
static void put_labels(struct html *html, const char *labels)
{
    const char *key;
    json_t *value;
    json_t *object = labels != NULL ? json_loads(labels, JSON_REJECT_DUPLICATES, NULL) : NULL;
    json_object_foreach(object, key, value)
    {
        char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY);
        html_put(html, "<dt>");
        html_text(html, key);
        html_put(html, "</dt><dd>");
        html_text(html, text != NULL            ? text
                        : json_is_string(value) ? json_string_value(value)
                                                : "");
        html_put(html, "</dd>\n");
        free(text);
    }
    json_decref(object);
}

static void put_facts(struct html *html, const struct report_data *data)
{
    const struct run_description *run = data->run;
    char day[TIME_TEXT_SIZE];
    html_put(html, "<details><summary>The run</summary>\n<dl>\n");
    put_command(html, run);
    put_fact(html, "Run directory", data->run_dir);
    put_fact(html, "Job", run->job);
    put_fact(html, report_data_is_workflow(data) ? "Workflow" : "Task", run->task);
    put_labels(html, run->sweep.labels);
    put_fact(html, "Input type", run->input_type);
    put_fact(html, "Output type", run->output_type);
    put_fact(html, "Begun", day_text(run->created_s, day));
    if (run->state != RUN_RUNNING) {
        put_fact(html, "Ended", day_text(run->verdict.ended_s, day));
    }
    put_fact(html, "mapfleet", run->version);
    html_put(html, "</dl>\n</details>\n");
}

static void put_header(struct html *html, const struct report_data *data)
{
    html_put(html, "<body>\n<a class=\"skip\" href=\"#main\">To the content</a>\n<header>\n"
                   "<div class=\"bar\"><h1>");
    put_name(html, data->run);
    html_put(html, " <span class=\"verdict ");
    html_put(html, run_state_name(data->run->state));
    html_put(html, "\">");
    html_text(html, report_verdict(data));
    html_put(html, "</span></h1>\n<button type=\"button\" id=\"theme\" class=\"scripted\" "
                   "aria-label=\"Colours: as the system has them\">Colours</button></div>\n");
    put_facts(html, data);
    html_put(html, "</header>\n<main id=\"main\">\n");
}

/* ---- What the script draws --------------------------------------------------------------------
 */

static void put_drawn(struct html *html)
{
    html_put(
        html,
        "<noscript><p class=\"note\">Charts need JavaScript; the tables do not.</p></noscript>\n"
        "<div id=\"charts\" class=\"scripted\">\n"
        "<div id=\"filters\" class=\"filters\" role=\"group\" aria-label=\"Filters\"></div>\n"
        "<div id=\"trials\"></div>\n"
        "<section aria-labelledby=\"over-time\"><h2 id=\"over-time\">Over time</h2>\n"
        "<div class=\"pair\"><div id=\"ended\"></div><div id=\"busy\"></div></div></section>\n"
        "<section aria-labelledby=\"slots\"><h2 id=\"slots\">Slots</h2>\n"
        "<p class=\"note\" id=\"slots-help\">What each slot of each rank ran. Drag to move; + and "
        "&minus;, or Ctrl and the wheel, zoom; a double click zooms in, 0 shows all; arrow keys "
        "move, Shift with arrow "
        "keys goes from attempt to attempt.</p>\n"
        "<div id=\"timeline\"></div></section>\n"
        "<section aria-labelledby=\"instances\"><h2 id=\"instances\">Instances by index</h2>\n"
        "<p class=\"note\" id=\"instances-help\">The state of each instance, row by row. Arrow "
        "keys "
        "move; + and &minus; zoom, 0 shows all.</p>\n"
        "<div id=\"states\"></div></section>\n"
        "<section aria-labelledby=\"durations\"><h2 id=\"durations\">Durations</h2>\n"
        "<div id=\"histogram\"></div></section>\n"
        "</div>\n");
}

/* What cannot be read of a sweep is left out: the rest of the page is whole. */
static void put_sweep(struct html *html, const struct report_data *data)
{
    struct buffer json = {0};
    struct error err;
    if (data->run->sweep.path == NULL) {
        return;
    }
    if (report_sweep(data->run_dir, data->run, &json, &err) != STATUS_OK) {
        log_warning("the page shows no trials: %s", err.text);
    } else if (html->status == STATUS_OK) {
        html_put(html, "<script type=\"application/json\" id=\"sweep\">");
        html->status = buffer_append(html->out, json.data, json.size);
        html_put(html, "</script>\n");
    }
    buffer_free(&json);
}

static void put_data(struct html *html, const struct report_data *data)
{
    put_sweep(html, data);
    struct buffer blob = {0};
    html_put(html, "<script type=\"application/json\" id=\"meta\">");
    if (html->status == STATUS_OK) {
        html->status = report_meta(data, html->out);
    }
    html_put(html, "</script>\n<script type=\"text/plain\" id=\"data\">");
    if (html->status == STATUS_OK) {
        html->status = report_blob(data, &blob);
    }
    if (html->status == STATUS_OK) {
        html->status = report_put_deflated(html->out, &blob);
    }
    buffer_free(&blob);
    html_put(html, "</script>\n<script>\n/*\n");
    put_asset(html, report_asset_plot_license());
    html_put(html, "*/\n");
    put_asset(html, report_asset_plot_js());
    html_put(html, "</script>\n<script>\n");
    put_asset(html, report_asset_js());
    html_put(html, "</script>\n");
}

enum status report_page(const struct report_data *data, struct buffer *out)
{
    struct html html = {.out = out};
    put_head(&html, data);
    put_header(&html, data);
    report_put_summary(&html, data);
    put_drawn(&html);
    report_put_quantiles(&html, data);
    report_put_failures(&html, data);
    report_put_spent(&html, data);
    report_put_maps(&html, data);
    report_put_notes(&html, data);
    html_put(&html, "</main>\n<footer><p>mapfleet " MAPFLEET_VERSION ". Charts: uPlot, MIT "
                    "license.</p></footer>\n<div id=\"tip\" "
                    "aria-hidden=\"true\"></div>\n");
    put_data(&html, data);
    html_put(&html, "</body>\n</html>\n");
    return html.status;
}
