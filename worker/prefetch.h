/* prefetch.h - files of the instances whose turn is next, fetched while others run.
 *
 *     rank:     prefetch_create --> prefetch_offer ... --> prefetch_destroy
 *     fetcher:  prefetch_serve, until the rank's end of their socket is closed
 *
 * The fetcher is a process that the zygote forks as it does executors, at the first offer. It takes
 * the files of what it is offered into the node's store (file_store.h), asks for each once, and
 * holds none: who comes first to a URL fetches it, be it the fetcher or an attempt, and the other
 * finds it there. So this is a hint, and nothing depends on it. An offer that finds the socket full
 * is dropped; what fails here is asked for again by the attempt, which then fails or does not; and
 * where the fetcher ends, there is none any more.
 *
 * Ownership: the zygote is the caller's, and outlives it.
 * Threads:   one. prefetch_offer() never waits; prefetch_serve() does.
 */
#ifndef WORKER_PREFETCH_H
#define WORKER_PREFETCH_H

#include <stddef.h>
#include <stdint.h>

#include "shared/job.h"
#include "shared/remote_settings.h"
#include "worker/zygote.h"

/* The slot that zygote_fork() is told; those of executors are from 1 on. */
#define PREFETCH_SLOT 0
/* Of the inputs of one offer, in bytes. */
#define PREFETCH_SIZE_MAX ((size_t)16 << 10)

struct prefetch;

struct prefetch *prefetch_create(struct zygote *zygote);
void prefetch_destroy(struct prefetch *prefetch); /* NULL is allowed */

/* Packed inputs of a task, one after the other. Those without URLs are none of its business. */
void prefetch_offer(struct prefetch *prefetch, const char *task, const uint8_t *inputs,
                    size_t inputs_size);

/* The life of a fetcher; gives its exit status. */
int prefetch_serve(const struct job *job, const struct remote_settings *settings, int socket);

#endif
