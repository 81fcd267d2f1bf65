# support_hosts.sh - sourced by the tests of several hosts: four of them, made of network namespaces.
# Sets $here, $moments and $touching, and seeds $RANDOM.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/support.sh"
moments=${MAPFLEET_MOMENTS:-1}
RANDOM=${MAPFLEET_SEED:-1}
touching=$MAPFLEET_BUILD_DIR/tests/jobs/touching.so

hosts() {
    "$here/hosts.sh" "$@"
}

# start_hosts PREFIX: four, whose names begin with it, for this test alone.
start_hosts() {
    if [ "$(id -u)" -ne 0 ] || ! command -v ip >/dev/null || ! unshare --uts true 2>/dev/null ||
        ! ip netns add "$1$$t" 2>/dev/null; then
        skip "hosts are made of network namespaces, which need root and iproute2"
    fi
    ip netns del "$1$$t"
    export PREFIX=$1$(($$ % 100000))h
    trap 'hosts down; rm -rf "$scratch"' EXIT
    hosts up 4 || fail "no hosts"
}

# rank_of HOST: its rank, which is a child of mpirun or of its daemon.
rank_of() {
    local pid
    for pid in $(hosts pids "$1" mapfleet); do
        case $(cat "/proc/$(awk '{print $4}' "/proc/$pid/stat" 2>/dev/null)/comm" 2>/dev/null) in
        mpirun | orterun | orted | prterun | prted) echo "$pid" ;;
        esac
    done
}

# await_run: until the run in the folder `run` has begun.
await_run() {
    for _ in $(seq 600); do
        [ -s run/log.lz4 ] && return
        sleep 0.02
    done
    fail "it never began"
}

# expect_squares COUNT: the outputs that the run is to have; sets $size.
expect_squares() {
    size=$1
    python3 -c "print('\n'.join(str(i * i) for i in range($size)))" >expected
}

# A random part of a second.
moment() {
    sleep "0.$((RANDOM % 10))$((RANDOM % 10))"
}

# expect_hosts_empty SECONDS: no rank and no executor is left on a host by then. Daemons that have lost
# mpirun are ended, and the memory of ranks that were killed is removed.
expect_hosts_empty() {
    local host left
    for _ in $(seq $(($1 * 10))); do
        left=
        for host in 1 2 3 4; do
            left+=$(hosts pids "$host" mapfleet)
        done
        [ -z "$left" ] && break
        sleep 0.1
    done
    [ -z "$left" ] || fail "ranks or executors are left on the hosts: $left"
    for host in 1 2 3 4; do
        for left in $(hosts pids "$host"); do
            kill -KILL "$left" 2>/dev/null
        done
    done
    find /dev/shm -maxdepth 1 -name "*_segment.$PREFIX*" -delete
}
