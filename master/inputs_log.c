/* Inputs that came while a map ran, read back from the log of its run. */
#include <inttypes.h>

#include "master/inputs.h"
#include "master/log_reader.h"

static enum status take(struct inputs *inputs, const struct record *record, uint64_t offset,
                        struct error *err)
{
    const uint64_t available = inputs_available(inputs);
    return record->first == available && record->input_count <= inputs_count(inputs) - available
               ? inputs_add(inputs, record->inputs, record->inputs_size, record->input_count, err)
               : error_set(err, STATUS_INVALID,
                           "the log's record at byte %" PRIu64
                           " has other inputs than those that follow",
                           offset);
}

enum status inputs_load_later(struct inputs *inputs, const char *run_dir, uint64_t map,
                              struct error *err)
{
    struct log_reader *reader = NULL;
    struct record record;
    struct error torn;
    uint64_t offset = 0;
    enum status status = log_reader_open(run_dir, &reader, err);
    if (status != STATUS_OK) {
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    while (status == STATUS_OK && log_reader_next(reader, &record, &offset, &torn) == STATUS_OK) {
        if (record.kind == RECORD_INPUTS && record.map == map) {
            status = take(inputs, &record, offset, err);
        }
    }
    log_reader_close(reader);
    return status;
}
