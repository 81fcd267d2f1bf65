/* sweep_file_private.h - what the files that read sweep files share.
 *
 *     sweep_file.c        the keys of the file, and what they say together
 *     sweep_parameters.c  parameters and constraints
 */
#ifndef CLI_SWEEP_FILE_PRIVATE_H
#define CLI_SWEEP_FILE_PRIVATE_H

#include "cli/sweep_file.h"
#include "cli/yaml.h"

struct sweep_reading {
    struct yaml_reader yaml;
    struct sweep_file *sweep;
    const struct yaml_node *root;
};

/* Report keys of the mapping that are none of `keys` (NULL behind the last), with the nearest.
 * `what` is what it is a key of: "of a sweep". */
void sweep_check_keys(struct sweep_reading *reading, const struct yaml_node *mapping,
                      const char *const *keys, const char *what);

/* Fill in the space. */
void sweep_read_parameters(struct sweep_reading *reading);

#endif
