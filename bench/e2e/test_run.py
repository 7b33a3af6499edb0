#!/usr/bin/env python3
"""usage: test_run.py BUILD   run.py and conditions.py as a user starts them: one short round over
memif, a run that fails, and one that is stopped."""

import json
import os
import signal
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import figures  # noqa: E402
import outcomes  # noqa: E402
import programs  # noqa: E402  which finds lab
import lab  # noqa: E402

BUILD = "build"
SHORT = ("--no-compile", "--no-huge", "--no-kernel", "--no-instructions", "--link", "memif",
         "--rounds", "1", "--warmup", "0.2", "--json", "-")


class Runs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="px-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        # Where run.py has its own; what is left there afterwards it has forgotten.
        self.temporary = os.path.join(self.folder, "t")
        os.mkdir(self.temporary)
        os.environ["TMPDIR"] = self.temporary
        self.addCleanup(os.environ.pop, "TMPDIR")

    def start(self, *options):
        chart = os.path.join(self.folder, "chart.png")
        process = lab.Process(sys.executable, os.path.join(HERE, "run.py"), "--build", BUILD,
                              "--chart", chart, *SHORT, *options)
        self.addCleanup(process.close)
        return process

    def assert_nothing_left(self, process):
        self.assertEqual(os.listdir(self.temporary), [])
        self.assertEqual(children(process.pid), [])

    def test_one_round(self):
        for seconds in (1, 5, 25):  # a starved machine gets more than a free one
            process = self.start("--seconds", str(seconds))
            if process.wait(240) == 0:
                break
        self.assertEqual(process.wait(), 0, process.story())
        document = json.loads(process.out)
        self.assertEqual(figures.faults(document), [])
        bare, pollux = document["rows"]
        self.assertEqual((bare["name"], pollux["name"]), ("bare memif", "pollux memif"))
        for side in ("server", "client"):
            self.assertGreater(pollux["S"][side], 0)
        self.assertEqual((pollux["on"]["request_bytes"], pollux["on"]["reply_bytes"]), (85, 99))
        self.assertIn("round 1 of 1: bare memif ", process.err)
        self.assertEqual([each["what"] for each in document["missing"]],
                         ["the kernel", "instructions"])
        self.assert_nothing_left(process)

    def test_one_round_of_conditions(self):
        process = lab.Process(
            sys.executable, os.path.join(HERE, "conditions.py"), "held", "latency", "flood",
            "--build", BUILD, "--chart", os.path.join(self.folder, "chart.png"), "--no-compile",
            "--no-huge", "--rounds", "1", "--seconds", "1", "--warmup", "0.2", "--flood-seconds",
            "1", "--held", "10", "--held", "5000", "--json", "-")
        self.addCleanup(process.close)
        self.assertEqual(process.wait(240), 0, process.story())
        document = json.loads(process.out)
        self.assertEqual(outcomes.faults(document), [])
        held, latency, flood = document["rows"]
        self.assertEqual(list(held["beside"]), ["10", "5000"])
        self.assertEqual(len(latency["each"]), 1)
        self.assertGreater(flood["each"][0]["beside"]["attempted"], 100)
        self.assertGreater(flood["each"][0]["offered"], 0)
        self.assert_nothing_left(process)

    def test_a_run_that_fails_says_why(self):
        process = self.start("--", "--header", "X-More: than 85 bytes")
        self.assertEqual(process.wait(60), 1, process.story())
        self.assertRegex(process.err, r"(?m)^error: the packets over memif: request_bytes is 108, "
                                      r"not 85; try: [^\n]+$")
        self.assertEqual(process.out, "")
        self.assert_nothing_left(process)

    def test_what_it_started_goes_with_it(self):
        process = self.start("--seconds", "50")
        process.until(lambda: any("bare_link" in name for _, name in children(process.pid)),
                      "the bare link runs")
        mine = [pid for pid, _ in children(process.pid)]
        begin = time.monotonic()
        self.assertEqual(process.stop(signal.SIGTERM, within=30), 128 + signal.SIGTERM)
        self.assertLess(time.monotonic() - begin, 25)
        self.assert_nothing_left(process)
        # Who it has ended is there until somebody has heard of it.
        lab.eventually(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in mine),
                       "what it started is gone")

    def test_what_a_script_started_goes_with_it(self):
        written = os.path.join(self.folder, "pids")
        with self.assertRaisesRegex(programs.Failed, "error: sh: it has not ended after 1 s; "):
            programs.run(lab.tool("sh"), "-c",
                         f"sleep 60 & echo $! >{written}; (sleep 61; true) & wait", within=1)
        with open(written, encoding="ascii") as file:
            pid = int(file.read())
        lab.eventually(lambda: not os.path.exists(f"/proc/{pid}"), "the script's child is gone")


def children(parent):
    """Pid and command line of each process of that parent."""
    out = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                if int(file.read().rpartition(")")[2].split()[1]) != parent:
                    continue
            with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
                out.append((int(pid), file.read()))
        except OSError:  # it has gone meanwhile
            pass
    return out


if __name__ == "__main__":
    if len(sys.argv) > 1:
        BUILD = sys.argv.pop(1)
    if len(lab.CPUS) < 2:
        print("two processors are needed, and this process may use one")
        sys.exit(77)
    unittest.main()
