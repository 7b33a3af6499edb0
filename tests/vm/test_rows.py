#!/usr/bin/env python3
"""The programs in virtual machines, on DPDK's drivers for PCI devices: a test a row.

A row boots once, since booting takes longer than all that it looks at.
"""

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


class Kernel(lab.Case):
    """pollux-httpd in a guest; the host's kernel is its peer, over a tap."""

    def boot(self, device, queues=1, **kwargs):
        self.ns = self.namespace()
        lab.premade_tap(self.ns, "vm0", "10.0.0.2/24", () if queues == 1 else ("multi_queue",))
        tap = "tap,id=n0,ifname=vm0,script=no,downscript=no"
        if queues != 1:
            tap += f",queues={queues}"
        return guest.Guest(self, ["-netdev", tap, "-device", f"{device},netdev=n0,addr=04.0"],
                           namespace=self.ns, **kwargs)

    def exchange(self, machine, driver, cores="1"):
        """All that a row looks at; the responder's summary."""
        machine.give_to(driver, CARD)
        report = machine.must("pollux-doctor")
        self.assertRegex(report, rf"OK +card {CARD}: .* by {driver}: --device pci:{CARD}")
        httpd = machine.start("pollux-httpd", "--device", f"pci:{CARD}", "--address",
                              f"{SERVER}/24", "--cores", cores, "--json", "/tmp/summary", *SMALL)
        httpd.until(lambda: "memory:" in httpd.out, "the banner of pollux-httpd")
        print(httpd.out)
        httpd.until(lambda: lab.answers(self.ns, SERVER), "an answer")
        self.assertEqual(exchange.curls_many(self.ns, URL, CONNECTIONS), [])
        self.assertEqual(exchange.curl_large(self.ns, URL, LARGE, self.path("large")), "")
        self.assertIn(" 5 received", self.ns.must("ping", "-c", "5", "-i", "0.1", SERVER))
        self.assertEqual((httpd.stop(), httpd.err), (0, ""), httpd.story())
        summary = machine.json("/tmp/summary")
        self.assert_sums(summary)
        self.assertEqual(summary["connections"]["failed"], 0, summary["connections"])
        self.assertGreater(summary["connections"]["completed"], CONNECTIONS)
        self.assertTrue(summary["memory"]["huge_pages"])
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

    def row(self, device, driver, **kwargs):
        machine = self.boot(device, **kwargs)
        summary = self.exchange(machine, driver)
        machine.power_off()
        return summary

    def test_virtio(self):
        """The guest's kernel has the card before and after."""
        machine = self.boot("virtio-net-pci,disable-legacy=on")
        machine.must("modprobe virtio_pci && modprobe virtio_net && ip link show eth0")
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
        summary = self.row("vmxnet3", "uio_pci_generic")
        self.assertIn("TCP segmentation", summary["environment"]["offloads"])
        self.assertGreater(summary["events"]["tcp_uncut_sent"], 100)


def needs():
    lab.tool("qemu-system-x86_64", "qemu-system-x86")
    lab.need_tun()
    image.make()


if __name__ == "__main__":
    runner.main(needs)
