#!/usr/bin/env bash
# Second copies of what runs for far longer than the rest. Of the tasks used here, the first attempt
# at index 7 lasts: where a copy is to save the run, longer than this test may.
source "$(dirname "$0")/support.sh"

stuck=$MAPFLEET_BUILD_DIR/tests/jobs/stuck.so
all=$(seq 0 19)

# expect_row DIR TEXT...: the row of index 7 holds each of these.
expect_row() {
    local dir=$1 text
    shift
    "$mapfleet" results "$dir" --table >table 2>err || fail "no table of $dir"
    grep '"index":7,' table >row || fail "no row 7 of $dir"
    for text in "$@"; do
        expect_in row "$text"
    done
}

# expect_log_once DIR: each of the outputs 0 to 19, a byte each, stands in the log once.
expect_log_once() {
    lz4 -dc "$1/log.lz4" 2>/dev/null | od -An -v -tu1 -w1 | sort -n | tr -d ' ' >logged
    expect_lines logged "$all"
}

for ranks in 3 0; do
    rule "an idempotent task whose first attempt is stuck ends by a second copy ($ranks ranks)"
    rm -f starts
    run "$ranks" map "$stuck:forever" --range 0:20 --slots 2 --print --run-dir "copy-$ranks"
    expect_status 0
    expect_lines out "$all"
    expect_in starts "7 0"
    expect_in starts "7 1"

    rule "the copy counts as one attempt, and the one that was ended as none ($ranks ranks)"
    expect_row "copy-$ranks" '"state":"succeeded"' '"attempts":1' '"task_failures":0'
    expect_log_once "copy-$ranks"
    expect_in "copy-$ranks/run.json" '"speculate": true'
done

rule "--speculate does the same for any task"
rm -f starts
run 3 map "$stuck:undeclared" --range 0:20 --slots 2 --speculate --print --run-dir option
expect_status 0
expect_lines out "$all"
expect_in starts "7 1"

rule "a task that is not declared idempotent is never run twice at once"
rm -f starts
run 3 map "$stuck:some_time" --range 0:20 --slots 2 --print --run-dir none
expect_status 0
expect_lines out "$all"
[ "$(wc -l <starts)" -eq 20 ] || fail "$(wc -l <starts) attempts, expected 20"

rule "a copy that fails costs nothing: the attempt that it doubled decides"
rm -f starts
run 3 map "$stuck:no_second" --range 0:20 --slots 2 --print --run-dir failed-copy
expect_status 0
expect_lines out "$all"
expect_in starts "7 1"
expect_row failed-copy '"state":"succeeded"' '"attempts":1' '"task_failures":0' '"error":null'
expect_not_in err "a second attempt"

rule "where the doubled attempt fails, the copy is its retry"
rm -f starts
run 3 map "$stuck:late_failure" --range 0:20 --slots 2 --print --run-dir retry
expect_status 0
expect_lines out "$all"
expect_row retry '"state":"succeeded"' '"attempts":2' '"task_failures":1'

rule "without processes of their own no attempt could be ended for another's sake"
run 0 map "$stuck:undeclared" --range 0:20 --speculate --isolation none --run-dir refused
expect_status 2
expect_in err "--speculate cannot be kept with --isolation none"
[ ! -e refused ] || fail "a run directory was made"
