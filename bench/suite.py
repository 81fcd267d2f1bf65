"""The suite that bench/run runs: workloads, contenders in turns, ratios, a table.

A figure is the median over the repeats. What is compared is run in turns, and a ratio is the median
of the ratios of each turn, so that a machine that is slower for a while slows both. Before the first
turn everything runs once without counting: memory that a machine has not used for long is slow.
"""

import argparse
import json
import math
import os
import platform
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

RANKS = 3
CORES = 2  # that work: one for each rank but the master's
SQUARES = 50_000_000
YARDSTICK_CHUNKS = (1_000, 10_000, 100_000, 1_000_000)
FUTURES_CHUNKS = (1_000, 10_000, 100_000)
FUTURES_SQUARES = 2_000_000
SINGLE_TASKS = 200_000
LOGNORMAL_TASKS = 4_000
TEXTS = 10_000
TEXT_SIZE = 64 * 1024
NOTHINGS = 1_000_000_000
CRASHES = 1_000
COMMANDS = 4_000
TIMEOUT_S = 1800


class Failure(Exception):
    pass


# ---- Running programs ---------------------------------------------------------------------------


def call(command, may_fail=False, **options):
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL, **options
    )
    if done.returncode != 0 and not may_fail:
        raise Failure(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return done


def children_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Suite:
    def __init__(self, top, work, repeats):
        self.release = os.path.join(top, "build", "release")
        self.bench = os.path.join(top, "bench")
        self.work = work
        self.repeats = repeats
        self.rows = []

    def path(self, name):
        return os.path.join(self.work, name)

    # What a run came to: its verdict, and the sizes of its files. The run itself is deleted, so that
    # the next one finds the memory of its pages in use already.
    def mapfleet(self, *arguments, ranks=RANKS, wrapper=(), may_fail=False):
        run_dir = tempfile.mkdtemp(dir=self.work)
        os.rmdir(run_dir)
        launcher = ["mpirun", "-q", "-n", str(ranks)] if ranks > 1 else []
        program = os.path.join(self.release, "bin", "mapfleet")
        command = [*launcher, *wrapper, program, "map", *arguments, "--run-dir", run_dir]
        before = children_seconds()
        try:
            call(command, may_fail=may_fail)
            with open(os.path.join(run_dir, "run.json")) as file:
                result = json.load(file)["verdict"]
            for name in ("inputs.lz4", "log.lz4"):
                path = os.path.join(run_dir, name)
                result[name] = os.path.getsize(path) if os.path.exists(path) else 0
            result["cpu_seconds"] = children_seconds() - before
            return result
        finally:
            shutil.rmtree(run_dir, ignore_errors=True)

    def yardstick(self, *arguments):
        program = os.path.join(self.release, "bench", "yardstick")
        done = call(["mpirun", "-q", "-n", str(RANKS), program, *map(str, arguments)])
        return seconds_of(done.stdout)

    def futures(self, count, chunk):
        program = os.path.join(self.bench, "futures.py")
        module = ["-m", "mpi4py.futures", program, str(count), str(chunk)]
        return seconds_of(call(["mpirun", "-q", "-n", str(RANKS), futures_python(), *module]).stdout)

    # Run the contenders in turns. Gives for each name the list of what it returned.
    def turns(self, contenders, repeats=None):
        results = {name: [] for name in contenders}
        for contender in contenders.values():
            contender()
        for _ in range(repeats or self.repeats):
            for name, contender in contenders.items():
                results[name].append(contender())
        return results

    def row(self, name, what, value, target, is_met, unit="x", **details):
        self.rows.append(
            {
                "row": name,
                "what": what,
                "value": value,
                "unit": unit,
                "target": target,
                "met": is_met,
                "details": details,
            }
        )
        print(f"{name}: {shown(value, unit)}, target {target}", file=sys.stderr, flush=True)


def wall_seconds(command):
    before = time.monotonic()
    call(command)
    return time.monotonic() - before


def seconds_of(text):
    found = re.search(r"seconds=([0-9.]+)", text)
    if found is None:
        raise Failure(f"no seconds in: {text}")
    return float(found.group(1))


def futures_python():
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import mpi4py.futures"], capture_output=True).returncode == 0:
            return python
    return None


# Of two lists in the same turns: the median of first / second.
def ratio(first, second):
    return statistics.median(a / b for a, b in zip(first, second))


# ---- Rows ---------------------------------------------------------------------------------------


def fastest(candidates, run):
    return min(candidates, key=lambda candidate: min(run(candidate), run(candidate)))


def squares(suite):
    chunk = fastest(YARDSTICK_CHUNKS, lambda c: suite.yardstick("squares", SQUARES, c))
    contenders = {
        "mapfleet": lambda: suite.mapfleet("basics:square", "--range", f"0:{SQUARES}"),
        "chunk": lambda: suite.yardstick("squares", SQUARES, chunk),
        "single": lambda: suite.yardstick("squares", SINGLE_TASKS, 1),
    }
    has_futures = futures_python() is not None
    if has_futures:
        futures_chunk = fastest(FUTURES_CHUNKS, lambda c: suite.futures(FUTURES_SQUARES, c))
        contenders["futures"] = lambda: suite.futures(FUTURES_SQUARES, futures_chunk)
    results = suite.turns(contenders)
    ours = [SQUARES / run["wall_seconds"] for run in results["mapfleet"]]
    details = {
        "instances_per_second": statistics.median(ours),
        "cpu_ns_an_instance": 1e9
        * statistics.median(run["cpu_seconds"] for run in results["mapfleet"])
        / SQUARES,
    }
    single = [SINGLE_TASKS / seconds for seconds in results["single"]]
    chunked = [SQUARES / seconds for seconds in results["chunk"]]
    value = ratio(ours, single)
    text = f"{SQUARES:,} squares, against MPI by hand, one task a message"
    theirs = {"yardstick_per_second": statistics.median(single)}
    suite.row("squares-single", text, value, ">= 30", value >= 30, **details, **theirs)
    value = ratio(ours, chunked)
    text = f"the same, against MPI by hand, {chunk:,} tasks a message"
    theirs = {"yardstick_per_second": statistics.median(chunked)}
    suite.row("squares-chunk", text, value, ">= 0.4", value >= 0.4, **details, **theirs)
    if has_futures:
        theirs = [FUTURES_SQUARES / seconds for seconds in results["futures"]]
        value = ratio(ours, theirs)
        text = f"the same, against mpi4py.futures, chunks of {futures_chunk:,}"
        theirs = {"futures_per_second": statistics.median(theirs)}
        suite.row("squares-futures", text, value, ">= 8", value >= 8, **details, **theirs)


def write_durations(suite, name, durations):
    with open(suite.path(f"{name}.txt"), "w") as file:
        file.writelines(f"{us:.1f}\n" for us in durations)
    with open(suite.path(f"{name}.jsonl"), "w") as file:
        file.writelines(f'{{"us": {us:.1f}}}\n' for us in durations)
    return sum(durations) / 1e6


def lognormal(suite):
    source = random.Random(1)
    durations = [source.lognormvariate(0, 1) for _ in range(LOGNORMAL_TASKS)]
    scale = 1000 / statistics.mean(durations)
    total = write_durations(suite, "lognormal", [us * scale for us in durations])
    results = suite.turns(
        {
            "mapfleet": lambda: suite.mapfleet("basics:spin", "--inputs", suite.path("lognormal.jsonl")),
            "single": lambda: suite.yardstick("spin", suite.path("lognormal.txt"), 1),
        }
    )
    ours = [total / CORES / run["wall_seconds"] for run in results["mapfleet"]]
    theirs = [total / CORES / seconds for seconds in results["single"]]
    value = statistics.median(ours)
    against = ratio(ours, theirs)
    text = f"{LOGNORMAL_TASKS:,} lognormal tasks of mean 1 ms: their sum / (2 x makespan)"
    suite.row("lognormal", text, value, ">= 0.95", value >= 0.95, yardstick=statistics.median(theirs))
    text = "the same, against MPI by hand, one task a message"
    suite.row("lognormal-single", text, against, "> 1", against > 1)


def straggler(suite):
    total = write_durations(suite, "straggler", [3e6] + [1000.0] * 20_000)
    bound = max(3.0, total / CORES)
    results = suite.turns(
        {"mapfleet": lambda: suite.mapfleet("basics:spin", "--inputs", suite.path("straggler.jsonl"))}
    )
    value = statistics.median(run["wall_seconds"] / bound for run in results["mapfleet"])
    text = f"one 3 s instance before 20,000 of 1 ms: makespan / {bound:g} s"
    suite.row("straggler", text, value, "<= 1.05", value <= 1.05)


def write_texts(suite):
    source = random.Random(2)
    letters = "etaoinshrdlucmfwyp"
    words = ["".join(source.choices(letters, k=source.randint(2, 9))) for _ in range(5_000)]
    weights = [1 / (i + 1) for i in range(len(words))]
    with open(suite.path("texts.txt"), "w") as file:
        chosen = source.choices(words, weights, k=TEXT_SIZE)
        for _ in range(TEXTS):
            start = source.randrange(len(chosen) // 2)
            line = " ".join(chosen[start:] + chosen[:start])
            file.write(line[:TEXT_SIZE] + "\n")


def texts(suite):
    write_texts(suite)

    def run():
        return suite.mapfleet("basics:shout", "--inputs", suite.path("texts.txt"))

    first = run()
    size = (first["inputs.lz4"] + first["log.lz4"]) // (2 * TEXTS)
    results = suite.turns({"mapfleet": run, "copy": lambda: suite.yardstick("copy", TEXTS, size)})
    os.unlink(suite.path("texts.txt"))
    ours = [run["wall_seconds"] for run in results["mapfleet"]]
    value = ratio(results["copy"], ours)
    text = f"{TEXTS:,} texts of 64 KiB in and out, against MPI by hand with {size:,} bytes each"
    seconds = {"mapfleet_s": statistics.median(ours), "yardstick_s": statistics.median(results["copy"])}
    suite.row("texts", text, value, ">= 0.5", value >= 0.5, **seconds)


def nothings(suite):
    peaks = suite.path("peak")
    wrapper = [sys.executable, os.path.abspath(__file__), "--peak-to", peaks]
    run = suite.mapfleet("basics:nothing", "--range", f"0:{NOTHINGS}", wrapper=wrapper)
    with open(f"{peaks}-0") as file:
        peak = int(file.read()) / 1024
    text = f"{NOTHINGS:,} instances without an output: peak memory of rank 0"
    rate = NOTHINGS / run["wall_seconds"]
    details = {"instances_per_second": rate, "log_bytes": run["log.lz4"]}
    suite.row("nothings", text, peak, "< 256", peak < 256, unit="MiB", **details)
    suite.row("nothings-rate", "the same, instances a second", rate / 1e6, "none", True, unit="M/s")


def isolation(suite):
    def run(how):
        return suite.mapfleet("basics:square", "--range", "0:20000000", "--isolation", how)["wall_seconds"]

    results = suite.turns({how: (lambda how=how: run(how)) for how in ("none", "process")})
    value = ratio(results["none"], results["process"])
    text = "20,000,000 squares in processes of their own, against none"
    suite.row("isolation", text, value, ">= 0.9", value >= 0.9)


def crashes(suite):
    path = suite.path("crashes.jsonl")
    with open(path, "w") as file:
        file.writelines(f'{{"value": {i}, "how": "crash"}}\n' for i in range(CRASHES))
    arguments = ("basics:misbehave", "--inputs", path, "--min-successes", "0")

    alone = suite.turns(
        {"one": lambda: suite.mapfleet(*arguments, "--slots", "1", ranks=1)["wall_seconds"]}
    )["one"]
    value = statistics.median(alone) * 1000 / CRASHES
    text = "from one crash to the next in one slot: report, new executor, attempt"
    suite.row("new-executor", text, value, "< 5", value < 5, unit="ms")
    value = suite.mapfleet(*arguments)["wall_seconds"]
    text = f"{CRASHES:,} instances that all crash"
    suite.row("crashes", text, value, "< 30", value < 30, unit="s")


# Commands that do nothing: what each costs is starting it, and what is around that.
def commands(suite):
    numbers = suite.path("numbers")
    with open(numbers, "w") as file:
        file.writelines(f"{i}\n" for i in range(COMMANDS))
    program = os.path.join(suite.release, "bin", "mapfleet")

    def ours():
        run_dir = suite.path("commands")
        words = ["exec", "-j", str(CORES), "--range", f"0:{COMMANDS}", "--run-dir", run_dir, "--", "true"]
        seconds = wall_seconds([program, *words])
        shutil.rmtree(run_dir)
        return seconds

    contenders = {
        "mapfleet": ours,
        "xargs": lambda: wall_seconds(["xargs", "-a", numbers, f"-P{CORES}", "-n1", "true"]),
    }
    if shutil.which("parallel"):
        words = ["parallel", "--will-cite", "-a", numbers, f"-j{CORES}", "true"]
        contenders["parallel"] = lambda: wall_seconds(words)
    results = suite.turns(contenders)
    details = {f"{name}_per_second": COMMANDS / statistics.median(results[name]) for name in contenders}
    value = ratio(results["xargs"], results["mapfleet"])
    text = f"{COMMANDS:,} commands that do nothing, recorded, against xargs"
    suite.row("commands", text, value, ">= 1", value >= 1, **details)
    if "parallel" in contenders:
        value = ratio(results["parallel"], results["mapfleet"])
        suite.row("commands-parallel", "the same against GNU Parallel", value, ">= 5", value >= 5)


# ---- Idle ---------------------------------------------------------------------------------------


def descendants(process):
    children = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(entry))
    found = []
    new = [process]
    while new:
        new = [child for parent in new for child in children.get(parent, [])]
        found += new
    return found


# Processor time of each rank, zygote and executor below mpirun, in nanoseconds.
def used_ns(process):
    used = {}
    for one in descendants(process):
        try:
            with open(f"/proc/{one}/schedstat") as file:
                used[one] = int(file.read().split()[0])
        except OSError:
            continue
    return used


def idle_share(suite, inputs):
    run_dir = tempfile.mkdtemp(dir=suite.work)
    os.rmdir(run_dir)
    program = os.path.join(suite.release, "bin", "mapfleet")
    command = ["mpirun", "-q", "-n", "4", program, "map", "basics:sleep", "--inputs", inputs]
    mpirun = subprocess.Popen(
        [*command, "--slots", "3", "--run-dir", run_dir], stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    )
    try:
        while not os.path.exists(os.path.join(run_dir, "log.lz4")):
            if mpirun.poll() is not None:
                raise Failure("the idle run ended at its start")
            time.sleep(0.005)
        time.sleep(0.5)
        before, start = used_ns(mpirun.pid), time.perf_counter()
        time.sleep(1.1)
        after, end = used_ns(mpirun.pid), time.perf_counter()
        if not before.keys() & after.keys():
            raise Failure("the idle run ended too soon")
        return sum(after[one] - before[one] for one in before if one in after) / 1e9 / (end - start)
    finally:
        mpirun.wait(timeout=60)
        shutil.rmtree(run_dir, ignore_errors=True)


def idle(suite):
    path = suite.path("idle.jsonl")
    with open(path, "w") as file:
        file.write('{"ms": 2000}\n' * 8)
    value = 100 * statistics.median(idle_share(suite, path) for _ in range(suite.repeats))
    text = "8 attempts that sleep 2 s on 4 ranks: processor time of all, of one core"
    suite.row("idle", text, value, "< 5", value < 5, unit="%")


# ---- The table ----------------------------------------------------------------------------------

GROUPS = {
    "squares": squares,
    "lognormal": lognormal,
    "straggler": straggler,
    "texts": texts,
    "nothings": nothings,
    "isolation": isolation,
    "crashes": crashes,
    "commands": commands,
    "idle": idle,
}


def shown(value, unit):
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value != 0 else 2
    return f"{value:.{min(digits, 4)}f} {unit}"


def markdown(rows):
    lines = ["| what | measured | target | met |", "|---|---|---|---|"]
    for row in rows:
        met = "yes" if row["met"] else "no"
        lines.append(f"| {row['what']} | {shown(row['value'], row['unit'])} | {row['target']} | {met} |")
    return "\n".join(lines)


def machine():
    with open("/proc/cpuinfo") as file:
        models = re.findall(r"model name\s*: (.*)", file.read())
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "load_at_start": os.getloadavg()[0],
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


# The other face of this file: run a program, and write the largest memory of a process of its.
def write_peak(path, command):
    status = subprocess.run(command).returncode
    with open(f"{path}-{os.environ['OMPI_COMM_WORLD_RANK']}", "w") as file:
        file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
    sys.exit(status)


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench/run", description="Measure mapfleet.")
    parser.add_argument("--top", help=argparse.SUPPRESS)
    parser.add_argument("--repeats", type=int, default=5, help="turns a figure is the median of (5)")
    parser.add_argument("--only", default=",".join(GROUPS), help="of " + ",".join(GROUPS))
    parser.add_argument("--json", help="write everything that was measured there")
    parser.add_argument("--work", help="folder for runs and inputs (some GB); default: a new one in $TMPDIR")
    options = parser.parse_args()
    unknown = set(options.only.split(",")) - set(GROUPS)
    if unknown:
        parser.error(f"--only: found {', '.join(sorted(unknown))}, expected some of {', '.join(GROUPS)}")
    if options.repeats < 1:
        parser.error(f"--repeats: found {options.repeats}, expected 1 or more")
    return options


def main():
    if len(sys.argv) > 3 and sys.argv[1] == "--peak-to":
        write_peak(sys.argv[2], sys.argv[3:])
    options = parse_arguments()
    about = machine()
    work = tempfile.mkdtemp(prefix="mapfleet-bench-", dir=options.work)
    suite = Suite(options.top, work, options.repeats)
    try:
        for name in options.only.split(","):
            GROUPS[name](suite)
    except Failure as failure:
        sys.exit(f"bench/run: {failure}")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    about["load_at_end"] = os.getloadavg()[0]
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"machine": about, "repeats": options.repeats, "rows": suite.rows}, file, indent=1)
            file.write("\n")
    print(markdown(suite.rows))
    print(f"\n{', '.join(f'{key} {value}' for key, value in about.items())}; medians of {options.repeats}")


if __name__ == "__main__":
    main()
