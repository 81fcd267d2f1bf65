/* launch_foreign.h - options of mpirun and srun that are well known, and have another name here. */
#ifndef CLI_LAUNCH_FOREIGN_H
#define CLI_LAUNCH_FOREIGN_H

/* What to do instead of giving this option; NULL where it is none of them. */
const char *launch_foreign_hint(const char *word);

#endif
