#!/usr/bin/env bash
# The job sweep: XGBoost, judged by cross-validation, and the sweep files that ship with it.
source "$(dirname "$0")/support.sh"
ln -s "$(cd "$OLDPWD/../../jobs" && pwd)" jobs

# sweep RANKS ARGUMENT...: into the folder run.
sweep() {
    local ranks=$1
    shift
    rm -rf run
    run "$ranks" sweep --progress none --run-dir run "$@"
}

rule "a trial's value is the accuracy that it gives, and reports after each round"
sweep 3 jobs/sweep/grid.yaml --trials 6
expect_status 0
run 0 results run --table
cp out table
python3 - <<'PYTHON' || fail "values and outputs are not as they should be: $(cat table)"
import json
rows = [json.loads(line) for line in open("table")]
assert len(rows) == 6, rows
for row in rows:
    output = row["output"]
    assert list(output) == ["accuracy", "correct", "rows", "rounds"], output
    assert output["rows"] == 178 and output["rounds"] == 10, output
    assert 120 < output["correct"] <= 178, output
    assert output["accuracy"] == output["correct"] / 178 == row["value"], row
best = json.load(open("run/best.json"))
assert best["value"] == max(row["value"] for row in rows), best
assert best["parameters"] == rows[best["index"]]["parameters"], best
PYTHON

rule "a configuration gives the same accuracy on any number of ranks"
run 0 results run
cp out three
sweep 0 jobs/sweep/grid.yaml --trials 6 --slots 1
expect_status 0
run 0 results run
diff three out >difference || fail "others: $(cat difference)"

rule "one that does badly after a few rounds is stopped long before its end"
cat >stopped.yaml <<'END'
task: sweep:train
method: grid
metric: {name: accuracy, goal: maximize}
early_terminate: {type: hyperband, min_iter: 3}
parameters:
  table: {value: wine}
  rounds: {values: [4, 10000]}
  min_child_weight: {value: 30, when: rounds > 4}
END
sweep 0 stopped.yaml --slots 1
expect_status 0
run 0 results run --table
sed -n 1p out | grep -q '"state":"succeeded"' || fail "trial 0 did not succeed"
sed -n 2p out | grep -q '"state":"stopped-early".*"stop":{"bracket":3,' || fail "trial 1 was not stopped"

rule "the three tables, and all that a configuration may say"
cat >inputs.jsonl <<'END'
{"rounds": 1, "folds": 2}
{"table": "wine", "rounds": 2, "split": 7, "max_depth": 3, "max_leaves": 4, "grow_policy": "lossguide"}
{"table": "breast_cancer", "rounds": 1, "eta": 1, "subsample": 0.5, "colsample_bytree": 0.5, "min_child_weight": 0, "lambda": 0, "alpha": 0.1, "gamma": 0.1}
END
run 3 map sweep:train --inputs inputs.jsonl --run-dir tables
expect_status 0
run 0 results tables
python3 -c 'import json
print(*[(r["rows"], r["rounds"]) for r in map(json.loads, open("out"))], sep="\n")' >found
expect_lines found $'(1797, 1)\n(178, 2)\n(569, 1)'

rule "what is out of its limits fails for good, and says what was expected"
cat >bad.jsonl <<'END'
{"table": "iris"}
{"eta": 0}
{"rounds": 10001}
{"folds": 1}
{"split": -1}
{"subsample": 1.5}
{"max_leaves": -1}
{"grow_policy": "deep"}
END
run 0 map sweep:train --inputs bad.jsonl --run-dir bad --policy run-all --retries 3
expect_status 1
run 0 results bad --table
[ "$(grep -c '"attempts":1,' out)" -eq 8 ] || fail "some were tried again"
sed 's/.*, error: \(.*\)","output".*/\1/; s/\\"/"/g' out >found
expect_lines found 'table: found "iris", expected breast_cancer, digits or wine
eta: found 0.0, expected a number above 0, at most 1
rounds: found 10001, expected an integer from 1 to 10000
folds: found 1, expected an integer from 2 to 50
split: found -1, expected an integer from 0
subsample: found 1.5, expected a number above 0, at most 1
max_leaves: found -1, expected an integer from 0 (no bound) to 4096
grow_policy: found "deep", expected depthwise or lossguide'

rule "every file that ships says what it would run"
for file in jobs/sweep/*.yaml; do
    options=(--dry-run)
    ! grep -q -- --wandb "$file" || options+=(--wandb)
    run 0 sweep "$file" "${options[@]}"
    expect_status 0
    grep -Eq '^[1-9][0-9]* trials$' out || fail "$file has no trials"
done

rule "a program that prints its accuracy, and a script for Weights & Biases, are trials as they are"
sweep 2 jobs/sweep/regression.yaml --trials 3
expect_status 0
expect_in run/best.json '"metric": "accuracy"'
sweep 2 jobs/sweep/network.yaml --trials 3 --wandb
expect_status 0
expect_in run/best.json '"metric": "val/loss"'
