"""What the tests of this folder have in common: network namespaces, processes, waiting, reports.

Nothing here waits for a fixed time to pass: it waits for something to be seen, up to a limit.
"""

import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

PROGRAMS = os.environ.get("POLLUX_PROGRAMS", "")
HELPERS = os.environ.get("POLLUX_TEST_TOOLS", "")
# Set by main() when it has made itself root of a user namespace.
UNSHARED = "POLLUX_INTEROP_UNSHARED"
REAL_ROOT = os.geteuid() == 0 and UNSHARED not in os.environ
CPUS = sorted(os.sched_getaffinity(0))
# The machine may be busy: whatever takes longer than this is broken, not slow.
PATIENCE = 60.0

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1


def program(name):
    """The path of one of ours; the test is skipped where it was not built."""
    path = os.path.join(PROGRAMS, name)
    if not os.access(path, os.X_OK):
        raise unittest.SkipTest(f"{name} is not in '{PROGRAMS}' (POLLUX_PROGRAMS)")
    return path


def helper(name):
    """The path of a helper that is built with these tests; the test is skipped without it."""
    path = os.path.join(HELPERS, name)
    if not os.access(path, os.X_OK):
        raise unittest.SkipTest(f"{name} is not in '{HELPERS}' (POLLUX_TEST_TOOLS)")
    return path


def tool(name, package=None):
    """The path of a program of the system; the test is skipped where there is none."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin")
    if path is None:
        raise unittest.SkipTest(f"{name} is not installed (package {package or name})")
    return path


def busy():
    """By how much longer than on an idle machine something may take."""
    return max(1.0, os.getloadavg()[0] / len(CPUS))


def need_tun():
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        raise unittest.SkipTest("/dev/net/tun cannot be opened")


def eventually(condition, what, within=PATIENCE):
    """Returns the first value of condition() that is true."""
    end = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {within:.0f} s: {what}")
        time.sleep(0.01)


def enough(attempt, least):
    """Returns attempt(seconds)'s count when it is `least` or more; a starved machine gets more
    seconds than a free one."""
    counts = []
    for seconds in (1, 5, 25):
        counts.append(attempt(seconds))
        if counts[-1] >= least:
            return counts[-1]
    raise AssertionError(f"{counts} in 1, 5 and 25 s, and not {least}")


def run(*argv, within=PATIENCE, **kwargs):
    """Runs a program to its end; its exit code, standard output and standard error."""
    kwargs.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=within,
                          text=True, errors="replace", **kwargs)
    return done.returncode, done.stdout, done.stderr


def must(*argv, **kwargs):
    """Runs a program that has no reason to fail; its standard output."""
    code, out, err = run(*argv, **kwargs)
    if code != 0:
        raise AssertionError(f"{' '.join(argv)}: exit code {code}\n{out}{err}")
    return out


class Namespace:
    """A network namespace of the test's own; `with` it, this thread and its children are inside.

    It has no name, so nothing is left behind: it goes when its last user goes.
    """

    def __init__(self):
        self._before = []
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if _libc.unshare(_CLONE_NEWNET) != 0:
                reason = os.strerror(ctypes.get_errno())
                raise unittest.SkipTest(f"no network namespace can be made ({reason})")
            try:
                self.file = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
                must("ip", "link", "set", "lo", "up")
            finally:
                _enter(home)
        finally:
            os.close(home)

    @classmethod
    def of(cls, pid):
        """The one that a process lives in."""
        self = cls.__new__(cls)
        self._before = []
        self.file = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        return self

    def __enter__(self):
        self._before.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        _enter(self.file)
        return self

    def __exit__(self, *_):
        home = self._before.pop()
        _enter(home)
        os.close(home)

    def close(self):
        os.close(self.file)

    @property
    def path(self):
        """For `ip link set ... netns`."""
        return f"/proc/{os.getpid()}/fd/{self.file}"

    def run(self, *argv, **kwargs):
        with self:
            return run(*argv, **kwargs)

    def must(self, *argv, **kwargs):
        with self:
            return must(*argv, **kwargs)

    def has(self, interface):
        """Whether an interface of that name is here."""
        with self:
            return any(name == interface for _, name in socket.if_nameindex())

    def socket(self, kind=socket.SOCK_STREAM, timeout=PATIENCE):
        with self:
            made = socket.socket(socket.AF_INET, kind)
        made.settimeout(timeout)
        return made

    def connect(self, address, port=80, timeout=PATIENCE, receive_buffer=None):
        """A TCP connection from inside."""
        made = self.socket(timeout=timeout)
        try:
            if receive_buffer is not None:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            made.connect((address, port))
        except BaseException:
            made.close()
            raise
        return made


def _enter(file):
    if _libc.setns(file, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def veth_pair(left, left_name, right, right_name):
    """Joins two namespaces; both ends up. The right end leaves no checksum to a driver."""
    left.must("ip", "link", "add", left_name, "type", "veth", "peer", "name", right_name,
              "netns", right.path)
    right.must(tool("ethtool"), "-K", right_name, "tx", "off")
    left.must("ip", "link", "set", left_name, "up")
    right.must("ip", "link", "set", right_name, "up")


def set_sysctl(namespace, name, value):
    """Sets net.ipv4.NAME; the test is skipped where it may not."""
    try:
        with namespace, open(f"/proc/sys/net/ipv4/{name}", "w", encoding="ascii") as file:
            file.write(str(value))
    except OSError as error:
        raise unittest.SkipTest(f"net.ipv4.{name} cannot be set ({error.strerror})") from None


class Watched:
    """What a test waits for: it has alive(), and story(), which says what it did so far."""

    def until(self, condition, what, within=PATIENCE):
        """Like eventually(), but does not wait for a process that has gone."""
        def look():
            value = condition()
            if not value and not self.alive():
                raise AssertionError(f"it ended before: {what}\n{self.story()}")
            return value
        try:
            return eventually(look, what, within)
        except AssertionError as failure:
            raise AssertionError(f"{failure}\n{self.story()}") from None


class Process(Watched):
    """A process of the test; what it prints can be read while it runs."""

    def __init__(self, *argv, namespace=None, cwd=None, env=None):
        self.argv = argv
        self._out = tempfile.TemporaryFile()
        self._err = tempfile.TemporaryFile()
        start = lambda: subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self._out, cwd=cwd,
                                         stderr=self._err, env=env,
                                         preexec_fn=_die_with_parent)
        if namespace is None:
            self._process = start()
        else:
            with namespace:
                self._process = start()

    @staticmethod
    def _read(file):
        size = os.fstat(file.fileno()).st_size
        return os.pread(file.fileno(), size, 0).decode(errors="replace")

    @property
    def pid(self):
        return self._process.pid

    @property
    def out(self):
        return self._read(self._out)

    @property
    def err(self):
        return self._read(self._err)

    def story(self):
        return f"{' '.join(self.argv)}: exit code {self._process.poll()}\n{self.out}{self.err}"

    def alive(self):
        return self._process.poll() is None

    def wait(self, within=PATIENCE):
        """Its exit code, when it ends by itself."""
        try:
            return self._process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {within:.0f} s\n{self.story()}") from None

    def tell(self, number):
        self._process.send_signal(number)

    def stop(self, number=signal.SIGTERM, within=PATIENCE):
        """Asks it to end; its exit code."""
        if self.alive():
            self.tell(number)
        return self.wait(within)

    def close(self):
        """For cleaning up: it is gone afterwards, whatever it was doing."""
        if self.alive():
            self._process.kill()
        self._process.wait()
        self._out.close()
        self._err.close()


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Case(unittest.TestCase):
    """A test with a folder of its own, and helpers that clean up after themselves."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="px-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        os.chmod(folder.name, 0o755)

    @classmethod
    def namespace(cls):
        made = Namespace()
        cls.addClassCleanup(made.close)
        return made

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder, name)

    @classmethod
    def write(cls, name, content):
        with open(cls.path(name), "wb") as file:
            file.write(content)
        return cls.path(name)

    @classmethod
    def class_process(cls, *argv, **kwargs):
        """Lives until the last test of the class has run."""
        made = Process(*argv, **kwargs)
        cls.addClassCleanup(made.close)
        return made

    def process(self, *argv, **kwargs):
        """Lives as long as the test."""
        made = Process(*argv, **kwargs)
        self.addCleanup(made.close)
        return made

    def assert_no_sanitizer_spoke(self, process):
        self.assertNotRegex(process.err, r"(Sanitizer|runtime error)")

    def assert_sums(self, summary):
        """What holds for every summary, whatever happened."""
        connections, packets = summary["connections"], summary["packets"]
        self.assertEqual(connections["attempted"],
                         connections["completed"] + connections["failed"] +
                         connections["aborted"] + connections["open"], connections)
        self.assertEqual(packets["rx"], packets["delivered"] + sum(summary["drops"].values()),
                         (packets, summary["drops"]))

    def assert_faultless(self, summary):
        """The summary of a generator that missed nothing."""
        connections = summary["connections"]
        self.assert_sums(summary)
        self.assertEqual(connections["failed"], 0, summary)
        self.assertEqual(connections["aborted"], 0, connections)
        # Of those that are open some may have asked so late that they are not established yet.
        self.assertLessEqual(connections["completed"], connections["established"], connections)
        self.assertLessEqual(connections["established"],
                             connections["completed"] + connections["open"], connections)
        self.assertEqual(sum(summary["failures"].values()), 0, summary["failures"])
        self.assertEqual(summary["requests"]["bad"], 0, summary["requests"])


# Small for tests: many of them run side by side with other things on a small machine.
SMALL = ("--connections", "20000", "--stats-interval", "0")


def start_httpd(case, namespace, device, address="10.0.0.1/24", *options, keep=True):
    """A responder whose start-up banner is complete."""
    start = case.class_process if keep else case.process
    httpd = start(program("pollux-httpd"), "--device", device, "--address", address, *SMALL,
                  *options, namespace=namespace)
    httpd.until(lambda: "memory:" in httpd.out, "the banner of pollux-httpd")
    return httpd


def start_httpd_on_tap(case, namespace, *options, device="tap:px0", keep=True):
    """10.0.0.1 is Pollux, 10.0.0.2 the kernel; both answer when this returns."""
    name = re.split("[:=]", device)[-1]
    httpd = start_httpd(case, namespace, device, "10.0.0.1/24", *options, keep=keep)
    namespace.must("ip", "addr", "add", "10.0.0.2/24", "dev", name)
    namespace.must("ip", "link", "set", name, "up")
    httpd.until(lambda: answers(namespace, "10.0.0.1"), "an answer over the tap")
    return httpd


def answers(namespace, address, port=80):
    """Whether somebody accepts connections there now."""
    try:
        namespace.connect(address, port, timeout=3).close()
        return True
    except OSError:
        return False


def premade_tap(namespace, name, address, queues=("multi_queue",)):
    """A tap with an address before anybody opens it, who must want `queues`, too."""
    namespace.must("ip", "tuntap", "add", "dev", name, "mode", "tap", *queues)
    namespace.must("ip", "addr", "add", address, "dev", name)
    namespace.must("ip", "link", "set", name, "up")


def wire(case, namespace, left, right, *options):
    """Joins two interfaces there by a rough wire that lasts as long as the class."""
    made = case.class_process(helper("lossy_wire"), left, right, *options, namespace=namespace)
    made.until(lambda: "ready" in made.out, "the wire")
    return made


def wire_from_tap(case, ours, kernels, address, *options):
    """A rough wire from the tap px0 of `ours`, for Pollux, to k0 of `kernels`, at `address`."""
    veth_pair(ours, "kw", kernels, "k0")
    kernels.must("ip", "addr", "add", address, "dev", "k0")
    ours.must("ip", "tuntap", "add", "dev", "px0", "mode", "tap", "multi_queue")
    ours.must("ip", "link", "set", "px0", "up")
    return wire(case, ours, "px0", "kw", *options)
def set_sysctl(namespace, name, value):
    """One of net.ipv4; the test is skipped where it cannot be set."""
    try:
        with namespace, open(f"/proc/sys/net/ipv4/{name}", "w", encoding="ascii") as file:
            file.write(str(value))
    except OSError as error:
        raise unittest.SkipTest(f"net.ipv4.{name} cannot be set ({error.strerror})") from None


def in_threads(jobs):
    """Runs the jobs side by side; the first one's failure is the caller's."""
    failures = []

    def guarded(job):
        try:
            job()
        except BaseException as failure:  # told to the caller, below
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def json_of(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)
