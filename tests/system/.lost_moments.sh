#!/usr/bin/env bash
# Ranks that are killed or stopped at random moments, over shared memory and over TCP: the run ends
# by itself, complete and right, nothing counted twice, nothing left behind. MAPFLEET_MOMENTS says
# how many moments each (50 by hand), MAPFLEET_SEED which.
source "$(dirname "$0")/support.sh"

moments=${MAPFLEET_MOMENTS:-4}
size=12000
RANDOM=${MAPFLEET_SEED:-1}
touching=$MAPFLEET_BUILD_DIR/tests/jobs/touching.so
gate=$MAPFLEET_BUILD_DIR/tests/jobs/gate.so
slow_setup=$MAPFLEET_BUILD_DIR/tests/jobs/slow_setup.so
host=$(hostname)
python3 -c "print('\n'.join(str(i * i) for i in range($size)))" >expected
for _ in $(seq 800); do echo '{"ms": 10}'; done >sleeps.jsonl
head -60 sleeps.jsonl >few.jsonl
for i in 0 1 2 3; do echo "{\"value\": $i, \"until\": \"open\"}"; done >gates.jsonl
head -2 gates.jsonl >two.jsonl

# launch BTL RANKS ARGUMENT...: a run in run, under an mpirun that outlives lost ranks.
launch() {
    local btl=$1 ranks=$2
    shift 2
    rm -rf run touched begun-* open starts err
    mpirun -q --enable-recovery --mca btl "$btl" -n "$ranks" "$mapfleet" "$@" --run-dir run \
        >out 2>err </dev/null &
    process=$!
    for _ in $(seq 600); do # until the run has begun
        [ -s run/log.lz4 ] && break
        sleep 0.02
    done
    [ -s run/log.lz4 ] || fail "it never began"
    # Open MPI names its files in /dev/shm after the job.
    job=$(printf %x "$(tr '\0' '\n' <"/proc/$(rank_process 0)/environ" | sed -n s/^PMIX_NAMESPACE=//p)")
}

moment() {
    sleep "0.$((RANDOM % 10))$((RANDOM % 10))"
}

# The status of the run, which is not mpirun's.
expect_run_status() {
    "$mapfleet" status run >status.out 2>&1
    local found=$?
    [ "$found" -eq "$1" ] || fail "the run's exit status is $found, expected $1: $(cat status.out)"
}

expect_segments_gone() {
    local left
    left=$(find /dev/shm -maxdepth 1 -name "vader_segment.*.$job.*")
    [ -z "$left" ] || fail "left in /dev/shm: $left"
}

# expect_whole RUNS_MAX: complete and right, and no instance ran more often.
expect_whole() {
    expect_run_status 0
    diff -q expected out >/dev/null || fail "the outputs are wrong"
    expect_counts succeeded "$size"
    python3 - "$size" "$1" <<'PYTHON' || fail "instances were lost, or ran too often"
import array, collections, sys
runs = array.array("I")
runs.frombytes(open("touched", "rb").read())
counts = collections.Counter(runs)
assert len(counts) == int(sys.argv[1]), len(counts)
assert max(counts.values()) <= int(sys.argv[2]), counts.most_common(3)
PYTHON
    expect_nothing_left
    expect_segments_gone
}

map=(map "$touching:touch" --range "0:$size" --slots 1 --print)

for btl in self,vader self,tcp; do
    rule "one of 4 workers killed at $moments moments: the others do its work ($btl)"
    for _ in $(seq "$moments"); do
        launch "$btl" 5 "${map[@]}"
        moment
        victim=$((RANDOM % 4 + 1))
        pid=$(rank_process "$victim")
        [ -n "$pid" ] && kill -KILL "$pid"
        finish
        expect_whole 2
        if ! grep -q "rank $victim on $host is lost" err; then
            echo "rank $victim was killed after the end"
        fi
    done

    rule "one stopped for longer than --lost-after, and continued, begins anew ($btl)"
    for _ in $(seq "$moments"); do
        launch "$btl" 5 "${map[@]}" --lost-after 1
        moment
        victim=$((RANDOM % 4 + 1))
        pid=$(rank_process "$victim")
        kill -STOP "$pid" 2>/dev/null
        for _ in $(seq 400); do # until it is lost, or the rest is done
            grep -qs -e "is lost" -e "succeeded:" err && break
            sleep 0.05
        done
        kill -CONT "$pid" 2>/dev/null
        finish
        expect_whole 2
    done
done

exit 0
