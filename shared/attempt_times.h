/* attempt_times.h - how long each attempt of a batch took, in a few bytes: what a report carries of
 * it, and the log.
 *
 * A duration in microseconds is as many bytes as it needs, seven bits each, the lowest first; all
 * but the last have their highest bit set (LEB128). Attempts of a batch follow each other, so that
 * their durations together are at most the batch's.
 */
#ifndef SHARED_ATTEMPT_TIMES_H
#define SHARED_ATTEMPT_TIMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Batches of more attempts are recorded with what they took together: their attempts are short. */
#define ATTEMPT_TIMES_COUNT_MAX 256u
/* So are those whose attempts took less than this on average. */
#define ATTEMPT_TIMES_US_MIN 16u
#define ATTEMPT_TIME_SIZE_MAX 10u /* bytes of one */

/* `ends_us`: since the batch began, of `count` attempts; what is out of order, or past
 * `elapsed_us`, is put right. Gives the bytes that were written. */
size_t attempt_times_pack(const uint64_t *ends_us, size_t count, uint64_t elapsed_us,
                          uint8_t out[ATTEMPT_TIMES_COUNT_MAX * ATTEMPT_TIME_SIZE_MAX]);

/* Are these the durations of so many attempts, together no longer than `elapsed_us`? Safe on any
 * bytes. */
bool attempt_times_are_valid(const uint8_t *data, size_t size, uint64_t count, uint64_t elapsed_us);

/* The next duration, of valid ones. */
uint64_t attempt_times_next(const uint8_t **at_io);

#endif
