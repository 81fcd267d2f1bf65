#!/usr/bin/env bash
# Several maps in one run: they share ranks, slots and executors, and each has results of its own. No
# workflow is in it: a program has a plan (several_maps.c).
source "$(dirname "$0")/support.sh"
program=$MAPFLEET_BUILD_DIR/tests/system_several_maps

# plan RANKS WORD...: leaves status, out and err.
plan() {
    local ranks=$1
    shift
    rm -rf run
    status=0
    if [ "$ranks" -eq 0 ]; then
        timeout 100 "$program" run "$@" >out 2>err </dev/null || status=$?
    else
        timeout 100 mpirun -q -n "$ranks" "$program" run "$@" >out 2>err </dev/null || status=$?
    fi
}

# expect_line TEXT: of standard output.
expect_line() {
    grep -qxF "$1" out || fail "no line \"$1\" in: $(cat out err)"
}

rule "maps of one run are begun while others run, and each has its own results"
plan 3 basics slots=2 square:0:200000 square:10:20 wait=1 square:5:5 square:0:1 wait exit=0
expect_status 0
expect_line "end 0 succeeded succeeded=200000 failed=0 outputs=200000"
expect_line "end 1 succeeded succeeded=10 failed=0 outputs=10"
expect_line "end 2 succeeded succeeded=0 failed=0 outputs=0"
expect_line "end 3 succeeded succeeded=1 failed=0 outputs=1"
[ "$("$mapfleet" results run --map 1 | paste -sd' ')" = "100 121 144 169 196 225 256 289 324 361" ] ||
    fail "the outputs of map 1 are others"
[ "$("$mapfleet" results run --map 0 | awk '$1 != (NR - 1) * (NR - 1)' | wc -l)" -eq 0 ] ||
    fail "outputs of map 0 are others"
[ "$("$mapfleet" results run --map 0 | wc -l)" -eq 200000 ] || fail "map 0 has other outputs"
[ "$("$mapfleet" results run --map 3 --table | grep -c '"state":"succeeded"')" -eq 1 ] ||
    fail "no table of map 3"

rule "without --map the run's own output is printed, and a map that is not there is named"
[ "$("$mapfleet" results run)" = 42 ] || fail "the run has another output"
"$mapfleet" results run --map 4 >out 2>err && fail "map 4 is there"
grep -q -- "--map 4: run has 4 maps so far, numbered from 0" err || fail "$(cat err)"

rule "a small map does not wait for the end of a large one"
for _ in $(seq 2000); do echo '{"ms": 5}'; done >many.jsonl
for _ in $(seq 5); do echo '{"ms": 1}'; done >few.jsonl
plan 3 basics slots=1 sleep@many.jsonl sleep@few.jsonl wait=1 cancel=0 wait exit=0
expect_status 0
expect_line "end 1 succeeded succeeded=5 failed=0 outputs=5"
grep -q "^end 0 interrupted " out || fail "the large one was over first: $(cat out)"

rule "one that fails, and one that is cancelled, leave the others alone"
plan 3 basics square:3037000490:3037000510 sleep@many.jsonl square:0:100 wait=0 wait=2 cancel=1 wait exit=1
expect_status 1
grep -q "^end 0 failed " out || fail "map 0 did not fail: $(cat out)"
expect_line "end 2 succeeded succeeded=100 failed=0 outputs=100"
grep -q "^end 1 interrupted " out || fail "map 1 was not cancelled: $(cat out)"
"$mapfleet" results run --map 0 --table --state failed | grep -q "attempt 1 of 1" ||
    fail "its failures are not there"

rule "tasks that need more cores than others wait for room, and others fit beside them"
for _ in $(seq 20); do echo '{"ms": 10}'; done >some.jsonl
plan 0 basics slots=4 sleep@some.jsonl sleep@some.jsonl,cpus=2 sleep@some.jsonl,cpus=4 wait exit=0
expect_status 0
for map in 0 1 2; do
    expect_line "end $map succeeded succeeded=20 failed=0 outputs=20"
done

rule "what no rank could ever hold is refused when it is begun, and the others run"
plan 3 basics slots=2 square:0:10 square:0:10,cpus=3 wait exit=0
expect_status 0
expect_line "end 0 succeeded succeeded=10 failed=0 outputs=10"
grep -q "^refused 1: task square asks for 3 cpus, which no rank has: the largest, rank 1 on " out ||
    fail "$(cat out)"

rule "the same in the rank itself"
plan 0 basics none square:0:50000 square:0:10 wait=1 square:7:8 wait exit=0
expect_status 0
expect_line "end 0 succeeded succeeded=50000 failed=0 outputs=50000"
expect_line "end 2 succeeded succeeded=1 failed=0 outputs=1"
[ "$("$mapfleet" results run --map 2)" = 49 ] || fail "the output of map 2 is another"

rule "a signal ends all of them, resumable, with what they have"
rm -rf run
timeout 100 "$program" run basics slots=2 sleep@many.jsonl sleep@many.jsonl square:0:100 wait=2 wait >out 2>err &
process=$!
for _ in $(seq 600); do grep -q "^end 2 " out && break; sleep 0.1; done
kill -TERM "$(pgrep -P "$process" -f several_maps | head -1)"
status=0
wait "$process" || status=$?
expect_status 75
[ "$("$mapfleet" results run --map 2 | wc -l)" -eq 100 ] || fail "map 2 has lost outputs"
grep -q '"state": "interrupted"' run/run.json || fail "$(cat run/run.json)"

rule "an executor that dies in one map has not cost another one anything"
printf '%s\n' '{"value": 1, "how": "crash"}' '{"value": 2}' >crash.jsonl
plan 3 basics slots=2 misbehave@crash.jsonl,min=1 square:0:50000 wait exit=0
expect_status 0
expect_line "end 1 succeeded succeeded=50000 failed=0 outputs=50000"
grep -q "^end 0 .* failed=1 " out || fail "it did not crash: $(cat out)"
