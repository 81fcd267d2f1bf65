#include "master/printer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "master/index_set.h"
#include "master/outputs.h"
#include "master/print_order.h"
#include "master/print_queue.h"
#include "shared/arena.h"
#include "shared/buffer.h"
#include "shared/log.h"
#include "shared/lz4_frame.h"
#include "shared/memory.h"
#include "shared/pack.h"
#include "shared/unpack.h"
#include "shared/value.h"

#define WRITE_SIZE_GOAL ((size_t)64 << 10)

enum entry_kind { ENTRY_BATCH, ENTRY_PASS, ENTRY_DEFER, ENTRY_END };

struct printer {
    struct printer_options options;
    char *run_dir;
    struct print_queue *queue;
    pthread_t thread;
    bool is_ended;
    struct buffer entry; /* that is put next */
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool is_done; /* the thread is at its end */
    /* Of the thread: */
    struct print_order *order; /* NULL where printing is live */
    struct outputs *outputs;   /* of the record; NULL: not opened */
    struct arena arena;
    struct buffer out;  /* to be written */
    struct buffer text; /* of an output */
    struct buffer outputs_of_batch;
    bool is_closed; /* nobody reads */
    bool is_lost;   /* something could not be written, or read */
};

/* ---- Writing ----------------------------------------------------------------------------------
 */

static void lose(struct printer *printer, const char *why)
{
    if (!printer->is_lost) {
        log_warning("not all that was printed reaches standard output: %s", why);
    }
    printer->is_lost = true;
}

static void flush(struct printer *printer)
{
    size_t at = 0;
    while (at < printer->out.size && !printer->is_closed) {
        const ssize_t count =
            write(printer->options.file, printer->out.data + at, printer->out.size - at);
        if (count < 0 && errno != EINTR && errno != EAGAIN) {
            printer->is_closed = true;
            if (errno != EPIPE) {
                lose(printer, strerror(errno));
            }
        }
        if (count < 0 && errno == EAGAIN) {
            (void)usleep(1000); /* somebody has made it so that it does not wait */
        }
        at += count > 0 ? (size_t)count : 0;
    }
    buffer_clear(&printer->out);
}

static void print(struct printer *printer, const uint8_t *text, size_t size)
{
    if (size > 0 && !printer->is_closed && buffer_append(&printer->out, text, size) != STATUS_OK) {
        lose(printer, "no memory for it");
    }
    if (printer->out.size >= WRITE_SIZE_GOAL) {
        flush(printer);
    }
}

/* ---- Texts of outputs -------------------------------------------------------------------------
 */

static bool ends_a_line(const struct buffer *text)
{
    return text->size > 0 && text->data[text->size - 1] == '\n';
}

/* Into printer->text: a string as it is, anything else as JSON, and one newline; nothing for null.
 * Bytes may have theirs. */
static void make_text(struct printer *printer, const uint8_t *packed, size_t size)
{
    mf_value value;
    struct error err;
    size_t used;
    buffer_clear(&printer->text);
    arena_reset(&printer->arena);
    if (printer->options.has_files) {
        return;
    }
    enum status status = value_decode(&printer->arena, packed, size, &used, &value, &err);
    if (status == STATUS_OK && mf_kind_of(&value) == MF_NULL) {
        return;
    }
    if (status == STATUS_OK) {
        status = mf_kind_of(&value) == MF_BYTES
                     ? buffer_append(&printer->text, mf_bytes(&value), mf_size(&value))
                     : value_to_text(&value, &printer->text);
    }
    if (status == STATUS_OK && (mf_kind_of(&value) != MF_BYTES || !ends_a_line(&printer->text))) {
        status = buffer_append_byte(&printer->text, '\n');
    }
    if (status != STATUS_OK) {
        buffer_clear(&printer->text);
        lose(printer, "an output cannot be read");
    }
}

static void make_recorded_text(struct printer *printer, uint64_t index)
{
    struct error err;
    const uint8_t *data = NULL;
    size_t size = 0;
    enum status status = STATUS_OK;
    buffer_clear(&printer->text);
    if (printer->outputs == NULL) {
        status = outputs_open(printer->run_dir, 0, printer->options.size, &printer->outputs, &err);
    }
    if (status == STATUS_OK) {
        status = outputs_get(printer->outputs, index, &data, &size, &err);
    }
    if (status != STATUS_OK) {
        lose(printer, err.text);
    } else if (data != NULL) {
        make_text(printer, data, size);
    }
}

/* ---- Order ------------------------------------------------------------------------------------
 */

static void print_due(struct printer *printer)
{
    struct buffer text = {0};
    uint64_t index;
    bool is_elsewhere;
    while (print_order_next(printer->order, &text, &index, &is_elsewhere)) {
        if (is_elsewhere) {
            make_recorded_text(printer, index);
            print(printer, printer->text.data, printer->text.size);
        } else {
            print(printer, text.data, text.size);
        }
    }
    buffer_free(&text);
}

/* The text of an instance that has ended. */
static void take_text(struct printer *printer, uint64_t index, const uint8_t *text, size_t size)
{
    if (printer->order == NULL) {
        print(printer, text, size);
    } else {
        print_order_put(printer->order, index, text, size);
    }
}

/* ---- Entries ----------------------------------------------------------------------------------
 */

static void put_entry(struct printer *printer, struct pack *pack)
{
    if (pack_finish(pack) == STATUS_OK) {
        print_queue_put(printer->queue, &printer->entry);
    } else {
        log_warning("no memory for what attempts print: some of it is left out");
    }
    buffer_clear(&printer->entry);
}

static struct pack begin_entry(struct printer *printer, enum entry_kind kind, size_t item_count)
{
    struct pack pack;
    pack_start(&pack, &printer->entry);
    pack_array(&pack, item_count);
    pack_uint(&pack, kind);
    return pack;
}

static void put_range(struct printer *printer, enum entry_kind kind, uint64_t start, uint64_t count)
{
    struct pack pack = begin_entry(printer, kind, 3);
    pack_uint(&pack, start);
    pack_uint(&pack, count);
    put_entry(printer, &pack);
}

void printer_recorded(struct printer *printer, const struct index_set *set, bool has_output)
{
    uint64_t start;
    uint64_t count;
    if (!printer->options.is_ordered) {
        return;
    }
    for (uint64_t from = 0; index_set_next_run(set, from, UINT64_MAX, &start, &count);
         from = start + count) {
        put_range(printer, has_output ? ENTRY_DEFER : ENTRY_PASS, start, count);
    }
}

void printer_pass(struct printer *printer, uint64_t index)
{
    if (printer->options.is_ordered) {
        put_range(printer, ENTRY_PASS, index, 1);
    }
}

void printer_batch(struct printer *printer, const struct report_batch *batch,
                   const uint8_t *is_final)
{
    const size_t failure_count = (size_t)(batch->instance_count - batch->success_count);
    const size_t bits_size =
        batch->success_bits != NULL ? (size_t)((batch->instance_count + 7) / 8) : 0;
    struct pack pack = begin_entry(printer, ENTRY_BATCH, 6);
    pack_spans(&pack, batch->spans, batch->span_count);
    pack_bytes(&pack, batch->success_bits, bits_size);
    pack_bytes(&pack, is_final, is_final != NULL ? failure_count : 0);
    pack_bytes(&pack, batch->frame, batch->frame_size);
    pack_bytes(&pack, batch->prints, batch->prints_size);
    put_entry(printer, &pack);
}

/* A batch as it was put: it is our own, but for the two streams, which workers have made. */
struct batch_reader {
    struct unpack spans;
    uint32_t span_count;
    const uint8_t *bits; /* NULL: all succeeded */
    const uint8_t *is_final;
    size_t final_count;
    const uint8_t *frame;
    size_t frame_size;
    struct unpack prints;
    /* Where it stands: */
    uint64_t at;
    size_t failed;
    size_t outputs_at;
    bool is_decoded;
};

/* The next output of the batch, into printer->text where it is wanted. */
static void next_output(struct printer *printer, struct batch_reader *reader, bool is_wanted)
{
    size_t used = 0;
    if (!reader->is_decoded) {
        reader->is_decoded = true;
        buffer_clear(&printer->outputs_of_batch);
        if (lz4_frame_decompress(reader->frame, reader->frame_size, SIZE_MAX / 4,
                                 &printer->outputs_of_batch) != STATUS_OK) {
            lose(printer, "the outputs of a batch cannot be decoded");
        }
    }
    const struct buffer *outputs = &printer->outputs_of_batch;
    const size_t left = outputs->size - reader->outputs_at;
    buffer_clear(&printer->text);
    if (value_skip(outputs->data + reader->outputs_at, left, &used) != STATUS_OK) {
        return;
    }
    if (is_wanted) {
        make_text(printer, outputs->data + reader->outputs_at, used);
    }
    reader->outputs_at += used;
}

static void take_instance(struct printer *printer, struct batch_reader *reader, uint64_t index)
{
    const uint64_t at = reader->at++;
    const bool has_succeeded = reader->bits == NULL || (reader->bits[at / 8] >> (at % 8) & 1) != 0;
    const bool is_said = unpack_left(&reader->prints) > 0 && !unpack_nil(&reader->prints);
    size_t size = 0;
    const uint8_t *text = is_said ? unpack_bin(&reader->prints, &size) : NULL;
    if (has_succeeded) {
        next_output(printer, reader, !is_said);
        take_text(printer, index, is_said ? text : printer->text.data,
                  is_said ? size : printer->text.size);
        return;
    }
    const size_t failed = reader->failed++;
    if (failed < reader->final_count && reader->is_final[failed] != 0) {
        take_text(printer, index, text, size);
    }
}

static void take_batch(struct printer *printer, struct unpack *in)
{
    size_t bits_size;
    size_t prints_size;
    struct batch_reader reader = {.at = 0};
    reader.spans = *in;
    reader.span_count = unpack_array(&reader.spans);
    unpack_skip(in);
    reader.bits = unpack_bin(in, &bits_size);
    reader.bits = bits_size > 0 ? reader.bits : NULL;
    reader.is_final = unpack_bin(in, &reader.final_count);
    reader.frame = unpack_bin(in, &reader.frame_size);
    const uint8_t *prints = unpack_bin(in, &prints_size);
    reader.prints = unpack_start(prints, prints_size);
    for (uint32_t i = 0; i < reader.span_count && !in->failed; i++) {
        unpack_array_of(&reader.spans, 3);
        const uint64_t start = unpack_uint(&reader.spans);
        const uint64_t count = unpack_uint(&reader.spans);
        (void)unpack_uint(&reader.spans);
        for (uint64_t k = 0; k < count; k++) {
            take_instance(printer, &reader, start + k);
        }
    }
}

/* What has ended is printed, whatever is before it: that never ends. */
static void take_end(struct printer *printer, bool has_verdict)
{
    while (printer->order != NULL && has_verdict && print_order_skip(printer->order)) {
        print_due(printer);
    }
}

static void take_entry(struct printer *printer, const struct buffer *entry)
{
    struct unpack in = unpack_start(entry->data, entry->size);
    (void)unpack_array(&in);
    const enum entry_kind kind = (enum entry_kind)unpack_uint_max(&in, ENTRY_END);
    uint64_t start = 0;
    switch (kind) {
    case ENTRY_BATCH:
        take_batch(printer, &in);
        break;
    case ENTRY_PASS:
        start = unpack_uint(&in);
        print_order_pass(printer->order, start, unpack_uint(&in));
        break;
    case ENTRY_DEFER:
        start = unpack_uint(&in);
        print_order_defer(printer->order, start, unpack_uint(&in));
        break;
    case ENTRY_END:
        take_end(printer, unpack_bool(&in));
        break;
    }
    if (printer->order != NULL) {
        print_due(printer);
    }
}

static void *work(void *context)
{
    struct printer *printer = context;
    struct buffer entry = {0};
    while (print_queue_take(printer->queue, &entry)) {
        take_entry(printer, &entry);
        if (print_queue_is_empty(printer->queue)) {
            flush(printer);
        }
    }
    flush(printer);
    buffer_free(&entry);
    (void)pthread_mutex_lock(&printer->lock);
    printer->is_done = true;
    (void)pthread_cond_signal(&printer->done);
    (void)pthread_mutex_unlock(&printer->lock);
    return NULL;
}

/* ---- Life -------------------------------------------------------------------------------------
 */

static void destroy(struct printer *printer)
{
    print_queue_destroy(printer->queue);
    print_order_destroy(printer->order);
    outputs_close(printer->outputs);
    arena_free(&printer->arena);
    buffer_free(&printer->entry);
    buffer_free(&printer->out);
    buffer_free(&printer->text);
    buffer_free(&printer->outputs_of_batch);
    (void)pthread_cond_destroy(&printer->done);
    (void)pthread_mutex_destroy(&printer->lock);
    free(printer->run_dir);
    free(printer);
}

enum status printer_create(const struct printer_options *options, struct printer **printer_out,
                           struct error *err)
{
    struct printer *printer = memory_take(1, sizeof(*printer));
    pthread_condattr_t attributes;
    printer->options = *options;
    printer->run_dir = memory_copy_text(options->run_dir);
    printer->queue = print_queue_create(options->memory_max);
    if (options->is_ordered) {
        printer->order = print_order_create(options->first, options->memory_max);
    }
    (void)pthread_mutex_init(&printer->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&printer->done, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    const int code = pthread_create(&printer->thread, NULL, work, printer);
    if (code != 0) {
        destroy(printer);
        return error_set(err, STATUS_IO, "cannot start a thread: %s", strerror(code));
    }
    *printer_out = printer;
    return STATUS_OK;
}

void printer_end(struct printer *printer, bool has_verdict)
{
    if (printer->is_ended) {
        return;
    }
    struct pack pack = begin_entry(printer, ENTRY_END, 2);
    pack_bool(&pack, has_verdict);
    put_entry(printer, &pack);
    printer->is_ended = true;
    print_queue_close(printer->queue);
}

void printer_wait(struct printer *printer, uint64_t time_us_max)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    const uint64_t ns = (uint64_t)until.tv_nsec + time_us_max % 1000000 * 1000;
    until.tv_sec += (time_t)(time_us_max / 1000000 + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    (void)pthread_mutex_lock(&printer->lock);
    while (!printer->is_done &&
           pthread_cond_timedwait(&printer->done, &printer->lock, &until) != ETIMEDOUT) {
    }
    (void)pthread_mutex_unlock(&printer->lock);
}

void printer_finish(struct printer *printer, uint64_t *next_out, bool *is_written_out)
{
    *next_out = 0;
    *is_written_out = true;
    if (printer == NULL) {
        return;
    }
    printer_end(printer, false);
    (void)pthread_join(printer->thread, NULL);
    if (print_queue_dropped(printer->queue) > 0 ||
        (printer->order != NULL && print_order_lost(printer->order) > 0)) {
        lose(printer, "there was no room to keep all of it");
    }
    *next_out = printer->order != NULL ? print_order_turn(printer->order) : 0;
    *is_written_out = !printer->is_lost;
    destroy(printer);
}
