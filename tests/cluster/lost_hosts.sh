#!/usr/bin/env bash
# Four hosts, a rank on each, and each way in which one of them can be lost: the run goes on, is
# complete and right, and nothing is left behind. Under mpirun --enable-recovery, which may never end
# after the loss of a host, and is ended once the run is over. MAPFLEET_MOMENTS says at how many
# random moments each (10 by hand), MAPFLEET_SEED which.
source "$(dirname "$0")/support_hosts.sh"
lost_after=2
start_hosts mf
hosts hostfile 1 >hostfile
expect_squares 20000

# on_hosts COMMAND...: a rank of it on each host, rank 0 and mpirun on the first.
on_hosts() {
    exec "$here/hosts.sh" run 1 mpirun -q --enable-recovery --mca plm_rsh_agent "$here/agent.sh" \
        --hostfile hostfile --map-by node --mca btl self,vader,tcp \
        --mca oob_tcp_if_include eth0 --mca btl_tcp_if_include eth0 \
        --mca oob_tcp_keepalive_time 2 --mca oob_tcp_keepalive_intvl 1 \
        --mca oob_tcp_keepalive_probes 3 -n 4 "$@"
}

# launch ARGUMENT...: a run; returns when it has begun.
launch() {
    rm -rf run touched err
    on_hosts "$mapfleet" map "$touching:touch" --range "0:$size" --slots 1 \
        --lost-after "$lost_after" --run-dir run "$@" >out 2>err </dev/null &
    process=$!
    await_run
    master=$(rank_of 1)
}

is_gone() {
    local state
    state=$(cut -d' ' -f3 "/proc/$1/stat" 2>/dev/null)
    [ -z "$state" ] || [ "$state" = Z ]
}

# Until the master has ended by itself; what is left of mpirun is ended then.
finish_run() {
    for _ in $(seq 1200); do
        is_gone "$master" && break
        sleep 0.05
    done
    is_gone "$master" || fail "rank 0 does not end"
    kill -TERM "$process" 2>/dev/null
    for _ in $(seq 100); do
        is_gone "$process" && break
        sleep 0.05
    done
    kill -KILL "$process" 2>/dev/null
    wait "$process" 2>/dev/null
}

# The ranks of the other hosts notice that rank 0 is lost, and end.
expect_others_end() {
    for _ in $(seq 600); do
        [ -z "$(rank_of 2)$(rank_of 3)$(rank_of 4)" ] && break
        sleep 0.1
    done
    [ -z "$(rank_of 2)$(rank_of 3)$(rank_of 4)" ] || fail "they do not end"
    expect_in err "rank 0 is lost: silent for"
}

expect_whole() {
    "$mapfleet" status run >status.out
    [ $? -eq 0 ] || fail "the run did not succeed: $(cat status.out)"
    "$mapfleet" results run >out
    diff -q expected out >/dev/null || fail "the outputs are wrong"
    expect_counts succeeded "$size"
    python3 - "$size" <<'PYTHON' || fail "instances were lost, or ran too often"
import array, collections, sys
runs = array.array("I")
runs.frombytes(open("touched", "rb").read())
counts = collections.Counter(runs)
assert len(counts) == int(sys.argv[1]), len(counts)
assert max(counts.values()) <= 2, counts.most_common(3)
PYTHON
}

# await_loss: how long it took to be noticed. On a busy machine the run may have ended before.
await_loss() {
    local began=$EPOCHREALTIME
    for _ in $(seq 600); do
        grep -qs -e "rank 2 on ${PREFIX}3 is lost" -e "succeeded:" err && break
        sleep 0.05
    done
    if ! grep -qs "rank 2 on ${PREFIX}3 is lost" err; then
        grep -qs "succeeded:" err || fail "the loss is not noticed"
        echo "it came after the end"
        return
    fi
    echo "noticed after $(python3 -c "print('%.1f s' % ($EPOCHREALTIME - $began))")" \
        "(--lost-after $lost_after)"
}

for event in rank daemon cut crash; do
    rule "a host's $event lost at $moments moments: the others do its work"
    for _ in $(seq "$moments"); do
        launch
        moment
        case $event in
        rank) kill -KILL "$(rank_of 3)" ;;
        *) hosts "$event" 3 ;;
        esac
        await_loss
        finish_run
        expect_whole
        expect_hosts_empty 60
        hosts join 3
        sleep 1.5 # connections through a cable that was out are tried again
    done
done

rule "a cable that is out for longer than --lost-after, and back: the rank begins anew"
for _ in $(seq "$moments"); do
    expect_squares 60000
    launch
    moment
    hosts cut 3
    await_loss
    hosts join 3
    grep -q "is lost" err && wait_for_line err "rank 2 on ${PREFIX}3 works again"
    finish_run
    expect_whole
    expect_hosts_empty 60
done

rule "where rank 0 is killed, the ranks of other hosts end by themselves, and resume goes on"
expect_squares 12000
launch
kill -KILL "$master"
expect_others_end
finish_run
expect_hosts_empty 60
run 0 resume run --print
expect_status 0
diff -q expected out >/dev/null || fail "the outputs are wrong"

rule "so they do where it is killed while it still reads its inputs"
mkfifo slow.jsonl
rm -rf run err
on_hosts "$mapfleet" map basics:square --inputs slow.jsonl --run-dir run >out 2>err </dev/null &
process=$!
exec 9>slow.jsonl # which rank 0 has opened, then
master=$(rank_of 1)
sleep 1 # it says that it lives
kill -KILL "$master"
expect_others_end
finish_run
expect_hosts_empty 60
exit 0
