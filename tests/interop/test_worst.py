#!/usr/bin/env python3
"""Devices at their worst: links that go down, interfaces that are deleted, ends that disagree."""

import hashlib
import os
import re
import socket
import struct
import threading
import unittest

import exchange
import lab
import runner

SERVER = "10.0.0.1"
MIB = 1 << 20
HARDWARE = b"\x02\x00\x00\x00\x00\x77"
# Of linux/if_ether.h, if_packet.h and socket.h.
ETH_P_ALL, PACKET_AUXDATA, SOL_PACKET = 3, 8, 263


class Worst(lab.Case):
    """10.0.0.1 is pollux-httpd, 10.0.0.2 the kernel."""

    def start(self, namespace, device, *options):
        return lab.start_httpd(self, namespace, device, f"{SERVER}/24", *options, keep=False)

    def on_tap(self, *options):
        lab.need_tun()
        ns = self.namespace()
        report = self.path("report.json")
        httpd = lab.start_httpd_on_tap(self, ns, "--json", report, *options, keep=False)
        return ns, ns, "px0", httpd, report

    def on_veth(self, *options, kind="af_packet"):
        ours, kernels = self.namespace(), self.namespace()
        lab.veth_pair(ours, "va", kernels, "vb")
        kernels.must("ip", "addr", "add", "10.0.0.2/24", "dev", "vb")
        report = self.path("report.json")
        httpd = self.start(ours, f"{kind}:va", "--json", report, *options)
        httpd.until(lambda: lab.answers(kernels, SERVER), "an answer over the veth")
        return ours, kernels, "va", httpd, report

    def reply_of(self, connection, path="/"):
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        status, _, body = exchange.receive_reply(connection)
        self.assertEqual(status, "HTTP/1.1 200 OK")
        return body

    def assert_pattern(self, connection, size):
        body = self.reply_of(connection, f"/bytes/{size}")
        self.assertEqual(hashlib.sha256(body).hexdigest(), exchange.pattern_hash(size))


class LinkDownAndUp(Worst):
    """Connections live on over a down of a second, whoever's end it is."""

    def goes_on(self, ours, kernels, name, httpd, report, at=None):
        """`name`, of `at`, is down while a reply is under way and another connection is idle."""
        at = at or ours
        size = 64 * MIB
        with kernels.connect(SERVER) as idle, kernels.connect(SERVER) as busy:
            self.reply_of(idle)
            reply = []
            getting = threading.Thread(
                target=lambda: reply.append(self.reply_of(busy, f"/bytes/{size}")))
            getting.start()
            try:
                at.must("ip", "link", "set", name, "down")
                self.stay(httpd, 1.0)
                at.must("ip", "link", "set", name, "up")
            finally:
                getting.join()
            self.assertEqual(len(reply), 1)
            self.assertEqual(hashlib.sha256(reply[0]).hexdigest(), exchange.pattern_hash(size))
            self.reply_of(idle)
        self.assertEqual(httpd.stop(), 0, httpd.story())
        self.assertEqual(httpd.err, "")
        summary = lab.json_of(report)
        self.assert_sums(summary)
        self.assertEqual(summary["connections"]["failed"], 0, summary["connections"])

    def stay(self, httpd, seconds):
        """How long a link is down is what is tested."""
        threading.Event().wait(seconds)
        self.assertTrue(httpd.alive(), httpd.story())

    def test_tap(self):
        self.goes_on(*self.on_tap())

    def test_af_packet(self):
        self.goes_on(*self.on_veth())

    def test_af_packet_whose_peer_is_down(self):
        ours, kernels, _, httpd, report = self.on_veth()
        self.goes_on(ours, kernels, "vb", httpd, report, at=kernels)

    @unittest.skipUnless(lab.REAL_ROOT, "AF_XDP needs root, and not only that of a user namespace")
    def test_af_xdp(self):
        ours, kernels, _, httpd, report = self.on_veth(kind="af_xdp")
        self.goes_on(ours, kernels, "vb", httpd, report, at=kernels)

    def test_a_neighbour_that_comes_back_is_asked_for_again(self):
        """With another address, and nothing to say that would tell of it."""
        for begin in (self.on_tap, self.on_veth):
            with self.subTest(begin=begin.__name__):
                ours, kernels, name, httpd, _ = begin()
                name = "px0" if ours is kernels else "vb"
                with kernels.connect(SERVER) as connection:
                    connection.sendall(b"GET /bytes/100000000 HTTP/1.1\r\nHost: a\r\n\r\n")
                    connection.recv(1)
                    kernels.must("ip", "link", "set", name, "down")
                    kernels.must("ip", "link", "set", name, "address", "02:00:00:00:00:77")
                    # A link is looked at five times a second, by a thread that may have to wait.
                    self.stay(httpd, 3.0)
                    # Whoever was asked about us is not to be asked again, or we would learn of it.
                    kernels.must("ip", "link", "set", name, "up")
                    mac = re.search(r"[0-9a-f:]{17}", httpd.out).group()
                    kernels.must("ip", "neigh", "replace", SERVER, "lladdr", mac, "dev", name,
                                 "nud", "permanent")
                    connection.settimeout(30)
                    got = 1
                    while got < 50_000_000:
                        got += len(connection.recv(MIB))
                self.assertEqual(httpd.stop(), 0, httpd.story())


class Removed(Worst):
    """A device that is taken away ends the run: an error, the summary, exit code 1."""

    def ends(self, ours, kernels, name, httpd, report):
        device = f"tap:{name}" if ours is kernels else f"af_packet:{name}"
        with kernels.connect(SERVER) as connection:
            self.reply_of(connection)
            ours.must("ip", "link", "delete", name)
            self.assertEqual(httpd.wait(30), 1, httpd.story())
        self.assertRegex(httpd.err, rf"\Aerror: --device {device}: it was taken away while it was "
                                    r"in use; try: [^\n]+\n\Z")
        self.assertIn("connections", httpd.out)
        summary = lab.json_of(report)
        self.assert_sums(summary)
        self.assertEqual(summary["requests"]["answered"], 1, summary["requests"])

    def test_tap(self):
        self.ends(*self.on_tap())

    def test_af_packet(self):
        self.ends(*self.on_veth())

    def test_a_tap_that_moves_to_another_namespace_is_not_gone(self):
        ours, _, name, httpd, _ = self.on_tap()
        other = self.namespace()
        moved = "moved0"  # as who gives a container its eth0 does
        ours.must("ip", "link", "set", name, "netns", other.path, "name", moved)
        other.must("ip", "addr", "add", "10.0.0.2/24", "dev", moved)
        other.must("ip", "link", "set", moved, "up")
        httpd.until(lambda: lab.answers(other, SERVER), "an answer there")
        with other.connect(SERVER) as connection:
            for _ in range(5):
                self.reply_of(connection)
                self.assertFalse(threading.Event().wait(0.2))
        self.assertEqual(httpd.stop(), 0, httpd.story())

    def test_while_it_is_flooded_with_requests(self):
        ours, kernels, name, httpd, _ = self.on_tap()
        load = self.process(lab.tool("curl"), "-s", "-m", "30", "-o", "/dev/null", "--parallel",
                            f"http://{SERVER}/bytes/50000000?[1-20]", namespace=kernels)
        self.assertTrue(load.alive(), load.story())
        ours.must("ip", "link", "delete", name)
        self.assertEqual(httpd.wait(30), 1, httpd.story())
        self.assert_no_sanitizer_spoke(httpd)
        load.stop()


class SeveralPorts(Worst):
    """Two devices of one process, each with its own addresses."""

    def start_two(self):
        lab.need_tun()
        ns = self.namespace()
        report = self.path("two.json")
        httpd = self.process(lab.program("pollux-httpd"), "--device", "tap:px0", "--address",
                             "10.0.0.1/24", "--device", "tap:px1", "--address", "10.1.0.1/24",
                             "--json", report, *lab.SMALL, namespace=ns)
        httpd.until(lambda: "memory:" in httpd.out, "the banner of pollux-httpd")
        for number in (0, 1):
            ns.must("ip", "addr", "add", f"10.{number}.0.2/24", "dev", f"px{number}")
            ns.must("ip", "link", "set", f"px{number}", "up")
            httpd.until(lambda n=number: lab.answers(ns, f"10.{n}.0.1"), f"an answer on px{number}")
        return ns, httpd, report

    def test_both_are_served_and_one_goes_on_when_the_other_is_down(self):
        ns, httpd, report = self.start_two()
        lab.in_threads([lambda n=n: self.assertEqual(
            exchange.fetch(ns, f"10.{n}.0.1", 200, workers=5), []) for n in (0, 1)])
        ns.must("ip", "link", "set", "px0", "down")
        self.assertEqual(exchange.fetch(ns, "10.1.0.1", 200, workers=5), [])
        ns.must("ip", "link", "set", "px0", "up")
        httpd.until(lambda: lab.answers(ns, "10.0.0.1"), "an answer on px0 again")
        self.assertEqual(httpd.stop(), 0, httpd.story())
        summary = lab.json_of(report)
        self.assert_sums(summary)
        self.assertGreaterEqual(summary["connections"]["completed"], 600)

    def test_one_goes_on_when_the_other_is_taken_away(self):
        ns, httpd, report = self.start_two()
        ns.must("ip", "link", "delete", "px0")
        httpd.until(lambda: "tap:px0: it was taken away" in httpd.err, "the error")
        self.assertEqual(exchange.fetch(ns, "10.1.0.1", 200, workers=5), [])
        self.assertEqual(httpd.stop(), 1, httpd.story())
        self.assertGreaterEqual(lab.json_of(report)["connections"]["completed"], 200)
        self.assertEqual(httpd.err.count("error:"), 1, httpd.err)


class LongFrames(Worst):
    """MTUs that agree, and some that do not."""

    def exchange_all(self, kernels, size=20 * MIB):
        with kernels.connect(SERVER) as connection:
            self.assert_pattern(connection, size)
            body = os.urandom(4 * MIB)
            connection.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" %
                               len(body))
            sending = threading.Thread(target=connection.sendall, args=(body,))
            sending.start()
            echoed = exchange.receive_reply(connection)[2]
            sending.join()
            self.assertEqual(hashlib.sha256(echoed).digest(), hashlib.sha256(body).digest())

    def set_mtu(self, namespace, name, mtu):
        namespace.must("ip", "link", "set", name, "mtu", str(mtu))

    def ping(self, namespace, size):
        return namespace.run(lab.tool("ping", "iputils-ping"), "-c", "1", "-W", "5", "-M", "do",
                             "-s", str(size), SERVER)[0] == 0

    def finish(self, httpd, report):
        self.assertEqual(httpd.stop(), 0, httpd.story())
        summary = lab.json_of(report)
        self.assert_sums(summary)
        return summary

    def test_a_tap_takes_no_jumbo_frames_and_says_so(self):
        lab.need_tun()
        code, _, err = self.namespace().run(lab.program("pollux-httpd"), "--device", "tap:px0",
                                            "--address", "10.0.0.1/24", "--mtu", "9000")
        self.assertEqual(code, 2, err)
        self.assertRegex(err, r"\Aerror: --mtu 9000: that of tap:px0 can be \d+ to 15\d\d; try: "
                              r"[^\n]+\n\Z")

    def test_jumbo_frames_on_a_veth(self):
        ours, kernels = self.namespace(), self.namespace()
        lab.veth_pair(ours, "va", kernels, "vb")
        self.set_mtu(ours, "va", 9000)
        self.set_mtu(kernels, "vb", 9000)
        kernels.must("ip", "addr", "add", "10.0.0.2/24", "dev", "vb")
        report = self.path("jumbo.json")
        httpd = self.start(ours, "af_packet:va", "--json", report, "--mtu", "9000")
        self.exchange_all(kernels)
        self.assertTrue(self.ping(kernels, 8972))
        summary = self.finish(httpd, report)
        self.assertGreater(summary["bytes"]["tx"] / summary["packets"]["tx"], 4000)

    def test_a_peer_with_longer_frames(self):
        """TCP agrees on what both take; a datagram that is too long for us is lost, and counted."""
        for begin in (self.on_tap, self.on_veth):
            with self.subTest(begin=begin.__name__):
                ours, ns, name, httpd, report = begin()
                for namespace, interface in {(ours, name), (ns, "px0" if ours is ns else "vb")}:
                    self.set_mtu(namespace, interface, 9000)
                self.exchange_all(ns)
                self.assertFalse(self.ping(ns, 8000))
                self.assertTrue(self.ping(ns, 100))
                summary = self.finish(httpd, report)
                self.assertNotIn("tcp_black_holes", summary["events"])
                # A tap's driver drops it; af_packet's ring has room for the front of it.
                lost = (summary["device_drops"].get("rx_errors", 0) +
                        summary["drops"].get("ipv4_truncated", 0))
                self.assertGreaterEqual(lost, 1, summary)

    def test_a_peer_with_shorter_frames(self):
        """Which says so by its MSS."""
        ours, kernels, _, httpd, report = self.on_veth("--mtu", "9000")
        self.exchange_all(kernels)
        summary = self.finish(httpd, report)
        self.assertNotIn("tcp_black_holes", summary["events"])


class Tagged(Worst):
    def test_a_vlan_of_the_kernel_over_a_tap(self):
        lab.need_tun()
        ns = self.namespace()
        report = self.path("vlan.json")
        httpd = self.start(ns, "tap:px0", "--json", report, "--vlan", "7")
        ns.must("ip", "link", "set", "px0", "up")
        if ns.run("ip", "link", "add", "link", "px0", "name", "px0.7", "type", "vlan", "id",
                  "7")[0] != 0:
            self.skipTest("the kernel has no 802.1Q (modprobe 8021q)")
        ns.must("ip", "addr", "add", "10.0.0.2/24", "dev", "px0.7")
        ns.must("ip", "link", "set", "px0.7", "up")
        httpd.until(lambda: lab.answers(ns, SERVER), "an answer")
        self.assertEqual(exchange.fetch(ns, SERVER, 200, workers=5), [])
        ns.must("ip", "addr", "del", "10.0.0.2/24", "dev", "px0.7")
        ns.must("ip", "addr", "add", "10.0.0.2/24", "dev", "px0")
        self.assertFalse(lab.answers(ns, SERVER), "untagged frames are none of its")
        self.assertEqual(httpd.stop(), 0, httpd.story())
        self.assertGreater(lab.json_of(report)["drops"]["vlan_other"], 0)

    def test_two_of_ours_over_af_packet(self):
        """The kernel takes the tag out of what a packet socket gets, the driver puts it back."""
        ours, others = self.namespace(), self.namespace()
        lab.veth_pair(ours, "va", others, "vb")
        report, asked = self.path("tagged.json"), self.path("asked.json")
        httpd = self.start(ours, "af_packet:va", "--json", report, "--vlan", "7")
        code, _, err = others.run(
            lab.program("pollux-load"), "--device", "af_packet:vb", "--address", "10.0.0.2/24",
            "--vlan", "7", "--target", f"{SERVER}:80", "--concurrency", "8", "--warmup", "0",
            "--cores", str(lab.CPUS[-1]), "--duration", "1", "--json", asked, *lab.SMALL)
        self.assertEqual((code, err), (0, ""))
        self.assert_faultless(lab.json_of(asked))
        self.assertGreater(lab.json_of(asked)["connections"]["completed"], 8)
        # Of three who ask for its address, one after the other, it answers the one on its VLAN.
        wire = self.packet_socket(others, "vb")
        for number, tag in ((3, b"\x81\x00\x00\x08"), (4, b""), (5, b"\x81\x00\x00\x07")):
            wire.send(b"\xff" * 6 + HARDWARE + tag + b"\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01" +
                      HARDWARE + bytes((10, 0, 0, number)) + bytes(6) + bytes((10, 0, 0, 1)))
        self.assertEqual(self.next_arp_reply(wire), (7, "10.0.0.5"))
        self.assertEqual(httpd.stop(), 0, httpd.story())
        summary = lab.json_of(report)
        self.assert_sums(summary)
        self.assertGreaterEqual(summary["drops"]["vlan_other"], 2)

    def packet_socket(self, namespace, interface):
        with namespace:
            made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.addCleanup(made.close)
        made.settimeout(lab.PATIENCE)
        made.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        made.bind((interface, ETH_P_ALL))
        return made

    def next_arp_reply(self, wire):
        """To us: the VLAN that it came on, which the kernel tells apart, and whom it answers."""
        while True:
            frame, notes, _, _ = wire.recvmsg(2048, 256)
            if frame[:6] != HARDWARE or frame[12:14] + frame[20:22] != b"\x08\x06\x00\x02":
                continue
            _, _, note = next(each for each in notes if each[:2] == (SOL_PACKET, PACKET_AUXDATA))
            tag = struct.unpack_from("=H", note, 16)[0]
            return tag, socket.inet_ntoa(frame[38:42])


if __name__ == "__main__":
    runner.main()
