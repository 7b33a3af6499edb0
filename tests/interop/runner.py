"""Runs the tests of a file, and says what became of each."""

import os
import re
import shutil
import subprocess
import sys
import time
import unittest

import lab


class Report(unittest.TestResult):
    """Says what it does as GoogleTest says it: tests/results.py counts and names single cases."""

    def __init__(self):
        super().__init__()
        self.begun = 0.0
        self.ended = True

    @staticmethod
    def name(test):
        parts = test.id().split(".")
        return ".".join(parts[-2:]) if len(parts) > 1 else parts[0]

    def startTest(self, test):
        super().startTest(test)
        self.begun = time.monotonic()
        self.ended = False
        print(f"[ RUN      ] {self.name(test)}", flush=True)

    def stopTest(self, test):
        super().stopTest(test)
        if not self.ended:  # parts of it failed
            self.end(test, "  FAILED  ")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            print(f"{subtest}\n{self._exc_info_to_string(err, test)}")

    def end(self, test, how):
        self.ended = True
        spent = int((time.monotonic() - self.begun) * 1000)
        print(f"[{how}] {self.name(test)} ({spent} ms)", flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.end(test, "       OK ")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        if hasattr(test, "test_case"):  # a part of a test, which goes on
            print(f"without {test}: {reason}")
            return
        cases = [test]
        if not isinstance(test, unittest.TestCase):  # a whole class
            name = re.search(r"\((.*)\)", test.id())
            self.begun = time.monotonic()
            cases = [_Named(f"{name.group(1) if name else test.id()}.all")]
            print(f"[ RUN      ] {self.name(cases[0])}")
        print(f"{reason}")
        self.end(cases[0], "  SKIPPED ")

    def _failed(self, test, error):
        if not isinstance(test, unittest.TestCase):  # setUpClass or its cleaning up
            self.begun = time.monotonic()
            name = re.search(r"\((.*)\)", test.id())
            test = _Named(f"{name.group(1) if name else test.id()}.set_up")
            print(f"[ RUN      ] {self.name(test)}")
        print(self._exc_info_to_string(error, test))
        self.end(test, "  FAILED  ")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._failed(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self._failed(test, err)


class _Named:
    failureException = AssertionError

    def __init__(self, name):
        self._name = name

    def id(self):
        return self._name


def _become_root_of_a_user_namespace():
    """Tests need an interface of their own: root's right, or anybody's in a user namespace."""
    if os.geteuid() == 0:
        return
    unshare = shutil.which("unshare")
    if lab.UNSHARED in os.environ or unshare is None:
        print("neither root nor a user namespace can be had (unshare -Urn)")
        sys.exit(77)
    if subprocess.run([unshare, "-Urn", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        print("not root, and `unshare -Urn` is refused here")
        sys.exit(77)
    os.environ[lab.UNSHARED] = "1"
    os.execv(unshare, [unshare, "-Urn", sys.executable, *sys.argv])


def main(needs=lambda: None):
    """Runs the tests of the calling file. Exit code 77, with the reason, when nothing can run."""
    _become_root_of_a_user_namespace()
    try:
        lab.tool("ip", "iproute2")
        needs()
        lab.Namespace().close()
    except unittest.SkipTest as reason:
        print(reason)
        sys.exit(77)
    wanted = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    loader = unittest.TestLoader()
    module = sys.modules["__main__"]
    tests = (loader.loadTestsFromNames(wanted, module) if wanted
             else loader.loadTestsFromModule(module))
    print(f"[==========] Running {tests.countTestCases()} tests from one file.", flush=True)
    result = Report()
    tests.run(result)
    print(f"[==========] {result.testsRun} tests ran.")
    sys.exit(0 if result.wasSuccessful() else 1)
