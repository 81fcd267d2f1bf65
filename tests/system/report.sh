#!/usr/bin/env bash
# The page that a run leaves, and its trace: of a run with failures, retries, outputs that markup could
# break, and a rank that is killed. What they say is read back, and held against the log and the table.
here=$(cd "$(dirname "$0")" && pwd)
source "$(dirname "$0")/support.sh"

cat >task.sh <<'SH'
case $MAPFLEET_INDEX-$MAPFLEET_ATTEMPT in
    3-0) echo 'seen </script><script>alert(1)</script> & <b>' >&2; exit 3 ;;
    5-*) echo "out of luck"; exit 4 ;;
    7-0) echo "$MAPFLEET_RANK" >begun.new; mv begun.new begun
        while [ ! -e open ]; do sleep 0.05; done ;;
esac
SH

# check ARGUMENT...: see report_check.py.
check() {
    python3 "$here/report_check.py" "$@" || fail "report_check.py $*"
}

rule "a run that loses a rank leaves a page and a trace that tell of it"
mpirun -q --enable-recovery -n 3 "$mapfleet" exec --range 0:40 --retries 1 --slots 2 --print=none \
    --run-dir run --trace run.json -- sh task.sh >out 2>err </dev/null &
process=$!
wait_for begun
kill -KILL "$(rank_process "$process" "$(cat begun)")"
wait_for_line err "is lost"
touch open
wait_for run/report.html
finish
"$mapfleet" results run --table >table 2>err || fail "no table"
check page run/report.html run table lost=1 retried=2
check trace run.json run lost=1

rule "text of tasks is text on the page"
expect_not_in run/report.html "<script>alert"
expect_in run/report.html "seen &lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt; &amp; &lt;b&gt;"
expect_in run/report.html "out of luck"

rule "report makes the same page again, wherever it is asked to"
run 0 report run -o again.html
expect_status 0
check page again.html run table lost=1 retried=2
run 0 report run -o - --trace again.json
expect_status 0
cmp -s out again.html || fail "standard output is not the page"
cmp -s run.json again.json || fail "the trace differs"

rule "many short attempts are told as what they took together, and a workflow by its maps"
run 3 map basics:square --range 0:60000 --run-dir short --trace short.json
expect_status 0
"$mapfleet" results short --table >table 2>err || fail "no table"
check page short/report.html short table
check trace short.json short
run 0 run "$MAPFLEET_BUILD_DIR/tests/jobs/flows.so:total" xs=[1,2,3,4] --run-dir flow --trace flow.json
expect_status 0
check page flow/report.html flow - maps=2
check trace flow.json flow

rule "a run that was interrupted and went on is one page"
run 0 exec --range 0:6 --time-limit 1s --slots 1 --run-dir parts -- sleep 0.4
expect_status 75
run 0 resume parts --time-limit 0
expect_status 0
"$mapfleet" results parts --table >table 2>err || fail "no table"
check page parts/report.html parts table sessions=2
expect_in parts/report.html "after the one before it had ended"

rule "the page of a sweep has its trials, whatever their parameters hold"
cat >sweep.yaml <<'YAML'
method: grid
metric: {name: loss, goal: minimize}
parameters:
  lr: {values: [0.5, 0.25]}
  name: {values: ["</script>", b]}
YAML
run 0 sweep sweep.yaml --run-dir sweep -- sh -c 'echo "{\"loss\": ${1#--lr=}}"' sh '${args}'
expect_status 0
"$mapfleet" results sweep --table >table 2>err || fail "no table"
check page sweep/report.html sweep table trials=4

rule "trials that were stopped early stand in their slots, as long as they ran"
cat >stopped.yaml <<'YAML'
method: grid
metric: {name: loss}
early_terminate: {type: hyperband, min_iter: 1}
parameters:
  loss: {values: [1, 2, 3, 4, 5, 6]}
YAML
run 0 sweep stopped.yaml --run-dir stopped --slots 1 -- \
    sh -c 'echo "$1"; [ "$1" = loss=1 ] || sleep 60' sh '${args_no_hyphens}'
expect_status 0
"$mapfleet" results stopped --table >table 2>err || fail "no table"
[ "$(grep -c '"state":"stopped-early"' table)" -eq 5 ] || fail "others were stopped: $(cat table)"
check page stopped/report.html stopped table trials=6 stopped-early=5

rule "a folder of no run, and one that cannot be written, are refused by name"
mkdir empty
run 0 report empty
expect_status 2
expect_in err "empty"
run 0 report
expect_status 2
expect_in err "expected one run directory"
run 0 report run -o empty/no/such.html
expect_status 1
expect_in err "empty/no/such.html"
run 0 map basics:square --range 0:3 --trace empty/no/such.json --run-dir untold
expect_status 0
expect_in err "no trace of the run was written: empty/no/such.json"
