#include "shared/transport.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/transport_remains.h"

/* ---- What the environment says --------------------------------------------------------------- */

static const char *const variables[] = {
    "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "PMIX_RANK",        "PMI_SIZE", "PMI_RANK",
    "SLURM_STEP_NUM_TASKS", "SLURM_PROCID",         "MAPFLEET_RUN_DIR",
};

struct variable {
    const char *name;
    const char *value;
};

/* The environment is that of a process alone, but for these. Each test is a process of its own. */
static void environment(const struct variable *set, size_t count)
{
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        cr_assert(eq(int, unsetenv(variables[i]), 0));
    }
    for (size_t i = 0; i < count; i++) {
        cr_assert(eq(int, setenv(set[i].name, set[i].value, 1), 0));
    }
}

#define ENVIRONMENT(...)                                                                           \
    environment((const struct variable[]){__VA_ARGS__},                                            \
                sizeof((const struct variable[]){__VA_ARGS__}) / sizeof(struct variable))

static void expect_decision(bool is_parallel)
{
    struct error err = {0};
    bool decision = !is_parallel;
    cr_assert(eq(int, transport_is_parallel(&decision, &err), STATUS_OK), "%s", err.text);
    cr_expect(eq(int, decision, is_parallel));
}

static void expect_refusal(const char *way_round)
{
    struct error err = {0};
    bool decision = true;
    cr_assert(eq(int, transport_is_parallel(&decision, &err), STATUS_INVALID));
    cr_expect(not(decision));
    cr_expect(strstr(err.text, way_round) != NULL, "no '%s' in: %s", way_round, err.text);
}

Test(transport, a_process_without_launcher_is_alone)
{
    environment(NULL, 0);
    expect_decision(false);
    cr_expect(eq(u32, transport_rank_of_environment(), 0));
}

Test(transport, ranks_of_mpirun_are_parallel)
{
    ENVIRONMENT({"OMPI_COMM_WORLD_SIZE", "4"}, {"OMPI_COMM_WORLD_RANK", "3"}, {"PMIX_RANK", "3"});
    expect_decision(true);
    cr_expect(eq(u32, transport_rank_of_environment(), 3));
}

Test(transport, one_rank_of_mpirun_is_alone)
{
    ENVIRONMENT({"OMPI_COMM_WORLD_SIZE", "1"}, {"OMPI_COMM_WORLD_RANK", "0"}, {"PMIX_RANK", "0"});
    expect_decision(false);
}

Test(transport, mpirun_within_a_step_of_slurm_decides)
{
    ENVIRONMENT({"OMPI_COMM_WORLD_SIZE", "2"}, {"SLURM_STEP_NUM_TASKS", "1"}, {"PMIX_RANK", "0"});
    expect_decision(true);
    ENVIRONMENT({"OMPI_COMM_WORLD_SIZE", "1"}, {"SLURM_STEP_NUM_TASKS", "3"}, {"PMIX_RANK", "0"});
    expect_decision(false);
}

Test(transport, ranks_of_srun_with_pmix_are_parallel)
{
    ENVIRONMENT({"PMIX_RANK", "1"}, {"SLURM_STEP_NUM_TASKS", "2"}, {"SLURM_PROCID", "1"});
    expect_decision(true);
    cr_expect(eq(u32, transport_rank_of_environment(), 1));
}

Test(transport, one_rank_of_srun_with_pmix_is_alone)
{
    ENVIRONMENT({"PMIX_RANK", "0"}, {"SLURM_STEP_NUM_TASKS", "1"});
    expect_decision(false);
}

Test(transport, a_lone_process_in_a_step_of_slurm_is_alone)
{
    ENVIRONMENT({"SLURM_STEP_NUM_TASKS", "1"}, {"SLURM_PROCID", "0"});
    expect_decision(false);
}

Test(transport, copies_of_srun_without_pmix_are_refused)
{
    ENVIRONMENT({"SLURM_STEP_NUM_TASKS", "2"}, {"SLURM_PROCID", "1"});
    expect_refusal("srun --mpi=pmix");
    expect_refusal("mpirun");
    cr_expect(eq(u32, transport_rank_of_environment(), 1));
}

Test(transport, copies_of_another_mpi_are_refused)
{
    ENVIRONMENT({"PMI_SIZE", "2"}, {"PMI_RANK", "1"});
    expect_refusal("built with");
    cr_expect(eq(u32, transport_rank_of_environment(), 1));
}

Test(transport, one_copy_of_another_mpi_is_alone)
{
    ENVIRONMENT({"PMI_SIZE", "1"}, {"PMI_RANK", "0"});
    expect_decision(false);
}

Test(transport, a_run_inside_a_command_is_alone)
{
    ENVIRONMENT({"MAPFLEET_RUN_DIR", "/run"}, {"SLURM_STEP_NUM_TASKS", "2"}, {"SLURM_PROCID", "1"},
                {"PMI_SIZE", "2"}, {"PMIX_RANK", "1"});
    expect_decision(false);
    cr_expect(eq(u32, transport_rank_of_environment(), 0));
}

Test(transport, mpirun_inside_a_command_is_parallel)
{
    ENVIRONMENT({"MAPFLEET_RUN_DIR", "/run"}, {"OMPI_COMM_WORLD_SIZE", "2"},
                {"OMPI_COMM_WORLD_RANK", "1"});
    expect_decision(true);
    cr_expect(eq(u32, transport_rank_of_environment(), 1));
}

Test(transport, what_is_no_number_counts_as_unset)
{
    ENVIRONMENT({"OMPI_COMM_WORLD_SIZE", "two"}, {"PMIX_RANK", ""}, {"PMI_SIZE", "-3"},
                {"SLURM_STEP_NUM_TASKS", "99999999999999999999"});
    expect_decision(false);
}

/* ---- Loopback -------------------------------------------------------------------------------- */

static struct transport *loopback(void)
{
    struct error err = {0};
    struct transport *transport = NULL;
    cr_assert(eq(int, transport_open(false, &transport, &err), STATUS_OK), "%s", err.text);
    return transport;
}

static void send_filled(struct transport *transport, size_t size, uint8_t byte)
{
    struct buffer bytes = {0};
    cr_assert(eq(int, buffer_reserve(&bytes, size), STATUS_OK));
    if (size > 0) {
        memset(bytes.data, byte, size);
    }
    bytes.size = size;
    cr_assert(eq(int, transport_send(transport, 0, &bytes, NULL), STATUS_OK));
    cr_expect(eq(ptr, bytes.data, NULL));
    cr_expect(eq(sz, bytes.size, 0));
    cr_expect(eq(sz, bytes.capacity, 0));
}

static bool receive(struct transport *transport, struct transport_message *message_out)
{
    bool is_message = false;
    struct error err = {0};
    cr_assert(eq(int, transport_receive(transport, message_out, &is_message, &err), STATUS_OK),
              "%s", err.text);
    return is_message;
}

static void expect_filled(struct transport *transport, size_t size, uint8_t byte)
{
    struct transport_message message = {0};
    cr_assert(receive(transport, &message));
    cr_expect(eq(u32, message.rank, 0));
    cr_assert(eq(sz, message.size, size));
    if (size > 0) {
        cr_expect(eq(u8, message.data[0], byte));
        cr_expect(eq(int, memcmp(message.data, message.data + 1, size - 1), 0));
    }
    transport_release(transport, &message);
    cr_expect(eq(ptr, message.data, NULL));
}

Test(transport, a_process_alone_is_rank_0_of_1)
{
    struct transport *transport = loopback();
    cr_expect(eq(u32, transport_rank(transport), 0));
    cr_expect(eq(u32, transport_size(transport), 1));
    cr_expect(eq(u32, transport_local_rank(transport), 0));
    cr_expect(eq(u32, transport_local_size(transport), 1));
    cr_expect(eq(int, strcmp(transport_name(transport), "loopback"), 0));
    transport_close(transport, true, 0);
}

Test(transport, messages_to_itself_arrive_whole_and_in_order)
{
    static const size_t sizes[] = {1, 0, 24, 3975, 3976, 3977, 65536, 0, 1u << 20, 8u << 20, 5};
    const size_t count = sizeof(sizes) / sizeof(sizes[0]);
    struct transport *transport = loopback();
    struct transport_message message = {0};
    cr_expect(not(receive(transport, &message)));
    for (size_t i = 0; i < count; i++) {
        send_filled(transport, sizes[i], (uint8_t)(i + 1));
    }
    cr_expect(eq(u64, transport_pending(transport, 0), 0));
    cr_expect(eq(u64, transport_pending_all(transport), 0));
    for (size_t i = 0; i < count; i++) {
        expect_filled(transport, sizes[i], (uint8_t)(i + 1));
    }
    cr_expect(not(receive(transport, &message)));
    transport_close(transport, true, 0);
}

Test(transport, a_long_exchange_with_itself_keeps_its_order)
{
    struct transport *transport = loopback();
    uint32_t sent = 0;
    uint32_t received = 0;
    for (uint32_t turn = 0; turn < 1000; turn++) {
        for (uint32_t i = 0; i < turn % 7; i++) {
            send_filled(transport, 8, (uint8_t)sent++);
        }
        for (uint32_t i = 0; received < sent && i < turn % 5; i++) {
            expect_filled(transport, 8, (uint8_t)received++);
        }
    }
    while (received < sent) {
        expect_filled(transport, 8, (uint8_t)received++);
    }
    transport_close(transport, true, 0);
}

Test(transport, a_received_message_is_the_callers_until_it_is_released)
{
    struct transport *transport = loopback();
    send_filled(transport, 1000, 1);
    send_filled(transport, 1000, 2);
    struct transport_message first = {0};
    cr_assert(receive(transport, &first));
    expect_filled(transport, 1000, 2);
    send_filled(transport, 1000, 3);
    cr_expect(eq(u8, first.data[999], 1));
    first.data[999] = 9; /* its bytes may be changed, too */
    transport_release(transport, &first);
    expect_filled(transport, 1000, 3);
    transport_close(transport, true, 0);
}

Test(transport, close_frees_what_was_not_received)
{
    struct transport *transport = loopback();
    send_filled(transport, 100000, 1);
    send_filled(transport, 0, 1);
    transport_close(transport, false, 0);
    transport_close(NULL, true, 0);
}

Test(transport, release_of_an_empty_message_does_nothing)
{
    struct transport *transport = loopback();
    struct transport_message message = {0};
    transport_release(transport, &message);
    transport_close(transport, true, 0);
}

Test(transport, a_process_alone_has_no_neighbours_and_nothing_arrives)
{
    struct transport *transport = loopback();
    send_filled(transport, 10, 1);
    cr_expect(eq(int, transport_process(transport, 0), 0));
    cr_expect(eq(int, transport_process(transport, 1), 0));
    cr_expect(eq(u64, transport_arrivals(transport, 0), 0));
    transport_close(transport, true, 0);
}

Test(transport, a_job_outlives_losses_where_mpirun_says_so)
{
    /* of Open MPI 4 and 5 */
    static const char *const names[] = {"OMPI_MCA_orte_enable_recovery", "OMPI_MCA_mpi_ft_enable"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)unsetenv(names[i]);
        cr_expect(not(transport_outlives_losses()));
        (void)setenv(names[i], "1", 1);
        cr_expect(transport_outlives_losses());
        (void)setenv(names[i], "true", 1);
        cr_expect(transport_outlives_losses());
        (void)setenv(names[i], "0", 1);
        cr_expect(not(transport_outlives_losses()));
        (void)setenv(names[i], "false", 1);
        cr_expect(not(transport_outlives_losses()));
        (void)setenv(names[i], "", 1);
        cr_expect(not(transport_outlives_losses()));
    }
}

static int map_file(const char *path, void **memory_out)
{
    const int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    cr_assert(ge(int, file, 0), "%s", path);
    cr_assert(eq(int, ftruncate(file, 4096), 0));
    *memory_out = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    (void)close(file);
    return *memory_out != MAP_FAILED;
}

Test(transport, what_open_mpi_would_leave_is_removed_where_this_process_has_it_mapped)
{
    char own[64];
    char own_of_5[64];
    char other[64];
    char unrelated[64];
    void *memory[4];
    (void)snprintf(own, sizeof(own), "/dev/shm/vader_segment.test.%d.1", (int)getpid());
    (void)snprintf(own_of_5, sizeof(own_of_5), "/dev/shm/sm_segment.test.%d.1", (int)getpid());
    (void)snprintf(other, sizeof(other), "/dev/shm/vader_segment.test.%d.2", (int)getpid());
    (void)snprintf(unrelated, sizeof(unrelated), "/dev/shm/mapfleet-test.%d", (int)getpid());
    cr_assert(map_file(own, &memory[0]) && map_file(other, &memory[1]) &&
              map_file(unrelated, &memory[2]) && map_file(own_of_5, &memory[3]));
    (void)munmap(memory[1], 4096);
    transport_remains_remove();
    cr_expect(ne(int, access(own, F_OK), 0));
    cr_expect(ne(int, access(own_of_5, F_OK), 0), "of Open MPI 5");
    cr_expect(eq(int, access(other, F_OK), 0), "of another job");
    cr_expect(eq(int, access(unrelated, F_OK), 0));
    *(volatile char *)memory[0] = 1; /* who uses it still can */
    (void)unlink(other);
    (void)unlink(unrelated);
}

Test(transport, a_process_alone_leaves_with_its_exit_status, .exit_code = 7)
{
    transport_leave(loopback(), 7);
}

Test(transport, abort_of_a_process_alone_is_its_exit_status, .exit_code = 7)
{
    transport_abort(loopback(), 7);
}
