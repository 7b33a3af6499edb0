"""What a guest boots: Debian's cloud kernel and an initramfs of this machine's own files.

Both lie in the build folder, made by the first test that wants them and again when a program or a
library has changed. Nothing is installed: the kernel's package is downloaded and unpacked.
"""

import collections
import contextlib
import fcntl
import glob
import hashlib
import os
import re
import shutil
import subprocess
import unittest

import lab

BUILD = os.environ.get("POLLUX_BUILD", "")
Image = collections.namedtuple("Image", "kernel initramfs")

PROGRAMS = ("pollux-httpd", "pollux-load", "pollux-bench", "pollux-doctor")
HELPERS = ("memory_policy", "numa_test")
# Of DPDK: buses, pools and drivers, and what pollux-doctor would miss otherwise.
DRIVERS = ("bus_pci", "bus_vdev", "mempool_ring", "net_virtio", "net_e1000", "net_vmxnet3",
           "net_tap", "net_memif", "net_vhost", "net_af_packet")
# Of the kernel: who lends devices to DPDK, and whom `pollux-doctor bind` takes them from.
MODULES = ("uio_pci_generic", "vfio-pci", "vfio_iommu_type1", "virtio_pci", "virtio_net", "vmxnet3")
# Whatever may take long here is a download.
PATIENCE = 300.0

INIT = r"""#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
ip link set lo up
# The host asks over the second serial port, and reads the answers there.
exec </dev/ttyS1 >/dev/ttyS1 2>&1
stty raw -echo
echo booted
exec sh /dev/ttyS1  # from its standard input it would read as from a person
"""


def folder():
    """Where image and kernel are kept: in the build folder."""
    if not os.path.isfile(os.path.join(BUILD, "build.ninja")):
        raise unittest.SkipTest(f"no build folder '{BUILD}' (POLLUX_BUILD)")
    path = os.path.join(BUILD, "tests", "vm")
    os.makedirs(path, exist_ok=True)
    return path


def make():
    """The image, made now if it is not there; the test is skipped where it cannot be made."""
    where = folder()
    with _alone(os.path.join(where, "lock")):
        kernel, modules = _kernel(where)
        initramfs = os.path.join(where, "initramfs")
        sources = _programs() + _drivers()
        # Not the folder of the modules, in which depmod writes.
        others = [lab.tool("busybox", "busybox-static"), os.path.join(modules, "kernel"), __file__]
        stamp = _stamp(sources + sorted(set().union(*map(_libraries, sources))) + others)
        stamp_file = initramfs + ".stamp"
        if not os.path.exists(initramfs) or _text(stamp_file) != stamp:
            root = os.path.join(where, "root")
            shutil.rmtree(root, ignore_errors=True)
            _fill(root, modules)
            _pack(root, initramfs)
            shutil.rmtree(root)
            with open(stamp_file, "w", encoding="ascii") as file:
                file.write(stamp)
    return Image(kernel, initramfs)


def fetch():
    """The kernel alone."""
    where = folder()
    with _alone(os.path.join(where, "lock")):
        _kernel(where)


@contextlib.contextmanager
def _alone(path):
    """Meson may run several tests at once."""
    with open(path, "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _text(path):
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError:
        return None


def _stamp(paths):
    sums = hashlib.sha256()
    for path in paths:
        status = os.stat(path)
        sums.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return sums.hexdigest()


def _kernel(where):
    """The kernel, and the folder of its modules."""
    unpacked = os.path.join(where, "kernel")
    if not os.path.isdir(unpacked):
        packages = glob.glob(os.path.join(where, "linux-image-*.deb"))
        package = packages[0] if packages else _download(where)
        fresh = unpacked + ".new"
        shutil.rmtree(fresh, ignore_errors=True)
        lab.must(lab.tool("dpkg-deb", "dpkg"), "-x", package, fresh, within=PATIENCE)
        os.rename(fresh, unpacked)
    kernel, = glob.glob(os.path.join(unpacked, "boot", "vmlinuz-*"))
    modules, = glob.glob(os.path.join(unpacked, "lib", "modules", "*"))
    return kernel, modules


def _download(where):
    """The package, by the machine's own lists; where those are absent or old, by fresh ones."""
    lists = os.path.join(where, "lists")
    own = ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={lists}/cache"]
    os.makedirs(os.path.join(lists, "cache", "archives", "partial"), exist_ok=True)
    reasons = []
    for options in ([], own):
        if options:
            _apt(where, "apt-get", "update", "-qq", *options)
        _, out, _ = _apt(where, "apt-cache", "depends", "linux-image-cloud-amd64", *options)
        found = re.search(r"Depends: (linux-image-\S+)", out)
        if not found:
            reasons.append("apt-cache knows no linux-image-cloud-amd64")
            continue
        code, out, err = _apt(where, "apt-get", "download", "-qq", found.group(1), *options)
        packages = glob.glob(os.path.join(where, "linux-image-*.deb"))
        if code == 0 and packages:
            shutil.rmtree(lists)
            return packages[0]
        reasons.append(f"apt-get download {found.group(1)}: {' '.join((out + err).split())}")
    shutil.rmtree(lists, ignore_errors=True)
    raise unittest.SkipTest(f"the kernel cannot be had: {'; '.join(reasons)}")


def _apt(where, program, *words):
    # As root apt downloads as a user of its own, who may not write there.
    return lab.run(lab.tool(program, "apt"), "-o", "APT::Sandbox::User=root", *words, cwd=where,
                   within=PATIENCE)


def _programs():
    return [lab.program(name) for name in PROGRAMS] + [lab.helper(name) for name in HELPERS]


def _drivers():
    """Files of DPDK's drivers, by the names that EAL opens."""
    libraries = lab.must(lab.tool("pkg-config"), "--variable=libdir", "libdpdk").strip()
    found = []
    for name in DRIVERS:
        files = glob.glob(os.path.join(libraries, "dpdk", "pmds-*", f"librte_{name}.so.*.*"))
        if not files:
            raise unittest.SkipTest(f"DPDK's driver {name} is not in {libraries}")
        found += files
    return found


def _fill(root, modules):
    """The guest's files."""
    for name in ("dev", "proc", "sys", "tmp", "run", "usr/bin", "usr/lib", "usr/lib64"):
        os.makedirs(os.path.join(root, name))
    # The kernel calls /sbin/modprobe, the loader looks into /lib64.
    for name, target in (("bin", "bin"), ("sbin", "bin"), ("lib", "lib"), ("lib64", "lib64")):
        os.symlink(os.path.join("usr", target), os.path.join(root, name))
    busybox = lab.tool("busybox")
    shutil.copy(busybox, os.path.join(root, "bin", "busybox"))
    for name in lab.must(busybox, "--list").split():
        if name != "busybox":
            os.symlink("busybox", os.path.join(root, "bin", name))
    with open(os.path.join(root, "init"), "w", encoding="ascii") as file:
        file.write(INIT)
    os.chmod(os.path.join(root, "init"), 0o755)
    _add_modules(root, modules)
    wanted = set()
    for path in _programs():
        target = os.path.join(root, "bin", os.path.basename(path))
        lab.must(lab.tool("strip", "binutils"), "-o", target, path)
        wanted |= _libraries(path)
    for path in _drivers():
        wanted |= {path} | _libraries(path)
    for path in sorted(wanted):
        _copy(path, root)


def _add_modules(root, modules):
    """Those of MODULES with what they need, and the lists that modprobe reads."""
    release = os.path.basename(modules)
    # A package has no modules.dep: that is made when it is installed.
    base = os.path.dirname(os.path.dirname(os.path.dirname(modules)))
    lab.must(lab.tool("depmod", "kmod"), "-b", base, release)
    needs = {}
    with open(os.path.join(modules, "modules.dep"), encoding="ascii") as file:
        for line in file:
            path, _, others = line.partition(":")
            needs[os.path.basename(path).partition(".")[0].replace("-", "_")] = [
                path, *others.split()]
    for name in MODULES:
        for path in needs[name.replace("-", "_")]:
            target = os.path.join(root, "lib", "modules", release, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(os.path.join(modules, path), target)
    for name in ("modules.builtin", "modules.order"):
        shutil.copy(os.path.join(modules, name), os.path.join(root, "lib", "modules", release))
    lab.must(lab.tool("depmod", "kmod"), "-b", root, release)


def _libraries(path):
    """What the loader maps for a program or a library, by the names that it asks for."""
    return set(re.findall(r"(/\S+) \(0x", lab.must(lab.tool("ldd", "libc-bin"), path)))


def _copy(path, root):
    """Copies a file, and the links on the way to it: what is loaded by two names is one file."""
    path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    target = root + path
    if os.path.lexists(target):
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.islink(path):
        os.symlink(os.readlink(path), target)
        _copy(os.path.join(os.path.dirname(path), os.readlink(path)), root)
    else:
        shutil.copy(path, target)


def _pack(root, initramfs):
    """Not compressed: the guest's processor is slow, and the file is read but once."""
    names = lab.must("find", ".", cwd=root)
    fresh = initramfs + ".new"
    with open(fresh, "wb") as file:
        done = subprocess.run([lab.tool("cpio"), "--quiet", "-o", "-H", "newc", "-R", "0:0"],
                              input=names.encode(), stdout=file, cwd=root, check=False)
    if done.returncode != 0:
        raise AssertionError(f"cpio: exit code {done.returncode}")
    os.rename(fresh, initramfs)
