#!/usr/bin/python3
"""The pool: time limits, what tests leave behind, programs that can't be started, order, interruption."""

import os
import select
import sys
import tempfile
import threading
import unittest

import taptest

sys.path.insert(0, os.path.join(taptest.ROOT, "tools"))
from testrun.builds import Build, Test  # noqa: E402
from testrun.pool import Pool  # noqa: E402

BUILD = Build("build", [], None)


def shell(script, suites=(), limit=30, alone=False):
    return Test(BUILD, script, ["/bin/sh", "-c", script], frozenset(suites), limit, {}, "/", alone)


def run(*tests, width=None):
    results = []
    Pool("/nonexistent", results.append, width).run(tests)
    return results


def dies(pid):
    """Whether the process has ended, or does so soon: who is killed may need a moment."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 20)[0])
    finally:
        os.close(handle)


class PoolTest(unittest.TestCase):
    def test_output_and_outcome(self):
        [result] = run(shell("echo 1..1; echo 'ok 1 - a'; echo noise >&2", {"unit"}))
        self.assertEqual((result.outcome.passed, result.outcome.failed), (1, 0))
        self.assertEqual(result.stderr, "noise\n")

    def test_noise_on_standard_error_does_not_break_lines(self):
        [result] = run(shell("printf 'ok 1'; echo not ok 2 >&2; echo ' - a'; echo 1..1"))
        self.assertEqual((result.outcome.passed, result.outcome.failed), (1, 0))

    def test_time_limit_kills_the_whole_group(self):
        [result] = run(shell("sleep 1000 & echo $!; sleep 1000", limit=0.3))
        self.assertIn("still running", result.outcome.failures[0])
        self.assertTrue(dies(int(result.stdout)))

    def test_what_a_test_leaves_behind_is_killed(self):
        [result] = run(shell("sleep 1000 >/dev/null 2>&1 & echo $!"))
        self.assertEqual(result.outcome.passed, 1)
        self.assertTrue(dies(int(result.stdout)))

    def test_crash(self):
        [result] = run(shell("kill -SEGV $$"))
        self.assertEqual(result.outcome.failures, ["killed by signal 11"])

    def test_missing_program(self):
        test = shell("")
        test.command = ["/nonexistent/program"]
        [result] = run(test)
        self.assertEqual(result.outcome.failed, 1)

    def test_environment(self):
        [result] = run(shell('test "$SPOUT_BUILD_ROOT" = /nonexistent/build && test "$CMOCKA_MESSAGE_OUTPUT" = TAP'))
        self.assertEqual(result.outcome.failures, [])

    def test_tests_that_must_be_alone_come_last_and_one_by_one(self):
        with tempfile.TemporaryDirectory() as folder:
            lock = f"mkdir {folder}/lock && sleep 0.1 && rmdir {folder}/lock"
            results = run(shell(lock + " # 1", alone=True), shell("true"), shell(lock + " # 2", alone=True), width=4)
        self.assertEqual(results[0].test.name, "true")
        self.assertEqual([result.outcome.failed for result in results], [0, 0, 0])

    def test_stop_ends_what_runs_and_starts_nothing_more(self):
        results, started = [], threading.Event()
        with tempfile.TemporaryDirectory() as folder:
            fifo = os.path.join(folder, "fifo")
            os.mkfifo(fifo)
            pool = Pool("/nonexistent", results.append, 1)
            runner = threading.Thread(target=pool.run, args=([shell(f"echo > {fifo}; sleep 1000"), shell("true")],))
            runner.start()
            with open(fifo, encoding="ascii") as file:
                file.read()
                started.set()
            pool.stop()
            runner.join(20)
        self.assertFalse(runner.is_alive())
        self.assertEqual(results, [])


taptest.main()
