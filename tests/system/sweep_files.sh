#!/usr/bin/env bash
# Sweep files as public repositories have them: what reaches the program, word for word.
. ./support.sh
sweeps=$OLDPWD/../sweeps

# A program that prints its own name and its words, a line each.
mkdir bin src
for name in bin/python bin/python3 bin/bash train train.sh show; do
    printf '#!/bin/sh\nprintf "%%s" "${0##*/}"\n[ $# = 0 ] || printf "\\n%%s" "$@"\n' >$name
    chmod +x $name
done
touch train.py main.py run.py src/train.py
export PATH=$scratch/bin:$PATH SWEEP_DATA='/data sets'

# options_of FILE: those that its first line says, and what this machine may not have.
options_of() {
    local line
    read -r line <"$1"
    [[ $line != '# mapfleet sweep FILE.yaml '* ]] || echo "${line#*FILE.yaml }"
}

# sweep NAME RANKS OPTION...: run the file of that name, into the folder run-NAME.
sweep() {
    local name=$1 ranks=$2 given
    shift 2
    sed -e 's#^program: /bin/sh$#program: ./show#' -e 's#^task: sweep:train$#task: flows:echo#' \
        "$sweeps/$name.yaml" >"$name.yaml"
    read -ra given <<<"$(options_of "$sweeps/$name.yaml")"
    run "$ranks" sweep "$name.yaml" --progress none --run-dir "run-$name" -j 1 "$@" "${given[@]}"
    expect_status 0
    "$mapfleet" results "run-$name" >"$name.found" || fail "$name has no results"
}

cat >compare.py <<'PYTHON'
"""compare.py NAME.txt NAME.found SEEDS: do the lines of the first say what came of the second?"""
import json, os, shlex, sys

def words_of(line):
    words = shlex.split(line.replace("/bin/sh", "./show") if " /bin/sh " in line else line)
    words = words[1:] if words[0] == "/usr/bin/env" else words
    return [os.path.basename(words[0])] + words[1:]

lines = open(sys.argv[1]).read().splitlines()
found = [json.loads(line) for line in open(sys.argv[2])]
seeds = int(sys.argv[3])
assert lines.pop() == "%d trials" % len(found), len(found)
assert 0 < len(lines) <= len(found)
for i, line in enumerate(lines):
    for repeat in range(seeds):
        output = found[i * seeds + repeat]
        if line.startswith("sweep:train "):
            expected = json.loads(line.split(" ", 1)[1])
        else:
            expected, output = words_of(line), output.split("\n")
            output = [w if not w.endswith("/parameters.json") else "parameters.json" for w in output]
        assert output == expected, "%s\nfound    %r\nexpected %r" % (sys.argv[2], output, expected)
PYTHON

# What a sampler proposes is for another test.
rule 'what reaches the program is what stands beside each file'
count=0
for file in "$sweeps"/*.txt; do
    name=$(basename "$file" .txt)
    grep -q ' trials$' "$file" || continue
    seeds=1 options=()
    # What the file asks for is more than some machines have.
    [ "$name" != 19_quasi_resources ] || { seeds=2 options=(--cpus 1 --gpus 0 --mem 100Mi); }
    # One in four on several ranks.
    [ $((count++ % 4)) -ne 2 ] && ranks=0 || ranks=3
    MAPFLEET_JOBS=$MAPFLEET_BUILD_DIR/tests/jobs sweep "$name" $ranks "${options[@]}"
    python3 compare.py "$file" "$name.found" $seeds || fail "$name is not what stands beside it"
done
[ "$count" -ge 19 ] || fail "$count files only"

rule 'a dry run prints what stands beside each file, also what a sampler would propose'
for file in "$sweeps"/*.txt; do
    name=$(basename "$file" .txt)
    options=()
    sed -e 's#^task: sweep:train$#task: flows:echo#' "$sweeps/$name.yaml" >"$name.yaml"
    grep -q '^run_cap' "$name.yaml" || [[ $name != *bayes* ]] || options=(--trials 5)
    read -ra given <<<"$(options_of "$name.yaml")"
    MAPFLEET_JOBS=$MAPFLEET_BUILD_DIR/tests/jobs run 0 sweep "$name.yaml" --dry-run \
        "${options[@]}" "${given[@]}"
    expect_status 0
    sed -i -e 's/  # made up.*//' -e 's/^flows:echo /sweep:train /' out
    grep -v -E '^([0-9]+ trials|brackets)' "$file" >lines
    if [ "$name" = 19_quasi_resources ]; then # of ten lines, two are of each configuration
        sed -i -n -e 'p;n' out
        sed -i -e '6,$d' lines
    fi
    head -"$(wc -l <lines)" out | diff lines - >difference || fail "$name: $(head -4 difference)"
    grep -E '^([0-9]+ trials|brackets)' "$file" >ends
    [ "$(grep -cxFf ends out)" -eq "$(wc -l <ends)" ] || fail "$name: not $(cat ends)"
done

rule 'a dry run prints the same lines, the number of trials, and the brackets'
run 0 sweep 18_conditions.yaml --dry-run
expect_status 0
cp out lines
diff <(head -6 lines) <(head -6 "$sweeps/18_conditions.txt") || fail "other lines"
[ "$(wc -l <lines)" -eq 11 ] || fail "$(wc -l <lines) lines"
expect_lines <(tail -1 lines) '21 trials'
[ ! -e mapfleet-runs ] || fail 'a dry run leaves a folder'
printf 'method: random\ncommand: [echo, "{x}"]\nrun_cap: 2\nmetric: {name: loss}\n%s\n%s\n' \
    'early_terminate: {type: hyperband, min_iter: 3}' 'parameters: {x: {values: [1]}}' >brackets.yaml
run 0 sweep brackets.yaml --dry-run
expect_lines out $'echo 1\necho 1\n2 trials\nbrackets 3 9 27 81'
