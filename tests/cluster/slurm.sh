#!/usr/bin/env bash
# Runs in the jobs of a real Slurm, with the batch files of docs/slurm as they are. What takes minutes
# (nodes taken away, and given back) runs where MAPFLEET_SLOW is set.
source "$(dirname "$0")/support.sh"
files=$source_dir/docs/slurm
gate=$MAPFLEET_BUILD_DIR/tests/jobs/gate.so
start_slurm 1 2 4

squares=$(for i in $(seq 0 9); do echo $((i * i)); done)
for i in 0 1 2 3; do echo "{\"value\": $i}"; done >gates.jsonl
for i in 4 5 6 7; do echo "{\"value\": $i, \"until\": \"open\"}"; done >>gates.jsonl

expect_outputs() { # FILE: the last lines of it are the squares
    diff <(tail -10 "$1") <(echo "$squares") >difference || fail "$1 differs: $(head -5 difference)"
}

on_node() { # NODE NAME: processes of that name there
    local process
    for process in $(pgrep -x "$2"); do
        [ "$(nsenter -t "$process" -u hostname)" = "$1" ] && echo "$process"
    done
}

expect_started_once() { # VALUE...: what is on record did not run again
    local value
    for value in "$@"; do
        [ "$(grep -c " $value\$" starts)" -eq 1 ] || fail "$value did not run once"
    done
}

rule "a plain job: one rank on each of its nodes, with the slots that each has"
submit -N 3 -t 2 "$files/plain.sbatch" map basics:square --range 0:10 --run-dir plain --print
await_end
expect_status 0
expect_outputs out
cores=$(lscpu -p=CORE | grep -v '^#' | sort -u | wc -l)
slots=0
for cpus in 2 4; do slots=$((slots + (cpus < cores ? cpus : cores))); done
expect_in out "mapfleet: 3 hosts, 3 ranks, $((slots + 1)) slots"

rule "nodes of 1, 2 and 4 CPUs: each runs as many attempts at once as it has, and no more"
cat >placed.jsonl <<<"$(for i in $(seq 0 15); do echo "{\"value\": $i, \"until\": \"never\"}"; done)"
rm -f starts begun-*
submit -N 3 -t 2 "$files/plain.sbatch" map "$gate:gate" --inputs placed.jsonl --run-dir uneven --grace 0
for _ in $(seq 200); do
    [ "$(cat starts 2>/dev/null | wc -l)" -ge $((slots + 1)) ] && break
    sleep 0.1
done
scancel -b -s USR1 "$job"
await_end
expect_status 75
[ "$(wc -l <starts)" -eq $((slots + 1)) ] || fail "$(wc -l <starts) began, of $((slots + 1))"

rule "the same ranks started by srun, which does as launch would"
submit -N 3 -c 1 -t 2 "$files/srun.sbatch" map basics:square --range 0:10 --run-dir srun --print
await_end
expect_status 0
expect_outputs out
expect_in out "mapfleet: 3 hosts, 3 ranks, 3 slots"
submit -N 3 -c 1 -t 2 --ntasks-per-node=1 \
    --wrap "mapfleet launch --srun map basics:square --range 0:10 --run-dir by-launch --print"
await_end
expect_status 0
expect_outputs out

rule "a job whose run fails says so with its exit status"
echo '{"value": 0, "fail": 1}' >failing.jsonl
submit -N 2 -t 2 "$files/plain.sbatch" map basics:fail --inputs failing.jsonl --run-dir failing
await_end
expect_status 1
[ "$(job_field JobState)" = FAILED ] || fail "the job is $(job_field JobState)"

rule "warned before the wall clock, a sweep ends with 75, is queued again, and finishes"
cat >trial.sh <<'END'
#!/bin/bash
echo "trial $1" >>starts
echo "loss=$((($1 * 5 + 4) % 8))"
[ "$1" -lt 4 ] || until [ -e open ]; do sleep 0.05; done
END
chmod +x trial.sh
cat >sweep.yaml <<'END'
command: [./trial.sh, "{x}"]
method: grid
metric: {name: loss}
parameters: {x: {values: [0, 1, 2, 3, 4, 5, 6, 7]}}
END
rm -f starts open
submit -N 2 -t 1 --signal=B:USR1@58 "$files/requeue.sbatch" sweep sweep.yaml --grace 1s --slots 2
await_state RUNNING
wait_for_line out "go on with"
touch open
await_end 90
expect_status 0
[ "$(job_field Restarts)" -ge 1 ] || fail "it was not queued again"
expect_started_once 0 1 2 3
[ "$(ls mapfleet-runs | wc -l)" -eq 1 ] || fail "it did not go on in its folder"
rule "the best trial, and all others, are those of a sweep that nothing disturbs"
"$mapfleet" sweep sweep.yaml --run-dir undisturbed --slots 2 >undisturbed.out 2>&1 || fail "$(cat undisturbed.out)"
diff mapfleet-runs/*/best.json undisturbed/best.json >difference || fail "$(cat difference)"
values_of() { # RUN: index, parameters and value of each trial, the best first
    "$mapfleet" results "$1" --table --sort loss | sed 's/"state".*"parameters"//; s/"stop".*//'
}
[ "$(values_of mapfleet-runs/* | wc -l)" -eq 8 ] || fail "trials are missing"
diff <(values_of mapfleet-runs/*) <(values_of undisturbed) >difference || fail "$(cat difference)"

rule "scancel ends a run in order, and for good: it is not queued again, and can be resumed"
rm -f starts begun-* open
submit -N 2 -t 5 "$files/requeue.sbatch" map "$gate:gate" --inputs gates.jsonl --run-dir cancelled --slots 2
wait_for begun-4
scancel "$job"
await_end
[ "$(job_field JobState)/$(job_field Restarts)" = CANCELLED/0 ] || fail "it was queued again"
grep -q '"state": "interrupted"' cancelled/run.json || fail "run.json does not say so"
touch open
"$mapfleet" resume cancelled --print >out 2>err || fail "it cannot be resumed"
expect_lines out "$(seq 0 7)"

rule "a daemon of Open MPI killed, and a node lost: the run goes on with the other nodes"
rm -f starts begun-* open
submit -N 3 -t 2 "$files/plain.sbatch" map "$gate:gate" --inputs gates.jsonl --run-dir node \
    --lost-after 2s --slots 2
wait_for begun-4 begun-5 begun-6 begun-7
kill -KILL "$(on_node n2 orted)"
wait_for_line out " on n2 is lost"
"$slurm_nodes" lose "$scratch/slurm" n3
wait_for_line out " on n3 is lost"

rule "until Slurm notices that the node is lost, and then in the job that is queued again"
scontrol update NodeName=n3 State=DOWN Reason=lost # as it does by itself in a minute
await_state PENDING
"$slurm_nodes" restore "$scratch/slurm" n3
touch open
await_end
expect_status 0
[ "$(job_field Restarts)" -ge 1 ] || fail "it was not queued again"
"$mapfleet" results node >results
expect_lines results "$(seq 0 7)"
expect_started_once 0 1 2 3

rule "an array: each of its jobs has its part"
for part in 0 1 2; do seq $((part * 10)) $((part * 10 + 9)) >"part-$part.jsonl"; done
submit --array=0-2 -c 1 -t 2 "$files/array.sbatch" map basics:square --inputs part-%a.jsonl \
    --run-dir squares-%a
for _ in $(seq 300); do
    squeue -h -j "$job" 2>/dev/null | grep -q . || break
    sleep 0.2
done
for part in 0 1 2; do "$mapfleet" results "squares-$part" || fail "no part $part"; done >out
expect_lines out "$(for i in $(seq 0 29); do echo $((i * i)); done)"

if [ -z "${MAPFLEET_SLOW:-}" ]; then
    exit 0
fi

rule "nodes that are wanted by others: what runs has its grace, and the job goes on later"
rm -f starts begun-* open
rm -rf mapfleet-runs
submit -N 3 -t 5 "$files/preemptible.sbatch" map "$gate:gate" --inputs gates.jsonl --print --grace 3s
wait_for begun-4
sbatch -p urgent -N 3 --exclusive -t 1 -o /dev/null --wrap "srun true" >/dev/null
wait_for_line out "go on with"
touch open
await_end 200
expect_status 0
[ "$(job_field Restarts)" -ge 1 ] || fail "it was not queued again"
diff <(tail -8 out) <(seq 0 7) >difference || fail "outputs are missing: $(cat difference)"
expect_started_once 0 1 2 3
exit 0
