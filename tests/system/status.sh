#!/usr/bin/env bash
# mapfleet status: where a run stands, from its directory alone.
source "$(dirname "$0")/support.sh"
job=$MAPFLEET_BUILD_DIR/tests/jobs/gate.so

# ask ARGUMENT...: what status says of the run, into out; leaves $status.
ask() {
    timeout 60 "$mapfleet" status run "$@" >out 2>err.status </dev/null
    status=$?
    [ ! -s err.status ] || fail "status says on standard error: $(cat err.status)"
}

# expect_json EXPRESSION: python, of `run`, the object that status --json has printed.
expect_json() {
    python3 - "$1" <<'PYTHON' || fail "not so: $1: $(cat out)"
import json, sys
lines = open("out").read().split("\n")
assert len(lines) == 2 and lines[1] == "", lines
run = json.loads(lines[0])
assert set(run["counts"]) == {"succeeded", "cached", "stopped-early", "failed", "timed-out",
                              "aborted", "not-started"}, run
assert sum(run["counts"].values()) == run["size"], run
assert run["state"] in ("running", "succeeded", "failed", "interrupted"), run
assert eval(sys.argv[1]), run
PYTHON
}

{ for i in 0 1 2 3; do echo "{\"value\": $i}"; done; echo '{"value": 4, "fail": true}'
    echo '{"value": 5, "fail": true}'; echo '{"value": 6, "until": "open"}'
    echo '{"value": 7, "until": "open"}'; } >mixed.jsonl

for ranks in 0 3; do
    rule "of a live run it tells counts, rate, failures and ranks, and exits 75 ($ranks)"
    begin "$ranks" map "$job:gate" --inputs mixed.jsonl --slots 2 --policy run-all
    wait_for begun-6 begun-7
    for _ in $(seq 100); do # until the reports of all others are on record
        ask --json
        grep -q '"succeeded":4' out && grep -q '"failed":2' out && break
        sleep 0.1
    done
    expect_status 75
    expect_json 'run["state"] == "running" and run["exit"] is None and run["live"] is True'
    expect_json 'run["size"] == 8 and run["counts"]["succeeded"] == 4'
    expect_json 'run["counts"]["failed"] == 2 and run["counts"]["not-started"] == 2'
    expect_json 'run["failures"] == [{"class": "error", "error": "as asked",
                                      "instances": "[4-5]", "count": 2}]'
    expect_json 'run["rate"] > 0 and run["estimate"].endswith("Z")'
    expect_json 'sum(rank["attempts"] for rank in run["ranks"]) == 6'
    ask
    expect_status 75
    expect_in out "gate:gate running: 6 of 8 done"
    expect_in out "[4-5]: error: as asked"

    rule "of one that has ended it exits as the run did, and tells the same as its end did ($ranks)"
    touch open
    finish
    expect_status 1
    ask --json
    expect_status 1
    expect_json 'run["state"] == "failed" and run["exit"] == 1 and run["live"] is False'
    expect_json 'run["counts"]["succeeded"] == 6 and run["counts"]["failed"] == 2'
    expect_json 'run["rate"] is None and run["estimate"] is None and run["attempts"] == 8'
    ask
    expect_status 1
    expect_in out "gate:gate failed: 8 of 8 done"
done

rule "of a success it exits 0"
begin 0 map basics:square --range 0:1000
finish
expect_status 0
ask --json
expect_status 0
expect_json 'run["state"] == "succeeded" and run["exit"] == 0 and run["failures"] == []'
ask --watch
expect_status 0

rule "of an empty list too"
: >none.jsonl
begin 0 map basics:square --inputs none.jsonl
finish
ask --json
expect_status 0
expect_json 'run["size"] == 0 and run["exit"] == 0'
ask
expect_in out "0 of 0 done"

rule "of an interrupted run it exits 75, with the counts so far and how to go on"
begin 0 map "$job:gate" --inputs mixed.jsonl --slots 2 --policy run-all --grace 0
wait_for begun-6 begun-7
kill -USR1 "$process"
finish
expect_status 75
ask --json
expect_status 75
expect_json 'run["state"] == "interrupted" and run["exit"] is None and run["live"] is False'
expect_json 'run["counts"]["aborted"] == 2 and run["counts"]["succeeded"] == 4'
ask
expect_in out "mapfleet resume"

rule "the command that goes on with it can be pasted, whatever the folder's name"
cp -r run "it's here"
run 0 status "it's here"
expect_in out "go on with: mapfleet resume 'it'\\''s here'"

rule "a run that was killed was cut off, which is told from a live one"
begin 0 map "$job:gate" --inputs mixed.jsonl --slots 2 --policy run-all
wait_for begun-6 begun-7
ask --json
expect_json 'run["state"] == "running" and run["live"] is True'
kill -KILL "$process"
wait "$process" 2>/dev/null
ask --json
expect_status 75
expect_json 'run["state"] == "interrupted" and run["exit"] is None and run["live"] is False'
expect_json 'run["counts"]["succeeded"] >= 3'
ask
expect_in out "was cut off"
ask --watch
expect_status 75

rule "the torn tail of its log is told, and never misread"
cp -r run torn
truncate -s -3 torn/log.lz4
run 0 status torn --json
expect_status 75
cp out whole
python3 - <<'PYTHON' || fail "the tail is not told"
import json
run = json.load(open("out"))
assert "log.lz4" in run["torn"], run
assert sum(run["counts"].values()) == 8, run
PYTHON

rule "results exits with 0 where it prints what is on record, of a run that was cut off too"
run 0 results torn
expect_status 0
[ "$(wc -l <out)" -eq 8 ] || fail "not a line an instance"
expect_in err "cut off or damaged"
run 0 results torn --table --state not-started
expect_status 0
expect_nothing_left

rule "--watch follows the run line by line, and ends with it, as it does"
begin 0 map "$job:gate" --inputs mixed.jsonl --slots 2 --policy run-all
wait_for run/log.lz4 begun-6
timeout 60 "$mapfleet" status run --watch >watched 2>err.status </dev/null &
watcher=$!
timeout 60 "$mapfleet" status run --watch --json >watched.json 2>>err.status </dev/null &
json_watcher=$!
wait_for_line watched "running"
wait_for_line watched.json "running"
touch open
finish
wait "$watcher"
[ $? -eq 1 ] || fail "the watcher did not exit as the run did"
wait "$json_watcher"
[ $? -eq 1 ] || fail "the watcher did not exit as the run did"
expect_in watched "8 of 8 done"
! grep -q $'\033' watched || fail "orders to a terminal in a file"
python3 - <<'PYTHON' || fail "not an object a line"
import json
lines = [json.loads(line) for line in open("watched.json")]
assert lines[0]["state"] == "running" and lines[-1]["state"] == "failed", lines
PYTHON

rule "--watch repeats in place on a terminal"
script -qec "'$mapfleet' status run" plain </dev/null >/dev/null
begin 0 map "$job:gate" --inputs mixed.jsonl --slots 2 --policy run-all
wait_for run/log.lz4 begun-6
script -qfec "'$mapfleet' status run --watch" typed </dev/null >/dev/null &
watcher=$!
wait_for_line typed "running"
touch open
finish
wait "$watcher"
expect_in typed $'\033['
expect_in typed "gate:gate failed"

rule "what is no run is refused"
run 0 status nowhere
expect_status 2
expect_in err "nowhere"
mkdir empty
run 0 status empty
expect_status 2
expect_in err "not a run directory"
run 0 status
expect_status 2
expect_in err "expected one run directory, found 0"
run 0 status run --table
expect_status 2
exit 0
