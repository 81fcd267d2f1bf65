#!/usr/bin/env bash
# What attempts ask for: a rank never holds more than it has, and each attempt has its own.
source "$(dirname "$0")/support.sh"
counting=$MAPFLEET_BUILD_DIR/tests/jobs/counting.so
placed=$MAPFLEET_BUILD_DIR/tests/jobs/placed.so
unset CUDA_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES "${!SLURM_@}"

# expect_peak COUNT: the most attempts at once, as they counted themselves.
expect_peak() {
    expect_status 0
    local peak
    peak=$(sort -n out | tail -1)
    [ "$peak" -eq "$1" ] || fail "the peak was $peak, not $1"
    rm counts
}

# refused TEXT...: exit 2, nothing made, and a line that holds every text.
refused() {
    expect_status 2
    [ ! -e mapfleet-runs ] || fail "there is a run directory"
    local text
    for text; do
        expect_in err "$text"
    done
}

# ---- Memory

export SLURM_MEM_PER_NODE=3072
rule "two attempts of 2 GiB on a rank that has 3 run one after the other, of 1 GiB at once"
run 2 map "$counting:count" --range 0:8 --slots 2 --mem 2Gi --print
expect_peak 1
run 2 map "$counting:count" --range 0:20 --slots 2 --mem 1Gi --print
expect_peak 2
rm -rf mapfleet-runs

rule "what no rank could ever hold is refused, and says what, how much and how much there is"
run 0 map "$placed:hold" --range 0:3 --mem 64Gi
refused "task hold asks for 1 cpu and 64 GiB of memory, which no rank has: the largest, rank 0 on" \
    "3 GiB of memory and no gpus"
run 3 map "$placed:hold" --range 0:3 --mem 2Gi --slots 1
refused "task hold asks for 1 cpu and 2 GiB of memory" "rank 1 on" "1 cpu, 1.5 GiB of memory"
run 2 map basics:square --range 0:3 --slots 4 --cpus 5
refused "task square asks for 5 cpus" "offers 4 cpus" "--slots says how many"
run 0 map "$placed:devices" --range 0:3
refused "task devices asks for 1 cpu and 2 gpus" "no gpus (--gpus-per-rank says how many"

rule "no setup runs for it"
run 2 map "$MAPFLEET_BUILD_DIR/tests/jobs/bad_setup.so:task" --range 0:3 --mem 64Gi
refused "task task asks for 1 cpu and 64 GiB of memory"
expect_not_in err "no licence"

rule "a list of none asks for nothing"
run 0 map "$placed:hold" --range 0:0 --mem 64Gi
expect_status 0
unset SLURM_MEM_PER_NODE

rule "a rank that is too small stays out, and the others do the work"
words=("$mapfleet" map "$placed:hold" --range 1:9 --mem 2Gi --slots 1 --print --run-dir unlike)
timeout -k 2 60 mpirun -q -n 2 env SLURM_MEM_PER_NODE=2048 "${words[@]}" : \
    -n 1 env SLURM_MEM_PER_NODE=8192 "${words[@]}" >out 2>err </dev/null
status=$?
expect_status 0
expect_in err "1 rank is too small for task hold"
[ "$("$mapfleet" results unlike --table | grep -c '"rank":2')" -eq 8 ] || fail "not all on rank 2"

rule "a leak of 1 GiB/s is ended before it has doubled its limit"
echo 4000 >leak.txt
run 0 map "$placed:leak" --inputs leak.txt --mem 400Mi --slots 1
expect_status 1
expect_in err "memory: past its limit of 400 MiB"
[ "$(tail -1 leaked)" -lt 800 ] || fail "it had $(tail -1 leaked) MiB"

# ---- Growth

rule "with --mem-growth what needs 300 MiB succeeds at 400, its third attempt; others are untouched"
printf '%s\n' 10 20 300 30 40 >sizes.jsonl
run 2 map "$placed:hold" --inputs sizes.jsonl --mem 100Mi --mem-growth 2 --retries 2 --slots 2 \
    --print --run-dir grown
expect_status 0
expect_lines out "$(printf '%s\n' 0 0 2 0 0)"
expect_in err "2 retries"

rule "the limit in force is the grown one, and at most what the rank has"
run 0 map "$placed:hold" --inputs sizes.jsonl --mem 100Mi --mem-growth 2 --retries 1
expect_status 1
expect_in err "past its limit of 100 MiB"
expect_in err "past its limit of 200 MiB"
SLURM_MEM_PER_NODE=250 run 0 map "$placed:hold" --inputs sizes.jsonl --mem 100Mi \
    --mem-growth 2 --retries 3
expect_status 1
expect_in err "past its limit of 250 MiB"
expect_not_in err "past its limit of 400 MiB"

rule "without it the bound stays, whatever the retries"
run 0 map "$placed:hold" --inputs sizes.jsonl --mem 100Mi --retries 1
expect_status 1
expect_not_in err "past its limit of 200 MiB"

# ---- Cores

rule "--slots 4 --cpus 2 is two at once"
run 2 map "$counting:count" --range 0:20 --slots 4 --cpus 2 --print
expect_peak 2
run 0 map "$counting:count" --range 0:20 --slots 4 --cpus 3 --print
expect_peak 1

processors=$(env -u OMP_NUM_THREADS nproc)
rule "attempts that run at once share no core, alone and over the ranks of a host"
for ranks in 0 2 $((1 + processors)); do
    run "$ranks" map "$placed:cores" --range 0:20 --print
    expect_status 0
done
rule "not under Open MPI's own binding of ranks either, which attempts do not inherit"
(
    unset OMPI_MCA_hwloc_base_binding_policy
    run 2 map "$placed:cores" --range 0:20 --print && expect_status 0
    run 2 map "$placed:mask" --range 0:8 --slots $((4 * processors)) --print
    expect_status 0
    [ "$(sort -u out)" = "$processors" ] || fail "masks of $(sort -u out | tr '\n' ' ')"
) || exit 1

rule "more slots than cores are bound to none"
run 0 map "$placed:mask" --range 0:8 --slots $((4 * processors)) --print
expect_status 0
[ "$(sort -u out)" = "$processors" ] || fail "masks of $(sort -u out | tr '\n' ' ')"

rule "fewer slots than cores are bound to none either: the rest may be another run's"
run 0 map "$placed:mask" --range 0:8 --slots 1 --print
expect_status 0
[ "$(sort -u out)" = "$processors" ] || fail "masks of $(sort -u out | tr '\n' ' ')"

# ---- Devices

# expect_devices COUNT: each attempt saw two devices, of so many in all.
expect_devices() {
    expect_status 0
    python3 - "$1" <<'PYTHON' || fail "devices"
import json, sys
seen = [json.loads(line) for line in open("out")]
assert all(row["cuda"] == row["rocr"] for row in seen), seen
lists = [row["cuda"].split(",") for row in seen]
assert all(len(names) == 2 for names in lists), lists
assert len({name for names in lists for name in names}) == int(sys.argv[1]), lists
PYTHON
}

rule "no two attempts that run at once share a device, and each sees its own two"
run 2 map "$placed:devices" --range 0:40 --slots 8 --gpus-per-rank 4 --print
expect_devices 4
run 3 map "$placed:devices" --range 0:60 --slots 8 --gpus-per-rank 4 --print
expect_devices 8

rule "a list in the environment is divided among the ranks"
CUDA_VISIBLE_DEVICES=4,5,6,7 run 3 map "$placed:devices" --range 0:60 --slots 8 --print
expect_devices 4
expect_in out '"4,5"'
expect_in out '"6,7"'
rule "--gpus-per-rank with too short a list is refused"
rm -rf mapfleet-runs
CUDA_VISIBLE_DEVICES=4,5,6 run 3 map "$placed:devices" --range 0:60 --gpus-per-rank 2
refused "--gpus-per-rank 2, but CUDA_VISIBLE_DEVICES lists 3"

rule "who asks for none has the variables as they were"
CUDA_VISIBLE_DEVICES=0,1,2 run 2 map "$placed:devices" --range 0:3 --gpus 0 --slots 1 --print
expect_status 0
[ "$(sort -u out)" = '{"cuda":"0,1,2","rocr":"unset"}' ] || fail "$(sort -u out)"

rule "without executors there is one attempt at a time, which sees its devices"
run 0 map "$placed:devices" --range 0:3 --isolation none --gpus-per-rank 4 --print
expect_devices 2
run 0 map "$placed:hold" --range 0:3 --isolation none --mem-growth 2
expect_status 2
expect_in err "--mem-growth cannot be kept with --isolation none"
exit 0
