#!/usr/bin/env bash
# A job's setup and teardown, and what becomes of a rank on which the setup fails.
source "$(dirname "$0")/support.sh"
job=$MAPFLEET_BUILD_DIR/tests/jobs/set_up.so

for ranks in 0 3; do
    rule "they run once in each process, and what setup keeps lives on across attempts ($ranks ranks)"
    rm -f setups teardowns
    run "$ranks" map "$job:count" --range 0:1000 --slots 2 --print
    expect_status 0
    expect_nothing_left
    python3 - <<'PYTHON' || fail "not once each"
import collections, json
setups, teardowns = ([line.split()[1] for line in open(name)] for name in ("setups", "teardowns"))
assert len(set(setups)) == len(setups) and sorted(setups) == sorted(teardowns), (setups, teardowns)
calls = collections.defaultdict(list)
for row in map(json.loads, open("out")):
    calls[str(row["process"])].append(row["calls"])
assert set(calls) <= set(setups), (list(calls), setups)
for process, counted in calls.items():
    assert sorted(counted) == list(range(1, len(counted) + 1)), (process, sorted(counted)[:20])
PYTHON
done

rule "a rank on which it fails tries twice and stays out, and the others do the work"
rm -f setups
touch fail-2
run 3 map "$job:count" --range 0:100 --slots 2 --run-dir without
expect_status 0
[ "$(grep -c 'no licence on rank 2.*goes on without it' err)" -eq 1 ] || fail "not one warning"
[ "$(grep -c '^2 ' setups)" -eq 2 ] || fail "it was tried $(grep -c '^2 ' setups) times"
[ "$("$mapfleet" results without --table | grep -c '"rank":1')" -eq 100 ] || fail "not all on rank 1"
rm fail-2

rule "where it fails on all of them, each tries twice, and the run ends with 1 before any instance"
touch fail-1 fail-2
rm -f setups
run 3 map "$job:count" --range 0:100 --slots 2 --run-dir nowhere
expect_status 1
expect_in err "no licence on rank"
[ ! -e nowhere ] || fail "a run directory was made"
[ "$(wc -l <setups)" -eq 4 ] || fail "it was tried $(wc -l <setups) times"
rm fail-*

rule "a rank on which it fails later leaves with a warning, and what it held goes on elsewhere"
{ seq 0 99; echo -1; seq 101 400; } >one.txt
run 3 map "$job:count" --inputs one.txt --slots 1 --run-dir later --policy run-all --unit-size 10
expect_status 1
[ "$(grep -c 'leaves the run: .*no licence' err)" -eq 1 ] || fail "not one warning"
"$mapfleet" results later --table --state failed >rows
[ "$(wc -l <rows)" -eq 1 ] || fail "more than the one has failed"
expect_in rows '"index":100'
rm fail-*

for ranks in 0 2; do
    rule "with no rank left the run ends with 75, and goes on once the setup works ($ranks ranks)"
    run "$ranks" map "$job:count" --inputs one.txt --slots 1 --run-dir "none-$ranks" --policy run-all \
        --unit-size 10
    expect_status 75
    expect_in err "no licence"
    rm fail-*
    run "$ranks" resume "none-$ranks"
    expect_status 1
    expect_in err "400 succeeded, 1 failed"
done

rule "a constant is there in every attempt and in the setup, and is part of what is kept and resumed"
constant=$MAPFLEET_BUILD_DIR/tests/jobs/constant.so
run 2 map "$constant:scale" --range 0:3 --constant '{"scale": 7}' --run-dir scaled --cache-version 1 --print
expect_status 0
expect_lines out '0
7
14'
run 0 resume scaled --print
expect_lines out '0
7
14'
run 0 map "$constant:scale" --range 0:3 --constant '{"scale": 8}' --cache-version 1 --print
expect_lines out '0
8
16'
run 0 map "$constant:scale" --range 0:3 --constant '{"scale": 8}' --run-dir scaled --resume
expect_status 2
expect_in err 'cannot be resumed with another --constant'
run 0 map "$constant:scale" --range 0:3
expect_status 2
expect_in err 'task scale needs --constant JSON'
run 0 map "$constant:scale" --range 0:3 --constant '{"scale": "x"}'
expect_in err '--constant: at .scale: expected int'
run 0 map basics:square --range 0:3 --constant 1
expect_in err '--constant: task square takes none'
exit 0
