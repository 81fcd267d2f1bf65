#include "cli/report_tables.h"

#include <inttypes.h>
#include <string.h>

#include "shared/attempt.h"

#define GROUPS_SHOWN_WHOLE 20
#define RANGE_COUNT_MAX 8
#define RANK_ROW_COUNT_MAX 256
#define MAP_ROW_COUNT_MAX 200
#define NOTE_ROW_COUNT_MAX 200
#define US_IN_S 1e6

const char *report_verdict(const struct report_data *data)
{
    return data->run->state == RUN_RUNNING ? "not finished" : run_state_name(data->run->state);
}

/* ---- Summary ----------------------------------------------------------------------------------
 */

static void put_card(struct html *html, const char *name, uint64_t count, const char *class)
{
    html_printf(html, "<div class=\"card %s\"><dt>%s</dt><dd>", class, name);
    html_count(html, count);
    html_put(html, "</dd></div>\n");
}

static void put_card_of_time(struct html *html, const char *name, uint64_t us)
{
    html_printf(html, "<div class=\"card\"><dt>%s</dt><dd>", name);
    html_time(html, us);
    html_put(html, "</dd></div>\n");
}

static void put_cards_if(struct html *html, const char *name, uint64_t count, const char *class)
{
    if (count > 0) {
        put_card(html, name, count, class);
    }
}

static void put_warnings(struct html *html, const struct report_data *data)
{
    if (data->run->state == RUN_RUNNING) {
        html_put(html, "<p class=\"warning\">The run has no verdict: it went on when this page was "
                       "made, or was cut off. <code>mapfleet status</code> tells which.</p>\n");
    }
    if (chronicle_torn(data->chronicle) != NULL) {
        html_put(html, "<p class=\"warning\">The log is cut off or damaged, and what stands behind "
                       "that is not shown: ");
        html_text(html, chronicle_torn(data->chronicle));
        html_put(html, "</p>\n");
    }
}

void report_put_summary(struct html *html, const struct report_data *data)
{
    uint64_t counts[INSTANCE_STATE_COUNT];
    uint64_t size = 0;
    uint64_t attempts = data->lost_attempts;
    report_data_count(data, counts);
    for (unsigned i = 0; i < INSTANCE_STATE_COUNT; i++) {
        size += counts[i];
    }
    for (unsigned i = 0; i < PIECE_STATE_COUNT; i++) {
        attempts += i == PIECE_ABORTED || i == PIECE_SUPERSEDED ? 0 : data->counts[i];
    }
    html_put(html, "<section aria-labelledby=\"totals\"><h2 id=\"totals\">Totals</h2>\n");
    put_warnings(html, data);
    html_put(html, "<dl class=\"cards\">\n");
    put_card(html, "instances", size, "");
    for (unsigned i = 0; i < INSTANCE_STATE_COUNT; i++) {
        const char *name = instance_state_name((enum instance_state)i);
        put_cards_if(html, name, counts[i], name);
    }
    put_card(html, "attempts", attempts, "");
    put_cards_if(html, "failed and tried again", data->counts[PIECE_RETRIED], "retried");
    put_cards_if(html, "second copies", data->counts[PIECE_SUPERSEDED], "superseded");
    put_cards_if(html, "attempts lost with their rank", data->lost_attempts, "lost");
    put_cards_if(html, "ranks lost", data->lost_ranks, "lost");
    put_cards_if(html, "sessions", data->sessions > 1 ? data->sessions : 0, "");
    put_card_of_time(html, "wall time",
                     data->run->state == RUN_RUNNING
                         ? data->time->total_us
                         : (uint64_t)(data->run->verdict.wall_seconds * US_IN_S));
    put_card_of_time(html, "time in attempts", data->succeeded.sum_us + data->failed.sum_us);
    html_put(html, "</dl></section>\n");
}

/* ---- Durations --------------------------------------------------------------------------------
 */

static void put_quantile_row(struct html *html, const char *name,
                             const struct report_durations *durations)
{
    static const double parts[] = {0.1, 0.5, 0.9, 0.99};
    if (durations->count == 0) {
        return;
    }
    html_printf(html, "<tr><th scope=\"row\">%s</th>", name);
    html_count_cell(html, durations->count);
    html_time_cell(html, durations->shortest_us);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        html_time_cell(html, report_durations_quantile_us(durations, parts[i]));
    }
    html_time_cell(html, durations->longest_us);
    html_time_cell(html, durations->sum_us / durations->count);
    html_time_cell(html, durations->sum_us);
    html_put(html, "</tr>\n");
}

void report_put_quantiles(struct html *html, const struct report_data *data)
{
    if (data->succeeded.count + data->failed.count == 0) {
        return;
    }
    html_put(html, "<section aria-labelledby=\"quantiles\"><h2 id=\"quantiles\">Quantiles</h2>\n"
                   "<div class=\"wide\"><table><caption>How long attempts took</caption>\n<thead>"
                   "<tr><th scope=\"col\">attempts that</th><th scope=\"col\">attempts</th>"
                   "<th scope=\"col\">shortest</th><th scope=\"col\">10 %</th>"
                   "<th scope=\"col\">median</th><th scope=\"col\">90 %</th>"
                   "<th scope=\"col\">99 %</th><th scope=\"col\">longest</th>"
                   "<th scope=\"col\">mean</th><th scope=\"col\">sum</th></tr></thead>\n<tbody>\n");
    put_quantile_row(html, "succeeded", &data->succeeded);
    put_quantile_row(html, "did not", &data->failed);
    html_put(html, "</tbody></table></div>\n");
    if (data->untimed > 0) {
        html_put(html, "<p class=\"note\">");
        html_count(html, data->untimed);
        html_put(html, " attempts were too short to be timed one by one: each counts with the mean "
                       "of its batch.</p>\n");
    }
    html_put(html, "</section>\n");
}

/* ---- Failures ---------------------------------------------------------------------------------
 */

static void put_indices(struct html *html, const struct index_set *indices)
{
    uint64_t from = 0;
    uint64_t start;
    uint64_t count;
    size_t ranges = 0;
    while (index_set_next_run(indices, from, UINT64_MAX, &start, &count)) {
        if (ranges++ == RANGE_COUNT_MAX) {
            html_put(html, ", &hellip;");
            return;
        }
        html_printf(html, "%s%" PRIu64, ranges > 1 ? ", " : "", start);
        if (count > 1) {
            html_printf(html, "&ndash;%" PRIu64, start + count - 1);
        }
        from = start + count;
    }
}

static void put_example(struct html *html, const struct report_data *data,
                        const struct report_group *group)
{
    html_put(html, "<details><summary>");
    html_printf(html, "instance %" PRIu64, group->index);
    if (report_data_is_workflow(data)) {
        html_printf(html, " of map %" PRIu64, group->map);
    }
    html_printf(html, ", attempt %" PRIu64 "</summary><pre tabindex=\"0\">", group->attempt);
    if (group->printed_before > 0) {
        html_printf(html, "[%" PRIu64 " bytes before]\n", group->printed_before);
    }
    html_text_of(html, (const char *)group->printed.data, group->printed.size);
    html_put(html, "</pre></details>");
}

static void put_group(struct html *html, const struct report_data *data,
                      const struct report_group *group)
{
    html_put(html, "<tr>");
    html_count_cell(html, group->count);
    html_printf(html, "<td>%s</td><td class=\"message\">", failure_class_name(group->class));
    html_text_of(html, group->text, group->text_size);
    html_put(html, "</td><td>");
    put_indices(html, &group->indices);
    html_put(html, "</td><td>");
    if (group->printed.size > 0) {
        put_example(html, data, group);
    } else {
        html_printf(html, "instance %" PRIu64, group->index);
    }
    html_put(html, "</td></tr>\n");
}

void report_put_failures(struct html *html, const struct report_data *data)
{
    const struct report_failures *failures = &data->failures;
    html_put(html, "<section aria-labelledby=\"failures\"><h2 id=\"failures\">Failures</h2>\n");
    if (failures->count == 0) {
        html_put(html, "<p>No attempt failed.</p></section>\n");
        return;
    }
    html_put(html, failures->group_count > GROUPS_SHOWN_WHOLE
                       ? "<div class=\"wide long\" tabindex=\"0\" role=\"region\" "
                         "aria-labelledby=\"failures\">"
                       : "<div class=\"wide\">");
    html_put(html,
             "<table><caption>Failed attempts, by what they said"
             "</caption>\n<thead><tr><th scope=\"col\">attempts</th><th scope=\"col\">class"
             "</th><th scope=\"col\">message</th><th scope=\"col\">instances</th>"
             "<th scope=\"col\">an example, and what it printed</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < failures->group_count; i++) {
        put_group(html, data, &failures->groups[i]);
    }
    html_put(html, "</tbody></table></div>\n");
    if (failures->count_beyond > 0) {
        html_put(html, "<p class=\"note\">");
        html_count(html, failures->count_beyond);
        html_put(html, " more attempts failed, with messages of their own.</p>\n");
    }
    if (failures->is_unsearched) {
        html_put(html, "<p class=\"note\">So much was printed that no example was looked for: "
                       "<code>mapfleet results RUN --stdio INDEX</code> shows it.</p>\n");
    }
    html_put(html, "</section>\n");
}

/* ---- Where time went --------------------------------------------------------------------------
 */

static void put_share(struct html *html, const char *class, uint64_t part_us, uint64_t all_us)
{
    if (part_us > 0 && all_us > 0) {
        html_printf(html, "<span class=\"%s\" style=\"width:%.2f%%\"></span>", class,
                    100.0 * (double)part_us / (double)all_us);
    }
}

static void put_spent_row(struct html *html, const struct report_spent *spent, uint64_t attempts)
{
    const uint64_t all_us =
        spent->running_us + spent->starting_us + spent->held_us + spent->waiting_us;
    html_count_cell(html, attempts);
    html_time_cell(html, spent->running_us);
    html_time_cell(html, spent->starting_us);
    html_time_cell(html, spent->held_us);
    html_time_cell(html, spent->waiting_us);
    html_printf(html, "<td class=\"number\">%.1f %%</td><td><div class=\"share\">",
                all_us > 0 ? 100.0 * (double)spent->running_us / (double)all_us : 0.0);
    put_share(html, "running", spent->running_us, all_us);
    put_share(html, "starting", spent->starting_us, all_us);
    put_share(html, "held", spent->held_us, all_us);
    put_share(html, "waiting", spent->waiting_us, all_us);
    html_put(html, "</div></td></tr>\n");
}

static void put_life(struct html *html, const struct report_life *life)
{
    const struct report_spent spent = report_life_spent(life);
    html_printf(html, "<tr><th scope=\"row\">rank %" PRIu32, life->rank);
    if (life->host != NULL && *life->host != '\0') {
        html_put(html, " on ");
        html_text(html, life->host);
    }
    html_put(html, life->why != NULL ? ", lost</th>" : "</th>");
    html_count_cell(html, life->slots);
    put_spent_row(html, &spent, life->attempts);
}

static struct report_spent add_up(const struct report_time *time, uint64_t *attempts_out,
                                  size_t *count_out)
{
    struct report_spent all = {0};
    *attempts_out = 0;
    *count_out = 0;
    for (size_t i = 0; i < time->life_count; i++) {
        const struct report_spent spent = report_life_spent(&time->lives[i]);
        all.running_us += spent.running_us;
        all.starting_us += spent.starting_us;
        all.held_us += spent.held_us;
        all.waiting_us += spent.waiting_us;
        *attempts_out += time->lives[i].attempts;
        *count_out += time->lives[i].is_known ? 1 : 0;
    }
    return all;
}

void report_put_spent(struct html *html, const struct report_data *data)
{
    const struct report_time *time = data->time;
    uint64_t attempts;
    size_t count;
    size_t shown = 0;
    const struct report_spent all = add_up(time, &attempts, &count);
    if (count == 0) {
        return;
    }
    html_put(html,
             "<section aria-labelledby=\"spent\"><h2 id=\"spent\">Where time went</h2>\n"
             "<p class=\"legend\"><span><i class=\"running\"></i>running attempts</span> "
             "<span><i class=\"starting\"></i>starting: before the rank's first attempt</span> "
             "<span><i class=\"held\"></i>waiting for memory, cores or devices</span> "
             "<span><i class=\"waiting\"></i>waiting for work</span></p>\n"
             "<div class=\"wide\"><table><caption>Time of all slots of a rank together</caption>\n"
             "<thead><tr><th scope=\"col\">rank</th><th scope=\"col\">slots</th>"
             "<th scope=\"col\">attempts</th><th scope=\"col\">running</th>"
             "<th scope=\"col\">starting</th><th scope=\"col\">for resources</th>"
             "<th scope=\"col\">for work</th><th scope=\"col\">busy</th>"
             "<th scope=\"col\">shares</th></tr></thead>\n<tbody>\n<tr><th scope=\"row\">all</th>"
             "<td></td>");
    put_spent_row(html, &all, attempts);
    for (size_t i = 0; i < time->life_count && shown < RANK_ROW_COUNT_MAX; i++) {
        if (time->lives[i].is_known) {
            put_life(html, &time->lives[i]);
            shown++;
        }
    }
    html_put(html, "</tbody></table></div>\n");
    if (shown < count) {
        html_printf(html, "<p class=\"note\">%zu more ranks are not listed.</p>\n", count - shown);
    }
    html_put(html, "</section>\n");
}

/* ---- Maps -------------------------------------------------------------------------------------
 */

static const char *verdict_of(const struct report_map *map)
{
    return map->exit_status < 0    ? "no verdict"
           : map->exit_status == 0 ? "succeeded"
           : map->exit_status == 1 ? "failed"
                                   : "interrupted";
}

static void put_map(struct html *html, const struct report_map *map, const struct map_past *past)
{
    const struct history *history = &past->replay.history;
    const uint64_t begun_us = map->begun_us == UINT64_MAX ? 0 : map->begun_us;
    html_printf(html, "<tr><th scope=\"row\">%" PRIu64 "</th><td>", map->number);
    html_text(html, past->task);
    html_printf(html, "</td><td>%s</td>", verdict_of(map));
    html_count_cell(html, past->size);
    html_count_cell(html, history->succeeded.count);
    html_count_cell(html, history->cached.count);
    html_count_cell(html, history->failed.count + history->timed_out.count);
    html_count_cell(html, map->attempts);
    html_time_cell(html, begun_us);
    html_time_cell(html, map->ended_us > begun_us ? map->ended_us - begun_us : 0);
    html_time_cell(html, map->durations.sum_us);
    html_time_cell(html, report_durations_quantile_us(&map->durations, 0.5));
    html_time_cell(html, map->durations.longest_us);
    html_put(html, "</tr>\n");
}

void report_put_maps(struct html *html, const struct report_data *data)
{
    size_t shown = 0;
    if (!report_data_is_workflow(data) || data->map_count == 0) {
        return;
    }
    html_put(html, "<section aria-labelledby=\"maps\"><h2 id=\"maps\">Maps and calls</h2>\n"
                   "<div class=\"wide\"><table><caption>In the order in which they were begun"
                   "</caption>\n<thead><tr><th scope=\"col\">map</th><th scope=\"col\">task</th>"
                   "<th scope=\"col\">verdict</th><th scope=\"col\">instances</th>"
                   "<th scope=\"col\">succeeded</th><th scope=\"col\">cached</th>"
                   "<th scope=\"col\">failed</th><th scope=\"col\">attempts</th>"
                   "<th scope=\"col\">begun at</th><th scope=\"col\">took</th>"
                   "<th scope=\"col\">in attempts</th><th scope=\"col\">median</th>"
                   "<th scope=\"col\">longest</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < data->map_count && shown < MAP_ROW_COUNT_MAX; i++) {
        const struct map_past *past = report_data_past(data, &data->maps[i]);
        if (past != NULL) {
            put_map(html, &data->maps[i], past);
            shown++;
        }
    }
    html_put(html, "</tbody></table></div>\n");
    if (data->past.count > shown) {
        html_printf(html, "<p class=\"note\">%zu more are not listed.</p>\n",
                    data->past.count - shown);
    }
    html_put(html, "</section>\n");
}

/* ---- What happened ----------------------------------------------------------------------------
 */

/* The life of a rank that was lost just then. */
static const struct report_life *lost_life(const struct report_data *data,
                                           const struct report_note *note)
{
    for (size_t i = 0; i < data->time->life_count; i++) {
        const struct report_life *life = &data->time->lives[i];
        if (life->why != NULL && life->rank == note->rank && life->ended_us == note->time_us) {
            return life;
        }
    }
    return NULL;
}

static void put_what(struct html *html, const struct report_data *data,
                     const struct report_note *note)
{
    const struct report_life *life;
    switch (note->kind) {
    case CHRONICLE_SESSION:
        html_put(html, "a session began");
        if (note->gap_ms > 0) {
            html_put(html, ", ");
            html_time(html, note->gap_ms * 1000);
            html_put(html, " after the one before it had ended");
        }
        break;
    case CHRONICLE_RANK:
        html_printf(html,
                    note->count > 1 ? "%" PRIu32 " ranks were ready" : "rank %" PRIu32 " was ready",
                    note->count > 1 ? note->count : note->rank);
        break;
    case CHRONICLE_LOST:
        html_printf(html, "rank %" PRIu32 " was lost", note->rank);
        life = lost_life(data, note);
        if (life != NULL) {
            html_put(html, ": ");
            html_text(html, life->why);
        }
        break;
    case CHRONICLE_LOST_ATTEMPT:
        html_printf(html, "attempt %" PRIu64 " of instance %" PRIu64 " was lost with rank %" PRIu32,
                    note->attempt, note->index, note->rank);
        break;
    case CHRONICLE_CACHED:
    case CHRONICLE_MAP:
    case CHRONICLE_END:
        break;
    }
}

void report_put_notes(struct html *html, const struct report_data *data)
{
    html_put(html, "<section aria-labelledby=\"notes\"><h2 id=\"notes\">What happened</h2>\n"
                   "<div class=\"wide\"><table><caption>Sessions, and ranks that came and were lost"
                   "</caption>\n<thead><tr><th scope=\"col\">after</th><th scope=\"col\">what"
                   "</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < data->note_count && i < NOTE_ROW_COUNT_MAX; i++) {
        html_put(html, "<tr><td class=\"number\">");
        html_time(html, data->notes[i].time_us);
        html_put(html, "</td><td>");
        put_what(html, data, &data->notes[i]);
        html_put(html, "</td></tr>\n");
    }
    html_put(html, "</tbody></table></div>\n");
    const uint64_t beyond =
        data->notes_beyond +
        (data->note_count > NOTE_ROW_COUNT_MAX ? data->note_count - NOTE_ROW_COUNT_MAX : 0);
    if (beyond > 0) {
        html_printf(html, "<p class=\"note\">%" PRIu64 " more are not listed.</p>\n", beyond);
    }
    html_put(html, "</section>\n");
}
