#!/usr/bin/python3
"""The size report: it finds functions, their lengths and their depth."""

import os
import subprocess
import tempfile
import unittest

import taptest

SOURCE = """\
/* A comment with a { in it. */
static const int table[] = {
    1,
};

int spout_shallow(void)
{
    return table[0];
}

static int deep(int first,
    int second)
{
    while (first) {
        if (second) {
            first--;
        }
    }
    return 0;
}
"""


class Top(unittest.TestCase):
    def test_report(self):
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, "src", "base"))
            with open(os.path.join(root, "src", "base", "a.c"), "w", encoding="utf-8") as file:
                file.write(SOURCE)
            command = [os.path.join(taptest.ROOT, "tools", "top"), root]
            report = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        self.assertIn("1 files, 20 lines", report)
        self.assertIn("2 functions", report)
        self.assertRegex(report, r"\n +6  src/base/a.c:12 deep\(\)\n +1  src/base/a.c:6 spout_shallow\(\)")
        self.assertRegex(report, r"nesting \(levels\)\n +2  src/base/a.c:12 deep\(\)")

    def test_empty_tree(self):
        with tempfile.TemporaryDirectory() as root:
            subprocess.run([os.path.join(taptest.ROOT, "tools", "top"), root], capture_output=True, check=True)


taptest.main()
