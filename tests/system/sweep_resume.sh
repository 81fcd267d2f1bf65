#!/usr/bin/env bash
# Sweeps that go on: after a kill, with more trials, and from their directory alone.
. ./support.sh

cat >random.yaml <<'YAML'
method: random
run_cap: 6
parameters: {x: {min: 0.0, max: 1}}
YAML

# Waits from its third trial on, until `open` is there, or the test has gone.
cat >trial <<'SHELL'
#!/bin/sh
echo "$1" >>begun
[ "$1" -lt 2 ] || { touch waiting; while [ ! -e open ] && [ -e trial ]; do sleep 0.02; done; }
echo "$2"
SHELL
chmod +x trial

# succeeded RUN COUNT: wait until so many of its trials are on record.
succeeded() {
    for _ in $(seq 600); do
        [[ $("$mapfleet" status "$1" --json 2>/dev/null) == *"\"succeeded\":$2,"* ]] && return
        sleep 0.05
    done
    fail "$2 trials never were on record"
}

# results_of RUN FILE
results_of() {
    "$mapfleet" results "$1" >"$2" || fail "no results in $1"
}

rule 'a sweep that was killed goes on, and no finished trial runs again'
touch open
run 0 sweep random.yaml --progress none --run-dir whole -- ./trial {index} {x}
expect_status 0
rm begun open waiting
start 0 sweep random.yaml --progress none -j 1 --unit-size 1 --run-dir run -- ./trial {index} {x}
wait_for waiting
succeeded run 2
kill -KILL "$process"
wait "$process" 2>/dev/null
touch open
mv random.yaml elsewhere.yaml
run 3 resume run --progress none
expect_status 0
[ "$(grep -c '^[01]$' begun)" -eq 2 ] || fail "trials that had finished ran again: $(sort begun | xargs)"
results_of whole whole.found
results_of run run.found
diff whole.found run.found >out || fail 'the best trial may be another now'

rule 'a resume asks a sweep for more, also one that has ended'
run 0 resume run --progress none --trials 9
expect_status 0
[ "$(sort -u begun | wc -l)" -eq 9 ] || fail "$(sort -u begun | wc -l) trials"
[ "$(grep -c '^[013456789]$' begun)" -le 9 ] || fail 'trials ran again'
results_of run nine.found
head -6 nine.found | diff run.found - >out || fail 'the first are others'
[ "$(wc -l <nine.found)" -eq 9 ] || fail "$(wc -l <nine.found) outputs"
expect_counts succeeded 9
cp begun before
run 2 resume run --progress none --trials 9
expect_status 0
expect_in err 'nothing runs'
run 0 resume run --progress none
expect_status 0
diff before begun >out || fail 'something ran'

rule 'more trials are those of a sweep that began with as many'
mv elsewhere.yaml random.yaml
run 0 sweep random.yaml --progress none --run-dir nine --trials 9 -- ./trial {index} {x}
results_of nine found
diff found nine.found >out || fail 'other trials'

rule 'fewer trials, another seed and another command are refused'
run 0 resume run --trials 8
expect_status 2
expect_in err 'has 9, and 8 are fewer: a sweep may only grow'
run 0 resume run --trials 12 --seed 5
expect_status 2
expect_in err 'cannot be resumed with another --seed: its trials were drawn from 0, not from 5'
run 0 sweep random.yaml --resume --run-dir run -- ./trial {x} {index}
expect_status 2
expect_in err 'cannot be resumed with another command'
run 0 exec --range 0:9 --run-dir exec --progress none -- true
run 0 resume exec --trials 20
expect_status 2
expect_in err 'is no sweep'
run 0 sweep random.yaml --resume --run-dir exec -- ./trial {index} {x}
expect_status 2
expect_in err 'cannot be resumed as a sweep: it was started with mapfleet exec'

rule 'the same line goes on with its sweep, whose file counts as it was recorded'
sed -i 's/max: 1/max: 2/' random.yaml
run 0 sweep random.yaml --progress none --resume --run-dir run --trials 10 -- ./trial {index} {x}
expect_status 0
expect_in err 'random.yaml has changed since'
results_of run found
head -9 found | diff nine.found - >out || fail 'the first are others'
[ "$(wc -l <found)" -eq 10 ] || fail "$(wc -l <found) outputs"

rule 'all of a grid is no more than it has, and a grid that was cut grows'
printf '%s\n' 'method: grid' 'parameters: {x: {values: [1, 2, 3]}}' >grid.yaml
run 0 sweep grid.yaml --progress none --run-dir grid --trials 2 -- echo
expect_status 0
run 0 resume grid --progress none --trials 100
expect_status 0
results_of grid found
expect_lines found $'"--x=1"\n"--x=2"\n"--x=3"'
run 0 resume grid --progress none --trials 200
expect_in err 'nothing runs'

rule 'a whole grid stays one where as many trials, or more, are asked for'
run 0 sweep grid.yaml --progress none --run-dir all -- ./trial {index} {x}
expect_status 0
for trials in 3 100; do
    run 0 sweep grid.yaml --progress none --run-dir all --resume --trials $trials -- ./trial {index} {x}
    expect_status 0
    run 0 resume all --progress none --trials $trials
    expect_status 0
done

rule 'trials that failed stay failed where more are asked for, and --failed runs them again'
printf '%s\n' 'method: grid' 'parameters: {x: {values: [0, 1, 0]}}' 'seeds: 2' >fails.yaml
run 0 sweep fails.yaml --progress none --run-dir fails --trials 1 -- sh -c 'echo {x} >>tries; exit {x}'
expect_status 0
run 0 resume fails --progress none --trials 2
expect_status 1
[ "$(wc -l <tries)" -eq 4 ] || fail "$(wc -l <tries) attempts"
run 0 resume fails --progress none --failed
expect_status 1
[ "$(wc -l <tries)" -eq 6 ] || fail "$(wc -l <tries) attempts"

rule 'a session that died before its log began asks for the same number of trials again'
cp -r nine died
python3 - <<'PYTHON'
import json
small, run = json.load(open("whole/run.json")), json.load(open("died/run.json"))
small["inputs"], small["verdict"], small["state"] = run["inputs"], None, "running"
json.dump(small, open("whole/run.json", "w"))
PYTHON
run 0 resume whole --progress none
expect_status 0
results_of whole found
diff found nine.found >out || fail 'what the dead session asked for did not run'
