"""What the tests of this folder have in common: network namespaces, processes, waiting, reports.

Nothing here waits for a fixed time to pass: it waits for something to be seen, up to a limit.
"""

import ctypes
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

PROGRAMS = os.environ.get("POLLUX_PROGRAMS", "")
# Set by main() when it has made itself root of a user namespace.
UNSHARED = "POLLUX_INTEROP_UNSHARED"
REAL_ROOT = os.geteuid() == 0 and UNSHARED not in os.environ
CPUS = sorted(os.sched_getaffinity(0))
# The machine may be busy: whatever takes longer than this is broken, not slow.
PATIENCE = 30.0

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1


def program(name):
    """The path of one of ours; the test is skipped where it was not built."""
    path = os.path.join(PROGRAMS, name)
    if not os.access(path, os.X_OK):
        raise unittest.SkipTest(f"{name} is not in '{PROGRAMS}' (POLLUX_PROGRAMS)")
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


class Process:
    """A process of the test; what it prints can be read while it runs."""

    def __init__(self, *argv, namespace=None, cwd=None):
        self.argv = argv
        self._out = tempfile.TemporaryFile()
        self._err = tempfile.TemporaryFile()
        start = lambda: subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self._out, cwd=cwd,
                                         stderr=self._err, preexec_fn=_die_with_parent)
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
        self.assertEqual(connections["established"],
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


def premade_tap(namespace, name, address):
    """A tap with an address before anybody opens it."""
    namespace.must("ip", "tuntap", "add", "dev", name, "mode", "tap", "multi_queue")
    namespace.must("ip", "addr", "add", address, "dev", name)
    namespace.must("ip", "link", "set", name, "up")


def receive_reply(connection):
    """Reads one reply with a Content-Length: its status line, its headers and its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            raise AssertionError(f"the connection ended in the head: {data!r}")
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    wanted = int(headers.get("content-length", 0))
    parts = [body]
    have = len(body)
    while have < wanted:
        more = connection.recv(65536)
        if not more:
            raise AssertionError(f"the connection ended after {have} of {wanted} bytes of body")
        parts.append(more)
        have += len(more)
    return status, headers, b"".join(parts)


def receive_all(connection):
    """Everything up to the peer's FIN."""
    parts = []
    while True:
        more = connection.recv(65536)
        if not more:
            return b"".join(parts)
        parts.append(more)


GET = b"GET / HTTP/1.1\r\nHost: pollux\r\nConnection: close\r\n\r\n"


def fetch(namespace, address, count, workers=10, port=80):
    """`count` connections with one request each; a line for each that went wrong."""
    wrong = []

    def work(share):
        for _ in range(share):
            try:
                with namespace.connect(address, port) as connection:
                    connection.sendall(GET)
                    reply = receive_all(connection)
                if not reply.startswith(b"HTTP/1.1 200 ") or b"\r\n\r\n" not in reply:
                    wrong.append(f"reply {reply[:80]!r}")
            except (OSError, AssertionError) as error:
                wrong.append(f"{type(error).__name__}: {error}")

    shares = [count // workers + (i < count % workers) for i in range(workers)]
    in_threads([lambda share=share: work(share) for share in shares])
    return wrong


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


def pattern_hash(size):
    """SHA-256 of what GET /bytes/N is to bring: byte i is i % 251."""
    block = bytes(range(251)) * 4096
    digest = hashlib.sha256()
    for _ in range(size // len(block)):
        digest.update(block)
    digest.update(block[:size % len(block)])
    return digest.hexdigest()


def json_of(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


# --- Running the tests of a file ---


class Report(unittest.TestResult):
    """Says what it does as GoogleTest says it: tests/results.py counts and names single cases."""

    def __init__(self):
        super().__init__()
        self.begun = 0.0
        self.ended = True

    @staticmethod
    def name(test):
        parts = test.id().split(".")
        return ".".join(parts[-2:]) if len(parts) > 1 else parts[0]

    def startTest(self, test):
        super().startTest(test)
        self.begun = time.monotonic()
        self.ended = False
        print(f"[ RUN      ] {self.name(test)}", flush=True)

    def stopTest(self, test):
        super().stopTest(test)
        if not self.ended:  # parts of it failed
            self.end(test, "  FAILED  ")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            print(f"{subtest}\n{self._exc_info_to_string(err, test)}")

    def end(self, test, how):
        self.ended = True
        spent = int((time.monotonic() - self.begun) * 1000)
        print(f"[{how}] {self.name(test)} ({spent} ms)", flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.end(test, "       OK ")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        if hasattr(test, "test_case"):  # a part of a test, which goes on
            print(f"without {test}: {reason}")
            return
        cases = [test]
        if not isinstance(test, unittest.TestCase):  # a whole class
            name = re.search(r"\((.*)\)", test.id())
            self.begun = time.monotonic()
            cases = [_Named(f"{name.group(1) if name else test.id()}.all")]
            print(f"[ RUN      ] {self.name(cases[0])}")
        print(f"{reason}")
        self.end(cases[0], "  SKIPPED ")

    def _failed(self, test, error):
        if not isinstance(test, unittest.TestCase):  # setUpClass or its cleaning up
            self.begun = time.monotonic()
            name = re.search(r"\((.*)\)", test.id())
            test = _Named(f"{name.group(1) if name else test.id()}.set_up")
            print(f"[ RUN      ] {self.name(test)}")
        print(self._exc_info_to_string(error, test))
        self.end(test, "  FAILED  ")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._failed(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self._failed(test, err)


class _Named:
    failureException = AssertionError

    def __init__(self, name):
        self._name = name

    def id(self):
        return self._name


def _become_root_of_a_user_namespace():
    """Tests need an interface of their own: root's right, or anybody's in a user namespace."""
    if os.geteuid() == 0:
        return
    unshare = shutil.which("unshare")
    if UNSHARED in os.environ or unshare is None:
        print("neither root nor a user namespace can be had (unshare -Urn)")
        sys.exit(77)
    if subprocess.run([unshare, "-Urn", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        print("not root, and `unshare -Urn` is refused here")
        sys.exit(77)
    os.environ[UNSHARED] = "1"
    os.execv(unshare, [unshare, "-Urn", sys.executable, *sys.argv])


def main(needs=lambda: None):
    """Runs the tests of the calling file. Exit code 77, with the reason, when nothing can run."""
    _become_root_of_a_user_namespace()
    try:
        tool("ip", "iproute2")
        needs()
        Namespace().close()
    except unittest.SkipTest as reason:
        print(reason)
        sys.exit(77)
    wanted = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    loader = unittest.TestLoader()
    module = sys.modules["__main__"]
    tests = (loader.loadTestsFromNames(wanted, module) if wanted
             else loader.loadTestsFromModule(module))
    print(f"[==========] Running {tests.countTestCases()} tests from one file.", flush=True)
    result = Report()
    tests.run(result)
    print(f"[==========] {result.testsRun} tests ran.")
    sys.exit(0 if result.wasSuccessful() else 1)
