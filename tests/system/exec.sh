#!/usr/bin/env bash
# mapfleet exec: one command line over many inputs.
source "$(dirname "$0")/support.sh"

# exec ARGUMENT...: alone; leaves out, err and $status.
exec_() {
    run 0 exec --progress none "$@"
}

rule "a command runs once for each input, and prints as it ends"
exec_ -- echo 'x {}' ::: a 'b c' ''
expect_status 0
expect_lines <(sort out) "x 
x a
x b c"

rule "the same on two ranks, in the order of the inputs"
run 2 exec -k --range 0:40 -- echo {}
expect_status 0
expect_lines out "$(seq 0 39)"

rule "lines of text are inputs; blanks in them separate nothing, and empty ones count"
printf 'a b\n\nc\n' >lines
exec_ --inputs lines -k -- printf '<%s>\n' {}
expect_lines out '<a b>
<>
<c>'
printf 'a\tb\nc\td\n' | "$mapfleet" exec --inputs - --colsep '\t' -k -- echo {2}-{1} >out 2>err
expect_lines out 'b-a
d-c'

rule "several ::: make the product, :::+ goes along"
exec_ -k -- echo {} ::: a b ::: 1 2 :::+ x y
expect_lines out 'a 1 x
a 2 y
b 1 x
b 2 y'
exec_ -- echo {} ::: a b :::+ 1
expect_status 2
expect_in err 'side by side, and have 2 and 1 words'

rule "files side by side are records; --bind adds a field to each"
printf '0.1\n0.2\n' >lr.txt
printf '[{"n":1},"s"]' >seed.json
exec_ -k --zip lr=lr.txt --zip seed=seed.json --bind 'who="me"' -- echo {lr} {seed} {who}
expect_lines out '0.1 {"n":1} me
0.2 s me'
printf '1\n' >short.txt
exec_ --zip lr=lr.txt --zip b=short.txt -- echo {lr}
expect_status 2
expect_in err 'lr=lr.txt has 2 elements, and b=short.txt has 1'
exec_ --zip lr=lr.txt --bind lr=1 -- echo {lr}
expect_status 2
expect_in err 'index 0: --bind lr: the element has that field already'

rule "a grid is every combination, the last name fastest, and never listed"
run 0 exec --progress none --run-dir grid -k --grid a=1,2 --grid b:='[3],"x"' -- echo {a} {b}
expect_lines out '1 [3]
1 x
2 [3]
2 x'
run 0 resume grid
expect_lines out '1 [3]
1 x
2 [3]
2 x'
thousand=$(seq -s, 1000)
exec_ --dry-run --grid a="$thousand" --grid b="$thousand" --grid c="$thousand" -- echo {a} {b} {c}
expect_in out 'echo 1 1 10'
exec_ --grid a="$thousand" --grid a=1 -- echo {a}
expect_status 2
expect_in err '--grid: the name a is given twice'

rule "--commands: each line is a command line for the shell"
printf '# a comment\n\necho one; echo two\nfalse\necho $((1 + 1))\n' >commands
exec_ --commands commands -k
expect_status 1
expect_lines out 'one
two
2'
exec_ --commands commands -- echo
expect_status 2
expect_in err '--commands has the command lines'

rule "--shell is bash, and what is put in is quoted"
exec_ --shell -k -- 'f={}; echo "<{}>" ${f%b} | tr a-z A-Z' ::: 'a  b' "it's"
expect_lines out "<A  B> A
<IT'S> IT'S"

rule "a shell's line runs nothing that is in an input, wherever that is put"
texts=('a b' "it's" '$(echo run)' '`echo run`' '"; echo run; "' "'; echo run; '" '; echo run')
while IFS= read -r line; do
    exec_ --shell -k -- "${line//@/$'\n'}" ::: "${texts[@]}"
    expect_lines out "$(printf '%s\n' "${texts[@]}")"
done <<'LINES'
echo "`printf %s {}`"
echo "`printf %s \"{}\"`"
echo `printf "%s" '{}'`
printf '%s\n' $'{}' # it's {}
# don't@echo {}
LINES

rule "a failure leaves the others to run; the exit status is 1"
exec_ -k -- sh -c 'echo {}; exit {}' ::: 0 3 0
expect_status 1
expect_lines out '0
3
0'
expect_in err '[1]: exit: left with exit status 3'

rule "statuses and signals have classes; 137 counts as a kill, and what is listed is permanent"
run 0 exec --progress none --run-dir classes --retries 1 --system-retries 1 --permanent-exit 3 \
    -- sh -c {} ::: 'exit 3' 'exit 4' 'exit 137' 'kill -KILL $$' 'kill -SEGV $$'
expect_status 1
"$mapfleet" results classes --table >table
expect_lines <(python3 -c 'import json
for line in open("table"):
    row = json.loads(line)
    print(row["class"], row["attempts"])') 'exit 1
exit 2
killed 2
killed 2
crash 2'

rule "a command that cannot be started is 126 or 127, a script without #! runs by sh"
printf 'echo by sh $1\n' >script
chmod +x script
cp script own-script
exec_ -- ./script {} ::: a
expect_lines out 'by sh a'
exec_ -- {} ::: ./nothing
expect_in err 'left with exit status 127 (./nothing: No such file or directory)'
exec_ -- {} ::: ./lines
expect_in err 'left with exit status 126'

rule "what is left of a command's process group ends with it"
exec_ --shell -- 'sleep 61.5 & echo {}' ::: a
expect_status 0
pgrep -f 'sleep 61[.]5' >/dev/null && fail "it is still there"

rule "what leaves the group prints into no other output"
cat >heir <<'SCRIPT'
#!/bin/sh
echo "$1"
case $1 in
a) setsid sh -c 'touch up; until [ -e go ]; do sleep 0.02; done; echo late; touch gone' &
    until [ -e up ]; do sleep 0.02; done ;;
b) touch go; until [ -e gone ]; do sleep 0.02; done ;;
esac
SCRIPT
chmod +x heir
exec_ -j 1 -k -- ./heir {} ::: a b
expect_status 0
expect_lines out 'a
b'

rule "an attempt that takes too long gets SIGTERM, and prints what it wrote"
exec_ --timeout 300ms -- sh -c 'trap "echo ended; exit 0" TERM; echo {}; while :; do sleep 0.02; done' ::: a
expect_status 1
expect_lines out 'a
ended'
expect_in err '[0]: timeout: ran longer than its timeout'

rule "one that does not mind SIGTERM is killed"
exec_ --timeout 200ms --grace 400ms --shell -- 'trap "" TERM; echo {}; while :; do sleep 0.02; done' ::: a
expect_status 1
expect_in err '[0]: timeout: ran longer than its timeout'

rule "in the rank itself commands run, too"
exec_ --isolation none -k -- echo {} ::: a b
expect_lines out 'a
b'

rule "outputs: text, JSON, lines, nothing, bytes"
exec_ --print=json --by-env -- printf 'a\n\n' ::: 1
expect_lines out '"a"'
exec_ --print=json --output json -- echo {} ::: '{"a": [1, 2.0]}'
expect_lines out '{"a":[1,2.0]}'
exec_ --print=json --output lines -- printf '%b' {} ::: 'a\nb\n' ''
expect_lines out '["a","b"]
[]'
exec_ --print=json --output none -- echo {} ::: a
expect_lines out null
exec_ --print=json --by-env -- printf '\377' ::: 1
expect_lines out '{"base64":"/w=="}'
exec_ --output json -- echo {} ::: nonsense
expect_status 1
expect_in err '[0]: output: no JSON'
exec_ --output str --by-env -- printf '\377' ::: 1
expect_in err '[0]: output: what it printed is not UTF-8'
exec_ --max-output 10 -- echo {} ::: 01234567890
expect_in err 'printed 12 bytes, more than --max-output allows'

rule "--output-file gives back what the command made in its working directory"
run 0 exec --progress none --run-dir files --output-file '*.txt' --shell -- \
    'cd $MAPFLEET_WORKDIR; echo {} >b.txt; echo 2 >a.txt; echo 3 >c' ::: one
expect_status 0
[ "$("$mapfleet" results files | python3 -c 'import json, sys
for path in json.loads(sys.stdin.readline()): print(open(path).read().strip())')" = "2
one" ] || fail "the files differ"
exec_ --output-file '*.txt' --shell -- 'echo {}' ::: one
expect_in err '[0]: output: it made no file'

rule "inputs also come on standard input and in the environment"
exec_ -k --stdin value -- cat ::: a b
expect_lines out 'a
b'
exec_ --stdin json -- cat ::: 'a"b'
expect_lines out '"a\"b"'
exec_ --zip lr=lr.txt -k -- sh -c 'echo $MF_lr $MAPFLEET_INPUT $MAPFLEET_INDEX'
expect_lines out '0.1 {"lr":"0.1"} 0
0.2 {"lr":"0.2"} 1'
MF_lr=outer exec_ --zip lr=lr.txt -k --by-env -- printenv MF_lr
expect_lines out '0.1
0.2'
[ -z "$(mapfleet= ; "$mapfleet" exec --progress none --shell -- 'cat; echo {} >/dev/null' ::: a 2>err)" ] ||
    fail "standard input is not empty"

rule "text that is not UTF-8 reaches the command as it is"
printf 'a\377b\n' >bytes
exec_ --inputs bytes -- printf '%s' {}
printf 'a\377b' | cmp - out || fail "the bytes differ"

rule "--print=json prints at the end, in order, holes included; none prints nothing"
exec_ --print -- sh -c '[ {} != b ] && echo {}' ::: a b c
expect_lines out '"a"
null
"c"'
exec_ --print=none -- echo {} ::: a
[ ! -s out ] || fail "something was printed"

rule "who closes the pipe ends the printing, not the run"
"$mapfleet" exec --progress none --run-dir piped --range 0:60 -- echo {} 2>err | head -1 >/dev/null
[ "$("$mapfleet" results piped | wc -l)" -eq 60 ] || fail "not all ran"

rule "who does not read holds nothing up, and gets all of it"
mkfifo pipe
"$mapfleet" exec --progress none --run-dir unread --range 0:40 -- head -c 100000 /dev/zero >pipe 2>err &
process=$!
exec 3<pipe
wait_for unread/run.json
wait_for_line unread/run.json '"state": "succeeded"'
[ "$(cat <&3 | wc -c)" -eq 4000000 ] || fail "something is missing"
exec 3<&-
wait "$process" || fail "exit status $?"

rule "--dry-run prints ten lines that a shell reads back, and makes no folder"
exec_ --dry-run --run-dir dry --range 0:12 -- echo {#} 'a b' "it's {}"
expect_status 0
[ "$(wc -l <out)" -eq 10 ] || fail "not ten lines"
expect_in out "echo 1 'a b' 'it'\\''s 0'"
[ "$(sh out | head -1)" = "1 a b it's 0" ] || fail "a shell reads something else"
[ ! -e dry ] || fail "there is a folder"

rule "the default folder has the command's name"
exec_ -- /bin/echo {} ::: a
ls -d mapfleet-runs/exec-echo-* >/dev/null || fail "no such folder"

rule "what is wrong is refused before anything starts"
while IFS='|' read -r line text; do
    eval "exec_ $line" </dev/null
    expect_status 2
    expect_in err "$text"
    [ ! -s out ] || fail "something ran"
done <<'REFUSALS'
-- echo ::: a|the command has no placeholder
-- no-such-command {} ::: a|the command no-such-command is not found
-- own-script {} ::: a|./own-script runs it
-- "echo {}" ::: a|--shell runs a whole line
"" {} ::: a|the command is an empty word
--files own-script script -- echo {}|quote the glob of --files
-- echo {}|no inputs: give ::: A B
--range 0:3 --files "*" -- echo {}|two sources of inputs
-- echo {2} ::: a|index 0: {2}: the input is one value
--zip lr=lr.txt -- echo {rate}|index 0: {rate}: the input has no such field; it has lr
--range 0:3 -- echo {name}|the input is no record
-- echo "{= $_++ =}" ::: a|Perl
-k --halt now -- echo {} ::: a|--policy stop
--joblog x -- echo {} ::: a|--table
-j 0 -- echo {} ::: a|--slots: "0"
--permanent-exit 0 -- echo {} ::: a|expected exit statuses from 1 to 255
--output str --output-file x -- echo {} ::: a|both say what the output is
--bind a=1 -- echo {}|there are none
--inputs lr.txt --bind a=1 -- echo {}|--bind adds a field to records
-- echo {} :::: lr.txt|--inputs FILE
--print=tape -- echo {} ::: a|expected live, ordered, json or none
REFUSALS

rule "a run of commands is resumed by its folder alone, and prints in order from where it stopped"
mkdir gate
cat >wait <<'SCRIPT'
#!/bin/sh
echo "$1"
case $1 in 2) [ -e open ] || { touch gate/here; kill -TERM $(cat pid); sleep 30; } ;; esac
SCRIPT
chmod +x wait
"$mapfleet" exec --progress none --run-dir stopped -k -j 1 --grace 0 --cache use -- ./wait {} ::: 0 1 2 3 >out 2>err &
echo $! >pid.new && mv pid.new pid
wait $!
status=$?
expect_status 75
expect_lines out '0
1'
touch open
run 0 resume stopped --progress none
expect_status 0
expect_lines out '2
3'
run 0 resume stopped --print
expect_lines out '"0"
"1"
"2"
"3"'
run 0 exec --run-dir stopped --resume -- ./wait x{} ::: 0 1 2 3
expect_status 2
expect_in err 'cannot be resumed with another command'

rule "what a resumed run gave is kept under the command that it was started with"
exec_ --cache use -- ./wait {} ::: 0 1 2 3
expect_in err '4 cached'

rule "with --cache use nothing runs twice, by the words of the line"
exec_ --cache use -k --shell -- 'echo {}; echo >>ran' ::: a b a
expect_lines out 'a
b
a'
[ "$(wc -l <ran)" -eq 2 ] || fail "equal inputs ran twice"
exec_ --cache use -k --shell -- 'echo {}; echo >>ran' ::: b
expect_lines out b
[ "$(wc -l <ran)" -eq 2 ] || fail "it ran again"
exec_ --cache use -k --shell --output str -- 'echo {}; echo >>ran' ::: b
[ "$(wc -l <ran)" -eq 3 ] || fail "--output is in the key"
exec_ --cache use -k --shell -- 'echo {#} {}; echo >>ran' ::: c c
expect_lines out '1 c
2 c'
[ "$(wc -l <ran)" -eq 5 ] || fail "equal inputs at different places are equal"
exec_ --cache use -k --shell -- 'echo {#} {}; echo >>ran' ::: c
expect_lines out '1 c'
[ "$(wc -l <ran)" -eq 5 ] || fail "it ran again"

rule "bytes that come from the cache are as they were printed"
for start in first second; do
    exec_ --cache use --shell -- 'printf "\377%s\n" {}' ::: a
    printf '\377a\n' | cmp - out || fail "the $start time, the bytes differ"
done

rule "a path of --files is known by its content, too"
mkdir -p kept/c && echo 1 >kept/a && echo 2 >kept/b && mkfifo kept/d
look() { exec_ --cache use --files 'kept/*' --shell -- 'echo {} >>seen'; }
look && look
expect_lines <(sort seen) 'kept/a
kept/b
kept/c
kept/d'
echo 3 >kept/b && touch kept/c/new
look && look
expect_lines <(sort seen) 'kept/a
kept/b
kept/b
kept/c
kept/c
kept/d'
