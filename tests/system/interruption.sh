#!/usr/bin/env bash
# A run that is asked to end does so in order, and says how to go on with it.
source "$(dirname "$0")/support.sh"
job=$MAPFLEET_BUILD_DIR/tests/jobs/gate.so

# Until the output of an instance is on record.
wait_for_result() {
    for _ in $(seq 600); do
        [ "$(lz4 -dc run/log.lz4 2>/dev/null | wc -c)" -gt 0 ] && return
        sleep 0.05
    done
    fail "no result came"
}

expect_interrupted() {
    expect_status 75
    expect_in err "mapfleet resume $scratch/run"
    [ "$(grep -c "mapfleet resume" err)" -eq 1 ] || fail "it says more than once how to go on"
    expect_in run/run.json '"state": "interrupted"'
    expect_nothing_left
}

for i in 0 1 2; do echo "{\"value\": $i, \"until\": \"open\"}"; done >gates.jsonl

for signal in INT TERM USR1 USR2; do
    rule "alone, after SIG$signal nothing new starts, and what ends within the grace counts"
    begin 0 map "$job:gate" --inputs gates.jsonl --slots 2 --print
    wait_for begun-0 begun-1
    kill -s "$signal" "$process"
    wait_for_line err "nothing new starts"
    touch open
    finish
    expect_interrupted
    expect_counts succeeded 2 not-started 1
    [ ! -s out ] || fail "something was printed"
    [ ! -e begun-2 ] || fail "another one was started"
    run 0 results run
    expect_lines out $'0\n1\nnull'
done

rule "under mpirun, SIGUSR1 does the same over all ranks"
for i in 0 1 2 3 4 5; do echo "{\"value\": $i, \"until\": \"open\"}"; done >six.jsonl
begin 3 map "$job:gate" --inputs six.jsonl --slots 2
wait_for begun-0 begun-1 begun-2 begun-3
kill -USR1 "$process"
wait_for_line err "nothing new starts"
touch open
finish
expect_interrupted
expect_counts succeeded 4 not-started 2

rule "and so does a signal to rank 0 alone"
for signal in TERM INT USR2; do
    begin 3 map "$job:gate" --inputs six.jsonl --slots 2
    wait_for begun-0 begun-1 begun-2 begun-3
    kill -s "$signal" "$(rank_process "$process" 0)" || fail "rank 0 is not there"
    wait_for_line err "nothing new starts"
    touch open
    finish
    expect_interrupted
    expect_counts succeeded 4 not-started 2
done

rule "what runs on past the grace is aborted, and has used no attempt"
{ echo '{"value": 0}'; echo '{"value": 1, "until": "never"}'
    echo '{"value": 2, "until": "never", "deaf": true}'; } >never.jsonl
for ranks in 0 3; do
    begin "$ranks" map "$job:gate" --inputs never.jsonl --slots 3 --grace 500ms
    wait_for begun-1 begun-2
    wait_for_result
    kill -USR1 "$process"
    finish
    expect_interrupted
    expect_counts succeeded 1 aborted 2
    run 0 results run --table --state aborted
    python3 - <<'PYTHON' || fail "an attempt was charged"
import json
rows = [json.loads(line) for line in open("out")]
assert [(row["index"], row["attempts"], row["class"]) for row in rows] == \
    [(1, 0, "aborted"), (2, 0, "aborted")], rows
assert all(row["error"].startswith("attempt 1 of 1, aborted: ") for row in rows), rows
PYTHON
done

rule "SIGTERM to mpirun ends attempts at once; what had ended is on record"
for signal in TERM INT; do
    begin 3 map "$job:gate" --inputs never.jsonl --slots 3
    wait_for begun-1 begun-2
    wait_for_result
    kill -s "$signal" "$process"
    finish
    [ "$status" -ne 0 ] || fail "mpirun's status was 0"
    if ! is_open_mpi_5; then # whose mpirun passes on nothing more once it has the signal
        expect_in err "ended at once"
        expect_in err "mapfleet resume $scratch/run"
    fi
    expect_in run/run.json '"state": "interrupted"'
    expect_counts succeeded 1 aborted 2
    expect_nothing_left
done

rule "a second signal ends at once what has the grace, and what ignores SIGTERM"
for ranks in 0 3; do
    begin "$ranks" map "$job:gate" --inputs never.jsonl --slots 3 --grace 10m
    wait_for begun-1 begun-2
    wait_for_result
    kill -USR1 "$process"
    wait_for_line err "nothing new starts"
    kill -USR2 "$process"
    finish
    expect_interrupted
    expect_counts succeeded 1 aborted 2
done

rule "a signal that comes twice in a moment, as from timeout, is one"
begin 0 map "$job:gate" --inputs gates.jsonl --slots 2
wait_for begun-0 begun-1
kill -TERM "$process"
kill -TERM "$process"
wait_for_line err "nothing new starts"
touch open
finish
expect_interrupted
expect_counts succeeded 2 not-started 1

rule "an interrupted run whose instances have all ended exits by its verdict"
head -2 gates.jsonl >two.jsonl
begin 0 map "$job:gate" --inputs two.jsonl --slots 2 --print
wait_for begun-0 begun-1
kill -USR1 "$process"
wait_for_line err "nothing new starts"
touch open
finish
expect_status 0
expect_lines out $'0\n1'
expect_in run/run.json '"state": "succeeded"'
expect_not_in err "mapfleet resume"

rule "one whose minimum is out of reach fails under stop, and is interrupted under run-all"
{ echo '{"value": 0, "until": "open", "fail": true}'; echo '{"value": 1}'
    echo '{"value": 2}'; } >doomed.jsonl
for policy in stop run-all; do
    begin 0 map "$job:gate" --inputs doomed.jsonl --slots 1 --policy "$policy"
    wait_for begun-0
    kill -USR1 "$process"
    wait_for_line err "nothing new starts"
    touch open
    finish
    expect_counts failed 1 not-started 2
    if [ "$policy" = stop ]; then expect_status 1; else expect_interrupted; fi
done

rule "a failure within the grace uses the budget, and is not retried in this session"
begin 0 map "$job:gate" --inputs doomed.jsonl --slots 1 --retries 3
wait_for begun-0
kill -USR1 "$process"
wait_for_line err "nothing new starts"
touch open
finish
expect_interrupted
[ "$(wc -l <starts)" -eq 1 ] || fail "it was retried"
run 0 results run --table --state aborted
expect_in out '"attempts":1,"task_failures":1'

rule "interrupted at any moment, and resumed as often, a run comes to what it would have come to"
seq 0 299 | sed 's/.*/{"value": &}/' >values.jsonl
for ranks in 0 3; do
    begin "$ranks" map "$job:gate" --inputs values.jsonl --slots 2 --delay 5ms --grace 0
    rounds=0
    while :; do
        wait_for run/run.json
        sleep "0.$((RANDOM % 8 + 1))" # the moment is what is tried
        kill -s "$([ $((RANDOM % 2)) -eq 0 ] && echo USR1 || echo USR2)" "$process" 2>/dev/null
        finish
        # 128 + the signal: it came in the first moments of a process, before anything takes it in.
        case $status in
        75 | 138 | 140) ;;
        *) break ;;
        esac
        rounds=$((rounds + 1))
        [ "$rounds" -lt 100 ] || fail "it makes no progress"
        start "$ranks" resume run
    done
    expect_status 0
    [ "$rounds" -gt 0 ] || fail "it was never interrupted"
    run 0 results run
    expect_lines out "$(seq 0 299)"
    expect_counts succeeded 300
    expect_nothing_left
done

rule "before anything was started, the exit is 75 and nothing is left"
mkfifo inputs
"$mapfleet" map "$job:gate" --inputs - --run-dir early >out 2>err <inputs &
process=$!
exec 3>inputs
for _ in $(seq 100); do # until it takes signals in, which is before it reads
    grep -q '^SigCgt:.*[abef]..$' "/proc/$process/status" && break
    sleep 0.05
done
kill -USR1 "$process"
exec 3>&-
finish
expect_status 75
expect_in err "nothing was started"
[ ! -e early ] || fail "a run directory was made"
expect_nothing_left

rule "--grace is also what lies between the SIGTERM and the SIGKILL of a timeout"
echo '{"value": 0, "until": "never", "deaf": true}' >deaf.jsonl
start=$SECONDS
begin 0 map "$job:gate" --inputs deaf.jsonl --timeout 200ms --grace 300ms
finish
expect_status 1
expect_counts timed-out 1
[ $((SECONDS - start)) -lt 8 ] || fail "it took $((SECONDS - start)) s"
begin 0 map "$job:gate" --inputs deaf.jsonl --timeout 200ms --grace 0
finish
expect_status 1
expect_counts timed-out 1
exit 0
