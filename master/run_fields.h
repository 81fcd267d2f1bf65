/* run_fields.h - the fields of run.json, one by one: to and from a tree of jansson.
 *
 * The order of the fields in the file, their names and their ranges are here; the file as a whole
 * is run_file.h's.
 */
#ifndef MASTER_RUN_FIELDS_H
#define MASTER_RUN_FIELDS_H

#include <jansson.h>

#include "master/run_file.h"
#include "shared/error.h"

/* A tree that the caller owns. The text of an error names the field. */
MUST_CHECK enum status run_fields_encode(const struct run_description *run, json_t **root_out,
                                         struct error *err);

/* Fill `run`, which is all zero. Texts that were read stay in it on failure, too. */
MUST_CHECK enum status run_fields_decode(const json_t *root, struct run_description *run,
                                         struct error *err);

#endif
