#!/usr/bin/env bash
# Completion in bash and in zsh: what a TAB would offer behind a line.
source "$(dirname "$0")/support.sh"
needs zsh --version
pages=$MAPFLEET_BUILD_DIR/pages
PATH=$MAPFLEET_BUILD_DIR/bin:$PATH

# Files to complete, and two runs.
mkdir jobs inputs mapfleet-runs
touch words.txt inputs/a.csv
"$mapfleet" map basics:square --range 0:2 --run-dir mapfleet-runs/one 2>err || fail "no run"
"$mapfleet" map basics:square --range 0:2 --run-dir two 2>err || fail "no run"
ln -s "$MAPFLEET_BUILD_DIR/jobs/basics.so" jobs/mine.so
ln -s "$MAPFLEET_BUILD_DIR/tests/jobs/flows.so" jobs/
export MAPFLEET_JOBS=$PWD/jobs

source "$pages/completion/mapfleet.bash" || fail "mapfleet.bash"

# answers LINE: what bash would offer at its end, sorted, on one line.
answers() {
    COMP_LINE=$1
    COMP_POINT=${#1}
    _mapfleet mapfleet
    printf '%s\n' "${COMPREPLY[@]}" | sort | paste -sd' '
}

# offered LINE ANSWER...: these and no others.
offered() {
    local line=$1 found
    shift
    found=$(answers "$line")
    [ "$found" = "$*" ] || fail "\"$line\": expected \"$*\", found \"$found\""
}

rule "bash completes verbs"
offered "mapfleet ma" map
offered "mapfleet re" $("$mapfleet" --help | sed -n 's/^  \(re[a-z]*\)  .*/\1/p' | sort)
offered "mapfleet help sta" status
offered "mapfleet launch -n 4 ex" exec

rule "bash completes each option that the help of a verb lists, and no other"
for verb in $("$mapfleet" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p'); do
    offered "mapfleet $verb --" \
        $("$mapfleet" "$verb" --help | sed -nE 's/^  (-., )?(--[a-z-]+).*/\2/p' | sort)
done
offered "mapfleet map --retr" --retries --retry-delay
offered "mapfleet launch -n 4 map basics:square --retrie" --retries

rule "bash completes the values of an option that has only some, behind a blank or an equals sign"
offered "mapfleet map --policy " enough run-all stop
offered "mapfleet exec --policy=r" run-all
offered "mapfleet map --print=" json none
offered "mapfleet exec --print=o" ordered
offered "mapfleet results two --state fa" failed
offered "mapfleet results two --state=succeeded,ti" succeeded,timed-out

rule "bash completes files where a file is meant, and folders where a folder is"
offered "mapfleet map basics:square --inputs w" words.txt
offered "mapfleet map basics:square --inputs=inputs/" inputs/a.csv
offered "mapfleet map basics:square --run-dir w"
offered "mapfleet map basics:square --run-dir i" inputs
offered "mapfleet map basics:square --retries "

rule "bash completes jobs by name and by path, and the tasks of a job"
offered "mapfleet map mi" mine:
offered "mapfleet map bas" basics:
offered "mapfleet tasks mi" mine
offered "mapfleet map ./jobs/m" ./jobs/mine.so:
offered "mapfleet map basics:sq" square
offered "mapfleet map ./jobs/mine.so:sq" square
offered "mapfleet map --retries 3 -j 2 basics:sq" square

offered "mapfleet run flows:to" together tolerant total
offered "mapfleet cache " prune stats

rule "bash completes run directories"
offered "mapfleet resume " mapfleet-runs/one two
offered "mapfleet status tw" two
offered "mapfleet results mapfleet-runs/" mapfleet-runs/one

rule "bash completes commands of exec, and the words behind it as files"
offered "mapfleet exec -- gzi" gzip
offered "mapfleet exec -- gzip w" words.txt

rule "zsh completes verbs, options, values, tasks and runs"
mkdir functions
cp "$pages/completion/_mapfleet" functions/
cat >ask.zsh <<'ZSH'
# zsh -f ask.zsh LINE: what the line becomes at a TAB.
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1= PS2=; unsetopt zle_bracketed_paste prompt_cr prompt_sp; fpath=(functions $fpath)
    autoload -Uz compinit; compinit -D -u; zstyle ":completion:*" list-prompt ""; LISTMAX=0
    report() { print -r -- "<<<$BUFFER>>>" >answer.new; mv answer.new answer; BUFFER= }
    zle -N report; bindkey "^O" report; print READ""Y'
zpty -r shell line '*READY*'
for line in "$@"; do
    rm -f answer
    zpty -w -n shell "$line"$'\t\x0f'
    while [[ ! -e answer ]]; do zpty -r -t shell line; zselect -t 2; done
    print -r -- "$(<answer)"
done
zpty -d shell
ZSH
sed -i '2s/^/zmodload zsh\/zselect\n/' ask.zsh
timeout 120 zsh -f ask.zsh "mapfleet stat" "mapfleet map --min-success-r" "mapfleet exec --policy run" \
    "mapfleet map --policy=enou" "mapfleet map basics:shou" "mapfleet status tw" "mapfleet map mi" \
    "mapfleet launch -n 4 map --keep-w" "mapfleet map basics:square --inputs wor" >out 2>err || fail "zsh"
expect_lines out "<<<mapfleet status >>>
<<<mapfleet map --min-success-ratio=>>>
<<<mapfleet exec --policy run-all >>>
<<<mapfleet map --policy=enough >>>
<<<mapfleet map basics:shout >>>
<<<mapfleet status two >>>
<<<mapfleet map mine:>>>
<<<mapfleet launch -n 4 map --keep-workdirs >>>
<<<mapfleet map basics:square --inputs words.txt >>>"
exit 0
