/* child_group.h - the process group of a program that the attempt in this process has started.
 *
 *     child_group_open, once
 *     child_group_set(group) --SIGTERM comes: the group gets it, this process goes on-->
 *     child_group_set(0)     --SIGTERM ends this process, as ever
 *
 * Whoever ends an attempt sends SIGTERM to the executor's group, and a program in a group of its
 * own would not get it; nor could the attempt say what the program came to, since SIGTERM ends the
 * executor. A signal that comes from elsewhere (a batch system) goes the way it went before.
 *
 * Threads: one sets; a signal may be delivered to any.
 */
#ifndef SHARED_CHILD_GROUP_H
#define SHARED_CHILD_GROUP_H

#include <stdbool.h>

/* This process runs attempts and nothing else: from here on groups count. In any other, those who
 * end attempts end none, and SIGTERM is for the process. */
void child_group_open(void);

void child_group_set(int group); /* 0: none */
/* Has a group got a SIGTERM since one was set last? */
bool child_group_is_ending(void);

#endif
