#!/usr/bin/env bash
# Ranks that are killed or stopped at random moments, over shared memory and over TCP: the run ends
# by itself, complete and right, nothing counted twice, nothing left behind. MAPFLEET_MOMENTS says
# how many moments each (50 by hand), MAPFLEET_SEED which.
source "$(dirname "$0")/support.sh"

moments=${MAPFLEET_MOMENTS:-2}
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
    touch launched # numbers of jobs come again
    mpirun -q --enable-recovery --mca btl "$btl" -n "$ranks" "$mapfleet" "$@" --run-dir run \
        >out 2>err </dev/null &
    process=$!
    for _ in $(seq 600); do # until the run has begun
        [ -s run/log.lz4 ] && break
        sleep 0.02
    done
    [ -s run/log.lz4 ] || fail "it never began"
    # Open MPI names its files in /dev/shm after the job; empty with TCP, and where rank 0 has ended already.
    job=$(sed -n 's:.*/dev/shm/[a-z]*_segment\..*\.\([0-9a-f]*\)\.[0-9].*:\1:p' \
        "/proc/$(rank_process "$process" 0)/maps" | head -1)
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
    [ -n "$job" ] || return 0
    left=$(find /dev/shm -maxdepth 1 -name "*_segment.*.$job.*" -newer launched)
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
        pid=$(rank_process "$process" "$victim")
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
        pid=$(rank_process "$process" "$victim")
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

rule "one that comes back while the run goes on works again, and its late reports are ignored"
launch self,vader 3 map basics:sleep --inputs sleeps.jsonl --slots 1 --lost-after 1
pid=$(rank_process "$process" 2)
kill -STOP "$pid"
wait_for_line err "rank 2 on $host is lost: silent for 1 s"
kill -CONT "$pid"
wait_for_line err "rank 2 on $host works again"
finish
expect_run_status 0
expect_counts succeeded 800
expect_in err "lost: rank 2 on $host (silent for 1 s)"
expect_nothing_left
expect_segments_gone

rule "one that comes back when the run is over ends by itself"
launch self,vader 4 map basics:sleep --inputs few.jsonl --slots 1 --lost-after 1
pid=$(rank_process "$process" 3)
kill -STOP "$pid"
wait_for_line err "succeeded: "
expect_run_status 0
kill -CONT "$pid" 2>/dev/null
finish
expect_nothing_left

rule "what ran on a rank that is killed costs it a system failure, and nothing else does"
launch self,vader 3 map "$gate:gate" --slots 1 --lost-after 1 --inputs gates.jsonl
[ -n "$job" ] || fail "rank 0 shares no memory"
wait_for_line starts " 0"
wait_for_line starts " 1"
sleep 2 # beats tell of them, four times a second
kill -KILL "$(rank_process "$process" 1)"
wait_for_line err "rank 1 on $host is lost: its process has ended"
touch open
finish
expect_run_status 0
expect_in err "lost: rank 1 on $host was lost"
expect_segments_gone
run 0 results run --table
python3 - <<'PYTHON' || fail "the failures are wrong"
import json
rows = [json.loads(line) for line in open("out")]
assert [row["state"] for row in rows] == ["succeeded"] * 4, rows
assert sorted(row["system_failures"] for row in rows) == [0, 0, 0, 1], rows
assert sorted(row["attempts"] for row in rows) == [1, 1, 1, 2], rows
assert not any(row["task_failures"] for row in rows), rows
PYTHON
run 0 status run --json
python3 - <<'PYTHON' || fail "status does not name the rank that was lost"
import json
ranks = {rank["rank"]: rank for rank in json.load(open("out"))["ranks"]}
assert ranks[1]["lost"] and "its process has ended" in ranks[1]["why"], ranks
assert ranks[2]["lost"] is None and ranks[2]["why"] is None, ranks
PYTHON

rule "with no system retries left it has failed, as lost"
launch self,vader 3 map "$gate:gate" --slots 1 --lost-after 1 --system-retries 0 --policy run-all \
    --inputs two.jsonl
wait_for_line starts " 0"
wait_for_line starts " 1"
sleep 2
kill -KILL "$(rank_process "$process" 1)"
wait_for_line err "rank 1 on $host is lost"
touch open
finish
expect_run_status 1
expect_counts succeeded 1 failed 1
run 0 results run --table --state failed
expect_in out '"class":"lost"'

# set_up RANKS ARGUMENT...: as far as the setups, which wait; nothing is started yet.
set_up() {
    local ranks=$1
    shift
    rm -rf run open setting-up-* err
    mpirun -q --enable-recovery -n "$ranks" "$mapfleet" map "$slow_setup:same" --range 0:10 \
        --slots 1 --print --run-dir run "$@" >out 2>err </dev/null &
    process=$!
    for _ in $(seq 600); do
        [ "$(find . -name 'setting-up-*' | wc -l)" -eq $((ranks - 1)) ] && return
        sleep 0.05
    done
    fail "the setups never began"
}

rule "one that is killed before the run begins is left out"
set_up 4
kill -KILL "$(rank_process "$process" 2)"
wait_for_line err "is lost: its process has ended; the run goes on without it"
touch open
finish
expect_run_status 0
expect_lines out "$(seq 0 9)"
expect_nothing_left

rule "one that is stopped then, and comes back before the others are ready, is none that was lost"
set_up 3 --lost-after 1
pid=$(rank_process "$process" 2)
kill -STOP "$pid"
wait_for_line err "is lost: silent for"
kill -CONT "$pid"
wait_for_line err "is heard of again: it starts anew"
touch open
finish
expect_run_status 0
expect_lines out "$(seq 0 9)"
expect_nothing_left

rule "with all workers killed before the run begins, nothing was started"
set_up 3
kill -KILL $(rank_process "$process" 1) $(rank_process "$process" 2)
wait_for_line err "no rank is left to work; nothing was started"
touch open
finish
[ ! -e run ] || fail "a run directory was made"
expect_nothing_left

rule "with all workers lost the run ends, and what is on record is not run again"
launch self,vader 4 "${map[@]}"
kill -KILL $(rank_process "$process" 1) $(rank_process "$process" 2) $(rank_process "$process" 3)
finish
expect_run_status 75
expect_in err "no rank is left to work"
expect_in err "go on with: mapfleet resume"
expect_nothing_left
expect_segments_gone
run 3 resume run --print
expect_status 0
diff -q expected out >/dev/null || fail "the outputs are wrong"
expect_counts succeeded "$size"

for btl in self,vader self,tcp; do
    rule "with rank 0 killed the others end by themselves, and resume goes on ($btl)"
    launch "$btl" 4 "${map[@]}"
    kill -KILL "$(rank_process "$process" 0)"
    finish
    expect_run_status 75
    expect_in err "rank 0 is lost: its process has ended"
    expect_nothing_left
    expect_segments_gone
    run 3 resume run --print
    expect_status 0
    diff -q expected out >/dev/null || fail "the outputs are wrong"
done

rule "a stopped rank ends no run where killed ones would: what it had runs elsewhere"
begin 4 map basics:sleep --inputs sleeps.jsonl --slots 1 --lost-after 1
for _ in $(seq 600); do [ -s run/log.lz4 ] && break; sleep 0.02; done
kill -STOP "$(rank_process "$process" 2)"
finish
expect_status 0
expect_in err "rank 2 on $host is lost: silent for 1 s"
expect_counts succeeded 800
expect_nothing_left

rule "a time to be lost in that is too short to be heard of in is refused"
run 0 "${map[@]}" --lost-after 900ms
expect_status 2
expect_in err '--lost-after: "900ms": expected at least 1s, or 0: never'
exit 0
