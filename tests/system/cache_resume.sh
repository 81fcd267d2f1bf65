#!/usr/bin/env bash
# Memoised outputs of runs that are killed, interrupted, kept from writing, and resumed; judged by
# what the attempts of tests/jobs/cached.c note.
source "$(dirname "$0")/support.sh"

job=$MAPFLEET_BUILD_DIR/tests/jobs/cached.so
export XDG_CACHE_HOME=$scratch/xdg

# ran TEXT: since the last call, these inputs were executed, in any order, each as often as it stands
# here.
ran() {
    local expected
    expected=$(printf '%s\n' $1 | sort)
    touch ran
    [ "$(sort ran)" = "$expected" ] || fail "executed $(tr '\n' ' ' <ran), expected: $1"
    rm ran
}

# expect_column RUN NAME TEXT: this column of the run's table, on one line.
expect_column() {
    local found
    found=$("$mapfleet" results "$1" --table 2>/dev/null | python3 -c 'import json, sys
print(*[json.loads(line)[sys.argv[1]] for line in sys.stdin])' "$2")
    [ "$found" = "$3" ] || fail "column $2 of $1 is $found, expected $3"
}

# status_is RUN EXPRESSION: does it hold, about s, what `status --json` says?
status_is() {
    python3 -c "
import json, sys
s = json.load(sys.stdin)
c = {state: count for state, count in s['counts'].items() if count}
sys.exit(0 if ($2) else 1)" < <("$mapfleet" status "$1" --json)
}

expect_status_json() {
    status_is "$1" "$2" || fail "not $2: $("$mapfleet" status "$1" --json)"
}

# await COMMAND...: until it succeeds.
await() {
    for _ in $(seq 600); do
        "$@" && return
        sleep 0.05
    done
    fail "never: $*"
}

# Are so many outputs in the store?
kept() {
    "$mapfleet" cache stats | grep -q "outputs    $1"
}

# Have so many lines come?
noted() {
    [ "$(cat ran 2>/dev/null | wc -l)" -ge "$1" ]
}

# Every process below this one, itself included.
tree() {
    local child
    echo "$1"
    for child in $(pgrep -P "$1"); do
        tree "$child"
    done
}

fresh() {
    rm -rf "$XDG_CACHE_HOME" run again open
}

# Some that end, an equal one, equal ones that fail for good, two that wait, and one that is equal to
# such a one.
for i in 1 2 3 1; do echo "{\"value\": $i}"; done >mixed.jsonl
for _ in 1 2; do echo '{"value": 9, "never": true}'; done >>mixed.jsonl
for i in 7 8 7; do echo "{\"value\": $i, \"until\": \"open\"}"; done >>mixed.jsonl
mixed=("$job:gated" --inputs mixed.jsonl --policy run-all)

for ranks in 0 3; do
    rule "of a run that is killed, what is recorded and what is kept show while it runs ($ranks ranks)"
    fresh
    begin "$ranks" map "${mixed[@]}" --slots 2 --unit-size 1
    await noted 6
    await kept 3
    await status_is run "c == {'succeeded': 3, 'cached': 1, 'failed': 2, 'not-started': 3}"
    expect_status_json run "s['state'] == 'running' and s['attempts'] == 4"
    kill -KILL $(tree "$process") 2>/dev/null
    wait "$process" 2>/dev/null
    await test -z "$(left_behind)"
    ran "1 2 3 7 8 9"
    expect_status_json run "s['state'] == 'interrupted'"
    expect_column run state "succeeded succeeded succeeded cached failed failed not-started \
not-started not-started"
    expect_column run attempts "1 1 1 0 1 0 0 0 0"

    rule "resumed, it runs what was not recorded, and shares again ($ranks ranks)"
    touch open
    run "$ranks" resume run --print
    expect_status 1
    ran "7 8"
    expect_lines out $'10\n20\n30\n10\nnull\nnull\n70\n80\n70'
    expect_column run state "succeeded succeeded succeeded cached failed failed succeeded succeeded \
cached"
    expect_column run attempts "1 1 1 0 1 0 1 1 0"
    expect_column run cache "miss miss miss hit miss miss miss miss hit"
    expect_counts succeeded 5 cached 2 failed 2
    expect_status_json run "c == {'succeeded': 5, 'cached': 2, 'failed': 2} and s['attempts'] == 6"
    expect_in err "[4-5]: error: for good"

    rule "resumed once more, it runs nothing ($ranks ranks)"
    run "$ranks" resume run --print
    expect_status 1
    ran ""
    expect_lines out $'10\n20\n30\n10\nnull\nnull\n70\n80\n70'

    rule "a failure that was shared is revived too, and shared again ($ranks ranks)"
    run "$ranks" resume run --failed
    expect_status 1
    ran 9
    expect_column run attempts "1 1 1 0 2 0 1 1 0"
    expect_counts succeeded 5 cached 2 failed 2
    run "$ranks" resume run --failed --cache off
    expect_status 1
    ran "9 9"
    expect_column run attempts "1 1 1 0 3 1 1 1 0"

    rule "a new run has hits for all that the sessions gave ($ranks ranks)"
    run "$ranks" map "${mixed[@]}" --run-dir again
    expect_status 1
    ran 9
    expect_column again state "cached cached cached cached failed failed cached cached cached"
done

# Three that are one, and another one.
for i in 4 4 4 5; do echo "{\"value\": $i, \"until\": \"open\"}"; done >equal.jsonl

for ranks in 0 3; do
    rule "interrupted, what ends in the grace is kept, and equal inputs share it ($ranks ranks)"
    fresh
    begin "$ranks" map "$job:gated" --inputs equal.jsonl --concurrency 1
    await noted 1
    kill -USR1 "$process"
    wait_for_line err "nothing new starts"
    touch open
    finish
    expect_status 75
    ran 4
    expect_counts succeeded 1 cached 2 not-started 1
    kept 1 || fail "the store has $("$mapfleet" cache stats)"
    run "$ranks" resume run --print
    expect_status 0
    ran 5
    expect_lines out $'40\n40\n40\n50'
    expect_counts succeeded 2 cached 2
done

rule "a run that fails under stop shares what has come with those that waited for it"
fresh
{ echo '{"value": 4, "until": "open"}'; echo '{"value": 4}'
    echo '{"value": 9, "until": "open", "never": true}'; } >late.jsonl
begin 0 map "$job:gated" --inputs late.jsonl --slots 2
await noted 2
touch open
finish
expect_status 1
run 0 results run --table
python3 - <<'PYTHON' || fail "one that was held has not shared what the first gave"
import json
states = [json.loads(line)["state"] for line in open("out")]
assert states in (["succeeded", "cached", "failed"], ["aborted", "not-started", "failed"]), states
PYTHON
rm ran

rule "resume takes up the version and the place of the store, and --cache off in their stead"
fresh
printf '5\n5\n6\n' >numbers.jsonl
start_plain() {
    begin 0 map "$job:plain" --inputs numbers.jsonl --cache-version a --cache-dir store \
        --delay 1h --concurrency 1
    await noted 1
    kill -USR1 "$process"
    finish
    expect_status 75
    ran 5
    expect_counts succeeded 1 cached 1 not-started 1
}
start_plain
mkdir -p elsewhere
mv run elsewhere/run
(cd elsewhere && run 0 resume run --delay 0 && exit "$status") || fail "resume"
[ ! -e elsewhere/store ] || fail "another store was made"
expect_column elsewhere/run state "succeeded cached succeeded"
ran 6
run 0 map "$job:plain" --inputs numbers.jsonl --cache-version a --cache-dir store --run-dir again
expect_status 0
ran ""
rm -rf store
start_plain
run 0 resume run --delay 0 --cache off
expect_status 0
ran 6
"$mapfleet" cache stats --cache-dir store | grep -q "outputs    1" || fail "6 was kept"

rule "--resume on a command line takes that line in full: without a version, there is no cache"
rm -rf store
start_plain
run 0 map "$job:plain" --inputs numbers.jsonl --run-dir run --resume
expect_status 0
ran 6
expect_column run state "succeeded cached succeeded"
"$mapfleet" cache stats --cache-dir store | grep -q "outputs    1" || fail "6 was kept"

rule "a list that has grown is refused, and goes on in a new run with --cache use"
fresh
seq 1 5 >list.jsonl
run 0 map "$job:number" --inputs list.jsonl --run-dir run
expect_status 0
rm ran
seq 1 7 >list.jsonl
run 0 map "$job:number" --inputs list.jsonl --run-dir run --resume
expect_status 2
expect_in err "--cache use"
run 0 map "$job:number" --inputs list.jsonl --run-dir again --cache use
expect_status 0
ran "6 7"

rule "hits wait while the record cannot be written, and none is lost"
fresh
run 0 map "$job:doubled" --range 0:500000 --run-dir run --isolation none
expect_status 0
export MAPFLEET_WRITE_PATIENCE=60
(ulimit -S -f 64 && exec "$mapfleet" map "$job:doubled" --range 0:500000 --isolation none \
    --run-dir again --print --cache-dir "$XDG_CACHE_HOME/mapfleet") >paused.out 2>paused.err </dev/null &
process=$!
await grep -q "the run pauses" paused.err
prlimit --pid "$process" --fsize=unlimited: || fail "prlimit"
finish
expect_status 0
expect_in paused.err "the run goes on"
seq 0 2 999998 | cmp - paused.out || fail "the outputs are wrong"
unset MAPFLEET_WRITE_PATIENCE
exit 0
