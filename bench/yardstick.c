/* yardstick.c - a master and its workers, written by hand in plain MPI: what mapfleet is measured
 * against. No encoding, no log, no isolation, no second try.
 *
 *     mpirun -n 3 yardstick squares COUNT CHUNK   each task squares its number
 *     mpirun -n 3 yardstick spin FILE CHUNK       each task takes its microseconds of processor
 *                                                 time, one line of FILE each
 *     mpirun -n 3 yardstick copy COUNT SIZE       each task has SIZE bytes in and SIZE bytes out
 *
 * Rank 0 holds all inputs and all outputs in memory. It gives each worker CHUNK tasks, waits for
 * results from anyone, and gives that worker the next CHUNK. In the end it prints the seconds from
 * the first task that it sent to the last result that it has.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TAG_CHUNK, TAG_INPUTS, TAG_OUTPUTS };

struct chunk {
    int64_t first;
    int64_t count; /* 0: there is no more */
};

typedef void task_function(struct chunk chunk, const void *inputs, void *outputs);

struct work {
    task_function *run;
    size_t input_size; /* bytes of one; 0: the task's number is all that it needs */
    size_t output_size;
    int64_t count;
    int64_t chunk_count; /* tasks a message */
    uint8_t *inputs;     /* of all tasks, on rank 0 */
};

static _Noreturn void give_up(const char *why)
{
    (void)fprintf(stderr, "yardstick: %s\n", why);
    MPI_Abort(MPI_COMM_WORLD, 2);
    abort();
}

static void *take_memory(size_t count, size_t size)
{
    void *memory = calloc(count + 1, size + 1);
    if (memory == NULL) {
        give_up("out of memory");
    }
    return memory;
}

/* ---- Tasks ------------------------------------------------------------------------------------
 */

static void run_squares(struct chunk chunk, const void *inputs, void *outputs)
{
    int64_t *squares = outputs;
    (void)inputs;
    for (int64_t i = 0; i < chunk.count; i++) {
        squares[i] = (chunk.first + i) * (chunk.first + i);
    }
}

static double thread_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void run_spin(struct chunk chunk, const void *inputs, void *outputs)
{
    const double *us = inputs;
    (void)outputs;
    for (int64_t i = 0; i < chunk.count; i++) {
        const double start = thread_us();
        while (thread_us() - start < us[i]) {
        }
    }
}

static void run_copy(struct chunk chunk, const void *inputs, void *outputs)
{
    (void)chunk;
    (void)inputs;
    (void)outputs;
}

/* ---- Worker -----------------------------------------------------------------------------------
 */

static void work_for_master(const struct work *work)
{
    const size_t count = (size_t)work->chunk_count;
    void *inputs = take_memory(count, work->input_size);
    void *outputs = take_memory(count, work->output_size);
    for (;;) {
        struct chunk chunk;
        MPI_Recv(&chunk, 2, MPI_INT64_T, 0, TAG_CHUNK, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        if (chunk.count == 0) {
            break;
        }
        if (work->input_size > 0) {
            MPI_Recv(inputs, (int)((size_t)chunk.count * work->input_size), MPI_BYTE, 0, TAG_INPUTS,
                     MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        }
        work->run(chunk, inputs, outputs);
        MPI_Send(outputs, (int)((size_t)chunk.count * work->output_size), MPI_BYTE, 0, TAG_OUTPUTS,
                 MPI_COMM_WORLD);
    }
    free(inputs);
    free(outputs);
}

/* ---- Master -----------------------------------------------------------------------------------
 */

/* Send the next tasks, or word that there are none. Gives what the worker has now. */
static struct chunk send_chunk(const struct work *work, int rank, int64_t *next)
{
    const int64_t left = work->count - *next;
    const struct chunk chunk = {.first = *next,
                                .count = left < work->chunk_count ? left : work->chunk_count};
    MPI_Send(&chunk, 2, MPI_INT64_T, rank, TAG_CHUNK, MPI_COMM_WORLD);
    if (chunk.count > 0 && work->input_size > 0) {
        MPI_Send(work->inputs + (size_t)chunk.first * work->input_size,
                 (int)((size_t)chunk.count * work->input_size), MPI_BYTE, rank, TAG_INPUTS,
                 MPI_COMM_WORLD);
    }
    *next += chunk.count;
    return chunk;
}

static double master(const struct work *work, int rank_count, uint8_t *outputs)
{
    struct chunk *held = take_memory((size_t)rank_count, sizeof(*held));
    int64_t next = 0;
    int busy_count = 0;
    const double started = MPI_Wtime();
    for (int rank = 1; rank < rank_count; rank++) {
        held[rank] = send_chunk(work, rank, &next);
        busy_count += held[rank].count > 0 ? 1 : 0;
    }
    while (busy_count > 0) {
        MPI_Status status;
        MPI_Probe(MPI_ANY_SOURCE, TAG_OUTPUTS, MPI_COMM_WORLD, &status);
        const int rank = status.MPI_SOURCE;
        MPI_Recv(outputs + (size_t)held[rank].first * work->output_size,
                 (int)((size_t)held[rank].count * work->output_size), MPI_BYTE, rank, TAG_OUTPUTS,
                 MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        held[rank] = send_chunk(work, rank, &next);
        busy_count -= held[rank].count > 0 ? 0 : 1;
    }
    const double seconds = MPI_Wtime() - started;
    free(held);
    return seconds;
}

static void check_squares(const struct work *work, const uint8_t *outputs)
{
    for (int64_t i = 0; work->run == run_squares && i < work->count; i++) {
        int64_t square;
        memcpy(&square, outputs + (size_t)i * sizeof(square), sizeof(square));
        if (square != i * i) {
            give_up("a square is wrong");
        }
    }
}

/* ---- What is asked for ------------------------------------------------------------------------
 */

static int64_t number(const char *text)
{
    char *end;
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < 1) {
        give_up("expected a number of 1 or more");
    }
    return value;
}

static void read_durations(struct work *work, const char *path)
{
    size_t capacity = 1024;
    double *durations = take_memory(capacity, sizeof(*durations));
    FILE *file = fopen(path, "r");
    double us;
    if (file == NULL) {
        give_up("the file of durations cannot be read");
    }
    while (fscanf(file, "%lf", &us) == 1) {
        if ((size_t)work->count == capacity) {
            capacity *= 2;
            durations = reallocarray(durations, capacity, sizeof(*durations));
            if (durations == NULL) {
                give_up("out of memory");
            }
        }
        durations[work->count++] = us;
    }
    (void)fclose(file);
    work->inputs = (uint8_t *)durations;
}

static struct work read_work(int argc, char **argv, bool is_master)
{
    const char *mode = argc == 4 ? argv[1] : "";
    if (strcmp(mode, "squares") == 0) {
        return (struct work){.run = run_squares,
                             .output_size = sizeof(int64_t),
                             .count = number(argv[2]),
                             .chunk_count = number(argv[3])};
    }
    if (strcmp(mode, "spin") == 0) {
        struct work work = {
            .run = run_spin, .input_size = sizeof(double), .chunk_count = number(argv[3])};
        if (is_master) {
            read_durations(&work, argv[2]);
        }
        return work;
    }
    if (strcmp(mode, "copy") == 0) {
        struct work work = {
            .run = run_copy, .count = number(argv[2]), .chunk_count = 1, .inputs = NULL};
        work.input_size = (size_t)number(argv[3]);
        work.output_size = work.input_size;
        if (is_master) {
            work.inputs = take_memory((size_t)work.count, work.input_size);
            memset(work.inputs, 'x', (size_t)work.count * work.input_size);
        }
        return work;
    }
    give_up("expected: squares COUNT CHUNK, spin FILE CHUNK, or copy COUNT SIZE");
}

int main(int argc, char **argv)
{
    int rank;
    int rank_count;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &rank_count);
    struct work work = read_work(argc, argv, rank == 0);
    if (rank_count < 2) {
        give_up("expected 2 ranks or more");
    }
    if ((uint64_t)work.chunk_count * (work.input_size + work.output_size) > INT_MAX) {
        give_up("a chunk has more bytes than MPI counts");
    }
    uint8_t *outputs = rank == 0 ? take_memory((size_t)work.count, work.output_size) : NULL;
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) {
        const double seconds = master(&work, rank_count, outputs);
        check_squares(&work, outputs);
        (void)printf("count=%" PRId64 " seconds=%.6f\n", work.count, seconds);
    } else {
        work_for_master(&work);
    }
    free(work.inputs);
    free(outputs);
    MPI_Finalize();
    return 0;
}
