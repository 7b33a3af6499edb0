#!/usr/bin/env python3
"""pollux-httpd on a tap with guests who mean no good: the others are served, and nothing grows."""

import json
import re
import resource
import selectors
import socket
import time
import unittest

import exchange
import lab
import runner

SERVER = "10.0.0.1"
KERNEL = "10.0.0.2"
MIB = 1 << 20
# Nobody but the server and the kernel's end of the tap is in that network.
NETWORK = "10.0.0.0/16"


def honest(namespace, count, rate):
    """That many connections at that rate; a line for each that did not get its answer in five
    seconds, which is time for a SYN that is lost twice, and less than a flood lasts."""
    wrong = []
    workers = 20
    begin = time.monotonic()

    def work(first):
        for number in range(first, count, workers):
            # None is left out when the machine is late: the number counts, not the time.
            time.sleep(max(0.0, begin + number / rate - time.monotonic()))
            try:
                with namespace.connect(SERVER, timeout=5) as connection:
                    connection.sendall(exchange.GET)
                    if not exchange.receive_all(connection).startswith(b"HTTP/1.1 200 "):
                        wrong.append("no answer")
            except OSError as error:
                wrong.append(repr(error))

    lab.in_threads([lambda first=first: work(first) for first in range(workers)])
    return wrong


def wide_tap(case, name, *options):
    """A responder on a tap, in a network of 65,534 hosts; it reports under that name."""
    namespace = case.namespace()
    report = case.path(name + ".json")
    httpd = lab.start_httpd(case, namespace, "tap:px0", SERVER + "/16", "--json", report, *options)
    namespace.must("ip", "addr", "add", KERNEL + "/16", "dev", "px0")
    namespace.must("ip", "link", "set", "px0", "up")
    httpd.until(lambda: lab.answers(namespace, SERVER), "an answer over the tap")
    return namespace, httpd, report


class Abuse(lab.Case):
    options = ("--route", f"10.77.0.0/16={KERNEL}")

    @classmethod
    def setUpClass(cls):
        cls.flooder = lab.helper("flood")
        super().setUpClass()
        cls.ns, cls.httpd, cls.report = wide_tap(cls, "class", *cls.options)
        neighbour = cls.ns.must("ip", "neigh", "show", SERVER)
        cls.mac = re.search(r"lladdr (\S+)", neighbour).group(1)

    @classmethod
    def tearDownClass(cls):
        """Nothing is left of any guest, and every frame has become of something."""
        if cls.httpd.stop() != 0 or cls.httpd.err:
            raise AssertionError(cls.httpd.story())
        case = cls()
        summary = lab.json_of(cls.report)
        case.assert_sums(summary)
        case.assertEqual(summary["connections"]["open"], 0, summary["connections"])
        super().tearDownClass()

    def tearDown(self):
        self.assertTrue(self.httpd.alive(), self.httpd.story())

    def resident(self):
        """Of the server's memory, bytes in use."""
        with open(f"/proc/{self.httpd.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+) kB", file.read()).group(1)) * 1024

    def flood(self, kind, seconds, *options, source=NETWORK, rate=20_000):
        """Starts one; finish() waits for its end."""
        return self.process(self.flooder, "px0", kind, "--to", SERVER + ":80", "--mac", self.mac,
                            "--from", source, "--seconds", str(seconds), "--rate", str(rate),
                            *options, namespace=self.ns)

    def finish(self, flood, least):
        """It went on until now, and so many frames left at the least."""
        self.assertEqual(flood.wait(), 0, flood.story())
        sent = json.loads(flood.out)["sent"]
        self.assertGreaterEqual(sent, least, flood.out)
        return sent

    def assert_served(self, wrong, of, share=0.99):
        self.assertLessEqual(len(wrong), (1 - share) * of, wrong[:10])


class Floods(Abuse):
    def test_syn_flood(self):
        flood = self.flood("syn", 10)
        wrong = honest(self.ns, 2000, 200)
        self.finish(flood, 20_000)
        self.assert_served(wrong, 2000)

    def test_syn_flood_whose_answers_leave(self):
        """Its addresses lie behind the kernel, which forwards nothing."""
        flood = self.flood("syn", 4, source="10.77.0.0/16")
        wrong = honest(self.ns, 600, 200)
        self.finish(flood, 5000)
        self.assert_served(wrong, 600)

    def test_neighbours_that_come_during_a_flood(self):
        """They are learnt although those that nobody has want all of the table."""
        flood = self.flood("syn", 4)
        for number in range(20):
            address = f"10.0.{number}.77"
            self.ns.must("ip", "addr", "add", address + "/16", "dev", "px0")
            self.ask_for_server(address)
            with self.ns.socket(timeout=5) as connection:
                connection.bind((address, 0))
                connection.connect((SERVER, 80))
                connection.sendall(exchange.GET)
                self.assertIn(b" 200 ", exchange.receive_all(connection))
        self.finish(flood, 5000)

    def ask_for_server(self, address):
        """ARP under a new address, as a host does that has just come; the kernel knows already."""
        with self.ns, socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as frames:
            frames.bind(("px0", 0))
            mac = frames.getsockname()[4]
            frames.send(b"\xff" * 6 + mac + b"\x08\x06" + bytes.fromhex("0001080006040001") + mac +
                        socket.inet_aton(address) + b"\0" * 6 + socket.inet_aton(SERVER))

    def test_floods_of_segments_that_belong_to_nothing(self):
        for kind in ("ack", "rst", "fin", "land", "tiny", "overlap"):
            with self.subTest(kind=kind):
                flood = self.flood(kind, 1.2)
                wrong = honest(self.ns, 200, 200)
                self.finish(flood, 1000)
                self.assert_served(wrong, 200)

    def test_segments_under_the_address_of_open_connections(self):
        """RFC 5961: who does not know the numbers ends no connection."""
        connections = [self.ns.connect(SERVER) for _ in range(100)]
        for kind in ("rst", "syn", "ack", "fin"):
            self.finish(self.flood(kind, 0.7, source=KERNEL + "/32"), 500)
        for connection in connections:
            with connection:
                connection.sendall(exchange.GET)
                reply = exchange.receive_all(connection)
                self.assertTrue(reply.startswith(b"HTTP/1.1 200 "), reply)

    def test_memory_returns(self):
        """What one round has taken is enough for the rounds after it."""
        def a_round():
            for kind in ("syn", "ack", "tiny", "overlap"):
                self.finish(self.flood(kind, 0.5), 500)
            self.assertEqual(exchange.fetch(self.ns, SERVER, 50), [])
            return self.resident()

        # Half-open entries and fragments of the floods live for a while, so that the first rounds
        # may still reach entries that none used before.
        sizes = [a_round() for _ in range(3)]
        self.assertLess(sizes[2] - sizes[1], 16 * MIB, sizes)


class Silent(Abuse):
    """Those that complete the handshake, and then say nothing."""

    options = ("--idle-timeout", "2")

    def test_ends_connections_without_a_request(self):
        with self.ns.connect(SERVER) as never, self.ns.connect(SERVER) as once:
            once.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            begin = time.monotonic()
            self.assertTrue(exchange.receive_all(once).startswith(b"HTTP/1.1 200 "))
            self.assertEqual(exchange.receive_all(never), b"")
            # In good order, and not before its time; that it comes at all the socket's own
            # time-out says.
            self.assertGreater(time.monotonic() - begin, 1.9)


class Guests(Abuse):
    """Those that complete the handshake, and then behave badly."""

    options = ("--head-timeout", "5")
    slow = 10_000

    def test_slowloris(self):
        least = self.slow + 1000
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < least:
            raise unittest.SkipTest(f"a process may have {hard} open files only")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, least), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        before = self.resident()
        dripping = []
        try:
            for _ in range(self.slow):
                connection = self.ns.connect(SERVER)
                connection.sendall(b"GET / HTTP/1.1\r\n")
                connection.setblocking(False)
                dripping.append(connection)
            self.assertEqual(honest(self.ns, 100, 200), [])
            self.assertLess(self.resident() - before, self.slow * 4096)
            self.drip_until_all_are_refused(dripping)
        finally:
            for connection in dripping:
                connection.close()
        self.assertEqual(honest(self.ns, 100, 200), [])

    def drip_until_all_are_refused(self, connections):
        """A byte every second or so on each, until each has had its 408 and FIN."""
        selector = selectors.DefaultSelector()
        for connection in connections:
            selector.register(connection, selectors.EVENT_READ)
        replies = {}
        end = time.monotonic() + lab.PATIENCE
        while selector.get_map():
            self.assertLess(time.monotonic(), end, f"{len(selector.get_map())} are still open")
            for key in list(selector.get_map().values()):
                try:
                    key.fileobj.send(b"a")
                except OSError:
                    pass  # full, or reset
            pause = time.monotonic() + 1
            while time.monotonic() < pause:
                for key, _ in selector.select(0.1):
                    self.read(key.fileobj, replies, selector)
        refused = sum(reply.startswith(b"HTTP/1.1 408 ") for reply in replies.values())
        self.assertEqual(refused, len(connections), set(replies.values()))

    @staticmethod
    def read(connection, replies, selector):
        try:
            data = connection.recv(4096)
        except OSError as error:
            data, replies[connection] = b"", replies.get(connection, repr(error).encode())
        replies[connection] = replies.get(connection, b"") + data
        if not data:
            selector.unregister(connection)

    def test_more_than_the_server_keeps(self):
        """The bound of connections holds, and there is room again when the slow ones have gone."""
        ns, httpd, report = wide_tap(self, "small", "--connections", "500")
        slow = [ns.socket() for _ in range(1500)]
        try:
            for connection in slow:
                connection.setblocking(False)
                connection.connect_ex((SERVER, 80))
            begin = time.monotonic()
            while time.monotonic() - begin < 2:
                for connection in slow:
                    try:
                        connection.send(b"G")
                    except OSError:
                        pass  # not there yet, or refused
        finally:
            for connection in slow:
                connection.close()
        lab.eventually(lambda: exchange.fetch(ns, SERVER, 1) == [], "the server has room")
        self.assertEqual(httpd.stop(), 0, httpd.story())
        summary = lab.json_of(report)
        self.assert_sums(summary)
        self.assertLessEqual(summary["connections"]["peak_open"], 500, summary["connections"])
        self.assertGreater(summary["drops"].get("tcp_connections_full", 0), 0, summary["drops"])

    def test_peers_that_never_read(self):
        """Their windows close, and hold nobody else up."""
        before = self.resident()
        connections = [self.ns.connect(SERVER, receive_buffer=4096) for _ in range(200)]
        for connection in connections:
            connection.sendall(b"GET /bytes/100000000 HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
        wrong = honest(self.ns, 400, 200)
        self.assertLess(self.resident() - before, 64 * MIB)
        for connection in connections:
            connection.close()  # with unread text: a reset
        self.assertEqual(wrong, [])

    def test_port_scans(self):
        nmap = lab.tool("nmap")
        for scan, expected in (("-sS", "open"), ("-sT", "open"), ("-sN", r"open\|filtered"),
                               ("-sF", r"open\|filtered"), ("-sX", r"open\|filtered")):
            with self.subTest(scan=scan):
                code, out, err = self.ns.run(nmap, "-n", "-Pn", "--privileged", scan, "-T5", "-p",
                                             "1-1000", SERVER, within=90)
                self.assertEqual(code, 0, out + err)
                # Of the port that listens, and of no other.
                self.assertRegex(out, rf"(?m)^80/tcp +{expected} ")
                self.assertRegex(out, r"(?m)^Not shown: 999 closed ")
        self.assertEqual(honest(self.ns, 100, 200), [])

    def test_odd_probes_of_the_system(self):
        """nmap's guess at the system: combinations of bits and options that nobody else sends."""
        code, out, err = self.ns.run(lab.tool("nmap"), "-n", "-Pn", "--privileged", "-O",
                                     "--max-os-tries", "1", "-p", "79,80", SERVER, within=90)
        self.assertEqual(code, 0, out + err)
        self.assertEqual(honest(self.ns, 100, 200), [])


if __name__ == "__main__":
    runner.main(lab.need_tun)
