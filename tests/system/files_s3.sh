#!/usr/bin/env bash
# The same by s3, from a server that checks signatures (file_server.py).
here=$(realpath "$(dirname "$0")")
source "$here/support.sh"

job=$MAPFLEET_BUILD_DIR/tests/jobs/fetched.so
export TMPDIR=$scratch/tmp
export MAPFLEET_FETCH_TRIES=2
mkdir -p served/s3/bucket "$TMPDIR"
/usr/bin/python3 "$here/file_server.py" served 2>server-errors &
server=$!
trap 'kill "$server"; rm -rf "$scratch"' EXIT
wait_for served/port
export AWS_ENDPOINT_URL=http://127.0.0.1:$(cat served/port)/s3
export AWS_ACCESS_KEY_ID=test-id AWS_SECRET_ACCESS_KEY=test/secret+key AWS_REGION=eu-central-1
bucket=served/s3/bucket
runs=0

# make KEY BYTES: an object.
make() {
    mkdir -p "$(dirname "$bucket/$1")"
    echo "$2" >"$bucket/$1"
    truncate -s "$2" "$bucket/$1"
}

# fetch RANKS TASK [OPTION...]: a map over the lines of `urls`.
fetch() {
    local ranks=$1 task=$2
    shift 2
    runs=$((runs + 1))
    rm -f seen served/requests
    run "$ranks" map "$job:$task" --inputs urls --input-format txt --run-dir "run-$runs" --print "$@"
}

rule "objects come by their keys, whatever characters these have, and go back under a prefix"
make photos/a.jpg 1000
make 'photos/b c+d&é?#%41.jpg' 2000
make photos/deep/e.jpg 3000
printf '%s\n' s3://bucket/photos/a.jpg 's3://bucket/photos/b c+d&é?#%41.jpg' \
    s3://bucket/photos/deep/e.jpg >urls
fetch 3 copy --files-to s3://bucket/copies
expect_status 0
expect_lines <(sed -E 's/-[0-9a-f]{8}\./-TAG./' out) "$(printf '"s3://bucket/copies/%s-TAG.jpg"\n' \
    000000-0-1 000001-0-1 000002-0-1)"
i=0
while read -r copy; do
    i=$((i + 1))
    original=$bucket/$(sed -n "$i"p urls | cut -d/ -f4-)
    cmp "$original" "$bucket/$(tr -d '"' <<<"$copy" | cut -d/ -f4-)" || fail "$copy differs"
done <out
cp out copies

rule "what is larger than a part is put in parts, and nothing is left of them"
make large.dat 200000
mkdir served/uploads
printf '%s\n' s3://bucket/large.dat >urls
for prefix in parts shaky; do
    MAPFLEET_PUT_PART=64Ki fetch 0 copy --files-to "s3://bucket/$prefix"
    expect_status 0
    cmp "$bucket/large.dat" "$bucket/$prefix"/000000-0-1-*.dat || fail "it differs"
    [ "$(grep -c "PUT .*partNumber=.* 200" served/requests)" -eq 4 ] || fail "not four parts"
    [ -z "$(find served/uploads -name 0000?)" ] || fail "parts are left"
done
grep -q "POST .*uploadId=.* lost" served/requests || fail "the last answer was not lost"
cp out large
MAPFLEET_PUT_PART=64Ki fetch 0 copy --files-to s3://bucket/refused
expect_status 1
expect_in err "HTTP 403 (Refused)"
grep -q "DELETE .*uploadId=.* 204" served/requests || fail "it was not dropped"
[ -z "$(find served/uploads -name 0000?)" ] || fail "parts are left"
[ ! -e "$bucket/refused" ] || fail "something has appeared"
MAPFLEET_PUT_PART=1Ki fetch 0 copy --files-to s3://bucket/parts
expect_status 2
expect_in err 'MAPFLEET_PUT_PART: "1Ki": expected a size from 64Ki to 5Gi'

rule "what came in parts is fetched as any other"
tr -d '"' <large >urls
fetch 0 size
expect_status 0
expect_lines out 200000

rule "what was put is the input of the next map"
tr -d '"' <copies >urls
fetch 0 size
expect_status 0
expect_lines out $'1000\n2000\n3000'

rule "a prefix is a dir, with all below it, also where the listing has several pages"
make tree/one 10
make tree/two/three 20
make tree/two/four 30
make tree/five 40
make 'tree/six/seven 7+%/eight' 50
make treehouse 60
printf '%s\n' s3://bucket/tree s3://bucket/tree/ >urls
fetch 0 names
expect_status 0
expect_lines out '["five","one","six/seven 7+%/eight","two/four","two/three"]
["five","one","six/seven 7+%/eight","two/four","two/three"]'

rule "a key that would lead out of its folder is refused"
printf escape >served/hostile
printf '%s\n' s3://bucket/tree >urls
fetch 0 names
expect_status 1
expect_in err 'the key "tree/../../escaped" can be no path below a folder'
[ -z "$(find "$scratch" -name escaped)" ] || fail "it has escaped"

rule "a listing that does not say how it goes on is not taken for a whole one"
for how in mute loop; do
    printf '%s' "$how" >served/hostile
    fetch 0 names
    expect_status 1
    expect_in err "s3://bucket/tree: the listing is malformed: it does not say how it goes on"
done
rm served/hostile

rule "a key with dots for a part is not that of the object which it would be a path to"
printf '%s\n' s3://bucket/tree/two/../one >urls
fetch 0 size
expect_status 1

rule "a prefix with nothing below it, an object and a bucket that are not there, say so"
printf '%s\n' s3://bucket/nothing/ s3://other/x/ >urls
fetch 0 names --policy run-all
expect_status 1
expect_in err "s3://bucket/nothing/: there is nothing below it"
expect_in err "s3://other/x/: HTTP 404 (NoSuchBucket)"
printf '%s\n' s3://bucket/missing >urls
fetch 0 size
expect_status 1
expect_in err "s3://bucket/missing: HTTP 404 (NoSuchKey)"

rule "keys of a session come with its token, which is never shown"
printf '%s\n' s3://bucket/photos/a.jpg >urls
export AWS_SESSION_TOKEN=token/of+a=session
AWS_ACCESS_KEY_ID=temporary-id AWS_SECRET_ACCESS_KEY=other fetch 3 copy --files-to s3://bucket/copies
expect_status 0
AWS_SESSION_TOKEN=hush AWS_ACCESS_KEY_ID=temporary-id AWS_SECRET_ACCESS_KEY=other fetch 0 size
expect_status 1
expect_in err "HTTP 403 (ExpiredToken)"
expect_not_in err hush
unset AWS_SESSION_TOKEN

rule "wrong keys are told as the server does, and never shown"
printf '%s\n' s3://bucket/photos/a.jpg >urls
AWS_SECRET_ACCESS_KEY=wrong-secret fetch 0 size
expect_status 1
expect_in err "HTTP 403 (SignatureDoesNotMatch)"
expect_not_in err wrong-secret
AWS_ACCESS_KEY_ID=nobody fetch 0 copy --files-to s3://bucket/copies
expect_status 1
expect_in err "HTTP 403 (InvalidAccessKeyId)"
for file in "run-$runs"/*; do
    [ ! -f "$file" ] || ! grep -q test/secret "$file" || fail "a secret is in $file"
done
