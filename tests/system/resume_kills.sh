#!/usr/bin/env bash
# A run that is killed at random moments, mpirun and every rank at once, and resumed each time: in
# the end the outputs are those of an undisturbed run; what was recorded ran once, everything else
# at most once more for each kill. MAPFLEET_KILLS says how many kills; MAPFLEET_SEED, which moments.
source "$(dirname "$0")/support.sh"

kills=${MAPFLEET_KILLS:-12}
size=20000
RANDOM=${MAPFLEET_SEED:-1}
touching=$MAPFLEET_BUILD_DIR/tests/jobs/touching.so

# Every process below this one, itself included.
tree() {
    local child
    echo "$1"
    for child in $(pgrep -P "$1"); do
        tree "$child"
    done
}

# Processes of this test that are still alive, and may still leave a trace.
left_behind() {
    local process
    for process in /proc/[0-9]*; do
        [ "$(readlink "$process/cwd" 2>/dev/null)" = "$scratch" ] || continue
        [ "$(cut -d' ' -f3 "$process/stat" 2>/dev/null)" != Z ] &&
            grep -qa touching "$process/cmdline" 2>/dev/null && echo "$process"
    done
}

await_end() {
    for _ in $(seq 200); do
        [ -z "$(left_behind)" ] && return
        sleep 0.05
    done
    fail "processes are left: $(left_behind)"
}

# Which instances are recorded, and how often each has run: one line a kill, for check.py.
cat >snapshot.py <<'PYTHON'
import array, collections, json, os, sys
size = int(sys.argv[1])
recorded = bytearray(size)
if os.path.exists("table"):
    for line in open("table"):
        recorded[json.loads(line)["index"]] = 1
counts = array.array("H", [0] * size)
if os.path.exists("touched"):
    touched = array.array("I")
    data = open("touched", "rb").read()
    touched.frombytes(data[:len(data) // 4 * 4])
    for index, count in collections.Counter(touched).items():
        counts[index] = count
before = sys.argv[2]
if os.path.exists(before):
    with open(before, "rb") as file:
        was_recorded = file.read(size)
        were = array.array("H")
        were.frombytes(file.read())
    for i in range(size):
        more = counts[i] - were[i]
        assert recorded[i] or not was_recorded[i], ("recorded, and lost", i)
        assert more == 0 or not was_recorded[i], ("ran again", i, were[i], counts[i])
        assert more <= 1, ("ran more than once in a session", i, more)
for i in range(size):
    assert not recorded[i] or counts[i] > 0, ("recorded without a run", i)
with open(before, "wb") as file:
    file.write(bytes(recorded))
    counts.tofile(file)
print(sum(recorded))
PYTHON

snapshot() {
    rm -f table
    if [ -e killed/run.json ]; then
        "$mapfleet" results killed --table --state succeeded >table 2>torn ||
            fail "results of a killed run: $(cat torn)"
    fi
    done_count=$(python3 snapshot.py "$size" state) || fail "instances were lost, or ran again"
}

start() {
    local line=(map "$touching:touch" --range "0:$size" --run-dir killed --resume --slots 4)
    case $((RANDOM % 3)) in
    0) exec "$mapfleet" "${line[@]}" ;;
    1) exec mpirun -q -n 2 "$mapfleet" "${line[@]}" ;;
    2) exec mpirun -q -n 3 "$mapfleet" "${line[@]}" --sync=always ;;
    esac
}

rule "an undisturbed run is what the others are compared with"
run 0 map "$touching:touch" --range "0:$size" --run-dir whole --slots 8 --print
expect_status 0
mv out expected
rm touched

rule "after each of $kills kills, nothing that was recorded is lost or runs again"
for kill in $(seq "$kills"); do
    seed=$RANDOM
    (RANDOM=$seed && start) >/dev/null 2>>log </dev/null &
    launched=$!
    sleep "$((RANDOM % 2)).$((RANDOM % 10))$((RANDOM % 10))"
    tree=$(tree "$launched")
    kill -KILL $tree 2>/dev/null
    wait "$launched" 2>/dev/null
    await_end
    snapshot
    echo "kill $kill: $done_count of $size recorded"
    if [ "$done_count" -eq "$size" ] && [ "$kill" -lt "$kills" ]; then
        rm -rf killed touched state
    fi
done

rule "then the run is resumed to its end, on another number of ranks"
run 4 map "$touching:touch" --range "0:$size" --run-dir killed --resume
expect_status 0
snapshot
[ "$done_count" -eq "$size" ] || fail "$done_count of $size"
run 0 resume killed --print
expect_status 0
cmp expected out || fail "the outputs are not those of an undisturbed run"
python3 - <<'PYTHON' || fail "the verdict does not count all sessions"
import json
verdict = json.load(open("killed/run.json"))["verdict"]
assert verdict["counts"]["succeeded"] == 20000 and verdict["attempts"] == 20000, verdict
PYTHON
exit 0
