#!/usr/bin/env bash
# A disk that is full: what can't be written pauses the run, is nobody's failure, and is never called
# done. On a file system of a few MiB of our own, or, where none may be mounted, on nothing.
source "$(dirname "$0")/support.sh"
job=$MAPFLEET_BUILD_DIR/tests/jobs/filed.so
touch="$MAPFLEET_BUILD_DIR/tests/jobs/touching.so:touch"

mkdir disk
if ! mount -t tmpfs -o size=3m tmpfs disk 2>/dev/null; then
    echo "no file system may be mounted here"
    exit 0
fi
trap 'umount "$scratch/disk"; rm -rf "$scratch"' EXIT

fill_disk() {
    dd if=/dev/zero of=disk/ballast bs=1k count="${1:-100000}" 2>/dev/null
}

for i in $(seq 0 7); do echo "{\"value\": $i, \"kib\": 500}"; done >eight.jsonl

rule "files that find no room pause the run, which goes on when there is some; no budget is used"
export MAPFLEET_WRITE_PATIENCE=60
for ranks in 0 3; do
    rm -rf disk/* starts
    fill_disk 1500
    start "$ranks" map "$job:filed" --inputs eight.jsonl --slots 2 --run-dir disk/run
    wait_for_line err "the run pauses, and tries again for 1 min"
    expect_in err "No space left on device"
    mount -o remount,size=10m disk || fail "remount"
    rm disk/ballast
    finish
    expect_status 0
    expect_in err "files can be put into the run directory again; the run goes on"
    expect_in err "8 succeeded; 0 retries"
    run 0 results disk/run --table
    [ "$(grep -c '"attempts":1,"task_failures":0,"system_failures":0' out)" -eq 8 ] ||
        fail "an attempt was charged"
    for path in $(python3 -c 'import json; [print(json.loads(line)["output"]) for line in open("out")]')
    do
        [ "$(stat -c %s "$path")" -eq 512000 ] || fail "$path is not whole"
    done
    rm -rf disk/*
    mount -o remount,size=3m disk || fail "remount"
done

rule "where there is none for too long, it ends with 75, and resumes to the full result"
export MAPFLEET_WRITE_PATIENCE=1500ms
for ranks in 0 3; do
    rm -rf disk/* starts
    fill_disk 1500
    run "$ranks" map "$job:filed" --inputs eight.jsonl --slots 2 --run-dir disk/run
    expect_status 75
    expect_in err "No space left on device; the run ends and can be resumed"
    expect_in err "go on with: mapfleet resume $scratch/disk/run"
    run 0 status disk/run --json
    expect_status 75
    recorded=$(python3 -c '
import json
found = json.load(open("out"))
counts = found["counts"]
assert found["state"] == "interrupted" and counts["succeeded"] > 0, found
assert counts["failed"] == 0 and found["attempts"] == counts["succeeded"], found
print(counts["succeeded"])') || fail "status counts wrongly"
    run 0 results disk/run
    expect_status 0
    [ "$(grep -vc null out)" -eq "$recorded" ] || fail "status says $recorded"
    mount -o remount,size=10m disk || fail "remount"
    rm -f disk/ballast
    run "$ranks" resume disk/run
    expect_status 0
    expect_in err "8 succeeded; 0 retries"
    rm -rf disk/*
    mount -o remount,size=3m disk || fail "remount"
done

rule "what was not written is not called done, and a run that gives up says how to go on"
fill_disk 2600
for ranks in 0 3; do
    rm -rf disk/run touched
    run "$ranks" map "$touch" --range 0:300000 --run-dir disk/run --slots 2
    expect_status 75
    expect_in err "the run ends and can be resumed"
    expect_in err "go on with: mapfleet resume $scratch/disk/run"
    [ "$(grep -c "mapfleet resume" err)" -eq 1 ] || fail "it says more than once how to go on"
    said=$(sed -n 's/.*interrupted: \([0-9,]*\) succeeded.*/\1/p' err | tr -d ,)
    run 0 results disk/run
    [ "$(grep -vc null out)" -eq "${said:-0}" ] || fail "it said that $said were done"
    run 0 status disk/run --json
    expect_status 75
    expect_in out "\"succeeded\":${said:-0},"
done

rule "resumed while the disk is still full, it starts nothing, and ends with 75 again"
fill_disk
before=$(wc -c <touched)
run 0 resume disk/run
expect_status 75
expect_in err "No space left on device; nothing was started, and the run can be resumed"
expect_in err "go on with: mapfleet resume $scratch/disk/run"
run 2 map "$touch" --range 0:300000 --run-dir disk/run --resume
[ "$status" -eq 75 ] || fail "exit status $status under mpirun"
[ "$(wc -c <touched)" -eq "$before" ] || fail "something ran"

# expect_end_of_pause: it gave up, said how to go on, and called nothing done that is not recorded.
expect_end_of_pause() {
    expect_status 75
    expect_in err "No space left on device; the run ends and can be resumed"
    expect_in err "go on with: mapfleet resume $scratch/disk/run"
    expect_not_in err "not waited for"
    [ $((SECONDS - start)) -le 20 ] || fail "it took $((SECONDS - start)) s"
    said=$(sed -n 's/.*interrupted: \([0-9,]*\) succeeded.*/\1/p' err | tr -d ,)
    progress=$(sed -n 's/^mapfleet: \([0-9,]*\) of .* done, .*/\1/p' err | tr -d , | sort -n | tail -1)
    # The end has looked into the log, and may have found whole records of a write that was cut off.
    [ "$progress" -le "$said" ] || fail "progress says $progress are done, the end ${said:-none}"
}

rule "a pause ends with the time limit, and what was not written is not called done meanwhile"
export MAPFLEET_WRITE_PATIENCE=50
fill_disk 2600
for ranks in 0 3; do
    rm -rf disk/run
    start=$SECONDS
    run "$ranks" map basics:square --range 0:20000000 --run-dir disk/run --slots 2 --time-limit 6
    expect_in err "the time limit is near"
    expect_end_of_pause
done

rule "and when the grace of an interruption is over"
for ranks in 0 3; do
    rm -rf disk/run err
    start=$SECONDS
    start "$ranks" map basics:square --range 0:20000000 --run-dir disk/run --slots 2 --grace 2
    wait_for_line err "the run pauses"
    wait_for_line err "done, "
    kill -USR1 "$process"
    finish
    expect_in err "SIGUSR1: nothing new starts, what runs has 2 s to end by itself"
    expect_end_of_pause
done
export MAPFLEET_WRITE_PATIENCE=1500ms

rule "a start that is refused on a full disk leaves nothing behind"
rm -rf disk/run
fill_disk
run 0 map "$touch" --range 0:10 --run-dir disk/new/folders/run
expect_status 2
expect_in err "No space left on device"
[ "$(ls disk)" = "ballast" ] || fail "left: $(find disk)"
mkdir disk/mine
run 0 map "$touch" --range 0:10 --run-dir disk/mine --resume
expect_status 2
[ -z "$(ls -A disk/mine)" ] || fail "left: $(find disk/mine)"
exit 0
