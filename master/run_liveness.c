#include "master/run_liveness.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "master/run_lock.h"
#include "master/run_stamp.h"
#include "shared/clock.h"

#define LOOK_EVERY_MS 250
/* A renewal may be late by so much. */
#define LATE_MS 3000

/* The file as it stands. */
struct look {
    char text[RUN_STAMP_SIZE];
    size_t size;
    int64_t renewed_s; /* by the clock of its file system */
};

static struct look look_at(const char *path)
{
    struct look look = {.size = 0};
    struct stat about;
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return look;
    }
    const ssize_t size = pread(file, look.text, sizeof(look.text), 0);
    look.size = size > 0 ? (size_t)size : 0;
    look.renewed_s = fstat(file, &about) == 0 ? (int64_t)about.st_mtim.tv_sec : 0;
    (void)close(file);
    return look;
}

static enum run_stamp_verdict judge(const struct look *look)
{
    struct run_stamp_facts facts = {.lock = RUN_STAMP_LOCK_UNKNOWN};
    run_stamp_make(&facts.ours);
    facts.is_readable = run_stamp_decode(look->text, look->size, &facts.theirs);
    facts.is_empty = look->size == 0 || (facts.is_readable && *facts.theirs.token == '\0');
    run_stamp_look_at_process(&facts);
    return run_stamp_judge(&facts);
}

static bool is_recent(const struct look *look)
{
    const int64_t age_s = (int64_t)(clock_day_ms() / 1000) - look->renewed_s;
    return age_s > -RUN_LOCK_STALE_MS / 1000 && age_s < RUN_LOCK_STALE_MS / 1000;
}

/* The clock of another host may be wrong. */
static bool is_renewed(const char *path, const struct look *before)
{
    const struct timespec pause = {.tv_nsec = LOOK_EVERY_MS * 1000000L};
    for (int waited_ms = 0; waited_ms < RUN_LOCK_RENEW_MS + LATE_MS; waited_ms += LOOK_EVERY_MS) {
        (void)nanosleep(&pause, NULL);
        const struct look now = look_at(path);
        if (now.size != before->size || memcmp(now.text, before->text, now.size) != 0) {
            return true;
        }
    }
    return false;
}

bool run_liveness(const char *run_dir)
{
    char *path = NULL;
    if (asprintf(&path, "%s/" RUN_LOCK_NAME, run_dir) < 0) {
        return false;
    }
    bool is_live = false;
    const struct look look = look_at(path);
    switch (judge(&look)) {
    case RUN_STAMP_FREE:
        break;
    case RUN_STAMP_TAKEN:
        is_live = true;
        break;
    case RUN_STAMP_WATCH:
        is_live = is_recent(&look) || is_renewed(path, &look);
        break;
    }
    free(path);
    return is_live;
}
