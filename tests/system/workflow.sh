#!/usr/bin/env bash
# Workflows: calls, maps and what flows between them, several maps at once, loops and branches over
# results, memoised outputs, and how a workflow fails.
source "$(dirname "$0")/support.sh"

flows=$MAPFLEET_BUILD_DIR/tests/jobs/flows.so

# flow RANKS WORKFLOW ARGUMENT...: a run in a new directory, run.
flow() {
    local ranks=$1 workflow=$2
    shift 2
    rm -rf run
    run "$ranks" run "$flows:$workflow" --run-dir run "$@"
}

expect_failure() { # expect_failure TEXT: it ran, failed, and says this.
    expect_status 1
    expect_in err "$1"
    "$mapfleet" status run >status.out
    [ $? -eq 1 ] || fail "the status of a failed run is another"
}

rule "tasks lists workflows behind tasks, with their types"
run 0 tasks "$flows"
expect_status 0
expect_in out "square: int -> int"
expect_in out "workflow total: {xs: list<int>} -> int"
expect_in out "    The sum of squares."

for ranks in 0 3; do
    rule "a map flows into a call, and the workflow's output is printed ($ranks ranks)"
    flow "$ranks" total 'xs=[1,2,3]' --print
    expect_status 0
    expect_lines out 14
    run 0 results run
    expect_lines out 14

    rule "maps and calls are numbered together, and each can be printed ($ranks ranks)"
    run 0 results run --map 0
    expect_lines out $'1\n4\n9'
    run 0 results run --map 1
    expect_lines out 14
    run 0 results run --map 0 --table
    expect_in out '"index":2,"state":"succeeded","attempts":1'
    run 0 results run --map 2
    expect_status 2
    expect_in err "run has 2 maps so far, numbered from 0"
    run 0 status run
    expect_status 0
    expect_in out "4 of 4 done"
done

rule "a million small values, nested and empty lists flow, and calls retry"
flow 2 shapes n=1000000 'lists=[[1,2],[],[3]]' --print
expect_status 0
expect_lines out '[333332833333500000,[3,0,3],[],"text"]'
expect_in err "1 retry"

# expect_squares FILE PER_LINE: those below 1000, a thousand times, as one list or one a line.
expect_squares() {
    python3 - "$1" "$2" <<'END' || fail "$1 holds other values"
import json, sys
values = [json.loads(line) for line in open(sys.argv[1])]
values = values[0] if sys.argv[2] == "list" else values
sys.exit(values != [i * i for i in range(1000)] * 1000)
END
}

rule "a thousand lists become one, which is mapped over and given back: a million values on three ranks"
flow 3 coalesced "sizes=[$(yes 1000 | head -1000 | paste -sd,)]" --print
expect_status 0
expect_squares out list
run 0 results run
expect_squares out list
run 0 results run --map 2
expect_squares out lines
run 0 results run --map 2 --state succeeded --format msgpack
[ "$(wc -c <out)" -gt 2000000 ] || fail "not all are there"

rule "of empty lists an empty one is made, and of no lists"
for sizes in '[0,0,0]' '[]'; do
    flow 3 coalesced "sizes=$sizes" --print
    expect_status 0
    expect_lines out '[]'
    run 0 results run
    expect_lines out '[]'
done

rule "lists within lists stay as they are"
flow 0 shapes n=0 'lists=[[],[0],[1,[2]]]'
expect_status 2
expect_in err "parameter lists: at [2][1]: expected int, found list"
flow 3 coalesced 'sizes=[2,0,3]' --print
expect_lines out '[0,1,0,1,4]'
run 0 results run --map 0
expect_lines out $'[0,1]\n[]\n[0,1,2]'

for ranks in 0 3; do
    rule "a small map runs beside a large one that holds slots until it has ended ($ranks ranks)"
    rm -f open
    flow "$ranks" together n=3 "until=$scratch/open" --print --slots $((ranks == 0 ? 2 : 1))
    expect_status 0
    expect_lines out '[[0,1,4,9],[0,1,2]]'
done

rule "a workflow loops and branches over results"
flow 0 rounds until=3000 --print
expect_status 0
expect_lines out '[5,11,56,3137]'

rule "a tolerant map gives holes"
flow 0 tolerant 'xs=[1,-2,3]' --print
expect_status 0
expect_lines out '[1,null,9]'

rule "what a tolerant map gives is refused where no null is taken, though this time none is there"
flow 0 careless 'xs=[1,2,3]' --print
expect_failure 'workflow careless failed: mf_call "sum": an input of type list<int?> for list<int>'
run 0 results run --map 1
expect_status 2

rule "outputs of calls and maps are memoised, also over runs"
flow 0 cached --print
expect_status 0
expect_lines out '[1,2,3]'
flow 2 cached --print
expect_status 0
expect_lines out '[1,2,3]'
expect_in err "4 cached"
[ "$(wc -l <noted)" -eq 4 ] || fail "it ran again: $(wc -l <noted) attempts"
flow 0 cached --cache off
expect_status 0
[ "$(wc -l <noted)" -eq 8 ] || fail "--cache off ran $(wc -l <noted) attempts in all"
flow 0 cached --cache refresh
[ "$(wc -l <noted)" -eq 12 ] || fail "--cache refresh ran $(wc -l <noted) attempts in all"

rule "a map that fails fails its workflow, with what its instances said"
flow 0 total 'xs=[1,-2,3]' --print
expect_failure 'workflow total failed: mf_map "square": map 0: '
expect_in err "[1]: error: negative input -2"
expect_not_in err "--policy run-all"
expect_lines out null

rule "a crash in a workflow ends it and not the master, and its class and signal are said"
for ranks in 0 2; do
    flow "$ranks" wrong how=crash
    expect_failure "workflow wrong failed: crash: its process ended with SIGSEGV"
    expect_in err "going wrong: crash"
    run 0 results run --map 0
    expect_lines out 2
done
expect_nothing_left

rule "so is an exit, with its status"
flow 0 wrong how=exit
expect_failure "workflow wrong failed: exit: its process ended with exit status 3"

rule "a task that is not there, and a map that no rank could hold, are refused by name"
flow 0 wrong how=task
expect_failure 'mf_call_value "cube": job flows has no task "cube"; it has square, sum'
flow 0 wrong how=mem
expect_failure 'mf_map "note": map 1: task note asks for 1 cpu and 977 TiB of memory'

rule "a workflow says why it fails"
flow 0 wrong how=none
expect_failure "workflow wrong failed: as asked: none"

rule "a resume of a workflow that has ended runs nothing and exits as it did"
cp noted before
run 0 resume run
expect_status 1
cmp noted before || fail "something ran"

rule "a search by rounds of a map finds the lowest point"
run 0 run search 'from=[-5,2.25]' --print
expect_status 0
expect_in out '{"at":[1.0,2.0],"value":0.0,'
