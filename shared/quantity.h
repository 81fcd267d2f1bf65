/* quantity.h - numbers with units as users write them: "15m", "600Mi", "3".
 *
 * Failure: texts name what was found and what was expected; the caller puts the option before.
 */
#ifndef SHARED_QUANTITY_H
#define SHARED_QUANTITY_H

#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"

/* Decimals with ms, s, m, h or d; seconds without. 0 to some 292 years; rounded to nanoseconds, but
 * what is above 0 stays above 0. */
MUST_CHECK enum status quantity_parse_time(const char *text, uint64_t *ns_out, struct error *err);

/* Decimals with K, M, G, T (powers of 1000) or Ki, Mi, Gi, Ti (of 1024), each with an optional B;
 * bytes without. Rounded up to whole bytes; below 2^63. */
MUST_CHECK enum status quantity_parse_size(const char *text, uint64_t *bytes_out,
                                           struct error *err);

/* Decimal digits only, at most 2^63 - 1. */
MUST_CHECK enum status quantity_parse_count(const char *text, uint64_t *count_out,
                                            struct error *err);

/* A decimal from 1 to a million. */
MUST_CHECK enum status quantity_parse_factor(const char *text, double *factor_out,
                                             struct error *err);

/* For people: "1.5 s", "12 min 3 s"; "600 MiB", "1.5 GB"; "1,234,567". Each gives `text`. */
#define QUANTITY_TEXT_SIZE 48
const char *quantity_time_text(uint64_t ns, char text[QUANTITY_TEXT_SIZE]);
const char *quantity_size_text(uint64_t bytes, char text[QUANTITY_TEXT_SIZE]);
const char *quantity_count_text(uint64_t count, char text[QUANTITY_TEXT_SIZE]);

#endif
