#!/usr/bin/env python3
"""pollux-load against servers that others wrote, on the kernel's TCP behind a tap."""

import os
import sys
import unittest

import lab
import runner

KERNEL = "10.0.0.2"
NGINX = """
user root;
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000;
  server {{
    listen {address}:80 backlog=4096;
    root {folder}/files;
    location = /posted {{ client_max_body_size 10m; return 200 "taken"; }}
    location = /busy {{ return 503; }}
  }}
}}
"""


class LoadOnTap(lab.Case):
    """The tap, and the kernel's address on it, are there before pollux-load."""

    @classmethod
    def setUpClass(cls):
        lab.program("pollux-load")
        super().setUpClass()
        cls.ns = cls.namespace()
        lab.premade_tap(cls.ns, "px0", KERNEL + "/24")
        os.mkdir(cls.path("files"))
        cls.write("files/index.html", b"x" * 1000)
        cls.write("files/large", bytes(i % 251 for i in range(300_000)))

    runs = 0

    def run_load(self, *options, port=80):
        report = self.path("load.json")
        # An address of its own: the kernel remembers the connections of the run before.
        LoadOnTap.runs += 1
        code, out, err = self.ns.run(
            lab.program("pollux-load"), "--device", "tap:px0", "--address",
            f"10.0.0.{10 + LoadOnTap.runs}/24", "--target", f"{KERNEL}:{port}", "--warmup", "0.2",
            "--json", report, *lab.SMALL, *options, within=60)
        self.assertEqual((code, err), (0, ""), out)
        return lab.json_of(report)

    def load(self, *options, **kwargs):
        summary = self.run_load(*options, **kwargs)
        self.assert_faultless(summary)
        return summary

    def load_until(self, least, *options, status="200", **kwargs):
        """As long as it takes for that many connections, all answered alike; the last summary."""
        summaries = []

        def attempt(seconds):
            summary = self.load("--duration", str(seconds), *options, **kwargs)
            summaries.append(summary)
            requests = summary["requests"]
            self.assertLessEqual(set(requests["status"]), {status})
            self.assertEqual(requests["answered"], requests["status"].get(status, 0))
            self.assertGreaterEqual(requests["sent"], requests["answered"])
            return summary["connections"]["completed"]

        lab.enough(attempt, least)
        return summaries[-1]


class Nginx(LoadOnTap):
    @classmethod
    def setUpClass(cls):
        nginx = lab.tool("nginx")
        super().setUpClass()
        config = cls.write("nginx.conf",
                           NGINX.format(folder=cls.folder, address=KERNEL).encode())
        os.chmod(cls.path("files"), 0o755)
        cls.server = cls.class_process(nginx, "-p", cls.folder, "-c", config, "-e", "stderr",
                                       namespace=cls.ns)
        cls.server.until(lambda: lab.answers(cls.ns, KERNEL), "nginx listens")

    def test_many_connections(self):
        summary = self.load_until(1000, "--concurrency", "200")
        self.assertEqual(summary["connections"]["open"], 0, summary["connections"])
        for clock in ("connect", "first_byte"):
            latency = summary["latency_us"][clock]
            self.assertTrue(0 < latency["min"] <= latency["p50"] <= latency["p99"] <=
                            latency["max"], latency)

    def test_rate_is_kept(self):
        summary = self.load("--duration", "2", "--cps", "500")
        # What a stall delays is made up for.
        self.assertAlmostEqual(summary["connections"]["attempted"], 1000, delta=100 * lab.busy())

    def test_many_requests_on_a_connection(self):
        summary = self.load_until(20, "--concurrency", "20", "--requests", "50")
        self.assertGreaterEqual(summary["requests"]["answered"], 1000)

    def test_pipelined_requests(self):
        summary = self.load_until(20, "--concurrency", "20", "--requests", "64", "--pipeline", "8")
        self.assertGreaterEqual(summary["requests"]["answered"], 1280)

    def test_client_closes_first(self):
        self.load_until(100, "--concurrency", "50", "--close", "client")

    def test_client_resets(self):
        self.load_until(100, "--concurrency", "50", "--reset")

    def test_large_bodies(self):
        summary = self.load_until(10, "--concurrency", "10", "--path", "/large")
        self.assertGreater(summary["bytes"]["rx"], 10 * 300_000)

    def test_post(self):
        data = self.write("data", os.urandom(50_000))
        summary = self.load_until(10, "--concurrency", "10", "--path", "/posted", "--data",
                                  "@" + data)
        self.assertGreater(summary["bytes"]["tx"], 10 * 50_000)

    def test_other_statuses_are_counted(self):
        self.load_until(10, "--concurrency", "10", "--path", "/busy", status="503")

    def test_head(self):
        self.load_until(10, "--concurrency", "10", "--method", "HEAD", "--path", "/large")

    def test_held_connections(self):
        def hold(seconds):
            summary = self.load("--duration", str(seconds), "--hold", "--concurrency", "500",
                                "--hold-interval", "0.5", "--warmup", "0")
            connections = summary["connections"]
            self.assertEqual(connections["attempted"], connections["open"], connections)
            self.assertLessEqual(connections["peak_open"], 500, connections)
            return summary["requests"]["answered"] if connections["open"] == 500 else 0

        # One when it is open, and one every half second then.
        lab.enough(hold, 1000)

    def test_two_cores(self):
        # The kernel brings answers to the queue that it likes.
        if len(lab.CPUS) < 2:
            raise unittest.SkipTest("one CPU")
        summary = self.load_until(1000, "--concurrency", "64", "--cores",
                                  f"{lab.CPUS[0]},{lab.CPUS[1]}")
        self.assertEqual(len(summary["cores"]), 2)
        self.assertGreater(min(core["busy"] for core in summary["cores"]), 0)
        environment = summary["environment"]
        self.assertTrue(environment["steering"].startswith("software ("), environment)
        self.assertEqual(environment["lost_between_cores"], 0)


class Python(LoadOnTap):
    """An HTTP/1.0 server that closes each connection, and makes a thread for each."""

    def test_http_server(self):
        server = self.process(sys.executable, "-m", "http.server", "--bind", KERNEL, "8000",
                              "--directory", self.path("files"), namespace=self.ns)
        server.until(lambda: lab.answers(self.ns, KERNEL, 8000), "http.server listens")
        # It lets five wait for being accepted, and the kernel drops the others' SYNs.
        self.load_until(20, "--concurrency", "4", port=8000)

    def test_tap_that_the_program_makes(self):
        ns = self.namespace()
        report = self.path("own.json")
        load = self.process(lab.program("pollux-load"), "--device", "tap:px1", "--address",
                            "10.0.0.1/24", "--target", f"{KERNEL}:8000", "--concurrency", "4",
                            "--warmup", "3", "--duration", "2", "--json", report, *lab.SMALL,
                            namespace=ns)
        load.until(lambda: ns.has("px1"), "the tap")
        ns.must("ip", "addr", "add", KERNEL + "/24", "dev", "px1")
        ns.must("ip", "link", "set", "px1", "up")
        server = self.process(sys.executable, "-m", "http.server", "--bind", KERNEL, "8000",
                              "--directory", self.path("files"), namespace=ns)
        self.assertEqual(load.wait(), 0, load.story() + server.story())
        summary = lab.json_of(report)
        self.assert_faultless(summary)
        self.assertGreater(summary["connections"]["completed"], 0)


if __name__ == "__main__":
    runner.main(lab.need_tun)
