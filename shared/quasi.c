#include "shared/quasi.h"

#include <assert.h>
#include <gsl/gsl_qrng.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Coordinates of Halton's are sums of fractions that no float holds: this is more than what such a
 * sum may be too small by, and less than the distance of any two points. */
#define HALTON_GRAIN (UINT64_C(1) << 16)

struct quasi {
    gsl_qrng *generator;
    size_t dimension;
    uint64_t grain;
    uint64_t next; /* index of the point that the generator gives next; from 1 */
    uint64_t at;   /* index of the point in `bits` */
    double *coordinates;
    uint64_t *bits;
};

enum status quasi_create(size_t dimension, struct quasi **quasi_out)
{
    assert(dimension >= 1 && dimension <= QUASI_DIMENSION_MAX);
    const bool is_sobol = dimension <= gsl_qrng_sobol->max_dimension;
    struct quasi *quasi = calloc(1, sizeof(*quasi));
    if (quasi == NULL) {
        return STATUS_NO_MEMORY;
    }
    quasi->generator =
        gsl_qrng_alloc(is_sobol ? gsl_qrng_sobol : gsl_qrng_halton, (unsigned)dimension);
    quasi->coordinates = calloc(dimension, sizeof(*quasi->coordinates));
    quasi->bits = calloc(dimension, sizeof(*quasi->bits));
    if (quasi->generator == NULL || quasi->coordinates == NULL || quasi->bits == NULL) {
        quasi_destroy(quasi);
        return STATUS_NO_MEMORY;
    }
    quasi->dimension = dimension;
    quasi->grain = is_sobol ? 0 : HALTON_GRAIN;
    quasi->next = 1;
    *quasi_out = quasi;
    return STATUS_OK;
}

void quasi_destroy(struct quasi *quasi)
{
    if (quasi == NULL) {
        return;
    }
    if (quasi->generator != NULL) {
        gsl_qrng_free(quasi->generator);
    }
    free(quasi->coordinates);
    free(quasi->bits);
    free(quasi);
}

static void begin_anew(struct quasi *quasi)
{
    gsl_qrng_init(quasi->generator);
    quasi->next = 1;
    quasi->at = 0;
    memset(quasi->bits, 0, quasi->dimension * sizeof(*quasi->bits));
}

const uint64_t *quasi_point(struct quasi *quasi, uint64_t index)
{
    assert(index < QUASI_COUNT_MAX);
    if (index < quasi->at) {
        begin_anew(quasi);
    }
    if (index == quasi->at) {
        return quasi->bits;
    }
    while (quasi->next <= index) {
        (void)gsl_qrng_get(quasi->generator, quasi->coordinates);
        quasi->next++;
    }
    for (size_t d = 0; d < quasi->dimension; d++) {
        quasi->bits[d] = (uint64_t)ldexp(quasi->coordinates[d], 64) + quasi->grain;
    }
    quasi->at = index;
    return quasi->bits;
}
