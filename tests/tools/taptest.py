"""Runs the unittest cases of a module and prints TAP, so that each counts as a test of its own."""

import os
import resource
import signal
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True


class TapResult(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.number = 0
        self.parts = []  # what failed of the running test's subTests

    def _print(self, word, test, trace=""):
        self.number += 1
        for line in trace.splitlines():
            print("# " + line)
        print(f"{word} {self.number} - {test.id().split('.', 1)[-1]}", flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self._print("ok", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._print("not ok", test, self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self._print("not ok", test, self.errors[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            kind = self.failures if issubclass(err[0], test.failureException) else self.errors
            self.parts.append(f"{subtest}\n{kind[-1][1]}")

    def stopTest(self, test):
        super().stopTest(test)
        if self.parts:  # neither a success nor a failure was told
            self._print("not ok", test, "\n".join(self.parts))
            self.parts = []

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.number += 1
        print(f"ok {self.number} - {test.id()} # SKIP {reason}")


def heed_signals():
    """What runs in the background, or under nohup, ignores some of them, and so would all that tests start."""
    for number in signal.SIGHUP, signal.SIGINT, signal.SIGQUIT:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def allow_descriptors(count):
    """To this program and what it starts. Returns how many there may be: `count`, or fewer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


def main():
    heed_signals()
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    print(f"1..{suite.countTestCases()}", flush=True)
    result = TapResult()
    suite.run(result)
    sys.exit(0 if result.wasSuccessful() else 1)
