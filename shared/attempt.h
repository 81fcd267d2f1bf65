/* attempt.h - how attempts end and which states instances have: the names that users read. */
#ifndef SHARED_ATTEMPT_H
#define SHARED_ATTEMPT_H

#include <stdbool.h>

/* Why an attempt failed. The class decides which budget it uses. */
#define FAILURE_CLASS_LIST(X)                                                                      \
    X(ERROR, "error")     /* the function's own word */                                            \
    X(EXIT, "exit")       /* it left with an exit status */                                        \
    X(CRASH, "crash")     /* a signal ended it */                                                  \
    X(TIMEOUT, "timeout") /* past its time */                                                      \
    X(MEMORY, "memory")   /* past its memory */                                                    \
    X(OUTPUT, "output")   /* no output, or one of the wrong type */                                \
    X(KILLED, "killed")   /* a SIGKILL that is not ours; uses system_retries */                    \
    X(LOST, "lost")       /* its rank was lost; uses system_retries */                             \
    X(ABORTED, "aborted") /* ended by us before it could end by itself; uses no budget */

enum failure_class {
#define FAILURE_CLASS_ENUM(name, text) FAILURE_##name,
    FAILURE_CLASS_LIST(FAILURE_CLASS_ENUM)
#undef FAILURE_CLASS_ENUM
};
enum { FAILURE_CLASS_COUNT = FAILURE_ABORTED + 1 };

/* Where an instance stands. Those from SUCCEEDED to NOT_STARTED are final in an ended run. */
#define INSTANCE_STATE_LIST(X)                                                                     \
    X(SUCCEEDED, "succeeded")                                                                      \
    X(CACHED, "cached")                                                                            \
    X(STOPPED_EARLY, "stopped-early")                                                              \
    X(FAILED, "failed")                                                                            \
    X(TIMED_OUT, "timed-out")                                                                      \
    X(ABORTED, "aborted")                                                                          \
    X(NOT_STARTED, "not-started")

enum instance_state {
#define INSTANCE_STATE_ENUM(name, text) INSTANCE_##name,
    INSTANCE_STATE_LIST(INSTANCE_STATE_ENUM)
#undef INSTANCE_STATE_ENUM
};
enum { INSTANCE_STATE_COUNT = INSTANCE_NOT_STARTED + 1 };

const char *failure_class_name(enum failure_class class);
bool failure_class_is_system(enum failure_class class); /* does it use system_retries? */
const char *instance_state_name(enum instance_state state);
/* Does it count as a success? All of these but STOPPED_EARLY have an output. */
bool instance_state_is_success(enum instance_state state);

/* False when no class or state has that name. */
bool failure_class_by_name(const char *name, enum failure_class *class_out);
bool instance_state_by_name(const char *name, enum instance_state *state_out);

#endif
