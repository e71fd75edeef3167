#!/usr/bin/python3
"""Build directories, with a small Meson project of our own, and the whole runner's closing line."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import taptest

sys.path.insert(0, os.path.join(taptest.ROOT, "tools"))
from testrun.builds import Build, BuildFailed, prepare  # noqa: E402

MESON = """\
project('small', 'c')
good = executable('good', 'good.c')
test('group/good', good, suite: 'unit', env: {'CHOICE': '1'})
test('slow', good, suite: ['unit', 'slow'], timeout: 200, is_parallel: false)
test('racy', good, suite: ['unit', 'tsan'])
test('status', find_program('sh'), args: ['-c', 'exit 3'], suite: 'e2e')
"""
GOOD = """\
#include <stdio.h>
int main(void)
{
    puts("1..2\\nok 1 - one\\nok 2 - two");
    return 0;
}
"""


class Small(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = self.folder.name
        self.write("meson.build", MESON)
        self.write("good.c", GOOD)

    def write(self, name, text):
        with open(os.path.join(self.root, name), "w", encoding="utf-8") as file:
            file.write(text)

    def quietly(self, build):
        """prepare(), with what Meson and ninja print kept out of our TAP."""
        saved, sink = os.dup(1), os.open(os.devnull, os.O_WRONLY)
        sys.stdout.flush()
        os.dup2(sink, 1)
        try:
            return prepare(build, self.root)
        finally:
            sys.stdout.flush()
            os.dup2(saved, 1)
            os.close(saved)
            os.close(sink)


class Prepare(Small):
    def test_picks_by_suite(self):
        tests = self.quietly(Build("b", [], lambda suites: "unit" in suites and "slow" not in suites))
        self.assertEqual(sorted(test.name for test in tests), ["group/good", "racy"])

    def test_limits_and_neighbours(self):
        tests = {test.name: test for test in self.quietly(Build("b", [], lambda suites: True, patience=2))}
        self.assertEqual((tests["group/good"].limit, tests["slow"].limit), (120, 400))
        self.assertEqual((tests["group/good"].alone, tests["slow"].alone), (False, True))

    def test_wrapper_is_for_our_programs_only(self):
        tests = {test.name: test for test in self.quietly(Build("b", [], lambda suites: True, wrapper=["wrap"]))}
        self.assertEqual(tests["slow"].command[0], "wrap")
        self.assertNotEqual(tests["status"].command[0], "wrap")

    def test_a_second_pass_with_another_environment(self):
        build = Build("b", [], lambda suites: "unit" in suites, label="b again", environment={"CHOICE": "2"})
        tests = {test.name: test for test in self.quietly(build)}
        self.assertEqual(tests["slow"].environment["CHOICE"], "2")
        self.assertEqual(tests["slow"].title, "b again: slow")
        self.assertNotIn("group/good", tests)  # chooses itself

    def test_builds_only_what_is_needed(self):
        self.quietly(Build("b", [], lambda suites: False, everything=False))
        self.assertFalse(os.path.exists(os.path.join(self.root, "b", "good")))
        self.quietly(Build("b", [], lambda suites: "tsan" in suites, everything=False))
        self.assertTrue(os.path.exists(os.path.join(self.root, "b", "good")))

    def test_options_of_an_existing_directory_are_mended(self):
        self.quietly(Build("b", [], lambda suites: True))
        self.quietly(Build("b", ["-Dwerror=true"], lambda suites: True))
        self.write("good.c", GOOD.replace("    return", "    int unused;\n    return"))
        with self.assertRaises(BuildFailed):
            self.quietly(Build("b", ["-Dwerror=true", "-Dwarning_level=3"], lambda suites: True))

    def test_broken_source(self):
        self.write("good.c", "int main(void) {")
        with self.assertRaises(BuildFailed):
            self.quietly(Build("b", [], lambda suites: True))


class Whole(Small):
    """tools/run-tests in the small project."""

    def run_tests(self, *arguments):
        tools = os.path.join(self.root, "tools")
        os.makedirs(os.path.join(tools, "lint"))
        shutil.copytree(os.path.join(taptest.ROOT, "tools", "testrun"), os.path.join(tools, "testrun"))
        for name in ["run-tests", "top", "lint/tree.py"]:
            shutil.copy(os.path.join(taptest.ROOT, "tools", name), os.path.join(tools, name))
        command = [os.path.join(tools, "run-tests"), "--build=build", *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode, done.stdout.splitlines()

    def test_counts(self):
        status, lines = self.run_tests()
        self.assertEqual((status, lines[-1]), (1, "5 passed, 1 failed"))  # the build, twice two lines, and "status"
        self.assertIn("  build: status: exit status 3", lines)
        with open(os.path.join(self.root, "build", "test-log.txt"), encoding="utf-8") as log:
            self.assertIn("ok 2 - two", log.read())

    def test_pattern(self):
        status, lines = self.run_tests("group/")
        self.assertEqual((status, lines[-1]), (0, "3 passed, 0 failed"))

    def test_build_that_fails(self):
        self.write("meson.build", "project('small', 'c')\nerror('no')\n")
        status, lines = self.run_tests()
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed"))


taptest.main()
