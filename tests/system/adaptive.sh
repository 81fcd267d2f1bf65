#!/usr/bin/env bash
# Sweeps whose trials a sampler proposes while they run: scripted ones, and the one on Optuna.
tests=$(dirname "$(realpath "$0")")
source "$(dirname "$0")/support.sh"

functions=$MAPFLEET_BUILD_DIR/tests/jobs/functions.so

# sweep_file FILE TASK LINE...: of that task, with these lines and one parameter.
sweep_file() {
    local file=$1 task=$2
    shift 2
    printf '%s\n' "method: bayes" "task: $functions:$task" "parameters: {x: {min: -10.0, max: 10.0}}" \
        "$@" >"$file"
}

sampler() {
    echo "/usr/bin/python3 $tests/sampler.py $*"
}

# outputs RUN: on one line.
outputs() {
    "$mapfleet" results "$1" | tr '\n' ' '
}

# asked: for how many trials, in the last session.
asked() {
    awk '/^begin/ {n = 0} /"ask"/ {n++} END {print n}' heard
}

sweep_file bowl.yaml bowl "metric: {name: loss}" "run_cap: 8"

rule "a sampler is told the space, asked ahead, and told of reports and ends; trials run as it says"
run 3 sweep bowl.yaml --run-dir told --sampler "$(sampler plain)"
expect_status 0
[ "$(outputs told)" = "9.0 6.25 4.0 2.25 1.0 0.25 0.0 0.25 " ] || fail "$(outputs told)"
[ "$(sed -n 2p heard)" = '{"version":1,"space":[{"name":"x","distribution":"uniform","min":-10.0,"max":10.0}],"metric":{"name":"loss","goal":"minimize"},"seed":0,"sampler":"tpe"}' ] ||
    fail "$(sed -n 2p heard)"
[ "$(sed -n 3p heard)" = '{"ask":1}' ] || fail "$(sed -n 3p heard)"
for i in 0 1 2 3 4 5 6 7; do
    [ "$(grep -c "\"tell\":$i," heard)" -eq 1 ] || fail "trial $i"
done
expect_in heard '{"tell":5,"value":0.25,"state":"succeeded"}'
expect_in heard '{"report":5,"step":1,"value":0.5}'
[ "$(asked)" -ge 8 ] || fail "asked for $(asked)"

rule "alone, without MPI, too"
rm heard
run 0 sweep bowl.yaml --run-dir alone --sampler "$(sampler each)"
expect_status 0
[ "$(outputs alone)" = "$(outputs told)" ] || fail "$(outputs alone)"

rule "its process is gone with the run"
! kill -0 "$(<pid)" 2>/dev/null || fail "it is still there"

rule "done ends the sweep: the rest is not started, and does not count"
run 3 sweep bowl.yaml --run-dir 'done' --sampler "$(sampler 'done' 3)"
expect_status 0
expect_in err "3 succeeded, 5 not-started"

rule "results and the best trial have the parameters that were proposed"
run 0 results told --table
expect_in out '"index":7,"state":"succeeded"'
[ "$(grep -o '"parameters":{"x":[0-9.]*}' out | sed -n 8p)" = '"parameters":{"x":3.5}' ] || fail parameters
expect_in <(tr -d ' \n' <told/best.json) '"index":6,"value":0.0'
expect_in <(tr -d ' \n' <told/best.json) '"parameters":{"x":3.0}'
run 0 results 'done' --table
[ "$(grep -c '"parameters":null' out)" -eq 5 ] || fail "parameters of trials that were not proposed"

rule "a sampler that dies ends the run, which says so and can be resumed"
rm -f heard
run 3 sweep bowl.yaml --run-dir dead --sampler "$(sampler die 4)"
expect_status 75
grep -Eq 'the sampler (has ended with status 137|was ended by SIGKILL); the run ends and can be res' err ||
    fail "no end of the sampler" # as its shell leaves it

rule "a resume tells the history, and runs nothing again"
run 3 resume dead --sampler "$(sampler plain)"
expect_status 0
[ "$(outputs dead)" = "$(outputs told)" ] || fail "$(outputs dead)"
expect_in heard '{"history":[{"id":0,"parameters":{"x":0.0},"value":'
expect_in heard '{"id":3,"parameters":{"x":1.5},"value":'
[ "$("$mapfleet" results dead --table | grep -c '"attempts":1,')" -eq 8 ] || fail "attempts"

rule "a sweep that has ended goes on with more trials, with its history"
rm heard
run 3 resume told --trials 10
expect_status 0
[ "$(outputs told)" = "9.0 6.25 4.0 2.25 1.0 0.25 0.0 0.25 1.0 2.25 " ] || fail "$(outputs told)"
[ "$(grep -o '"state":"succeeded"' <(sed -n 3p heard) | wc -l)" -eq 8 ] || fail "$(sed -n 3p heard)"

# refused_later MODE TEXT: the run ends with 75, and says this.
refused_later() {
    run 0 sweep bowl.yaml --run-dir "later-$1" --sampler "$(sampler "$1" 2)"
    expect_status 75
    expect_in err "$2"
    expect_in err "; the run ends and can be resumed"
}

rule "what makes no sense ends the run, and is named"
refused_later rubbish "trial 2: the sampler gave x: found 99.0"
refused_later missing "trial 2: the sampler left x out"
refused_later noise "the sampler said Traceback (most recent call last)"
refused_later error "the sampler says: burnt out"
refused_later unasked ", and was not asked for one"

rule "a sampler that is not ready is refused before anything starts"
run 3 sweep bowl.yaml --run-dir never --sampler "$(sampler refuse)"
expect_status 2
expect_in err "the sampler says: not today"
run 0 sweep bowl.yaml --run-dir never --sampler "$(sampler mute)"
expect_status 2
expect_in err "the sampler has ended with status 3 before it was ready"
[ ! -e never ] || fail "a run directory"

rule "a slow one is waited for"
run 0 sweep bowl.yaml --run-dir slow --sampler "$(sampler slow)"
expect_status 0
[ "$(outputs slow)" = "$(outputs alone)" ] || fail "$(outputs slow)"

rule "failed trials count as the worst so far, and constraints reject"
rm heard
sweep_file low.yaml bowl "metric: {name: loss}" "run_cap: 22" "constraints: ['x < -2 or x ~= -1.5']" \
    "min_success_ratio: 0.05"
run 0 sweep low.yaml --run-dir low --sampler "$(sampler low)"
expect_status 0
expect_in heard '{"tell":5,"value":null,"state":"rejected"}'
expect_in heard '{"tell":6,"value":null,"state":"failed"}'
expect_in err "failed"

rule "each configuration of several seeds is told once, with its mean"
rm heard
sweep_file seeds.yaml bowl "metric: {name: loss}" "run_cap: 3" "seeds: 2"
run 0 sweep seeds.yaml --run-dir seeds --sampler "$(sampler plain)"
expect_status 0
[ "$(outputs seeds)" = "9.0 9.0 6.25 6.25 4.0 4.0 " ] || fail "$(outputs seeds)"
[ "$(grep tell heard | sort)" = '{"tell":0,"value":9.0,"state":"succeeded"}
{"tell":1,"value":6.25,"state":"succeeded"}
{"tell":2,"value":4.0,"state":"succeeded"}' ] || fail "$(grep tell heard)"

rule "a dry run makes one line up, says so, and asks no sampler"
rm heard
run 0 sweep bowl.yaml --dry-run --sampler "$(sampler plain)"
expect_status 0
grep -q '^[^#]*bowl [^#]*  # made up: a sampler proposes the trials$' <(sed -n 1p out) || fail "$(<out)"
[ "$(sed -n 2p out)" = "8 trials" ] || fail "trials"
[ ! -e heard ] || fail "it was asked"

rule "a run that was killed goes on with all trials that had been asked for"
touch slowly
"$mapfleet" sweep bowl.yaml --run-dir killed --sampler "$(sampler plain)" >out 2>err </dev/null &
first=$!
until [ -s killed/log.lz4 ] && grep -qa inputs killed/log.lz4; do
    kill -0 $first 2>/dev/null || fail "it has ended"
    sleep 0.02
done
kill -KILL $first
wait $first 2>/dev/null
rm slowly heard
run 0 resume killed
expect_status 0
[ "$(outputs killed)" = "$(outputs alone)" ] || fail "$(outputs killed)"
expect_in heard '"value":null,"state":"running"}'

rule "--sampler is for sweeps that ask one, and outputs of its trials are not kept"
printf '%s\n' "method: random" "task: $functions:bowl" "parameters: {x: {min: 0.0, max: 1.0}}" \
    "run_cap: 2" >random.yaml
run 0 sweep random.yaml --run-dir random --sampler "$(sampler plain)"
expect_status 2
expect_in err "--sampler: only sweeps with method: bayes, or adaptive, ask one"
run 0 sweep bowl.yaml --run-dir kept --cache use --sampler "$(sampler plain)"
expect_status 2

rule "without --sampler it is Optuna that proposes; what it draws at random, it draws from the seed"
sed 's/-10.0/0.0/' bowl.yaml >above.yaml
for i in 1 2; do
    run 0 sweep above.yaml --run-dir "optuna$i" --concurrency 1 --seed 5
    expect_status 0
done
[ "$(outputs optuna1)" = "$(outputs optuna2)" ] || fail "$(outputs optuna1)"

rule "where Optuna is not installed, the package is named before anything starts"
mkdir bin
printf '#!/bin/sh\nexec /usr/bin/python3 -S "$@"\n' >bin/python3
chmod +x bin/python3
PATH=$PWD/bin:$PATH MAPFLEET_SAMPLER_TRIED=1 run 0 sweep bowl.yaml --run-dir never
expect_status 2
expect_in err "Debian's package is python3-optuna"
[ ! -e never ] || fail "a run directory"
