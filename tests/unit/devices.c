#include "worker/devices.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT_UNSAID (-1)

static const char *const variables[] = {"CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES",
                                        "SLURM_STEP_GPUS",      "SLURM_JOB_GPUS",
                                        "SLURM_GPUS_PER_TASK",  "SLURM_STEP_NUM_TASKS"};

static void clear(void)
{
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        (void)unsetenv(variables[i]);
    }
}

TestSuite(devices, .init = clear);

static struct devices_options options_of(uint32_t index, uint32_t count, int per_rank)
{
    return (struct devices_options){.host = {.index = index, .count = count},
                                    .rank_count = count + 1,
                                    .has_count = per_rank != COUNT_UNSAID,
                                    .count = (uint64_t)(per_rank == COUNT_UNSAID ? 0 : per_rank),
                                    .root = "/nowhere"};
}

/* What rank `index` of `count` worker ranks has. */
static void expect_names(uint32_t index, uint32_t count, int per_rank, const char *expected)
{
    const struct devices_options options = options_of(index, count, per_rank);
    struct devices devices;
    struct error err = {""};
    char text[256];
    cr_assert(eq(int, devices_find(&options, &devices, &err), STATUS_OK), "%s", err.text);
    cr_assert(eq(int, devices_list(&devices, 0, devices.count, text, sizeof(text)), STATUS_OK));
    cr_expect(strcmp(text, expected) == 0, "expected \"%s\", found \"%s\"", expected, text);
    devices_free(&devices);
}

static void expect_refused(uint32_t count, int per_rank, const char *part)
{
    const struct devices_options options = options_of(0, count, per_rank);
    struct devices devices;
    struct error err = {""};
    cr_expect(eq(int, devices_find(&options, &devices, &err), STATUS_INVALID));
    cr_expect(strstr(err.text, part) != NULL, "no \"%s\" in: %s", part, err.text);
}

Test(devices, where_nobody_speaks_of_any_there_are_none)
{
    expect_names(0, 1, COUNT_UNSAID, "");
}

Test(devices, a_list_is_divided_among_the_worker_ranks_of_the_host)
{
    (void)setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7,GPU-8f2a", 1);
    expect_names(0, 1, COUNT_UNSAID, "4,5,6,7,GPU-8f2a");
    expect_names(0, 2, COUNT_UNSAID, "4,5");
    expect_names(1, 2, COUNT_UNSAID, "6,7,GPU-8f2a");
    expect_names(0, 6, COUNT_UNSAID, "");
    expect_names(5, 6, COUNT_UNSAID, "GPU-8f2a");
}

Test(devices, the_first_variable_that_says_any_counts)
{
    (void)setenv("SLURM_JOB_GPUS", "0-2,5", 1);
    expect_names(0, 1, COUNT_UNSAID, "0,1,2,5");
    (void)setenv("SLURM_STEP_GPUS", "1,2", 1);
    expect_names(0, 1, COUNT_UNSAID, "1,2");
    (void)setenv("ROCR_VISIBLE_DEVICES", "3", 1);
    expect_names(0, 1, COUNT_UNSAID, "3");
    (void)setenv("CUDA_VISIBLE_DEVICES", "", 1);
    expect_names(0, 1, COUNT_UNSAID, "3");
    (void)setenv("CUDA_VISIBLE_DEVICES", "MIG-1/2/3, 7 ", 1);
    expect_names(0, 1, COUNT_UNSAID, "MIG-1/2/3,7");
}

Test(devices, a_list_ends_where_drivers_stop)
{
    static const char *const none[] = {"-1", "NoDevFiles", ",1", "x", "3-1", "-1,0"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        (void)setenv("CUDA_VISIBLE_DEVICES", none[i], 1);
        expect_names(0, 1, COUNT_UNSAID, "");
    }
    (void)setenv("CUDA_VISIBLE_DEVICES", "2,-1,3", 1);
    expect_names(0, 1, COUNT_UNSAID, "2");
}

Test(devices, without_a_list_devices_are_numbered_over_the_ranks)
{
    expect_names(0, 2, 4, "0,1,2,3");
    expect_names(1, 2, 4, "4,5,6,7");
    expect_names(1, 2, 0, "");
}

Test(devices, gpus_per_rank_takes_from_the_list)
{
    (void)setenv("CUDA_VISIBLE_DEVICES", "10,11,12,13,14", 1);
    expect_names(0, 2, 2, "10,11");
    expect_names(1, 2, 2, "12,13");
    expect_names(0, 1, 0, "");
}

Test(devices, a_list_as_long_as_what_a_rank_shall_have_is_its_own)
{
    (void)setenv("CUDA_VISIBLE_DEVICES", "3", 1);
    expect_names(2, 4, 1, "3");
}

Test(devices, a_list_that_is_too_short_is_refused_by_name)
{
    (void)setenv("ROCR_VISIBLE_DEVICES", "0,1,2", 1);
    expect_refused(2, 2, "ROCR_VISIBLE_DEVICES lists 3");
    expect_refused(1, 4, "--gpus-per-rank 4");
    (void)setenv("ROCR_VISIBLE_DEVICES", "-1", 1);
    expect_refused(1, 1, "lists 0");
}

Test(devices, what_slurm_gave_each_rank_is_its_own)
{
    (void)setenv("CUDA_VISIBLE_DEVICES", "0,1", 1);
    (void)setenv("SLURM_GPUS_PER_TASK", "2", 1);
    expect_names(1, 2, COUNT_UNSAID, "1"); /* a step that started something else than the ranks */
    (void)setenv("SLURM_STEP_NUM_TASKS", "3", 1);
    expect_names(1, 2, COUNT_UNSAID, "0,1");
    expect_names(1, 2, 1, "0");
}

/* ---- Which variables tell an attempt ----------------------------------------------------------
 */

static void expect_variables(const char *root, bool is_in_cuda, bool is_in_rocr)
{
    struct devices_options options = options_of(0, 1, COUNT_UNSAID);
    struct devices devices;
    struct error err;
    options.root = root;
    cr_assert(eq(int, devices_find(&options, &devices, &err), STATUS_OK));
    cr_expect(eq(int, devices.is_in_cuda, is_in_cuda));
    cr_expect(eq(int, devices.is_in_rocr, is_in_rocr));
    devices_free(&devices);
}

Test(devices, both_variables_tell_but_with_the_driver_of_amd)
{
    char root[] = "/tmp/mapfleet-devices-XXXXXX";
    char path[64];
    cr_assert(mkdtemp(root) != NULL);
    expect_variables(root, true, true);
    (void)snprintf(path, sizeof(path), "%s/dev", root);
    cr_assert(eq(int, mkdir(path, 0700), 0));
    (void)snprintf(path, sizeof(path), "%s/dev/kfd", root);
    FILE *file = fopen(path, "w");
    cr_assert(file != NULL && fclose(file) == 0);
    expect_variables(root, false, true);
    (void)setenv("CUDA_VISIBLE_DEVICES", "0", 1);
    expect_variables(root, true, false);
    (void)setenv("ROCR_VISIBLE_DEVICES", "0", 1);
    expect_variables(root, false, true);
    cr_expect(eq(int, unlink(path), 0));
    (void)snprintf(path, sizeof(path), "%s/dev", root);
    cr_expect(eq(int, rmdir(path), 0));
    cr_expect(eq(int, rmdir(root), 0));
}

Test(devices, names_that_do_not_fit_are_told)
{
    const struct devices_options options = options_of(0, 1, 3);
    struct devices devices;
    struct error err;
    char text[6];
    cr_assert(eq(int, devices_find(&options, &devices, &err), STATUS_OK));
    cr_expect(eq(int, devices_list(&devices, 0, 3, text, 6), STATUS_OK));
    cr_expect(eq(int, devices_list(&devices, 0, 3, text, 5), STATUS_INVALID));
    cr_expect(eq(int, devices_list(&devices, 1, 0, text, 1), STATUS_OK));
    devices_free(&devices);
}
