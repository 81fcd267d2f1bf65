#!/usr/bin/env bash
# agent.sh - what mpirun starts its daemons with, in place of ssh, on the hosts of hosts.sh.
#
#     agent.sh [OPTIONS OF SSH] HOST WORDS...   the words are joined, and run by sh
#     agent.sh --exec HOST CMD...               CMD takes this process's place
#
# It returns at once, so that mpirun has no agent to lose with a host: a status that is not 0 would
# end the job.
set -eu
as_is=
while [ $# -gt 0 ]; do
    case $1 in
    --exec)
        as_is=1
        shift
        ;;
    -*) shift ;;
    *) break ;;
    esac
done
host=$1
shift
if [ -z "$as_is" ]; then
    set -- /bin/sh -c "$*"
fi
set -- ip netns exec "$host" unshare --uts /bin/sh -c 'hostname "$0"; exec "$@"' "$host" "$@"
if [ -n "$as_is" ]; then
    exec "$@"
fi
setsid "$@" </dev/null &
exit 0
