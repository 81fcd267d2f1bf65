/* run_stamp.h - the stamp in a run's file `lock`: who holds the run, and what a newcomer makes of
 * it.
 *
 * A stamp is one JSON object, filled up with blanks to RUN_STAMP_SIZE, so that it is renewed in
 * place: that takes no room on a full disk.
 *
 * Failure: bytes that are no stamp are one that nobody can judge: it is watched.
 */
#ifndef MASTER_RUN_STAMP_H
#define MASTER_RUN_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RUN_STAMP_SIZE 1024
#define RUN_STAMP_TEXT_SIZE 128

struct run_stamp {
    char token[RUN_STAMP_TEXT_SIZE];   /* random: the holder's own; "" once it gave the run free */
    char host[RUN_STAMP_TEXT_SIZE];    /* for people */
    char machine[RUN_STAMP_TEXT_SIZE]; /* boot and pid namespace: where `process` means something */
    uint64_t process;
    uint64_t process_started;            /* as /proc has it: a pid may be used again */
    char slurm_job[RUN_STAMP_TEXT_SIZE]; /* "" outside of Slurm */
    uint64_t slurm_restarts;
    uint64_t renewed; /* how often */
};

/* The stamp of this process, with a new token. */
void run_stamp_make(struct run_stamp *stamp_out);

void run_stamp_encode(const struct run_stamp *stamp, char text_out[RUN_STAMP_SIZE]);
/* False where the bytes are no stamp. */
bool run_stamp_decode(const char *text, size_t size, struct run_stamp *stamp_out);

enum run_stamp_lock { RUN_STAMP_LOCK_TAKEN, RUN_STAMP_LOCK_OTHERS, RUN_STAMP_LOCK_UNKNOWN };

/* What a newcomer finds. */
struct run_stamp_facts {
    enum run_stamp_lock lock; /* of fcntl(); UNKNOWN where that does not work */
    bool is_local;            /* no other host can have the folder */
    bool is_empty;            /* no stamp, or one that gives the run free */
    bool is_readable;         /* the stamp is one */
    struct run_stamp theirs;
    struct run_stamp ours;
    bool is_process_there; /* where `theirs` is of this machine */
    bool is_process_stopped;
};

enum run_stamp_verdict { RUN_STAMP_FREE, RUN_STAMP_TAKEN, RUN_STAMP_WATCH };

enum run_stamp_verdict run_stamp_judge(const struct run_stamp_facts *facts);

/* Is that process there, and stopped? */
void run_stamp_look_at_process(struct run_stamp_facts *facts);

#endif
