#!/usr/bin/python3
"""Installs into an empty folder, then does what a user does: README's hello world, one cc line, curl.

tests/install/test_installed.py BUILD_DIRECTORY
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import taptest  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
LIMIT = 60  # seconds, for anything that is waited for


def output_of(*command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}")
    return done.stdout


def find(root, name):
    for folder, _, names in os.walk(root):
        if name in names:
            return folder
    raise AssertionError(f"{name} was not installed")


def readme_hello_world():
    with open(os.path.join(taptest.ROOT, "README.md"), encoding="utf-8") as file:
        return re.search(r"^```c\n(.*?)^```$", file.read(), re.MULTILINE | re.DOTALL)[1]


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.root = cls.folder.name
        output_of("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", cls.root)
        cls.packages = find(cls.root, "spout.pc")
        cls.libraries = os.path.dirname(cls.packages)
        # DESTDIR is not part of the prefix that spout.pc names, so the prefix is given here.
        cls.prefix = os.path.dirname(find(cls.root, "spout.h"))

    def pkg_config(self, *arguments):
        environment = dict(os.environ, PKG_CONFIG_PATH=self.packages)
        return output_of("pkg-config", "--define-variable=prefix=" + self.prefix, *arguments, "spout",
                         env=environment).split()

    def compile(self, name, source, *flags, compiler="cc"):
        program = os.path.join(self.root, name)
        path = program + (".cpp" if compiler == "c++" else ".c")
        with open(path, "w", encoding="utf-8") as file:
            file.write(source)
        output_of(compiler, path, "-o", program, *flags)
        return program

    def start(self, program):
        environment = dict(os.environ, LD_LIBRARY_PATH=self.libraries)
        process = subprocess.Popen([program, "--port=0", "--address=127.0.0.1"], env=environment,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        lines = []
        for line in process.stderr:
            lines.append(line)
            listening = re.search(r"listening on \S*:(\d+)", line)
            if listening:
                return process, int(listening[1])
        raise AssertionError("it does not say where it listens:\n" + "".join(lines))

    def assertServesHello(self, program):
        process, port = self.start(program)
        reply = output_of("curl", "-si", "--max-time", "20", f"http://127.0.0.1:{port}/")
        head, _, body = reply.replace("\r\n", "\n").partition("\n\n")
        self.assertTrue(head.startswith("HTTP/1.1 200 "), reply)
        self.assertIn("\ncontent-length: 12", head.lower())
        self.assertEqual(body, "Hello, world")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(LIMIT), 0)

    def test_one_cc_line(self):
        flags = self.pkg_config("--cflags", "--libs")
        self.assertServesHello(self.compile("hello", readme_hello_world(), "-Wall", "-Wextra", "-Werror", *flags))

    def test_static_library(self):
        flags = [flag for flag in self.pkg_config("--static", "--cflags", "--libs") if flag != "-lspout"]
        archive = os.path.join(self.libraries, "libspout.a")
        self.assertServesHello(self.compile("hello_static", readme_hello_world(), archive, *flags))

    def test_from_cplusplus(self):
        source = '#include <spout.h>\nint main() { return spout_version()[0] == 0; }\n'
        program = self.compile("version", source, "-std=c++17", *self.pkg_config("--cflags", "--libs"), compiler="c++")
        output_of(program, env=dict(os.environ, LD_LIBRARY_PATH=self.libraries))

    def test_versions_agree(self):
        with open(os.path.join(self.prefix, "include", "spout", "version.h"), encoding="utf-8") as file:
            header = re.search(r'SPOUT_VERSION "(.*)"', file.read())[1]
        self.assertEqual(self.pkg_config("--modversion"), [header])

    def test_only_the_api_is_exported(self):
        symbols = output_of("nm", "-D", "--defined-only", os.path.join(self.libraries, "libspout.so"))
        names = [line.split()[-1].split("@")[0] for line in symbols.splitlines()]
        foreign = [name for name in names if not name.startswith("spout_") and not name.startswith("SPOUT_")]
        self.assertEqual(foreign, [])


taptest.main()
