#!/usr/bin/env python3
"""TCP Fast Open (RFC 7413) between the programs and the kernel's TCP, over a tap."""

import socket
import unittest

import exchange
import lab
import runner

SERVER, KERNEL = "10.0.0.1", "10.0.0.2"
# In the sixth byte of TCP_INFO: the SYN's text was acknowledged by the SYN,ACK.
SYN_DATA = 32
# Of net.ipv4.tcp_fastopen: as a client, and as a server.
BOTH = 3
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


def syn_data(connection):
    """Whether text went with the SYN, and was taken."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 64)
    return info[5] & SYN_DATA != 0


class KernelIsClient(lab.Case):
    """The kernel sends its request to pollux-httpd in the SYN."""

    def ask(self, namespace, request=exchange.GET):
        """One request by MSG_FASTOPEN; whether its text went with the SYN."""
        with namespace.socket() as connection:
            connection.settimeout(None)  # else the first call says no more than "in progress"
            connection.sendto(request, socket.MSG_FASTOPEN, (SERVER, 80))
            connection.settimeout(lab.PATIENCE)
            status, _, body = exchange.receive_reply(connection)
            self.assertEqual((status, len(body)), ("HTTP/1.1 200 OK", 128))
            fast = syn_data(connection)
            self.assertEqual(connection.recv(1), b"")
            return fast

    def run_httpd(self, *options):
        namespace = self.namespace()
        httpd = lab.start_httpd_on_tap(self, namespace, "--json", self.path("httpd.json"), *options,
                                       keep=False)
        lab.set_sysctl(namespace, "tcp_fastopen", BOTH)
        return namespace, httpd

    def summary(self, httpd):
        self.assertEqual(httpd.stop(), 0, httpd.story())
        summary = lab.json_of(self.path("httpd.json"))
        self.assert_sums(summary)
        self.assertEqual(summary["connections"]["failed"], 0, summary)
        return summary

    def test_the_second_request_goes_with_the_syn(self):
        namespace, httpd = self.run_httpd("--fast-open", "on")
        self.assertEqual([self.ask(namespace) for _ in range(6)], [False] + [True] * 5)
        tcp = self.summary(httpd)["tcp"]
        self.assertEqual((tcp["fast_opens_tried"], tcp["fast_opens_taken"]), (5, 5), tcp)

    def test_more_than_a_syn_holds(self):
        namespace, httpd = self.run_httpd("--fast-open", "on")
        long = exchange.GET[:-2] + b"X-Long: " + b"a" * 8000 + b"\r\n\r\n"
        self.assertEqual([self.ask(namespace, long) for _ in range(2)], [False, True])
        self.summary(httpd)

    def test_off_is_an_ordinary_handshake(self):
        namespace, httpd = self.run_httpd()
        self.assertEqual([self.ask(namespace) for _ in range(3)], [False] * 3)
        self.assertEqual(self.summary(httpd)["tcp"]["fast_opens_tried"], 0)

    def test_a_server_that_was_started_again_gives_new_cookies(self):
        namespace, httpd = self.run_httpd("--fast-open", "on")
        self.assertEqual([self.ask(namespace) for _ in range(2)], [False, True])
        self.summary(httpd)
        httpd = lab.start_httpd_on_tap(self, namespace, "--json", self.path("httpd.json"),
                                       "--fast-open", "on", keep=False)
        lab.eventually(lambda: lab.answers(namespace, SERVER), "the new server answers")
        self.assertEqual([self.ask(namespace) for _ in range(2)], [False, True])
        tcp = self.summary(httpd)["tcp"]
        self.assertEqual((tcp["fast_opens_tried"], tcp["fast_opens_taken"]), (2, 1), tcp)


class KernelIsServer(lab.Case):
    """pollux-load sends its requests in SYNs to a server on the kernel's sockets."""

    def serve(self, listener, seen):
        """Answers until the listener is shut."""
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(lab.PATIENCE)
                request = b""
                while b"\r\n\r\n" not in request:
                    more = connection.recv(65536)
                    if not more:
                        break
                    request += more
                if request:
                    seen.append(syn_data(connection))
                    connection.sendall(REPLY)

    def run_load(self, queue):
        """The generator's summary, and which of the connections had text on their SYN."""
        namespace = self.namespace()
        lab.premade_tap(namespace, "px0", KERNEL + "/24")
        lab.set_sysctl(namespace, "tcp_fastopen", BOTH)
        seen = []
        with namespace.socket() as listener:
            listener.bind((KERNEL, 80))
            if queue:
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, queue)
            listener.listen(64)
            listener.settimeout(None)

            def load():
                try:
                    report = self.path("load.json")
                    code, out, err = namespace.run(
                        lab.program("pollux-load"), "--device", "tap:px0", "--address",
                        SERVER + "/24", "--target", KERNEL + ":80", "--warmup", "0", "--cps", "50",
                        "--duration", "2", "--fast-open", "on", "--json", report, *lab.SMALL,
                        within=60)
                    self.assertEqual((code, err), (0, ""), out)
                finally:
                    listener.shutdown(socket.SHUT_RDWR)

            lab.in_threads([load, lambda: self.serve(listener, seen)])
        summary = lab.json_of(self.path("load.json"))
        self.assert_faultless(summary)
        self.assertGreater(len(seen), 50)
        return summary, seen

    def test_all_but_the_first_go_with_the_syn(self):
        summary, seen = self.run_load(queue=64)
        tcp = summary["tcp"]
        # Until the first SYN,ACK is here others may be asking, too.
        self.assertGreater(seen.count(True), len(seen) * 3 // 4, seen)
        self.assertEqual(tcp["fast_opens_taken"], seen.count(True), tcp)
        self.assertGreaterEqual(tcp["fast_opens_tried"], tcp["fast_opens_taken"], tcp)

    def test_a_server_without_it_is_asked_in_vain(self):
        summary, seen = self.run_load(queue=0)
        self.assertEqual(seen.count(True), 0)
        self.assertEqual(summary["tcp"]["fast_opens_tried"], 0)


if __name__ == "__main__":
    runner.main(lab.need_tun)
