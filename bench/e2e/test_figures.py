#!/usr/bin/env python3
"""What run.py computes, from made-up rates, packets and words: nothing is started here."""

import copy
import os
import struct
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import figures  # noqa: E402
import packets  # noqa: E402
import programs  # noqa: E402
import run  # noqa: E402


def summary(rate, offloads="none"):
    """What is read of pollux-bench's object."""
    def end(role, rx, tx, busy):
        return {"cps": {"mean": rate}, "tcp": {"retransmitted": 2}, "drops": {"no_buffer": 1},
                "packets": {"rx_per_connection": rx, "tx_per_connection": tx},
                "memory": {"huge_pages": False},
                "environment": {"cpu": "a", "tsc_hz": 2_600_000_000, "dpdk": "b", "pollux": "c",
                                "offloads": offloads, "stalls": {"share": rate / 1e9}},
                "cores": [{"role": role, "busy": busy, "cycles_per_connection": 800.0,
                           "cycles_per_packet": 100.0}]}
    return {"server": end("server", 3.0, 3.1, 0.9), "client": end("client", 3.1, 3.0, 1.0)}


BARE = {"frames_per_second": 24e6, "frame_bytes": 86, "window": 512, "huge_pages": False,
        "busy": 0.99}
FACTS = {"tcp_options": "MSS", "checksums": "right", "closes": "server", "request_bytes": 85,
         "reply_bytes": 99, "body_bytes": 41}


def rows(kernel=True):
    made = [figures.bare_row("memif", [BARE, {**BARE, "frames_per_second": 12e6}]),
            figures.pollux_row("ring", [summary(1e6), summary(3e6)], FACTS),
            figures.pollux_row("memif", [summary(2e6), summary(1e6)], FACTS)]
    if kernel:
        made.append(figures.kernel_row(
            [{"rate": 15e3, "connections": 1000, "server_rx": 4000, "client_rx": 4000},
             {"rate": 20e3, "connections": 1000, "server_rx": 5018, "client_rx": 5000}],
            {"tcp_options": "MSS", "checksums": "none", "closes": "server", "body_bytes": 41}))
    return figures.compare(made)


def document(kernel=True):
    return {"schema": "pollux.e2e.1", "began": "2026-01-01T00:00:00Z", "rounds": 2, "seconds": 1.5,
            "environment": {"cpu": "a", "tsc_hz": 1, "cores": [0, 1], "kernel": "6", "dpdk": "b",
                            "pollux": "c", "load": 0.5},
            "rows": rows(kernel),
            "instructions": figures.instructions({"both": 6300}, 6.0),
            "missing": [{"what": "x", "why": "y"}]}


class Statistics(unittest.TestCase):
    def test_best_median_and_spread(self):
        self.assertEqual(figures.series([3.0, 1.0, 2.0, 8.0]),
                         {"rates": [3.0, 1.0, 2.0, 8.0], "best": 8.0, "median": 2.5, "spread": 8.0})
        self.assertIsNone(figures.series([0.0, 1.0])["spread"])

    def test_share_is_packets_taken_of_packets_bounced(self):
        # The reduced tool of the field: 3.8 M connections of 3 packets over a link of 25.3 M.
        self.assertAlmostEqual(figures.share(3.8e6, 3, 25.3e6), 0.4506)

    def test_cycles_are_the_whole_cores(self):
        self.assertEqual(figures.cycles(2.6e9, 2e6, 6.5),
                         {"per_connection": 1300.0, "per_packet": 200.0})

    def test_best_is_compared_with_best(self):
        bare, ring, memif, kernel = rows()
        self.assertEqual((bare["best"], memif["best"], kernel["best"]), (24e6, 2e6, 20e3))
        # The server receives what the client sends, and the other way round.
        self.assertEqual(memif["S"], {"server": 0.25, "client": 0.2583})
        self.assertEqual(memif["to_kernel"], 100)
        self.assertEqual(kernel["packets_per_connection"],
                         {"server_rx": 5.018, "client_rx": 5.0, "all": 10.018})
        self.assertIsNone(ring["S"])
        self.assertEqual(ring["to_kernel"], 150)
        self.assertIsNone(rows(kernel=False)[1]["to_kernel"])

    def test_a_row_tells_the_best_rounds_cycles_and_all_rounds_losses(self):
        ring = rows()[1]
        self.assertEqual(ring["tsc_cycles"]["per_connection"], round(2.6e9 / 3e6, 1))
        self.assertEqual(ring["busy"], {"server": 0.9, "client": 1.0})
        self.assertEqual((ring["retransmitted"], ring["drops"]), (8, 4))
        self.assertEqual(ring["stalls"], 0.003)

    def test_each_end_handles_all_packets(self):
        counted = figures.instructions({"server": 2700, "client": 3600, "both": 6300}, 6.0)
        self.assertEqual(counted["server"], {"per_connection": 2700, "per_packet": 450})
        self.assertEqual(counted["client"], {"per_connection": 3600, "per_packet": 600})
        self.assertEqual(counted["both"], {"per_connection": 6300, "per_packet": 525})


class Schema(unittest.TestCase):
    def test_a_document_is_as_promised(self):
        self.assertEqual(figures.faults(document()), [])
        self.assertEqual(figures.faults({**document(kernel=False), "instructions": None}), [])

    def test_what_is_not_as_promised_is_named(self):
        def broken(change):
            made = copy.deepcopy(document())
            change(made)
            return figures.faults(made)

        for change, where in (
                (lambda d: d.pop("rows"), "document.rows is missing"),
                (lambda d: d.update(schema="pollux.e2e.2"), "document.schema is 'pollux.e2e.2'"),
                (lambda d: d.update(seconds=True), "document.seconds is True"),
                (lambda d: d.update(rows={}), "document.rows is no array"),
                (lambda d: d["environment"].update(cores=["0"]), "environment.cores[0] is '0'"),
                (lambda d: d["rows"][0].update(best=None), "rows[0].best is null"),
                (lambda d: d["rows"][0].update(kind="other"), "rows[0].kind is 'other'"),
                (lambda d: d["rows"][0]["rates"].pop(), "rows[0] has 1 rates in 2 rounds"),
                (lambda d: d["rows"][1].pop("S"), "rows[1].S is missing"),
                (lambda d: d["rows"][2]["on"].pop("closes"), "rows[2].on.closes is missing"),
                (lambda d: d["rows"][3].pop("packets_per_connection"), "rows[3].packets_per"),
                (lambda d: d["rows"][2]["S"].pop("client"), "rows[2].S.client is missing"),
                (lambda d: d["instructions"].pop("both"), "instructions.both is missing"),
                (lambda d: d["missing"].append("x"), "missing[1] is no object")):
            found = broken(change)
            self.assertEqual(len(found), 1, found)
            self.assertIn(where, found[0])

    def test_people_read_the_same(self):
        lines = "\n".join(figures.text(document()))
        for words in ("24.00 M", "0.250", "0.258", "100.0", "10.02", "6,300 a connection, 525 a",
                      "missing: x: y", "closes server, request bytes 85", "more than one speed",
                      "huge pages no"):
            self.assertIn(words, lines)


class Link:
    """Makes a capture as --capture does: pcapng, two interfaces, here one connection a port."""

    def __init__(self):
        self.blocks = [self.block(0x0A0D0D0A, struct.pack("=IHHq", 0x1A2B3C4D, 1, 0, -1))]
        self.blocks += [self.block(1, struct.pack("=HHI", 1, 0, 0))] * 2

    @staticmethod
    def block(kind, body):
        body += bytes(-len(body) % 4)
        return struct.pack("=II", kind, len(body) + 12) + body + struct.pack("=I", len(body) + 12)

    def frame(self, bytes_of_it, interface=0):
        self.blocks.append(self.block(6, struct.pack(
            "=IIIII", interface, 0, 0, len(bytes_of_it), len(bytes_of_it)) + bytes_of_it))

    def segment(self, to_server, flags, text=b"", options=b"", port=1024, spoil=0, seq=0):
        options += b"\1" * (-len(options) % 4)
        ends = [bytes((10, 0, 0, 2)) + struct.pack("!H", port), bytes((10, 0, 0, 1, 0, 80))]
        source, target = ends if to_server else ends[::-1]
        addresses = source[:4] + target[:4]
        tcp = bytearray(source[4:] + target[4:] + struct.pack("!II", seq, 0)
                        + bytes((5 + len(options) // 4 << 4, flags)) + bytes(6) + options + text)
        pseudo = addresses + struct.pack("!HH", 6, len(tcp))
        struct.pack_into("!H", tcp, 16, packets.ones_complement_sum(pseudo + bytes(tcp)) ^ 0xFFFF)
        ip = bytearray(struct.pack("!BBHIBBH", 0x45, 0, 20 + len(tcp), 0, 64, 6, 0) + addresses)
        struct.pack_into("!H", ip, 10, packets.ones_complement_sum(bytes(ip)) ^ 0xFFFF)
        ip[8] ^= spoil
        # Short frames are padded on the wire.
        whole = bytes(12) + b"\x08\x00" + bytes(ip) + bytes(tcp)
        self.frame(whole + bytes(max(0, 60 - len(whole))))

    def connection(self, port, request=b"GET", reply=b"HTTP\r\n\r\nbody", spoil=0):
        syn, ack, fin = packets.SYN, packets.ACK, packets.FIN
        options = b"\2\4\5\xb4" + b"\4\2" + b"\x08\x0a" + bytes(8) + b"\1\3\3\7"
        self.segment(True, syn, options=options, port=port)
        self.segment(False, syn | ack, options=b"\2\4\5\xb4\1\3\3\7", port=port)
        self.segment(True, ack, request, port=port, spoil=spoil, seq=1)
        self.segment(False, fin | ack, reply, port=port, seq=1)
        self.segment(True, fin | ack, port=port)
        self.segment(False, ack, port=port)

    def capture(self):
        return b"".join(self.blocks)


class Packets(unittest.TestCase):
    def test_a_capture_tells_what_was_on(self):
        link = Link()
        link.frame(bytes(12) + b"\x08\x06" + bytes(46))  # ARP
        link.connection(1024)
        link.connection(1025)
        link.segment(True, packets.SYN, port=1026)  # and no more of it
        self.assertEqual(packets.facts(link.capture()),
                         {"tcp_options": "MSS, window scale", "closes": "server",
                          "checksums": "right in the bytes of 13 of 13 segments",
                          "request_bytes": 3, "reply_bytes": 12, "body_bytes": 4})

    def test_what_is_sent_again_counts_once(self):
        link = Link()
        link.connection(1024)
        link.connection(1024)  # the same numbers: all of it again
        link.segment(False, packets.ACK, b"body", seq=9)
        self.assertEqual([len(c.text["server"]) for c in packets.connections(
            map(packets.segment, packets.frames(link.capture())))], [12])
        link.segment(True, packets.SYN, seq=5)
        for side in (True, False):
            link.segment(side, packets.FIN, seq=5)
        self.assertEqual(packets.facts(link.capture())["request_bytes"], 3)

    def test_a_sum_that_is_wrong_does_not_count_as_right(self):
        link = Link()
        link.connection(1024, spoil=1)
        self.assertIn("5 of 6", packets.facts(link.capture())["checksums"])

    def test_a_frame_counts_once_though_both_ends_record_it(self):
        link = Link()
        link.connection(1024)
        both = Link()
        both.blocks = link.blocks + [block[:8] + struct.pack("=I", 1) + block[12:]
                                     for block in link.blocks[3:]]
        self.assertEqual(packets.facts(both.capture()), packets.facts(link.capture()))

    def test_connections_that_differ_are_no_ground_for_a_figure(self):
        link = Link()
        link.connection(1024)
        link.connection(1025, request=b"POST")
        with self.assertRaisesRegex(ValueError, "differ"):
            packets.facts(link.capture())

    def test_what_cannot_be_read_is_said(self):
        whole = Link()
        whole.connection(1024)
        for capture, why in ((b"", "no pcapng"), (Link().capture(), "no connection"),
                             (whole.capture()[:-4], "block at")):
            with self.assertRaisesRegex(ValueError, why):
                packets.facts(capture)

    def test_options_end_where_they_cannot_be_read(self):
        for options, kinds in ((b"", []), (b"\1\1\4\2\0\2\4", [4]), (b"\x08", [8]),
                               (b"\3\0\4\2", [3]), (b"\2\xff", [2])):
            self.assertEqual(packets.option_kinds(options), kinds)


class Words(unittest.TestCase):
    WRK = ("Running 1s test @ http://10.77.0.1/\n  1 threads and 100 connections\n"
           "  29005 requests in 1.10s, 5.12MB read\nRequests/sec:  26213.05\n")

    def test_rate_of_wrk(self):
        self.assertEqual(programs.wrk_rate(self.WRK), {"rate": 26213.05, "connections": 29005})

    def test_answers_that_are_none_do_not_count(self):
        for words, why in (("  Non-2xx or 3xx responses: 7\n", "Non-2xx"),
                           ("  Socket errors: connect 3, read 0, write 0\n", "connect 3")):
            with self.assertRaisesRegex(programs.Failed, f"error: wrk: .*{why}.*; try: "):
                programs.wrk_rate(self.WRK + words)
        with self.assertRaises(programs.Failed):
            programs.wrk_rate("")

    def test_what_was_counted(self):
        table = ("instructions a connection of 6.00 packets\n                   server   client\n"
                 "lib/wire              100       50      150\n"
                 "total               2,700    3,600    6,300\n")
        self.assertEqual(programs.counted(table), {"server": 2700, "client": 3600, "both": 6300})
        self.assertEqual(programs.counted("6300 instructions a connection\n"), {"both": 6300})
        with self.assertRaisesRegex(programs.Lacking, "printed 'nothing of it'"):
            programs.counted("nothing of it\n")

    def test_options(self):
        options = run.parse(["--link", "virtio", "--link", "ring", "--cores", "3,1", "--build", "b",
                             "--", "--concurrency", "4"])
        self.assertEqual((options.links, options.cores, options.more),
                         (["ring", "virtio"], [3, 1], ["--concurrency", "4"]))
        self.assertEqual((options.rounds, options.json), (7, os.path.join("b", "e2e.json")))
        self.assertEqual(run.parse([]).links, ["ring", "memif", "virtio"])

    def test_usage(self):
        with open(os.devnull, "w", encoding="ascii") as nowhere:
            said, sys.stderr = sys.stderr, nowhere
            try:
                for words in (["--rounds", "0"], ["--link", "x"], ["--cores", "1"],
                              ["--seconds", "-1"], ["--request-bytes", "60"],
                              ["--reply-bytes", "300"], ["--json", "/no/where"], ["word"]):
                    with self.assertRaises(SystemExit) as ended:
                        run.parse(words)
                    self.assertEqual(ended.exception.code, 2, words)
            finally:
                sys.stderr = said


if __name__ == "__main__":
    unittest.main()
