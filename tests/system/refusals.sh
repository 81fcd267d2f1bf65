#!/usr/bin/env bash
# Bad input: exit 2, one clear message from rank 0 alone, nothing started, no run directory.
source "$(dirname "$0")/support.sh"

printf 'not a library\n' >text.so
printf 'int nothing;\n' | cc -shared -fPIC -x c - -o empty.so
for name in bad_type twice; do
    cp "$MAPFLEET_BUILD_DIR/tests/jobs/$name.so" .
done
printf '1\n{"a": \n' >malformed.jsonl
printf '{"value": 1}\n{"value": "x"}\n' >mistyped.jsonl
printf '1\n2\n' >good.jsonl
mkdir existing

# refused TEXT ARGUMENT...: alone, and on three ranks (which take a second each) where asked.
on_ranks=0
refused() {
    local text=$1
    shift
    for ranks in $on_ranks; do
        rule "map $* is refused: $text ($ranks ranks)"
        run "$ranks" map "$@"
        expect_status 2
        expect_in err "$text"
        [ "$(grep -c '^mapfleet: ' err)" -eq 1 ] || fail "not one message"
        [ ! -s out ] || fail "something was printed"
        [ ! -e mapfleet-runs ] || fail "a run directory was made"
    done
}

on_ranks="0 3"
refused 'no job "nojob"' nojob:task --range 0:3
on_ranks=0
refused 'absent.so' ./absent.so:task --range 0:3
refused 'cannot be loaded' ./text.so:task --range 0:3
refused 'no function mf_job' ./empty.so:task --range 0:3
refused 'type "list<in>"' ./bad_type.so:task --range 0:3
refused 'registered twice' ./twice.so:task --range 0:3
refused 'it has square' basics:nope --range 0:3
refused 'expected JOB:TASK' basics --range 0:3
on_ranks="0 3"
refused 'malformed.jsonl:2' basics:square --inputs malformed.jsonl
refused 'index 1' basics:fail --inputs mistyped.jsonl
refused 'expected int, found str "x"' basics:fail --inputs mistyped.jsonl
on_ranks=0
refused '.value' basics:fail --inputs mistyped.jsonl
refused 'absent.jsonl' basics:square --inputs absent.jsonl
refused 'outside [0, 1]' basics:square --range 0:3 --min-success-ratio 1.5
refused '-0.5' basics:square --range 0:3 --min-success-ratio -0.5
refused 'nan' basics:square --range 0:3 --min-success-ratio nan
refused '--min-successes 4' basics:square --range 0:3 --min-successes 4
refused '--max-failures' basics:square --range 0:3 --min-successes 1 --max-failures 1
on_ranks="0 3"
refused 'two sources' basics:square --range 0:3 --inputs good.jsonl
on_ranks=0
refused '--range 0:2 and --range 5:6 are two sources' basics:square --range 0:2 --range 5:6
refused '--inputs good.jsonl and --inputs other.jsonl are two sources' basics:square \
    --inputs good.jsonl --inputs other.jsonl
refused 'no inputs' basics:square
refused '--retries' basics:square --range 0:3 --retrys 1
refused '"10" is 10 bytes: expected at least 1Mi' basics:square --range 0:3 --mem 10
printf 'value;fail\n1;2\n' >semicolons.csv
refused 'fields are separated by commas' basics:fail --inputs semicolons.csv
refused 'no count' basics:square --range 0:3 --retries x
refused 'existing exists' basics:square --range 0:3 --run-dir existing
refused 'step' basics:square --range 0:3:0
refused 'matches nothing' basics:shout --files 'nothing-*.jpg'
refused '--policy' basics:square --range 0:3 --policy maybe
refused 'cannot be kept' basics:square --range 0:3 --isolation none --timeout 1
refused '--slots' basics:square --range 0:3 --slots 0
refused 'unexpected' basics:square extra --range 0:3

rule "more slots than open files are possible for are refused with both numbers"
(
    ulimit -n 1024
    run 0 map basics:square --range 0:3 --slots 300
    expect_status 2
    expect_in err "its 300 slots need some 1628 open files, and it may have 1024"
) || exit 1

rule "a verb that there is not is refused by rank 0 alone"
run 3 mop basics:square --range 0:3
expect_status 2
[ "$(grep -c '^mapfleet: ' err)" -eq 1 ] || fail "not one message"

if [ "$(id -u)" -eq 0 ]; then
    rule "a rank whose job differs is refused by name of host, and nothing starts"
    cp "$MAPFLEET_BUILD_DIR/jobs/basics.so" mine.so
    cp "$MAPFLEET_BUILD_DIR/jobs/search.so" other.so
    cat >rank <<'RANK'
#!/usr/bin/env bash
[ "$OMPI_COMM_WORLD_RANK" = 2 ] || exec "$@"
exec unshare -m bash -c 'mount --bind other.so mine.so && exec "$@"' bash "$@"
RANK
    chmod +x rank
    timeout -k 2 60 mpirun -q -n 3 ./rank "$mapfleet" map ./mine.so:square --range 0:3 \
        >out 2>err </dev/null
    status=$?
    expect_status 2
    expect_in err "rank 2 on $(hostname) cannot work"
    [ ! -e mapfleet-runs ] || fail "a run directory was made"
fi
exit 0
