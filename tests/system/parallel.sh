#!/usr/bin/env bash
# Lines of GNU Parallel's manual and tutorial, brought over: the same output, in the same order.
examples=$(cd "$(dirname "$0")" && pwd)/parallel_examples.txt
source "$(dirname "$0")/support.sh"

printf 'A\nB\nC\n' >abc-file
printf 'D\nE\nF\n' >def-file
printf 'f1\tf2\nA\tB\nC\tD\n' >tsv-file.tsv
printf 'A\tB\nC\tD\n' >tsv-file.txt
printf 'echo foo\nexpr 3 + 4\n' >commands2
mkdir glob
printf '12' >glob/a.txt
printf '123' >glob/b.txt
my_func() { echo "in my_func $1"; }
export -f my_func

# The words of ours are a shell's, as people type them.
check_example() { # check_example TITLE OURS: the expected output is in the file expected
    rule "$1"
    eval "timeout -k 2 60 \"\$mapfleet\" exec -k --progress none ${2#exec }" >out 2>err </dev/null
    cmp -s expected out || fail "the output differs: $(diff expected out | head -10)"
}

title=
while IFS= read -r line; do
    case $line in
    '# '*)
        [ -z "$title" ] || check_example "$title" "$ours"
        title=${line#\# } ours=
        : >expected
        count=$((${count:-0} + 1))
        ;;
    'ours: '*) ours=${line#ours: } ;;
    '  '*) printf '%s\n' "${line#  }" >>expected ;;
    '+ '*) printf '%s' "${line#+ }" >>expected ;; # without a newline
    esac
done <"$examples"
check_example "$title" "$ours"
rule "there are more than forty of them"
[ "$count" -gt 40 ] || fail "$count"
