#!/usr/bin/env bash
# A map from inputs to outputs, alone and on 1, 2 and 5 ranks: the same list every time.
source "$(dirname "$0")/support.sh"

squares=$(python3 -c 'print("\n".join(str(i * i) for i in range(1000)))')
for ranks in 0 1 2 5; do
    rule "a range gives its outputs in order ($ranks ranks)"
    run "$ranks" map basics:square --range 0:1000 --print --run-dir "range-$ranks"
    expect_status 0
    expect_lines out "$squares"
    expect_in err "1,000 succeeded"
done

rule "the log is a valid msgpack stream of all outputs for any lz4"
lz4 -dc range-5/log.lz4 >stream || fail "lz4 refuses the log"
python3 - <<'PYTHON' || fail "the stream is not the outputs"
import msgpack
with open("stream", "rb") as stream:
    outputs = sorted(msgpack.Unpacker(stream))
assert outputs == sorted(i * i for i in range(1000)), outputs[:10]
PYTHON

rule "results reads a run later, and on no rank"
run 0 results range-5
expect_status 0
expect_lines out "$squares"

python3 - <<'PYTHON'
import json
texts = ["", "plain", "Grüße", "line\nbreak", "x" * 70000]
with open("texts.jsonl", "w") as out:
    for text in texts:
        out.write(json.dumps(text) + "\n")
with open("upper.jsonl", "w") as out:
    for text in texts:
        upper = "".join(c.upper() if c.isascii() else c for c in text)
        out.write(json.dumps(upper, ensure_ascii=False) + "\n")
json.dump([1, 2, -3], open("numbers.json", "w"))
PYTHON
printf '1\n\n2\r\n-3\n' >numbers.csv.body
{ printf 'a,b\n'; printf '1,x\n"2","y, z"\n'; } >records.csv
printf '1\n2\n-3\n' >numbers.txt
python3 -c 'import msgpack,sys; [sys.stdout.buffer.write(msgpack.packb(i)) for i in (1, 2, -3)]' \
    >numbers.msgpack
lz4 -q numbers.txt numbers.txt.lz4
for file in numbers.json numbers.txt numbers.msgpack numbers.txt.lz4; do
    rule "inputs are read from $file"
    run 2 map basics:square --inputs "$file" --print
    expect_status 0
    expect_lines out $'1\n4\n9'
done

rule "strings of any length come back whole"
run 3 map basics:shout --inputs texts.jsonl --print
expect_status 0
cmp -s out upper.jsonl || fail "the texts differ"

rule "records come from CSV"
run 2 map basics:swap --inputs records.csv --print
expect_status 0
expect_lines out $'{"a":"x","b":"1"}\n{"a":"y, z","b":"2"}'

rule "standard input is read as JSON Lines"
status=0
printf '3\n4\n' | timeout 60 mpirun -q -n 2 "$mapfleet" map basics:square --inputs - --print \
    >out 2>err || status=$?
expect_status 0
expect_lines out $'9\n16'

rule "an empty list succeeds at once with an empty list"
run 2 map basics:square --range 5:5 --print
expect_status 0
[ ! -s out ] || fail "something was printed"
run 2 map basics:square --range 5:5 --min-successes 1
expect_status 2

for size in 1 7 1000; do
    rule "a fixed unit size of $size changes nothing"
    run 3 map basics:square --range 0:1000 --print --unit-size "$size"
    expect_status 0
    expect_lines out "$squares"
done

rule "the seed of an instance is the same on any number of ranks"
run 0 map basics:seed --range 0:50 --print --seed 7
cp out alone
run 5 map basics:seed --range 0:50 --print --seed 7
cmp -s out alone || fail "seeds differ"
run 5 map basics:seed --range 0:50 --print --seed 8
cmp -s out alone && fail "another --seed gives the same seeds"

rule "a run that takes its time says how far it is, unless told not to"
for _ in $(seq 12); do echo '{"ms": 500}'; done >slow.jsonl
run 3 map basics:sleep --inputs slow.jsonl --slots 1
expect_status 0
expect_in err " of 12 done"
run 3 map basics:sleep --inputs slow.jsonl --slots 1 --progress none
expect_status 0
expect_not_in err " of 12 done"

rule "tasks lists names and types without MPI"
run 0 tasks basics
expect_status 0
expect_in out "square: int -> int"
rule "of several copies, one prints what needs no MPI"
run 0 map basics:square --range 0:3 --run-dir once
for words in "tasks basics" "results once" "--version" "--help" "tasks --help" "help results"; do
    run 0 $words
    expect_status 0
    mv out alone
    run 3 $words
    expect_status 0
    cmp -s alone out || fail "mapfleet $words: not what a process alone prints"
done
rule "help VERB is VERB --help"
run 0 help
expect_status 0
expect_in out "mapfleet help VERB"
for verb in map resume tasks results status cache; do
    run 0 help $verb
    expect_status 0
    mv out words
    run 0 $verb --help
    expect_status 0
    cmp -s out words || fail "help $verb is another text"
done
run 0 help mop
expect_status 2
expect_in err 'unknown verb "mop"'

rule "outputs that cannot be written are an end of their own, and are not lost"
timeout 60 "$mapfleet" map basics:square --range 0:10 --print --run-dir full >/dev/full 2>err
status=$?
expect_status 70
expect_in err "standard output: No space left on device"
expect_in err "the run succeeded, but its outputs could not be written: \`mapfleet results $scratch/full\` has them"
run 0 results full
expect_status 0
[ "$(wc -l <out)" -eq 10 ] || fail "they are lost"

rule "of several copies, one refuses"
run 3 tasks nojob
expect_status 2
[ "$(grep -c '^mapfleet: ' err)" -eq 1 ] || fail "not one message"
exit 0
