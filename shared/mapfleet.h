/* mapfleet.h - the public interface of mapfleet: what a job and a program of one's own need.
 *
 * A job is a shared library with one entry point, mf_job(), which registers tasks and workflows. A
 * task is a plain function of one input and at most one output; an attempt is one call of it. A
 * workflow is a function that calls and maps tasks.
 *
 *     mf_job() --registers--> task --one call an attempt--> fn(ctx, input, output) --> status
 *              --registers--> workflow --mf_call, mf_map--> attempts of tasks, on the ranks
 *              --registers--> reducer --mf_map_reduce--> combine(ctx, left, right, output)
 *
 * Ownership: whatever a function receives (context, input, writer, and every pointer that the
 *            readers return) belongs to mapfleet and is valid until the function returns.
 *            Strings that are given to mapfleet are copied before the call returns.
 * Threads:   an attempt runs on one thread. It may start others; only that one may call in here.
 * Failure:   an input is checked against the task's declared type before the function sees it, so
 *            readers cannot fail. A writer remembers what went wrong (no memory, containers left
 *            open, a file that is not there) and fails the attempt after the function returned.
 *
 * C11 and C++11. Names that start with mf_private_ are not for users and may change.
 */
#ifndef MAPFLEET_H
#define MAPFLEET_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MF_EXPORT __attribute__((visibility("default")))
#define MF_PRINTF(format_at, first_at) __attribute__((format(printf, format_at, first_at)))

/* ---- Values: what a task reads -------------------------------------------------------------- */

/* The kinds of values. `file` and `dir` of the type language are strings (MF_STR) that name an
 * absolute path; a record is a map whose keys are its fields. */
typedef enum mf_kind {
    MF_NULL,
    MF_BOOL,
    MF_INT,   /* 64 bits, signed */
    MF_FLOAT, /* IEEE 754 double */
    MF_STR,   /* UTF-8, followed by a NUL that does not count */
    MF_BYTES,
    MF_LIST,
    MF_MAP /* keys are strings, in the order in which they were written */
} mf_kind;

/* One value. The fields are for the inline readers below; use those. */
typedef struct mf_value {
    uint32_t mf_private_kind;
    uint32_t mf_private_count; /* str, bytes: bytes; list: items; map: pairs */
    union {
        bool boolean;
        int64_t integer;
        double real;
        const char *text;              /* str, bytes */
        const struct mf_value *values; /* list: items; map: key, value, key, value, ... */
    } mf_private_as;
} mf_value;

static inline mf_kind mf_kind_of(const mf_value *value)
{
    return (mf_kind)value->mf_private_kind;
}

/* Is it the value of a `T?` that is not there? Also true for NULL, as mf_field() may return. */
static inline bool mf_is_null(const mf_value *value)
{
    return value == NULL || value->mf_private_kind == MF_NULL;
}

/* The scalar itself. On another kind than the one asked for (which can only happen for `any` and
 * `T?`) ints and floats convert to each other, and the rest reads as false, 0 or 0.0. */
MF_EXPORT int64_t mf_private_int(const mf_value *value);
MF_EXPORT double mf_private_float(const mf_value *value);

static inline bool mf_bool(const mf_value *value)
{
    return value->mf_private_kind == MF_BOOL && value->mf_private_as.boolean;
}

static inline int64_t mf_int(const mf_value *value)
{
    return value->mf_private_kind == MF_INT ? value->mf_private_as.integer : mf_private_int(value);
}

static inline double mf_float(const mf_value *value)
{
    return value->mf_private_kind == MF_FLOAT ? value->mf_private_as.real : mf_private_float(value);
}

/* The text of a str, file or dir, or the bytes of a bytes; "" for every other kind. A NUL stands
 * behind it; mf_size() gives its length in bytes without that NUL. */
static inline const char *mf_str(const mf_value *value)
{
    const bool is_text = value->mf_private_kind == MF_STR || value->mf_private_kind == MF_BYTES;
    return is_text ? value->mf_private_as.text : "";
}

/* Length in bytes of a str, file, dir or bytes; 0 for every other kind. */
static inline size_t mf_size(const mf_value *value)
{
    const bool is_text = value->mf_private_kind == MF_STR || value->mf_private_kind == MF_BYTES;
    return is_text ? value->mf_private_count : 0;
}

/* The bytes of a bytes value (or of a str); mf_size() gives how many. */
static inline const uint8_t *mf_bytes(const mf_value *value)
{
    return (const uint8_t *)mf_str(value);
}

/* The absolute path of a file or dir. One that was given as a URL has been fetched, and is to be
 * read only; it stays until the function returns. */
static inline const char *mf_path(const mf_value *value)
{
    return mf_str(value);
}

/* Number of items of a list, or of pairs of a map or record; 0 for every other kind. */
static inline size_t mf_count(const mf_value *value)
{
    return value->mf_private_kind >= MF_LIST ? value->mf_private_count : 0;
}

/* Item `i` of a list, or the value of pair `i` of a map. NULL when `i` is not below mf_count(). */
static inline const mf_value *mf_item(const mf_value *value, size_t i)
{
    if (i >= mf_count(value)) {
        return NULL;
    }
    return value->mf_private_kind == MF_MAP ? &value->mf_private_as.values[2 * i + 1]
                                            : &value->mf_private_as.values[i];
}

/* The key of pair `i` of a map or record; NULL when it is none or `i` is not below mf_count(). */
static inline const char *mf_key(const mf_value *value, size_t i)
{
    return value->mf_private_kind == MF_MAP && i < value->mf_private_count
               ? value->mf_private_as.values[2 * i].mf_private_as.text
               : NULL;
}

/* The value of a field or key; NULL when it is not there (an optional field `b?: T`). */
MF_EXPORT const mf_value *mf_field(const mf_value *value, const char *name);

/* ---- Writers: what a task gives back -------------------------------------------------------- */

/* A task writes exactly one value to its writer; of an output type `null` it may write none. The
 * fields are for the inline functions below. */
typedef struct mf_writer {
    uint8_t *mf_private_at;    /* where the next byte goes */
    uint8_t *mf_private_end;   /* end of the room */
    uint64_t mf_private_count; /* values written at this level */
} mf_writer;

/* The longest encoding of a scalar: one byte of type and eight of value. */
#define MF_PRIVATE_SCALAR_SIZE_MAX 9

/* Make room for a scalar. False when memory ran out, which is remembered. */
MF_EXPORT bool mf_private_room(mf_writer *out);

static inline bool mf_private_has_room(mf_writer *out)
{
    return out->mf_private_end - out->mf_private_at >= MF_PRIVATE_SCALAR_SIZE_MAX ||
           mf_private_room(out);
}

/* A byte of type and the lowest `value_size` bytes (1 to 8) of the value, the highest first. Always
 * writes as many bytes as a scalar may take: one store is faster than a choice. */
static inline uint8_t *mf_private_put_scalar(uint8_t *at, uint8_t type, uint64_t value,
                                             unsigned value_size)
{
    uint64_t bits = value << (64 - 8 * value_size);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    bits = __builtin_bswap64(bits);
#endif
    at[0] = type;
    __builtin_memcpy(at + 1, &bits, sizeof(bits));
    return at + 1 + value_size;
}

static inline void mf_put_null(mf_writer *out)
{
    if (mf_private_has_room(out)) {
        *out->mf_private_at++ = 0xc0;
        out->mf_private_count++;
    }
}

static inline void mf_put_bool(mf_writer *out, bool value)
{
    if (mf_private_has_room(out)) {
        *out->mf_private_at++ = value ? 0xc3 : 0xc2;
        out->mf_private_count++;
    }
}

/* Encoded as msgpack's shortest integer of that value. */
static inline void mf_put_int(mf_writer *out, int64_t value)
{
    if (!mf_private_has_room(out)) {
        return;
    }
    const uint64_t bits = (uint64_t)value;
    if (value >= -32 && value <= 127) {
        *out->mf_private_at++ = (uint8_t)bits;
    } else {
        /* Four types of 1, 2, 4 and 8 bytes without sign, then four with: a negative value needs
         * as many as twice what it is below -1. */
        const uint64_t span = value >= 0 ? bits : 2 * ~bits;
        const unsigned width =
            (unsigned)(span > UINT8_MAX) + (span > UINT16_MAX) + (span > UINT32_MAX);
        out->mf_private_at = mf_private_put_scalar(
            out->mf_private_at, (uint8_t)((value >= 0 ? 0xcc : 0xd0) + width), bits, 1u << width);
    }
    out->mf_private_count++;
}

static inline void mf_put_float(mf_writer *out, double value)
{
    if (mf_private_has_room(out)) {
        union {
            double real;
            uint64_t bits;
        } as;
        as.real = value;
        out->mf_private_at = mf_private_put_scalar(out->mf_private_at, 0xcb, as.bits, 8);
        out->mf_private_count++;
    }
}

/* A NUL-terminated UTF-8 string. mf_put_text() takes the length in bytes instead. */
MF_EXPORT void mf_put_str(mf_writer *out, const char *text);
MF_EXPORT void mf_put_text(mf_writer *out, const char *text, size_t size);
MF_EXPORT void mf_put_bytes(mf_writer *out, const void *data, size_t size);

/* A file or dir that exists, where it is: an absolute path (or one relative to the folder in which
 * the run was started), or a URL (http, https, s3). It is not copied. */
MF_EXPORT void mf_put_path(mf_writer *out, const char *path);

/* A regular file that the attempt made in its working directory (a path relative to that, or an
 * absolute one inside it). It is published when the attempt succeeds, in the run's `files/` folder
 * or where --files-to says, under a name made of index, attempt and its own ending, and the output
 * holds the published path or URL.
 * A file that is not there or lies outside the working directory fails the attempt. */
MF_EXPORT void mf_put_file(mf_writer *out, const char *path);

/* Any value, as a whole. */
MF_EXPORT void mf_put_value(mf_writer *out, const mf_value *value);

/* One value, from its JSON text, strictly (RFC 8259): trailing text, doubled keys, NaN and integers
 * outside 64 bits fail the attempt. */
MF_EXPORT void mf_put_json(mf_writer *out, const char *text, size_t size);

/* Would mf_put_text() take it? */
MF_EXPORT bool mf_is_utf8(const char *text, size_t size);

/* A list: begin, its items, end. A map or record: begin, then for each pair mf_put_key() and one
 * value, end. They nest at most 64 deep. */
MF_EXPORT void mf_begin_list(mf_writer *out);
MF_EXPORT void mf_end_list(mf_writer *out);
MF_EXPORT void mf_begin_map(mf_writer *out);
MF_EXPORT void mf_put_key(mf_writer *out, const char *key);
MF_EXPORT void mf_end_map(mf_writer *out);

/* ---- The context of an attempt -------------------------------------------------------------- */

typedef struct mf_context mf_context;

/* What a task function returns. Anything but these three counts as MF_FAIL. */
typedef enum mf_status {
    MF_OK = 0,
    MF_FAIL = 1,            /* may be retried */
    MF_FAIL_PERMANENTLY = 2 /* is never retried */
} mf_status;

/* The instance's index in its map, 0 .. mf_map_size() - 1. What an attempt gives that has asked for
 * it, or for the map's size, is not kept for other runs. */
MF_EXPORT uint64_t mf_index(const mf_context *ctx);
/* Number of attempts of this instance that ended before this one: 0 for the first. */
MF_EXPORT uint64_t mf_attempt(const mf_context *ctx);
/* Number of instances of the map. */
MF_EXPORT uint64_t mf_map_size(const mf_context *ctx);
/* A seed for random numbers: the same at every attempt of this instance, on every rank, for the
 * run's --seed; different for every index, or, where outputs are kept, for every input. */
MF_EXPORT uint64_t mf_seed(const mf_context *ctx);
/* The attempt's own folder: made at the first call, removed after the attempt (unless
 * --keep-workdirs is given). Absolute path; NULL when it can't be made, with the reason as the
 * attempt's error (return MF_FAIL). */
MF_EXPORT const char *mf_workdir(mf_context *ctx);
/* The environment for a program that the attempt starts, as execve() and posix_spawn() take it:
 * "NAME=value" strings, NULL after the last. It is this process's own, without what launchers of
 * MPI set (OMPI_*, PMIX_*, PMI_*, ORTE_*, PRTE_*), and with MAPFLEET_INDEX, _ATTEMPT, _SIZE,
 * _WORKDIR (mf_workdir() is called for it), _SEED, _RUN_DIR, _INPUT (the input: a string as it is,
 * anything else as JSON; left out past 64 KiB and where it holds a NUL), _SLOT (from 1, within its
 * rank), _RANK, _CPUS, and OMP_NUM_THREADS where it isn't set. In a setup, which has no instance,
 * _INDEX, _ATTEMPT, _SEED and _INPUT are left out. Belongs to mapfleet, and is valid until the
 * function returns. NULL when there is no memory or no folder for it, with the reason as the
 * attempt's error (return MF_FAIL). */
MF_EXPORT char *const *mf_environment(mf_context *ctx);
/* What the job's setup kept (see mf_register_setup()); NULL without one. */
MF_EXPORT void *mf_state(const mf_context *ctx);
/* What the map was given for all of its instances together (mf_task.constant, --constant), also in
 * a setup. NULL where the task takes nothing of the kind, or was given nothing, as in a workflow.
 * Lives as long as the process. */
MF_EXPORT const mf_value *mf_constant(const mf_context *ctx);
/* A value's text as commands and users read it: a string as it is, anything else as compact JSON.
 * Its length in bytes goes to *size, unless that is NULL; a NUL stands behind it. Belongs to
 * mapfleet, and is valid until the function returns. NULL when there is no memory, with that as the
 * attempt's error (return MF_FAIL). */
MF_EXPORT const char *mf_text(mf_context *ctx, const mf_value *value, size_t *size);
/* The same as JSON throughout: a string in its quotes. */
MF_EXPORT const char *mf_json(mf_context *ctx, const mf_value *value, size_t *size);
/* The same as Python's str() writes it: True, None, 1e-05, ['a', 'b']; a string as it is. So the
 * parameters of a sweep are given to programs. */
MF_EXPORT const char *mf_python(mf_context *ctx, const mf_value *value, size_t *size);
/* Report the metric of a sweep: its value so far, at this step (an epoch, a round; it is shown, and
 * decides nothing). Each call is an iteration of `early_terminate`; the last one is the trial's
 * value. NaN and infinities count as worst. To be called by the thread that runs the function.
 * Cheap, and does nothing where no metric is asked for. */
MF_EXPORT void mf_report(mf_context *ctx, int64_t step, double value);
/* Say that the attempt, or a program that it runs, has given something that names the metric and
 * is no report of it. The user is told so once, unless reports have come. */
MF_EXPORT void mf_report_hint(mf_context *ctx);
/* Write one line to standard error, with the task's name, index and attempt before it. */
MF_EXPORT void mf_log(mf_context *ctx, const char *format, ...) MF_PRINTF(2, 3);

/* Say why the attempt fails, and return what the function is to return:
 *     return mf_fail(ctx, "cannot read %s", path);
 * The text is cut at 4 KiB. */
MF_EXPORT mf_status mf_fail(mf_context *ctx, const char *format, ...) MF_PRINTF(2, 3);
MF_EXPORT mf_status mf_fail_permanently(mf_context *ctx, const char *format, ...) MF_PRINTF(2, 3);

/* Of which class a failure is, for an attempt that fails because of something that it has run. */
typedef enum mf_class {
    MF_CLASS_ERROR,  /* the function's own word: that of every failure without another */
    MF_CLASS_EXIT,   /* a program left with an exit status */
    MF_CLASS_CRASH,  /* a signal ended it */
    MF_CLASS_KILLED, /* a SIGKILL that nobody here has sent: uses system_retries */
    MF_CLASS_OUTPUT  /* what it gave is no output */
} mf_class;

/* To be called before the function returns a failure. */
MF_EXPORT void mf_set_class(mf_context *ctx, mf_class failure_class);

/* ---- Programs that an attempt runs ---------------------------------------------------------- */

/* The process group of a program that this attempt has started, in a group of its own; 0: there is
 * none any more. While there is one, an attempt that is to end (its time is up, the map stops) does
 * not end by SIGTERM: the group gets it instead, and the attempt waits for it as ever. What is left
 * when its grace is over is killed together with the attempt. SIGTERM is best blocked from before
 * the start of the program to after this call. */
MF_EXPORT void mf_child_group(mf_context *ctx, int group);

/* Is this attempt to end? True from when the SIGTERM came that mf_child_group() has turned to the
 * group: what the attempt gives back does not count any more, but what it has printed does. */
MF_EXPORT bool mf_should_stop(const mf_context *ctx);

/* What `--print=live` and `--print=ordered` write to standard output of this attempt, once its
 * instance has its final result: these bytes; further ones with each call. Without a call, what is
 * written of a success is the text of its output and a newline. Beyond --max-output it is cut.
 * Where nothing is printed, nothing is kept. */
MF_EXPORT void mf_print(mf_context *ctx, const void *data, size_t size);

/* ---- Registering ---------------------------------------------------------------------------- */

typedef struct mf_registry mf_registry;

typedef mf_status mf_task_function(mf_context *ctx, const mf_value *input, mf_writer *output);

/* `system_retries` of 0 means the default of 3; this means none. */
#define MF_NO_SYSTEM_RETRIES (-1)

/* A task. What is left out (0, NULL, false) has the default that is given with it. For one map, the
 * options of the same names override it, field by field. */
typedef struct mf_task {
    const char *name;          /* [A-Za-z_][A-Za-z0-9_-]*, unique in its job */
    mf_task_function *fn;      /* required */
    const char *input;         /* type of the input; default "any" */
    const char *output;        /* type of the output; default "any" */
    const char *help;          /* one sentence for `mapfleet tasks`; default none */
    int64_t retries;           /* further attempts after a task failure; default 0 */
    int64_t system_retries;    /* further attempts after a lost rank or a kill; default 3 */
    const char *retry_delay;   /* pause before a retry, as "500ms", "2s"; default none */
    const char *timeout;       /* bound of one attempt, as "90s", "15m"; default none */
    const char *mem;           /* bound of an attempt's memory, as "600Mi"; default none */
    double mem_growth;         /* factor on `mem` after a failure of class memory; default 1 */
    int64_t cpus;              /* cores that an attempt needs; default 1 */
    int64_t gpus;              /* devices that an attempt needs; default 0 */
    const char *cache_version; /* memoise outputs under this version; default not */
    const char *cache_ignore;  /* fields of the input left out of the key, by commas */
    bool idempotent;           /* a second copy of a running attempt does no harm */
    const char *constant;      /* type of what a map is given for all instances; default nothing */
} mf_task;

/* Types are written as `null bool int float str bytes file dir any`, `list<T>`, `map<T>`, records
 * `{a: int, b?: float}`, and `T?` for a value that may be null. A task that cannot be registered
 * (a bad type, a name that is taken) makes the job unusable, and mapfleet says why. */
MF_EXPORT void mf_register_task(mf_registry *job, const mf_task *task);

/* Run once in each process that runs attempts: `setup` before the first of them (start a library,
 * load a table; *state is then mf_state()), `teardown` after the last. Either may be NULL. */
typedef mf_status mf_setup_function(mf_context *ctx, void **state);
typedef void mf_teardown_function(void *state);
MF_EXPORT void mf_register_setup(mf_registry *job, mf_setup_function *setup,
                                 mf_teardown_function *teardown);

/* ---- Reducers --------------------------------------------------------------------------------
 *
 * A reducer makes one value of many: mf_map_reduce() and mf_reduce() name it. These are built in;
 * T is the type of what is reduced, and nulls of a `T?` are left out:
 *
 *     sum                 int or float: exact, rounded once; an int that does not fit fails
 *     count               any: how many there are, nulls too
 *     min, max            int, float or str (by its bytes): a T?, null where there is none
 *     mean                int or float: a float?
 *     top_k(K, BY, ORDER) the K largest, as a list<T>; BY is a field of records, ORDER is
 *                         `descending` (the default) or `ascending`; both may be left out
 *     concat              list<E>, str or bytes, one behind the other, in input order
 *     histogram(A, B, N)  int or float: {below: int, counts: list<int>, above: int, nan: int},
 *                         of N bins of equal width from A to B, which is in the last of them
 *
 * What comes of them depends neither on the order of the values nor on who has combined them. */

/* Make one value of two, which stand side by side where the reducer is ordered. It has to be
 * associative, and commutative where the reducer is not ordered. */
typedef mf_status mf_combine_function(mf_context *ctx, const mf_value *left, const mf_value *right,
                                      mf_writer *output);

/* A reducer of a job's own:
 *
 *     outputs --lift--> partial values --combine, again and again--> one --finish--> the result
 *
 * Its functions run on the ranks, where outputs are made, and at last beside the master. They may
 * use of their context what logs and fails: there is no instance, no setup and no folder. */
typedef struct mf_reducer {
    const char *name;             /* as a task's, and none that is built in */
    mf_combine_function *combine; /* required */
    const char *type;             /* of partial values; default "any" */
    const char *input;            /* of what is reduced; default: `type` */
    const char *output;           /* of the result; default: `type` */
    mf_task_function *lift;       /* input to partial value; required where types differ */
    mf_task_function *finish;     /* partial value to result; required where types differ */
    const char *empty;            /* what comes of nothing, as JSON; default: null, and a T? */
    const char *help;             /* one sentence for `mapfleet tasks`; default none */
    bool is_ordered;              /* values are combined in input order, and only neighbours */
} mf_reducer;

MF_EXPORT void mf_register_reducer(mf_registry *job, const mf_reducer *reducer);

/* ---- Workflows ------------------------------------------------------------------------------
 *
 * A workflow function runs in a process of its own beside the master. What it calls and maps runs
 * on the ranks of the run; loops and branches over what came back are plain C. When a run is
 * resumed the function runs again, and each call and map that is recorded is answered from the
 * record: so it must ask for the same, in the same order, where it has got the same answers. A
 * clock, a random number or a file that changes may only be read in a task.
 *
 * A call or map whose task is unknown, whose options make no sense, or whose inputs are of another
 * type than the task takes, is refused before anything of it starts. Like one that failed it gives
 * MF_FAIL or NULL, and mf_workflow_error() says why.
 *
 * Every value that a workflow reads lives until its function returns. */

typedef struct mf_workflow mf_workflow;

/* `input` is a record of the parameters. A function that returns MF_FAIL fails the run, for the
 * reason that mf_workflow_fail() gave, or else that of the latest call or map that failed. What it
 * has started and not waited for when it returns, is ended. */
typedef mf_status mf_workflow_function(mf_workflow *wf, const mf_value *input, mf_writer *output);

typedef struct mf_workflow_def {
    const char *name;         /* as a task's, and none of a task of the job */
    mf_workflow_function *fn; /* required */
    const char *input;        /* a record: a field is a parameter, NAME=VALUE; default "{}" */
    const char *output;       /* type of the output; default "any" */
    const char *help;         /* one sentence for `mapfleet tasks`; default none */
} mf_workflow_def;

MF_EXPORT void mf_register_workflow(mf_registry *job, const mf_workflow_def *workflow);

/* A value under a name. */
typedef struct mf_named {
    const char *name;
    const mf_value *value;
} mf_named;

/* The options of one map, as on the command line (there `--min-success-ratio 0.9`, here
 * `.min_success_ratio = "0.9"`). Each that is given overrides the task's own; NULL leaves that. */
typedef struct mf_map_options {
    const char *min_success_ratio;
    const char *min_successes;
    const char *max_failures;
    const char *policy; /* "stop", "run-all" or "enough" */
    const char *retries;
    const char *retry_delay;
    const char *system_retries;
    const char *timeout;
    const char *mem;
    const char *mem_growth;
    const char *cpus;
    const char *gpus;
    const char *concurrency;
    const char *delay;
    const char *unit_size;
    const char *cache; /* "use", "refresh" or "off" */
    const char *cache_version;
    const char *range; /* inputs that are integers, "A:B" or "A:B:STEP"; there is no list then */

    /* Arrays that end with a name of NULL. `zip` are lists of equal length: their items become the
     * fields of one record an instance. `bind` are values that every instance gets, as fields.
     * Where the map has inputs beside them, those are records. */
    const mf_named *zip;
    const mf_named *bind;
} mf_map_options;

/* Run a task once, on some rank, and write what it gives to `output`: that of the workflow, or one
 * of mf_make(). MF_OK, or MF_FAIL where it failed or was refused. */
MF_EXPORT mf_status mf_call(mf_workflow *wf, const char *task, const mf_value *input,
                            mf_writer *output);
/* The same, as a value, and with options (NULL: none); NULL where it failed. Where options allow
 * that it fails it gives a null instead, and is a `T?`. */
MF_EXPORT const mf_value *mf_call_value(mf_workflow *wf, const char *task, const mf_value *input,
                                        const mf_map_options *options);

/* Run a task once for each item of the list `inputs` (NULL where options->zip gives them) and wait
 * for all. A list as long as that, in its order, where null stands for an instance that did not
 * succeed, which options have to allow: then it is a `list<T?>`, and what takes `list<T>` refuses
 * it. NULL where the map failed. `options` may be NULL. */
MF_EXPORT const mf_value *mf_map(mf_workflow *wf, const char *task, const mf_value *inputs,
                                 const mf_map_options *options);

/* The same in two steps, so that several run at once. One that cannot be started gives NULL, for
 * which mf_wait() gives NULL. May be waited for again, with the same answer. */
typedef struct mf_running mf_running;
MF_EXPORT mf_running *mf_map_start(mf_workflow *wf, const char *task, const mf_value *inputs,
                                   const mf_map_options *options);
MF_EXPORT const mf_value *mf_wait(mf_workflow *wf, mf_running *running);

/* Map, and reduce what the instances give: only what they come to is sent and recorded, unless
 * outputs are memoised. What mf_map() says of inputs, options and failure holds here; of instances
 * that did not succeed, where options allow it, nothing is reduced. NULL where the map failed, or
 * the reducer, for which no instance is to blame. */
MF_EXPORT const mf_value *mf_map_reduce(mf_workflow *wf, const char *task, const mf_value *inputs,
                                        const char *reducer, const mf_map_options *options);
/* The same in two steps: mf_wait() gives the result. */
MF_EXPORT mf_running *mf_map_reduce_start(mf_workflow *wf, const char *task, const mf_value *inputs,
                                          const char *reducer, const mf_map_options *options);
/* How many instances of the map did not succeed, once it has been waited for; before, 0. */
MF_EXPORT uint64_t mf_missing(const mf_running *running);

/* Reduce a list here, in the process of the workflow. NULL where it failed. */
MF_EXPORT const mf_value *mf_reduce(mf_workflow *wf, const char *reducer, const mf_value *list);

/* Make a value: write it to what mf_make() gives, then mf_made() is it; NULL where it is none (a
 * container left open, two values), which mf_workflow_error() then says. */
MF_EXPORT mf_writer *mf_make(mf_workflow *wf);
MF_EXPORT const mf_value *mf_made(mf_workflow *wf, mf_writer *made);

/* Why the latest call or map that failed did; "" where none has. */
MF_EXPORT const char *mf_workflow_error(const mf_workflow *wf);
/* Say why the workflow fails, and return what its function is to return. Cut at 4 KiB. */
MF_EXPORT mf_status mf_workflow_fail(mf_workflow *wf, const char *format, ...) MF_PRINTF(2, 3);
/* Write one line to standard error, with the workflow's name before it. */
MF_EXPORT void mf_workflow_log(mf_workflow *wf, const char *format, ...) MF_PRINTF(2, 3);

/* ---- The job --------------------------------------------------------------------------------- */

/* The entry point that every job defines. */
typedef void mf_job_function(mf_registry *job);
MF_EXPORT void mf_job(mf_registry *job);

/* All of the mapfleet command in a program of one's own, with `job` built in: in `map JOB:TASK`,
 * `tasks JOB` and the like the program's own tasks are written `:TASK` and `:`. Gives the exit
 * status. */
MF_EXPORT int mf_main(int argc, char **argv, mf_job_function *job);

#ifdef __cplusplus
}
#endif

#endif
