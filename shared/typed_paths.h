/* typed_paths.h - the paths within a value: its strings at `file` and `dir` types.
 *
 * Ownership: a value that changes is copied to the arena, as far as it holds paths.
 */
#ifndef SHARED_TYPED_PATHS_H
#define SHARED_TYPED_PATHS_H

#include <stdbool.h>

#include "shared/arena.h"
#include "shared/error.h"
#include "shared/mapfleet.h"
#include "shared/type.h"

/* Can a value of this type hold a path at all? */
bool typed_paths_may_be(const struct type *type);

/* Called with each path; URLs are passed over. It may replace the string. */
typedef enum status typed_path_visit(void *context, bool is_folder, mf_value *path,
                                     struct error *err);

/* Visit the paths in order; the first failure ends it. NO_MEMORY where the arena has none. */
MUST_CHECK enum status typed_paths_visit(const struct type *type, struct arena *arena,
                                         typed_path_visit *visit, void *context, mf_value *value,
                                         struct error *err);

/* The same for the URLs; paths are passed over. */
MUST_CHECK enum status typed_paths_visit_urls(const struct type *type, struct arena *arena,
                                              typed_path_visit *visit, void *context,
                                              mf_value *value, struct error *err);

/* Is any of them a URL? */
bool typed_paths_have_url(const struct type *type, const mf_value *value);

/* Make the relative paths absolute, starting from `folder`. */
MUST_CHECK enum status typed_paths_resolve(const struct type *type, const char *folder,
                                           struct arena *arena, mf_value *value, struct error *err);

#endif
