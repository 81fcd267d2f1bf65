/* path.h - paths of files and folders that exist, in the one form that values hold.
 *
 * Failure: texts name the path. INVALID: no path at all; LIMIT: too long; IO: not there, or not
 *          to be reached.
 */
#ifndef SHARED_PATH_H
#define SHARED_PATH_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "shared/error.h"

/* "scheme://..." */
bool path_is_url(const char *text);

/* The folder of the file that this code is in: libmapfleet.so, or a program with all of it. False
 * when it cannot be told, or does not fit. */
bool path_own_folder(char *path_out, size_t path_size);

/* Where a module of mapfleet is: in the folder `mapfleet` beside the library; or, for a program
 * that holds the library's code, in the lib folder beside the program's own. Where it is in
 * neither, the first place. */
void path_of_module(const char *name, char *path_out, size_t path_size);

/* The absolute path, without `.`, `..` and doubled slashes, of what `path` names, starting from
 * `base_dir` (absolute; may be NULL where `path` is absolute). Symbolic links stay, except where
 * the way leads up again out of one. */
MUST_CHECK enum status path_resolve(const char *base_dir, const char *path,
                                    char resolved_out[PATH_MAX], struct stat *stat_out,
                                    struct error *err);

#endif
