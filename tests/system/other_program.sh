#!/usr/bin/env bash
# A rank that runs another mapfleet than rank 0 is refused by the name of its host, and nothing is
# started: another version of it, and one that speaks another version of the wire, which both sides
# may be the older of.
source "$(dirname "$0")/support.sh"
host=$(hostname)
version=$("$mapfleet" --version | sed -n '1s/mapfleet //p')
newer=${version%?}$(((${version: -1} + 1) % 10))
words=(map basics:square --range 0:10 --run-dir run)
mkdir -p other/bin
cp "$mapfleet" other/bin
cp -R "$MAPFLEET_BUILD_DIR/lib" "$MAPFLEET_BUILD_DIR/jobs" other

# expect_refused PROGRAM PROGRAM TEXT: of rank 0 and rank 1.
expect_refused() {
    timeout -k 2 60 mpirun -q -n 1 "$1" "${words[@]}" : -n 1 "$2" "${words[@]}" >out 2>err </dev/null
    status=$?
    expect_status 2
    expect_in err "rank 1 on $host cannot work: $3"
    [ ! -e run ] || fail "something was started"
    expect_nothing_left
}

rule "the wire of another version"
cp -f "$MAPFLEET_BUILD_DIR/tests/other_wire/libmapfleet.so.$version" other/lib
expect_refused "$mapfleet" other/bin/mapfleet \
    "it runs mapfleet $version, which speaks version 99 of the wire, and rank 0 version"
expect_refused other/bin/mapfleet "$mapfleet" \
    "it runs mapfleet $version, which speaks version"
expect_in err "of the wire, and rank 0 version 99"

rule "another version of mapfleet"
cp -f "$MAPFLEET_BUILD_DIR/lib/libmapfleet.so.$version" other/lib
for file in "other/lib/libmapfleet.so.$version" other/lib/mapfleet/transport_mpi.so; do
    LC_ALL=C sed -i "s/${version//./\\.}/$newer/g" "$file" # of the same length
done
[ "$(other/bin/mapfleet --version | head -1)" = "mapfleet $newer" ] || fail "it is no other version"
expect_refused "$mapfleet" other/bin/mapfleet "it runs mapfleet $newer, rank 0 mapfleet $version"
expect_refused other/bin/mapfleet "$mapfleet" "it runs mapfleet $version, rank 0 mapfleet $newer"

rule "which the same program twice is not"
timeout -k 2 60 mpirun -q -n 1 other/bin/mapfleet "${words[@]}" --print : \
    -n 1 other/bin/mapfleet "${words[@]}" >out 2>err </dev/null
status=$?
expect_status 0
expect_lines out "$(for i in $(seq 0 9); do echo $((i * i)); done)"
exit 0
