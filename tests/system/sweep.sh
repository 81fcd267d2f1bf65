#!/usr/bin/env bash
# mapfleet sweep: trials, seeds, environments, resumes, and what is refused before anything starts.
. ./support.sh

sweep_() {
    run 0 sweep --progress none "$@"
}

printf '#!/bin/sh\necho "$*"\n' >show
chmod +x show

cat >random.yaml <<'YAML'
project: digits
name: first
program: ./show
method: random
run_cap: 4
parameters:
  lr: {distribution: log_uniform_values, min: 1e-5, max: 0.1}
  model:
    parameters:
      depth: {min: 2, max: 8}
      wide-net: {values: [true, false]}
YAML

rule 'trials are the same on any number of ranks, and others by another seed'
sweep_ random.yaml --run-dir alone
expect_status 0
"$mapfleet" results alone >alone.found
[ "$(wc -l <alone.found)" -eq 4 ] || fail "$(wc -l <alone.found) trials"
run 3 sweep random.yaml --progress none --run-dir three
expect_status 0
"$mapfleet" results three | diff alone.found - >out || fail 'other trials on three ranks'
sweep_ random.yaml --run-dir other --seed 7
"$mapfleet" results other >other.found
! diff -q alone.found other.found >out || fail 'the seed changes nothing'

rule 'fewer trials are the first of more'
sweep_ random.yaml --dry-run --trials 2
head -2 out >two
sweep_ random.yaml --dry-run --trials 200
expect_lines <(head -2 out) "$(cat two)"
expect_in out '200 trials'

rule 'a program that starts itself is the file that lies here, not one of its name in PATH'
mkdir elsewhere
printf '#!/bin/sh\necho elsewhere\n' >elsewhere/show
chmod +x elsewhere/show
sed 's,program: ./show,program: show,' random.yaml >here.yaml
PATH=$PWD/elsewhere:$PATH sweep_ here.yaml --run-dir here
expect_status 0
"$mapfleet" results here | diff alone.found - >out || fail 'other lines than of ./show'

rule 'labels stand in run.json, beside the file and the command'
python3 - <<'PYTHON' || fail 'run.json says otherwise'
import json
run = json.load(open("alone/run.json"))
assert run["verb"] == "sweep" and run["inputs"]["kind"] == "trials", run
assert run["sweep"]["labels"] == {"project": "digits", "name": "first"}, run["sweep"]
assert run["sweep"]["file"] == open("random.yaml").read()
assert run["sweep"]["command"] == ["/usr/bin/env", "./show", "${args}"], run["sweep"]
assert run["options"]["policy"] == "run-all"
PYTHON

rule 'the page of a sweep shows its labels'
"$mapfleet" report alone -o page.html 2>err || fail 'no page'
expect_in page.html '<dt>project</dt><dd>digits</dd>'
expect_in page.html '<dt>name</dt><dd>first</dd>'

rule 'a parameter that is named as another column of CSV has one of its own'
printf '%s\n' 'method: grid' 'metric: {name: y}' \
    'parameters: {rank: {value: 8}, value: {value: 3}, lr: {value: 1}}' >columns.yaml
sweep_ columns.yaml --run-dir columns -- sh -c 'echo y={rank}'
expect_status 0
run 0 results columns --table --format csv
expect_in out ',cache,rank,seconds,parameters.rank,parameters.value,lr,value,stop'
expect_in out ',8,3,1,8.0,'

rule 'the environment has parameters as Python writes them, also under names that shells take'
sed -e '/^program/d' -e 's/^run_cap: 4/run_cap: 1/' random.yaml >environment.yaml
MF_lr=old PYTHONUNBUFFERED='' sweep_ environment.yaml --print=live --by-env -- env
expect_in out 'MF_model.wide-net=False'
expect_in out 'MF_model_wide_net=False'
expect_in out 'MAPFLEET_INPUT={"lr":0.016324051970400297,"model":{"depth":6,"wide-net":false}}'
expect_in out 'MAPFLEET_REPEAT=0'
expect_in out 'MF_lr=0.016324051970400297'
expect_in out 'PYTHONUNBUFFERED='
expect_not_in out 'PYTHONUNBUFFERED=1'
expect_not_in out 'MF_lr=old'
sweep_ environment.yaml --print=live --by-env -- env
expect_in out 'PYTHONUNBUFFERED=1'

rule 'names that would clash are not given a second time'
cat >clash.yaml <<'YAML'
method: grid
parameters: {a-b: {value: 1}, a_b: {value: 2}, a.c: {value: 3}, a+c: {value: 4}, "\u00fc.x": {value: 5}}
YAML
sweep_ clash.yaml --print=live --by-env -- env
expect_in out 'MF_a-b=1'
expect_in out 'MF_a_b=2'
expect_in out 'MF___x=5'
expect_not_in out 'MF_a_b=1'
expect_not_in out 'MF_a_c='

rule 'seeds run each configuration again, with its parameters and other random numbers'
printf '%s\n' 'method: grid' 'seeds: 2' 'parameters: {x: {values: [5, 6]}}' >seeds.yaml
sweep_ seeds.yaml -k --print=live -- sh -c \
    'echo $MAPFLEET_INDEX $MAPFLEET_REPEAT $MF_x; echo $MAPFLEET_SEED >&2; echo $MAPFLEET_SEED >>all' --
expect_status 0
expect_lines out $'0 0 5\n1 1 5\n2 0 6\n3 1 6'
[ "$(sort -u all | wc -l)" -eq 4 ] || fail 'two trials have one seed'
sweep_ seeds.yaml --trials 1 --dry-run -- ./show
expect_lines out $'./show --x=5\n./show --x=5\n2 trials'

rule 'a failed trial is one of many, and what the file says of retries holds, but for options'
printf '%s\n' 'method: grid' 'retries: 2' 'min_success_ratio: 0.5' \
    'parameters: {x: {values: [0, 1]}}' >retries.yaml
sweep_ retries.yaml --run-dir retried -- sh -c 'echo >>tries; exit {x}'
expect_status 0
[ "$(wc -l <tries)" -eq 4 ] || fail "$(wc -l <tries) attempts"
rm tries
sweep_ retries.yaml --retries 0 --min-successes 2 -- sh -c 'echo >>tries; exit {x}'
expect_status 1
[ "$(wc -l <tries)" -eq 2 ] || fail "$(wc -l <tries) attempts"

rule 'a task takes the record as its type'
printf '%s\n' 'method: grid' 'task: cached:record' \
    'parameters: {value: {values: [1, 2]}, note: {value: 5}}' >task.yaml
export MAPFLEET_JOBS=$MAPFLEET_BUILD_DIR/tests/jobs
sweep_ task.yaml
expect_status 2
expect_in err 'task.yaml: a trial: at .note: expected str, found int'
sed 's/5/x/' task.yaml >record.yaml
sweep_ record.yaml
expect_status 0
sed 's/cached:record/flows:echo/' record.yaml >echo.yaml
sweep_ echo.yaml --print
expect_lines out $'{"value":1,"note":"x"}\n{"value":2,"note":"x"}'

rule 'equal trials come from the cache, but for those that their index tells apart'
printf '%s\n' 'method: grid' 'parameters: {x: {values: [1, 2]}}' >cache.yaml
for _ in 1 2; do
    sweep_ cache.yaml --cache use -- sh -c 'echo >>cached; echo {x}'
    expect_status 0
done
[ "$(wc -l <cached)" -eq 2 ] || fail "$(wc -l <cached) runs"
expect_in err '2 cached'
sweep_ seeds.yaml --cache use -- sh -c 'echo >>kept; echo {x}'
[ "$(wc -l <kept)" -eq 4 ] || fail "$(wc -l <kept) runs"

rule 'scripts written for Weights & Biases run unchanged'
cp "$OLDPWD"/../../docs/wandb/* .
sweep_ sweep.yaml --wandb --trials 1 --print=live
expect_status 0
expect_in out 'lr 0.257 momentum 0.5: loss '
cat >script.py <<'PYTHON'
import wandb
run = wandb.init(config={"x": 0, "other": 3})
print(wandb.config.x, wandb.config["other"])
wandb.log({"loss": 0.5})
PYTHON
printf '%s\n' 'method: grid' 'program: script.py' 'command: ["${env}", python3, "${program}"]' \
    'parameters: {x: {values: [1, 2]}}' >wandb.yaml
PYTHONPATH=/nowhere sweep_ wandb.yaml --wandb -k --print=live
expect_status 0
expect_lines out $'1 3\n2 3'

rule 'long lists of values reach the workers'
python3 -c 'print("method: grid\nrun_cap: 2\nparameters: {x: {values: [%s]}}" % ", ".join(
    "value %d of many each of which is some fifty letters long" % i for i in range(20000)))' >long.yaml
run 2 sweep long.yaml --progress none -k --print=live -- echo
expect_status 0
expect_lines out "$(printf -- '--x=value %d of many each of which is some fifty letters long\n' 0 1)"

rule 'the parameters are written into a file in the working directory'
printf '%s\n' 'method: grid' 'command: [cat, "${args_json_file}"]' \
    'parameters: {x: {values: [1.0, null]}, y: {value: [a, true]}}' >json.yaml
sweep_ json.yaml -k --print=live
expect_lines out $'{"x":1.0,"y":["a",true]}\n{"x":null,"y":["a",true]}'

rule 'a later trial whose draws are in vain fails, and is not tried again'
printf '%s\n' 'method: random' 'retries: 3' 'constraints: ["x == 7"]' \
    'parameters: {x: {min: 0, max: 9000}}' >vain.yaml
sweep_ vain.yaml --trials 4 --seed 1 --run-dir vain -- echo
expect_status 1
"$mapfleet" results vain >out
expect_lines out $'"--x=7"\nnull\n"--x=7"\n"--x=7"'
expect_in err '[1]: error: trial 1: none of 10000 draws satisfies the constraints'
expect_in err '0 retries'

rule 'an expression that fails counts as not satisfied, and is warned of once'
printf '%s\n' 'method: grid' 'constraints: ["x < 2"]' 'parameters: {x: {values: [1, a, b]}}' >odd.yaml
sweep_ odd.yaml --dry-run -- echo
expect_lines out $'echo --x=1\n1 trials'
[ "$(grep -c 'an expression has failed' err)" -eq 1 ] || fail 'not one warning'

rule 'samples of exec and map are draws, the same on any number of ranks'
sample=(--sample 5 --seed 3 --grid 'lr~log_uniform_values(1e-5,0.1)' --grid opt=adam,sgd)
run 0 exec --progress none --run-dir sample -k "${sample[@]}" -- echo {lr} {opt}
expect_status 0
[ "$(wc -l <out)" -eq 5 ] || fail "$(wc -l <out) draws"
cp out drawn
run 3 exec --progress none -k "${sample[@]}" -- echo {lr} {opt}
diff drawn out >difference || fail 'other draws on three ranks'
run 0 resume sample
expect_status 0
expect_lines out "$(cat drawn)"
run 0 map cached:record --progress none --sample 3 --grid 'value~int_uniform(1,9)'
expect_status 0
run 0 map cached:record --sample 3 --grid 'value~uniform(1,9)'
expect_status 2
expect_in err 'a trial: at .value: expected int'

# ---- Refusals ----------------------------------------------------------------------------------

# refused TEXT OPTION... [-- COMMAND]: bad.yaml is refused with that text, and leaves nothing.
refused() {
    local text=$1
    shift
    rm -rf mapfleet-runs
    sweep_ bad.yaml "$@"
    expect_status 2
    expect_in err "$text"
    [ ! -s out ] || fail 'something is printed'
    [ ! -e mapfleet-runs ] || fail 'a folder is left'
}

# bad PARAMETERS [LINE...]: a grid with these; a method among the lines replaces it.
bad() {
    local parameters=$1
    shift
    {
        [[ "$*" == *method:* ]] || echo 'method: grid'
        printf '%s\n' "$@" "parameters: {$parameters}"
    } >bad.yaml
}

rule 'bad parameters are refused with their place'
bad 'x: {min: 5, max: 1}'
refused 'bad.yaml:2:' -- echo
expect_in err 'min 5 is above max 1'
bad 'x: {distribution: log_uniform_values, min: 0, max: 1}' 'method: random'
refused 'min' --trials 1 -- echo
bad 'x: {values: [a, b], probabilities: [0.5, 0.4]}' 'method: random'
refused 'their sum is 0.9, expected 1' --trials 1 -- echo
big=$(seq -s, 1 100000)
bad "a: {values: [$big]}, b: {values: [$big]}, c: {values: [$big]}, d: {values: [$big]}"
refused '2^63 - 1' -- echo
bad 'x: {min: 0.0, max: 1}'
refused 'x' -- echo
bad 'x: {values: []}'
refused 'expected a list of at least one' -- echo
bad 'x: {value: 1}' 'metrics: {}'
refused 'metrics: a sweep has one metric' -- echo
bad 'x: {valeu: 1}' 'run-cap: 3' 'goal: 1'
refused '3 things are wrong' -- echo
expect_in err 'run_cap'
expect_in err 'bad.yaml:4:'

rule 'malformed YAML is refused with its line'
printf 'method: grid\nparameters: {x: [1\n' >bad.yaml
refused 'bad.yaml:' -- echo
printf 'method: grid\nparameters: {x: {value: yes}}\n' >bad.yaml
refused 'bad.yaml:2:' -- echo
rm bad.yaml
refused 'bad.yaml' -- echo

rule 'expressions that do not parse, or name no parameter, are refused'
bad 'x: {values: [1, 2]}' 'constraints: ["x <"]'
refused 'constraint x <' -- echo
bad 'x: {values: [1, 2]}' 'constraints: ["z < 1"]'
refused 'z' -- echo
bad 'x: {values: [1, 2]}' 'constraints: ["x > 2"]'
refused 'none of the 2 points of the grid satisfies the constraints' -- echo
bad 'x: {min: 1, max: 2}' 'method: random' 'constraints: ["x > 2"]'
refused 'none of 10000 draws' --trials 1 -- echo
bad 'x: {min: 1, max: 200000}' 'method: random'
sweep_ bad.yaml --dry-run --trials 1 -- echo
only=$(sed -n 's/^echo --x=//p' out)
bad 'x: {min: 1, max: 200000}' 'method: random' "constraints: [x == $only]"
sweep_ bad.yaml --dry-run --trials 2 -- echo
expect_status 0
expect_lines out "echo --x=$only
# trial 1: none of 10000 draws satisfies the constraints
2 trials"

rule 'commands that cannot be meant are refused'
bad 'x: {value: 1}'
refused 'the sweep does not say what runs'
refused 'the command no-such-thing is not found' -- no-such-thing
refused 'the command no-such-thing is not found' -- /usr/bin/env A=1 no-such-thing
bad 'x: {value: 1}' 'command: ["${env}", A=1, no-such-thing, "${args}"]'
refused 'bad.yaml:2:26: the command no-such-thing is not found'
bad 'x: {value: 1}' 'command: [echo, "${argz}"]'
refused 'bad.yaml:2:18: ${argz} is no macro'
bad 'x: {value: 1}' 'command: [echo, "{y}"]'
refused 'the command never gets its parameters'
bad 'x: {value: 1}' 'command: [echo, "${args}", "${envvar:NO_SUCH}"]'
refused 'the environment has no such variable'
bad 'x: {value: 1}' 'command: echo'
refused 'expected a list of words'
bad 'x: {value: 1}' 'program: nothing.py'
refused 'bad.yaml:2:10: the program nothing.py is not here'
refused 'leave one of them out' -- echo
bad 'x: {value: 1}' 'task: flows:echo'
refused 'leave one of them out' -- echo
refused '--wandb is about a command' --wandb
bad 'x: {value: 1}' 'task: flows:nothing'
refused 'nothing'
bad 'a.b: {value: 1}, a: {parameters: {b: {value: 2}}}'
refused 'two parameters are named a.b' -- echo

rule 'words and counts that make no sense are refused'
bad 'x: {min: 1, max: 2}' 'method: random'
refused 'give --trials COUNT, or run_cap in the file' -- echo
refused '--trials: "0": expected a whole number above 0' --trials 0 -- echo
refused '--trials: "many"' --trials many -- echo
refused 'unexpected "echo": a command stands behind --' echo
refused '--range is an option of mapfleet map' --range 0:3
bad 'x: {value: 1}' 'timeout: soon'
refused 'bad.yaml:2:10: ' -- echo
run 0 sweep
expect_status 2
expect_in err 'expected FILE.yaml'
run 0 map flows:echo --range 0:2 --trials 3
expect_status 2
run 0 resume alone --failed --trials 3
expect_status 2
expect_in err 'a sweep may only grow'
