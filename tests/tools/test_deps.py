#!/usr/bin/python3
"""tools/deps, with stand-ins for dpkg-query and apt-get: what it installs, and when it is content."""

import os
import shutil
import subprocess
import tempfile
import unittest

import taptest

TOOLS = ["sh", "dirname", "tr", "id", "env", "cat", "touch"]

PACKAGES = """\
# group package check
build   thing       cmd:thing-program
build   present     cmd:nothing-of-that-name
test    other       file:/nonexistent/*
"""

DPKG_QUERY = """#!/bin/sh
for package; do :; done
case "$package" in
present) echo installed ;;
*) test -e "$STATE/$package" && echo installed || { echo "no packages found matching $package" >&2; exit 1; } ;;
esac
"""

APT_GET = """#!/bin/sh
echo "apt-get $*" >> "$STATE/log"
test ! -e "$STATE/broken" || exit 100
for word; do
    case "$word" in thing | other) touch "$STATE/$word" ;; esac
done
"""


class DepsTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = self.folder.name
        os.makedirs(self.path("tools"))
        os.makedirs(self.path("bin"))
        os.makedirs(self.path("state"))
        shutil.copy(os.path.join(taptest.ROOT, "tools", "deps"), self.path("tools/deps"))
        self.write("packages.txt", PACKAGES)
        for tool in TOOLS:
            os.symlink(shutil.which(tool), self.path("bin/" + tool))
        self.write("bin/sudo", '#!/bin/sh\nexec "$@"\n')

    def path(self, name):
        return os.path.join(self.root, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), 0o755)

    def debian(self):
        self.write("bin/dpkg-query", DPKG_QUERY)
        self.write("bin/apt-get", APT_GET)

    def deps(self, *arguments):
        environment = {"PATH": self.path("bin"), "STATE": self.path("state")}
        done = subprocess.run([self.path("tools/deps"), *arguments], env=environment, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def apt_log(self):
        try:
            with open(self.path("state/log"), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def test_installs_what_is_missing_and_nothing_else(self):
        self.debian()
        status, output = self.deps("build")
        self.assertEqual(status, 0, output)
        self.assertIn("installing with apt-get: thing\n", output)
        self.assertRegex(self.apt_log(), "install -y --no-install-recommends thing\n")

    def test_second_run_does_nothing(self):
        self.debian()
        self.deps("build", "test")
        before = self.apt_log()
        self.assertEqual(self.deps("build", "test"), (0, ""))
        self.assertEqual(self.apt_log(), before)

    def test_command_from_another_source_will_do(self):
        self.debian()
        self.write("bin/thing-program", "#!/bin/sh\n")
        self.assertEqual(self.deps("build"), (0, ""))
        self.assertEqual(self.apt_log(), "")

    def test_check_installs_nothing(self):
        self.debian()
        self.assertEqual(self.deps("--check", "build", "test"), (1, "missing: thing other\n"))
        self.assertEqual(self.apt_log(), "")

    def test_apt_that_fails_is_an_error(self):
        self.debian()
        self.write("state/broken", "")
        self.assertNotEqual(self.deps("build")[0], 0)

    def test_system_without_apt(self):
        status, output = self.deps("test")
        self.assertEqual(status, 1)
        self.assertIn("Missing, by their Debian names: other", output)

    def test_system_without_apt_that_has_everything(self):
        self.write("bin/thing-program", "#!/bin/sh\n")
        self.write("bin/nothing-of-that-name", "#!/bin/sh\n")
        self.assertEqual(self.deps("build"), (0, ""))


taptest.main()
