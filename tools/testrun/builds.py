"""Build directories: how each is configured, what is built in it, and which tests it then offers."""

import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass, field

DEFAULT_LIMIT = 60  # seconds
MESON_DEFAULT_LIMIT = 30  # what Meson reports for a test that says nothing


class BuildFailed(Exception):
    pass


@dataclass
class Build:
    """One build directory. `run` picks the tests that run in it from their sets of suites."""

    name: str
    options: list
    run: object
    compiler: str = ""
    wrapper: list = field(default_factory=list)
    patience: int = 1  # what every time limit is multiplied by
    everything: bool = True  # False: only what the picked tests need
    label: str = ""  # what reports call it, if not by its name: a directory may have more than one pass
    environment: dict = field(default_factory=dict)  # of every test; those that set one of these themselves are left out

    @property
    def title(self):
        return self.label or self.name


@dataclass
class Test:
    build: Build
    name: str
    command: list
    suites: frozenset
    limit: int
    environment: dict
    directory: str
    alone: bool  # must not run beside others

    @property
    def title(self):
        return f"{self.build.title}: {self.name}"


def _run(command, environment=None):
    """Runs a build command; what it says is shown if it fails."""
    print("+ " + shlex.join(command), flush=True)
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        print(done.stdout, flush=True)
        raise BuildFailed(shlex.join(command))


def _compile(path, targets):
    """Runs ninja with its output going to ours: progress for a person, only warnings and errors for a file."""
    command = ["ninja", *([] if sys.stdout.isatty() else ["--quiet"]), "-C", path, *targets]
    print("+ " + shlex.join(command), flush=True)
    if subprocess.run(command, stderr=subprocess.STDOUT).returncode != 0:
        raise BuildFailed(shlex.join(command))


def introspect(path, what):
    result = subprocess.run(["meson", "introspect", "--" + what, path], capture_output=True, text=True)
    if result.returncode != 0:
        raise BuildFailed(f"meson introspect --{what} {path}: {result.stderr.strip()}")
    return json.loads(result.stdout)


def configure(build, root):
    """Sets the directory up, or brings an existing one to the wanted options. Returns its path."""
    path = os.path.join(root, build.name)
    environment = dict(os.environ, CC=build.compiler) if build.compiler else dict(os.environ)
    options = list(build.options)
    if os.environ.get("CI", "") not in ("", "0", "false"):
        options.append("-Dwerror=true")
    if not os.path.exists(os.path.join(path, "build.ninja")):
        _run(["meson", "setup", *options, path, root], environment)
        return path
    present = {option["name"]: option["value"] for option in introspect(path, "buildoptions")}
    changed = [option for option in options if not _is_set(option, present)]
    if changed:
        _run(["meson", "configure", path, *changed], environment)
    return path


def _is_set(option, present):
    name, value = option[len("-D"):].split("=", 1)
    have = present.get(name)
    return (str(have).lower() if isinstance(have, bool) else str(have)) == value


def _targets_of(tests, path):
    """What has to be built for these tests: the files in the build directory that their commands name."""
    targets = {os.path.relpath(word, path) for test in tests for word in test.command
               if word.startswith(path + os.sep)}
    return sorted(targets)


def compile_build(build, path, tests):
    if build.everything:
        _compile(path, [])
    elif tests:
        _compile(path, _targets_of(tests, path))


def list_tests(build, path):
    """The tests of the directory that this build is there for."""
    tests = []
    for entry in introspect(path, "tests"):
        suites = frozenset(suite.split(":", 1)[-1] for suite in entry["suite"])
        if build.run(suites) and not build.environment.keys() & entry["env"].keys():
            tests.append(_make_test(build, path, entry, suites))
    return tests


def _make_test(build, path, entry, suites):
    limit = entry["timeout"]
    if limit in (0, MESON_DEFAULT_LIMIT):
        limit = DEFAULT_LIMIT
    native = entry["cmd"][0].startswith(path + os.sep)
    return Test(build=build, name=entry["name"], suites=suites, limit=limit * build.patience,
                command=(build.wrapper if native else []) + entry["cmd"],
                environment={**entry["env"], **build.environment}, directory=entry["workdir"] or path,
                alone=not entry["is_parallel"])


def prepare(build, root):
    """Configures and compiles; returns the tests. BuildFailed says which command went wrong."""
    path = configure(build, root)
    tests = list_tests(build, path)
    compile_build(build, path, tests)
    # Compiling may have configured anew, and with that changed what there is to run.
    return list_tests(build, path)
