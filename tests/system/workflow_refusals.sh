#!/usr/bin/env bash
# What `mapfleet run` refuses before anything starts, and its help.
source "$(dirname "$0")/support.sh"

flows=$MAPFLEET_BUILD_DIR/tests/jobs/flows.so
fetched=$MAPFLEET_BUILD_DIR/tests/jobs/fetched.so

# refused TEXT ARGUMENT...: exit 2, that text, and no run directory.
refused() {
    local text=$1
    shift
    run 0 run "$@"
    expect_status 2
    expect_in err "$text"
    [ ! -e mapfleet-runs ] || fail "something was started"
}

rule "a workflow that is not there, or not said, is refused with those that there are"
refused "expected JOB[:WORKFLOW]"
refused 'job flows has no workflow "totals"; it has total, tolerant, careless' "$flows:totals"
refused "job flows has several workflows, say which: total, tolerant" "$flows"
refused "job basics has no workflow (mapfleet map runs one of its tasks)" basics
refused 'no job "nothing"' nothing:wf

rule "parameters are refused by name: unknown, missing, doubled, of another type"
refused 'unknown parameter "ys"; parameters of workflow total: xs: list<int>' "$flows:total" 'ys=[1]'
refused 'no value for parameter "xs"' "$flows:total"
refused 'parameter xs is given twice: "[1]" and "[2]"' "$flows:total" 'xs=[1]' 'xs=[2]'
refused 'parameter xs: at [1]: expected int, found str "two"' "$flows:total" 'xs=[1,"two"]'
refused 'parameter until: expected int, found str "soon"' "$flows:rounds" until=soon
refused 'expected NAME=VALUE, found "3"' "$flows:rounds" 3
refused 'parameter near: ' "$fetched" 'files=[]' near=/no/such/folder

rule "options of one map are refused, since a workflow says them at each"
refused "--retries is an option of mapfleet map" "$flows:total" 'xs=[1]' --retries 3
refused "--inputs is an option of mapfleet map" "$flows:total" 'xs=[1]' --inputs -

rule "refusals are the same on several ranks"
run 3 run "$flows:total" 'ys=[1]'
expect_status 2
[ "$(grep -c "unknown parameter" err)" -eq 1 ] || fail "it is said more than once"

rule "the help of a workflow is made from its types"
run 0 run "$flows:total" --help
expect_status 0
expect_in out "mapfleet run $flows:total xs='[...]'"
expect_in out "The sum of squares."
expect_in out "xs=list<int>"
run 0 run "$fetched" --help
expect_in out "files=list<file>"
expect_in out "near=dir   may be left out"

rule "the help of the verb shows an example first, and its own options only"
run 0 run --help
expect_status 0
[ "$(head -1 out)" = "Example:" ] || fail "it begins with $(head -1 out)"
expect_in out "--run-dir DIR"
expect_not_in out "--retries"
