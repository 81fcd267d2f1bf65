#!/usr/bin/env bash
# A task function can do anything, and costs only its own attempt.
source "$(dirname "$0")/support.sh"

cat >inputs.py <<'PYTHON'
import json, random, sys
ways = sys.argv[3].split(",")
random.seed(1)
with open(sys.argv[1], "w") as out:
    for i in range(int(sys.argv[2])):
        record = {"value": i}
        if i % 10 == 3:
            record["how"] = random.choice(ways)
            if len(sys.argv) > 4:
                record["until"] = int(sys.argv[4])
        out.write(json.dumps(record) + "\n")
PYTHON

rule "failures beside a crash keep their texts"
python3 - >beside.jsonl <<'PYTHON'
import json
for i in range(5000):
    record = {"value": i}
    if i % 7 == 3:
        record["how"] = "fail"
    if i % 50 == 25:
        record["how"] = "crash"
    print(json.dumps(record))
PYTHON
run 0 map basics:misbehave --inputs beside.jsonl --policy run-all --run-dir beside
expect_status 1
run 0 results beside --table --state failed
python3 - <<'PYTHON' || fail "a text is not that of its failure"
import json
for row in map(json.loads, open("out")):
    text = "SIGSEGV" if row["index"] % 50 == 25 else "failed as asked"
    assert text in row["error"], row
PYTHON

rule "who reads standard error slowly costs no attempt its timeout"
{
    echo '{"value": 0, "how": "hang"}'
    yes '{"value": 1, "print": "stderr", "text": "a line of some length"}' | head -20000
} >slow.jsonl
mkfifo slow
(exec 3<slow; while kill -0 "$PPID" 2>/dev/null && [ ! -e read ]; do sleep 0.1; done; cat <&3 >/dev/null) &
"$mapfleet" map basics:misbehave --inputs slow.jsonl --capture none --timeout 500ms --grace 100ms \
    --policy run-all --slots 2 --run-dir slow-run 2>slow >out </dev/null &
process=$!
for _ in $(seq 200); do # the hanging one is ended while nobody reads
    "$mapfleet" results slow-run --table --state timed-out >rows 2>/dev/null && [ -s rows ] && break
    sleep 0.1
done
[ -s rows ] || fail "its timeout was not kept"
touch read
wait "$process"
status=$?
expect_status 1

rule "a SIGKILL that is not ours uses system_retries"
echo '{"value": 5, "how": "kill", "until": 2}' >killed.jsonl
run 2 map basics:misbehave --inputs killed.jsonl --print --run-dir killed
expect_status 0
expect_lines out 5
run 0 results killed --table
expect_in out '"system_failures":2'
expect_in out '"task_failures":0'
run 2 map basics:misbehave --inputs killed.jsonl --system-retries 1 --run-dir killed-1
expect_status 1
run 0 results killed-1 --table
expect_in out '"class":"killed"'

rule "an attempt past its timeout is ended; the queue does not count"
for ms in 50 100 150 5000 6000 7000; do echo "{\"ms\": $ms}"; done >times.jsonl
run 2 map basics:sleep --inputs times.jsonl --timeout 500ms --slots 1 --min-success-ratio 0 \
    --print --run-dir times
expect_status 0
[ "$(wc -l <out)" -eq 6 ] || fail "the list has not six elements"
run 0 results times --table
python3 - <<'PYTHON' || fail "the states are wrong"
import json
rows = [json.loads(line) for line in open("out")]
assert [row["state"] for row in rows] == ["succeeded"] * 3 + ["timed-out"] * 3, rows
assert [row["class"] for row in rows] == [None] * 3 + ["timeout"] * 3, rows
PYTHON
expect_nothing_left

rule "an attempt past its memory fails with class memory, and the others go on"
python3 inputs.py leaks.jsonl 60 leak,leak-on
run 2 map basics:misbehave --inputs leaks.jsonl --mem 100M --slots 2 --policy run-all --print \
    --run-dir leaks
expect_status 1
cp err summary
python3 - <<'PYTHON' || fail "not exactly those failed"
import json
outputs = [json.loads(line) for line in open("out")]
assert outputs == [None if i % 10 == 3 else i for i in range(60)], outputs
PYTHON
run 0 results leaks --table --state failed
python3 - <<'PYTHON' || fail "classes or texts are wrong"
import json
rows = [json.loads(line) for line in open("out")]
assert len(rows) == 6, rows
for row in rows:
    assert row["class"] == "memory" and row["task_failures"] == 1, row
    assert row["error"].endswith("memory: past its limit of 100 MB"), row
PYTHON

rule "the summary has them as one group, however much each of them held"
python3 - <<'PYTHON' || fail "not one group of six"
import re
lines = [line for line in open("summary") if "past its limit" in line]
assert len(lines) == 1 and re.search(r"\[3\]\[13\].*\[53\]: ", lines[0]), lines
PYTHON
expect_nothing_left

rule "what earlier attempts have left behind does not count"
for i in $(seq 8); do echo "{\"value\": $i, \"how\": \"leak\"}"; done >leaks-8.jsonl
run 2 map basics:misbehave --inputs leaks-8.jsonl --mem 700Mi --slots 1 --print
expect_status 0
expect_lines out "$(seq 8)"
expect_nothing_left

rule "without a limit of memory, the same succeeds"
python3 inputs.py leak.jsonl 20 leak
run 2 map basics:misbehave --inputs leak.jsonl --print
expect_status 0
expect_lines out "$(seq 0 19)"

rule "stop ends attempts that run"
cat >stop.jsonl <<'JSON'
{"value": 0, "print": "shell", "text": "touch hangs", "how": "hang"}
{"value": 1, "print": "shell", "text": "until [ -e hangs ]; do sleep 0.05; done", "how": "exit-3"}
JSON
start=$SECONDS
run 2 map basics:misbehave --inputs stop.jsonl --slots 2 --run-dir stop
expect_status 1
[ $((SECONDS - start)) -lt 8 ] || fail "a hanging attempt held the end up"
run 0 results stop --table
expect_in out '"state":"aborted"'
expect_nothing_left

rule "a slow instance does not hold back the one behind it, which runs in a free slot meanwhile"
# Two instances that each wait for the other, somewhere in a batch of quick ones.
{
    yes '{}' | head -3000
    echo '{"make": "first", "await": ["second"]}'
    echo '{"make": "second", "await": ["first"]}'
    yes '{}' | head -1000
} >pairs.jsonl
for ranks in 0 3; do
    rm -f first second
    run "$ranks" map "$MAPFLEET_BUILD_DIR/tests/jobs/meet.so:meet" --inputs pairs.jsonl --slots 2 --run-dir "pairs-$ranks"
    expect_status 0
done

# The first never ends by itself, so that the run is there for as long as the test needs it.
{ echo '{"value": 0, "how": "hang"}'; for i in $(seq 200); do echo "{\"value\": $i}"; done; } >uneven.jsonl
rule "nothing is left when a lone rank is killed"
"$mapfleet" map basics:misbehave --inputs uneven.jsonl --slots 2 --run-dir lone >out 2>err &
alone=$!
wait_for_content lone/log.lz4
kill -KILL "$alone"
wait "$alone" 2>/dev/null
expect_nothing_left

rule "nothing is left when mpirun and its ranks are killed"
mpirun -q -n 3 "$mapfleet" map basics:misbehave --inputs uneven.jsonl --slots 2 --run-dir ranks \
    >out 2>err </dev/null &
ranks=$!
wait_for_content ranks/log.lz4
kill -TERM "$ranks"
wait "$ranks" 2>/dev/null
expect_nothing_left

{ echo '{"ms": 3000}'; for i in $(seq 200); do echo '{"ms": 10}'; done; } >naps.jsonl
rule "a rank that cannot go on leaves the run, with its reason; another does its work"
mpirun -q -n 3 "$mapfleet" map basics:sleep --inputs naps.jsonl --slots 1 --run-dir zygoteless \
    >out 2>err </dev/null &
process=$!
wait_for_content zygoteless/log.lz4
kill -KILL "$(pgrep -P "$(rank_process "$process" 2)" | head -1)"
finish
expect_status 0
expect_in err "rank 2 on $(hostname) is lost: the process that forks executors has ended"
expect_not_in err "ignored" # a unit that was under way is nothing to tell of
expect_in err "201 succeeded"
expect_nothing_left

rule "where no rank is left after that, the run ends to be resumed"
rm -rf zygoteless
mpirun -q -n 2 "$mapfleet" map basics:sleep --inputs naps.jsonl --slots 1 --run-dir zygoteless \
    >out 2>err </dev/null &
process=$!
wait_for_content zygoteless/log.lz4
kill -KILL "$(pgrep -P "$(rank_process "$process" 1)" | head -1)"
finish
expect_status 75
expect_in err "no rank is left to work"
expect_not_in err "the run goes on"
expect_in err "go on with: mapfleet resume"
expect_nothing_left

rule "a new executor is used as soon as it is ready: a hundred crashes in one slot take no minute"
python3 inputs.py crashes.jsonl 1000 crash
run 0 map basics:misbehave --inputs crashes.jsonl --slots 1 --max-failures 100 --policy run-all
expect_status 0
expect_in err "100 failed"

rule "a limit on the size of files ends a run like a full disk: 75"
(export MAPFLEET_WRITE_PATIENCE=1s
 ulimit -f 64 && run 0 map basics:square --range 0:3000000 --isolation none
 exit "$status")
status=$?
expect_status 75
expect_in err "can be resumed"

rule "with --isolation none a map gives the same"
run 3 map basics:square --range 0:100 --isolation none --print
expect_status 0
expect_lines out "$(python3 -c 'print("\n".join(str(i * i) for i in range(100)))')"

rule "a setup that fails everywhere ends the run with 1 before any instance, and says why"
for ranks in 0 2; do
    run "$ranks" map "$MAPFLEET_BUILD_DIR/tests/jobs/bad_setup.so:task" --range 0:10 --run-dir setup
    expect_status 1
    expect_in err "no licence"
    [ ! -e setup ] || fail "a run directory was made"
done
exit 0
