#!/usr/bin/env python3
"""What `meson install` leaves behind is complete: others build with it, and users run it."""

import concurrent.futures
import os
import re

import installed
import lab
import runner

PROGRAMS = ("pollux-bench", "pollux-httpd", "pollux-load")
CONSUMER = b"""
#include "host/run.h"
struct Quiet {
  struct Session {};
};
int main(int, char** argv) {
  Quiet quiet;
  const auto outcome = pollux::host::run({.device = argv[1], .address = argv[2]}, quiet);
  return pollux::host::exit_code(outcome);
}
"""


class Install(lab.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site = installed.site()

    def test_each_header_compiles_on_its_own(self):
        headers = []
        for folder, _, files in os.walk(self.site.headers):
            headers += [os.path.relpath(os.path.join(folder, name), self.site.headers)
                        for name in files]
        self.assertGreater(len(headers), 50)
        flags = self.site.flags("--cflags")

        def compile_alone(header):
            source = self.write(header.replace("/", "_") + ".cc", f'#include "{header}"\n'.encode())
            code, said = self.site.compile("-fsyntax-only", source, *flags)
            return f"{header}:\n{said}" if code else ""

        with concurrent.futures.ThreadPoolExecutor(len(lab.CPUS)) as pool:
            self.assertEqual([fault for fault in pool.map(compile_alone, headers) if fault], [])

    def test_nothing_names_the_source_tree(self):
        flags = " ".join(self.site.flags("--cflags", "--libs")) + " "
        self.assertNotIn(installed.SOURCE + "/", flags)
        self.assertNotIn(installed.BUILD + "/", flags)

    def link(self, libraries):
        """Links a program, and looks whether it runs; what readelf says of it."""
        source, out = self.write("consumer.cc", CONSUMER), self.path("consumer")
        code, said = self.site.compile(source, "-o", out, *self.site.flags("--cflags"), *libraries)
        self.assertEqual(code, 0, said)
        code, _, err = lab.run(out, "nonsense", "10.0.0.1/24", env=self.site.environment)
        self.assertEqual(code, 2, err)
        self.assertRegex(err, r"\Aerror: .*nonsense.*: .*; try: .*\n\Z")
        return lab.must(lab.tool("readelf", "binutils"), "-d", out)

    def test_a_program_links_with_the_shared_library(self):
        self.assertIn("libpollux.so.0", self.link(self.site.flags("--libs")))

    def test_a_program_links_with_the_static_library(self):
        archive = os.path.join(self.site.libraries, "libpollux.a")
        libraries = [archive if flag == "-lpollux" else flag for flag in self.site.flags("--libs")]
        self.assertIn(archive, libraries)
        self.assertNotIn("libpollux.so", self.link(libraries))
        # Which another version of the compiler could not read.
        self.assertNotIn(".gnu.lto_", lab.must(lab.tool("readelf", "binutils"), "-SW", archive))

    def test_the_programs_run_from_where_they_are(self):
        for name in PROGRAMS:
            path = os.path.join(self.site.prefix, "bin", name)
            self.assertEqual(lab.must(path, "--version").split()[0], name)

    def options_of(self, name):
        """As --help has them."""
        path = os.path.join(self.site.prefix, "bin", name)
        found = re.findall(r"(?m)^ +(?:-\w,)?(--[a-z-]+)", lab.must(path, "--help"))
        self.assertGreater(len(found), 20)
        return found

    def test_each_program_has_a_man_page_with_all_its_options(self):
        for name in PROGRAMS:
            page = os.path.join(self.site.prefix, "share", "man", "man1", f"{name}.1")
            with open(page, encoding="utf-8") as file:
                text = file.read()
            for option in self.options_of(name):
                self.assertIn(option.replace("-", r"\-"), text)

    def test_man_pages_are_good_roff(self):
        for name in PROGRAMS:
            page = os.path.join(self.site.prefix, "share", "man", "man1", f"{name}.1")
            self.assertEqual(lab.run(lab.tool("groff", "groff-base"), "-man", "-z", "-ww", page),
                             (0, "", ""))

    def complete(self, name, *words):
        folder = os.path.join(self.site.prefix, "share", "bash-completion", "completions")
        script = (f". {folder}/{name}.bash; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); "
                  f"_{name.replace('-', '_')}; echo \"${{COMPREPLY[@]}}\"")
        return lab.must(lab.tool("bash"), "-c", script, "bash", name, *words,
                        cwd=self.folder).split()

    def test_bash_completes_options_words_and_files(self):
        for name in PROGRAMS:
            self.assertEqual(set(self.complete(name, "--")) - {"--help", "--version"},
                             set(self.options_of(name)) - {"--help", "--version"})
        self.assertEqual(self.complete("pollux-httpd", "--gate"), ["--gateway"])
        self.assertEqual(self.complete("pollux-httpd", "--keep-alive", "o"), ["on", "off"])
        self.assertEqual(self.complete("pollux-load", "--cps", ""), [])
        self.write("summary-of-a-run.json", b"{}")
        self.assertEqual(self.complete("pollux-bench", "--json", "summary-of"),
                         ["summary-of-a-run.json"])


if __name__ == "__main__":
    runner.main()
