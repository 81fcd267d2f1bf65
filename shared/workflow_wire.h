/* workflow_wire.h - what the process of a workflow and rank 0 say to each other, as bytes.
 *
 *     rank 0 --BEGIN, parameters--> the process
 *            <--MAP, inputs-------- a map, or a call, which is a map of one; any number of them
 *            --OVER, places-------> how it ended: where in the log its outputs are
 *            <--END, output-------- the function has returned
 *
 * Values do not stand in messages: beside BEGIN, MAP and END comes a file in memory with them, a
 * msgpack stream; beside OVER, of a map that succeeded, one with places (workflow_places.h).
 *
 * Ownership: a message that is decoded has its texts in the arena.
 * Failure:   decoding is safe on any bytes: user code runs in the process, which may send anything.
 */
#ifndef SHARED_WORKFLOW_WIRE_H
#define SHARED_WORKFLOW_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/arena.h"
#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/map_options_text.h"

/* Longer ones are neither sent nor taken. */
#define WORKFLOW_MESSAGE_SIZE_MAX ((size_t)64 << 10)
/* Texts of failures are cut at that. */
#define WORKFLOW_TEXT_SIZE_MAX ((size_t)4096)

enum workflow_message_kind { WORKFLOW_BEGIN, WORKFLOW_MAP, WORKFLOW_OVER, WORKFLOW_END };

struct workflow_begin {
    const char *workflow; /* its name */
    const char *run_dir;  /* absolute, as is */
    const char *launch_dir;
};

struct workflow_map {
    uint64_t number; /* from 0, in the order in which they are asked for */
    bool is_call;
    const char *task;
    const char *options[MAP_OPTION_COUNT]; /* the texts that were given; NULL: not given */
    const char *cache;                     /* "use", "refresh", "off"; NULL: not given */
    const char *cache_version;             /* NULL: not given */
    const char *reducer;                   /* of its outputs; NULL: they are not reduced */
    const char *range;                     /* its inputs are integers; NULL: they are in the file */
    uint64_t size;                         /* how many inputs there are */
};

struct workflow_over {
    uint64_t number;
    bool is_success;  /* then its outputs are in the log */
    uint64_t missing; /* then, instances that have no output */
    const char *text; /* why it failed; "" where it did not */
};

struct workflow_end {
    bool is_success;
    const char *text; /* why not */
};

struct workflow_message {
    enum workflow_message_kind kind;
    union {
        struct workflow_begin begin;
        struct workflow_map map;
        struct workflow_over over;
        struct workflow_end end;
    } as;
};

/* LIMIT where the message would be too long; `out` is as it was on any failure. */
MUST_CHECK enum status workflow_encode(const struct workflow_message *message, struct buffer *out,
                                       struct error *err);
/* PROTOCOL where the bytes are no message. */
MUST_CHECK enum status workflow_decode(const uint8_t *data, size_t size, struct arena *arena,
                                       struct workflow_message *message_out, struct error *err);

#endif
