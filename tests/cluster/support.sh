# support.sh - sourced by the tests that need more than this machine has: those of tests/system, and
# a private Slurm.
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
source "$source_dir/tests/system/support.sh"
slurm_nodes=$source_dir/tests/cluster/slurm_nodes.sh

# skip REASON: CTest knows the status.
skip() {
    echo "skipped: $1"
    exit 77
}

# start_slurm CPUS...: nodes n1, n2, ... with so many CPUs each, for this test alone.
start_slurm() {
    local reason
    reason=$("$slurm_nodes" check)
    [ -z "$reason" ] || skip "$reason"
    trap '"$slurm_nodes" stop "$scratch/slurm"; rm -rf "$scratch"' EXIT
    chmod 711 "$scratch" # munged wants its socket to be reachable
    mkdir "$scratch/slurm"
    "$slurm_nodes" start "$scratch/slurm" "$@" || fail "no Slurm"
    export SLURM_CONF=$scratch/slurm/slurm.conf
    export PATH=$MAPFLEET_BUILD_DIR/bin:$PATH
    # Nodes have names of their own and one network; nothing else is set for Open MPI, as in real jobs.
    unset ${!OMPI_*}
    export OMPI_MCA_oob_tcp_if_include=lo OMPI_MCA_btl_tcp_if_include=lo
}

# submit WORD...: sbatch, as $job, with its output in out.
submit() {
    rm -f out
    job=$(sbatch --parsable -o "$scratch/out" "$@" 2>sbatch-error) || fail "sbatch: $(cat sbatch-error)"
}

# job_field NAME: of the job, as scontrol shows it.
job_field() {
    scontrol -o show job "$job" | tr ' ' '\n' | sed -n "s/^$1=//p" | head -1
}

# await_state STATE [SECONDS]: until the job is in it.
await_state() {
    local state
    for _ in $(seq $((${2:-60} * 5))); do
        state=$(job_field JobState)
        [ "$state" = "$1" ] && return
        sleep 0.2
    done
    fail "the job is $state, and not $1"
}

# await_end [SECONDS]: until the job is no longer there; leaves $status.
await_end() {
    for _ in $(seq $((${1:-60} * 5))); do
        if ! squeue -h -j "$job" 2>/dev/null | grep -q .; then
            status=$(job_field ExitCode)
            status=${status%%:*}
            return
        fi
        sleep 0.2
    done
    fail "the job has not ended: $(squeue -h -j "$job")"
}
