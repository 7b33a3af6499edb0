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
        code, refusal = machine.run(" ".join(self.words("2")))
        self.assertEqual(code, 3, refusal)
        self.assertIn(lacking, refusal)
        # So it is where the thread that opens devices can be on one node alone.
        said = machine.must("taskset 4 pollux-httpd --device af_packet:lo --address 10.9.0.1/24 "
                            "--cores 2 --connections 2000 --duration 0.1 --stats-interval 0")
        self.assertRegex(said, rf"(?m)^memory: *ordinary pages \({lacking}")
        # A card's driver may want more than that of a virtual device.
        few = self.reserve(machine, re.search(r"; try: (.*?)\)", said).group(1), node=1)
        machine.must(f"pollux-doctor hugepages release --node 1 --size 2M --count {few}")
        command = re.search(r"; try: (.*?)\s*\Z", refusal).group(1)
        self.assertGreater(self.reserve(machine, command, node=1), few)

        httpd, warnings = self.begin(machine, "2")
        self.assertEqual(warnings, [])
        lab.eventually(lambda: lab.answers(self.ns, SERVER), "an answer")
        maps = self.maps(machine, httpd)
        huge = pages_of(maps, lambda line: " huge " in line)
        self.assertEqual(list(huge), [1], maps)
        self.assert_tables(maps, 1)
        self.end(httpd)

        # What the driver needs stays free for it: packets are the ones that go elsewhere.
        machine.must("pollux-doctor hugepages release --node 1 --size 2M --count 8")
        httpd, warnings = self.begin(machine, "2")
        self.assertEqual(len(warnings), 1, warnings)
        said, command = warnings[0].split("; try: ")
        self.assertEqual(said, "packets of core 2 are on node 0, since node 1 has too few huge "
                               "pages")
        lab.eventually(lambda: lab.answers(self.ns, SERVER), "an answer")
        self.end(httpd)
        self.assertEqual(self.reserve(machine, command, node=1), 8)

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
        httpd, warnings = self.begin(machine, "2", "memory_policy", "bind", "0")
        self.assertEqual(warnings, [])
        maps = self.maps(machine, httpd)
        self.assert_tables(maps, 0, "bind")
        huge = pages_of(maps, lambda line: " huge " in line)
        self.assertGreater(huge[0], 60 * MIB, maps)
        self.end(httpd)

        machine.power_off()

    def bench(self, machine, before):
        """What a short run in ordinary pages says, with a core on each node. Tables then take no
        time to start, and on a busy host nothing comes of it so soon."""
        out = ""
        # Buffers of each end of a link, and of each link, where a process has both.
        for words in ("--link memif", "--link ring --together"):
            _, said = machine.run(f"{before} pollux-bench --no-huge {words} --cores 1,2 "
                                  "--connections 2000 --warmup 0 --duration 0.1 --stats-interval 0")
            self.assertIn("ordinary pages", said)
            out += said
        return out

    def memory_of(self, machine, words, before=""):
        """The banner's line of a short run, on a device that has no node."""
        said = machine.must(f"{before} pollux-httpd --device af_packet:lo --address 10.9.0.1/24 "
                            f"--connections 2000 --duration 0.1 --stats-interval 0 {words}")
        self.assertNotIn("warning:", said)
        return re.search(r"(?m)^memory: *(.*)$", said).group(1)

    def test_the_user_says_where_and_how_much(self):
        machine = guest.Guest(self, [], cores=3, pages=400, nodes=("0-1", "2"))
        for node in (0, 1):  # a node's ordinary memory is to be enough for tables
            machine.must(f"pollux-doctor hugepages release --node {node} --size 2M --count 120")
        print(machine.must("numa_test"), flush=True)
        for before in ("", "memory_policy bind 0,1", "memory_policy interleave 0,1"):
            self.assertNotIn("warning:", self.bench(machine, before), before)

        # A cpuset keeps a node away whose pages are as free as the other's.
        group = "/tmp/groups/first"
        machine.must("mkdir /tmp/groups && mount -t cgroup2 none /tmp/groups && "
                     "echo +cpuset >/tmp/groups/cgroup.subtree_control && "
                     f"mkdir {group} && echo 0 >{group}/cpuset.mems")
        within = f"sh -c 'echo $$ >{group}/cgroup.procs && exec \"$@\"' sh"
        memory = self.memory_of(machine, "--cores 2", within)
        self.assertRegex(memory, r"\Ahuge pages \(\d+ MiB of huge pages are free\)")

        # Beside its own amount EAL is not told another.
        self.assertIn("huge pages (", self.memory_of(machine, "--cores 2 --eal=-m130"))
        # The user's is not held against our count.
        for node in (0, 1):
            machine.must(f"pollux-doctor hugepages release --node {node} --size 2M")
        machine.must("pollux-doctor hugepages reserve --node 1 --size 2M --count 1")
        needed = int(re.search(r"\Aordinary .*free, (\d+) MiB are needed; try: ",
                               self.memory_of(machine, "--cores 2")).group(1))
        machine.must("pollux-doctor hugepages reserve --node 1 --size 2M "
                     f"--count {(needed - 12) // 2 - 1}")
        self.assertIn("ordinary pages (", self.memory_of(machine, "--cores 2"))
        self.assertIn("huge pages (", self.memory_of(machine, "--cores 2 --eal=--socket-mem=0,64"))
        machine.power_off()

    def test_a_node_without_memory_and_one_without_processors(self):
        machine = guest.Guest(self, [], cores=2, pages=400, nodes=("0", "1 without memory", ""))
        for node in (0, 2):
            machine.must(f"pollux-doctor hugepages release --node {node} --size 2M --count 120")
        # The core of a node without memory does with the nearest.
        memory = self.memory_of(machine, "--cores 1")
        self.assertRegex(memory, r"\Ahuge pages \(\d+ MiB of huge pages are free\)")
        # The main thread of it alone is where a driver finds none.
        memory = self.memory_of(machine, "--cores 1", "taskset 2")
        self.assertRegex(memory, r"\Aordinary pages \(a driver needs 17 MiB of huge pages of node "
                                 r"1, where DPDK can have none\)")
        said = machine.must("memory_policy bind 2 pollux-httpd --device af_packet:lo --address "
                            "10.9.0.1/24 --cores 0 --connections 2000 --duration 0.1 "
                            "--stats-interval 0")
        self.assertRegex(said, r"(?m)^warning: *packets of core 0 are on node 0, since node 2 has "
                               r"no processors, and DPDK takes .*\)$")
        machine.power_off()


if __name__ == "__main__":
    test_rows.fetch()
    runner.main(test_rows.needs)
