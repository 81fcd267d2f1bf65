#!/usr/bin/env bash
# Maps that are reduced: what their instances give is folded where it is made, exactly once each,
# whatever is killed and whenever; and reducers that fail.
source "$(dirname "$0")/support.sh"

reduced=$MAPFLEET_BUILD_DIR/tests/jobs/reduced.so
top='[999999,999998,999997,999996,999995,999994,999993,999992,999991,999990]'

# one RANKS RESULT ARGUMENT...: one map, whose result, and how many instances it lacks, are these.
one() {
    local ranks=$1 result=$2
    shift 2
    rm -rf run
    run "$ranks" run "$reduced:one" --run-dir run --print "$@"
    expect_status 0
    expect_lines out "$result"
}

# refused TEXT ARGUMENT...: nothing ran, and it says this.
refused() {
    local text=$1
    shift
    rm -rf run
    run 0 run "$reduced:one" --run-dir run "$@"
    expect_status 1
    expect_in err "$text"
    expect_in err "no instances"
}

# Every process below this one, itself included.
tree() {
    local child
    echo "$1"
    for child in $(pgrep -P "$1"); do
        tree "$child"
    done
}

rule "tasks lists reducers behind workflows"
run 0 tasks "$reduced"
expect_status 0
expect_in out "reducer ranges: int -> int"
expect_in out "    How long a range of integers is."
expect_in out "    ordered"

rule "integers are reduced four ways at once"
run 0 run "$reduced:numbers" range=0:10000 task=same --run-dir run --print
expect_status 0
expect_lines out '[49995000,0,9999,[9999,9998,9997,9996,9995,9994,9993,9992,9991,9990]]'

rule "results says that outputs were not kept, and --table what became of instances"
run 0 results run --map 3
expect_status 2
expect_in err "map 3 was reduced by top_k(10): the outputs of its instances were not kept"
run 0 results run --map 3 --table --format csv
expect_status 0
[ "$(wc -l <out)" -eq 10001 ] || fail "$(wc -l <out) lines"

rule "a million of them that are killed whole go on, the result is exact, and little is recorded"
rm -rf run
start 3 run "$reduced:numbers" range=0:1000000 task=gated --run-dir run
for _ in $(seq 600); do
    [ -e waiting ] && [ "$(wc -l <waiting)" -ge 2 ] && break
    sleep 0.05
done
run 0 status run
kill -KILL $(tree "$process") 2>/dev/null
wait "$process" 2>/dev/null
expect_nothing_left
touch open
run 2 resume run --print
expect_status 0
expect_lines out "[499999500000,0,999999,$top]"
expect_in err "4,000,000 succeeded"
[ "$(stat -c %s run/log.lz4)" -lt 400000 ] || fail "the log has $(stat -c %s run/log.lz4) bytes"

rule "order is kept, whoever has made what, and retries too"
text=$(seq -s, 0 1999)
one 3 "[\"$text\",0]" range=0:2000 task=flaky reducer=join retries=1
one 3 '[200000,0]' range=0:200000 task=same reducer=ranges
one 0 '[[1,2,2,4,5,5,7,8,8],0]' range=0:10 task=spread reducer=concat

rule "what failed is left out, and the workflow can ask how much that is"
one 0 '["1,2,3,4,5,6,8,9,10,11,12,13,15,16,17,18,19",3]' \
    range=0:20 task=picky reducer=join ratio=0.5

rule "floats, nulls, records and nothing at all are reduced"
one 0 '[166500.0,0]' range=0:1000 task=third reducer=sum
one 0 '[10100,0]' range=0:201 task=rare reducer=sum
one 0 '[null,0]' range=0:0 task=same reducer=min
one 0 '[{"even":500,"odd":500},0]' range=0:1000 task=point reducer=tally
one 0 '[[{"name":"even","score":0.0},{"name":"even","score":0.0}],0]' \
    range=0:1000 task=point 'reducer=top_k(2, score, ascending)'

rule "a reducer reads the files that instances gave back, where they are made and at the end"
one 2 '[1770,0]' range=0:60 task=sized reducer=bytes
expect_not_in err "a reducer failed"
one 0 '[1770,0]' range=0:60 task=sized reducer=bytes cache=1

rule "memoised outputs are kept one by one, and reduced all the same"
one 0 '["0123456789",0]' range=0:10 task=text reducer=concat cache=1
run 0 results run --map 0
expect_status 0
expect_lines out "$(seq -f '"%g"' 0 9)"
one 0 '["0123456789",0]' range=0:10 task=text reducer=concat cache=1
expect_in err "10 cached"

rule "a reducer that is unknown, or for other values, is refused before anything runs"
refused 'there is no reducer "summ"; there are sum, count' range=0:9 task=same reducer=summ
refused 'reducer sum: it takes int or float, and is given str' range=0:9 task=text reducer=sum
refused 'reducer join: it takes str, and is given int' range=0:9 task=same reducer=join
refused 'range: ' range=0:9:0 task=same reducer=sum

rule "a list is reduced beside the master, also one of a million values"
run 0 run "$reduced:lists" range=0:1000000 reducer=mean 'list=[1,2.5,null]' --run-dir lists --print
expect_status 0
expect_lines out '[499999500000,1.75]'

rule "a sum of ints that is too large fails the workflow, and says so"
rm -rf lists
run 0 run "$reduced:lists" range=0:9 reducer=sum 'list=[9223372036854775807,1]' --run-dir lists
expect_status 1
expect_in err 'mf_reduce "sum": reducer sum: the sum is larger than an int can be (64 bits)'

rule "a reducer that crashes costs no instance, and the workflow fails for it"
for how in crash:"its process ended with SIGSEGV" fail:"combine failed: as asked" \
    type:"what combine gave: expected int"; do
    rm -rf run
    echo "${how%%:*}" >broken
    run 0 run "$reduced:one" range=0:2000 task=same reducer=broken --run-dir run
    expect_status 1
    expect_in err "workflow one failed: mf_wait \"same\": map 0: reducer broken: ${how#*:}"
    expect_in err "2,000 succeeded; 0 retries"
done

rule "one that crashes once, or hangs past the task's time, costs nothing but time"
rm -f crashed hung
echo once >broken
one 2 '[1999000,0]' range=0:2000 task=same reducer=broken
expect_in err 'warning: a reducer failed map=0 reducer="broken": SIGSEGV'
echo hang >broken
one 0 '[1999000,0]' range=0:2000 task=same reducer=broken timeout=300ms
expect_in err 'reducer="broken": ran longer than its timeout'

rule "what is recorded is not read as another type: such a job is refused"
rm -rf run
echo fail >broken
run 0 run "$reduced:one" range=0:2000 task=same reducer=broken --run-dir run
expect_status 1
touch retyped
run 0 resume run --failed
expect_status 2
expect_in err "its map 0, of same, was reduced by broken of int, and is now reduced by broken of any"
rm retyped
touch same_any
run 0 resume run --failed
expect_status 2
expect_in err "the outputs of its map 0, of same, were int, and are now any"
rm same_any

rule "after that the run can go on with a reducer that works"
echo none >broken
run 0 resume run --failed --print
expect_status 0
expect_lines out '[1999000,0]'
