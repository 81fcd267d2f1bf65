/* printing.h - --print and --keep-order: what of a run goes to standard output, and when.
 *
 * The verb that started the run has the default: live of exec, none of all others. Where ordered
 * printing has come to, when a run ends without a verdict, stands in its folder in PRINTING_FILE,
 * so that a resume goes on there.
 */
#ifndef CLI_PRINTING_H
#define CLI_PRINTING_H

#include "cli/options.h"
#include "cli/request.h"
#include "master/printer.h"
#include "shared/error.h"

#define PRINTING_FILE "printed"

enum printing { PRINTING_NONE, PRINTING_JSON, PRINTING_LIVE, PRINTING_ORDERED };

/* `verb` is the one that started the run. */
enum printing printing_of(const struct options *options, enum verb verb);
/* Refuse live and ordered for runs that run no commands. */
MUST_CHECK enum status printing_check(const struct options *options, enum verb verb,
                                      struct error *err);

/* Of a run that is about to start or to go on. *printer_out is NULL where there is nothing to print
 * meanwhile. Says itself what is wrong. */
MUST_CHECK enum status printing_start(const struct request *request, struct printer **printer_out);
/* Wait until all is printed. Gives the exit status. */
int printing_finish(struct printer *printer, const struct request *request, int exit_status);
/* Of a run that has ended: all that it has recorded, in order. Gives the exit status. */
int printing_of_finished(const struct request *request, int exit_status);

#endif
