#!/usr/bin/env python3
"""pollux-httpd on a tap, asked by the kernel's TCP through everyday programs."""

import hashlib
import os
import re
import socket
import unittest

import exchange
import lab
import runner

SERVER = "10.0.0.1"
URL = f"http://{SERVER}"
MIB = 1 << 20


class Httpd(lab.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ns = cls.namespace()
        cls.httpd = lab.start_httpd_on_tap(cls, cls.ns)

    def tearDown(self):
        self.assertTrue(self.httpd.alive(), self.httpd.story())

    def connect(self, **kwargs):
        return self.ns.connect(SERVER, **kwargs)


class Curl(Httpd):
    def setUp(self):
        self.curl = lab.tool("curl")

    def many(self, count, *options):
        self.assertEqual(exchange.curl_many(self.ns, URL, count, *options), [])

    def test_a_thousand_requests_in_sequence(self):
        self.many(1000)

    def test_a_hundred_at_once(self):
        self.many(100, "--parallel", "--parallel-immediate", "--parallel-max", "100")

    def test_a_hundred_processes_at_once(self):
        curls = [self.process(self.curl, "-sS", "-m", "60", "-w", "%{http_code}", "-o", "/dev/null",
                              f"{URL}/", namespace=self.ns) for _ in range(100)]
        for curl in curls:
            self.assertEqual((curl.wait(90), curl.out), (0, "200"), curl.story())

    def test_one_connection_for_many_requests(self):
        line = "%{http_code} %{num_connects}\n"
        code, out, err = self.ns.run(self.curl, "-sS", "-m", "60", "-o", "/dev/null", "-w", line,
                                     f"{URL}/[1-200]")
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(out.splitlines(), ["200 1"] + ["200 0"] * 199)

    def test_http_1_0_and_head(self):
        code, out, err = self.ns.run(self.curl, "-sS", "-0", f"{URL}/")
        self.assertEqual((code, err, len(out)), (0, "", 128))
        code, out, err = self.ns.run(self.curl, "-sS", "-I", f"{URL}/bytes/1000")
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, r"(?im)^content-length: 1000\r?$")

    def test_large_body_arrives_whole(self):
        size = 100 * MIB
        self.assertEqual(exchange.curl_large(self.ns, URL, size, self.path("large")), "")

    def test_large_echo_comes_back_identical(self):
        content = os.urandom(64 * MIB)
        self.write("sent", content)
        self.addCleanup(os.unlink, self.path("sent"))
        # One with its length, after 100 (Continue), and one in chunks.
        for options in ([], ["-H", "Transfer-Encoding: chunked", "-H", "Expect:"]):
            with self.subTest(options=options):
                code, _, err = self.ns.run(
                    self.curl, "-sS", "-m", "90", *options, "-X", "POST", "--data-binary",
                    "@" + self.path("sent"), "-o", self.path("received"), f"{URL}/echo", within=95)
                self.assertEqual((code, err), (0, ""))
                with open(self.path("received"), "rb") as file:
                    self.assertTrue(file.read() == content, "the echo is not what was sent")
                os.unlink(self.path("received"))


class Segmentation(lab.Case):
    """The tap's driver cuts what TCP sends, in software."""

    def test_what_is_cut_arrives_whole_and_was_cut(self):
        ns = self.namespace()
        httpd = lab.start_httpd_on_tap(self, ns, "--tso", "on", "--json", self.path("summary"))
        self.assertIn("TCP segmentation", httpd.out)
        size = 50 * MIB
        self.assertEqual(exchange.curl_large(ns, URL, size, self.path("cut")), "")
        httpd.stop()
        summary = lab.json_of(self.path("summary"))
        self.assertIn("TCP segmentation", summary["environment"]["offloads"])
        self.assertGreater(summary["events"]["tcp_uncut_sent"], 100)
        self.assertGreaterEqual(summary["events"]["tcp_segments_sent"], size // 1460)


class Squeezed(Httpd):
    """The client's receive window is small, and closed again and again."""

    def echo(self, size, receive_buffer):
        block = os.urandom(MIB)
        with self.connect(timeout=60, receive_buffer=receive_buffer) as connection:
            def send():
                connection.sendall(f"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                                   f"Content-Length: {size}\r\n\r\n".encode())
                left = size
                while left != 0:
                    part = min(left, len(block))
                    connection.sendall(block[:part])
                    left -= part

            def receive():
                status, headers, body = exchange.receive_reply(connection)
                self.assertEqual(status, "HTTP/1.1 200 OK")
                self.assertEqual(headers["content-length"], str(size))
                digest = hashlib.sha256(body)
                self.assertEqual(connection.recv(1), b"", "bytes behind the body")
                wanted = hashlib.sha256()
                for at in range(0, size, len(block)):
                    wanted.update(block[:min(size - at, len(block))])
                self.assertEqual(digest.hexdigest(), wanted.hexdigest())

            lab.in_threads([send, receive])

    def test_echo_through_a_small_window(self):
        self.echo(64 * MIB, 32 * 1024)

    def test_echo_through_the_smallest_window(self):
        self.echo(2 * MIB, 2048)

    def test_download_by_a_reader_that_stops(self):
        size = 4 * MIB
        with self.connect(timeout=60, receive_buffer=16 * 1024) as connection:
            connection.sendall(f"GET /bytes/{size} HTTP/1.1\r\nHost: a\r\n"
                               "Connection: close\r\n\r\n".encode())
            # Nothing is read until the kernel's buffer is full and its window has closed.
            available = -1

            def stands_still():
                nonlocal available
                before, available = available, len(connection.recv(MIB, socket.MSG_PEEK))
                return before == available
            for _ in range(20):
                lab.eventually(stands_still, "the window closes")
            status, _, body = exchange.receive_reply(connection)
        self.assertEqual(status, "HTTP/1.1 200 OK")
        self.assertEqual(hashlib.sha256(body).hexdigest(), exchange.pattern_hash(size))


class Load(Httpd):
    def wrk(self, *options):
        code, out, err = self.ns.run(lab.tool("wrk"), "-t", "1", "-c", "64", *options, f"{URL}/",
                                     within=90)
        self.assertEqual(code, 0, out + err)
        self.assertNotRegex(out, "(?i)socket errors|non-2xx", out)
        self.assertGreater(int(re.search(r"(\d+) requests in", out).group(1)), 0, out)

    def test_wrk_keeps_its_connections(self):
        self.wrk("-d", "5")

    def test_wrk_closes_each_connection(self):
        self.wrk("-d", "2", "-H", "Connection: close")

    def ab(self, *options):
        code, out, err = self.ns.run(lab.tool("ab", "apache2-utils"), "-q", "-c", "50", *options,
                                     f"{URL}/", within=120)
        self.assertEqual(code, 0, out + err)
        self.assertRegex(out, r"Failed requests: +0\n")
        self.assertNotIn("Non-2xx", out)
        return out

    def test_ab_closes_each_connection(self):
        self.assertRegex(self.ab("-n", "20000"), r"Complete requests: +20000\n")

    def test_ab_keeps_its_connections(self):
        out = self.ab("-k", "-n", "10000")
        self.assertRegex(out, r"Complete requests: +10000\n")
        self.assertRegex(out, r"Keep-Alive requests: +10000\n")


class Kernel(Httpd):
    """What the kernel's own protocols say to Pollux's."""

    def test_client_that_half_closes_still_gets_its_answer(self):
        for path, size in (("/", 128), ("/bytes/3000000", 3000000)):
            with self.subTest(path=path), self.connect() as connection:
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                connection.shutdown(socket.SHUT_WR)
                status, _, body = exchange.receive_reply(connection)
                self.assertEqual((status, len(body)), ("HTTP/1.1 200 OK", size))
                self.assertEqual(connection.recv(1), b"", "the server closes as well")

    def ping(self, size):
        out = self.ns.must(lab.tool("ping", "iputils-ping"), "-c", "5", "-i", "0.2", "-W", "10",
                           "-s", str(size), SERVER)
        self.assertIn("5 packets transmitted, 5 received, 0% packet loss", out)
        self.assertNotIn("DUP", out)

    def test_ping(self):
        self.ping(56)

    def test_ping_in_fragments(self):
        self.ping(4000)

    def test_datagram_to_a_closed_port_is_refused(self):
        with self.ns.socket(socket.SOCK_DGRAM) as datagrams:
            datagrams.connect((SERVER, 9))
            datagrams.send(b"anybody?")
            with self.assertRaises(ConnectionRefusedError):
                datagrams.recv(100)

    def test_connection_to_a_closed_port_is_refused(self):
        with self.assertRaises(ConnectionRefusedError):
            self.connect(port=81)

    def test_client_that_resets_disturbs_nobody(self):
        for _ in range(50):
            with self.connect() as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                      b"\x01\0\0\0\0\0\0\0")
                connection.sendall(b"GET /bytes/1000000 HTTP/1.1\r\nHost: a\r\n\r\n")
                connection.recv(1)
        self.assertEqual(exchange.fetch(self.ns, SERVER, 20), [])


class Conflict(lab.Case):
    def test_another_user_of_the_address_is_warned_of_once(self):
        ns = self.namespace()
        httpd = lab.start_httpd_on_tap(self, ns, keep=False)
        other = bytes.fromhex("020000000009")
        address = socket.inet_aton(SERVER)
        claim = (b"\xff" * 6 + other + b"\x08\x06" + bytes.fromhex("0001080006040001") +
                 other + address + b"\0" * 6 + address)
        with ns:
            frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        with frames:
            frames.bind(("px0", 0))
            for _ in range(20):
                frames.send(claim)
            line = f"warning: {SERVER} is also used by 02:00:00:00:00:09\n"
            httpd.until(lambda: line in httpd.err, "a warning")
        self.assertTrue(lab.answers(ns, SERVER))
        self.assertEqual(httpd.stop(), 0, httpd.story())
        self.assertEqual(httpd.err.count("warning:"), 1, httpd.story())


class Cores(lab.Case):
    def test_two_queues_answer_many_connections(self):
        if len(lab.CPUS) < 2:
            raise unittest.SkipTest("one CPU")
        ns = self.namespace()
        httpd = lab.start_httpd_on_tap(self, ns, "--cores", f"{lab.CPUS[0]},{lab.CPUS[1]}",
                                       "--json", self.path("cores.json"), keep=False)
        self.assertEqual(exchange.fetch(ns, SERVER, 200, workers=20), [])
        self.assertEqual(httpd.stop(), 0, httpd.story())
        summary = lab.json_of(self.path("cores.json"))
        self.assert_sums(summary)
        self.assertGreaterEqual(summary["connections"]["completed"], 200)
        self.assertEqual(summary["connections"]["failed"], 0, summary["connections"])
        self.assertEqual(len(summary["cores"]), 2)
        # The kernel takes any queue for a new flow, and then the one that its answers come by.
        environment = summary["environment"]
        self.assertTrue(environment["steering"].startswith("software ("), environment)
        self.assertGreater(environment["handed_over"], 0)
        self.assertEqual(environment["lost_between_cores"], 0)


if __name__ == "__main__":
    runner.main(lab.need_tun)
