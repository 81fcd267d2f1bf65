#include "master/workflow_process_private.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/pack.h"
#include "shared/unpack.h"
#include "shared/workflow_port.h"

/* Of what comes back; memory ends before. */
#define ANSWER_SIZE_MAX (UINT64_C(1) << 40)

/* ---- The child --------------------------------------------------------------------------------
 */

static enum status write_all(int file, const struct buffer *bytes)
{
    for (size_t at = 0; at < bytes->size;) {
        const ssize_t size = write(file, bytes->data + at, bytes->size - at);
        if (size < 0 && errno != EINTR) {
            return STATUS_IO;
        }
        at += size > 0 ? (size_t)size : 0;
    }
    return STATUS_OK;
}

/* [status, why, what was made] */
static int answer(workflow_work *work, void *context, int file)
{
    struct buffer made = {0};
    struct buffer bytes = {0};
    struct error err = {""};
    struct pack out;
    const enum status status = work(context, &made, &err);
    pack_start(&out, &bytes);
    pack_array(&out, 3);
    pack_uint(&out, status);
    pack_bytes(&out, err.text, status == STATUS_OK ? 0 : strlen(err.text));
    pack_bytes(&out, made.data, status == STATUS_OK ? made.size : 0);
    const bool is_written = pack_finish(&out) == STATUS_OK && write_all(file, &bytes) == STATUS_OK;
    (void)fflush(stdout); /* what functions of the job have printed */
    return is_written ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- Beside it --------------------------------------------------------------------------------
 */

static enum status fail_end(int wait_status, struct error *err)
{
    if (WIFSIGNALED(wait_status)) {
        return error_set(err, STATUS_INVALID, "its process ended with SIG%s (%s)",
                         sigabbrev_np(WTERMSIG(wait_status)), strsignal(WTERMSIG(wait_status)));
    }
    return error_set(err, STATUS_INVALID, "its process ended with exit status %d",
                     WEXITSTATUS(wait_status));
}

static enum status take_answer(int file, struct buffer *out, struct error *err)
{
    struct buffer bytes = {0};
    size_t text_size = 0;
    size_t made_size = 0;
    enum status status = workflow_port_read_file(file, ANSWER_SIZE_MAX, &bytes, err);
    if (status != STATUS_OK) {
        return status;
    }
    struct unpack in = unpack_start(bytes.data, bytes.size);
    unpack_array_of(&in, 3);
    const uint64_t told = unpack_uint(&in);
    const char *text = (const char *)unpack_bin(&in, &text_size);
    const uint8_t *made = unpack_bin(&in, &made_size);
    if (!unpack_is_done(&in)) {
        status = error_set(err, STATUS_PROTOCOL, "its process did not finish its answer");
    } else if (told != STATUS_OK) {
        status = error_set(err, STATUS_INVALID, "%.*s", (int)text_size, text);
    } else if (buffer_append(out, made, made_size) != STATUS_OK) {
        status = error_set(err, STATUS_NO_MEMORY, "no memory");
    }
    buffer_free(&bytes);
    return status;
}

/* Functions of the job may have said that nobody is to wait for children: then the answer tells. */
static int wait_for(pid_t child)
{
    int wait_status = 0;
    while (waitpid(child, &wait_status, 0) < 0) {
        if (errno != EINTR) {
            return 0;
        }
    }
    return wait_status;
}

enum status workflow_apart(workflow_work *work, void *context, struct buffer *out,
                           struct error *err)
{
    const int file = memfd_create("mapfleet-answer", MFD_CLOEXEC);
    if (file < 0) {
        return error_set(err, STATUS_IO, "no memory to share with a process: %s", strerror(errno));
    }
    (void)fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        _exit(answer(work, context, file));
    }
    enum status status;
    if (child < 0) {
        status = error_set(err, STATUS_IO, "no process: %s", strerror(errno));
    } else {
        const int wait_status = wait_for(child);
        status = wait_status == 0 ? take_answer(file, out, err) : fail_end(wait_status, err);
    }
    (void)close(file);
    return status;
}
