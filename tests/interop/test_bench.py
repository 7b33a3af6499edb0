#!/usr/bin/env python3
"""pollux-bench: both ends in one process, over each of its links, in each of its scenarios."""

import json
import signal
import unittest

import lab
import runner


class Bench(lab.Case):
    def bench(self, *options, seconds=1):
        code, out, err = lab.run(lab.program("pollux-bench"), "--duration", str(seconds),
                                 "--warmup", "0.3", "--connections", "20000", "--stats-interval",
                                 "0", "--json", "-", *options)
        self.assertEqual(code, 0, err)
        self.whole = whole = json.loads(out)
        self.assertEqual((whole["schema"], whole["program"]), ("pollux.summary.1", "pollux-bench"))
        server, client = whole["server"], whole["client"]
        for label in ("link:", "offloads:", "steering:", "memory:"):
            self.assertIn(f"\n{label} ", "\n" + err)
        for end in (server, client):
            self.assertEqual(len(end["cps"]["per_second"]), seconds, end["cps"])
        self.assert_sums(server)
        self.assert_faultless(client)
        self.assertNotIn("generator", server)
        self.assertEqual(client["generator"]["busy"], max(c["busy"] for c in client["cores"]))
        # What the client has not finished when its time is up it resets.
        self.assertLessEqual(server["connections"]["failed"], client["connections"]["open"])
        return whole

    def connections(self, seconds, *options):
        """How many were made."""
        whole = self.bench("--concurrency", "100", *options, seconds=seconds)
        self.assertEqual(whole["scenario"], "cps")
        server, client = whole["server"], whole["client"]
        self.assertLessEqual(set(client["requests"]["status"]), {"200"})
        made, packets = client["connections"]["completed"], client["packets"]
        if made >= 1000 and client["tcp"]["retransmitted"] + server["tcp"]["retransmitted"] == 0:
            # Six packets each; some are of connections that began in the warm-up.
            self.assertLess(packets["rx_per_connection"] + packets["tx_per_connection"], 7, packets)
        return made

    def test_links(self):
        one, two = str(lab.CPUS[0]), f"{lab.CPUS[0]},{lab.CPUS[-1]}"
        for link in ("ring", "memif", "virtio"):
            for options in (("--cores", one, "--no-huge"), ("--cores", two))[:len(lab.CPUS)]:
                with self.subTest(link=link, options=options):
                    lab.enough(lambda s: self.connections(s, "--link", link, *options), 1000)

    def test_each_core_with_a_pair_of_its_own(self):
        if len(lab.CPUS) < 2:
            raise unittest.SkipTest("one CPU")
        two = ("--cores", f"{lab.CPUS[0]},{lab.CPUS[-1]}", "--together")
        lab.enough(lambda s: self.connections(s, "--link", "ring", *two), 1000)
        for end in self.whole["server"], self.whole["client"]:
            self.assertEqual(len(end["cores"]), 2)
            self.assertGreater(min(core["busy"] for core in end["cores"]), 0)

    def test_requests(self):
        def ask(seconds):
            return self.bench("--scenario", "requests", "--concurrency", "20", "--requests", "50",
                              seconds=seconds)["client"]["requests"]["answered"]
        lab.enough(ask, 1000)

    def test_connections_that_outlast_the_run(self):
        def ask(seconds):
            whole = self.bench("--concurrency", "20", "--requests", "1000000000", seconds=seconds)
            client, server = whole["client"]["requests"], whole["server"]["requests"]
            self.assertEqual(whole["client"]["connections"]["attempted"], 0)
            self.assertEqual(whole["client"]["connections"]["open_from_warmup"], 20)
            # A rate is of the measured time, whatever is answered behind it.
            for end in (client, server):
                self.assertLessEqual(end["per_second"] * whole["client"]["duration_s"],
                                     end["answered"] * 1.001)
            self.assertGreater(whole["client"]["latency_us"]["first_byte"]["p50"], 0)
            return client["answered"]
        lab.enough(ask, 1000)

    def test_tagged_frames(self):
        lab.enough(lambda s: self.connections(s, "--vlan", "7"), 1000)

    def test_hold(self):
        def hold(seconds):
            whole = self.bench("--scenario", "hold", "--concurrency", "2000", "--hold-interval",
                               "0.3", "--warmup", "0", seconds=seconds)
            connections = whole["client"]["connections"]
            self.assertEqual(connections["attempted"], connections["open"], connections)
            self.assertLessEqual(connections["open"], 2000, connections)
            return connections["open"]
        lab.enough(hold, 2000)

    def test_bulk(self):
        def fetch(seconds):
            return self.bench("--scenario", "bulk", "--concurrency", "4",
                              seconds=seconds)["client"]["bytes"]["rx"]
        lab.enough(fetch, 10_000_000)

    def test_default_load_is_handled(self):
        """As `tools/demo` runs it, but for the time."""
        code, out, err = lab.run(lab.program("pollux-bench"), "--duration", "1", "--json", "-",
                                 within=60)
        self.assertEqual(code, 0, err)
        self.assert_faultless(json.loads(out)["client"])

    def test_syns_alone(self):
        def offer(seconds):
            code, out, err = lab.run(lab.program("pollux-bench"), "--syn-only", "--cps", "5000",
                                     "--duration", str(seconds), "--connections", "20000",
                                     "--stats-interval", "0", "--json", "-")
            self.assertEqual(code, 0, err)
            whole = json.loads(out)
            server, client = whole["server"], whole["client"]
            self.assert_sums(client)
            self.assert_sums(server)
            connections = client["connections"]
            self.assertEqual(connections["open"], 0, connections)
            self.assertEqual(connections["failed"], client["failures"]["timeout"], client)
            self.assertEqual(client["requests"]["sent"], 0)
            # Nothing was a connection to either of them.
            for end in (server, client):
                for event in ("tcp_active_opens", "tcp_passive_opens", "tcp_established"):
                    self.assertNotIn(event, end["events"])
            return connections["completed"]
        lab.enough(offer, 2500)

    def test_silent_connections_beside_the_load(self):
        def load(seconds):
            whole = self.bench("--held", "3000", "--concurrency", "100", seconds=seconds)
            held = whole["client"]["held"]
            self.assertEqual((held["asked"], held["open"], held["lost"]), (3000, 3000, 0))
            self.assertGreater(held["opened_in_s"], 0)
            self.assertLessEqual(whole["client"]["connections"]["peak_open"], 100)
            return whole["client"]["connections"]["completed"]
        lab.enough(load, 1000)

    def test_whole_connections_beside_syns(self):
        def load(seconds):
            code, out, err = lab.run(lab.program("pollux-bench"), "--syn-only", "--cps", "5000",
                                     "--beside", "200", "--duration", str(seconds),
                                     "--connections", "20000", "--stats-interval", "0", "--json",
                                     "-")
            self.assertEqual(code, 0, err)
            client = json.loads(out)["client"]
            self.assert_sums(client)
            beside = client["beside"]
            self.assertEqual(beside["attempted"],
                             beside["completed"] + beside["failed"] + beside["open"])
            self.assertEqual(beside["failed"], 0, beside)
            self.assertGreater(client["connections"]["completed"], beside["completed"])
            return beside["completed"]
        lab.enough(load, 100)

    def search(self, *options):
        """The exit code, the search and its lines."""
        code, out, err = lab.run(lab.program("pollux-bench"), "--search", "--warmup", "0.2",
                                 "--connections", "20000", "--stats-interval", "0", "--json", "-",
                                 *options)
        client = json.loads(out)["client"]
        self.assert_sums(client)
        search = client["search"]
        passed = [step["rate"] for step in search["steps"] if step["passed"]]
        failed = [step["rate"] for step in search["steps"] if not step["passed"]]
        self.assertEqual(search["rate"], max(passed, default=0), search)
        self.assertEqual(search["failed_at"], min(failed, default=None), search)
        for number, step in enumerate(search["steps"], 1):
            self.assertEqual(step["passed"], step["why"] == "", step)
            word = "passed" if step["passed"] else "failed"
            self.assertRegex(err, rf"(?m)^step {number} +{step['rate']:,} a second  {word} ")
        self.assertIn(f"\nsearch       {search['rate']:,} connections a second ", err)
        return code, search, client

    def test_search_up_to_a_bound(self):
        code, search, client = self.search("--duration", "0.5", "--search-from", "50", "--cps",
                                           "200", "--search-resolution", "20", "--fail-if",
                                           "failed>1000")
        rates = [step["rate"] for step in search["steps"]]
        self.assertEqual(rates[0], 50)
        self.assertLessEqual(max(rates), 200)
        self.assertEqual(code, 0 if search["rate"] else 1)
        if search["end"] == "bound":  # a machine that is taken away for long may carry less
            self.assertEqual(rates, [50, 100, 200])
            self.assertEqual(search["rate"], 200)
            self.assertIsNone(search["failed_at"])
        # All else is of one step.
        self.assertLess(client["duration_s"], 0.5 * 1.5 * lab.busy())

    def test_search_in_vain(self):
        code, search, _ = self.search("--duration", "0.3", "--search-from", "4", "--fail-if",
                                      "p50>0us")
        self.assertEqual((code, search["rate"], search["end"]), (1, 0, "failure"))
        self.assertEqual([step["rate"] for step in search["steps"]], [4, 2, 1])

    def test_signal_ends_a_search(self):
        report = self.path("search.json")
        bench = self.process(lab.program("pollux-bench"), "--search", "--search-from", "10",
                             "--duration", "0.2", "--warmup", "0", "--connections", "20000",
                             "--fail-if", "failed>1000000", "--search-resolution", "0.01",
                             "--json", report)
        bench.until(lambda: "\nstep 1 " in bench.out, "the first step")
        self.assertEqual(bench.stop(signal.SIGINT), 0, bench.story())
        search = lab.json_of(report)["client"]["search"]
        self.assertGreaterEqual(len(search["steps"]), 1)
        self.assertIn(search["end"], ("stopped", "failure"))

    def test_usage(self):
        code, out, err = lab.run(lab.program("pollux-bench"), "--device", "tap:px0")
        self.assertEqual((code, out), (2, ""))
        self.assertRegex(err, r"\Aerror: --device: [^\n]+; try: [^\n]+\n\Z")


if __name__ == "__main__":
    runner.main()
