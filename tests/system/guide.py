#!/usr/bin/python3
"""guide.py PAGE: do what a page of docs/ says, as it stands there, and compare what it shows.

A block of code behind a line that names a file (`words.c`:) becomes that file. Of a block `console`,
the lines behind "$ " are run by one bash in the present folder, and the others are what is expected
of them; "..." stands for any lines. Times, rates, the folder and the number of slots may be others."""

import os
import re
import subprocess
import sys

MARK = "<<<end of command>>>"
PROGRESS = r"^mapfleet: [\d,]+ of [\d,]+ done.*\n"  # where the machine is so busy that there is any


def blocks(page):
    """Language, lines, and the file that the line before names, if it does."""
    lines = open(page, encoding="utf-8").read().split("\n")
    at = 0
    while at < len(lines):
        if not lines[at].startswith("```"):
            at += 1
            continue
        end = lines.index("```", at + 1)
        before = " ".join(lines[max(at - 3, 0) : at]).rstrip()
        names = re.findall(r"`([^` ]+\.[a-z]+)`[^`]*:$", before)
        yield lines[at][3:], lines[at + 1 : end], names[-1] if names else None
        at = end + 1


def commands(lines):
    """[command, expected lines], ..."""
    found = []
    for line in lines:
        if line.startswith("$ "):
            found.append([line[2:], []])
        else:
            found[-1][1].append(line)
    return found


def normal(line):
    line = line.replace(os.getcwd(), "/home/you/words")
    line = re.sub(r"\d{8}T\d{6}Z-[0-9a-z]{6}", "DATE", line)
    line = re.sub(r"[\d.,]+ instances?/s", "RATE", line)
    line = re.sub(r"\b[\d.,]+ (us|ms|s|min)\b", "TIME", line)
    line = re.sub(r"\b\d+ slots?\b", "SLOTS", line)
    return line


def matches(found, expected):
    """Are they equal, with any lines for "..."?"""
    if not expected:
        return not found
    if expected[0] == "...":
        return any(matches(found[i:], expected[1:]) for i in range(len(found) + 1))
    return bool(found) and normal(found[0]) == normal(expected[0]) and matches(found[1:], expected[1:])


def is_shown(found, expected):
    """Lines for people and outputs have two ways to the terminal, and no order between them."""
    if "..." in expected:
        return matches(found, expected)
    return all(
        matches(
            [line for line in found if line.startswith("mapfleet: ") == is_ours],
            [line for line in expected if line.startswith("mapfleet: ") == is_ours],
        )
        for is_ours in (True, False)
    )


def run(todo):
    # Debian's Python, which has the packages that scripts/packages.txt names.
    script = 'exec 2>&1 </dev/null; python3() { /usr/bin/python3 "$@"; }\n'
    for command, _ in todo:
        script += f'{command}\nstatus=$?; echo "{MARK}"; (exit $status)\n'
    with open("../script.sh", "w", encoding="utf-8") as file:
        file.write(script)
    done = subprocess.run(["bash", "../script.sh"], stdout=subprocess.PIPE, timeout=180, check=False)
    text = re.sub(PROGRESS, "", done.stdout.decode(), flags=re.MULTILINE)
    return text.split(MARK + "\n")[:-1]


def main():
    todo = []
    for language, lines, name in blocks(sys.argv[1]):
        if language == "console":
            todo += commands(lines)
        elif name is not None:
            with open(name, "w", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
    outputs = run(todo)
    bad = len(outputs) != len(todo)
    for (command, expected), output in zip(todo, outputs):
        if not is_shown(output.splitlines(), expected):
            bad = True
            print(f"FAILED: $ {command}\n--- shown:", *expected, "--- found:", output, sep="\n")
    if not todo or bad:
        sys.exit(f"FAILED: {len(outputs)} of {len(todo)} commands ended")
    print(f"rule: {len(todo)} commands of {os.path.basename(sys.argv[1])} do what it shows")


main()
