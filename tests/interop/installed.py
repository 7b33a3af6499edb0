"""The library as `meson install` leaves it, in a folder of the tests' own, and what uses it.

Only pkg-config says where it is: nothing of the source tree is named.
"""

import functools
import glob
import os
import shutil
import tempfile
import unittest

import lab

SOURCE = os.environ.get("POLLUX_SOURCE", "")
BUILD = os.environ.get("POLLUX_BUILD", "")
# Building is no matter of seconds on a busy machine.
PATIENCE = 500.0


class Site:
    """Where everything is."""

    def __init__(self):
        if not os.path.isfile(os.path.join(BUILD, "build.ninja")):
            raise unittest.SkipTest(f"no build folder '{BUILD}' (POLLUX_BUILD)")
        self._folder = tempfile.TemporaryDirectory(prefix="px-")
        self.folder = self._folder.name
        destination = os.path.join(self.folder, "destination")
        lab.must(lab.tool("meson"), "install", "-C", BUILD, "--no-rebuild", "--quiet",
                 "--destdir", destination, within=PATIENCE)
        self.libraries = os.path.dirname(os.path.dirname(_only(destination, "pollux.pc")))
        self.headers = os.path.dirname(_only(destination, "application", "application.h"))
        self.headers = os.path.dirname(self.headers)
        self.prefix = os.path.dirname(os.path.dirname(_only(destination, "bin", "pollux-httpd")))
        self.environment = {**os.environ, "LD_LIBRARY_PATH": self.libraries,
                            "PKG_CONFIG_PATH": os.path.join(self.libraries, "pkgconfig")}

    def flags(self, *what):
        return lab.must(lab.tool("pkg-config"), *what, "pollux", env=self.environment).split()

    def compile(self, *words):
        """The C++ compiler's exit code, and what it says."""
        code, out, err = lab.run(*os.environ.get("CXX", "c++").split(), "-std=c++20", *words,
                                 within=PATIENCE, cwd=self.folder, env=self.environment)
        return code, out + err

    @functools.cache
    def example(self, name):
        """Builds an example by its own meson file, away from the tree; where its programs are."""
        folder = os.path.join(self.folder, name)
        shutil.copytree(os.path.join(SOURCE, "examples", name), folder)
        # Little optimisation, for it is the compiler that takes the time.
        lab.must(lab.tool("meson"), "setup", "build", "--buildtype=plain", "-Doptimization=1",
                 cwd=folder, env=self.environment, within=PATIENCE)
        lab.must(lab.tool("ninja", "ninja-build"), "-C", "build", cwd=folder,
                 env=self.environment, within=PATIENCE)
        return os.path.join(folder, "build")


def _only(folder, *path):
    found = glob.glob(os.path.join(folder, "**", *path), recursive=True)
    if len(found) != 1:
        raise AssertionError(f"{os.path.join(*path)} was installed {len(found)} times: {found}")
    return found[0]


@functools.cache
def site():
    """Installed once for all tests of a file."""
    return Site()
