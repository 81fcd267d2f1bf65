#!/usr/bin/env bash
# Far more ranks than cores: a run starts, is whole, and ends. MAPFLEET_RANKS says how many (64 by
# hand); how much memory each takes with its zygote and its executor is printed.
source "$(dirname "$0")/support.sh"
ranks=${MAPFLEET_RANKS:-16}
gate=$MAPFLEET_BUILD_DIR/tests/jobs/gate.so
workers=$((ranks - 1))
for i in $(seq 0 $((workers - 1))); do echo "{\"value\": $i, \"until\": \"open\"}"; done >gates.jsonl

# memory_of_ranks FOLDER: of all processes of the run with this folder, shared pages divided.
memory_of_ranks() {
    local process sum=0 size
    for process in $(pgrep -f "/mapfleet map .*--run-dir $1"); do
        [ "$(cat "/proc/$process/comm" 2>/dev/null)" = mapfleet ] || continue
        size=$(sed -n 's/^Pss: *\([0-9]*\) kB/\1/p' "/proc/$process/smaps_rollup" 2>/dev/null)
        sum=$((sum + ${size:-0}))
    done
    echo "$((sum / ranks)) KiB a rank"
}

rule "each of $ranks ranks has an attempt, and all wait together"
begin "$ranks" map "$gate:gate" --inputs gates.jsonl --slots 1
for i in $(seq 0 $((workers - 1))); do wait_for "begun-$i"; done
memory_of_ranks run
touch open
finish
expect_status 0
expect_counts succeeded "$workers"
expect_in err "1 host, $ranks ranks, $workers slots"

rule "short tasks on all of them: every output once, in order"
run "$ranks" map basics:square --range 0:1000000 --slots 1 --run-dir short
expect_status 0
"$mapfleet" results short >out
python3 -c "
for i, line in enumerate(open('out')):
    assert int(line) == i * i, (i, line)
assert i == 999999, i" || fail "the outputs are wrong"
expect_nothing_left
exit 0
