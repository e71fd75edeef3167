#!/usr/bin/python3
"""What keeps a program from starting is told in one clear line, and its status isn't 0."""

import os
import socket
import subprocess
import tempfile
import unittest

import lib
from lib.client import request
from lib.server import Server, children, program, run_to_end, wait_until

DEMOS = ("helloworld", "realtime", "inspect")


class Startup(unittest.TestCase):
    def assert_refused(self, name, *arguments, says):
        done = run_to_end(name, *arguments)
        self.assertGreater(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertTrue(done.stderr.startswith(f"{name}: "), done.stderr)
        for word in says:
            self.assertIn(word, done.stderr)

    def test_port_in_use(self):
        for name in DEMOS:
            with Server(name) as first:
                self.assert_refused(name, f"--port={first.port}", "--address=127.0.0.1", says=(str(first.port), "in use"))
                self.assert_refused(name, f"--port={first.port}", says=(str(first.port), "in use"))
                self.assertLess(request(first.port, "GET", "/").status, 500)

    def test_port_in_use_with_workers(self):
        for theirs in ("--workers=1", "--workers=2"):
            for ours in ("--workers=1", "--workers=2"):
                with Server("helloworld", theirs) as first:
                    self.assert_refused("helloworld", f"--port={first.port}", "--address=127.0.0.1", ours,
                                        says=(str(first.port), "in use"))
                    self.assertEqual(request(first.port, "GET", "/").text, "Hello, world")

    def test_missing_static_folder(self):
        for name in ("realtime", "inspect"):
            self.assert_refused(name, "--port=0", "--static=/does/not/exist", says=("/does/not/exist",))

    def test_static_is_a_file(self):
        for name in ("realtime", "inspect"):
            with tempfile.NamedTemporaryFile() as file:
                self.assert_refused(name, "--port=0", f"--static={file.name}", says=(file.name,))

    def test_static_without_a_page(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assert_refused("realtime", "--port=0", f"--static={folder}", says=(folder,))

    def test_allowed_origin_that_is_none(self):
        for origin in ("example.org", "https://", "https://example.org/", "https://a.example,nonsense"):
            self.assert_refused("realtime", "--port=0", f"--allow-origin={origin}", says=("--allow-origin", "https://"))

    def test_takes_sockets_that_are_passed_on(self):
        """As systemd does it: LISTEN_FDS from descriptor 3 on, LISTEN_PID the process's own."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            script = 'exec 3<&"$0"; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'
            process = subprocess.Popen(["bash", "-c", script, str(listener.fileno()), program("helloworld")],
                                       pass_fds=[listener.fileno()], stderr=subprocess.PIPE, text=True)
            try:
                self.assertEqual(request(port, "GET", "/").text, "Hello, world")
                process.terminate()
                self.assertIn(f"listening on 127.0.0.1:{port} (passed on)", process.communicate(timeout=20)[1])
                self.assertEqual(process.returncode, 0)
            finally:
                process.kill()
                process.wait()

    def test_standard_descriptors_that_are_closed(self):
        """The log must not go into a socket that got the number of standard error."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "socket")
            process = subprocess.Popen(["bash", "-c", 'exec "$0" "$@" 0<&- 1>&- 2>&-', program("helloworld"),
                                        f"--address=unix:{path}", "--workers=2"])
            try:
                wait_until(lambda: os.path.exists(path) and len(children(process.pid)) == 2, "two workers")
                for pid in (process.pid, *children(process.pid)):
                    for fd in range(3):
                        self.assertEqual(os.readlink(f"/proc/{pid}/fd/{fd}"), "/dev/null")
                process.terminate()
                self.assertEqual(process.wait(20), 0)
            finally:
                process.kill()
                process.wait()

    def test_unknown_option(self):
        for name in DEMOS:
            self.assert_refused(name, "--prot=80", says=("--prot",))
            self.assert_refused(name, "--port=0", "-x", says=("-x",))

    def test_bad_values(self):
        for argument, word in (("--port=x", "x"), ("--port=", "--port"), ("--port=70000", "--port"), ("--port=-1", "--port"),
                               ("--workers=-1", "--workers"), ("--workers=many", "many"), ("--logging=loud", "loud"),
                               ("--max-body-size=10Q", "10Q"), ("--debug=perhaps", "perhaps"), ("--port", "--port"),
                               ("--address=300.1.2.3", "300.1.2.3"), ("stray", "stray")):
            self.assert_refused("helloworld", argument, says=(word,))

    def test_address_of_another_machine(self):
        self.assert_refused("helloworld", "--port=0", "--address=192.0.2.1", says=("192.0.2.1",))


if __name__ == "__main__":
    lib.run()
