#!/usr/bin/python3
"""Hostile texts cost time linear in their length: valgrind counts the instructions for one, two and four times a size.

test_linear.py PROGRAM
"""

import os
import re
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import taptest  # noqa: E402

PROGRAM = sys.argv.pop(1)
WORST = 2.3  # for each doubling; quadratic would be 4
LARGEST = {"query": 600_000, "query-names": 200_000, "parts": 500_000, "boundaries": 1 << 20, "boundary-beginnings": 1 << 20,
           "parts-in-pieces": 500_000, "beginnings-in-pieces": 1 << 20}
HEADER = 64 * 1024  # what a head may have


def instructions(*args):
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", PROGRAM, *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{args}: {done.stderr}")
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])


class Linear(unittest.TestCase):
    pass


def add(case):
    def test(self):
        largest = LARGEST.get(case, HEADER)
        costs = [instructions(case, size) - instructions(case, size, "text") for size in (largest // 4, largest // 2, largest)]
        for smaller, larger in zip(costs, costs[1:]):
            self.assertLessEqual(larger, WORST * smaller, f"{case}: {costs}")

    setattr(Linear, "test_" + case.replace("-", "_"), test)


for name in subprocess.run([PROGRAM], capture_output=True, text=True, check=True).stdout.split():
    add(name)

if __name__ == "__main__":
    taptest.main()
