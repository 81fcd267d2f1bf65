#!/usr/bin/env bash
# The photos that ship: fifteen new ones, each of its photo's size, under files/ in the run.
photos=$(cd "$(dirname "$0")/../../jobs/augment/photos" && pwd)
source "$(dirname "$0")/support.sh"

rule "three variants of each photo, as files of the run"
run 3 map augment:data_augment --files "$photos/*.jpg" --run-dir photos
expect_status 0
run 0 results photos
python3 - "$scratch" "$photos" <<'PYTHON' || fail "the variants are not as they should be"
import glob, json, struct, sys

def size(path):
    data = open(path, "rb").read()
    at = 2
    while True:
        marker, length = struct.unpack(">HH", data[at:at + 4])
        if 0xFFC0 <= marker <= 0xFFC2:
            return struct.unpack(">HH", data[at + 5:at + 9])
        at += 2 + length

lists = [json.loads(line) for line in open("out")]
photos = sorted(glob.glob(sys.argv[2] + "/*.jpg"))
assert len(lists) == len(photos) == 5, lists
for photo, variants in zip(photos, lists):
    assert len(variants) == 3, variants
    for variant in variants:
        assert variant.startswith(sys.argv[1] + "/photos/files/"), variant
        assert size(variant) == size(photo), variant
PYTHON

rule "the same seed gives the same bytes on any number of ranks"
run 0 map augment:data_augment --files "$photos/*.jpg" --run-dir again --cache refresh
expect_status 0
for file in photos/files/*; do
    cmp -s "$file" "again/files/$(basename "$file")" || fail "$file differs"
done

rule "no working directory is left behind"
mkdir temporary
TMPDIR=$PWD/temporary run 2 map augment:data_augment --files "$photos/*.jpg" --cache refresh
expect_status 0
[ -z "$(find temporary -name 'mapfleet-*')" ] || fail "a working directory is left"

rule "the workflow fetches, augments and coalesces: fifteen variants in one list"
run 3 run augment "query=*" "photos=$photos" --run-dir flow --print --cache refresh
expect_status 0
python3 - "$scratch" <<'PYTHON' || fail "the list is not as it should be"
import json, os, sys
variants = json.loads(open("out").read())
assert len(set(variants)) == 15, variants
for variant in variants:
    assert variant.startswith(sys.argv[1] + "/flow/files/") and os.path.exists(variant), variant
PYTHON
for i in 0 1 2 3 4; do
    cmp -s "photos/files/00000$i-0-1.jpg" "flow/files/map-1-00000$i-0-1.jpg" ||
        fail "variants of photo $i differ from those of the map"
done

rule "run again, every photo comes from the cache"
run 2 run augment:wf "query=*" "photos=$photos" --run-dir kept
expect_status 0
expect_in err "2 succeeded, 5 cached"

rule "photos that the index of a server links to are fetched by URL, and kept by URL for the next run"
mkdir served
cp "$photos/chelsea.jpg" "served/a & b.jpg"
cp "$photos/coffee.jpg" served/c.jpg
touch served/c.txt
mkfifo said
/usr/bin/python3 -u -m http.server 0 --bind 127.0.0.1 --directory served >said 2>requests &
server=$!
trap 'kill "$server"; rm -rf "$scratch"' EXIT
exec {said}<said
read -r line <&"$said" || fail "the server does not start: $(cat requests)"
index=http://127.0.0.1:$(sed 's/.* port \([0-9]*\) .*/\1/' <<<"$line")/
export no_proxy=127.0.0.1
run 2 run augment:wf "query=*" "index=$index" --run-dir fetched --print
expect_status 0
[ "$(grep -o '[^"]*\.jpg' out | wc -l)" -eq 6 ] || fail "there are other variants than six"
run 0 results fetched --map 0
expect_lines out "[\"${index}a%20%26%20b.jpg\",\"${index}c.jpg\"]"
[ "$(grep -c '"GET .*jpg' requests)" -eq 2 ] || fail "fetched more than once: $(cat requests)"
run 0 run augment:wf "query=a &*" "index=$index"
expect_status 0
expect_in err "2 succeeded, 1 cached"

rule "an index is the URL of a folder, and stands for a local one"
run 0 run augment:wf "query=*" "index=${index%/}"
expect_status 1
expect_in err "workflow wf failed: index: expected the URL of a folder, http://HOST/PATH/"
run 0 run augment:wf "query=*" "index=$index" "photos=$photos"
expect_status 1
expect_in err "workflow wf failed: photos and index are given: expected one of them"
run 0 run augment:wf "query=*" "index=${index}none/"
expect_status 1
expect_in err "none/: HTTP 404"

rule "a query that matches nothing fails the workflow and says so"
run 0 run augment "query=*.bmp" "photos=$photos"
expect_status 1
expect_in err 'workflow wf failed: no photo matches "*.bmp"'

rule "a photo that is none fails for good, and says so"
printf 'no photo\n' >broken.jpg
run 2 map augment:data_augment --files "*.jpg" --run-dir broken
expect_status 1
expect_in err "[0]: error:"
[ ! -e broken/files ] || fail "a failed attempt published a file"
exit 0
