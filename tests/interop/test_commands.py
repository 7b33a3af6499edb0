#!/usr/bin/env python3
"""What the programs say and with which code they end: options, errors, signals, summaries."""

import json
import os
import signal
import socket
import time

import exchange
import lab
import runner

# The keys of the schema pollux.summary.1; a dictionary's keys are looked into.
LATENCY = {"min": 0, "p50": 0, "p90": 0, "p99": 0, "p999": 0, "max": 0}
SCHEMA = {
    "schema": "", "program": "", "duration_s": 0,
    "connections": {"attempted": 0, "established": 0, "completed": 0, "failed": 0, "timed_out": 0,
                    "reset": 0, "aborted": 0, "open": 0, "peak_open": 0},
    "failures": {"refused": 0, "unreachable": 0, "no_arp": 0, "timeout": 0, "reset": 0,
                 "bad_reply": 0},
    "cps": {"mean": 0, "min": 0, "max": 0, "per_second": []},
    "requests": {"sent": 0, "answered": 0, "status": {}, "bad": 0, "per_second": 0},
    "latency_us": {"connect": LATENCY, "first_byte": LATENCY, "close": LATENCY},
    "packets": {"rx": 0, "tx": 0, "rx_per_connection": 0, "tx_per_connection": 0},
    "bytes": {"rx": 0, "tx": 0},
    "tcp": {"retransmitted": 0, "out_of_order": 0, "duplicate": 0, "syn_cookies_sent": 0,
            "challenge_acks": 0, "time_wait": 0},
    "drops": {},
    "memory": {"bytes_per_connection": 0, "connections_capacity": 0, "huge_pages": True},
    "cores": [{"core": 0, "role": "", "busy": 0, "cycles_per_packet": 0,
               "cycles_per_connection": 0}],
    "environment": {"cpu": "", "tsc_hz": 0, "dpdk": "", "pollux": "", "link": "", "steering": "",
                    "offloads": "",
                    "stalls": {"share": 0, "longest_us": 0, "over_1ms": 0}},
}
ADDRESS = ("--address", "10.0.0.1/24")
TARGET = ("--target", "10.0.0.2:80")


def differences(wanted, found, where="$"):
    """What `found` lacks of the form of `wanted`."""
    if isinstance(wanted, dict):
        if not isinstance(found, dict):
            return [f"{where}: {found!r} is no object"]
        missing = [f"{where}.{key} is missing" for key in wanted if key not in found]
        return missing + [line for key in wanted if key in found
                          for line in differences(wanted[key], found[key], f"{where}.{key}")]
    if isinstance(wanted, list):
        if not isinstance(found, list):
            return [f"{where}: {found!r} is no list"]
        return [line for each in found for line in
                (differences(wanted[0], each, where + "[]") if wanted else [])]
    if isinstance(wanted, bool) or isinstance(wanted, str):
        return [] if isinstance(found, type(wanted)) else [f"{where}: {found!r}"]
    return [] if isinstance(found, (int, float)) and not isinstance(found, bool) else [
        f"{where}: {found!r} is no number"]


class Commands(lab.Case):
    @classmethod
    def setUpClass(cls):
        lab.program("pollux-httpd")
        lab.program("pollux-load")
        super().setUpClass()
        cls.ns = cls.namespace()

    def run_ours(self, name, *options, **kwargs):
        return self.ns.run(lab.program(name), *options, **kwargs)

    def assert_error(self, code, names, name, *options):
        """It ends with this code and one line of the agreed form that names what is wrong."""
        with self.subTest(program=name, options=options):
            ended, out, err = self.run_ours(name, *options)
            self.assertEqual((ended, out), (code, ""), err)
            self.assertRegex(err, r"\Aerror: [^\n]+: [^\n]+; try: [^\n]+\n\Z")
            self.assertIn(names, err.split("; try: ")[0])


class Words(Commands):
    def test_help_and_version(self):
        for name in ("pollux-httpd", "pollux-load"):
            code, out, err = self.run_ours(name, "--help")
            self.assertEqual((code, err), (0, ""))
            for option in ("--device", "--address", "--cores", "--json", "--no-huge", "--help"):
                self.assertIn(option, out)
            self.assertRegex(out, rf"(?m)^ +{name} --")  # an example
            code, out, err = self.run_ours(name, "--version")
            self.assertEqual((code, err), (0, ""))
            self.assertRegex(out, rf"\A{name} \d+\.\d+\.\d+\n\Z")

    def test_wrong_usage(self):
        tap = ("--device", "tap:px0")
        plain = (*tap, *ADDRESS)
        folder = self.path("none")
        for names, options in (
                ("--nosuch", (*plain, "--nosuch")),
                ("--device", ADDRESS),
                ("--address", tap),
                ("word", (*plain, "word")),
                ("300.0.0.1/24", (*tap, "--address", "300.0.0.1/24")),
                ("10.0.0.1", (*tap, "--address", "10.0.0.1")),
                ("10.0.0.9-10.0.0.2/24", (*tap, "--address", "10.0.0.9-10.0.0.2/24")),
                ("224.0.0.1/24", (*tap, "--address", "224.0.0.1/24")),
                ("10.9.9.9", (*plain, "--gateway", "10.9.9.9")),
                ("--mac", (*plain, "--mac", "01:00:00:00:00:01")),
                ("--mtu", (*plain, "--mtu", "20")),
                ("--vlan", (*plain, "--vlan", "4095")),
                ("floppy:a", ("--device", "floppy:a", *ADDRESS)),
                ("tap", ("--device", "tap", *ADDRESS)),
                ("tap:", ("--device", "tap:", *ADDRESS)),
                ("tap:much-too-long-a-name", ("--device", "tap:much-too-long-a-name", *ADDRESS)),
                ("pci:nonsense", ("--device", "pci:nonsense", *ADDRESS)),
                ("role=king", ("--device", "memif:/tmp/x,role=king", *ADDRESS)),
                ("vdev:net_nosuch0", ("--device", "vdev:net_nosuch0", *ADDRESS)),
                ("--cores", (*plain, "--cores", "1-")),
                ("--duration", (*plain, "--duration", "soon")),
                (folder, (*plain, "--config", folder)),
                (folder, (*plain, "--json", folder + "/x.json")),
                (folder, (*plain, "--capture", folder + "/x.pcapng"))):
            self.assert_error(2, names, "pollux-httpd", *options)
        for names, options in (
                ("--listen", (*plain, "--listen", "0")),
                ("--listen", (*plain, "--listen", "65536")),
                ("--keep-alive", (*plain, "--keep-alive", "maybe")),
                (folder, (*plain, "--body", "@" + folder)),
                ("--target", (*plain, *TARGET))):
            self.assert_error(2, names, "pollux-httpd", *options)
        loading = (*plain, *TARGET)
        for names, options in (
                ("--target", plain),
                ("10.0.0.2", (*plain, "--target", "10.0.0.2")),
                ("10.0.0.2:0", (*plain, "--target", "10.0.0.2:0")),
                ("10.0.0.1:80", (*plain, "--target", "10.0.0.1:80")),
                ("--cps", (*loading, "--cps", "fast")),
                ("--path", (*loading, "--path", "no-slash")),
                ("--header", (*loading, "--header", "no colon")),
                (folder, (*loading, "--data", "@" + folder)),
                ("p90>1", (*loading, "--fail-if", "p90>1")),
                ("luck<3", (*loading, "--fail-if", "luck<3")),
                ("--listen", (*loading, "--listen", "80"))):
            self.assert_error(2, names, "pollux-load", *options)

    def test_the_machine_lacks_something(self):
        self.ns.must("ip", "link", "add", "other0", "type", "veth", "peer", "name", "other1")
        dead = self.path("dead.sock")
        with socket.socket(socket.AF_UNIX) as leftover:
            leftover.bind(dead)
        file = self.write("file", b"")
        folder = self.path("none")
        devices = [
            (folder, f"memif:{folder}/x.sock"),
            (folder, f"memif:{folder}/x.sock,role=client"),
            (folder, f"vhost:{folder}/x.sock"),
            (folder, f"virtio-user:{folder}/x.sock"),
            (self.path("x.sock"), f"virtio-user:{self.path('x.sock')}"),
            (dead, f"virtio-user:{dead}"),
            (file, f"virtio-user:{file}"),
            (file, f"vhost:{file}"),
            ("nosuch0", "af_packet:nosuch0"),
            ("nosuch0", "af_xdp:nosuch0"),
            ("pci:0000:ff:1f.7", "pci:0000:ff:1f.7"),
        ]
        if os.access("/dev/net/tun", os.R_OK | os.W_OK):
            devices.append(("tap:other0", "tap:other0"))
        for names, device in devices:
            self.assert_error(3, names, "pollux-httpd", "--device", device, *ADDRESS)
        for names, device in devices[:5]:
            self.assert_error(3, names, "pollux-load", "--device", device, *ADDRESS, *TARGET)
        absent = os.cpu_count()
        if absent < 128:
            self.assert_error(3, str(absent), "pollux-httpd", "--device", f"vhost:{dead}.2",
                              *ADDRESS, "--cores", str(absent))

    def test_memif_without_a_peer(self):
        for name, role, more in (("pollux-httpd", "server", ()), ("pollux-load", "client", TARGET)):
            begin = time.monotonic()
            self.assert_error(3, "alone.sock", name, "--device",
                              f"memif:{self.path('alone.sock')},role={role}", *ADDRESS, *more,
                              "--wait", "1", *lab.SMALL)
            spent = time.monotonic() - begin
            self.assertGreaterEqual(spent, 1)
            self.assertLess(spent, 4 * lab.busy())

    def test_a_signal_ends_the_wait_for_a_peer(self):
        for name, more in (("pollux-httpd", ()), ("pollux-load", TARGET)):
            with self.subTest(program=name):
                sock = self.path(f"{name}.sock")
                waiting = self.process(lab.program(name), "--device", f"memif:{sock},role=server",
                                       *ADDRESS, *more, "--wait", "60", *lab.SMALL,
                                       namespace=self.ns)
                waiting.until(lambda: os.path.exists(sock), "the memif's socket")
                begin = time.monotonic()
                waiting.stop(signal.SIGTERM)
                self.assertLess(time.monotonic() - begin, 2 * lab.busy())


class Runs(Commands):
    """With a tap that nobody else is at."""

    @classmethod
    def setUpClass(cls):
        lab.need_tun()
        super().setUpClass()

    def tearDown(self):
        lab.eventually(lambda: not self.ns.has("px0"), "the tap is gone when its owner is")

    def start(self, *options):
        return lab.start_httpd_on_tap(self, self.ns, *options, keep=False)

    def assert_summary(self, summary, program):
        self.assertEqual(differences(SCHEMA, summary), [])
        self.assertEqual(summary["schema"], "pollux.summary.1")
        self.assertEqual(summary["program"], program)
        self.assert_sums(summary)

    def test_signals_end_a_run_in_good_order(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(signal=number):
                report = self.path("signal.json")
                httpd = self.start("--json", report)
                self.assertEqual(exchange.fetch(self.ns, "10.0.0.1", 20), [])
                with self.ns.connect("10.0.0.1") as idle:
                    idle.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    exchange.receive_reply(idle)
                    begin = time.monotonic()
                    self.assertEqual(httpd.stop(number), 0, httpd.story())
                    self.assertLess(time.monotonic() - begin, 2 * lab.busy())
                    # The end is told to the client, whatever its form.
                    try:
                        self.assertEqual(idle.recv(1), b"")
                    except ConnectionResetError:
                        pass
                self.assertEqual(httpd.err, "")
                self.assertRegex(httpd.out, r"\npollux-httpd\nconnections +\d+ completed of \d+ ")
                summary = lab.json_of(report)
                self.assert_summary(summary, "pollux-httpd")
                connections = summary["connections"]
                # The idle one was closed in time or reset; that which found out whether somebody
                # answers yet may have come before the count began.
                self.assertGreaterEqual(connections["attempted"], 21)
                self.assertEqual(connections["failed"], 0, connections)
                self.assertEqual(connections["open"], 0, connections)
                self.assertGreaterEqual(summary["requests"]["status"]["200"], 21)
                lab.eventually(lambda: not self.ns.has("px0"), "the tap is gone")

    def test_second_signal_ends_at_once(self):
        httpd = self.start()
        with self.ns.connect("10.0.0.1"):  # is waited for, for a while
            httpd.tell(signal.SIGTERM)
            httpd.tell(signal.SIGINT)
            code = httpd.wait()
            # It may have been quicker than the second signal.
            self.assertIn(code, (0, -signal.SIGINT, -signal.SIGTERM), httpd.story())

    def test_duration_ends_a_run(self):
        report = self.path("duration.json")
        code, out, err = self.run_ours("pollux-httpd", "--device", "tap:px0", *ADDRESS, *lab.SMALL,
                                       "--duration", "0.5", "--json", report)
        self.assertEqual((code, err), (0, ""))
        summary = lab.json_of(report)
        self.assert_summary(summary, "pollux-httpd")
        self.assertGreater(summary["duration_s"], 0)
        for label in ("device:", "offloads:", "steering:", "memory:"):
            self.assertIn(f"\n{label} ", "\n" + out)

    def test_json_has_standard_output_for_itself(self):
        code, out, err = self.run_ours("pollux-httpd", "--device", "tap:px0", *ADDRESS,
                                       "--connections", "1000", "--duration", "0.5",
                                       "--stats-interval", "0.1", "--json", "-")
        self.assertEqual(code, 0, err)
        self.assert_summary(json.loads(out), "pollux-httpd")
        self.assertIn("memory:", err)
        self.assertRegex(err, r"(?m)^ *0\.\d s  cps ")

    def test_capture_is_a_pcapng_of_what_went_by(self):
        capture = self.path("run.pcapng")
        httpd = self.start("--capture", capture)
        self.assertEqual(exchange.fetch(self.ns, "10.0.0.1", 1), [])
        self.assertEqual(httpd.stop(), 0, httpd.story())
        with open(capture, "rb") as file:
            content = file.read()
        self.assertEqual(content[:4], b"\x0a\x0d\x0d\x0a")  # a section header block
        self.assertIn(b"GET / HTTP/1.1\r\nHost: pollux", content)
        self.assertIn(b"HTTP/1.1 200 OK", content)

    def test_what_cannot_be_written_takes_nothing_from_the_summary(self):
        # /dev/full opens, and takes no byte.
        for option in ("--json", "--capture"):
            with self.subTest(option=option):
                code, out, err = self.run_ours("pollux-httpd", "--device", "tap:px0", *ADDRESS,
                                               *lab.SMALL, "--duration", "0.5", option,
                                               "/dev/full")
                self.assertEqual(code, 3, err)
                self.assertRegex(err, r"\Aerror: [^\n]*/dev/full[^\n]*: [^\n]+; try: [^\n]+\n\Z")
                self.assertIn("\npollux-httpd\nconnections ", out)

    def test_a_summary_that_nobody_gets_is_an_error(self):
        code, _, err = self.ns.run("sh", "-c", 'exec "$0" "$@" >/dev/full',
                                   lab.program("pollux-httpd"), "--device", "tap:px0", *ADDRESS,
                                   *lab.SMALL, "--duration", "0.2")
        self.assertEqual(code, 3)
        self.assertRegex(err, r"\Aerror: the summary: [^\n]+; try: [^\n]+\n\Z")

    def test_options_from_a_file(self):
        config = self.write("pollux.toml", b'device = "tap:px0"\naddress = "10.0.0.1/24"\n'
                                           b'connections = 1000\nstats-interval = 0\n'
                                           b'duration = 60\nbody = 5\n')
        code, out, err = self.run_ours("pollux-httpd", "--config", config, "--duration", "0.1")
        self.assertEqual((code, err), (0, ""))
        self.assertIn("tap:px0", out)

    def test_programs_run_side_by_side(self):
        first = self.start()
        second = self.process(lab.program("pollux-httpd"), "--device", "tap:px1", "--address",
                              "10.0.1.1/24", *lab.SMALL, namespace=self.ns)
        second.until(lambda: "memory:" in second.out, "the banner of the second")
        self.ns.must("ip", "addr", "add", "10.0.1.2/24", "dev", "px1")
        self.ns.must("ip", "link", "set", "px1", "up")
        for address in ("10.0.0.1", "10.0.1.1"):
            second.until(lambda: lab.answers(self.ns, address), f"an answer of {address}")
            self.assertEqual(exchange.fetch(self.ns, address, 20), [])
        for each in (first, second):
            self.assertEqual(each.stop(), 0, each.story())

    def test_killed_run_does_not_hinder_the_next(self):
        self.start().stop(signal.SIGKILL)
        self.assertEqual(self.start().stop(), 0)


class Failures(Commands):
    """pollux-load when its target is not as it should be; --fail-if."""

    @classmethod
    def setUpClass(cls):
        lab.need_tun()
        super().setUpClass()
        lab.premade_tap(cls.ns, "px0", "10.0.0.2/24")

    def load(self, *options):
        report = self.path("load.json")
        code, _, err = self.run_ours("pollux-load", "--device", "tap:px0", *ADDRESS, *lab.SMALL,
                                     "--duration", "1", "--warmup", "0", "--json", report,
                                     *options, within=60)
        summary = lab.json_of(report)
        self.assertEqual(differences(SCHEMA, summary), [])
        self.assert_sums(summary)
        self.assertEqual(sum(summary["failures"].values()), summary["connections"]["failed"])
        return code, err, summary

    def assert_nothing_came_through(self, code, err):
        self.assertEqual(code, 1, err)
        self.assertRegex(err, r"\Aerror: the run: not one of \d+ connections was set up; "
                              r"try: .+\n\Z")

    def test_nobody_listens(self):
        code, err, summary = self.load(*TARGET, "--cps", "200")
        self.assert_nothing_came_through(code, err)
        self.assertGreater(summary["failures"]["refused"], 0, summary["failures"])
        self.assertEqual(summary["connections"]["established"], 0)

    def test_nobody_has_the_address(self):
        code, err, summary = self.load("--target", "10.0.0.77:80", "--cps", "200", "--duration",
                                       "5")
        self.assert_nothing_came_through(code, err)
        self.assertEqual(summary["connections"]["established"], 0)
        self.assertGreater(summary["failures"]["no_arp"], 0, summary["failures"])

    def test_fail_if_decides_about_the_exit_code(self):
        code, err, _ = self.load(*TARGET, "--cps", "100", "--fail-if", "failed>0", "--fail-if",
                                 "retransmitted>1000000")
        self.assertEqual(code, 1)
        self.assertRegex(err, r"\Aerror: --fail-if 'failed>0': [^\n]+; try: [^\n]+\n"
                              r"error: the run: ")
        self.assertEqual(err.count("\n"), 2)
        code, err, _ = self.load(*TARGET, "--cps", "100", "--fail-if", "cps>1000000")
        self.assert_nothing_came_through(code, err)

    def test_signal_ends_a_load(self):
        report = self.path("signal.json")
        load = self.process(lab.program("pollux-load"), "--device", "tap:px0", *ADDRESS, *TARGET,
                            *lab.SMALL, "--duration", "60", "--cps", "50", "--json", report,
                            namespace=self.ns)
        load.until(lambda: "memory:" in load.out, "the banner")
        for number in (signal.SIGINT,):
            begin = time.monotonic()
            self.assertEqual(load.stop(number), 0, load.story())
            self.assertLess(time.monotonic() - begin, 2 * lab.busy())
        self.assertIn("\npollux-load\nconnections ", load.out)
        self.assertEqual(lab.json_of(report)["program"], "pollux-load")


if __name__ == "__main__":
    runner.main()
