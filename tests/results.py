#!/usr/bin/env python3
"""What tools/test says at its end.

    tests/results.py LOG...
        Reads meson's testlog.json files; names what failed and what was skipped, and why, and
        shows lines of tests that passed that begin with `note: `. Last line: `N passed, N failed,
        N skipped`; exit 1 on a failure.
    tests/results.py --targets BUILD SUITE...
        The ninja targets that the tests of these suites (all, when none is named) need.
    tests/results.py --self-test

A GoogleTest program counts as many as it has cases, any other test as one.
"""

import json
import os
import re
import subprocess
import sys
import tempfile


class Results:
    """The count over all logs, and the lines to show for them."""

    def __init__(self):
        self.passed = 0
        self.failed = []   # (name, the end of what it printed)
        self.skipped = []  # (name, reason)
        self.notes = []    # lines to show of tests that passed

    def add(self, entry):
        name = entry["name"].split(" / ")[-1]
        output = entry.get("stdout", "") + "\n" + entry.get("stderr", "")
        result = entry["result"]
        cases = re.search(r"^\[==========\] Running \d+ tests? from", output, re.M)
        if cases:
            self.add_cases(name, output, result)
        elif result in ("OK", "EXPECTEDFAIL"):
            self.passed += 1
            self.notes += [line for line in output.splitlines() if line.startswith("note: ")]
        elif result == "SKIP":
            said = [line.strip() for line in output.splitlines() if line.strip()]
            self.skipped.append((name, said[-1] if said else "it gave no reason"))
        else:
            self.failed.append((f"{name} ({result.lower()})", tail(output)))

    def add_cases(self, name, output, result):
        self.passed += len(re.findall(r"^\[       OK \] \S", output, re.M))
        failed = re.findall(r"^\[  FAILED  \] (\S+?),? .*\(\d+ ms\)$", output, re.M)
        for case in failed:
            self.failed.append((f"{name}: {case}", tail(block(output, case))))
        for case in re.findall(r"^\[  SKIPPED \] (\S+) \(\d+ ms\)$", output, re.M):
            said = [line for line in block(output, case).splitlines()
                    if line.strip() and not re.match(r"\[|.*: Skipped$", line)]
            self.skipped.append((f"{name}: {case}", " ".join(said) or "it gave no reason"))
        if result != "OK" and not failed:  # it crashed, hung, or a sanitizer spoke up
            self.failed.append((f"{name} ({result.lower()})", tail(output)))

    def print(self):
        for line in self.notes:
            print(line)
        for name, reason in self.skipped:
            print(f"skipped: {name}: {reason}")
        for name, output in self.failed:
            print(f"FAILED: {name}")
            print("\n".join("    " + line for line in output.splitlines()))
        print(f"{self.passed} passed, {len(self.failed)} failed, {len(self.skipped)} skipped")
        return 1 if self.failed or self.passed == 0 else 0


def block(output, case):
    """What one case printed, from its start to its end."""
    lines = output.splitlines()
    start = next((i for i, line in enumerate(lines) if line == f"[ RUN      ] {case}"), 0)
    for end in range(start + 1, len(lines)):
        if re.match(rf"\[  (FAILED |SKIPPED|     OK) +\] {re.escape(case)}\b", lines[end]):
            return "\n".join(lines[start + 1:end])
    return "\n".join(lines[start:])


def tail(output):
    return "\n".join([line for line in output.splitlines() if line.strip()][-40:])


def read(paths):
    results = Results()
    for path in paths:
        if not os.path.exists(path):
            results.failed.append((path, "meson wrote no log: no test ran"))
            continue
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                results.add(json.loads(line))
    return results


def targets(build, suites):
    """Paths of the files that the tests run or depend on, as ninja names them."""
    def introspect(what):
        output = subprocess.run(["meson", "introspect", build, what], check=True,
                                stdout=subprocess.PIPE).stdout
        return json.loads(output)

    files = {target["id"]: target["filename"] for target in introspect("--targets")}
    wanted = set()
    for test in introspect("--tests"):
        names = {suite.split(":")[-1] for suite in test["suite"]}
        if suites and not names & set(suites):
            continue
        for identity in test["depends"]:
            wanted.update(files.get(identity, []))
    root = os.path.realpath(build)
    return sorted(os.path.relpath(os.path.realpath(path), root) for path in wanted)


GTEST = """Running main() from gtest_main.cc
[==========] Running 4 tests from 1 test suite.
[ RUN      ] A.Good
[       OK ] A.Good (0 ms)
[ RUN      ] A.Bad
a_test.cc:3: Failure
Value of: false
[  FAILED  ] A.Bad (1 ms)
[ RUN      ] A.Param/0
a_test.cc:4: Failure
[  FAILED  ] A.Param/0, where GetParam() = 3 (1 ms)
[ RUN      ] A.Not
a_test.cc:9: Skipped
no tap here
[  SKIPPED ] A.Not (0 ms)
[  PASSED  ] 1 test.
[  SKIPPED ] 1 test, listed below:
[  SKIPPED ] A.Not
[  FAILED  ] 2 tests, listed below:
[  FAILED  ] A.Bad
[  FAILED  ] A.Param/0, where GetParam() = 3
"""


def self_test():
    crash = GTEST[:GTEST.index("[ RUN      ] A.Bad")] + "[ RUN      ] A.Crash\n"
    entries = [
        {"name": "pollux:unit / unit-a", "stdout": GTEST, "result": "FAIL"},
        {"name": "pollux:unit / unit-b", "stdout": crash, "result": "FAIL"},
        {"name": "tidy", "stdout": "note: nice\n0 faults", "result": "OK"},
        {"name": "interop", "stderr": "curl is not installed\n", "result": "SKIP"},
        {"name": "slow", "stdout": "", "result": "TIMEOUT"},
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write("\n".join(json.dumps(entry) for entry in entries))
        file.flush()
        results = read([file.name, "/nowhere/testlog.json"])
    want_failed = ["unit-a: A.Bad", "unit-a: A.Param/0", "unit-b (fail)", "slow (timeout)",
                   "/nowhere/testlog.json"]
    want_skipped = [("unit-a: A.Not", "no tap here"), ("interop", "curl is not installed")]
    right = (results.passed == 3 and [name for name, _ in results.failed] == want_failed
             and results.skipped == want_skipped and results.notes == ["note: nice"]
             and "Value of: false" in results.failed[0][1])
    print("as wanted" if right else f"wrong: {vars(results)}")
    return 0 if right else 1


def main(arguments):
    if arguments[:1] == ["--self-test"]:
        return self_test()
    if arguments[:1] == ["--targets"]:
        print("\n".join(targets(arguments[1], arguments[2:])))
        return 0
    return read(arguments).print()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
