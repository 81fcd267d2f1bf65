/* run_lock.h and run_stamp.h: one process at a time works on a run. */
#include "master/run_lock.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "master/run_stamp.h"
#include "tests/unit/log_support.h"

/* ---- Judging -------------------------------------------------------------------------------- */

static struct run_stamp_facts facts_of_another_host(void)
{
    struct run_stamp_facts facts = {.lock = RUN_STAMP_LOCK_TAKEN, .is_readable = true};
    run_stamp_make(&facts.ours);
    facts.theirs = facts.ours;
    (void)snprintf(facts.theirs.token, sizeof(facts.theirs.token), "theirs");
    (void)snprintf(facts.theirs.machine, sizeof(facts.theirs.machine), "another");
    return facts;
}

static struct run_stamp_facts facts_of_this_host(void)
{
    struct run_stamp_facts facts = facts_of_another_host();
    facts.theirs = facts.ours;
    return facts;
}

#define JUDGED(facts, verdict) cr_expect(eq(int, run_stamp_judge(&(facts)), verdict))

Test(run_stamp, without_a_stamp_the_lock_decides)
{
    struct run_stamp_facts facts = {.is_empty = true};
    facts.lock = RUN_STAMP_LOCK_TAKEN;
    JUDGED(facts, RUN_STAMP_FREE);
    facts.lock = RUN_STAMP_LOCK_UNKNOWN;
    JUDGED(facts, RUN_STAMP_FREE);
    facts.lock = RUN_STAMP_LOCK_OTHERS;
    JUDGED(facts, RUN_STAMP_TAKEN);
}

Test(run_stamp, a_process_of_this_machine_that_is_gone_holds_nothing)
{
    struct run_stamp_facts facts = facts_of_this_host();
    facts.is_process_there = true;
    JUDGED(facts, RUN_STAMP_TAKEN);
    facts.lock = RUN_STAMP_LOCK_OTHERS;
    JUDGED(facts, RUN_STAMP_TAKEN);
    facts.is_process_there = false;
    JUDGED(facts, RUN_STAMP_FREE);
}

Test(run_stamp, a_stopped_process_and_another_host_are_watched)
{
    struct run_stamp_facts facts = facts_of_this_host();
    facts.is_process_there = true;
    facts.is_process_stopped = true;
    JUDGED(facts, RUN_STAMP_WATCH);
    facts = facts_of_another_host();
    JUDGED(facts, RUN_STAMP_WATCH);
    facts.lock = RUN_STAMP_LOCK_OTHERS;
    JUDGED(facts, RUN_STAMP_WATCH);
    facts.lock = RUN_STAMP_LOCK_UNKNOWN;
    facts.is_local = true;
    JUDGED(facts, RUN_STAMP_WATCH);
}

Test(run_stamp, where_no_other_host_has_the_folder_a_free_lock_is_enough)
{
    struct run_stamp_facts facts = facts_of_another_host(); /* as before this machine's last boot */
    facts.is_local = true;
    JUDGED(facts, RUN_STAMP_FREE);
    facts.is_readable = false;
    JUDGED(facts, RUN_STAMP_FREE);
}

Test(run_stamp, an_earlier_start_of_the_same_slurm_job_holds_nothing)
{
    struct run_stamp_facts facts = facts_of_another_host();
    (void)snprintf(facts.ours.slurm_job, sizeof(facts.ours.slurm_job), "17");
    (void)snprintf(facts.theirs.slurm_job, sizeof(facts.theirs.slurm_job), "17");
    facts.lock = RUN_STAMP_LOCK_OTHERS;
    JUDGED(facts, RUN_STAMP_WATCH);
    facts.ours.slurm_restarts = 1;
    JUDGED(facts, RUN_STAMP_FREE);
    facts.theirs.slurm_restarts = 2;
    JUDGED(facts, RUN_STAMP_WATCH);
    facts.theirs.slurm_restarts = 0;
    (void)snprintf(facts.theirs.slurm_job, sizeof(facts.theirs.slurm_job), "18");
    JUDGED(facts, RUN_STAMP_WATCH);
}

Test(run_stamp, bytes_that_are_no_stamp_are_watched)
{
    struct run_stamp_facts facts = facts_of_another_host();
    facts.is_readable = false;
    facts.theirs = facts.ours;
    JUDGED(facts, RUN_STAMP_WATCH);
}

Test(run_stamp, a_stamp_comes_back_from_its_text)
{
    struct run_stamp stamp;
    struct run_stamp back;
    char text[RUN_STAMP_SIZE];
    run_stamp_make(&stamp);
    stamp.renewed = 12;
    stamp.slurm_restarts = 3;
    (void)snprintf(stamp.slurm_job, sizeof(stamp.slurm_job), "4711");
    run_stamp_encode(&stamp, text);
    cr_assert(run_stamp_decode(text, sizeof(text), &back));
    cr_expect(eq(str, back.token, stamp.token));
    cr_expect(eq(str, back.host, stamp.host));
    cr_expect(eq(str, back.machine, stamp.machine));
    cr_expect(eq(str, back.slurm_job, "4711"));
    cr_expect(eq(u64, back.process, (uint64_t)getpid()));
    cr_expect(gt(u64, back.process_started, 0));
    cr_expect(eq(u64, back.process_started, stamp.process_started));
    cr_expect(eq(u64, back.slurm_restarts, 3));
    cr_expect(eq(u64, back.renewed, 12));
    cr_expect(not(run_stamp_decode(text, 100, &back)));
    cr_expect(not(run_stamp_decode("", 0, &back)));
    cr_expect(not(run_stamp_decode("{\"token\": 5}", 12, &back)));
}

Test(run_stamp, tokens_differ)
{
    struct run_stamp a;
    struct run_stamp b;
    run_stamp_make(&a);
    run_stamp_make(&b);
    cr_expect(ne(str, a.token, b.token));
}

Test(run_stamp, a_process_is_known_by_its_start_too)
{
    struct run_stamp_facts facts = facts_of_this_host();
    run_stamp_look_at_process(&facts);
    cr_expect(facts.is_process_there);
    cr_expect(not(facts.is_process_stopped));
    facts = facts_of_this_host();
    facts.theirs.process_started++;
    run_stamp_look_at_process(&facts);
    cr_expect(not(facts.is_process_there));
}

/* ---- Locking -------------------------------------------------------------------------------- */

static struct run_lock *take(void)
{
    struct run_lock *lock = NULL;
    struct error err = {0};
    cr_assert(eq(int, run_lock_take(folder, &lock, &err), STATUS_OK), "%s", err.text);
    return lock;
}

Test(run_lock, a_second_one_is_refused_as_long_as_the_first_lives)
{
    struct run_lock *second = NULL;
    struct error err;
    char expected[64];
    folder_create();
    struct run_lock *first = take();
    cr_expect(run_lock_is_held(first));
    STATUS_IS(STATUS_EXISTS, run_lock_take(folder, &second, &err));
    (void)snprintf(expected, sizeof(expected), "process %d", getpid());
    cr_expect(ne(ptr, strstr(err.text, expected), NULL), "%s", err.text);
    cr_expect(run_lock_is_held(first));
    run_lock_release(first);
    run_lock_release(take());
    run_lock_release(NULL);
    folder_remove();
}

Test(run_lock, what_a_killed_process_held_is_free)
{
    int ends[2];
    char ready;
    folder_create();
    cr_assert(eq(int, pipe(ends), 0));
    const pid_t child = fork();
    if (child == 0) {
        struct run_lock *lock = NULL;
        _exit(run_lock_take(folder, &lock, NULL) == STATUS_OK && write(ends[1], "x", 1) == 1
                  ? (pause(), 0)
                  : 1);
    }
    cr_assert(eq(sz, (size_t)read(ends[0], &ready, 1), 1));
    struct run_lock *lock = NULL;
    STATUS_IS(STATUS_EXISTS, run_lock_take(folder, &lock, NULL));
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    run_lock_release(take());
    folder_remove();
}

/* Another's stamp, over ours. */
static void replace_stamp(void)
{
    struct run_stamp stamp;
    char text[RUN_STAMP_SIZE];
    run_stamp_make(&stamp);
    run_stamp_encode(&stamp, text);
    FILE *file = fopen(in_folder(RUN_LOCK_NAME), "r+");
    cr_assert(ne(ptr, file, NULL));
    cr_assert(eq(sz, fwrite(text, 1, sizeof(text), file), sizeof(text)));
    cr_assert(eq(int, fclose(file), 0));
}

Test(run_lock, one_that_was_taken_over_is_lost_and_the_other_stamp_stays, .timeout = 60)
{
    struct buffer before = {0};
    struct buffer after = {0};
    folder_create();
    struct run_lock *lock = take();
    replace_stamp();
    OK(file_read(in_folder(RUN_LOCK_NAME), &before, NULL));
    for (int i = 0; i < 2000 && run_lock_is_held(lock); i++) {
        (void)usleep(10000);
    }
    cr_expect(not(run_lock_is_held(lock)));
    run_lock_release(lock);
    OK(file_read(in_folder(RUN_LOCK_NAME), &after, NULL));
    cr_expect(before.size == after.size && memcmp(before.data, after.data, after.size) == 0);
    buffer_free(&before);
    buffer_free(&after);
    folder_remove();
}

Test(run_lock, a_folder_that_is_not_there_cannot_be_locked)
{
    struct run_lock *lock = NULL;
    struct error err;
    STATUS_IS(STATUS_IO, run_lock_take("/nowhere/at/all", &lock, &err));
    cr_expect(ne(ptr, strstr(err.text, "/nowhere/at/all"), NULL), "%s", err.text);
}
