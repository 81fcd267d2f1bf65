#!/usr/bin/env bash
# hosts.sh - hosts for tests, on one machine: network namespaces on a bridge.
#
#     hosts.sh up N           hosts PREFIX1 ... PREFIXN, at 10.77.0.1 ... 10.77.0.N
#     hosts.sh hostfile SLOTS for mpirun
#     hosts.sh run I CMD...   CMD on host I, with its network and its name
#     hosts.sh pids I [NAME]  processes of host I; those of programs of that name only
#     hosts.sh cut I, join I  pull the network cable of host I, plug it in again
#     hosts.sh crash I        power failure: cable out, and SIGKILL to all that is there
#     hosts.sh daemon I       SIGKILL to the daemon of MPI there
#     hosts.sh down           end what is left on the hosts, and remove all of it
#
# Files, processes' numbers and the clock are the machine's, /dev/shm is too. The bridge has a
# namespace of its own, so that no packet can leave. Needs root and iproute2. PREFIX, of at most
# 8 characters, tells the hosts of one test from those of another.
set -euo pipefail
: "${PREFIX:?names the hosts}"
switch=${PREFIX}sw
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

hosts() {
    ip netns list | awk '{print $1}' | grep -E "^${PREFIX}[0-9]+\$" | sort -V || true
}

# pids HOST [NAME]
pids() {
    local pid
    for pid in $(ip netns pids "$1"); do
        [ -z "${2:-}" ] || [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ] || continue
        echo "$pid"
    done
}

end_all() {
    local pid
    for pid in $(pids "$@"); do
        kill -KILL "$pid" 2>/dev/null || true
    done
}

up() {
    local i j host
    ip netns add "$switch"
    ip -n "$switch" link set lo up
    ip -n "$switch" link add br0 type bridge
    ip -n "$switch" link set br0 up
    for i in $(seq "$1"); do
        host=$PREFIX$i
        mkdir -p "/etc/netns/$host" # what lies there takes the place of /etc on that host
        {
            echo "127.0.0.1 localhost"
            for j in $(seq "$1"); do echo "10.77.0.$j $PREFIX$j"; done
        } >"/etc/netns/$host/hosts"
        ip netns add "$host"
        ip -n "$host" link set lo up
        ip -n "$host" link add eth0 type veth peer name "p$i" netns "$switch"
        ip -n "$switch" link set "p$i" master br0 up
        ip -n "$host" addr add "10.77.0.$i/24" dev eth0
        ip -n "$host" link set eth0 up
    done
}

down() {
    local host
    for host in $(hosts); do
        end_all "$host"
        ip netns del "$host"
        rm -rf "/etc/netns/$host"
    done
    ip netns del "$switch" 2>/dev/null || true
    rmdir /etc/netns 2>/dev/null || true
}

case ${1:-} in
up) up "$2" ;;
hostfile) for host in $(hosts); do echo "$host slots=$2"; done ;;
run)
    host=$PREFIX$2
    shift 2
    exec "$here/agent.sh" --exec "$host" "$@"
    ;;
pids) pids "$PREFIX$2" "${3:-}" ;;
cut) ip -n "$switch" link set "p$2" down ;;
join)
    ip -n "$switch" link set "p$2" up
    for host in $(hosts); do ip -n "$host" neigh flush all; done # who could not be found may be now
    ;;
crash)
    ip -n "$switch" link set "p$2" down
    end_all "$PREFIX$2"
    ;;
daemon)
    end_all "$PREFIX$2" orted
    end_all "$PREFIX$2" prted
    ;;
down) down ;;
*)
    sed -n '2,16p' "$0"
    exit 2
    ;;
esac
