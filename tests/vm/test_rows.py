#!/usr/bin/env python3
"""The programs in virtual machines, on DPDK's drivers for PCI devices: a test a row.

A row boots once, since booting takes longer than all that it looks at.
"""

import os
import sys
import unittest

import exchange
import guest
import image
import lab
import runner

SERVER = "10.0.0.1"
URL = f"http://{SERVER}"
CARD = "0000:00:04.0"
CONNECTIONS = 2_000
LARGE = 20 << 20
# A start takes as long as the memory that it fills.
SMALL = ("--connections", "5000", "--stats-interval", "0")


class Row(lab.Case):
    """pollux-httpd in a guest; who asks it is the rows' own affair."""

    def serve(self, machine, driver, cores="1"):
        """Gives the card to DPDK, and starts the responder on it."""
        machine.give_to(driver, CARD)
        report = machine.must("pollux-doctor")
        self.assertRegex(report, rf"OK +card {CARD}: .* by {driver}: --device pci:{CARD}")
        httpd = machine.start("pollux-httpd", "--device", f"pci:{CARD}", "--address",
                              f"{SERVER}/24", "--cores", cores, "--wait", "60",
                              "--json", "/tmp/summary", *SMALL)
        httpd.until(lambda: "memory:" in httpd.out, "the banner of pollux-httpd")
        print(httpd.out, flush=True)
        return httpd

    def ask(self, namespace, connections):
        """By everyday tools of the host."""
        lab.eventually(lambda: lab.answers(namespace, SERVER), "an answer")
        if connections:
            self.assertEqual(exchange.curls_many(namespace, URL, connections), [])
        self.assertEqual(exchange.curl_large(namespace, URL, LARGE, self.path("large")), "")
        # Until there are as many, on a machine that stalls.
        self.assertIn(" 5 received",
                      namespace.must("ping", "-c", "5", "-i", "0.1", "-w", "30", SERVER))

    def finish(self, machine, httpd):
        """Ends the responder, whose summary it gives."""
        self.assertEqual((httpd.stop(), httpd.err), (0, ""), httpd.story())
        summary = machine.json("/tmp/summary")
        self.assert_sums(summary)
        self.assertEqual(summary["connections"]["failed"], 0, summary["connections"])
        self.assertGreaterEqual(summary["connections"]["completed"], CONNECTIONS)
        self.assertTrue(summary["memory"]["huge_pages"])
        return summary


class Kernel(Row):
    """The host's kernel is the peer, over a tap."""

    def boot(self, device, queues=1, **kwargs):
        self.ns = self.namespace()
        lab.premade_tap(self.ns, "vm0", "10.0.0.2/24", () if queues == 1 else ("multi_queue",))
        tap = "tap,id=n0,ifname=vm0,script=no,downscript=no"
        if queues != 1:
            tap += f",queues={queues}"
        return guest.Guest(self, ["-netdev", tap, "-device", f"{device},netdev=n0,addr=04.0"],
                           namespace=self.ns, **kwargs)

    def exchange(self, machine, driver, cores="1"):
        httpd = self.serve(machine, driver, cores)
        self.ask(self.ns, CONNECTIONS)
        return self.finish(machine, httpd)

    def row(self, device, driver, **kwargs):
        machine = self.boot(device, **kwargs)
        summary = self.exchange(machine, driver)
        machine.power_off()
        return summary

    def without_huge_pages(self, machine):
        """A driver of the kernel's that does not translate addresses; too few pages, and none."""
        httpd = f"pollux-httpd --device pci:{CARD} --address {SERVER}/24"
        machine.must("pollux-doctor hugepages release --node 0 --size 2M --count 150")
        code, said = machine.run(httpd)
        self.assertEqual(code, 3)
        self.assertRegex(said, r"\Aerror: .*physical addresses.* 20 MiB .* are needed\); try: "
                         r"pollux-doctor hugepages reserve .* --count \d+\n\Z")
        code, said = machine.run(f"{httpd} --no-huge")
        self.assertEqual(code, 3)
        self.assertRegex(said, r"physical addresses.*\(--no-huge\); try: without --no-huge\n\Z")

    def test_virtio(self):
        """The guest's kernel has the card before and after."""
        machine = self.boot("virtio-net-pci,disable-legacy=on")
        machine.must("modprobe virtio_pci && modprobe virtio_net && ip link show eth0")
        # Without an IOMMU, by a kernel that does not let vfio do without.
        code, said = machine.run(f"modprobe vfio-pci; pollux-doctor bind {CARD}")
        self.assertEqual(code, 3, said)
        self.assertIn(f"try: pollux-doctor bind {CARD} --driver uio_pci_generic\n", said + "\n")
        self.exchange(machine, "uio_pci_generic")
        self.without_huge_pages(machine)
        self.assertIn("uio_pci_generic -> virtio-pci",
                      machine.must(f"pollux-doctor unbind {CARD}"))
        machine.must("ip addr add 10.0.0.3/24 dev eth0 && ip link set eth0 up")
        machine.must("ping -c 1 -W 10 10.0.0.2")
        machine.power_off()

    def test_virtio_vfio(self):
        self.row("virtio-net-pci,disable-legacy=on,iommu_platform=on", "vfio-pci", iommu=True)

    def test_virtio_rss(self):
        """The card's Toeplitz sums are ours: each of four cores gets flows, and all of them."""
        machine = self.boot("virtio-net-pci,disable-legacy=on,mq=on,vectors=10,rss=on,hash=on",
                            queues=4, cores=5, pages=256)
        summary = self.exchange(machine, "uio_pci_generic", cores="1-4")
        environment = summary["environment"]
        self.assertRegex(environment["steering"], r"\Arss \(net_virtio spreads flows")
        self.assertEqual(environment["handed_over"], 0, environment)
        self.assertEqual(environment["lost_between_cores"], 0, environment)
        self.assertEqual(len(summary["cores"]), 4)
        for core in summary["cores"]:
            self.assertGreater(core["cycles_per_connection"], 0, summary["cores"])
        self.assertEqual(summary["drops"].get("tcp_wrong_core", 0), 0, summary["drops"])
        machine.power_off()

    def test_virtio_legacy(self):
        self.row("virtio-net-pci,disable-modern=on", "uio_pci_generic")

    def test_e1000(self):
        self.row("e1000", "uio_pci_generic")

    def test_e1000e(self):
        self.row("e1000e", "uio_pci_generic")

    def test_e1000e_vfio(self):
        self.row("e1000e", "vfio-pci", iommu=True)

    def test_vmxnet3(self):
        """QEMU's says that it spreads flows, and does not: software does, once that is seen."""
        machine = self.boot("vmxnet3", cores=3, pages=224)
        summary = self.exchange(machine, "uio_pci_generic", cores="1,2")
        environment = summary["environment"]
        self.assertIn("TCP segmentation", environment["offloads"])
        self.assertGreater(summary["events"]["tcp_uncut_sent"], 100)
        self.assertRegex(environment["steering"], r"\Asoftware \(the device's queues were not")
        self.assertGreater(environment["handed_over"], CONNECTIONS)
        self.assertEqual(environment["lost_between_cores"], 0, environment)
        for core in summary["cores"]:
            self.assertGreater(core["cycles_per_connection"], 0, summary["cores"])
        machine.power_off()


class Vhost(Row):
    """pollux-load on the host is the peer, over vhost-user."""

    def test_virtio(self):
        if len(lab.CPUS) < 2:
            raise unittest.SkipTest("one CPU, and the peer has two queues")
        path = self.path("vhost.sock")
        report = self.path("load.json")
        load = self.process(lab.program("pollux-load"), "--device", f"vhost:{path}", "--address",
                            "10.0.0.2/24", "--target", f"{SERVER}:80",
                            "--cores", f"{lab.CPUS[0]},{lab.CPUS[-1]}", "--steering", "software",
                            "--concurrency", "64", "--warmup", "2", "--duration", "5",
                            "--wait", "60", "--json", report, *SMALL)
        load.until(lambda: os.path.exists(path), "the socket")
        machine = guest.Guest(
            self, ["-chardev", f"socket,id=peer,path={path},reconnect=1",
                   "-netdev", "vhost-user,id=n0,chardev=peer,queues=2", "-device",
                   "virtio-net-pci,disable-legacy=on,mq=on,vectors=6,netdev=n0,addr=04.0"],
            shared=True, cores=3, pages=224)
        httpd = self.serve(machine, "uio_pci_generic", "1,2")
        self.assertEqual(load.wait(), 0, load.story())
        summary = lab.json_of(report)
        self.assert_faultless(summary)
        self.assertGreaterEqual(summary["connections"]["completed"], CONNECTIONS)
        # The card's other end goes and another comes, by which the kernel's tools reach the guest.
        namespace = self.namespace()
        lab.need_tun()
        lab.premade_tap(namespace, "px0", "10.0.0.2/24")
        join = self.process(lab.helper("join"), f"vhost:{path}", "tap:px0", namespace=namespace)
        join.until(lambda: "ready" in join.out, "the helper")
        self.ask(namespace, connections=0)
        self.finish(machine, httpd)
        machine.power_off()


class Guests(Row):
    """Another guest is the peer, at the other end of a socket: its kernel, then pollux-load."""

    def boot(self, name, side):
        return guest.Guest(self, [
            "-netdev", f"stream,id=n0,server={side},addr.type=unix,addr.path={self.path('wire')}",
            "-device", "virtio-net-pci,disable-legacy=on,netdev=n0,addr=04.0,"
            f"mac=52:54:00:00:00:{'01' if side == 'on' else '02'}"], name=name)

    def test_virtio(self):
        server = self.boot("server", "on")
        lab.eventually(lambda: os.path.exists(self.path("wire")), "the socket")
        client = self.boot("client", "off")
        httpd = self.serve(server, "uio_pci_generic")
        client.must("modprobe virtio_pci && modprobe virtio_net")
        client.must("ip addr add 10.0.0.2/24 dev eth0 && ip link set eth0 up")
        self.assertIn(" 5 packets received", client.must(f"ping -c 5 -i 0.2 -W 30 {SERVER}"))
        self.assertEqual(client.must(f"wget -q -O - {URL}/bytes/{LARGE} | sha256sum").split()[0],
                         exchange.pattern_hash(LARGE))
        client.give_to("uio_pci_generic", CARD)
        load = client.start("pollux-load", "--device", f"pci:{CARD}", "--address", "10.0.0.2/24",
                            "--target", f"{SERVER}:80", "--cores", "1", "--concurrency", "64",
                            "--warmup", "2", "--duration", "5", "--json", "/tmp/summary", *SMALL)
        self.assertEqual((load.wait(), load.err), (0, ""), load.story())
        summary = client.json("/tmp/summary")
        self.assert_faultless(summary)
        self.assertGreaterEqual(summary["connections"]["completed"], CONNECTIONS)
        self.finish(server, httpd)
        client.power_off()
        server.power_off()


def needs():
    lab.tool("qemu-system-x86_64", "qemu-system-x86")
    lab.need_tun()
    image.make()


def fetch():
    """What comes from the network: a user namespace, which others than root are given, has none."""
    if os.geteuid() != 0:
        try:
            image.fetch()
        except unittest.SkipTest as reason:
            print(reason)
            sys.exit(77)


if __name__ == "__main__":
    fetch()
    runner.main(needs)
