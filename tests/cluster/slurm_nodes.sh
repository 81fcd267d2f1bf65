#!/usr/bin/env bash
# slurm_nodes.sh - a private Slurm on this machine, for tests.
#
#   slurm_nodes.sh check             why it can't be had here, on standard output; nothing: it can
#   slurm_nodes.sh start DIR CPUS... munged, slurmctld, and a node n1, n2, ... for each number of CPUs
#   slurm_nodes.sh lose DIR NAME     power failure of a node: SIGKILL to all that is there
#   slurm_nodes.sh restore DIR NAME  it is there again
#   slurm_nodes.sh stop DIR          end all of it
#
# All state lies in DIR, nothing in /etc or /var; daemons talk over loopback. Afterwards,
# SLURM_CONF=DIR/slurm.conf makes sbatch, srun and scontrol use it. The partition main is the
# default; what runs there is requeued when urgent wants its nodes.
set -euo pipefail

check() {
    local program
    for program in munged slurmctld slurmd sbatch srun scontrol squeue; do
        if ! command -v "$program" >/dev/null; then
            echo "there is no $program (packages slurm-wlm and munge)"
            return
        fi
    done
    if [ "$(id -u)" -ne 0 ] || ! unshare --uts --mount true 2>/dev/null; then
        echo "each node needs a host name and mounts of its own, for which there are no rights"
    fi
}

# configuration DIR PORT CPUS...
configuration() {
    local dir=$1 port=$2 node=0 cpus
    shift 2
    cat <<CONF
ClusterName=private
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
# A job that was requeued may start again after so many seconds, 5 at least; by default, 120.
AuthInfo=socket=$dir/munge.socket,cred_expire=5
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool.%n
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.%n.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MailProg=/bin/true
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
# The CPUs that are claimed below need not be there.
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0,sched_min_interval=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
MinJobAge=300
InactiveLimit=0
KillWait=2
SlurmctldTimeout=10
SlurmdTimeout=10
MessageTimeout=10
CONF
    for cpus in "$@"; do
        node=$((node + 1))
        echo "NodeName=n$node NodeHostname=n$node NodeAddr=127.0.0.1 Port=$((port + node))" \
            "CPUs=$cpus RealMemory=4096 State=UNKNOWN"
    done
    echo "PartitionName=main Nodes=ALL Default=YES MaxTime=60 PriorityTier=1 State=UP GraceTime=15"
    echo "PartitionName=urgent Nodes=ALL MaxTime=60 PriorityTier=10 PreemptMode=off State=UP"
}

# Open MPI and PMIx name files after the host; Slurm's PMIx does so after the job step alone.
start_node() {
    local dir=$1 name=$2
    mkdir -p "$dir/spool.$name" "$dir/pmix.$name"
    unshare --uts --mount sh -c 'hostname "$2"; mount --bind "$1/pmix.$2" "$1/pmix"; exec slurmd -N "$2"' \
        sh "$dir" "$name"
}

await_idle() {
    for _ in $(seq 150); do
        [ "$(sinfo -h -N -p main -o %T 2>/dev/null | grep -cx idle)" -eq "$1" ] && return
        sleep 0.1
    done
    echo "the nodes did not come up" >&2
    tail -5 "$2"/*.log >&2
    return 1
}

start() {
    local dir=$1 port name
    shift
    port=$((20000 + RANDOM % 10000))
    export SLURM_CONF=$dir/slurm.conf
    mkdir -p "$dir/state" "$dir/pmix"
    chmod 755 "$dir"
    (umask 077 && head -c 128 /dev/urandom >"$dir/munge.key")
    munged --socket="$dir/munge.socket" --key-file="$dir/munge.key" --seed-file="$dir/munge.seed" \
        --pid-file="$dir/munged.pid" --log-file="$dir/munged.log" --num-threads=2
    configuration "$dir" "$port" "$@" >"$SLURM_CONF"
    echo "PMIxCliTmpDirBase=$dir/pmix" >"$dir/mpi.conf"
    echo "CgroupPlugin=cgroup/v1" >"$dir/cgroup.conf" # slurmd gives up where it finds none by itself
    slurmctld -c
    for name in $(seq -f 'n%g' $#); do
        start_node "$dir" "$name"
    done
    await_idle $# "$dir"
}

# What has the node's host name: its daemon, the steps of jobs, and what these have started.
lose() {
    local space process
    space=$(readlink "/proc/$(cat "$1/slurmd.$2.pid")/ns/uts")
    for process in /proc/[0-9]*; do
        [ "$(readlink "$process/ns/uts" 2>/dev/null)" = "$space" ] || continue
        kill -KILL "${process#/proc/}" 2>/dev/null || true
    done
}

is_gone() { # what is not reaped yet is gone, too
    ! kill -0 "$1" 2>/dev/null || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null
}

stop_daemon() {
    local process
    [ -s "$1" ] || return 0
    process=$(cat "$1")
    kill "$process" 2>/dev/null || true
    for _ in $(seq 50); do
        is_gone "$process" && return
        sleep 0.1
    done
    kill -KILL "$process" 2>/dev/null || true
}

stop() {
    local dir=$1 file
    export SLURM_CONF=$dir/slurm.conf
    if [ -s "$dir/slurmctld.pid" ]; then
        timeout 5 scancel --full -u root >/dev/null 2>&1 || true
        for _ in $(seq 50); do
            [ -z "$(timeout 5 squeue -h -t running,completing 2>/dev/null)" ] && break
            sleep 0.1
        done
    fi
    for file in "$dir"/slurmd.*.pid "$dir/slurmctld.pid" "$dir/munged.pid"; do
        stop_daemon "$file"
    done
}

case ${1:-} in
check) check ;;
start) shift && start "$@" ;;
lose) lose "$2" "$3" ;;
restore)
    export SLURM_CONF=$2/slurm.conf
    start_node "$2" "$3"
    ;;
stop) stop "$2" ;;
*)
    sed -n '4,8s/^# *//p' "$0" >&2
    exit 2
    ;;
esac
