/* misbehave.h - a task that does what its input says, and then, if it still can, gives a value. */
#ifndef BASICS_MISBEHAVE_H
#define BASICS_MISBEHAVE_H

#include <mapfleet.h>

/* {value: int, how?: str, until?: int}: from attempt `until` on it behaves. */
mf_task_function misbehave;

#endif
