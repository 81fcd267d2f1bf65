#!/usr/bin/env bash
# The job wordcount: its counts are those of tr, sort and uniq, wherever the text is cut.
make_text=$(realpath "$(dirname "$0")/../../jobs/wordcount/make_text")
source "$(dirname "$0")/support.sh"

# What the files hold, as tr, sort and uniq count it: one line of JSON.
expected() {
    LC_ALL=C tr -cs A-Za-z '\n' < <(for file in "$@"; do cat "$file"; echo; done) | sed '/^$/d' |
        LC_ALL=C sort | uniq -c |
        awk '{ printf "%s\"%s\":%d", (NR > 1 ? "," : "{"), $2, $1 } END { print (NR > 0 ? "}" : "{}") }'
}

"$make_text" 600000 >licences
printf 'no end of line: the the' >last
printf '\n\nfirst  second\n\n' >blank
: >empty
tr '\n' ' ' <licences | head -c 50000 >long # one line

rule "--help is made of the parameters and their types"
run 0 run wordcount --help
expect_status 0
expect_in out "block"
expect_in out "How often each word stands in files."

for ranks in 0 3; do
    rule "words of several files are counted, cut into blocks of any size ($ranks ranks)"
    for block in 7001 100000; do
        rm -rf run
        run "$ranks" run wordcount 'files=["licences","last","blank","empty","long"]' \
            block="$block" --run-dir run --print
        expect_status 0
        expect_lines out "$(expected licences last blank empty long)"
    done
done

rule "each byte may begin a block"
rm -rf run
run 0 run wordcount 'files=["last","blank"]' block=1 --run-dir run --print
expect_status 0
expect_lines out "$(expected last blank)"

rule "without words there are no counts"
rm -rf run
run 0 run wordcount 'files=["empty"]' --run-dir run --print
expect_status 0
expect_lines out '{}'

rule "what cannot be is refused"
rm -rf run
run 0 run wordcount 'files=["nothing"]' --run-dir run
expect_status 2
expect_in err "nothing"
run 0 run wordcount 'files=["last"]' block=0 --run-dir run
expect_status 1
expect_in err "block is 0, expected at least 1"
