/* cache_support.h - what the tests of the cache share: a folder of the test's own, and keys. */
#ifndef TESTS_UNIT_CACHE_SUPPORT_H
#define TESTS_UNIT_CACHE_SUPPORT_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/cache_store.h"
#include "master/file.h"
#include "shared/error.h"
#include "shared/key.h"

#define UNUSED __attribute__((unused))
#define STATUS_IS(expected, call) cr_assert(eq(int, (call), (expected)))
#define OK(call) STATUS_IS(STATUS_OK, call)

static char folder[64]; /* absolute */

UNUSED static void folder_create(void)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/mapfleet-cache-XXXXXX");
    cr_assert(ne(ptr, mkdtemp(folder), NULL));
}

UNUSED static void folder_remove(void)
{
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    cr_assert(eq(int, system(command), 0));
}

UNUSED static char *in_folder(const char *name)
{
    static char paths[8][128];
    static unsigned next;
    char *path = paths[next++ % 8];
    (void)snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

UNUSED static char *write_file(const char *name, const char *content)
{
    char *path = in_folder(name);
    FILE *file = fopen(path, "w");
    cr_assert(ne(ptr, file, NULL));
    (void)fputs(content, file);
    (void)fclose(file);
    return path;
}

UNUSED static struct key key_of(unsigned number)
{
    struct key key = {{0}};
    uint64_t bits = (number + 1) * UINT64_C(0x9E3779B97F4A7C15);
    memcpy(key.bytes, &bits, sizeof(bits));
    key.bytes[KEY_SIZE - 1] = (uint8_t)number;
    return key;
}

#endif
