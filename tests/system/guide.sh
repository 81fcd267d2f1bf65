#!/usr/bin/env bash
# What the pages for newcomers say is done as it stands there, with an installed mapfleet, each in an
# empty folder.
here=$(cd "$(dirname "$0")" && pwd)
source "$here/support.sh"
needs python3 -c 'import numpy'

cmake --install "$MAPFLEET_BUILD_DIR" --prefix "$scratch/prefix" >out 2>err || fail "cmake --install"
PATH=$scratch/prefix/bin:$PATH
PKG_CONFIG_PATH=$(dirname "$(find "$scratch/prefix" -name mapfleet.pc)")
export PATH PKG_CONFIG_PATH CMAKE_PREFIX_PATH=$scratch/prefix CMAKE_GENERATOR=Ninja

for page in "$@"; do
    rule "$page"
    mkdir -p "$page/words"
    (cd "$page/words" && timeout -k 2 200 /usr/bin/python3 "$here/guide.py" "$here/../../docs/$page") || exit 1
done
exit 0
