#!/usr/bin/env python3
"""pollux-load --profile: the runs of RFC 9411 against pollux-httpd over a memif.

A busy machine forwards at no constant rate, so whether a run is valid is not for this test to want;
that the program says why, and ends with the code that follows, is.
"""

import signal

import lab
import runner

CRITERIA = ["failed_transactions", "terminated_connections", "forwarding_rate",
            "concurrent_connections", "objective", "object_size", "test_equipment"]
# What no stall of the machine spoils: a transaction waits, but is not lost.
CERTAIN = ["terminated_connections", "object_size"]
PHASES = ("--init", "0.1", "--ramp", "0.2", "--duration", "1", "--iteration", "1",
          "--search-resolution", "50")


class Profile(lab.Case):
    def ends(self, *options, body=1024):
        """A responder, and the words of a generator that asks it."""
        path = self.path(f"{self._testMethodName}.sock")
        httpd = self.process(lab.program("pollux-httpd"), "--device", f"memif:{path},role=server",
                             "--address", "10.0.0.1/24", "--body", str(body), "--no-huge",
                             "--cores", str(lab.CPUS[0]), *lab.SMALL)
        return httpd, (lab.program("pollux-load"), "--device", f"memif:{path},role=client",
                       "--address", "10.0.0.2-10.0.0.40/24", "--target", "10.0.0.1:80",
                       "--no-huge", "--cores", str(lab.CPUS[-1]), *lab.SMALL, *options)

    def profile(self, kind, *options, body=1024):
        """What a run comes to: its part of the summary, and what is said on standard error."""
        report = self.path(f"{self._testMethodName}.json")
        httpd, load = self.ends("--profile", kind, "--json", report, *PHASES, *options, body=body)
        code, out, err = lab.run(*load, within=120)
        self.assertEqual(httpd.stop(), 0, httpd.story())
        self.assertEqual(httpd.err, "")
        summary = lab.json_of(report)
        self.assert_sums(summary)
        profile = summary["profile"]
        self.assertEqual(code, 0 if profile["valid"] else 1, out + err)
        if profile["valid"]:
            self.assertEqual(err, "")
        else:
            self.assertRegex(err, rf"\Aerror: --profile {kind}: [^\n]+; try: [^\n]+\n\Z")
        self.assertEqual((profile["name"], profile["stopped"]), (kind, False))
        self.assertIn(f"{kind}: ", out)
        for iteration in profile["iterations"]:
            self.check_iteration(iteration)
        if profile["result"] is not None:
            self.assertIn(profile["result"], profile["iterations"])
        return profile, err

    def check_iteration(self, iteration):
        criteria = iteration["criteria"]
        self.assertEqual([c["name"] for c in criteria], CRITERIA)
        for criterion in criteria:
            passed = {"below": criterion["measured"] < criterion["limit"],
                      "at_most": criterion["measured"] <= criterion["limit"],
                      "at_least": criterion["measured"] >= criterion["limit"]}
            # Beside the share, one transaction and one connection are always allowed.
            if passed[criterion["condition"]]:
                self.assertTrue(criterion["passed"], criterion)
            if criterion["name"] in CERTAIN:
                self.assertTrue(criterion["passed"], criterion)
        self.assertEqual(iteration["valid"], all(c["passed"] for c in criteria))
        for name, spread in iteration["kpi"].items():
            if "average" not in spread:
                continue
            self.assertLessEqual(spread["min"], spread["average"], name)
            self.assertLessEqual(spread["average"], spread["max"], name)
        transactions = iteration["kpi"]["transactions"]
        self.assertGreater(transactions["successful"], 0)
        self.assertLessEqual(transactions["successful"], transactions["attempted"])

    def test_connections_a_second(self):
        profile, _ = self.profile("rfc9411-cps", "--cps", "500", "--object", "1024")
        self.assertEqual((profile["object_bytes"], profile["target"]), (1024, 500))
        self.assertEqual(profile["reference"], "RFC 9411 section 7.2")
        first = profile["iterations"][0]
        self.assertEqual((first["step"], first["objective"]), ("initial", 50))
        self.assertEqual(first["phases_s"],
                         {"init": 0.1, "ramp_up": 0.2, "sustain": 1, "ramp_down": 0.2})
        self.assertGreater(first["kpi"]["time_to_first_byte_ms"]["min"], 0)
        self.assertGreaterEqual(first["kpi"]["time_to_last_byte_ms"]["min"],
                                first["kpi"]["time_to_first_byte_ms"]["min"])

    def test_throughput(self):
        profile, _ = self.profile("rfc9411-throughput", "--throughput", "40M", body=16384)
        self.assertEqual((profile["object_bytes"], profile["transactions_per_connection"]),
                         (16384, 10))
        # Ten objects of 16 KiB and what carries them are some 1.4 Mbit.
        self.assertGreater(profile["target"], 20)
        self.assertLess(profile["target"], 32)

    def test_latency(self):
        profile, _ = self.profile("rfc9411-latency", "--cps", "200")
        self.assertEqual(profile["iterations"][0]["objective"], 20)
        for iteration in profile["iterations"][1:]:
            self.assertEqual((iteration["step"], iteration["objective"]), ("final", 200))

    def test_concurrent_connections(self):
        profile, _ = self.profile("rfc9411-concurrent", "--concurrency", "400")
        first = profile["iterations"][0]
        self.assertEqual((first["step"], first["objective"]), ("initial", 40))
        self.assertLessEqual(first["kpi"]["concurrent_connections"]["max"], 40.001)
        self.assertNotIn("time_to_first_byte_ms", first["kpi"])

    def test_an_object_of_another_size(self):
        profile, err = self.profile("rfc9411-cps", "--object", "2048")
        self.assertFalse(profile["valid"])
        self.assertEqual(profile["iterations"], [])
        self.assertIn("the object has 1,024 bytes, not 2,048", err)

    def test_a_signal_ends_it(self):
        report = self.path("stopped.json")
        httpd, load = self.ends("--profile", "rfc9411-cps", "--cps", "100", "--init", "1",
                                "--json", report)
        running = self.process(*load)
        running.until(lambda: "memory:" in running.out, "the banner")
        self.assertEqual(running.stop(signal.SIGINT), 0, running.story())
        profile = lab.json_of(report)["profile"]
        self.assertEqual((profile["valid"], profile["stopped"]), (False, True))
        self.assertEqual(running.err, "")
        self.assertEqual(httpd.stop(), 0, httpd.story())


if __name__ == "__main__":
    runner.main()
