#!/usr/bin/env bash
# A rank with nothing to do costs next to no processor time.
source "$(dirname "$0")/support.sh"
job=$MAPFLEET_BUILD_DIR/tests/jobs/gate.so

# used PROCESS...: hundredths of a second of processor time that they have used in all.
used() {
    local process sum=0 fields
    for process; do
        read -r -a fields <"/proc/$process/stat" || fail "rank $process has gone"
        sum=$((sum + fields[13] + fields[14]))
    done
    echo "$sum"
}

# Eight attempts that wait, on four ranks, of which the last to be started has begun half a second ago.
for i in 0 1 2 3 4 5 6 7; do echo "{\"value\": $i, \"until\": \"open\"}"; done >gates.jsonl
for capture in failed none; do
    rule "while all attempts wait, four ranks use less than a tenth of a core together ($capture)"
    begin 4 map "$job:gate" --inputs gates.jsonl --slots 3 --capture "$capture"
    wait_for begun-{0,1,2,3,4,5,6,7}
    mapfile -t processes < <(pgrep -P "$process")
    [ ${#processes[@]} -eq 4 ] || fail "${#processes[@]} ranks"
    sleep 0.5
    before=$(used "${processes[@]}")
    sleep 2
    after=$(used "${processes[@]}")
    touch open
    finish
    expect_status 0
    echo "$((after - before)) hundredths of a second in 2 s"
    [ $((after - before)) -lt 20 ] || fail "waiting costs too much"
done
exit 0
