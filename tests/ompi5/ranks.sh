#!/usr/bin/env bash
# On Open MPI 5 with ULFM: what ranks say to each other and compute together, and what a run makes of
# one that is lost.
source "$(dirname "$0")/../system/support.sh"
gate=$MAPFLEET_BUILD_DIR/tests/jobs/gate.so
transport_ranks=$MAPFLEET_BUILD_DIR/tests/system_transport_ranks
host=$(hostname)
size=60
for i in $(seq 0 $((size - 1))); do echo "{\"value\": $i, \"until\": \"open\"}"; done >gates.jsonl
seq 0 $((size - 1)) >expected

# with_ft BTL RANKS COMMAND...: under an mpirun that outlives lost ranks.
with_ft() {
    local btl=$1 ranks=$2
    shift 2
    exec mpirun --with-ft ulfm --mca async_mpi_finalize 1 --mca btl "$btl" -n "$ranks" "$@"
}

# launch BTL [LOST_AFTER]: a run in run, of four ranks; returns when each worker is in an instance, which
# waits.
launch() {
    rm -rf run begun-* open starts err
    with_ft "$1" 4 "$mapfleet" map "$gate:gate" --inputs gates.jsonl --slots 1 --lost-after "${2:-10m}" \
        --run-dir run >out 2>err </dev/null &
    process=$!
    wait_for begun-0 begun-1 begun-2
    note_segments "$1"
}

# The files of the memory that rank 0 shares with the others.
note_segments() {
    segments=$(grep -h -o '/dev/shm/sm_segment[^ ]*' "/proc/$(rank_process "$process" 0)/maps" | sort -u)
    [ -n "$segments" ] || [ "$1" = self,tcp ] || fail "the ranks share no memory"
}

expect_segments_gone() {
    local segment
    for segment in $segments; do
        [ ! -e "$segment" ] || fail "$segment is left"
    done
}

# The status of the run, which is not mpirun's.
expect_run_status() {
    "$mapfleet" status run >status.out 2>&1
    local found=$?
    [ "$found" -eq "$1" ] || fail "the run's exit status is $found, expected $1: $(cat status.out)"
}

# expect_whole AGAIN: complete and right, no more than so many ran again, and nothing is left.
expect_whole() {
    expect_run_status 0
    "$mapfleet" results run >outputs
    diff -q expected outputs >/dev/null || fail "the outputs are wrong"
    expect_counts succeeded "$size"
    [ "$(awk '{print $2}' starts | sort | uniq -d | grep -c .)" -le "$1" ] ||
        fail "more than $1 ran again"
    expect_nothing_left
    expect_segments_gone
}

rule "it is Open MPI 5 that runs here"
mpirun -n 2 "$transport_ranks" place >out 2>err
[ "$(grep -c 'name=Open MPI v5\.' out)" -eq 2 ] || fail "it is not"

rule "four ranks compute what one does alone"
touch open
run 0 map "$gate:gate" --inputs gates.jsonl --print
expect_status 0
expect_lines out "$(cat expected)"
run 4 map "$gate:gate" --inputs gates.jsonl --print --slots 1
expect_status 0
expect_lines out "$(cat expected)"
expect_in err "1 host, 4 ranks, 3 slots"

for btl in self,sm self,tcp; do
    rule "messages of all sizes, sent both ways at once, arrive whole and in order ($btl)"
    for sizes in "40 4194304" "1000 5000"; do
        mpirun --mca btl "$btl" -n 3 "$transport_ranks" exchange 1 $sizes >out 2>err || fail "they do not"
    done

    rule "MPI tells of a rank that dies amid large messages, and the others go on ($btl)"
    (with_ft "$btl" 4 "$transport_ranks" told) >out 2>err
    [ "$(grep -c '^survived rank=[0-2]$' out)" -eq 3 ] || fail "not all survived"

    rule "a worker that is killed costs the run nothing ($btl)"
    launch "$btl"
    kill -KILL "$(rank_process "$process" 2)"
    wait_for_line err "rank 2 on $host is lost: its process has ended"
    touch open
    finish
    expect_whole 1
done

rule "one that is stopped is lost after --lost-after, and begins anew when it comes back"
launch self,sm 3
pid=$(rank_process "$process" 2)
kill -STOP "$pid"
wait_for_line err "rank 2 on $host is lost: silent for"
kill -CONT "$pid"
wait_for_line err "rank 2 on $host works again"
touch open
finish
expect_whole "$size" # on a busy machine, others may have been silent too

rule "with rank 0 killed the others end by themselves, and resume goes on"
launch self,sm
kill -KILL "$(rank_process "$process" 0)"
finish
expect_in err "rank 0 is lost: its process has ended"
expect_run_status 75
expect_nothing_left
expect_segments_gone
touch open
run 4 resume run
expect_status 0
expect_whole 3
exit 0
