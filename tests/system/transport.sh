#!/usr/bin/env bash
# The transport between real ranks: order and content, both ways at once, waiting, loss, endings.
set -uo pipefail
ranks="$MAPFLEET_BUILD_DIR/tests/system_transport_ranks"
output=$(mktemp)
trap 'rm -f "$output"' EXIT
failed=0

fail() { # fail WHAT: with what was printed
    echo "FAILED: $1" >&2
    cat "$output" >&2
    failed=1
}

# expect_status STATUS SECONDS COMMAND...
expect_status() {
    local expected=$1 limit=$2 status
    shift 2
    timeout -k 2 "$limit" "$@" >"$output" 2>&1
    status=$?
    if [ "$status" -ne "$expected" ]; then
        fail "status $status instead of $expected: $*"
    fi
}

expect_lines() { # expect_lines COUNT PATTERN
    local count
    count=$(grep -c -E "$2" "$output")
    if [ "$count" -ne "$1" ]; then
        fail "$count lines instead of $1: $2"
    fi
}

# A rank says where it stands; one rank alone touches no MPI.
expect_status 0 20 mpirun -n 3 "$ranks" place
expect_lines 3 '^place rank=[0-2]/3 local=[0-2]/3 name=[^,]+$'
expect_lines 0 'loopback'
expect_status 0 20 mpirun -n 1 "$ranks" place
expect_lines 1 '^place rank=0/1 local=0/1 name=loopback$'
expect_status 0 20 "$ranks" place
expect_lines 1 '^place rank=0/1 local=0/1 name=loopback$'

# The exit status passes through, with and without MPI.
expect_status 7 20 mpirun -n 1 "$ranks" exit 7
expect_status 7 20 mpirun -n 2 "$ranks" exit 7
expect_status 9 20 mpirun -n 2 "$ranks" abort 9

# All sizes both ways at once, over both ways that Open MPI has on one host. The last is of sizes
# around those where a message no longer fits in one piece.
for btl in self,vader self,tcp; do
    for n in 2 5; do
        seed=$((RANDOM + 1))
        expect_status 0 60 env OMPI_MCA_btl=$btl mpirun -n "$n" "$ranks" exchange $seed 40 4194304
        expect_status 0 60 env OMPI_MCA_btl=$btl mpirun -n "$n" "$ranks" exchange $seed 3000 5000
    done
done

# A rank that waits leaves the core to others.
expect_status 0 20 mpirun -n 2 "$ranks" idle
expect_lines 2 '^idle '

# A lost rank amid large messages: the others give it up and go on.
for btl in self,vader self,tcp; do
    expect_status 0 30 env OMPI_MCA_btl=$btl mpirun --enable-recovery -n 4 "$ranks" lose
    expect_lines 3 '^survived rank=[0-2]$'
done

# What would be several copies of the whole run is refused, and one of them says so.
expect_status 2 10 env SLURM_STEP_NUM_TASKS=2 SLURM_PROCID=0 "$ranks" place
expect_lines 1 'srun --mpi=pmix'
expect_status 2 10 env SLURM_STEP_NUM_TASKS=2 SLURM_PROCID=1 "$ranks" place
expect_lines 0 '.'
expect_status 2 10 env PMI_SIZE=2 PMI_RANK=0 "$ranks" place
expect_lines 1 'built with [A-Za-z ]+[0-9]'

exit "$failed"
