#!/usr/bin/env bash
# mapfleet launch with Open MPI 5 on four hosts: MPI itself tells of a rank that dies on another host;
# the loss of a host is noticed by its silence; a daemon that dies ends the job, and resume goes on.
source "$(dirname "$0")/../cluster/support_hosts.sh"
start_hosts mo
gate=$MAPFLEET_BUILD_DIR/tests/jobs/gate.so
for i in 0 1 2 3 4 5 6 7; do echo "{\"value\": $i, \"until\": \"open\"}"; done >gates.jsonl

mkdir bin
printf '%s\n' '#!/bin/sh' "exec '$here/agent.sh' \"\$@\"" >bin/ssh
chmod +x bin/ssh
export PATH=$scratch/bin:$PATH
unset ${!OMPI_*} ${!PRTE_MCA_*}
export OMPI_MCA_btl=self,tcp OMPI_MCA_btl_tcp_if_include=eth0 PRTE_MCA_prte_if_include=eth0
for i in 1 2 3 4; do echo "$PREFIX$i slots=1"; done >hostfile

# launch LOST_AFTER: from the first host, as $process; returns when each worker is in an instance.
launch() {
    rm -rf run begun-* open starts err
    hosts run 1 "$mapfleet" launch --hostfile hostfile map "$gate:gate" --inputs gates.jsonl --slots 1 \
        --lost-after "$1" --run-dir run --print >out 2>err </dev/null &
    process=$!
    wait_for begun-0 begun-1 begun-2
}

rule "a rank on another host that dies is told of by MPI, and its host is worked without"
launch 10m
expect_in err "mapfleet: 4 hosts, 4 ranks, 4 slots"
kill -KILL "$(rank_of 3)"
wait_for_line err "rank 2 on ${PREFIX}3 is lost: MPI has found it dead"
touch open
finish
expect_status 0
expect_lines out "$(seq 0 7)"
expect_counts succeeded 8
expect_hosts_empty 30

rule "a daemon that dies ends the job, and resume goes on"
launch 10m
hosts daemon 3
finish
expect_status 75
expect_hosts_empty 30
touch open
run 0 resume run --print
expect_status 0
expect_lines out "$(seq 0 7)"

rule "a host that loses its power is silent, and worked without"
launch 5
hosts crash 3
wait_for_line err "rank 2 on ${PREFIX}3 is lost: silent for"
touch open
finish
expect_status 0
expect_lines out "$(seq 0 7)"
expect_hosts_empty 30
exit 0
