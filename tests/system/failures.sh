#!/usr/bin/env bash
# Success and its minimum, policies, retries, holes, states, and what is said of failures.
source "$(dirname "$0")/support.sh"

# Ten instances, of which 2, 3 and 7 fail for good.
python3 - <<'PYTHON'
import json
with open("three.jsonl", "w") as out:
    for i in range(10):
        record = {"value": i}
        if i in (2, 3, 7):
            record.update(fail=99, message="bad input" if i < 5 else "worse input")
        out.write(json.dumps(record) + "\n")
with open("flaky.jsonl", "w") as out:
    for i in range(200):
        out.write(json.dumps({"value": i, "fail": i % 3}) + "\n")
with open("permanent.jsonl", "w") as out:
    out.write(json.dumps({"value": 1, "fail": 1, "permanent": True, "message": "no way"}) + "\n")
PYTHON
holes=$'0\n1\nnull\nnull\n4\n5\n6\nnull\n8\n9'

for ranks in 0 1 2 5; do
    rule "three of ten that fail make the map fail ($ranks ranks)"
    run "$ranks" map basics:fail --inputs three.jsonl --run-dir "stop-$ranks"
    expect_status 1

    rule "a ratio of 0.7 tolerates three of ten, with holes at their places ($ranks ranks)"
    run "$ranks" map basics:fail --inputs three.jsonl --min-success-ratio 0.7 --print \
        --run-dir "ratio-$ranks"
    expect_status 0
    expect_lines out "$holes"

    rule "one line a group of errors, index ranges in brackets ($ranks ranks)"
    expect_in err "[2-3]: error: bad input"
    expect_in err "[7]: error: worse input"
done

rule "0.71 of 10 needs 8 successes"
run 2 map basics:fail --inputs three.jsonl --min-success-ratio 0.71
expect_status 1

rule "--min-successes and --max-failures are the same minimum in other words"
run 2 map basics:fail --inputs three.jsonl --min-successes 7
expect_status 0
run 2 map basics:fail --inputs three.jsonl --max-failures 3
expect_status 0
run 2 map basics:fail --inputs three.jsonl --max-failures 2
expect_status 1

rule "--max-failures above the number of instances is the same as that number"
run 2 map basics:fail --inputs three.jsonl --max-failures 11
expect_status 0

rule "run-all runs every instance before it fails"
run 2 map basics:fail --inputs three.jsonl --policy run-all --print --run-dir all
expect_status 1
expect_lines out "$holes"

rule "stop starts nothing more once the minimum is out of reach"
run 2 map basics:fail --inputs three.jsonl --unit-size 1 --print --run-dir stopped
expect_status 1
[ "$(wc -l <out)" -eq 10 ] || fail "the list has not ten elements"
cp err said
run 0 results stopped --table --state not-started
[ -s out ] || fail "nothing is not-started"

rule "what stop has left out is said, and the command that is named runs it"
expect_in said "--policy stop, the default, has left out "
command=$(sed -n 's/.*and again what failed: mapfleet //p' said)
[[ $command == resume*stopped*" --failed --policy run-all" ]] || fail "no command: $command"
eval "run 0 $command --print"
expect_status 1
expect_lines out "$holes"
expect_not_in err "has left out"

rule "without a table, states that have no output come with a hint at one"
run 0 results stopped --state failed
expect_status 0
expect_in err "--table shows"
expect_lines out "$(printf 'null\nnull\nnull')"
run 0 results stopped --state failed,succeeded
expect_not_in err "--table"
[ "$(wc -l <out)" -eq 10 ] || fail "not all ten"

rule "failures that the last lines leave out are found by the command that is named there"
for i in $(seq 12); do echo "{\"value\": $i, \"fail\": 99, \"message\": \"unlike $i\"}"; done >unlike.jsonl
run 0 map basics:fail --inputs unlike.jsonl --policy run-all --run-dir unlike
expect_status 1
expect_in err "2 more groups (2 attempts)"
expect_not_in err "has left out"
command=$(sed -n 's/.*all that failed: mapfleet //p' err)
eval "run 0 $command"
expect_status 0
[ "$(grep -c unlike out)" -eq 12 ] || fail "not all twelve"


rule "enough ends the map once the minimum is met"
run 2 map basics:square --range 0:100000 --policy enough --min-successes 5 --unit-size 1 \
    --run-dir enough
expect_status 0
run 0 results enough --table --state not-started
[ -s out ] || fail "nothing is not-started"

rule "retries turn passing failures into successes"
run 3 map basics:fail --inputs flaky.jsonl --retries 2 --print --run-dir flaky
expect_status 0
expect_lines out "$(seq 0 199)"
run 0 results flaky --table
python3 - <<'PYTHON' || fail "attempts are not counted"
import json
for line in open("out"):
    row = json.loads(line)
    assert row["state"] == "succeeded" and row["error"] is None and row["class"] is None, row
    assert row["attempts"] == row["index"] % 3 + 1, row
    assert row["task_failures"] == row["index"] % 3 and row["system_failures"] == 0, row
    assert row["output"] == row["index"], row
PYTHON

rule "one retry too few fails"
run 3 map basics:fail --inputs flaky.jsonl --retries 1 --policy run-all
expect_status 1
expect_in err "failed"

rule "a permanent failure is never retried"
run 2 map basics:fail --inputs permanent.jsonl --retries 5 --run-dir permanent
expect_status 1
run 0 results permanent --table
python3 - <<'PYTHON' || fail "the record of the instance is wrong"
import json
row = json.loads(open("out").read())
assert row["attempts"] == 1 and row["state"] == "failed" and row["class"] == "error", row
assert row["error"] == "attempt 1 of 6, error: no way" or "no way" in row["error"], row
assert row["output"] is None and row["cache"] == "off", row
PYTHON

rule "an output of the wrong size or a failed run still prints the whole list"
run 2 map basics:fail --inputs three.jsonl --policy run-all --print
[ "$(wc -l <out)" -eq 10 ] || fail "the list has not ten elements"

rule "a retry waits for its delay, which doubles"
run 2 map basics:fail --inputs flaky.jsonl --retries 2 --retry-delay 200ms --run-dir delayed
expect_status 0
python3 - <<'PYTHON' || fail "the map ended before its retries were due"
import json
run = json.load(open("delayed/run.json"))
assert run["verdict"]["wall_seconds"] >= 0.6, run["verdict"]
PYTHON

rule "--concurrency bounds what is leased, and the map ends"
for i in $(seq 20); do echo '{"ms": 5}'; done >sleeps.jsonl
run 5 map basics:sleep --inputs sleeps.jsonl --concurrency 3
expect_status 0
rule "many large inputs in one unit are cut into batches that fit"
python3 - <<'PYTHON'
import json
with open("large.jsonl", "w") as out:
    for i in range(60):
        out.write(json.dumps("x" * 1000000) + "\n")
PYTHON
run 2 map basics:shout --inputs large.jsonl --unit-size 60 --run-dir large
expect_status 0
run 0 results large
[ "$(wc -c <out)" -eq $((60 * 1000003)) ] || fail "the outputs are not whole"
exit 0
