#!/usr/bin/env python3
"""How many instructions a connection takes, and the guard that keeps them from growing.

    tests/cost/budget.py --check PROGRAM     fails when a total is more than 2 % over the budget
    tests/cost/budget.py --write PROGRAM     makes what is counted now the budget
    tests/cost/budget.py --show PROGRAM [pollux-bench option...]
    tests/cost/budget.py --profile FOLDER PROGRAM [pollux-bench option...]
                                             the same, and keeps what Callgrind has written
    tests/cost/budget.py --self-test

PROGRAM is the program connection_cost of a build; tools/cost builds it and does all this. Callgrind
runs it once for each end, at the same time, and counts what its poll_server() (poll_client()) does,
all that is called included, from half_time() on. Debug information tells which file an instruction
comes from, wherever it was inlined to, and the file's folder is its room.

Exit code 1: over the budget, or the program failed; 3 (77 with --check, which makes the test a
skip): something is missing here, or the budget is not of this kind of build.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

CONNECTIONS = 20_000
TOLERANCE = 0.02
BUDGET = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench/budget.json")
ENDS = ("server", "client")
SKIPPED = 77

# The C library chooses its functions by the processor that it runs on. What Callgrind pretends to
# be depends little on the real one; without these features, nothing is left of that.
ENVIRONMENT = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX,-ERMS,-FSRM,-SSSE3,-SSE4_1,-SSE4_2",
               "LD_BIND_NOW": "1"}

ROOMS = ("lib/base", "lib/wire", "lib/packet", "lib/link", "lib/internet", "lib/transport",
         "lib/application", "lib/pipeline", "lib/dpdk", "apps", "DPDK", "llhttp", "libstdc++",
         "libc", "elsewhere")
# By a pattern of the file that a line of source is in, else of the object that it was linked into.
BY_FILE = (
    (re.compile(r"(?:^|/)(lib/(?:base|wire|packet|link|internet|transport|application|pipeline"
                r"|dpdk))/[\w/]+\.(?:h|cc)$"), None),
    (re.compile(r"(?:^|/)(apps|tests/cost)/[\w/]+\.(?:h|cc)$"), "apps"),
    (re.compile(r"/include/.*\bdpdk/|/rte_\w+\.h$"), "DPDK"),
    (re.compile(r"/llhttp/"), "llhttp"),
    (re.compile(r"/include/c\+\+/|/lib/gcc/"), "libstdc++"),
)
BY_OBJECT = (
    (re.compile(r"/librte_"), "DPDK"),
    (re.compile(r"/libstdc\+\+"), "libstdc++"),
    (re.compile(r"/(?:libc|libm|ld-linux[\w-]*)\.so"), "libc"),
)


class Failure(Exception):
    """What ends the program: an exit code, and a line for whoever reads it."""

    def __init__(self, code, what, why, attempt):
        super().__init__(f"error: {what}: {why}; try: {attempt}")
        self.code = code
        self.reason = f"{what}: {why}"


def room_of(file, linked_into):
    path = os.path.normpath(file)
    for pattern, room in BY_FILE:
        match = pattern.search(path)
        if match:
            return room or match.group(1)
    for pattern, room in BY_OBJECT:
        if pattern.search(linked_into):
            return room
    return "elsewhere"


def by_room(profile):
    """The instructions of each room: self costs of a profile as Callgrind writes it."""
    names = {"file": {}, "object": {}}

    def name(kind, value):
        # A name is spelt out once, and from then on stands for itself as a number in brackets.
        number, spelt = re.match(r"\((\d+)\)(?: (.*))?$", value).groups()
        if spelt is not None:
            names[kind][number] = spelt
        return names[kind][number]

    rooms = {}
    room = file = linked_into = ""
    inclusive = False  # the next line of costs is what was called, not this function itself
    for line in profile:
        line = line.rstrip("\n")
        match = re.match(r"[+*-]?\d* ?\d*$", line)
        if line and match:
            costs = line.split()[1:]
            if costs and not inclusive:
                rooms[room] = rooms.get(room, 0) + int(costs[0])
            inclusive = False
            continue
        key, _, value = line.partition("=")
        if key in ("fl", "fi", "fe"):
            file = name("file", value)
        elif key in ("cfi", "cfl"):
            name("file", value)
        elif key == "ob":
            linked_into = name("object", value)
        elif key == "cob":
            name("object", value)
        elif key == "calls":
            inclusive = True
            continue
        else:
            continue
        room = room_of(file, linked_into)
    return rooms


def count(program, options=(), kept=None):
    """What each end of a connection takes, in all and by room, as the budget's file has it. The
    profiles go to the folder `kept`, where there is one."""
    if shutil.which("valgrind") is None:
        raise Failure(3, "valgrind", "not found", "apt-get install valgrind")
    with tempfile.TemporaryDirectory() as folder:
        runs = [start(program, end, options, folder) for end in ENDS]
        try:
            said = [finish(run, program) for run in runs]
        finally:
            for run in runs:
                run.kill()  # where the other has failed
                run.wait()
        result = {"build": said[0]["build"],
                  "packets": round(said[0]["frames"] / said[0]["connections"], 2)}
        for end, facts in zip(ENDS, said):
            with open(os.path.join(folder, end), encoding="utf-8") as profile:
                rooms = by_room(profile)
            each = {room: round(rooms[room] / facts["connections"])
                    for room in ROOMS if room in rooms}
            result[end] = {"total": round(sum(rooms.values()) / facts["connections"]),
                           "rooms": each}
            if kept:
                os.makedirs(kept, exist_ok=True)
                shutil.copy(os.path.join(folder, end), os.path.join(kept, f"callgrind.{end}"))
    return result


def start(program, end, options, folder):
    """Callgrind under way for one end; its files go to the folder."""
    command = ["valgrind", "--tool=callgrind", f"--toggle-collect=*poll_{end}(*",
               "--dump-before=*half_time(*", f"--callgrind-out-file={folder}/{end}",
               program, str(CONNECTIONS), "--no-huge", *options]
    # DPDK takes the first processor that it may have: one each, where there are two.
    processors = sorted(os.sched_getaffinity(0))
    processor = processors[ENDS.index(end) % len(processors)]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={**os.environ, **ENVIRONMENT},
        preexec_fn=lambda: os.sched_setaffinity(0, {processor}))


def finish(run, program):
    """What the program said of the connections that were counted."""
    output, errors = run.communicate()
    line = next((line for line in output.splitlines() if line.startswith("{")), None)
    if run.returncode != 0 or line is None:
        said = [text for text in (output + errors).splitlines() if text and text[:2] != "=="]
        raise Failure(1, program, "it failed: " + (said[-1] if said else "it said nothing"),
                      f"{program} {CONNECTIONS} --no-huge")
    return json.loads(line)


def total(result, end):
    return sum(result[each]["total"] for each in ENDS) if end == "both" else result[end]["total"]


def table(result, budget=None):
    """Instructions a connection, a line for each room; with a budget, how far each is from it."""
    def cell(now, then):
        return f"{now:9,}" + (f" {now - then:+7,}" if budget else "")

    def numbers(name, of):
        now = [of(result, end) for end in ENDS]
        then = [of(budget, end) if budget else 0 for end in ENDS]
        cells = [*zip(now, then), (sum(now), sum(then))]
        return f"{name:16}" + "".join(cell(*each) for each in cells)

    width = 17 if budget else 9
    lines = ["instructions a connection of {:.2f} packets{}".format(
        result["packets"], ", and what the budget has less of" if budget else ""),
             " " * 16 + "".join(f"{name:>9}" + " " * (width - 9) for name in (*ENDS, "both"))]
    for room in ROOMS:
        if any(room in each[end]["rooms"] for each in (result, budget or result) for end in ENDS):
            lines.append(numbers(room, lambda of, end: of[end]["rooms"].get(room, 0)))
    lines.append(numbers("total", total))
    return "\n".join(line.rstrip() for line in lines)


def judge(result, budget):
    """A line for each total that is not the budget's: (what is over it, what is well below)."""
    over, below = [], []
    for end in (*ENDS, "both"):
        now, then = total(result, end), total(budget, end)
        line = (f"{end}: {now:,} instructions a connection, {abs(now / then - 1):.1%} "
                f"{'over' if now > then else 'below'} the budget of {then:,}")
        if now > then * (1 + TOLERANCE):
            over.append(line)
        elif now < then * (1 - TOLERANCE):
            below.append(line)
    return over, below


def check(program):
    with open(BUDGET, encoding="utf-8") as file:
        budget = json.load(file)
    result = count(program)
    if result["build"] != budget["build"]:
        raise Failure(3, "the budget", f"it is of a build with {budget['build']}, and this is one "
                      f"with {result['build']}", "a release build")
    print(table(result, budget))
    over, below = judge(result, budget)
    for line in over:
        print(f"error: {line}; try: see above which room has grown, and in callgrind_annotate "
              "which function (`tools/cost --profile FOLDER`); or, where that is worth its price, "
              "`tools/cost --write`, and say in the commit what for")
    if not over:
        for line in below:  # tools/test shows what begins so
            print(f"note: {line}; so that it stays there: `tools/cost --write`, and commit "
                  "bench/budget.json")
    return 1 if over else 0


def write(program):
    result = count(program)
    with open(BUDGET, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=2)
        file.write("\n")
    print(table(result))
    return 0


# --- The guard itself is tested, on a profile in which everything has its place ---

PROFILE = """# callgrind format
version: 1
cmd:  connection_cost 10 --no-huge
desc: Trigger: Program termination
positions: line
events: Ir
summary: 1000

ob=(1) /build/tests/cost/connection_cost
fl=(1) /tree/lib/pipeline/pipeline.h
fn=(1) poll_server(Server&, Instant)
10 100
fi=(2) /tree/lib/transport/tcp/../../wire/field.h
-3 20
+1 2
cfi=(3) /tree/lib/transport/tcp/arrives.cc
cfn=(2) segment_arrives
calls=7 40
* 5000
* 1
fe=(1)
+5 30
cob=(2) /usr/lib/x86_64-linux-gnu/libc.so.6
cfi=(4) ./string/../sysdeps/x86_64/multiarch/memset.S
cfn=(3) memset
calls=1 +3
+1 900
+1 5

fl=(3)
fn=(2)
40 300
fi=(5) /usr/include/dpdk/rte_ring.h
1 40
fi=(6) /usr/include/c++/12/bits/stl_algobase.h
1 50
fi=(7) /usr/share/llhttp/llhttp.c
1 60
fi=(8) /tree/apps/load/pace.h
1 70

ob=(2)
fl=(4)
fn=(3)
9 80

ob=(3) /usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0/librte_mempool_ring.so.23.0
fl=(9) ???
fn=(4) 0x1234
0 90

totals: 848
"""
IN_ROOMS = {"lib/pipeline": 135, "lib/wire": 23, "lib/transport": 300, "DPDK": 130,
            "libstdc++": 50, "llhttp": 60, "apps": 70, "libc": 80}


def self_test():
    wrong = []

    def expect(what, got, wanted):
        if got != wanted:
            wrong.append(f"{what}: {got}, not {wanted}")

    def result(server, client):
        return {"build": "b", "packets": 6.0,
                "server": {"total": server, "rooms": {"lib/wire": server}},
                "client": {"total": client, "rooms": {"apps": client}}}

    expect("rooms", by_room(PROFILE.splitlines()), IN_ROOMS)
    budget = result(1000, 3000)
    expect("the same", judge(budget, budget), ([], []))
    expect("2 % more", judge(result(1020, 3060), budget), ([], []))
    expect("2 % less", judge(result(980, 2940), budget), ([], []))
    over, below = judge(result(1021, 2939), budget)
    expect("more of one", over,
           ["server: 1,021 instructions a connection, 2.1% over the budget of 1,000"])
    expect("less of the other", below,
           ["client: 2,939 instructions a connection, 2.0% below the budget of 3,000"])
    expect("more of both", [line.split(":")[0] for line in judge(result(1019, 3070), budget)[0]],
           ["client", "both"])
    rows = table(result(1100, 3000), budget).splitlines()
    expect("table", rows[2].split(), ["lib/wire", "1,100", "+100", "0", "+0", "1,100", "+100"])
    expect("table's end", rows[-1].split(),
           ["total", "1,100", "+100", "3,000", "+0", "4,100", "+100"])
    print("\n".join(wrong) or "as wanted")
    return 1 if wrong else 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    action, *rest = arguments or [""]
    kept = rest.pop(0) if action == "--profile" and rest else None
    if not rest or action not in ("--check", "--write", "--show", "--profile"):
        print(__doc__, file=sys.stderr)
        return 2
    program, *options = rest
    try:
        if action == "--check":
            return check(program)
        if action == "--write":
            return write(program)
        print(table(count(program, options, kept)))
        return 0
    except Failure as failure:
        if action == "--check" and failure.code == 3:
            print(failure.reason)
            return SKIPPED
        print(failure, file=sys.stderr)
        return failure.code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
