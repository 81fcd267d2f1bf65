#include "cli/cache.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "master/cache_prune.h"
#include "master/cache_store.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/quantity.h"

#define EXIT_REFUSED 2
#define TIME_TEXT_SIZE 32

static const char *time_text(uint64_t ms, char text[TIME_TEXT_SIZE])
{
    struct tm utc;
    const time_t seconds = (time_t)(ms / 1000);
    if (gmtime_r(&seconds, &utc) == NULL ||
        strftime(text, TIME_TEXT_SIZE, "%Y-%m-%dT%H:%MZ", &utc) == 0) {
        (void)snprintf(text, TIME_TEXT_SIZE, "?");
    }
    return text;
}

static void print_stats(const char *dir, const struct cache_stats *stats)
{
    char count[QUANTITY_TEXT_SIZE];
    char size[QUANTITY_TEXT_SIZE];
    char from[TIME_TEXT_SIZE];
    char to[TIME_TEXT_SIZE];
    (void)printf("store      %s\n", dir);
    (void)printf("outputs    %s\n",
                 quantity_count_text(stats->sizes.counts[CACHE_TABLE_ENTRIES], count));
    (void)printf("digests    %s\n",
                 quantity_count_text(stats->sizes.counts[CACHE_TABLE_DIGESTS], count));
    (void)printf("in use     %s\n", quantity_size_text(stats->sizes.used, size));
    (void)printf("on disk    %s\n", quantity_size_text(stats->sizes.file, size));
    if (stats->has_uses) {
        (void)printf("last used  from %s to %s, to the hour\n", time_text(stats->oldest_ms, from),
                     time_text(stats->newest_ms, to));
    }
}

static enum status run_stats(struct cache_store *store, const char *dir, struct error *err)
{
    struct cache_stats stats;
    const enum status status = cache_prune_stats(store, &stats, err);
    if (status == STATUS_OK) {
        print_stats(dir, &stats);
    }
    return status;
}

static enum status parse_prune(const struct options *options, struct cache_prune_options *prune,
                               struct error *err)
{
    const char *age = options->values[OPTION_OLDER_THAN];
    const char *size = options->values[OPTION_MAX_SIZE];
    uint64_t age_ns = 0;
    enum status status = STATUS_OK;
    if (age == NULL && size == NULL) {
        return error_set(err, STATUS_INVALID,
                         "prune: give --older-than TIME (30d), --max-size SIZE (10G) or both");
    }
    *prune = (struct cache_prune_options){
        .has_age = age != NULL, .has_size = size != NULL, .now_ms = clock_day_ms()};
    if (age != NULL) {
        status = quantity_parse_time(age, &age_ns, err);
        if (status != STATUS_OK) {
            error_prefix(err, "--older-than: ");
        }
        prune->age_max_ms = age_ns / 1000000;
    }
    if (status == STATUS_OK && size != NULL) {
        status = quantity_parse_size(size, &prune->size_max, err);
        if (status != STATUS_OK) {
            error_prefix(err, "--max-size: ");
        }
    }
    return status;
}

static enum status run_prune(struct cache_store *store, const struct cache_prune_options *prune,
                             struct error *err)
{
    struct cache_prune_result result;
    char removed[QUANTITY_TEXT_SIZE];
    char kept[QUANTITY_TEXT_SIZE];
    const enum status status = cache_prune(store, prune, &result, err);
    if (status == STATUS_OK) {
        (void)printf("removed %s outputs, %s are left%s\n",
                     quantity_count_text(result.removed, removed),
                     quantity_count_text(result.kept, kept),
                     result.is_compact ? ""
                                       : "; others use the store, so its file keeps its size for "
                                         "now and its free space is used again");
    }
    return status;
}

static enum status check_words(const struct options *options, bool *is_prune_out, struct error *err)
{
    const char *word = options->word_count > 0 ? options->words[0] : "";
    *is_prune_out = strcmp(word, "prune") == 0;
    if (options->word_count != 1 || (!*is_prune_out && strcmp(word, "stats") != 0)) {
        return error_set(err, STATUS_INVALID, "mapfleet cache: expected stats or prune%s%s",
                         *word != '\0' ? ", found " : "",
                         options->word_count > 1 ? options->words[1] : word);
    }
    if (!*is_prune_out &&
        (options_has(options, OPTION_OLDER_THAN) || options_has(options, OPTION_MAX_SIZE))) {
        return error_set(err, STATUS_INVALID,
                         "--older-than and --max-size are options of mapfleet cache prune");
    }
    return STATUS_OK;
}

static enum status run_verb(const struct options *options, struct cache_store **store, char **dir,
                            struct error *err)
{
    struct cache_prune_options prune;
    char here[PATH_MAX];
    bool is_prune = false;
    enum status status = check_words(options, &is_prune, err);
    if (status == STATUS_OK && is_prune) {
        status = parse_prune(options, &prune, err);
    }
    if (status == STATUS_OK && getcwd(here, sizeof(here)) == NULL) {
        return error_set(err, STATUS_IO, "the current folder cannot be told");
    }
    if (status == STATUS_OK) {
        status = cache_store_choose(options->values[OPTION_CACHE_DIR], here, dir, err);
    }
    if (status == STATUS_OK && !cache_store_is_there(*dir)) {
        (void)printf("store      %s (none there yet)\n", *dir);
        return STATUS_OK;
    }
    if (status == STATUS_OK) {
        status = cache_store_open(*dir, NULL, store, err);
    }
    if (status == STATUS_OK) {
        status = is_prune ? run_prune(*store, &prune, err) : run_stats(*store, *dir, err);
    }
    return status;
}

int cache_main(const struct options *options)
{
    struct cache_store *store = NULL;
    char *dir = NULL;
    struct error err;
    const enum status status = run_verb(options, &store, &dir, &err);
    if (status != STATUS_OK) {
        log_error("cache: %s", err.text);
    }
    cache_store_close(store);
    free(dir);
    return status == STATUS_OK ? 0 : EXIT_REFUSED;
}
