#!/usr/bin/env python3
"""Pollux and the kernel's TCP over a rough wire: frames are lost, late, overtaken and doubled."""

import hashlib
import json
import random
import socket
import threading
import unittest

import exchange
import lab
import runner

KERNEL = "10.0.0.2"
MIB = 1 << 20
ROUGH = ("--loss", "0.005", "--duplicate", "0.005", "--reorder", "0.01", "--reorder-us", "2000",
         "--delay-us", "500", "--jitter-us", "300")
# The bits of TCP_INFO's sixth byte.
TIMESTAMPS, SACK, WINDOW_SCALE = 1, 2, 4
# Where the kernel closed first it keeps TIME-WAIT for a minute. SocketsEmpty waits for all of them
# at once, after the other classes have run (by their names), the long transfers last.
used_namespaces = []


def sockets(namespace, *but):
    """The kernel's TCP sockets there that are neither listening nor in one of those states."""
    lines = namespace.must(lab.tool("ss", "iproute2"), "-Htan").splitlines()
    return [line for line in lines if line.split()[0] not in ("LISTEN", *but)]


class RoughWire(lab.Case):
    """`ours` has a tap for Pollux and the wire from it to `kernels`, where 10.0.0.2 is."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ours = cls.namespace()
        cls.kernels = lab.Namespace()
        used_namespaces.append((cls.__name__, cls.kernels))
        cls.wire = lab.wire_from_tap(cls, cls.ours, cls.kernels, KERNEL + "/24", *ROUGH,
                                     "--seed", "7")

    @classmethod
    def tearDownClass(cls):
        """What the wire did, and that no socket is left but those in TIME-WAIT."""
        try:
            lab.eventually(lambda: not sockets(cls.kernels, "TIME-WAIT"), "only TIME-WAIT is left")
        except AssertionError as failure:
            raise AssertionError(f"{failure}: {sockets(cls.kernels, 'TIME-WAIT')}") from None
        if cls.wire.stop() != 0:
            raise AssertionError(cls.wire.story())
        for name, counts in json.loads(cls.wire.out.splitlines()[-1]).items():
            for harm in ("lost", "duplicated", "reordered"):
                if counts[harm] == 0:
                    raise AssertionError(f"the wire was not rough {name}: {counts}")
        super().tearDownClass()

    last_address = 9

    @classmethod
    def fresh_address(cls):
        """The kernel remembers the MAC address and the connections of the ones before."""
        RoughWire.last_address += 1
        return f"10.0.0.{RoughWire.last_address}"


def echo(connection, content, close):
    """POST /echo; what comes back is what was sent, and nothing behind it."""
    head = (f"POST /echo HTTP/1.1\r\nHost: a\r\n{'Connection: close' if close else 'X-A: b'}\r\n"
            f"Content-Length: {len(content)}\r\n\r\n").encode()

    def receive():
        status, _, body = exchange.receive_reply(connection)
        if status != "HTTP/1.1 200 OK":
            raise AssertionError(status)
        got, sent = (hashlib.sha256(part).hexdigest() for part in (body, content))
        if got != sent:
            raise AssertionError(f"SHA-256 {got} of {len(body)} bytes came back, {sent} was sent")

    lab.in_threads([lambda: connection.sendall(head + content), receive])


def download(connection, size, close):
    connection.sendall(f"GET /bytes/{size} HTTP/1.1\r\nHost: a\r\n"
                       f"{'Connection: close' if close else 'X-A: b'}\r\n\r\n".encode())
    status, _, body = exchange.receive_reply(connection)
    if (status, hashlib.sha256(body).hexdigest()) != ("HTTP/1.1 200 OK",
                                                      exchange.pattern_hash(size)):
        raise AssertionError(f"{status}, {len(body)} bytes of {size}, or others than asked for")


def close_after(connection, server_first):
    """Both ends in good order, and who begins."""
    if not server_first:
        connection.shutdown(socket.SHUT_WR)
    if connection.recv(1) != b"":
        raise AssertionError("bytes behind the reply")
    connection.close()


class KernelIsClient(RoughWire):
    """The kernel's sockets talk to pollux-httpd."""

    def setUp(self):
        self.server = self.fresh_address()
        self.report = self.path("httpd.json")

    def start(self, *options):
        """A responder at an address of its own."""
        return lab.start_httpd(self, self.ours, "tap:px0", self.server + "/24", "--json",
                               self.report, *options, keep=False)

    def connect(self):
        return self.kernels.connect(self.server, timeout=90)

    def end(self, httpd, connections):
        """It has seen that many connections, and none is left or went wrong; the summary."""
        lab.eventually(lambda: not sockets(self.kernels, "TIME-WAIT"), "the sockets close")
        self.assertEqual(httpd.stop(), 0, httpd.story())
        self.assertEqual(httpd.err, "")
        summary = lab.json_of(self.report)
        self.assert_sums(summary)
        counts = summary["connections"]
        self.assertEqual((counts["completed"], counts["failed"], counts["open"]),
                         (connections, 0, 0), counts)
        return summary


class KernelAsClient(KernelIsClient):
    def test_a_hundred_at_once(self):
        httpd = self.start()
        all_open = threading.Barrier(100, timeout=90)

        def work(number):
            server_first = number % 2 == 0
            content = random.Random(number).randbytes(100_000 + number)
            with self.connect() as connection:
                all_open.wait()
                download(connection, 100_000 + number, close=False)
                echo(connection, content, close=server_first)
                close_after(connection, server_first)

        lab.in_threads([lambda number=number: work(number) for number in range(100)])
        self.end(httpd, 100)

    def exchange_a_little(self, expected):
        """Both ways, and each side closes first; the kernel agreed to those options."""
        for server_first in (True, False):
            with self.connect() as connection:
                info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)
                agreed = info[5] & (TIMESTAMPS | SACK | WINDOW_SCALE)
                self.assertEqual(agreed, expected, "what SYN and SYN-ACK agreed on")
                download(connection, MIB, close=False)
                echo(connection, random.Random(2).randbytes(MIB), close=server_first)
                close_after(connection, server_first)

    def test_each_option_of_ours(self):
        everything = TIMESTAMPS | SACK | WINDOW_SCALE
        for options, expected in ((("--sack", "off"), everything & ~SACK),
                                  (("--timestamps", "off"), everything & ~TIMESTAMPS),
                                  (("--sack", "off", "--timestamps", "off"), WINDOW_SCALE),
                                  (("--congestion", "reno"), everything),
                                  (("--syn-cookies", "always"), everything),
                                  (("--initial-window", "1"), everything),
                                  (("--delayed-ack-ms", "0"), everything)):
            with self.subTest(options=options):
                self.server = self.fresh_address()
                httpd = self.start(*options)
                self.exchange_a_little(expected)
                summary = self.end(httpd, 2)
                if "always" in options:
                    self.assertGreaterEqual(summary["tcp"]["syn_cookies_sent"], 2)

    def test_each_option_of_the_kernel(self):
        httpd = self.start()
        options = {"tcp_sack": SACK, "tcp_timestamps": TIMESTAMPS,
                   "tcp_window_scaling": WINDOW_SCALE}
        everything = TIMESTAMPS | SACK | WINDOW_SCALE
        for name, bit in options.items():
            with self.subTest(option=name):
                lab.set_sysctl(self.kernels, name, 0)
                try:
                    self.exchange_a_little(everything & ~bit)
                finally:
                    lab.set_sysctl(self.kernels, name, 1)
        self.end(httpd, 2 * len(options))


class HashingServer:
    """HTTP by threads over the kernel's sockets: it takes a body and keeps its SHA-256, and sends
    one in chunks whose sizes leave no byte's place to chance."""

    def __init__(self, namespace, reply_size, server_first):
        self.listener = namespace.socket(timeout=None)
        self.listener.bind((KERNEL, 0))  # another port each time, without the last one's TIME-WAIT
        self.listener.listen(512)
        self.port = self.listener.getsockname()[1]
        self.digests = []
        self.complete = 0
        self.faults = []
        self._open = set()
        self._server_first = server_first
        self._reply = self._chunks(reply_size)
        threading.Thread(target=self._accept, daemon=True).start()

    @staticmethod
    def _chunks(size):
        random_numbers = random.Random(size)
        parts = []
        while size != 0:
            n = min(size, random_numbers.randint(1, 3000))
            parts += [b"%x\r\n" % n, random_numbers.randbytes(n), b"\r\n"]
            size -= n
        return b"".join([*parts, b"0\r\n\r\n"])

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._guard, args=(connection,), daemon=True).start()

    def _guard(self, connection):
        self._open.add(connection)
        with connection:
            try:
                connection.settimeout(90)
                self._serve(connection)
            except (OSError, AssertionError) as error:
                self.faults.append(repr(error))
            self._open.discard(connection)

    def _serve(self, connection):
        _, _, body = exchange.receive_reply(connection)  # a request has the same form
        self.digests.append(hashlib.sha256(body).hexdigest())
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + self._reply)
        if self._server_first:
            connection.shutdown(socket.SHUT_WR)
        if connection.recv(1) != b"":
            raise AssertionError("bytes behind the request")
        self.complete += 1

    def close(self):
        """Whoever is still there has ended, and the reset that said so may be lost."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in list(self._open):
            try:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has just gone


class KernelIsServer(RoughWire):
    """pollux-load talks to the kernel's sockets."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # When pollux-load ends nobody is there any more who acknowledges a FIN, or says that he
        # knows nothing of a SYN-ACK, that was lost.
        lab.set_sysctl(cls.kernels, "tcp_orphan_retries", 3)
        lab.set_sysctl(cls.kernels, "tcp_synack_retries", 3)

    def ask(self, size, connections, close, *options):
        """That many connections at once until as many are over, with `size` bytes either way."""
        content = random.Random(size).randbytes(size)
        server = HashingServer(self.kernels, size, close == "server")
        self.addCleanup(server.close)
        report = self.path("load.json")
        load = self.process(
            lab.program("pollux-load"), "--device", "tap:px0", "--address",
            self.fresh_address() + "/24", "--target", f"{KERNEL}:{server.port}",
            "--concurrency", str(connections), "--close", close, "--data",
            "@" + self.write("data", content), "--warmup", "0", "--duration", "0", "--json", report,
            *lab.SMALL, *options, namespace=self.ours)
        load.until(lambda: server.faults or server.complete >= connections, "the exchanges", 120)
        wrong = list(server.faults)  # what comes later is what the stop cuts off
        digests = server.digests[:connections]
        self.assertEqual(load.stop(), 0, load.story())
        self.assertEqual((wrong, load.err), ([], ""))
        self.assertEqual(set(digests), {hashlib.sha256(content).hexdigest()})
        summary = lab.json_of(report)
        self.assert_sums(summary)
        self.assertEqual(summary["requests"]["bad"], 0, summary["requests"])
        self.assertEqual(summary["connections"]["failed"], 0, summary["connections"])
        self.assertGreaterEqual(summary["requests"]["status"]["200"], connections)
        return summary


class KernelAsServer(KernelIsServer):
    def test_a_hundred_at_once_server_closes_first(self):
        self.ask(100_000, 100, "server")

    def test_a_hundred_at_once_client_closes_first(self):
        self.ask(100_000, 100, "client")

    def test_each_option_of_ours(self):
        for options in (("--sack", "off"), ("--timestamps", "off"), ("--congestion", "reno"),
                        ("--initial-window", "1"), ("--delayed-ack-ms", "0")):
            with self.subTest(options=options):
                self.ask(MIB, 2, "client", *options)

    def test_each_option_of_the_kernel(self):
        for name in ("tcp_sack", "tcp_timestamps", "tcp_window_scaling"):
            with self.subTest(option=name):
                lab.set_sysctl(self.kernels, name, 0)
                try:
                    self.ask(MIB, 2, "client")
                finally:
                    lab.set_sysctl(self.kernels, name, 1)


class LargeToKernelAsClient(KernelIsClient):
    def test_50_mib_each_way(self):
        httpd = self.start()
        with self.connect() as connection:
            download(connection, 50 * MIB, close=False)
            echo(connection, random.Random(1).randbytes(50 * MIB), close=True)
            close_after(connection, server_first=True)
        summary = self.end(httpd, 1)
        self.assertGreater(summary["tcp"]["retransmitted"], 0, summary["tcp"])


class LargeToKernelAsServer(KernelIsServer):
    def test_50_mib_each_way(self):
        summary = self.ask(50 * MIB, 1, "client")
        self.assertGreater(summary["tcp"]["retransmitted"], 0, summary["tcp"])


class SocketsEmpty(lab.Case):
    def test_no_socket_is_left(self):
        for name, namespace in used_namespaces:
            with self.subTest(used_by=name):
                lab.eventually(lambda: not sockets(namespace), "TIME-WAIT ends", 120)


if __name__ == "__main__":
    runner.main(lab.need_tun)
