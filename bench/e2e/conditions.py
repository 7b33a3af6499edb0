#!/usr/bin/env python3
"""Measures what becomes of the rate, and of latency, where it is made hard: beside millions of open
connections, below the highest rate, far above it; and requests and bytes on kept connections.

    bench/e2e/conditions.py                               5 rounds of everything, 15 minutes
    bench/e2e/conditions.py latency deep --rounds 3       some of it
    bench/e2e/conditions.py --rounds 1 --seconds 1 --flood-seconds 1 --held 1000 --held 100000

Over memif, server and generator a core each, but for `cores`. ../README.md says how to read what is
printed. What is wanted is of a machine that is left alone: a miss is told, and is no failure of the
run. Exit codes: 0; 1 a run failed; 2 wrong usage; 3 the machine lacks something.
"""

import argparse
import contextlib
import datetime
import itertools
import json
import os
import platform
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import outcomes  # noqa: E402
import programs  # noqa: E402
import run  # noqa: E402
from programs import Failed, Lacking, lab  # noqa: E402

NAMES = tuple(outcomes.ROWS)
TARGETS = ("apps/pollux-bench", "apps/pollux-httpd", "apps/pollux-load")
HELD = (1_000, 1_000_000, 10_000_000)
BULK_BYTES = 1 << 20
# What both ends keep of a connection, with the pages that are touched for it (all that may be, with
# huge pages); and what the programs have beside that.
BYTES_HELD, BYTES_HELD_HUGE, BYTES_ELSE = 900, 1_300, 2 << 30
SERVER = "10.64.0.1"
# Longer rings than those of run.py: what comes in a stall of 5 ms fits.
RINGS = 4096


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (all)")
    add("--rounds", type=run.positive(int), default=5, help="of each (5)")
    add("--seconds", type=run.positive(float), default=4, help="that each round measures (4)")
    add("--warmup", type=float, default=2, help="seconds before that (2)")
    add("--flood-seconds", type=run.positive(float), default=10, help="that a flood lasts (10)")
    add("--held", type=run.positive(int), action="append",
        help="how many are open beside the load; repeatable (1000, 1000000, 10000000)")
    add("--build", default=os.path.join(programs.ROOT, "build"), help="build folder (build)")
    add("--no-compile", action="store_true", help="take the programs as they are there")
    add("--no-huge", action="store_true", help="do without huge pages")
    add("--cores", type=run.cores, help="A,B: server, client (the first and the last)")
    add("--json", metavar="FILE",
        help="the document; - is standard output (BUILD/conditions.json)")
    add("--chart", metavar="FILE", help="the chart (BUILD/conditions.png)")
    options = parser.parse_args(arguments)
    for name in options.names:
        if name not in NAMES:
            parser.error(f"'{name}' is none of {', '.join(NAMES)}")
    options.names = [name for name in NAMES if name in (options.names or NAMES)]
    options.held = sorted(set(options.held or HELD))
    if len(options.held) < 2:
        parser.error("--held: two numbers at least, to compare with each other")
    programs.outputs(parser, options, "conditions")
    return options


def available_bytes():
    with open("/proc/meminfo", encoding="ascii") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("MemAvailable"))


class Conditions:
    """What each name does in its rounds, and the row that comes of it."""

    def __init__(self, options, folder, say):
        self.options = options
        self.folder = folder
        self.say = say
        self.missing = []
        self.seen = None  # a summary's environment, and whether there were huge pages
        self.huge = ["--no-huge"] if options.no_huge else []

    def program(self, name):
        return programs.Pollux(self.options, self.folder).program(f"apps/{name}")

    def times(self, seconds=None, warmup=None):
        return ["--duration", str(seconds or self.options.seconds),
                "--warmup", str(self.options.warmup if warmup is None else warmup)]

    def bench(self, *more, link="memif", cores=None, patience=120):
        """Both ends in one process: pollux-bench's object."""
        text = programs.run(
            self.program("pollux-bench"), "--link", link, "--stats-interval", "0", "--json",
            "-", "--cores", ",".join(map(str, cores or self.options.cores)), *self.huge,
            *self.times(), *more, within=self.options.seconds + self.options.warmup + patience)
        both = programs.parsed("pollux-bench", text)
        self.seen = both["client"]
        return both

    def rounds(self, tasks):
        """Does all tasks in turn, every other round backwards; each task's outcomes."""
        out = {name: [] for name, _ in tasks}
        for number in range(self.options.rounds):
            for name, task in tasks if number % 2 == 0 else reversed(tasks):
                out[name].append(task())
        return out

    def held(self):
        counts = []
        for count in self.options.held:
            room, each = available_bytes(), BYTES_HELD if self.huge else BYTES_HELD_HUGE
            takes = count * each + BYTES_ELSE
            if takes > room:
                self.miss(f"{count:,} open", f"{room / 2**30:.0f} GiB are free, it takes "
                                             f"{takes / 2**30:.0f}")
            else:
                counts.append(count)
        if len(counts) < 2:
            raise Lacking("nothing to compare with")

        def one(count):
            return lambda: self.bench("--held", str(count), patience=600)["client"]
        return outcomes.held_row(self.rounds([(count, one(count)) for count in counts]))

    def latency(self):
        def one():
            closed = outcomes.rate(self.bench("--rings", str(RINGS))["client"])
            return closed, self.bench("--cps", str(max(1, int(closed * outcomes.OPEN_LOOP))),
                                      "--rings", str(RINGS))
        return outcomes.latency_row(self.rounds([("open", one)])["open"])

    def deep(self):
        def one(depth):
            return lambda: self.bench("--concurrency", str(depth))["client"]
        return outcomes.deep_row(self.rounds([(depth, one(depth)) for depth in (800, 8_000)]))

    def cores(self):
        def one(cores):
            return lambda: self.bench("--together", link="ring", cores=cores)["client"]
        return outcomes.cores_row(self.rounds([(1, one(self.options.cores[:1])),
                                               (2, one(self.options.cores))]))

    def requests(self):
        # Few enough connections that what they ask for at once fits the rings.
        return outcomes.requests_row(self.rounds([("", lambda: self.bench(
            "--scenario", "requests", "--pipeline", "16", "--concurrency", "64")["client"])])[""])

    def bulk(self):
        return outcomes.bulk_row(self.rounds([("", lambda: self.bench(
            "--scenario", "bulk", "--path", f"/bytes/{BULK_BYTES}")["client"])])[""], BULK_BYTES)

    def flood(self):
        """One server for all rounds, and generators that come and go."""
        server_core, client_core = self.options.cores
        socket = os.path.join(self.folder, "memif.sock")
        server = lab.Process(self.program("pollux-httpd"), "--device",
                             f"memif:{socket},role=server", "--address", f"{SERVER}/16", "--cores",
                             str(server_core), "--stats-interval", "0", "--body", "41", "--wait",
                             "60", *self.huge)

        blocks = itertools.cycle(range(1, 255))

        def load(*more):
            # Addresses of its own: it knows nothing of the numbers of those before it, whose
            # connections the server has in TIME-WAIT.
            block = next(blocks)
            text = programs.run(
                self.program("pollux-load"), "--device", f"memif:{socket},role=client",
                "--address", f"10.64.{block}.0-10.64.{block}.31/16", "--target",
                f"{SERVER}:80", "--cores", str(client_core), "--stats-interval", "0", "--json",
                "-", *self.huge, *more,
                within=self.options.seconds + self.options.flood_seconds + 120)
            if not server.alive():
                raise Failed("pollux-httpd", programs.last_line(server.err), "it alone")
            self.seen = programs.parsed("pollux-load", text)
            return self.seen

        def one():
            before = load(*self.times())
            rate = int(outcomes.rate(before) * outcomes.FLOOD)
            flood = load("--syn-only", "--cps", str(rate), "--beside", "200",
                         *self.times(self.options.flood_seconds, 0.5))
            # What the server has to get over it in: a second.
            return before, flood, load(*self.times(1, 1))
        try:
            server.until(lambda: os.path.exists(socket), "the server's socket", within=60)
            return outcomes.flood_row(self.rounds([("flood", one)])["flood"])
        finally:
            with contextlib.suppress(AssertionError):
                server.stop(signal.SIGTERM, within=10)
            server.close()

    def miss(self, what, why):
        self.missing.append({"what": what, "why": str(why)})
        self.say(f"without {what}: {why}")

    def rows(self):
        out = []
        for name in self.options.names:
            self.say(f"{name}: {self.options.rounds} rounds")
            try:
                out.append(getattr(self, name)())
            except Lacking as reason:
                self.miss(name, reason)
        return out


def measure(options):
    allowed = sorted(os.sched_getaffinity(0))
    options.cores = options.cores or [allowed[0], allowed[-1]]
    if len(allowed) < 2 or not set(options.cores) <= set(allowed):
        raise Failed("the cores", f"this process may use {allowed}", "two of them, --cores A,B", 3)
    out = run.Run(options, None)  # which writes and draws
    began = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    load = os.getloadavg()[0]
    with programs.scratch() as folder:
        if not options.no_compile:
            programs.Pollux(options, folder).compile(TARGETS)
        conditions = Conditions(options, folder, out.say)
        rows = conditions.rows()
        if not rows:
            raise Failed("all that was asked for", "the machine lacks what it takes",
                         "smaller numbers of --held", 3)
        seen = conditions.seen
        document = {"schema": outcomes.SCHEMA, "began": began, "rounds": options.rounds,
                    "seconds": options.seconds,
                    "environment": {"cpu": seen["environment"]["cpu"],
                                    "tsc_hz": seen["environment"]["tsc_hz"],
                                    "cores": options.cores, "kernel": platform.release(),
                                    "dpdk": seen["environment"]["dpdk"],
                                    "pollux": seen["environment"]["pollux"], "load": load,
                                    "huge_pages": seen["memory"]["huge_pages"]},
                    "rows": rows, "missing": conditions.missing}
        wrong = outcomes.faults(document)
        if wrong:
            raise Failed("the document", "; ".join(wrong), "mending bench/e2e/outcomes.py")
        out.write(document)
        for line in outcomes.text(document):
            out.say(line)
        out.draw(document, folder)


if __name__ == "__main__":
    sys.exit(run.guarded(lambda: measure(parse(sys.argv[1:]))))
