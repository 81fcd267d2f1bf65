# support.sh - sourced by the system tests: a scratch folder, the built program, and checks that say
# what was expected. A test's checks are its `rule` lines; the first that fails ends it.
set -uo pipefail

# Debian's own, which has the packages that scripts/packages.txt names.
python3() {
    /usr/bin/python3 "$@"
}

mapfleet=$MAPFLEET_BUILD_DIR/bin/mapfleet
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1

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
