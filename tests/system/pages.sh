#!/usr/bin/env bash
# What the build makes of the table of options: man pages, and completion for bash and zsh.
source "$(dirname "$0")/support.sh"
needs command -v mandoc
pages=$MAPFLEET_BUILD_DIR/pages
verbs=$("$mapfleet" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p')
[ "$(wc -w <<<"$verbs")" -ge 9 ] || fail "the overview names too few verbs: $verbs"

# options_of VERB: as its help lists them, a line each.
options_of() {
    "$mapfleet" "$1" --help | sed -nE 's/^  (-., )?(--[a-z-]+).*/\2/p' | sort -u
}

rule "there is a man page for the program and for each verb, and no reader of them complains"
for page in mapfleet $(printf 'mapfleet-%s ' $verbs); do
    mandoc -Tlint -Wwarning "$pages/man/$page.1" >out 2>&1 || fail "$page.1"
    [ ! -s out ] || fail "$page.1"
done

rule "a verb's page has its name, its example, and each option of its help"
for verb in $verbs; do
    mandoc -Tascii "$pages/man/mapfleet-$verb.1" | sed 's/.\x08//g' >out || fail "$verb"
    expect_in out "mapfleet-$verb - "
    expect_in out "$("$mapfleet" "$verb" --help | sed -n '2s/^ *//p')"
    diff <(options_of "$verb") \
        <(sed -nE 's/^       (-., )?(--[a-z-]+).*/\2/p' out | sort -u) >difference ||
        fail "$verb: $(cat difference)"
done

rule "a help shows an example first"
for verb in $verbs; do
    "$mapfleet" "$verb" --help | head -2 >out
    [ "$(head -1 out)" = "Example:" ] || fail "$verb"
    expect_in out "mapfleet"
done
exit 0
