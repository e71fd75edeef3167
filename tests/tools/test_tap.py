#!/usr/bin/python3
"""The counting of results: nothing that went wrong may pass for a success."""

import os
import subprocess
import sys
import tempfile
import unittest

import taptest

sys.path.insert(0, os.path.join(taptest.ROOT, "tools"))
from testrun import tap  # noqa: E402


class Counts(unittest.TestCase):
    def assertCounts(self, outcome, passed, failed, skipped=0):
        self.assertEqual((outcome.passed, outcome.failed, outcome.skipped), (passed, failed, skipped), outcome)

    def test_each_line_is_a_test(self):
        self.assertCounts(tap.judge("1..2\nok 1 - a\nnot ok 2 - b\n", 1, True), 1, 1)

    def test_several_groups_in_one_program(self):
        self.assertCounts(tap.judge("1..1\nok 1 - a\n1..2\nok 1 - b\nok 2 - c\n", 0, True), 3, 0)

    def test_names_of_failures(self):
        self.assertEqual(tap.judge("1..1\nnot ok 1 - broken_thing\n", 1, True).failures, ["broken_thing"])

    def test_cmocka_says_not_ok_for_a_skipped_test(self):
        self.assertCounts(tap.judge("1..1\nnot ok 1 # SKIP c\n", 0, True), 0, 0, 1)

    def test_a_failed_group_setup(self):
        outcome = tap.judge("1..2\nnot ok 0 - group [  FAILED  ] GROUP SETUP\n", 1, True)
        self.assertGreaterEqual(outcome.failed, 1)
        self.assertEqual(outcome.passed, 0)

    def test_lines_that_only_look_alike(self):
        self.assertCounts(tap.judge("1..1\nok, so far\n# not ok - group\nok 1 - a\n", 0, True), 1, 0)


class OwnTests(unittest.TestCase):
    """What these tests of ours print themselves."""

    def outcome_of(self, *body):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "program.py")
            with open(path, "w") as out:
                out.write("\n".join(["import sys", "import unittest", f"sys.path.insert(0, {os.path.dirname(taptest.__file__)!r})",
                                     "import taptest", "class Cases(unittest.TestCase):", *body, "taptest.main()"]))
            done = subprocess.run([sys.executable, path], capture_output=True, text=True)
            return tap.judge(done.stdout, done.returncode, True)

    def test_a_failure_in_a_part_of_a_test(self):
        outcome = self.outcome_of("    def test_parts(self):", "        for i in range(3):",
                                  "            with self.subTest(i): self.assertNotEqual(i, 1)",
                                  "    def test_whole(self): pass")
        self.assertEqual((outcome.passed, outcome.failed), (1, 1), outcome)
        self.assertIn("test_parts", outcome.failures[0])


class Failures(unittest.TestCase):
    def test_crash_after_some_results(self):
        outcome = tap.judge("1..3\nok 1 - a\n", -11, True)
        self.assertEqual((outcome.passed, outcome.failed), (1, 1))
        self.assertIn("signal 11", outcome.failures[0])

    def test_status_without_a_failed_line(self):
        self.assertEqual(tap.judge("1..1\nok 1 - a\n", 23, True).failures, ["exit status 23"])

    def test_crash_when_all_is_reported(self):
        self.assertEqual(tap.judge("1..1\nok 1 - a\n", -6, True).failed, 1)

    def test_no_output_where_a_plan_is_due(self):
        self.assertEqual(tap.judge("", 0, True).failures, ["no TAP plan in its output"])

    def test_time_limit(self):
        outcome = tap.judge("1..2\nok 1 - a\n", -9, True, timed_out=60)
        self.assertEqual((outcome.passed, outcome.failures), (1, ["still running after 60 s"]))

    def test_fewer_results_than_planned(self):
        self.assertEqual(tap.judge("1..2\nok 1 - a\n", 0, True).failed, 1)


class WithoutTap(unittest.TestCase):
    def test_status_zero(self):
        self.assertEqual(tap.judge("fine\n", 0, False).passed, 1)

    def test_other_status(self):
        self.assertEqual(tap.judge("", 2, False).failures, ["exit status 2"])

    def test_skip_status(self):
        self.assertEqual(tap.judge("", 77, False).skipped, 1)

    def test_skip_status_of_a_unit_test_is_a_failure(self):
        self.assertEqual(tap.judge("", 77, True).failed, 1)


taptest.main()
