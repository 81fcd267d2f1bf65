#!/usr/bin/env bash
# Workflows that are killed or interrupted, and go on: recorded calls answer at once, and nothing
# that is recorded runs again; one that departs from its record is refused.
source "$(dirname "$0")/support.sh"

flows=$MAPFLEET_BUILD_DIR/tests/jobs/flows.so

# Every process below this one, itself included.
tree() {
    local child
    echo "$1"
    for child in $(pgrep -P "$1"); do
        tree "$child"
    done
}

# Kill all of the run at once; what the zygotes have to end, they do.
kill_all() {
    kill -KILL $(tree "$process") 2>/dev/null
    wait "$process" 2>/dev/null
    expect_nothing_left
}

# Until as many attempts of the task `wait` have begun.
await_waiting() {
    for _ in $(seq 600); do
        [ -e waiting ] && [ "$(wc -l <waiting)" -ge "$1" ] && return
        sleep 0.05
    done
    fail "it never waited"
}

expect_noted_once() {
    [ "$(sort noted | uniq -c | sort -rn | awk 'NR == 1 { print $1 }')" -eq 1 ] ||
        fail "an instance ran twice: $(sort noted | uniq -c | sort -rn | head -2)"
    [ "$(wc -l <noted)" -eq 15 ] || fail "$(wc -l <noted) instances ran, expected 15"
}

rule "a workflow that is killed whole goes on where it was"
start 3 run "$flows:steps" "until=$scratch/open" --run-dir run
await_waiting 1
kill_all
run 0 status run
expect_status 75
[ "$(wc -l <noted)" -eq 15 ] || fail "$(wc -l <noted) instances had run, expected 15"

rule "one that departs from its record is refused, and the place is named"
touch departs
run 0 resume run
expect_status 2
expect_in err "workflow steps departs from what $scratch/run has recorded: its map 1 was note"
rm departs
run 0 status run
expect_status 75

rule "so is one that succeeds without all that is recorded"
touch shrinks
run 0 resume run
expect_status 2
expect_in err "its map 2 was note over 5 inputs, and now it ends without it"
rm shrinks
run 0 status run
expect_status 75

rule "what is recorded is not run again, and the output is that of an undisturbed run"
touch open
run 2 resume run --print
expect_status 0
expect_lines out 33
expect_noted_once
run 0 resume run --print
expect_status 0
expect_lines out 33
expect_in err "succeeded already, nothing runs"

rule "an interrupted workflow can be resumed, by its command line too"
rm -rf run noted waiting open
start 0 run "$flows:steps" "until=$scratch/open" --run-dir run --grace 1ms
await_waiting 1
kill -TERM "$process"
finish
expect_status 75
touch open
run 0 run "$flows:steps" "until=$scratch/open" --run-dir run --resume --print
expect_status 0
expect_lines out 33
expect_noted_once

rule "a map that is refused has a number too, and a resume finds those behind it"
rm -rf run noted
run 0 run "$flows:wrong" how=bear --run-dir run
expect_status 1
run 0 resume run --failed
expect_status 1
expect_in err "as asked: bear"
[ "$(wc -l <noted)" -eq 2 ] || fail "$(wc -l <noted) instances ran, expected 2"
run 0 results run --map 2
expect_lines out 3

rule "a function that hangs is ended with the run, which can be resumed"
rm -rf run noted
start 0 run "$flows:wrong" how=hang --run-dir run
wait_for_line err "going wrong: hang"
wait_for noted
kill -TERM "$process"
finish
expect_status 75
expect_nothing_left

rule "a function whose process is killed by somebody else runs again on resume"
rm -rf run noted
run 0 run "$flows:wrong" how=kill --run-dir run
expect_status 75
expect_in err "workflow wrong: its process was ended by a SIGKILL; the run ends and can be resumed"
run 0 resume run
expect_status 1
expect_in err "as asked: kill"
[ "$(wc -l <noted)" -eq 1 ] || fail "$(wc -l <noted) instances ran, expected 1"
rm -rf run
run 0 run "$flows:steps" "until=$scratch/open" --run-dir run
expect_status 0

rule "a resume with other parameters or another workflow is refused"
run 0 run "$flows:steps" "until=$scratch/other" --run-dir run --resume
expect_status 2
expect_in err "cannot be resumed with other parameters"
run 0 run "$flows:total" 'xs=[1]' --run-dir run --resume
expect_status 2
expect_in err "cannot be resumed with another workflow: it was started with steps, not with total"
run 0 map "$flows:square" --range 0:2 --run-dir run --resume
expect_status 2
expect_in err "cannot be resumed with another verb: it was started with run, not with map"
run 0 resume run --retries 3
expect_status 2
expect_in err "--retries is an option of one map"

rule "a failed workflow can be revived, and only what failed runs again"
rm -rf run noted
run 0 run "$flows:wrong" how=crash --run-dir run
expect_status 1
run 0 resume run --failed
expect_status 1
expect_in err "SIGSEGV"
[ "$(wc -l <noted)" -eq 1 ] || fail "$(wc -l <noted) instances ran, expected 1"

rule "what was revived may end earlier than before, also in a session after that"
rm -rf run noted
run 0 run "$flows:revived" --run-dir run
expect_status 1
touch hangs
start 0 resume run --failed
wait_for_line err "revived: revived"
kill -TERM "$process"
finish
expect_status 75
rm hangs
run 0 resume run --print
expect_status 0
expect_lines out 5

rule "a search that is killed in the middle of a round gives what an undisturbed one gives"
rm -rf run
search=(run search 'from=[-3,4.5]' rounds=12)
run 0 "${search[@]}" --run-dir whole --print
expect_status 0
mv out expected
start 3 "${search[@]}" pause_ms=200 --run-dir run
wait_for_line err "round 3:"
kill_all
run 0 status run
expect_status 75
run 2 resume run --print
expect_status 0
cmp out expected || fail "the output differs: $(cat out expected)"
python3 - <<'PYTHON' || fail "instances were run again that were recorded"
import json
whole = json.load(open("whole/run.json"))["verdict"]
run = json.load(open("run/run.json"))["verdict"]
assert run["counts"] == whole["counts"], (run, whole)
PYTHON
