/* published.h - paths of files that a run keeps: recorded relative to its folder, shown absolute.
 */
#ifndef CLI_PUBLISHED_H
#define CLI_PUBLISHED_H

#include "shared/arena.h"
#include "shared/error.h"
#include "shared/mapfleet.h"
#include "shared/type.h"

/* Make the relative paths at file and dir types within `value` absolute, in the arena. */
MUST_CHECK enum status published_resolve(const struct type *type, const char *run_dir,
                                         struct arena *arena, mf_value *value, struct error *err);

#endif
