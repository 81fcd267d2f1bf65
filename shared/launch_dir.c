#include "shared/launch_dir.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "shared/mapfleet.h"

atomic_bool launch_dir_was_left;

/* Noted first: whoever is asked meanwhile comes back once more than needed. */
static void note(void)
{
    atomic_store_explicit(&launch_dir_was_left, true, memory_order_relaxed);
}

MF_EXPORT int chdir(const char *path)
{
    note();
    return (int)syscall(SYS_chdir, path);
}

MF_EXPORT int fchdir(int fd)
{
    note();
    return (int)syscall(SYS_fchdir, fd);
}

void launch_dir_return(const char *path)
{
    atomic_store_explicit(&launch_dir_was_left, false, memory_order_relaxed);
    (void)syscall(SYS_chdir, path);
}
