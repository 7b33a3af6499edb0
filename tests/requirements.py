#!/usr/bin/env python3
"""Makes docs/requirements.md out of tests/requirements.txt and of what the tests say of themselves:
a test that shows a requirement of RFC 9293 names its number, as in MUST-12, in the comments above
it or in it. Without --write it sees that the page is as it would be made, that each test which it
names exists, and that each number has a test or a decision.

    tests/requirements.py [--write] ROOT
"""

import argparse
import collections
import pathlib
import re
import sys

NUMBERS = {"MUST": 69, "SHLD": 31}
MOST_DECISIONS = 5
NUMBER = re.compile(r"\b(?:MUST|SHLD)-\d+\b")

HEAD = """# Requirements

What RFC 9293 asks for, and the tests that show it: by suite and name, or the script of
tests/packetdrill/scripts. Made by `tests/requirements.py --write .`, and `tools/test` sees that it
is up to date: a test that shows a requirement names its number.

## Figure 5, TCP Connection State Diagram

| From | To | By | Test |
|---|---|---|---|
"""

APPENDIX = """
## Every {kind} of Appendix B

| Number | What | Tests |
|---|---|---|
"""


def tests_of(root):
    """The names of all tests, and those of each number."""
    names, shown = set(), collections.defaultdict(list)
    for source in sorted((root / "tests").rglob("*.cc")):
        # A test with the comment above it, up to the brace that ends it.
        for comment, suite, name, body in re.findall(
            r"^((?://[^\n]*\n)*)TEST(?:_F|_P)?\((\w+), (\w+)\)(.*?)^\}",
            source.read_text(),
            re.M | re.S,
        ):
            names.add(f"{suite}.{name}")
            for number in set(NUMBER.findall(comment + body)):
                shown[number].append(f"{suite}.{name}")
    scripts = root / "tests/packetdrill/scripts"
    for script in sorted(scripts.rglob("*.pkt")):
        for number in set(NUMBER.findall(script.read_text())):
            shown[number].append(str(script.relative_to(scripts)))
    return names, shown


def page_of(root, shown):
    """The page, and the faults of what it is made of."""
    files = {path.name[:4]: path.name for path in (root / "docs/decisions").glob("*.md")}
    faults, decisions, rows = [], set(), collections.defaultdict(list)

    def linked(text):
        return re.sub(
            r"\b\d{4}\b", lambda found: f"[{found[0]}](decisions/{files[found[0]]})", text
        )

    for line in (root / "tests/requirements.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        cells = [cell.strip() for cell in line.split("|")]
        if not NUMBER.fullmatch(cells[0]):
            tests = re.sub(r"\w+\.\w+", r"`\g<0>`", linked(cells[3]))
            rows["figure"].append([*cells[:3], tests])
            continue
        number, what, left_out = cells if len(cells) == 3 else [*cells, ""]
        tests = ", ".join(f"`{test}`" for test in shown[number])
        if not tests and not left_out:
            faults.append(f"{number} has neither a test nor a decision")
        decisions |= set(re.findall(r"\b\d{4}\b", left_out))
        cell = "; ".join(part for part in (tests, linked(left_out)) if part)
        rows[number[:4]].append([number, what, cell])
    for kind, last in NUMBERS.items():
        there = [row[0] for row in rows[kind]]
        if there != [f"{kind}-{i}" for i in range(1, last + 1)]:
            faults.append(f"tests/requirements.txt does not have each of {last} {kind} once")
    if len(decisions) > MOST_DECISIONS:
        faults.append(f"{len(decisions)} decisions leave something out: {sorted(decisions)}")

    def table(kind):
        return "".join("| " + " | ".join(row) + " |\n" for row in rows[kind])

    page = HEAD + table("figure")
    for kind in NUMBERS:
        page += APPENDIX.format(kind=kind) + table(kind)
    return page, faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("root", type=pathlib.Path)
    arguments = parser.parse_args()
    names, shown = tests_of(arguments.root)
    page, faults = page_of(arguments.root, shown)
    path = arguments.root / "docs/requirements.md"
    if arguments.write:
        path.write_text(page)
    elif path.read_text() != page:
        faults.append("docs/requirements.md is not up to date: tests/requirements.py --write .")
    faults += [
        f"docs/requirements.md names {test}, and there is no such test"
        for test in re.findall(r"`([A-Z]\w*\.[A-Z]\w+)`", page)
        if test not in names
    ]
    summary = f"{sum(NUMBERS.values())} requirements, {len(names)} tests"
    print("\n".join(faults) if faults else summary)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
