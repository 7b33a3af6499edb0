#!/usr/bin/env python3
"""pollux-bench: both ends in one process, over each of its links, in each of its scenarios."""

import json

import lab
import runner


class Bench(lab.Case):
    def bench(self, *options, code=0):
        ended, out, err = lab.run(lab.program("pollux-bench"), "--duration", "1", "--warmup", "0.3",
                                  "--connections", "20000", "--stats-interval", "0", "--json", "-",
                                  *options, within=60)
        self.assertEqual(ended, code, err)
        whole = json.loads(out)
        self.assertEqual((whole["schema"], whole["program"]), ("pollux.summary.1", "pollux-bench"))
        server, client = whole["server"], whole["client"]
        self.assert_sums(server)
        self.assert_faultless(client)
        self.assertEqual(server["connections"]["failed"], 0, server["connections"])
        return whole

    def assert_connections(self, whole):
        """Connections were made, at six packets each but for the odd retransmission."""
        client = whole["client"]
        self.assertGreater(client["connections"]["completed"], 1000)
        self.assertEqual(list(client["requests"]["status"]), ["200"])
        packets = client["packets"]
        self.assertLess(packets["rx_per_connection"] + packets["tx_per_connection"], 6.5, packets)

    def test_links(self):
        one, two = str(lab.CPUS[0]), f"{lab.CPUS[0]},{lab.CPUS[-1]}"
        for link in ("ring", "memif", "virtio"):
            for options in (("--cores", one, "--no-huge"), ("--cores", two))[:len(lab.CPUS)]:
                with self.subTest(link=link, options=options):
                    whole = self.bench("--link", link, *options, "--concurrency", "100")
                    self.assertEqual(whole["scenario"], "cps")
                    self.assert_connections(whole)

    def test_scenarios(self):
        whole = self.bench("--scenario", "requests", "--concurrency", "20", "--requests", "50")
        self.assertGreater(whole["client"]["requests"]["answered"], 1000)
        whole = self.bench("--scenario", "hold", "--concurrency", "2000", "--hold-interval", "0.3",
                           "--warmup", "0")
        connections = whole["client"]["connections"]
        self.assertEqual((connections["attempted"], connections["open"]), (2000, 2000), connections)
        whole = self.bench("--scenario", "bulk", "--concurrency", "4")
        self.assertGreater(whole["client"]["bytes"]["rx"], 10_000_000)

    def test_default_load_is_handled(self):
        """As `tools/demo` runs it, but for the time."""
        code, out, err = lab.run(lab.program("pollux-bench"), "--duration", "1", "--json", "-",
                                 within=60)
        self.assertEqual(code, 0, err)
        self.assert_faultless(json.loads(out)["client"])

    def test_usage(self):
        code, out, err = lab.run(lab.program("pollux-bench"), "--device", "tap:px0")
        self.assertEqual((code, out), (2, ""))
        self.assertRegex(err, r"\Aerror: --device: [^\n]+; try: [^\n]+\n\Z")


if __name__ == "__main__":
    runner.main()
