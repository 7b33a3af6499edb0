#!/usr/bin/env python3
"""Two cores on each side of a link of two queues: every flow comes to the core that has it."""

import os
import signal
import unittest

import exchange
import lab
import runner

SERVER = "10.0.0.1"
BOTH = f"{lab.CPUS[0]},{lab.CPUS[-1]}"
THOUSAND = 1000


class Cores(lab.Case):
    reports = 0

    def setUp(self):
        if len(lab.CPUS) < 2:
            raise unittest.SkipTest("one CPU")
        super().setUp()

    def report(self):
        Cores.reports += 1
        return self.path(f"report{Cores.reports}.json")

    def assert_steered(self, summary, way):
        """Both sides' cores agree on where a flow belongs, so that none is handed over."""
        self.assert_sums(summary)
        environment = summary["environment"]
        self.assertTrue(environment["steering"].startswith(way), environment)
        self.assertEqual(environment["handed_over"], 0, environment)
        self.assertEqual(environment["lost_between_cores"], 0, environment)

    def exchange(self, server, client, *options, way):
        """A generator and a responder, on the same two cores each."""
        ns = self.namespace()
        of_server, of_client = self.report(), self.report()
        httpd = self.process(lab.program("pollux-httpd"), "--device", server, "--address",
                             SERVER + "/24", "--json", of_server, *lab.SMALL, *options, "--cores",
                             BOTH, "--wait", "60", namespace=ns)
        path = server.partition(":")[2].partition(",")[0]
        httpd.until(lambda: os.path.exists(path), f"the socket {path}")
        others = iter(range(2, 100))

        def ask(seconds):
            load = self.process(lab.program("pollux-load"), "--device", client, "--address",
                                f"10.0.0.{next(others)}/24", "--target", SERVER + ":80",
                                "--concurrency", "64", "--warmup", "0.2", "--json", of_client,
                                *lab.SMALL, *options, "--cores", BOTH, "--duration", str(seconds),
                                "--wait", "30", namespace=ns)
            self.assertEqual(load.wait(seconds + 60), 0, load.story())
            summary = lab.json_of(of_client)
            self.assert_steered(summary, way)
            self.assertEqual(summary["connections"]["failed"], 0, summary["connections"])
            return summary["connections"]["completed"]

        lab.enough(ask, THOUSAND)
        self.assertEqual(httpd.stop(), 0, httpd.story())
        summary = lab.json_of(of_server)
        self.assert_steered(summary, way)
        self.assertEqual(len(summary["cores"]), 2)

    def test_memif_whose_peer_keeps_flows_on_their_queue(self):
        path = self.path("peer.sock")
        self.exchange(f"memif:{path},role=server", f"memif:{path},role=client", way="the peer's")

    def test_memif_by_software(self):
        path = self.path("software.sock")
        self.exchange(f"memif:{path},role=server", f"memif:{path},role=client", "--steering",
                      "software", way="software (as asked for")

    def test_virtio_by_software(self):
        path = self.path("vhost.sock")
        self.exchange(f"vhost:{path}", f"virtio-user:{path}", "--steering", "software",
                      way="software (as asked for")

    def against_the_kernel(self, device, way):
        ours, kernels = self.namespace(), self.namespace()
        lab.veth_pair(ours, "va", kernels, "vb")
        kernels.must("ip", "addr", "add", "10.0.0.2/24", "dev", "vb")
        report = self.report()
        httpd = lab.start_httpd(self, ours, device, SERVER + "/24", "--json", report, "--cores",
                                BOTH, keep=False)
        httpd.until(lambda: lab.answers(kernels, SERVER), "an answer")
        self.assertEqual(exchange.fetch(kernels, SERVER, THOUSAND, workers=20), [])
        self.assertEqual(httpd.stop(), 0, httpd.story())
        summary = lab.json_of(report)
        self.assert_sums(summary)
        self.assertEqual(summary["connections"]["failed"], 0, summary["connections"])
        environment = summary["environment"]
        self.assertRegex(environment["steering"], way)
        # Wherever they come in, half of the flows belong to the other core.
        self.assertGreater(environment["handed_over"], THOUSAND)
        self.assertEqual(environment["lost_between_cores"], 0)
        self.assertGreater(min(core["busy"] for core in summary["cores"]), 0)

    def test_af_packet(self):
        self.against_the_kernel("af_packet:va", r"\Asoftware \(net_af_packet brings a flow to any")

    @unittest.skipUnless(lab.REAL_ROOT, "AF_XDP needs root, and not only that of a user namespace")
    def test_af_xdp_of_one_channel(self):
        self.against_the_kernel("af_xdp:va", r"\Asoftware \(2 cores, and net_af_xdp has 1 queue:")

    def test_more_cores_than_queues(self):
        self.against_the_kernel("vdev:net_af_packet5,iface=va", r"\Asoftware \(2 cores, and .* 1 q")

    def test_segments_in_fragments(self):
        """All of a host's meet on one core, whichever has the flow."""
        lab.need_tun()
        router, client = self.namespace(), self.namespace()
        lab.veth_pair(router, "far", client, "vb")
        lab.set_sysctl(router, "ip_forward", 1)
        lab.set_sysctl(client, "ip_no_pmtu_disc", 1)
        client.must("ip", "addr", "add", "10.0.9.2/24", "dev", "vb")
        router.must("ip", "addr", "add", "10.0.9.1/24", "dev", "far")
        client.must("ip", "route", "add", "default", "via", "10.0.9.1")
        report = self.report()
        httpd = lab.start_httpd_on_tap(self, router, "--gateway", "10.0.0.2", "--json", report,
                                       "--cores", BOTH, "--steering", "software", keep=False)
        router.must("ip", "route", "add", SERVER, "dev", "px0", "mtu", "lock", "600")
        request = b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 4000 + b"\r\n\r\n"
        for _ in range(24):
            with client.connect(SERVER) as connection:
                connection.sendall(request)
                self.assertIn(b" 200 ", connection.recv(4096), httpd.story())
        self.assertEqual(httpd.stop(), 0, httpd.story())
        summary = lab.json_of(report)
        self.assert_sums(summary)
        self.assertGreater(summary["events"]["datagrams_reassembled"], 24)
        self.assertGreater(summary["events"]["handed_over"], 0)
        self.assertNotIn("tcp_wrong_core", summary["drops"])

    def test_a_server_that_stops_ends_what_each_core_has(self):
        """Cores that send through another's queue: their connections hear of the end as well."""
        ours, kernels = self.namespace(), self.namespace()
        lab.veth_pair(ours, "va", kernels, "vb")
        kernels.must("ip", "addr", "add", "10.0.0.2/24", "dev", "vb")
        httpd = lab.start_httpd(self, ours, "vdev:net_af_packet5,iface=va", SERVER + "/24",
                                "--cores", BOTH, keep=False)
        httpd.until(lambda: lab.answers(kernels, SERVER), "an answer")
        kept = [kernels.connect(SERVER) for _ in range(24)]
        for connection in kept:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIn(b"200", connection.recv(4096))
        self.assertEqual(httpd.stop(), 0, httpd.story())
        heard = 0
        for connection in kept:
            connection.settimeout(2)
            try:
                heard += connection.recv(4096) == b""
            except ConnectionResetError:
                heard += 1
            except TimeoutError:
                pass
            connection.close()
        self.assertEqual(heard, len(kept))

    def stop_in_the_middle(self, httpd, kernel, whole):
        """A reply under way is brought to its end, whichever core has it and receives for it."""
        httpd.until(lambda: lab.answers(kernel, SERVER), "an answer")
        asked = kernel.connect(SERVER, timeout=5)
        asked.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        got = len(asked.recv(100))
        httpd.tell(signal.SIGTERM)
        try:
            while got < whole:
                text = asked.recv(1 << 16)
                if not text:
                    break
                got += len(text)
        except OSError:
            pass
        asked.close()
        self.assertEqual(httpd.wait(60), 0, httpd.story())
        self.assertGreaterEqual(got, whole)

    def test_replies_under_way_when_the_server_stops(self):
        whole = 3_000_000
        for _ in range(6):  # about half of the connections are the other core's
            ours, kernels = self.namespace(), self.namespace()
            lab.veth_pair(ours, "va", kernels, "vb")
            kernels.must("ip", "addr", "add", "10.0.0.2/24", "dev", "vb")
            httpd = lab.start_httpd(self, ours, "vdev:net_af_packet5,iface=va", SERVER + "/24",
                                    "--cores", BOTH, "--body", str(whole), keep=False)
            self.stop_in_the_middle(httpd, kernels, whole)

    def test_replies_under_way_when_the_server_stops_on_two_queues(self):
        lab.need_tun()
        whole = 3_000_000
        for _ in range(6):
            ns = self.namespace()
            httpd = lab.start_httpd_on_tap(self, ns, "--cores", BOTH, "--body", str(whole),
                                           keep=False)
            self.stop_in_the_middle(httpd, ns, whole)


if __name__ == "__main__":
    runner.main()
