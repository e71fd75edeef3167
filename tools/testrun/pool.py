"""Runs tests side by side, each in a process group of its own with a time limit."""

import os
import signal
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from testrun import tap

# What every test finds in its environment, unless Meson's own list says otherwise.
ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=0:detect_leaks=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
    "CMOCKA_MESSAGE_OUTPUT": "TAP",
    "NODE_PATH": "/usr/share/nodejs",
    "PYTHONDONTWRITEBYTECODE": "1",
}

# For those that look for mistakes with memory; others measure it, and filling what malloc returns would touch it.
FILLED_MEMORY = {"MALLOC_PERTURB_": "165"}


@dataclass
class Result:
    test: object
    outcome: tap.Outcome
    stdout: str
    stderr: str
    seconds: float


def _kill_group(pid):
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Pool:
    """`report(result)` is called for each test as it ends, one call at a time."""

    def __init__(self, root, report, width=None):
        self.root = root
        self.report = report
        self.width = width or os.cpu_count() or 1
        self.lock = threading.Lock()
        self.running = set()
        self.stopping = False

    def run(self, tests):
        """Runs those that may share the machine first, then the others one by one."""
        for width, group in ((self.width, [test for test in tests if not test.alone]),
                             (1, [test for test in tests if test.alone])):
            with ThreadPoolExecutor(width) as executor:
                try:
                    list(executor.map(self._run_one, group))
                except BaseException:
                    self.stop()
                    raise

    def stop(self):
        """Kills what runs; what has not started will not start."""
        with self.lock:
            self.stopping = True
            for pid in self.running:
                _kill_group(pid)

    def _run_one(self, test):
        started = time.monotonic()
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            process = self._start(test, stdout, stderr)
            if process is None:
                return
            status, timed_out = self._wait(process, test.limit)
            if self.stopping:
                return
            texts = [_read(stdout), _read(stderr)]
        outcome = tap.judge(texts[0], status, "unit" in test.suites, timed_out)
        with self.lock:
            self.report(Result(test, outcome, *texts, time.monotonic() - started))

    def _start(self, test, stdout, stderr):
        filled = FILLED_MEMORY if test.suites & {"unit", "wire"} else {}
        environment = {**os.environ, **ENVIRONMENT, **filled, **test.environment,
                       "SPOUT_SOURCE_ROOT": self.root,
                       "SPOUT_BUILD_ROOT": os.path.join(self.root, test.build.name)}
        with self.lock:
            if self.stopping:
                return None
            try:
                process = subprocess.Popen(test.command, cwd=test.directory, env=environment, stdout=stdout,
                                           stderr=stderr, stdin=subprocess.DEVNULL, start_new_session=True)
            except OSError as error:
                outcome = tap.Outcome(failures=[f"can't be started: {error}"])
                self.report(Result(test, outcome, "", "", 0.0))
                return None
            self.running.add(process.pid)
            return process

    def _wait(self, process, limit):
        timed_out = None
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            timed_out = limit
        with self.lock:
            self.running.discard(process.pid)
            _kill_group(process.pid)  # what ran into its limit, or what a test has left behind
        return process.wait(), timed_out


def _read(file):
    file.seek(0)
    return file.read().decode("utf-8", "replace")
