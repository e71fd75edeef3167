"""Programs of the build directory: started on a free port, their log read, stopped by their process ids."""

import os
import re
import signal
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("SPOUT_BUILD_ROOT", "build"))
PATIENCE = 20  # seconds that anything may take that is not a matter of time
# The runner sets these too; so a program can also be tried by hand.
ENVIRONMENT = {"ASAN_OPTIONS": "detect_stack_use_after_return=0:detect_leaks=1",
               "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1", **os.environ}

_LISTENING = re.compile(r" general\] listening on (\S+):(\d+)$")


def program(name):
    return os.path.join(BUILD, "demos", name)


def run_to_end(name, *arguments, cwd=None):
    """Runs a program that is expected to end by itself: the completed process, its outputs as text."""
    return subprocess.run([program(name), *arguments], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True,
                          timeout=PATIENCE)


def wait_until(condition, what, timeout=PATIENCE):
    """Waits for something that the other side does in its own time; returns what `condition` returned."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {timeout} s")
        time.sleep(0.01)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def hears(pid, signo):
    """Whether a process has a handler for a signal, and would run it now."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        masks = dict(line.split(":\t") for line in file if line.startswith("Sig"))
    blocked, caught = (int(masks[name], 16) >> (signo - 1) & 1 for name in ("SigBlk", "SigCgt"))
    return bool(caught and not blocked)


class Server:
    """A running program, behind a `wrapper` such as valgrind. With `port` 0 it chooses one, which is read from its log."""

    def __init__(self, name, *arguments, port=0, address="127.0.0.1", cwd=None, path=None, wrapper=()):
        self.command = [*wrapper, path or program(name), f"--port={port}", *([f"--address={address}"] if address else []),
                        *arguments]
        self.log = []
        self.address = self.port = None
        self._logged = threading.Condition()
        self.process = subprocess.Popen(self.command, cwd=cwd, env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                        errors="replace")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self._await_port()
        except BaseException:
            self.kill()
            raise

    @property
    def pid(self):
        return self.process.pid

    def _read(self):
        for line in self.process.stderr:
            with self._logged:
                self.log.append(line.rstrip("\n"))
                self._logged.notify_all()

    def _await_port(self):
        match = self.wait_for_line(_LISTENING.pattern)
        self.address, self.port = match[1], int(match[2])

    def wait_for_line(self, pattern, since=0):
        """The match of the first log line, from number `since` on, in which `pattern` is found."""
        def find():
            for line in self.log[since:]:
                match = re.search(pattern, line)
                if match:
                    return match
            return None

        end = time.monotonic() + PATIENCE
        with self._logged:
            while True:
                match = find()
                if match:
                    return match
                left = end - time.monotonic()
                if left <= 0 or not self._reader.is_alive():
                    raise AssertionError(f"no log line with {pattern!r}:\n" + "\n".join(self.log))
                self._logged.wait(min(left, 0.2))

    def send_signal(self, signo=signal.SIGTERM):
        self.process.send_signal(signo)  # nothing, if it has ended

    def wait(self):
        """The exit status, with the whole log read."""
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status

    def stop(self, signo=signal.SIGTERM):
        """Asks it to end and checks that it ended well: status 0, and no sanitizer had anything to say."""
        self.send_signal(signo)
        try:
            status = self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.command[0]} did not end after signal {signo}:\n" + self.tail())
        if status != 0:
            raise AssertionError(f"{self.command[0]} ended with status {status}:\n" + self.tail())

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE)
        self.process.stderr.close()

    def tail(self):
        return "\n".join(self.log[-60:])

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.stop()
        self.kill()
