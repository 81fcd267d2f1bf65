#!/usr/bin/env bash
# Memoised outputs: what is executed, judged by what the attempts of tests/jobs/cached.c note.
source "$(dirname "$0")/support.sh"

job=$MAPFLEET_BUILD_DIR/tests/jobs/cached.so
export XDG_CACHE_HOME=$scratch/xdg
runs=0

# ran TEXT: since the last call, these inputs were executed, in any order, each as often as it stands
# here.
ran() {
    local expected
    expected=$(printf '%s\n' $1 | sort)
    touch ran
    [ "$(sort ran)" = "$expected" ] || fail "executed $(tr '\n' ' ' <ran), expected: $1"
    rm ran
}

# cached RANKS ARGUMENT...: a map in a run directory of its own, $dir, that succeeds.
cached() {
    local ranks=$1
    shift
    runs=$((runs + 1))
    dir=run-$runs
    run "$ranks" map "$@" --print --run-dir "$dir"
    expect_status 0
}

# column NAME: this column of the run's table, on one line.
column() {
    "$mapfleet" results "$dir" --table |
        python3 -c 'import json, sys
print(*[json.loads(line)[sys.argv[1]] for line in sys.stdin])' "$1"
}

expect_column() {
    [ "$(column "$1")" = "$2" ] || fail "column $1 is $(column "$1"), expected $2"
}

fresh() {
    rm -rf "$XDG_CACHE_HOME"
}

printf '5\n5\n5\n' >fives.jsonl
seq 1 20 >twenty.jsonl

for ranks in 0 3; do
    fresh
    rule "equal inputs of one map are executed once ($ranks ranks)"
    cached "$ranks" "$job:number" --inputs fives.jsonl
    ran 5
    expect_lines out $'50\n50\n50'
    expect_column state "succeeded cached cached"
    expect_column attempts "1 0 0"
    expect_column cache "miss hit hit"

    rule "the next run executes nothing ($ranks ranks)"
    cached "$ranks" "$job:number" --inputs fives.jsonl
    ran ""
    expect_lines out $'50\n50\n50'
    expect_column state "cached cached cached"
    expect_column attempts "0 0 0"
    expect_column cache "hit hit hit"
    expect_in err "3 cached"

    rule "retries, concurrency, ratio, resources and unit size are not in the key ($ranks ranks)"
    cached "$ranks" "$job:number" --inputs fives.jsonl --retries 3 --concurrency 1 \
        --min-success-ratio 0.5 --unit-size 1 --mem 1G --timeout 10s --slots 2
    ran ""

    rule "a new version executes all ($ranks ranks)"
    cached "$ranks" "$job:number" --inputs fives.jsonl --cache-version 2
    ran 5
    expect_column cache "miss hit hit"
    cached "$ranks" "$job:number" --inputs fives.jsonl --cache-version 2
    ran ""

    rule "another seed executes all ($ranks ranks)"
    cached "$ranks" "$job:number" --inputs fives.jsonl --seed 7
    ran 5

    rule "refresh executes equal inputs once, and keeps what they give ($ranks ranks)"
    cached "$ranks" "$job:number" --inputs fives.jsonl --cache refresh
    ran 5
    expect_column cache "miss hit hit"

    rule "off executes all, and looks at nothing ($ranks ranks)"
    cached "$ranks" "$job:number" --inputs fives.jsonl --cache off
    ran "5 5 5"
    expect_column cache "off off off"

    rule "only new inputs of a list that has grown are executed ($ranks ranks)"
    cached "$ranks" "$job:number" --inputs twenty.jsonl
    ran "$(seq 1 4) $(seq 6 20)"
    (cat twenty.jsonl; echo 21; echo 3) >grown.jsonl
    cached "$ranks" "$job:number" --inputs grown.jsonl
    ran 21
    expect_lines out "$(seq 10 10 210)"$'\n30'
    cached "$ranks" "$job:number" --range 1:21
    ran ""
done

rule "a task without a version is cached where --cache-version gives it one"
fresh
cached 0 "$job:plain" --inputs fives.jsonl
ran "5 5 5"
expect_column cache "off off off"
cached 0 "$job:plain" --inputs fives.jsonl --cache-version a
ran 5
cached 0 "$job:plain" --inputs fives.jsonl --cache use --cache-version a
ran ""

rule "--cache use or refresh on a task without a version is refused, and says what to give"
for mode in use refresh; do
    run 0 map "$job:plain" --inputs fives.jsonl --cache $mode --run-dir refused
    expect_status 2
    expect_in err "--cache-version"
    [ ! -e refused ] || fail "something was started"
done
run 0 map "$job:number" --inputs fives.jsonl --cache sometimes
expect_status 2
run 0 map "$job:number" --inputs fives.jsonl --cache-version ""
expect_status 2
ran ""

rule "a field to ignore that the input does not have is refused"
run 0 map "$job:bad_ignore" --inputs fives.jsonl
expect_status 2
expect_in err '"nothing"'

rule "fields that are ignored, and the order of fields, make no difference"
fresh
cat >records.jsonl <<'LINES'
{"value": 1, "note": "a"}
{"note": "b", "value": 1}
{"value": 1}
{"value": 2, "note": "a"}
LINES
cached 2 "$job:record" --inputs records.jsonl
ran "1 2"
expect_lines out $'1\n1\n1\n2'

rule "what succeeded is kept of a map that failed, and what failed is not"
fresh
cat >failing.jsonl <<'LINES'
{"value": 1}
{"value": 2, "fail": 9}
{"value": 3}
LINES
run 2 map "$job:record" --inputs failing.jsonl --policy run-all --run-dir failed
expect_status 1
ran "1 2 3"
run 2 map "$job:record" --inputs failing.jsonl --policy run-all --run-dir failed-again
expect_status 1
ran 2
dir=failed-again
expect_column state "cached failed cached"

rule "hits count before anything starts: a minimum that they reach runs nothing under enough"
cached 2 "$job:record" --inputs failing.jsonl --policy enough --min-successes 2
ran ""
expect_column state "cached not-started cached"

rule "when the first of equal inputs fails for now, the next one runs"
fresh
printf '{"value": 1, "fail": 2}\n%.0s' 1 2 3 >equal.jsonl
run 0 map "$job:record" --inputs equal.jsonl --policy run-all --run-dir next
expect_status 1
ran "1 1 1"
dir=next
expect_column state "failed failed failed"
expect_column attempts "1 1 1"
run 3 map "$job:record" --inputs equal.jsonl --retries 2 --run-dir retried
expect_status 0
ran "1 1 1"
dir=retried
expect_column state "succeeded cached cached"
expect_column attempts "3 0 0"

rule "a permanent failure is shared by equal inputs, without attempts of their own"
fresh
printf '{"value": 1, "fail": 9, "permanent": true}\n%.0s' 1 2 3 >forever.jsonl
run 3 map "$job:record" --inputs forever.jsonl --retries 5 --policy run-all --run-dir forever
expect_status 1
ran 1
expect_in err "1 attempt failed"
expect_in err "[0-2]: error: for good"
dir=forever
expect_column state "failed failed failed"
expect_column attempts "1 0 0"
expect_column class "error error error"
run 0 results forever --table
[ "$(grep -c '"error":"attempt 1 of 6, error: for good"' out)" -eq 3 ] || fail "another text"
expect_column cache "miss miss miss"

rule "a function that reads its index is not kept, and equal inputs each run, with one warning"
fresh
for again in 1 2; do
    cached 2 "$job:place" --inputs fives.jsonl
    ran "5 5 5"
    expect_lines out $'0\n1\n2'
    [ "$(grep -c 'reads its index' err)" -eq 1 ] || fail "not one warning"
done

rule "the seed of a cached map comes from the input, not from its place"
fresh
printf '5\n6\n' >first.jsonl
printf '1\n6\n5\n' >other.jsonl
cached 0 "$job:seeded" --inputs first.jsonl
cp out first
cached 2 "$job:seeded" --inputs other.jsonl --cache refresh
[ "$(sed -n 1p first)" = "$(sed -n 3p out)" ] || fail "the seed of 5 differs"
[ "$(sed -n 2p first)" = "$(sed -n 2p out)" ] || fail "the seed of 6 differs"
cached 0 "$job:seeded" --inputs first.jsonl --cache off
[ "$(sed -n 1p first)" != "$(sed -n 1p out)" ] || fail "without a cache it comes from the index"
rm ran

for ranks in 0 3; do
    rule "a file counts by its content: only the one that has changed is executed ($ranks ranks)"
    fresh
    mkdir files
    for i in 1 2 3; do
        printf 'content %d' $i >files/$i
    done
    cached "$ranks" "$job:size_of" --files 'files/*'
    ran "1 2 3"
    printf 'CONTENT 2' >files/2
    touch files/1
    cached "$ranks" "$job:size_of" --files 'files/*'
    ran 2
    expect_column cache "hit miss hit"
    cp files/3 files/4
    cached "$ranks" "$job:size_of" --files 'files/*'
    ran ""
    rm -r files
done

rule "an output is not kept where a file of its input changed while it ran"
fresh
mkdir files
echo one >files/1
cached 0 "$job:changing" --files 'files/*'
expect_in err "changed meanwhile"
ran 1
run 0 cache stats
expect_in out "outputs    0"
rm -r files

rule "a hit whose file is gone or changed runs again, with a warning"
fresh
cached 2 "$job:made" --range 1:4
ran "1 2 3"
made=$(sed -n 2p out | tr -d '"')
[ "$(cat "$made")" = "made of 2" ] || fail "no file $made"
cached 2 "$job:made" --range 1:4
ran ""
[ "$(sed -n 2p out | tr -d '"')" = "$made" ] || fail "another file than $made"
rm "$made"
cached 2 "$job:made" --range 1:4
ran 2
expect_in err "$made"
made=$(sed -n 3p out | tr -d '"')
echo other >"$made"
cached 0 "$job:made" --range 1:4
ran 3
expect_in err "$made has changed"

rule "a store that cannot be made is a warning"
echo "no folder" >file
cached 2 "$job:number" --inputs fives.jsonl --cache-dir file/store
ran 5
expect_in err "warning: cache:"
expect_in err "file/store"

rule "a store that is damaged is a warning, and is left as it is"
fresh
cached 0 "$job:number" --inputs fives.jsonl
ran 5
head -c 4000 /dev/zero | tr '\0' x | dd of="$XDG_CACHE_HOME/mapfleet/data.mdb" conv=notrunc 2>dd
before=$(cksum <"$XDG_CACHE_HOME/mapfleet/data.mdb")
cached 3 "$job:number" --inputs fives.jsonl
ran 5
expect_in err "warning: cache:"
expect_in err "data.mdb"
[ "$(cksum <"$XDG_CACHE_HOME/mapfleet/data.mdb")" = "$before" ] || fail "it has changed"
run 0 cache stats
expect_status 2

rule "an entry that is damaged is a miss with a warning, and is replaced"
fresh
cached 0 "$job:number" --inputs fives.jsonl
ran 5
python3 - "$XDG_CACHE_HOME/mapfleet/data.mdb" <<'PYTHON'
import sys
data = open(sys.argv[1], "rb").read()
at = data.find(b"\xc4\x01\x32\x90") # the packed output 50 of the entry, which names no files
assert at > 0
open(sys.argv[1], "r+b").write(data[:at + 2] + b"\x33" + data[at + 3:])
PYTHON
cached 0 "$job:number" --inputs fives.jsonl
ran 5
expect_in err "checksum is wrong"
cached 0 "$job:number" --inputs fives.jsonl
ran ""
expect_lines out $'50\n50\n50'

rule "a store that another host uses is left alone, with a warning that names it"
fresh
cached 0 "$job:number" --inputs fives.jsonl
ran 5
stamp() {
    echo "another-boot/pid:[1] faraway 4711 $1" >stamp
    mv stamp "$XDG_CACHE_HOME/mapfleet/in-use"
}
stamp 0
(
    count=0
    while [ ! -e enough ]; do
        count=$((count + 1))
        stamp $count
    done
) &
other=$!
cached 2 "$job:number" --inputs fives.jsonl
touch enough
wait $other
ran 5
expect_in err "faraway"
run 0 cache stats --cache-dir "$scratch/none"
expect_status 0
rm "$XDG_CACHE_HOME/mapfleet/in-use"

rule "two runs at once share a store"
fresh
"$mapfleet" map "$job:number" --inputs twenty.jsonl --run-dir both-1 2>err-1 &
first=$!
"$mapfleet" map "$job:number" --inputs twenty.jsonl --run-dir both-2 2>err-2 || fail "$(cat err-2)"
wait $first || fail "$(cat err-1)"
rm ran
cached 0 "$job:number" --inputs twenty.jsonl
ran ""

rule "100,000 hits, and not one attempt"
fresh
cached 0 "$job:doubled" --range 0:100000
for ranks in 0 3; do
    cached "$ranks" "$job:doubled" --range 0:100000
    expect_in err "100,000 cached"
    [ "$(cksum <out)" = "$(seq 0 2 199998 | cksum)" ] || fail "other outputs"
    python3 - "$dir/run.json" <<'PYTHON' || fail "attempts were made"
import json, sys
assert json.load(open(sys.argv[1]))["verdict"]["attempts"] == 0
PYTHON
done

rule "100,000 equal inputs are one attempt"
fresh
yes 5 | head -100000 >many.jsonl
cached 3 "$job:number" --inputs many.jsonl
ran 5
expect_in err "1 succeeded, 99,999 cached"

rule "hits are records too: lz4 and the log alone give all outputs"
lz4 -dc "$dir/log.lz4" | python3 -c '
import sys, msgpack
values = list(msgpack.Unpacker(sys.stdin.buffer))
assert values == [50] * 100000, len(values)' || fail "the log holds something else"
rm "$dir/index"
run 0 results "$dir"
[ "$(sort -u out)" = 50 ] || fail "results without an index differ"

rule "stats shows what is there, prune throws out what is old, and the rest is still used"
fresh
run 0 cache stats
expect_status 0
expect_in out "none there yet"
cached 0 "$job:number" --inputs twenty.jsonl
ran "$(seq 1 20)"
run 0 cache stats
expect_in out "outputs    20"
expect_in out "$XDG_CACHE_HOME/mapfleet"
run 0 cache prune --older-than 30d
expect_in out "removed 0 outputs, 20 are left"
cached 0 "$job:number" --inputs twenty.jsonl
ran ""
run 0 cache prune --older-than 0
expect_in out "removed 20 outputs, 0 are left"
cached 0 "$job:number" --inputs twenty.jsonl
ran "$(seq 1 20)"
run 0 cache prune --max-size 10G
expect_in out "removed 0 outputs"
run 0 cache prune --max-size 0
expect_in out "removed 20 outputs"

rule "the cache verb refuses what it does not know"
run 0 cache prune
expect_status 2
expect_in err "--older-than"
run 0 cache prune --older-than soon
expect_status 2
expect_in err "--older-than"
run 0 cache prune --max-size big
expect_status 2
run 0 cache stats --max-size 1G
expect_status 2
run 0 cache clear
expect_status 2
expect_in err "stats or prune"
run 0 cache
expect_status 2
