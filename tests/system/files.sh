#!/usr/bin/env bash
# Files of inputs by http, from a server that misbehaves in every way (file_server.py), and files that
# are given back. What a server was asked for stands in served/requests.
here=$(realpath "$(dirname "$0")")
source "$here/support.sh"

job=$MAPFLEET_BUILD_DIR/tests/jobs/fetched.so
export TMPDIR=$scratch/tmp # where what is fetched is kept
mkdir -p served/put served/versions "$TMPDIR"
/usr/bin/python3 "$here/file_server.py" served 2>server-errors &
server=$!
trap 'kill "$server"; rm -rf "$scratch"' EXIT
wait_for served/port
base=http://127.0.0.1:$(cat served/port)
runs=0

# fetch RANKS TASK [OPTION...]: a map over the URLs in `urls`, a path of the server each, in a run
# directory of its own, $dir.
fetch() {
    local ranks=$1 task=$2
    shift 2
    runs=$((runs + 1))
    dir=run-$runs
    rm -f seen served/requests
    touch seen served/requests
    sed "s|^/|$base/|" urls >inputs.txt
    run "$ranks" map "$job:$task" --inputs inputs.txt --run-dir "$dir" --print "$@"
}

# expect_asked COUNT TEXT: so many requests hold the text.
expect_asked() {
    local asked
    asked=$(grep -cE -- "$2" served/requests)
    [ "$asked" -eq "$1" ] || fail "asked $asked times for $2, expected $1: $(cat served/requests)"
}

expect_store_gone() {
    [ -z "$(ls -A "$TMPDIR")" ] || fail "left in the temporary folder: $(ls -A "$TMPDIR")"
}

rule "a file is fetched once for all attempts and ranks of a node, and the store goes with the run"
for _ in $(seq 12); do echo /good/100000/a.dat; done >urls
fetch 3 size --slots 2 --unit-size 1
expect_status 0
expect_lines out "$(for _ in $(seq 12); do echo 100000; done)"
expect_asked 1 "GET /good/100000/a.dat 200"
expect_asked 1 "."
[ "$(wc -l <seen)" -eq 12 ] || fail "not every instance has seen it"
grep -q '/a\.dat$' seen || fail "its name is another: $(head -1 seen)"
expect_store_gone

rule "a server that fails three of ten requests: every retry succeeds, and no half file is seen"
for i in $(seq 40); do echo "/some/$((20000 + i))/$i.dat"; done >urls
fetch 3 size --slots 2 --retries 3
expect_status 0
expect_lines out "$(for i in $(seq 40); do echo $((20000 + i)); done)"
expect_not_in out HALF
grep -qE " (503|reset) " served/requests || fail "the server has not failed at all"

rule "what was cut short goes on where it ended, where its server tells that it is the same"
printf '%s\n' /cut/90000/a /torn/90000/b >urls
fetch 0 size
expect_status 0
expect_lines out $'90000\n90000'
expect_asked 1 "GET /cut/90000/a 206 bytes=30000-"
expect_asked 3 "GET /cut/90000/a "
expect_asked 3 "GET /torn/90000/b 200 -"

rule "a server that says when it wants to be asked again is not asked before"
printf '%s\n' /later/400/a >urls
fetch 0 size
expect_status 0
expect_asked 1 "/later/400/a 429"
expect_asked 1 "/later/400/a 200"
expect_asked 2 "."

rule "a digest that the server tells is checked"
printf '%s\n' /digest/5000/a >urls
fetch 0 size
expect_status 0
expect_asked 2 "GET /digest/5000/a 200"

rule "what cannot be had is a failure of its attempt that says what the server did"
printf '%s\n' /error/404/a /error/403/b /loop/c /long/3000/d /baddigest/300/f /good/300/g >urls
MAPFLEET_FETCH_TRIES=2 fetch 0 size --policy run-all --slots 4
expect_status 1
expect_lines out $'null\nnull\nnull\nnull\nnull\n300'
"$mapfleet" results "$dir" --table >table
expect_in table "$base/error/404/a: HTTP 404"
expect_in table "$base/error/403/b: HTTP 403"
expect_in table "$base/loop/c: more than 8 redirects"
expect_in table "$base/long/3000/d: "
expect_in table "$base/baddigest/300/f: what came has another sha256 than the server says (2 tries)"
expect_asked 1 "/error/404/a"
expect_lines <(wc -l <seen) 1
expect_store_gone

rule "a redirect leads to servers alone, and takes no password to another one"
other=localhost:${base##*:}
printf '%s\n' "http://me:hush@${base#http://}/to/http%3A%2F%2F$other/told/200/a" \
    "http://me:hush@${base#http://}/told/300/b" /to/file%3A%2F%2F%2Fetc%2Fpasswd \
    /to/ftp%3A%2F%2F127.0.0.1/c >urls
MAPFLEET_FETCH_TRIES=1 fetch 0 size --policy run-all
expect_status 1
expect_lines out $'200\n300\nnull\nnull'
expect_lines <(sort served/told) $'/told/200/a -\n/told/300/b Basic bWU6aHVzaA=='

rule "an answer without a content is no empty file"
printf '%s\n' /error/204/a /error/202/b /good/0/c >urls
MAPFLEET_FETCH_TRIES=1 fetch 0 size --policy run-all
expect_status 1
expect_in err "$base/error/204/a: HTTP 204, and no content"
expect_in err "$base/error/202/b: HTTP 202, and no content"
expect_in err "HALF A FILE" # the empty one has come

rule "nothing is told of passwords and queries"
printf '%s\n' "http://me:hush@${base#http://}/error/404/a?token=hush" >urls
fetch 0 size
expect_status 1
expect_in err "$base/error/404/a?...: HTTP 404"
expect_not_in err hush

rule "a scheme that is not supported is refused with its line, before anything starts"
printf '%s\n' /good/1/a ftp://host/b >urls
fetch 0 size
expect_status 2
expect_in err 'inputs.txt:2: index 1: ftp://host/b: the scheme "ftp" is not supported'
[ ! -e "$dir" ] || fail "a run directory was made"

rule "s3 without credentials is refused with the variables that are missing"
printf '%s\n' s3://bucket/key >urls
AWS_SECRET_ACCESS_KEY=hush fetch 0 size
expect_status 2
expect_in err "inputs.txt:1: index 0: no credentials for s3: AWS_ACCESS_KEY_ID is not set"
expect_not_in err hush
printf '%s\n' /good/1/a >urls
fetch 0 copy --files-to s3://bucket/prefix
expect_status 2
expect_in err "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set"

rule "a server that sends nothing more is given up, and its time is not the attempt's"
printf '%s\n' /stall/3000/a >urls
MAPFLEET_FETCH_STALL=2s MAPFLEET_FETCH_TRIES=2 fetch 0 size --timeout 1s
expect_status 1
expect_in err "[0]: error: $base/stall/3000/a: nothing came for 2 s (2 tries)"
expect_asked 2 "/stall/3000/a"

rule "a downloader that is killed leaves no lock and no half file"
printf '%s\n' /stall/300000/a >urls
rm -f served/requests
sed "s|^/|$base/|" urls >inputs.txt
MAPFLEET_FILES_DIR=$scratch/kept start 0 map "$job:size" \
    --inputs inputs.txt --run-dir killed
wait_for_line served/requests stall
pkill -KILL -P "$process" # its zygote, and with it the executor
kill -KILL "$process"
wait "$process" 2>wait-errors
expect_nothing_left
[ -z "$(ls -A kept/entries)" ] || fail "half a file is kept"
printf '%s\n' /good/1000/a >urls
MAPFLEET_FILES_DIR=$scratch/kept fetch 0 size
expect_status 0
printf '%s\n' /stall/300000/a >urls # of which nobody holds the place any more
MAPFLEET_FETCH_STALL=1s MAPFLEET_FETCH_TRIES=1 MAPFLEET_FILES_DIR=$scratch/kept fetch 0 size
expect_status 1
expect_in err "nothing came for 1 s"

rule "a folder for what is fetched is kept, bounded, and asked for changes only"
for i in $(seq 8); do echo "/good/50000/$i.dat"; done >urls
export MAPFLEET_FILES_DIR=$scratch/store MAPFLEET_FILES_SIZE=220K
fetch 0 size --slots 2
expect_status 0
[ "$(du -sb --apparent-size store/entries | cut -f1)" -lt 300000 ] || fail "it is not bounded"
expect_lines <(stat -c %a store) 700
sed -n 8p urls >last && mv last urls
fetch 0 size
expect_status 0
expect_asked 1 "GET /good/50000/8.dat 304"
expect_asked 1 "."
printf '%s\n' /good/500000/large.dat >urls
fetch 0 size
expect_status 1
expect_in err "at most 220 kB are kept in $scratch/store: MAPFLEET_FILES_SIZE"

rule "what has no end is not kept, either, and given up once it is larger than all that is"
printf '%s\n' /endless/a /endless/b >urls
fetch 0 size
expect_status 1
expect_in err "at most 220 kB are kept in $scratch/store: MAPFLEET_FILES_SIZE"
[ "$(du -s --block-size=1 store | cut -f1)" -lt 500000 ] || fail "it is not bounded"

rule "while attempts run, the files of the next ones are fetched, each once"
for i in 1 2 3 4; do echo "/good/1000/$i.dat"; done >urls
for ranks in 0 3; do
    rm -f go seen served/requests
    (for i in $(seq $((ranks == 0 ? 2 : 4))); do # that nobody asks for before `go`, but ahead
        wait_for_line served/requests "/good/1000/$i.dat"
    done
    touch go) &
    fetch "$ranks" hold --slots 1 --unit-size 1
    wait $! || fail "nothing was fetched ahead"
    expect_status 0
    expect_lines out $'1000\n1000\n1000\n1000'
    expect_asked 4 "."
done

rule "what is in use is not thrown out"
printf '%s\n' /good/150000/1.dat /good/150000/2.dat >urls
rm -f go seen served/requests
(wait_for_content served/requests
    until [ "$(wc -l <seen)" -eq 2 ]; do sleep 0.05; done
    touch go) &
fetch 0 hold --slots 2
wait $!
expect_status 0
unset MAPFLEET_FILES_DIR MAPFLEET_FILES_SIZE

rule "files that are given back go to a folder, with their endings, and never over another run's"
printf '%s\n' /good/700/a.jpg /good/800/b.tar >urls
fetch 0 copy --files-to given/back/
expect_status 0
expect_lines <(sed -E 's/-[0-9a-f]{8}\./-TAG./' out) \
    "$(printf '"%s"\n' "$scratch/given/back/000000-0-1-TAG.jpg" "$scratch/given/back/000001-0-1-TAG.tar")"
expect_lines <(stat -c %s given/back/*) $'700\n800'
fetch 3 copy --files-to "$scratch/given/back"
expect_status 0
expect_lines <(stat -c %s given/back/* | sort) $'700\n700\n800\n800'

rule "they go to a server by PUT, where its failures are tried again"
fetch 3 copy --files-to "$base/put/shaky/"
expect_status 0
expect_lines <(sed -E 's/-[0-9a-f]{8}\./-TAG./' out) \
    "$(printf '"%s"\n' "$base/put/shaky/000000-0-1-TAG.jpg" "$base/put/shaky/000001-0-1-TAG.tar")"
expect_lines <(stat -c %s served/put/shaky/* | sort) $'700\n800'
expect_asked 2 "PUT .*jpg 503|PUT .*tar 503"
expect_store_gone

rule "what was given back by URL is an input of the next map"
sed 's/"//g' out >urls
fetch 0 size
expect_status 0
expect_lines out $'700\n800'

rule "what one map of a workflow gives back by URL is fetched for the next"
run 3 run "$job:measure" "files=[\"$base/good/500/x.jpg\",\"$base/good/600/y.jpg\"]" \
    --files-to "$base/put/flow" --run-dir flow --print
expect_status 0
expect_lines out "[500,600]"
expect_lines <(ls served/put/flow | sed -E 's/-[0-9a-f]{8}\./-TAG./') \
    $'000000-0-1-TAG.jpg\n000001-0-1-TAG.jpg'
expect_store_gone

rule "files that commands have made go there, too"
run 0 exec --output-file '*.txt' --files-to "$base/put/exec" --run-dir commands --shell -- \
    'echo {} >"$MAPFLEET_WORKDIR/made.txt"' ::: one two
expect_status 0
"$mapfleet" results commands >out
expect_lines <(sed -E 's/-[0-9a-f]{8}\./-TAG./' out) "$(printf '["%s"]\n' \
    "$base/put/exec/000000-0-1-TAG.txt" "$base/put/exec/000001-0-1-TAG.txt")"
expect_lines <(cat served/put/exec/*) $'one\ntwo'

rule "an attempt that fails publishes nothing"
fetch 0 lose --files-to lost
expect_status 1
expect_in err "second.txt: No such file"
[ ! -e lost ] || fail "lost: $(ls lost)"
fetch 0 copy --files-to "$base/error"
expect_status 1
expect_in err "HTTP 403"

rule "a place for files that can be none is refused"
touch plain
for place in plain '' "$base/put?x=1" gs://bucket/x "http://me:hush@${base#http://}/put"; do
    fetch 0 copy --files-to "$place"
    expect_status 2
    expect_in err "--files-to: "
    expect_not_in err hush
done

rule "outputs are found again while the server says that its file is the same"
printf '300\n' >served/versions/v
head -c 300 /dev/zero >>served/versions/v
truncate -s 300 served/versions/v
printf '%s\n' /versions/v >urls
fetch 0 kept
expect_status 0
expect_lines <(wc -l <seen) 1
fetch 0 kept
expect_status 0
expect_lines out 300
expect_lines <(wc -l <seen) 0
expect_asked 0 GET
printf '301\n' >served/versions/v
truncate -s 301 served/versions/v
fetch 0 kept
expect_status 0
expect_lines out 301
expect_lines <(wc -l <seen) 1

rule "many are asked for at once, each once before the map and once when its output is kept"
for i in $(seq 40); do echo "/good/$((100 + i))/$i"; echo "/good/$((100 + i))/$i"; done >urls
fetch 0 kept
expect_status 0
expect_in err "40 succeeded, 40 cached"
expect_asked 80 HEAD
expect_asked 40 GET
fetch 3 kept
expect_status 0
expect_in err "80 cached"
expect_asked 40 HEAD
expect_asked 0 GET

rule "outputs of what a server tells nothing of are not kept"
printf '%s\n' /plain/400/p >urls
fetch 0 kept
expect_status 0
expect_in err "the server gives neither ETag nor size and Last-Modified"
fetch 0 kept
expect_status 0
expect_lines <(wc -l <seen) 1

rule "where the disk is full, what nobody uses makes room, and what has none at all leaves it to others"
mkdir small
if mount -t tmpfs -o size=300k tmpfs small 2>/dev/null; then
    trap 'kill "$server"; umount "$scratch/small"; rm -rf "$scratch"' EXIT
    printf '%s\n' /good/200000/a /good/250000/b /good/400000/c >urls
    for again in 1 2; do # where the third had its part last, and then it is there from the start
        MAPFLEET_FILES_DIR=$scratch/small/kept MAPFLEET_FILES_SIZE=10M fetch 0 size --slots 1 \
            --policy run-all
        expect_status 1
        expect_lines out $'200000\n250000\nnull'
        expect_in err "[2]: error: no room in $scratch/small/kept: $base/good/400000/c: No space left"
    done
    umount small
else
    echo "no file system may be mounted here"
fi
trap 'kill "$server"; rm -rf "$scratch"' EXIT
exit 0
