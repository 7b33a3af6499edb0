#!/usr/bin/env python3
"""Runs the scripts with packetdrill itself, where there is one.

    tests/packetdrill/run_packetdrill.py PLUGIN [SCRIPT...]

The program is $PACKETDRILL, or packetdrill in the path; without one exit 77, which is a skip. No
SCRIPT: all of the folder scripts/. Names what failed; exit 1 then.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

SKIP = 77


def flags_of(script):
    found = re.search(r"^// flags: *(.*?) *$", script.read_text(encoding="utf-8"), re.M)
    return found.group(1) if found else ""


def run(program, plugin, script):
    """Empty, or what packetdrill says of a failure."""
    command = [program, f"--so_filename={plugin}", f"--so_flags={flags_of(script)}",
               "--ip_version=ipv4", "--local_ip=192.168.0.1", "--strict_segments", str(script)]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    except subprocess.TimeoutExpired:
        return f"{script}: not over after a minute"
    text = done.stdout.decode(errors="replace").strip()
    return "" if done.returncode == 0 else text or f"{script}: exit {done.returncode}"


def main(arguments):
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    program = os.environ.get("PACKETDRILL") or shutil.which("packetdrill")
    if program is None:
        print("no packetdrill in the path, and $PACKETDRILL names none")
        return SKIP
    plugin = os.path.abspath(arguments[0])
    scripts = [pathlib.Path(each) for each in arguments[1:]]
    if not scripts:
        scripts = sorted(pathlib.Path(__file__).parent.glob("scripts/*/*.pkt"))
    failed = 0
    for script in scripts:
        text = run(program, plugin, script)
        if "mlockall" in text:
            print(f"packetdrill may not lock its memory here: {text}")
            return SKIP
        if text:
            failed += 1
            print(text)
    print(f"{len(scripts) - failed} of {len(scripts)} scripts passed")
    return 1 if failed or not scripts else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
