#!/usr/bin/env python3
"""Memory on the NUMA node of its core, in a guest of two nodes whose card is on the second."""

import collections
import re

import guest
import lab
import runner
import test_rows

SERVER = "10.0.0.1"
CARD = "0000:41:00.0"  # behind the second node's root port
PAGE = 2 << 20
MIB = 1 << 20


def pages_of(maps, wanted):
    """Bytes by node of those mappings whose line `wanted` takes (numa_maps of proc(5))."""
    out = collections.Counter()
    for line in maps.splitlines():
        if not wanted(line):
            continue
        size = int(re.search(r"kernelpagesize_kB=(\d+)|\Z", line).group(1) or 0) << 10
        for node, count in re.findall(r" N(\d+)=(\d+)", line):
            out[int(node)] += int(count) * size
    return out


class Nodes(test_rows.Row):
    """Processors 0 and 1 are on node 0, processor 2 on node 1."""

    def boot(self):
        self.ns = self.namespace()
        lab.premade_tap(self.ns, "vm0", "10.0.0.2/24")
        machine = guest.Guest(
            self, ["-device", "pxb-pcie,id=second,bus=pcie.0,bus_nr=64,numa_node=1",
                   "-device", "pcie-root-port,id=root1,bus=second,chassis=1",
                   "-netdev", "tap,id=n0,ifname=vm0,queues=2,script=no,downscript=no",
                   "-device", "virtio-net-pci,disable-legacy=on,mq=on,vectors=6,netdev=n0,"
                   "bus=root1"], namespace=self.ns, cores=3, pages=400, nodes=("0-1", "2"))
        machine.give_to("uio_pci_generic", CARD)
        for node in (0, 1):
            machine.must(f"pollux-doctor hugepages release --node {node} --size 2M")
        return machine

    def words(self, cores):
        return ("pollux-httpd", "--device", f"pci:{CARD}", "--address", f"{SERVER}/24",
                "--cores", cores, "--connections", "2000", "--stats-interval", "0")

    def begin(self, machine, cores, *before):
        """The responder, whose banner is complete, and its warnings."""
        httpd = machine.start(*before, *self.words(cores))
        httpd.until(lambda: "memory:" in httpd.out, "the banner of pollux-httpd")
        print(httpd.out, flush=True)
        return httpd, re.findall(r"(?m)^warning: *(.*)$", httpd.out)

    def end(self, httpd):
        self.assertEqual((httpd.stop(), httpd.err), (0, ""), httpd.story())

    def maps(self, machine, httpd):
        """Where its memory is: tables, which have a policy of their own, and huge pages."""
        return machine.must(f"grep -E ':[0-9]+ anon=| huge ' /proc/{httpd.pid}/numa_maps")

    def assert_tables(self, maps, node, policy="prefer"):
        """A pipeline's tables are there, and on no other node."""
        tables = pages_of(maps, lambda line: re.search(rf"\A\w+ {policy}:{node} anon=", line))
        self.assertEqual(list(tables), [node], maps)
        self.assertGreater(tables[node], 100 * MIB)

    def reserve(self, machine, command, node):
        """Types what a program has advised; how many pages that were."""
        found = re.fullmatch(rf"pollux-doctor hugepages reserve --node {node} --size 2M "
                             r"--count (\d+)", command)
        self.assertTrue(found, command)
        machine.must(command)
        return int(found.group(1))

    def test_memory_is_on_the_node_of_its_core(self):
        machine = self.boot()
        # A driver takes memory of its card's node, and no other.
        machine.must("pollux-doctor hugepages reserve --node 0 --size 2M --count 80")
        lacking = "only 0 MiB of huge pages are free on node 1, where a driver needs "
        code, said = machine.run(" ".join(self.words("2")))
        self.assertEqual(code, 3, said)
        self.assertIn(lacking, said)
        # So it is where the thread that opens devices can be on one node alone.
        said = machine.must("taskset 4 pollux-httpd --device af_packet:lo --address 10.9.0.1/24 "
                            "--cores 2 --connections 2000 --duration 0.1 --stats-interval 0")
        self.assertRegex(said, rf"(?m)^memory: *ordinary pages \({lacking}")
        command = re.search(r"; try: (.*?)\)", said).group(1)
        self.reserve(machine, command, node=1)

        httpd, warnings = self.begin(machine, "2")
        self.assertEqual(warnings, [])
        lab.eventually(lambda: lab.answers(self.ns, SERVER), "an answer")
        maps = self.maps(machine, httpd)
        huge = pages_of(maps, lambda line: " huge " in line)
        self.assertEqual(list(huge), [1], maps)
        self.assert_tables(maps, 1)
        self.end(httpd)

        # Node 0 has no pages, and a core all the same.
        machine.must("pollux-doctor hugepages release --node 0 --size 2M")
        httpd, warnings = self.begin(machine, "1")
        self.assertEqual(len(warnings), 2, warnings)
        far = ("core 1 is on node 0 and the device on node 1, so that each packet crosses between "
               "them; near are --cores 2")
        self.assertEqual(warnings[0], far)
        said, command = warnings[1].split("; try: ")
        self.assertEqual(said, "packets of core 1 are on node 1, since node 0 has too few huge "
                               "pages")
        self.assert_tables(self.maps(machine, httpd), 0)
        self.end(httpd)
        count = self.reserve(machine, command, node=0)

        # Each core has its own; the kernel itself is asked where the buffers of each are.
        httpd, warnings = self.begin(machine, "1,2")
        self.assertEqual(warnings, [far])
        maps = self.maps(machine, httpd)
        for node in (0, 1):
            self.assert_tables(maps, node)
        huge = pages_of(maps, lambda line: " huge " in line)
        self.assertEqual(sorted(huge), [0, 1], maps)
        self.assertLessEqual(huge[0], count * PAGE)
        lab.eventually(lambda: lab.answers(self.ns, SERVER), "an answer")
        self.end(httpd)
        # Where the user wants it, though the core is on the other node.
        httpd, warnings = self.begin(machine, "2", "bind_memory", "0")
        self.assertEqual(warnings, [])
        maps = self.maps(machine, httpd)
        self.assert_tables(maps, 0, "bind")
        huge = pages_of(maps, lambda line: " huge " in line)
        self.assertGreater(huge[0], 60 * MIB, maps)
        self.end(httpd)

        # Buffers of each end of a link, and of each link, where a process has both; in ordinary
        # pages, whose tables take no time to start. (On a busy host nothing comes of it so soon.)
        for words in ("--link memif", "--link ring --together"):
            _, said = machine.run(f"pollux-bench --no-huge {words} --cores 1,2 --connections 2000 "
                                  "--warmup 0 --duration 0.1 --stats-interval 0")
            self.assertIn("ordinary pages", said)
            self.assertNotIn("warning:", said)
        machine.power_off()


if __name__ == "__main__":
    test_rows.fetch()
    runner.main(test_rows.needs)
