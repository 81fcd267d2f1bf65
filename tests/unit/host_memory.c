#include "worker/host_memory.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

/* ---- A host of files --------------------------------------------------------------------------
 */

static char root[] = "/tmp/mapfleet-host-XXXXXX";

static void make_root(void)
{
    cr_assert(mkdtemp(root) != NULL);
}

static void remove_root(void)
{
    char command[PATH_MAX];
    (void)snprintf(command, sizeof(command), "rm -rf %s", root);
    cr_expect(eq(int, system(command), 0));
}

TestSuite(host_memory, .init = make_root, .fini = remove_root);

/* A file below the root, and its folders. */
static void put(const char *path, const char *text)
{
    char full[PATH_MAX];
    (void)snprintf(full, sizeof(full), "%s%s", root, path);
    for (char *slash = strchr(full + strlen(root) + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(full, 0700);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    cr_assert(file != NULL, "%s", full);
    cr_assert(fputs(text, file) >= 0);
    cr_assert(eq(int, fclose(file), 0));
}

static void put_8_gib(void)
{
    put("/proc/meminfo", "MemTotal:        8388608 kB\nMemFree:          100 kB\n");
}

Test(host_memory, without_limits_it_is_what_is_built_in)
{
    put_8_gib();
    cr_expect(eq(u64, host_memory(root), 8 * GIB));
    put("/proc/self/cgroup", "0::/job\n");
    put("/sys/fs/cgroup/job/memory.max", "max\n");
    cr_expect(eq(u64, host_memory(root), 8 * GIB));
}

Test(host_memory, a_limit_of_cgroups_version_2_holds)
{
    put_8_gib();
    put("/proc/self/cgroup", "0::/system.slice/job\n");
    put("/sys/fs/cgroup/system.slice/job/memory.max", "1073741824\n");
    put("/sys/fs/cgroup/system.slice/memory.max", "max\n");
    cr_expect(eq(u64, host_memory(root), GIB));
}

Test(host_memory, a_limit_of_a_group_above_holds_too)
{
    put_8_gib();
    put("/proc/self/cgroup", "0::/a/b/c\n");
    put("/sys/fs/cgroup/a/b/c/memory.max", "4294967296\n");
    put("/sys/fs/cgroup/a/memory.max", "2147483648\n");
    cr_expect(eq(u64, host_memory(root), 2 * GIB));
    put("/sys/fs/cgroup/memory.max", "1073741824\n"); /* of a container, whose top has a limit */
    cr_expect(eq(u64, host_memory(root), GIB));
}

Test(host_memory, a_limit_of_cgroups_version_1_holds)
{
    put_8_gib();
    put("/proc/self/cgroup", "5:cpu,cpuacct:/other\n4:hugetlb,memory:/job\n0::/\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("/sys/fs/cgroup/memory/other/memory.limit_in_bytes", "1\n");
    put("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "3221225472\n");
    cr_expect(eq(u64, host_memory(root), 3 * GIB));
}

Test(host_memory, what_cannot_be_read_is_no_limit)
{
    cr_expect(eq(u64, host_memory(root), UINT64_MAX));
    put_8_gib();
    put("/proc/self/cgroup", "\n::\nmemory\n4:memory:\n0::/gone\n0::/empty\n0::/words");
    put("/sys/fs/cgroup/empty/memory.max", "");
    put("/sys/fs/cgroup/words/memory.max", "some\n");
    cr_expect(eq(u64, host_memory(root), 8 * GIB));
}

Test(host_memory, of_this_host_something_is_known)
{
    cr_expect(lt(u64, host_memory(""), UINT64_MAX));
    cr_expect(gt(u64, host_memory(""), MIB));
}

/* ---- Slurm ------------------------------------------------------------------------------------
 */

static void set_slurm(const char *by_node, const char *by_cpu, const char *cpus)
{
    (void)setenv("SLURM_MEM_PER_NODE", by_node, 1);
    (void)setenv("SLURM_MEM_PER_CPU", by_cpu, 1);
    (void)setenv("SLURM_CPUS_ON_NODE", cpus, 1);
}

Test(host_memory, slurm_speaks_of_mib_by_node_or_by_cpu)
{
    set_slurm("3072", "", "");
    cr_expect(eq(u64, host_memory_slurm_node(), 3 * GIB));
    cr_expect(eq(u64, host_memory_slurm_rank(4), UINT64_MAX));
    set_slurm("", "512", "8");
    cr_expect(eq(u64, host_memory_slurm_node(), 4 * GIB));
    cr_expect(eq(u64, host_memory_slurm_rank(4), UINT64_MAX));
    set_slurm("", "512", "");
    cr_expect(eq(u64, host_memory_slurm_node(), UINT64_MAX));
    cr_expect(eq(u64, host_memory_slurm_rank(4), 2 * GIB));
    set_slurm("2G", "512", "8");
    cr_expect(eq(u64, host_memory_slurm_node(), 2 * GIB));
}

Test(host_memory, what_slurm_does_not_say_is_no_limit)
{
    static const char *const words[] = {"", "0", "many", "-1", "12x", "0x10", " 5"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        set_slurm(words[i], words[i], words[i]);
        cr_expect(eq(u64, host_memory_slurm_node(), UINT64_MAX), "\"%s\"", words[i]);
        cr_expect(eq(u64, host_memory_slurm_rank(2), UINT64_MAX), "\"%s\"", words[i]);
    }
    set_slurm("99999999999999999999", "", "");
    cr_expect(eq(u64, host_memory_slurm_node(), UINT64_MAX));
}
