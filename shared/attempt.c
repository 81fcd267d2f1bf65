#include "shared/attempt.h"

#include <stddef.h>
#include <string.h>

static const char *const class_names[] = {
#define FAILURE_CLASS_NAME(name, text) text,
    FAILURE_CLASS_LIST(FAILURE_CLASS_NAME)
#undef FAILURE_CLASS_NAME
};

static const char *const state_names[] = {
#define INSTANCE_STATE_NAME(name, text) text,
    INSTANCE_STATE_LIST(INSTANCE_STATE_NAME)
#undef INSTANCE_STATE_NAME
};

const char *failure_class_name(enum failure_class class)
{
    return class_names[class];
}

bool failure_class_is_system(enum failure_class class)
{
    return class == FAILURE_KILLED || class == FAILURE_LOST;
}

const char *instance_state_name(enum instance_state state)
{
    return state_names[state];
}

bool instance_state_is_success(enum instance_state state)
{
    return state <= INSTANCE_STOPPED_EARLY;
}

static bool find_name(const char *const *names, size_t count, const char *name, size_t *found_out)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            *found_out = i;
            return true;
        }
    }
    return false;
}

bool failure_class_by_name(const char *name, enum failure_class *class_out)
{
    size_t found;
    if (!find_name(class_names, FAILURE_CLASS_COUNT, name, &found)) {
        return false;
    }
    *class_out = (enum failure_class)found;
    return true;
}

bool instance_state_by_name(const char *name, enum instance_state *state_out)
{
    size_t found;
    if (!find_name(state_names, INSTANCE_STATE_COUNT, name, &found)) {
        return false;
    }
    *state_out = (enum instance_state)found;
    return true;
}
