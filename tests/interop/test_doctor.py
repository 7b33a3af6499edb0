#!/usr/bin/env python3
"""pollux-doctor, and the other programs, on machines that lack something: what is named, and that
what is printed mends it when it is typed as it stands."""

import json
import os
import re
import shutil
import subprocess
import unittest

import lab
import runner

NOBODY = 65534
HTTPD = ("--address", "10.0.0.1/24", *lab.SMALL)
LOAD = ("--address", "10.0.0.2/24", "--target", "10.0.0.1:80", *lab.SMALL)
PAGES = "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/"
LINE = re.compile(r"(OK|warn|fail) +([^:]+(?::[0-9a-f:.]+)?): (.*)")


def remedy(text):
    """What stands behind `try:`, without who is to type it."""
    return re.search(r"; try(?: as root)?: (?:as root: )?([^\n]+)", text).group(1)


def number(path):
    with open(path, encoding="ascii") as file:
        return int(file.read())


class Doctor(lab.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.doctor = lab.program("pollux-doctor")
        # Commands are typed where the programs are in the path, as after an installation.
        cls.environment = {**os.environ, "PATH": f"{lab.PROGRAMS}:{os.environ['PATH']}:/usr/sbin"}

    def type(self, command, **kwargs):
        """In a shell, as it was printed."""
        code, out, err = lab.run("sh", "-c", command, env=self.environment, **kwargs)
        self.assertEqual(code, 0, f"{command}\n{out}{err}")
        return out

    def report(self, *before, code=None, **kwargs):
        """The lines of the report, by what they are about."""
        ended, out, err = lab.run(*before, self.doctor, **kwargs)
        self.assertEqual(err, "")
        lines = out.splitlines()
        found = {}
        for line in lines[:-1]:
            self.assertRegex(line, LINE)
            level, name, _ = LINE.match(line).groups()
            found[name] = (level, line)
        fails = sum(level == "fail" for level, _ in found.values())
        self.assertRegex(lines[-1], rf"\A(not )?ready: \d+ OK, \d+ warn, {fails} fail\Z")
        self.assertEqual(ended, 1 if fails else 0)
        if code is not None:
            self.assertEqual(ended, code, out)
        return found

    def assert_error(self, done, names, code=3):
        """One line of the agreed form, which names what is wrong. Returns what mends it."""
        ended, out, err = done
        self.assertEqual(ended, code, out + err)
        self.assertRegex(err, r"\Aerror: [^\n]+: [^\n]+; try: [^\n]+\n\Z")
        self.assertIn(names, err.split("; try: ")[0])
        return remedy(err)


class Words(Doctor):
    def test_help_version_and_usage(self):
        code, out, err = lab.run(self.doctor, "--help")
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, r"(?m)^ +pollux-doctor hugepages reserve --node")
        code, out, err = lab.run(self.doctor, "--version")
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, r"\Apollux-doctor \d+\.\d+\.\d+\n\Z")
        for names, words in (("'wave'", ("wave",)), ("hugepages ''", ("hugepages",)),
                             ("bind 'x'", ("bind", "x")), ("device ''", ("device",)),
                             ("--root", ("--root", self.path("none"))),
                             ("--json", ("--json", self.path("none") + "/x.json"))):
            self.assert_error(lab.run(self.doctor, *words), names, code=2)

    def test_json_has_standard_output_for_itself(self):
        code, out, err = lab.run(self.doctor, "--json", "-")
        found = json.loads(out)
        self.assertEqual(found["schema"], "pollux.doctor.1")
        self.assertEqual(found["ready"], code == 0)
        self.assertEqual(len(found["checks"]), err.count("\n") - 1)
        self.assertEqual(sum(found["counts"].values()), len(found["checks"]))
        for check in found["checks"]:
            self.assertEqual(set(check), {"name", "status", "text", "command", "as_root", "advice"})
            self.assertIn(check["text"], err)
        report = self.path("doctor.json")
        lab.run(self.doctor, "--json", report)
        self.assertEqual(lab.json_of(report)["schema"], "pollux.doctor.1")


class Tree(Doctor):
    """Machines that are made up in a folder."""

    def put(self, path, text=""):
        full = self.path(path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="ascii") as file:
            file.write(text)

    def link(self, path, target):
        full = self.path(path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        os.symlink(target, full)

    def setUp(self):
        shutil.rmtree(self.folder)
        os.mkdir(self.folder)

    def look(self):
        ended, out, _ = lab.run(self.doctor, "--root", self.folder)
        return ended, {LINE.match(line).group(2): line for line in out.splitlines()[:-1]}

    def node(self, which, pages):
        folder = f"sys/devices/system/node/node{which}/hugepages/hugepages-2048kB/"
        self.put(folder + "nr_hugepages", f"{pages}\n")
        self.put(folder + "free_hugepages", f"{pages}\n")

    def test_no_huge_pages(self):
        self.node(0, 0)
        self.node(1, 0)
        code, lines = self.look()
        self.assertEqual(code, 1)
        for which in (0, 1):
            line = lines[f"huge pages of node {which}"]
            self.assertTrue(line.startswith("fail"), line)
            self.type(remedy(line))
            self.node(which, 512)  # the kernel's part: they are free
        code, lines = self.look()
        self.assertEqual(code, 0)
        self.assertIn("512 of 512", lines["huge pages of node 1"])

    def card(self):
        self.node(0, 1)
        device = "sys/bus/pci/devices/0000:03:00.0/"
        for name, text in (("class", "0x020000\n"), ("vendor", "0x8086\n"), ("device", "0x1572\n"),
                           ("numa_node", "0\n"), ("driver_override", "(null)\n")):
            self.put(device + name, text)
        self.put("sys/bus/pci/drivers/i40e/unbind")
        self.put("sys/bus/pci/drivers_probe")
        self.link(device + "driver", "../../../../bus/pci/drivers/i40e")
        self.link(device + "iommu_group", "../../../../kernel/iommu_groups/5")
        self.put("sys/kernel/iommu_groups/5/type")
        self.put(device + "net/eth1/mtu", "1500\n")
        self.put("sys/class/net/eth1/operstate", "up\n")

    def test_absent_driver_of_the_kernel(self):
        self.card()
        # Stands in for the real one, which needs a module.
        self.put("bin/modprobe", "#!/bin/sh\nmkdir -p "
                 f"{self.folder}/sys/bus/pci/drivers/$1 {self.folder}/dev/vfio\n")
        os.chmod(self.path("bin/modprobe"), 0o755)
        shell = {**self.environment, "PATH": self.path("bin") + ":" + self.environment["PATH"]}
        _, lines = self.look()
        self.assertRegex(lines["vfio"], r"\Awarn .*vfio-pci is absent")
        self.assertEqual(remedy(lines["vfio"]), "modprobe vfio-pci")
        bind = remedy(lines["card 0000:03:00.0"])
        command = self.assert_error(lab.run("sh", "-c", bind, env=self.environment), "vfio-pci")
        lab.must("sh", "-c", command, env=shell)
        _, lines = self.look()
        self.assertTrue(lines["vfio"].startswith("OK"), lines["vfio"])
        self.type(bind)
        with open(self.path("sys/bus/pci/devices/0000:03:00.0/driver_override"),
                  encoding="ascii") as file:
            self.assertEqual(file.read(), "vfio-pci\n")

    def test_the_default_route_is_kept_unless_told_twice(self):
        self.card()
        os.makedirs(self.path("sys/bus/pci/drivers/vfio-pci"))
        self.put("proc/net/route", "Iface Destination Gateway Flags RefCnt Use Metric Mask\n"
                                   "eth1 00000000 010200C0 0003 0 0 0 00000000\n")
        bind = (self.doctor, "bind", "0000:03:00.0", "--root", self.folder)
        for words in (bind, (*bind, "--force")):
            self.assert_error(lab.run(*words), "bind 0000:03:00.0: its interface eth1 carries the "
                                               "default route")
        code, out, _ = lab.run(*bind, "--force", "--force")
        self.assertEqual(code, 0)
        self.assertIn("i40e -> vfio-pci", out)


@unittest.skipUnless(lab.REAL_ROOT, "needs root")
class NoHugePages(Doctor):
    def setUp(self):
        if not os.path.exists(PAGES) or number("/proc/sys/vm/nr_hugepages") != 0:
            raise unittest.SkipTest("there are huge pages here, or the kernel has none")
        lab.need_tun()

    def test_is_named_and_mended(self):
        level, line = self.report(code=1)["huge pages of node 0"]
        self.assertEqual(level, "fail")
        self.assertRegex(remedy(line), r"/pollux-doctor hugepages reserve --node 0 --size 2M --cou")
        ns = self.namespace()

        def memory():
            out = ns.must(lab.program("pollux-httpd"), "--device", "tap:px0", *HTTPD,
                          "--duration", "0.2")
            return re.search(r"(?m)^memory: *(.*)$", out).group(1)

        before = memory()
        self.assertRegex(before, r"\Aordinary pages \(no huge pages are reserved; try: ")
        command = re.search(r"try: ([^)]*)\)", before).group(1)
        try:
            out = self.type(command)
        except AssertionError as failure:
            raise unittest.SkipTest(f"memory is short here: {failure}") from None
        try:
            self.assertRegex(out, r"\Anode 0: \d+ pages of 2M, before 0; \d+ are free\n\Z")
            self.assertEqual(self.report()["huge pages of node 0"][0], "OK")
            self.assertRegex(memory(), r"\Ahuge pages ")
        finally:
            self.type("pollux-doctor hugepages release --node 0 --size 2M")
        self.assertEqual(number(PAGES + "nr_hugepages"), 0)
        self.assertRegex(memory(), r"\Aordinary pages")


@unittest.skipUnless(lab.REAL_ROOT, "mounts are root's to make")
class NoMount(Doctor):
    """hugetlbfs is not mounted, in a mount namespace of the test's own."""

    def setUp(self):
        self.made = not os.path.exists("/dev/hugepages")

    def tearDown(self):
        if self.made and os.path.isdir("/dev/hugepages"):
            os.rmdir("/dev/hugepages")

    def test_is_named_and_mended(self):
        script = (f"{self.unmounted()}; {self.doctor} > {self.path('before')}; "
                  "sh -c \"$(sed -n 's/^warn *hugetlbfs: .*; try: //p' "
                  f"{self.path('before')})\" && {self.doctor} > {self.path('after')}; true")
        code, _, err = lab.run(lab.tool("unshare", "util-linux"), "-m", "sh", "-c", script)
        self.assertEqual((code, err), (0, ""))
        with open(self.path("before"), encoding="utf-8") as file:
            self.assertRegex(file.read(), r"(?m)^warn  hugetlbfs: not mounted")
        with open(self.path("after"), encoding="utf-8") as file:
            self.assertRegex(file.read(), r"(?m)^OK    hugetlbfs: mounted on /dev/hugepages")

    def unmounted(self):
        return ("awk '$3 == \"hugetlbfs\" {print $2}' /proc/mounts | "
                "while read place; do umount $place; done")

    def test_the_programs_do_without(self):
        lab.need_tun()
        ns = self.namespace()
        for words in (f"{lab.program('pollux-httpd')} --device tap:px0 {' '.join(HTTPD)}",
                      f"{lab.program('pollux-bench')} --warmup 0 {' '.join(lab.SMALL)}"):
            code, _, err = ns.run(lab.tool("unshare", "util-linux"), "-m", "sh", "-c",
                                  f"{self.unmounted()}; exec {words} --duration 0.3")
            self.assertEqual((code, err), (0, ""))


@unittest.skipUnless(lab.REAL_ROOT, "needs root, to be sure of who is not")
class NoPermission(Doctor):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        lab.need_tun()
        cls.user = (lab.tool("setpriv", "util-linux"), f"--reuid={NOBODY}", f"--regid={NOBODY}",
                    "--clear-groups")
        # The programs may lie where only root may look.
        for name in ("pollux-doctor", "pollux-httpd", "pollux-load", "pollux-bench"):
            shutil.copy(lab.program(name), cls.path(name))
            os.chmod(cls.path(name), 0o755)
        cls.doctor = cls.path("pollux-doctor")
        cls.ns = cls.namespace()

    def bare(self, *names):
        """Copies without the rights that a test has given them."""
        for name in names:
            os.remove(self.path(name))
            shutil.copy(lab.program(name), self.path(name))
            os.chmod(self.path(name), 0o755)

    def as_nobody(self, name, *options):
        return self.ns.run(*self.user, self.path(name), *options, "--duration", "0.3")

    def test_is_named_and_mended(self):
        lab.tool("setcap", "libcap2-bin")
        level, line = self.report(*self.user)["permissions"]
        self.assertEqual(level, "warn")
        self.assertIn(f"user {NOBODY} may use memif, vhost and virtio-user, but no interface", line)
        self.assertIn("; try as root: ", line)
        self.assertEqual(self.as_nobody("pollux-httpd", "--device", "tap:px1", *HTTPD)[0], 3)
        self.type(remedy(line))
        self.addCleanup(self.bare, "pollux-doctor", "pollux-httpd", "pollux-load")
        self.assertEqual(self.report(*self.user)["permissions"][0], "OK")
        done = self.as_nobody("pollux-httpd", "--device", "tap:px1", *HTTPD)
        self.assertEqual((done[0], done[2]), (0, ""))

    def test_the_programs_name_it_too(self):
        lab.tool("setcap", "libcap2-bin")
        self.addCleanup(self.bare, "pollux-httpd", "pollux-load")
        for name, options in (("pollux-httpd", HTTPD), ("pollux-load", LOAD)):
            done = self.as_nobody(name, "--device", "tap:px2", *options)
            command = self.assert_error(done, "--device tap:px2")
            self.assertEqual(command,
                             f"setcap cap_net_admin,cap_net_raw+ep {self.path(name)}")
            self.type(command)
            code, _, err = self.as_nobody(name, "--device", "tap:px2", *options)
            self.assertEqual((code, "px2" in err), (0 if name == "pollux-httpd" else 1, False), err)

    def test_bench_needs_none(self):
        code, _, err = self.as_nobody("pollux-bench", "--warmup", "0", *lab.SMALL)
        self.assertEqual((code, err), (0, ""))

    def test_huge_pages_are_roots_to_reserve(self):
        done = lab.run(*self.user, self.doctor, "hugepages", "reserve", "--count", "1")
        command = self.assert_error(done, "nr_hugepages: Permission denied")
        self.assertIn("; try: as root: ", done[2])
        self.assertEqual(command, "pollux-doctor hugepages reserve --node 0 --size 2M --count 1")


@unittest.skipUnless(lab.REAL_ROOT, "mounts are root's to make")
class NoDriver(Doctor):
    """DPDK's driver of memif is not installed, in a mount namespace whose changes go with it."""

    def setUp(self):
        if shutil.which("dpkg") is None:
            raise unittest.SkipTest("no Debian: nothing is known of its packages")
        code, out, _ = lab.run(self.doctor, "--json", "-")
        found = re.search(r"drivers of network devices in ([^\s,\"]+)", out)
        if found is None:
            raise unittest.SkipTest("DPDK has its drivers built in")
        self.drivers = found.group(1)
        self.assertIn(code, (0, 1))

    def without_driver(self, script):
        """Runs it over copies of /usr, /var and /etc in which the driver is missing."""
        scratch = self.path("over")
        os.makedirs(scratch, exist_ok=True)
        over = f"set -e; mount -t tmpfs tmpfs {scratch}; "
        for name in ("usr", "var", "etc"):
            over += (f"mkdir {scratch}/{name} {scratch}/{name}.work; mount -t overlay overlay -o "
                     f"lowerdir=/{name},upperdir={scratch}/{name},workdir={scratch}/{name}.work "
                     f"/{name}; ")
        unshare = (lab.tool("unshare", "util-linux"), "-m", "sh", "-c")
        code, _, err = lab.run(*unshare, over + "true")
        if code != 0:
            raise unittest.SkipTest(f"no overlay can be mounted: {err.strip()}")
        return lab.run(*unshare, over + f"rm {self.drivers}/librte_net_memif*; set +e; " + script,
                       within=300, env=self.environment)

    def test_is_named_and_mended(self):
        code, out, err = self.without_driver(self.doctor)
        self.assertEqual(code, 1, err)
        line = re.search(r"(?m)^fail  DPDK: .*$", out).group(0)
        self.assertIn("but not net_memif", line)
        command = remedy(line)
        self.assertRegex(command, r"\Aapt-get install --reinstall librte-net-memif\d+\Z")
        code, out, err = self.without_driver(f"{command} > {self.path('apt')} 2>&1 < /dev/null || "
                                             f"exit 99; {self.doctor}")
        if code == 99:
            with open(self.path("apt"), encoding="utf-8", errors="replace") as file:
                raise unittest.SkipTest(f"packages cannot be had: {file.read()[-300:]}")
        self.assertRegex(out, r"(?m)^OK    DPDK: ", err)

    def test_the_programs_name_it_too(self):
        sock = self.path("memif.sock")
        device = f"--device memif:{sock}"
        for words in (f"pollux-httpd {device} {' '.join(HTTPD)}",
                      f"pollux-load {device} {' '.join(LOAD)}",
                      f"pollux-bench --link memif {' '.join(lab.SMALL)}",
                      f"pollux-doctor device memif:{sock}"):
            with self.subTest(words=words):
                command = self.assert_error(self.without_driver(words),
                                            "DPDK's driver net_memif is not installed")
                self.assertRegex(command, r"\Aapt-get install --reinstall librte-net-memif\d+\Z")


class NoPeer(Doctor):
    """The socket of a peer is missing."""

    def start(self, command):
        """Types it, and lets it run as long as the test."""
        return self.process("env", "PATH=" + self.environment["PATH"], "sh", "-c",
                            "exec " + command)

    def test_device_names_it_and_works_with_it(self):
        for number, (device, socket) in enumerate((("virtio-user:{}", "{}"),
                                                   ("memif:{},role=client", "{}"))):
            with self.subTest(device=device):
                path = self.path(f"peer{number}.sock")
                device = device.format(path)
                look = (self.doctor, "device", device, "--wait", "1")
                command = self.assert_error(lab.run(*look), path)
                peer = self.start(command)
                peer.until(lambda: os.path.exists(path), "the socket of " + command)
                code, out, err = lab.run(self.doctor, "device", device, "--wait", "30")
                self.assertEqual((code, err), (0, ""), peer.story())
                self.assertRegex(out, rf"(?m)^device: +{device} ")
                self.assertRegex(out, r"(?m)^link: +up")

    def test_the_programs_name_it_too(self):
        for number, device in enumerate(("virtio-user:{}", "memif:{},role=client")):
            with self.subTest(device=device):
                path = self.path(f"load{number}.sock")
                load = (lab.program("pollux-load"), "--device", device.format(path), *LOAD,
                        "--warmup", "0")
                command = self.assert_error(lab.run(*load, "--wait", "1"), path)
                peer = self.start(command)
                peer.until(lambda: os.path.exists(path), "the socket of " + command)
                # The server takes its memory when the link is up, which may be a while.
                for seconds in ("2", "10", "30"):
                    code, _, err = lab.run(*load, "--wait", "30", "--duration", seconds,
                                           within=120)
                    if code != 1:
                        break
                self.assertEqual((code, err), (0, ""), peer.story())

    def test_a_server_names_who_is_to_come(self):
        path = self.path("server.sock")
        done = lab.run(lab.program("pollux-httpd"), "--device", f"memif:{path},role=server",
                       *HTTPD, "--wait", "1")
        self.assertRegex(self.assert_error(done, "no peer has come within 1 s"),
                         rf"\Apollux-load .*--device memif:{path},role=client\Z")


class Device(Doctor):
    """What devices say of themselves, and whether it is true."""

    def trials(self, *words, namespace=None):
        start = namespace.run if namespace else lab.run
        code, out, err = start(self.doctor, "device", *words, "--json", "-")
        found = json.loads(out)
        self.assertEqual(found["schema"], "pollux.doctor.device.1")
        outcomes = {trial["offload"]: trial["outcome"] for trial in found["trials"]}
        self.assertEqual(code, 1 if "lies" in outcomes.values() else 0, err)
        return found, outcomes

    def test_tap(self):
        lab.need_tun()
        found, outcomes = self.trials("tap:px5", "--no-huge", namespace=self.namespace())
        self.assertEqual(found["driver"], "net_tap")
        self.assertTrue(found["link_up"])
        self.assertIn("TCP_TSO", found["advertised"]["transmit"])
        for name in ("transmit IPv4 checksum", "transmit TCP checksum", "transmit UDP checksum",
                     "TCP segmentation", "receive IPv4 checksum", "receive TCP checksum",
                     "receive UDP checksum"):
            self.assertEqual(outcomes[name], "works", found["trials"])

    def test_virtio(self):
        path = self.path("virtio.sock")
        ends = (f"vhost:{path}", f"virtio-user:{path}")
        for device, peer in (ends, ends[::-1]):
            found, outcomes = self.trials(device, "--peer", peer, "--no-huge")
            self.assertEqual(set(outcomes.values()), {"works"}, found["trials"])
            self.assertIn("transmit TCP checksum", outcomes)

    def test_memif_offers_nothing(self):
        path = self.path("memif.sock")
        found, outcomes = self.trials(f"memif:{path},role=server", "--peer",
                                      f"memif:{path},role=client", "--no-huge")
        self.assertEqual((found["driver"], outcomes), ("net_memif", {}))

    def test_without_a_peer_nothing_is_tried(self):
        code, out, err = lab.run(self.doctor, "device", "vdev:net_null0", "--no-huge")
        self.assertEqual((code, err), (0, ""))
        self.assertIn("not tried", out)

    def test_what_is_not_there(self):
        self.assert_error(lab.run(self.doctor, "device", "pci:0000:ff:1f.7"), "no such PCI device")
        self.assert_error(lab.run(self.doctor, "device", "af_packet:nosuch0"), "nosuch0")


if __name__ == "__main__":
    runner.main()
