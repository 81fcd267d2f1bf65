/* exit_guard.h - a job's code that calls exit() in the rank itself (--isolation none).
 *
 *     exit_guard_enter("a task function")  -->  the job's code  -->  exit_guard_leave()
 *
 * Such a call ends the rank, and the run with it, with whatever status the code has chosen: 0 would
 * look like a success. Between the two, the process says what has ended it, and exits with 75: its
 * run is cut off, and can be resumed. A child that the code has forked ends as it likes. _exit()
 * can't be noticed.
 *
 * Threads: one is between the two calls; exit() may come from any.
 */
#ifndef WORKER_EXIT_GUARD_H
#define WORKER_EXIT_GUARD_H

/* `who` is what runs now, a literal. */
void exit_guard_enter(const char *who);
void exit_guard_leave(void);

#endif
