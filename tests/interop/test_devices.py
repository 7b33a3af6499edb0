#!/usr/bin/env python3
"""Every kind of device that needs no NIC carries a thousand connections."""

import hashlib
import os
import unittest

import exchange
import lab
import runner

CORES = (str(lab.CPUS[0]), str(lab.CPUS[-1]))
THOUSAND = 1000


class Devices(lab.Case):
    """10.0.0.1 is pollux-httpd, 10.0.0.2 whoever asks it."""

    reports = 0

    def report(self):
        Devices.reports += 1
        return self.path(f"report{Devices.reports}.json")

    def assert_served(self, httpd, report, left_over=0):
        """Ends the responder; it has seen what the others have seen."""
        self.assertEqual(httpd.stop(), 0, httpd.story())
        self.assertEqual(httpd.err, "")
        summary = lab.json_of(report)
        self.assert_sums(summary)
        self.assertGreaterEqual(summary["connections"]["completed"], THOUSAND)
        self.assertLessEqual(summary["connections"]["failed"], left_over, summary["connections"])

    def start_load(self, namespace, device, report, *options, address="10.0.0.2/24"):
        """A closed loop."""
        return self.process(lab.program("pollux-load"), "--device", device, "--address", address,
                            "--target", "10.0.0.1:80", "--concurrency", "100", "--warmup", "0.2",
                            "--json", report, *lab.SMALL, *options, namespace=namespace)


class BothEnds(Devices):
    """Pollux on either side, joined by memory that two processes share."""

    def a_thousand_connections(self, server, client, *options):
        ns = self.namespace()
        of_server, of_client = self.report(), self.report()
        httpd = self.process(lab.program("pollux-httpd"), "--device", server, "--address",
                             "10.0.0.1/24", "--json", of_server, *lab.SMALL, *options,
                             "--cores", CORES[0], "--wait", "60", namespace=ns)
        # Who makes the socket is there first.
        path = server.partition(":")[2].partition(",")[0]
        httpd.until(lambda: os.path.exists(path), f"the socket {path}")
        clients = iter(range(2, 10))
        left_over = 0  # what a generator resets because its time is up

        def ask(seconds):
            nonlocal left_over
            # Another address each time: the server keeps the last ones' connections in TIME-WAIT.
            load = self.start_load(ns, client, of_client, *options, "--cores", CORES[1],
                                   "--duration", str(seconds), "--wait", "30",
                                   address=f"10.0.0.{next(clients)}/24")
            self.assertEqual(load.wait(), 0, load.story())
            self.assertEqual(load.err, "")
            summary = lab.json_of(of_client)
            self.assert_faultless(summary)
            self.assertLessEqual(set(summary["requests"]["status"]), {"200"})
            left_over += summary["connections"]["open"]
            return summary["connections"]["completed"]

        lab.enough(ask, THOUSAND)
        self.assert_served(httpd, of_server, left_over)

    def test_memif(self):
        path = self.path("memif.sock")
        self.a_thousand_connections(f"memif:{path},role=server", f"memif:{path},role=client")

    def test_memif_without_huge_pages(self):
        path = self.path("memif-small.sock")
        self.a_thousand_connections(f"memif:{path},role=server", f"memif:{path},role=client",
                                    "--no-huge")

    def test_memif_finds_its_role(self):
        path = self.path("memif-auto.sock")
        self.a_thousand_connections(f"memif:{path}", f"memif:{path}", "--no-huge")

    def test_vhost_and_virtio_user(self):
        path = self.path("vhost.sock")
        self.a_thousand_connections(f"vhost:{path}", f"virtio-user:{path}")

    def test_vhost_and_virtio_user_without_huge_pages(self):
        path = self.path("vhost-small.sock")
        self.a_thousand_connections(f"vhost:{path}", f"virtio-user:{path}", "--no-huge")

    def test_what_is_to_be_held_and_cannot_be_opened(self):
        ns, path = self.namespace(), self.path("memif-held.sock")
        httpd = self.process(lab.program("pollux-httpd"), "--device", f"memif:{path},role=server",
                             "--address", "10.0.0.1/24", "--listen", "81", *lab.SMALL, "--cores",
                             CORES[0], "--wait", "60", namespace=ns)
        httpd.until(lambda: os.path.exists(path), "the socket")
        load = self.start_load(ns, f"memif:{path},role=client", self.report(), "--held", "50",
                               "--cores", CORES[1], "--wait", "30")
        self.assertEqual(load.wait(60), 1, load.story())
        self.assertRegex(load.err, r"\Aerror: --held 50: 0 are open, and no other in 10 s: "
                                   r"refused; try: [^\n]+\n\Z")
        self.assertEqual(httpd.stop(), 0, httpd.story())

    def test_peer_that_goes_is_waited_for(self):
        for server, client in (("memif:{},role=server", "memif:{},role=client"),
                               ("vhost:{}", "virtio-user:{}")):
            with self.subTest(server=server):
                ns = self.namespace()
                path = self.path(server.partition(":")[0] + "-again.sock")
                report = self.report()
                httpd = self.process(lab.program("pollux-httpd"), "--device", server.format(path),
                                     "--address", "10.0.0.1/24", "--json", report, *lab.SMALL,
                                     "--cores", CORES[0], "--wait", "60", namespace=ns)
                httpd.until(lambda: os.path.exists(path), "the socket")
                # A second process knows nothing of the first one's sequence numbers: it would ask
                # in vain for connections that still are in TIME-WAIT at the other end.
                for address in ("10.0.0.2/24", "10.0.0.3/24"):
                    of_client = self.report()
                    load = self.start_load(ns, client.format(path), of_client, "--cores", CORES[1],
                                           "--duration", "1", "--wait", "30", address=address)
                    self.assertEqual(load.wait(60), 0, load.story())
                    summary = lab.json_of(of_client)
                    self.assert_faultless(summary)
                    self.assertGreater(summary["connections"]["completed"], 0)
                self.assertEqual(httpd.stop(), 0, httpd.story())


class Kernel(Devices):
    """Pollux on one side, the kernel on the other."""

    def serve(self, server_side, client_side, device, *options):
        """The kernel asks pollux-httpd."""
        report = self.report()
        httpd = lab.start_httpd(self, server_side, device, "10.0.0.1/24", "--json", report,
                                *options, keep=False)
        httpd.until(lambda: lab.answers(client_side, "10.0.0.1"), f"an answer over {device}")
        self.assertEqual(exchange.fetch(client_side, "10.0.0.1", THOUSAND, workers=20), [])
        with client_side.connect("10.0.0.1") as connection:
            connection.sendall(b"GET /bytes/1000000 HTTP/1.1\r\nHost: a\r\n\r\n")
            body = exchange.receive_reply(connection)[2]
        self.assertEqual(hashlib.sha256(body).hexdigest(), exchange.pattern_hash(1000000))
        self.assert_served(httpd, report)

    def on_tap(self, device, name, *options):
        lab.need_tun()
        ns = self.namespace()
        report = self.report()
        httpd = lab.start_httpd_on_tap(self, ns, "--json", report, *options, device=device,
                                       keep=False)
        self.assertTrue(ns.has(name))
        self.assertEqual(exchange.fetch(ns, "10.0.0.1", THOUSAND, workers=20), [])
        self.assert_served(httpd, report)

    def test_tap_without_huge_pages(self):
        self.on_tap("tap:px0", "px0", "--no-huge")

    def test_raw_arguments_of_a_virtual_device(self):
        self.on_tap("vdev:net_tap5,iface=px5", "px5")

    def on_veth(self, device, *options):
        ours, kernels = self.namespace(), self.namespace()
        lab.veth_pair(ours, "va", kernels, "vb")
        kernels.must("ip", "addr", "add", "10.0.0.2/24", "dev", "vb")
        self.serve(ours, kernels, device, *options)

    def test_af_packet(self):
        self.on_veth("af_packet:va")

    def test_af_packet_without_huge_pages(self):
        self.on_veth("af_packet:va", "--no-huge")

    @unittest.skipUnless(lab.REAL_ROOT, "AF_XDP needs root, and not only that of a user namespace")
    def test_af_xdp(self):
        self.on_veth("af_xdp:va")

    @unittest.skipUnless(lab.REAL_ROOT, "AF_XDP needs root, and not only that of a user namespace")
    def test_af_xdp_without_huge_pages(self):
        self.on_veth("af_xdp:va", "--no-huge")


if __name__ == "__main__":
    runner.main()
