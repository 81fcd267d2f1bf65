#include "cli/version.h"

#include <stdio.h>

#include <gsl/gsl_version.h>
#include <hwloc.h>
#include <jansson.h>
#include <libfyaml.h>
#include <lmdb.h>
#include <lua.h>
#include <lz4.h>
#include <msgpack.h>
#include <roaring/roaring.h>
#include <xxhash.h>

#include "shared/error.h"
#include "shared/remote.h"
#include "shared/transport.h"

static void print_mpi(void)
{
    char name[64];
    struct error err;
    if (transport_describe_mpi(name, sizeof(name), &err) == STATUS_OK) {
        (void)printf("  with %s\n", name);
    } else {
        (void)printf("  without MPI: %s\n", err.text);
    }
}

static void print_libraries(void)
{
    const unsigned hwloc = hwloc_get_api_version();
    const unsigned hash = XXH_versionNumber();
    int lmdb[3];
    (void)mdb_version(&lmdb[0], &lmdb[1], &lmdb[2]);
    (void)printf(
        "  with lz4 %s, msgpack-c %s, xxHash %u.%u.%u, LMDB %d.%d.%d, CRoaring %d.%d.%d,\n",
        LZ4_versionString(), msgpack_version(), hash / 10000, hash / 100 % 100, hash % 100, lmdb[0],
        lmdb[1], lmdb[2], ROARING_VERSION_MAJOR, ROARING_VERSION_MINOR, ROARING_VERSION_REVISION);
    (void)printf("       jansson %s, libfyaml %s, hwloc %u.%u.%u, GSL %s, %s\n",
                 jansson_version_str(), fy_library_version(), hwloc >> 16, hwloc >> 8 & 0xff,
                 hwloc & 0xff, gsl_version, LUA_RELEASE);
}

static void print_remote(void)
{
    char text[256];
    struct error err;
    if (remote_describe(text, sizeof(text), &err) == STATUS_OK) {
        (void)printf("  with %s\n", text);
    } else {
        (void)printf("  without URLs: %s\n", err.text);
    }
}

void version_print(void)
{
    (void)printf("mapfleet " MAPFLEET_VERSION "\n");
    print_mpi();
    print_libraries();
    print_remote();
}
