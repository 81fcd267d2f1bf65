#include "worker/zygote_private.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/memory.h"
#include "worker/children.h"

#define EXIT_ORPHANED 127

/* ---- Descriptors and signals, here and in executors -------------------------------------------
 */

static void close_between(unsigned first, unsigned last)
{
    if (first > last || close_range(first, last, 0) == 0) {
        return;
    }
    /* An old kernel, or a container that forbids the call. */
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    for (rlim_t fd = first; fd < limit.rlim_cur && fd <= last; fd++) {
        (void)close((int)fd);
    }
}

static int compare_fds(const void *a, const void *b)
{
    const int left = *(const int *)a;
    const int right = *(const int *)b;
    return (left > right) - (left < right);
}

/* Close every descriptor but 0, 1, 2 and these, all of which are 3 or more. */
static void close_others(const int *fds, size_t fd_count)
{
    int sorted[ZYGOTE_FD_COUNT_MAX];
    assert(fd_count <= ZYGOTE_FD_COUNT_MAX);
    for (size_t i = 0; i < fd_count; i++) {
        assert(fds[i] > STDERR_FILENO);
        sorted[i] = fds[i];
    }
    qsort(sorted, fd_count, sizeof(*sorted), compare_fds);

    unsigned first = STDERR_FILENO + 1;
    for (size_t i = 0; i < fd_count; i++) {
        close_between(first, (unsigned)sorted[i] - 1);
        first = (unsigned)sorted[i] + 1;
    }
    close_between(first, UINT_MAX);
}

/* What a terminal, mpirun or a batch system may send; the end of the socket alone ends a zygote. */
static const int ignored_signals[] = {SIGHUP, SIGINT, SIGPIPE, SIGTERM, SIGUSR1, SIGUSR2, SIGXFSZ};

static void set_ignored_signals(void (*disposition)(int))
{
    for (size_t i = 0; i < sizeof(ignored_signals) / sizeof(*ignored_signals); i++) {
        (void)signal(ignored_signals[i], disposition);
    }
}

/* ---- What it keeps ----------------------------------------------------------------------------
 */

struct server {
    struct zygote_duties duties;
    pid_t pid;
    int socket;
    int signals;              /* a signalfd for SIGCHLD */
    struct children children; /* executors */

    /* What the rank has not taken yet. A zygote that waited for the rank to read could not read
     * itself, and the rank may be writing: so it never waits, and this may grow. */
    struct zygote_event *events;
    size_t event_first;
    size_t event_count;
    size_t event_capacity;

    uint8_t *message; /* a struct zygote_request, and ZYGOTE_MESSAGE_SIZE_MAX */
};

static void put_event(struct server *server, const struct zygote_event *event)
{
    if (server->event_first > 0 && server->event_count == server->event_capacity) {
        server->event_count -= server->event_first;
        memmove(server->events, server->events + server->event_first,
                server->event_count * sizeof(*server->events));
        server->event_first = 0;
    }
    server->events = memory_grow(server->events, server->event_count, &server->event_capacity,
                                 sizeof(*server->events));
    server->events[server->event_count++] = *event;
}

static bool has_events(const struct server *server)
{
    return server->event_first < server->event_count;
}

static void send_events(struct server *server)
{
    while (has_events(server)) {
        if (send(server->socket, &server->events[server->event_first], sizeof(*server->events),
                 MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
            if (errno == EINTR) {
                continue;
            }
            return; /* full; or the rank has gone, which the next receive tells */
        }
        server->event_first++;
    }
    server->event_first = 0;
    server->event_count = 0;
}

static void on_executor_end(void *context, const struct child *executor, int wait_status)
{
    const struct zygote_event event = {
        .kind = ZYGOTE_ENDED,
        .executor = executor->id,
        .pid = executor->pid,
        .wait_status = wait_status,
        .was_signalled = executor->was_signalled,
    };
    put_event(context, &event);
}

static void reap(struct server *server)
{
    children_reap(&server->children, on_executor_end, server);
}

static void on_child_signal(struct server *server)
{
    struct signalfd_siginfo info;
    while (read(server->signals, &info, sizeof(info)) > 0) {
    }
    reap(server);
}

/* ---- Requests ---------------------------------------------------------------------------------
 */

static void keep_child_signal(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigprocmask(SIG_SETMASK, &set, NULL);
    (void)signal(SIGCHLD, SIG_DFL);
}

static _Noreturn void leave(struct server *server, int exit_status)
{
    children_end_all(&server->children);
    if (server->duties.leave != NULL) {
        server->duties.leave(server->duties.context);
    }
    _exit(exit_status);
}

/* Loading a job runs code that may hang, and the zygote must not outlive its rank for it. So while
 * it loads, a thread looks for the end of the socket; at every fork the zygote has one thread. */
struct watch {
    struct server *server;
    int stop; /* an eventfd */
    pthread_t thread;
};

static void *watch_socket(void *context)
{
    const struct watch *watch = context;
    struct pollfd fds[] = {{.fd = watch->server->socket}, {.fd = watch->stop, .events = POLLIN}};
    while (poll(fds, 2, -1) < 0) {
    }
    if (fds[0].revents != 0) {
        leave(watch->server, (fds[0].revents & POLLNVAL) != 0 ? ZYGOTE_EXIT_CUT_OFF : EXIT_SUCCESS);
    }
    return NULL;
}

static enum status watch_begin(struct watch *watch, struct error *err)
{
    watch->stop = eventfd(0, EFD_CLOEXEC);
    if (watch->stop < 0) {
        return error_set(err, STATUS_IO, "cannot open an eventfd: %s", strerror(errno));
    }
    const int code = pthread_create(&watch->thread, NULL, watch_socket, watch);
    if (code != 0) {
        (void)close(watch->stop);
        return error_set(err, STATUS_IO, "cannot start a thread: %s", strerror(code));
    }
    return STATUS_OK;
}

static void watch_end(const struct watch *watch)
{
    if (eventfd_write(watch->stop, 1) != 0) {
        leave(watch->server, ZYGOTE_EXIT_CUT_OFF); /* the job has closed what it does not own */
    }
    (void)pthread_join(watch->thread, NULL);
    (void)close(watch->stop);
}

/* A job that is loaded may have changed them. */
static void set_own_signals(void)
{
    set_ignored_signals(SIG_IGN);
    keep_child_signal();
}

static void on_prepare(struct server *server, const void *job, size_t size)
{
    struct zygote_event event = {.kind = ZYGOTE_PREPARED};
    struct watch watch = {.server = server};
    event.status = watch_begin(&watch, &event.error);
    if (event.status == STATUS_OK) {
        event.status = server->duties.prepare(server->duties.context, job, size, &event.error);
        watch_end(&watch);
    }
    set_own_signals();
    put_event(server, &event);
}

static void prepare_from_file(struct server *server, const int *fds, size_t fd_count)
{
    struct stat about;
    struct zygote_event event = {.kind = ZYGOTE_PREPARED};
    void *job = MAP_FAILED;
    if (fd_count == 1 && fstat(fds[0], &about) == 0 && about.st_size > 0) {
        job = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, fds[0], 0);
    }
    if (job == MAP_FAILED) {
        event.status = error_set(&event.error, STATUS_NO_MEMORY, "no memory to load a job with");
        put_event(server, &event);
        return;
    }
    on_prepare(server, job, (size_t)about.st_size);
    (void)munmap(job, (size_t)about.st_size);
}

/* Standard output and error. */
static void print_to(int fd)
{
    (void)fflush(NULL);
    (void)dup2(fd, STDOUT_FILENO);
    (void)dup2(fd, STDERR_FILENO);
}

static enum status describe(struct server *server, const void *job, size_t size, const int *fds,
                            struct error *err)
{
    struct watch watch = {.server = server};
    enum status status = watch_begin(&watch, err);
    if (status == STATUS_OK) {
        print_to(fds[ZYGOTE_PRINTS]);
        status =
            server->duties.describe(server->duties.context, job, size, fds[ZYGOTE_ANSWER], err);
        print_to(STDIN_FILENO); /* the null device */
        watch_end(&watch);
    }
    return status;
}

static void on_describe(struct server *server, const void *job, size_t size, const int *fds,
                        size_t fd_count)
{
    struct zygote_event event = {.kind = ZYGOTE_DESCRIBED};
    event.status = fd_count == ZYGOTE_DESCRIBE_FD_COUNT && server->duties.describe != NULL
                       ? describe(server, job, size, fds, &event.error)
                       : error_set(&event.error, STATUS_LIMIT, "the zygote cannot tell of a job");
    set_own_signals();
    put_event(server, &event);
}

/* Signals are blocked until their dispositions are the default, so that none is lost that the rank
 * sends early: what is blocked is kept, even where it is ignored. */
static _Noreturn void become_executor(const struct server *server, uint32_t slot, const int *fds,
                                      size_t fd_count)
{
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1ul, 0ul, 0ul, 0ul);
    (void)prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL, 0ul, 0ul, 0ul);
    if (getppid() != server->pid) {
        _exit(EXIT_ORPHANED); /* the zygote had ended before the line above */
    }
    close_others(fds, fd_count);
    set_ignored_signals(SIG_DFL);
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    _exit(server->duties.run(server->duties.context, slot, fds, fd_count));
}

static enum status fork_executor(struct server *server, const struct zygote_request *request,
                                 const int *fds, pid_t *pid_out, struct error *err)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &before);
    const pid_t pid = fork();
    if (pid == 0) {
        become_executor(server, request->slot, fds, (size_t)request->fd_count);
    }
    const int code = errno;
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid < 0) {
        return error_set(err, STATUS_IO, "cannot fork an executor: %s", strerror(code));
    }
    (void)setpgid(pid, pid); /* whichever of the two is first */
    children_add(&server->children, request->executor, pid);
    *pid_out = pid;
    return STATUS_OK;
}

static void on_fork(struct server *server, const struct zygote_request *request, const int *fds,
                    size_t fd_count)
{
    struct zygote_event event = {.kind = ZYGOTE_FORKED, .executor = request->executor};
    if (fd_count != request->fd_count) {
        event.status = error_set(&event.error, STATUS_LIMIT,
                                 "the zygote cannot open more descriptors for executors");
    } else if (children_find(&server->children, request->executor) != NULL) {
        event.status = error_set(&event.error, STATUS_EXISTS, "an executor has this number");
    } else {
        event.status = fork_executor(server, request, fds, &event.pid, &event.error);
    }
    put_event(server, &event);
}

static void on_signal(struct server *server, const struct zygote_request *request)
{
    reap(server); /* an executor that has ended by itself was not signalled */
    struct child *executor = children_find(&server->children, request->executor);
    if (executor == NULL) {
        return;
    }
    (void)kill(-executor->pid, request->signal);
    if (request->signal == SIGKILL) {
        executor->was_signalled = true;
    }
}

static void on_request(struct server *server, size_t size, const int *fds, size_t fd_count)
{
    struct zygote_request request;
    if (size < sizeof(request)) {
        return;
    }
    memcpy(&request, server->message, sizeof(request));
    switch (request.kind) {
    case ZYGOTE_DESCRIBE:
        on_describe(server, server->message + sizeof(request), size - sizeof(request), fds,
                    fd_count);
        break;
    case ZYGOTE_PREPARE:
        if (request.is_in_file) {
            prepare_from_file(server, fds, fd_count);
        } else {
            on_prepare(server, server->message + sizeof(request), size - sizeof(request));
        }
        break;
    case ZYGOTE_FORK:
        on_fork(server, &request, fds, fd_count);
        break;
    case ZYGOTE_SIGNAL:
        on_signal(server, &request);
        break;
    }
}

static size_t received_fds(struct msghdr *head, int *fds)
{
    const struct cmsghdr *rights = CMSG_FIRSTHDR(head);
    if (rights == NULL || rights->cmsg_level != SOL_SOCKET || rights->cmsg_type != SCM_RIGHTS) {
        return 0;
    }
    const size_t size = rights->cmsg_len - CMSG_LEN(0);
    memcpy(fds, CMSG_DATA(rights), size);
    return size / sizeof(*fds);
}

/* Take one request, if there is one. False at the end of the socket. */
static bool take_request(struct server *server)
{
    union zygote_fd_message rights;
    int fds[ZYGOTE_FD_COUNT_MAX];
    struct iovec part = {.iov_base = server->message,
                         .iov_len = sizeof(struct zygote_request) + ZYGOTE_MESSAGE_SIZE_MAX};
    struct msghdr head = {.msg_iov = &part,
                          .msg_iovlen = 1,
                          .msg_control = &rights,
                          .msg_controllen = sizeof(rights)};
    const ssize_t size = recvmsg(server->socket, &head, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    if (size == 0) {
        return false;
    }
    const size_t fd_count = received_fds(&head, fds);
    on_request(server, (size_t)size, fds, fd_count);
    for (size_t i = 0; i < fd_count; i++) {
        (void)close(fds[i]);
    }
    return true;
}

static void serve(struct server *server)
{
    bool is_open = true;
    while (is_open) {
        struct pollfd fds[] = {
            {.fd = server->socket, .events = has_events(server) ? POLLIN | POLLOUT : POLLIN},
            {.fd = server->signals, .events = POLLIN},
        };
        if (poll(fds, 2, -1) < 0) {
            continue; /* interrupted */
        }
        if (fds[1].revents != 0) {
            on_child_signal(server);
        }
        if ((fds[0].revents & ~POLLOUT) != 0) {
            is_open = take_request(server);
        }
        send_events(server);
    }
}

/* ---- Beginning and end ------------------------------------------------------------------------
 */

static void set_signals(void)
{
    for (int number = 1; number <= SIGRTMAX; number++) {
        (void)signal(number, SIG_DFL); /* fails for some, that have no other */
    }
    set_ignored_signals(SIG_IGN);
    keep_child_signal();
}

/* Leave nothing open but the socket. Gives its new number, since it may have been below 3. */
static int keep_socket(int socket)
{
    const int kept = fcntl(socket, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (kept < 0 || null < 0) {
        return -1;
    }
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        /* dup2() onto itself would leave close-on-exec set. */
        if (fd == null ? fcntl(fd, F_SETFD, 0) < 0 : dup2(null, fd) < 0) {
            return -1;
        }
    }
    close_others(&kept, 1);
    return kept;
}

_Noreturn void zygote_serve(const struct zygote_duties *duties, int socket)
{
    struct server server = {.duties = *duties, .pid = getpid(), .signals = -1};
    (void)setsid();
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1ul, 0ul, 0ul, 0ul);
    set_signals();
    server.socket = keep_socket(socket);
    if (server.socket >= 0) {
        sigset_t set;
        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGCHLD);
        server.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    }
    if (server.signals < 0) {
        _exit(EXIT_FAILURE); /* the rank finds the socket ended */
    }
    server.message = memory_take(1, sizeof(struct zygote_request) + ZYGOTE_MESSAGE_SIZE_MAX);
    serve(&server);
    const int exit_status = fcntl(server.socket, F_GETFD) < 0 ? ZYGOTE_EXIT_CUT_OFF : EXIT_SUCCESS;
    (void)close(server.socket);
    (void)close(server.signals);
    leave(&server, exit_status);
}
