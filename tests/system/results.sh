#!/usr/bin/env bash
# Outputs for spreadsheets and notebooks: CSV as Python's csv reads it, arrays as NumPy does.
source "$(dirname "$0")/support.sh"
needs python3 -c 'import numpy'

# record NAME LINE...: a run of commands whose outputs are these, read as JSON; `fails` fails.
record() {
    local name=$1
    shift
    printf '%s\n' "$@" >lines.txt
    run 0 exec --inputs lines.txt --output json --capture discard --run-dir "$name" --print=none \
        --shell -- 'test {} != fails && printf %s {}'
}

# rows FILE: what csv.reader makes of it, a list a line.
rows() {
    python3 -c 'import csv, sys
for row in csv.reader(open(sys.argv[1], newline="")): print(row)' "$1"
}

rule "fields of records within records are columns, lists are JSON, and a hole is empty cells"
record nested '{"loss":{"train":0.5},"tags":["a","b"]}' fails '{"loss":{"train":1,"val":2},"name":"x,y"}'
expect_status 1
run 0 results nested --format csv
expect_status 0
mv out csv
rows csv >out
expect_lines out "['loss.train', 'tags', 'loss.val', 'name']
['0.5', '[\"a\",\"b\"]', '', '']
['', '', '', '']
['1', '', '2', 'x,y']"

rule "a table has them where it has the output"
run 0 results nested --table --format csv
expect_status 0
mv out csv
python3 - <<'PYTHON' || fail "the table is another"
import csv
rows = list(csv.DictReader(open("csv", newline="")))
assert list(rows[0])[:12] == ["index", "state", "attempts", "task_failures", "system_failures", "class", "error",
    "output.loss.train", "output.tags", "output.loss.val", "output.name", "cache"], rows[0]
assert [row["state"] for row in rows] == ["succeeded", "failed", "succeeded"]
assert [row["output.loss.val"] for row in rows] == ["", "", "2"]
assert all(float(row["seconds"]) > 0 for row in rows)
PYTHON

rule "states that are left out make no columns"
run 0 results nested --format csv --state failed
expect_status 0
expect_lines out $'output\n""'

rule "outputs that are no records have one column"
run 0 map basics:square --range 0:3 --run-dir squares
run 0 results squares --format csv
expect_lines out $'output\n0\n1\n4'

rule "ints are an array of int64"
run 0 results squares --format npy
expect_status 0
python3 -c '
import numpy
array = numpy.load("out")
assert array.dtype == numpy.int64 and array.tolist() == [0, 1, 4], array' || fail "another array"

rule "lists of equal length are a matrix, and a hole among floats is a row of NaN"
record matrix '[1.5,2]' fails '[-0.25,1e300]'
run 0 results matrix --format npy
expect_status 0
python3 -c '
import numpy
array = numpy.load("out")
assert array.dtype == numpy.float64 and array.shape == (3, 2), array
assert numpy.isnan(array[1]).all() and array[[0, 2]].tolist() == [[1.5, 2], [-0.25, 1e300]], array' ||
    fail "another array"

rule "a hole among ints is refused with the way round, which leaves it out"
record holes 1 fails 3
run 0 results holes --format npy
expect_status 2
[ ! -s out ] || fail "something was printed"
expect_in err "instance 1 has no output, or a null in it, and no int says so: --state succeeded,cached leaves out"
run 0 results holes --format npy --state succeeded,cached
expect_status 0
python3 -c 'import numpy; assert numpy.load("out").tolist() == [1, 3]' || fail "another array"

rule "bools are an array of bools, and none at all are an empty one"
run 0 map basics:is_even --range 0:3 --run-dir even
run 0 results even --format npy
python3 -c 'import numpy; assert numpy.load("out").tolist() == [True, False, True]' || fail "another array"
run 0 map basics:is_even --range 0:0 --run-dir none
run 0 results none --format npy
python3 -c '
import numpy
array = numpy.load("out")
assert array.shape == (0,) and array.dtype == bool' || fail "another array"

rule "what is no array of numbers is refused by its instance"
run 0 results nested --format npy
expect_status 2
expect_in err "instance 0: found a record, expected numbers, or lists of them: --format csv takes it"
run 0 results squares --format npy --table
expect_status 2
expect_in err "--format csv takes both"
exit 0
