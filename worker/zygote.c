#include "worker/zygote.h"

#include <assert.h>
#include <dirent.h>
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
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/clock.h"
#include "shared/memory.h"

#define SEND_WAIT_MS_MAX 1000
#define EXIT_ORPHANED 127

enum request_kind { REQUEST_PREPARE, REQUEST_FORK, REQUEST_SIGNAL };

/* One message from the rank. A job follows PREPARE, descriptors come beside FORK. The answers are
 * struct zygote_event as it is: both ends are the same program. */
struct request {
    enum request_kind kind;
    int signal;
    uint64_t executor;
    uint64_t fd_count;
};

union fd_message {
    struct cmsghdr head; /* for its alignment */
    char bytes[CMSG_SPACE(ZYGOTE_FD_COUNT_MAX * sizeof(int))];
};

/* ---- In both processes ------------------------------------------------------------------------
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

/* ---- The zygote: what it keeps ----------------------------------------------------------------
 */

struct executor {
    uint64_t id;
    pid_t pid; /* of its group, too */
    bool was_signalled;
};

struct server {
    struct zygote_duties duties;
    pid_t pid;
    int socket;
    int signals; /* a signalfd for SIGCHLD */

    struct executor *executors; /* that have not been reaped */
    size_t executor_count;
    size_t executor_capacity;

    /* What the rank has not taken yet. A zygote that waited for the rank to read could not read
     * itself, and the rank may be writing: so it never waits, and this may grow. */
    struct zygote_event *events;
    size_t event_first;
    size_t event_count;
    size_t event_capacity;

    pid_t *children; /* scratch */
    size_t child_count;
    size_t child_capacity;

    uint8_t *message; /* a struct request, and ZYGOTE_REQUEST_SIZE_MAX */
};

static struct executor *find_executor(struct server *server, uint64_t id)
{
    for (size_t i = 0; i < server->executor_count; i++) {
        if (server->executors[i].id == id) {
            return &server->executors[i];
        }
    }
    return NULL;
}

static struct executor *find_executor_by_pid(struct server *server, pid_t pid)
{
    for (size_t i = 0; i < server->executor_count; i++) {
        if (server->executors[i].pid == pid) {
            return &server->executors[i];
        }
    }
    return NULL;
}

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

/* ---- The zygote: its children -----------------------------------------------------------------
 */

static void add_child(struct server *server, pid_t pid)
{
    server->children = memory_grow(server->children, server->child_count, &server->child_capacity,
                                   sizeof(*server->children));
    server->children[server->child_count++] = pid;
}

static bool add_children_of_task(struct server *server, const char *task)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "/proc/self/task/%s/children", task);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    char word[32];
    while (fscanf(file, "%31s", word) == 1) {
        add_child(server, (pid_t)strtol(word, NULL, 10));
    }
    (void)fclose(file);
    return true;
}

static pid_t parent_of(const char *pid)
{
    char path[PATH_MAX];
    char line[512];
    (void)snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    const size_t size = fread(line, 1, sizeof(line) - 1, file);
    (void)fclose(file);
    line[size] = '\0';
    /* PID (NAME) STATE PARENT; a name may hold anything. */
    const char *name_end = strrchr(line, ')');
    return name_end != NULL && strlen(name_end) > 4 ? (pid_t)strtol(name_end + 4, NULL, 10) : 0;
}

/* For kernels without .../children. */
static void list_children_by_parent(struct server *server)
{
    server->child_count = 0;
    DIR *folder = opendir("/proc");
    if (folder == NULL) {
        return;
    }
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        const char first = entry->d_name[0];
        if (first >= '1' && first <= '9' && parent_of(entry->d_name) == server->pid) {
            add_child(server, (pid_t)strtol(entry->d_name, NULL, 10));
        }
    }
    (void)closedir(folder);
}

/* The children of this process, ended ones that have not been reaped included. The kernel's list
 * can miss one only while another leaves it, and ours leave it only by being reaped here. */
static void list_children(struct server *server)
{
    server->child_count = 0;
    DIR *folder = opendir("/proc/self/task");
    bool is_listed = folder != NULL;
    while (is_listed) {
        const struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            break;
        }
        is_listed = entry->d_name[0] == '.' || add_children_of_task(server, entry->d_name);
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
    if (!is_listed) {
        list_children_by_parent(server);
    }
}

/* Only for a child that has not been reaped: until then neither number can be another's. */
static void kill_with_group(pid_t pid)
{
    (void)kill(-pid, SIGKILL);
    (void)kill(pid, SIGKILL);
}

/* End what ended executors have left behind, in whatever group or session it is now.
 *
 * Executors are subreapers as well: while one lives, the orphans among its descendants become its
 * children. So a child of the zygote that is no executor descends from an executor that has ended
 * (or from prepare()), and can be killed without harm to the others.
 *
 * None escapes. What descends from such a child becomes the zygote's child when all between them
 * have ended; the last of these to end was a child of the zygote, or had one above it that has been
 * killed and is still to be reaped; and each one that is reaped leads here again. */
static void kill_orphans(struct server *server)
{
    list_children(server);
    for (size_t i = 0; i < server->child_count; i++) {
        if (find_executor_by_pid(server, server->children[i]) == NULL) {
            kill_with_group(server->children[i]);
        }
    }
}

static void on_executor_end(struct server *server, struct executor *executor, int wait_status)
{
    const struct zygote_event event = {
        .kind = ZYGOTE_ENDED,
        .executor = executor->id,
        .pid = executor->pid,
        .wait_status = wait_status,
        .was_signalled = executor->was_signalled,
    };
    *executor = server->executors[--server->executor_count];
    put_event(server, &event);
}

/* Reap all that have ended. A group is killed while its ended leader still holds the number. */
static void reap(struct server *server)
{
    bool has_reaped = false;
    for (;;) {
        siginfo_t info = {.si_pid = 0};
        int wait_status = 0;
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) {
            break;
        }
        (void)kill(-info.si_pid, SIGKILL);
        if (waitpid(info.si_pid, &wait_status, 0) != info.si_pid) {
            break;
        }
        has_reaped = true;
        struct executor *executor = find_executor_by_pid(server, info.si_pid);
        if (executor != NULL) {
            on_executor_end(server, executor, wait_status);
        }
    }
    if (has_reaped) {
        kill_orphans(server);
    }
}

static void on_child_signal(struct server *server)
{
    struct signalfd_siginfo info;
    while (read(server->signals, &info, sizeof(info)) > 0) {
    }
    reap(server);
}

/* Kill and reap until no child is left: see kill_orphans() for why none escapes. */
static void end_everything(struct server *server)
{
    do {
        list_children(server);
        for (size_t i = 0; i < server->child_count; i++) {
            kill_with_group(server->children[i]);
        }
    } while (waitpid(-1, NULL, 0) > 0 || errno != ECHILD);
}

/* ---- The zygote: requests ---------------------------------------------------------------------
 */

static void keep_child_signal(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigprocmask(SIG_SETMASK, &set, NULL);
    (void)signal(SIGCHLD, SIG_DFL);
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
        end_everything(watch->server);
        _exit(EXIT_SUCCESS);
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
    (void)eventfd_write(watch->stop, 1);
    (void)pthread_join(watch->thread, NULL);
    (void)close(watch->stop);
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
    keep_child_signal(); /* a job that is loaded may have changed it */
    put_event(server, &event);
}

/* Signals are blocked until their dispositions are the default, so that none is lost that the rank
 * sends early: what is blocked is kept, even where it is ignored. */
static _Noreturn void become_executor(const struct server *server, const int *fds, size_t fd_count)
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
    _exit(server->duties.run(server->duties.context, fds, fd_count));
}

static enum status fork_executor(struct server *server, uint64_t id, const int *fds,
                                 size_t fd_count, pid_t *pid_out, struct error *err)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &before);
    const pid_t pid = fork();
    if (pid == 0) {
        become_executor(server, fds, fd_count);
    }
    const int code = errno;
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid < 0) {
        return error_set(err, STATUS_IO, "cannot fork an executor: %s", strerror(code));
    }
    (void)setpgid(pid, pid); /* whichever of the two is first */
    server->executors = memory_grow(server->executors, server->executor_count,
                                    &server->executor_capacity, sizeof(*server->executors));
    server->executors[server->executor_count++] = (struct executor){.id = id, .pid = pid};
    *pid_out = pid;
    return STATUS_OK;
}

static void on_fork(struct server *server, const struct request *request, const int *fds,
                    size_t fd_count)
{
    struct zygote_event event = {.kind = ZYGOTE_FORKED, .executor = request->executor};
    if (fd_count != request->fd_count) {
        event.status = error_set(&event.error, STATUS_LIMIT,
                                 "the zygote cannot open more descriptors for executors");
    } else if (find_executor(server, request->executor) != NULL) {
        event.status = error_set(&event.error, STATUS_EXISTS, "an executor has this number");
    } else {
        event.status =
            fork_executor(server, request->executor, fds, fd_count, &event.pid, &event.error);
    }
    put_event(server, &event);
}

static void on_signal(struct server *server, const struct request *request)
{
    reap(server); /* an executor that has ended by itself was not signalled */
    struct executor *executor = find_executor(server, request->executor);
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
    struct request request;
    if (size < sizeof(request)) {
        return;
    }
    memcpy(&request, server->message, sizeof(request));
    switch (request.kind) {
    case REQUEST_PREPARE:
        on_prepare(server, server->message + sizeof(request), size - sizeof(request));
        break;
    case REQUEST_FORK:
        on_fork(server, &request, fds, fd_count);
        break;
    case REQUEST_SIGNAL:
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
    union fd_message rights;
    int fds[ZYGOTE_FD_COUNT_MAX];
    struct iovec part = {.iov_base = server->message,
                         .iov_len = sizeof(struct request) + ZYGOTE_REQUEST_SIZE_MAX};
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

/* ---- The zygote: its beginning and end --------------------------------------------------------
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

static _Noreturn void become_zygote(const struct zygote_duties *duties, int socket)
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
    server.message = memory_take(1, sizeof(struct request) + ZYGOTE_REQUEST_SIZE_MAX);
    serve(&server);
    (void)close(server.socket);
    (void)close(server.signals);
    end_everything(&server);
    _exit(EXIT_SUCCESS);
}

/* ---- The rank ---------------------------------------------------------------------------------
 */

struct zygote {
    pid_t pid;
    int socket;
    bool is_gone;
};

enum status zygote_create(const struct zygote_duties *duties, struct zygote **zygote_out,
                          struct error *err)
{
    struct zygote *zygote = memory_take(1, sizeof(*zygote));
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
        const enum status status =
            error_set(err, STATUS_IO, "cannot open a socket: %s", strerror(errno));
        free(zygote);
        return status;
    }
    (void)fflush(NULL); /* what is buffered is not the zygote's to write */
    zygote->socket = sockets[0];
    zygote->pid = fork();
    if (zygote->pid == 0) {
        become_zygote(duties, sockets[1]);
    }
    const int code = errno;
    (void)close(sockets[1]);
    if (zygote->pid < 0) {
        (void)close(sockets[0]);
        free(zygote);
        return error_set(err, STATUS_IO, "cannot fork a zygote: %s", strerror(code));
    }
    *zygote_out = zygote;
    return STATUS_OK;
}

void zygote_destroy(struct zygote *zygote)
{
    if (zygote == NULL) {
        return;
    }
    (void)close(zygote->socket);
    while (waitpid(zygote->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    free(zygote);
}

static enum status gone(struct zygote *zygote, struct error *err)
{
    zygote->is_gone = true;
    return error_set(err, STATUS_IO, "the process that forks executors has ended");
}

/* Wait until the zygote has read something. It always does, unless it is loading a job. */
static enum status wait_for_room(struct zygote *zygote, uint64_t deadline_us, struct error *err)
{
    const uint64_t now_us = clock_us();
    if (now_us >= deadline_us) {
        return error_set(err, STATUS_LIMIT, "too many requests wait for the zygote");
    }
    struct pollfd fd = {.fd = zygote->socket, .events = POLLOUT};
    (void)poll(&fd, 1, (int)((deadline_us - now_us) / 1000) + 1);
    return STATUS_OK;
}

static enum status send_message(struct zygote *zygote, const struct msghdr *head, struct error *err)
{
    const uint64_t deadline_us = clock_us() + (uint64_t)SEND_WAIT_MS_MAX * 1000;
    enum status status = zygote->is_gone ? gone(zygote, err) : STATUS_OK;
    while (status == STATUS_OK) {
        if (sendmsg(zygote->socket, head, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
            return STATUS_OK;
        }
        if (errno == EAGAIN) {
            status = wait_for_room(zygote, deadline_us, err);
        } else if (errno == EPIPE || errno == ECONNRESET) {
            status = gone(zygote, err);
        } else if (errno != EINTR) {
            status = error_set(err, STATUS_IO, "request to the zygote: %s", strerror(errno));
        }
    }
    return status;
}

/* `bytes` follow the request. */
static enum status send_request(struct zygote *zygote, struct request request, struct iovec bytes,
                                struct error *err)
{
    struct iovec parts[] = {{.iov_base = &request, .iov_len = sizeof(request)}, bytes};
    const struct msghdr head = {.msg_iov = parts, .msg_iovlen = 2};
    return send_message(zygote, &head, err);
}

enum status zygote_prepare(struct zygote *zygote, const void *request, size_t size,
                           struct error *err)
{
    if (size > ZYGOTE_REQUEST_SIZE_MAX) {
        return error_set(err, STATUS_LIMIT, "a job's request of %zu bytes; at most %u are possible",
                         size, ZYGOTE_REQUEST_SIZE_MAX);
    }
    union {
        const void *given;
        void *taken; /* sendmsg() only reads, but struct iovec has no const */
    } bytes = {.given = request};
    return send_request(zygote, (struct request){.kind = REQUEST_PREPARE},
                        (struct iovec){.iov_base = bytes.taken, .iov_len = size}, err);
}

enum status zygote_fork(struct zygote *zygote, uint64_t executor, const int *fds, size_t fd_count,
                        struct error *err)
{
    assert(fd_count <= ZYGOTE_FD_COUNT_MAX);
    struct request request = {.kind = REQUEST_FORK, .executor = executor, .fd_count = fd_count};
    struct iovec part = {.iov_base = &request, .iov_len = sizeof(request)};
    struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1};
    union fd_message rights = {.bytes = {0}};
    if (fd_count > 0) {
        head.msg_control = &rights;
        head.msg_controllen = CMSG_SPACE(fd_count * sizeof(*fds));
        struct cmsghdr *control = CMSG_FIRSTHDR(&head);
        control->cmsg_level = SOL_SOCKET;
        control->cmsg_type = SCM_RIGHTS;
        control->cmsg_len = CMSG_LEN(fd_count * sizeof(*fds));
        memcpy(CMSG_DATA(control), fds, fd_count * sizeof(*fds));
    }
    return send_message(zygote, &head, err);
}

enum status zygote_signal(struct zygote *zygote, uint64_t executor, int signal, struct error *err)
{
    const struct request request = {.kind = REQUEST_SIGNAL, .signal = signal, .executor = executor};
    return send_request(zygote, request, (struct iovec){.iov_len = 0}, err);
}

int zygote_descriptor(const struct zygote *zygote)
{
    return zygote->socket;
}

enum status zygote_take_event(struct zygote *zygote, struct zygote_event *event_out,
                              bool *is_event_out, struct error *err)
{
    ssize_t size = 0;
    *is_event_out = false;
    if (zygote->is_gone) {
        return gone(zygote, err);
    }
    do {
        size = recv(zygote->socket, event_out, sizeof(*event_out), MSG_DONTWAIT);
    } while (size < 0 && errno == EINTR);
    if (size < 0 && errno == EAGAIN) {
        return STATUS_OK;
    }
    if (size <= 0) {
        return gone(zygote, err);
    }
    if (size != sizeof(*event_out) || event_out->kind > ZYGOTE_ENDED) {
        return error_set(err, STATUS_PROTOCOL, "an event of the zygote makes no sense");
    }
    event_out->error.text[sizeof(event_out->error.text) - 1] = '\0';
    *is_event_out = true;
    return STATUS_OK;
}
