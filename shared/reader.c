/* The readers of mapfleet.h that are not inline. */
#include "shared/mapfleet.h"

#include <math.h>
#include <string.h>

/* Towards zero; what is outside 64 bits becomes the nearest int, and NaN 0. */
static int64_t int_of_float(double real)
{
    if (isnan(real)) {
        return 0;
    }
    if (real >= 0x1p63) {
        return INT64_MAX;
    }
    return real <= -0x1p63 ? INT64_MIN : (int64_t)real;
}

int64_t mf_private_int(const mf_value *value)
{
    switch (mf_kind_of(value)) {
    case MF_INT:
        return value->mf_private_as.integer;
    case MF_FLOAT:
        return int_of_float(value->mf_private_as.real);
    case MF_NULL:
    case MF_BOOL:
    case MF_STR:
    case MF_BYTES:
    case MF_LIST:
    case MF_MAP:
        break;
    }
    return 0;
}

double mf_private_float(const mf_value *value)
{
    switch (mf_kind_of(value)) {
    case MF_INT:
        return (double)value->mf_private_as.integer;
    case MF_FLOAT:
        return value->mf_private_as.real;
    case MF_NULL:
    case MF_BOOL:
    case MF_STR:
    case MF_BYTES:
    case MF_LIST:
    case MF_MAP:
        break;
    }
    return 0.0;
}

const mf_value *mf_field(const mf_value *value, const char *name)
{
    if (value == NULL || mf_kind_of(value) != MF_MAP) {
        return NULL;
    }
    const size_t name_size = strlen(name);
    const mf_value *pair = value->mf_private_as.values;
    for (uint32_t i = 0; i < value->mf_private_count; i++, pair += 2) {
        if (pair->mf_private_count == name_size &&
            memcmp(pair->mf_private_as.text, name, name_size) == 0) {
            return pair + 1;
        }
    }
    return NULL;
}
