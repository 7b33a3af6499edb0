"""A virtual machine that a test boots, and speaks to over a serial line as to a shell."""

import json
import re
import shlex
import socket
import time

import image
import lab

# QEMU translates the guest's instructions; what takes longer than this hangs.
PATIENCE = 60.0
# Instructions that repeat themselves byte by byte are slow to translate, and clear all memory.
PROCESSOR = "max,-erms,-fsrm"
# The first line's last word is for a busy host, whose timer comes too late for the kernel's test of
# it, which ends in a panic; the second line saves half of the time that booting takes.
KERNEL = ("console=ttyS0 quiet panic=-1 no_timer_check "
          "init_on_alloc=0 cryptomgr.notests mitigations=off")


class Guest:
    """Runs until power_off(), or until the test ends; `devices` are QEMU's words for what it has.
    `nodes` are the processors of each NUMA node, such as ("0-1", "2"), which get equal memory; one
    of "" has none, and one of "3 without memory" has processors alone.

    The processor is QEMU's translator, which is the same everywhere: KVM is not, and where machines
    are nested it may be there and boot no kernel.
    """

    def __init__(self, case, devices, name="guest", namespace=None, cores=2, pages=160,
                 iommu=False, shared=False, nodes=()):
        files = image.make()
        self._console = case.path(f"{name}.console")
        line = case.path(f"{name}.serial")
        machine, words, extra = "q35", f"{KERNEL} hugepages={pages}", []
        if iommu:
            machine += ",kernel-irqchip=split"
            words += " intel_iommu=on"
            extra = ["-device", "intel-iommu,intremap=on"]
        memory = 448 + 2 * pages
        if shared:  # with who is at the other end of a vhost-user
            machine += ",memory-backend=memory"
            extra = ["-object", f"memory-backend-memfd,id=memory,size={memory}M,share=on"]
        without = " without memory"
        sharing = sum(not each.endswith(without) for each in nodes)
        for node, processors in enumerate(nodes):
            numa = f"node,nodeid={node}"
            if not processors.endswith(without):
                extra += ["-object", f"memory-backend-ram,id=node{node},size={memory // sharing}M"]
                numa += f",memdev=node{node}"
            if processors:
                numa += f",cpus={processors.removesuffix(without)}"
            extra += ["-numa", numa]
        self._name = name
        self._begun = time.monotonic()
        self._booted = False
        self._qemu = case.process(
            lab.tool("qemu-system-x86_64", "qemu-system-x86"), "-nodefaults", "-no-user-config",
            "-display", "none", "-no-reboot", "-accel", "tcg,thread=multi", "-cpu", PROCESSOR,
            "-M", machine, "-smp", str(cores), "-m", str(memory), *extra,
            "-serial", f"file:{self._console}",
            "-chardev", f"socket,id=line,path={line},server=on,wait=off", "-serial", "chardev:line",
            "-kernel", files.kernel, "-initrd", files.initramfs, "-append", words, *devices,
            namespace=namespace)
        self._line = socket.socket(socket.AF_UNIX)
        case.addCleanup(self._line.close)
        self._qemu.until(lambda: self._line.connect_ex(line) == 0, "QEMU's socket")
        self._line.settimeout(1.0)
        self._heard = b""

    def story(self):
        try:
            with open(self._console, encoding="utf-8", errors="replace") as file:
                console = file.read()
        except OSError:
            console = ""
        return f"{self._qemu.story()}\nconsole:\n{console}\nsaid last: {self._heard[-2000:]!r}"

    def _hear(self, pattern, what, within):
        """What the guest says up to the pattern; the match."""
        end = time.monotonic() + within
        while True:
            found = re.search(pattern, self._heard)
            if found:
                self._heard = self._heard[found.end():]
                return found
            if time.monotonic() > end or not self._qemu.alive():
                raise AssertionError(f"not within {within:.0f} s: {what}\n{self.story()}")
            try:
                self._heard += self._line.recv(1 << 16)
            except (TimeoutError, ConnectionResetError):
                pass

    def wait_for_boot(self):
        """Others may boot meanwhile."""
        if self._booted:
            return
        self._hear(rb"booted\n", "the guest boots", PATIENCE)
        self._booted = True
        print(f"{self._name}: booted in {time.monotonic() - self._begun:.1f} s", flush=True)

    def run(self, command, within=PATIENCE):
        """A command of the shell: its exit code and what it says."""
        self.wait_for_boot()
        text = f"{{ {command}\n}} </dev/null 2>&1; printf '\\n@@%d\\n' $?\n"
        self._line.sendall(text.encode())
        found = self._hear(rb"(?s)\A(.*?)\n@@(\d+)\n", command, within)
        return int(found.group(2)), found.group(1).decode(errors="replace")

    def must(self, command, **kwargs):
        code, out = self.run(command, **kwargs)
        if code != 0:
            raise AssertionError(f"{command}: exit code {code}\n{out}\n{self.story()}")
        return out

    def start(self, *argv):
        """A program that runs beside what is asked."""
        return GuestProcess(self, argv)

    def json(self, path):
        return json.loads(self.must(f"cat {path}"))

    def give_to(self, driver, card):
        """Takes the card from the guest's kernel, as a user does."""
        self.must(f"modprobe {driver}")
        if driver == "vfio-pci":
            self.must("modprobe vfio_iommu_type1")  # as other modprobes do by themselves
        said = self.must(f"pollux-doctor bind {card} --driver {driver}")
        if f"-> {driver}" not in said:
            raise AssertionError(said)

    def power_off(self):
        """As an administrator does; an error where the guest does not end so."""
        self._line.sendall(b"poweroff -f\n")
        code = self._qemu.wait(PATIENCE)
        if code != 0 or "Power down" not in self.story():
            raise AssertionError(f"no clean power-off\n{self.story()}")


class GuestProcess(lab.Watched):
    """A program in a guest; what it prints can be read while it runs."""

    def __init__(self, guest, argv):
        self._guest = guest
        self._argv = argv
        self._file = guest.must("mktemp /tmp/out.XXXXXX").strip()
        words = " ".join(shlex.quote(word) for word in argv)
        # Whoever reads them may come before the program.
        self._pid = int(guest.must(f">{self._file}.err; {words} >{self._file} "
                                   f"2>{self._file}.err & echo $!"))

    @property
    def pid(self):
        return self._pid

    @property
    def out(self):
        return self._guest.must(f"cat {self._file}")

    @property
    def err(self):
        return self._guest.must(f"cat {self._file}.err")

    def story(self):
        return f"{' '.join(self._argv)}\n{self.out}{self.err}\n{self._guest.story()}"

    def alive(self):
        return self._guest.run(f"kill -0 {self._pid}")[0] == 0

    def stop(self, within=PATIENCE):
        """Asks it to end; its exit code."""
        self._guest.run(f"kill {self._pid}")
        return self.wait(within)

    def wait(self, within=PATIENCE):
        """Its exit code, when it ends by itself."""
        return self._guest.run(f"wait {self._pid}", within)[0]
