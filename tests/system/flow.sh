#!/usr/bin/env bash
# A master that takes nothing for a while slows its workers down; nothing grows without bound.
source "$(dirname "$0")/support.sh"

count=2400 # of 256 KiB each: 300 MiB a worker, where 64 MiB may wait for the master

# held PROCESS: the largest memory that it has had, in MiB.
held() {
    echo $(($(sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$1/status") / 1024))
}

rule "a run goes on where its master stood still"
timeout -k 2 100 mpirun -q -n 3 "$mapfleet" map "$MAPFLEET_BUILD_DIR/tests/jobs/bulky.so:noise" \
    --range "0:$count" --unit-size $((count / 2)) --slots 1 --run-dir run >out 2>err </dev/null &
launched=$!
for _ in $(seq 400); do [ -s run/log.lz4 ] && break; sleep 0.05; done
mpirun=$(pgrep -P "$launched")
master=$(rank_process "$mpirun" 0)
kill -STOP "$master" || fail "rank 0 is not there"
first=$(rank_process "$mpirun" 1)
second=$(rank_process "$mpirun" 2)
sizes=none
for _ in $(seq 60); do # until they take no more
    before=$sizes
    sizes="$(held "$first") $(held "$second")"
    [ "$sizes" = "$before" ] && break
    sleep 1
done
kill -CONT "$master"
for _ in $(seq 2000); do # the last look before it ends
    found=$(held "$master" 2>/dev/null) && [ -n "$found" ] && peak=$found
    kill -0 "$launched" 2>/dev/null || break
    sleep 0.02
done
wait "$launched"
status=$?
expect_status 0
expect_in err "2,400 succeeded"

rule "workers whose master stands still stop, and hold at most what may wait and some more"
for size in $sizes; do
    [ "$size" -lt 180 ] || fail "a worker held $size MiB"
done
echo "workers held $sizes MiB"

rule "the master takes in what waited, and not more"
# 64 receives are posted at once, of reports of 4 MiB and some more, beside what it is by itself.
[ "$peak" -lt 340 ] || fail "the master held $peak MiB"
echo "the master held $peak MiB"
exit 0
