#!/usr/bin/env bash
# mapfleet launch: what it starts, what it makes of signals and ends, and what of Open MPI's texts is
# left. Where Open MPI is to misbehave, an mpirun of the test's own stands before the real one.
source "$(dirname "$0")/support.sh"
job=$MAPFLEET_BUILD_DIR/tests/jobs/gate.so
real=$(command -v mpirun)
path=$PATH

# launch ARGUMENT...: leaves out, err and $status.
launch() {
    timeout -k 2 90 "$mapfleet" launch "$@" >out 2>err </dev/null
    status=$?
}

# launch_run ARGUMENT...: in the background, as $process, with a new run directory, run.
launch_run() {
    rm -rf run begun-* open starts err
    "$mapfleet" launch "$@" --run-dir run >out 2>err </dev/null &
    process=$!
}

# Rank N of this test: the pid whose parent is no rank.
rank() {
    local process parent
    for process in /proc/[0-9]*; do
        [ "$(readlink "$process/cwd" 2>/dev/null)" = "$scratch" ] || continue
        grep -qaz "^OMPI_COMM_WORLD_RANK=$1\$" "$process/environ" 2>/dev/null || continue
        parent=$(sed -n 's/^PPid:\t//p' "$process/status")
        grep -q -e mpirun -e prterun "/proc/$parent/comm" 2>/dev/null && echo "${process#/proc/}"
    done
}

# wait_for_results COUNT: until so many outputs are on record.
wait_for_results() {
    for _ in $(seq 600); do
        [ "$(lz4 -dc run/log.lz4 2>/dev/null | wc -c)" -ge "$1" ] && return
        sleep 0.05
    done
    fail "no $1 results came"
}

# stand_in TEXT: an mpirun that knows its version, and then does as the text says.
stand_in() {
    mkdir -p bin
    printf '%s\n' '#!/bin/bash' "[ \"\$1\" = --version ] && exec $real --version" "real=$real" "$1" \
        >bin/mpirun
    chmod +x bin/mpirun
    export PATH=$scratch/bin:$path
}

real_mpirun() {
    export PATH=$path
}

for i in 0 1 2 3; do echo "{\"value\": $i, \"until\": \"open\"}"; done >gates.jsonl

# What Open MPI 5 has other words for, and a launcher with settings of its own.
settings=OMPI
recovery=" --enable-recovery "
keepalive=" --mca oob_tcp_keepalive_time 2 "
binding=hwloc_base_binding_policy
agent=plm_rsh_agent
agent_words="--mca $agent"
environment="mca_base_env_list '[^']*;PATH;[^']*;mine'"
if is_open_mpi_5; then
    settings=PRTE
    recovery=" --with-ft ulfm --mca async_mpi_finalize 1 "
    keepalive=" --prtemca oob_tcp_keepalive_time 0 "
    binding=hwloc_default_binding_policy
    agent=plm_ssh_agent
    agent_words="--prtemca $agent"
    environment=" -x PATH .*-x mine"
fi

rule "the status is the run's, and its outputs stand on standard output alone"
launch -n 3 map basics:square --range 0:5 --slots 2 --print
expect_status 0
expect_lines out $'0\n1\n4\n9\n16'
[ "$(head -1 err)" = "mapfleet: 1 host, 3 ranks, 4 slots" ] || fail "it does not say what it has"
expect_in err "basics:square succeeded"
[ "$(wc -l <err)" -eq 3 ] || fail "it says more than the run does"
launch -n 3 map basics:square --range 0:5 --progress none
expect_not_in err "3 ranks"
echo '{"value": 0, "fail": 1}' >failing.jsonl
launch -n 3 map basics:fail --inputs failing.jsonl
expect_status 1
expect_in err "basics:fail failed"
expect_not_in err "non-zero"
launch -n 3 map basics:nix --range 0:5
expect_status 2
expect_in err 'has no task "nix"'
[ "$(wc -l <err)" -eq 1 ] || fail "it says more than why"
expect_nothing_left

rule "--dry-run prints a line that a shell executes to the same effect, and starts nothing"
launch -n 2 --dry-run map basics:shout --inputs "it's.txt" --run-dir dry --print
expect_status 0
[ ! -s err ] && [ ! -e dry ] || fail "something was started"
echo "a b" >"it's.txt"
cp out line
timeout 60 bash line >out 2>err
expect_lines out '"A B"'
for words in "mpirun -n 2 " "$recovery" "$keepalive" " map basics:shout "; do
    expect_in line "$words"
done
expect_not_in line "$agent"
if [ "$(id -u)" -eq 0 ]; then expect_in line allow-run-as-root; else expect_not_in line as-root; fi

rule "what the environment sets for Open MPI is not set again"
expect_not_in line --bind-to
(unset "${settings}_MCA_$binding"
    env "${settings}_MCA_oob_tcp_keepalive_time=9" "$mapfleet" launch -n 2 --dry-run \
        map basics:square --range 0:5 >line)
expect_in line "--bind-to none"
expect_not_in line keepalive_time
is_open_mpi_5 || expect_in line keepalive_intvl

rule "named hosts get a rank each before any gets two, the environment, and an agent around ssh"
mapping=${PRTE_MCA_rmaps_default_mapping_policy-}
unset PRTE_MCA_rmaps_default_mapping_policy # it is set for all tests, and so not again
mine="a b" launch --hosts a:4,b:2 -n 3 --dry-run map basics:square --range 0:5
expect_in out "mpirun -n 3 --host a:4,b:2 --map-by node "
expect_in out "$agent_words '$mapfleet launch-agent'"
grep -q -e "$environment" out || fail "the environment does not go along"
export "${settings}_MCA_$agent=mine"
launch --hosts a:4,b:2 --dry-run map basics:square --range 0:5
expect_not_in out "$agent"
unset "${settings}_MCA_$agent"
printf '%s\n' '# two' 'a slots=4' '' 'b slots=2 # small' >hosts
launch --hostfile hosts --dry-run map basics:square --range 0:5
expect_in out "mpirun --hostfile hosts --map-by node "
export PRTE_MCA_rmaps_default_mapping_policy=$mapping

rule "under --srun, a lost rank is not to end the others"
mkdir -p bin && printf '%s\n' '#!/bin/sh' >bin/srun && chmod +x bin/srun
PATH=$scratch/bin:$path SLURM_CPUS_PER_TASK=3 launch --srun -n 2 --dry-run map basics:square --range 0:5
expect_lines out "srun --mpi=pmix -n 2 -c 3 --kill-on-bad-exit=0 --no-kill --cpu-bind=none $mapfleet map basics:square --range 0:5"

rule "the agent's failure is ssh's own until the ranks are there, and nobody's after"
printf '%s\n' '#!/bin/sh' 'echo "$@"' 'exit 255' >bin/ssh
chmod +x bin/ssh
PATH=$scratch/bin:$path MAPFLEET_LAUNCH_UP=$scratch/up "$mapfleet" launch-agent host orted -x "a b" >out
status=$?
expect_status 255
expect_lines out "-x host orted -x a b"
touch up
PATH=$scratch/bin:$path MAPFLEET_LAUNCH_UP=$scratch/up "$mapfleet" launch-agent host orted >out
status=$?
expect_status 0

for signal in TERM INT; do
    rule "SIG$signal ends the run with its grace"
    launch_run -n 3 map "$job:gate" --inputs gates.jsonl --slots 1
    wait_for begun-0 begun-1
    kill -s "$signal" "$process"
    wait_for_line err "nothing new starts"
    touch open
    finish
    expect_status 75
    expect_counts succeeded 2 not-started 2
    expect_in err "mapfleet resume $scratch/run"
    expect_not_in err "Forwarding signal"
    expect_nothing_left
done

rule "a second signal ends it at once"
launch_run -n 3 map "$job:gate" --inputs gates.jsonl --slots 1 --grace 10m
wait_for begun-0 begun-1
kill -TERM "$process"
wait_for_line err "nothing new starts"
kill -INT "$process"
finish
expect_status 75
expect_counts aborted 2 not-started 2
expect_nothing_left

rule "a signal before the ranks are there ends the launcher, and nothing was started"
stand_in 'touch waiting; exec sleep 600'
launch_run -n 3 map "$job:gate" --inputs gates.jsonl
wait_for waiting
kill -TERM "$process"
finish
expect_status 75
expect_in err "mpirun was ended by SIGTERM before the ranks were there: nothing was started"

rule "a launcher that fails is told of, and nothing was started"
stand_in 'echo "no way" >&2; exit 213'
launch -n 3 --restarts 2 map basics:square --range 0:5
expect_status 2
expect_lines err $'no way\nmapfleet: error: mpirun ended with 213 before the ranks were there: nothing was started'

rule "an mpirun that never ends is ended, when all that was printed is through"
stand_in '$real "$@"; exec sleep 600'
"$mapfleet" launch -n 2 map basics:square --range 0:200000 --print 2>err </dev/null | (sleep 3; cat) >out
status=${PIPESTATUS[0]}
expect_status 0
[ "$(wc -l <out)" -eq 200000 ] && [ "$(tail -1 out)" -eq 39999600001 ] || fail "outputs are missing"
real_mpirun
expect_nothing_left

rule "a run that reads no standard input leaves it to who launches"
stand_in 'cat >eaten'
cp --remove-destination bin/mpirun bin/srun
printf '%s\n' 1 2 3 | while read -r i; do
    timeout 60 "$mapfleet" launch -n 2 map basics:square --range "0:$i" 2>err
    echo "$i"
done >out
expect_lines out $'1\n2\n3'
echo 7 | timeout 60 "$mapfleet" launch -n 2 map basics:square --inputs - 2>err
expect_lines eaten 7

rule "at a terminal, nothing that it starts waits for what is typed"
script -qec "timeout --foreground 20 '$mapfleet' launch --srun -n 2 map basics:square --range 0:5" \
    typed </dev/null >/dev/null
status=$?
expect_status 2
expect_in typed "srun ended with 0"
script -qec "'$mapfleet' launch -n 2 map basics:square --inputs -" typed </dev/null >/dev/null
status=$?
expect_status 2
expect_in typed "does not reach the ranks"
rm bin/srun
real_mpirun

rule "Open MPI's noise is left out; all else passes, at once and byte for byte"
cat >noise <<'NOISE'
[node7:32734] PMIX ERROR: BAD-PARAM in file ../../../src/event/pmix_event_notification.c at line 1033
[node7:13427] [[17689,0],0] ORTE_ERROR_LOG: Out of resource in file ../../../orte/util/show_help.c at line 501
[node7:3715] plm:rsh: Warning: setpgid(77,77) failed in parent with errno=Permission denied(13)
mpirun: Forwarding signal 10 to job
--------------------------------------------------------------------------
Primary job  terminated normally, but 1 process returned
a non-zero exit code. Per user-direction, the job has been aborted.
--------------------------------------------------------------------------
--------------------------------------------------------------------------
mpirun detected that one or more processes exited with non-zero status, thus causing
the job to be terminated. The first process to do so was:

  Process name: [[12345,1],2]
  Exit code:    1
--------------------------------------------------------------------------
--------------------------------------------------------------------------
ORTE has lost communication with a remote daemon.

  HNP daemon   : [[17689,0],0] on node a
  Remote daemon: [[17689,0],2] on node c
--------------------------------------------------------------------------
NOISE
cat >sound <<'SOUND'
[node7:32734] PMIX ERROR: OUT-OF-RESOURCE in file ../../../src/server/pmix_server.c at line 12
--------------------------------------------------------------------------
There are not enough slots available in the system to satisfy the 5
slots that were requested by the application:
--------------------------------------------------------------------------
[a list, 12] of mine
mpirun: mine too
---
SOUND
up='printf "\036mapfleet-launch %s up 1 elsewhere\n" "$MAPFLEET_LAUNCH" >&2'
stand_in "$up"'; while read -r line; do echo "$line"; done <sound >&2; cat noise sound noise >&2; printf "[half" >&2
    while [ ! -e open ]; do sleep 0.05; done; echo " a line" >&2'
launch_run -n 2 map basics:square --range 0:5
wait_for_line err "[half"
touch open
finish
cat sound sound <(echo "[half a line") >expected
diff expected <(head -n -1 err) >difference || fail "what passed is something else: $(cat difference)"
real_mpirun

rule "while ranks look for each other, what tells why they do not find each other is no noise"
stand_in 'cat noise >&2'
launch -n 2 map basics:square --range 0:5
diff <(tail -n +5 noise) <(head -n -1 err) >difference || fail "it is left out: $(cat difference)"
real_mpirun

rule "what ranks say while they have no end of line stands where it was said"
stand_in 'printf "working: 1\r" >&2; printf "working: 2" >&2; sleep 0.2
    head -1 noise >&2; printf "\rworking: 3\n" >&2'
launch -n 2 map basics:square --range 0:5
[ "$(head -1 err)" = $'working: 1\rworking: 2\rworking: 3' ] || fail "it is torn"
real_mpirun

rule "rank 0 killed: another start goes on, and what is on record runs once"
{ for i in 0 1 2 3; do echo "{\"value\": $i}"; done
    for i in 4 5 6 7; do echo "{\"value\": $i, \"until\": \"open\"}"; done; } >mixed.jsonl
launch_run -n 3 --restarts 3 map "$job:gate" --inputs mixed.jsonl --slots 2 --print
wait_for_results 4
for kill in 1 2; do
    wait_for begun-4 begun-5 begun-6 begun-7
    rm -f begun-*
    kill -KILL "$(rank 0)"
    wait_for_line err "starting again with --resume ($kill of 3)"
done
touch open
finish
expect_status 0
expect_lines out "$(seq 0 7)"
expect_counts succeeded 8
expect_in err "rank 0 is lost"
for i in 0 1 2 3; do
    [ "$(grep -c " $i\$" starts)" -eq 1 ] || fail "$i is on record, and ran again"
done
for i in 4 5 6 7; do
    [ "$(grep -c " $i\$" starts)" -eq 3 ] || fail "$i was not started anew"
done
expect_nothing_left

rule "so it does where inputs came from standard input"
rm -rf run begun-* open starts err
"$mapfleet" launch -n 3 --restarts 1 map "$job:gate" --inputs - --slots 2 --print --run-dir run \
    >out 2>err <mixed.jsonl &
process=$!
wait_for begun-4 begun-5
wait_for_results 4
kill -KILL "$(rank 0)"
wait_for_line err "starting again"
touch open
finish
expect_status 0
expect_lines out "$(seq 0 7)"

rule "with no restart left, the run can be resumed by hand"
launch_run -n 3 map "$job:gate" --inputs mixed.jsonl --slots 2
wait_for begun-4
wait_for_results 4
kill -KILL "$(rank 0)"
finish
expect_status 75
expect_in err "go on with: mapfleet resume $scratch/run"
expect_not_in err "starting again"

rule "rank 0 on a host that is gone, as a worker tells: mpirun, which never ends then, is ended"
stand_in 'touch is-there; for note in "up 1 elsewhere" "run $PWD/run" orphaned; do
        printf "\036mapfleet-launch %s %s\n" "$MAPFLEET_LAUNCH" "$note" >&2
    done; exec sleep 600'
"$mapfleet" launch -n 2 map "$job:gate" --inputs mixed.jsonl >out 2>err </dev/null &
process=$!
finish
expect_status 75
expect_in err "rank 0 is lost: mpirun was ended by SIGTERM"
expect_in err "go on with: mapfleet resume $scratch/run"

rule "a worker that is cut off from a rank 0 that is at work ends nothing; the verdict does"
real_mpirun
touch open
"$mapfleet" resume run --slots 1 --print >resumed 2>/dev/null </dev/null || fail "it cannot be resumed"
expect_lines resumed "$(seq 0 7)"
begin 0 map "$job:gate" --inputs gates.jsonl --slots 1
other=$process
wait_for begun-0
export RUN=$scratch/run
stand_in 'for note in "up 1 elsewhere" "run $RUN" orphaned; do
        printf "\036mapfleet-launch %s %s\n" "$MAPFLEET_LAUNCH" "$note" >&2
    done; exec sleep 600'
"$mapfleet" launch -n 2 map "$job:gate" --inputs mixed.jsonl >out 2>errors </dev/null &
launch=$!
sleep 7 # it looks at the run after 5 s
kill -0 "$launch" || fail "it was ended"
touch open
process=$other
finish
expect_status 0
process=$launch
finish
expect_status 0
expect_in errors "did not pass on the end of what rank 0 said: the run has succeeded"
real_mpirun

rule "so it is where mpirun passes nothing on from a rank 0 of this machine"
stand_in '$real "$@" 2> >(grep --line-buffered -av " over " >&2) >/dev/null; exec sleep 600'
launch -n 2 map basics:square --range 0:5
expect_status 0
expect_in err "did not pass on the end of what rank 0 said: the run has succeeded"
real_mpirun

# refuse TEXT ARGUMENT...: launch with these is refused with this text, and starts nothing.
refuse() {
    local text=$1
    shift
    rule "launch $* is refused: $text"
    launch "$@"
    expect_status 2
    expect_in err "$text"
    [ "$(wc -l <err)" -eq 1 ] || fail "it says more than why"
    [ ! -e bin/started ] && [ ! -e run ] || fail "something was started"
}
rm -rf run
stand_in 'touch bin/started'
map=(map basics:square --range 0:5 --run-dir run)
refuse "expected a verb" -n 3
refuse '"basics:square" is no verb' -n 3 basics:square
refuse "mapfleet status needs no ranks" -n 3 status run
refuse "mapfleet launch needs no ranks" launch "${map[@]}"
refuse "unknown option --rang: did you mean --range?" map basics:square --rang 0:5
refuse "has no --host: use --hosts NAME:SLOTS" --host a "${map[@]}"
refuse "--hosts is an option of mapfleet launch" map basics:square --hosts a
refuse '--ranks: "0": expected a whole number from 1' -n 0 "${map[@]}"
refuse "has no -np: use -n COUNT" -np 4 "${map[@]}"
refuse '--restarts: "-1": expected' --restarts=-1 "${map[@]}"
refuse '--hosts: "a:x": expected NAME or NAME:SLOTS' --hosts a:x,b "${map[@]}"
refuse '--hosts: "": expected NAME' --hosts a,,b "${map[@]}"
refuse "-n 7: the hosts have 6 slots" -n 7 --hosts a:4,b:2 "${map[@]}"
refuse "-n 7: the hosts have 6 slots" -n 7 --hostfile hosts "${map[@]}"
refuse "give one of them" --hosts a --hostfile hosts "${map[@]}"
refuse "--hostfile: nowhere: No such file" --hostfile nowhere "${map[@]}"
printf '%s\n' 'a slots=4' 'b slots=many' >bad
refuse "bad:2: slots of b: expected slots=COUNT" --hostfile bad "${map[@]}"
printf '%s\n' '# a' >none
refuse "none names no host" --hostfile none "${map[@]}"
refuse "--srun takes the hosts from Slurm" --srun --hosts a "${map[@]}"
OMPI_COMM_WORLD_SIZE=1 refuse "starts the ranks itself" -n 2 "${map[@]}"
printf '%s\n' '#!/bin/sh' 'echo "HYDRA build details:"' >bin/mpirun
refuse 'says "HYDRA build details:": expected Open MPI' -n 2 "${map[@]}"
printf '%s\n' '#!/bin/sh' 'echo "mpirun (Open MPI) 3.1.3"' >bin/mpirun
refuse "mpirun is of Open MPI 3.1.3: expected 4 or later" -n 2 "${map[@]}"
rule "a launcher that is not there is refused"
for words in "--srun srun" "-n2 mpirun"; do
    PATH=$scratch/nowhere "$mapfleet" launch "${words% *}" "${map[@]}" >out 2>err
    status=$?
    expect_status 2
    expect_in err "there is no ${words#* } in \$PATH"
done
exit 0
