"""Counts the results of one test program: TAP lines where it prints them, else its exit status."""

import re
from dataclasses import dataclass, field

SKIPPED_STATUS = 77  # Meson's convention for a program that can't run here

_PLAN = re.compile(r"^1\.\.(\d+)")
_RESULT = re.compile(r"^(not )?ok (\d+)\b[ -]*(.*)$")
_SKIP = re.compile(r"#\s*SKIP\b", re.IGNORECASE)


@dataclass
class Outcome:
    passed: int = 0
    skips: list = field(default_factory=list)
    failures: list = field(default_factory=list)

    @property
    def skipped(self):
        return len(self.skips)

    @property
    def failed(self):
        return len(self.failures)


def _count_lines(stdout):
    """The outcome that the TAP lines state, and how many results were planned (None: no plan) and seen."""
    outcome, planned, seen = Outcome(), None, 0
    for line in stdout.splitlines():
        plan = _PLAN.match(line)
        if plan:
            planned = (planned or 0) + int(plan[1])
            continue
        result = _RESULT.match(line)
        if not result:
            continue
        seen += 1
        if _SKIP.search(result[3]):  # cmocka says "not ok" here, so this comes first
            outcome.skips.append(result[3])
        elif result[1]:
            outcome.failures.append(result[3] or f"test {result[2]}")
        else:
            outcome.passed += 1
    return outcome, planned, seen


def describe_status(status):
    return f"killed by signal {-status}" if status < 0 else f"exit status {status}"


def judge(stdout, status, needs_plan, timed_out=None):
    """The outcome of a program that has ended with `status` (negative: the signal), or ran into its limit."""
    outcome, planned, seen = _count_lines(stdout)
    if timed_out is not None:
        outcome.failures.append(f"still running after {timed_out} s")
    elif planned is None:
        return _judge_by_status(status, needs_plan)
    elif seen != planned:
        outcome.failures.append(f"{planned} tests planned, {seen} reported, {describe_status(status)}")
    elif status < 0 or (status != 0 and not outcome.failures):
        outcome.failures.append(describe_status(status))
    return outcome


def _judge_by_status(status, needs_plan):
    if status == SKIPPED_STATUS and not needs_plan:
        return Outcome(skips=[describe_status(status)])
    if status != 0:
        return Outcome(failures=[describe_status(status)])
    if needs_plan:
        return Outcome(failures=["no TAP plan in its output"])
    return Outcome(passed=1)
