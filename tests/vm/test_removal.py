#!/usr/bin/env python3
"""Cards that are pulled out of a virtual machine while the responder uses them."""

import json
import socket

import exchange
import guest
import lab
import runner
import test_rows


class Monitor:
    """Of a QEMU: says what is to happen to its machine (QMP)."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(guest.PATIENCE)
        self._socket.connect(path)
        self._lines = self._socket.makefile(encoding="utf-8")
        self._until("QMP")
        self._order("qmp_capabilities")

    def close(self):
        self._lines.close()
        self._socket.close()

    def _until(self, key, value=None):
        """The next message that has the key, of that value if one is given."""
        for line in iter(self._next_line, ""):
            message = json.loads(line)
            if "error" in message:
                raise AssertionError(message)
            if key in message and value in (None, message[key]):
                return message
        raise AssertionError(f"not heard of QEMU: {key} {value or ''}")

    def _next_line(self):
        """Empty where none comes."""
        try:
            return self._lines.readline()
        except TimeoutError:
            return ""

    def _order(self, command, **arguments):
        order = {"execute": command, "arguments": arguments}
        self._socket.sendall(json.dumps(order).encode() + b"\n")
        self._until("return")

    def pull(self, card):
        """Returns when the guest's kernel is told of it."""
        self._order("device_del", id=card)

    def until_gone(self, card):
        """The guest's kernel has let go of it."""
        while self._until("event", "DEVICE_DELETED")["data"].get("device") != card:
            pass


class Removal(lab.Case):
    """One responder on two cards, each with an address of its own."""

    def removed(self, driver, options, **kwargs):
        """First one card is pulled, then the other, each while a reply is under way."""
        ns = self.namespace()
        devices = ["-qmp", f"unix:{self.path(driver)},server=on,wait=off"]
        for i, option in enumerate(options):
            lab.premade_tap(ns, f"vm{i}", f"10.{i}.0.2/24", ())
            devices += ["-netdev", f"tap,id=n{i},ifname=vm{i},script=no,downscript=no",
                        "-device", f"pcie-root-port,id=port{i},chassis={i},addr=0{4 + i}.0",
                        "-device", f"{option},netdev=n{i},id=card{i},bus=port{i}"]
        machine = guest.Guest(self, devices, namespace=ns, pages=256, **kwargs)
        machine.wait_for_boot()
        monitor = Monitor(self.path(driver))
        self.addCleanup(monitor.close)

        cards = [f"0000:0{1 + i}:00.0" for i in range(len(options))]
        words = []
        for i, card in enumerate(cards):
            machine.give_to(driver, card)
            words += ["--device", f"pci:{card}", "--address", f"10.{i}.0.1/24"]
        httpd = machine.start("pollux-httpd", *words, "--cores", "1", "--wait", "60", "--json",
                              "/tmp/summary", *test_rows.SMALL)
        httpd.until(lambda: "memory:" in httpd.out, "the banner of pollux-httpd")
        print(httpd.out, flush=True)
        for i in range(len(cards)):
            lab.eventually(lambda n=i: lab.answers(ns, f"10.{n}.0.1"), f"an answer of card {i}")
            self.begin_reply(ns, f"vm{i}", f"10.{i}.0.1")
        self.send_too_long(ns, "vm1", "10.1.0.1")

        errors = ""
        for i, card in enumerate(cards):
            monitor.pull(f"card{i}")
            errors += (f"error: --device pci:{card}: it was taken away while it was in use; try: "
                       "the same command again when it is back\n")
            if card != cards[-1]:
                httpd.until(lambda: httpd.err == errors, "an error of the first card")
                monitor.until_gone(f"card{i}")
                self.assertEqual(exchange.fetch(ns, "10.1.0.1", 50, workers=5), [])
        self.assertEqual(httpd.wait(), 1, httpd.story())
        monitor.until_gone("card1")
        self.assertEqual(httpd.err, errors)
        self.assertIn("connections", httpd.out)
        summary = machine.json("/tmp/summary")
        self.assert_sums(summary)
        self.assertGreaterEqual(summary["requests"]["answered"], 50, summary["requests"])
        # Of a card that is no longer there, too.
        self.assertGreaterEqual(summary["device_drops"].get("rx_errors", 0), 1, summary)
        machine.power_off()

    def begin_reply(self, namespace, tap, server):
        """One so long that it is under way until the end."""
        self.process(lab.tool("curl"), "-s", "-o", "/dev/null",
                     f"http://{server}/bytes/1000000000000", namespace=namespace)
        lab.eventually(lambda: self.received(namespace, tap) > 1 << 20, "a reply")

    @staticmethod
    def send_too_long(namespace, tap, server):
        """Frames that the card takes, but no buffer of the responder; some may be lost."""
        namespace.must("ip", "link", "set", tap, "mtu", "9000")
        with namespace.socket(socket.SOCK_DGRAM) as sender:
            for _ in range(50):
                sender.sendto(bytes(8000), (server, 9))

    @staticmethod
    def received(namespace, interface):
        """Bytes."""
        said = namespace.must("ip", "-s", "-j", "link", "show", "dev", interface)
        return json.loads(said)[0]["stats64"]["rx"]["bytes"]

    def test_uio(self):
        """The kernel takes the card at once; what the driver reads and writes is nobody's."""
        self.removed("uio_pci_generic", ("e1000e", "virtio-net-pci,disable-legacy=on"))

    def test_vfio(self):
        """The kernel waits until the card is given back."""
        self.removed("vfio-pci",
                     ("e1000e", "virtio-net-pci,disable-legacy=on,iommu_platform=on"), iommu=True)


if __name__ == "__main__":
    test_rows.fetch()
    runner.main(test_rows.needs)
