"""What the user sees of a test run, and the log that each build directory keeps."""

import os

TAIL_LINES = 120


class Report:
    def __init__(self, root):
        self.root = root
        self.passed = 0
        self.skips = []
        self.failures = []
        self.logs = {}

    def add_failure(self, title, reason):
        """A step that is not a test: a build that failed, a run that was interrupted."""
        self.failures.append(f"{title}: {reason}")
        print(f"FAIL {title}: {reason}", flush=True)

    def add(self, result):
        outcome, title = result.outcome, result.test.title
        self.passed += outcome.passed
        self.skips += [f"{title}: {skip}" for skip in outcome.skips]
        self.failures += [f"{title}: {failure}" for failure in outcome.failures]
        counts = f"{outcome.passed} passed"
        if outcome.failed:
            counts += f", {outcome.failed} failed"
        if outcome.skipped:
            counts += f", {outcome.skipped} skipped"
        word = "FAIL" if outcome.failed else "ok  "
        headline = f"{word} {title} ({counts}, {result.seconds:.1f} s)"
        print(headline)
        if outcome.failed:
            _print_tail("standard output", result.stdout)
            _print_tail("standard error", result.stderr)
        self._write_log(result, headline)

    def _write_log(self, result, headline):
        name = result.test.build.name
        if name not in self.logs:
            self.logs[name] = open(os.path.join(self.root, name, "test-log.txt"), "w", encoding="utf-8")
        self.logs[name].write(f"==== {headline}\n{' '.join(result.test.command)}\n{result.stdout}{result.stderr}\n")
        self.logs[name].flush()

    def close(self):
        """The closing lines. The very last one is for programs to read."""
        for log in self.logs.values():
            log.close()
        if self.failures:
            print("\nFailed:")
            for failure in self.failures:
                print("  " + failure)
        if self.skips:
            print("\nSkipped, not counted:")
            for skip in self.skips:
                print("  " + skip)
        print(f"{self.passed} passed, {len(self.failures)} failed", flush=True)
        return 1 if self.failures else 0


def _print_tail(what, text):
    lines = text.splitlines()
    if not lines:
        return
    cut = len(lines) - TAIL_LINES
    print(f"  ---- {what}" + (f", without its first {cut} lines" if cut > 0 else ""))
    for line in lines[-TAIL_LINES:]:
        print("  | " + line)
    print("", flush=True)
