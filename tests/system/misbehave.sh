#!/usr/bin/env bash
# A task function can do anything, and costs only its own attempt: a tenth of a thousand instances
# each does something that no task should.
source "$(dirname "$0")/support.sh"

# Whose attempt it ends, and the others, whose attempt succeeds. Few hang: these take their time.
cat >ways.py <<'PYTHON'
fatal = {
    "crash": ("crash", "SIGSEGV (Segmentation fault)"),
    "abort": ("crash", "SIGABRT (Aborted)"),
    "exit": ("exit", "left with exit status 0"),
    "exit-3": ("exit", "left with exit status 3"),
    "stack": ("crash", "SIG"),
    "shared": ("crash", ""),
    "leak": ("memory", "past its limit of 100 MiB"),
    "hang": ("timeout", "ran longer than its timeout"),
}
rude = ["flood", "children", "kill-parent", "close", "cut"]
PYTHON
cat >inputs.py <<'PYTHON'
import json, random, sys
from ways import fatal, rude
often = [way for way in list(fatal) + rude if way != "hang"]
random.seed(int(sys.argv[1]))
for i in range(1000):
    record = {"value": i}
    if i % 10 == 3:
        record["how"] = random.choice(often * 2 + ["hang"])
        if len(sys.argv) > 2:
            record["until"] = int(sys.argv[2])
    print(json.dumps(record))
PYTHON

# May this process give others a /dev/shm of their own?
is_closed_off=no
unshare -m mount -t tmpfs tmpfs /dev/shm 2>/dev/null && is_closed_off=yes

# run_closed_off RANKS ARGUMENT...: as run, with folders for temporary files and for shared memory
# that nobody else uses, and in which nothing may be left.
run_closed_off() {
    local ranks=$1
    shift
    local words=("$mapfleet" "$@")
    [ "$ranks" -gt 0 ] && words=(mpirun -q -n "$ranks" "${words[@]}")
    if [ $is_closed_off = yes ]; then
        # shellcheck disable=SC2016
        words=(unshare -m bash -c 'mount -t tmpfs tmpfs /dev/shm && "$@"; status=$?
            ls -A /dev/shm >shm; exit $status' bash "${words[@]}")
    fi
    mkdir -p tmp
    : >shm
    TMPDIR=$scratch/tmp timeout -k 2 100 "${words[@]}" >out 2>err </dev/null
    status=$?
    [ -z "$(ls -A tmp)" ] || fail "files are left: $(find tmp)"
    [ ! -s shm ] || fail "shared memory is left: $(cat shm)"
    expect_nothing_left
}

for ranks in 0 3; do
    python3 inputs.py "$ranks" >inputs.jsonl
    rule "exactly those fail that end their attempt, and every other output is right ($ranks ranks)"
    rule "nothing is left: no process, no file, no shared memory ($ranks ranks)"
    run_closed_off "$ranks" map basics:misbehave --inputs inputs.jsonl --policy run-all --slots 2 \
        --timeout 2s --mem 100Mi --print --run-dir "run-$ranks"
    expect_status 1
    python3 - <<'PYTHON' || fail "not exactly those failed"
import json
from ways import fatal
inputs = [json.loads(line) for line in open("inputs.jsonl")]
outputs = [json.loads(line) for line in open("out")]
expected = [None if row.get("how") in fatal else row["value"] for row in inputs]
wrong = [(row, output) for row, output, right in zip(inputs, outputs, expected) if output != right]
assert len(outputs) == 1000 and not wrong, wrong[:20]
PYTHON

    rule "their classes and texts say what they did ($ranks ranks)"
    run 0 results "run-$ranks" --table --state failed,timed-out
    python3 - <<'PYTHON' || fail "classes or texts are wrong"
import json
from ways import fatal
inputs = [json.loads(line) for line in open("inputs.jsonl")]
rows = [json.loads(line) for line in open("out")]
assert len(rows) == sum(row.get("how") in fatal for row in inputs), len(rows)
for row in rows:
    how = inputs[row["index"]]["how"]
    assert row["class"] == fatal[how][0] and fatal[how][1] in row["error"], (how, row)
    assert (row["attempts"], row["task_failures"], row["system_failures"]) == (1, 1, 0), row
    assert (row["state"] == "timed-out") == (how == "hang"), row
PYTHON
done

rule "with a retry all of them succeed"
python3 inputs.py 1 1 >retried.jsonl
run_closed_off 3 map basics:misbehave --inputs retried.jsonl --retries 1 --slots 2 --timeout 2s \
    --mem 100Mi --print
expect_status 0
expect_lines out "$(seq 0 999)"

rule "a child that returns from the function is not the attempt: each index has its own value, once"
for i in $(seq 0 999); do
    [ $((i % 10)) -eq 3 ] && echo "{\"value\": $i, \"how\": \"return-twice\"}" || echo "{\"value\": $i}"
done >twice.jsonl
run 3 map basics:misbehave --inputs twice.jsonl --print
expect_status 0
expect_lines out "$(seq 0 999)"
expect_nothing_left

leaving=$MAPFLEET_BUILD_DIR/tests/jobs/leaving.so
for ranks in 0 2; do
    rule "with --isolation none a task that calls exit(0) is no success, and the run goes on ($ranks ranks)"
    run "$ranks" map "$leaving:leave" --range 0:3 --isolation none --run-dir "in-rank-$ranks"
    [ "$status" -ne 0 ] || fail "it exited with 0"
    [ "$ranks" -ne 0 ] || expect_status 75
    expect_in err "a task function called exit(0), and so ended its rank"
    run 0 status "in-rank-$ranks"
    expect_status 75
    run "$ranks" resume "in-rank-$ranks" --isolation process
    expect_status 1
    expect_in err "left with exit status 0"
done

rule "with --isolation none a setup that calls exit(0) is no success"
touch leave-in-setup
run 0 map "$leaving:child" --range 0:3 --isolation none
expect_status 75
expect_in err "the job's setup called exit(0), and so ended its rank"
rm leave-in-setup

rule "with --isolation none a child of a task may exit as it likes"
run 0 map "$leaving:child" --range 0:3 --isolation none --print
expect_status 0
expect_lines out "$(printf '3\n3\n3')"
expect_not_in err "called exit"
expect_nothing_left
exit 0
