#!/usr/bin/python3
"""texts.py: each message that docs/troubleshooting.md quotes still stands in the sources, as one text,
with a value wherever the page has "…"; and no link between pages leads nowhere."""

import pathlib
import re
import sys

top = pathlib.Path(__file__).resolve().parents[2]


def texts_of_sources():
    """Texts as the compiler sees them, which joins those that follow each other."""
    for room in ("cli", "jobs/command", "master", "shared", "worker"):
        for path in sorted((top / room).glob("*.[ch]")):
            source = re.sub(r'"\s*(?:PRI\w+\s*)?"', "", path.read_text())
            for text in re.findall(r'"((?:[^"\\\n]|\\.)*)"', source):
                yield text.replace('\\"', '"')


def stands_there(quoted, texts):
    # The value of a "%" is any text; behind one, the page may leave the rest of the message out.
    parts = [re.escape(part) for part in quoted.split("…")]
    pattern = re.compile(r".*?%.*?".join(parts))
    return any(pattern.search(text) for text in texts)


def check_texts(texts):
    page = (top / "docs/troubleshooting.md").read_text()
    quoted = re.findall(r"^### `(.*)`$", page, flags=re.MULTILINE)
    bad = [text for text in quoted if not stands_there(text.strip("… "), texts)]
    bad += [text for text in quoted if len(text.replace("…", "").strip()) < 5]
    if len(quoted) < 30 or len(quoted) != page.count("\n### "):
        bad.append(f"{len(quoted)} headings are quotes")
    return [f"no source says: {text}" for text in bad]


def anchors_of(path):
    titles = re.findall(r"^#+ (.*)$", path.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def check_links():
    for path in [top / "README.md", *sorted((top / "docs").glob("*.md"))]:
        text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            name, _, anchor = target.partition("#")
            if "://" in name:
                continue
            there = (path.parent / name) if name else path
            if not there.exists() or (anchor and anchor not in anchors_of(there)):
                yield f"{path.relative_to(top)} leads nowhere: {target}"


found = check_texts(list(texts_of_sources())) + list(check_links())
print("rule: what the page of errors quotes stands in the sources, and every link leads somewhere")
sys.exit("FAILED: " + "\n".join(found) if found else 0)
