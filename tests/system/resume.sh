#!/usr/bin/env bash
# Going on with a run: from what it has recorded, once, and with the verdict of all its sessions.
source "$(dirname "$0")/support.sh"

squares() {
    python3 -c "print('\n'.join(str(i * i) for i in range($1)))"
}

# await COMMAND...: until it succeeds; ten seconds at most.
await() {
    for _ in $(seq 200); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.05
    done
    fail "waited in vain for: $*"
}

# start_alone NAME ARGUMENT...: in the background, until its log is there; its process is $alone.
start_alone() {
    local name=$1
    shift
    "$mapfleet" "$@" --run-dir "$name" >"$name.out" 2>"$name.err" </dev/null &
    alone=$!
    await test -s "$name/log.lz4"
}

killed() {
    kill -KILL "$alone"
    wait "$alone" 2>/dev/null
}

# recorded NAME COUNT: are so many instances recorded as succeeded?
recorded() {
    [ "$("$mapfleet" results "$1" --table --state succeeded 2>/dev/null | wc -l)" -ge "$2" ]
}

verdict() { # verdict NAME EXPRESSION: about v, the verdict of its run.json
    python3 -c "
import json, sys
v = json.load(open('$1/run.json'))['verdict']
assert $2, v" || fail "the verdict of $1"
}

# ---- Starting, going on, answering ----

rule "--resume starts a run that is not there, and answers for one that has ended"
run 0 map basics:square --range 0:20 --run-dir first --resume --print
expect_status 0
expect_lines out "$(squares 20)"
cp first/log.lz4 log
run 2 map basics:square --range 0:20 --run-dir first --resume --print
expect_status 0
expect_lines out "$(squares 20)"
cmp log first/log.lz4 || fail "something ran"
run 0 resume first
expect_status 0
[ ! -s out ] || fail "--print was remembered"
run 0 resume first --print --retries 5 --min-successes 3
expect_status 0
expect_lines out "$(squares 20)"
cmp log first/log.lz4 || fail "something ran"

rule "a finished run answers from a folder that cannot be written"
chmod a-w first first/*
run 0 resume first --print
chmod u+w first first/*
expect_status 0
expect_lines out "$(squares 20)"

rule "--resume starts a run in an empty folder, and in one where a run died before it began"
mkdir empty begun
touch begun/lock begun/inputs.lz4.new
for name in empty begun; do
    run 0 map basics:square --range 0:5 --run-dir $name --resume --print
    expect_status 0
    expect_lines out "$(squares 5)"
done

rule "a run that failed by its criterion has ended too: 1, also under another criterion"
printf '%s\n' '{"value": 1, "fail": 9}' '{"value": 2}' >one-fails.jsonl
run 0 map basics:fail --inputs one-fails.jsonl --policy run-all --run-dir failed
expect_status 1
run 0 resume failed --min-successes 0
expect_status 1
run 0 map basics:fail --inputs one-fails.jsonl --retries 20 --run-dir failed --resume
expect_status 1
expect_in err "nothing runs"

# ---- What is refused ----

on_ranks="0 2"
refused() {
    local text=$1
    shift
    for ranks in $on_ranks; do
        rule "$* is refused: $text ($ranks ranks)"
        run "$ranks" "$@"
        expect_status 2
        expect_in err "$text"
        [ "$(grep -c '^mapfleet: ' err)" -eq 1 ] || fail "not one message"
    done
}

mkdir other
touch other/thesis.tex
refused "--resume needs --run-dir" map basics:square --range 0:3 --resume
refused "holds something else" map basics:square --range 0:3 --run-dir other --resume
refused "exists already" map basics:square --range 0:20 --run-dir first
refused "with square, not with is_even" map basics:is_even --range 0:20 --run-dir first --resume
on_ranks=0
refused "not 21; for a list that has grown, start a new run with --cache use" \
    map basics:square --range 0:21 --run-dir first --resume
refused "other inputs: it has 20, not 19" map basics:square --range 0:19 --run-dir first --resume
refused "not all are what they were" map basics:square --range 1:21 --run-dir first --resume
refused "expected one run directory" resume
refused "no-such-run" resume no-such-run
refused "nothing to resume" resume other
refused "is not a run directory" resume .
refused "mapfleet resume has none" resume first --range 0:3
rm -rf other

# ---- Kills ----

for i in $(seq 300); do echo '{"ms": 50}'; done >sleeps.jsonl
rule "of two that start in one new folder at the same moment one runs, and the other says why not"
mkfifo one.jsonl two.jsonl
for name in one two; do
    "$mapfleet" map basics:square --inputs $name.jsonl --run-dir both >$name.out 2>$name.err &
    eval "$name=$!"
done
exec 3>one.jsonl 4>two.jsonl # opened when both have seen that there is no such folder
seq 0 4 >&3
seq 0 4 >&4
exec 3>&- 4>&-
wait "$one"
first=$?
wait "$two"
second=$?
[ $((first + second)) -eq 2 ] && [ $((first * second)) -eq 0 ] || fail "they gave $first and $second"
cat one.err two.err >err
expect_in err "run directory $scratch/both: another process is starting a run there just now"
expect_in err "5 succeeded"
run 0 results both
expect_lines out "$(squares 5)"

rule "a run directory that is a file is refused as that"
: >plain
for more in "" --resume; do
    run 0 map basics:square --range 0:5 --run-dir plain $more
    expect_status 2
    expect_in err "plain: this is a file, not a folder"
done

rule "a second run on a folder is refused while the first lives"
start_alone live map basics:sleep --inputs sleeps.jsonl --slots 1 --seed 7
run 0 resume live
expect_status 2
expect_in err "process $alone on $(hostname) is at work"
run 2 map basics:sleep --inputs sleeps.jsonl --run-dir live --resume
expect_status 2
expect_in err "at work"
await recorded live 5
killed

rule "the options that it was started with hold, overlaid by those given"
run 2 resume live --retries 4 --slots 16
expect_status 0
python3 - <<'PYTHON' || fail "the options"
import json
run = json.load(open("live/run.json"))
assert run["given"] == ["--retries=4", "--seed=7", "--slots=16"], run["given"]
assert run["options"]["retries"] == 4 and run["ranks"] == 2, run
assert run["arguments"][1:3] == ["map", "basics:sleep"], run["arguments"]
PYTHON
verdict live "v['attempts'] == 300 and v['counts']['succeeded'] == 300"
verdict live "v['wall_seconds'] > 1.0"
run 0 results live --table
[ "$(wc -l <out)" -eq 300 ] || fail "not 300 rows"

rule "one whose stamp was replaced stops writing, and leaves with 75"
for i in $(seq 200); do echo '{"ms": 100}'; done >long.jsonl
start_alone taken map basics:sleep --inputs long.jsonl --slots 1
await recorded taken 2
sed -i 's/"token": "..../"token": "beef/' taken/lock
for _ in $(seq 400); do kill -0 "$alone" 2>/dev/null || break; sleep 0.05; done
wait "$alone"
status=$?
expect_status 75
expect_in taken.err "taken this run over"
size=$(stat -c %s taken/log.lz4)
grep -q '"token": "beef' taken/lock || fail "it wrote over the other's stamp"
[ "$(stat -c %s taken/log.lz4)" -eq "$size" ] || fail "it wrote after that"

rule "attempts that were used stay used"
{
    echo '{"value": 0, "fail": 2}'
    echo '{"value": 1, "fail": 1000}'
    for i in $(seq 2 999); do echo "{\"value\": $i}"; done
} >retried.jsonl
start_alone used map basics:fail --inputs retried.jsonl --retries 1 --retry-delay 1h \
    --policy run-all --slots 1
await recorded used 998
killed
run 2 resume used --retries 2 --retry-delay 0
expect_status 1
run 0 results used --table
python3 - <<'PYTHON' || fail "attempts are lost, or came twice"
import json
rows = [json.loads(line) for line in open("out")]
assert (rows[0]["state"], rows[0]["attempts"], rows[0]["task_failures"]) == ("succeeded", 3, 2), rows[0]
assert (rows[1]["state"], rows[1]["attempts"], rows[1]["task_failures"]) == ("failed", 3, 3), rows[1]
assert all(row["attempts"] == 1 for row in rows[2:])
PYTHON
verdict used "v['attempts'] == 1004 and v['retries'] == 4"

rule "what is between attempts meets a smaller budget, too"
start_alone smaller map basics:fail --inputs retried.jsonl --retries 3 --retry-delay 1h \
    --policy run-all --slots 1
await recorded smaller 998
killed
run 0 resume smaller --retries 0 --retry-delay 0
expect_status 1
run 0 results smaller --table --state failed
[ "$(wc -l <out)" -eq 2 ] || fail "not both have failed"

rule "--failed gives what failed a fresh budget, and attempt numbers go on"
run 0 resume failed --failed --retries 3
expect_status 1
run 0 results failed --table
python3 - <<'PYTHON' || fail "not revived once"
import json
rows = [json.loads(line) for line in open("out")]
assert (rows[0]["state"], rows[0]["attempts"], rows[0]["task_failures"]) == ("failed", 5, 4), rows[0]
assert rows[1]["attempts"] == 1, rows[1]
PYTHON
run 2 map basics:fail --inputs one-fails.jsonl --retries 9 --run-dir failed --resume=failed --print
expect_status 0
expect_lines out "$(printf '1\n2')"
run 0 map basics:fail --inputs one-fails.jsonl --run-dir failed --resume=failed
expect_status 0
expect_in err "nothing runs"

rule "--resume=failed goes on with a run that was cut off without reviving what failed"
printf '%s\n' '{"value": 1, "how": "exit-3"}' '{"value": 2, "how": "hang", "until": 1}' >hangs.jsonl
start_alone cut map basics:misbehave --inputs hangs.jsonl --policy run-all --slots 2
failed_one() { "$mapfleet" results cut --table --state failed | grep -q .; }
await failed_one
killed
run 0 map basics:misbehave --inputs hangs.jsonl --policy run-all --timeout 1 --run-dir cut \
    --resume=failed
expect_status 1
run 0 results cut --table
python3 - <<'PYTHON' || fail "states"
import json
rows = [json.loads(line) for line in open("out")]
assert (rows[0]["state"], rows[0]["attempts"]) == ("failed", 1), rows[0]
assert (rows[1]["state"], rows[1]["attempts"]) == ("timed-out", 1), rows[1]
PYTHON

# ---- A log that is damaged ----

run 0 map basics:square --range 0:3000 --unit-size 100 --run-dir whole
expect_status 0
# expect_lost RUN: results, just printed, gave what the log still has, and 1 where that is less than
# run.json has recorded, with the number: it could not print all. Status agrees.
expect_lost() {
    python3 - "$status" <<'PYTHON' || fail "wrong outputs"
import re, sys
lines = open("out").read().split()
assert len(lines) == 3000
assert all(line in ("null", str(i * i)) for i, line in enumerate(lines))
missing = lines.count("null")
said = re.findall(r"(\d+) outputs that were recorded are lost", open("err").read())
assert said == ([str(missing)] if missing > 0 else []), (said, missing)
assert int(sys.argv[1]) == (1 if missing > 0 else 0)
PYTHON
    [ "$(wc -l <err)" -eq 1 ] || fail "it is not said once"
    local missing
    missing=$(grep -c null out)
    run 0 status "$1" --json
    expect_status 0
    expect_in out "\"succeeded\":$((3000 - missing)),"
    expect_in out "\"not-started\":$missing}"
    expect_in out "\"lost\":$missing,"
    [ "$missing" -eq 0 ] || expect_in out "$missing results that were recorded are lost"
    run 0 results "$1" --table --state succeeded
    expect_status $((missing > 0 ? 1 : 0))
    [ "$(wc -l <out)" -eq $((3000 - missing)) ] || fail "--table tells something else"
    [ "$missing" -eq 0 ] || expect_in err "$missing results that were recorded are lost"
}

rule "a log that is not there: what it held is told as lost, once, and not called null"
cp -r whole no-log
rm no-log/log.lz4
run 0 results no-log
expect_lost no-log
run 0 status no-log
expect_status 0
expect_in out "basics:square succeeded, but has lost 3,000 of its results: 0 of 3,000 done"
expect_in out "log.lz4 is not there"
expect_in out "go on with: mapfleet resume no-log"
run 2 resume no-log --print
expect_status 0
expect_lines out "$(squares 3000)"
[ "$(grep -c "has lost what it stood on" err)" -eq 1 ] || fail "it is not said once"

rule "a log that is cut anywhere gives what stands before, says so, and is made whole"
whole=$(stat -c %s whole/log.lz4)
for cut in 1 20 100 $((whole / 2)) $((whole - 30)) $((whole - 1)) "$whole"; do
    rm -rf cut-log && cp -r whole cut-log
    truncate -s $((whole - cut)) cut-log/log.lz4
    run 0 results cut-log
    expect_lost cut-log
    run 0 resume cut-log --print
    expect_status 0
    expect_lines out "$(squares 3000)"
    [ "$cut" -eq "$whole" ] || expect_in err "is cut off, and runs again"
    [ "$(grep -c "has lost what it stood on" err)" -eq 1 ] || fail "it is not said once"
done

# flip SEED: in flipped, a copy of whole, one bit of the log.
flip() {
    rm -rf flipped && cp -r whole flipped
    python3 -c "
import random
random.seed($1)
data = bytearray(open('flipped/log.lz4', 'rb').read())
data[random.randrange(len(data))] ^= 1 << random.randrange(8)
open('flipped/log.lz4', 'wb').write(data)"
}

rule "a log with a flipped bit, too"
for seed in $(seq 20); do
    flip "$seed"
    run 0 results flipped
    expect_lost flipped
    case $((seed % 4)) in
    0 | 1) run 0 resume flipped --print ;;
    *) run 0 map basics:square --range 0:3000 --unit-size 100 --run-dir flipped --resume --print ;;
    esac
    expect_status 0
    expect_lines out "$(squares 3000)"
    run 0 results flipped
    expect_status 0
    expect_lines out "$(squares 3000)"
    [ ! -s err ] || fail "it was not made whole"
done

rule "of any bit that is flipped, no wrong output is printed, and what is lost is told"
rm -rf flipped && cp -r whole flipped
python3 - "$mapfleet" >out 2>err <<'PYTHON' || fail "wrong outputs"
import random, re, subprocess, sys
log = open("flipped/log.lz4", "r+b", buffering=0)
size = len(log.read())
for seed in range(200):
    choice = random.Random(seed)
    at, bit = choice.randrange(size), 1 << choice.randrange(8)
    log.seek(at)
    byte = log.read(1)[0]
    log.seek(at)
    log.write(bytes([byte ^ bit]))
    form = choice.choice(["jsonl", "csv"])
    done = subprocess.run([sys.argv[1], "results", "flipped", "--format", form],
                          capture_output=True, text=True, timeout=60)
    lines = done.stdout.split()[form == "csv":]
    holes = [line in ("null", '""') for line in lines]
    said = re.findall(r"(\d+) outputs that were recorded are lost", done.stderr)
    assert len(lines) == 3000, (seed, len(lines))
    assert all(hole or line == str(i * i)
               for i, (line, hole) in enumerate(zip(lines, holes))), seed
    assert done.returncode == (1 if any(holes) else 0), (seed, done.returncode)
    assert said == ([str(sum(holes))] if any(holes) else []), (seed, done.stderr)
    log.seek(at)
    log.write(bytes([byte]))
PYTHON

rule "a run whose log has lost its last session, and still tells of one before, goes on"
run 0 map basics:fail --inputs one-fails.jsonl --policy run-all --run-dir sessions
expect_status 1
before=$(stat -c %s sessions/log.lz4)
run 0 resume sessions --failed --retries 9
expect_status 0
truncate -s "$before" sessions/log.lz4
for output in "" --table; do
    run 0 results sessions $output
    expect_status 1
    expect_in err "1 $([ -z "$output" ] && echo outputs || echo results) that were recorded are lost"
done
run 0 status sessions --json
expect_in out '"lost":1,'
run 0 resume sessions
expect_in err "has lost what it stood on"
expect_not_in err "nothing runs"

rule "a verdict that stands in the log, but not yet in run.json, holds"
run 0 map basics:fail --inputs one-fails.jsonl --policy run-all --run-dir early
expect_status 1
python3 - <<'PYTHON'
import json
run = json.load(open("early/run.json"))
run["state"], run["verdict"] = "running", None
json.dump(run, open("early/run.json", "w"))
PYTHON
run 0 resume early --min-successes 1 --retries 50
expect_status 1
verdict early "v['counts']['failed'] == 1 and v['attempts'] == 2"

# ---- A disk that fails ----

# The limit is on memory that ranks and executors share, too: so there are none of them.
rule "while files cannot grow, the run pauses, says so, and goes on when they can again"
export MAPFLEET_WRITE_PATIENCE=60
(ulimit -S -f 256 && exec "$mapfleet" map basics:square --range 0:3000000 --isolation none \
    --run-dir paused --print) \
    >paused.out 2>paused.err </dev/null &
alone=$!
await grep -q "the run pauses" paused.err
prlimit --pid "$alone" --fsize=unlimited: || fail "prlimit"
wait "$alone"
status=$?
expect_status 0
expect_in paused.err "the run goes on"
squares 3000000 | cmp - paused.out || fail "the outputs are wrong"
rm -rf paused paused.out

rule "where they cannot for too long, it ends with 75, and resumes to the whole result"
export MAPFLEET_WRITE_PATIENCE=1500ms
(ulimit -f 256 && run 0 map basics:square --range 0:1000000 --isolation none --run-dir full
 exit "$status")
status=$?
expect_status 75
expect_in err "the run pauses"
expect_in err "can be resumed"
expect_in err "go on with: mapfleet resume $scratch/full"
expect_in full/run.json '"state": "interrupted"'
recorded=$(python3 -c '
import json
print(json.load(open("full/run.json"))["verdict"]["counts"]["succeeded"])')
run 0 results full
[ "$(grep -vc null out)" -eq "$recorded" ] || fail "run.json counts $recorded as done"
run 0 resume full --print
expect_status 0
squares 1000000 | cmp - out || fail "the outputs are wrong"

rule "on ranks, too: it is rank 0 that writes"
mpirun -q -n 3 "$mapfleet" map "$MAPFLEET_BUILD_DIR/tests/jobs/touching.so:touch" \
    --range 0:20000 --slots 2 --run-dir limited >out 2>err </dev/null &
ranks=$!
await test -s limited/log.lz4
prlimit --pid "$(python3 -c 'import json; print(json.load(open("limited/lock"))["process"])')" \
    --fsize=1
wait "$ranks"
status=$?
expect_status 75
expect_in err "can be resumed"
expect_in err "go on with: mapfleet resume $scratch/limited"
run 3 resume limited --print
expect_status 0
squares 20000 | cmp - out || fail "the outputs are wrong"
verdict limited "v['attempts'] == 20000 and v['counts']['succeeded'] == 20000"

# A file system of a few MiB of our own, where we may mount one.
mkdir disk
if mount -t tmpfs -o size=3m tmpfs disk 2>/dev/null; then
    trap 'umount "$scratch/disk"; rm -rf "$scratch"' EXIT
    rule "a disk that is full ends the run with 75, and once there is room it resumes"
    dd if=/dev/zero of=disk/ballast bs=1M count=2 2>/dev/null
    run 2 map basics:square --range 0:300000 --run-dir disk/run
    expect_status 75
    expect_in err "No space left on device"
    rm disk/ballast
    run 2 resume disk/run --print
    expect_status 0
    squares 300000 | cmp - out || fail "the outputs are wrong"
fi
unset MAPFLEET_WRITE_PATIENCE

rule "the rate in lines of progress is that of the session, which has not done what others did"
rm -f begun-* open
for i in 0 1 2 3 4 5 6 7 8 9; do echo "{\"value\": $i}"; done >rated.jsonl
echo '{"value": 10, "until": "open"}' >>rated.jsonl
gate="$MAPFLEET_BUILD_DIR/tests/jobs/gate.so:gate"
start_alone rated map "$gate" --inputs rated.jsonl --slots 1
wait_for begun-10
await recorded rated 10
killed
start 0 resume rated
wait_for_line err "10 of 11 done, 1 of 1 slots busy"
touch open
finish
expect_status 0

rule "--sync is one of three, and every one of them gives the same"
for sync in always interval none; do
    run 2 map basics:square --range 0:2000 --unit-size 50 --sync "$sync" --run-dir "sync-$sync" --print
    expect_status 0
    expect_lines out "$(squares 2000)"
done
run 0 map basics:square --range 0:3 --sync sometimes
expect_status 2
expect_in err "interval, always or none"

# ---- Slurm ----

rule "in a batch job of Slurm the folder is the job's and the line's, and a restart goes on"
export SLURM_JOB_ID=17 ENVIRONMENT=BATCH
run 0 map basics:square --range 0:10 --print
expect_status 0
folder=$(echo mapfleet-runs/basics-square-slurm17-*)
[ -e "$folder/run.json" ] || fail "no such folder: $folder"
run 0 map basics:square --range 0:10 --print
expect_status 2
expect_in err "needs --run-dir"
SLURM_RESTART_COUNT=1 run 0 map basics:square --range 0:10
expect_status 0
expect_in err "nothing runs"
run 2 map basics:square --range 0:10 --resume --print=json
expect_status 0
expect_lines out "$(squares 10)"
run 0 map basics:square --range 0:11
expect_status 0
[ "$(ls -d mapfleet-runs/*-slurm17-* | wc -l)" -eq 2 ] || fail "another line has the same folder"
MAPFLEET_RUN_DIR=$scratch/first run 0 map basics:square --range 0:10
expect_status 0
[ "$(ls -d mapfleet-runs/*-slurm17-* | wc -l)" -eq 2 ] || fail "a run inside a command is no job's"
exit 0
