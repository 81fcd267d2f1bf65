# support.sh - sourced by the system tests: a scratch folder, the built program, and checks that say
# what was expected. A test's checks are its `rule` lines; the first that fails ends it.
set -uo pipefail

# Debian's own, which has the packages that scripts/packages.txt names.
python3() {
    /usr/bin/python3 "$@"
}

mapfleet=$MAPFLEET_BUILD_DIR/bin/mapfleet
scratch=$(mktemp -d)
# A subshell that gets SIGTERM, SIGINT or SIGHUP in its first moments, before bash has reset the traps
# in it, does this too, whatever the trap asks first: so nothing here sends these to a subshell.
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
export XDG_CACHE_HOME=$scratch/.cache # nothing that was memoised before

fail() {
    echo "FAILED: ${rule_name:-start}: $*" >&2
    for file in out err; do
        [ -s "$file" ] && { echo "--- $file" >&2; head -40 "$file" >&2; }
    done
    exit 1
}

# rule TEXT: what the checks that follow prove.
rule() {
    rule_name=$*
    echo "rule: $rule_name"
}

# run RANKS ARGUMENT...: mapfleet alone (0 ranks) or under mpirun; leaves out, err and $status.
run() {
    local ranks=$1
    shift
    if [ "$ranks" -eq 0 ]; then
        timeout -k 2 60 "$mapfleet" "$@" >out 2>err </dev/null
    else
        timeout -k 2 60 mpirun -q -n "$ranks" "$mapfleet" "$@" >out 2>err </dev/null
    fi
    status=$?
}

expect_status() {
    [ "$status" -eq "$1" ] || fail "exit status $status, expected $1"
}

# needs COMMAND...: what scripts/packages.txt installs, and a Debian 13 of scripts/debian13 has not.
needs() {
    if ! "$@" >/dev/null 2>&1; then
        echo "not run: $* does not work here"
        exit 77
    fi
}

# expect_lines FILE TEXT: the file holds exactly these lines.
expect_lines() {
    diff <(printf '%s\n' "$2") "$1" >difference || fail "$1 differs: $(head -10 difference)"
}

# expect_in FILE TEXT: some line of it holds the text.
expect_in() {
    grep -qF -- "$2" "$1" || fail "no \"$2\" in $1"
}

expect_not_in() {
    ! grep -qF -- "$2" "$1" || fail "\"$2\" in $1"
}

# wait_for FILE...: until all of them are there.
wait_for() {
    local file
    for file in "$@"; do
        for _ in $(seq 600); do
            [ -e "$file" ] && continue 2
            sleep 0.05
        done
        fail "$file never came"
    done
}

# wait_for_content FILE: until something is in it.
wait_for_content() {
    for _ in $(seq 600); do
        [ -s "$1" ] && return
        sleep 0.05
    done
    fail "nothing ever came into $1"
}

# wait_for_line FILE TEXT: until some line of it holds the text.
wait_for_line() {
    for _ in $(seq 600); do
        grep -qsF -- "$2" "$1" && return
        sleep 0.05
    done
    fail "\"$2\" never came in $1"
}

# Does mpirun come from Open MPI 5? (tests/ompi5/bin has one that knows the words of 4.)
is_open_mpi_5() {
    [[ $(mpirun --version) = *"(Open MPI) 5."* ]]
}

# rank_process MPIRUN RANK: the process of that rank.
rank_process() {
    local process
    for process in $(pgrep -P "$1"); do
        grep -qz "^OMPI_COMM_WORLD_RANK=$2\$" "/proc/$process/environ" && echo "$process"
    done
}

# Processes of this test that are still alive: not zombies, and with our scratch folder as cwd.
left_behind() {
    local process
    for process in /proc/[0-9]*; do
        [ "$(readlink "$process/cwd" 2>/dev/null)" = "$scratch" ] || continue
        [ "${process#/proc/}" != $$ ] && [ "$(cut -d' ' -f3 "$process/stat" 2>/dev/null)" != Z ] &&
            grep -qa mapfleet "$process/cmdline" 2>/dev/null && echo "$process"
    done
}

expect_nothing_left() {
    for _ in $(seq 50); do
        [ -z "$(left_behind)" ] && return
        sleep 0.1
    done
    fail "processes are left: $(left_behind)"
}

# start RANKS ARGUMENT...: mapfleet in the background, as $process; leaves out and err.
start() {
    local ranks=$1
    shift
    if [ "$ranks" -eq 0 ]; then
        "$mapfleet" "$@" >out 2>err </dev/null &
    else
        mpirun -q -n "$ranks" "$mapfleet" "$@" >out 2>err </dev/null &
    fi
    process=$!
}

# begin RANKS ARGUMENT...: the same with a new run directory, run.
begin() {
    rm -rf run begun-* open starts err
    start "$@" --run-dir run
}

# Until it has ended: leaves $status. What hangs is killed.
finish() {
    rm -f ended
    (for _ in $(seq 600); do [ -e ended ] && exit; sleep 0.1; done
        kill -KILL "$process") &
    local watch=$!
    wait "$process"
    status=$?
    touch ended
    wait "$watch"
}

# expect_counts STATE COUNT...: of run.json; all others are 0.
expect_counts() {
    python3 - "$@" <<'PYTHON' || fail "the counts are wrong"
import json, sys
words = sys.argv[1:]
expected = dict(zip(words[::2], map(int, words[1::2])))
counts = json.load(open("run/run.json"))["verdict"]["counts"]
found = {state: count for state, count in counts.items() if count > 0}
assert found == expected, (found, expected)
PYTHON
}
