#!/usr/bin/env bash
# mapfleet launch on four hosts, with ssh as the way to them: each way in which one can be lost costs
# neither the run nor its exit status, and nothing is left behind. MAPFLEET_MOMENTS says at how many
# random moments each (10 by hand), MAPFLEET_SEED which.
source "$(dirname "$0")/support_hosts.sh"
start_hosts ml
expect_squares 20000

# ssh as it is: what it starts there, it waits for.
mkdir bin
cat >bin/ssh <<SSH
#!/bin/sh
if [ -e '$scratch/jobs' ]; then # these are on the first host alone, and folders like /tmp on each
    export TMPDIR='$scratch/places'
    exec unshare --mount sh -c 'mount -t tmpfs none "\$0/jobs" && mount -t tmpfs none "\$0/places" &&
        exec "\$@"' '$scratch' '$here/agent.sh' "\$@"
fi
exec '$here/agent.sh' "\$@"
SSH
chmod +x bin/ssh
export PATH=$scratch/bin:$PATH
unset ${!OMPI_*}
export OMPI_MCA_oob_tcp_if_include=eth0 OMPI_MCA_btl_tcp_if_include=eth0
for i in 1 2 3 4; do echo "$PREFIX$i slots=1"; done >hostfile

# launch ARGUMENT...: from the first host, as $process; returns when the run has begun. $words are
# the verb's own.
words=()
launch() {
    rm -rf run touched err
    hosts run 1 "$mapfleet" launch --hostfile hostfile "$@" map "$touching:touch" --range "0:$size" \
        --slots 1 --lost-after 2 --run-dir run "${words[@]}" >out 2>err </dev/null &
    process=$!
    await_run
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
expect_hosts_empty 30

for event in rank daemon cut crash; do
    rule "a host's $event lost at $moments moments: the run is whole, and its status is launch's"
    for _ in $(seq "$moments"); do
        launch
        moment
        case $event in
        rank) kill -KILL "$(rank_of 3)" ;;
        *) hosts "$event" 3 ;;
        esac
        finish
        expect_status 0
        expect_whole
        expect_hosts_empty 30
        hosts join 3
        sleep 1.5 # connections through a cable that was out are tried again
    done
done

rule "a job that the first host alone has is sent to the others, where that is asked for"
mkdir jobs places
cp "$touching" jobs
shared=$touching
touching=$scratch/jobs/touching.so
hosts run 1 "$mapfleet" launch --hostfile hostfile map "$touching:touch" --range 0:10 >out 2>err \
    </dev/null
status=$?
expect_status 2
grep -Eq "rank [123] on ${PREFIX}[234] cannot work: job $touching: No such file or directory .--ship-job" err ||
    fail "the refusal does not say so"
words=(--ship-job)
launch
finish
expect_status 0
expect_whole
expect_hosts_empty 30
rm -r jobs
words=()
touching=$shared

rule "rank 0 killed: another start on the same hosts goes on"
launch --restarts 1
kill -KILL "$(rank_of 1)"
wait_for_line err "starting again with --resume (1 of 1)"
finish
expect_status 0
expect_whole
expect_hosts_empty 30
exit 0
