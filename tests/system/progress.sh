# What is seen of a run while it runs.
source "$(dirname "$0")/support.sh"

terminal() { tmux -f /dev/null -S "$scratch/terminal" "$@"; }
trap 'terminal kill-server 2>/dev/null; rm -rf "$scratch"' EXIT

# type_line TEXT: into the shell of the terminal.
type_line() { terminal send-keys -l "$1" && terminal send-keys Enter; }

screen() { terminal capture-pane -p >screen; }

# until_screen COMMAND...: until the command holds for what is on the screen, in the file `screen`.
until_screen() {
    for _ in $(seq 600); do
        screen
        "$@" <screen && return
        sleep 0.05
    done
    fail "the screen never came to this: $*: $(cat screen)"
}

last_line_is() { grep . | tail -n 1 | grep -qE -- "$1"; }

# Lines that commands have printed are whole, and nothing of the bar is beside them.
expect_whole_lines() {
    ! head -n -1 screen | grep -E 'line|busy|of 12 done' | grep -vE '^line [0-9]+$' ||
        fail "torn: $(cat screen)"
}

# Waits until its file is there, which the test makes.
cat >step <<'SCRIPT'
#!/bin/sh
until [ -e "go-$1" ]; do sleep 0.05; done
echo "line $1"
[ "$1" != 3 ]
SCRIPT
chmod +x step

rule "behind mpirun a line at the bottom of the terminal tells how the run stands"
terminal new-session -d -x 110 -y 12 -c "$scratch" 'exec bash --norc --noprofile'
type_line "PS1='ready> '; clear"
until_screen grep -q '^ready>'
type_line "mpirun -q -n 3 '$mapfleet' exec --run-dir seen --slots 1 -- ./step {} ::: $(seq -s ' ' 12)"
until_screen last_line_is '^  0% \[ *\]  0 of 12 done  2 of 2 slots busy$'

rule "what commands print scrolls above it, and it counts on in its place"
for i in $(seq 8); do touch "go-$i"; done
until_screen last_line_is ' 8 of 12 done .*2 of 2 slots busy  1 failed$'
until_screen grep -q '^line 8$'
expect_whole_lines
[ "$(grep -c ' of 12 done' screen)" -eq 1 ] || fail "more than one line of it: $(cat screen)"

rule "it moves with the terminal's size, and says less where there is less room"
terminal resize-window -x 50 -y 9
until_screen last_line_is '^ 66%  8 of 12 done'
until_screen sh -c '[ "$(grep -c " of 12 done")" -eq 1 ]'
touch go-9
until_screen grep -q '^line 9$'
expect_whole_lines
terminal resize-window -x 120 -y 20
until_screen sh -c 'sed -n 20p | grep -q "^ 75% .* 9 of 12 done .*busy"'
touch go-10
until_screen grep -q '^line 10$'
expect_whole_lines
until_screen sh -c '[ "$(grep -c " of 12 done")" -eq 1 ]'

rule "at the end the terminal has all of its lines again"
touch go-11 go-12
until_screen last_line_is '^ready>'
! grep -q ' of 12 done' screen || fail "the line stayed: $(cat screen)"
grep -q '^mapfleet: exec failed: 11 succeeded, 1 failed' screen || fail "no end: $(cat screen)"
type_line 'clear; seq 101 119'
until_screen sh -c 'sed -n 1p | grep -q "^101$" && sed -n 20p screen | grep -q "^ready>"'

rule "in the background nothing is drawn, and in front it is"
rm go-*
type_line "clear; '$mapfleet' exec --run-dir behind -j 1 -- ./step {} ::: 1 2 2>&1 &"
wait_for behind/log.lz4
type_line 'echo typed'
until_screen grep -q '^typed$'
! grep -q ' of 2 done' screen || fail "drawn in the background: $(cat screen)"
type_line 'fg'
until_screen last_line_is ' 0 of 2 done  1 of 1 slots busy$'
touch go-1 go-2
until_screen last_line_is '^ready>'
terminal kill-server

rule "json is an object every second, and one at the end, on standard error"
run 3 map basics:square --range 0:50 --progress json --run-dir json
expect_status 0
grep '^{' err >objects
python3 - <<'PYTHON' || fail "the objects: $(cat objects)"
import json
objects = [json.loads(line) for line in open("objects")]
last = objects[-1]
assert last["state"] == "succeeded" and last["done"] == last["succeeded"] == last["size"] == 50, last
assert last["ranks"] == 2 and last["ranks_lost"] == 0 and last["ends_in"] is None, last
assert all(one["state"] == "running" for one in objects[:-1]), objects
PYTHON
run 0 exec --progress json --run-dir failing -- false {} ::: 1
expect_status 1
grep '^{' err | tail -n 1 | grep -q '"state":"failed","size":1,"done":1,"succeeded":0' || fail "no end"

rule "plain lines are for where there is no terminal"
: >go-1
"$mapfleet" exec --run-dir plain -j 1 -- ./step {} ::: 1 4 >out 2>err </dev/null &
process=$!
wait_for_line err 'mapfleet: 1 of 2 done'
touch go-4
finish
expect_status 0
expect_not_in err $'\033'

rule "a bar that cannot be drawn is refused, none shows nothing"
run 2 exec --progress bar --run-dir no -- true {} ::: 1
expect_status 2
expect_in err '--progress bar: standard error, or that of mpirun, is no terminal'
[ ! -e no ] || fail "it began"
run 0 exec --progress none --run-dir quiet -- true {} ::: 1
expect_status 0
expect_not_in err ' done'
