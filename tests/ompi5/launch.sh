#!/usr/bin/env bash
# mapfleet launch with Open MPI 5: what it starts, and what it makes of ends and lost ranks.
source "$(dirname "$0")/../system/support.sh"
gate=$MAPFLEET_BUILD_DIR/tests/jobs/gate.so
host=$(hostname)
for i in 0 1 2 3 4 5; do echo "{\"value\": $i, \"until\": \"open\"}"; done >gates.jsonl

# launch ARGUMENT...: leaves out, err and $status.
launch() {
    timeout -k 2 90 "$mapfleet" launch "$@" >out 2>err </dev/null
    status=$?
}

# launch_run ARGUMENT...: in the background, as $process; returns when each of two workers is in an
# instance that waits.
launch_run() {
    rm -rf run begun-* open starts err
    "$mapfleet" launch -n 3 "$@" map "$gate:gate" --inputs gates.jsonl --slots 1 --run-dir run --print \
        >out 2>err </dev/null &
    process=$!
    wait_for begun-0 begun-1
}

# rank N: its process, a child of what mpirun becomes, which is one of launch.
rank() {
    rank_process "$(pgrep -P "$process" -x prterun)" "$1"
}

rule "the status is the run's, and nothing of Open MPI's texts is left"
launch -n 3 map basics:square --range 0:5 --slots 2 --print
expect_status 0
expect_lines out $'0\n1\n4\n9\n16'
[ "$(head -1 err)" = "mapfleet: 1 host, 3 ranks, 4 slots" ] || fail "it does not say what it has"
expect_in err "basics:square succeeded"
[ "$(grep -cv ' done, ' err)" -eq 3 ] || fail "it says more than the run does"
echo '{"value": 0, "fail": 1}' >failing.jsonl
launch -n 3 map basics:fail --inputs failing.jsonl
expect_status 1
expect_in err "basics:fail failed"
expect_not_in err "-----"
launch -n 3 map basics:nix --range 0:5
expect_status 2
expect_in err 'has no task "nix"'
[ "$(wc -l <err)" -eq 1 ] || fail "it says more than why"
expect_nothing_left

rule "a worker that is killed costs neither the run nor its status"
launch_run
kill -KILL "$(rank 2)"
wait_for_line err "rank 2 on $host is lost: its process has ended"
touch open
finish
expect_status 0
expect_lines out "$(seq 0 5)"
expect_not_in err "-----"
expect_nothing_left

rule "SIGTERM ends the run with its grace"
launch_run
kill -TERM "$process"
wait_for_line err "nothing new starts"
touch open
finish
expect_status 75
expect_counts succeeded 2 not-started 4
expect_nothing_left
run 0 resume run --print
expect_status 0
expect_lines out "$(seq 0 5)"

rule "with rank 0 killed, another start goes on"
launch_run --restarts 1
kill -KILL "$(rank 0)"
wait_for_line err "starting again with --resume (1 of 1)"
touch open
finish
expect_status 0
expect_lines out "$(seq 0 5)"
expect_counts succeeded 6
expect_nothing_left
exit 0
