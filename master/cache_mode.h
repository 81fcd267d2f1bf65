/* cache_mode.h - how a map uses memoised outputs: the names that users write and read. */
#ifndef MASTER_CACHE_MODE_H
#define MASTER_CACHE_MODE_H

#define CACHE_MODE_LIST(X)                                                                         \
    X(OFF, "off")         /* neither read nor write */                                             \
    X(USE, "use")         /* read and write */                                                     \
    X(REFRESH, "refresh") /* write only; equal inputs run once all the same */

enum cache_mode {
#define CACHE_MODE_ENUM(name, text) CACHE_##name,
    CACHE_MODE_LIST(CACHE_MODE_ENUM)
#undef CACHE_MODE_ENUM
};
enum { CACHE_MODE_COUNT = CACHE_REFRESH + 1 };

static inline const char *cache_mode_name(enum cache_mode mode)
{
    static const char *const names[] = {
#define CACHE_MODE_NAME(name, text) text,
        CACHE_MODE_LIST(CACHE_MODE_NAME)
#undef CACHE_MODE_NAME
    };
    return names[mode];
}

#endif
