/* transport_remains.h - what Open MPI leaves behind where it is not ended in its own way.
 *
 * Its shared memory between ranks of a host is a file in /dev/shm for each rank, which only
 * MPI_Finalize() removes, and which nobody else would ever.
 */
#ifndef SHARED_TRANSPORT_REMAINS_H
#define SHARED_TRANSPORT_REMAINS_H

/* Remove the files of this job's ranks that this process has mapped: its own, and those of its
 * neighbours, the lost ones included. Those that use them still can. */
void transport_remains_remove(void);

#endif
