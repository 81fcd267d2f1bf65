#include "worker/printed.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE ((size_t)4096) /* of which the first bytes are looked at */

/* ---- Pages that are not there ----------------------------------------------------------------
 */

/* What the handler needs: a signal has no other way to it. */
static const struct printed *guarded;
static struct sigaction action_before;

static uint8_t *page_of(const struct printed *printed, size_t stream)
{
    return (uint8_t *)(uintptr_t)printed->heads[stream];
}

/* The page of ours in which the address lies; NULL where it does not. */
static uint8_t *page_at(const void *address)
{
    for (size_t i = 0; guarded != NULL && i < STDIO_STREAM_COUNT; i++) {
        if ((uintptr_t)address - (uintptr_t)page_of(guarded, i) < PAGE) {
            return page_of(guarded, i);
        }
    }
    return NULL;
}

/* As if this handler were not there. A fault comes again when the handler returns. */
static void pass_on(int signal_number, siginfo_t *info, void *context)
{
    if ((action_before.sa_flags & SA_SIGINFO) != 0) {
        action_before.sa_sigaction(signal_number, info, context);
    } else if (action_before.sa_handler == SIG_DFL) {
        (void)signal(signal_number, SIG_DFL);
        if (info->si_code <= 0) {
            (void)raise(signal_number); /* somebody has sent it */
        }
    } else if (action_before.sa_handler == SIG_IGN) {
        if (info->si_code > 0) {
            (void)signal(signal_number, SIG_DFL);
        }
    } else {
        action_before.sa_handler(signal_number);
    }
}

static void on_bus_error(int signal_number, siginfo_t *info, void *context)
{
    const int reason = errno;
    uint8_t *page = info->si_code > 0 ? page_at(info->si_addr) : NULL;
    if (page != NULL && mmap(page, PAGE, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page) {
        *page = 1;
    } else {
        pass_on(signal_number, info, context);
    }
    errno = reason;
}

/* The job may have put another handler there. An attempt that does, and empties a file, ends in its
 * own handler. */
static void keep_handler(void)
{
    struct sigaction now;
    const struct sigaction ours = {.sa_sigaction = on_bus_error,
                                   .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    if (sigaction(SIGBUS, NULL, &now) == 0 &&
        ((now.sa_flags & SA_SIGINFO) == 0 || now.sa_sigaction != on_bus_error)) {
        action_before = now;
        (void)sigaction(SIGBUS, &ours, NULL);
    }
}

/* ---- The files ------------------------------------------------------------------------------ */

/* Again at the same place, where it was mapped before. */
static bool map_head(struct printed *printed, size_t stream)
{
    uint8_t *old = page_of(printed, stream);
    void *page = mmap(old, PAGE, PROT_READ, old != NULL ? MAP_SHARED | MAP_FIXED : MAP_SHARED,
                      printed->fds[stream], 0);
    if (page != MAP_FAILED) {
        printed->heads[stream] = page;
    }
    return page != MAP_FAILED;
}

/* Tasks may close any descriptor, and open another file under its number. */
static bool is_ours(const struct printed *printed, size_t stream, int fd, struct stat *about)
{
    return fstat(fd, about) == 0 && about->st_dev == printed->device &&
           about->st_ino == printed->inodes[stream];
}

/* As it was when it was emptied last. */
static bool is_untouched(const struct printed *printed, size_t stream, const struct stat *about)
{
    return about->st_size == CAPTURE_MARK_SIZE && *printed->heads[stream] == 0;
}

static bool has_mark(int fd)
{
    uint8_t mark = 1;
    return pread(fd, &mark, sizeof(mark), 0) == 1 && mark == 0;
}

static void take_lock(const struct printed *printed)
{
    uint32_t is_free = 0;
    while (!atomic_compare_exchange_weak(printed->lock, &is_free, 1)) {
        is_free = 0;
        (void)sched_yield();
    }
}

/* Of short outputs only the bytes are cleared, and the page stays mapped. */
static void empty(struct printed *printed, size_t stream)
{
    struct stat about;
    const int fd = printed->fds[stream];
    if (!is_ours(printed, stream, fd, &about) || is_untouched(printed, stream, &about)) {
        return;
    }
    if (!has_mark(fd)) {
        (void)!ftruncate(fd, 0);
    }
    (void)!ftruncate(fd, CAPTURE_MARK_SIZE);
    if (*printed->heads[stream] != 0) {
        (void)map_head(printed, stream); /* the handler has put another page there */
    }
}

static void empty_all(struct printed *printed)
{
    take_lock(printed);
    for (size_t i = 0; i < STDIO_STREAM_COUNT; i++) {
        empty(printed, i);
    }
    atomic_store(printed->lock, 0);
}

enum status printed_open(struct printed *printed, const int fds[STDIO_STREAM_COUNT],
                         _Atomic uint32_t *lock, struct error *err)
{
    static const int numbers[STDIO_STREAM_COUNT] = {STDOUT_FILENO, STDERR_FILENO};
    *printed = (struct printed){.lock = lock, .out = stdout, .err = stderr};
    bool is_open = true;
    for (size_t i = 0; i < STDIO_STREAM_COUNT && is_open; i++) {
        struct stat about;
        printed->fds[i] = fds[i];
        is_open =
            fstat(fds[i], &about) == 0 && dup2(fds[i], numbers[i]) >= 0 && map_head(printed, i);
        printed->device = about.st_dev;
        printed->inodes[i] = about.st_ino;
    }
    if (!is_open) {
        return error_set(err, STATUS_IO, "no memory for what attempts print: %s", strerror(errno));
    }
    guarded = printed;
    keep_handler();
    return STATUS_OK;
}

/* Standard error holds nothing back, unless the job has given it a buffer. */
static void flush(const struct printed *printed)
{
    (void)fflush(printed->out);
    (void)fflush(printed->err);
}

/* Gives whether nothing was printed there. */
static bool look_again(struct printed *printed, size_t stream, int number)
{
    struct stat about;
    const int fd = printed->fds[stream];
    if (is_ours(printed, stream, number, &about)) {
        return is_untouched(printed, stream, &about);
    }
    const bool is_closed = fcntl(number, F_GETFD) < 0;
    if (!is_ours(printed, stream, fd, &about)) {
        return true; /* both are lost */
    }
    if (is_closed) {
        (void)dup2(fd, number);
    }
    return is_untouched(printed, stream, &about);
}

void printed_begin(struct printed *printed)
{
    keep_handler();
    flush(printed);
    printed->is_wide = printed->out->_mode > 0;
    const bool is_out_empty = look_again(printed, STDIO_OUT, STDOUT_FILENO);
    const bool is_err_empty = look_again(printed, STDIO_ERR, STDERR_FILENO);
    if (!is_out_empty || !is_err_empty) {
        empty_all(printed);
    }
}

/* Wide streams keep their characters where no header tells: whoever looks there finds some. */
struct printed_look printed_look(const struct printed *printed)
{
    static const uint64_t some = 1;
    if (printed == NULL) {
        return (struct printed_look){.out = NULL};
    }
    return (struct printed_look){
        .heads = {printed->is_wide ? &some : printed->heads[STDIO_OUT], printed->heads[STDIO_ERR]},
        .out = printed->out};
}

void printed_drop(struct printed *printed)
{
    flush(printed);
    empty_all(printed);
}

void printed_take(struct printed *printed, uint8_t *text_out, size_t sizes_out[STDIO_STREAM_COUNT],
                  uint64_t left_out_out[STDIO_STREAM_COUNT])
{
    bool is_any = false;
    flush(printed);
    for (size_t i = 0; i < STDIO_STREAM_COUNT; i++) {
        struct stat about;
        sizes_out[i] = 0;
        left_out_out[i] = 0;
        if (is_ours(printed, i, printed->fds[i], &about) && !is_untouched(printed, i, &about)) {
            is_any = true;
            sizes_out[i] = capture_read(printed->fds[i], text_out, &left_out_out[i]);
            text_out += sizes_out[i];
        }
    }
    if (is_any) {
        empty_all(printed);
    }
}
