#include "cli/results.h"

#include <limits.h>
#include <stdlib.h>

#include "cli/print.h"
#include "master/run_file.h"
#include "shared/log.h"

int results_main(const struct options *options)
{
    struct run_description *run = NULL;
    struct type *output = NULL;
    struct error err;
    char run_dir[PATH_MAX];
    int exit_status = 2;
    if (options->word_count != 1 || realpath(options->words[0], run_dir) == NULL ||
        run_file_read(run_dir, &run, &err) != STATUS_OK ||
        type_parse(run->output_type, &output, &err) != STATUS_OK ||
        print_outputs(run_dir, 0, run->input_count, output, &err) != STATUS_OK) {
        log_error("no results");
    } else {
        exit_status = 0;
    }
    type_destroy(output);
    run_description_destroy(run);
    return exit_status;
}
