#!/usr/bin/env bash
# Where attempts run: current directory, working directories, environment.
source "$(dirname "$0")/support.sh"

job=$MAPFLEET_BUILD_DIR/tests/jobs/surroundings.so
mkdir tmp
export TMPDIR=$scratch/tmp
unset OMP_NUM_THREADS

expect_no_folders() {
    for _ in $(seq 100); do
        [ -z "$(ls tmp | grep '^mapfleet-')" ] && return
        sleep 0.05
    done
    fail "left: $(find tmp)"
}

# What stands in line N of out, as NAME=VALUE lines.
variables() {
    python3 -c 'import json, sys; print("\n".join(json.loads(open("out").read().splitlines()[int(sys.argv[1])])))' \
        "$1" >variables
}

rule "a child has the environment of its attempt, and nothing of MPI"
printf '"a b"\n{"x": [1, 2.5]}\n7\n' >inputs.jsonl
run 3 map "$job:env" --inputs inputs.jsonl --print --run-dir env --seed 3
expect_status 0
for index in 0 1 2; do
    variables $index
    expect_in variables "MAPFLEET_INDEX=$index"
    expect_in variables MAPFLEET_ATTEMPT=0
    expect_in variables MAPFLEET_SIZE=3
    expect_in variables "MAPFLEET_RUN_DIR=$scratch/env"
    expect_in variables "MAPFLEET_WORKDIR=$TMPDIR/mapfleet-"
    expect_in variables MAPFLEET_CPUS=1
    expect_in variables OMP_NUM_THREADS=1
    grep -q '^MAPFLEET_RANK=[12]$' variables || fail "no rank"
    grep -Eq '^MAPFLEET_SLOT=[1-9][0-9]*$' variables || fail "no slot from 1"
    grep -Eq '^MAPFLEET_SEED=[0-9]+$' variables || fail "no seed"
    ! grep -E '^(OMPI|PMIX|PMI|ORTE|PRTE)_' variables || fail "variables of MPI"
done
variables 0
expect_in variables 'MAPFLEET_INPUT=a b'
variables 1
expect_in variables 'MAPFLEET_INPUT={"x":[1,2.5]}'
variables 2
expect_in variables MAPFLEET_INPUT=7
expect_no_folders

rule "the process has what is the same for all of them, and nothing of MPI"
run 3 map "$job:process" --range 0:3 --print --run-dir process
expect_status 0
for index in 0 1 2; do
    variables $index
    expect_in variables MAPFLEET_SIZE=3
    expect_in variables "MAPFLEET_RUN_DIR=$scratch/process"
    expect_in variables MAPFLEET_CPUS=1
    expect_in variables "PWD_NOW=$scratch"
    grep -q '^MAPFLEET_RANK=[12]$' variables || fail "no rank"
    grep -Eq '^MAPFLEET_SLOT=[1-9][0-9]*$' variables || fail "no slot from 1"
    ! grep -E '^(OMPI|PMIX|PMI|ORTE|PRTE)_' variables || fail "variables of MPI"
    ! grep -E '^MAPFLEET_(INDEX|INPUT)=' variables || fail "variables of an attempt"
done

rule "slots count from 1 and are numbers within their rank"
run 0 map "$job:process" --range 0:1 --print --slots 1
expect_status 0
variables 0
expect_in variables MAPFLEET_SLOT=1
expect_in variables MAPFLEET_RANK=0

rule "the user's number of threads stays"
export OMP_NUM_THREADS=5
run 0 map "$job:process" --range 0:1 --print
expect_status 0
variables 0
expect_in variables OMP_NUM_THREADS=5
unset OMP_NUM_THREADS

rule "a run inside a run has its own variables"
export MAPFLEET_INDEX=77 MAPFLEET_SLOT=99
run 0 map "$job:process" --range 0:1 --print --slots 1
expect_status 0
variables 0
expect_in variables MAPFLEET_SLOT=1
expect_not_in variables MAPFLEET_INDEX=77
unset MAPFLEET_INDEX MAPFLEET_SLOT

if [ "$(id -u)" -eq 0 ]; then
    rule "a host without the launch directory is refused by name, and nothing starts"
    mkdir -p empty hidden/launch
    cat >rank <<'RANK'
#!/usr/bin/env bash
[ "$OMPI_COMM_WORLD_RANK" = 2 ] || exec "$@"
exec unshare -m bash -c 'mount --bind "$1/empty" "$1/hidden" && cd / && shift && exec "$@"' \
    bash "$SCRATCH" "$@"
RANK
    chmod +x rank
    (cd hidden/launch && SCRATCH=$scratch timeout -k 2 60 mpirun -q -n 3 ../../rank "$mapfleet" map \
        "$job:process" --range 0:3 >../../out 2>../../err </dev/null)
    status=$?
    expect_status 2
    expect_in err "rank 2 on $(hostname) cannot work: the folder $scratch/hidden/launch, in which the run"
    [ ! -e hidden/launch/mapfleet-runs ] || fail "a run directory was made"
fi

rule "working directories are gone after their attempts, however these end"
printf '"ok"\n"fail"\n"crash"\n"exit"\n"chdir"\n"ok"\n' >ends.jsonl
for isolation in process none; do
    [ $isolation = none ] && printf '"ok"\n"fail"\n"chdir"\n"ok"\n' >ends.jsonl
    run 2 map "$job:folder" --inputs ends.jsonl --policy run-all --slots 1 --print \
        --isolation $isolation
    expect_status 1
    python3 - <<'PYTHON' || fail "outputs are wrong"
import json
outputs = [json.loads(line) for line in open("out")]
assert outputs[0] and outputs[-2] and outputs[-1], outputs
assert outputs[1] is None, outputs
PYTHON
    expect_no_folders
done

rule "what an executor that died has left is gone while the run goes on"
printf '"crash"\n"hang"\n' >crash.jsonl
timeout -k 2 60 "$mapfleet" map "$job:folder" --inputs crash.jsonl --policy run-all --slots 1 \
    --run-dir crash >out 2>err </dev/null &
alone=$!
for _ in $(seq 200); do [ -e tmp/mapfleet-*/slot-1/1-0 ] && break; sleep 0.05; done
[ -e tmp/mapfleet-*/slot-1/1-0/file ] || fail "the second attempt has no folder"
[ ! -e tmp/mapfleet-*/slot-1/0-0 ] || fail "the folder of the first is still there"

rule "they are gone when the rank is killed"
kill -KILL "$(pgrep -P "$alone" mapfleet)"
wait "$alone" 2>/dev/null
expect_no_folders

rule "they are gone when mpirun and its ranks are killed"
printf '"hang"\n"hang"\n' >hang.jsonl
mpirun -q -n 3 "$mapfleet" map "$job:folder" --inputs hang.jsonl --slots 1 --run-dir hang \
    >out 2>err </dev/null &
ranks=$!
for _ in $(seq 200); do [ "$(ls -d tmp/mapfleet-*/slot-1/?-0 2>/dev/null | wc -l)" = 2 ] && break; sleep 0.05; done
[ "$(ls -d tmp/mapfleet-*/slot-1/?-0 | wc -l)" = 2 ] || fail "two attempts have no folders"
pkill -KILL -P "$ranks"
wait "$ranks" 2>/dev/null
expect_no_folders

rule "--keep-workdirs keeps them by index and attempt, and says once for each rank where they are"
printf '"ok"\n"crash"\n"fail"\n"ok"\n' >kept.jsonl
for isolation in process none; do
    [ $isolation = none ] && printf '"ok"\n"fail"\n"ok"\n' >kept.jsonl
    run 0 map "$job:folder" --inputs kept.jsonl --policy run-all --retries 1 --slots 1 --print \
        --keep-workdirs --isolation $isolation
    expect_status 1
    [ "$(grep -c 'working directories' err)" = 1 ] || fail "not said once"
    kept=$(sed -n 's/.*working directories of rank 0 are kept: \(.*\) on .*/\1/p' err)
    [ -d "$kept" ] || fail "no folder \"$kept\""
    for folder in 0-0 1-0 1-1; do
        [ -e "$kept/$folder/file" ] || fail "no $folder in $(find "$kept")"
    done
    [ "$(ls tmp | grep -c '^mapfleet-')" = 1 ] || fail "other folders are left: $(ls tmp)"
    rm -r "$kept"
done

rule "without any working directory nothing is said of them"
run 0 map "$job:process" --range 0:3 --keep-workdirs
expect_status 0
expect_not_in err 'working directories'
exit 0
