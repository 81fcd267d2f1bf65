#!/usr/bin/env bash
# --ship-job: ranks that lack the job, or have another version of it, get that of rank 0, once for
# each node; without it they are refused. Which files a rank has, its mount namespace says.
source "$(dirname "$0")/support.sh"
if [ "$(id -u)" -ne 0 ] || ! unshare --mount true 2>/dev/null; then
    echo "skipped: ranks with other files need mount namespaces, and those need root"
    exit 77
fi
host=$(hostname)
squares=$(for i in $(seq 0 9); do echo $((i * i)); done)
mkdir jobs places
cp "$MAPFLEET_BUILD_DIR/jobs/basics.so" "$MAPFLEET_BUILD_DIR"/tests/jobs/{gate,flows}.so jobs
head -c 3000000 /dev/urandom >>jobs/basics.so # which no loader looks at, and many messages carry
export TMPDIR=$scratch/places # not of the shell, which has its own already

# ranks COUNT SETUP ARGUMENT...: rank 0 as it is, and COUNT others, for which SETUP is done before.
ranks() {
    local count=$1 setup=$2
    shift 2
    timeout -k 2 60 env TMPDIR=/tmp mpirun -q --enable-recovery \
        -n 1 env TMPDIR="$TMPDIR" "$mapfleet" "$@" : \
        -n "$count" unshare --mount bash -c "export TMPDIR='$TMPDIR'; $setup"' && exec "$@"' rank "$mapfleet" "$@" \
        >out 2>err </dev/null
    status=$?
}

# What it says of itself: mpirun's status says nothing here.
expect_ended() {
    [ -d run ] || fail "there is no run"
    "$mapfleet" status run >status.out 2>&1
    status=$?
    expect_status "$1"
}

expect_nothing_kept() {
    for _ in $(seq 100); do # zygotes end after their ranks
        [ -z "$(ls -A places)" ] && break
        sleep 0.05
    done
    [ -z "$(ls -A places)" ] || fail "left in the temporary folder: $(ls -A places)"
    expect_nothing_left
}

hidden="mount -t tmpfs none $scratch/jobs"
# The same job with something else behind it.
other="cp jobs/basics.so other.so && echo more >>other.so && mount --bind other.so jobs/basics.so"

rule "a rank without the job is refused, by host and path, and told of --ship-job"
ranks 1 "$hidden" map jobs/basics.so:square --range 0:10 --run-dir run
expect_in err "rank 1 on $host cannot work: job $scratch/jobs/basics.so: No such file or directory (--ship-job sends the job of rank 0 along)"
[ ! -e run ] || fail "something was started"

rule "so is one that has another version"
ranks 1 "$other" map jobs/basics.so:square --range 0:10 --run-dir run
expect_in err "rank 1 on $host cannot work: job $scratch/jobs/basics.so differs from that of rank 0 (--ship-job sends the job of rank 0 along)"
[ ! -e run ] || fail "something was started"

for how in "$hidden" "$other"; do
    rule "with --ship-job it works with that of rank 0: ${how%% *}"
    ranks 2 "$how" map jobs/basics.so:square --range 0:10 --run-dir run --print --ship-job
    expect_ended 0
    expect_lines out "$squares"
    expect_nothing_kept
    rm -r run
done

rule "so it does where attempts run in the rank"
ranks 2 "$hidden" map jobs/basics.so:square --range 0:10 --run-dir run --print --ship-job \
    --isolation none
expect_ended 0
expect_lines out "$squares"
expect_nothing_kept
rm -r run

rule "so it does for the maps and calls of a workflow"
ranks 2 "$hidden" run jobs/flows.so:total --run-dir run --print --ship-job "xs=[1,2,3]"
expect_ended 0
expect_lines out 14
expect_nothing_kept
rm -r run

rule "a node has it once, for its user alone"
for i in 0 1 2 3; do echo "{\"value\": $i, \"until\": \"open\"}"; done >gates.jsonl
ranks 3 "$hidden" map jobs/gate.so:gate --inputs gates.jsonl --run-dir run --ship-job --slots 2 &
ranks=$!
wait_for begun-0 begun-1 begun-2 begun-3
[ "$(find places -name '*.so' | wc -l)" -eq 1 ] || fail "there is not one: $(find places)"
[ "$(stat -c %a places/mapfleet-job-*)" = 700 ] || fail "others may look into it"

rule "where a rank is killed, it stays for the others, and the last of them removes it"
mpirun=$(pgrep -P "$(pgrep -P "$ranks")")
kill -KILL "$(rank_process "$mpirun" 1)"
wait_for_line err "is lost: its process has ended"
[ "$(find places -name '*.so' | wc -l)" -eq 1 ] || fail "it is gone too early"
kill -TERM "$mpirun"
wait "$ranks"
expect_ended 75
expect_nothing_kept

rule "resume sends it again"
touch open
ranks 2 "$hidden" resume run --print
expect_ended 0
expect_lines out "$(seq 0 3)"
expect_nothing_kept
rm -r run

# refuse SETUP: the others cannot have it.
refuse() {
    ranks 1 "$1" map jobs/basics.so:square --range 0:10 --run-dir run --ship-job
    [ ! -e run ] || fail "something was started"
}

rule "a rank is refused where there is no place for it"
refuse "$hidden && export TMPDIR=/nowhere"
expect_in err "rank 1 on $host cannot work: no place for the job that rank 0 sends: /nowhere/mapfleet-job-"

rule "where there is no room"
refuse "$hidden && mount -t tmpfs -o size=8k none places"
expect_in err "rank 1 on $host cannot work: the job that rank 0 sends cannot be written: $scratch/places/mapfleet-job-"
expect_in err "No space left on device"

rule "and where nothing may be executed"
refuse "$hidden && mount -t tmpfs -o noexec none places"
expect_in err "rank 1 on $host cannot work: job $scratch/places/mapfleet-job-"
expect_in err "cannot be loaded: "
expect_nothing_kept

rule "alone, there is nobody to send it to"
run 0 map jobs/basics.so:square --range 0:10 --print --ship-job
expect_status 0
expect_lines out "$squares"
expect_nothing_kept
exit 0
