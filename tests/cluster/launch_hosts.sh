#!/usr/bin/env bash
# mapfleet launch on four hosts, with ssh as the way to them: each way in which one can be lost costs
# neither the run nor its exit status, and nothing is left behind. MAPFLEET_MOMENTS says at how many
# random moments each (10 by hand), MAPFLEET_SEED which.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/support.sh"
if [ "$(id -u)" -ne 0 ] || ! command -v ip >/dev/null || ! unshare --uts true 2>/dev/null ||
    ! ip netns add "ml$$t" 2>/dev/null; then
    skip "hosts are made of network namespaces, which need root and iproute2"
fi
ip netns del "ml$$t"

export PREFIX=ml$(($$ % 100000))h
moments=${MAPFLEET_MOMENTS:-1}
RANDOM=${MAPFLEET_SEED:-1}
size=20000
touching=$MAPFLEET_BUILD_DIR/tests/jobs/touching.so
hosts() {
    "$here/hosts.sh" "$@"
}
trap 'hosts down; rm -rf "$scratch"' EXIT
hosts up 4 || fail "no hosts"
python3 -c "print('\n'.join(str(i * i) for i in range($size)))" >expected

# ssh as it is: what it starts there, it waits for.
mkdir bin
printf '%s\n' '#!/bin/sh' "exec '$here/agent.sh' \"\$@\"" >bin/ssh
chmod +x bin/ssh
export PATH=$scratch/bin:$PATH
unset ${!OMPI_*}
export OMPI_MCA_oob_tcp_if_include=eth0 OMPI_MCA_btl_tcp_if_include=eth0
for i in 1 2 3 4; do echo "$PREFIX$i slots=1"; done >hostfile

# launch ARGUMENT...: from the first host, as $process; returns when the run has begun.
launch() {
    rm -rf run touched err
    hosts run 1 "$mapfleet" launch --hostfile hostfile "$@" map "$touching:touch" --range "0:$size" \
        --slots 1 --lost-after 2 --run-dir run >out 2>err </dev/null &
    process=$!
    for _ in $(seq 600); do
        [ -s run/log.lz4 ] && return
        sleep 0.02
    done
    fail "it never began"
}

rank_of() {
    local pid
    for pid in $(hosts pids "$1" mapfleet); do
        case $(cat "/proc/$(awk '{print $4}' "/proc/$pid/stat" 2>/dev/null)/comm" 2>/dev/null) in
        mpirun | orterun | orted) echo "$pid" ;;
        esac
    done
}

expect_hosts_empty() {
    local host left
    for _ in $(seq 300); do
        left=
        for host in 1 2 3 4; do
            left+=$(hosts pids "$host" mapfleet)
        done
        [ -z "$left" ] && break
        sleep 0.1
    done
    [ -z "$left" ] || fail "ranks or executors are left on the hosts: $left"
    for host in 1 2 3 4; do # daemons that a pulled cable keeps from mpirun
        for left in $(hosts pids "$host"); do
            kill -KILL "$left" 2>/dev/null
        done
    done
    find /dev/shm -maxdepth 1 -name "vader_segment.$PREFIX*" -delete # of ranks that were killed
}

expect_whole() {
    "$mapfleet" results run >outputs
    diff -q expected outputs >/dev/null || fail "the outputs are wrong"
    expect_counts succeeded "$size"
}

rule "the first line says what there is"
launch
finish
expect_status 0
expect_in err "mapfleet: 4 hosts, 4 ranks, 4 slots"
expect_whole
expect_hosts_empty

for event in rank daemon cut crash; do
    rule "a host's $event lost at $moments moments: the run is whole, and its status is launch's"
    for _ in $(seq "$moments"); do
        launch
        sleep "0.$((RANDOM % 10))$((RANDOM % 10))"
        case $event in
        rank) kill -KILL "$(rank_of 3)" ;;
        *) hosts "$event" 3 ;;
        esac
        finish
        expect_status 0
        expect_whole
        expect_hosts_empty
        hosts join 3
        sleep 1.5 # connections through a cable that was out are tried again
    done
done

rule "rank 0 killed: another start on the same hosts goes on"
launch --restarts 1
kill -KILL "$(rank_of 1)"
wait_for_line err "starting again with --resume (1 of 1)"
finish
expect_status 0
expect_whole
expect_hosts_empty
exit 0
