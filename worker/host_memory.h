/* host_memory.h - how much memory the host lets the ranks on it have together.
 *
 * Threads: any. Failure: what cannot be read or makes no sense is no limit.
 */
#ifndef WORKER_HOST_MEMORY_H
#define WORKER_HOST_MEMORY_H

#include <stdint.h>

/* The smallest of physical memory and the limits of this process's cgroup and of those above it,
 * version 2 or 1; UINT64_MAX where nothing is known. `root` stands before /proc and /sys: "". */
uint64_t host_memory(const char *root);

/* What Slurm gave the job on this host: SLURM_MEM_PER_NODE, or SLURM_MEM_PER_CPU for each of
 * SLURM_CPUS_ON_NODE (without that, of `cpus`, for a rank of so many). UINT64_MAX: no limit. */
uint64_t host_memory_slurm_node(void);
uint64_t host_memory_slurm_rank(uint64_t cpus);

#endif
