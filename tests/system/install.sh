#!/usr/bin/env bash
# What users link: the installed package, by pkg-config and by CMake, from C and from C++, for a job and
# for a program of one's own with every verb built in.
source "$(dirname "$0")/support.sh"

rule "the package installs"
cmake --install "$MAPFLEET_BUILD_DIR" --prefix "$PWD/prefix" >out 2>err || fail "cmake --install"
mapfleet=$PWD/prefix/bin/mapfleet
PKG_CONFIG_PATH=$(dirname "$(find "$PWD/prefix" -name mapfleet.pc)")
export PKG_CONFIG_PATH
flags=$(pkg-config --cflags --libs mapfleet) || fail "pkg-config does not know mapfleet"
sanitizers=
if grep -q 'MF_SANITIZE:STRING=.*address' "$MAPFLEET_BUILD_DIR/CMakeCache.txt"; then
    sanitizers=-fsanitize=address,undefined
fi
flags="$flags $sanitizers"

rule "program, library, modules, jobs, header, documents, man pages and completion are installed"
libraries=${PKG_CONFIG_PATH#"$PWD/prefix/"}
libraries=${libraries%/pkgconfig}
for file in bin/mapfleet include/mapfleet.h \
    "$libraries"/{libmapfleet.so,mapfleet/{transport_mpi,remote_curl,jobs/basics,jobs/search,jobs/wordcount}.so} \
    "$libraries"/mapfleet/python/{optuna_sampler.py,wandb/__init__.py} \
    share/doc/mapfleet/{README.md,CHANGELOG.md,LICENSE,hostfile.example,docs/{exec.md,slurm/plain.sbatch}} \
    share/man/man1/mapfleet{,-map,-exec,-results}.1 share/bash-completion/completions/mapfleet \
    share/zsh/site-functions/_mapfleet; do
    [ -s "prefix/$file" ] || fail "no $file"
done
! find prefix -name '*test*' -o -name 'mapfleet_pages' -o -name __pycache__ | grep . ||
    fail "what is for the build alone is installed"

rule "the version is one, and the program says what it runs with"
run 0 --version
expect_status 0
[ "$(head -1 out)" = "mapfleet $(pkg-config --modversion mapfleet)" ] || fail "two versions"
for name in "lz4 [0-9]" "msgpack-c [0-9]" "hwloc [0-9]" "LMDB [0-9]" "libcurl [0-9]" \
    "$(mpirun --version | sed -n '1s/.*(\(.*\)) \(.*\)/\1 v\2/p')"; do
    grep -q "$name" out || fail "no $name"
done

rule "where MPI or libcurl cannot be loaded, it says so"
mkdir -p alone/bin "alone/$libraries"
cp prefix/bin/mapfleet alone/bin
cp -P "prefix/$libraries"/libmapfleet.so* "alone/$libraries"
mapfleet=$PWD/alone/bin/mapfleet
run 0 --version
expect_status 0
expect_in out "without MPI: MPI module not loaded"
expect_in out "without URLs: the module for URLs was not loaded"
expect_in out "with lz4"
mapfleet=$PWD/prefix/bin/mapfleet

rule "the installed program finds the installed jobs by name"
run 0 map basics:square --range 0:3 --print
expect_status 0
expect_lines out $'0\n1\n4'
run 2 map basics:square --range 0:3 --print
expect_status 0
expect_lines out $'0\n1\n4'

cat >job.c <<'C'
#include <mapfleet.h>
#include <string.h>

static mf_status twice(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    mf_put_int(output, 2 * mf_int(input));
    return MF_OK;
}

static mf_status wrong(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    if (mf_int(input) == 0) {
        mf_put_str(output, "text");
    } else if (mf_int(input) == 1) {
        mf_put_int(output, 1);
        mf_put_int(output, 2);
    }
    return MF_OK;
}

static mf_status counted(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    int *calls = mf_state(ctx);
    (void)input;
    mf_log(ctx, "a word from %" PRIu64, mf_index(ctx));
    mf_put_bool(output, calls != NULL && ++*calls > 0);
    return MF_OK;
}

static mf_status set_up(mf_context *ctx, void **state)
{
    static int calls;
    (void)ctx;
    *state = &calls;
    return MF_OK;
}

void mf_job(mf_registry *job)
{
    const mf_task twice_task = {.name = "twice", .fn = twice, .input = "int", .output = "int"};
    const mf_task wrong_task = {.name = "wrong", .fn = wrong, .input = "int", .output = "int"};
    const mf_task counted_task = {.name = "counted", .fn = counted, .output = "bool"};
    mf_register_task(job, &twice_task);
    mf_register_task(job, &wrong_task);
    mf_register_task(job, &counted_task);
    mf_register_setup(job, set_up, NULL);
}
C
rule "a job builds against the installed package and runs"
# shellcheck disable=SC2086
cc -std=c11 -Wall -Wextra -Werror -shared -fPIC job.c -o job.so $flags >out 2>err ||
    fail "the job does not build"
run 2 map ./job.so:twice --range 0:4 --print
expect_status 0
expect_lines out $'0\n2\n4\n6'

rule "setup runs before the first attempt, and its state is at hand"
run 2 map ./job.so:counted --range 0:3 --print --capture none
expect_status 0
expect_lines out $'true\ntrue\ntrue'

rule "what attempts log and print reaches standard error where nothing is captured, never the outputs"
expect_in err "counted[2] attempt 0: a word from 2"
[ "$(grep -c 'a word from' err)" -eq 3 ] || fail "not three lines"

rule "no output, two, or one of the wrong type fail the attempt with class output"
run 2 map ./job.so:wrong --range 0:3 --policy run-all --run-dir wrong
expect_status 1
run 0 results wrong --table
python3 - <<'PYTHON' || fail "the classes are not output"
import json
rows = [json.loads(line) for line in open("out")]
assert [row["class"] for row in rows] == ["output"] * 3, rows
assert "expected int, found str" in rows[0]["error"], rows[0]
PYTHON

# Ways to leave the directory: itself, and in a library that it is linked with or opens.
cat >leave.c <<'C'
#include <unistd.h>

int leave(void);

int leave(void)
{
    return chdir("/proc");
}
C
cat >wander.c <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <mapfleet.h>
#include <stdio.h>
#include <unistd.h>

int leave(void);

static int leave_by_descriptor(void)
{
    const int fd = open("/proc", O_RDONLY);
    const int code = fchdir(fd);
    (void)close(fd);
    return code;
}

static int leave_by_opened_library(void)
{
    char path[PATH_MAX + 16];
    char folder[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/libopened.so", getcwd(folder, sizeof(folder)));
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    int (*opened)(void) = NULL;
    if (library != NULL) {
        *(void **)&opened = dlsym(library, "leave");
    }
    return opened == NULL ? -1 : opened();
}

/* Gives where it started. */
static mf_status wander(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    char folder[PATH_MAX] = "";
    mf_put_str(output, getcwd(folder, sizeof(folder)));
    switch (mf_int(input) % 4) {
    case 0:
        return chdir("/proc") == 0 ? MF_OK : mf_fail(ctx, "chdir");
    case 1:
        return leave_by_descriptor() == 0 ? MF_OK : mf_fail(ctx, "fchdir");
    case 2:
        return leave() == 0 ? MF_OK : mf_fail(ctx, "a library");
    default:
        return leave_by_opened_library() == 0 ? MF_OK : mf_fail(ctx, "an opened library");
    }
}

void mf_job(mf_registry *job)
{
    const mf_task task = {.name = "wander", .fn = wander, .input = "int", .output = "str"};
    mf_register_task(job, &task);
}
C
rule "every attempt starts in the launch directory, whoever left it before: by code or a library"
for name in leave opened; do
    cc -shared -fPIC leave.c -o lib$name.so >out 2>err || fail "lib$name.so does not build"
done
# shellcheck disable=SC2086
cc -std=c11 -Wall -shared -fPIC wander.c -o wander.so -L. -lleave $flags -Wl,-rpath,"$PWD" \
    >out 2>err || fail "the job does not build"
run 2 map ./wander.so:wander --range 0:200 --slots 1 --print
expect_status 0
expect_lines out "$(yes "\"$PWD\"" | head -200)"

cat >program.c <<'C'
#include <mapfleet.h>

int main(int argc, char **argv)
{
    return mf_main(argc, argv, mf_job);
}
C
rule "a program of one's own has every verb, with its job built in"
# shellcheck disable=SC2086
cc -std=c11 -Wall -Wextra program.c job.c -o program $flags -Wl,-rpath,"$(dirname "$(dirname \
    "$PKG_CONFIG_PATH")")/lib" -Wl,-rpath,"$(dirname "$PKG_CONFIG_PATH")" >out 2>err ||
    fail "the program does not build"
mapfleet=$PWD/program
for ranks in 0 1 3; do
    run "$ranks" map :twice --range 0:4 --print
    expect_status 0
    expect_lines out $'0\n2\n4\n6'
done
run 0 tasks :
expect_status 0
expect_in out "twice: int -> int"

rule "a rank whose program is another one is refused, by its host"
cp program newer
echo "of another build" >>newer
timeout -k 2 60 mpirun -q -n 1 ./program map :twice --range 0:4 --run-dir none : \
    -n 1 ./newer map :twice --range 0:4 --run-dir none >out 2>err </dev/null
status=$?
expect_status 2
expect_in err "rank 1 on $(hostname) cannot work: the program differs from that of rank 0"
[ ! -e none ] || fail "something was started"

rule "its attempts start in the launch directory too"
# shellcheck disable=SC2086
cc -std=c11 -Wall program.c wander.c -o wander -L. -lleave $flags -Wl,-rpath,"$PWD" \
    -Wl,-rpath,"$(dirname "$PKG_CONFIG_PATH")" >out 2>err || fail "the program does not build"
mapfleet=$PWD/wander
run 0 map :wander --range 0:200 --slots 1 --print
expect_status 0
expect_lines out "$(yes "\"$PWD\"" | head -200)"

rule "an installed tree may be moved"
mv prefix moved
mapfleet=$PWD/moved/bin/mapfleet
run 0 map basics:square --range 0:3 --print
expect_lines out $'0\n1\n4'

rule "find_package finds the installed package, from C and from C++, for jobs and programs"
mkdir consumer
cat >consumer/CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.22)
project(consumer LANGUAGES C CXX)
find_package(mapfleet 0.1 REQUIRED)
message(STATUS "mapfleet ${mapfleet_VERSION}")
add_library(job MODULE ../job.c)
target_link_libraries(job PRIVATE mapfleet::mapfleet)
add_library(job_cxx MODULE job.cpp)
target_link_libraries(job_cxx PRIVATE mapfleet::mapfleet)
set_target_properties(job job_cxx PROPERTIES PREFIX "")
add_executable(program ../program.c ../job.c)
target_link_libraries(program PRIVATE mapfleet::mapfleet)
add_executable(program_cxx program.cpp job.cpp)
target_link_libraries(program_cxx PRIVATE mapfleet::mapfleet)
CMAKE
cat >consumer/job.cpp <<'CXX'
#include <mapfleet.h>

static mf_status half(mf_context *, const mf_value *input, mf_writer *output)
{
    mf_put_float(output, mf_float(input) / 2);
    return MF_OK;
}

extern "C" void mf_job(mf_registry *job)
{
    mf_task task{};
    task.name = "half";
    task.fn = half;
    task.input = "float";
    task.output = "float";
    mf_register_task(job, &task);
}
CXX
cat >consumer/program.cpp <<'CXX'
#include <mapfleet.h>

int main(int argc, char **argv)
{
    return mf_main(argc, argv, mf_job);
}
CXX
cmake -G Ninja -S consumer -B consumer/build -DCMAKE_PREFIX_PATH="$PWD/moved" >out 2>err &&
    cmake --build consumer/build >>out 2>>err || fail "the consumer does not build"
export PKG_CONFIG_PATH=$PWD/moved/$libraries/pkgconfig
expect_in out "mapfleet $(pkg-config --modversion mapfleet)"
run 0 map ./consumer/build/job.so:twice --range 0:3 --print
expect_lines out $'0\n2\n4'
run 2 map ./consumer/build/job_cxx.so:half --range 0:3 --print
expect_status 0
expect_lines out $'0.0\n0.5\n1.0'
mapfleet=$PWD/consumer/build/program
run 0 map :twice --range 0:3 --print
expect_lines out $'0\n2\n4'
mapfleet=$PWD/consumer/build/program_cxx
run 0 map :half --range 0:3 --print
expect_lines out $'0.0\n0.5\n1.0'

rule "pkg-config serves C++ too"
mapfleet=$PWD/moved/bin/mapfleet
# shellcheck disable=SC2046,SC2086
c++ -std=c++17 -Wall -Wextra -Werror -shared -fPIC consumer/job.cpp -o moved.so $sanitizers \
    $(pkg-config --cflags --libs mapfleet) >out 2>err || fail "the job does not build"
run 0 map ./moved.so:half --range 0:3 --print
expect_status 0
expect_lines out $'0.0\n0.5\n1.0'
exit 0
