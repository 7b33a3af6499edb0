#!/usr/bin/env python3
"""Sees that docs/requirements.md tells the truth: each test that it names exists, and each MUST of
RFC 9293 has its row.

    tests/requirements.py ROOT
"""

import pathlib
import re
import sys

MUSTS = 69


def main():
    root = pathlib.Path(sys.argv[1])
    page = (root / "docs/requirements.md").read_text()
    tests = set()
    for source in sorted((root / "tests").rglob("*.cc")):
        for suite, name in re.findall(r"^TEST(?:_F|_P)?\((\w+), (\w+)\)", source.read_text(), re.M):
            tests.add(f"{suite}.{name}")
    faults = [
        f"docs/requirements.md names {test}, and there is no such test"
        for test in re.findall(r"`([A-Z]\w*\.[A-Z]\w+)`", page)
        if test not in tests
    ]
    rows = re.findall(r"^\| MUST-(\d+) \|", page, re.M)
    faults += [
        f"docs/requirements.md has {rows.count(str(number))} rows for MUST-{number}"
        for number in range(1, MUSTS + 1)
        if rows.count(str(number)) != 1
    ]
    print("\n".join(faults) if faults else f"{len(rows)} requirements, {len(tests)} tests")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
