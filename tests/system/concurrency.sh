#!/usr/bin/env bash
# How many attempts run at once: as many as there are slots, and never more than --concurrency.
source "$(dirname "$0")/support.sh"
job=$MAPFLEET_BUILD_DIR/tests/jobs/counting.so

rule "--concurrency 3 over five workers of two slots has a peak of exactly 3"
run 6 map "$job:count" --range 0:60 --concurrency 3 --slots 2 --print
expect_status 0
[ "$(sort -n out | tail -1)" -eq 3 ] || fail "the peak was $(sort -n out | tail -1)"

rule "without it every slot is used"
rm counts
run 3 map "$job:count" --range 0:60 --slots 3 --print
expect_status 0
[ "$(sort -n out | tail -1)" -eq 6 ] || fail "the peak was $(sort -n out | tail -1)"

rule "a process alone runs --slots attempts at once"
rm counts
run 0 map "$job:count" --range 0:20 -j 4 --print
expect_status 0
[ "$(sort -n out | tail -1)" -eq 4 ] || fail "the peak was $(sort -n out | tail -1)"

# Each of the last four waits for all of them, so that they end only where each has a rank of its own;
# whoever is in the first of them holds the next ones too, and is to give them back.
rule "slow instances behind many quick ones are spread over the ranks"
for _ in $(seq 20000); do echo '{}'; done >uneven.jsonl
for i in 0 1 2 3; do
    echo "{\"make\": \"slow-$i\", \"await\": [\"slow-0\", \"slow-1\", \"slow-2\", \"slow-3\"]}"
done >>uneven.jsonl
run 5 map "$MAPFLEET_BUILD_DIR/tests/jobs/meet.so:meet" --inputs uneven.jsonl --slots 1 --run-dir uneven
expect_status 0
run 0 results uneven --table
python3 - <<'PYTHON' || fail "they were not on four ranks"
import json
ranks = {row["rank"] for row in map(json.loads, open("out")) if row["index"] >= 20000}
assert len(ranks) == 4, ranks
PYTHON

rule "--delay lies between all starts over all ranks, retries included, and is no more than that"
for i in 0 1 2 3 4 5; do echo "{\"value\": $i, \"fail\": true}"; done >fail.jsonl
for ranks in 0 3; do
    rm -f starts
    start=$SECONDS
    run "$ranks" map "$MAPFLEET_BUILD_DIR/tests/jobs/gate.so:gate" --inputs fail.jsonl --slots 2 \
        --delay 200ms --retries 1 --policy run-all
    expect_status 1
    [ $((SECONDS - start)) -lt 20 ] || fail "it took $((SECONDS - start)) s"
    python3 - <<'PYTHON' || fail "starts lie too near to each other"
starts = sorted(float(line.split()[0]) for line in open("starts"))
gaps = [later - earlier for earlier, later in zip(starts, starts[1:])]
assert len(starts) == 12, starts
assert min(gaps) > 0.15, gaps  # an attempt may read the clock a moment after it has begun
PYTHON
done

rule "1,000 attempts that all crash end in seconds"
for _ in $(seq 1000); do echo '{"value": 1, "how": "crash"}'; done >crashes.jsonl
start=$SECONDS
run 3 map basics:misbehave --inputs crashes.jsonl --policy run-all
expect_status 1
expect_in err "1,000 failed"
[ $((SECONDS - start)) -lt 30 ] || fail "it took $((SECONDS - start)) s"
exit 0
