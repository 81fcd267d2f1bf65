/* cache.h - `mapfleet cache stats|prune`: the store of memoised outputs, without a run. */
#ifndef CLI_CACHE_H
#define CLI_CACHE_H

#include "cli/options.h"

/* Gives the exit status: 0; 2 where it refuses, or the store cannot be used. */
int cache_main(const struct options *options);

#endif
