#!/usr/bin/env bash
# A run ends before its time is over, and before its Slurm job's is.
source "$(dirname "$0")/support.sh"
job=$MAPFLEET_BUILD_DIR/tests/jobs/gate.so

# expect_no_later SECONDS: since $start.
expect_no_later() {
    [ $((SECONDS - start)) -le "$1" ] || fail "it took $((SECONDS - start)) s"
}

rule "--time-limit ends the run in time, to be resumed"
for _ in $(seq 1000); do echo '{"ms": 200}'; done >short.jsonl
for ranks in 0 2; do
    start=$SECONDS
    begin "$ranks" map basics:sleep --inputs short.jsonl --slots 1 --time-limit 4
    finish
    expect_status 75
    expect_no_later 15
    expect_in err "the time limit is near"
    expect_in err "mapfleet resume $scratch/run"
    python3 - <<'PYTHON' || fail "it did not work until then"
import json
run = json.load(open("run/run.json"))
counts = run["verdict"]["counts"]
assert run["state"] == "interrupted" and run["options"]["time_limit_ns"] == 4000000000, run
assert counts["succeeded"] >= 2 and counts["not-started"] > 900, counts
assert counts["failed"] == counts["timed-out"] == counts["aborted"] == 0, counts
PYTHON
    expect_nothing_left
done

rule "what is known to take longer than what is left is not started"
for _ in 1 2 3; do echo '{"ms": 1500}'; done >long.jsonl
begin 0 map basics:sleep --inputs long.jsonl --slots 1 --time-limit 4
finish
expect_status 75
expect_counts succeeded 1 not-started 2

rule "the first attempt of a session is started however long it may take, and no other is"
for i in 0 1 2 3; do echo "{\"value\": $i, \"until\": \"open\"}"; done >gates.jsonl
for ranks in 0 3; do
    begin "$ranks" map "$job:gate" --inputs gates.jsonl --slots 2 --timeout 1h --time-limit 1m
    wait_for begun-0
    wait_for_line err "nothing new starts"
    touch open
    finish
    expect_status 75
    expect_counts succeeded 1 not-started 3
    [ ! -e begun-1 ] || fail "a second one was started"
done

rule "what still runs is ended before the time is over, and uses no attempt"
start=$SECONDS
begin 0 map "$job:gate" --inputs gates.jsonl --slots 2 --time-limit 3
finish
expect_status 75
expect_no_later 15
expect_counts aborted 2 not-started 2
run 0 results run --table --state aborted
expect_in out '"attempts":0'
expect_nothing_left

rule "a run that ends before is not touched by its limit"
begin 0 map basics:square --range 0:1000 --time-limit 1h
finish
expect_status 0
begin 0 map basics:square --range 0:1000 --time-limit 0
finish
expect_status 0

# squeue as Slurm has it: the end in local time.
mkdir bin
cat >bin/squeue <<'SQUEUE'
#!/bin/sh
echo "$*" >asked
date -d "@$(cat end)" +%Y-%m-%dT%H:%M:%S
SQUEUE
chmod +x bin/squeue
path=$PATH

rule "in a Slurm job, the end that squeue tells is the limit"
export PATH=$scratch/bin:$path SLURM_JOB_ID=4711
for ranks in 0 2; do
    start=$SECONDS
    echo $(($(date +%s) + 4)) >end
    begin "$ranks" map "$job:gate" --inputs gates.jsonl --slots 1
    finish
    expect_status 75
    expect_no_later 15
    expect_counts aborted 1 not-started 3
    expect_lines asked "-h -j 4711 -o %e"
    expect_nothing_left
done

rule "without a squeue, SLURM_JOB_END_TIME is"
rm bin/squeue
ln -s /bin/false bin/squeue
export SLURM_JOB_END_TIME=$(($(date +%s) + 4))
begin 0 map "$job:gate" --inputs gates.jsonl --slots 1
finish
expect_status 75
expect_counts aborted 1 not-started 3

rule "an end that nobody can tell is none"
export SLURM_JOB_END_TIME=soon
begin 0 map basics:square --range 0:1000
finish
expect_status 0
unset SLURM_JOB_ID SLURM_JOB_END_TIME
export PATH=$path

rule "a limit that is no time is refused"
run 0 map basics:square --range 0:10 --time-limit soon
expect_status 2
expect_in err '--time-limit: "soon"'
exit 0
