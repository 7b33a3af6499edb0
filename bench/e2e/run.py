#!/usr/bin/env python3
"""Measures connections a second over each link beside what the link and the kernel can do.

All that is compared runs in turn in this one run, each at least --rounds times, because the machine
changes its speed while it is measured: ../README.md says how to read what is printed. Options of
pollux-bench behind "--" go to it as they are. Exit codes: 0; 1 a run failed; 2 wrong usage; 3 the
machine lacks something.

    bench/e2e/run.py                                               7 rounds of 2 s of everything
    bench/e2e/run.py --rounds 1 --seconds 1 --no-huge --link memif
    bench/e2e/run.py --link memif -- --concurrency 800
"""

import argparse
import contextlib
import datetime
import json
import os
import platform
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import figures  # noqa: E402
import programs  # noqa: E402
from programs import Failed, Lacking  # noqa: E402

LINKS = ("ring", "memif", "virtio")
BARE = ("memif", "virtio")  # a ring hands buffers over: there is no link below it
TARGETS = ("apps/pollux-bench", "bench/e2e/bare_link")


def cores(text):
    """Two processors that this process may use."""
    numbers = [int(word) for word in text.split(",")]
    if len(numbers) != 2 or numbers[0] == numbers[1]:
        raise ValueError
    return numbers


def positive(kind):
    def take(text):
        value = kind(text)
        if value <= 0:
            raise ValueError
        return value
    take.__name__ = f"positive {kind.__name__}"  # as the error calls it
    return take


def parse(arguments):
    known, more = arguments, []
    if "--" in arguments:
        at = arguments.index("--")
        known, more = arguments[:at], arguments[at + 1:]
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--rounds", type=positive(int), default=7, help="of each (7)")
    add("--seconds", type=positive(float), default=2, help="that each round measures (2)")
    add("--warmup", type=float, default=0.5, help="seconds before that (0.5)")
    add("--link", action="append", choices=LINKS, help="repeatable (all)")
    add("--build", default=os.path.join(programs.ROOT, "build"), help="build folder (build)")
    add("--no-compile", action="store_true", help="take the programs as they are there")
    add("--no-huge", action="store_true", help="do without huge pages")
    add("--no-kernel", action="store_true", help="leave nginx and wrk out")
    add("--no-instructions", action="store_true", help="leave callgrind out")
    add("--cores", type=cores, help="A,B: server, client (the first and the last)")
    add("--request-bytes", type=int, default=85, help="the request in all (85)")
    add("--reply-bytes", type=int, default=99, help="the reply in all (99)")
    add("--frame", type=int, default=86, help="bytes of the bare link's frames (86)")
    add("--window", type=positive(int), default=512,
        help="how many of them are under way at once (512)")
    add("--json", metavar="FILE", help="the document; - is standard output (BUILD/e2e.json)")
    add("--chart", metavar="FILE", help="the chart (BUILD/e2e.png)")
    options = parser.parse_args(known)
    options.more = more
    options.links = [link for link in LINKS if link in (options.link or LINKS)]
    fill = options.request_bytes - programs.REQUEST_HEAD
    if fill != 0 and fill < len(programs.FILL) + 3:
        parser.error(f"--request-bytes: {programs.REQUEST_HEAD}, or at least "
                     f"{programs.REQUEST_HEAD + len(programs.FILL) + 3}")
    if not 10 <= options.reply_bytes - programs.REPLY_HEAD <= 99:
        parser.error(f"--reply-bytes: {programs.REPLY_HEAD + 10} to {programs.REPLY_HEAD + 99}")
    programs.outputs(parser, options, "e2e")
    return options


class Run:
    """One run: what is measured in turn, what came of it, and what is missing."""

    def __init__(self, options, pollux):
        self.options = options
        self.pollux = pollux
        self.out = sys.stderr if options.json == "-" else sys.stdout
        self.missing = []
        self.outcomes = {}  # of each task, in order

    def say(self, line):
        print(line, file=self.out, flush=True)

    def miss(self, what, why):
        self.missing.append({"what": what, "why": str(why)})
        self.say(f"without {what}: {why}")

    def tasks(self, kernel):
        """What a round does: name, a function that does it, and how its outcome is read."""
        out = []
        for link in self.options.links:
            if link in BARE:
                out.append((("bare", link), lambda link=link: self.pollux.bare(link),
                            lambda outcome: outcome["frames_per_second"]))
            out.append((("pollux", link), lambda link=link: self.pollux.connect(link),
                        lambda outcome: outcome["client"]["cps"]["mean"]))
        if kernel is not None:
            out.append((("kernel", "veth"), kernel.connect, lambda outcome: outcome["rate"]))
        self.outcomes = {name: [] for name, _, _ in out}
        return out

    def measure(self, tasks):
        for number in range(self.options.rounds):
            told = []
            # Every other round backwards, so that nobody always comes after the same one.
            for name, task, rate in tasks if number % 2 == 0 else reversed(tasks):
                outcome = task()
                self.outcomes[name].append(outcome)
                told.append(f"{' '.join(name)} {figures.scaled(rate(outcome))}")
            self.say(f"round {number + 1} of {self.options.rounds}: {', '.join(told)}")

    def rows(self, exchanges, kernel):
        rows = []
        for (kind, link), rounds in self.outcomes.items():
            if kind == "bare":
                rows.append(figures.bare_row(link, rounds))
            elif kind == "pollux":
                rows.append(figures.pollux_row(link, rounds, exchanges[link]))
            else:
                rows.append(figures.kernel_row(rounds, kernel.on()))
        return figures.compare(rows)

    def kernel(self, stack, folder):
        if self.options.no_kernel:
            self.miss("the kernel", "--no-kernel")
            return None
        try:
            return stack.enter_context(programs.Kernel(self.options, folder))
        except Lacking as reason:
            self.miss("the kernel", reason)
            return None

    def instructions(self, rows):
        if self.options.no_instructions:
            self.miss("instructions", "--no-instructions")
            return None
        self.say("counting instructions (callgrind)")
        try:
            counted = self.pollux.instructions()
        except (Lacking, Failed) as reason:
            self.miss("instructions", reason)
            return None
        row = next(row for row in rows if row["kind"] == "pollux")
        return figures.instructions(counted, row["packets_per_connection"]["all"])

    def document(self, folder):
        began = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        load = os.getloadavg()[0]
        with contextlib.ExitStack() as stack:
            kernel = self.kernel(stack, folder)
            exchanges = {link: self.pollux.exchange(link) for link in self.options.links}
            if self.options.more:
                for on in exchanges.values():
                    on["options"] = " ".join(self.options.more)
            self.measure(self.tasks(kernel))
            rows = self.rows(exchanges, kernel)
        seen = self.outcomes["pollux", self.options.links[0]][-1]["client"]["environment"]
        return {"schema": figures.SCHEMA, "began": began, "rounds": self.options.rounds,
                "seconds": self.options.seconds,
                "environment": {"cpu": seen["cpu"], "tsc_hz": seen["tsc_hz"],
                                "cores": self.options.cores, "kernel": platform.release(),
                                "dpdk": seen["dpdk"], "pollux": seen["pollux"], "load": load},
                "rows": rows, "instructions": self.instructions(rows), "missing": self.missing}

    def write(self, document):
        text = json.dumps(document, indent=2) + "\n"
        if self.options.json == "-":
            sys.stdout.write(text)
            return
        try:
            with open(self.options.json, "w", encoding="utf-8") as file:
                file.write(text)
        except OSError as reason:
            raise Failed(self.options.json, reason.strerror, "another --json", 3) from None
        self.say(f"written: {self.options.json}")

    def draw(self, document, folder):
        """By whichever Python has matplotlib: Debian's package is for its own alone."""
        source = os.path.join(folder, "document.json")
        with open(source, "w", encoding="utf-8") as file:
            json.dump(document, file)
        for python in dict.fromkeys((sys.executable, "/usr/bin/python3")):
            done = subprocess.run([python, os.path.join(HERE, "chart.py"), source,
                                   self.options.chart], stderr=subprocess.PIPE, text=True,
                                  check=False)
            if done.returncode == 0:
                self.say(f"written: {self.options.chart}")
                return
        self.say(f"no chart: {programs.last_line(done.stderr)} (Debian: python3-matplotlib)")


def measure(options):
    allowed = sorted(os.sched_getaffinity(0))
    options.cores = options.cores or [allowed[0], allowed[-1]]
    if len(allowed) < 2 or not set(options.cores) <= set(allowed):
        raise Failed("the cores", f"this process may use {allowed}", "two of them, --cores A,B", 3)
    with programs.scratch() as folder:
        pollux = programs.Pollux(options, folder)
        if not options.no_compile:
            pollux.compile(TARGETS)
        run = Run(options, pollux)
        document = run.document(folder)
        wrong = figures.faults(document)
        if wrong:
            raise Failed("the document", "; ".join(wrong), "mending bench/e2e/figures.py")
        run.write(document)
        for line in figures.text(document):
            run.say(line)
        run.draw(document, folder)


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def stop(number, _):
    """Ends by way of all that cleans up, which no other signal then disturbs."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + number)


def guarded(task):
    """Does it; the exit code. A signal ends it by way of all that cleans up."""
    for each in SIGNALS:
        signal.signal(each, stop)
    try:
        task()
    except Failed as failure:
        print(failure, file=sys.stderr)
        return failure.code
    except BrokenPipeError:  # nobody reads any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(guarded(lambda: measure(parse(sys.argv[1:]))))
