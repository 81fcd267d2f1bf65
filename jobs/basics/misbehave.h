/* misbehave.h - a task that does what its input says, and then, if it still can, gives a value. */
#ifndef BASICS_MISBEHAVE_H
#define BASICS_MISBEHAVE_H

#include <mapfleet.h>

/* {value: int, how?: str, until?: int, print?: str, text?: str}: from attempt `until` on it
 * behaves. `print` is a way of print.h, or "log". */
mf_task_function misbehave;

#endif
