/* value_python.h - values as Python writes them: what a program reads that was made for sweeps. */
#ifndef SHARED_VALUE_PYTHON_H
#define SHARED_VALUE_PYTHON_H

#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/mapfleet.h"

/* Append str(value): True, None, 1e-05, ['a', 'b'], {'x': 1}; a text as it is. */
MUST_CHECK enum status value_to_python(const mf_value *value, struct buffer *out);

#endif
