#!/usr/bin/env bash
# The package for Debian, of what this build installs. scripts/check-package installs one in a Debian
# that has nothing else, and removes it.
source "$(dirname "$0")/support.sh"
needs command -v dpkg-shlibdeps

rule "packages are made, with the version of the program in their names"
cpack --config "$MAPFLEET_BUILD_DIR/CPackConfig.cmake" -B "$PWD/made" \
    -D CPACK_DEBIAN_COMPRESSION_TYPE=none >out 2>err || fail "cpack"
version=$("$mapfleet" --version | sed -n '1s/mapfleet //p')
package=$PWD/made/mapfleet_${version}_$(dpkg --print-architecture).deb
[ -s "$package" ] || fail "no $package"
part_of() { # NAME: the package of a job that is one of its own
    echo "${package/mapfleet_/mapfleet-$1_}"
}
[ "$(ls made/*.deb | wc -l)" -eq "$(ls "$package" "$(part_of augment)" "$(part_of sweep)" 2>/dev/null | wc -l)" ] ||
    fail "packages: $(ls made)"

rule "it depends on the libraries that its files are linked with, and on nothing that is not here"
dpkg-deb -f "$package" Depends | tr ',' '\n' | sed 's/^ *//; s/ .*//' >depends
for name in libc6 libcurl libhwloc libjansson liblmdb liblz4 libmsgpack libopenmpi libroaring; do
    grep -q "^$name" depends || fail "it does not depend on $name: $(paste -sd' ' depends)"
done
while read -r name; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || fail "$name"
done <depends

rule "what a job needs is asked of those alone who want it"
for part in augment:MF_AUGMENT:libvips sweep:MF_XGBOOST:libxgboost; do
    IFS=: read -r name option library <<<"$part"
    grep -q "^$option:BOOL=ON" "$MAPFLEET_BUILD_DIR/CMakeCache.txt" || continue
    ! grep "$library" depends || fail "everybody needs $library"
    dpkg-deb -f "$(part_of "$name")" Depends >out
    expect_in out "mapfleet (= $version)"
    expect_in out "$library"
    [ "$(dpkg-deb -c "$(part_of "$name")" | grep -c '^-')" -eq 1 ] || fail "$(dpkg-deb -c "$(part_of "$name")")"
done

rule "mpirun comes with it, unless somebody has another"
dpkg-deb -f "$package" Recommends >out
expect_in out openmpi-bin

rule "the cache of the loader is renewed when it is installed, and when it is removed"
dpkg-deb --ctrl-tarfile "$package" | tar -xO ./triggers >triggers || fail "no triggers"
expect_lines triggers "activate-noawait ldconfig"

rule "everything is root's, and below one prefix"
dpkg-deb -c "$package" >list
[ -z "$(awk '$2 != "root/root" { print }' list)" ] || fail "owners: $(awk '$2 != "root/root"' list)"
[ -z "$(grep -v ' \./$\| \./usr/' list)" ] || fail "elsewhere: $(grep -v ' \./usr/' list)"

rule "what it holds runs where it is unpacked"
dpkg-deb -x "$package" unpacked || fail "dpkg-deb -x"
mapfleet=$(find "$PWD/unpacked" -path '*/bin/mapfleet')
run 0 exec -k -- echo {} ::: a b
expect_status 0
expect_lines out $'a\nb'
run 2 map basics:square --range 0:3 --print
expect_status 0
expect_lines out $'0\n1\n4'
exit 0
