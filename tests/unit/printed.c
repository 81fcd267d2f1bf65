#include "worker/printed.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wchar.h>

#define PAGE ((size_t)4096)

TestSuite(printed, .timeout = 50);

/* Standard output and error of this process, which is the test's own, are captured. */
static struct printed printed;
static _Atomic uint32_t lock;
static uint8_t text[2 * CAPTURE_SIZE_MAX];
static size_t sizes[STDIO_STREAM_COUNT];

static void open_printed(void)
{
    int fds[STDIO_STREAM_COUNT];
    struct error err = {""};
    cr_assert(eq(int, capture_open(fds, &err), STATUS_OK), "%s", err.text);
    cr_assert(eq(int, printed_open(&printed, fds, &lock, &err), STATUS_OK), "%s", err.text);
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* as in an executor */
    printed_begin(&printed);
}

/* Where nobody else looks after bus errors, as sanitizers do. */
static void open_printed_alone(void)
{
    (void)signal(SIGBUS, SIG_DFL);
    open_printed();
}

static bool is_any(void)
{
    return printed_is_any(printed_look(&printed));
}

static void take(void)
{
    uint64_t left_out[STDIO_STREAM_COUNT];
    printed_take(&printed, text, sizes, left_out);
}

/* These were printed; and nothing is left of them. */
static void expect_taken(const char *out, const char *err)
{
    take();
    cr_expect(sizes[STDIO_OUT] == strlen(out) && memcmp(text, out, strlen(out)) == 0,
              "output: \"%.*s\", not \"%s\"", (int)sizes[STDIO_OUT], (const char *)text, out);
    cr_expect(sizes[STDIO_ERR] == strlen(err) &&
                  memcmp(text + sizes[STDIO_OUT], err, strlen(err)) == 0,
              "error: \"%.*s\", not \"%s\"", (int)sizes[STDIO_ERR],
              (const char *)text + sizes[STDIO_OUT], err);
    cr_expect(not(is_any()));
    take();
    cr_expect(eq(sz, sizes[STDIO_OUT] + sizes[STDIO_ERR], 0));
}

static void expect_seen(const char *out, const char *err)
{
    cr_expect(is_any(), "nothing is seen of \"%s\", \"%s\"", out, err);
    expect_taken(out, err);
}

static void put(int fd, const char *bytes)
{
    cr_assert(eq(int, (int)write(fd, bytes, strlen(bytes)), (int)strlen(bytes)));
}

/* ---- Ways to print -------------------------------------------------------------------------- */

Test(printed, who_is_silent_has_printed_nothing, .init = open_printed)
{
    cr_expect(not(is_any()));
    (void)printf("%s", "");
    cr_expect(not(is_any()));
    expect_taken("", "");
}

Test(printed, where_nothing_is_captured_nothing_is_seen)
{
    cr_expect(not(printed_is_any(printed_look(NULL))));
}

Test(printed, every_way_to_print_is_seen, .init = open_printed)
{
    (void)printf("a line\n");
    expect_seen("a line\n", "");
    (void)printf("no line");
    expect_seen("no line", "");
    put(STDOUT_FILENO, "x");
    expect_seen("x", "");
    (void)fprintf(stderr, "wrong");
    expect_seen("", "wrong");
    (void)printf("both\n");
    put(STDERR_FILENO, "of them\n");
    expect_seen("both\n", "of them\n");
    const int copy = dup(STDERR_FILENO);
    put(copy, "a copy\n");
    expect_seen("", "a copy\n");
    put(copy, "again\n");
    expect_seen("", "again\n");
    (void)close(copy);
}

Test(printed, what_children_print_is_seen, .init = open_printed)
{
    cr_assert(eq(int, system("echo one; echo two >&2"), 0));
    expect_seen("one\n", "two\n");
    cr_assert(eq(int, system("echo one; echo two >> /dev/stdout; echo three"), 0));
    expect_seen("one\ntwo\nthree\n", "");
    cr_assert(eq(int, system("echo one >&2; echo two > /dev/stderr; echo three >&2"), 0));
    expect_seen("", "two\nthree\n");
}

static void *print_in_thread(void *unused)
{
    (void)printf("thread\n");
    return unused;
}

Test(printed, what_threads_print_is_seen, .init = open_printed)
{
    pthread_t thread;
    cr_assert(eq(int, pthread_create(&thread, NULL, print_in_thread, NULL), 0));
    cr_assert(eq(int, pthread_join(thread, NULL), 0));
    expect_seen("thread\n", "");
}

Test(printed, wide_characters_are_seen, .init = open_printed)
{
    (void)wprintf(L"a line\n");
    cr_expect(is_any());
    take();
    cr_expect(eq(sz, sizes[STDIO_OUT], 7));
    (void)wprintf(L"no line");
    take();
    cr_expect(eq(sz, sizes[STDIO_OUT], 7), "by a close look");
    printed_begin(&printed);
    (void)wprintf(L"no line");
    cr_expect(is_any(), "at once, from the next batch on");
    take();
    cr_expect(eq(sz, sizes[STDIO_OUT], 7));
}

Test(printed, an_output_of_nuls_is_found_by_a_close_look, .init = open_printed)
{
    const char nuls[20] = {0};
    cr_assert(eq(int, (int)write(STDOUT_FILENO, nuls, sizeof(nuls)), 20));
    cr_expect(not(is_any()));
    take();
    cr_expect(eq(sz, sizes[STDIO_OUT], 20));
    take();
    cr_expect(eq(sz, sizes[STDIO_OUT], 0));
    put(STDOUT_FILENO, "after");
    expect_seen("after", "");
}

Test(printed, a_long_output_leaves_nothing_behind, .init = open_printed)
{
    char line[1000];
    memset(line, 'x', sizeof(line));
    for (int i = 0; i < 1000; i++) {
        cr_assert(eq(int, (int)write(STDERR_FILENO, line, sizeof(line)), (int)sizeof(line)));
    }
    cr_expect(is_any());
    printed_drop(&printed);
    cr_expect(not(is_any()));
    put(STDERR_FILENO, "after");
    expect_seen("", "after");
    cr_expect(eq(int, atomic_load(&lock), 0));
}

/* ---- Files that are emptied ------------------------------------------------------------------
 */

Test(printed, a_file_that_somebody_emptied_can_be_looked_at, .init = open_printed)
{
    for (int i = 0; i < 3; i++) {
        cr_assert(eq(int, ftruncate(STDOUT_FILENO, 0), 0));
        cr_assert(eq(int, ftruncate(STDERR_FILENO, 0), 0));
        expect_seen("", "");
        put(STDOUT_FILENO, "lost");
        cr_assert(eq(int, ftruncate(STDOUT_FILENO, 0), 0));
        put(STDERR_FILENO, "kept");
        expect_seen("", "kept");
        put(STDOUT_FILENO, "after");
        expect_seen("after", "");
    }
}

Test(printed, a_file_that_was_emptied_when_looked_at_and_then_written_to_is_right,
     .init = open_printed)
{
    cr_assert(eq(int, ftruncate(STDOUT_FILENO, 0), 0));
    cr_expect(is_any());
    put(STDOUT_FILENO, "late");
    expect_seen("late", "");
}

/* A page behind the end of a file. */
static volatile uint8_t *missing_page(void)
{
    const int file = memfd_create("short", MFD_CLOEXEC);
    cr_assert(ge(int, file, 0));
    uint8_t *page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, 0);
    cr_assert(page != MAP_FAILED);
    return page;
}

Test(printed, a_bus_error_elsewhere_ends_the_process, .init = open_printed_alone, .signal = SIGBUS)
{
    (void)*missing_page();
}

Test(printed, a_bus_error_that_is_sent_ends_the_process, .init = open_printed_alone,
     .signal = SIGBUS)
{
    (void)raise(SIGBUS);
}

static volatile sig_atomic_t own_count;

static void own_handler(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    void *page = (void *)((uintptr_t)info->si_addr / PAGE * PAGE);
    own_count++;
    (void)mmap(page, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

Test(printed, a_handler_of_the_jobs_own_gets_its_faults_and_not_ours, .init = open_printed)
{
    const struct sigaction action = {.sa_sigaction = own_handler, .sa_flags = SA_SIGINFO};
    cr_assert(eq(int, sigaction(SIGBUS, &action, NULL), 0));
    printed_begin(&printed); /* the next batch */
    (void)*missing_page();
    cr_expect(eq(int, own_count, 1));
    cr_assert(eq(int, ftruncate(STDOUT_FILENO, 0), 0));
    expect_seen("", "");
    cr_expect(eq(int, own_count, 1));
}

/* ---- Descriptors that are closed or go elsewhere ---------------------------------------------
 */

Test(printed, closed_streams_are_open_again_in_the_next_batch, .init = open_printed)
{
    (void)close(STDOUT_FILENO);
    (void)close(STDERR_FILENO);
    cr_expect(lt(int, (int)write(STDOUT_FILENO, "x", 1), 0));
    cr_expect(not(is_any()));
    printed_begin(&printed);
    put(STDOUT_FILENO, "out");
    put(STDERR_FILENO, "err");
    expect_seen("out", "err");
}

Test(printed, streams_that_go_elsewhere_stay_there, .init = open_printed)
{
    const int elsewhere = memfd_create("elsewhere", MFD_CLOEXEC);
    cr_assert(ge(int, dup2(elsewhere, STDOUT_FILENO), 0));
    (void)printf("elsewhere");
    take();
    cr_expect(eq(sz, sizes[STDIO_OUT], 0));
    printed_begin(&printed);
    put(STDOUT_FILENO, " too");
    cr_expect(not(is_any()));
    char got[32] = "";
    cr_expect(eq(int, (int)pread(elsewhere, got, sizeof(got) - 1, 0), 13));
    cr_expect(eq(str, got, (char *)"elsewhere too"));
}

Test(printed, a_file_of_the_jobs_own_under_our_number_is_not_touched, .init = open_printed)
{
    const int own = memfd_create("own", MFD_CLOEXEC);
    cr_assert(ge(int, dup2(own, printed.fds[STDIO_OUT]), 0));
    put(own, "precious");
    put(STDOUT_FILENO, "unread");
    cr_expect(is_any());
    take();
    printed_begin(&printed);
    struct stat about;
    cr_assert(eq(int, fstat(own, &about), 0));
    cr_expect(eq(int, (int)about.st_size, 8));
}
