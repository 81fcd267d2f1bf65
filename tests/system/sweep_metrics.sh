#!/usr/bin/env bash
# What trials report while they run, and what follows: values, early termination, targets.
. ./support.sh

# has_field INDEX NAME JSON: does that row of the table of ./run say so?
has_field() {
    "$mapfleet" results run --table >table 2>/dev/null || fail "no table"
    sed -n "$(($1 + 1))p" table | grep -qF -- "\"$2\":$3"
}

expect_field() {
    has_field "$@" || fail "$2 of trial $1 is not $3: $(sed -n "$(($1 + 1))p" table)"
}

# wait_for_field INDEX NAME JSON: until the running sweep has recorded it.
wait_for_field() {
    for _ in $(seq 600); do
        [ -e run/log.lz4 ] && has_field "$@" && return
        sleep 0.05
    done
    fail "$2 of trial $1 was never $3: $(sed -n "$(($1 + 1))p" table)"
}

# A trial that reports so often as it is told through a FIFO, and leaves when it is told "end".
cat >told.sh <<'END'
#!/bin/bash
[ "$1" != "${STUBBORN-}" ] || trap 'echo TERM >>signals' TERM
echo "$1" >>starts
exec 3<>"go.$1"
while true; do
    read -r count <&3 || continue
    [ "$count" != end ] || exit 0
    for _ in $(seq "$count"); do echo "loss=$1"; done
done
END
chmod +x told.sh

# sweep_of FILE LOSS...: trials with these losses, the first of index 0.
sweep_of() {
    local file=$1
    shift
    cat >"$file" <<END
command: [./told.sh, "{loss}"]
method: grid
metric: {name: loss}
early_terminate: {type: hyperband, min_iter: 3}
parameters: {loss: {values: [$(printf '%s, ' "$@" | sed 's/, $//')]}}
END
    rm -rf run starts signals go.*
    for loss in "$@"; do
        mkfifo "go.$loss"
    done
}

tell() {
    echo "$2" >"go.$1"
}

# Whole by itself, so that a wait for something else does not end before it.
finish() {
    wait "$process"
    status=$?
}

rule "of trials that come to a bracket in ascending order of loss, only the first goes on"
sweep_of ascending.yaml 1 2 3
STUBBORN=2 start 3 sweep ascending.yaml --run-dir run --slots 2 --grace 500ms
tell 1 3
wait_for_field 0 value 1.0
tell 2 3
wait_for_field 1 state '"stopped-early"'
tell 3 3
wait_for_field 2 state '"stopped-early"'
tell 1 end
finish
expect_status 0
expect_in err "brackets 3 9 27 81"
expect_in err "0 failed, 2 stopped early"
expect_field 0 stop null
expect_field 1 value 2.0
expect_field 1 stop '{"bracket":3,"value":2.0,"threshold":1.0}'
expect_field 2 stop '{"bracket":3,"value":3.0,"threshold":2.0}'
expect_field 1 attempts 1
expect_field 1 output null
rule "a trial that does not mind its SIGTERM is killed after the grace, and counts as any other"
expect_lines signals TERM
expect_in run/run.json '"stopped-early": 2'
expect_in run/best.json '"index": 0'
run 0 status run
expect_status 0

rule "in descending order each goes on as it arrives, until all have reported again"
sweep_of descending.yaml 3 2 1
start 3 sweep descending.yaml --run-dir run --slots 2
for loss in 3 2 1; do
    tell $loss 3
    wait_for_field $((3 - loss)) value $loss.0
    expect_field $((3 - loss)) state '"not-started"'
done
tell 3 1
wait_for_field 0 state '"stopped-early"'
tell 2 1
tell 2 end
tell 1 end
finish
expect_status 0
expect_field 0 stop '{"bracket":3,"value":3.0,"threshold":2.0}'
expect_in err "0 failed, 1 stopped early"

rule "killed and resumed, what ended stays so, and the rule knows its values"
sweep_of killed.yaml 1 2 3
start 3 sweep killed.yaml --run-dir run --slots 2
tell 1 3
wait_for_field 0 value 1.0
tell 1 end
tell 2 3
wait_for_field 1 state '"stopped-early"'
wait_for_field 0 state '"succeeded"'
tell 3 2
wait_for_field 2 value 3.0
kill -KILL "$(rank_process "$process" 0)"
finish
expect_nothing_left
expect_field 1 stop '{"bracket":3,"value":2.0,"threshold":1.0}'
start 3 resume run --slots 2
tell 3 3
finish
expect_status 0
expect_lines <(sort starts) $'1\n2\n3\n3'
expect_field 0 value 1.0
expect_field 1 stop '{"bracket":3,"value":2.0,"threshold":1.0}'
expect_field 2 stop '{"bracket":3,"value":3.0,"threshold":2.0}'
expect_in run/best.json '"value": 1.0'
rule "a finished one says its best again, and writes it"
rm run/best.json
run 0 resume run
expect_status 0
expect_in err "nothing runs"
expect_in err '1.0  [0] {"loss":1}'
expect_in run/best.json '"parameters": {"loss":1}'

rule "a program reports by lines that it prints and by those of a file, and a task by mf_report"
cat >ways.sh <<'END'
#!/bin/bash
echo "val/acc = 0.5"
case $1 in
1) printf 'start\rval/acc=0.75\rend\n{"val/acc": 0.25, "x": [1]}\n' ;;
2) echo '{"val/acc": 0.875}' >>"$MAPFLEET_METRICS" ;;
3) echo 'val/acc=nan' ;;
4) echo 'val/acc=7' && exit 3 ;;
5) printf 'val/acc=0.6' ;;
esac
END
chmod +x ways.sh
cat >ways.yaml <<END
command: [./ways.sh, "{way}"]
method: grid
metric: {name: val/acc, goal: maximize}
parameters: {way: {values: [1, 2, 3, 4, 5]}}
END
rm -rf run
run 3 sweep ways.yaml --run-dir run --slots 1
expect_status 1
expect_field 0 value 0.25
expect_field 1 value 0.875
expect_field 2 value '"NaN"'
expect_field 3 value 7.0
expect_field 3 state '"failed"'
expect_field 4 value 0.6
expect_in err "val/acc (maximize), 1 failed, 0 stopped early"
expect_lines run/best.json '{
  "index": 1,
  "value": 0.875,
  "parameters": {"way":2},
  "goal": "maximize",
  "metric": "val/acc",
  "state": "succeeded"
}'
rule "results come in the order of the metric, with parameters and values"
run 0 results run --table --sort val/acc --format csv
expect_status 0
python3 -c 'import csv
for row in csv.DictReader(open("out")):
    print(row["index"], row["way"], row["value"], row["stop"], sep=",")' >columns
expect_lines columns $'1,2,0.875,\n4,5,0.6,\n0,1,0.25,\n2,3,NaN,\n3,4,7.0,'
run 0 results run --sort loss
expect_status 2
expect_in err "--sort: found loss, expected the metric of the sweep, which is val/acc"

cat >task.yaml <<END
task: $MAPFLEET_BUILD_DIR/tests/jobs/reporting.so:report_trial
method: grid
metric: {name: loss, target: -1}
parameters: {losses: {values: [[3, 1.5], [2], []]}}
END
rm -rf run
run 3 sweep task.yaml --run-dir run
expect_status 1
expect_field 0 value 1.5
expect_field 1 value 2.0
expect_field 2 class '"output"'
expect_in err "reported no value of loss, by which the sweep is judged: mf_report() does"

rule "once the target is reached no new trial starts, running ones go on, and the run succeeds"
cat >target.sh <<'END'
#!/bin/bash
echo "$1" >>starts
[ "$1" != 0 ] || exit 1
echo "loss=$1"
[ "$1" != 2 ] || read -r _ <go
END
chmod +x target.sh
cat >target.yaml <<END
command: [./target.sh, "{loss}"]
method: grid
metric: {name: loss, target: 1}
parameters: {loss: {values: [0, 2, 1, 3, 4, 5]}}
END
rm -rf run starts
mkfifo go
start 3 sweep target.yaml --run-dir run --slots 1
wait_for_line err "loss has reached its target of 1: no new trial starts"
echo on >go
finish
expect_status 0
expect_lines <(sort starts) $'0\n1\n2'
expect_field 0 state '"failed"'
expect_field 1 state '"succeeded"'
expect_field 2 state '"succeeded"'
expect_field 5 state '"not-started"'
expect_in run/best.json '"index": 2'
run 0 resume run
expect_status 0
expect_in err "nothing runs"

rule "a sweep of as many trials as there may be ends with those that ran"
printf '%s\n' 'method: random' 'metric: {name: loss, target: 9}' 'parameters: {x: {value: 7}}' >endless.yaml
rm -rf run
run 0 sweep endless.yaml --run-dir run --trials 9223372036854775807 -- sh -c 'echo loss={x}'
expect_status 0
expect_in err "loss (minimize), 0 failed, 0 stopped early; the best"

rule "a trial that has to report and does not has failed, and the text names the ways"
cat >silent.py <<'END'
import sys
if sys.argv[1] == "--import":
    import wandb
print("loss is low")
END
cat >silent.yaml <<END
command: [python3, silent.py, "--loss={x}"]
method: grid
metric: {name: loss}
parameters: {x: {values: [1, 2]}}
END
sed 's/{name: loss}/{name: loss, target: 0}/' silent.yaml >required.yaml
rm -rf run
run 3 sweep required.yaml --run-dir run
expect_status 1
expect_field 0 class '"output"'
expect_in err 'reported no value of loss: a line loss=VALUE or {"loss": VALUE} reports it, on standard'
expect_in err 'the file $MAPFLEET_METRICS, and so does mf_report()'
expect_in err '--wandb makes a report of what it logs'
rule "a line that names the metric and is no report is hinted at, once"
[ "$(grep -c 'has printed a line that holds loss and is no report of it' err)" = 1 ] ||
    fail "hinted at $(grep -c 'is no report' err) times"
rule "a program that imports the module is told of --wandb before it starts"
run 0 sweep silent.yaml --dry-run
expect_in err 'the program imports wandb: --wandb runs it without that service'
run 0 sweep silent.yaml --dry-run --wandb
[ ! -s err ] || fail "told of what is there"
rule "else it is a success without a value, of which one warning tells"
rm -rf run
run 3 sweep silent.yaml --run-dir run
expect_status 0
[ "$(grep -c 'has succeeded without a report of loss' err)" = 1 ] || fail "not one warning"
expect_in err "no trial has a value"
expect_field 0 value null
[ ! -e run/best.json ] || fail "a best of none"

rule "a script for that service reports by --wandb, its extreme last"
cat >logging.py <<'END'
import wandb
run = wandb.init(config={"lr": 9})
run.define_metric("loss", summary="min")
for loss in (3, 1, 2):
    wandb.log({"loss": loss * wandb.config.lr, "other": {"a": 1}})
wandb.finish()
END
cat >logging.yaml <<END
program: logging.py
method: grid
metric: {name: loss}
parameters: {lr: {value: 2}}
END
rm -rf run
run 3 sweep logging.yaml --run-dir run --wandb
expect_status 0
expect_field 0 value 2.0

rule "several seeds are judged by their mean, and show their spread"
cat >seeds.yaml <<END
command: [bash, -c, 'echo "loss=\$((\$MF_x * 10 + MAPFLEET_REPEAT * 2))"']
method: grid
seeds: 2
metric: {name: loss}
parameters: {x: {values: [2, 1]}}
END
rm -rf run
run 3 sweep seeds.yaml --run-dir run
expect_status 0
expect_field 3 value 12.0
expect_field 3 mean 11.0
expect_in run/best.json '"index": 2'
expect_in run/best.json '"value": 11.0'
expect_in run/best.json '"spread": 1.4142135623730951'

rule "what could not be judged, or not be stopped, is refused"
run 0 sweep ascending.yaml --run-dir refused --cache use
expect_status 2
expect_in err "--cache: what trials report is not kept with their outputs"
run 0 sweep ascending.yaml --run-dir refused --isolation none
expect_status 2
expect_in err "--isolation none: a trial that runs in the rank itself cannot be ended"
[ ! -e refused ] || fail "a folder was made"
