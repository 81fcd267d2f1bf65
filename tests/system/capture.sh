#!/usr/bin/env bash
# What attempts print is kept, each with its own, and stands in the text of their failures.
source "$(dirname "$0")/support.sh"

# stdio RUN INDEX: what is kept of it goes to `out`.
stdio() {
    run 0 results "$1" --stdio "$2"
    expect_status 0
}

# expect_bytes TEXT: `out` holds exactly this (escapes as in printf).
expect_bytes() {
    diff <(printf "$1") out >difference || fail "differs: $(head -5 difference | cat -A)"
}

# expect_error RUN INDEX TEXT: the instance's error text ends so.
expect_error() {
    run 0 results "$1" --table
    python3 - "$2" "$3" <<'PYTHON' || fail "another error text"
import json, sys
row = [json.loads(line) for line in open("out")][int(sys.argv[1])]
assert row["error"] is not None and row["error"].endswith(sys.argv[2]), row
PYTHON
}

# All that a run kept, by index and attempt, as docs/file-formats.md says to read it.
cat >kept.py <<'PYTHON'
import glob, json, lz4.frame, msgpack, struct, sys

def records(path):
    data = open(path, "rb").read()
    at = 0
    while at + 8 <= len(data):
        magic, size = struct.unpack_from("<II", data, at)
        assert magic == 0x184D2A50
        header = msgpack.unpackb(data[at + 8:at + 8 + size])
        at += 8 + size
        yield header, lz4.frame.decompress(data[at:at + header["frame"]])
        at += header["frame"]

def kept(run):
    found = {}
    for path in sorted(glob.glob(run + "/stdio/*.lz4")):
        for header, text in records(path):
            at = 0
            for index, attempt, out, err, *left_out in header["kept"]:
                found[index, attempt] = (text[at:at + out], text[at + out:at + out + err])
                at += out + err
    return found
PYTHON

# One in seven prints its index, in one of many ways; of those every third fails.
python3 - <<'PYTHON'
import json
ways = ["printf", "write", "stderr", "child", "copy", "shell"]
with open("many.jsonl", "w") as out:
    for i in range(20000):
        record = {"value": i}
        if i % 7 == 0:
            record["print"] = ways[i // 7 % len(ways)]
            record["text"] = f"echo {i}" if record["print"] == "shell" else f"{i}\n"
        if i % 21 == 0:
            record["how"] = "fail"
        out.write(json.dumps(record) + "\n")
PYTHON

for ranks in 0 3; do
    for mode in all failed; do
        rule "of many short attempts each has exactly its own text ($ranks, $mode)"
        run "$ranks" map basics:misbehave --inputs many.jsonl --policy run-all \
            --run-dir "many-$mode-$ranks" --capture "$mode"
        expect_status 1
        python3 - "many-$mode-$ranks" "$mode" <<'PYTHON' || fail "not exactly what was printed"
import json, sys
from kept import kept
expected = {}
for i, line in enumerate(open("many.jsonl")):
    record = json.loads(line)
    if "print" in record and (sys.argv[2] == "all" or "how" in record):
        text = b"%d\n" % i
        expected[i, 0] = (b"", text) if record["print"] == "stderr" else (text, b"")
found = kept(sys.argv[1])
wrong = [(key, found.get(key), expected.get(key)) for key in set(found) | set(expected)
         if found.get(key) != expected.get(key)]
assert not wrong, (len(wrong), wrong[:10])
PYTHON
        stdio "many-$mode-$ranks" 19992
        expect_bytes '19992\n'
    done
done

rule "many outputs share a few files, which lz4 decodes to plain text"
[ "$(find many-all-3/stdio -type f | wc -l)" -le 3 ] || fail "more files than ranks"
for file in many-all-3/stdio/*; do lz4 -dc "$file"; done | sort -n >out
diff <(seq 0 7 19999) out >difference || fail "not every text: $(head -3 difference)"

rule "nothing is kept of successes by default, and results says so"
stdio many-failed-3 7
[ ! -s out ] || fail "something is kept"
expect_in err "nothing is kept of what instance 7 printed"
expect_in err "--capture failed"

rule "a run that keeps nothing makes no folder"
run 3 map basics:square --range 0:1000 --run-dir silent --capture all
expect_status 0
[ ! -e silent/stdio ] || fail "there is one"
stdio silent 5
expect_in err "nothing is kept"

# one WAY TEXT [HOW]: an input.
one() {
    python3 - "$@" <<'PYTHON'
import json, sys
record = {"value": 1, "print": sys.argv[1], "text": sys.argv[2].encode().decode("unicode_escape")}
if len(sys.argv) > 3:
    record["how"] = sys.argv[3]
print(json.dumps(record))
PYTHON
}

{
    one both 'one\ntwo\n\nthree\nfour\n' fail
    one both 'before the crash\n' crash
    one both 'before the exit\n' exit-3
    one shell 'echo lost >&2; echo x > /dev/stderr' fail
    one shell 'echo a; echo b >> /dev/stdout; echo c' fail
    one nuls 'after nuls' fail
    one threads 'thread\n' fail
    one shell ': > /dev/stderr; : > /dev/stdout' fail
    one shell ': > /dev/stdout; echo late' fail
    one copy 'copied' fail
    one log 'said by mf_log' fail
    one shell 'echo forty >&2; kill -9 $PPID'
    one printf 'no end of line' abort
} >ways.jsonl
for ranks in 0 2; do
    rule "whichever way it was printed it is kept, and error texts end with the last lines ($ranks)"
    run "$ranks" map basics:misbehave --inputs ways.jsonl --policy run-all --run-dir "ways-$ranks" \
        --system-retries 0
    expect_status 1
    ways=ways-$ranks
    stdio "$ways" 0
    expect_bytes 'one\ntwo\n\nthree\nfour\none\ntwo\n\nthree\nfour\n'
    expect_error "$ways" 0 ', error: failed as asked | two | three | four'
    stdio "$ways" 1
    expect_bytes 'before the crash\nbefore the crash\n'
    expect_error "$ways" 1 ', crash: SIGSEGV (Segmentation fault) | before the crash'
    stdio "$ways" 2
    expect_bytes 'before the exit\nbefore the exit\n'
    expect_error "$ways" 2 ', exit: left with exit status 3 | before the exit'
    stdio "$ways" 3
    expect_bytes 'x\n'
    expect_error "$ways" 3 'failed as asked | x'
    stdio "$ways" 4
    expect_bytes 'a\nb\nc\n'
    stdio "$ways" 5
    expect_bytes '\0\0\0\0\0\0\0\0\0\0after nuls'
    stdio "$ways" 6
    expect_bytes 'thread\nthread\nthread\nthread\n'
    stdio "$ways" 7
    expect_in err "nothing is kept"
    stdio "$ways" 8
    expect_bytes 'late\n'
    stdio "$ways" 9
    expect_bytes 'copied'
    stdio "$ways" 10
    expect_bytes 'misbehave[10] attempt 0: said by mf_log\n'
    stdio "$ways" 11
    expect_bytes 'forty\n'
    expect_error "$ways" 11 ', killed: killed by SIGKILL, which mapfleet did not send | forty'
    stdio "$ways" 12
    [ ! -s out ] || fail "what stood in a buffer of the process that crashed"
done

rule "a job that closes its streams or sends them elsewhere harms no other attempt"
{
    one close 'nobody hears this' fail
    one printf 'again\n' fail
    one file elsewhere.txt
    one printf 'there\n' fail
    one stderr 'still here\n' fail
} >streams.jsonl
run 0 map basics:misbehave --inputs streams.jsonl --policy run-all --run-dir streams --slots 1
stdio streams 0
expect_in err "nothing is kept"
stdio streams 1
expect_bytes 'again\n'
stdio streams 3
expect_in err "nothing is kept"
stdio streams 4
expect_bytes 'still here\n'
expect_lines elsewhere.txt "$(printf 'into a file\nthere')"

rule "all attempts of an instance are kept, in order"
echo '{"value": 1, "print": "log", "text": "hello", "how": "exit-3", "until": 2}' >retried.jsonl
run 3 map basics:misbehave --inputs retried.jsonl --retries 2 --run-dir retried
expect_status 0
stdio retried 0
expect_bytes 'misbehave[0] attempt 0: hello\nmisbehave[0] attempt 1: hello\n'
run 3 map basics:misbehave --inputs retried.jsonl --retries 2 --run-dir retried-all --capture all
stdio retried-all 0
[ "$(wc -l <out)" -eq 3 ] || fail "not all three attempts"

rule "which attempt a part is from stands on standard error, where there is more than one"
expect_lines err "$(printf 'mapfleet: attempt %d of instance 0:\n' 0 1 2)"
"$mapfleet" results retried-all --stdio 0 >both 2>&1
expect_lines both "$(for i in 0 1 2; do
    echo "mapfleet: attempt $i of instance 0:"
    echo "misbehave[0] attempt $i: hello"
done)"
stdio ways-0 1
[ ! -s err ] || fail "of one attempt too"

rule "what timed out is kept, and its last lines are told"
{ one both 'working\n' hang; } >slow.jsonl
run 2 map basics:misbehave --inputs slow.jsonl --timeout 500ms --run-dir slow
expect_status 1
stdio slow 0
expect_bytes 'working\nworking\n'
expect_error slow 0 ', timeout: ran longer than its timeout | working'

rule "an attempt that we ended is kept, and replaced where it is run again under its number"
one shell 'if [ -e tried ]; then echo try 2; else echo try 1; touch tried; sleep 100; fi' \
    >again.jsonl
"$mapfleet" map basics:misbehave --inputs again.jsonl --run-dir again --capture all --grace 0 \
    >out 2>err </dev/null &
rank=$!
for _ in $(seq 500); do [ -e tried ] && break; sleep 0.02; done
kill -INT "$rank"
wait "$rank"
status=$?
expect_status 75
stdio again 0
expect_bytes 'try 1\n'
run 2 resume again
expect_status 0
stdio again 0
expect_bytes 'try 2\n'

rule "a flood is cut in the middle, and says so"
one flood '300 a line of the flood\n' fail >flood.jsonl
run 2 map basics:misbehave --inputs flood.jsonl --run-dir flood
expect_status 1
stdio flood 0
[ "$(wc -c <out)" -lt 140000 ] || fail "more is kept than should be"
[ "$(grep -c '^\[mapfleet: 300 MiB left out\]$' out)" -eq 1 ] || fail "it does not say so"
head -1 out >first
expect_in first "a line of the flood"
expect_error flood 0 'failed as asked | a line of the flood | a line of the flood | a line of the flood'

rule "none passes everything on to standard error, and keeps nothing"
one both 'passed on\n' fail >passed.jsonl
run 2 map basics:misbehave --inputs passed.jsonl --run-dir none --capture none
expect_status 1
[ "$(grep -c '^passed on$' err)" -eq 2 ] || fail "not both streams"
[ ! -s out ] || fail "standard output is for results"
[ ! -e none/stdio ] || fail "something is kept"
expect_error none 0 'error: failed as asked'
stdio none 0
expect_in err "--capture none"

rule "discard keeps nothing, and error texts have no last lines"
run 2 map basics:misbehave --inputs passed.jsonl --run-dir discard --capture discard
expect_status 1
expect_not_in err "passed on"
[ ! -e discard/stdio ] || fail "something is kept"
expect_error discard 0 'error: failed as asked'
stdio discard 0
expect_in err "--capture discard"

rule "what a setup printed last stands in the reason why nothing starts"
run 2 map "$MAPFLEET_BUILD_DIR/tests/jobs/loud_setup.so:task" --range 0:10 --run-dir setup
expect_status 1
expect_in err "the job's setup ended its process | no table | giving up"

rule "a folder that cannot be written costs what is kept, with one warning, and not the run"
{ one shell 'touch unwritable/stdio'; yes "$(one stderr 'x\n' fail)" | head -200; } >unwritable.jsonl
run 0 map basics:misbehave --inputs unwritable.jsonl --run-dir unwritable --policy run-all \
    --min-successes 1 --slots 1
expect_status 0
[ "$(grep -c 'cannot keep what attempts print' err)" -eq 1 ] || fail "not one warning"
expect_error unwritable 5 'failed as asked | x'
run 0 results unwritable --stdio 5
expect_status 1
expect_in err "unwritable/stdio"

rule "what is torn off the end of a file is not shown, and the rest is"
cp -r many-all-0 torn-many
file=$(echo torn-many/stdio/*.lz4)
truncate -s -5 "$file"
stdio torn-many 0
expect_bytes '0\n'
expect_in err "record at byte"
printf 'garbage garbage garbage' >"$file"
stdio torn-many 0
expect_in err "no record begins here"
expect_in err "nothing is kept"

rule "an index that is none is refused"
for index in x -1 1.5 '' 13 99999999999999999999; do
    run 0 results ways-0 --stdio "$index"
    expect_status 2
    expect_in err "--stdio"
    [ ! -s out ] || fail "something was printed"
done
run 0 results ways-0 --stdio 13
expect_in err "there is no instance 13: the run has 13, numbered from 0"
run 0 results ways-0 --stdio 1 --table
expect_status 2
run 0 results nowhere --stdio 1
expect_status 2
run 0 results ways-0 --stdio 1 --map 1
expect_status 2

rule "capture is refused where attempts run in the rank"
for mode in failed all discard; do
    run 0 map basics:square --range 0:3 --isolation none --capture "$mode"
    expect_status 2
    expect_in err "--capture $mode cannot be kept with --isolation none"
done
run 0 map basics:square --range 0:3 --isolation none --capture none --print
expect_status 0
run 0 map basics:square --range 0:3 --capture some
expect_status 2
exit 0
