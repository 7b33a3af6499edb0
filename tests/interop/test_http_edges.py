#!/usr/bin/env python3
"""What pollux-httpd makes of requests byte by byte: RFC 9112, through the kernel's TCP."""

import socket
import unittest

import exchange
import lab
import runner

SERVER = "10.0.0.1"
HOST = "Host: pollux\r\n"


class Edges(lab.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ns = cls.namespace()
        cls.httpd = lab.start_httpd_on_tap(cls, cls.ns, "--listen", "80", "--listen", "8080")

    def tearDown(self):
        self.assertTrue(self.httpd.alive(), self.httpd.story())

    def connect(self, **kwargs):
        return self.ns.connect(SERVER, **kwargs)

    def everything(self, *parts):
        """What the server says to these bytes until it closes, which it must do by itself."""
        with self.connect() as connection:
            for part in parts:
                connection.sendall(part.encode("latin-1"))
            return exchange.receive_all(connection)

    def assert_refused(self, reply, status):
        head, separator, _ = reply.partition(b"\r\n\r\n")
        self.assertTrue(separator, reply[:200])
        self.assertRegex(head.decode(), rf"^HTTP/1\.1 {status} ")
        self.assertRegex(head.decode().lower(), r"\r\nconnection: close(\r\n|$)")

    def split(self, stream):
        """A stream of replies with Content-Length: a list of (status, body)."""
        replies = []
        while stream:
            head, separator, stream = stream.partition(b"\r\n\r\n")
            self.assertTrue(separator, head[:200])
            length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n")
                          if line.lower().startswith(b"content-length:"))
            self.assertGreaterEqual(len(stream), length)
            replies.append((int(head.split()[1]), stream[:length]))
            stream = stream[length:]
        return replies

    # --- Requests that are refused

    def test_unknown_method_is_not_implemented(self):
        for method in ("BREW", "PUT", "DELETE", "OPTIONS", "get", "M-SEARCH", "X'Y~Z"):
            with self.subTest(method=method):
                self.assert_refused(self.everything(f"{method} / HTTP/1.1\r\n{HOST}\r\n"), 501)

    def test_garbage_is_a_bad_request(self):
        for garbage in ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
                        "hello\r\n\r\n", "GET / HTTP/1.1 \r\n\r\n", "GET  / HTTP/1.1\r\n\r\n",
                        "GET / HTTX/1.1\r\n\r\n", "GET / HTTP/2.0\r\n\r\n",
                        "G(T / HTTP/1.1\r\n\r\n",
                        f"GET / HTTP/1.1\r\n{HOST}no colon here\r\n\r\n",
                        f"GET / HTTP/1.1\r\n{HOST}Name : value\r\n\r\n",
                        f"GET / HTTP/1.1\r\n{HOST} folded: x\r\n\r\n",
                        f"GET / HTTP/1.1\r\n{HOST}\x00: x\r\n\r\n"):
            with self.subTest(garbage=garbage):
                self.assert_refused(self.everything(garbage), 400)

    def test_lengths_that_contradict_are_a_bad_request(self):
        for lengths in ("Content-Length: 5\r\nContent-Length: 6\r\n",
                        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                        "Content-Length: -1\r\n", "Content-Length: 5x\r\n",
                        "Content-Length: 99999999999999999999\r\n"):
            with self.subTest(lengths=lengths):
                self.assert_refused(
                    self.everything(f"POST /echo HTTP/1.1\r\n{HOST}{lengths}\r\n"), 400)

    def test_http_1_1_without_host_is_a_bad_request(self):
        self.assert_refused(self.everything("GET / HTTP/1.1\r\n\r\n"), 400)

    def test_head_that_is_too_large(self):
        field = "X-Filler: " + "a" * 1000 + "\r\n"
        self.assert_refused(self.everything("GET / HTTP/1.1\r\n", HOST, field * 17, "\r\n"), 431)
        one = "X-Filler: " + "a" * 17 * 1024 + "\r\n"
        self.assert_refused(self.everything("GET / HTTP/1.1\r\n", HOST, one, "\r\n"), 431)

    def test_head_that_is_just_not_too_large(self):
        field = "X-Filler: " + "a" * 1000 + "\r\n"
        reply = self.everything("GET / HTTP/1.1\r\nConnection: close\r\n", HOST, field * 15, "\r\n")
        self.assertTrue(reply.startswith(b"HTTP/1.1 200 "), reply[:100])

    def test_refusal_ends_the_requests_of_its_connection(self):
        get = f"GET / HTTP/1.1\r\n{HOST}\r\n"
        reply = self.everything(get, f"BREW / HTTP/1.1\r\n{HOST}\r\n", get)
        self.assertEqual(reply.count(b"HTTP/1.1 "), 2, reply)
        self.assertIn(b"HTTP/1.1 501 ", reply)

    # --- Requests in their order

    def test_pipelined_requests_are_answered_in_their_order(self):
        sizes = [(i * 7919) % 5000 for i in range(200)]
        requests = "".join(f"GET /bytes/{size} HTTP/1.1\r\n{HOST}\r\n" for size in sizes)
        requests += f"GET / HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n"
        with self.connect() as connection:
            replies = []
            lab.in_threads([lambda: connection.sendall(requests.encode()),
                            lambda: replies.extend(self.split(exchange.receive_all(connection)))])
        self.assertEqual([(status, len(body)) for status, body in replies],
                         [(200, size) for size in sizes] + [(200, 128)])

    def test_pipelined_methods_of_all_kinds(self):
        with self.connect() as connection:
            connection.sendall(
                f"POST /echo HTTP/1.1\r\n{HOST}Content-Length: 5\r\n\r\nfirst"
                f"GET /bytes/3 HTTP/1.1\r\n{HOST}\r\n"
                f"POST /elsewhere HTTP/1.1\r\n{HOST}Content-Length: 6\r\n\r\nunread"
                f"POST /echo HTTP/1.1\r\n{HOST}Content-Length: 0\r\n\r\n"
                f"POST /echo HTTP/1.1\r\n{HOST}Connection: close\r\nContent-Length: 4\r\n\r\nlast"
                .encode())
            replies = self.split(exchange.receive_all(connection))
        self.assertEqual([status for status, _ in replies], [200] * 5)
        bodies = [body for _, body in replies]
        self.assertEqual(bodies[:2], [b"first", b"\0\1\2"])
        self.assertEqual(len(bodies[2]), 128)
        self.assertEqual(bodies[3:], [b"", b"last"])

    def test_request_that_comes_byte_by_byte(self):
        request = (f"POST /echo HTTP/1.1\r\n{HOST}Connection: close\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n").encode()
        with self.connect() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(len(request)):
                connection.sendall(request[i:i + 1])
            reply = exchange.receive_all(connection)
        self.assertEqual(self.unchunked(reply), b"abc")

    # --- HEAD, persistence, ports

    def test_head_has_the_length_and_no_body(self):
        reply = self.everything(f"HEAD /bytes/123456 HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n")
        self.assertRegex(reply, rb"(?i)^HTTP/1\.1 200 [\s\S]*\r\ncontent-length: 123456\r\n")
        self.assertTrue(reply.endswith(b"\r\n\r\n"), reply)

    def test_connection_close_closes_after_the_reply(self):
        reply = self.everything(f"GET / HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n")
        self.assertEqual([(status, len(body)) for status, body in self.split(reply)], [(200, 128)])

    def test_http_1_0_closes_unless_asked_to_keep(self):
        reply = self.everything("GET / HTTP/1.0\r\n\r\n")
        self.assertEqual(len(self.split(reply)), 1)
        keep = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
        reply = self.everything(keep, "GET / HTTP/1.0\r\n\r\n")
        self.assertEqual(len(self.split(reply)), 2)

    def test_all_ports_are_served(self):
        self.assertEqual(exchange.fetch(self.ns, SERVER, 3, workers=1, port=8080), [])

    # --- Bodies in chunks

    def unchunked(self, reply):
        head, _, rest = reply.partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 200 "), head)
        self.assertIn(b"transfer-encoding: chunked", head.lower())
        body = b""
        while True:
            line, _, rest = rest.partition(b"\r\n")
            size = int(line, 16)
            if size == 0:
                self.assertEqual(rest, b"\r\n")
                return body
            body += rest[:size]
            self.assertEqual(rest[size:size + 2], b"\r\n")
            rest = rest[size + 2:]

    def test_chunked_echo(self):
        head = (f"POST /echo HTTP/1.1\r\n{HOST}Connection: close\r\n"
                "Transfer-Encoding: chunked\r\n\r\n")
        body = bytes(i % 251 for i in range(100_000)).decode("latin-1")
        chunks = ""
        at, size = 0, 1
        while at < len(body):
            part = body[at:at + size]
            chunks += f"{len(part):X};name=\"value\"\r\n{part}\r\n"
            at, size = at + size, size * 3
        reply = self.everything(head, chunks, "0\r\nTrailer: ignored\r\n\r\n")
        self.assertEqual(self.unchunked(reply), body.encode("latin-1"))

    def test_empty_chunked_echo(self):
        reply = self.everything(f"POST /echo HTTP/1.1\r\n{HOST}Connection: close\r\n"
                                "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        self.assertEqual(self.unchunked(reply), b"")

    def test_first_chunk_without_a_size_is_a_bad_request(self):
        reply = self.everything(f"POST /echo HTTP/1.1\r\n{HOST}"
                                "Transfer-Encoding: chunked\r\n\r\nxyz\r\n")
        self.assert_refused(reply, 400)


@unittest.skipUnless(hasattr(socket, "AF_PACKET"), "no AF_PACKET in this Python")
class Segments(lab.Case):
    """What single segments look like, as a packet socket beside the tap sees them."""

    def test_fin_rides_on_the_last_data(self):
        ns = self.namespace()
        lab.start_httpd_on_tap(self, ns, keep=False)
        with ns:
            watch = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                      socket.htons(0x0800))
            self.addCleanup(watch.close)
            watch.bind(("px0", 0))
        watch.settimeout(lab.PATIENCE)
        with ns.connect(SERVER) as connection:
            port = connection.getsockname()[1]
            connection.sendall(exchange.GET)
            exchange.receive_all(connection)
        seen = []  # (flags, bytes of text) of what the server sends
        while not seen or not seen[-1][0] & 0x01:
            frame = watch.recv(65536)
            ip = frame[14:14 + int.from_bytes(frame[16:18], "big")]
            tcp = ip[(ip[0] & 15) * 4:]
            if ip[9] != 6 or tcp[0:2] != b"\0\x50" or int.from_bytes(tcp[2:4], "big") != port:
                continue
            seen.append((tcp[13], len(tcp) - (tcp[12] >> 4) * 4))
        flags, text = seen[-1]
        self.assertGreater(text, 128, seen)
        data = [entry for entry in seen if entry[1] != 0]
        self.assertEqual(len(data), 1, seen)


if __name__ == "__main__":
    runner.main(lab.need_tun)
