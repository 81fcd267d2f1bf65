/* workflow_port.h - one end of the socket between the process of a workflow and rank 0.
 *
 *     workflow_port_send / workflow_port_receive, each with one file in memory or none
 *
 * Ownership: descriptors that were received are the receiver's; those that are sent stay the
 *            sender's.
 * Threads:   one.
 * Failure:   IO where the other end is gone or the system fails; PROTOCOL where it sends nonsense.
 */
#ifndef SHARED_WORKFLOW_PORT_H
#define SHARED_WORKFLOW_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/arena.h"
#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/workflow_wire.h"

/* A connected pair, closed on exec. */
MUST_CHECK enum status workflow_port_pair(int sockets_out[2], struct error *err);

/* `file` may be -1. Waits until the socket has taken the message. */
MUST_CHECK enum status workflow_port_send(int socket, const struct workflow_message *message,
                                          int file, struct error *err);
/* Never waits: *is_sent_out is false where the other end has yet to read what was sent before. */
MUST_CHECK enum status workflow_port_offer(int socket, const struct workflow_message *message,
                                           int file, bool *is_sent_out, struct error *err);

/* The next message; its texts are in the arena. *file_out is -1 where none came beside it.
 * *is_message_out is false where there is none yet and `waits` is. */
MUST_CHECK enum status workflow_port_receive(int socket, bool waits, struct arena *arena,
                                             struct workflow_message *message_out, int *file_out,
                                             bool *is_message_out, struct error *err);

/* A file in memory with these bytes. */
MUST_CHECK enum status workflow_port_file(const struct buffer *bytes, int *file_out,
                                          struct error *err);
/* All that is in one, appended; LIMIT where it is more than `size_max` bytes. */
MUST_CHECK enum status workflow_port_read_file(int file, uint64_t size_max, struct buffer *out,
                                               struct error *err);

#endif
