#!/usr/bin/python3
"""Stops a program of the loop's tests under gdb and asks tools/spout-gdb.py where its coroutines are.

tests/loop/test_gdb.py BUILD_ROOT
"""

import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SKIPPED = 77
NO_PTRACE = ("Could not trace", "ptrace:", "Operation not permitted")
EXPECTED = [
    "locker (lock)",  # the list
    "sleeper (sleep)",
    "run_sync (running)",
    "dump_from_inside (",  # frames of the one that runs, inlined ones too
    "spout_sleep (",  # and of one that is suspended
    "spout_shield (",
]


def main():
    if not shutil.which("gdb"):
        print("no gdb here")
        return SKIPPED
    program = os.path.join(sys.argv[1], "tests", "loop", "test_dump")
    commands = [f"source {ROOT}/tools/spout-gdb.py", "set breakpoint pending on", "set print address on", "break spout_tasks_dump",
                "run", "spout tasks", "spout backtrace", "kill"]
    command = ["gdb", "-q", "-nx", "-batch", *(word for line in commands for word in ("-ex", line)), program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50)
    said = done.stdout + done.stderr
    if any(text in said for text in NO_PTRACE):
        print("gdb may not trace here")
        return SKIPPED
    missing = [text for text in EXPECTED if text not in said]
    if missing:
        print(f"missing: {missing}\n{said}")
    return 1 if missing else 0


sys.exit(main())
