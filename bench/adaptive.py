#!/usr/bin/env python3
"""bench/adaptive.py BUILD_DIR [--seeds N] [--only F,...]: do adaptive sweeps beat random ones?

The same number of trials each, on two functions of which the least value is known, and the median of
the best values over the seeds. BUILD_DIR has mapfleet and the tests' job `functions`.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

SLOTS = 2
FUNCTIONS = {
    "branin": (60, "x: {min: -5.0, max: 10.0}, y: {min: 0.0, max: 15.0}"),
    "hartmann6": (60, ", ".join(f"{name}: {{min: 0.0, max: 1.0}}" for name in "abcdef")),
}


def best(build, folder, function, method, seed):
    trials, parameters = FUNCTIONS[function]
    path = os.path.join(folder, "sweep.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"method: {method}\ntask: {build}/tests/jobs/functions.so:{function}\n"
                   f"metric: {{name: value}}\nrun_cap: {trials}\nparameters: {{{parameters}}}\n")
    run = os.path.join(folder, f"{function}-{method}-{seed}")
    subprocess.run(
        [f"{build}/bin/mapfleet", "sweep", path, "--slots", str(SLOTS), "--seed", str(seed),
         "--run-dir", run, "--progress", "none"],
        check=True, stderr=subprocess.DEVNULL)
    done = subprocess.run([f"{build}/bin/mapfleet", "results", run], check=True, text=True,
                          capture_output=True)
    values = [float(line) for line in done.stdout.split()]
    assert len(values) == trials
    return min(values)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--only", default=",".join(FUNCTIONS))
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    is_better = True
    print("| | trials | random | bayes |\n|---|---|---|---|")
    for function in options.only.split(","):
        trials = FUNCTIONS[function][0]
        medians = {}
        for method in ("random", "bayes"):
            with tempfile.TemporaryDirectory() as folder:
                medians[method] = statistics.median(
                    best(build, folder, function, method, seed) for seed in range(options.seeds))
        is_better = is_better and medians["bayes"] < medians["random"]
        print(f"| {function} | {trials} | {medians['random']:.3f} | {medians['bayes']:.3f} |",
              flush=True)
    return 0 if is_better else 1


if __name__ == "__main__":
    sys.exit(main())
