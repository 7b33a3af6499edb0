#!/usr/bin/env python3
"""Holds up the rules of the house that no compiler knows.

    tests/tidy.py [ROOT]        looks at the tree; one line for each fault; exit 1 when there is one
    tests/tidy.py --self-test   breaks every rule in a made-up tree and sees that it is noticed

The rules, and where each comes from, stand in CONTRIBUTING.md and docs/data-path.md.
"""

import os
import re
import sys
import tempfile

# --- The ladder: what the files of a folder may include of lib/ ---

LAYERS = {"link", "internet", "transport", "application"}
LADDER = {
    "base": set(),
    "wire": {"base"},
    "packet": {"base", "wire"},
    "link": {"base", "wire", "packet"},
    "internet": {"base", "wire", "packet"},
    "transport": {"base", "wire", "packet"},
    "application": {"base", "wire", "packet"},
    "pipeline": {"base", "wire", "packet"} | LAYERS,
    "dpdk": {"base", "wire", "packet"},
    "sim": {"base", "wire", "packet"},
    "host": {"base", "wire", "packet", "pipeline", "dpdk"} | LAYERS,
}
# The adapters model this one concept, and take nothing else from the room that it stands in.
LADDER_FILES = {("dpdk", "link/device.h"), ("sim", "link/device.h")}

# --- Words that may not stand in the code (comments and strings are not looked at) ---

# What stands between the stack and the machine.
ADAPTER = r"lib/(dpdk|host)/"
WORDS = [
    # (rule, where, where not, the words)
    ("byte-order", r"(lib|apps)/", r"lib/wire/field\.h$",
     r"\b(ntoh[sl]|hton[sl]|bswap_\d+|__builtin_bswap\d+|(be|le)(16|32|64)toh|hto(be|le)(16|32|64)"
     r"|rte_(cpu_to|be_to_cpu|bswap)\w*)\b"),
    ("clock", r"lib/", ADAPTER,
     r"\b(steady_clock|system_clock|high_resolution_clock|clock_gettime|gettimeofday|__rdtsc\w*"
     r"|nanosleep|usleep|sleep_for|sleep_until|std::time)\b"),
    ("random", r"lib/", ADAPTER,
     r"\b(random_device|mt19937(_64)?|default_random_engine|getrandom|getentropy|arc4random\w*"
     r"|drand48|srand|std::rand)\b"),
    ("dpdk", r"(lib|apps|tests|bench|examples)/", r"(lib|tests|bench)/dpdk/",
     r"\brte_\w+|<rte_\w+\.h>"),
    ("dispatch", r"lib/", None, r"\b(virtual|dynamic_cast|typeid)\b"),
    # DPDK's workers are started through one: once a run, off the data path.
    ("dispatch", r"lib/", r"lib/dpdk/eal\.(h|cc)$", r"\bstd::function\b"),
    ("exceptions", r"lib/", None, r"\b(throw|catch)\b|\btry\s*\{"),
    ("memory", r"lib/(wire|packet|link|internet|transport|application|pipeline)/", None,
     r"\b(malloc|calloc|realloc|aligned_alloc|posix_memalign)\s*\("
     r"|(?<!operator )\bnew\s+[A-Za-z_:]"),
]
# Where a word stands rightly, with the reason.
WORDS_ALLOWED = {
    ("memory", "lib/pipeline/setup.h"): "a pipeline is made once, at start",
}

# --- Sizes ---

LINE = 100
FILE_WARNING = 400
FILE_LIMIT = 550
TEST_LIMIT = 700  # tables of cases grow long without growing hard
# Longer files that are one thing all the same, with the length that they may reach.
FILE_ALLOWED = {}

SOURCE = (".h", ".cc", ".c", ".py", ".sh")
CODE = (".h", ".cc")


def strip(text):
    """The code with comments and literals blanked, line ends kept."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^(\s]*)\(.*?\)(?P=d)"|"(\\.|[^"\\\n])*"'
        r"|(?<![0-9A-Fa-f])'(\\.|[^'\\\n])+'",
        re.S)

    def blank(match):
        kept = '""' if match.group(0)[0] in "\"R" else " "
        return kept + "\n" * match.group(0).count("\n")

    lines = []
    for line in text.split("\n"):
        # An include's name is no literal.
        lines.append(re.sub(r'"', "\0", line) if line.startswith("#include") else line)
    return pattern.sub(blank, "\n".join(lines)).replace("\0", '"')


class Tree:
    """A source tree and the faults found in it."""

    def __init__(self, root):
        self.root = root
        self.faults = []
        self.warnings = []
        self.files = sorted(self._walk())
        self.paths = set(self.files)

    def _walk(self):
        for folder, folders, files in os.walk(self.root):
            folders[:] = [f for f in folders
                          if f not in (".git", "__pycache__", "subprojects", "corpus")
                          and not f.startswith("build")]
            for name in files:
                yield os.path.relpath(os.path.join(folder, name), self.root)

    def read(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as file:
            return file.read()

    def fault(self, rule, path, line, what):
        self.faults.append((rule, path, line, what))

    def check(self):
        roadmap = self.read("docs/roadmap.md") if "docs/roadmap.md" in self.paths else ""
        for path in self.files:
            is_script = path.startswith(("tools/", ".ci/"))
            if not path.endswith(SOURCE) and not is_script:
                continue
            text = self.read(path)
            self.check_text(path, text)
            self.check_promises(path, text, roadmap)
            if not path.endswith(CODE):
                continue
            code = strip(text)
            self.check_words(path, code)
            self.check_includes(path, code)
            if path.endswith(".h"):
                self.check_header(path, code)
                if path.startswith("lib/"):
                    self.check_documented(path, text)

    def check_text(self, path, text):
        lines = text.split("\n")
        for number, line in enumerate(lines, 1):
            if len(line) > LINE:
                self.fault("line-length", path, number, f"{len(line)} columns, at most {LINE}")
            if line != line.rstrip():
                self.fault("spaces", path, number, "spaces at the end of the line")
            if "\t" in line and path.endswith(CODE):
                self.fault("spaces", path, number, "a tab")
        if text and not text.endswith("\n"):
            self.fault("spaces", path, len(lines), "no line end at the end of the file")
        common = TEST_LIMIT if path.startswith("tests/") else FILE_LIMIT
        limit = FILE_ALLOWED.get(path, common)
        length = text.count("\n")
        if length > limit:
            self.fault("file-length", path, 1, f"{length} lines, at most {limit}")
        elif length > FILE_WARNING and path not in FILE_ALLOWED:
            self.warnings.append(f"{path}: {length} lines, over {FILE_WARNING}")

    def check_promises(self, path, text, roadmap):
        """A note of something undone names its line of the roadmap: `TODO(word)`."""
        if path == "tests/tidy.py":
            return
        for number, line in enumerate(text.split("\n"), 1):
            for match in re.finditer(r"\b(TODO|FIXME|XXX)\b(\(([^)]*)\))?", line):
                word = match.group(3)
                if not word or f"`{word}`" not in roadmap:
                    self.fault("promise", path, number,
                               f"{match.group(1)} without a line of docs/roadmap.md")

    def check_words(self, path, code):
        for rule, where, but, words in WORDS:
            if not re.match(where, path) or (but and re.match(but, path)):
                continue
            if (rule, path) in WORDS_ALLOWED:
                continue
            for number, line in enumerate(code.split("\n"), 1):
                for match in re.finditer(words, line):
                    self.fault(rule, path, number, f"'{match.group(0).strip()}' has no place here")

    def check_includes(self, path, code):
        parts = path.split("/")
        room = parts[1] if parts[0] == "lib" and len(parts) > 2 else None
        for number, line in enumerate(code.split("\n"), 1):
            match = re.match(r'#\s*include\s+"([^"]+)"', line)
            if not match:
                continue
            name = match.group(1)
            first = name.split("/")[0]
            if f"lib/{name}" in self.paths and "/" in name:
                self.check_rung(path, parts, room, number, name, first)
            elif parts[0] == "lib":
                self.fault("ladder", path, number, f'"{name}" is no file of lib/')
            elif f"apps/{name}" in self.paths and "/" in name:
                if parts[0] == "apps" and parts[1] == "cli" and first != "cli":
                    self.fault("ladder", path, number, f"apps/cli may not include {name}")
            else:
                beside = os.path.normpath(os.path.join(os.path.dirname(path), name))
                roots = (name, f"tests/{name}", f"bench/{name}")
                if beside not in self.paths and not any(r in self.paths for r in roots):
                    self.fault("ladder", path, number, f'"{name}" is no file of this tree')

    def check_rung(self, path, parts, room, number, name, first):
        if room is not None:
            if room not in LADDER:
                self.fault("ladder", path, number, f"lib/{room} has no place in the ladder")
            elif first != room and first not in LADDER[room] and (room, name) not in LADDER_FILES:
                self.fault("ladder", path, number, f"{room} may not include {name}")
        elif parts[0] == "apps":
            if parts[1] == "cli" and first in ("dpdk", "host", "sim"):
                self.fault("ladder", path, number, f"apps/{parts[1]} may not include {name}")

    def check_header(self, path, code):
        lines = [line for line in code.split("\n") if line.strip()]
        if not lines or lines[0].strip() != "#pragma once":
            self.fault("header", path, 1, "#pragma once is not its first line of code")
        for number, line in enumerate(code.split("\n"), 1):
            if re.match(r"\s*using\s+namespace\b(?!.*literals)", line):
                self.fault("header", path, number, "'using namespace' in a header")

    def check_documented(self, path, text):
        """Every type at the level of a namespace has a comment right above it."""
        lines = text.split("\n")
        hidden = 0  # inside namespace detail, to its closing line
        for at, line in enumerate(lines):
            if re.match(r"namespace (detail|\{|internal)", line) and line.rstrip().endswith("{"):
                hidden += 1
            elif hidden and re.match(r"\}\s*// namespace", line):
                hidden -= 1
            match = re.match(r"(class|struct|enum class|concept)\s+(alignas\(\w+\)\s+)?"
                             r"(\[\[\w+\]\]\s+)?([A-Za-z]\w*)", line)
            if hidden or not match or re.match(r"[^{]*;\s*$", line):
                continue
            above = at - 1
            while above >= 0 and re.match(r"(template|requires|\s+requires)\b", lines[above]):
                above -= 1
            if above < 0 or not lines[above].startswith("//"):
                self.fault("undocumented", path, at + 1, f"{match.group(4)} says nothing of itself")


def report(tree):
    for rule, path, line, what in tree.faults:
        print(f"{path}:{line}: {rule}: {what}")
    for warning in tree.warnings:
        print(f"warning: {warning}")
    print(f"{len(tree.files)} files, {len(tree.faults)} faults, {len(tree.warnings)} warnings")
    return 1 if tree.faults else 0


# --- The rules themselves are tested: each fault here must be found, and nothing else ---

GOOD = {
    "docs/roadmap.md": "- `ipv6` the other family\n",
    "lib/base/time.h": "#pragma once\n\n/// A moment.\nstruct Moment {};\n",
    "lib/wire/field.h": "#pragma once\n#include \"base/time.h\"\n"
                        "inline int swap(int x) { return __builtin_bswap32(x); }\n",
    "lib/link/device.h": "#pragma once\n#include <new>\n\n/// Lent.\ntemplate <class T>\n"
                         "struct Device;\n// steady_clock in a comment\n",
    "lib/dpdk/port.cc": "#include <rte_ethdev.h>\n#include \"link/device.h\"\n"
                        "auto now() { return std::chrono::steady_clock::now(); }\n",
    "lib/pipeline/pipeline.h": "#pragma once\n#include \"link/device.h\"\n"
                               "// TODO(ipv6): more\n"
                               "inline void make(void* at) { new (at) int; }\n",
    "apps/cli/options.h": "#pragma once\n#include \"wire/field.h\"\n",
    "apps/load/main.cc": "#include \"cli/options.h\"\nconst char* word = \"virtual rte_x\";\n"
                         "const int n = 1'000; const char c = '\"'; // \"\n",
    "tests/unit/wire/field_test.cc": "#include \"near.h\"\n#include \"wire/field.h\"\n",
    "tests/unit/wire/near.h": "#pragma once\n",
}
BAD = [
    ("ladder", "lib/wire/a.cc", "#include \"link/device.h\"\n"),
    ("ladder", "lib/transport/a.cc", "#include \"link/device.h\"\n"),
    ("ladder", "lib/internet/a.cc", "#include \"pipeline/pipeline.h\"\n"),
    ("ladder", "lib/sim/a.cc", "#include \"link/arp.h\"\n"),
    ("ladder", "lib/base/a.cc", "#include \"wire/field.h\"\n"),
    ("ladder", "lib/wire/a.cc", "#include \"field.h\"\n"),
    ("ladder", "lib/attic/a.cc", "#include \"base/time.h\"\n"),
    ("ladder", "lib/wire/a.cc", "#include \"cli/options.h\"\n"),
    ("ladder", "apps/cli/a.cc", "#include \"dpdk/port.h\"\n"),
    ("ladder", "apps/cli/a.cc", "#include \"load/plan.h\"\n"),
    ("ladder", "apps/cli/a.cc", "#include \"sim/world.h\"\n"),
    ("ladder", "apps/cli/a.cc", "#include \"host/run.h\"\n"),
    ("ladder", "lib/pipeline/a.cc", "#include \"host/run.h\"\n"),
    ("ladder", "tests/unit/a.cc", "#include \"nowhere.h\"\n"),
    ("byte-order", "lib/wire/a.cc", "int f(int x) { return ntohs(x); }\n"),
    ("byte-order", "apps/load/a.cc", "int f(int x) { return __builtin_bswap32(x); }\n"),
    ("clock", "lib/link/a.cc", "auto f() { return std::chrono::steady_clock::now(); }\n"),
    ("random", "lib/base/a.cc", "std::random_device d;\n"),
    ("dpdk", "lib/pipeline/a.cc", "rte_mbuf* m;\n"),
    ("dpdk", "apps/load/a.cc", "#include <rte_eal.h>\n"),
    ("dispatch", "lib/sim/a.cc", "struct A { virtual void f(); };\n"),
    ("dispatch", "lib/dpdk/a.cc", "std::function<void()> f;\n"),
    ("exceptions", "lib/wire/a.cc", "void f() { throw 1; }\n"),
    ("exceptions", "lib/dpdk/a.cc", "void f() { try { g(); } catch (...) {} }\n"),
    ("memory", "lib/transport/a.cc", "int* f() { return new int; }\n"),
    ("memory", "lib/pipeline/a.cc", "void* f() { return malloc(1); }\n"),
    ("line-length", "lib/base/a.cc", "// " + "x" * 98 + "\n"),
    ("line-length", "tools/demo", "# " + "x" * 99 + "\n"),
    ("spaces", "lib/base/a.cc", "int x; \n"),
    ("spaces", "lib/base/a.cc", "\tint x;\n"),
    ("spaces", "lib/base/a.cc", "int x;"),
    ("file-length", "lib/base/a.cc", "\n" * (FILE_LIMIT + 1)),
    ("file-length", "tests/unit/a.cc", "\n" * (TEST_LIMIT + 1)),
    ("header", "lib/base/a.h", "#include <new>\n#pragma once\n"),
    ("header", "tests/unit/a.h", "\n"),
    ("header", "lib/base/a.h", "#pragma once\nusing namespace std;\n"),
    ("undocumented", "lib/base/a.h", "#pragma once\n\nstruct Bare {\n};\n"),
    ("undocumented", "lib/base/a.h", "#pragma once\n\ntemplate <class T>\nclass Bare {\n};\n"),
    ("promise", "lib/base/a.cc", "// TODO later\n"),
    ("promise", "tests/unit/a.cc", "// TODO(ipv4): later\n"),
    ("promise", "tools/demo", "# FIXME\n"),
]
ELSEWHERE = {
    "lib/link/arp.h": "#pragma once\n", "lib/dpdk/port.h": "#pragma once\n",
    "lib/sim/world.h": "#pragma once\n", "apps/load/plan.h": "#pragma once\n",
    "lib/host/run.h": "#pragma once\n",
}


def made_up(files):
    """The faults of a tree that holds just these files."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        tree = Tree(root)
        tree.check()
        return tree.faults


def self_test():
    failed = 0
    good = {**GOOD, **ELSEWHERE}
    for fault in made_up(good):
        print(f"FAILED: found in a tree without fault: {fault}")
        failed += 1
    for rule, path, text in BAD:
        rules = {(found[0], found[1]) for found in made_up({**good, path: text})}
        if rules != {(rule, path)}:
            print(f"FAILED: {text!r} in {path}: wanted {rule}, found {sorted(rules)}")
            failed += 1
    print(f"{len(BAD) + 1} made-up trees, {failed} judged wrongly")
    return 1 if failed else 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    root = arguments[0] if arguments else os.path.join(os.path.dirname(__file__), "..")
    tree = Tree(os.path.abspath(root))
    tree.check()
    return report(tree)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
