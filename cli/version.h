/* version.h - `mapfleet --version`: the version, and what the program runs with.
 *
 * The versions are those of the libraries that are loaded, as they tell; of those that can't tell
 * (CRoaring, Lua), those of their headers. MPI and libcurl are loaded for it, and MPI is not
 * started; a module that can't be loaded is said to be missing, with the reason.
 */
#ifndef CLI_VERSION_H
#define CLI_VERSION_H

/* To standard output. */
void version_print(void);

#endif
