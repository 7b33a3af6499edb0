"""Starts what is measured, and sees that nothing of it stays: processes, sockets, namespaces."""

import contextlib
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

import packets

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.append(os.path.join(ROOT, "tests", "interop"))
import lab  # noqa: E402  namespaces without names, and processes that end with their parent

# What pollux-bench adds by itself: "GET / HTTP/1.1", Host, Connection; and the reply's head with a
# Content-Length of two digits. Whether the lengths hold is read from the packets.
REQUEST_HEAD, REPLY_HEAD = 54, 58
FILL = "X-Fill: "
# The best of 100 to 800 for the rate over memif; what is open at once is in the caches then.
CONNECTIONS_AT_ONCE = 400


def outputs(parser, options, name):
    """--json and --chart: where their folders are, or NAME in the build folder."""
    for option in ("json", "chart"):
        folder = os.path.dirname(getattr(options, option) or "")
        if folder and not os.path.isdir(folder):
            parser.error(f"--{option}: there is no folder {folder}")
    options.json = options.json or os.path.join(options.build, name + ".json")
    options.chart = options.chart or os.path.join(options.build, name + ".png")


class Failed(Exception):
    """A run that went wrong: what, why, what to try; the exit code that goes with it."""

    def __init__(self, what, why, remedy, code=1):
        super().__init__(f"error: {what}: {why}; try: {remedy}")
        self.code = code


class Lacking(Exception):
    """Something is not there, and the rest goes on without it."""


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it says nothing"


def run(*argv, within, namespace=None):
    """Runs a program to its end; its standard output. Failed where its exit code is not 0, or where
    it takes longer than `within` seconds. It is gone afterwards, and what it had too."""
    process = lab.Process(*argv, namespace=namespace)
    name = os.path.basename(argv[0])
    try:
        code = process.wait(within)
        if code != 0:
            raise Failed(name, f"exit code {code}: {last_line(process.err or process.out)}",
                         "it alone: " + " ".join(argv))
        return process.out
    except AssertionError:
        raise Failed(name, f"it has not ended after {within:.0f} s",
                     "it alone: " + " ".join(argv)) from None
    finally:
        if process.alive():
            family = descendants(process.pid)
            with contextlib.suppress(AssertionError):
                process.stop(signal.SIGTERM, within=3)
            for pid in family:  # a script's children do not hear of its end
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
        process.close()
        # What it removes itself unless it was killed.
        shutil.rmtree(f"/var/run/dpdk/pollux-{process.pid}", ignore_errors=True)


def descendants(ancestor):
    """The pids of all processes that it has started, and those that they have."""
    parents = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), \
                open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            parents.setdefault(int(file.read().rpartition(")")[2].split()[1]), []).append(int(pid))
    found, ahead = [], [ancestor]
    while ahead:
        mine = parents.get(ahead.pop(), [])
        found += mine
        ahead += mine
    return found


def parsed(name, text):
    try:
        return json.loads(text)
    except ValueError as reason:
        raise Failed(name, f"what it printed is no JSON ({reason})", "it alone") from None


class Pollux:
    """The programs of a build folder, as run.py's options want them to run."""

    def __init__(self, options, folder):
        self.build = options.build
        self.options = options
        self.folder = folder
        self.huge = ["--no-huge"] if options.no_huge else []
        self.cores = ["--cores", ",".join(map(str, options.cores))]
        # Starting takes a second for each GiB, and a busy machine takes longer.
        self.patience = options.seconds + options.warmup + 60

    def program(self, path):
        whole = os.path.join(self.build, path)
        if not os.access(whole, os.X_OK):
            raise Failed(path, f"it is not in '{self.build}'", f"ninja -C {self.build} {path}", 3)
        return whole

    def compile(self, targets):
        done = subprocess.run(["ninja", "-C", self.build, *targets], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
        if done.returncode != 0:
            raise Failed(f"the build in {self.build}", last_line(done.stdout),
                         f"meson setup {self.build}, then ninja -C {self.build}")

    def bare(self, link):
        """One round of the bare link: what bare_link prints."""
        out = run(self.program("bench/e2e/bare_link"), link, "--seconds", str(self.options.seconds),
                  "--frame", str(self.options.frame), "--window", str(self.options.window),
                  *self.cores, *self.huge, within=self.patience)
        outcome = parsed("bare_link", out)
        if outcome["frames_per_second"] <= 0:
            raise Failed(f"the bare link over {link}", "no frame came back", "more --seconds")
        return outcome

    def lengths(self):
        """The options that make the request and the reply as long as they are to be."""
        fill = self.options.request_bytes - REQUEST_HEAD - len(FILL) - len("\r\n")
        return ["--body", str(self.options.reply_bytes - REPLY_HEAD),
                *(["--header", FILL + "x" * fill] if self.options.request_bytes > REQUEST_HEAD
                  else [])]

    def bench(self, link, *more):
        return run(self.program("apps/pollux-bench"), "--scenario", "cps", "--link", link,
                   "--stats-interval", "0", "--json", "-", *self.lengths(), *self.cores, *self.huge,
                   *self.options.more, *more, within=self.patience)

    def exchange(self, link):
        """A short run at a low rate whose packets are looked at: for the row's "on"."""
        capture = os.path.join(self.folder, f"{link}.pcapng")
        self.bench(link, "--cps", "200", "--duration", "0.3", "--warmup", "0", "--capture", capture)
        try:
            with open(capture, "rb") as file:
                facts = packets.facts(file.read())
        except ValueError as reason:
            raise Failed(f"the packets over {link}", str(reason), "tshark on a --capture") from None
        for name in ("request_bytes", "reply_bytes"):
            if facts[name] != getattr(self.options, name):
                raise Failed(f"the packets over {link}",
                             f"{name} is {facts[name]}, not {getattr(self.options, name)}",
                             "other lengths, or REQUEST_HEAD and REPLY_HEAD of programs.py")
        return facts

    def connect(self, link):
        """One round of the connection rate: pollux-bench's summary."""
        at_once = [] if "--concurrency" in self.options.more else [
            "--concurrency", str(CONNECTIONS_AT_ONCE)]
        summary = parsed("pollux-bench", self.bench(
            link, *at_once, "--duration", str(self.options.seconds), "--warmup",
            str(self.options.warmup)))
        connections = summary["client"]["connections"]
        if connections["failed"] or not summary["client"]["cps"]["mean"]:
            causes = {cause: n for cause, n in summary["client"]["failures"].items() if n}
            raise Failed(f"the connection rate over {link}",
                         f"{connections['completed']} completed, {connections['failed']} failed "
                         f"{causes or '(none in a whole second)'}",
                         f"pollux-bench --link {link} by hand")
        return summary

    def instructions(self):
        """Of a connection, at each end; counted, not measured."""
        if shutil.which("valgrind") is None:
            raise Lacking("valgrind is not installed")
        return counted(run(os.path.join(ROOT, "tools", "cost"), os.path.abspath(self.build),
                           *self.lengths(), within=900))


def counted(text):
    """Instructions of a connection as tools/cost prints them: both ends together, and each where it
    tells them apart."""
    table = re.search(r"^total +([\d,]+) +([\d,]+) +([\d,]+)$", text, re.M)
    if table:
        return {end: int(number.replace(",", ""))
                for end, number in zip(("server", "client", "both"), table.groups())}
    line = re.search(r"^(\d+) instructions a connection$", text, re.M)
    if line:
        return {"both": int(line.group(1))}
    raise Lacking(f"tools/cost printed '{last_line(text)}'")


class Kernel:
    """nginx and wrk, a core each, over a veth between two namespaces. `with` it, nginx runs."""

    SERVER, CLIENT, CONNECTIONS = "10.77.0.1", "10.77.0.2", 100
    # So that ports and queues are not what ends the rate.
    SETTINGS = {"net/ipv4/ip_local_port_range": "1024 65535", "net/ipv4/tcp_tw_reuse": "1",
                "net/core/somaxconn": "65535", "net/ipv4/tcp_max_syn_backlog": "65535"}

    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            try:
                self.set_up(stack)
            except (unittest.SkipTest, AssertionError, OSError) as reason:
                raise Lacking(last_line(str(reason))) from None
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def set_up(self, stack):
        if not lab.REAL_ROOT:
            raise Lacking("only root may make its network namespaces")
        nginx, self.wrk = lab.tool("nginx", "nginx-light"), lab.tool("wrk")
        self.taskset = lab.tool("taskset", "util-linux")
        lab.tool("ip", "iproute2")
        self.ends = {}
        for name in ("server", "client"):
            self.ends[name] = lab.Namespace()
            stack.callback(self.ends[name].close)
        server, client = self.ends["server"], self.ends["client"]
        server.must("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1",
                    "netns", client.path)
        for end, device, address in ((server, "v0", self.SERVER), (client, "v1", self.CLIENT)):
            end.must("ip", "addr", "add", f"{address}/24", "dev", device)
            end.must("ip", "link", "set", device, "up")
            for name, value in self.SETTINGS.items():
                # Some are not there for a namespace of one's own; the rate shows what it costs.
                with contextlib.suppress(OSError), end, \
                        open(f"/proc/sys/{name}", "w", encoding="ascii") as file:
                    file.write(value)
        self.body = "x" * (self.options.reply_bytes - REPLY_HEAD)
        os.makedirs(os.path.join(self.folder, "logs"), exist_ok=True)
        configuration = os.path.join(self.folder, "nginx.conf")
        with open(configuration, "w", encoding="ascii") as file:
            file.write(
                "worker_processes 1; daemon off; master_process off;"
                f" pid {self.folder}/nginx.pid; error_log {self.folder}/nginx.log crit;\n"
                "events { worker_connections 20000; multi_accept on; use epoll; }\n"
                "http { access_log off; keepalive_timeout 0;"
                f" server {{ listen {self.SERVER}:80 backlog=65535;"
                f' location / {{ return 200 "{self.body}"; }} }} }}\n')
        process = lab.Process(self.taskset, "-c", str(self.options.cores[0]), nginx,
                              "-p", self.folder, "-c", configuration, namespace=server)
        stack.callback(process.close)
        process.until(lambda: lab.answers(client, self.SERVER), "an answer of nginx", within=10)

    def received(self, name):
        """Packets that an end has received so far."""
        link = json.loads(self.ends[name].must("ip", "-s", "-j", "link", "show", "dev",
                                               {"server": "v0", "client": "v1"}[name]))
        return link[0]["stats64"]["rx"]["packets"]

    def connect(self):
        """One round of the connection rate."""
        before = {name: self.received(name) for name in self.ends}
        seconds = max(1, math.ceil(self.options.seconds))
        out = run(self.taskset, "-c", str(self.options.cores[1]), self.wrk, "-t1",
                  f"-c{self.CONNECTIONS}", f"-d{seconds}s", "-H", "Connection: close",
                  f"http://{self.SERVER}/", within=seconds + 30, namespace=self.ends["client"])
        return {**wrk_rate(out), **{f"{name}_rx": self.received(name) - before[name]
                                    for name in self.ends}}

    def on(self):
        """For the row's "on": the kernel's own words."""
        names = {"tcp_sack": "SACK", "tcp_timestamps": "timestamps",
                 "tcp_window_scaling": "window scale"}
        options = ["MSS"]
        for name, word in names.items():
            with self.ends["server"], open(f"/proc/sys/net/ipv4/{name}", encoding="ascii") as file:
                options += [word] * (file.read().strip() != "0")
        return {"tcp_options": ", ".join(options), "checksums": "none computed on a veth",
                "closes": "server", "body_bytes": len(self.body),
                "programs": "nginx and wrk, a core each", "connections_at_once": self.CONNECTIONS}


def wrk_rate(text):
    """Connections a second, and how many there were, from what wrk prints: with `Connection: close`
    a request is a connection."""
    rate = re.search(r"^Requests/sec:\s+([\d.]+)", text, re.M)
    count = re.search(r"^\s*(\d+) requests in ", text, re.M)
    if not rate or not count or int(count.group(1)) == 0:
        raise Failed("wrk", f"no rate in what it printed: {last_line(text)}", "it by hand")
    wrong = re.search(r"^\s*(Non-2xx.*|Socket errors: connect [1-9].*)$", text, re.M)
    if wrong:
        raise Failed("wrk", wrong.group(1), "it by hand")
    return {"rate": float(rate.group(1)), "connections": int(count.group(1))}


@contextlib.contextmanager
def scratch():
    """A folder that goes, whatever happens."""
    with tempfile.TemporaryDirectory(prefix="pollux-e2e-") as folder:
        yield folder
